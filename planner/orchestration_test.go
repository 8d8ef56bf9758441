package planner

import (
	"reflect"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// A workflow that drives is billed for its start and for the steps of the whole request; the gateway's function only for what it does
// before and after the stages.
func TestWorkflowPlans(t *testing.T) {
	for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
		for _, rate := range []string{"none", "6/h"} {
			p := mustProblem(t, tiny(t), "orchestration=step-functions", "min-stages=2", "scenario="+scenario, "rate="+rate)
			d := mustPlan(t, p)
			w := d.Workflow
			if w == nil || d.Request.Orchestration != plan.StepFunctions || d.PriceBook.Orchestration != platform.OrchestrationHash() {
				t.Fatalf("%s: %+v %+v", scenario, d.Workflow, d.Request)
			}
			if w.BilledUs < d.LatencyUs || w.BilledUs >= d.LatencyUs+100_000 || w.BilledUs%100_000 != 0 || w.FeesPicoUSD != 1_000_000 {
				t.Errorf("%s: %+v for %d us", scenario, w, d.LatencyUs)
			}
			if rate == "none" && w.CostPicoUSD != 1_000_000+w.BilledUs/1000*1042 {
				t.Errorf("%s: %+v", scenario, w)
			}
			sum := w.CostPicoUSD + d.Gateway.CostPicoUSD
			for _, s := range d.Stages {
				sum += s.CostPicoUSD
			}
			if sum != d.CostPicoUSD {
				t.Errorf("%s: the parts make %d of %d", scenario, sum, d.CostPicoUSD)
			}
			cold, warm := p.Timelines(d)
			if mine := map[bool]int64{true: warm.LatencyUs, false: cold.LatencyUs}[scenario == "warm"]; mine != d.LatencyUs {
				t.Errorf("%s: a request takes %d us, the plan says %d", scenario, mine, d.LatencyUs)
			}
			document, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := plan.Decode(document); err != nil || *again.Workflow != *w {
				t.Errorf("%s: %v", scenario, err)
			}
		}
	}
}

// No tensor passes a state in a message of more than the service allows, whatever functions could take.
func TestWorkflowPayloads(t *testing.T) {
	d := mustPlan(t, mustProblem(t, tiny(t), "orchestration=step-functions", "min-stages=3", "max-stages=3", "scenario=warm", "batch=24"))
	byGateway := mustPlan(t, mustProblem(t, tiny(t), "min-stages=3", "max-stages=3", "scenario=warm", "batch=24"))
	stored := 0
	for i, s := range d.Stages {
		if s.TransportIn == "inline" && (s.InputBytes+2)/3*4 > 262_144-16_384 || s.TransportOut == "inline" && (s.OutputBytes+2)/3*4 > 262_144-16_384 {
			t.Errorf("stage %d: %+v", i+1, s)
		}
		if s.TransportIn == "s3" {
			stored++
		}
	}
	if stored == 0 || byGateway.Stages[0].TransportIn != "inline" {
		t.Errorf("%d of the workflow's hops go through S3, the gateway's first %s: this shows less than it should", stored, byGateway.Stages[0].TransportIn)
	}
}

func TestWorkflowRefusals(t *testing.T) {
	r := DefaultRequest()
	r.Orchestration, r.Platform = plan.StepFunctions, "gcp-cloud-run-functions"
	if _, err := New(tiny(t), r); diag.CodeOf(err) != "platform.no-orchestrator" {
		t.Error(err)
	}
	r.Orchestration, r.Platform = "airflow", "local"
	if _, err := New(tiny(t), r); diag.CodeOf(err) != "platform.unknown-orchestrator" {
		t.Error(err)
	}
	r.Platform = "local"
	for code, change := range map[string]func(*Request){"planner.workflow-batch": func(r *Request) { r.Inputs, r.Batch = 4, 2 }} {
		asked := DefaultRequest()
		asked.Platform, asked.Orchestration = "local", plan.StepFunctions
		change(&asked)
		if _, err := New(tiny(t), asked); diag.CodeOf(err) != code {
			t.Errorf("want %s: %v", code, err)
		}
	}
	// An express workflow ends after five minutes.
	p := mustProblem(t, tiny(t), "orchestration=step-functions")
	slow := *p.platform
	slow.BootUs = 301_000_000
	slow.InitTimeoutUs = 900_000_000
	late, err := newProblemOn(p.given, p.request, &slow)
	if err != nil {
		t.Fatal(err)
	}
	d := late.answer(late.request)
	if d.Status != plan.Infeasible || d.Advice == nil || d.Advice.Option != "orchestration" {
		t.Errorf("%s %s %+v", d.Status, d.Reason, d.Advice)
	}
}

