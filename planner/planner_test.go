package planner

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// mustModel opens a model file, gzipped or not.
func mustModel(t testing.TB, path string) *load.Model {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	m, err := load.Open(load.File{Name: filepath.Base(path), Size: int64(len(data)), Reader: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tiny(t testing.TB) *load.Model { return mustModel(t, filepath.Join("testdata", "residual.json")) }

func mustProblem(t testing.TB, m *load.Model, change ...string) *Problem {
	t.Helper()
	p, err := New(m, request(t, change...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request parses "name=value" as the command line does.
func request(t testing.TB, change ...string) Request {
	t.Helper()
	r := DefaultRequest()
	for _, c := range change {
		name, value, _ := strings.Cut(c, "=")
		o, ok := OptionNamed(name)
		if !ok {
			t.Fatalf("no option %s", name)
		}
		if err := o.Parse(&r, value); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// sold gives the option that considers of some sizes those that a platform sells.
func sold(t testing.TB, name string, sizes ...int64) string {
	t.Helper()
	p, err := platform.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return "memory=" + printSizes(slices.DeleteFunc(sizes, func(m int64) bool { return !p.Sells(m) }))
}

func mustPlan(t testing.TB, p *Problem) *plan.Plan {
	t.Helper()
	document, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// whole checks that a feasible plan is consistent with its problem: its stages cover the model, its figures follow the
// rules of the scenario and add up to its latency and cost.
func whole(t *testing.T, p *Problem, d *plan.Plan) {
	t.Helper()
	if d.Status != plan.Optimal || len(d.Stages) == 0 {
		t.Fatalf("status %s (%s), %d stages", d.Status, d.Reason, len(d.Stages))
	}
	next, finish, sum := 1, int64(0), d.Gateway.CostPicoUSD
	for k, s := range d.Stages {
		if s.Index != k+1 || s.FirstLayer != next || s.LastLayer < s.FirstLayer {
			t.Fatalf("stage %d: layers %d to %d follow %d", s.Index, s.FirstLayer, s.LastLayer, next-1)
		}
		next = s.LastLayer + 1
		start := finish + d.Gateway.DispatchUs
		switch d.Request.Scenario {
		case "cold-sequential":
			start += s.InitUs
		case "cold-overlapped":
			start = max(start, s.InitUs)
		}
		finish = start + s.InputUs + s.ComputeUs + s.OutputUs
		sum += s.CostPicoUSD
		if s.MemoryNeededMB > s.MemoryMB || s.PackageBytes > p.platform.PackageLimitBytes || s.BilledUs%p.platform.GranularityUs != 0 {
			t.Errorf("stage %+v does not fit the platform", s)
		}
		if k > 0 && (s.InputBytes != d.Stages[k-1].OutputBytes || s.TransportIn != d.Stages[k-1].TransportOut) {
			t.Errorf("stage %d does not read what stage %d writes", k+1, k)
		}
	}
	if next-1 != len(p.model.graph.Layers) {
		t.Errorf("the stages end at layer %d of %d", next-1, len(p.model.graph.Layers))
	}
	if got := d.Gateway.StartUs + finish; got != d.LatencyUs {
		t.Errorf("the stages take %d us, the plan says %d", got, d.LatencyUs)
	}
	if sum != d.CostPicoUSD {
		t.Errorf("the parts cost %d, the plan says %d", sum, d.CostPicoUSD)
	}
	if len(d.Stages) < d.Request.MinStages || len(d.Stages) > d.Request.MaxStages {
		t.Errorf("%d stages, %d to %d were wanted", len(d.Stages), d.Request.MinStages, d.Request.MaxStages)
	}
	for i := range d.Frontier {
		if i > 0 && (d.Frontier[i].LatencyUs <= d.Frontier[i-1].LatencyUs || d.Frontier[i].CostPicoUSD >= d.Frontier[i-1].CostPicoUSD) {
			t.Errorf("frontier points %d and %d: %+v, %+v", i-1, i, d.Frontier[i-1], d.Frontier[i])
		}
	}
	data, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := plan.Decode(data); err != nil || back.Hash != d.Hash {
		t.Errorf("the plan does not survive being written: %v", err)
	}
}

func TestPlansAreWhole(t *testing.T) {
	m := tiny(t)
	for _, name := range platform.Names() {
		for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
			for _, stages := range []string{"1", "2", "4"} {
				p := mustProblem(t, m, "platform="+name, "scenario="+scenario, "min-stages="+stages, "max-stages="+stages, sold(t, name, 128, 512, 1024, 2048, 3008))
				whole(t, p, mustPlan(t, p))
			}
		}
	}
	p := mustProblem(t, m, "transport=s3", "min-stages=3", "batch=3", "memory=512,1024")
	d := mustPlan(t, p)
	whole(t, p, d)
	if d.Stages[1].TransportIn != cost.S3 || d.Stages[0].TransportIn != cost.Inline {
		t.Errorf("transports in %s, %s", d.Stages[0].TransportIn, d.Stages[1].TransportIn)
	}
}

// No baseline beats the frontier, and each is where its name says.
func TestBaselines(t *testing.T) {
	for _, name := range platform.Names() {
		for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
			p := mustProblem(t, tiny(t), "platform="+name, "scenario="+scenario, "max-stages=6", "slo=5s")
			d := mustPlan(t, p)
			if len(d.Baselines) != 4 {
				t.Fatalf("%d baselines", len(d.Baselines))
			}
			for _, b := range d.Baselines {
				if b.Status != "feasible" {
					t.Errorf("%s %s: %s is %s", name, scenario, b.Name, b.Status)
					continue
				}
				point, ok := p.Solve().Cheapest(b.LatencyUs)
				if !ok || p.Solve().Frontier[point].CostPicoUSD > b.CostPicoUSD {
					t.Errorf("%s %s: %s at (%d, %d) beats the frontier", name, scenario, b.Name, b.LatencyUs, b.CostPicoUSD)
				}
				if last := b.Stages[len(b.Stages)-1].LastLayer; last != len(p.model.graph.Layers) {
					t.Errorf("%s ends at layer %d", b.Name, last)
				}
			}
			if n := len(d.Baselines[0].Stages); n != 1 {
				t.Errorf("one function has %d", n)
			}
			if n := len(d.Baselines[2].Stages); n < 2 {
				t.Errorf("equal layers in %d function", n)
			}
		}
	}
	d := mustPlan(t, mustProblem(t, perceptron(t, 5), "packaging=zip"))
	if d.Baselines[0].Status != "infeasible" || d.Baselines[1].Status != "feasible" || len(d.Baselines[1].Stages) != 3 {
		t.Errorf("a model too large for one function: %+v", d.Baselines)
	}
}

// The same request gives the same bytes.
func TestPlansAreReproducible(t *testing.T) {
	var first []byte
	for range 3 {
		data, err := mustPlan(t, mustProblem(t, tiny(t), "memory=512,1024", "slo=1s")).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		} else if !bytes.Equal(first, data) {
			t.Fatal("two plans for one request differ")
		}
	}
}

func TestMoreFreedomNeverCostsMore(t *testing.T) {
	m := tiny(t)
	cheapest := func(change ...string) int64 {
		d := mustPlan(t, mustProblem(t, m, change...))
		if d.Status != plan.Optimal {
			return 1<<63 - 1
		}
		return d.CostPicoUSD
	}
	rng := rand.New(rand.NewPCG(4, 2))
	for range 12 {
		scenario := "scenario=" + []string{"warm", "cold-sequential", "cold-overlapped"}[rng.IntN(3)]
		on := "platform=" + platform.Names()[rng.IntN(4)]
		sizes := []string{"512", "1024", "128", "1792", "3008", "768"}
		rng.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
		previous := int64(1<<63 - 1)
		for n := 1; n <= len(sizes); n++ {
			now := cheapest(scenario, on, "slo=600ms", "max-stages=3", "memory="+strings.Join(sizes[:n], ","))
			if now > previous {
				t.Errorf("%s %s: %s costs %d, fewer sizes %d", scenario, on, sizes[:n], now, previous)
			}
			previous = now
		}
		previous = 1<<63 - 1
		for k := 1; k <= 5; k++ {
			now := cheapest(scenario, on, "slo=600ms", "memory=512,1792,3008", "max-stages="+strconv.Itoa(k))
			if now > previous {
				t.Errorf("%s %s: up to %d stages cost %d, fewer %d", scenario, on, k, now, previous)
			}
			previous = now
		}
	}
}

func TestLooserSLONeverCostsMore(t *testing.T) {
	p := mustProblem(t, tiny(t), "platform=local", "memory=128-3008/64")
	previous := int64(1<<63 - 1)
	for us := int64(1000); us < 3_000_000; us += 1 + us/50 {
		d, err := p.At(us)
		if err != nil {
			t.Fatal(err)
		}
		if d.Status == plan.Infeasible {
			if us >= p.Solve().Frontier[0].LatencyUs {
				t.Fatalf("SLO of %d us: %s", us, d.Reason)
			}
			continue
		}
		if d.LatencyUs > us || d.CostPicoUSD > previous {
			t.Fatalf("SLO of %d us: latency %d, cost %d after %d", us, d.LatencyUs, d.CostPicoUSD, previous)
		}
		previous = d.CostPicoUSD
	}
	if previous == 1<<63-1 {
		t.Fatal("no SLO was met")
	}
	// The lookup equals planning anew.
	slo := p.Solve().Frontier[len(p.Solve().Frontier)/2].LatencyUs
	looked, err := p.At(slo)
	if err != nil {
		t.Fatal(err)
	}
	anew := mustPlan(t, mustProblem(t, tiny(t), "platform=local", "memory=128-3008/64", "slo="+printDuration(slo)))
	if _, err := looked.Encode(); err != nil || looked.Hash != anew.Hash {
		t.Errorf("looked up: %s, planned: %s (%v)", looked.Hash, anew.Hash, err)
	}
}

func TestObjectives(t *testing.T) {
	m := tiny(t)
	all := []string{"platform=local", "memory=128-3008/64"}
	p := mustProblem(t, m, all...)
	f := p.Solve().Frontier
	fastest, leanest, middle := f[0], f[len(f)-1], f[len(f)/2]
	if len(f) < 5 {
		t.Fatalf("a frontier of %d points shows nothing", len(f))
	}
	for _, c := range []struct {
		change []string
		want   solve.Point
	}{
		{nil, leanest},
		{[]string{"objective=latency"}, fastest},
		{[]string{"objective=latency", "budget=" + printMoney(middle.CostPicoUSD)}, middle},
		{[]string{"slo=" + printDuration(middle.LatencyUs)}, middle},
		{[]string{"slo=" + printDuration(middle.LatencyUs), "budget=" + printMoney(middle.CostPicoUSD)}, middle},
	} {
		d := mustPlan(t, mustProblem(t, m, append(c.change, all...)...))
		if d.LatencyUs != c.want.LatencyUs || d.CostPicoUSD != c.want.CostPicoUSD {
			t.Errorf("%v: (%d, %d), want %+v", c.change, d.LatencyUs, d.CostPicoUSD, c.want)
		}
	}
}

// A plan carries all of the model but its weights: what it holds opens as the same model, and plans the same.
func TestThePlanHoldsTheModel(t *testing.T) {
	for _, m := range []*load.Model{tiny(t), mustModel(t, fixture.Shared(t, "models", "k3_tiny_cnn", "model.h5")),
		mustModel(t, fixture.Shared(t, "models", "k3_tiny_mlp", "model.json"))} {
		r := request(t, "platform=local", "scenario=warm")
		d, err := Make(m, r)
		if err != nil {
			t.Fatal(err)
		}
		if d.Model.Name != m.Name || d.Model.Layers != m.Graph.LayerCount || d.Model.Parameters != m.Graph.Parameters || d.Model.Digest != m.Digest ||
			d.Model.WeightBytes != 4*m.Graph.Parameters || d.Model.MACs <= 0 || d.Model.Preprocess != m.Preprocess {
			t.Errorf("%s: %+v", m.Name, d.Model)
		}
		format, data, err := d.Architecture()
		if err != nil {
			t.Fatal(err)
		}
		again, err := load.FromArchitecture(load.Architecture{Format: format, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		e, err := Make(again, r)
		if err != nil {
			t.Fatal(err)
		}
		e.Model.Source = d.Model.Source
		if _, err := e.Encode(); err != nil || e.Hash != d.Hash {
			t.Errorf("%s: planned from the file %s, from its own plan %s, %v", m.Name, d.Hash, e.Hash, err)
		}
	}
}

// Every refusal by the mathematics is a plan that says why, and its advice works.
func TestInfeasible(t *testing.T) {
	m := tiny(t)
	cuts := mustProblem(t, m).table.Cuts()
	for _, c := range []struct {
		change []string
		says   string
		option string
	}{
		{[]string{"slo=1ms"}, "the fastest plan takes", "slo"},
		{[]string{"budget=0.000000000001"}, "the cheapest plan costs", "budget"},
		{[]string{"slo=1ms", "objective=latency"}, "the fastest plan takes", "slo"},
		{[]string{"min-stages=" + strconv.Itoa(cuts+2), "max-stages=100"}, "places to cut", "min-stages"},
		{[]string{"memory=128", "batch=100", "transport=s3"}, "MB of memory", "memory"},
	} {
		d := mustPlan(t, mustProblem(t, m, append(c.change, "platform=local")...))
		if d.Status != plan.Infeasible || !strings.Contains(d.Reason, c.says) || len(d.Stages) != 0 {
			t.Errorf("%v: %s, %q", c.change, d.Status, d.Reason)
			continue
		}
		if d.Advice == nil || d.Advice.Option != c.option {
			t.Errorf("%v: advice %+v, want one on %s", c.change, d.Advice, c.option)
			continue
		}
		followed := append(append([]string{"platform=local"}, c.change...), d.Advice.Option+"="+d.Advice.Value)
		if d := mustPlan(t, mustProblem(t, m, followed...)); d.Status != plan.Optimal {
			t.Errorf("%v: the advice leads to %s: %s", followed, d.Status, d.Reason)
		}
	}
}

// perceptron makes a model of dense layers of 5,000 units, 100 MB of weights each.
func perceptron(t testing.TB, layers int) *load.Model {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"class_name":"Sequential","keras_version":"2.2.4","config":{"name":"perceptron","layers":[`)
	for i := range layers {
		first := ""
		if i == 0 {
			first = `"batch_input_shape":[null,5000],`
		} else {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"class_name":"Dense","config":{%s"name":"dense_%d","units":5000,"activation":"linear","use_bias":true}}`, first, i+1)
	}
	b.WriteString("]}}")
	text := b.String()
	m, err := load.Open(load.File{Name: "perceptron.json", Size: int64(len(text)), Reader: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTooFewFunctionsAllowed(t *testing.T) {
	m := perceptron(t, 5) // two layers fit one package
	d := mustPlan(t, mustProblem(t, m, "packaging=zip", "max-stages=2"))
	if d.Status != plan.Infeasible || d.Advice == nil || *d.Advice != (plan.Advice{Option: "max-stages", Value: "3"}) ||
		!strings.Contains(d.Reason, "at least 3 functions are needed") || !strings.Contains(d.Reason, "package") {
		t.Errorf("%s: %q, %+v", d.Status, d.Reason, d.Advice)
	}
	p := mustProblem(t, m, "packaging=zip", "max-stages=3")
	whole(t, p, mustPlan(t, p))
	// More functions than layers, on a model whose cuts all fit.
	d = mustPlan(t, mustProblem(t, m, "min-stages=6", "max-stages=9", "packaging=zip"))
	if d.Status != plan.Infeasible || d.Advice == nil || d.Advice.Value != "5" || !strings.Contains(d.Reason, "4 places to cut") {
		t.Errorf("%s: %q, %+v", d.Status, d.Reason, d.Advice)
	}
}

func TestUnfitLayersAreNamed(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))
	d := mustPlan(t, mustProblem(t, m, "packaging=zip", "split-layers=off"))
	if d.Status != plan.Infeasible || !strings.Contains(d.Reason, "fc1") || !strings.Contains(d.Reason, "250.0 MB") || d.Advice != nil {
		t.Errorf("%s: %q, %+v", d.Status, d.Reason, d.Advice)
	}
}

func TestBadRequests(t *testing.T) {
	m := tiny(t)
	change := func(f func(r *Request)) Request {
		r := DefaultRequest()
		f(&r)
		return r
	}
	for _, c := range []struct {
		name    string
		request Request
		code    string
		says    string
	}{
		{"unknown platform", change(func(r *Request) { r.Platform = "moon" }), "platform.unknown", "aws-lambda-arm64"},
		{"stages crossed", change(func(r *Request) { r.MinStages, r.MaxStages = 5, 2 }), "planner.bad-stages", "min-stages <= max-stages"},
		{"negative SLO", change(func(r *Request) { r.SLOUs = -1 }), "planner.bad-slo", "above zero"},
		{"negative budget", change(func(r *Request) { r.BudgetPicoUSD = -1 }), "planner.bad-budget", "above zero"},
		{"memory not sold", change(func(r *Request) { r.Platform, r.MemoryMB = "aws-lambda-2020", []int64{1000} }), "planner.memory-not-sold", "1024 MB"},
		{"memory too large", change(func(r *Request) { r.MemoryMB = []int64{512, 20000} }), "planner.memory-not-sold", "10240 MB"},
		{"no memory", change(func(r *Request) { r.MemoryMB = []int64{} }), "planner.bad-memory", "give a size"},
		{"unsorted memory", change(func(r *Request) { r.MemoryMB = []int64{1024, 512} }), "planner.bad-memory", "sort"},
		{"no batch", change(func(r *Request) { r.Batch = -1 }), "planner.bad-batch", "4096"},
		{"scenario", change(func(r *Request) { r.Scenario = "lukewarm" }), "planner.bad-choice", "cold-overlapped"},
		{"gateway", change(func(r *Request) { r.GatewayMemoryMB = 1 }), "planner.memory-not-sold", "128 MB"},
		{"zero request", Request{}, "platform.unknown", "local"},
	} {
		_, err := New(m, c.request)
		if diag.CodeOf(err) != c.code || diag.ExitCode(err) != 2 || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s saying %q", c.name, err, c.code, c.says)
		}
	}
}

// The optimum and the frontier against a solver that shares no code with this project.
func TestAgainstAnIndependentSolver(t *testing.T) {
	source := fixture.Shared(t, "check", "solve")
	binary := filepath.Join(t.TempDir(), "solve")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the independent solver: %v\n%s", err, out)
	}
	zoo := func(name string) *load.Model {
		return mustModel(t, fixture.Shared(t, "zoo", "keras3", name+".json.gz"))
	}
	for _, c := range []struct {
		name   string
		m      *load.Model
		change []string
	}{
		{"tiny, all sizes of 2020", tiny(t), []string{"platform=aws-lambda-2020", "max-stages=5"}},
		{"tiny, forced", tiny(t), []string{"platform=local", "min-stages=4", "max-stages=4", "memory=256,512,1024,2048"}},
		{"tiny, s3 and batch", tiny(t), []string{"platform=aws-lambda-arm64", "transport=s3", "batch=8", "memory=256-2048/256"}},
		{"MobileNet", zoo("MobileNet"), []string{"platform=local", "memory=512,1024,1792,3008", "max-stages=3"}},
		{"ResNet50", zoo("ResNet50"), []string{"platform=aws-lambda-x86_64", "memory=1024,3008", "max-stages=3"}},
	} {
		for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
			p := mustProblem(t, c.m, append(c.change, "scenario="+scenario)...)
			frontier := p.Solve().Frontier
			for _, slo := range []int64{0, frontier[len(frontier)/2].LatencyUs} {
				d, err := p.At(slo)
				if err != nil {
					t.Fatal(err)
				}
				whole(t, p, d)
				args := []string{"-check", save(t, "instance.json", mustInstance(t, p)), save(t, "plan.json", d)}
				if slo > 0 {
					args = append(args, strconv.FormatInt(slo, 10))
				}
				if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("equal")) {
					t.Errorf("%s, %s, SLO %d: %v\n%s", c.name, scenario, slo, err, out)
				}
			}
		}
	}
}

func mustInstance(t *testing.T, p *Problem) *solve.Instance {
	t.Helper()
	in, err := p.Instance()
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func save(t *testing.T, name string, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func BenchmarkInstanceResNet50(b *testing.B) {
	m := mustModel(b, fixture.Shared(b, "zoo", "keras3", "ResNet50.json.gz"))
	for _, on := range []string{"aws-lambda-2020", "aws-lambda-x86_64", "local"} {
		b.Run(on, func(b *testing.B) {
			r := request(b, "platform="+on)
			for b.Loop() {
				if _, err := New(m, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAtResNet50(b *testing.B) {
	p := mustProblem(b, mustModel(b, fixture.Shared(b, "zoo", "keras3", "ResNet50.json.gz")), "platform=aws-lambda-2020", "scenario=cold-sequential")
	slo := p.Solve().Frontier[0].LatencyUs
	for b.Loop() {
		if _, err := p.At(slo); err != nil {
			b.Fatal(err)
		}
	}
}

// In a region that asks more for the same seconds, the same functions cost more; elsewhere nothing differs.
func TestRegionalPrices(t *testing.T) {
	m := tiny(t)
	usual := mustPlan(t, mustProblem(t, m, "memory=512"))
	same := mustPlan(t, mustProblem(t, m, "memory=512", "region=eu-west-1"))
	dearer := mustPlan(t, mustProblem(t, m, "memory=512", "region=af-south-1"))
	if same.CostPicoUSD != usual.CostPicoUSD || same.Platform != "aws-lambda-x86_64@eu-west-1" {
		t.Errorf("in eu-west-1 %d on %s, in us-east-1 %d", same.CostPicoUSD, same.Platform, usual.CostPicoUSD)
	}
	if dearer.CostPicoUSD <= usual.CostPicoUSD || dearer.CostPicoUSD > usual.CostPicoUSD*4/3 || dearer.LatencyUs != usual.LatencyUs {
		t.Errorf("in af-south-1 %d pico-USD and %d us, in us-east-1 %d and %d", dearer.CostPicoUSD, dearer.LatencyUs, usual.CostPicoUSD, usual.LatencyUs)
	}
	r := request(t, "platform=local", "region=eu-west-1")
	if _, err := New(m, r); diag.CodeOf(err) != "platform.unknown-region" {
		t.Errorf("a region of the local cloud: %v", err)
	}
}
