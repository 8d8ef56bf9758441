package solve

import (
	"cmp"
	"math"
	"slices"
)

// A sieve sets stages aside that no plan of the frontier can have, most of them before they are made. It begins with places of
// many nodes, bounds the stages between them, divides the places that are left, and so on down to single nodes.
//
// The bounds are those of overlap, by slopes that are fixed once for the whole frontier, in floating point. With
// finish(v) the time when node v is reached and R(v) the work before it, every plan pays
//
//	up to v   at least  ahead[k] + rate[k]*R(v) - slope[k]*finish(v)
//	from v on at least  behind[k] + rate[k]*(R(end) - R(v)) + slope[k]*finish(v) - slope[last]*finish(end)
//
// for each slope k, up to any last one by which time is paid in the end. The rate is what a unit of work costs at least, time being paid by the slope, so that a stage between
// places of several nodes is only bounded in what it takes beyond its work, which hardly depends on where in the
// places it begins and ends: its excess grows with its work, and least work bounds it. A plan with two cuts in one place takes no
// less than one without the stage between them.
//
// The frontier is divided into windows at known plans. Within a window a plan must be done by its end, and cost no more than
// the known plan at its beginning. So what plans through a stage pay at the least, once for each last slope, says in which windows
// it can be: a pass over all stages for each window would bound hardly better.
type sieve struct {
	*Outline
	law        *law
	rule       rule
	slope      []float64 // pico-USD per us, rising from 0
	rate       []float64 // by slope: pico-USD per us of work
	haste      float64   // least time that a us of work takes
	work       float64   // R(end)
	known      []item    // plans, by rising time; their costs with the gateway's
	aim        *aim      // nil: the whole frontier
	gatewayUSD float64   // pico-USD per us
	margin     float64   // more than floating point loses

	places        []Place
	first, last   []float64 // by place: R of its first node and its last
	stages        []Stage
	excess        []float64 // by stage and slope
	slow          []float64 // by stage: least time beyond haste
	least         []float64 // by stage: least time of a plan that has it, beyond haste
	turn          []float64 // by stage and slope: what the bound of the next slope gains on the way to this one, before the stage
	ahead, behind []float64 // by place and slope
	reached       []float64 // by place and slope: ahead, and what all work takes at the rate
	bound         []float64 // by stage and slope: see paid
	soon, quick   []float64 // by place: least time from the source and to the sink, beyond haste
	left          []bool    // by stage: it may be part of a plan

	windows, blocks []gap // by rising time: the windows, and blocks of blockSize windows that follow each other
}

// gap is what a plan in a window may take at the most.
type gap struct {
	time float64             // beyond haste
	paid [slopeCount]float64 // see sieve.paid
}

// blockSize is how many windows make a block.
const blockSize = 16

// slopeCount is the number of slopes of a sieve.
const slopeCount = 12

// sift makes the problem of the stages that are left of an outline, for the whole frontier, or for what meets an aim. Where too many
// are left for places of few nodes, it scouts again, among the nodes of these. It gives all plans known then.
func (o *Outline) sift(known []item, aim *aim, scout func(pass func(node int) bool) []item) (*Problem, []item) {
	s := o.sieve(known, aim)
	places := o.parts(firstPart)
	pairs := every(len(places))
	for part := firstPart; ; {
		s.pass(places, pairs)
		if part == 1 {
			return s.survivors(), known
		}
		if scout != nil && part <= scoutPart && len(places) > scouts && s.count() > manyStages {
			known = s.scoutAgain(known, scout)
			again := o.sieve(known, aim)
			s.known, s.slope, s.rate, s.margin = again.known, again.slope, again.rate, again.margin
			s.pass(places, pairs)
			scout = nil
		}
		part = max(part/partDivisor, 1)
		places, pairs = s.divide(part)
	}
}

// When a sieve scouts again.
const (
	scoutPart  = 4 // nodes of a place
	manyStages = 800
	mostNodes  = 72 // of a second scout
)

// count tells how many stages are left.
func (s *sieve) count() (n int) {
	for _, left := range s.left {
		if left {
			n++
		}
	}
	return n
}

// scoutAgain scouts among the nodes of the places with the most stages left, of each the one that takes least to cut at.
func (s *sieve) scoutAgain(known []item, scout func(pass func(node int) bool) []item) []item {
	ends := make([]int, len(s.places))
	for k := range s.stages {
		if x := &s.stages[k]; s.left[k] {
			ends[x.I]++
			ends[x.J]++
		}
	}
	order := make([]int, len(s.places))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return ends[b] - ends[a] })
	chosen := map[int]bool{}
	for _, k := range order[:min(mostNodes, len(order))] {
		p := s.places[k]
		best := int(p.First)
		for v := best; v <= int(p.Last); v++ {
			if s.HopUs[v] < s.HopUs[best] {
				best = v
			}
		}
		chosen[best] = ends[k] > 0
	}
	all := append(slices.Clone(known), scout(func(v int) bool { return chosen[v] })...)
	slices.SortFunc(all, func(a, b item) int { return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.cost, b.cost)) })
	kept := all[:0]
	for _, x := range all {
		if n := len(kept); n == 0 || x.cost < kept[n-1].cost {
			kept = append(kept, x)
		}
	}
	return kept
}

