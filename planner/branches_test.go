package planner

import (
	"encoding/json"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/cost"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/rewrite"
	"partita/planner/zoo"
)

// heavy has two towers worth functions of their own on every platform.
var heavy = fixture.Towers{Size: 224, Filters: []int{64, 64}, Depth: 12, Level: true, Apart: true}

func planFor(t testing.TB, m *load.Model, change ...string) (*Problem, *plan.Plan) {
	t.Helper()
	p := mustProblem(t, m, change...)
	d, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p, d
}

func branchesIn(p *plan.Plan) (list []int) {
	for _, s := range p.Stages {
		list = append(list, s.Branch)
	}
	return list
}

// Two towers run side by side where that is faster, in every scenario and with a rate; the plan reads back, says what it does and
// is the same model's.
func TestTowersRunSideBySide(t *testing.T) {
	m := models.Towers(t, heavy)
	for _, change := range [][]string{{"scenario=warm"}, {"scenario=cold-overlapped"}, {"scenario=cold-sequential", "precision=auto"}, {"scenario=warm", "rate=30/h"}, {"scenario=cold-overlapped", "rate=30/h"}} {
		change = append(change, "objective=latency", "memory=384,512")
		p, d := planFor(t, m, change...)
		_, chain := planFor(t, m, append(change, "branches=off")...)
		if got := branchesIn(d); !slices.Equal(got, []int{1, 2, 0}) {
			t.Errorf("%v: branches %v", change, got)
			continue
		}
		if slices.Max(branchesIn(chain)) != 0 || chain.LatencyUs <= d.LatencyUs || chain.Model.Order != nil {
			t.Errorf("%v: %d us side by side, %d one after another", change, d.LatencyUs, chain.LatencyUs)
		}
		p.Explain(d)
		at := slices.IndexFunc(d.Levers, func(l plan.Lever) bool { return l.Lever == "branches" })
		if at < 0 || d.Levers[at].SavesUs != chain.LatencyUs-d.LatencyUs || d.Levers[at].Needed {
			t.Errorf("%v: levers %+v", change, d.Levers)
		}
		text, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := plan.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := rewrite.Model(back)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range back.Stages {
			if s.Branch > 0 && whole.Graph.Layers[s.LastLayer-1].Name != []string{"tower1_pool", "tower2_pool"}[s.Branch-1] {
				t.Errorf("branch %d ends after %s", s.Branch, whole.Graph.Layers[s.LastLayer-1].Name)
			}
		}
		if w := back.Waves(); !slices.Equal(w, []int{0, 2, 3}) {
			t.Errorf("the steps begin at %v", w)
		}
		cold, warm := p.Timelines(d)
		if len(cold.Spans) != 3 || len(warm.Spans) != 3 || warm.Spans[1].CallUs != warm.Spans[0].CallUs || warm.Spans[2].CallUs < warm.Spans[0].EndUs() || warm.Spans[2].CallUs < warm.Spans[1].EndUs() {
			t.Errorf("%v: %+v", change, warm)
		}
		if d.Traffic != nil && (cold.LatencyUs != d.Traffic.ColdLatencyUs || d.Traffic.ColdCostPicoUSD <= d.Traffic.WarmCostPicoUSD) {
			t.Errorf("%v: %+v", change, d.Traffic)
		}
		ppm := int64(0)
		if d.Traffic != nil {
			ppm = d.Traffic.ColdPpm
			// The mix is that of the two, but for what is rounded.
			if mix := (ppm*d.Traffic.ColdCostPicoUSD + (1_000_000-ppm)*d.Traffic.WarmCostPicoUSD) / 1_000_000; mix-d.CostPicoUSD > 40_000 || d.CostPicoUSD-mix > 40_000 {
				t.Errorf("%v: the plan costs %d, the mix %d", change, d.CostPicoUSD, mix)
			}
		}
	}
}

// Switched off, side by side is offered where it would meet the SLO or save.
func TestBranchesAsRemedy(t *testing.T) {
	m := models.Towers(t, heavy)
	_, best := planFor(t, m, "scenario=warm", "objective=latency", "memory=1024")
	slo := "slo=" + printDuration(best.LatencyUs+1000)
	p, d := planFor(t, m, "scenario=warm", slo, "memory=1024", "branches=off")
	if d.Status != plan.Infeasible {
		t.Fatalf("%s within %s", d.Status, slo)
	}
	p.Explain(d)
	if !slices.ContainsFunc(d.Reasons, func(r plan.Reason) bool {
		return r.Option == "branches" && r.Value == auto && r.LatencyUs <= best.LatencyUs+1000
	}) {
		t.Errorf("reasons %+v", d.Reasons)
	}
}

