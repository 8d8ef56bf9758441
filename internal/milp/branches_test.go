package milp

import (
	"fmt"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/rewrite"
	"partita/planner/solve"
)

// Models whose towers may run side by side: a wave is a stage of one option each, for CBC as for the planner.
func TestBranches(t *testing.T) {
	c := mustFind(t)
	for n, m := range []fixture.Towers{
		{Size: 64, Filters: []int{64, 32}, Depth: 8, Level: true},
		{Size: 96, Filters: []int{64, 64, 48}, Depth: 8, Apart: true},
		{Size: 96, Filters: []int{32, 64, 64, 32}, Depth: 8},
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			model := models.Towers(t, m)
			g := model.Graph
			ns := make([]int64, len(g.Layers))
			for i := range g.Nodes {
				ns[g.Nodes[i].Layer] += g.Work(i).FLOPs
			}
			order, regions := rewrite.Branches(g, ns, 1_000_000, nil)
			if len(regions) != 1 {
				t.Fatalf("%d regions", len(regions))
			}
			if order != nil {
				var err error
				if g, err = rewrite.Reorder(g, order); err != nil {
					t.Fatal(err)
				}
			}
			on, err := platform.Get(platform.Names()[n%len(platform.Names())])
			if err != nil {
				t.Fatal(err)
			}
			for k, scenario := range scenarios {
				s := cost.Settings{Scenario: scenario, MinStages: 1, MaxStages: 4, MemoryMB: sizes(on, 4+n+k), Batch: 1, GatewayMemoryMB: on.GatewayMemoryMB,
					Regions: [][]int{regions[0].Bounds}}
				if (n+k)%4 == 1 {
					s.Arrivals = &cost.Arrivals{ColdPpm: 345_678}
				}
				table, err := cost.NewTable(g, on, s)
				if err != nil {
					t.Fatal(err)
				}
				in, err := table.Instance()
				if err != nil {
					t.Fatal(err)
				}
				law := table.Problem()
				waves := 0
				o := ours{law.Solve(solve.Effort{}), func(c solve.Choice) step {
					stage := &law.Stages[c.Segment]
					return step{int(stage.I), int(stage.J), law.Option(c.Segment, c.Option)}
				}}
				for point := range o.result.Frontier {
					for _, choice := range o.result.Stages(point) {
						if cost.IsWave(&law.Stages[choice.Segment]) {
							waves++
						}
					}
				}
				what := fmt.Sprintf("%s %s, %v MB, arrivals %v", on.Name, scenario, s.MemoryMB, s.Arrivals)
				t.Logf("%s: %d points, %d with functions side by side", what, len(o.result.Frontier), waves)
				agree(t, c, what, in, o, NoSLO)
				points := len(o.result.Frontier)
				agree(t, c, what, in, o, o.result.Frontier[points/2].LatencyUs-1)
				agree(t, c, what, in, o, o.result.Frontier[0].LatencyUs)
			}
		})
	}
}
