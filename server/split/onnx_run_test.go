//go:build cgo

package split

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"partita/planner/graph"
	"partita/planner/load"
	"partita/runtime/wire"
)

// openFile opens a file for load.
func openFile(t testing.TB, path string) load.File {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	must(t, err)
	return load.File{Name: filepath.Base(path), Size: info.Size(), Reader: f}
}

// whole describes an ONNX file as a stage, so that it can be run as it is.
func whole(g *graph.Graph) *Stage {
	s := &Stage{}
	for _, p := range g.Inputs {
		s.Manifest.Inputs = append(s.Manifest.Inputs, wire.TensorSpec{Name: g.Value(p.Value).Name, DType: "float32", Shape: g.Value(p.Value).RunShape()})
	}
	for _, p := range g.Outputs {
		s.Manifest.Outputs = append(s.Manifest.Outputs, wire.TensorSpec{Name: g.Value(p.Value).Name, DType: "float32", Shape: g.Value(p.Value).RunShape()})
	}
	return s
}

// TestONNXEveryCut splits ONNX files at cuts all over and compares with ONNX Runtime running the file itself. The files
// are the shared case and, for the path from Keras and back, those that this package writes, with their weights beside
// them.
func TestONNXEveryCut(t *testing.T) {
	runtimeReady(t)
	t.Run("classifier", func(t *testing.T) {
		c := openCase(t, "onnx_ch_ppocr_mobile_v2_0_cls_infer")
		path := filepath.Join(c.dir, "model.onnx")
		given, expected := c.tensors(t, c.Inputs), c.tensors(t, c.Outputs)
		dir := t.TempDir()
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, wire.ModelFile), data, 0o644))
		m, err := load.Open(openFile(t, path))
		must(t, err)
		want := runStage(t, dir, whole(m.Graph), given, ort.GraphOptimizationLevelDisableAll)
		same(t, "the file itself", want, expected, 1e-4)
		everyCut(t, m, []load.File{openFile(t, path)}, given, want)
		// Sizes that the file leaves open are those of the data.
		other := map[string]tensor32{"x": random(2, 3, 64, 320)}
		want = runStage(t, dir, whole(m.Graph), other, ort.GraphOptimizationLevelDisableAll)
		everyCut(t, m, []load.File{openFile(t, path)}, other, want)
	})
	for _, name := range []string{"k3_tiny_residual", "k3_tiny_cnn", "k2_tiny_multi_io"} {
		t.Run(name, func(t *testing.T) {
			c := openCase(t, name)
			var keras *load.Model
			var file load.File
			for _, f := range c.Files {
				if strings.Contains(f.Format, "whole") || strings.Contains(f.Format, "zip") {
					file = load.File{Name: f.File, Reader: c.file(t, f)}
					info, err := c.file(t, f).Stat()
					must(t, err)
					file.Size = info.Size()
					keras, err = load.Open(file)
					must(t, err)
				}
			}
			src, err := keras.Weights(file)
			must(t, err)
			stages, err := Stages(keras.Graph, nil, "whole")
			must(t, err)
			dir := t.TempDir()
			must(t, stages[0].WriteDir(dir, src))
			given := randomInputs(newModel(t, ""), keras.Graph, 3)
			want := runStage(t, dir, stages[0], given, ort.GraphOptimizationLevelDisableAll)
			files := []load.File{openFile(t, filepath.Join(dir, wire.ModelFile)), openFile(t, filepath.Join(dir, wire.WeightsFile))}
			m, err := load.Open(files...)
			must(t, err)
			if !m.HasWeights || m.Graph.Validate() != nil || m.Graph.TotalWork().MACs != keras.Graph.TotalWork().MACs {
				t.Errorf("read back: weights %v, %v, %d of %d multiply-adds", m.HasWeights, m.Graph.Validate(), m.Graph.TotalWork().MACs, keras.Graph.TotalWork().MACs)
			}
			everyCut(t, m, files, given, want)
		})
	}
}

func random(shape ...int64) tensor32 {
	x := tensor32{shape: shape, data: make([]float32, graph.Shape(shape).Elements(1))}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range x.data {
		x.data[i] = float32(rng.NormFloat64())
	}
	return x
}

// everyCut runs a model split at some cuts one by one, and at several at once, from the architecture that a plan carries.
func everyCut(t *testing.T, m *load.Model, files []load.File, given, want map[string]tensor32) {
	t.Helper()
	again, err := load.FromArchitecture(m.Architecture)
	must(t, err)
	if again.Digest != m.Digest || again.Graph.Text() != m.Graph.Text() {
		t.Error("the architecture does not give the same model again")
	}
	if err := again.Graph.Validate(); err != nil {
		t.Error(err)
	}
	src, err := again.WeightsOf(files...)
	must(t, err)
	cuts := again.Graph.Cuts()
	ways := [][]int{nil}
	step := max(1, len(cuts)/12)
	var several []int
	for i := 0; i < len(cuts); i += step {
		ways, several = append(ways, []int{cuts[i]}), append(several, cuts[i])
	}
	for _, way := range append(ways, several) {
		stages, err := Stages(again.Graph, way, "test")
		must(t, err)
		got := runPipeline(t, stages, src, given, ort.GraphOptimizationLevelDisableAll)
		same(t, fmt.Sprintf("cuts %v", way), got, want, 1e-4)
	}
}

// ports names the inputs and outputs of an ONNX file.
func ports(t testing.TB, path string) (ins, outs []string) {
	t.Helper()
	in, out, err := ort.GetInputOutputInfo(path)
	must(t, err)
	for _, p := range in {
		ins = append(ins, p.Name)
	}
	for _, p := range out {
		outs = append(outs, p.Name)
	}
	return ins, outs
}
