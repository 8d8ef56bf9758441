package export

import (
	"strings"
	"testing"

	"partita/internal/models"
	"partita/planner"
)

// The drawing of a plan that computes a layer in parts shows the parts: the numbers of layers in the plan count them.
func TestGraphOfLayersInParts(t *testing.T) {
	m := models.Zoo(t, "VGG16")
	r, err := planner.ParseQuery("pack=zip&mb=2048,3008")
	if err != nil {
		t.Fatal(err)
	}
	p, err := planner.Make(m, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Stages) == 0 || len(p.Model.Splits) != 1 || p.Model.Splits[0].Layer != "fc1" {
		t.Fatalf("%d stages, parts %v", len(p.Stages), p.Model.Splits)
	}
	drawing := string(mustExport(t, p, "svg-graph", Options{}))
	for _, part := range []string{"fc1 (1 of ", "fc1 (2 of ", "fc1 (Dense)"} {
		if !strings.Contains(drawing, part) {
			t.Errorf("the drawing does not show %q", part)
		}
	}
}
