package solve

import (
	"cmp"
	"slices"
)

// In cold-overlapped a stage ends at max(finish + time, ready), ready being its own init and run, so the weighted sum of
// cost and latency is not a sum over arcs. What is left to pay from a node, as a function h of the finish there, rises
// with a slope between 0 (a later init decides the latency) and the weight of time (nothing waits any more). The bounds
// here are lower envelopes of such functions by a fixed set of slopes:
//
//	h(finish) >= slope*finish + behind[slope]     and, from the source,
//	weighted cost of reaching a node >= ahead[slope] - slope*finish
//
// Both follow a recursion over arcs in which a wait changes one slope for another, and both are Lagrangian bounds: at
// every node the slope that gives most is free to be chosen. With one slope they would be the bounds of the warm scenario.

// slopes is how many slopes there are: more of them bound better and cost more.
const slopes = 6

// slopeParts are the slopes in 1024ths of the weight of time. Time that decides the latency has the larger ones. Where the
// frontier is steep, what happens beside the deciding stages is weighed by far smaller ones, at which memory is worth
// its price.
var slopeParts = [slopes]int64{0, 4, 32, 128, 512, 1024}

// longList is a number of arcs from which a list is divided before it is swept.
const longList = 1 << 12

// row has a value for each slope.
type row [slopes]int64

// envelope is the bounds of one direction.
type envelope struct {
	d             direction
	slope         row
	ahead, behind []row // per state
	rest          row   // see around
}

// frame keeps an envelope of a wider window, with the limits of the present one: together several directions follow the
// curve of the frontier, which one alone only touches.
type frame struct {
	envelope
	limits
}

// push keeps the envelope of the last sweep, for the windows inside its own.
func (s *solver) push() {
	if !s.menus.overlapped {
		return
	}
	n := len(s.frames)
	if n < cap(s.frames) {
		s.frames = s.frames[:n+1]
	} else {
		s.frames = append(s.frames, nil)
	}
	if s.frames[n] == nil {
		s.frames[n] = &frame{}
	}
	f, o := s.frames[n], &s.overlap
	f.d, f.slope = o.d, o.slope
	f.ahead = append(f.ahead[:0], o.ahead[:s.states]...)
	f.behind = append(f.behind[:0], o.behind[:s.states]...)
}

func (s *solver) pop() {
	if s.menus.overlapped {
		s.frames = s.frames[:len(s.frames)-1]
	}
}

// overlap holds what one direction tells in cold-overlapped.
type overlap struct {
	envelope
	weight    []row           // per entry: least a*cost + slope*time of its corners
	pick      [][slopes]int32 // per entry: that corner
	bound     []int64         // per entry: of the value of every plan through it
	least     []int64         // per item of one entry: the same
	via, next [][slopes]link  // per state: how ahead and behind are reached

	time, cost               []row // per state: totals of the path that via describes
	after, afterCost, waking []row // the same for next
}

// link is an entry and the slope with which a path goes on before or behind it.
type link struct{ entry, slope int32 }

// aim chooses the slopes in a direction.
func (o *envelope) aim(d direction) {
	o.d = d
	for k, part := range slopeParts {
		o.slope[k] = d.b / 1024 * part
	}
	o.slope[slopes-1] = d.b
}

func (o *overlap) size(states int) {
	if len(o.ahead) >= states {
		return
	}
	for _, a := range []*[]row{&o.ahead, &o.behind, &o.time, &o.cost, &o.after, &o.afterCost, &o.waking} {
		*a = make([]row, states)
	}
	o.via, o.next = make([][slopes]link, states), make([][slopes]link, states)
}

