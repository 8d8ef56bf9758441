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
// others have not reached, and their frontiers merged. Where the gateway's size is the planner's choice, a member stands for all sizes that
// leave its stages as they are (cost.Table.Gateways): one search finds the frontier over all of them.

// EvenLayers is the layer cap of the AMPS-Inf paper: of k functions none has more than ceil(layers/k) layers.
const EvenLayers = -1

// inputs counts those of a request: at least a batch.
func (r *Request) inputs() int64 { return max(r.Inputs, r.Batch, 1) }

// way is what sets a member of a family apart.
type way struct {
	batching             cost.Batching
	minStages, maxStages int
	maxLayers            int
	gateways             []int64 // sizes of the gateway; nil: the table's
}

// ways lists the members of the family of a request, the least demanding first.
func (r *Request) ways(t *cost.Table) []way {
	if r.GatewayMemoryMB != AutoGateway {
		return r.sendings(t)
	}
	var all []way
	for _, w := range r.sendings(t) {
		for _, w.gateways = range t.With(w.batching, w.minStages, w.maxStages, w.maxLayers).Gateways(r.byMs(t)) {
			all = append(all, w)
		}
	}
	return all
}

// sendings lists the ways to send the inputs of a request, and the numbers of functions where the layers in one depend on it.
func (r *Request) sendings(t *cost.Table) []way {
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
			all = append(all, way{batching: b, minStages: r.MinStages, maxStages: max(most, r.MinStages), maxLayers: r.LayerCap})
			continue
		}
		layers := len(t.Graph.Layers)
		for k := r.MinStages; k <= min(max(most, r.MinStages), max(t.Cuts()+1, r.MinStages)); k++ {
			all = append(all, way{batching: b, minStages: k, maxStages: k, maxLayers: (layers + k - 1) / k})
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
		if w.gateways != nil {
			t = t.WithGateway(w.gateways[0])
		}
		if i == 0 {
			p.table = t
		}
		if len(ways) > 1 || w.gateways != nil {
			m := &Problem{given: p.given, model: p.model, request: p.request, platform: p.platform, table: t, gateways: w.gateways}
			for _, memoryMB := range w.gateways {
				m.gates = append(m.gates, t.Gate(t.WithGateway(memoryMB)))
			}
			p.members = append(p.members, m)
		}
	}
}

// restore gives a member its outline again. Where all its stages are there, they are as many as all problems of the family have
// together, so that only the last one asked keeps them.
func (p *Problem) restore(member int) *Problem {
	m := p.members[member]
	if last := p.restored; last != nil && last != m && last.outline.Make == nil {
		last.outline, last.numbers, last.views = nil, nil, nil
	}
	if p.restored = m; m.outline == nil {
		m.outline = m.table.Outline()
		if m.outline.Make == nil {
			m.numbers = &m.outline.Problem
		}
	}
	return m
}

// through gives a member as it is with one of its gateways; as it is where it has one.
func (p *Problem) through(gateway int) *Problem {
	if p.gateways == nil {
		return p
	}
	if p.views == nil {
		p.views = map[int]*Problem{}
	}
	v := p.views[gateway]
	if v == nil {
		gate := p.gates[gateway]
		v = &Problem{given: p.given, model: p.model, request: p.request, platform: p.platform, table: p.table.WithGateway(p.gateways[gateway]),
			outline: p.outline.At(gate), result: p.result, frontier: p.frontier}
		if p.numbers != nil {
			v.numbers = p.numbers.At(gate)
		}
		p.views[gateway] = v
	}
	return v
}

// behind gives a member as it is with its gateway of a size; with its first where it has none of that.
func (p *Problem) behind(memoryMB int64) *Problem {
	return p.through(max(slices.Index(p.gateways, memoryMB), 0))
}

