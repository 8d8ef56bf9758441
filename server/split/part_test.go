package split

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"partita/planner/graph"
	"partita/planner/onnx"
)

// TestParts streams random ranges of random tensors through random permutations within random bounds of memory.
func TestParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for n := range 500 {
		var shape graph.Shape
		for range 1 + rng.IntN(4) {
			shape = append(shape, 1+rng.Int64N(9))
		}
		if n%20 == 0 { // rows long enough to be read one by one, and many short ranges of them
			shape = graph.Shape{1 + rng.Int64N(20), []int64{3 * directRun, 900}[n/20%2]}
		}
		axis := rng.IntN(len(shape))
		if n%20 == 0 {
			axis = 1
		}
		p := &graph.Part{Axis: axis}
		p.From = rng.Int64N(shape[axis])
		p.To = p.From + 1 + rng.Int64N(shape[axis]-p.From)
		perm := rng.Perm(len(shape))
		s := &stored{shape: shape, data: make([]float32, shape.Elements(1))}
		for i := range s.data {
			s.data[i] = float32(i)
		}
		w := &graph.Weight{Key: "w", Stored: shape, Perm: perm, Part: p}
		taken := &stored{shape: w.Taken()}
		inner := shape[axis+1:].Elements(1)
		for i, v := range s.data {
			if at := int64(i) / inner % shape[axis]; at >= p.From && at < p.To {
				taken.data = append(taken.data, v)
			}
		}
		lim := limits{window: 1 + rng.Int64N(200), block: 1 + rng.Int64N(50)}
		if n%4 == 0 {
			lim = usual
		}
		var out bytes.Buffer
		one := tensor{shape: graph.Shape{w.Taken().Elements(1)}, weight: w, place: &onnx.External{Length: 4 * w.Taken().Elements(1)}}
		if err := newPipeline(lim).write(&out, memory{"w": s}, []tensor{one}); err != nil {
			t.Fatal(err)
		}
		want, got := naive(taken, perm), floats(t, out.Bytes())
		if len(got) != len(want) {
			t.Fatalf("%s of %v by %v: %d elements, want %d", w.ID(), shape, perm, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s of %v by %v: element %d is %v, want %v", w.ID(), shape, perm, i, got[i], want[i])
			}
		}
		if n == 40 && s.reads > 8 {
			t.Errorf("ranges of rows of 900 elements took %d reads", s.reads)
		}
	}
}
