package solve

// survivor is an item of an arc that can be part of a point between two neighbouring plans.
type survivor struct {
	time, cost, ready int64
	bound             int64 // of the value of every plan through it
	tail, head        int32
	segment, option   int32
}

const buckets = 256

// search is the second phase's memory, used again for every pair of plans.
type search struct {
	survivors []survivor
	labels    []label   // of states done with
	fronts    [][]label // of states still growing
	touched   []int32   // states with a front
	batch     []label
	spare     []label
	start     int64              // least cost of a plan known before the first slice
	least     [buckets + 1]int64 // least cost of a plan known in a slice of time
	limit     [buckets + 1]int64 // greatest value that a point in a slice of time or later can have
}

func (h *search) size(states int) {
	if len(h.fronts) < states {
		h.fronts = make([][]label, states)
	}
}

// leaf finds the points of the frontier from p to q, both included, of at most the given value in the direction last
// swept over the list.
func (s *solver) leaf(p, q *plan, list []entry, d direction, limit int64) {
	if s.stopped {
		s.open = append(s.open, window{p.time, q.time, d, s.least()})
		return
	}
	h := &s.search
	limit = min(limit, s.known.ceiling(p, q, d))
	scale := scaleOf(p, q)
	s.survive(p, q, list, d, limit, scale)
	ok := true
	if len(h.survivors) > trialSize {
		// A first search under a lower limit is short and finds plans that lower the limit of the second.
		low := s.least()
		h.limits(p, q, d, low+(h.limit[0]-low)/trialPart, scale)
		if ok = s.labelSearch(p, q, d, scale); ok {
			for _, l := range h.fronts[s.states-1] {
				h.known(l.time, l.cost, p, scale)
				s.known.learn(l.time, l.cost)
			}
			s.known.settle()
		}
		h.reset(s.states)
		h.limits(p, q, d, limit, scale)
		left := h.survivors[:0]
		for i := range h.survivors {
			if h.survivors[i].bound <= h.limit[0] {
				left = append(left, h.survivors[i])
			}
		}
		h.survivors = left
	}
	if ok = ok && s.labelSearch(p, q, d, scale); ok {
		for i := range h.fronts[s.states-1] {
			if h.fronts[s.states-1][i].time >= p.time { // others belong to the windows before
				s.keepLabel(&h.fronts[s.states-1][i])
			}
			s.known.learn(h.fronts[s.states-1][i].time, h.fronts[s.states-1][i].cost)
		}
		s.known.settle()
	} else {
		s.stopped = true
		s.open = append(s.open, window{p.time, q.time, d, s.least()})
	}
	h.reset(s.states)
}

const (
	trialSize = 500
	trialPart = 4
)

// labelSearch sets labels over the survivors and leaves the front of the sink at the last state; it gives false at the
// limit of labels.
func (s *solver) labelSearch(p, q *plan, d direction, scale uint) bool {
	h := &s.search
	h.labels = append(h.labels[:0], label{parent: -1})
	for k := 0; k < s.layers; k++ {
		if !s.extend(p, q, d, k, scale) {
			return false
		}
	}
	for v := s.nodes - 1; v < s.states-1; v += s.nodes {
		if s.isEnd(v) && len(h.fronts[v]) > 0 {
			h.spare = merge(h.fronts[s.states-1], h.fronts[v], h.spare)
			h.fronts[s.states-1], h.spare = h.spare, h.fronts[s.states-1]
		}
	}
	return true
}

// scaleOf gives the power of two that cuts the time from p to q into slices.
func scaleOf(p, q *plan) uint {
	scale := uint(0)
	for (q.time-p.time)>>scale >= buckets {
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

// limits sets how great a value a point in a slice of time or later can have: it costs no more than the plans known in
// the slices before it.
func (h *search) limits(p, q *plan, d direction, limit int64, scale uint) {
	cost := h.start
	for k := range buckets {
		end := min(p.time+(int64(k)+1)<<scale-1, q.time)
		h.limit[k] = -unreachable
		if p.time+int64(k)<<scale <= q.time {
			h.limit[k] = min(limit, d.value(end, cost))
		}
		cost = min(cost, h.least[k])
	}
	h.limit[buckets] = -unreachable
	for k := buckets - 1; k >= 0; k-- {
		h.limit[k] = max(h.limit[k], h.limit[k+1])
	}
}

// least gives the least value of any plan in the direction last swept.
func (s *solver) least() int64 {
	least := int64(unreachable)
	for v := s.nodes - 1; v < s.states; v += s.nodes {
		switch {
		case !s.isEnd(v):
		case s.menus.overlapped:
			least = min(least, s.overlap.ahead[v*slopes+slopes-1])
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
		h.known(s.known.points[n].time, s.known.points[n].cost, p, scale)
	}
	if s.menus.overlapped {
		s.surviveOverlap(p, list, d, limit, scale)
	} else {
		s.surviveSum(p, list, d, limit, scale)
	}
	h.limits(p, q, d, limit, scale)
	left := h.survivors[:0]
	for i := range h.survivors {
		if h.survivors[i].bound <= h.limit[0] {
			left = append(left, h.survivors[i])
		}
	}
	h.survivors = left
}

// known tells of a plan.
func (h *search) known(time, cost int64, p *plan, scale uint) {
	if slice := max(time-p.time, 0) >> scale; slice < buckets {
		h.least[slice] = min(h.least[slice], cost)
	}
}

// within gives the items of an arc whose value a*cost + slope*time may be at most rest, seen from the least corner:
// values rise on both sides of it, and no item is below the hull.
func (s *solver) within(a *arc, pick int32, weight, slope, rest int64) (lo, hi int32) {
	items, corners := s.menus.items, s.menus.corners
	low, high := pick, pick
	for low > a.cornerLo && weight*items[corners[low]].cost+slope*items[corners[low]].time <= rest {
		low--
	}
	for high < a.cornerHi-1 && weight*items[corners[high]].cost+slope*items[corners[high]].time <= rest {
		high++
	}
	lo, hi = corners[low], corners[high]+1
	if low == a.cornerLo {
		lo = a.itemsLo
	}
	if high == a.cornerHi-1 {
		hi = a.itemsHi
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
		for k := lo; k < hi; k++ {
			x := &s.menus.items[k]
			if x.cost > s.box.cost {
				continue
			}
			bound := rest + d.value(x.time, x.cost)
			if bound > limit {
				continue
			}
			h.survivors = append(h.survivors, survivor{x.time, x.cost, 0, bound, e.tail, e.head, a.segment, s.menus.option[k]})
			for layer := range s.layers {
				from, to := layer*s.step+int(e.tail), (layer+1)*s.step+int(e.head)
				if pass.ahead[from] < unreachable && pass.behind[to] < unreachable {
					h.known(pass.time[from]+x.time+pass.after[to], pass.cost[from]+x.cost+pass.afterCost[to], p, scale)
				}
			}
		}
	}
}
