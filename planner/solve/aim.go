package solve

import "slices"

// Aim is one of the questions that a frontier answers.
type Aim struct {
	SLOUs         int64 // the cheapest plan within it
	BudgetPicoUSD int64 // or, where this is not 0, the fastest plan that costs no more
}

// aim is the part of the plane of finish and cost, the gateway's included, in which a plan must lie to answer an Aim at least as
// well as the best plan known.
type aim struct{ time, cost int64 }

// Best finds the plan that answers an aim, the same as a lookup in the whole frontier does, by looking only at what can be as
// good as the best plan that a scout finds. The frontier of the result has that point alone, or none when no plan answers.
func (o *Outline) Best(a Aim, e Effort) (*Problem, *Result) {
	if o.Make != nil && len(o.Nodes) >= fewNodes {
		for _, layered := range []bool{false, true} {
			if !layered && o.MinStages > 1 {
				continue
			}
			if p, r := o.best(a, e, layered); r != nil {
				return p, r
			}
		}
	}
	p, r := o.Solve(e)
	return p, r.only(a)
}

// only leaves the point of a frontier that answers an aim.
func (r *Result) only(a Aim) *Result {
	point, ok := r.Cheapest(a.SLOUs)
	if a.BudgetPicoUSD > 0 {
		point, ok = r.Fastest(a.BudgetPicoUSD)
	}
	one := &Result{Status: r.Status, GapPicoUSD: r.GapPicoUSD, Labels: r.Labels, Reach: r.Reach, first: []int32{0}}
	if ok {
		one.Frontier = r.Frontier[point : point+1]
		one.choices = r.choices[r.first[point]:r.first[point+1]]
		one.first = append(one.first, int32(len(one.choices)))
	}
	return one
}

// best gives nil when there is no plan to begin with, when the search was stopped, or when the number of stages was left free and
// a plan broke the limits.
func (o *Outline) best(a Aim, e Effort, layered bool) (*Problem, *Result) {
	o.table = newLawTable(&o.Problem)
	defer func() { o.table = nil }()
	known := o.scout(e, layered, &a)
	if len(known) == 0 {
		return nil, nil
	}
	in := o.aimAt(a, known)
	p, _ := o.sift(known, in, nil)
	s := p.compact(e)
	s.layered(layered)
	p.table = nil
	s.hints, s.rough = known, true
	r := s.runAt(in)
	if r == nil || r.Status != Optimal {
		return nil, nil
	}
	return p, r.only(a)
}

// aimAt bounds the answer by the plans known.
func (o *Outline) aimAt(a Aim, known []item) *aim {
	in := &aim{maxTotal, maxTotal}
	if a.BudgetPicoUSD > 0 {
		in.cost = min(a.BudgetPicoUSD, maxTotal)
	} else {
		in.time = min(a.SLOUs, maxTotal) - o.StartUs
	}
	for _, x := range known {
		if total := o.total(x.time, x.cost).CostPicoUSD; total <= in.cost && x.time <= in.time {
			if a.BudgetPicoUSD > 0 {
				in.time = x.time
			} else {
				in.cost = total
			}
		}
	}
	return in
}

// runAt finds the part of the frontier that lies within an aim. It gives nil when a plan broke the stage limits.
func (s *solver) runAt(in *aim) *Result {
	none := &Result{Status: Optimal, first: []int32{0}}
	p, q, ok := s.begin()
	switch {
	case !ok || p != nil && p.time > in.time:
		return none
	case p == nil:
		return nil
	}
	s.known.settle()
	// Within the aim the gateway costs no less than for the fastest plan.
	gateway := s.in.total(p.time, 0).CostPicoUSD
	first := &plan{time: p.time, cost: min(p.cost, in.cost-gateway)}
	last := &plan{time: min(q.time, in.time), cost: min(q.cost, first.cost)}
	s.box = item{time: last.time, cost: first.cost}
	if first.cost < q.cost || last.time < first.time {
		return none
	}
	d, limit := s.slope(in.time), int64(unreachable)
	if g, exact := s.gatewayDirection(); exact && in.time >= q.time && in.cost < maxTotal {
		// Where only the cost counts, the gateway's is a part of it.
		d, limit = g, g.a*in.cost-g.b*s.in.StartUs
	}
	s.known.points = append(s.known.points[:0], slices.DeleteFunc(slices.Clone(s.known.points), func(x item) bool { return x.cost >= first.cost })...)
	s.known.learn(first.time, first.cost) // as if there were one: what is dearer is no answer
	s.known.settle()
	s.list(first, last)
	lo, hi := 0, len(s.entries)
	s.sweep(first, last, s.entries, d)
	if s.smooth {
		s.tighten(first, last, lo, hi, d, min(limit, s.known.ceiling(first, last, d)))
		lo, hi = hi, len(s.entries)
		s.sweep(first, last, s.entries[lo:hi], d)
	}
	s.leaf(first, last, s.entries[lo:hi], d, limit, false)
	if s.broken {
		return nil
	}
	return s.result()
}

// slope gives the direction that is normal to the plans known about a time.
func (s *solver) slope(time int64) direction {
	known := s.known.points
	at := s.known.before(time + 1)
	a, b := &known[max(at-slopeReach, 0)], &known[min(at+slopeReach, len(known))-1]
	return s.direction(&plan{time: a.time, cost: a.cost}, &plan{time: b.time, cost: b.cost})
}

// slopeReach is how many plans on either side make a slope.
const slopeReach = 4
