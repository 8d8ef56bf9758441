package cost

import (
	"fmt"
	"slices"

	"partita/planner/platform"
	"partita/planner/solve"
)

// Stage is the account of one stage at one memory size.
type Stage struct {
	First, Last    int // positions: layers [First, Last)
	Variant        Variant
	MemoryMB       int64
	MemoryNeededMB int64
	WeightBytes    int64
	PackageBytes   int64
	TemporaryMB    int64 // 0: what every function has
	InputBytes     int64
	OutputBytes    int64
	TransportIn    string
	TransportOut   string
	InitUs         int64 // 0 when warm
	InputUs        int64
	ComputeUs      int64
	OutputUs       int64
	BilledUs       int64   // of all its invocations
	Invocations    int64   // one for each pass, and one for each environment that is woken
	FeesPicoUSD    int64   // of its requests and its S3 objects
	CostPicoUSD    int64   // billed time and fees; expected, when cold and warm requests mix
	GatewayPicoUSD int64   // what the option carries for the gateway and is not part of CostPicoUSD: what is paid once with the first stage, and see Arrivals
	OneVCPUUs      int64   // compute on one vCPU
	LastPass       *Phases // of the last pass, where it has fewer inputs than the others
	Turns          Phases  // of all passes on the pipeline that ends last; the dispatch of each but the first is part of the input's

	coldStartUs int64 // InitUs of a request that finds it cold, whatever the scenario
	runUs       int64 // of all passes on the pipeline that ends last
}

// Phases are the times of one pass.
type Phases struct{ InputUs, ComputeUs, OutputUs int64 }

// Stage accounts for the stage between two nodes of the instance at a memory size, in the first of the variants. It
// follows the law sentence by sentence; what Problem states must give the same figures.
func (t *Table) Stage(i, j int, memoryMB int64) Stage { return t.StageAs(0, i, j, memoryMB) }

// StageAs is Stage in one of the variants, an index into Variants.
func (t *Table) StageAs(variant, i, j int, memoryMB int64) Stage {
	if i < 0 || i >= j || j >= len(t.nodes) {
		panic(fmt.Sprintf("cost: no stage between nodes %d and %d of %d", i, j, len(t.nodes)))
	}
	from, to := &t.nodes[i], &t.nodes[j]
	s := Stage{
		First: t.cuts[from.cut], Last: t.cuts[to.cut], Variant: t.Variants[variant], MemoryMB: memoryMB,
		InputBytes: t.crossing[from.cut].bytes, OutputBytes: t.crossing[to.cut].bytes,
		TransportIn: from.transport, TransportOut: to.transport,
		InputUs: from.input.us, OutputUs: to.output.us,
		FeesPicoUSD: t.batching().Passes() * (from.input.feePicoUSD + to.output.feePicoUSD),
	}
	if t.lastRun1Ns != nil {
		s.LastPass = &Phases{InputUs: from.lastInputUs, OutputUs: to.lastOutputUs}
	}
	return t.account(s, i == 0, t.peakBytes(s.First, s.Last), t.crossing[from.cut].textBytes, t.crossing[to.cut].textBytes)
}

