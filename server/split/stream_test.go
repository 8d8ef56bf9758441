package split

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"partita/planner/graph"
	"partita/planner/onnx"
)

func floats(t testing.TB, raw []byte) []float32 {
	t.Helper()
	if len(raw)%4 != 0 {
		t.Fatalf("%d bytes are not float32s", len(raw))
	}
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

// TestPermutations streams random tensors through random permutations within random bounds of memory, and compares with
// the obvious way.
func TestPermutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	fixed := []struct {
		shape graph.Shape
		perm  []int
	}{
		{graph.Shape{3, 3, 17, 33}, []int{3, 2, 0, 1}},
		{graph.Shape{1, 1, 64, 24}, []int{3, 2, 0, 1}},
		{graph.Shape{3, 3, 40, 1}, []int{2, 3, 0, 1}},
		{graph.Shape{5, 3, 7, 2}, []int{2, 3, 0, 1}},
		{graph.Shape{4, 5}, []int{0, 1}},
		{graph.Shape{4, 5}, nil},
		{graph.Shape{7}, []int{0}},
		{graph.Shape{1, 1, 1}, []int{2, 0, 1}},
		{graph.Shape{}, nil},
		{graph.Shape{2, 3, 4, 5, 2}, []int{0, 2, 1, 4, 3}},
	}
	for n := range 400 {
		var shape graph.Shape
		var perm []int
		if n < 2*len(fixed) {
			shape, perm = fixed[n/2].shape, fixed[n/2].perm
		} else {
			for range 1 + rng.IntN(5) {
				shape = append(shape, 1+rng.Int64N(9))
			}
			perm = rng.Perm(len(shape))
		}
		s := &stored{shape: shape, data: make([]float32, shape.Elements(1))}
		for i := range s.data {
			s.data[i] = float32(i)
		}
		lim := limits{window: 1 + rng.Int64N(200), block: 1 + rng.Int64N(50)}
		if n%2 == 0 {
			lim = usual
		}
		var out bytes.Buffer
		factor := func(int64) float64 { return 1 }
		var scaled *fold
		if n%3 == 0 && len(shape) > 0 { // folded along the output's first axis, as a convolution
			channels := shape[0]
			if perm != nil {
				channels = shape[perm[0]]
			}
			scaled = &fold{channels: channels}
			for _, v := range []*vector{&scaled.gamma, &scaled.beta, &scaled.mean, &scaled.variance} {
				v.values = make([]float32, channels)
			}
			for c := range channels {
				scaled.gamma.values[c], scaled.variance.values[c] = float32(c+2), 1
			}
			inner := shape.Elements(1) / channels
			factor = func(i int64) float64 { return float64(i/inner + 2) }
		}
		p := newPipeline(lim)
		// The value's shape need not be the permuted one: only the order of the elements counts.
		one := tensor{shape: graph.Shape{1, shape.Elements(1)}, weight: &graph.Weight{Key: "w", Stored: shape, Perm: perm},
			place: &onnx.External{Length: 4 * shape.Elements(1)}, fold: scaled}
		if scaled != nil {
			one.shape = graph.Shape{scaled.channels, shape.Elements(1) / scaled.channels}
		}
		if err := p.write(&out, memory{"w": s}, []tensor{one}); err != nil {
			t.Fatal(err)
		}
		want := naive(s, perm)
		got := floats(t, out.Bytes())
		if len(got) != len(want) {
			t.Fatalf("%v by %v within %+v: %d elements, want %d", shape, perm, lim, len(got), len(want))
		}
		for i := range want {
			if w := float32(float64(want[i]) * factor(int64(i))); got[i] != w {
				t.Fatalf("%v by %v within %+v: element %d is %v, want %v", shape, perm, lim, i, got[i], w)
			}
		}
		for range windows {
			if window := <-p.windows; int64(cap(window)) > max(lim.window, lim.block) {
				t.Fatalf("%v by %v: a window of %d elements within %+v", shape, perm, cap(window), lim)
			}
		}
		if len(p.blocks) != sinkBlocks {
			t.Fatalf("%v by %v: %d blocks came back", shape, perm, len(p.blocks))
		}
	}
}

// TestScaling multiplies along every axis of a shape, in parts of every size.
func TestScaling(t *testing.T) {
	shape := graph.Shape{3, 4, 5}
	for axis := range shape {
		factors := make([]float32, shape[axis])
		for i := range factors {
			factors[i] = float32(i + 2)
		}
		c := &scaling{factors: factors, inner: shape[axis+1:].Elements(1)}
		for size := 1; size <= 60; size++ {
			data := make([]float32, 60)
			for i := range data {
				data[i] = float32(i)
			}
			for at := 0; at < len(data); at += size {
				c.apply(data[at:min(at+size, len(data))], int64(at))
			}
			for i, v := range data {
				channel := int64(i) / c.inner % shape[axis]
				if want := float32(i) * float32(channel+2); v != want {
					t.Fatalf("axis %d, parts of %d: element %d is %v, want %v", axis, size, i, v, want)
				}
			}
		}
	}
}

