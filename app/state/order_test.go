package state

import (
	"testing"

	"partita/planner/plan"
)

// A model is shown in the order of a plan's layers, the same drawing as long as the order is the same, and as it was given otherwise.
func TestModelInOrder(t *testing.T) {
	given := &Model{Layers: []Layer{{Name: "a"}, {Name: "b"}}, Format: "f"}
	answer := func(first int) *Answer {
		return &Answer{Plan: &plan.Plan{Model: plan.Model{Order: []plan.Reordering{{FirstLayer: first, Layers: []int{2, 1}}}}}, Ordered: &Ordered{Layers: []Layer{{Name: "b"}, {Name: "a"}}}}
	}
	v := View{Model: given}.Answered(answer(1))
	if v.Model == given || v.Model.Layers[0].Name != "b" || v.Model.Format != "f" || given.Layers[0].Name != "a" {
		t.Errorf("%+v", v.Model)
	}
	if again := v.Answered(answer(1)); again.Model != v.Model {
		t.Error("the same order is another drawing")
	}
	if other := v.Answered(answer(2)); other.Model == v.Model {
		t.Error("another order is the same drawing")
	}
	if back := v.Answered(&Answer{Plan: &plan.Plan{}}); back.Model != given {
		t.Error("without an order it is not the given model")
	}
}
