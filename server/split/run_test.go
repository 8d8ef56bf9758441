//go:build cgo

package split

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"partita/internal/fixture"
	"partita/planner/graph"
	"partita/planner/weights"
	"partita/runtime/stage"
	"partita/runtime/wire"
)

// tensor32 is a tensor of float32 with its shape.
type tensor32 struct {
	shape []int64
	data  []float32
}

var runtimeStarted sync.Once

// runtimeReady starts ONNX Runtime as the code in functions does, which refuses one that was started otherwise: by
// opening a stage.
func runtimeReady(t testing.TB) {
	t.Helper()
	library := fixture.Library(t)
	runtimeStarted.Do(func() {
		m := newModel(t, "smallest")
		g := m.done(m.same("relu", "Relu", m.input("x", 1)))
		stages, err := Stages(g, nil, "test")
		must(t, err)
		dir := t.TempDir()
		must(t, stages[0].WriteDir(dir, m.src))
		must(t, os.Symlink(library, filepath.Join(dir, wire.LibraryFile)))
		s, err := stage.Open(dir, nil)
		must(t, err)
		must(t, s.Close())
	})
	if !ort.IsInitialized() {
		t.Fatal("ONNX Runtime did not start")
	}
}

// runStage runs the ONNX file of a folder on the tensors it asks for, as a stage's function would.
func runStage(t testing.TB, dir string, s *Stage, given map[string]tensor32, level ort.GraphOptimizationLevel) map[string]tensor32 {
	t.Helper()
	passes := map[string]bool{}
	for _, in := range s.Manifest.Inputs {
		passes[in.Name] = true
	}
	var outNames []string
	for _, out := range s.Manifest.Outputs {
		if !passes[out.Name] {
			outNames = append(outNames, out.Name)
		}
	}
	path := filepath.Join(dir, wire.ModelFile)
	ins, outs, err := ort.GetInputOutputInfo(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(outs) != len(outNames) {
		t.Fatalf("stage.onnx has outputs %v, want %v", outs, outNames)
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	must(t, options.SetGraphOptimizationLevel(level))
	must(t, options.SetIntraOpNumThreads(1))
	var inNames []string
	var inputs []ort.Value
	for _, in := range ins {
		x, ok := given[in.Name]
		if !ok {
			t.Fatalf("stage.onnx asks for %s, which nothing makes", in.Name)
		}
		value, err := ort.NewTensor(ort.NewShape(x.shape...), x.data)
		must(t, err)
		defer value.Destroy()
		inNames, inputs = append(inNames, in.Name), append(inputs, value)
	}
	session, err := ort.NewDynamicAdvancedSession(path, inNames, outNames, options)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Destroy()
	outputs := make([]ort.Value, len(outNames))
	if err := session.Run(inputs, outputs); err != nil {
		t.Fatal(err)
	}
	result := map[string]tensor32{}
	for _, out := range s.Manifest.Outputs {
		if passes[out.Name] {
			result[out.Name] = given[out.Name]
		}
	}
	for i, value := range outputs {
		v := value.(*ort.Tensor[float32])
		result[outNames[i]] = tensor32{append([]int64(nil), v.GetShape()...), append([]float32(nil), v.GetData()...)}
		v.Destroy()
	}
	return result
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runPipeline writes all stages and runs one after the other.
func runPipeline(t testing.TB, stages []*Stage, src weights.Source, given map[string]tensor32, level ort.GraphOptimizationLevel) map[string]tensor32 {
	t.Helper()
	for _, s := range stages {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		must(t, err)
		must(t, s.WriteDir(dir, src))
		for _, in := range s.Manifest.Inputs {
			x, ok := given[in.Name]
			if !ok || len(x.shape) != len(in.Shape) {
				t.Fatalf("stage %d wants %+v, got %v", s.Manifest.Index, in, x.shape)
			}
		}
		given = runStage(t, dir, s, given, level)
		must(t, os.RemoveAll(dir))
	}
	return given
}

// unfolded makes the one stage of a whole model with nothing folded.
func unfolded(t testing.TB, g *graph.Graph) *Stage {
	t.Helper()
	c := *g
	c.Nodes = append([]graph.Node(nil), g.Nodes...)
	for i := range c.Nodes {
		if n := &c.Nodes[i]; n.Op == "BatchNormalization" {
			n.Domain = "ai.onnx" // the default domain under its other name, which the fold does not look for
		}
	}
	stages, err := Stages(&c, nil, "unfolded")
	must(t, err)
	for _, x := range stages[0].tensors {
		if x.fold != nil {
			t.Fatalf("%s is folded", x.name)
		}
	}
	return stages[0]
}

func same(t testing.TB, what string, got, want map[string]tensor32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d outputs, want %d", what, len(got), len(want))
	}
	for name, w := range want {
		g := got[name]
		if fmt.Sprint(g.shape) != fmt.Sprint(w.shape) {
			t.Errorf("%s: %s is %v, want %v", what, name, g.shape, w.shape)
			continue
		}
		if e := excess(g.data, w.data, tolerance); e > 0 {
			t.Errorf("%s: %s is %g beyond a relative difference of %g", what, name, e, tolerance)
		}
	}
}

func randomInputs(m *model, g *graph.Graph, batch int64) map[string]tensor32 {
	given := map[string]tensor32{}
	for _, p := range g.Inputs {
		v := g.Value(p.Value)
		x := tensor32{shape: append([]int64(nil), v.Shape...), data: make([]float32, v.Shape.Elements(batch))}
		x.shape[0] = batch
		for i := range x.data {
			x.data[i] = float32(m.rng.NormFloat64())
		}
		given[v.Name] = x
	}
	return given
}

// TestRunEveryCut runs a model whole without folding, whole, split at each cut, and split at all of them at once.
func TestRunEveryCut(t *testing.T) {
	runtimeReady(t)
	g, src := everything(t)
	given := randomInputs(newModel(t, ""), g, 3)
	want := runPipeline(t, []*Stage{unfolded(t, g)}, src, given, ort.GraphOptimizationLevelDisableAll)
	cuts := g.Cuts()
	ways := [][]int{nil, cuts}
	for _, c := range cuts {
		ways = append(ways, []int{c})
	}
	for _, way := range ways {
		stages, err := Stages(g, way, "test")
		must(t, err)
		for _, level := range []ort.GraphOptimizationLevel{ort.GraphOptimizationLevelDisableAll, ort.GraphOptimizationLevelEnableAll} {
			got := runPipeline(t, stages, src, given, level)
			same(t, fmt.Sprintf("cuts %v, level %d", way, level), got, want, 1e-5)
		}
	}
}
