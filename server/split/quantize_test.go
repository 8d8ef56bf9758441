package split

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/onnx"
	"partita/planner/precision"
)

// Every float16 survives widening and rounding, and what lies between two goes to the nearer, from the middle to the even one.
func TestHalf(t *testing.T) {
	for h := range uint32(0x7c00) {
		for _, sign := range []uint32{0, 0x8000} {
			h := uint16(h | sign)
			if got := half(wide(h)); got != h {
				t.Fatalf("%#x widens to %v and rounds to %#x", h, wide(h), got)
			}
		}
	}
	for h := uint16(0); h < 0x7bff; h++ {
		low, high := wide(h), wide(h+1)
		middle := (low + high) / 2
		even := h + h&1
		for _, c := range []struct {
			v    float32
			want uint16
		}{{middle, even}, {math.Nextafter32(middle, 0), h}, {math.Nextafter32(middle, math.MaxFloat32), h + 1}} {
			if got := half(c.v); got != c.want {
				t.Fatalf("%v between %v and %v rounds to %#x, want %#x", c.v, low, high, got, c.want)
			}
		}
	}
	if wide(0x3c00) != 1 || wide(0x7bff) != maxHalf || wide(1) != 1.0/(1<<24) || wide(0xc000) != -2 {
		t.Error("float16 is not IEEE 754's")
	}
}

// TestEncodings streams random tensors in every form, through random permutations and folds within random bounds of
// memory, and compares with arithmetic done the obvious way.
func TestEncodings(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := range 600 {
		form := []precision.Form{precision.Half, precision.Widened8, precision.Product8}[n%3]
		var shape, stored32 graph.Shape
		for range 2 + rng.IntN(3) {
			stored32 = append(stored32, 1+rng.Int64N(7))
		}
		perm := rng.Perm(len(stored32))
		for _, a := range perm {
			shape = append(shape, stored32[a])
		}
		axis := rng.IntN(len(shape))
		if form == precision.Half {
			axis = 0
		}
		channels, inner := shape[axis], shape[axis+1:].Elements(1)
		data := make([]float32, shape.Elements(1))
		for i := range data {
			data[i] = float32(rng.NormFloat64())
		}
		src := memory{"w": &stored{shape: stored32, data: data}, "v": &stored{shape: graph.Shape{3}, data: []float32{1, 2, 3}}}
		kernel := tensor{name: "w", dtype: graph.Float32, shape: shape, weight: &graph.Weight{Key: "w", Stored: stored32, Perm: perm},
			encoding: precision.Encoding{Form: form, Axis: axis}, axis: axis}
		gain := float32(1)
		if n%2 == 0 {
			gain = 3
			kernel.fold = &fold{channels: channels}
			for _, v := range []*vector{&kernel.fold.gamma, &kernel.fold.beta, &kernel.fold.mean, &kernel.fold.variance} {
				v.values = make([]float32, channels)
			}
			for c := range channels {
				kernel.fold.gamma.values[c], kernel.fold.variance.values[c] = gain, 1
			}
		}
		var tensors []tensor
		layout := onnx.Layout{}
		if form != precision.Half {
			tensors = append(tensors, (&encoder{names: map[string]bool{}, opset: 17}).factors("w", &kernel))
		}
		kernel.dtype = kernel.encoding.DType()
		tensors = append(tensors, kernel, tensor{name: "v", dtype: graph.Float32, shape: graph.Shape{3}, weight: &graph.Weight{Key: "v", Stored: graph.Shape{3}}})
		for i := range tensors {
			x := &tensors[i]
			x.place = layout.Place(x.dtype.Size() * x.shape.Elements(1))
		}
		lim := limits{window: 1 + rng.Int64N(200), block: 1 + rng.Int64N(50)}
		if n%5 == 0 {
			lim = usual
		}
		p := newPipeline(lim)
		var out bytes.Buffer
		if err := p.write(&out, src, tensors); err != nil {
			t.Fatal(err)
		}
		if int64(out.Len()) != layout.Size() {
			t.Fatalf("%d bytes, want %d", out.Len(), layout.Size())
		}
		if got := floats(t, out.Bytes()[tensors[len(tensors)-1].place.Offset:]); got[0] != 1 || got[2] != 3 {
			t.Fatalf("the tensor behind is %v", got)
		}
		want := naive(src["w"], perm)
		peaks := make([]float64, channels)
		for i, w := range want {
			want[i] = w * gain
			c := int64(i) / inner % channels
			peaks[c] = max(peaks[c], math.Abs(float64(want[i])))
		}
		var loss Loss
		numbers := out.Bytes()[tensors[len(tensors)-2].place.Offset:]
		for i, w := range want {
			got, bound := 0.0, 0.0
			if form == precision.Half {
				got, bound = float64(wide(binary.LittleEndian.Uint16(numbers[2*i:]))), math.Abs(float64(w))/2048
			} else {
				c := int64(i) / inner % channels
				unit := float64(math.Float32frombits(binary.LittleEndian.Uint32(out.Bytes()[4*c:])))
				if math.Abs(unit-peaks[c]/127) > 1e-6*unit {
					t.Fatalf("the unit of channel %d is %v, its peak %v", c, unit, peaks[c])
				}
				q := int(int8(numbers[i]))
				if form == precision.Product8 {
					q = int(numbers[i]) - 128
				}
				if q < -127 || q > 127 {
					t.Fatalf("element %d is stored as %d", i, q)
				}
				got, bound = float64(q)*unit, unit/2
			}
			if math.Abs(got-float64(w)) > bound*1.0001+1e-7 {
				t.Fatalf("form %d, %v by %v within %+v: element %d is %v, want %v within %v", form, stored32, perm, lim, i, got, w, bound)
			}
			loss.Differences += (got - float64(w)) * (got - float64(w))
			loss.Weights += float64(w) * float64(w)
		}
		if math.Abs(p.loss.Relative()-loss.Relative()) > 1e-5*loss.Relative()+1e-7 {
			t.Fatalf("the loss is %v, want %v", p.loss.Relative(), loss.Relative())
		}
		if len(p.blocks) != sinkBlocks || len(p.windows) != windows {
			t.Fatalf("%d blocks and %d windows came back", len(p.blocks), len(p.windows))
		}
	}
}

