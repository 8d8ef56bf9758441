//go:build cgo

package split

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"partita/internal/fixture"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/weights"
	"partita/runtime/npy"
)

// modelCase is case.json of a folder of the shared models.
type modelCase struct {
	dir             string
	Files           []caseFile
	Inputs, Outputs []caseTensor
	Tolerance       struct{ Atol, Rtol float64 }
}

type caseFile struct{ File, Format, Compressed string }

type caseTensor struct{ Name, File string }

func openCase(t testing.TB, name string) *modelCase {
	t.Helper()
	c := &modelCase{dir: fixture.Shared(t, "models", name)}
	text, err := os.ReadFile(filepath.Join(c.dir, "case.json"))
	must(t, err)
	must(t, json.Unmarshal(text, c))
	return c
}

// file opens a file of the case, decompressed.
func (c *modelCase) file(t testing.TB, f caseFile) *os.File {
	t.Helper()
	path := filepath.Join(c.dir, f.File)
	if f.Format == tfjsFormat {
		return c.bundle(t, path)
	}
	if f.Compressed == "gz" {
		packed, err := os.Open(path + ".gz")
		must(t, err)
		defer packed.Close()
		z, err := gzip.NewReader(packed)
		must(t, err)
		path = filepath.Join(t.TempDir(), f.File)
		plain, err := os.Create(path)
		must(t, err)
		_, err = io.Copy(plain, z)
		must(t, errors.Join(err, plain.Close()))
	}
	opened, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { opened.Close() })
	return opened
}

const tfjsFormat = "tfjs-layers-model"

// bundle packs a model.json and its shards, as the command line does for a deployment.
func (c *modelCase) bundle(t testing.TB, path string) *os.File {
	t.Helper()
	open := func(path string) load.File {
		f, err := os.Open(path)
		must(t, err)
		t.Cleanup(func() { f.Close() })
		info, err := f.Stat()
		must(t, err)
		return load.File{Name: path, Size: info.Size(), Reader: f}
	}
	files := []load.File{open(path)}
	shards, err := load.Shards(files[0])
	must(t, err)
	for _, s := range shards {
		files = append(files, open(filepath.Join(filepath.Dir(path), s)))
	}
	packed, err := load.NewBundle(files...)
	must(t, err)
	f, err := os.CreateTemp(t.TempDir(), "*.zip")
	must(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = io.Copy(f, packed.Reader())
	must(t, err)
	return f
}

func (c *modelCase) tensors(t testing.TB, list []caseTensor) map[string]tensor32 {
	t.Helper()
	found := map[string]tensor32{}
	for _, x := range list {
		data, err := os.ReadFile(filepath.Join(c.dir, x.File))
		must(t, err)
		a, err := npy.Decode(data)
		must(t, err)
		if a.DType != "float32" {
			t.Fatalf("%s is %s", x.File, a.DType)
		}
		numbers := make([]float32, len(a.Data)/4)
		for i := range numbers {
			numbers[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))
		}
		found[x.Name] = tensor32{a.Shape, numbers}
	}
	return found
}

// pair is an architecture's file and its weights', which may be one.
type pair struct{ model, weights caseFile }

// pairs lists every way to open the case's model, whole files first.
func (c *modelCase) pairs(t testing.TB) (list []pair) {
	t.Helper()
	var config *caseFile
	for i, f := range c.Files {
		if f.Format == "keras3-json" || f.Format == "keras2-json" {
			config = &c.Files[i]
		}
	}
	for _, f := range c.Files {
		if strings.HasSuffix(f.Format, "-h5-whole") || f.Format == "keras-v3-zip" || f.Format == tfjsFormat {
			list = append(list, pair{f, f})
		}
	}
	for _, f := range c.Files {
		if config != nil && (strings.HasSuffix(f.Format, "-h5-weights") || strings.HasSuffix(f.Format, "-weights-h5")) {
			list = append(list, pair{*config, f})
		}
	}
	if len(list) == 0 {
		t.Fatalf("%s has no model with weights", c.dir)
	}
	return list
}

// open opens a pair.
func (c *modelCase) open(t testing.TB, p pair) (*graph.Graph, weights.Source, *os.File) {
	t.Helper()
	file := func(f *os.File) load.File {
		info, err := f.Stat()
		must(t, err)
		return load.File{Name: filepath.Base(f.Name()), Size: info.Size(), Reader: f}
	}
	f := c.file(t, p.weights)
	config := f
	if p.model != p.weights {
		config = c.file(t, p.model)
	}
	m, err := load.Open(file(config))
	must(t, err)
	must(t, m.Graph.Validate())
	src, err := m.Weights(file(f))
	must(t, err)
	return m.Graph, src, f
}

