package planner

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// explained plans and explains.
func explained(t testing.TB, p *Problem) *plan.Plan {
	t.Helper()
	d := mustPlan(t, p)
	p.Explain(d)
	return d
}

// verify applies every reason of a plan to its request and plans again.
func verify(t *testing.T, p *Problem, d *plan.Plan) {
	t.Helper()
	for _, reason := range d.Reasons {
		r := p.Request()
		bought := p.platform
		if reason.Option != "" {
			o, ok := OptionNamed(reason.Option)
			if !ok {
				t.Fatalf("%+v names no option", reason)
			}
			if err := o.Parse(&r, reason.Value); err != nil {
				t.Errorf("%+v: %v", reason, err)
				continue
			}
			bought, _ = platform.Get(r.Platform)
		}
		for i := range limits {
			if l := &limits[i]; l.name == reason.Constraint {
				for v := *l.field(bought); v <= l.most; v += l.unit { // the value is only said in words
					if strings.Contains(reason.Change, " "+l.print(v)+" instead of ") {
						bought = l.without(bought, v)
						break
					}
				}
			}
		}
		fine := reason.Change == "consider every size on sale" // found with the cuts as they are
		if fine {
			r.Cuts, r.MinStages, r.MaxStages = nil, len(d.Stages), len(d.Stages)
			for _, s := range d.Stages[:len(d.Stages)-1] {
				r.Cuts = append(r.Cuts, strconv.Itoa(s.LastLayer))
			}
		}
		changed, err := newProblemOn(p.model, r, bought)
		if err != nil {
			t.Errorf("%+v: %v", reason, err)
			continue
		}
		again := changed.answer(r)
		if again.Status != plan.Optimal {
			t.Errorf("%+v: then it is %s: %s", reason, again.Status, again.Reason)
			continue
		}
		if again.LatencyUs != reason.LatencyUs || again.CostPicoUSD != reason.CostPicoUSD {
			t.Errorf("%+v: then it takes %d us and costs %d", reason, again.LatencyUs, again.CostPicoUSD)
		}
		if d.Status != plan.Infeasible && r.Objective == LeastCost && reason.SavesPicoUSD != d.CostPicoUSD-reason.CostPicoUSD {
			t.Errorf("%+v does not save that of %d", reason, d.CostPicoUSD)
		}
		if d.Status != plan.Infeasible && r.Objective == LeastLatency && reason.SavesUs != d.LatencyUs-reason.LatencyUs {
			t.Errorf("%+v does not save that of %d us", reason, d.LatencyUs)
		}
	}
}

// Every size on sale, and other cuts as well, save at least what the reason says.
func TestFineSizesSaveAtLeastSo(t *testing.T) {
	p := mustProblem(t, tiny(t), "scenario=warm", "max-stages=2", "slo=160ms")
	d := explained(t, p)
	for _, reason := range d.Reasons {
		if reason.Change == "consider every size on sale" {
			again := mustPlan(t, mustProblem(t, tiny(t), "scenario=warm", "max-stages=2", "slo=160ms", "memory="+reason.Value))
			if again.CostPicoUSD > reason.CostPicoUSD || len(again.Request.MemoryMB) != 10_113 {
				t.Errorf("%+v: then it costs %d", reason, again.CostPicoUSD)
			}
			return
		}
	}
	t.Errorf("finer sizes save nothing: %+v", d.Reasons)
}

// constraints lists what the reasons of a plan are about, each once.
func constraints(d *plan.Plan) string {
	var names []string
	for _, r := range d.Reasons {
		if len(names) == 0 || names[len(names)-1] != r.Constraint {
			names = append(names, r.Constraint)
		}
	}
	return strings.Join(names, ", ")
}

