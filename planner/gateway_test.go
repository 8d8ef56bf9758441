package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/solve"
)

// gatewaySizes are those that a gateway of a platform may have for a model of pictures: there is room for one of twelve megapixels, or as
// few as it is said to have, and beyond a whole vCPU none works faster.
func gatewaySizes(r Request) []int64 {
	switch r.Platform {
	case "azure-functions-flex":
		return []int64{512, 2048}
	case "gcp-cloud-run-functions":
		return []int64{256, 512, 1024, 2048}
	}
	var sizes []int64
	if r.PicturePixels > 0 && r.PicturePixels < 8_000_000 {
		sizes = []int64{128}
	}
	for m := int64(192); m <= 1792; m += 64 {
		sizes = append(sizes, m)
	}
	return sizes
}

// The frontier over the gateway's size is that of every size, each planned by itself: in every scenario, with cold and warm requests
// mixed, with several inputs, behind a workflow, and where functions run side by side. Each point is a plan with the size that it says.
func TestGatewaysAgainstEverySize(t *testing.T) {
	towers, err := load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: fixture.Towers{Size: 64, Filters: []int{64, 32}, Depth: 8, Level: true}.Keras()})
	if err != nil {
		t.Fatal(err)
	}
	chosen := map[int64]bool{}
	for n, c := range []struct {
		m       *load.Model
		options string
	}{
		{tiny(t), ""}, {tiny(t), "rate=20/h"}, {tiny(t), "picture=3.5"}, {tiny(t), "platform=aws-lambda-2020 max-stages=3"},
		{tiny(t), "orchestration=step-functions platform=local"}, {tiny(t), "orchestration=step-functions rate=3/h"}, {tiny(t), "orchestration=auto platform=local"},
		{tiny(t), "platform=gcp-cloud-run-functions"}, {tiny(t), "platform=azure-functions-flex rate=20/h"},
		{tiny(t), "inputs=3 max-stages=2"}, {tiny(t), "inputs=2 rate=30/h max-stages=2"}, {tiny(t), "layer-cap=even max-stages=3"}, {tiny(t), "stage-memory=2..9=512"},
		{towers, "branches=all max-stages=4 memory=256,512,1024"},
	} {
		for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
			base := append(strings.Fields(c.options), "scenario="+scenario)
			p := mustProblem(t, c.m, append(slices.Clone(base), "gateway-memory=auto")...)
			got := mustPlan(t, p)
			each := map[int64]*plan.Plan{}
			var all []*solve.Result
			for _, m := range gatewaySizes(p.request) {
				each[m] = mustPlan(t, mustProblem(t, c.m, append(slices.Clone(base), fmt.Sprint("gateway-memory=", m))...))
				all = append(all, &solve.Result{Frontier: points(each[m])})
			}
			resolution := p.resolutionUs(p.request)
			merged, _ := solve.Merge(all, resolution)
			if want := merged.Frontier; !slices.Equal(points(got), want) {
				t.Fatalf("%v: %v, every size %v", base, points(got), want)
			}
			for i, f := range got.Frontier {
				chosen[f.GatewayMemoryMB] = true
				fixed := each[f.GatewayMemoryMB]
				if fixed == nil || !slices.Contains(points(fixed), solve.Point{LatencyUs: f.LatencyUs, CostPicoUSD: f.CostPicoUSD}) {
					t.Fatalf("%v: point %d, %+v, is none of its gateway's", base, i, f)
				}
				if i%7 != n%7 {
					continue
				}
				at, err := p.At(f.LatencyUs)
				if err != nil || at.LatencyUs != f.LatencyUs || at.CostPicoUSD != f.CostPicoUSD || at.Gateway.MemoryMB != f.GatewayMemoryMB || at.Request.GatewayMemoryMB != 0 {
					t.Fatalf("%v: %+v: %+v, %v", base, f, at, err)
				}
				sum := at.Gateway.CostPicoUSD
				if at.Workflow != nil {
					sum += at.Workflow.CostPicoUSD
				}
				for _, s := range at.Stages {
					sum += s.CostPicoUSD
				}
				cold, warm := p.Timelines(at)
				line := map[bool]int64{true: warm.LatencyUs, false: cold.LatencyUs}[scenario == "warm"]
				if sum != at.CostPicoUSD || line != at.LatencyUs {
					t.Errorf("%v: the parts come to %d of %d, a request takes %d us of %d", base, sum, at.CostPicoUSD, line, at.LatencyUs)
				}
				for _, b := range at.Baselines {
					if b.Status == plan.Feasible && b.LatencyUs <= at.LatencyUs && b.CostPicoUSD < at.CostPicoUSD {
						t.Errorf("%v: %s beats the plan of %d us and %d: %+v", base, b.Name, at.LatencyUs, at.CostPicoUSD, b)
					}
				}
			}
			in, err := p.Instance()
			if err != nil {
				t.Fatal(err)
			}
			if found := solve.Solve(in, 0).Frontier; found[len(found)-1] != (solve.Point{LatencyUs: got.LatencyUs, CostPicoUSD: got.CostPicoUSD}) && resolution == 1 {
				t.Errorf("%v: the instance's cheapest plan is %+v, the plan %d and %d", base, found[len(found)-1], got.LatencyUs, got.CostPicoUSD)
			}
		}
	}
	if len(chosen) < 10 {
		t.Errorf("only the sizes %v were ever the best", chosen)
	}
}

