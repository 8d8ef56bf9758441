//go:build cgo

package split

import (
	"fmt"
	"testing"

	"partita/planner/precision"
	"partita/planner/rewrite"
)

// TestLayersInParts computes layers of every kind in parts, whole and cut between any two of them, and in every precision.
func TestLayersInParts(t *testing.T) {
	runtimeReady(t)
	for _, c := range []struct {
		name   string
		splits []rewrite.Split
	}{
		{"large", []rewrite.Split{{Layer: "conv1", Parts: 3}, {Layer: "dense1", Parts: 2}, {Layer: "dense2", Parts: 5}, {Layer: "dense3", Parts: 2}, {Layer: "dense4", Parts: 3}, {Layer: "product", Parts: 4}, {Layer: "classes", Parts: 10}}},
		{"everything", []rewrite.Split{{Layer: "conv1", Parts: 8}, {Layer: "conv3", Parts: 3}, {Layer: "conv4", Parts: 2}, {Layer: "matmul1", Parts: 7}, {Layer: "dense1", Parts: 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, src := everything(t)
			if c.name == "large" {
				g, src = large(t)
			}
			given := randomInputs(newModel(t, ""), g, 2)
			exact, err := Stages(g, nil, "test")
			must(t, err)
			want := runStages(t, exact, src, given)
			inParts, err := rewrite.Apply(g, c.splits)
			must(t, err)
			must(t, inParts.Validate())
			cuts := inParts.Cuts()
			ways := [][]int{nil, cuts}
			for _, cut := range cuts {
				ways = append(ways, []int{cut})
			}
			for _, way := range ways {
				stages, err := Stages(inParts, way, "test")
				must(t, err)
				same(t, fmt.Sprintf("cuts %v", way), runStages(t, stages, src, given), want, 2e-5)
			}
			for _, p := range []precision.Precision{precision.Float16, precision.Int8} {
				ps := make([]precision.Precision, len(cuts)+1)
				for i := range ps {
					ps[i] = p
				}
				stages, err := Stages(inParts, cuts, "test", ps...)
				must(t, err)
				d := distance(runStages(t, stages, src, given), want)
				t.Logf("%s: %.2e away", p, d)
				if d > 0.15 {
					t.Errorf("%s: %g away", p, d)
				}
			}
		})
	}
}