// What is fixed by hand holds within branches, or they are not run side by side.
func TestPinsWithinBranches(t *testing.T) {
	m := models.Towers(t, heavy)
	all := func(change ...string) []string {
		return append([]string{"scenario=warm", "objective=latency", "memory=512,1024"}, change...)
	}
	_, d := planFor(t, m, all("stage-memory=tower2_conv3=768")...)
	if d.Stages[0].MemoryMB != 1024 || d.Stages[1].MemoryMB != 768 || d.Stages[1].Branch != 2 {
		t.Errorf("%+v", d.Stages)
	}
	_, d = planFor(t, m, all("stage-precision=tower1_conv5=float16")...)
	if d.Stages[0].Precision != "float16" || d.Stages[1].Precision != "" || d.Stages[1].Branch != 2 {
		t.Errorf("%+v", d.Stages)
	}
	for _, change := range []string{"cut=tower1_conv5", "layer-cap=5", "max-stages=1", "no-cut=tower2_pool", "inputs=64"} {
		_, d := planFor(t, m, all(change, "batch=1")...)
		if d.Status == plan.Optimal && slices.Max(branchesIn(d)) != 0 {
			t.Errorf("%s: branches %v", change, branchesIn(d))
		}
	}
	_, d = planFor(t, m, all("cut=tower1_pool,tower2_pool")...)
	if got := branchesIn(d); !slices.Equal(got, []int{1, 2, 0}) {
		t.Errorf("cut where the towers end: branches %v", got)
	}
}

// Measured times are those of the layers wherever they stand.
func TestBranchesByMeasuredTimes(t *testing.T) {
	m := models.Towers(t, heavy)
	r := request(t, "scenario=warm", "objective=latency", "memory=1769")
	p, err := New(m, r)
	if err != nil {
		t.Fatal(err)
	}
	ns, _ := mustProblem(t, m, "branches=off").Layers(&plan.Plan{})
	for l := range ns {
		if m.Graph.Layers[l].Name == "tower1_conv7" {
			ns[l] += 5_000_000_000
		}
	}
	r.Calibration = &cost.Calibration{Batch: 1, LayerNs: ns}
	q, err := New(m, r)
	if err != nil {
		t.Fatal(err)
	}
	before, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	after, err := q.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if after.Stages[0].ComputeUs != before.Stages[0].ComputeUs+5_000_000 || after.Stages[1].ComputeUs != before.Stages[1].ComputeUs {
		t.Errorf("before %+v, after %+v", before.Stages, after.Stages)
	}
}

// No architecture of the zoo has branches worth functions of their own, so none is put in another order.
func TestZooHasNoBranches(t *testing.T) {
	for n, name := range zoo.Names() {
		m := models.Zoo(t, name)
		p := mustProblem(t, m, "platform="+platform.Names()[n%len(platform.Names())])
		if p.forks() || p.model.document.Order != nil {
			t.Errorf("%s on %s", name, p.platform.Name)
		}
	}
}

// A plan whose stages beside each other do not follow each other is refused.
func TestBranchesOfAPlan(t *testing.T) {
	_, d := planFor(t, models.Towers(t, heavy), "scenario=warm", "objective=latency", "memory=1024")
	for _, c := range []struct {
		branches []int
		ok       bool
	}{{[]int{1, 2, 0}, true}, {[]int{0, 1, 2}, true}, {[]int{1, 2, 3}, true}, {[]int{0, 0, 0}, true}, {[]int{1, 0, 0}, false}, {[]int{0, 2, 0}, false}, {[]int{1, 1, 2}, false}, {[]int{2, 3, 0}, false}, {[]int{0, 0, 1}, false}, {[]int{-1, 0, 0}, false}} {
		for k, b := range c.branches {
			d.Stages[k].Branch = b
		}
		text, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plan.Decode(text); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.branches, err)
		}
	}
	for _, order := range []string{`[{"firstLayer":0,"layers":[1,2]}]`, `[{"firstLayer":2,"layers":[2,2]}]`, `[{"firstLayer":29,"layers":[29,30,31]}]`, `[{"firstLayer":1,"layers":[30,2,3]}]`, `[{"firstLayer":9223372036854775807,"layers":[1,2]}]`} {
		d.Model.Order = nil
		if err := json.Unmarshal([]byte(order), &d.Model.Order); err != nil {
			t.Fatal(err)
		}
		if _, err := rewrite.Model(d); err == nil {
			t.Errorf("the order %s is accepted", order)
		}
	}
}
