//go:build cgo

package split

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"partita/internal/fixture"
	"partita/planner/graph"
	"partita/planner/precision"
	"partita/planner/weights"
	"partita/runtime/stage"
	"partita/runtime/wire"
)

// runStages runs stages as their functions do.
func runStages(t testing.TB, stages []*Stage, src weights.Source, given map[string]tensor32) map[string]tensor32 {
	t.Helper()
	library := fixture.Library(t)
	for _, s := range stages {
		dir := t.TempDir()
		must(t, s.WriteDir(dir, src))
		must(t, os.Symlink(library, filepath.Join(dir, wire.LibraryFile)))
		opened, err := stage.Open(dir, nil)
		must(t, err)
		var inputs []wire.Tensor
		for _, in := range s.Manifest.Inputs {
			x := given[in.Name]
			inputs = append(inputs, wire.Tensor{TensorSpec: wire.TensorSpec{Name: in.Name, DType: "float32", Shape: x.shape}, Data: append([]byte(nil), raw(append([]float32(nil), x.data...))...)})
		}
		outputs, err := opened.Run(inputs)
		must(t, err)
		given = map[string]tensor32{}
		for _, o := range outputs {
			given[o.Name] = tensor32{o.Shape, floats(t, o.Data)}
		}
		must(t, opened.Close())
		must(t, os.RemoveAll(dir))
	}
	return given
}

// distance gives the relative Euclidean distance of outputs.
func distance(got, want map[string]tensor32) float64 {
	var d, w float64
	for name, x := range want {
		for i, v := range x.data {
			e := float64(got[name].data[i]) - float64(v)
			d += e * e
			w += float64(v) * float64(v)
		}
	}
	return math.Sqrt(d / w)
}

// large is a model in which every kind of tensor is large enough to be stored in less than float32: a convolution that is
// folded, a depthwise and a transposed one, matrices that are multiplied in integers (with a bias, without one, given with
// their axes swapped, behind one input, folded), one that is too small for that, and a table that is looked up.
func large(t testing.TB) (*graph.Graph, memory) {
	m := newModel(t, "large")
	x := m.input("image", 8, 12, 12)
	x = m.same("relu1", "Relu", m.norm("bn1", m.conv("conv1", x, 3, 64, true)))
	x = m.depthwise("depthwise", x, 9, 1)
	m.layer("transposed")
	x = m.node("ConvTranspose", graph.Shape{graph.Batch, 16, 12, 12}, []graph.Attr{ints("kernel_shape", 3, 3), ints("pads", 1, 1, 1, 1)}, x,
		m.weight("transposed/kernel", 0, nil, graph.Shape{64, 16, 3, 3}, graph.Shape{64, 16, 3, 3}))
	m.layer("flatten")
	x = m.node("Flatten", graph.Shape{graph.Batch, 2304}, nil, x)
	x = m.same("norm", "Tanh", m.norm("bn2", m.dense("dense1", x, 512)))
	a := m.dense("dense2", x, 2100)
	m.layer("dense3")
	b := m.node("Gemm", graph.Shape{graph.Batch, 2100}, []graph.Attr{integer("transB", 1)}, x,
		m.weight("dense3/kernel", 0, nil, graph.Shape{2100, 512}, graph.Shape{2100, 512}), m.vector("dense3/bias", 0, 2100))
	m.layer("dense4")
	c := m.node("Gemm", graph.Shape{graph.Batch, 2100}, []graph.Attr{integer("transB", 1)}, x,
		m.weight("dense4/kernel", 0, []int{1, 0}, graph.Shape{512, 2100}, graph.Shape{2100, 512}), m.vector("dense4/bias", 0, 2100))
	m.layer("product")
	d := m.node("MatMul", graph.Shape{graph.Batch, 2100}, nil, x, m.weight("product/kernel", 0, nil, graph.Shape{512, 2100}, graph.Shape{512, 2100}))
	y := m.same("sum", "Add", m.same("ab", "Add", a, b), m.same("cd", "Add", c, d))
	m.layer("half")
	y = m.node("Mul", m.shape(y), nil, y, m.value(graph.Value{Name: "scale", Shape: graph.Shape{1}, Producer: -1, Const: &graph.Const{Float32s: []float32{0.01}}}))
	y = m.dense("classes", y, 10)
	return m.done(y), m.src
}

