package cost_test

import (
	"math/rand/v2"
	"testing"

	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
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
		if rng.IntN(4) == 0 { // temporary storage that costs as much as a third of the memory does
			dear := *p
			dear.TemporaryMB, dear.MaxTemporaryMB, dear.TemporaryPicoUSDPerGBs = 16, 10240, 5_000_000
			p, settings.Variants = &dear, []cost.Variant{cost.Plain, {Packaging: plan.PackagingS3, Precision: precision.Float32}}
		}
		if rng.IntN(3) == 0 {
			settings.Arrivals = &cost.Arrivals{ColdPpm: rng.Int64N(1_000_001)}
		}
		if rng.IntN(3) == 0 {
			all := p.Grid(p.MemoryStepMB)
			settings.Pins = cost.Pins{Memory: []cost.MemoryPin{{First: 1, Last: 2 + rng.IntN(2), MemoryMB: all[len(all)/2+rng.IntN(len(all)/2)]}}}
		}
		if rng.IntN(3) == 0 {
			settings.Pins.Precision = []cost.PrecisionPin{{First: 1, Last: 2 + rng.IntN(2), Precision: precision.All[rng.IntN(len(precision.All))]}}
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
		if rng.IntN(2) == 0 {
			b := cost.Batching{Inputs: settings.Batch + rng.Int64N(4*settings.Batch), Batch: settings.Batch}
			b.Pipelines = 1 + rng.Int64N(b.Passes())
			table = table.With(b, settings.MinStages, settings.MaxStages, 0)
		}
		problem := table.Problem()
		for k := range 20 {
			s := rng.IntN(max(len(problem.Stages), 1))
			if s >= len(problem.Stages) || problem.Stages[s].Low >= problem.Stages[s].High {
				break
			}
			stage := &problem.Stages[s]
			size := int(stage.Low) + rng.IntN(int(stage.High-stage.Low))
			account := table.StageAs(int(stage.Variant), int(stage.I), int(stage.J), problem.Sizes[size].MemoryMB)
			if o := problem.Option(s, size); o != account.Option() {
				t.Fatalf("round %d, %d: %+v: the law gives %+v, the account %+v", round, k, table.Batching(), o, account.Option())
			}
		}
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

// Whatever is allowed beside, no SLO costs more; and a frontier falls strictly.
func TestLooserNeverCostsMore(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 9))
	compared := 0
	for round := range 90 {
		g := randomGraph(rng)
		p := mustPlatform(t, platform.Names()[round%len(platform.Names())])
		all := p.Grid(0)
		tight := cost.Settings{Scenario: scenarios[round/2%3], MinStages: 1 + rng.IntN(2), MaxStages: 2 + rng.IntN(2), Transport: cost.S3}
		for k := rng.IntN(3); k < len(all); k += 1 + rng.IntN(len(all)/3) {
			tight.MemoryMB = append(tight.MemoryMB, all[k])
		}
		frontier := func(s cost.Settings) *solve.Result { return mustTable(t, g, p, s).Problem().Solve(solve.Effort{}) }
		base := frontier(tight)
		for k := 1; k < len(base.Frontier); k++ {
			if a, b := base.Frontier[k-1], base.Frontier[k]; b.LatencyUs <= a.LatencyUs || b.CostPicoUSD >= a.CostPicoUSD {
				t.Fatalf("round %d: %v follows %v", round, b, a)
			}
		}
		for name, loosen := range map[string]func(*cost.Settings){
			"more sizes":      func(s *cost.Settings) { s.MemoryMB = all },
			"more stages":     func(s *cost.Settings) { s.MaxStages += 1 + rng.IntN(8) },
			"fewer at least":  func(s *cost.Settings) { s.MinStages = 1 },
			"every transport": func(s *cost.Settings) { s.Transport = "" },
		} {
			loose := tight
			loosen(&loose)
			r := frontier(loose)
			for _, point := range base.Frontier {
				compared++
				k, ok := r.Cheapest(point.LatencyUs)
				if !ok || r.Frontier[k].CostPicoUSD > point.CostPicoUSD {
					t.Fatalf("round %d, %s on %s: with %s %v is gone", round, tight.Scenario, p.Name, name, point)
				}
			}
		}
	}
	if compared < 1000 {
		t.Errorf("only %d points were compared", compared)
	}
}
