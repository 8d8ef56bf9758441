package solve

import "sort"

// survivor is an item of an arc that can be part of a point between two neighbouring plans.
type survivor struct {
	item
	bound      int64 // of the value of every plan through it
	tail, head int32
	segment    int32
}

// buckets is the number of slices into which the time of a window is cut.
const buckets = 256

// search is the second phase's memory, used again for every pair of plans.
type search struct {
	survivors []survivor
	labels    []label   // of states done with
	fronts    [][]label // of states still growing
	touched   []int32   // states with a front
	batch     []label
	spare     []label

	quickest, leanest []int64 // per state: bounds of the time and the cost to the sink
	idle              []int64 // per node: the finish before which nothing can go on, as every survivor waits for its init

	start  int64              // least cost of a plan known before the first slice
	least  [buckets + 1]int64 // least cost of a plan known in a slice of time
	limits                    // in the direction last swept
}

func (h *search) size(states int) {
	if len(h.fronts) < states {
		h.fronts = make([][]label, states)
		h.quickest, h.leanest, h.idle = make([]int64, states), make([]int64, states), make([]int64, states)
	}
}

// leaf finds the points of the frontier from p to q, both included, of at most the given value in the direction last
// swept over the list; or it gives a known plan between p and q at which the work is better divided.
func (s *solver) leaf(p, q *plan, list []entry, d direction, limit int64, divisible bool) (bend *plan) {
	if s.stopped {
		s.open = append(s.open, window{p.time, q.time, d, s.least()})
		return nil
	}
	h := &s.search
	limit = min(limit, s.known.ceiling(p, q, d))
	scale := s.clock.scale(p, q)
	s.survive(p, q, list, d, limit, scale)
	ok := true
	if len(h.survivors) > trialSize {
		// A first search that keeps few labels per state is short and finds plans that lower the limits of the second.
		if ok = s.labelSearch(p, q, d, scale, trialBeam); ok {
			for _, l := range h.fronts[s.states-1] {
				h.known(s.clock, l.time, l.cost, p, scale)
				s.known.learn(l.time, l.cost)
			}
			s.known.settle()
		}
		h.reset(s.states)
		s.limit(p, q, d, limit, scale)
		left := h.survivors[:0]
		for i := range h.survivors {
			if h.survivors[i].bound <= h.from[0] {
				left = append(left, h.survivors[i])
			}
		}
		h.survivors = left
		if divisible && ok && len(left) > trialSize {
			if bend = s.bend(p, q, d); bend != nil {
				return bend
			}
		}
	}
	if ok = ok && s.labelSearch(p, q, d, scale, 0); ok {
		for i := range h.fronts[s.states-1] {
			if s.clock.up(h.fronts[s.states-1][i].time) >= p.time { // others belong to the windows before
				s.keepLabel(&h.fronts[s.states-1][i])
				s.broken = s.broken || !s.allowed(int(h.fronts[s.states-1][i].stages))
			}
			s.known.learn(h.fronts[s.states-1][i].time, h.fronts[s.states-1][i].cost)
		}
		s.known.settle()
	} else {
		s.stopped = true
		s.open = append(s.open, window{p.time, q.time, d, s.least()})
	}
	h.reset(s.states)
	return nil
}

// bend finds the known plan that is farthest below the line from p to q, if that is a large part of what separates the
// bounds.
func (s *solver) bend(p, q *plan, d direction) *plan {
	p, q = s.known.refresh(p), s.known.refresh(q)
	z := s.lowest(p, q, d)
	if z == nil || !s.splits(z, p, q, d) {
		return nil
	}
	if sag := min(d.value(p.time, p.cost), d.value(q.time, q.cost)) - d.value(z.time, z.cost); sag < (s.search.from[0]-s.least())/bendPart {
		return nil
	}
	return z
}

// lowest finds the known plan between p and q that is least in a direction.
func (s *solver) lowest(p, q *plan, d direction) (z *plan) {
	for n := s.known.before(p.time + 1); n < len(s.known.points) && s.known.points[n].time < q.time; n++ {
		if x := s.known.points[n]; z == nil || d.value(x.time, x.cost) < d.value(z.time, z.cost) {
			z = &plan{time: x.time, cost: x.cost}
		}
	}
	return z
}

const (
	trialSize = 500 // survivors that are worth a first search
	trialBeam = 16  // labels per state that it keeps
	bendPart  = 8   // a bend counts from this part of the distance between the bounds
)