// sieve makes a sieve that knows some plans, at least one.
func (o *Outline) sieve(known []item, aim *aim) *sieve {
	s := &sieve{Outline: o, aim: aim, law: newLaw(&o.Problem), rule: o.rule()}
	s.work = float64(o.RunNs[len(o.Nodes)-1]) / 1000
	s.gatewayUSD = float64(o.GatewayPicoUSDPerMs) / 1000
	for _, x := range known {
		x.cost = o.total(x.time, x.cost).CostPicoUSD
		if n := len(s.known); n == 0 || x.cost < s.known[n-1].cost {
			s.known = append(s.known, x)
		}
	}
	s.chooseSlopes()
	return s
}

const (
	firstPart   = 16 // nodes of a place to begin with
	partDivisor = 2
)

// parts divides the nodes into places of so many, with the nodes of a cut together.
func (o *Outline) parts(size int) []Place {
	end := int32(len(o.Nodes) - 1)
	places := []Place{{0, 0}}
	for v := int32(1); v < end; {
		last := v
		for last+1 < end && !o.Alone[v] && !o.Alone[last+1] && (last+1 < v+int32(size) || o.Nodes[last+1].Cut == o.Nodes[last].Cut) {
			last++
		}
		places = append(places, Place{v, last})
		v = last + 1
	}
	return append(places, Place{end, end})
}

// divide cuts the places that have stages left into smaller ones. Those between two of them are wanted where one between what
// they were parts of was left.
func (s *sieve) divide(size int) (places []Place, pairs func(i int) []bool) {
	n := len(s.places)
	alive, between := make([]bool, n), make([]bool, n*n)
	alive[0], alive[n-1] = true, true
	for k := range s.stages {
		if x := &s.stages[k]; s.left[k] {
			alive[x.I], alive[x.J], between[int(x.I)*n+int(x.J)] = true, true, true
		}
	}
	var from []int
	for k, p := range s.places {
		if !alive[k] {
			continue
		}
		for v := p.First; v <= p.Last; {
			last := min(v+int32(size)-1, p.Last)
			for size > 1 && last < p.Last && s.Nodes[last+1].Cut == s.Nodes[last].Cut {
				last++
			}
			places, from = append(places, Place{v, last}), append(from, k)
			v = last + 1
		}
	}
	row := make([]bool, len(places))
	return places, func(i int) []bool {
		for j, k := range from {
			row[j] = k == from[i] || between[from[i]*n+k]
		}
		return row
	}
}

// survivors makes the problem of the stages that are left between places of one node.
func (s *sieve) survivors() *Problem {
	p := s.Problem
	p.Stages = make([]Stage, 0, s.count())
	for k, left := range s.left {
		if left {
			x := s.stages[k]
			x.I, x.J = s.places[x.I].First, s.places[x.J].First
			p.Stages = append(p.Stages, x)
		}
	}
	return &p
}

// chooseSlopes spreads the slopes over those of the frontier's hull.
func (s *sieve) chooseSlopes() {
	least, most := math.Inf(1), 0.0
	hull := make([]item, 0, len(s.known))
	fall := func(a, b *item) float64 { return float64(a.cost-b.cost) / float64(b.time-a.time) }
	for _, x := range s.known {
		for n := len(hull); n >= 2 && fall(&hull[n-2], &hull[n-1]) <= fall(&hull[n-1], &x); n-- {
			hull = hull[:n-1]
		}
		hull = append(hull, x)
	}
	for k := 1; k < len(hull); k++ {
		f := fall(&hull[k-1], &hull[k]) + s.gatewayUSD
		least, most = min(least, f), max(most, f)
	}
	if most == 0 {
		least, most = 1, 1
	}
	least, most = max(least/2, most/(1<<16)), 2*most
	s.slope, s.rate = make([]float64, slopeCount), make([]float64, slopeCount)
	s.slope[slopeCount-1] = most
	ratio := root(most/least, slopeCount-2)
	for k := slopeCount - 2; k > 0; k-- {
		s.slope[k] = s.slope[k+1] / ratio
	}
	s.haste = math.Inf(1)
	for k := range s.slope {
		s.rate[k] = math.Inf(1)
		for z := range s.Common {
			size := &s.law.size[z]
			s.rate[k] = min(s.rate[k], size.both+float64(s.slope[k]*size.slow))
			s.haste = min(s.haste, size.slow)
		}
		s.rate[k] -= float64(s.rate[k] / (1 << 40))
	}
	if s.Passes.several() { // work is not done once, and not all of it is waited for
		clear(s.rate)
		s.haste = 0
	}
	s.margin = 64 + float64((float64(s.slope[slopeCount-1]*float64(s.known[len(s.known)-1].time))+float64(s.known[0].cost))/(1<<36))
}

