package deploy

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/rewrite"
	"partita/planner/synthetic"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

// answers invokes a deployment and gives its outputs, and its trace by stage.
func answers(t testing.TB, d *Deployer, name string, inputs []InvocationInput) ([][]float64, []wire.StageTrace) {
	t.Helper()
	reply, err := d.Invoke(t.Context(), name, Invocation{Inputs: inputs})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float64
	for _, o := range reply.Outputs {
		a, err := (&npy.Array{DType: o.DType, Shape: o.Shape, Data: o.Data}).Convert("float64")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a.Float64s())
	}
	slices.SortFunc(reply.Trace.Stages, func(x, y wire.StageTrace) int { return x.Index - y.Index })
	return all, reply.Trace.Stages
}

// noise is an input of a model by lot.
func noise(t testing.TB, rng *rand.Rand, port wire.TensorSpec) InvocationInput {
	t.Helper()
	shape := append([]int64{1}, port.Shape[1:]...)
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	a, err := npy.FromFloat64s(shape, v).Convert("float32")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := a.Write(&file); err != nil {
		t.Fatal(err)
	}
	return InvocationInput{Name: port.Name, Data: file.Bytes()}
}

// planTowers plans a model for the local cloud, by options and their values.
func planTowers(t testing.TB, model *load.Model, options ...string) *plan.Plan {
	t.Helper()
	r := planner.DefaultRequest()
	all := append([]string{"platform", "local", "memory", "512", "objective", "latency"}, options...)
	for i := 0; i < len(all); i += 2 {
		o, _ := planner.OptionNamed(all[i])
		if err := o.Parse(&r, all[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	p, err := planner.Make(model, r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestBranches deploys models of several towers with their towers in functions side by side, and holds the answers against
// those of the whole model in one function.
func TestBranches(t *testing.T) {
	c := startCloud(t)
	d := realDeployer(t, c, c)
	for _, way := range []struct {
		name    string
		towers  fixture.Towers
		request []string // options and values
		beside  int      // functions side by side
	}{
		{"one-stem", fixture.Towers{Size: 96, Filters: []int{32, 32, 32}, Depth: 4, Level: true}, nil, 3},
		{"one-stem-in-objects", fixture.Towers{Size: 96, Filters: []int{32, 48}, Depth: 4}, []string{"transport", "s3", "scenario", "warm", "memory", "192", "branches", "all"}, 2},
		{"by-a-workflow", fixture.Towers{Size: 96, Filters: []int{32, 32, 32}, Depth: 4, Level: true}, []string{"orchestration", "step-functions", "memory", "192", "branches", "all"}, 3},
		{"workflow-of-objects", fixture.Towers{Size: 96, Filters: []int{32, 32}, Depth: 4, Apart: true, Separate: true}, []string{"orchestration", "step-functions", "transport", "s3", "scenario", "warm", "memory", "192", "branches", "all"}, 2},
		{"two-inputs", fixture.Towers{Size: 96, Filters: []int{32, 32}, Depth: 4, Apart: true, Level: true}, []string{"packaging", "s3", "precision", "float32"}, 2},
		{"two-outputs", fixture.Towers{Size: 96, Filters: []int{32, 32}, Depth: 4, Apart: true, Separate: true}, []string{"scenario", "cold-sequential", "memory", "256"}, 2},
	} {
		t.Run(way.name, func(t *testing.T) {
			model := models.Towers(t, way.towers)
			var weights bytes.Buffer
			if err := synthetic.Write(&weights, model); err != nil {
				t.Fatal(err)
			}
			planned := func(changes ...string) *plan.Plan {
				t.Helper()
				return planTowers(t, model, append(slices.Clone(way.request), changes...)...)
			}
			fork := planned()
			var cuts string
			beside := 0
			for _, s := range fork.Stages {
				if s.Branch > 0 {
					beside++
				}
				cuts += s.Layers + "; "
			}
			if beside != way.beside {
				t.Fatalf("%d functions side by side, want %d: %s", beside, way.beside, cuts)
			}
			if chain := planned("branches", "off"); fork.LatencyUs >= chain.LatencyUs {
				t.Errorf("side by side it takes %d us, one after another %d", fork.LatencyUs, chain.LatencyUs)
			}
			deploy := func(name string, p *plan.Plan) {
				t.Helper()
				document, err := p.Encode()
				if err != nil {
					t.Fatal(err)
				}
				feed, err := start(d, name, document, weights.String())
				if err == nil {
					err = outcome(t, feed)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			deploy(way.name, fork)
			deploy("whole", planned("max-stages", "1", "memory", "2048"))
			one, err := d.Get(t.Context(), way.name)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(4, 2))
			var inputs []InvocationInput
			for _, port := range one.Inputs {
				inputs = append(inputs, noise(t, rng, port))
			}
			want, _ := answers(t, d, "whole", inputs)
			got, trace := answers(t, d, way.name, inputs)
			if len(got) != len(want) || len(trace) != len(fork.Stages) {
				t.Fatalf("%d outputs, want %d; %d stages in the trace", len(got), len(want), len(trace))
			}
			for k := range want {
				var apart, size float64
				for i, w := range want[k] {
					apart += (got[k][i] - w) * (got[k][i] - w)
					size += w * w
				}
				if away := math.Sqrt(apart / size); away > 1e-5 || len(got[k]) != len(want[k]) {
					t.Errorf("output %d is %g away", k, away)
				}
			}
			// Every branch was called before another had ended.
			for i, s := range fork.Stages {
				if s.Branch < 2 {
					continue
				}
				before := trace[i-1]
				if ended := before.CalledUs + before.QueueUs + before.InitUs + before.InputUs + before.ComputeUs + before.OutputUs; trace[i].CalledUs >= ended {
					t.Errorf("%s was called after %d us, when the one beside it had ended after %d", s.Layers, trace[i].CalledUs, ended)
				}
			}
			for _, name := range []string{way.name, "whole"} {
				if _, err := d.Destroy(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			if left := everything(t, c); len(left) != 0 {
				t.Errorf("left after destroy: %v", left)
			}
		})
	}
}

// inBranches makes a plan compute every region of its model that falls into branches in functions side by side, whatever they take, and
// what lies between in functions of their own.
func inBranches(t testing.TB, p *plan.Plan) (waves int) {
	t.Helper()
	m, err := rewrite.Model(p)
	if err != nil {
		t.Fatal(err)
	}
	ns := make([]int64, len(m.Graph.Layers))
	for i := range m.Graph.Nodes {
		ns[m.Graph.Nodes[i].Layer]++
	}
	order, regions := rewrite.Branches(m.Graph, ns, 1, nil)
	if order != nil {
		t.Fatalf("the layers of the plan stand in another order than %v", order)
	}
	pattern := p.Stages[0]
	p.Stages = nil
	add := func(last, branch int) {
		s := pattern
		s.Index, s.FirstLayer, s.LastLayer, s.Branch = len(p.Stages)+1, 1, last, branch
		if k := len(p.Stages); k > 0 {
			s.FirstLayer = p.Stages[k-1].LastLayer + 1
		}
		p.Stages = append(p.Stages, s)
	}
	at := 0
	for _, r := range regions {
		if r.Bounds[0] > at {
			add(r.Bounds[0], 0)
		}
		for k, end := range r.Bounds[1:] {
			add(end, k+1)
			at = end
		}
	}
	if at < len(m.Graph.Layers) {
		add(len(m.Graph.Layers), 0)
	}
	return len(regions)
}

// TestBranchesOfCases deploys models that Keras has run with every branch in a function of its own, and holds the answers against
// Keras's.
func TestBranchesOfCases(t *testing.T) {
	c := startCloud(t)
	d := realDeployer(t, c, c)
	for name, waves := range map[string]int{"k2_tiny_multi_io": 2, "k3_tiny_residual": 1} {
		t.Run(name, func(t *testing.T) {
			read := func(file string) []byte {
				data, err := os.ReadFile(filepath.Join(fixture.Shared(t, "models", name), file))
				if err != nil {
					t.Fatal(err)
				}
				return data
			}
			weights := read("model.h5")
			model, err := load.Open(load.File{Name: "model.h5", Size: int64(len(weights)), Reader: bytes.NewReader(weights)})
			if err != nil {
				t.Fatal(err)
			}
			r := planner.DefaultRequest()
			r.Platform, r.Branches, r.MaxStages = "local", "all", 10
			p, err := planner.Make(model, r)
			if err != nil {
				t.Fatal(err)
			}
			if n := inBranches(t, p); n != waves {
				t.Fatalf("%d groups of branches, want %d", n, waves)
			}
			document, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			feed, err := start(d, "case", document, string(weights))
			if err == nil {
				err = outcome(t, feed)
			}
			if err != nil {
				t.Fatal(err)
			}
			one, err := d.Get(t.Context(), "case")
			if err != nil {
				t.Fatal(err)
			}
			var inputs []InvocationInput
			for k, port := range one.Inputs {
				inputs = append(inputs, InvocationInput{Name: port.Name, Data: read(fmt.Sprintf("input_%d.npy", k))})
			}
			got, _ := answers(t, d, "case", inputs)
			for k := range got {
				a, err := npy.Decode(read(fmt.Sprintf("expected_%d.npy", k)))
				if err == nil {
					a, err = a.Convert("float64")
				}
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range a.Float64s() {
					if math.Abs(got[k][i]-want) > 1e-5+1e-4*math.Abs(want) {
						t.Fatalf("output %d, number %d is %g, want %g", k, i, got[k][i], want)
					}
				}
			}
			if _, err := d.Destroy(t.Context(), "case"); err != nil {
				t.Fatal(err)
			}
			if left := everything(t, c); len(left) != 0 {
				t.Errorf("left after destroy: %v", left)
			}
		})
	}
}