// labelSearch sets labels over the survivors and leaves the front of the sink at the last state; it gives false at the
// limit of labels.
func (s *solver) labelSearch(p, q *plan, d direction, scale uint, beam int) bool {
	h := &s.search
	h.labels = append(h.labels[:0], label{parent: -1})
	s.remaining()
	for k := 0; k < s.layers; k++ {
		if !s.extend(p, q, d, k, scale, beam) {
			return false
		}
	}
	for v := s.nodes - 1; v < s.states-1; v += s.nodes {
		if s.isEnd(v) && len(h.fronts[v]) > 0 {
			h.spare = merge(s.clock, h.fronts[s.states-1], h.fronts[v], h.spare)
			h.fronts[s.states-1], h.spare = h.spare, h.fronts[s.states-1]
		}
	}
	return true
}

// remaining bounds the time and the cost from every state to the sink by the survivors.
func (s *solver) remaining() {
	h := &s.search
	for v := range s.states {
		h.quickest[v], h.leanest[v] = unreachable, unreachable
		if s.isEnd(v) {
			h.quickest[v], h.leanest[v] = 0, 0
		}
	}
	for v := range s.nodes {
		h.idle[v] = 0
	}
	if s.menus.overlapped {
		for i := len(h.survivors) - 1; i >= 0; i-- {
			x := &h.survivors[i]
			if last := i == len(h.survivors)-1 || h.survivors[i+1].tail != x.tail; last || x.ready-x.time < h.idle[x.tail] {
				h.idle[x.tail] = max(0, x.ready-x.time)
			}
		}
	}
	for layer := s.layers - 1; layer >= 0; layer-- {
		quickest, leanest := h.quickest[layer*s.step:], h.leanest[layer*s.step:]
		quickNext, leanNext := h.quickest[(layer+1)*s.step:], h.leanest[(layer+1)*s.step:]
		for i := len(h.survivors) - 1; i >= 0; i-- {
			x := &h.survivors[i]
			quickest[x.tail] = min(quickest[x.tail], quickNext[x.head]+x.time)
			leanest[x.tail] = min(leanest[x.tail], leanNext[x.head]+x.cost)
		}
	}
}

// scale gives the power of two of steps that cuts the time from p to q into slices.
func (c clock) scale(p, q *plan) uint {
	scale := uint(0)
	for c.slice(p.time, q.time, scale) >= buckets {
		scale++
	}
	return scale
}

// forget drops the plans known by slice.
func (h *search) forget() {
	for k := range h.least {
		h.least[k] = unreachable
	}
}

// reset empties the fronts.
func (h *search) reset(states int) {
	for _, v := range h.touched {
		h.fronts[v] = h.fronts[v][:0]
	}
	h.fronts[states-1] = h.fronts[states-1][:0]
	h.touched = h.touched[:0]
}

// limits says how great a value a point of the frontier can have in some direction, by slices of time.
type limits struct {
	used  int                // slices up to the end of the window
	until [buckets]int64     // in a slice or an earlier one
	from  [buckets + 1]int64 // in a slice or a later one
}

// set computes the limits from the plans known: a point in a slice costs no more than the plans of the slices before.
func (l *limits) set(c clock, h *search, p, q *plan, d direction, limit int64, scale uint) {
	cost := h.start
	most := int64(-unreachable)
	l.used = min(int(c.slice(p.time, q.time, scale))+1, buckets)
	for k := range l.used {
		end := min(c.last(p.time, int64(k), scale), q.time)
		if c.step > 1 && scale == 0 {
			cost = min(cost, h.least[k]) // a slice of one step: no point of it is dearer than a plan known in it
		}
		l.from[k] = -unreachable
		if c.last(p.time, int64(k)-1, scale)+c.step <= q.time {
			l.from[k] = min(limit, d.value(end, cost))
		}
		most = max(most, l.from[k])
		l.until[k] = most
		cost = min(cost, h.least[k])
	}
	l.from[l.used] = -unreachable
	for k := l.used - 1; k >= 0; k-- {
		l.from[k] = max(l.from[k], l.from[k+1])
	}
}

// cut narrows a range of slices to those in which a point of at least the given value can be.
func (l *limits) cut(value int64, first, last int) (int, int) {
	if l.from[first] < value || l.until[last] < value {
		return 1, 0
	}
	if l.from[last] < value { // the last slice with from >= value
		lo, hi := first, last
		for lo < hi-1 {
			if mid := (lo + hi) >> 1; l.from[mid] >= value {
				lo = mid
			} else {
				hi = mid
			}
		}
		last = lo
	}
	if l.until[first] < value { // the first slice with until >= value
		lo, hi := first, last
		for lo < hi-1 {
			if mid := (lo + hi) >> 1; l.until[mid] >= value {
				hi = mid
			} else {
				lo = mid
			}
		}
		first = hi
	}
	return first, last
}

