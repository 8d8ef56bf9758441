package planner

import (
	"fmt"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// What drives the stages, the gateway or a workflow, changes the figures of every stage. So a request that leaves it open is two
// problems, each solved by itself, and their frontiers merged.

// gateway is the choice of orchestration that needs nothing but functions.
const gateway = "gateway"

// driven gives the platform as it is under what drives the stages; a request that leaves it open is the gateway's here.
func (r *Request) driven(p *platform.Platform) (*platform.Platform, error) {
	if r.Orchestration == "" || r.Orchestration == auto || p.Orchestrator != nil {
		return p, nil
	}
	o, err := platform.Orchestration(r.Orchestration, p.Name)
	if err != nil {
		return nil, err
	}
	if r.severalPasses() {
		return nil, diag.New(diag.Usage, "planner.workflow-batch", "checking the request", "the inputs are to be sent in several passes, and an execution of a workflow is one pass",
			fmt.Sprintf("let the gateway drive, or send them together: batch %d and one pipeline", r.inputs()))
	}
	return p.DrivenBy(o), nil
}

// severalPasses tells whether the inputs are to be sent so.
func (r *Request) severalPasses() bool { return r.Batch > 0 && r.Inputs > r.Batch || r.Pipelines > 1 }

// orchestrated prepares the problems of a request that leaves open what drives: by the gateway, and by a workflow where one can drive.
func (r *Request) orchestrated(m model, p *platform.Platform) (all []*Problem, err error) {
	for _, by := range []string{"", plan.StepFunctions} {
		if by != "" {
			if _, none := platform.Orchestration(by, p.Name); none != nil || r.severalPasses() {
				continue
			}
		}
		one := *r
		one.Orchestration = by
		problem, err := newProblemOn(m, one, p)
		if err != nil {
			return nil, err
		}
		all = append(all, problem)
	}
	return all, nil
}

// solveEither solves both. A workflow ends its requests sooner than a gateway, so its slower plans are none here.
func (p *Problem) solveEither() {
	results := make([]*solve.Result, len(p.either))
	for i, d := range p.either {
		d.labels = p.labels
		result := *d.Solve()
		most := d.platform.RequestTimeoutUs()
		for n := len(result.Frontier); i > 0 && n > 0 && result.Frontier[n-1].LatencyUs > most; n-- {
			result.Frontier = result.Frontier[:n-1]
		}
		results[i] = &result
	}
	p.result, p.origins = solve.Merge(results, p.resolutionUs(p.request))
	p.frontier = make([]plan.Point, len(p.origins))
	for i, o := range p.origins {
		d := p.either[o.Result]
		p.frontier[i] = d.frontier[o.Point]
		p.frontier[i].Orchestration = d.request.Orchestration
	}
}

// driverOf finds the problem that a plan is of by what drives it; the problem itself where the request says what.
func (p *Problem) driverOf(document *plan.Plan) *Problem {
	for _, d := range p.either {
		if (d.platform.Orchestrator != nil) == (document.Workflow != nil) {
			return d
		}
	}
	return p
}

// bestOfEither is best where what drives is open: the better of both.
func (p *Problem) bestOfEither(r Request) (best solve.Point, feasible bool) {
	for _, d := range p.either {
		d.labels = p.labels
		point, ok := d.best(r)
		better := point.CostPicoUSD < best.CostPicoUSD || point.CostPicoUSD == best.CostPicoUSD && point.LatencyUs < best.LatencyUs
		if r.Objective == LeastLatency {
			better = point.LatencyUs < best.LatencyUs || point.LatencyUs == best.LatencyUs && point.CostPicoUSD < best.CostPicoUSD
		}
		if ok && (!feasible || better) {
			best, feasible = point, true
		}
	}
	return best, feasible
}
