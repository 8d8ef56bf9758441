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
	"math"
	"slices"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// New prepares a request for a model: it checks the request, measures the model and writes the numeric problem. The
// error is a *diag.Error; that nothing satisfies the request is not an error but an answer of Plan.
func New(m *load.Model, r Request) (*Problem, error) {
	architecture, err := plan.PackArchitecture(m.Architecture.Format, m.Architecture.Data)
	if err != nil {
		return nil, err
	}
	return newProblem(model{m.Graph, plan.Model{
		Name: m.Name, Source: m.Source, Digest: m.Digest, Layers: m.Graph.LayerCount, Parameters: m.Graph.Parameters,
		WeightBytes: m.Graph.WeightBytes(), MACs: m.Graph.TotalWork().MACs, Preprocess: m.Preprocess, Architecture: architecture,
	}}, r)
}

// Make is all of it: a model and a request become a plan.
func Make(m *load.Model, r Request) (*plan.Plan, error) {
	p, err := New(m, r)
	if err != nil {
		return nil, err
	}
	return p.Plan()
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
	outline  *solve.Outline
	numbers  *solve.Problem // of the outline, once solved: with the stages that bounds did not set aside
	all      *allStages     // see someStages
	result   *solve.Result
	frontier []plan.Point // of result
	simple   *simplePlans // baselines, once asked for
	labels   int          // limit of the optimiser's work; 0: its own

	either []*Problem // by what drives the stages, where the request leaves that open; all figures above are then the first's

	gateways []int64          // sizes of the gateway that a member of a family stands for; nil: the table's alone
	gates    []solve.Gate     // of them
	drivers  []int            // of the points of result, among the gateways
	views    map[int]*Problem // with one of the gateways each, once asked for

	members  []*Problem     // of a family; nil: the problem is its only one
	origins  []solve.Origin // of the points of result, among the drivers or the members
	restored *Problem       // the member that has its numbers
	wholes   []shortWhole   // of all members, by rising latency

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
	if r.Orchestration == auto {
		drivers, err := r.orchestrated(m, p)
		if err != nil {
			return nil, err
		}
		made := *drivers[0]
		made.request, made.either, made.members = r, drivers, nil
		return &made, nil
	}
	p, err := r.driven(p)
	if err != nil {
		return nil, err
	}
	pins, err := r.pins(m.graph, p)
	if err != nil {
		return nil, err
	}
	settings := cost.Settings{
		Scenario: solve.Scenario(r.Scenario), MinStages: r.MinStages, MaxStages: r.MaxStages, MemoryMB: r.MemoryMB,
		Batch: r.leastBatch(), Inputs: r.inputs(),
		Transport: r.Transport, GatewayMemoryMB: r.GatewayMemoryMB, PicturePixels: r.PicturePixels, Calibration: r.Calibration, Arrivals: r.arrivals(p), Pins: pins,
		Variants: r.variants(p), IncludedTemporary: r.Temporary == included,
	}
	if settings.GatewayMemoryMB <= 0 {
		settings.GatewayMemoryMB = p.GatewayMemoryMB
	}
	table, err := cost.NewTable(m.graph, p, settings)
	if err != nil {
		return nil, err
	}
	if r.PicturePixels > 0 && !table.TakesPictures() {
		return nil, diag.New(diag.Usage, "planner.no-pictures", "checking the request", "pictures of "+printPicture(r.PicturePixels)+" megapixels are to be sent, and no input of the model is made of pictures",
			"leave the size of pictures out")
	}
	whole, table, err := r.inParts(m, p, settings, table)
	if err != nil {
		return nil, err
	}
	if whole, table, err = r.sideBySide(whole, p, settings, table); err != nil {
		return nil, err
	}
	made := &Problem{given: m, model: whole, request: r, platform: p, table: table}
	made.gather()
	made.outline = made.table.Outline()
	return made, nil
}

// With asks something else about the same model.
func (p *Problem) With(r Request) (*Problem, error) { return newProblem(p.given, r) }

// Request gives the request that the problem answers.
func (p *Problem) Request() Request { return p.request }

// Instance writes the numeric problem out for other solvers, or says that it is too large for that. Of a family it is the problem
// of the member that the answer comes from.
func (p *Problem) Instance() (*solve.Instance, error) {
	point, why := 0, (*obstacle)(nil)
	if p.members != nil || p.either != nil {
		if point, why = p.choose(p.request); why != nil {
			return p.table.Instance()
		}
	}
	for p.either != nil || p.members != nil {
		among := p.members
		if p.either != nil {
			among = p.either
		}
		o := p.origins[point]
		p, point = among[o.Result], o.Point
	}
	if p.gateways != nil {
		return p.table.WithGateway(p.gateways[p.driver(point)]).Instance()
	}
	return p.table.Instance()
}

