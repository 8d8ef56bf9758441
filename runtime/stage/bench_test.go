package stage

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"partita/internal/fixture"
	"partita/planner/load"
	"partita/runtime/npy"
	"partita/runtime/wire"
	"partita/server/split"
)

// modelStage packs a whole model of the shared test data as one stage and gives its folder and the model's input.
func modelStage(tb testing.TB, model string) (dir string, input []wire.Tensor) {
	tb.Helper()
	content := fixture.Read(tb, fixture.Shared(tb, "models", filepath.FromSlash(model)))
	file := load.File{Name: strings.TrimSuffix(filepath.Base(model), ".gz"), Size: int64(len(content)), Reader: bytes.NewReader(content)}
	m, err := load.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	weights, err := m.Weights(file)
	if err != nil {
		tb.Fatal(err)
	}
	stages, err := split.Stages(m.Graph, nil, "bench")
	if err != nil {
		tb.Fatal(err)
	}
	dir = tb.TempDir()
	if err := stages[0].WriteDir(dir, weights); err != nil {
		tb.Fatal(err)
	}
	array, err := os.ReadFile(fixture.Shared(tb, "models", filepath.Dir(model), "input_0.npy"))
	if err != nil {
		tb.Fatal(err)
	}
	a, err := npy.Decode(array)
	if err != nil {
		tb.Fatal(err)
	}
	item := int64(len(a.Data)) / a.Shape[0]
	a.Shape[0] = 1
	name := stages[0].Manifest.Inputs[0].Name
	return dir, []wire.Tensor{{TensorSpec: wire.TensorSpec{Name: name, DType: a.DType, Shape: a.Shape}, Data: a.Data[:item]}}
}

var benchModels = []string{"trained_mobilenet_v2/model.h5", "k3_ResNet50/model.h5.gz"}

// variants are the settings that were weighed against each other; the first is what functions use.
func variants() map[string]settings {
	return map[string]settings{
		"as-in-functions":  defaults(1769, 1),
		"all-prepacked":    {threads: 1, prepack: true, level: ort.GraphOptimizationLevelEnableAll},
		"extended":         {threads: 1, level: ort.GraphOptimizationLevelEnableExtended},
		"extended-prepack": {threads: 1, prepack: true, level: ort.GraphOptimizationLevelEnableExtended},
		"two-threads":      defaults(3538, 2),
		"no-optimisation":  {threads: 1, level: ort.GraphOptimizationLevelDisableAll},
	}
}

// processorTime adds the processor time per operation to a benchmark: on a shared machine it is steadier than the clock.
func processorTime(b *testing.B) (report func()) {
	used := func() int64 {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/1e6/float64(b.N), "cpu-ms/op") }
}

// BenchmarkOpen is the init phase of a stage, from its folder to a session.
func BenchmarkOpen(b *testing.B) {
	library := fixture.Library(b)
	for _, model := range benchModels {
		dir, _ := modelStage(b, model)
		for name, s := range variants() {
			b.Run(filepath.Dir(model)+"/"+name, func(b *testing.B) {
				defer processorTime(b)()
				for b.Loop() {
					stage, err := open(dir, library, nil, s)
					if err != nil {
						b.Fatal(err)
					}
					if err := stage.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRun is one inference; BenchmarkPlainRun is the same in ONNX Runtime alone.
func BenchmarkRun(b *testing.B) {
	library := fixture.Library(b)
	for _, model := range benchModels {
		dir, input := modelStage(b, model)
		for name, s := range variants() {
			b.Run(filepath.Dir(model)+"/"+name, func(b *testing.B) {
				stage, err := open(dir, library, nil, s)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = stage.Close() }()
				if _, err := stage.Run(input); err != nil {
					b.Fatal(err)
				}
				defer processorTime(b)()
				for b.Loop() {
					if _, err := stage.Run(input); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkPlainRun runs the same file with tensors made once, and no checks.
func BenchmarkPlainRun(b *testing.B) {
	if err := environment(fixture.Library(b)); err != nil {
		b.Fatal(err)
	}
	for _, model := range benchModels {
		dir, input := modelStage(b, model)
		b.Run(filepath.Dir(model), func(b *testing.B) {
			s := defaults(1769, 1)
			session, err := openSession(dir, fixture.Library(b), s)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = session.close() }()
			in, err := ort.NewCustomDataTensor(ort.NewShape(input[0].Shape...), input[0].Data, ort.TensorElementDataTypeFloat)
			if err != nil {
				b.Fatal(err)
			}
			out := []ort.Value{nil}
			if err := session.ort.Run([]ort.Value{in}, out); err != nil {
				b.Fatal(err)
			}
			defer processorTime(b)()
			for b.Loop() {
				if err := session.ort.Run([]ort.Value{in}, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A whole trained model as one stage gives what Keras gave.
func TestTrainedModel(t *testing.T) {
	library := fixture.Library(t)
	dir, input := modelStage(t, benchModels[0])
	stage, err := open(dir, library, nil, defaults(1769, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stage.Close() }()
	outputs, err := stage.Run(input)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(fixture.Shared(t, "models", filepath.Dir(benchModels[0])), "expected_0.npy"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := npy.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if want, err = want.Convert("float64"); err != nil {
		t.Fatal(err)
	}
	got, err := (&npy.Array{DType: outputs[0].DType, Shape: outputs[0].Shape, Data: outputs[0].Data}).Convert("float64")
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range got.Float64s() {
		if w := want.Float64s()[i]; math.Abs(g-w) > 1e-4+1e-3*math.Abs(w) { // the case's own tolerance
			t.Errorf("class %d: %v, want %v", i, g, w)
		}
	}
}