// One function alone is told of in its best gateway, too, and its timeline is that of this gateway.
func TestOneFunctionInItsBestGateway(t *testing.T) {
	p := mustProblem(t, tiny(t), "gateway-memory=auto", "scenario=warm")
	for _, f := range p.Solve().Frontier {
		at, err := p.At(f.LatencyUs)
		if err != nil {
			t.Fatal(err)
		}
		b := at.Baselines[0]
		alone, ok := p.Alone(&b)
		if !ok || b.GatewayMemoryMB == 0 {
			t.Fatalf("%+v", b)
		}
		if _, warm := p.Timelines(alone); warm.LatencyUs != b.LatencyUs || warm.CostPicoUSD != b.CostPicoUSD {
			t.Errorf("%+v: its timeline takes %d us and %d", b, warm.LatencyUs, warm.CostPicoUSD)
		}
	}
}

// The gateway has room for what is sent: a picture as large as it is said to be, else one of twelve megapixels, and inputs as arrays. A model
// that takes no pictures does with less.
func TestGatewayRoom(t *testing.T) {
	words := mustModel(t, fixture.Shared(t, "models", "k3_tiny_mlp", "model.json"))
	photos := mustModel(t, fixture.Shared(t, "zoo", "keras3", "MobileNet.json.gz"))
	for _, c := range []struct {
		m       *load.Model
		options string
		least   int64
	}{
		{photos, "", 192}, {photos, "picture=12", 192}, {photos, "picture=0.3", 128}, {photos, "picture=24", 320}, {photos, "picture=200", 2240}, {words, "", 128},
		{photos, "inputs=100 batch=10 pipelines=1", 192}, {photos, "inputs=300 batch=10 pipelines=1", 576},
	} {
		options := append(strings.Fields(c.options), "gateway-memory=auto", "scenario=warm", "memory=1024")
		if d := mustPlan(t, mustProblem(t, c.m, options...)); d.Status != plan.Optimal || d.Frontier[len(d.Frontier)-1].GatewayMemoryMB != c.least {
			t.Errorf("%s: %s %s, the cheapest plan's gateway has %d MB", c.options, d.Status, d.Reason, d.Gateway.MemoryMB)
		}
	}
	// A size that is fixed by hand and has none is refused with what would do, and that does.
	d := mustPlan(t, mustProblem(t, photos, "picture=24", "gateway-memory=256", "scenario=warm"))
	if d.Status != plan.Infeasible || !strings.Contains(d.Reason, "decoding a picture of 24 megapixels takes") || d.Advice == nil || d.Advice.Option != "gateway-memory" {
		t.Fatalf("%s: %s, %+v", d.Status, d.Reason, d.Advice)
	}
	least, _ := strconv.ParseInt(d.Advice.Value, 10, 64)
	for _, m := range []int64{least, least - 1} {
		if d := mustPlan(t, mustProblem(t, photos, "picture=24", fmt.Sprint("gateway-memory=", m), "scenario=warm")); (d.Status == plan.Optimal) != (m == least) {
			t.Errorf("with %d MB: %s %s", m, d.Status, d.Reason)
		}
	}
	if _, err := New(words, request(t, "picture=2")); diag.CodeOf(err) != "planner.no-pictures" {
		t.Error(err)
	}
	d = mustPlan(t, mustProblem(t, photos, "inputs=4000", "batch=1", "pipelines=1", "scenario=warm", "gateway-memory=auto", "platform=azure-functions-flex"))
	if d.Status != plan.Infeasible || !strings.Contains(d.Reason, "4000 inputs take") {
		t.Errorf("%s: %s", d.Status, d.Reason)
	}
}