// sweepOverlap makes the passes in one direction over a list for the plans from p to q, and gives the best plan among
// the paths they describe.
func (s *solver) sweepOverlap(p, q *plan, list []entry, d direction) *plan {
	o := &s.overlap
	o.aim(d)
	s.weighOverlap(list, d)
	s.forwardOverlap(list)
	s.backwardOverlap(list, p.time)
	look := !s.smooth || !s.scouted
	if look {
		s.traceOverlap(list)
	}

	var best [parts + 1]struct {
		value     int64
		entry     int
		layer, at int
	}
	for k := range best {
		best[k].value = unreachable
	}
	for k := range s.sketch {
		s.sketch[k].cost = unreachable
	}
	limit := s.known.ceiling(p, q, d)
	o.bound = grow(o.bound, len(list))
	for i := range list {
		e := &list[i]
		o.bound[i] = unreachable
		for layer := range s.layers {
			from, to := layer*s.step+int(e.tail), (layer+1)*s.step+int(e.head)
			if !o.joins(from, to) {
				continue
			}
			o.around(from, to, s.arcs[e.arc].shift, &o.rest)
			bound, at := o.over(i)
			o.bound[i] = min(o.bound[i], bound)
			if !look || bound > limit {
				continue
			}
			x := s.corner(e.arc, o.pick[i][at])
			t, c := s.join(from, to, at, &x)
			part := parts
			if p.time <= t && t <= q.time {
				sketch := &s.sketch[(t-p.time)/((q.time-p.time)/sketches+1)]
				if c < sketch.cost {
					sketch.time, sketch.cost = t, c
				}
				part = int((t - p.time) * parts / (q.time - p.time + 1))
			}
			if v := d.value(t, c); v < best[part].value {
				best[part].value, best[part].entry, best[part].layer, best[part].at = v, i, layer, at
			}
		}
	}
	if !look {
		if s.least() >= unreachable {
			return nil
		}
		return cmp.Or(s.lowest(p, q, d), p)
	}
	for _, x := range s.sketch {
		if x.cost < unreachable {
			s.known.learn(x.time, x.cost)
		}
	}
	s.known.settle()
	var z *plan
	for part, x := range best {
		if x.value == unreachable {
			continue
		}
		y := s.joined(list, x.entry, x.layer, x.at)
		if s.known.before(p.time+(q.time-p.time+1)*int64(part+1)/parts)-s.known.before(p.time+(q.time-p.time+1)*int64(part)/parts) < sparse {
			if !s.rough {
				s.polish(p, q, list, d)
			}
		}
		s.plans = append(s.plans, y)
		if z == nil || x.value < d.value(z.time, z.cost) {
			z = y
		}
	}
	return z
}

const (
	parts    = 4   // of a window, in each of which a sweep looks for a plan
	sketches = 128 // of a window, in each of which it takes note of the cheapest plan
	sparse   = 4   // a part with fewer plans known than this gets more by polishing
	beam     = 16  // labels per state that polishing keeps
)

// polish finds the good choices of options along the path that joined last made.
func (s *solver) polish(p, q *plan, list []entry, d direction) {
	h := &s.search
	limit := s.known.ceiling(p, q, d)
	scale := s.clock.scale(p, q)
	h.survivors = h.survivors[:0]
	h.forget()
	for _, i := range s.pass.track {
		s.surviveEntry(p, &list[i], int(i), d, limit, scale)
	}
	h.start = p.cost
	s.limit(p, q, d, limit, scale)
	if s.labelSearch(p, q, d, scale, beam) {
		for _, l := range h.fronts[s.states-1] {
			s.known.learn(l.time, l.cost)
		}
		s.known.settle()
	}
	h.reset(s.states)
}

// joins tells whether there is a path to one state and from the other.
func (o *envelope) joins(from, to int) bool {
	return o.ahead[from][0] < unreachable && o.behind[to][0] < unreachable
}

// over bounds the value of every plan through an entry from and to the states last prepared for, and names the slope of the best bound.
func (o *overlap) over(i int) (bound int64, at int) {
	bound = -unreachable
	for k, w := range &o.weight[i] {
		if v := w + o.rest[k]; v > bound {
			bound, at = v, k
		}
	}
	return bound, at
}

// join gives the totals of the path to a state, an item and the path from a state, both with a slope.
func (s *solver) join(from, to, slope int, x *item) (time, cost int64) {
	o := &s.overlap
	finish := x.after(o.time[from][slope])
	return max(finish+o.after[to][slope], o.waking[to][slope]), o.cost[from][slope] + x.cost + o.afterCost[to][slope]
}

// joined makes the plan that join evaluates.
func (s *solver) joined(list []entry, i, layer, at int) *plan {
	o, p := &s.overlap, &s.pass
	p.track, p.items = p.track[:0], p.items[:0]
	take := func(entry, slope int32) {
		p.track, p.items = append(p.track, entry), append(p.items, s.corner(list[entry].arc, o.pick[entry][slope]))
	}
	e := &list[i]
	slope := int32(at)
	for v := layer*s.step + int(e.tail); v != 0; {
		x := o.via[v][slope]
		take(x.entry, slope)
		v -= s.step + int(list[x.entry].head-list[x.entry].tail)
		slope = x.slope
	}
	slices.Reverse(p.track)
	slices.Reverse(p.items)
	take(int32(i), int32(at))
	slope = int32(at)
	for v := (layer+1)*s.step + int(e.head); !s.isEnd(v); {
		x := o.next[v][slope]
		take(x.entry, x.slope)
		v += s.step + int(list[x.entry].head-list[x.entry].tail)
		slope = x.slope
	}
	plan := &plan{path: make([]choice, 0, len(p.track))}
	for n, i := range p.track {
		plan.time = p.items[n].after(plan.time)
		plan.cost += p.items[n].cost
		plan.path = append(plan.path, choice{s.arcs[list[i].arc].segment, p.items[n].option})
	}
	plan.time = s.clock.up(plan.time)
	return plan
}

