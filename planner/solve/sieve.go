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
//	from v on at least  behind[k] + rate[k]*(R(end) - R(v)) + slope[k]*finish(v)   to end by a deadline
//
// for each slope k. The rate is what a unit of work costs at least, time being paid by the slope, so that a stage between
// places of several nodes is only bounded in what it takes beyond its work, which hardly depends on where in the
// places it begins and ends: its excess grows with its work, and least work bounds it. A plan with two cuts in one place takes no
// less than one without the stage between them.
//
// The frontier is divided into windows at known plans. Within a window a plan must be done by its end, and cost no more than
// the known plan at its beginning.
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
	narrow     int       // windows of so many known plans are not divided

	places        []Place
	first, last   []float64 // by place: R of its first node and its last
	stages        []Stage
	excess        []float64 // by stage and slope
	slow          []float64 // by stage: least time beyond haste
	least         []float64 // by stage: least time of a plan that has it, beyond haste
	turn          []float64 // by stage and slope: what the bound of the next slope gains on the way to this one, before the stage
	reached       []float64 // by place and slope: ahead, and what all work takes at the rate
	ahead, behind []float64 // by place and slope
	soon, quick   []float64 // by place: least time from the source and to the sink, beyond haste
	left          []bool    // by stage: it may be part of a plan
	lists         []int32   // a stack of stages
}

// slopeCount is the number of slopes of a sieve.
const slopeCount = 12

