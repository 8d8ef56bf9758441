package split

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"partita/planner/graph"
	"partita/planner/onnx"
)

// TestBlocks cuts weights into blocks that change places, as the gates of recurrent layers do.
func TestBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := range 200 {
		blocks := rng.Perm(1 + rng.IntN(8))
		units := 1 + rng.Int64N(9)
		shape, perm := graph.Shape{int64(len(blocks)) * units}, []int(nil)
		if n%2 == 0 {
			shape, perm = graph.Shape{1 + rng.Int64N(20), int64(len(blocks)) * units}, []int{1, 0}
		}
		s := &stored{shape: shape, data: make([]float32, shape.Elements(1))}
		for i := range s.data {
			s.data[i] = rng.Float32()
		}
		lim := limits{window: 1 + rng.Int64N(100), block: 1 + rng.Int64N(50)}
		if n%3 == 0 {
			lim = usual
		}
		one := tensor{shape: graph.Shape{1, shape.Elements(1)}, weight: &graph.Weight{Key: "w", Stored: shape, Perm: perm, Blocks: blocks},
			place: &onnx.External{Length: 4 * shape.Elements(1)}}
		var out bytes.Buffer
		if err := newPipeline(lim).write(&out, memory{"w": s}, []tensor{one}); err != nil {
			t.Fatal(err)
		}
		arranged, size := naive(s, perm), shape.Elements(1)/int64(len(blocks))
		got := floats(t, out.Bytes())
		for k, b := range blocks {
			for i := range size {
				if got[int64(k)*size+i] != arranged[int64(b)*size+i] {
					t.Fatalf("%v by %v in blocks %v within %+v: element %d of block %d differs", shape, perm, blocks, lim, i, k)
				}
			}
		}
	}
}