// byPort renames tensors from the names users know to the graph's, and back.
func byPort(t testing.TB, g *graph.Graph, ports []graph.Port, named map[string]tensor32, back bool) map[string]tensor32 {
	t.Helper()
	out := map[string]tensor32{}
	for _, p := range ports {
		from, to := p.Name, g.Value(p.Value).Name
		if back {
			from, to = to, from
		}
		x, ok := named[from]
		if !ok && len(ports) == 1 && len(named) == 1 {
			for _, x = range named { // the only input is sometimes called by the name of its tensor
				ok = true
			}
		}
		if !ok {
			t.Fatalf("there is no tensor %s", from)
		}
		out[to] = x
	}
	return out
}

// expect compares a pipeline's outputs with the expected ones, within the case's tolerance.
func (c *modelCase) expect(t testing.TB, what string, got, want map[string]tensor32) {
	t.Helper()
	for name, w := range want {
		g := got[name]
		if fmt.Sprint(g.shape) != fmt.Sprint(w.shape) {
			t.Errorf("%s: output %s is %v, want %v", what, name, g.shape, w.shape)
			continue
		}
		worst := -1.0
		for i := range w.data {
			d := math.Abs(float64(g.data[i])-float64(w.data[i])) - c.Tolerance.Rtol*math.Abs(float64(w.data[i]))
			if math.IsNaN(d) {
				d = math.Inf(1)
			}
			worst = max(worst, d)
		}
		if worst > c.Tolerance.Atol {
			t.Errorf("%s: output %s is %g away, allowed %g", what, name, worst, c.Tolerance.Atol)
		}
	}
}

// spread chooses so many of a list, evenly.
func spread(list []int, n int) []int {
	var chosen []int
	for i := range n {
		c := list[(i+1)*len(list)/(n+1)]
		if len(chosen) == 0 || c > chosen[len(chosen)-1] {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// TestModels runs models that Keras wrote, whole and split, and compares with what Keras computes.
func TestModels(t *testing.T) {
	runtimeReady(t)
	for _, c := range []struct {
		name  string
		large bool
	}{
		{"k2_tiny_multi_io", false}, {"tfjs_functional", false}, {"tfjs_seq", false}, {"k2_tiny_cnn", false}, {"k3_tiny_cnn", false}, {"k2_tiny_mlp", false}, {"k3_tiny_mlp", false}, {"k3_tiny_residual", false},
		{"k3_MobileNet", true}, {"trained_mobilenet_v2", true}, {"k2_MobileNet", true}, {"k3_ResNet50", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.large && testing.Short() {
				t.Skip("this model is large: left out of the short tests")
			}
			mc := openCase(t, c.name)
			pairs := mc.pairs(t)
			g, src, _ := mc.open(t, pairs[0])
			given := byPort(t, g, g.Inputs, mc.tensors(t, mc.Inputs), false)
			want := mc.tensors(t, mc.Outputs)
			cuts := g.Cuts()
			ways := [][]int{nil, spread(cuts, 1), spread(cuts, 3)}
			if c.large {
				ways = append(ways, spread(cuts, 9))
			} else {
				ways = append(ways, cuts)
				for _, cut := range cuts {
					ways = append(ways, []int{cut})
				}
			}
			var whole map[string]tensor32
			for _, way := range ways {
				stages, err := Stages(g, way, "test")
				must(t, err)
				got := runPipeline(t, stages, src, given, ort.GraphOptimizationLevelEnableAll)
				what := fmt.Sprintf("cuts %v", way)
				mc.expect(t, what, byPort(t, g, g.Outputs, got, true), want)
				if whole == nil {
					whole = got
				}
				same(t, what+" against the unsplit model", got, whole, 1e-5)
			}
			plain := runPipeline(t, []*Stage{unfolded(t, g)}, src, given, ort.GraphOptimizationLevelEnableBasic)
			mc.expect(t, "unfolded", byPort(t, g, g.Outputs, plain, true), want)

			for _, p := range pairs[1:] {
				g, src, _ := mc.open(t, p)
				given := byPort(t, g, g.Inputs, mc.tensors(t, mc.Inputs), false)
				stages, err := Stages(g, spread(g.Cuts(), 1), "test")
				must(t, err)
				got := runPipeline(t, stages, src, given, ort.GraphOptimizationLevelEnableAll)
				mc.expect(t, p.model.File+" and "+p.weights.File, byPort(t, g, g.Outputs, got, true), want)
			}
		})
	}
}

// BenchmarkSplitResNet50 packs a ResNet50 that Keras wrote, from its HDF5 file.
func BenchmarkSplitResNet50(b *testing.B) {
	mc := openCase(b, "k3_ResNet50")
	g, src, f := mc.open(b, mc.pairs(b)[0])
	info, err := f.Stat()
	must(b, err)
	benchmarkSplit(b, g, src, f, info.Size())
}

// TestTraces compares what crosses each cut with what Keras computes at that layer.
func TestTraces(t *testing.T) {
	runtimeReady(t)
	for _, name := range []string{"k2_tiny_cnn", "k3_tiny_cnn", "k2_tiny_mlp", "k3_tiny_mlp", "k3_tiny_residual", "trained_mobilenet_v2"} {
		t.Run(name, func(t *testing.T) {
			mc := openCase(t, name)
			g, src, _ := mc.open(t, mc.pairs(t)[0])
			trace := readTrace(t, filepath.Join(mc.dir, "trace.csv.gz"))
			given := byPort(t, g, g.Inputs, mc.tensors(t, mc.Inputs), false)
			stages, err := Stages(g, g.Cuts(), "test")
			must(t, err)
			producer := map[string]string{} // value -> layer whose last node makes it
			for i := range g.Layers {
				if l := &g.Layers[i]; l.LastNode > l.FirstNode {
					producer[g.Value(g.Nodes[l.LastNode-1].Outputs[0]).Name] = l.Name
				}
			}
			compared := 0
			for _, s := range stages {
				given = runPipeline(t, []*Stage{s}, src, given, ort.GraphOptimizationLevelEnableAll)
				for value, x := range given {
					if row, ok := trace[producer[value]]; ok {
						delete(trace, producer[value])
						row.compare(t, producer[value], x)
						compared++
					}
				}
			}
			if compared < len(stages) {
				t.Errorf("%d layers are compared, there are %d stages", compared, len(stages))
			}
		})
	}
}

// traced is what Keras computes at one layer.
type traced struct {
	shape                      string
	mean, std, least, most, l2 float64
	first, last                []float64
}

func readTrace(t testing.TB, path string) map[string]traced {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(fixture.Read(t, path))).ReadAll()
	must(t, err)
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		must(t, err)
		return v
	}
	numbers := func(text string) (list []float64) {
		for _, part := range strings.Split(text, ";") {
			list = append(list, number(part))
		}
		return list
	}
	trace := map[string]traced{}
	for _, r := range rows[1:] {
		trace[r[0]] = traced{r[3], number(r[4]), number(r[5]), number(r[6]), number(r[7]), number(r[8]), numbers(r[9]), numbers(r[10])}
	}
	return trace
}

