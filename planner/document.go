package planner

import (
	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/solve"
)

// blank writes down everything of a plan that does not depend on the point chosen.
func (p *Problem) blank(r Request) *plan.Plan {
	book := platform.PriceBook()
	times := "predicted"
	if r.Calibration != nil {
		times = "calibrated"
	}
	inputs, batch := int64(0), r.leastBatch()
	if r.Inputs > 1 {
		inputs, batch = r.Inputs, r.Batch
	}
	request := plan.Request{
		Objective: r.Objective, SLOUs: r.SLOUs, BudgetPicoUSD: r.BudgetPicoUSD, Scenario: r.Scenario, MinStages: r.MinStages, MaxStages: r.MaxStages,
		MemoryMB: p.table.MemoryMB, Inputs: inputs, Batch: batch, Pipelines: r.Pipelines, Transport: printAuto(r.Transport), Packaging: printAuto(r.Packaging), Quantization: r.quantization(), SplitLayers: r.SplitLayers, Branches: r.Branches, Temporary: r.Temporary,
		GatewayMemoryMB: p.table.GatewayMemoryMB, PicturePixels: r.PicturePixels, Orchestration: r.Orchestration, Cuts: p.table.Pins.Cuts, NoCuts: p.table.Pins.NoCuts, LayerCap: max(r.LayerCap, 0), EvenLayers: r.LayerCap == EvenLayers,
	}
	if r.GatewayMemoryMB == AutoGateway {
		request.GatewayMemoryMB = 0
	}
	if p.table.Arrivals != nil {
		request.MicroRequestsPerHour, request.IdleUs = r.MicroRequestsPH, r.idleUs(p.platform)
	}
	for _, m := range p.table.Pins.Memory {
		request.MemoryPins = append(request.MemoryPins, plan.MemoryPin{FirstLayer: m.First + 1, LastLayer: m.Last, MemoryMB: m.MemoryMB})
	}
	for _, w := range p.table.Pins.Precision {
		request.PrecisionPins = append(request.PrecisionPins, plan.PrecisionPin{FirstLayer: w.First + 1, LastLayer: w.Last, Precision: string(w.Precision)})
	}
	document := &plan.Plan{
		Format:    plan.Format,
		Model:     p.model.document,
		Platform:  p.platform.Name,
		PriceBook: plan.PriceBook{Date: book.Date, Hash: book.Hash},
		Request:   request,
		Times:     times,
		Stages:    []plan.Stage{},
		Frontier:  p.frontier,
	}
	p.front(document)
	return document
}

// front writes down what stands before the stages, and what drives them.
func (p *Problem) front(document *plan.Plan) {
	front := p.table.Front()
	document.Gateway = plan.Gateway{MemoryMB: p.table.GatewayMemoryMB, StartUs: p.outline.StartUs - p.table.EndUs(), DispatchUs: p.outline.DispatchUs, FeesPicoUSD: front.FeesPicoUSD}
	if p.platform.Orchestrator != nil {
		document.PriceBook.Orchestration = platform.OrchestrationHash()
		document.Workflow = &plan.Workflow{EndUs: p.table.EndUs(), FeesPicoUSD: front.StartFee}
	}
}

// quantization is what a plan's request says of the precisions wanted.
func (r *Request) quantization() string {
	if len(r.Precisions) == 0 {
		return "none"
	}
	return printPrecisions(r.Precisions)
}

