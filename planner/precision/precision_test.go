package precision_test

import (
	"testing"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/precision"
)

func TestParse(t *testing.T) {
	for _, p := range precision.All {
		if got, err := precision.Parse(string(p)); err != nil || got != p {
			t.Errorf("%s is read as %s, %v", p, got, err)
		}
	}
	if got, err := precision.Parse(""); err != nil || got != precision.Float32 {
		t.Errorf("nothing is read as %s, %v", got, err)
	}
	if _, err := precision.Parse("int4"); diag.CodeOf(err) != "precision.unknown" {
		t.Errorf("int4: %v", err)
	}
}

// one makes a graph of one node whose second input (or first, for a table) is the weight in question.
func one(op string, stored, shape graph.Shape, w graph.Weight, attrs ...graph.Attr) *graph.Graph {
	w.Key, w.Stored = "w", stored
	return &graph.Graph{
		Values: []graph.Value{
			{Name: "x", DType: graph.Float32, Shape: graph.Shape{graph.Batch, 2048}, Producer: -1},
			{Name: "w", DType: graph.Float32, Shape: shape, Producer: -1, Weight: &w},
			{Name: "b", DType: graph.Float32, Shape: graph.Shape{8192}, Producer: -1, Weight: &graph.Weight{Key: "b", Stored: graph.Shape{8192}}},
			{Name: "y", DType: graph.Float32, Shape: graph.Shape{graph.Batch, 1}, Producer: 0},
		},
		Layers: []graph.Layer{{Name: "l", LastNode: 1}},
		Nodes:  []graph.Node{{Op: op, Name: "n", Inputs: []graph.ValueID{0, 1, 2}, Outputs: []graph.ValueID{3}, Attrs: attrs}},
	}
}

func TestEncodings(t *testing.T) {
	yes := func(name string) graph.Attr { return graph.Attr{Name: name, Kind: graph.AttrInt, Int: 1} }
	half := graph.Attr{Name: "alpha", Kind: graph.AttrFloat, Float: 0.5}
	matrix := graph.Shape{2048, 512}
	for _, c := range []struct {
		name            string
		g               *graph.Graph
		want            precision.Encoding
		numbers, factor int64
	}{
		{"a matrix", one("Gemm", matrix, matrix, graph.Weight{}), precision.Encoding{Form: precision.Product8, Axis: 1}, 1 << 20, 4 * 512},
		{"a matrix of MatMul", one("MatMul", matrix, matrix, graph.Weight{}), precision.Encoding{Form: precision.Product8, Axis: 1}, 1 << 20, 4 * 512},
		{"a swapped matrix", one("Gemm", matrix, matrix, graph.Weight{}, yes("transB")), precision.Encoding{Form: precision.Product8, Axis: 0, Transpose: true}, 1 << 20, 4 * 2048},
		{"a swapped matrix that is a reshaped tensor", one("Gemm", graph.Shape{1 << 20}, matrix, graph.Weight{}, yes("transB")), precision.Encoding{Form: precision.Widened8, Axis: 0}, 1 << 20, 4 * 2048},
		{"a scaled product", one("Gemm", matrix, matrix, graph.Weight{}, half), precision.Encoding{Form: precision.Widened8, Axis: 1}, 1 << 20, 4 * 512},
		{"a small matrix", one("Gemm", graph.Shape{64, 64}, graph.Shape{64, 64}, graph.Weight{}), precision.Encoding{Form: precision.Widened8, Axis: 1}, 4096, 256},
		{"a tiny matrix", one("Gemm", graph.Shape{64, 63}, graph.Shape{64, 63}, graph.Weight{}), precision.Encoding{}, 4 * 64 * 63, 0},
		{"a convolution", one("Conv", graph.Shape{3, 3, 32, 64}, graph.Shape{64, 32, 3, 3}, graph.Weight{Perm: []int{3, 2, 0, 1}}), precision.Encoding{Form: precision.Widened8}, 18432, 256},
		{"a transposed convolution", one("ConvTranspose", graph.Shape{32, 64, 3, 3}, graph.Shape{32, 64, 3, 3}, graph.Weight{}), precision.Encoding{Form: precision.Widened8, Axis: 1}, 18432, 256},
		{"recurrent gates", one("LSTM", graph.Shape{1, 64, 64}, graph.Shape{1, 64, 64}, graph.Weight{}), precision.Encoding{Form: precision.Widened8, Axis: 1}, 4096, 256},
		{"another domain's", func() *graph.Graph {
			g := one("Gemm", matrix, matrix, graph.Weight{})
			g.Nodes[0].Domain = "com.microsoft"
			return g
		}(), precision.Encoding{Form: precision.Widened8}, 1 << 20, 4 * 2048},
		{"an old operator set", func() *graph.Graph { g := one("MatMul", matrix, matrix, graph.Weight{}); g.Opset = 10; return g }(), precision.Encoding{Form: precision.Widened8, Axis: 1}, 1 << 20, 4 * 512},
		{"a matrix that is also looked up", func() *graph.Graph {
			g := one("MatMul", matrix, matrix, graph.Weight{})
			g.Nodes = append(g.Nodes, graph.Node{Op: "Gather", Inputs: []graph.ValueID{1, 0}, Outputs: []graph.ValueID{3}})
			return g
		}(), precision.Encoding{Form: precision.Widened8, Axis: 1}, 1 << 20, 4 * 512},
	} {
		got := precision.Encodings(c.g, precision.Int8)
		if got[1] != c.want || got[0] != (precision.Encoding{}) || got[2] != (precision.Encoding{}) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if n, f := got[1].Bytes(&c.g.Values[1]); n != c.numbers || f != c.factor {
			t.Errorf("%s takes %d and %d bytes, want %d and %d", c.name, n, f, c.numbers, c.factor)
		}
		halves := precision.Encodings(c.g, precision.Float16)[1]
		elements := c.g.Values[1].Shape.Elements(1)
		want := precision.Encoding{}
		if elements >= precision.Minimum {
			want.Form = precision.Half
		}
		if n, _ := halves.Bytes(&c.g.Values[1]); halves != want || n != halves.DType().Size()*elements {
			t.Errorf("%s as float16: %+v, %d bytes", c.name, halves, n)
		}
		for v, e := range precision.Encodings(c.g, precision.Float32) {
			if e != (precision.Encoding{}) {
				t.Errorf("%s: value %d of float32 is stored as %+v", c.name, v, e)
			}
		}
	}
}