// TestFoldNumbers checks a fold against its formula by hand.
func TestFoldNumbers(t *testing.T) {
	v := func(x ...float32) vector { return vector{values: x} }
	f := &fold{gamma: v(2, 1), beta: v(0.5, -1), mean: v(1, 0), variance: v(3, 0.75), epsilon: 1, channels: 2}
	factors, bias, err := f.numbers(memory{})
	if err != nil {
		t.Fatal(err)
	}
	root := math.Sqrt(1.75)
	if factors[0] != 1 || factors[1] != float32(1/root) || bias[0] != -0.5 || bias[1] != -1 {
		t.Errorf("factors %v, bias %v", factors, bias)
	}
	old := v(4, 2)
	f.bias = &old
	if _, bias, err = f.numbers(memory{}); err != nil || bias[0] != 3.5 || bias[1] != float32(2/root-1) {
		t.Errorf("with a bias: %v, %v", bias, err)
	}
}

// TestWeightsFile checks that every tensor of stage.weights is at its place, aligned, and folded as computed in float64.
func TestWeightsFile(t *testing.T) {
	g, src := everything(t)
	stages, err := Stages(g, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	s := stages[0]
	var out bytes.Buffer
	if err := s.writeWeights(&out, src); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != s.weightsSize {
		t.Fatalf("stage.weights has %d bytes, promised %d", out.Len(), s.weightsSize)
	}
	var sum int64
	seen := map[string]bool{}
	for i := range s.tensors {
		x := &s.tensors[i]
		if x.place.Offset%onnx.Alignment != 0 || x.place.Length != 4*x.shape.Elements(1) || seen[x.name] {
			t.Errorf("%s at %+v", x.name, x.place)
		}
		seen[x.name] = true
		sum += x.place.Length
		got := floats(t, out.Bytes()[x.place.Offset:x.place.Offset+x.place.Length])
		if x.weight == nil {
			continue
		}
		want := naive(src[x.weight.Key], x.weight.Perm)
		inner := int64(1)
		var factors []float32
		if x.fold != nil {
			inner = x.shape[x.axis+1:].Elements(1)
			if factors, _, err = x.fold.numbers(src); err != nil {
				t.Fatal(err)
			}
		}
		for k := range want {
			w := want[k]
			if factors != nil {
				w *= factors[int64(k)/inner%int64(len(factors))]
			}
			if got[k] != w {
				t.Fatalf("%s[%d] is %v, want %v", x.name, k, got[k], w)
			}
		}
	}
	if s.WeightBytes() != sum {
		t.Errorf("WeightBytes is %d, the tensors have %d", s.WeightBytes(), sum)
	}
	for _, name := range []string{"conv1/kernel/folded", "depthwise/kernel/folded", "conv3/kernel/folded", "dense1/kernel/folded",
		"matmul1/kernel/folded", "matmul2/kernel/folded", "shared/kernel/folded", "conv4/kernel", "bn4/gamma", "bn5/gamma"} {
		if !seen[name] {
			t.Errorf("stage.weights has no %s", name)
		}
	}
	for _, name := range []string{"conv1/kernel", "conv1/bias", "bn1/gamma", "bn2/mean", "bn8/beta", "matmul1/bias", "shared_bn/gamma"} {
		if seen[name] {
			t.Errorf("stage.weights still has %s", name)
		}
	}
}

// TestEmptyTensor writes a tensor without elements between others.
func TestEmptyTensor(t *testing.T) {
	layout := onnx.Layout{}
	src := memory{}
	var tensors []tensor
	for k, n := range []int64{3, 0, 2} {
		key := string(rune('a' + k))
		src[key] = &stored{shape: graph.Shape{n}, data: []float32{1, 2, 3}[:n]}
		tensors = append(tensors, tensor{name: key, shape: graph.Shape{n}, weight: &graph.Weight{Key: key, Stored: graph.Shape{n}}, place: layout.Place(4 * n)})
	}
	var out bytes.Buffer
	if err := newPipeline(usual).write(&out, src, tensors); err != nil {
		t.Fatal(err)
	}
	if got := floats(t, out.Bytes()); int64(4*len(got)) != layout.Size() || len(got) != 1026 || got[2] != 3 || got[3] != 0 || got[1024] != 1 || got[1025] != 2 {
		t.Errorf("%d elements of %d bytes", len(got), layout.Size())
	}
}

// TestDeterministic writes the same model twice.
func TestDeterministic(t *testing.T) {
	var first []byte
	for range 2 {
		g, src := everything(t)
		stages, err := Stages(g, g.Cuts(), "test")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		for _, s := range stages {
			out.Write(s.model)
			if err := s.writeWeights(&out, src); err != nil {
				t.Fatal(err)
			}
		}
		if first == nil {
			first = out.Bytes()
		} else if !bytes.Equal(first, out.Bytes()) {
			t.Error("two writings differ")
		}
	}
}