// root gives a number whose nth power is near x, by operations that are the same everywhere.
func root(x float64, n int) float64 {
	lo, hi := 1.0, x
	for range 60 {
		mid := (lo + hi) / 2
		power := 1.0
		for range n {
			power *= mid
		}
		if power < x {
			lo = mid
		} else {
			hi = mid
		}
	}
	return max(hi, 1.0001)
}

// pass makes the stages between places and marks those that are left.
func (s *sieve) pass(places []Place, pairs func(i int) []bool) {
	s.places = places
	s.stages = s.Make(places, pairs, s.stages[:0])
	n, m := len(s.places), slopeCount
	s.first, s.last = grow(s.first, n), grow(s.last, n)
	for k, p := range places {
		s.first[k], s.last[k] = float64(s.RunNs[p.First])/1000, float64(s.RunNs[p.Last])/1000
	}
	s.excess, s.slow, s.least = grow(s.excess, len(s.stages)*m), grow(s.slow, len(s.stages)), grow(s.least, len(s.stages))
	s.bound, s.left = grow(s.bound, len(s.stages)*m), grow(s.left, len(s.stages))
	for k := range s.stages {
		x := &s.stages[k]
		work := s.workOf(x)
		s.law.lines(x, &s.rule, s.slope, s.rate, work, s.excess[k*m:k*m+m])
		s.slow[k] = s.law.quickest(x, &s.rule) - float64(s.haste*work)
	}
	s.ahead, s.behind, s.reached, s.turn = grow(s.ahead, n*m), grow(s.behind, n*m), grow(s.reached, n*m), grow(s.turn, len(s.stages)*m)
	s.soon, s.quick = grow(s.soon, n), grow(s.quick, n)
	s.divideTime()
	s.mark()
}

// mark bounds the stages and marks those that are left.
func (s *sieve) mark() {
	s.forward()
	s.backward()
	for k := range s.slope {
		s.paid(k)
	}
	failed := 0
	for i := range s.stages {
		s.left[i] = s.passes(i, &failed)
	}
}

// workOf is the work between the places of a stage.
func (s *sieve) workOf(x *Stage) float64 { return s.first[x.J] - s.last[x.I] }

// forward bounds what it takes to reach each place.
func (s *sieve) forward() {
	m := slopeCount
	for k := range s.ahead {
		s.ahead[k] = math.Inf(1)
	}
	for k := range s.soon {
		s.soon[k], s.quick[k] = math.Inf(1), math.Inf(1)
	}
	clear(s.ahead[:m])
	s.soon[0] = 0
	overlapped := s.rule.overlapped != 0
	for i := range s.stages {
		x := &s.stages[i]
		from, to, e := s.ahead[int(x.I)*m:int(x.I)*m+m], s.ahead[int(x.J)*m:int(x.J)*m+m], s.excess[i*m:i*m+m]
		if v := s.ends(x, i); v < s.soon[x.J] {
			s.soon[x.J] = v
		}
		shift, before := float64(x.InitUs-s.DispatchUs), s.last[x.I]
		best := from[0]
		for k := range e {
			if v := from[k]; !overlapped {
				best = v
			} else if k > 0 {
				best += float64((s.slope[k]-s.slope[k-1])*shift) - float64((s.rate[k]-s.rate[k-1])*before)
				if v > best {
					best = v
				}
			}
			if v := best + e[k]; v < to[k] {
				to[k] = v
			}
		}
	}
}

// backward bounds what it takes to the sink, and prepares what the slopes share.
func (s *sieve) backward() {
	m := slopeCount
	for k := range s.ahead {
		s.reached[k] = s.ahead[k] + float64(s.rate[k%m]*s.work)
	}
	s.quick[len(s.places)-1] = 0
	for i := len(s.stages) - 1; i >= 0; i-- {
		x := &s.stages[i]
		s.least[i] = s.ends(x, i) + s.quick[x.J]
		if v := s.quick[x.J] + s.slow[i]; v < s.quick[x.I] {
			s.quick[x.I] = v
		}
		if s.rule.overlapped != 0 {
			shift, rest, turn := float64(x.InitUs-s.DispatchUs), s.work-s.last[x.I], s.turn[i*m:i*m+m]
			for k := range turn[:m-1] {
				turn[k] = float64((s.slope[k+1]-s.slope[k])*shift) + float64((s.rate[k+1]-s.rate[k])*rest)
			}
		}
	}
}

