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

// put appends a label to a front being built by rising time. Of labels in one step of the clock it keeps the cheapest.
func put(c clock, front []label, l *label) []label {
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
	case l.time == last.time || c.step > 1 && c.up(l.time) == c.up(last.time):
		*last = *l
	default:
		return append(front, *l)
	}
	return front
}

// merge makes one front of two, each by rising time, in out.
func merge(c clock, a, b, out []label) []label {
	out = out[:0]
	for len(a) > 0 && len(b) > 0 {
		if a[0].time <= b[0].time {
			out = put(c, out, &a[0])
			a = a[1:]
		} else {
			out = put(c, out, &b[0])
			b = b[1:]
		}
	}
	for i := range a {
		out = put(c, out, &a[i])
	}
	for i := range b {
		out = put(c, out, &b[i])
	}
	return out
}

// extend adds a stage to every label of a layer, or, when the number of stages is free, all stages to all labels. It
// gives false at the limit of labels.
func (s *solver) extend(p, q *plan, d direction, layer int, scale uint, beam int) bool {
	h := &s.search
	behind := s.pass.behind[(layer+1)*s.step:]
	quickest, leanest := h.quickest[(layer+1)*s.step:], h.leanest[(layer+1)*s.step:]
	tail, lo, hi := int32(-1), 0, 0
	for i := range h.survivors {
		x := &h.survivors[i]
		if x.bound > h.from[0] {
			continue
		}
		if x.tail != tail {
			tail = x.tail
			from := layer*s.step + int(tail)
			lo = len(h.labels)
			if from == 0 {
				lo = 0
			} else {
				if f := h.fronts[from]; beam == 0 || len(f) <= beam {
					h.labels = append(h.labels, f...)
				} else {
					for k := range beam {
						h.labels = append(h.labels, f[k*(len(f)-1)/(beam-1)])
					}
				}
			}
			hi = len(h.labels)
			if from == 0 {
				hi = 1
			}
		}
		h.batch = h.batch[:0]
		exact := clock{step: 1} // of time on the way every microsecond counts
		if int(x.head) == s.nodes-1 {
			exact = s.clock
		}
		front, ahead := h.fronts[(layer+1)*s.step+int(x.head)], 0
		idle := h.idle[x.head]
		slowest, dearest := q.time-quickest[x.head], p.cost-leanest[x.head]
		first := lo // costs fall along the labels
		for last := hi; first < last; {
			if mid := (first + last) >> 1; h.labels[mid].cost+x.cost > dearest {
				first = mid + 1
			} else {
				last = mid
			}
		}
		for k := first; k < hi; k++ {
			l := &h.labels[k]
			t, c := max(x.after(l.time), idle), l.cost+x.cost
			if t > slowest {
				break
			}
			for ahead < len(front) && front[ahead].time <= t {
				ahead++
			}
			if ahead > 0 && front[ahead-1].cost <= c && (front[ahead-1].cost < c || front[ahead-1].time < t) {
				continue
			}
			slice := int(s.clock.slice(p.time, t+quickest[x.head], scale))
			if s.menus.overlapped {
				if s.outside((layer+1)*s.step+int(x.head), t, c, slice) {
					continue
				}
			} else if d.value(t, c)+behind[x.head] > h.from[slice] {
				continue
			}
			h.batch = put(exact, h.batch, &label{t, c, int32(k), x.segment, x.option, l.stages + 1})
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
		h.spare = merge(exact, h.fronts[to], h.batch, h.spare)
		h.fronts[to], h.spare = h.spare, h.fronts[to]
	}
	return true
}

// outside reports whether no plan that reaches a state at a finish, having paid a cost, can be a point of the frontier in a slice of time or later.
func (s *solver) outside(to int, finish, cost int64, slice int) bool {
	h := &s.search
	first, last := h.cut(s.overlap.to(to, finish, cost), slice, h.used-1)
	for n := len(s.frames) - 1; n >= max(0, len(s.frames)-nearest) && first <= last; n-- {
		f := s.frames[n]
		first, last = f.cut(f.to(to, finish, cost), first, last)
	}
	return first > last
}

// nearest is how many of the wider windows' directions a label is held against; more of them cost more than they save.
const nearest = 3
