package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/plan"
	"partita/planner/solve"
)

// points are a plan's frontier as numbers.
func points(d *plan.Plan) []solve.Point {
	var all []solve.Point
	for _, p := range d.Frontier {
		all = append(all, solve.Point{LatencyUs: p.LatencyUs, CostPicoUSD: p.CostPicoUSD})
	}
	return all
}

func lower(all [][]solve.Point) []solve.Point {
	var results []*solve.Result
	for _, f := range all {
		results = append(results, &solve.Result{Frontier: f})
	}
	m, _ := solve.Merge(results, 1)
	return m.Frontier
}

// The frontier for some inputs is that of every batch size with every number of pipelines, each planned by itself.
func TestInputsAgainstEveryWay(t *testing.T) {
	for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
		for _, inputs := range []int{2, 5, 6} {
			base := []string{"scenario=" + scenario, "platform=" + []string{"aws-lambda-x86_64", "aws-lambda-2020", "local"}[inputs%3], "max-stages=3", "inputs=" + strconv.Itoa(inputs)}
			if inputs == 6 {
				base = append(base, "rate=20/h")
			}
			got := mustPlan(t, mustProblem(t, tiny(t), base...))
			var all [][]solve.Point
			for batch := 1; batch <= inputs; batch++ {
				for pipelines := 1; pipelines <= (inputs+batch-1)/batch; pipelines++ {
					d := mustPlan(t, mustProblem(t, tiny(t), append(slices.Clone(base), fmt.Sprint("batch=", batch), fmt.Sprint("pipelines=", pipelines))...))
					if b := d.Batching; b == nil || b.Inputs != int64(inputs) || b.Batch != int64(batch) || b.Pipelines != int64(pipelines) {
						t.Fatalf("%d inputs in batches of %d over %d pipelines: %+v", inputs, batch, pipelines, b)
					}
					all = append(all, points(d))
				}
			}
			if want := lower(all); !slices.Equal(points(got), want) {
				t.Errorf("%v: %v, every way %v", base, points(got), want)
			}
			for _, f := range got.Frontier {
				if f.Batch < 1 || f.Pipelines == 1 || f.Pipelines > (int64(inputs)+f.Batch-1)/f.Batch {
					t.Errorf("%v: a point in batches of %d over %d pipelines", base, f.Batch, f.Pipelines)
				}
			}
		}
	}
}

// Of a request of several inputs everything is told as of any other: the plan at any SLO, its baselines, its hash.
func TestPlansOfSeveralInputsAreWhole(t *testing.T) {
	p := mustProblem(t, tiny(t), "inputs=7", "scenario=cold-overlapped")
	d := mustPlan(t, p)
	whole(t, p, d)
	frontier := p.Solve().Frontier
	batchings := map[plan.Batching]bool{}
	for _, point := range frontier {
		at, err := p.At(point.LatencyUs)
		if err != nil || at.LatencyUs != point.LatencyUs || at.CostPicoUSD != point.CostPicoUSD || at.Batching == nil {
			t.Fatalf("%v: %+v, %v", point, at, err)
		}
		batchings[*at.Batching] = true
		var sum int64
		for _, s := range at.Stages {
			sum += s.CostPicoUSD
			if b := at.Batching; s.Invocations < b.Passes || (s.LastPass != nil) != (b.LastBatch() < b.Batch) {
				t.Errorf("%+v: %+v", b, s)
			}
		}
		if sum+at.Gateway.CostPicoUSD != at.CostPicoUSD {
			t.Errorf("the parts of %+v come to %d, not %d", at.Batching, sum+at.Gateway.CostPicoUSD, at.CostPicoUSD)
		}
		cold, _ := p.Timelines(at)
		if cold.LatencyUs != at.LatencyUs || cold.CostPicoUSD != at.CostPicoUSD {
			t.Errorf("%+v: the timeline of a cold request takes %d us and %d, the plan %d and %d", at.Batching, cold.LatencyUs, cold.CostPicoUSD, at.LatencyUs, at.CostPicoUSD)
		}
	}
	if len(batchings) < 2 {
		t.Errorf("all of the frontier is in %v", batchings)
	}
	for _, b := range d.Baselines {
		if b.Status == plan.Feasible && b.CostPicoUSD < d.CostPicoUSD {
			t.Errorf("%s costs %d, the plan %d", b.Name, b.CostPicoUSD, d.CostPicoUSD)
		}
		if alone, ok := p.Alone(&b); ok {
			if cold, _ := p.Timelines(alone); cold.LatencyUs != b.LatencyUs || cold.CostPicoUSD != b.CostPicoUSD {
				t.Errorf("%s: %d us and %d by its timeline, %d and %d", b.Name, cold.LatencyUs, cold.CostPicoUSD, b.LatencyUs, b.CostPicoUSD)
			}
		}
	}
}

