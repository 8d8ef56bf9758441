package solve

import (
	"cmp"
	"math/bits"
	"slices"
)

// item is an option that no other of its segment beats in every respect.
type item struct {
	time, cost int64 // time is what it adds to a finish that its init does not hold up, dispatch included
	ready      int64 // cold-overlapped: the earliest finish, init + run; 0 otherwise
	option     int32 // its index in the segment
}

// arc is a segment in the solver's form.
type arc struct {
	tail, head         int32
	segment            int32
	itemsLo, itemsHi   int32 // its items inside the box, by rising time, once they are needed
	cornerLo, cornerHi int32 // the items on their lower convex hull, from the fastest to the cheapest

	fastest, cheapest item  // each the best in the other respect among its equals
	shift             int64 // cold-overlapped: ready >= time + shift for each of its items
	even              bool  // ready = time + shift for each of its items, or ready does not matter
}

// menus keeps the items of all arcs.
type menus struct {
	overlapped bool
	items      []item
	corners    []item
	sorted     []item
}

// rule turns options into items. The masks are all ones or zero, so that the loops over all options do not branch.
type rule struct {
	dispatch               int64
	sequential, overlapped int64
}

func (in *Terms) rule() rule {
	r := rule{dispatch: in.DispatchUs}
	switch in.Scenario {
	case ColdSequential:
		r.sequential = -1
	case ColdOverlapped:
		r.overlapped = -1
	}
	return r
}

func (r *rule) time(o *Option) int64 { return o.RunUs + o.InitUs&r.sequential + r.dispatch }

func (r *rule) item(o *Option, index int) item {
	return item{r.time(o), o.CostPicoUSD, (o.InitUs + o.RunUs) & r.overlapped, int32(index)}
}

// survey fills in what sums up an arc's options. It is the only step that reads all options of all segments.
func (a *arc) survey(r *rule, options []Option) {
	init := options[0].InitUs
	least, uneven := init, false
	fast, cheap := item{time: unreachable}, item{cost: unreachable}
	for k := range options {
		o := &options[k]
		if o.InitUs != init {
			least, uneven = min(least, o.InitUs), true
		}
		t, c := r.time(o), o.CostPicoUSD
		if t <= fast.time && (t < fast.time || c < fast.cost) {
			fast.time, fast.cost, fast.option = t, c, int32(k)
		}
		if c <= cheap.cost && (c < cheap.cost || t < cheap.time) {
			cheap.time, cheap.cost, cheap.option = t, c, int32(k)
		}
	}
	a.fastest, a.cheapest = fast, cheap
	a.even = true
	if r.overlapped != 0 {
		a.even, a.shift = !uneven, least-r.dispatch
	}
}

// least finds the option inside the box that is least in a direction; false when none is inside.
func (r *rule) least(options []Option, box item, d direction) (best item, ok bool) {
	value, at := int64(unreachable), 0
	for k := range options {
		o := &options[k]
		t := r.time(o)
		if t > box.time || o.CostPicoUSD > box.cost {
			continue
		}
		if v := d.value(t, o.CostPicoUSD); v < value {
			value, at = v, k
		}
	}
	return r.item(&options[at], at), value < unreachable
}

// hull sets the corners of an arc's items inside the box. Every direction with positive weights is least at one of them.
// It gives false when no item is inside.
func (m *menus) hull(r *rule, a *arc, options []Option, box item) bool {
	start := len(m.corners)
	a.itemsLo, a.itemsHi = -1, -1
	// Larger memory sizes come last and are faster, so options usually come by falling time; then the hull can be built
	// without sorting. It needs no dominated options: whatever lies above it is dropped.
	sorted := a.even
	last := int64(-1)
	for k := len(options) - 1; k >= 0 && sorted; k-- {
		x := r.item(&options[k], k)
		if x.time > box.time || x.cost > box.cost {
			continue
		}
		sorted = x.time >= last
		last = x.time
		m.corner(start, x)
	}
	if !sorted {
		m.corners = m.corners[:start]
		m.fill(r, a, options, box)
		for k := a.itemsLo; k < a.itemsHi; k++ {
			m.corner(start, m.items[k])
		}
	}
	a.cornerLo, a.cornerHi = int32(start), int32(len(m.corners))
	return start < len(m.corners)
}

// list sets the items of a stage of a law at the sizes from low to before high inside a box, and their corners. It gives false when
// there are none.
func (m *menus) list(l *law, r *rule, a *arc, low, high int32, box item) bool {
	first, start := len(m.items), len(m.corners)
	m.items = l.items(&l.problem.Stages[a.segment], r, low, high, box, m.items)
	for k := first; k < len(m.items); k++ {
		m.corner(start, m.items[k])
	}
	a.itemsLo, a.itemsHi = int32(first), int32(len(m.items))
	a.cornerLo, a.cornerHi = int32(start), int32(len(m.corners))
	return first < len(m.items)
}

// corner adds an item that is no faster than those before to the hull that begins at start.
func (m *menus) corner(start int, x item) {
	n := len(m.corners)
	if n > start && (x.cost > m.corners[n-1].cost || x.cost == m.corners[n-1].cost && x.time > m.corners[n-1].time) {
		return
	}
	for ; n > start; n-- {
		b := &m.corners[n-1]
		if b.time == x.time {
			continue
		}
		if n-start < 2 {
			break
		}
		a := &m.corners[n-2]
		// b is a corner when the cost falls faster from a to b than from b to x
		if above(a.cost-b.cost, x.time-b.time, b.cost-x.cost, b.time-a.time) {
			break
		}
	}
	m.corners = append(m.corners[:n], x)
}

// least finds the least of the corners from lo to before hi by bisection: along a hull values fall, then rise.
func (m *menus) least(d direction, lo, hi int32) int32 {
	hi--
	for lo < hi {
		mid := (lo + hi) >> 1
		x, y := &m.corners[mid], &m.corners[mid+1]
		if d.a*(x.cost-y.cost) > d.b*(y.time-x.time) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// fill lists the items of an arc inside the box by rising time. Equal options count once, by the lowest index.
func (m *menus) fill(r *rule, a *arc, options []Option, box item) {
	all := m.sorted[:0]
	sorted := true
	for k := len(options) - 1; k >= 0; k-- {
		x := r.item(&options[k], k)
		if x.time > box.time || x.cost > box.cost || x.ready > box.time {
			continue
		}
		sorted = sorted && (len(all) == 0 || all[len(all)-1].time < x.time)
		all = append(all, x)
	}
	m.sorted = all
	if !sorted {
		slices.SortFunc(all, func(x, y item) int {
			return cmp.Or(cmp.Compare(x.time, y.time), cmp.Compare(x.cost, y.cost), cmp.Compare(x.ready, y.ready), cmp.Compare(x.option, y.option))
		})
	}
	start := len(m.items)
	cheapest := start // those after it are neither faster nor cheaper
	for i := range all {
		x := &all[i]
		switch {
		case len(m.items) == start || x.cost < m.items[cheapest].cost:
			cheapest = len(m.items)
		case m.beaten(x, start, cheapest):
			continue
		}
		m.items = append(m.items, *x)
	}
	a.itemsLo, a.itemsHi = int32(start), int32(len(m.items))
}

// beaten reports whether an item, all of which are as fast as x and the cheapest as cheap, is as good in every respect.
func (m *menus) beaten(x *item, start, cheapest int) bool {
	if m.items[cheapest].ready <= x.ready {
		return true
	}
	for k := start; k < len(m.items); k++ {
		if m.items[k].cost <= x.cost && m.items[k].ready <= x.ready {
			return true
		}
	}
	return false
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
