package solve

// label is a way to reach a state that no other known way beats.
type label struct {
	time, cost      int64
	parent          int32 // position of the label before, in search.labels
	segment, option int32
	stages          int32
}

// first orders labels of equal time and cost by the rule of Result.Stages; their parents are then equal or differ in
// segment.
func (l *label) first(m *label) bool {
	switch {
	case l.stages != m.stages:
		return l.stages < m.stages
	case l.segment != m.segment:
		return l.segment < m.segment
	}
	return l.option < m.option
}

// put appends a label to a front being built by rising time.
func put(front []label, l *label) []label {
	n := len(front)
	if n == 0 {
		return append(front, *l)
	}
	last := &front[n-1]
	switch {
	case l.cost > last.cost:
	case l.cost == last.cost:
		if l.time == last.time && l.first(last) {
			*last = *l
		}
	case l.time == last.time:
		*last = *l
	default:
		return append(front, *l)
	}
	return front
}

// merge makes one front of two, each by rising time, in out.
func merge(a, b, out []label) []label {
	out = out[:0]
	for len(a) > 0 && len(b) > 0 {
		if a[0].time <= b[0].time {
			out = put(out, &a[0])
			a = a[1:]
		} else {
			out = put(out, &b[0])
			b = b[1:]
		}
	}
	for i := range a {
		out = put(out, &a[i])
	}
	for i := range b {
		out = put(out, &b[i])
	}
	return out
}

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
		s.giveUp(p, q, d)
		return
	}
	h := &s.search
	scale := uint(0)
	for (q.time-p.time)>>scale >= buckets {
		scale++
	}
	s.survive(p, q, list, d, limit, scale)
	h.labels = append(h.labels[:0], label{parent: -1})
	ok := true
	for k := 0; k < s.layers && ok; k++ {
		ok = s.extend(p, q, d, k, scale)
	}
	if ok {
		for v := s.nodes - 1; v < s.states; v += s.nodes {
			if s.isEnd(v) && len(h.fronts[v]) > 0 {
				h.batch = append(h.batch[:0], h.fronts[v]...)
				if v != s.states-1 {
					h.spare = merge(h.fronts[s.states-1], h.batch, h.spare)
					h.fronts[s.states-1], h.spare = h.spare, h.fronts[s.states-1]
				}
			}
		}
		for i := range h.fronts[s.states-1] {
			s.keepLabel(&h.fronts[s.states-1][i])
		}
	} else {
		s.stopped = true
		s.giveUp(p, q, d)
	}
	for _, v := range h.touched {
		h.fronts[v] = h.fronts[v][:0]
	}
	h.fronts[s.states-1] = h.fronts[s.states-1][:0]
	h.touched = h.touched[:0]
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

// giveUp keeps p and q alone and widens the gap by what may lie between them.
func (s *solver) giveUp(p, q *plan, d direction) {
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
	// A plan of time t costs at least (least - b*t) / a.
	floor := func(t int64) int64 { return max(s.leanest[0], (least-d.b*t)/d.a) }
	s.gap = max(s.gap, p.cost-floor(q.time-1), q.cost-floor(q.time))
	for _, x := range []*plan{p, q} {
		lo := int32(len(s.choices))
		s.choices = append(s.choices, x.path...)
		s.keep(found{x.time, x.cost, lo, int32(len(s.choices))})
	}
}

// survive lists the items that can be part of a point between p and q. Each of them also completes a plan, with the
// paths of the passes before and behind it; the plans known so lower the limit, and the list is cut again.
func (s *solver) survive(p, q *plan, list []entry, d direction, limit int64, scale uint) {
	h := &s.search
	h.survivors = h.survivors[:0]
	for k := range h.least {
		h.least[k] = unreachable
	}
	if s.menus.overlapped {
		s.surviveOverlap(p, list, d, limit, scale)
	} else {
		s.surviveSum(p, list, d, limit, scale)
	}
	// A point in a slice of time costs no more than the plans known in the slices before it.
	cost := p.cost
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

// extend adds a stage to every label of a layer, or, when the number of stages is free, all stages to all labels. It
// gives false at the limit of labels.
func (s *solver) extend(p, q *plan, d direction, layer int, scale uint) bool {
	h := &s.search
	behind := s.pass.behind[(layer+1)*s.step:]
	quickest, leanest := s.quickest[(layer+1)*s.step:], s.leanest[(layer+1)*s.step:]
	tail, lo, hi := int32(-1), 0, 0
	for i := range h.survivors {
		x := &h.survivors[i]
		if x.tail != tail {
			tail = x.tail
			from := layer*s.step + int(tail)
			lo = len(h.labels)
			if from == 0 {
				lo = 0
			} else {
				h.labels = append(h.labels, h.fronts[from]...)
			}
			hi = len(h.labels)
			if from == 0 {
				hi = 1
			}
		}
		h.batch = h.batch[:0]
		slowest, dearest := q.time-quickest[x.head], p.cost-leanest[x.head]
		for k := lo; k < hi; k++ {
			l := &h.labels[k]
			t, c := l.time+x.time, l.cost+x.cost
			if s.menus.overlapped {
				t = max(t, x.ready)
			}
			if t > slowest {
				break
			}
			if c > dearest {
				continue
			}
			slice := max(0, t+quickest[x.head]-p.time) >> scale
			if s.menus.overlapped {
				if s.beyond(((layer+1)*s.step+int(x.head))*slopes, t, d.a*c, h.limit[slice]) {
					continue
				}
			} else if d.value(t, c)+behind[x.head] > h.limit[slice] {
				continue
			}
			h.batch = put(h.batch, &label{t, c, int32(k), x.segment, x.option, l.stages + 1})
		}
		if len(h.batch) == 0 {
			continue
		}
		if s.labels += len(h.batch); s.labels > s.maxLabels {
			return false
		}
		to := (layer+1)*s.step + int(x.head)
		if len(h.fronts[to]) == 0 {
			h.touched = append(h.touched, int32(to))
		}
		h.spare = merge(h.fronts[to], h.batch, h.spare)
		h.fronts[to], h.spare = h.spare, h.fronts[to]
	}
	return true
}