// fill accounts for a point of the frontier.
func (p *Problem) fill(document *plan.Plan, point int) {
	if p.members != nil {
		o := p.origins[point]
		m := p.restore(o.Result)
		m.through(m.driver(o.Point)).fill(document, o.Point)
		return
	}
	p.front(document)
	document.Batching = p.batching()
	total := p.result.Frontier[point]
	document.LatencyUs, document.CostPicoUSD = total.LatencyUs, total.CostPicoUSD
	var sum, other int64
	for _, choice := range p.result.Stages(point) {
		w := p.account(choice)
		if w.Option() != p.numbers.Option(choice.Segment, choice.Option) {
			panic("planner: the account of a stage differs from its option in the problem")
		}
		for k := range w.Functions {
			s := &w.Functions[k]
			branch := 0
			if len(w.Functions) > 1 {
				branch = k + 1
			}
			document.Stages = append(document.Stages, plan.Stage{
				Index: len(document.Stages) + 1, FirstLayer: s.First + 1, LastLayer: s.Last, Layers: p.layers(s.First, s.Last), Branch: branch, MemoryMB: s.MemoryMB,
				MemoryNeededMB: s.MemoryNeededMB, WeightBytes: s.WeightBytes, PackageBytes: s.PackageBytes, InputBytes: s.InputBytes, OutputBytes: s.OutputBytes,
				TransportIn: s.TransportIn, TransportOut: s.TransportOut, Packaging: s.Variant.Packaging, Precision: stored(s.Variant), InitUs: s.InitUs, InputUs: s.InputUs,
				ComputeUs: s.ComputeUs, OutputUs: s.OutputUs, BilledUs: s.BilledUs, Invocations: s.Invocations, FeesPicoUSD: s.FeesPicoUSD, CostPicoUSD: s.CostPicoUSD,
				LastPass: lastPass(s), TemporaryMB: s.TemporaryMB,
			})
			sum += s.CostPicoUSD
		}
		other += w.GatewayPicoUSD
	}
	ms := p.outline.GatewayMs(total.LatencyUs)
	driving := ms*p.outline.GatewayPicoUSDPerMs + other
	g := &document.Gateway
	if w := document.Workflow; w != nil {
		front := p.table.Front()
		g.BilledUs, g.CostPicoUSD = front.BilledUs, front.PicoUSD
		w.BilledUs, w.CostPicoUSD = ms*1000, driving-front.PicoUSD
		sum += w.CostPicoUSD
	} else {
		g.BilledUs, g.CostPicoUSD = ms*1000, driving
	}
	document.Traffic = p.traffic(document)
	if sum+g.CostPicoUSD != total.CostPicoUSD {
		panic("planner: the parts of a plan's cost do not add up to it")
	}
}

// account gives the account of a step of a plan: that of one stage, or of some side by side.
func (p *Problem) account(choice solve.Choice) cost.Wave {
	stage := &p.numbers.Stages[choice.Segment]
	if cost.IsWave(stage) {
		return p.table.Wave(int(stage.I), int(stage.J), p.table.WaveOf(stage))
	}
	s := p.table.StageAs(int(stage.Variant), int(stage.I), int(stage.J), p.numbers.Sizes[choice.Option].MemoryMB)
	return cost.Wave{Functions: []cost.Stage{s}, GatewayPicoUSD: s.GatewayPicoUSD}
}

// lastPass is what a plan says of a last pass with fewer inputs.
func lastPass(s *cost.Stage) *plan.Phases {
	if s.LastPass == nil {
		return nil
	}
	return &plan.Phases{InputUs: s.LastPass.InputUs, ComputeUs: s.LastPass.ComputeUs, OutputUs: s.LastPass.OutputUs}
}

// layers names the layers of a stage for people.
func (p *Problem) layers(first, last int) string {
	all := p.model.graph.Layers
	if last == first+1 {
		return all[first].Name
	}
	return all[first].Name + " .. " + all[last-1].Name
}

// choices shortens a path through some of the problem's stages to what a frontier's entry says.
func (p *Problem) choices(numbers *solve.Problem, path []solve.Choice) []plan.Choice {
	short := make([]plan.Choice, 0, len(path))
	add := func(last, variant, branch int, memoryMB int64) {
		c := plan.Choice{LastLayer: last, MemoryMB: memoryMB, Branch: branch}
		if v := p.table.Variants[variant]; v != cost.Plain {
			c.Precision = stored(v)
			if v.Packaging != plan.PackagingZip {
				c.Packaging = v.Packaging
			}
		}
		short = append(short, c)
	}
	for _, c := range path {
		stage := &numbers.Stages[c.Segment]
		if !cost.IsWave(stage) {
			add(numbers.Nodes[stage.J].Cut, int(stage.Variant), 0, numbers.Sizes[c.Option].MemoryMB)
			continue
		}
		for k, f := range p.table.WaveOf(stage) {
			add(f.Last, f.Variant, k+1, f.MemoryMB)
		}
	}
	return short
}

// stored is what a plan says of a variant's precision: nothing where it is float32.
func stored(v cost.Variant) string {
	if v.Precision == precision.Float32 {
		return ""
	}
	return string(v.Precision)
}
