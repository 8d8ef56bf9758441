// Package planner finds the cheapest way to serve a model on serverless functions: a model and a Request go in, a plan
// document comes out.
//
// A Problem reads like the recipe it is: check the request against the platform, measure the model (package cost),
// write the numeric problem, solve it (package solve), account for the plan chosen and write it down (package plan). It
// does no input or output, reads no clock and starts no goroutine: the same model and request give the same plan and
// the same hash everywhere.
package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// Platforms lists the platforms that a request may name, in the price book's order.
func Platforms() []*platform.Platform {
	var all []*platform.Platform
	for _, name := range platform.Names() {
		if p, err := platform.Get(name); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// model is what a Problem keeps of a model.
type model struct {
	graph    *graph.Graph
	document plan.Model
}

// Problem is a request for a model, and once solved its answers. It is not safe for concurrent use.
type Problem struct {
	given    model // as it came
	model    model // with its layers in parts, where some fit no function
	request  Request
	platform *platform.Platform
	table    *cost.Table
	numbers  *solve.Problem
	result   *solve.Result
	frontier []plan.Point // of result
	simple   *simplePlans // baselines, once asked for
	labels   int          // limit of the optimiser's work; 0: its own

	pureTables map[bool]*cost.Table // of cold and of warm requests alone, once asked for
}

func newProblem(m model, r Request) (*Problem, error) {
	p, err := r.check()
	if err != nil {
		return nil, err
	}
	return newProblemOn(m, r, p)
}

// newProblemOn prepares a request for a platform whose figures may differ from the price book's.
func newProblemOn(m model, r Request, p *platform.Platform) (*Problem, error) {
	pins, err := r.pins(m.graph, p)
	if err != nil {
		return nil, err
	}
	settings := cost.Settings{
		Scenario: solve.Scenario(r.Scenario), MinStages: r.MinStages, MaxStages: r.MaxStages, MemoryMB: r.MemoryMB, Batch: r.Batch,
		Transport: r.Transport, GatewayMemoryMB: r.GatewayMemoryMB, Calibration: r.Calibration, Arrivals: r.arrivals(p), Pins: pins,
		Variants: r.variants(p),
	}
	if settings.GatewayMemoryMB == 0 {
		settings.GatewayMemoryMB = p.GatewayMemoryMB
	}
	table, err := cost.NewTable(m.graph, p, settings)
	if err != nil {
		return nil, err
	}
	whole, table, err := r.inParts(m, p, settings, table)
	if err != nil {
		return nil, err
	}
	return &Problem{given: m, model: whole, request: r, platform: p, table: table, numbers: table.Problem()}, nil
}

// check finds the platform and refuses what no model could make sense of.
func (r *Request) check() (*platform.Platform, error) {
	p, err := platform.Get(r.Platform)
	if err != nil {
		return nil, err
	}
	bad := func(code, found, fix string) error {
		return diag.New(diag.Usage, code, "checking the request", found, fix)
	}
	if r.MaxStages < r.MinStages || r.MinStages < 1 || r.MaxStages > maxStages {
		return nil, bad("planner.bad-stages", fmt.Sprintf("at least %d and at most %d functions are wanted", r.MinStages, r.MaxStages),
			fmt.Sprintf("use 1 <= min-stages <= max-stages <= %d", maxStages))
	}
	if r.SLOUs < 0 || r.SLOUs > maxSLOUs {
		return nil, bad("planner.bad-slo", fmt.Sprintf("the SLO is %d microseconds", r.SLOUs), "use a time above zero and below a day, or none")
	}
	if r.MicroRequestsPH < 0 || r.MicroRequestsPH > maxRatePH*microRequest || r.IdleUs < 0 || r.IdleUs > maxSLOUs {
		return nil, bad("planner.bad-rate", fmt.Sprintf("%s requests arrive and a function is kept for %s", printRate(r.MicroRequestsPH), printDuration(r.IdleUs)),
			"use at most a million a second, and at most a day")
	}
	if r.LayerCap < 0 {
		return nil, bad("planner.bad-layer-cap", fmt.Sprintf("at most %d layers may be in a function", r.LayerCap), "use one at least, or no limit")
	}
	if r.BudgetPicoUSD < 0 {
		return nil, bad("planner.bad-budget", fmt.Sprintf("the budget is %d pico-dollars", r.BudgetPicoUSD), "use an amount above zero, or none")
	}
	if r.Batch < 1 || r.Batch > cost.MaxBatch {
		return nil, bad("planner.bad-batch", fmt.Sprintf("the batch is %d", r.Batch), fmt.Sprintf("use 1 to %d", cost.MaxBatch))
	}
	for _, choice := range []struct{ name, value string }{{"objective", r.Objective}, {"scenario", r.Scenario}, {"transport", r.Transport}} {
		o, _ := OptionNamed(choice.name)
		if !slices.Contains(o.Values, choice.value) && (choice.name != "transport" || choice.value != "") {
			return nil, bad("planner.bad-choice", fmt.Sprintf("the %s is %.40q", choice.name, choice.value), "use one of "+strings.Join(o.Values, ", "))
		}
	}
	if err := r.checkLevers(p); err != nil {
		return nil, err
	}
	return p, r.checkMemory(p, bad)
}

func (r *Request) checkMemory(p *platform.Platform, bad func(code, found, fix string) error) error {
	sells := "it sells " + p.Assortment()
	refused := func(what string, m int64) error {
		return bad("planner.memory-not-sold", fmt.Sprintf("%s: %s sells no functions of %d MB", what, p.Name, m),
			fmt.Sprintf("%s; the nearest size is %d MB", sells, p.NearestMemory(m)))
	}
	for i, m := range r.MemoryMB {
		if !p.Sells(m) {
			return refused("memory", m)
		}
		if i > 0 && r.MemoryMB[i-1] >= m {
			return bad("planner.bad-memory", "the memory sizes do not rise", "sort them, each once")
		}
	}
	if r.MemoryMB != nil && len(r.MemoryMB) == 0 {
		return bad("planner.bad-memory", "the list of memory sizes is empty", "give a size or leave the list out")
	}
	if r.GatewayMemoryMB != 0 && !p.Sells(r.GatewayMemoryMB) {
		return refused("gateway-memory", r.GatewayMemoryMB)
	}
	return nil
}

// With asks something else about the same model.
func (p *Problem) With(r Request) (*Problem, error) { return newProblem(p.given, r) }

// Request gives the request that the problem answers.
func (p *Problem) Request() Request { return p.request }

// Instance writes the numeric problem out for other solvers, or says that it is too large for that.
func (p *Problem) Instance() (*solve.Instance, error) { return p.table.Instance() }

// Solve finds the whole frontier, once; whoever asks for a plan gets it solved too.
func (p *Problem) Solve() *solve.Result {
	if p.result == nil {
		p.result = p.numbers.Solve(solve.Effort{ResolutionUs: p.resolutionUs(p.request), MaxLabels: p.labels})
		p.frontier = make([]plan.Point, len(p.result.Frontier))
		for i, point := range p.result.Frontier {
			p.frontier[i] = plan.Point{LatencyUs: point.LatencyUs, CostPicoUSD: point.CostPicoUSD, Stages: p.choices(p.result.Stages(i))}
		}
	}
	return p.result
}

// Plan gives the answer to the request, with its hash. A request that nothing satisfies is answered by a plan of status
// infeasible that says why.
func (p *Problem) Plan() (*plan.Plan, error) {
	document := p.answer(p.request)
	if _, err := document.Encode(); err != nil {
		return nil, err
	}
	return document, nil
}

// At gives the cheapest plan within another SLO (0: none): a lookup in the frontier, fast enough to follow a slider. Its
// hash is not computed; encoding it does that.
func (p *Problem) At(sloUs int64) (*plan.Plan, error) {
	r := p.request
	r.Objective, r.SLOUs = LeastCost, sloUs
	if _, err := r.check(); err != nil {
		return nil, err
	}
	if p.resolutionUs(r) < p.resolutionUs(p.request) && !p.listed(sloUs) {
		finer, err := p.With(r)
		if err != nil {
			return nil, err
		}
		return finer.answer(r), nil
	}
	return p.answer(r), nil
}

// fineSizes is a number of memory sizes above which a frontier by the microsecond has far more points than a picture or a
// document can use.
const fineSizes = 1000

// resolutionUs says for which SLOs the frontier is wanted: every microsecond, or with very many memory sizes every
// millisecond, unless the request itself asks for something between.
func (p *Problem) resolutionUs(r Request) int64 {
	if len(p.numbers.Sizes) > fineSizes && r.SLOUs%solve.Millisecond == 0 && r.BudgetPicoUSD == 0 && r.Objective == LeastCost {
		return solve.Millisecond
	}
	return 1
}

// listed tells whether a plan of the frontier takes exactly as long as an SLO allows. No other is then cheaper within it.
func (p *Problem) listed(sloUs int64) bool {
	_, found := slices.BinarySearchFunc(p.Solve().Frontier, sloUs, func(x solve.Point, us int64) int { return cmp.Compare(x.LatencyUs, us) })
	return found
}

// answer chooses from the frontier what a request wants that differs from the problem's in objective, SLO and budget at
// most.
func (p *Problem) answer(r Request) *plan.Plan {
	result := p.Solve()
	document := p.blank(r)
	document.Status = plan.Status(result.Status)
	document.GapPicoUSD = result.GapPicoUSD
	point, why := p.choose(r)
	if why != nil {
		document.Status = plan.Infeasible
		document.Reason, document.Advice = why.reason, why.advice
	} else {
		p.fill(document, point)
	}
	document.Baselines = p.baselines(r, len(document.Stages))
	return document
}

// choose finds the point of the frontier that a request wants. The gateway is itself a function, so a request ends with
// its timeout whatever the SLO.
func (p *Problem) choose(r Request) (point int, why *obstacle) {
	result := p.Solve()
	if len(result.Frontier) == 0 {
		return -1, p.explainNoPlan()
	}
	slo := p.platform.TimeoutUs
	if r.SLOUs > 0 && r.SLOUs < slo {
		slo = r.SLOUs
	}
	cheapest, within := result.Cheapest(slo)
	if !within {
		return -1, p.explainSlow(r, result.Frontier[0])
	}
	if r.BudgetPicoUSD == 0 {
		if r.Objective == LeastLatency {
			return 0, nil
		}
		return cheapest, nil
	}
	fastest, affordable := result.Fastest(r.BudgetPicoUSD)
	if !affordable || fastest > cheapest {
		return -1, p.explainDear(r, result.Frontier[cheapest])
	}
	if r.Objective == LeastLatency {
		return fastest, nil
	}
	return cheapest, nil
}