// paid bounds what plans through each stage pay whose time is paid by one slope in the end: the least cost plus the slope times the
// latency, all work at the rate included. Backwards, a wait changes the slope for a smaller one.
func (s *sieve) paid(last int) {
	m := slopeCount
	for k := range s.behind {
		s.behind[k] = math.Inf(1)
	}
	sink := s.behind[(len(s.places)-1)*m : len(s.places)*m]
	for k := range sink {
		sink[k] = math.Inf(-1)
	}
	sink[last] = 0
	first := last // without waits there is one slope only
	if s.rule.overlapped != 0 {
		first = 0
	}
	for i := len(s.stages) - 1; i >= 0; i-- {
		x := &s.stages[i]
		from, to, e := s.behind[int(x.I)*m:int(x.I)*m+m], s.behind[int(x.J)*m:int(x.J)*m+m], s.excess[i*m:i*m+m]
		reached, turn := s.reached[int(x.I)*m:int(x.I)*m+m], s.turn[i*m:i*m+m]
		least, best := math.Inf(-1), math.Inf(-1)
		for k := last; k >= first; k-- {
			best += turn[k]
			if v := to[k] + e[k]; v > best {
				best = v
			}
			if best < from[k] {
				from[k] = best
			}
			if v := reached[k] + best; v > least {
				least = v
			}
		}
		s.bound[i*m+last] = least
	}
}

// ends bounds when a stage ends, beyond haste.
func (s *sieve) ends(x *Stage, i int) float64 {
	end := s.soon[x.I] + s.slow[i]
	if s.rule.overlapped != 0 {
		run := s.slow[i] + float64(s.haste*s.workOf(x)) - float64(s.DispatchUs)
		if woken := float64(x.InitUs) + run - float64(s.haste*s.last[x.J]); woken > end {
			end = woken
		}
	}
	return end
}

// divideTime makes the windows: before the first known plan, between neighbours, after the last, or the one of an aim.
func (s *sieve) divideTime() {
	s.windows, s.blocks = s.windows[:0], s.blocks[:0]
	if s.aim != nil {
		s.windows = append(s.windows, s.gap(0, float64(s.aim.time), float64(s.aim.cost)+s.margin))
	} else {
		begin, ceiling := 0.0, math.Inf(1)
		for _, x := range s.known {
			s.windows = append(s.windows, s.gap(begin, float64(x.time), ceiling))
			begin, ceiling = float64(x.time), float64(x.cost)+s.margin
		}
		s.windows = append(s.windows, s.gap(begin, math.Inf(1), ceiling))
	}
	for k := 0; k < len(s.windows); k += blockSize {
		block := s.windows[k]
		for _, g := range s.windows[k+1 : min(k+blockSize, len(s.windows))] {
			block.time = g.time
			for n, v := range g.paid {
				if v > block.paid[n] {
					block.paid[n] = v
				}
			}
		}
		s.blocks = append(s.blocks, block)
	}
}

// gap is the window of the plans that take from begin to end and cost no more than a ceiling, the gateway included, which is paid by
// the time.
func (s *sieve) gap(begin, end, ceiling float64) (g gap) {
	g.time = end - float64(s.haste*s.work) + 1
	ceiling -= float64(s.gatewayUSD * float64(s.StartUs))
	for k, slope := range s.slope {
		switch {
		case slope <= s.gatewayUSD:
			g.paid[k] = ceiling - float64((s.gatewayUSD-slope)*begin)
		case math.IsInf(end, 1):
			g.paid[k] = end
		default:
			g.paid[k] = ceiling + float64((slope-s.gatewayUSD)*end)
		}
	}
	return g
}

// passes tells whether a plan may have a stage in any window. The slope that failed last is tried first.
func (s *sieve) passes(i int, failed *int) bool {
	bound := (*[slopeCount]float64)(s.bound[i*slopeCount:])
	for k := range s.blocks {
		if !s.blocks[k].admits(s.least[i], bound, failed) {
			continue
		}
		windows := s.windows[k*blockSize : min((k+1)*blockSize, len(s.windows))]
		for n := range windows {
			if windows[n].admits(s.least[i], bound, failed) {
				return true
			}
		}
	}
	return false
}

// admits tells whether a stage may be part of a plan in a window, by the least time of such plans and what they pay at the least.
func (g *gap) admits(time float64, bound *[slopeCount]float64, failed *int) bool {
	if time > g.time || bound[*failed] > g.paid[*failed] {
		return false
	}
	for k := range bound {
		if bound[k] > g.paid[k] {
			*failed = k
			return false
		}
	}
	return true
}
