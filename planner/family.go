package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/solve"
)

// A request of several inputs is a family of problems: one for each way to send them through the pipeline. So is a cap of layers
// that depends on the number of functions: one for each number. The members are solved one after another, each only for what the
// others have not reached, and their frontiers merged.

// EvenLayers is the layer cap of the AMPS-Inf paper: of k functions none has more than ceil(layers/k) layers.
const EvenLayers = -1

// inputs counts those of a request: at least a batch.
func (r *Request) inputs() int64 { return max(r.Inputs, r.Batch, 1) }

// way is what sets a member of a family apart.
type way struct {
	batching             cost.Batching
	minStages, maxStages int
	maxLayers            int
}

// ways lists the members of the family of a request, the least demanding first.
func (r *Request) ways(t *cost.Table) []way {
	var all []way
	warm := r.Scenario == string(solve.Warm) && t.Arrivals == nil
	batchings := cost.Batchings(r.inputs(), r.Batch, r.Pipelines, min(r.MaxStages, t.Cuts()+1), warm)
	if t.Platform.Orchestrator != nil { // an execution of a workflow is one pass
		batchings = cost.Batchings(r.inputs(), r.inputs(), 1, 1, warm)
	}
	for _, b := range batchings {
		most := min(r.MaxStages, max(int(b.MaxStages()), 1))
		if most < r.MinStages && b.Pipelines > 1 && len(batchings) > 1 {
			continue
		}
		if r.LayerCap != EvenLayers {
			all = append(all, way{b, r.MinStages, max(most, r.MinStages), r.LayerCap})
			continue
		}
		layers := len(t.Graph.Layers)
		for k := r.MinStages; k <= min(max(most, r.MinStages), max(t.Cuts()+1, r.MinStages)); k++ {
			all = append(all, way{b, k, k, (layers + k - 1) / k})
		}
	}
	return all
}

// gather makes the family of a problem, where its request has more members than one. The problem itself goes on with the first.
func (p *Problem) gather() {
	ways := p.request.ways(p.table)
	table := p.table
	for i, w := range ways {
		t := table
		if w.batching != table.Batching() || w.minStages != table.MinStages || w.maxStages != table.MaxStages || w.maxLayers != table.Pins.MaxLayers {
			t = table.With(w.batching, w.minStages, w.maxStages, w.maxLayers)
		}
		if i == 0 {
			p.table = t
		}
		if len(ways) > 1 {
			p.members = append(p.members, &Problem{given: p.given, model: p.model, request: p.request, platform: p.platform, table: t})
		}
	}
}

// restore gives a member its outline again. Where all its stages are there, they are as many as all problems of the family have
// together, so that only the last one asked keeps them.
func (p *Problem) restore(member int) *Problem {
	m := p.members[member]
	if last := p.restored; last != nil && last != m && last.outline.Make == nil {
		last.outline, last.numbers = nil, nil
	}
	if p.restored = m; m.outline == nil {
		m.outline = m.table.Outline()
		if m.outline.Make == nil {
			m.numbers = &m.outline.Problem
		}
	}
	return m
}

// solveFamily solves the members, those with the largest batches and the fewest pipelines first: they are the cheapest.
func (p *Problem) solveFamily() {
	results := make([]*solve.Result, len(p.members))
	resolution := p.resolutionUs(p.request)
	order := make([]int, len(p.members))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := p.members[a].table.Batching(), p.members[b].table.Batching()
		return cmp.Or(cmp.Compare(x.Pipelines, y.Pipelines), cmp.Compare(y.Batch, x.Batch))
	})
	known := &solve.Result{Status: solve.Infeasible}
	for _, i := range order {
		m := p.restore(i)
		m.numbers, m.result = m.outline.Solve(solve.Effort{ResolutionUs: resolution, MaxLabels: p.labels, Beaten: known.Frontier})
		m.list()
		p.wholes = append(p.wholes, m.shortWholes(i)...)
		results[i] = m.result
		known, _ = solve.Merge([]*solve.Result{known, m.result}, resolution)
	}
	p.wholes = undominated(p.wholes)
	p.result, p.origins = solve.Merge(results, resolution)
	p.frontier = make([]plan.Point, len(p.origins))
	for i, o := range p.origins {
		p.frontier[i] = p.members[o.Result].frontier[o.Point]
	}
}

