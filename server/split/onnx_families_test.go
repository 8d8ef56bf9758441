//go:build cgo

package split

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/weights"
	"partita/runtime/stage"
	"partita/runtime/wire"
)

// elements fills a tensor of a type with small numbers.
func elements(v *graph.Value, shape []int64, rng *rand.Rand) wire.Tensor {
	x := wire.Tensor{TensorSpec: wire.TensorSpec{Name: v.Name, DType: v.DType.String(), Shape: shape}}
	for range graph.Shape(shape).Elements(1) {
		switch v.DType {
		case graph.Float32:
			x.Data = binary.LittleEndian.AppendUint32(x.Data, math.Float32bits(float32(rng.NormFloat64())))
		case graph.Float64:
			x.Data = binary.LittleEndian.AppendUint64(x.Data, math.Float64bits(rng.NormFloat64()))
		default:
			x.Data = append(append(x.Data, byte(rng.IntN(2))), make([]byte, v.DType.Size()-1)...)
		}
	}
	return x
}

// inFunction runs a folder as the code in functions does.
func inFunction(t *testing.T, dir string, m *wire.StageManifest, given []wire.Tensor) []wire.Tensor {
	t.Helper()
	text, err := encode(m)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, wire.StageFile), text, 0o644))
	must(t, os.Symlink(fixture.Library(t), filepath.Join(dir, wire.LibraryFile)))
	running, err := stage.Open(dir, nil)
	must(t, err)
	defer running.Close()
	out, err := running.Run(given)
	must(t, err)
	return out
}

// alike compares tensors: numbers of float32 up to a relative difference, all else exactly.
func alike(t *testing.T, what string, got, want []wire.Tensor) {
	t.Helper()
	for _, w := range want {
		at := slices.IndexFunc(got, func(x wire.Tensor) bool { return x.Name == w.Name })
		if at < 0 || got[at].DType != w.DType || !slices.Equal(got[at].Shape, w.Shape) {
			t.Errorf("%s: %s is not made as %s %v: %+v", what, w.Name, w.DType, w.Shape, got)
			continue
		}
		x := got[at]
		if w.DType != "float32" {
			if string(x.Data) != string(w.Data) {
				t.Errorf("%s: %s differs", what, w.Name)
			}
			continue
		}
		numbers := func(b []byte) (list []float32) {
			for ; len(b) > 0; b = b[4:] {
				list = append(list, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			}
			return list
		}
		if e := excess(numbers(x.Data), numbers(w.Data), 1e-4); e > 0 {
			t.Errorf("%s: %s is %g beyond", what, w.Name, e)
		}
	}
}

// TestONNXFamilies opens models with the patterns of operators that exporters write, cuts them all over, and compares what
// the pieces make with what ONNX Runtime makes of the file itself. The files are made by testdata/onnx/make.py.
func TestONNXFamilies(t *testing.T) {
	runtimeReady(t)
	files, err := filepath.Glob("testdata/onnx/*.onnx")
	must(t, err)
	if len(files) < 30 {
		t.Fatalf("%d models", len(files))
	}
	settled := map[string]map[string]int64{"torch_squeeze_dyn": {"n": 3}}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".onnx")
		t.Run(name, func(t *testing.T) {
			m, err := load.OpenWith(load.Options{Dims: settled[name]}, openFile(t, path))
			must(t, err)
			again, err := load.FromArchitecture(m.Architecture)
			must(t, err)
			if again.Digest != m.Digest || again.Graph.Text() != m.Graph.Text() {
				t.Error("the architecture does not give the same model again")
			}
			g := again.Graph
			must(t, g.Validate())
			src, err := again.WeightsOf(openFile(t, path))
			must(t, err)
			for trial := range int64(2) {
				rng := rand.New(rand.NewPCG(5, uint64(trial)))
				var given []wire.Tensor
				for _, p := range g.Inputs {
					v := g.Value(p.Value)
					shape := slices.Clone([]int64(v.Shape))
					for i := range shape {
						if shape[i] == graph.Batch {
							shape[i] = 1 + 2*trial
						}
					}
					for _, i := range v.Free { // sizes of another kind than those planned with
						if d := shape[i]; trial > 0 && d > 1 && d < 4096 {
							shape[i] = max(d*3/4/32*32, min(d, 32))
						}
					}
					given = append(given, elements(v, shape, rng))
				}
				compareCuts(t, path, g, src, given, settled[name] == nil && (trial == 0 || !fixedBatch(name)))
			}
		})
	}
}

// fixedBatch tells the models whose files say that the batch is one: as stages they take any.
func fixedBatch(name string) bool { return strings.HasSuffix(name, "_fixed") }

func compareCuts(t *testing.T, path string, g *graph.Graph, src weights.Source, given []wire.Tensor, original bool) {
	t.Helper()
	cuts := g.Cuts()
	ways := [][]int{nil, cuts}
	step := max(1, len(cuts)/6)
	for i := 0; i < len(cuts); i += step {
		ways = append(ways, []int{cuts[i]})
	}
	if len(cuts) > 12 { // all at once takes long
		ways[1] = nil
		for i := 0; i < len(cuts); i += step {
			ways[1] = append(ways[1], cuts[i])
		}
	}
	var want []wire.Tensor
	for k, way := range ways {
		stages, err := Stages(g, way, "test")
		must(t, err)
		tensors := given
		for _, s := range stages {
			dir := t.TempDir()
			must(t, s.WriteDir(dir, src))
			tensors = inFunction(t, dir, &s.Manifest, tensors)
			must(t, os.RemoveAll(dir))
		}
		if k == 0 {
			want = tensors
			if own := whole(g); original && runsAsItIs(t, path, &own.Manifest) {
				dir := t.TempDir()
				data, err := os.ReadFile(path)
				must(t, err)
				must(t, os.WriteFile(filepath.Join(dir, wire.ModelFile), data, 0o644))
				m := stages[0].Manifest
				want = inFunction(t, dir, &m, given)
				alike(t, "in one piece", tensors, want)
			}
			continue
		}
		alike(t, fmt.Sprintf("cuts %v", way), tensors, want)
	}
}

// runsAsItIs tells whether a file asks for and makes just what the graph does: not where an output is left out or another
// tensor in its place.
func runsAsItIs(t *testing.T, path string, m *wire.StageManifest) bool {
	t.Helper()
	ins, outs := ports(t, path)
	return len(ins) == len(m.Inputs) && len(outs) == len(m.Outputs) &&
		!slices.ContainsFunc(m.Outputs, func(s wire.TensorSpec) bool { return !slices.Contains(outs, s.Name) })
}
