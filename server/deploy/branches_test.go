package deploy

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/load"
	"partita/planner/plan"
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
		{"two-inputs", fixture.Towers{Size: 96, Filters: []int{32, 32}, Depth: 4, Apart: true, Level: true}, []string{"packaging", "s3", "precision", "float32"}, 2},
		{"two-outputs", fixture.Towers{Size: 96, Filters: []int{32, 32}, Depth: 4, Apart: true, Separate: true}, []string{"scenario", "cold-sequential", "memory", "256"}, 2},
	} {
		t.Run(way.name, func(t *testing.T) {
			model, err := load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: way.towers.Keras()})
			if err != nil {
				t.Fatal(err)
			}
			var weights bytes.Buffer
			if err := synthetic.Write(&weights, model); err != nil {
				t.Fatal(err)
			}
			planned := func(changes ...string) *plan.Plan {
				t.Helper()
				r := planner.DefaultRequest()
				all := append([]string{"platform", "local", "memory", "512", "objective", "latency"}, append(slices.Clone(way.request), changes...)...)
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