// A request that leaves open what drives has the frontier of both together, and of every SLO the plan of that which serves it better.
func TestEitherDrives(t *testing.T) {
	byGateway, byWorkflow := 0, 0
	for _, options := range [][]string{
		{"scenario=warm", "max-stages=4"}, {"scenario=cold-sequential", "max-stages=3"}, {"scenario=cold-overlapped", "max-stages=3"}, {"scenario=cold-overlapped", "rate=6/h", "max-stages=3"},
		{"scenario=cold-sequential", "inputs=5", "max-stages=3"}, {"scenario=warm", "inputs=4", "batch=2", "max-stages=2"}, {"scenario=warm", "platform=gcp-cloud-run-functions", "max-stages=2"},
	} {
		with := func(more ...string) *Problem {
			return mustProblem(t, tiny(t), append(append([]string{}, options...), more...)...)
		}
		both := with("orchestration=auto")
		apart := []*solve.Result{with("orchestration=gateway").Solve()}
		r := both.Request()
		if o, _ := OptionNamed("orchestration"); o.Print(r) != auto {
			t.Errorf("%v: the request's is %s", options, o.Print(r))
		}
		r.Orchestration = plan.StepFunctions
		alone, err := New(tiny(t), r)
		if err == nil {
			result := *alone.Solve()
			for n := len(result.Frontier); n > 0 && result.Frontier[n-1].LatencyUs > 300_000_000; n-- {
				result.Frontier = result.Frontier[:n-1]
			}
			apart = append(apart, &result)
		}
		want, from := solve.Merge(apart, both.resolutionUs(both.Request()))
		if got := both.Solve().Frontier; !slices.Equal(got, want.Frontier) || len(got) == 0 {
			t.Errorf("%v: %d points, want %d", options, len(got), len(want.Frontier))
		}
		for i, point := range want.Frontier {
			d, err := both.At(point.LatencyUs)
			if err != nil || d.Status != plan.Optimal || d.LatencyUs != point.LatencyUs || d.CostPicoUSD != point.CostPicoUSD || d.Request.Orchestration != auto {
				t.Fatalf("%v: at %d: %v %+v", options, point.LatencyUs, err, d)
			}
			by := []string{"", plan.StepFunctions}[from[i].Result]
			if d.Orchestration() != by || d.Frontier[i].Orchestration != by {
				t.Errorf("%v: at %d it is driven by %q, want %q", options, point.LatencyUs, d.Orchestration(), by)
			}
			if byGateway++; by != "" {
				byGateway--
				byWorkflow++
			}
			cold, warm := both.Timelines(d)
			if mine := map[bool]int64{true: warm.LatencyUs, false: cold.LatencyUs}[d.Request.Scenario == "warm"]; mine != d.LatencyUs {
				t.Errorf("%v: a request takes %d us, the plan says %d", options, mine, d.LatencyUs)
			}
			if len(d.Baselines) == 0 || d.Baselines[0].Status == plan.Feasible && d.Baselines[0].CostPicoUSD < want.Frontier[len(want.Frontier)-1].CostPicoUSD {
				t.Errorf("%v: %+v", options, d.Baselines)
			}
			document, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := plan.Decode(document); err != nil || again.Frontier[i].Orchestration != by {
				t.Errorf("%v: %v", options, err)
			}
			r := both.Request()
			r.SLOUs = point.LatencyUs
			asked, err := both.With(r)
			if err != nil {
				t.Fatal(err)
			}
			if best, ok := asked.best(r); !ok || best != point {
				t.Errorf("%v: alone it is %+v, want %+v", options, best, point)
			}
		}
		if instance, err := both.Instance(); err != nil || len(instance.Segments) == 0 {
			t.Errorf("%v: %v", options, err)
		}
	}
	if byGateway < 20 || byWorkflow < 20 {
		t.Errorf("the gateway drives %d plans and a workflow %d: this shows less than it should", byGateway, byWorkflow)
	}
}

