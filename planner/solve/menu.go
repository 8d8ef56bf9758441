package solve

import (
	"cmp"
	"math/bits"
	"slices"
)

// item is a useful option: time is what it adds to the finish when its init does not hold it up, dispatch included.
type item struct {
	time, cost int64
}

// arc is a segment in the solver's form.
type arc struct {
	tail, head         int32
	segment            int32
	itemsLo, itemsHi   int32 // its items, by rising time
	cornerLo, cornerHi int32 // the items on their lower convex hull
	cheapest           int64 // least cost of its items
	shift              int64 // ready >= time + shift for each of its items
	even               bool  // ready = time + shift for each of its items, or ready does not matter
}

// menus keeps the useful options of all arcs in a few arrays.
type menus struct {
	overlapped bool
	items      []item
	ready      []int64 // cold-overlapped only: the earliest finish, init + run
	option     []int32 // the option's index in its segment
	corners    []int32 // positions in items
}

// candidate is an option while its arc's items are chosen.
type candidate struct {
	time, cost, ready int64
	option            int32
}

// add appends the options of a segment that no other option of it beats in every respect, by rising time, and gives
// their range. Equal options count once, by the lowest index.
func (m *menus) add(in *Instance, options []Option, buffer *[]candidate) (lo, hi int32) {
	all := (*buffer)[:0]
	sorted := true
	for k := len(options) - 1; k >= 0; k-- { // larger memory sizes come last and are faster: by rising time
		o := &options[k]
		c := candidate{o.RunUs + in.DispatchUs, o.CostPicoUSD, 0, int32(k)}
		switch in.Scenario {
		case ColdSequential:
			c.time += o.InitUs
		case ColdOverlapped:
			c.ready = o.InitUs + o.RunUs
		}
		sorted = sorted && (len(all) == 0 || c.time >= all[len(all)-1].time)
		all = append(all, c)
	}
	*buffer = all
	if !sorted {
		slices.SortFunc(all, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(b.option, a.option))
		})
	}
	start := len(m.items)
	cheapest := start // the cheapest item so far; later ones are not faster
	for i := range all {
		c := &all[i]
		if len(m.items) > start && m.items[cheapest].cost <= c.cost && m.beaten(c, start, cheapest) {
			continue
		}
		if n := len(m.items) - 1; n >= start && m.items[n].time == c.time && c.cost <= m.items[n].cost && (!m.overlapped || c.ready <= m.ready[n]) {
			m.drop(n)
		}
		if len(m.items) == start || cheapest == len(m.items) || c.cost < m.items[cheapest].cost {
			cheapest = len(m.items)
		}
		m.items = append(m.items, item{c.time, c.cost})
		m.option = append(m.option, c.option)
		if m.overlapped {
			m.ready = append(m.ready, c.ready)
		}
	}
	return int32(start), int32(len(m.items))
}

// beaten reports whether an item is as good as c in every respect. An item equal to c takes c's index when that is lower.
func (m *menus) beaten(c *candidate, start, cheapest int) bool {
	if !m.overlapped || m.ready[cheapest] < c.ready {
		if x := &m.items[cheapest]; x.time == c.time && x.cost == c.cost && !m.overlapped {
			m.option[cheapest] = min(m.option[cheapest], c.option)
		}
		return true
	}
	for k := start; k < len(m.items); k++ {
		if x := &m.items[k]; x.cost <= c.cost && m.ready[k] <= c.ready {
			if x.time == c.time && x.cost == c.cost && m.ready[k] == c.ready {
				m.option[k] = min(m.option[k], c.option)
			}
			return true
		}
	}
	return false
}

// finish sets what sums up an arc's items.
func (m *menus) finish(a *arc) {
	a.even = true
	a.cheapest = m.items[a.itemsHi-1].cost
	if !m.overlapped {
		return
	}
	a.shift = m.ready[a.itemsLo] - m.items[a.itemsLo].time
	for k := a.itemsLo; k < a.itemsHi; k++ {
		shift := m.ready[k] - m.items[k].time
		a.even = a.even && shift == a.shift
		a.shift = min(a.shift, shift)
		a.cheapest = min(a.cheapest, m.items[k].cost)
	}
}

func (m *menus) drop(n int) {
	m.items, m.option = m.items[:n], m.option[:n]
	if m.overlapped {
		m.ready = m.ready[:n]
	}
}

// hull appends the corners of the lower convex hull of an arc's items in the (time, cost) plane, from the fastest item
// to the cheapest, and gives their range. Every direction with positive weights is least at one of them.
func (m *menus) hull(lo, hi int32, dearest int64) (cornerLo, cornerHi int32) {
	start := len(m.corners)
	for k := lo; k < hi; k++ {
		p := m.items[k]
		if p.cost > dearest {
			continue
		}
		if n := len(m.corners); n > start && p.cost >= m.items[m.corners[n-1]].cost {
			continue // in cold-overlapped items may be slower and dearer but ready earlier
		}
		for len(m.corners) > start {
			n := len(m.corners)
			b := m.items[m.corners[n-1]]
			if b.time == p.time {
				m.corners = m.corners[:n-1]
				continue
			}
			if n-start < 2 {
				break
			}
			a := m.items[m.corners[n-2]]
			// b is a corner when the cost falls faster from a to b than from b to p
			if above(a.cost-b.cost, p.time-b.time, b.cost-p.cost, b.time-a.time) {
				break
			}
			m.corners = m.corners[:n-1]
		}
		m.corners = append(m.corners, k)
	}
	return int32(start), int32(len(m.corners))
}

// above reports a*b > c*d for amounts that are not negative, without overflow.
func above(a, b, c, d int64) bool {
	if a|b|c|d < 1<<31 {
		return a*b > c*d
	}
	h, l := bits.Mul64(uint64(a), uint64(b))
	g, k := bits.Mul64(uint64(c), uint64(d))
	return h > g || h == g && l > k
}
