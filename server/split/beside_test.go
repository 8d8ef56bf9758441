package split

import (
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/diag"
	"partita/runtime/wire"
)

// Sections beside each other take what their own layers read and give what is read after them; one that needs another is refused.
func TestSectionsSideBySide(t *testing.T) {
	m := models.Towers(t, fixture.Towers{Size: 8, Filters: []int{4, 6}, Depth: 1})
	// image, stem, two convolutions, two poolings, join, classes: the towers are interleaved
	g := m.Graph
	names := map[string]int{}
	for l := range g.Layers {
		names[g.Layers[l].Name] = l
	}
	stem, join := names["stem"]+1, names["join"]
	middle := stem + (join-stem)/2
	if g.Layers[middle].Name != "tower1_pool" && g.Layers[middle].Name != "tower2_conv1" {
		t.Fatalf("the layers stand in another order: %v", names)
	}
	sections := []Section{{End: stem}, {End: middle, Branch: 1}, {End: join, Branch: 2}, {End: len(g.Layers)}}
	stages, err := Sections(g, sections, "test")
	if g.Layers[middle].Name == "tower1_pool" {
		if diag.CodeOf(err) != "split.bad-branches" {
			t.Fatalf("a branch that needs another is accepted: %v", err)
		}
		// Poolings beside each other need only the convolutions before them.
		sections = []Section{{End: middle}, {End: middle + 1, Branch: 1}, {End: join, Branch: 2}, {End: len(g.Layers)}}
		if stages, err = Sections(g, sections, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	list := func(specs []wire.TensorSpec) (names []string) {
		for _, s := range specs {
			names = append(names, s.Name)
		}
		return names
	}
	for _, k := range []int{1, 2} {
		if in, out := list(stages[k].Manifest.Inputs), list(stages[k].Manifest.Outputs); len(in) != 1 || len(out) != 1 || in[0] == out[0] {
			t.Errorf("branch %d takes %v and gives %v", k, in, out)
		}
	}
	if got := list(stages[3].Manifest.Inputs); len(got) != 2 {
		t.Errorf("the stage after them takes %v", got)
	}
	alone, err := Stages(g, []int{sections[0].End, sections[1].End, sections[2].End}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if got := list(alone[2].Manifest.Inputs); len(got) != 2 {
		t.Errorf("one after another the third stage takes %v", got)
	}
}
