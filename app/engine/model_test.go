package engine

import (
	"testing"

	"partita/planner/graph"
)

// twoLayers is a model: a dense layer of 4 by 3 and one of 3 by 2 that share no weights.
func twoLayers() *graph.Graph {
	value := func(name string, producer int, weight *graph.Weight, shape ...int64) graph.Value {
		return graph.Value{Name: name, DType: graph.Float32, Shape: shape, Producer: producer, Weight: weight}
	}
	return &graph.Graph{
		Layers: []graph.Layer{{Name: "a", Class: "Dense", LastNode: 1}, {Name: "b", Class: "Dense", FirstNode: 1, LastNode: 2}},
		Values: []graph.Value{
			value("x", -1, nil, graph.Batch, 4), value("a/kernel", -1, &graph.Weight{Key: "a/kernel"}, 4, 3), value("a", 0, nil, graph.Batch, 3),
			value("b/kernel", -1, &graph.Weight{Key: "b/kernel"}, 3, 2), value("b", 1, nil, graph.Batch, 2),
		},
		Nodes: []graph.Node{
			{Op: "MatMul", Layer: 0, Inputs: []graph.ValueID{0, 1}, Outputs: []graph.ValueID{2}},
			{Op: "MatMul", Layer: 1, Inputs: []graph.ValueID{2, 3}, Outputs: []graph.ValueID{4}},
		},
		Inputs:  []graph.Port{{Name: "x", Value: 0}},
		Outputs: []graph.Port{{Name: "b", Value: 4}},
	}
}

func TestModelCounts(t *testing.T) {
	if got := layerWeights(twoLayers()); got[0] != 48 || got[1] != 24 {
		t.Errorf("the layers hold %v bytes, want 48 and 24", got)
	}
	if got := crossings(twoLayers()); got[0] != 16 || got[1] != 12 || got[2] != 8 {
		t.Errorf("%v bytes cross, want 16, 12, 8", got)
	}
}
