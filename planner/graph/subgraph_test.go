package graph_test

import (
	"slices"
	"testing"

	"partita/planner/graph"
)

// chain is a model of six layers: an input, a, b (which reads a weight twice), c (which reads a and b), a second input,
// and d, which reads c, the second input and the weight again. The outputs are d's and a's.
func chain() *graph.Graph {
	value := func(name string, producer int) graph.Value {
		return graph.Value{Name: name, DType: graph.Float32, Shape: graph.Shape{graph.Batch, 2}, Producer: producer}
	}
	g := &graph.Graph{
		Name: "chain",
		Values: []graph.Value{
			0: value("x", -1), 1: value("y", -1),
			2: {Name: "w", DType: graph.Float32, Shape: graph.Shape{2}, Producer: -1, Weight: &graph.Weight{Key: "w", Stored: graph.Shape{2}}},
			3: {Name: "k", DType: graph.Float32, Shape: graph.Shape{1}, Producer: -1, Const: &graph.Const{Float32s: []float32{3}}},
			4: value("a", 0), 5: value("b0", 1), 6: value("b", 2), 7: value("c", 3), 8: value("d", 4),
		},
		Inputs:  []graph.Port{{Name: "x", Value: 0}, {Name: "y", Value: 1}},
		Outputs: []graph.Port{{Name: "d", Value: 8}, {Name: "a", Value: 4}},
	}
	layer := func(name string, nodes ...graph.Node) {
		first := len(g.Nodes)
		for i := range nodes {
			nodes[i].Layer = len(g.Layers)
			nodes[i].Name = nodes[i].Op + name
		}
		g.Nodes = append(g.Nodes, nodes...)
		g.Layers = append(g.Layers, graph.Layer{Name: name, FirstNode: first, LastNode: len(g.Nodes)})
	}
	op := func(op string, out graph.ValueID, in ...graph.ValueID) graph.Node {
		return graph.Node{Op: op, Inputs: in, Outputs: []graph.ValueID{out}}
	}
	layer("x")
	layer("a", op("Relu", 4, 0))
	layer("b", op("Mul", 5, 4, 2), op("Clip", 6, 5, graph.None, 2))
	layer("c", op("Add", 7, 4, 6))
	layer("y")
	layer("d", op("Sum", 8, 7, 1, 2, 3))
	return g
}

func TestSubgraph(t *testing.T) {
	g := chain()
	live := g.Live()
	ids := func(v ...graph.ValueID) []graph.ValueID { return v }
	for _, c := range []struct {
		first, last                                               int
		inputs, outputs, used, made, passThrough, weights, consts []graph.ValueID
		nodes                                                     [2]int
	}{
		{0, 6, ids(0, 1), ids(4, 8), ids(0, 1), ids(4, 8), nil, ids(2), ids(3), [2]int{0, 5}},
		{0, 2, ids(0, 1), ids(1, 4), ids(0), ids(4), ids(1), nil, nil, [2]int{0, 1}},
		{2, 3, ids(1, 4), ids(1, 4, 6), ids(4), ids(6), ids(1, 4), ids(2), nil, [2]int{1, 3}},
		{3, 5, ids(1, 4, 6), ids(1, 4, 7), ids(4, 6), ids(7), ids(1, 4), nil, nil, [2]int{3, 4}},
		{5, 6, ids(1, 4, 7), ids(4, 8), ids(1, 7), ids(8), ids(4), ids(2), ids(3), [2]int{4, 5}},
		{0, 1, ids(0, 1), ids(0, 1), nil, nil, ids(0, 1), nil, nil, [2]int{0, 0}},
	} {
		s := g.Subgraph(live, c.first, c.last)
		if s.First != c.first || s.Last != c.last || s.FirstNode != c.nodes[0] || s.LastNode != c.nodes[1] ||
			!slices.Equal(s.Inputs, c.inputs) || !slices.Equal(s.Outputs, c.outputs) || !slices.Equal(s.Used, c.used) ||
			!slices.Equal(s.Made, c.made) || !slices.Equal(s.PassThrough, c.passThrough) || !slices.Equal(s.Weights, c.weights) ||
			!slices.Equal(s.Consts, c.consts) {
			t.Errorf("layers [%d, %d): %+v", c.first, c.last, s)
		}
	}
}

// TestSubgraphsCompose cuts the chain in every way: each value a stage needs is one that the stage before hands on.
func TestSubgraphsCompose(t *testing.T) {
	g := chain()
	live := g.Live()
	n := len(g.Layers)
	for mask := range 1 << (n - 1) {
		have := map[graph.ValueID]bool{0: true, 1: true}
		first, nodes := 0, 0
		for last := 1; last <= n; last++ {
			if last < n && mask>>(last-1)&1 == 0 {
				continue
			}
			s := g.Subgraph(live, first, last)
			next := map[graph.ValueID]bool{}
			for _, v := range append(slices.Clone(s.Inputs), s.PassThrough...) {
				if !have[v] {
					t.Fatalf("cuts %b: layers [%d, %d) need %d, which is not handed on", mask, first, last, v)
				}
			}
			for _, v := range append(slices.Clone(s.Made), s.PassThrough...) {
				next[v] = true
			}
			if len(next) != len(s.Outputs) {
				t.Fatalf("cuts %b: outputs %v are not made %v and passed through %v", mask, s.Outputs, s.Made, s.PassThrough)
			}
			have, first, nodes = next, last, nodes+s.LastNode-s.FirstNode
		}
		if nodes != len(g.Nodes) || !have[8] || !have[4] {
			t.Fatalf("cuts %b: %d nodes, outputs %v", mask, nodes, have)
		}
	}
}

func TestSubgraphPanics(t *testing.T) {
	g := chain()
	for _, c := range [][2]int{{-1, 2}, {2, 2}, {3, 2}, {0, 7}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("layers [%d, %d) are accepted", c[0], c[1])
				}
			}()
			g.Subgraph(g.Live(), c[0], c[1])
		}()
	}
}
