package state

import (
	"bytes"
	"testing"

	"partita/planner"
	"partita/planner/diag"
	"partita/planner/synthetic"
)

func TestGallery(t *testing.T) {
	s, err := Try("MobileNetV3Small", planner.DefaultRequest())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Weights) > 0 || s.BuiltIn != "MobileNetV3Small" || s.Inspect.Parameters != 2554968 || len(s.Plan.Stages) == 0 {
		t.Errorf("opened as %+v with %d stages", s.Inspect, len(s.Plan.Stages))
	}
	if note := s.ReadNote(func(int64) string { return "?" }); note != "built in" {
		t.Errorf("a built-in architecture is noted as %q", note)
	}
	if _, err := Try("AlexNet", planner.DefaultRequest()); diag.CodeOf(err) != "zoo.unknown" {
		t.Errorf("got %v, want code zoo.unknown", err)
	}

	// Weights alone are those of the model that is open.
	var made bytes.Buffer
	if err := synthetic.Write(&made, s.Model); err != nil {
		t.Fatal(err)
	}
	weights := &counted{name: "w.h5", raw: made.Bytes()}
	with, err := OpenBeside(t.Context(), s, []File{weights}, s.Request)
	if err != nil {
		t.Fatal(err)
	}
	if len(with.Weights) != 1 || with.Weights[0] != File(weights) || with.Plan != s.Plan || len(s.Weights) > 0 {
		t.Error("the weights do not belong to the model that is open")
	}
	if err := with.Change(func(r *planner.Request) { r.MinStages = 2 }); err != nil || len(with.Plan.Stages) < 2 {
		t.Errorf("the model with its weights cannot be planned anew: %v", err)
	}
	if _, err := OpenBeside(t.Context(), nil, []File{weights}, s.Request); diag.CodeOf(err) != "model.weights-only" {
		t.Errorf("got %v, want code model.weights-only", err)
	}
	other, err := Try("MobileNetV2", planner.DefaultRequest())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBeside(t.Context(), other, []File{weights}, s.Request); diag.CodeOf(err) != "weights.missing" {
		t.Errorf("got %v, want code weights.missing", err)
	}
}