// weighOverlap finds the least corner of every entry for every slope: by bisection for the last, the others follow on
// the side of cheap corners.
func (s *solver) weighOverlap(list []entry, d direction) {
	o := &s.overlap
	o.weight, o.pick = grow(o.weight, len(list)), grow(o.pick, len(list))
	corners := s.menus.corners
	if s.smooth {
		for i := range list {
			e := &list[i]
			s.law.floors(s.stage(e.arc), &s.rule, d.a, &o.slope, e.lo, e.hi, &o.weight[i], &o.pick[i])
		}
		return
	}
	for i := range list {
		at, end := s.menus.least(d, list[i].lo, list[i].hi), list[i].hi
		weight, pick := &o.weight[i], &o.pick[i]
		for k := slopes - 1; k >= 0; k-- {
			x := &corners[at]
			best := d.a*x.cost + o.slope[k]*x.time
			for at+1 < end {
				y := &corners[at+1]
				v := d.a*y.cost + o.slope[k]*y.time
				if v > best {
					break
				}
				at, best = at+1, v
			}
			weight[k], pick[k] = best, at
		}
	}
}

func (s *solver) forwardOverlap(list []entry) {
	o := &s.overlap
	ahead := o.ahead[:s.states]
	for v := range ahead {
		for k := range slopes {
			ahead[v][k] = unreachable
		}
	}
	ahead[0] = row{}
	for layer := range s.layers {
		for i := range list {
			e := &list[i]
			from, to := &ahead[layer*s.step+int(e.tail)], &ahead[(layer+1)*s.step+int(e.head)]
			if from[0] >= unreachable {
				continue
			}
			shift := s.arcs[e.arc].shift
			weight, via := &o.weight[i], &o.via[(layer+1)*s.step+int(e.head)]
			best, slope := from[0], 0
			for k := range slopes {
				if k > 0 {
					best += (o.slope[k] - o.slope[k-1]) * shift
				}
				if v := from[k]; v > best {
					best, slope = v, k
				}
				if v := best + weight[k]; v < to[k] {
					to[k], via[k] = v, link{int32(i), int32(slope)}
				}
			}
		}
	}
}

func (s *solver) backwardOverlap(list []entry, time int64) {
	o := &s.overlap
	behind := o.behind[:s.states]
	for v := range behind {
		for k := range slopes {
			behind[v][k] = unreachable
		}
	}
	for v := s.nodes - 1; v < s.states; v += s.nodes {
		for k := 0; k < slopes && s.isEnd(v); k++ {
			behind[v][k] = (o.slope[slopes-1] - o.slope[k]) * time
		}
	}
	for layer := s.layers - 1; layer >= 0; layer-- {
		for i := len(list) - 1; i >= 0; i-- {
			e := &list[i]
			from, to := &behind[layer*s.step+int(e.tail)], &behind[(layer+1)*s.step+int(e.head)]
			if to[0] >= unreachable {
				continue
			}
			shift := s.arcs[e.arc].shift
			weight, next := &o.weight[i], &o.next[layer*s.step+int(e.tail)]
			best, slope := int64(-unreachable), 0
			for k := slopes - 1; k >= 0; k-- {
				if k < slopes-1 {
					best += (o.slope[k+1] - o.slope[k]) * shift
				}
				if v := weight[k] + to[k]; v > best {
					best, slope = v, k
				}
				if best < from[k] {
					from[k], next[k] = best, link{int32(i), int32(slope)}
				}
			}
		}
	}
}

