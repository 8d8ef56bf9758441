package milp

import (
	"fmt"
	"math"
	"testing"

	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/solve"
)

// One search over several gateways finds, within any SLO, the cheapest of the plans that CBC finds with each.
func TestGateways(t *testing.T) {
	c := mustFind(t)
	m := mustModel(t, "keras3/MobileNet")
	for k, scenario := range scenarios {
		t.Run(string(scenario), func(t *testing.T) {
			t.Parallel()
			on, err := platform.Get("aws-lambda-x86_64")
			if err != nil {
				t.Fatal(err)
			}
			s := cost.Settings{Scenario: scenario, MinStages: 1, MaxStages: 4, MemoryMB: sizes(on, 5+k), Batch: 1, GatewayMemoryMB: on.GatewayMemoryMB, PicturePixels: 2_000_000,
				Pins: cost.Pins{NoCuts: noCuts(m.Graph, 7)}}
			table, err := cost.NewTable(m.Graph, on, s)
			if err != nil {
				t.Fatal(err)
			}
			var gates []solve.Gate
			var instances []*solve.Instance
			for _, memoryMB := range []int64{128, 320, 704, 1792} {
				own := table.WithGateway(memoryMB)
				in, err := own.Instance()
				if err != nil {
					t.Fatal(err)
				}
				gates, instances = append(gates, table.Gate(own)), append(instances, in)
			}
			_, r, which := table.Outline().SolveThrough(gates, solve.Effort{})
			used := map[int]bool{}
			for _, point := range []int{0, len(r.Frontier) / 2, len(r.Frontier) - 1} {
				want := r.Frontier[point]
				used[which[point]] = true
				least := int64(math.MaxInt64)
				for _, in := range instances {
					a, err := c.Solve(t.Context(), t.TempDir(), in, want.LatencyUs)
					if err != nil {
						t.Fatal(err)
					}
					if a.Feasible() {
						least = min(least, a.Total.CostPicoUSD)
					}
				}
				if least != want.CostPicoUSD {
					t.Errorf("within %d us CBC's cheapest plan costs %d, ours %d", want.LatencyUs, least, want.CostPicoUSD)
				}
			}
			if len(used) < 2 {
				t.Error(fmt.Sprint("only one gateway was ever the best: ", used))
			}
		})
	}
}