// account completes a stage of which the layers, the variant, the size and the hops are known. A first one is not woken;
// textIn and textOut are the text of its messages.
func (t *Table) account(s Stage, first bool, peakBytes, textIn, textOut int64) Stage {
	weights := t.stageWeights(s.Variant.Precision, s.First, s.Last)
	s.WeightBytes, s.PackageBytes = weights.bytes, t.packageBytes(s.Variant.packing(), &weights)
	s.FeesPicoUSD += t.batching().Pipelines * t.fetchPicoUSD(s.Variant.packing(), &weights)
	s.MemoryNeededMB = t.memoryNeededMB(&weights, peakBytes, textIn, textOut)
	pass := func(before []int64, x *Phases) (run1Ns, runUs int64) {
		for l := s.First; l < s.Last; l++ {
			run1Ns += before[l+1] - before[l]
		}
		x.ComputeUs = scale(run1Ns, t.Platform.Slowdown(s.MemoryMB), 1000<<platform.SlowdownBits)
		runUs = t.whole(x.InputUs + x.ComputeUs + x.OutputUs)
		x.ComputeUs = runUs - x.InputUs - x.OutputUs
		return run1Ns, runUs
	}
	whole := Phases{InputUs: s.InputUs, OutputUs: s.OutputUs}
	run1Ns, run := pass(t.run1Ns, &whole)
	s.ComputeUs, s.OneVCPUUs = whole.ComputeUs, scale(run1Ns, 1, 1000)
	lastUs := run
	if s.LastPass != nil {
		_, lastUs = pass(t.lastRun1Ns, s.LastPass)
	}
	s.runUs = t.turns(run, lastUs)
	s.Turns = t.phasesOfTurns(&s)
	initUs := t.initUs(s.Variant.packing(), &weights)
	s.coldStartUs = initUs
	if t.Cold() {
		s.InitUs = initUs
	}
	added := t.temporaryPicoUSDPer1024s(s.Variant.packing(), &weights)
	if added > 0 || t.temporaryMB(s.Variant.packing(), &weights) > t.Platform.TemporaryMB {
		s.TemporaryMB = t.temporaryMB(s.Variant.packing(), &weights)
	}
	price := func(cold bool) (billed invocations, fees, picoUSD int64) {
		billed = t.invoked(cold, first, initUs, run, lastUs)
		fees = s.FeesPicoUSD + billed.count*t.Platform.RequestPicoUSD
		return billed, fees, computePicoUSD(billed.billedUs, t.Platform.PicoUSDPer1024s(s.MemoryMB)+added) + fees
	}
	billed, fees, picoUSD := price(t.Cold())
	if t.Arrivals != nil {
		_, _, cold := price(true)
		_, _, warm := price(false)
		picoUSD = t.Arrivals.Mix(cold, warm)
	}
	s.BilledUs, s.Invocations, s.FeesPicoUSD, s.CostPicoUSD = billed.billedUs, billed.count, fees, picoUSD
	s.GatewayPicoUSD = t.otherGatewayPicoUSD(initUs, s.runUs, first)
	if first {
		s.GatewayPicoUSD += t.GatewayFees()
	}
	return s
}

// Option is the stage as the optimiser's instance has it.
func (s *Stage) Option() solve.Option {
	return solve.Option{MemoryMB: s.MemoryMB, InitUs: s.InitUs, RunUs: s.runUs, CostPicoUSD: s.CostPicoUSD + s.GatewayPicoUSD}
}

func (t *Table) peakBytes(first, last int) int64 {
	var peak int64
	for l := first; l < last; l++ {
		peak = max(peak, t.peak[l])
	}
	return peak
}

// Limit names what a stage would exceed.
type Limit string

// The limits.
const (
	PackageLimit Limit = "package"
	MemoryLimit  Limit = "memory"
	TimeLimit    Limit = "timeout"
	InitLimit    Limit = "init timeout"
	PayloadLimit Limit = "payload"
)

// Obstacle is a smallest possible stage, the layers between two neighbouring cuts, that fits no function.
type Obstacle struct {
	First, Last int // positions
	Limit       Limit
	Needs       int64 // bytes, MB or microseconds
	Allowed     int64
}

// Obstacles lists the layers between neighbouring cuts that no function of the considered sizes can hold. A model
// without any can be planned, if only with one stage per cut.
func (t *Table) Obstacles() []Obstacle {
	var all []Obstacle
	for c := 0; c+1 < len(t.cuts); c++ {
		if o, blocked := t.obstacle(c); blocked {
			all = append(all, o)
		}
	}
	return all
}