// traceOverlap computes the true totals of the paths that the passes found.
func (s *solver) traceOverlap(list []entry) {
	o := &s.overlap
	o.time[0], o.cost[0] = row{}, row{}
	for v := 1; v < s.states; v++ {
		if o.ahead[v][0] >= unreachable {
			continue
		}
		for k, x := range &o.via[v] {
			e := &list[x.entry]
			from := v - s.step - int(e.head-e.tail)
			y := s.corner(e.arc, o.pick[x.entry][k])
			o.time[v][k], o.cost[v][k] = y.after(o.time[from][x.slope]), o.cost[from][x.slope]+y.cost
		}
	}
	for v := s.states - 1; v >= 0; v-- {
		if o.behind[v][0] >= unreachable {
			continue
		}
		if s.isEnd(v) {
			o.after[v], o.afterCost[v], o.waking[v] = row{}, row{}, row{}
			continue
		}
		for k, x := range &o.next[v] {
			e := &list[x.entry]
			to := v + s.step + int(e.head-e.tail)
			y := s.corner(e.arc, o.pick[x.entry][x.slope])
			o.after[v][k] = y.time + o.after[to][x.slope]
			o.afterCost[v][k] = y.cost + o.afterCost[to][x.slope]
			o.waking[v][k] = max(o.waking[to][x.slope], y.ready+o.after[to][x.slope])
		}
	}
}

// to bounds the value of every plan that reaches a state at a finish, having paid a cost.
func (o *envelope) to(state int, finish, cost int64) int64 {
	behind := &o.behind[state]
	best := int64(-unreachable)
	for k := range slopes {
		best = max(best, o.slope[k]*finish+behind[k])
	}
	return best + o.d.a*cost
}

func (s *solver) surviveOverlap(p *plan, list []entry, d direction, limit int64, scale uint) {
	for i := range list {
		s.surviveEntry(p, &list[i], i, d, limit, scale)
	}
}

// surviveEntry lists the items of an entry of the list last swept that can be part of a point of the frontier from p on.
func (s *solver) surviveEntry(p *plan, e *entry, i int, d direction, limit int64, scale uint) {
	o, h := &s.overlap, &s.search
	a := &s.arcs[e.arc]
	items := s.itemsOf(e, i, d, limit)
	least := grow(o.least, len(items))
	o.least = least
	for k := range least {
		least[k] = unreachable
	}
	for layer := range s.layers {
		from, to := layer*s.step+int(e.tail), (layer+1)*s.step+int(e.head)
		if !o.joins(from, to) {
			continue
		}
		shift := a.shift
		s.turnAround(from, to, shift)
		for k := range items {
			x := &items[k]
			if !a.even && x.ready-x.time != shift {
				shift = x.ready - x.time
				s.turnAround(from, to, shift)
			}
			bound, at := o.through(x)
			if bound > limit {
				continue
			}
			first, last := 0, h.used-1
			for n := len(s.frames) - 1; n >= 0; n-- {
				f := s.frames[n]
				v, _ := f.through(x)
				if first, last = f.cut(v, first, last); first > last {
					bound = unreachable
					break
				}
			}
			least[k] = min(least[k], bound)
			t, c := s.join(from, to, at, x)
			h.known(s.clock, t, c, p, scale)
		}
	}
	for k := range items {
		if least[k] <= limit {
			h.survivors = append(h.survivors, survivor{items[k], least[k], e.tail, e.head, a.segment})
		}
	}
}

// itemsOf gives the items of an entry of the list last swept.
func (s *solver) itemsOf(e *entry, i int, d direction, limit int64) []item {
	a := &s.arcs[e.arc]
	switch {
	case s.smooth:
		low, high := s.sizes(e, i, d, limit)
		s.scratch = s.law.items(s.stage(e.arc), &s.rule, low, high, s.box, s.scratch[:0])
		return s.scratch
	case a.itemsLo < 0:
		s.menus.fill(&s.rule, a, s.segments[a.segment].Options, s.box)
	}
	return s.menus.items[a.itemsLo:a.itemsHi]
}

// turnAround prepares all envelopes for the items of a stage from and to states whose waits end at the same time.
func (s *solver) turnAround(from, to int, shift int64) {
	s.overlap.around(from, to, shift, &s.overlap.rest)
	for _, f := range s.frames {
		f.around(from, to, shift, &f.rest)
	}
}

// around bounds, for every slope, the value of every plan through a stage from and to states without the stage's own cost and its
// time by the slope. The stage begins at shift, or later.
func (o *envelope) around(from, to int, shift int64, rest *row) {
	ahead, behind := &o.ahead[from], &o.behind[to]
	best := ahead[0]
	rest[0] = best + behind[0]
	for k := 1; k < slopes; k++ {
		best = max(best+(o.slope[k]-o.slope[k-1])*shift, ahead[k])
		rest[k] = best + behind[k]
	}
}

// through bounds the value of every plan through an item from and to the states last prepared for, and names the slope of the best
// bound.
func (o *envelope) through(x *item) (bound int64, at int) {
	bound = -unreachable
	for k := range slopes {
		if v := o.rest[k] + o.slope[k]*x.time; v > bound {
			bound, at = v, k
		}
	}
	return bound + o.d.a*x.cost, at
}