func TestReasonsOfFeasiblePlans(t *testing.T) {
	for _, c := range []struct {
		name    string
		request []string
		want    []string // constraints that must be among the reasons
	}{
		{"a tight SLO", []string{"slo=1.1s", "max-stages=2"}, []string{"slo"}},
		{"few sizes", []string{"memory=2048", "max-stages=2", "scenario=warm"}, []string{"memory"}},
		{"too many functions", []string{"min-stages=3", "scenario=warm"}, []string{"min-stages"}},
		{"a dear transport", []string{"min-stages=2", "max-stages=2", "transport=s3", "scenario=warm"}, []string{"transport", "min-stages"}},
		{"pins", []string{"cut=3,12", "no-cut=5..8", "stage-memory=13..14=4096", "layer-cap=10", "scenario=warm"}, []string{"cut", "stage-memory"}},
		{"a layer cap", []string{"layer-cap=7", "scenario=warm"}, []string{"layer-cap"}},
		{"the least latency in a budget", []string{"objective=latency", "budget=0.0000022", "scenario=warm"}, []string{"budget"}},
		{"at a rate", []string{"rate=1/h", "slo=1.1s", "max-stages=2"}, []string{"slo"}},
		{"warm at a rate", []string{"rate=2/h", "scenario=warm", "memory=1024", "max-stages=2"}, []string{"memory"}},
		{"a large gateway that waits", []string{"gateway-memory=1769"}, []string{"gateway-memory"}},
		{"a small gateway that is slow", []string{"gateway-memory=192", "objective=latency", "scenario=warm"}, []string{"gateway-memory"}},
		{"nothing in the way", []string{"platform=azure-functions-flex", "precision=auto"}, nil},
	} {
		p := mustProblem(t, tiny(t), c.request...)
		d := explained(t, p)
		if d.Status != plan.Optimal {
			t.Errorf("%s: %s", c.name, d.Reason)
			continue
		}
		got := constraints(d)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the reasons are %q, want %s among them", c.name, got, want)
			}
		}
		if c.want == nil && got != "" {
			t.Errorf("%s: the reasons are %q", c.name, got)
		}
		verify(t, p, d)
	}
}

func TestRemedies(t *testing.T) {
	for _, c := range []struct {
		name    string
		model   int64 // units of a perceptron's layers in thousands; 0: the tiny one
		request []string
		want    []string
	}{
		{"an SLO under the physical minimum", 0, []string{"slo=10ms"}, []string{"slo"}},
		{"an SLO that a list of sizes misses", 0, []string{"slo=150ms", "scenario=warm", "memory=128,192"}, []string{"slo", "memory"}},
		{"a small budget", 0, []string{"budget=0.000000001"}, []string{"budget"}},
		{"too few functions", 5, []string{"max-stages=1", "packaging=zip"}, []string{"max-stages", "packaging", "precision"}},
		{"too many functions", 0, []string{"min-stages=500", "max-stages=500"}, []string{"min-stages"}},
		{"too little memory", 5, []string{"memory=128,192", "packaging=zip", "split-layers=off"}, []string{"memory"}},
		{"a pin that is too small", 5, []string{"stage-memory=1..2=128", "packaging=zip", "split-layers=off"}, []string{"stage-memory"}},
		{"a cap that nothing keeps", 0, []string{"layer-cap=1"}, []string{"layer-cap"}},
		{"forbidden cuts", 5, []string{"no-cut=1..3", "packaging=zip", "split-layers=off"}, []string{"no-cut"}},
	} {
		m := tiny(t)
		if c.model > 0 {
			m = perceptron(t, int(c.model))
		}
		p := mustProblem(t, m, c.request...)
		d := explained(t, p)
		if d.Status != plan.Infeasible {
			t.Errorf("%s: it is %s", c.name, d.Status)
			continue
		}
		got := constraints(d)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s\nthe remedies are %q, want %s among them", c.name, d.Reason, got, want)
			}
		}
		verify(t, p, d)
	}
}

