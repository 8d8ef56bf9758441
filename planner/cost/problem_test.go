package cost_test

import (
	"math/rand/v2"
	"testing"

	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/solve"
)

// The law and the instance written out must be the same problem, with the same frontier.
func TestProblemAgreesWithInstance(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 7))
	for round := range 200 {
		g := randomGraph(rng)
		p := mustPlatform(t, platform.Names()[round%len(platform.Names())])
		settings := cost.Settings{
			Scenario: scenarios[rng.IntN(3)], Batch: 1 + rng.Int64N(40), MinStages: 1 + rng.IntN(2), MaxStages: 2 + rng.IntN(4),
			Transport: []string{"", cost.Inline, cost.S3}[rng.IntN(3)],
		}
		if rng.IntN(3) == 0 {
			settings.Arrivals = &cost.Arrivals{ColdPpm: rng.Int64N(1_000_001)}
		}
		if rng.IntN(3) == 0 {
			all := p.Grid(p.MemoryStepMB)
			settings.Pins = cost.Pins{Memory: []cost.MemoryPin{{First: 1, Last: 2 + rng.IntN(2), MemoryMB: all[len(all)/2+rng.IntN(len(all)/2)]}}}
		}
		if rng.IntN(2) == 0 {
			all := p.Grid(p.MemoryStepMB)
			k := 0
			for range 1 + rng.IntN(12) {
				if k += rng.IntN(1 + len(all)/6); k < len(all) && (len(settings.MemoryMB) == 0 || settings.MemoryMB[len(settings.MemoryMB)-1] < all[k]) {
					settings.MemoryMB = append(settings.MemoryMB, all[k])
				}
			}
		}
		table := mustTable(t, g, p, settings)
		problem := table.Problem()
		in := mustInstance(t, table)
		want, got := solve.Solve(in, 0), problem.Solve(solve.Effort{})
		if got.Status != want.Status || len(got.Frontier) != len(want.Frontier) {
			t.Fatalf("round %d: %s, %d points by the law, %s, %d written out", round, got.Status, len(got.Frontier), want.Status, len(want.Frontier))
		}
		for i := range want.Frontier {
			total, err := problem.Evaluate(got.Stages(i))
			if got.Frontier[i] != want.Frontier[i] || err != nil || total != want.Frontier[i] {
				t.Fatalf("round %d: point %d is %v (%v, %v) by the law, %v written out", round, i, got.Frontier[i], total, err, want.Frontier[i])
			}
		}
	}
}