// Where it pays to run branches side by side may depend on what drives. A plan is then of the layers in the order of its own driver.
func TestEitherOfBranches(t *testing.T) {
	m := models.Towers(t, fixture.Towers{Size: 96, Filters: []int{32, 32, 32}, Depth: 4, Level: true})
	options := []string{"platform=local", "memory=128,512", "scenario=warm", "gateway-memory=3008"}
	with := func(by string) *Problem {
		return mustProblem(t, m, append([]string{"orchestration=" + by}, options...)...)
	}
	apart := map[string]*Problem{"": with("gateway"), plan.StepFunctions: with(plan.StepFunctions)}
	if apart[""].table.Forks() == apart[plan.StepFunctions].table.Forks() {
		t.Error("branches are looked at by both, or by none: this shows less than it should")
	}
	both, seen := with(auto), map[string]int{}
	for _, point := range both.Solve().Frontier {
		r := both.Request()
		r.SLOUs = point.LatencyUs
		d := both.answer(r)
		own := apart[d.Orchestration()]
		seen[d.Orchestration()]++
		ns, peaks := both.Layers(d)
		wantNs, wantPeaks := own.Layers(d)
		if !slices.Equal(ns, wantNs) || !slices.Equal(peaks, wantPeaks) || !reflect.DeepEqual(d.Model.Order, own.model.document.Order) {
			t.Fatalf("at %d by %q: the layers are in the order %v, want %v", point.LatencyUs, d.Orchestration(), d.Model.Order, own.model.document.Order)
		}
	}
	if len(seen) != 2 {
		t.Errorf("driven: %v", seen)
	}
}

// What the choice has saved is told, and that it is open is no reason to change anything.
func TestEitherIsExplained(t *testing.T) {
	for scenario, driven := range map[string]bool{"cold-sequential": true, "warm": false} {
		d := explained(t, mustProblem(t, tiny(t), "orchestration=auto", "scenario="+scenario))
		if (d.Workflow != nil) != driven {
			t.Fatalf("%s: %+v", scenario, d.Workflow)
		}
		saved := int64(0)
		for _, l := range d.Levers {
			if l.Lever == "orchestration" {
				saved = l.SavesPicoUSD
			}
		}
		byGateway := mustPlan(t, mustProblem(t, tiny(t), "scenario="+scenario))
		if saved != byGateway.CostPicoUSD-d.CostPicoUSD || (saved > 0) != driven {
			t.Errorf("%s: it saved %d of %d", scenario, saved, byGateway.CostPicoUSD)
		}
		for _, r := range d.Reasons {
			if r.Option == "orchestration" {
				t.Errorf("%s: %+v", scenario, r)
			}
		}
	}
	// What is infeasible either way is told as of the gateway.
	d := mustPlan(t, mustProblem(t, tiny(t), "orchestration=auto", "slo=1ms"))
	if d.Status != plan.Infeasible || d.Advice == nil || d.Advice.Option != "slo" || d.Request.Orchestration != auto {
		t.Errorf("%s %s %+v", d.Status, d.Reason, d.Advice)
	}
}

// What a workflow is worth is found as for any lever.
func TestWorkflowIsALever(t *testing.T) {
	d := explained(t, mustProblem(t, tiny(t), "orchestration=step-functions", "scenario="+string(solve.ColdSequential)))
	byGateway := mustPlan(t, mustProblem(t, tiny(t), "scenario="+string(solve.ColdSequential)))
	if byGateway.Workflow != nil || byGateway.PriceBook.Orchestration != "" {
		t.Errorf("%+v", byGateway.PriceBook)
	}
	for _, l := range d.Levers {
		if l.Lever == "orchestration" {
			if l.SavesPicoUSD != byGateway.CostPicoUSD-d.CostPicoUSD || l.SavesPicoUSD <= 0 {
				t.Errorf("%+v: by the gateway it costs %d, so %d", l, byGateway.CostPicoUSD, d.CostPicoUSD)
			}
			return
		}
	}
	t.Errorf("levers: %+v", d.Levers)
}
