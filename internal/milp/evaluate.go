package milp

import (
	"fmt"

	"partita/planner/solve"
)

// step is a stage of a plan: the nodes it leaves and enters, and its figures.
type step struct {
	i, j   int
	option solve.Option
}

func stepOf(in *solve.Instance, c solve.Choice) step {
	g := &in.Segments[c.Segment]
	return step{g.I, g.J, g.Options[c.Option]}
}

// stepUsOf is what the gateway is billed in.
func stepUsOf(terms *solve.Terms) int64 {
	if terms.GatewayStepUs == 0 {
		return 1000
	}
	return terms.GatewayStepUs
}

// evaluate computes the totals of a plan from the rule of the scenario, apart from package solve.
func evaluate(terms *solve.Terms, path []step) (solve.Point, error) {
	var total solve.Point
	if len(path) < terms.MinStages || len(path) > terms.MaxStages {
		return total, fmt.Errorf("%d stages, not %d to %d", len(path), terms.MinStages, terms.MaxStages)
	}
	at := 0
	var finish int64
	for _, s := range path {
		if s.i != at {
			return total, fmt.Errorf("no way: a stage leaves node %d, the one before entered %d", s.i, at)
		}
		switch terms.Scenario {
		case solve.Warm:
			finish += terms.DispatchUs + s.option.RunUs
		case solve.ColdSequential:
			finish += terms.DispatchUs + s.option.InitUs + s.option.RunUs
		case solve.ColdOverlapped:
			finish += terms.DispatchUs
			if finish < s.option.InitUs {
				finish = s.option.InitUs
			}
			finish += s.option.RunUs
		default:
			return total, fmt.Errorf("no program is written for the scenario %q", terms.Scenario)
		}
		total.CostPicoUSD += s.option.CostPicoUSD
		at = s.j
	}
	if at != len(terms.Nodes)-1 {
		return total, fmt.Errorf("the plan ends at node %d, not at the sink", at)
	}
	total.LatencyUs = terms.StartUs + finish
	stepUs := stepUsOf(terms)
	steps := total.LatencyUs / stepUs
	if steps*stepUs < total.LatencyUs {
		steps++
	}
	for steps*stepUs < terms.GatewayMinUs {
		steps++
	}
	total.CostPicoUSD += steps * (stepUs / 1000) * terms.GatewayPicoUSDPerMs
	return total, nil
}
