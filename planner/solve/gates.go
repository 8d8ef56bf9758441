package solve

import "math"

// Gate is a way to drive stages: what it takes and costs, whatever the stages are.
type Gate struct {
	StartUs      int64 // in the place of Terms.StartUs
	PicoUSDPerMs int64 // in the place of Terms.GatewayPicoUSDPerMs, in the same steps
	AddedPicoUSD int64 // once per request, beside what the options of the first stage carry; it may be negative
}

// Through gives the objectives of a plan that is driven by a gate, from its last stage's finish and the sum of its options' costs.
func (t *Terms) Through(g Gate, ends Point) Point {
	latency := g.StartUs + ends.LatencyUs
	return Point{latency, ends.CostPicoUSD + g.AddedPicoUSD + t.GatewayMs(latency)*g.PicoUSDPerMs}
}

// Ends undoes Through for the terms' own gate: it gives a plan's finish and what its options cost.
func (t *Terms) Ends(p Point) Point {
	return Point{p.LatencyUs - t.StartUs, p.CostPicoUSD - t.GatewayMs(p.LatencyUs)*t.GatewayPicoUSDPerMs}
}

// At gives the problem of one of its gates alone.
func (p *Problem) At(g Gate) *Problem {
	q := *p
	q.StartUs, q.GatewayPicoUSDPerMs = g.StartUs, g.PicoUSDPerMs
	if g.AddedPicoUSD == 0 {
		return &q
	}
	q.Stages = make([]Stage, len(p.Stages))
	for i, s := range p.Stages {
		if s.I == 0 {
			s.FeesPicoUSD, s.FixedPicoUSD = s.FeesPicoUSD+g.AddedPicoUSD, s.FixedPicoUSD+g.AddedPicoUSD
		}
		q.Stages[i] = s
	}
	return &q
}

// At gives the outline of one of its gates alone.
func (o *Outline) At(g Gate) *Outline {
	q := *o
	q.Problem = *o.Problem.At(g)
	if o.Make != nil && g.AddedPicoUSD != 0 {
		q.Make = func(places []Place, wanted func(i int) []bool, out []Stage) []Stage {
			before := len(out)
			out = o.Make(places, wanted, out)
			for i := before; i < len(out); i++ {
				if s := &out[i]; places[s.I].First == 0 {
					s.FeesPicoUSD, s.FixedPicoUSD = s.FeesPicoUSD+g.AddedPicoUSD, s.FixedPicoUSD+g.AddedPicoUSD
				}
			}
			return out
		}
	}
	return &q
}

// SolveThrough finds the frontier of all plans with all gates, and which gate each point is driven by: of equals the first. The stages of
// the result are those of the problem given beside it, whose own gate counts for nothing.
//
// One search does for all gates, since none changes which plans a node can be reached by: a plan that another beats in the finish
// and in the cost of its stages is beaten through every gate, as the gateway's cost rises with the latency. Where all finishes are
// whole milliseconds, and these are what is billed, that holds for the cost through the cheapest gate as well, which leaves more plans
// out: what two latencies differ by in it they differ by no less through any other. Where they are not, which plan is the last of a
// millisecond depends on what part of one the gate starts with, so the search is by the microsecond and only its answer to a coarser
// resolution.
func (o *Outline) SolveThrough(gates []Gate, e Effort) (*Problem, *Result, []int) {
	base, resolution := *o, e.ResolutionUs
	base.GatewayPicoUSDPerMs = 0
	if !o.wholeMs() {
		e.ResolutionUs = 1
	} else if o.GatewayStepUs <= Millisecond && o.GatewayMinUs == 0 {
		base.GatewayPicoUSDPerMs = gates[0].PicoUSDPerMs
		for _, g := range gates {
			base.GatewayPicoUSDPerMs = min(base.GatewayPicoUSDPerMs, g.PicoUSDPerMs)
		}
	}
	e.Beaten = base.beatenThrough(gates, e.Beaten)
	p, r := base.Solve(e)
	through, which := p.reprice(gates, r, resolution)
	return p, through, which
}

// wholeMs tells whether every plan finishes after whole milliseconds.
func (o *Outline) wholeMs() bool {
	return o.Scenario == ColdOverlapped && o.TickUs == Millisecond && o.DispatchUs%Millisecond == 0
}

// beatenThrough states points that plans of other problems reach for the search that stands for all gates: a plan that such a point
// beats there is beaten by it through each.
func (o *Outline) beatenThrough(gates []Gate, beaten []Point) []Point {
	soonest := gates[0].StartUs
	for _, g := range gates {
		soonest = min(soonest, g.StartUs)
	}
	var all []Point
	for _, x := range beaten {
		finish := max(x.LatencyUs-soonest, 0)
		least := int64(math.MaxInt64)
		for k := range gates {
			least = min(least, o.Through(gates[k], Point{LatencyUs: finish}).CostPicoUSD)
		}
		latency := o.StartUs + finish
		y := Point{latency, x.CostPicoUSD - least + o.GatewayMs(latency)*o.GatewayPicoUSDPerMs}
		if n := len(all); n == 0 || y.LatencyUs > all[n-1].LatencyUs && y.CostPicoUSD < all[n-1].CostPicoUSD {
			all = append(all, y)
		}
	}
	return all
}

// driven is a point of one gate's frontier.
type driven struct {
	Point
	gate, point int32 // point is one of the search's
}

// reprice makes the frontier over all gates of what one search has found.
func (p *Problem) reprice(gates []Gate, r *Result, resolutionUs int64) (through *Result, which []int) {
	through = &Result{Status: r.Status, GapPicoUSD: r.GapPicoUSD, Labels: r.Labels, Reach: r.Reach, first: make([]int32, 1, len(r.Frontier)+1)}
	var all, spare []driven
	own := make([]driven, 0, len(r.Frontier))
	ends := make([]Point, len(r.Frontier))
	for i, x := range r.Frontier {
		ends[i] = p.Ends(x)
	}
	for k := range gates {
		own = own[:0]
		for i, x := range ends {
			d := driven{p.Through(gates[k], x), int32(k), int32(i)}
			if n := len(own); n == 0 || d.CostPicoUSD < own[n-1].CostPicoUSD {
				own = append(own, d)
			}
		}
		all, spare = lowest(all, own, spare[:0]), all
	}
	step := max(resolutionUs, 1)
	kept := all[:0]
	for _, d := range all {
		if n := len(kept); n > 0 && (d.LatencyUs+step-1)/step == (kept[n-1].LatencyUs+step-1)/step {
			kept = kept[:n-1] // within the same step of SLOs the cheaper one counts
		}
		kept = append(kept, d)
	}
	for _, d := range kept {
		through.Frontier = append(through.Frontier, d.Point)
		through.choices = append(through.choices, r.choices[r.first[d.point]:r.first[d.point+1]]...)
		through.first = append(through.first, int32(len(through.choices)))
		which = append(which, int(d.gate))
	}
	return through, which
}

// lowest merges two frontiers into a third, to which it appends. Of equal points that of the first counts.
func lowest(a, b, out []driven) []driven {
	for len(a) > 0 || len(b) > 0 {
		var x driven
		if len(b) == 0 || len(a) > 0 && (a[0].LatencyUs < b[0].LatencyUs || a[0].LatencyUs == b[0].LatencyUs && a[0].CostPicoUSD <= b[0].CostPicoUSD) {
			x, a = a[0], a[1:]
		} else {
			x, b = b[0], b[1:]
		}
		if n := len(out); n == 0 || x.CostPicoUSD < out[n-1].CostPicoUSD {
			out = append(out, x)
		}
	}
	return out
}
