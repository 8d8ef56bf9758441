package split

import (
	"math"
	"runtime"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/graph"
	"partita/planner/keras"
	"partita/planner/weights"
)

// architecture reads an architecture that Keras wrote without its weights.
func architecture(t testing.TB, version, name string) *graph.Graph {
	t.Helper()
	m, err := keras.Parse(fixture.Read(t, fixture.Shared(t, "zoo", version, name+".json.gz")))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Graph.Validate(); err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

// invented is a weights.Source that makes up the weights of a graph as they are read. With a gain of 2 their size keeps
// that of activations from layer to layer (He et al., "Delving Deep into Rectifiers", 2015, section 2.2).
type invented map[string]*inventedTensor

type inventedTensor struct {
	shape          graph.Shape
	seed           uint64
	middle, spread float32
}

func invent(g *graph.Graph, gain float64) invented {
	src := invented{}
	for i := range g.Values {
		w := g.Values[i].Weight
		if w == nil {
			continue
		}
		t := &inventedTensor{shape: w.Stored, seed: uint64(len(src)+1) * 0x9e3779b97f4a7c15, spread: 0.1}
		switch {
		case len(w.Stored) > 1:
			fanIn := w.Stored.Elements(1) / w.Stored[len(w.Stored)-1]
			if strings.Contains(w.Key, "depthwise") {
				fanIn = w.Stored[0] * w.Stored[1]
			}
			t.spread = float32(math.Sqrt(3 * gain / float64(fanIn)))
		case strings.Contains(w.Key, "var") || strings.Contains(w.Key, "gamma"):
			t.middle = 1
		}
		src[w.Key] = t
	}
	return src
}

func (s invented) Tensor(key string) (weights.Tensor, error) { return s[key], nil }
func (t *inventedTensor) DType() graph.DType                 { return graph.Float32 }
func (t *inventedTensor) Shape() graph.Shape                 { return t.shape }
func (t *inventedTensor) ReadFloat32s(dst []float32, offset int64) error {
	for i := range dst {
		// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
		x := t.seed + uint64(offset+int64(i))
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
		dst[i] = t.middle + t.spread*(2*float32(x>>40)/(1<<24)-1)
	}
	return nil
}

// watcher notes how large the heap was at its largest.
type watcher struct {
	written int64
	peak    uint64
}

func (w *watcher) Write(p []byte) (int, error) {
	if w.written>>24 != (w.written+int64(len(p)))>>24 { // about every 16 MiB: looking stops the world
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.peak = max(w.peak, m.HeapInuse+m.StackInuse)
	}
	w.written += int64(len(p))
	return len(p), nil
}

// TestMemory packs VGG16, 553 MB of weights of which one tensor has 411 MB, and looks at the memory it takes.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("VGG16, whose memory is measured, is left out of the short tests")
	}
	g := architecture(t, "keras2", "VGG16")
	src := invent(g, 2)
	stages, err := Stages(g, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	n := native(t)
	runtime.GC() // what other tests left
	w := &watcher{}
	if err := stages[0].WritePackage(w, src, n); err != nil {
		t.Fatal(err)
	}
	const weightBytes = 4 * 138_357_544 // VGG16's parameters, as Keras counts them
	if got := stages[0].WeightBytes(); got != weightBytes {
		t.Errorf("%d bytes of weights, want %d", got, weightBytes)
	}
	if w.written < weightBytes {
		t.Errorf("the package has %d bytes", w.written)
	}
	t.Logf("%d MB packed with at most %d MB in use", w.written/1e6, w.peak/1e6)
	if w.peak > 64<<20 {
		t.Errorf("%d bytes of memory in use", w.peak)
	}
}