// TestPrecisions runs a model of all kinds of layers at each precision, whole and split, and checks that the answers are as far
// from the exact ones as the precision makes them, and that packages shrink.
func TestPrecisions(t *testing.T) {
	runtimeReady(t)
	for _, opset := range []int64{0, 12, 10} {
		g, src := large(t)
		g.Opset = opset
		given := randomInputs(newModel(t, ""), g, 3)
		exact, err := Stages(g, nil, "test")
		must(t, err)
		want := runStages(t, exact, src, given)
		for _, c := range []struct {
			p     precision.Precision
			bound float64
			size  float64
		}{{precision.Float32, 1e-5, 1.01}, {precision.Float16, 5e-3, 0.51}, {precision.Int8, 0.15, 0.27}} {
			for _, cuts := range [][]int{nil, g.Cuts()} {
				ps := make([]precision.Precision, len(cuts)+1)
				for i := range ps {
					ps[i] = c.p
				}
				stages, err := Stages(g, cuts, "test", ps...)
				must(t, err)
				got := runStages(t, stages, src, given)
				d := distance(got, want)
				t.Logf("opset %d, %s in %d stages: %.2e away, weights %.2e", opset, c.p, len(stages), d, stages[0].Loss().Relative())
				if d > c.bound || cuts == nil && c.p != precision.Float32 && d == 0 {
					t.Errorf("opset %d, %s in %d stages: %g away, allowed %g", opset, c.p, len(stages), d, c.bound)
				}
				var size int64
				for _, s := range stages {
					size += s.WeightBytes()
					if s.Manifest.Precision != string(c.p) {
						t.Errorf("the manifest says %q", s.Manifest.Precision)
					}
				}
				if part := float64(size) / float64(exact[0].WeightBytes()); part > c.size {
					t.Errorf("%s takes %g of float32's bytes", c.p, part)
				}
			}
		}
	}
}

// TestPrecisionOfModels reports how far real models' answers move, and that a mix of precisions over stages works.
func TestPrecisionOfModels(t *testing.T) {
	runtimeReady(t)
	for _, name := range []string{"k3_tiny_cnn", "trained_mobilenet_v2", "k3_ResNet50"} {
		if testing.Short() && name != "k3_tiny_cnn" {
			t.Skip("the models larger than k3_tiny_cnn are left out of the short tests")
		}
		mc := openCase(t, name)
		g, src, _ := mc.open(t, mc.pairs(t)[0])
		given := byPort(t, g, g.Inputs, mc.tensors(t, mc.Inputs), false)
		want := byPort(t, g, g.Outputs, mc.tensors(t, mc.Outputs), false)
		for _, ps := range [][]precision.Precision{{"", ""}, {precision.Float16, precision.Float16}, {precision.Int8, precision.Int8}, {precision.Float32, precision.Int8}} {
			stages, err := Stages(g, spread(g.Cuts(), 1), "test", ps...)
			must(t, err)
			got := runStages(t, stages, src, given)
			bound := map[precision.Precision]float64{"": 1e-4, precision.Float16: 1e-3, precision.Int8: 2e-2}[ps[1]]
			if name == "k3_ResNet50" && ps[1] != "" {
				bound *= 50 // it was never trained: rounding is not damped on its way
			}
			d := distance(got, want)
			t.Logf("%s %v: outputs %.2e away, weights %.2e and %.2e", name, ps, d, stages[0].Loss().Relative(), stages[1].Loss().Relative())
			if d > bound {
				t.Errorf("%s %v: %g away, allowed %g", name, ps, d, bound)
			}
		}
	}
}