// sift gives the nodes that are left of an outline, and the pairs of them that have stages: for the whole frontier, or for what
// meets an aim. Where too many are left for places of few nodes, it scouts again, among the nodes of these, and gives all plans
// known then.
func (o *Outline) sift(known []item, aim *aim, scout func(pass func(node int) bool) []item) (nodes []Place, wanted func(i int) []bool, _ []item) {
	s := o.sieve(known, aim)
	places := o.parts(firstPart)
	pairs := every(len(places))
	for part := firstPart; ; {
		s.narrow = max(1, len(s.known)*part/windows)
		s.pass(places, pairs)
		if part == 1 {
			nodes, wanted = s.survivors()
			return nodes, wanted, known
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
	windows     = 512 // of a pass over places of one node; the others have fewer
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

// survivors gives the nodes of the places, and the pairs that have a stage left.
func (s *sieve) survivors() (nodes []Place, wanted func(i int) []bool) {
	n := len(s.places)
	between := make([]bool, n*n)
	for k := range s.stages {
		between[int(s.stages[k].I)*n+int(s.stages[k].J)] = between[int(s.stages[k].I)*n+int(s.stages[k].J)] || s.left[k]
	}
	return s.places, func(i int) []bool { return between[i*n : i*n+n] }
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

// pass bounds the stages between places and marks those that are left.
func (s *sieve) pass(places []Place, pairs func(i int) []bool) {
	s.places = places
	s.stages = s.Make(places, pairs, s.stages[:0])
	n, m := len(s.places), slopeCount
	s.first, s.last = grow(s.first, n), grow(s.last, n)
	for k, p := range places {
		s.first[k], s.last[k] = float64(s.RunNs[p.First])/1000, float64(s.RunNs[p.Last])/1000
	}
	s.excess, s.slow = grow(s.excess, len(s.stages)*m), grow(s.slow, len(s.stages))
	s.left = grow(s.left, len(s.stages))
	clear(s.left)
	for k := range s.stages {
		x := &s.stages[k]
		work := s.workOf(x)
		s.law.lines(x, &s.rule, s.slope, s.rate, work, s.excess[k*m:k*m+m])
		s.slow[k] = s.law.quickest(x, &s.rule) - float64(s.haste*work)
	}
	s.ahead, s.behind = grow(s.ahead, n*m), grow(s.behind, n*m)
	s.soon, s.quick = grow(s.soon, n), grow(s.quick, n)
	s.forward()
	s.prepare()
	all := s.lists[:0]
	for k := range s.stages {
		all = append(all, int32(k))
	}
	s.lists = all
	if s.aim != nil {
		for _, i := range s.within(0, len(all), 0, float64(s.aim.time), float64(s.aim.cost)+s.margin) {
			s.left[i] = true
		}
		return
	}
	s.window(0, len(all), -1, 0)
	if len(s.known) > 1 {
		s.window(0, len(all), 0, len(s.known)-1)
	}
	s.window(0, len(all), len(s.known)-1, len(s.known))
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
		s.soon[x.J] = min(s.soon[x.J], s.ends(x, i))
		if !overlapped {
			for k := range e {
				to[k] = min(to[k], from[k]+e[k])
			}
			continue
		}
		shift, before := float64(x.InitUs-s.DispatchUs), s.last[x.I]
		best := math.Inf(-1)
		for k := range e {
			if k > 0 {
				best += float64((s.slope[k]-s.slope[k-1])*shift) - float64((s.rate[k]-s.rate[k-1])*before)
			}
			best = max(best, from[k])
			to[k] = min(to[k], best+e[k])
		}
	}
	s.quick[len(s.places)-1] = 0
	for i := len(s.stages) - 1; i >= 0; i-- {
		x := &s.stages[i]
		s.quick[x.I] = min(s.quick[x.I], s.quick[x.J]+s.slow[i])
	}
}

// prepare computes what the windows share.
func (s *sieve) prepare() {
	m := slopeCount
	s.reached = grow(s.reached, len(s.ahead))
	for k := range s.ahead {
		s.reached[k] = s.ahead[k] + float64(s.rate[k%m]*s.work)
	}
	s.least, s.turn = grow(s.least, len(s.stages)), grow(s.turn, len(s.stages)*m)
	for i := range s.stages {
		x := &s.stages[i]
		s.least[i] = s.ends(x, i) + s.quick[x.J]
		shift, rest, turn := float64(x.InitUs-s.DispatchUs), s.work-s.last[x.I], s.turn[i*m:i*m+m]
		turn[m-1] = 0
		for k := range turn[:m-1] {
			turn[k] = float64((s.slope[k+1]-s.slope[k])*shift) + float64((s.rate[k+1]-s.rate[k])*rest)
		}
	}
}

// ends bounds when a stage ends, beyond haste.
func (s *sieve) ends(x *Stage, i int) float64 {
	end := s.soon[x.I] + s.slow[i]
	if s.rule.overlapped != 0 {
		run := s.slow[i] + float64(s.haste*s.workOf(x)) - float64(s.DispatchUs)
		end = max(end, float64(x.InitUs)+run-float64(s.haste*s.last[x.J]))
	}
	return end
}

// window marks the stages of lists[lo:hi] that a plan may have that is slower than the known plan a, as fast as b, and no dearer
// than a. Beyond the ends of the known plans there is no such limit.
func (s *sieve) window(lo, hi, a, b int) {
	begin, end, ceiling := 0.0, math.Inf(1), math.Inf(1)
	if a >= 0 {
		begin, ceiling = float64(s.known[a].time), float64(s.known[a].cost)+s.margin
	}
	if b < len(s.known) {
		end = float64(s.known[b].time)
	}
	start := len(s.lists)
	left := s.within(lo, hi, begin, end, ceiling)
	if b-a > s.narrow && len(left) > fewStages {
		stop := len(s.lists)
		slices.Reverse(left)
		s.window(start, stop, a, (a+b)/2)
		s.window(start, stop, (a+b)/2, b)
	} else {
		for _, i := range left {
			s.left[i] = true
		}
	}
	s.lists = s.lists[:start]
}

// within appends to the stack, last first, the stages of lists[lo:hi] that a plan may have that takes from begin to end and costs no
// more than a ceiling.
func (s *sieve) within(lo, hi int, begin, end, ceiling float64) []int32 {
	m := slopeCount
	slack := end - float64(s.haste*s.work) + 1
	for k := range s.behind {
		s.behind[k] = math.Inf(1)
	}
	sink := s.behind[(len(s.places)-1)*m : len(s.places)*m]
	for k := range sink { // what the gateway costs until then is a part of it
		by := end
		if s.slope[k] <= s.gatewayUSD {
			by = begin
		} else if math.IsInf(end, 1) {
			by = 1e15
		}
		sink[k] = float64((s.gatewayUSD-s.slope[k])*by) + float64(s.gatewayUSD*float64(s.StartUs))
	}
	overlapped := s.rule.overlapped != 0
	start := len(s.lists)
	var through [slopeCount]float64
	for n := hi - 1; n >= lo; n-- {
		i := int(s.lists[n])
		if s.least[i] > slack {
			continue
		}
		x := &s.stages[i]
		from, to, e := s.behind[int(x.I)*m:int(x.I)*m+m], s.behind[int(x.J)*m:int(x.J)*m+m], s.excess[i*m:i*m+m]
		reached := s.reached[int(x.I)*m : int(x.I)*m+m]
		least, best := math.Inf(-1), math.Inf(-1)
		if !overlapped {
			for k := range through {
				through[k] = to[k] + e[k]
				if v := reached[k] + through[k]; v > least {
					least = v
				}
			}
		} else {
			turn := s.turn[i*m : i*m+m]
			for k := m - 1; k >= 0; k-- {
				best += turn[k]
				if v := to[k] + e[k]; v > best {
					best = v
				}
				through[k] = best
				if v := reached[k] + best; v > least {
					least = v
				}
			}
		}
		if least > ceiling {
			continue
		}
		for k := range through {
			if through[k] < from[k] {
				from[k] = through[k]
			}
		}
		s.lists = append(s.lists, int32(i))
	}
	return s.lists[start:]
}

// fewStages is a number of stages that are not worth a narrower window.
const fewStages = 16