// obstacle tells what is in the way of a stage between cut c and the next, with any of their transports.
func (t *Table) obstacle(c int) (o Obstacle, blocked bool) {
	before, after := t.nodesAt(c), t.nodesAt(c+1)
	for _, i := range before {
		for _, j := range after {
			limit, needs, allowed, ok := t.exceeds(i, j)
			if ok {
				return Obstacle{}, false
			}
			o = Obstacle{t.cuts[c], t.cuts[c+1], limit, needs, allowed}
		}
	}
	// A cut is without any transport only when the user wants inline and the tensors do not fit.
	for k, nodes := range [][]int{before, after} {
		if len(nodes) == 0 {
			return Obstacle{t.cuts[c+k], t.cuts[c+k], PayloadLimit, t.crossing[c+k].textBytes, t.Platform.PayloadLimitBytes}, true
		}
	}
	return o, true
}

func (t *Table) nodesAt(cut int) []int {
	var nodes []int
	for i := range t.nodes {
		if t.nodes[i].cut == cut {
			nodes = append(nodes, i)
		}
	}
	return nodes
}

// exceeds tells which limit a stage between two nodes exceeds at every size and in every variant: that of the first.
func (t *Table) exceeds(i, j int) (limit Limit, needs, allowed int64, ok bool) {
	var want wish
	for l := t.cuts[t.nodes[i].cut]; l < t.cuts[t.nodes[j].cut]; l++ {
		want.add(t, l) // of layers that do not agree the first counts: such a stage fits nothing
	}
	for v := range t.Variants {
		if !want.permits(t, v) {
			continue
		}
		l, n, a, fits := t.exceedsAs(v, i, j)
		if fits {
			return "", 0, 0, true
		}
		if limit == "" {
			limit, needs, allowed = l, n, a
		}
	}
	return limit, needs, allowed, false
}

func (t *Table) exceedsAs(variant, i, j int) (limit Limit, needs, allowed int64, ok bool) {
	largest := t.MemoryMB[len(t.MemoryMB)-1]
	for l := t.cuts[t.nodes[i].cut]; l < t.cuts[t.nodes[j].cut]; l++ {
		if t.pinned[l] > 0 {
			largest = t.pinned[l]
		}
	}
	s := t.StageAs(variant, i, j, largest)
	weights := t.stageWeights(s.Variant.Precision, s.First, s.Last)
	initUs := t.initUs(s.Variant.packing(), &weights)
	runUs := s.InputUs + s.ComputeUs + s.OutputUs
	allowed = t.packageLimit(s.Variant.packing())
	switch {
	case s.PackageBytes > allowed || !t.offered(s.Variant.packing(), &weights):
		return PackageLimit, s.PackageBytes, allowed, false
	case s.MemoryNeededMB > largest:
		return MemoryLimit, s.MemoryNeededMB, largest, false
	case s.OneVCPUUs > maxRunNs/1000 || runUs > t.Platform.TimeoutUs:
		return TimeLimit, runUs, t.Platform.TimeoutUs, false
	case initUs > t.Platform.InitTimeoutUs:
		return InitLimit, initUs, t.Platform.InitTimeoutUs, false
	}
	return "", 0, 0, true
}

// Reaches tells whether a limit of the platform can be in the way of some stage: whether the whole model in one function, or what
// crosses a cut, passes it.
func (t *Table) Reaches(limit Limit) bool {
	whole := t.Stage(0, len(t.nodes)-1, t.sizes[len(t.sizes)-1].MemoryMB)
	switch limit {
	case PackageLimit:
		return whole.PackageBytes > t.packageLimit(whole.Variant.packing())
	case InitLimit:
		weights := t.stageWeights(whole.Variant.Precision, whole.First, whole.Last)
		return t.initUs(whole.Variant.packing(), &weights) > t.Platform.InitTimeoutUs
	case TimeLimit: // at the smallest size
		slowest := t.Stage(0, len(t.nodes)-1, t.sizes[0].MemoryMB)
		return slowest.InputUs+slowest.ComputeUs+slowest.OutputUs > t.Platform.TimeoutUs
	case PayloadLimit:
		return slices.ContainsFunc(t.crossing, func(x crossing) bool { return x.textBytes > t.Platform.PayloadLimitBytes })
	}
	return false
}

// Whole tells which limit the whole model in one function exceeds; ok when none.
func (t *Table) Whole() (limit Limit, needs, allowed int64, ok bool) {
	return t.exceeds(0, len(t.nodes)-1)
}