// compare compares statistics and the ends. Images come as ONNX has them, channels first, and are turned to Keras's order.
func (r traced) compare(t testing.TB, layer string, x tensor32) {
	t.Helper()
	shape, data := x.shape, x.data
	if len(shape) == 4 {
		n, c, h, w := shape[0], shape[1], shape[2], shape[3]
		shape = []int64{n, h, w, c}
		data = naive(&stored{shape: x.shape, data: data}, []int{0, 2, 3, 1})
	}
	if got := graph.Shape(shape).String(); got != r.shape {
		t.Errorf("%s is %s, want %s", layer, got, r.shape)
		return
	}
	var sum, squares float64
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range data {
		f := float64(v)
		sum += f
		squares += f * f
		least, most = math.Min(least, f), math.Max(most, f)
	}
	mean := sum / float64(len(data))
	std := math.Sqrt(math.Max(0, squares/float64(len(data))-mean*mean))
	scale := math.Max(math.Abs(r.least), math.Abs(r.most))
	check := func(what string, got, want float64) {
		if d := math.Abs(got - want); !(d <= 1e-4*scale+1e-3*math.Abs(want)) {
			t.Errorf("%s: %s is %v, want %v", layer, what, got, want)
		}
	}
	check("the mean", mean, r.mean)
	check("the deviation", std, r.std)
	check("the least", least, r.least)
	check("the greatest", most, r.most)
	if l2 := math.Sqrt(squares); !(math.Abs(l2-r.l2) <= 1e-3*r.l2+1e-6) {
		t.Errorf("%s: the norm is %v, want %v", layer, l2, r.l2)
	}
	for i, want := range r.first {
		check(fmt.Sprintf("element %d", i), float64(data[i]), want)
	}
	for i, want := range r.last {
		check(fmt.Sprintf("element %d from the end", len(r.last)-i), float64(data[len(data)-len(r.last)+i]), want)
	}
}
