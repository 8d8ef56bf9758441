package solve

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
const slopes = 9

// fewSlopes are those of them that vast lists are swept with: most of their arcs are far from any plan worth having. On shorter
// lists the worse bounds cost more than the shorter sweeps save.
var fewSlopes = [...]int{0, 3, 5, 8}

// Numbers of arcs from which a list is divided before it is swept, and from which it is swept with few slopes.
const (
	longList = 1 << 12
	vastList = 1 << 18
)

// slopeParts are the slopes in 1024ths of the weight of time. Time that decides the latency has the larger ones. Where the
// frontier is steep, what happens beside the deciding stages is weighed by far smaller ones, at which memory is worth
// its price.
var slopeParts = [slopes]int64{0, 1, 4, 16, 64, 256, 512, 768, 1024}

// envelope is the bounds of one direction.
type envelope struct {
	d             direction
	slope         [slopes]int64
	count         int           // of slopes
	ahead, behind []int64       // slopes values per state
	rest          [slopes]int64 // see around
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
	f.d, f.slope, f.count = o.d, o.slope, o.count
	f.ahead = append(f.ahead[:0], o.ahead[:s.states*slopes]...)
	f.behind = append(f.behind[:0], o.behind[:s.states*slopes]...)
}

func (s *solver) pop() {
	if s.menus.overlapped {
		s.frames = s.frames[:len(s.frames)-1]
	}
}

// overlap holds what one direction tells in cold-overlapped: count values per entry, room for slopes values per state.
type overlap struct {
	envelope
	weight              []int64 // per entry: least a*cost + slope*time of its corners
	pick                []int32 // per entry: that corner
	bound               []int64 // one per entry: of the value of every plan through it
	least               []int64 // per item of one entry: the same
	via, next           []int32 // per state: the entry
	viaSlope, nextSlope []int8  // per state: the slope with which via and next go on

	time, cost               []int64 // per state: totals of the path that via describes
	after, afterCost, waking []int64 // the same for next
}

// aim chooses the slopes in a direction.
func (o *envelope) aim(d direction, few bool) {
	o.d, o.count = d, slopes
	if few {
		o.count = len(fewSlopes)
	}
	for k := range o.count {
		part := slopeParts[k]
		if few {
			part = slopeParts[fewSlopes[k]]
		}
		o.slope[k] = d.b / 1024 * part
	}
	o.slope[o.count-1] = d.b
}

func (o *overlap) size(states int) {
	n := states * slopes
	if len(o.ahead) >= n {
		return
	}
	for _, a := range []*[]int64{&o.ahead, &o.behind, &o.time, &o.cost, &o.after, &o.afterCost, &o.waking} {
		*a = make([]int64, n)
	}
	o.via, o.next = make([]int32, n), make([]int32, n)
	o.viaSlope, o.nextSlope = make([]int8, n), make([]int8, n)
}