// limit sets the limits of all directions.
func (s *solver) limit(p, q *plan, d direction, limit int64, scale uint) {
	h := &s.search
	h.set(s.clock, h, p, q, d, limit, scale)
	for _, f := range s.frames {
		f.set(s.clock, h, p, q, f.d, unreachable, scale)
	}
}

// least gives the least value of any plan in the direction last swept.
func (s *solver) least() int64 {
	least := int64(unreachable)
	for v := s.nodes - 1; v < s.states; v += s.nodes {
		switch {
		case !s.isEnd(v):
		case s.menus.overlapped:
			least = min(least, s.overlap.ahead[v][slopes-1])
		default:
			least = min(least, s.pass.ahead[v])
		}
	}
	return least
}

func (s *solver) keepLabel(l *label) {
	f := found{l.time, l.cost, int32(len(s.choices)), 0}
	for ; l.parent >= 0; l = &s.search.labels[l.parent] {
		s.choices = append(s.choices, choice{l.segment, l.option})
	}
	f.hi = int32(len(s.choices))
	reverse(s.choices[f.lo:f.hi])
	s.keep(f)
}

// survive lists the items that can be part of a point between p and q. Each of them also completes a plan, with the
// paths of the passes before and behind it; the plans known so lower the limit, and the list is cut again.
func (s *solver) survive(p, q *plan, list []entry, d direction, limit int64, scale uint) {
	h := &s.search
	h.survivors = h.survivors[:0]
	h.forget()
	h.start = p.cost
	if n := s.known.before(p.time + 1); n > 0 {
		h.start = min(h.start, s.known.points[n-1].cost)
	}
	for n := s.known.before(p.time); n < len(s.known.points) && s.known.points[n].time <= q.time; n++ {
		h.known(s.clock, s.known.points[n].time, s.known.points[n].cost, p, scale)
	}
	s.limit(p, q, d, limit, scale)
	if s.menus.overlapped {
		s.surviveOverlap(p, list, d, limit, scale)
	} else {
		s.surviveSum(p, list, d, limit, scale)
	}
	s.limit(p, q, d, limit, scale)
	left := h.survivors[:0]
	for i := range h.survivors {
		if h.survivors[i].bound <= h.from[0] {
			left = append(left, h.survivors[i])
		}
	}
	h.survivors = left
}

// known tells of a plan.
func (h *search) known(c clock, time, cost int64, p *plan, scale uint) {
	if slice := c.slice(p.time, time, scale); slice < buckets {
		h.least[slice] = min(h.least[slice], cost)
	}
}

// within gives the range of items of an arc whose value a*cost + slope*time may be at most rest, seen from the least corner:
// values rise on both sides of it, and no item is below the hull.
func (s *solver) within(a *arc, pick int32, weight, slope, rest int64) (lo, hi int32) {
	corners := s.menus.corners
	low, high := pick, pick
	for low > a.cornerLo && weight*corners[low].cost+slope*corners[low].time <= rest {
		low--
	}
	for high < a.cornerHi-1 && weight*corners[high].cost+slope*corners[high].time <= rest {
		high++
	}
	if a.itemsLo < 0 {
		s.menus.fill(&s.rule, a, s.segments[a.segment].Options, s.box)
	}
	items := s.menus.items[a.itemsLo:a.itemsHi]
	lo, hi = a.itemsLo, a.itemsHi
	if low > a.cornerLo {
		lo += int32(sort.Search(len(items), func(k int) bool { return items[k].time >= corners[low].time }))
	}
	if high < a.cornerHi-1 {
		hi = a.itemsLo + int32(sort.Search(len(items), func(k int) bool { return items[k].time > corners[high].time }))
	}
	return lo, hi
}

func (s *solver) surviveSum(p *plan, list []entry, d direction, limit int64, scale uint) {
	s.trace(list)
	pass, h := &s.pass, &s.search
	for i := range list {
		e := &list[i]
		a := &s.arcs[e.arc]
		rest := s.around(e)
		if rest+pass.weight[i] > limit {
			continue
		}
		lo, hi := s.within(a, pass.pick[i], d.a, d.b, limit-rest)
		items := s.menus.items[lo:hi]
		for k := range items {
			x := &items[k]
			bound := rest + d.value(x.time, x.cost)
			if bound > limit {
				continue
			}
			h.survivors = append(h.survivors, survivor{*x, bound, e.tail, e.head, a.segment})
			for layer := range s.layers {
				from, to := layer*s.step+int(e.tail), (layer+1)*s.step+int(e.head)
				if pass.ahead[from] < unreachable && pass.behind[to] < unreachable {
					h.known(s.clock, pass.time[from]+x.time+pass.after[to], pass.cost[from]+x.cost+pass.afterCost[to], p, scale)
				}
			}
		}
	}
}