// What a type cannot hold is refused by the weight's name, and the buffers come back.
func TestEncodingRefuses(t *testing.T) {
	for _, c := range []struct {
		form  precision.Form
		value float32
	}{{precision.Half, 1e5}, {precision.Half, float32(math.Inf(-1))}, {precision.Half, float32(math.NaN())}, {precision.Widened8, float32(math.NaN())}, {precision.Product8, float32(math.Inf(1))}} {
		src := memory{"big/kernel": &stored{shape: graph.Shape{2, 2}, data: []float32{1, c.value, 0, 2}}}
		kernel := tensor{name: "w", shape: graph.Shape{2, 2}, weight: &graph.Weight{Key: "big/kernel", Stored: graph.Shape{2, 2}}, encoding: precision.Encoding{Form: c.form, Axis: 1}}
		layout := onnx.Layout{}
		var tensors []tensor
		if c.form != precision.Half {
			tensors = append(tensors, (&encoder{names: map[string]bool{}, opset: 17}).factors("w", &kernel))
		}
		kernel.dtype = kernel.encoding.DType()
		tensors = append(tensors, kernel)
		for i := range tensors {
			tensors[i].place = layout.Place(tensors[i].dtype.Size() * tensors[i].shape.Elements(1))
		}
		p := newPipeline(usual)
		err := p.write(&bytes.Buffer{}, src, tensors)
		if diag.CodeOf(err) != "split.weight-range" || !bytes.Contains([]byte(err.Error()), []byte("big/kernel")) {
			t.Errorf("%v as form %d: %v", c.value, c.form, err)
		}
		if len(p.blocks) != sinkBlocks || len(p.windows) != windows {
			t.Fatalf("%d blocks and %d windows came back", len(p.blocks), len(p.windows))
		}
	}
	// A channel of zeros has a unit all the same.
	if units := factorsOf([]float32{0, 127, math.SmallestNonzeroFloat32}); units[0] != 1 || units[1] != 1 || units[2] != 1 {
		t.Errorf("units %v", units)
	}
}