// sweepOverlap makes the passes in one direction over a list for the plans from p to q, and gives the best plan among
// the paths they describe.
func (s *solver) sweepOverlap(p, q *plan, list []entry, d direction) *plan {
	o := &s.overlap
	o.aim(d, len(list) > vastList)
	s.weighOverlap(list, d)
	s.forwardOverlap(list)
	s.backwardOverlap(list, p.time)
	s.traceOverlap(list)

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
			from, to := (layer*s.step+int(e.tail))*slopes, ((layer+1)*s.step+int(e.head))*slopes
			if o.ahead[from] >= unreachable || o.behind[to] >= unreachable {
				continue
			}
			o.around(from, to, s.arcs[e.arc].shift, &o.rest)
			bound, at := o.over(i)
			o.bound[i] = min(o.bound[i], bound)
			if bound > limit {
				continue
			}
			x := s.corner(e.arc, o.pick[i*o.count+at])
			t, c := s.join(from+at, to+at, &x)
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

// over bounds the value of every plan through an entry from and to the states last prepared for, and names the slope of the best bound.
func (o *overlap) over(i int) (bound int64, at int) {
	bound = -unreachable
	for k, w := range o.weight[i*o.count : i*o.count+o.count] {
		if v := w + o.rest[k]; v > bound {
			bound, at = v, k
		}
	}
	return bound, at
}

// join gives the totals of the path to a state, an item and the path from a state (each given with a slope).
func (s *solver) join(from, to int, x *item) (time, cost int64) {
	o := &s.overlap
	finish := x.after(o.time[from])
	return max(finish+o.after[to], o.waking[to]), o.cost[from] + x.cost + o.afterCost[to]
}

// joined makes the plan that join evaluates.
func (s *solver) joined(list []entry, i, layer, at int) *plan {
	o, p := &s.overlap, &s.pass
	e := &list[i]
	from, k := layer*s.step+int(e.tail), at
	p.track = p.track[:0]
	p.items = p.items[:0]
	for from != 0 {
		x := from*slopes + k
		v := &list[o.via[x]]
		p.track, p.items = append(p.track, o.via[x]), append(p.items, s.corner(v.arc, o.pick[int(o.via[x])*o.count+k]))
		from -= s.step + int(v.head-v.tail)
		k = int(o.viaSlope[x])
	}
	for a, b := 0, len(p.track)-1; a < b; a, b = a+1, b-1 {
		p.track[a], p.track[b] = p.track[b], p.track[a]
		p.items[a], p.items[b] = p.items[b], p.items[a]
	}
	p.track, p.items = append(p.track, int32(i)), append(p.items, s.corner(e.arc, o.pick[i*o.count+at]))
	to, k := (layer+1)*s.step+int(e.head), at
	for !s.isEnd(to) {
		x := to*slopes + k
		v := &list[o.next[x]]
		k = int(o.nextSlope[x])
		p.track, p.items = append(p.track, o.next[x]), append(p.items, s.corner(v.arc, o.pick[int(o.next[x])*o.count+k]))
		to += s.step + int(v.head-v.tail)
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
	o.weight, o.pick = grow(o.weight, len(list)*o.count), grow(o.pick, len(list)*o.count)
	corners := s.menus.corners
	if s.smooth {
		for i := range list {
			e := &list[i]
			s.law.floors(s.stage(e.arc), &s.rule, d.a, o.slope[:o.count], e.lo, e.hi, o.weight[i*o.count:i*o.count+o.count], o.pick[i*o.count:i*o.count+o.count])
		}
		return
	}
	for i := range list {
		lo, hi := list[i].lo, list[i].hi-1
		last := hi
		for lo < hi {
			mid := (lo + hi) >> 1
			x, y := &corners[mid], &corners[mid+1]
			if d.a*(x.cost-y.cost) > d.b*(y.time-x.time) {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		weight, pick := o.weight[i*o.count:i*o.count+o.count], o.pick[i*o.count:i*o.count+o.count]
		for k := o.count - 1; k >= 0; k-- {
			x := &corners[lo]
			best := d.a*x.cost + o.slope[k]*x.time
			for lo < last {
				y := &corners[lo+1]
				v := d.a*y.cost + o.slope[k]*y.time
				if v > best {
					break
				}
				lo, best = lo+1, v
			}
			weight[k], pick[k] = best, lo
		}
	}
}

func (s *solver) forwardOverlap(list []entry) {
	o := &s.overlap
	ahead := o.ahead[:s.states*slopes]
	for v := range ahead {
		ahead[v] = unreachable
	}
	clear(ahead[:slopes])
	for layer := range s.layers {
		for i := range list {
			e := &list[i]
			from, to := (layer*s.step+int(e.tail))*slopes, ((layer+1)*s.step+int(e.head))*slopes
			if ahead[from] >= unreachable {
				continue
			}
			shift := s.arcs[e.arc].shift
			best, slope := int64(-unreachable), 0
			for k := range o.count {
				if k > 0 {
					best += (o.slope[k] - o.slope[k-1]) * shift
				}
				if v := ahead[from+k]; v > best {
					best, slope = v, k
				}
				if v := best + o.weight[i*o.count+k]; v < ahead[to+k] {
					ahead[to+k] = v
					o.via[to+k], o.viaSlope[to+k] = int32(i), int8(slope)
				}
			}
		}
	}
}

func (s *solver) backwardOverlap(list []entry, time int64) {
	o := &s.overlap
	behind := o.behind[:s.states*slopes]
	for v := range s.states {
		for k := range o.count {
			behind[v*slopes+k] = unreachable
			if s.isEnd(v) {
				behind[v*slopes+k] = (o.slope[o.count-1] - o.slope[k]) * time
			}
		}
	}
	for layer := s.layers - 1; layer >= 0; layer-- {
		for i := len(list) - 1; i >= 0; i-- {
			e := &list[i]
			from, to := (layer*s.step+int(e.tail))*slopes, ((layer+1)*s.step+int(e.head))*slopes
			if behind[to] >= unreachable {
				continue
			}
			shift := s.arcs[e.arc].shift
			best, slope := int64(-unreachable), 0
			for k := o.count - 1; k >= 0; k-- {
				if k < o.count-1 {
					best += (o.slope[k+1] - o.slope[k]) * shift
				}
				if v := o.weight[i*o.count+k] + behind[to+k]; v > best {
					best, slope = v, k
				}
				if best < behind[from+k] {
					behind[from+k] = best
					o.next[from+k], o.nextSlope[from+k] = int32(i), int8(slope)
				}
			}
		}
	}
}

// traceOverlap computes the true totals of the paths that the passes found.
func (s *solver) traceOverlap(list []entry) {
	o := &s.overlap
	for k := range o.count {
		o.time[k], o.cost[k] = 0, 0
	}
	for v := 1; v < s.states; v++ {
		if o.ahead[v*slopes] >= unreachable {
			continue
		}
		for k := range o.count {
			x := v*slopes + k
			i := int(o.via[x])
			from := (v-s.step-int(list[i].head-list[i].tail))*slopes + int(o.viaSlope[x])
			y := s.corner(list[i].arc, o.pick[i*o.count+k])
			o.time[x], o.cost[x] = y.after(o.time[from]), o.cost[from]+y.cost
		}
	}
	for v := s.states - 1; v >= 0; v-- {
		if o.behind[v*slopes] >= unreachable {
			continue
		}
		for k := range o.count {
			x := v*slopes + k
			o.after[x], o.afterCost[x], o.waking[x] = 0, 0, 0
			if s.isEnd(v) {
				continue
			}
			i, to := int(o.next[x]), int(o.nextSlope[x])
			y := s.corner(list[i].arc, o.pick[i*o.count+to])
			to += (v + s.step + int(list[i].head-list[i].tail)) * slopes
			o.after[x] = y.time + o.after[to]
			o.afterCost[x] = y.cost + o.afterCost[to]
			o.waking[x] = max(o.waking[to], y.ready+o.after[to])
		}
	}
}

// to bounds the value of every plan that reaches a state (given as the position of its slopes) at a finish, having paid
// a cost.
func (o *envelope) to(at int, finish, cost int64) int64 {
	behind := o.behind[at : at+o.count]
	best := int64(-unreachable)
	for k := range behind {
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
		from, to := (layer*s.step+int(e.tail))*slopes, ((layer+1)*s.step+int(e.head))*slopes
		if o.ahead[from] >= unreachable || o.behind[to] >= unreachable {
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
			t, c := s.join(from+at, to+at, x)
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

// around bounds, for every slope, the value of every plan through a stage from and to states (given as positions of their slopes)
// without the stage's own cost and its time by the slope. The stage begins at shift, or later.
func (o *envelope) around(from, to int, shift int64, rest *[slopes]int64) {
	ahead, behind := o.ahead[from:from+slopes], o.behind[to:to+slopes]
	best := ahead[0]
	rest[0] = best + behind[0]
	for k := 1; k < o.count; k++ {
		best = max(best+(o.slope[k]-o.slope[k-1])*shift, ahead[k])
		rest[k] = best + behind[k]
	}
}

// through bounds the value of every plan through an item from and to the states last prepared for, and names the slope of the best
// bound.
func (o *envelope) through(x *item) (bound int64, at int) {
	bound = -unreachable
	for k := range o.count {
		if v := o.rest[k] + o.slope[k]*x.time; v > bound {
			bound, at = v, k
		}
	}
	return bound + o.d.a*x.cost, at
}
