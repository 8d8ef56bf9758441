package planner

import (
	"cmp"
	"slices"

	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/planner/solve"
)

// traffic says what a rate means for a plan: how many requests are cold, and what each kind takes and costs.
func (p *Problem) traffic(document *plan.Plan) *plan.Traffic {
	if p.table.Arrivals == nil || len(document.Stages) == 0 {
		return nil
	}
	t := &plan.Traffic{MicroRequestsPerHour: p.request.MicroRequestsPH, IdleUs: p.request.idleUs(p.platform), ColdPpm: p.table.Arrivals.ColdPpm}
	cold, warm := p.Timelines(document)
	t.ColdLatencyUs, t.ColdCostPicoUSD = cold.LatencyUs, cold.CostPicoUSD
	t.WarmLatencyUs, t.WarmCostPicoUSD = warm.LatencyUs, warm.CostPicoUSD
	return t
}

// coldScenario is how functions start in a cold request.
func (p *Problem) coldScenario() solve.Scenario {
	if p.table.Cold() {
		return p.table.Scenario
	}
	return solve.ColdSequential
}

// pureTable gives the law for requests that find everything cold, or warm, made once: a plan at another SLO needs it again at once.
func (p *Problem) pureTable(cold bool) *cost.Table {
	if known := p.pureTables[cold]; known != nil {
		return known
	}
	settings := p.table.Settings
	settings.Arrivals, settings.Scenario = &cost.Arrivals{}, solve.Warm
	switch {
	case cold:
		settings.Arrivals.ColdPpm, settings.Scenario = 1_000_000, p.coldScenario()
	case p.table.Scenario == solve.ColdOverlapped:
		settings.Scenario = solve.ColdOverlapped // the wakes of what is warm cost as well
	}
	table, err := cost.NewTable(p.model.graph, p.platform, settings)
	if err != nil {
		panic("planner: the settings of a plan no longer make sense: " + err.Error())
	}
	if p.pureTables == nil {
		p.pureTables = map[bool]*cost.Table{}
	}
	p.pureTables[cold] = table
	return table
}

// timeline follows a request through the stages of a plan when it finds everything cold, or warm.
func (p *Problem) timeline(stages []plan.Stage, cold bool) report.Timeline {
	table := p.pureTable(cold)
	overlapped := cold && p.coldScenario() == solve.ColdOverlapped
	line := report.Timeline{StartUs: table.StartUsWhen(cold), EndUs: table.EndUs()}
	finish := line.StartUs
	for first := 0; first < len(stages); {
		end := first + 1
		for end < len(stages) && stages[end].Branch > 1 {
			end++
		}
		began := finish
		step := p.step(table, stages[first:end])
		line.CostPicoUSD += step.Option().CostPicoUSD
		for k := range step.Functions {
			account := &step.Functions[k]
			one := report.Span{WakeUs: began + p.platform.DispatchUs, InputUs: account.Turns.InputUs, ComputeUs: account.Turns.ComputeUs, OutputUs: account.Turns.OutputUs}
			one.CallUs = one.WakeUs
			if overlapped {
				one.WakeUs = line.StartUs
			}
			if one.ReadyUs = one.WakeUs; cold {
				one.ReadyUs += account.InitUs
			}
			one.CallUs = max(one.CallUs, one.ReadyUs)
			finish = max(finish, one.EndUs())
			line.Spans = append(line.Spans, one)
		}
		first = end
	}
	line.LatencyUs = finish + line.EndUs
	line.CostPicoUSD += p.outline.GatewayMs(line.LatencyUs) * table.GatewayPicoUSDPerMs()
	return line
}

// step accounts by a table for a stage of a plan, or for some that run side by side.
func (p *Problem) step(table *cost.Table, stages []plan.Stage) cost.Wave {
	last := &stages[len(stages)-1]
	i, j := p.nodeOf(stages[0].FirstLayer-1, stages[0].TransportIn), p.nodeOf(last.LastLayer, last.TransportOut)
	if len(stages) == 1 {
		s := table.StageAs(p.variantOf(last), i, j, last.MemoryMB)
		return cost.Wave{Functions: []cost.Stage{s}, GatewayPicoUSD: s.GatewayPicoUSD}
	}
	var functions []cost.Function
	for k := range stages {
		s := &stages[k]
		functions = append(functions, cost.Function{First: s.FirstLayer - 1, Last: s.LastLayer, Variant: p.variantOf(s), MemoryMB: s.MemoryMB})
	}
	return table.Wave(i, j, functions)
}

// Timelines follows two requests through a plan of this problem: one that finds every function cold, and one that finds every one warm.
func (p *Problem) Timelines(document *plan.Plan) (cold, warm report.Timeline) {
	m := p.memberOf(document)
	return m.timeline(document.Stages, true), m.timeline(document.Stages, false)
}

// Graph gives the model that the problem is about.
func (p *Problem) Graph() *graph.Graph { return p.given.graph }

// IdleUs gives how long an unused function stays warm.
func (p *Problem) IdleUs() int64 { return p.request.idleUs(p.platform) }

// Layers tells of each layer of a plan of this problem what it takes on one vCPU, in nanoseconds, and the most bytes of activations that
// are live while it runs.
func (p *Problem) Layers(document *plan.Plan) (oneVCPUNs, peakBytes []int64) {
	table := p.driverOf(document).table // whose order of layers may be its own
	for l := range table.Graph.Layers {
		ns, peak := table.Layer(l)
		oneVCPUNs, peakBytes = append(oneVCPUNs, ns), append(peakBytes, peak)
	}
	return oneVCPUNs, peakBytes
}

// Alone gives a baseline that has the whole model in one function as a plan, as far as Timelines reads it; ok is false for others.
func (p *Problem) Alone(b *plan.Baseline) (alone *plan.Plan, ok bool) {
	if b.Status != plan.Feasible || len(b.Stages) != 1 {
		return nil, false
	}
	c := &b.Stages[0]
	one := plan.Stage{Index: 1, FirstLayer: 1, LastLayer: c.LastLayer, MemoryMB: c.MemoryMB, Packaging: c.Packaging, Precision: c.Precision}
	if one.Packaging == "" {
		one.Packaging = plan.PackagingZip
	}
	alone = &plan.Plan{Stages: []plan.Stage{one}, Gateway: plan.Gateway{MemoryMB: cmp.Or(b.GatewayMemoryMB, p.table.GatewayMemoryMB)}}
	if alone.Batching = p.batching(); alone.Batching != nil && p.members != nil {
		sent := cost.Batching{Inputs: alone.Batching.Inputs, Batch: cmp.Or(b.Batch, p.request.leastBatch()), Pipelines: max(b.Pipelines, 1)}
		alone.Batching = &plan.Batching{Inputs: sent.Inputs, Batch: sent.Batch, Pipelines: sent.Pipelines, Passes: sent.Passes()}
	}
	return alone, true
}

// nodeOf finds the node of a cut with a transport.
func (p *Problem) nodeOf(cut int, transport string) int {
	last := len(p.outline.Nodes) - 1
	for i, n := range p.outline.Nodes {
		if n.Cut == cut && (n.Transport == transport || i == 0 || i == last) {
			return i
		}
	}
	panic("planner: a stage of the plan ends at no node")
}

// variantOf finds the variant of a stage of a plan for this problem.
func (p *Problem) variantOf(s *plan.Stage) int {
	k := slices.IndexFunc(p.table.Variants, func(v cost.Variant) bool { return v.Packaging == s.Packaging && stored(v) == s.Precision })
	if k < 0 {
		panic("planner: a stage of the plan is of no variant")
	}
	return k
}