// list writes down the points of the frontier.
func (p *Problem) list() {
	p.frontier = make([]plan.Point, len(p.result.Frontier))
	batch, pipelines := p.sent()
	for i, point := range p.result.Frontier {
		p.frontier[i] = plan.Point{LatencyUs: point.LatencyUs, CostPicoUSD: point.CostPicoUSD, Batch: batch, Pipelines: pipelines, Stages: p.choices(p.numbers, p.result.Stages(i))}
	}
}

// sent is what a plan in short says of its batches and pipelines: nothing where the request has settled it, or there is one input.
func (p *Problem) sent() (batch, pipelines int64) {
	b := p.table.Batching()
	if p.request.Inputs > 1 && p.request.Batch == 0 {
		batch = b.Batch
	}
	if b.Pipelines > 1 {
		pipelines = b.Pipelines
	}
	return batch, pipelines
}

// batching is what a plan says of them.
func (p *Problem) batching() *plan.Batching {
	b := p.table.Batching()
	if b.Passes() == 1 && p.request.Inputs <= 1 {
		return nil
	}
	return &plan.Batching{Inputs: b.Inputs, Batch: b.Batch, Pipelines: b.Pipelines, Passes: b.Passes()}
}

// memberOf finds the member that a plan is of; the problem itself where it has none.
func (p *Problem) memberOf(document *plan.Plan) *Problem {
	if p.either != nil {
		return p.driverOf(document).memberOf(document)
	}
	if i := p.memberIndex(document); i >= 0 {
		return p.restore(i)
	}
	return p
}

// memberIndex is memberOf as an index; -1 where there is none.
func (p *Problem) memberIndex(document *plan.Plan) int {
	return slices.IndexFunc(p.members, func(m *Problem) bool {
		b, steps := m.batching(), len(document.Waves())-1
		return (b == nil) == (document.Batching == nil) && (b == nil || *b == *document.Batching) && steps >= m.table.MinStages && steps <= m.table.MaxStages
	})
}

// shortWhole is the whole model in one function, as a baseline tells of it.
type shortWhole struct {
	solve.Point
	baseline plan.Baseline
}

// shortWholes lists the ways to have the whole model in one function that no other way of this member beats.
func (p *Problem) shortWholes(member int) []shortWhole {
	var all []shortWhole
	for _, w := range p.wholePlans() {
		all = append(all, shortWhole{w.total, p.baseline(OneFunction, []solve.Choice{w.choice})})
	}
	return undominated(all)
}

func undominated(all []shortWhole) []shortWhole {
	slices.SortStableFunc(all, func(a, b shortWhole) int {
		return cmp.Or(cmp.Compare(a.LatencyUs, b.LatencyUs), cmp.Compare(a.CostPicoUSD, b.CostPicoUSD))
	})
	var kept []shortWhole
	for _, w := range all {
		if len(kept) == 0 || w.CostPicoUSD < kept[len(kept)-1].CostPicoUSD {
			kept = append(kept, w)
		}
	}
	return kept
}

// familyBaselines gives the simpler plans: those of the member that the plan is of, but one function in its best way.
func (p *Problem) familyBaselines(r Request, document *plan.Plan, member int) []plan.Baseline {
	all := p.restore(member).baselines(r, len(document.Stages))
	best := plan.Baseline{Name: OneFunction, Status: plan.Infeasible, Stages: []plan.Choice{}}
	for i, w := range p.wholes { // by rising latency and falling cost
		if i == 0 || r.SLOUs == 0 || w.LatencyUs <= r.SLOUs {
			best = w.baseline
		}
	}
	all[0] = best
	return all
}

// explainManyInputs says that the inputs of a request are too many for the gateway's memory; nil when they are not.
func (p *Problem) explainManyInputs() *obstacle {
	needs, allowed := p.table.GatewayRoom()
	if needs <= allowed {
		return nil
	}
	o := &obstacle{reason: fmt.Sprintf("%d inputs take %s in the gateway, which has %s for them, a third of its %d MB", p.table.Batching().Inputs, megabytes(needs), megabytes(allowed), p.table.GatewayMemoryMB)}
	if size, sold := p.platform.MemoryFrom((needs*p.table.GatewayMemoryMB + allowed - 1) / allowed); sold {
		o.advice = &plan.Advice{Option: "gateway-memory", Value: strconv.FormatInt(size, 10)}
	}
	return o
}