// Large pictures take longer to decode, the longer the smaller the gateway.
func TestPictures(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "MobileNet.json.gz"))
	start := func(change ...string) int64 {
		return mustPlan(t, mustProblem(t, m, append(change, "scenario=warm", "platform=local")...)).Gateway.StartUs
	}
	for _, memoryMB := range []int64{512, 1769} {
		size := fmt.Sprint("gateway-memory=", memoryMB)
		usual, twelve := start(size), start(size, "picture=12")
		want := (10_000 + 12*27_500) * 1769 / memoryMB
		if usual != (10_000*1769+memoryMB-1)/memoryMB || twelve < want || twelve > want+want/1000 {
			t.Errorf("%d MB: %d us, for 12 megapixels %d", memoryMB, usual, twelve)
		}
	}
}

// A plan says what the choice of the gateway's size has saved, and a plan with a fixed one what it would save.
func TestGatewayIsALever(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "MobileNet.json.gz"))
	fixed, free := mustProblem(t, m), mustProblem(t, m, "gateway-memory=auto")
	a, b := explained(t, fixed), explained(t, free)
	saved := a.CostPicoUSD - b.CostPicoUSD
	if saved <= 0 {
		t.Fatalf("%d and %d", a.CostPicoUSD, b.CostPicoUSD)
	}
	k := slices.IndexFunc(b.Levers, func(l plan.Lever) bool { return l.Lever == "gateway-memory" })
	if k < 0 || b.Levers[k].SavesPicoUSD != saved || !strings.Contains(b.Levers[k].Use, fmt.Sprintf("%d MB, not 512", b.Gateway.MemoryMB)) {
		t.Errorf("%+v", b.Levers)
	}
	k = slices.IndexFunc(a.Reasons, func(r plan.Reason) bool { return r.Constraint == "gateway-memory" })
	if k < 0 || a.Reasons[k].SavesPicoUSD != saved || a.Reasons[k].Value != auto || !strings.Contains(a.Reasons[k].Change, fmt.Sprintf("%d MB", b.Gateway.MemoryMB)) {
		t.Errorf("%+v", a.Reasons)
	}
	if k := slices.IndexFunc(b.Reasons, func(r plan.Reason) bool { return r.Constraint == "gateway-memory" }); k >= 0 {
		t.Errorf("%+v", b.Reasons[k])
	}
	verify(t, fixed, a)
	verify(t, free, b)
}

// At a rate the changes of a plan are tried with its own gateway: each is a plan that there is, and what it saves is saved at least.
func TestGatewaysReasonsAtARate(t *testing.T) {
	p := mustProblem(t, tiny(t), "gateway-memory=auto", "rate=5/h", "slo=1200ms", "max-stages=2", "memory=512,1024")
	d := explained(t, p)
	tried := 0
	for _, reason := range d.Reasons {
		if reason.Option == "" {
			continue
		}
		r := p.Request()
		o, _ := OptionNamed(reason.Option)
		if err := o.Parse(&r, reason.Value); err != nil {
			t.Fatal(err)
		}
		changed, err := p.With(r)
		if err != nil {
			t.Fatal(err)
		}
		tried++
		if again := mustPlan(t, changed); again.Status != plan.Optimal || again.CostPicoUSD > reason.CostPicoUSD || reason.SavesPicoUSD <= 0 {
			t.Errorf("%+v: then it costs %d", reason, again.CostPicoUSD)
		}
	}
	if tried < 2 {
		t.Errorf("%s: %+v", d.Status, d.Reasons)
	}
}

// An SLO that the platform's usual gateway misses, as it decodes too slowly, is met when the planner chooses.
func TestGatewayIsARemedy(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "MobileNet.json.gz"))
	p := mustProblem(t, m, "picture=12", "scenario=warm", "slo=1500ms")
	d := explained(t, p)
	k := slices.IndexFunc(d.Reasons, func(r plan.Reason) bool { return r.Constraint == "gateway-memory" })
	if d.Status != plan.Infeasible || k < 0 {
		t.Fatalf("%s: %+v", d.Status, d.Reasons)
	}
	verify(t, p, d)
	if free := mustPlan(t, mustProblem(t, m, "picture=12", "scenario=warm", "slo=1500ms", "gateway-memory=auto")); free.Status != plan.Optimal || free.Gateway.MemoryMB <= 512 || cmp.Compare(free.LatencyUs, 1_500_000) > 0 {
		t.Errorf("%s, %d MB, %d us", free.Status, free.Gateway.MemoryMB, free.LatencyUs)
	}
}
