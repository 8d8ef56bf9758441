package engine

import (
	"testing"

	"partita/app/state"
	"partita/planner"
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

// What earlier models left is given up when another is opened, because a browser's worker never gives memory back; shown again, they are
// planned anew to the same answer.
func TestEngineForgetsProblems(t *testing.T) {
	e := &Engine{}
	first := state.OpenBuiltIn("MobileNet")
	before := asked(t, e, first, planner.DefaultRequest())
	for _, name := range []string{"MobileNetV2", "VGG16"} {
		asked(t, e, state.OpenBuiltIn(name), planner.DefaultRequest())
		for _, k := range e.kept[:len(e.kept)-1] {
			if k.problem != nil || k.frontier != nil {
				t.Errorf("beside %s a problem is kept", name)
			}
		}
		if len(e.kept) > keptModels {
			t.Errorf("%d models are kept", len(e.kept))
		}
	}
	if after := asked(t, e, first, planner.DefaultRequest()); after.Answer.Plan.CostPicoUSD != before.Answer.Plan.CostPicoUSD || after.Answer.Frontier.Points != before.Answer.Frontier.Points {
		t.Errorf("planned anew it costs %d, before %d", after.Answer.Plan.CostPicoUSD, before.Answer.Plan.CostPicoUSD)
	}
}