// The instance that is printed for several inputs is that of the batch and the pipelines that the plan has, and another solver
// finds the plan in it. The plan says what batches and pipelines save.
func TestInstanceOfSeveralInputs(t *testing.T) {
	p := mustProblem(t, tiny(t), "inputs=6", "scenario=cold-sequential")
	d := mustPlan(t, p)
	in, err := p.Instance()
	if err != nil {
		t.Fatal(err)
	}
	found := solve.Solve(in, 0).Frontier
	if last := found[len(found)-1]; last.LatencyUs != d.LatencyUs || last.CostPicoUSD != d.CostPicoUSD {
		t.Errorf("the instance's cheapest plan is %+v, the plan %d and %d", last, d.LatencyUs, d.CostPicoUSD)
	}
	p.Explain(d)
	for _, l := range d.Levers {
		if l.Lever == "batch" && d.Batching.Batch > 1 && l.SavesPicoUSD > 0 {
			return
		}
	}
	t.Errorf("%+v: levers %+v", d.Batching, d.Levers)
}

// The layer cap of the paper: with k functions none has more than ceil(layers/k) layers. It is the best over k of plans with
// that cap and that many functions.
func TestEvenLayers(t *testing.T) {
	for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
		base := []string{"scenario=" + scenario, "max-stages=4", "branches=off"}
		got := mustPlan(t, mustProblem(t, tiny(t), append(slices.Clone(base), "layer-cap=even")...))
		layers := got.Model.Layers
		var all [][]solve.Point
		for k := 1; k <= 4; k++ {
			most := (layers + k - 1) / k
			d := mustPlan(t, mustProblem(t, tiny(t), append(slices.Clone(base), fmt.Sprint("layer-cap=", most), fmt.Sprint("min-stages=", k), fmt.Sprint("max-stages=", k))...))
			all = append(all, points(d))
		}
		if want := lower(all); !slices.Equal(points(got), want) || len(want) == 0 {
			t.Errorf("%s: %v, by number of functions %v", scenario, points(got), want)
		}
		if !got.Request.EvenLayers || got.Request.LayerCap != 0 {
			t.Errorf("%+v", got.Request)
		}
		for _, f := range got.Frontier {
			before := 0
			for _, s := range f.Stages {
				if most := (layers + len(f.Stages) - 1) / len(f.Stages); s.LastLayer-before > most {
					t.Errorf("%s: layers %d to %d are more than %d in a function", scenario, before+1, s.LastLayer, most)
				}
				before = s.LastLayer
			}
		}
	}
}

// Inputs that are more than the gateway can hold are refused with what would help.
func TestTooManyInputs(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "MobileNet.json.gz"))
	d := mustPlan(t, mustProblem(t, m, "inputs=1000", "batch=100", "pipelines=1", "scenario=warm"))
	if d.Status != plan.Infeasible || !strings.Contains(d.Reason, "1000 inputs take") || d.Advice == nil || d.Advice.Option != "gateway-memory" {
		t.Fatalf("%s: %s, %+v", d.Status, d.Reason, d.Advice)
	}
	d = mustPlan(t, mustProblem(t, m, "inputs=1000", "batch=100", "pipelines=1", "scenario=warm", "gateway-memory="+d.Advice.Value))
	if d.Status != plan.Optimal {
		t.Errorf("with what is advised: %s", d.Reason)
	}
	for _, bad := range [][]string{{"inputs=8", "min-stages=200", "max-stages=200", "pipelines=8"}} {
		if _, err := New(tiny(t), request(t, bad...)); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
