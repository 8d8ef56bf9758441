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

	fastest, cheapest       item  // each the best in the other respect among its equals
	fastOption, cheapOption int32 // their indices in the segment
	shift                   int64 // cold-overlapped: ready >= time + shift for each of its items
	even                    bool  // ready = time + shift for each of its items, or ready does not matter
}

// menus keeps the useful options of all arcs in a few arrays.
type menus struct {
	overlapped bool
	items      []item
	ready      []int64 // cold-overlapped only: the earliest finish, init + run
	option     []int32 // the option's index in its segment
	corners    []int32 // positions in items
	candidates []candidate
}

// candidate is an option while its arc's items are chosen.
type candidate struct {
	time, cost, ready int64
	option            int32
}

// survey fills in what sums up an arc's options. It is the only step that reads all options of all segments.
func (a *arc) survey(in *Instance, options []Option) {
	sequential := int64(0) // all ones when an init adds to the time
	if in.Scenario == ColdSequential {
		sequential = -1
	}
	init := options[0].InitUs
	least := init
	fast, cheap := item{unreachable, 0}, item{0, unreachable}
	for k := range options {
		o := &options[k]
		least = min(least, o.InitUs)
		a.even = a.even || o.InitUs != init // uneven, for now
		t, c := o.RunUs+o.InitUs&sequential, o.CostPicoUSD
		if t <= fast.time && (t < fast.time || c < fast.cost) {
			fast = item{t, c}
			a.fastOption = int32(k)
		}
		if c <= cheap.cost && (c < cheap.cost || t < cheap.time) {
			cheap = item{t, c}
			a.cheapOption = int32(k)
		}
	}
	fast.time += in.DispatchUs
	cheap.time += in.DispatchUs
	a.fastest, a.cheapest = fast, cheap
	if in.Scenario == ColdOverlapped {
		a.even, a.shift = !a.even, least-in.DispatchUs
	} else {
		a.even = true
	}
}

// fill appends the options of an arc that are inside the box and that no other option of it beats in every respect, by
// rising time. Equal options count once, by the lowest index. It gives false when there are none.
func (m *menus) fill(in *Instance, a *arc, options []Option, box item) bool {
	start := len(m.items)
	if !a.even || !m.fillSorted(in, a, options, box) {
		m.fillAny(in, options, box)
	}
	a.itemsLo, a.itemsHi = int32(start), int32(len(m.items))
	return start < len(m.items)
}

// fillSorted is for options in the order of falling time, as larger memory sizes have them, and inits that do not
// matter; it gives false for others.
func (m *menus) fillSorted(in *Instance, a *arc, options []Option, box item) bool {
	start := len(m.items)
	last := item{-1, unreachable}
	for k := len(options) - 1; k >= 0; k-- {
		o := &options[k]
		x := item{o.RunUs + in.DispatchUs, o.CostPicoUSD}
		if in.Scenario == ColdSequential {
			x.time += o.InitUs
		}
		if x.time < last.time {
			m.drop(start)
			return false
		}
		if x.cost > last.cost || x.cost == last.cost && x.time > last.time || x.cost > box.cost || x.time > box.time {
			continue
		}
		if x.time == last.time {
			m.drop(len(m.items) - 1)
		}
		last = x
		m.items = append(m.items, x)
		m.option = append(m.option, int32(k))
		if m.overlapped {
			m.ready = append(m.ready, x.time+a.shift)
		}
	}
	return true
}

// fillAny sorts the options first.
func (m *menus) fillAny(in *Instance, options []Option, box item) {
	all := m.candidates[:0]
	for k := range options {
		o := &options[k]
		c := candidate{o.RunUs + in.DispatchUs, o.CostPicoUSD, 0, int32(k)}
		switch in.Scenario {
		case ColdSequential:
			c.time += o.InitUs
		case ColdOverlapped:
			c.ready = o.InitUs + o.RunUs
		}
		if c.time <= box.time && c.cost <= box.cost && c.ready <= box.time {
			all = append(all, c)
		}
	}
	m.candidates = all
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.cost, b.cost), cmp.Compare(a.ready, b.ready), cmp.Compare(a.option, b.option))
	})
	start := len(m.items)
	cheapest := start // those after it are neither faster nor cheaper
	for i := range all {
		c := &all[i]
		if len(m.items) > start && m.items[cheapest].cost <= c.cost && m.beaten(c, start, cheapest) {
			continue
		}
		if len(m.items) == start || c.cost < m.items[cheapest].cost {
			cheapest = len(m.items)
		}
		m.items = append(m.items, item{c.time, c.cost})
		m.option = append(m.option, c.option)
		if m.overlapped {
			m.ready = append(m.ready, c.ready)
		}
	}
}

// beaten reports whether an item, all of which are as fast as c, is as good as c in every respect.
func (m *menus) beaten(c *candidate, start, cheapest int) bool {
	if !m.overlapped || m.ready[cheapest] <= c.ready {
		return true
	}
	for k := start; k < len(m.items); k++ {
		if m.items[k].cost <= c.cost && m.ready[k] <= c.ready {
			return true
		}
	}
	return false
}

func (m *menus) drop(n int) {
	m.items, m.option = m.items[:n], m.option[:n]
	if m.overlapped {
		m.ready = m.ready[:n]
	}
}

// hull appends the corners of the lower convex hull of an arc's items in the (time, cost) plane, from the fastest item
// to the cheapest, and gives their range. Every direction with positive weights is least at one of them.
func (m *menus) hull(lo, hi int32) (cornerLo, cornerHi int32) {
	start := len(m.corners)
	for k := lo; k < hi; k++ {
		p := m.items[k]
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