// driver tells which of a member's gateways a point of its frontier has.
func (p *Problem) driver(point int) int {
	if p.gateways == nil {
		return 0
	}
	return p.drivers[point]
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
		effort := solve.Effort{ResolutionUs: resolution, MaxLabels: p.labels, Beaten: known.Frontier}
		if m.gateways != nil {
			m.numbers, m.result, m.drivers = m.outline.SolveThrough(m.gates, effort)
		} else {
			m.numbers, m.result = m.outline.Solve(effort)
		}
		m.list()
		p.wholes = append(p.wholes, m.shortWholes()...)
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
		if p.gateways != nil {
			p.frontier[i].GatewayMemoryMB = p.gateways[p.drivers[i]]
		}
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

// memberOf finds the member that a plan is of, with its gateway; the problem itself where it has none.
func (p *Problem) memberOf(document *plan.Plan) *Problem {
	if p.either != nil {
		return p.driverOf(document).memberOf(document)
	}
	if i := p.memberIndex(document); i >= 0 {
		return p.restore(i).behind(document.Gateway.MemoryMB)
	}
	return p
}

// memberIndex is memberOf as an index; -1 where there is none.
func (p *Problem) memberIndex(document *plan.Plan) int {
	return slices.IndexFunc(p.members, func(m *Problem) bool {
		b, steps := m.batching(), len(document.Waves())-1
		return (b == nil) == (document.Batching == nil) && (b == nil || *b == *document.Batching) && steps >= m.table.MinStages && steps <= m.table.MaxStages &&
			(m.gateways == nil || slices.Contains(m.gateways, document.Gateway.MemoryMB))
	})
}

// shortWhole is the whole model in one function, as a baseline tells of it.
type shortWhole struct {
	wholePlan
	baseline plan.Baseline
}

// shortWholes lists the ways to have the whole model in one function that no other way of this member beats, through any of its
// gateways.
func (p *Problem) shortWholes() []shortWhole {
	whole := p.wholePlans()
	var all []shortWhole
	tell := func(w wholePlan, gatewayMemoryMB int64) {
		b := p.baseline(OneFunction, []solve.Choice{w.choice})
		b.LatencyUs, b.CostPicoUSD, b.GatewayMemoryMB = w.total.LatencyUs, w.total.CostPicoUSD, gatewayMemoryMB
		all = append(all, shortWhole{w, b})
	}
	if p.gateways == nil {
		for _, w := range undominated(whole) {
			tell(w, 0)
		}
		return all
	}
	// What another beats in the finish and in the cost of its stage is beaten through every gateway.
	for i := range whole {
		whole[i].total = p.all.Ends(whole[i].total)
	}
	whole = undominated(whole)
	for k, g := range p.gates {
		own := slices.Clone(whole)
		for i := range own {
			own[i].total = p.all.Through(g, own[i].total)
		}
		for _, w := range undominated(own) {
			tell(w, p.gateways[k])
		}
	}
	return undominated(all)
}

func (w wholePlan) point() solve.Point { return w.total }

// undominated leaves those that no other is as good as, by rising latency.
func undominated[T interface{ point() solve.Point }](all []T) []T {
	slices.SortStableFunc(all, func(a, b T) int {
		return cmp.Or(cmp.Compare(a.point().LatencyUs, b.point().LatencyUs), cmp.Compare(a.point().CostPicoUSD, b.point().CostPicoUSD))
	})
	var kept []T
	for _, w := range all {
		if len(kept) == 0 || w.point().CostPicoUSD < kept[len(kept)-1].point().CostPicoUSD {
			kept = append(kept, w)
		}
	}
	return kept
}

// familyBaselines gives the simpler plans: those of the member that the plan is of, but one function in its best way.
func (p *Problem) familyBaselines(r Request, document *plan.Plan, member int) []plan.Baseline {
	all := p.restore(member).behind(document.Gateway.MemoryMB).baselines(r, len(document.Stages))
	best := plan.Baseline{Name: OneFunction, Status: plan.Infeasible, Stages: []plan.Choice{}}
	for i, w := range p.wholes { // by rising latency and falling cost
		if i == 0 || r.SLOUs == 0 || w.total.LatencyUs <= r.SLOUs {
			best = w.baseline
		}
	}
	all[0] = best
	return all
}

// explainGateway says that the inputs of a request, or a picture that is decoded, are too much for the gateway's memory; nil when they are
// not.
func (p *Problem) explainGateway() *obstacle {
	needs, allowed := p.table.GatewayRoom()
	o := &obstacle{reason: fmt.Sprintf("%d inputs take %s in the gateway, which has %s for them, a third of its %d MB", p.table.Batching().Inputs, megabytes(needs), megabytes(allowed), p.table.GatewayMemoryMB)}
	if needs <= allowed {
		if needs, allowed = p.table.PictureRoom(); needs <= allowed {
			return nil
		}
		o.reason = fmt.Sprintf("decoding a picture of %s takes %s in the gateway, which has %s for it, three quarters of its %d MB", printPicture(p.request.PicturePixels)+" megapixels", megabytes(needs), megabytes(allowed), p.table.GatewayMemoryMB)
	}
	if size, sold := p.platform.MemoryFrom((needs*p.table.GatewayMemoryMB + allowed - 1) / allowed); sold {
		o.advice = &plan.Advice{Option: "gateway-memory", Value: strconv.FormatInt(size, 10)}
	}
	return o
}