// Solve finds the whole frontier, once; whoever asks for a plan gets it solved too.
func (p *Problem) Solve() *solve.Result {
	switch {
	case p.result != nil:
	case p.either != nil:
		p.solveEither()
	case p.members != nil:
		p.solveFamily()
	default:
		p.numbers, p.result = p.outline.Solve(solve.Effort{ResolutionUs: p.resolutionUs(p.request), MaxLabels: p.labels})
		p.list()
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

// resolutionUs says for which SLOs the frontier is wanted: every microsecond, or with very many memory sizes, or functions side by
// side, each of which has a size of its own, every millisecond, unless the request itself asks for something between.
func (p *Problem) resolutionUs(r Request) int64 {
	if p.either != nil {
		step := int64(1)
		for _, d := range p.either {
			step = max(step, d.resolutionUs(r))
		}
		return step
	}
	if r.byMs(p.table) {
		return solve.Millisecond
	}
	return 1
}

func (r *Request) byMs(t *cost.Table) bool {
	return (t.Sizes() > fineSizes || t.Forks()) && r.SLOUs%solve.Millisecond == 0 && r.BudgetPicoUSD == 0 && r.Objective == LeastCost
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
	point, why := p.choose(r)
	if p.either == nil {
		return p.written(r, point, why)
	}
	by := 0
	if why == nil {
		by, point = p.origins[point].Result, p.origins[point].Point
	}
	document := p.either[by].written(r, point, why)
	document.GapPicoUSD, document.Frontier = result.GapPicoUSD, p.frontier
	if why == nil {
		document.Status = plan.Status(result.Status)
	}
	if by > 0 { // people who do without an optimiser let the gateway drive
		document.Baselines = p.either[0].simplest(r, document)
	}
	return document
}

// written writes down a point of the frontier, or why there is none.
func (p *Problem) written(r Request, point int, why *obstacle) *plan.Plan {
	document := p.blank(r)
	document.Status = plan.Status(p.result.Status)
	document.GapPicoUSD = p.result.GapPicoUSD
	if why != nil {
		document.Status = plan.Infeasible
		document.Reason, document.Advice = p.advise(r, why)
	} else {
		p.fill(document, point)
	}
	document.Baselines = p.simplest(r, document)
	return document
}

// simplest gives the simpler plans beside one: in a family those of its member, or of the first where it has none.
func (p *Problem) simplest(r Request, document *plan.Plan) []plan.Baseline {
	if p.members == nil {
		return p.baselines(r, len(document.Stages))
	}
	return p.familyBaselines(r, document, max(p.memberIndex(document), 0))
}

// best finds what choose does without the frontier, where there is one problem to solve and none is solved.
func (p *Problem) best(r Request) (best solve.Point, feasible bool) {
	if p.either != nil && p.result == nil {
		return p.bestOfEither(r)
	}
	if p.members != nil || p.result != nil || p.explainGateway() != nil {
		point, why := p.choose(r)
		if why != nil {
			return best, false
		}
		return p.result.Frontier[point], true
	}
	slo, budget := p.platform.RequestTimeoutUs(), r.BudgetPicoUSD
	if r.SLOUs > 0 && r.SLOUs < slo {
		slo = r.SLOUs
	}
	if budget == 0 {
		budget = math.MaxInt64
	}
	aim := solve.Aim{SLOUs: slo}
	if r.Objective == LeastLatency {
		aim = solve.Aim{BudgetPicoUSD: budget}
	}
	_, result := p.outline.Best(aim, solve.Effort{ResolutionUs: p.resolutionUs(r), MaxLabels: p.labels})
	if len(result.Frontier) == 0 {
		return best, false
	}
	best = result.Frontier[0]
	return best, best.LatencyUs <= slo && best.CostPicoUSD <= budget
}

// choose finds the point of the frontier that a request wants. What drives the stages, the gateway's function or a workflow, has a
// timeout, with which a request ends whatever the SLO.
func (p *Problem) choose(r Request) (point int, why *obstacle) {
	if why := p.explainGateway(); why != nil {
		return -1, why
	}
	result := p.Solve()
	if len(result.Frontier) == 0 {
		return -1, p.explainNoPlan()
	}
	slo := p.platform.RequestTimeoutUs()
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
