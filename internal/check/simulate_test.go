package check

import (
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"partita/planner"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

var scenarios = []solve.Scenario{solve.Warm, solve.ColdSequential, solve.ColdOverlapped}

func mustRandomModel(t *testing.T, rng *rand.Rand) *load.Model {
	t.Helper()
	m, err := randomModel(rng)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// someSizes draws sizes that a platform sells.
func someSizes(rng *rand.Rand, on *platform.Platform, n int) []int64 {
	all := on.Grid(on.PlanningStepMB)
	var sizes []int64
	for range n {
		sizes = append(sizes, all[rng.IntN(len(all))])
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// randomRequest asks anything of a platform.
func randomRequest(rng *rand.Rand) planner.Request {
	r := planner.DefaultRequest()
	names := platform.Names()
	r.Platform = names[rng.IntN(len(names))]
	on, err := platform.Get(r.Platform)
	if err != nil {
		panic(err)
	}
	r.Scenario = string(scenarios[rng.IntN(len(scenarios))])
	r.MinStages = 1 + rng.IntN(4)
	r.MaxStages = r.MinStages + rng.IntN(4)
	r.MemoryMB = someSizes(rng, on, 1+rng.IntN(6))
	r.Batch = 1 + rng.Int64N(4)
	if rng.IntN(3) == 0 && r.Orchestration == "" {
		r.Inputs, r.Batch = 1+rng.Int64N(12), rng.Int64N(5)
		r.Pipelines = max(rng.Int64N(5)-1, 0)
	}
	if rng.IntN(8) == 0 {
		r.LayerCap = planner.EvenLayers
	}
	r.Transport = []string{"", "inline", "s3"}[rng.IntN(3)]
	if _, err := platform.Orchestration(platform.StepFunctions, r.Platform); err == nil && rng.IntN(2) == 0 {
		if r.Orchestration, r.Pipelines = platform.StepFunctions, 0; r.Inputs > 1 {
			r.Batch = 0 // an execution is one pass
		}
		if rng.IntN(3) == 0 {
			r.Orchestration = plan.OrchestrationAuto
		}
	}
	if on.ImageLimitBytes > 0 {
		r.Packaging = []string{"", "", "zip", "s3", "image", "zip,image"}[rng.IntN(6)]
	}
	switch rng.IntN(4) {
	case 0, 2:
		r.GatewayMemoryMB = on.NearestMemory(128 << rng.IntN(5))
	case 1:
		r.GatewayMemoryMB = planner.AutoGateway
	}
	return r
}

// What a plan says a request takes and costs is what its deployment takes and costs when a request is sent through it event by
// event: at several points of the frontier, and stage by stage.
func TestPlansComeTrue(t *testing.T) {
	rng := rand.New(rand.NewPCG(2026, 11))
	requests, plans, several, workflows, images := 0, 0, 0, 0, 0
	for range 60 {
		m := mustRandomModel(t, rng)
		for range 6 {
			requests++
			for document := range documents(t, m, randomRequest(rng), 4) {
				plans++
				if len(document.Stages) > 1 {
					several++
				}
				if document.Workflow != nil {
					workflows++
				}
				if document.Stages[0].Packaging == plan.PackagingImage {
					images++
				}
				holds(t, document)
			}
		}
	}
	if plans < 400 || several < 200 || workflows < 80 || images < 100 {
		t.Errorf("%d requests made %d plans, %d of several stages, %d driven by a workflow, %d in images", requests, plans, several, workflows, images)
	}
}

func ceil(a, b int64) int64 { return (a + b - 1) / b }

// documents plans a request and gives some of the plans of its frontier, from the fastest on: the larger parts is, the more.
func documents(t *testing.T, m *load.Model, r planner.Request, parts int) iter.Seq[*plan.Plan] {
	t.Helper()
	p, err := planner.New(m, r)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	points := p.Solve().Frontier
	return func(yield func(*plan.Plan) bool) {
		for k := 0; k < len(points); k += 1 + len(points)/parts {
			document, err := p.At(points[k].LatencyUs)
			if err != nil || document.Status != plan.Optimal {
				t.Fatalf("%+v: %v %v", r, err, document)
			}
			if !yield(document) {
				return
			}
		}
	}
}

func holds(t *testing.T, p *plan.Plan) {
	t.Helper()
	on, err := platform.Get(p.Platform)
	if err != nil {
		t.Fatal(err)
	}
	o, err := simulate(p, on)
	if err != nil {
		t.Fatalf("%+v: %v", p.Request, err)
	}
	if o.latencyUs != p.LatencyUs || o.costPicoUSD != p.CostPicoUSD || o.gateway != p.Gateway.CostPicoUSD || p.Workflow != nil && o.workflow != p.Workflow.CostPicoUSD {
		t.Errorf("%s %+v: the request takes %d us and costs %d (gateway %d), the plan says %d, %d, %d", p.Platform, p.Request, o.latencyUs, o.costPicoUSD, o.gateway,
			p.LatencyUs, p.CostPicoUSD, p.Gateway.CostPicoUSD)
	}
	for k := range p.Stages {
		if s := &p.Stages[k]; s.Packaging == plan.PackagingImage && s.InitUs > 0 {
			init := on.ImageBootUs + ceil(s.PackageBytes*on.ImageFetchPicosecPerByte, 1e6) + ceil(s.WeightBytes*on.LoadPicosecPerByte, 1e6)
			if p.Request.Scenario == string(solve.ColdOverlapped) {
				init = ceil(init, 1000) * 1000
			}
			if s.InitUs != init {
				t.Errorf("%s: stage %d, an image of %d bytes, starts in %d us, want %d", p.Platform, k+1, s.PackageBytes, s.InitUs, init)
			}
		}
	}
	for k, b := range o.stages {
		if s := &p.Stages[k]; b != (bill{s.Invocations, s.BilledUs, s.CostPicoUSD}) {
			t.Errorf("%s %+v: stage %d is billed %+v, the plan says %d, %d, %d", p.Platform, p.Request, k+1, b, s.Invocations, s.BilledUs, s.CostPicoUSD)
		}
	}
}

// The simulation is no copy of the plan: a request by hand, cold and overlapped, whose second stage is ready long before its
// turn and whose third is not.
func TestSimulationByHand(t *testing.T) {
	on := &platform.Platform{GranularityUs: 1000, InitBilled: true, PicoUSDPerGBs: 1_024_000, RequestPicoUSD: 7, WakeUs: 500, ObjectPutPicoUSD: 50, ObjectGetPicoUSD: 4,
		MBPerVCPU: 1769, MaxMilliVCPU: 6000}
	p := &plan.Plan{Request: plan.Request{Scenario: "cold-overlapped"}, Gateway: plan.Gateway{MemoryMB: 1000, StartUs: 300, DispatchUs: 10, FeesPicoUSD: 7}, Stages: []plan.Stage{
		{MemoryMB: 1, InitUs: 1000, InputUs: 100, ComputeUs: 3000, OutputUs: 200, Invocations: 1, FeesPicoUSD: 7 + 50},
		{MemoryMB: 2, InitUs: 2000, InputUs: 100, ComputeUs: 400, OutputUs: 0, Invocations: 2, FeesPicoUSD: 14 + 4},
		{MemoryMB: 3, InitUs: 9000, InputUs: 0, ComputeUs: 1, OutputUs: 0, Invocations: 2, FeesPicoUSD: 14},
	}}
	o, err := simulate(p, on)
	if err != nil {
		t.Fatal(err)
	}
	// Ready at 300; stage 1 runs from 1300 to 4600, stage 2 from 4610 to 5110, stage 3 has booted at 9300.
	if o.latencyUs != 9301 {
		t.Errorf("%d us", o.latencyUs)
	}
	// A millisecond of a MB is a pico-dollar.
	want := []bill{{1, 5000, 5 + 57}, {2, 3000 + 1000, 8 + 18}, {2, 10_000 + 1000, 33 + 14}}
	if !slices.Equal(o.stages, want) || o.gateway != 10*1000+7 || o.costPicoUSD != 10_007+62+26+47 {
		t.Errorf("%+v", o)
	}
	p.Stages[1].FeesPicoUSD++
	if _, err := simulate(p, on); err == nil {
		t.Error("a pico-dollar is no object")
	}
}