// The smallest change is the smallest: the next smaller one does not do.
func TestRemediesAreSmallest(t *testing.T) {
	find := func(d *plan.Plan, constraint string) plan.Reason {
		t.Helper()
		for _, r := range d.Reasons {
			if r.Constraint == constraint {
				return r
			}
		}
		t.Fatalf("no remedy for %s in %+v", constraint, d.Reasons)
		return plan.Reason{}
	}
	d := explained(t, mustProblem(t, perceptron(t, 5), "max-stages=1", "packaging=zip"))
	if r := find(d, "max-stages"); r.Value != "3" {
		t.Errorf("%+v", r)
	}
	if mustPlan(t, mustProblem(t, perceptron(t, 5), "max-stages=2", "packaging=zip")).Status != plan.Infeasible {
		t.Error("two functions would do")
	}
	d = explained(t, mustProblem(t, tiny(t), "layer-cap=1"))
	r := find(d, "layer-cap")
	fewer := mustPlan(t, mustProblem(t, tiny(t), "layer-cap="+before(t, r.Value)))
	if fewer.Status != plan.Infeasible {
		t.Errorf("fewer layers than %s would do", r.Value)
	}
	// The reasons are no part of the hash, and survive being written.
	bare := mustPlan(t, mustProblem(t, tiny(t), "layer-cap=1"))
	data, err := d.Encode()
	if err != nil || d.Hash != bare.Hash {
		t.Errorf("hash %s, bare %s, %v", d.Hash, bare.Hash, err)
	}
	back, err := plan.Decode(data)
	if err != nil || len(back.Reasons) != len(d.Reasons) {
		t.Errorf("%v: %+v", err, back)
	}
}

func before(t *testing.T, n string) string {
	t.Helper()
	k, err := parseCount(n, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if k == 1 {
		return "none"
	}
	return printCap(k - 1)
}

// A plan keeps every pin, and completes the rest as well as can be.
func TestPinnedPlans(t *testing.T) {
	m := tiny(t)
	free := mustPlan(t, mustProblem(t, m, "max-stages=4"))
	p := mustProblem(t, m, "cut=3,12", "no-cut=13..18", "stage-memory=1..3=512,19=1024", "layer-cap=12", "max-stages=4")
	d := mustPlan(t, p)
	whole(t, p, d)
	if d.CostPicoUSD < free.CostPicoUSD {
		t.Errorf("with pins it costs %d, without %d", d.CostPicoUSD, free.CostPicoUSD)
	}
	ends := map[int]bool{}
	for _, s := range d.Stages {
		ends[s.LastLayer] = true
		if s.FirstLayer <= 3 && s.MemoryMB != 512 || s.LastLayer >= 19 && s.MemoryMB != 1024 || s.LastLayer-s.FirstLayer >= 12 || s.LastLayer >= 13 && s.LastLayer <= 18 {
			t.Errorf("stage %+v breaks a pin", s)
		}
	}
	if !ends[3] || !ends[12] || len(d.Request.Cuts) != 2 || len(d.Request.NoCuts) != 6 || len(d.Request.MemoryPins) != 2 || d.Request.LayerCap != 12 {
		t.Errorf("stages end at %v, the request is %+v", ends, d.Request)
	}
	// Pinning what was chosen anyway changes nothing.
	var cuts []string
	for _, s := range free.Stages[:len(free.Stages)-1] {
		cuts = append(cuts, p.model.graph.Layers[s.LastLayer-1].Name)
	}
	r := request(t, "max-stages=4")
	r.Cuts = cuts
	same, err := New(m, r)
	if err != nil {
		t.Fatal(err)
	}
	if again := mustPlan(t, same); again.CostPicoUSD != free.CostPicoUSD || again.LatencyUs != free.LatencyUs {
		t.Errorf("pinned to its own cuts %v it costs %d, not %d", cuts, again.CostPicoUSD, free.CostPicoUSD)
	}
}

// Functions that hold pinned layers store their weights as pinned; the others as the request allows. Among the plans of any
// precision that keep the pins there is none cheaper.
func TestPinnedPrecisions(t *testing.T) {
	m := tiny(t)
	for _, c := range []struct{ allowed, pins string }{{"float32", "1..3=int8,19=float16"}, {"float16,int8", "19=float32"}, {"auto", "5..14=float16"}} {
		p := mustProblem(t, m, "precision="+c.allowed, "stage-precision="+c.pins, "min-stages=3", "max-stages=3", "memory=512,1024")
		d := mustPlan(t, p)
		whole(t, p, d)
		keeps := func(first, last int, stored string) bool { // layers from 1
			offered := false
			for _, w := range strings.Split(strings.ReplaceAll(c.allowed, "auto", "float32,float16,int8"), ",") {
				offered = offered || w == stored
			}
			for _, pin := range d.Request.PrecisionPins {
				if first <= pin.LastLayer && pin.FirstLayer <= last {
					if offered = pin.Precision == stored; !offered {
						return false
					}
				}
			}
			return offered
		}
		for _, s := range d.Stages {
			if !keeps(s.FirstLayer, s.LastLayer, cmp.Or(s.Precision, "float32")) {
				t.Errorf("%v: layers %d to %d are stored as %q", c, s.FirstLayer, s.LastLayer, s.Precision)
			}
		}
		// Every stage of a three-function plan of this small model fits every size, so the instance can be written out by hand.
		any := mustProblem(t, m, "precision=auto", "min-stages=3", "max-stages=3", "memory=512,1024")
		in, err := any.Instance()
		if err != nil {
			t.Fatal(err)
		}
		in.Segments = nil
		for i := range in.Nodes {
			for j := i + 1; j < len(in.Nodes); j++ {
				segment := solve.Segment{I: i, J: j}
				for v, variant := range any.table.Variants {
					if first, last := in.Nodes[i].Cut, in.Nodes[j].Cut; first == last || !keeps(first+1, last, string(variant.Precision)) {
						continue
					}
					for _, size := range []int64{512, 1024} {
						s := any.table.StageAs(v, i, j, size)
						segment.Options = append(segment.Options, s.Option())
					}
				}
				if len(segment.Options) > 0 {
					in.Segments = append(in.Segments, segment)
				}
			}
		}
		result := solve.Solve(in, 0)
		if k, ok := result.Cheapest(math.MaxInt64); !ok || result.Frontier[k].CostPicoUSD != d.CostPicoUSD {
			t.Errorf("%v: the plan costs %d, the best by hand is of %v", c, d.CostPicoUSD, result.Frontier)
		}
	}
}

func TestContradictoryPins(t *testing.T) {
	for _, c := range []struct {
		request []string
		code    string
		says    string
	}{
		{[]string{"cut=nowhere,12,nothing"}, "planner.unknown-layer", "nothing"},
		{[]string{"cut=400"}, "planner.unknown-layer", "1 to 19"},
		{[]string{"cut=3,12", "no-cut=2..5"}, "planner.contradictory-pins", "both wanted and forbidden"},
		{[]string{"cut=3,12", "max-stages=2"}, "planner.contradictory-pins", "max-stages"},
		{[]string{"cut=3", "max-stages=1"}, "planner.contradictory-pins", "1 wanted cut would make 2 functions"},
		{[]string{"no-cut=9..2"}, "planner.contradictory-pins", "comes after"},
		{[]string{"stage-memory=1..12=512,5..14=1024"}, "planner.contradictory-pins", "at 512 MB and at 1024 MB"},
		{[]string{"stage-memory=1..3=512,4..6=1024", "no-cut=3"}, "planner.contradictory-pins", "no cut between them"},
		{[]string{"stage-precision=1..12=int8,5..14=float16"}, "planner.contradictory-pins", "in int8 and in float16"},
		{[]string{"stage-precision=1..3=int8,4..6=float32", "no-cut=3"}, "planner.contradictory-pins", "no cut between them"},
		{[]string{"stage-precision=nowhere=int8"}, "planner.unknown-layer", "nowhere"},
		{[]string{"stage-memory=1..3=100000"}, "", ""},
		{[]string{"stage-memory=1..3=100"}, "planner.memory-not-sold", "nearest size is 128 MB"},
		{[]string{"stage-memory=3=700", "platform=azure-functions-flex"}, "planner.memory-not-sold", "512, 2048 and 4096 MB"},
	} {
		r := DefaultRequest()
		var err error
		for _, option := range c.request {
			name, value, _ := strings.Cut(option, "=")
			o, _ := OptionNamed(name)
			if e := o.Parse(&r, value); e != nil {
				err = e
			}
		}
		if err == nil {
			_, err = New(tiny(t), r)
		}
		if c.code == "" {
			if diag.ExitCode(err) != 2 {
				t.Errorf("%v: %v", c.request, err)
			}
			continue
		}
		if text := diag.As(err); text == nil || diag.CodeOf(err) != c.code || text.Fix == "" || !strings.Contains(text.Error()+strings.Join(text.Details, " "), c.says) {
			t.Errorf("%v: %v, want %s saying %q", c.request, err, c.code, c.says)
		}
	}
	// A place where the model cannot be cut names the nearest ones where it can.
	g := tiny(t).Graph
	for l := 1; l < len(g.Layers); l++ {
		r := DefaultRequest()
		r.Cuts = []string{g.Layers[l-1].Name}
		_, err := New(tiny(t), r)
		if possible := contains(g.Cuts(), l); possible != (err == nil) {
			t.Errorf("a cut after layer %d: %v", l, err)
		}
		if err != nil && (diag.CodeOf(err) != "planner.no-such-cut" || !strings.Contains(err.Error(), "nearest places are after layer")) {
			t.Error(err)
		}
	}
}

func contains(list []int, v int) bool {
	for _, w := range list {
		if w == v {
			return true
		}
	}
	return false
}

// With a rate, the plan's cost is the mean of a cold and a warm request, within the gateway's rounding; the share of cold ones falls
// as the rate rises, and so does the cost.
func TestRate(t *testing.T) {
	m := tiny(t)
	for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
		pureCold := mustPlan(t, mustProblem(t, m, "scenario="+scenario, "min-stages=2", "memory=512"))
		before := int64(1_000_001)
		beforeCost := int64(1 << 60)
		for _, rate := range []string{"0.001/h", "1/h", "20/h", "60/h"} {
			p := mustProblem(t, m, "scenario="+scenario, "rate="+rate, "min-stages=2", "memory=512")
			d := mustPlan(t, p)
			whole(t, p, d)
			x := d.Traffic
			if x == nil || x.ColdPpm >= before || x.IdleUs != 600_000_000 || d.Request.MicroRequestsPerHour != x.MicroRequestsPerHour {
				t.Fatalf("%s at %s: traffic %+v, before %d", scenario, rate, x, before)
			}
			mean := (x.ColdPpm*x.ColdCostPicoUSD + (1_000_000-x.ColdPpm)*x.WarmCostPicoUSD) / 1_000_000
			if off := d.CostPicoUSD - mean; off > 2*8333 || off < -2*8333 {
				t.Errorf("%s at %s: it costs %d, the mean is %d", scenario, rate, d.CostPicoUSD, mean)
			}
			tracked := x.ColdLatencyUs
			if scenario == "warm" {
				tracked = x.WarmLatencyUs
			}
			if tracked != d.LatencyUs || x.WarmLatencyUs >= x.ColdLatencyUs || d.CostPicoUSD >= beforeCost {
				t.Errorf("%s at %s: %d us for %d, %+v", scenario, rate, d.LatencyUs, d.CostPicoUSD, x)
			}
			before, beforeCost = x.ColdPpm, d.CostPicoUSD
		}
		slow := mustPlan(t, mustProblem(t, m, "scenario="+scenario, "rate=0.001/h", "min-stages=2", "memory=512"))
		if off := slow.CostPicoUSD - pureCold.CostPicoUSD; scenario != "warm" && (off > 20_000 || off < -20_000-pureCold.CostPicoUSD/1000) {
			t.Errorf("%s: almost all cold it costs %d, all cold %d", scenario, slow.CostPicoUSD, pureCold.CostPicoUSD)
		}
	}
	// The idle timeout is the platform's unless told otherwise.
	d := mustPlan(t, mustProblem(t, m, "rate=1/h", "idle=1h"))
	if d.Traffic.ColdPpm != 367_879 || d.Traffic.IdleUs != 3_600_000_000 {
		t.Errorf("%+v", d.Traffic)
	}
	if solve.Scenario(d.Request.Scenario) != solve.ColdOverlapped {
		t.Errorf("scenario %s", d.Request.Scenario)
	}
}
