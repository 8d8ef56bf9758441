package cost_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/solve"
)

// longGraph has enough cuts for places of several nodes.
func longGraph(rng *rand.Rand) *graph.Graph {
	b := newBuilder(4, 16+rng.Int64N(60))
	channels := int64(16) << rng.IntN(5)
	b.conv("stem", "stem/kernel", channels)
	for k := range 20 + rng.IntN(30) {
		skip := b.last
		key := fmt.Sprintf("conv%d/kernel", k)
		if rng.IntN(4) == 0 {
			key = fmt.Sprintf("conv%d/kernel", rng.IntN(k+1)) // shared
		}
		b.conv(fmt.Sprintf("conv%d", k), key, channels)
		if rng.IntN(2) == 0 {
			b.relu(fmt.Sprintf("relu%d", k))
		}
		if rng.IntN(4) == 0 {
			b.add(fmt.Sprintf("add%d", k), skip)
		}
	}
	b.dense("classes", 10+rng.Int64N(2000))
	return b.done()
}

// anySettings draws settings, of those that keep stages of fewer layers better ones.
func anySettings(rng *rand.Rand, p *platform.Platform) cost.Settings {
	s := cost.Settings{
		Scenario: scenarios[rng.IntN(3)], Batch: 1 + rng.Int64N(8), MinStages: 1, MaxStages: 1 + rng.IntN(6),
		Transport: []string{"", "", cost.Inline, cost.S3}[rng.IntN(4)],
	}
	if rng.IntN(4) == 0 {
		s.MinStages = 1 + rng.IntN(s.MaxStages)
	}
	if rng.IntN(3) == 0 {
		s.Arrivals = &cost.Arrivals{ColdPpm: rng.Int64N(1_000_001)}
	}
	if p.TemporaryMB > 0 && rng.IntN(2) == 0 {
		s.Variants = append(s.Variants, cost.Plain, cost.Variant{Packaging: "s3", Precision: precision.Float32})
		if rng.IntN(2) == 0 {
			s.Variants = append(s.Variants, cost.Variant{Packaging: "zip", Precision: precision.All[1+rng.IntN(len(precision.All)-1)]})
		}
	}
	if rng.IntN(4) == 0 {
		s.Pins.MaxLayers = 5 + rng.IntN(40)
	}
	return s
}

// Of every stage between nodes of two places there must be one between the places that is no worse.
func TestPlacesAreNoWorse(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 21))
	compared := 0
	for round := range 60 {
		p := mustPlatform(t, platform.Names()[round%len(platform.Names())])
		table := mustTable(t, longGraph(rng), p, anySettings(rng, p))
		o := table.Outline()
		whole := o.Whole()
		places, of := []solve.Place{{}}, make([]int, len(o.Nodes))
		for v := 1; v < len(o.Nodes)-1; {
			last := min(v+rng.IntN(8), len(o.Nodes)-2)
			for o.Nodes[last+1].Cut == o.Nodes[last].Cut {
				last++
			}
			for ; v <= last; v++ {
				of[v] = len(places)
			}
			n := places[len(places)-1].Last + 1
			places = append(places, solve.Place{First: n, Last: int32(last)})
		}
		of[len(o.Nodes)-1] = len(places)
		end := int32(len(o.Nodes) - 1)
		places = append(places, solve.Place{First: end, Last: end})
		row := make([]bool, len(places))
		for k := range row {
			row[k] = true
		}
		bounds := map[[2]int][]solve.Stage{}
		for _, s := range o.Make(places, func(int) []bool { return row }, nil) {
			bounds[[2]int{int(s.I), int(s.J)}] = append(bounds[[2]int{int(s.I), int(s.J)}], s)
			if want := o.RunNs[places[s.J].First] - o.RunNs[places[s.I].Last]; s.Run1Ns != want {
				t.Fatalf("round %d: work of %d between places, not %d", round, s.Run1Ns, want)
			}
		}
	next:
		for k := range whole.Stages {
			s := &whole.Stages[k]
			i, j := of[s.I], of[s.J]
			if i == j {
				continue
			}
			compared++
			for _, x := range bounds[[2]int{i, j}] {
				if x.InitUs > s.InitUs || x.HopUs > s.HopUs || x.Run1Ns > s.Run1Ns || x.FixedUs > s.FixedUs || x.Low > s.Low || x.RunPicoUSDPerMs > s.RunPicoUSDPerMs {
					continue
				}
				if x.FeesPicoUSD <= s.FeesPicoUSD && x.FixedPicoUSD <= s.FixedPicoUSD && (x.High >= s.High || whole.Sizes[x.High-1].Slowdown <= whole.Sizes[s.High-1].Slowdown) {
					continue next
				}
			}
			// One with more fees may still be no worse where it starts sooner and starts are billed.
			for _, x := range bounds[[2]int{i, j}] {
				if x.InitUs <= s.InitUs && x.Low <= s.Low && dearest(whole, &x, s) {
					continue next
				}
			}
			t.Fatalf("round %d: %+v is better than %+v", round, *s, bounds[[2]int{i, j}])
		}
	}
	if compared < 10_000 {
		t.Errorf("only %d stages were compared", compared)
	}
}

// dearest tells whether a stage costs no more than another at each of the other's sizes, and takes no longer.
func dearest(p *solve.Problem, x, s *solve.Stage) bool {
	for k := s.Low; k < s.High; k++ {
		z := &p.Sizes[min(k, x.High-1)]
		run := p.RunUs(x, z)
		if run > p.RunUs(s, &p.Sizes[k]) || x.FeesPicoUSD+p.Cost(x, run, z) > s.FeesPicoUSD+p.Cost(s, p.RunUs(s, &p.Sizes[k]), &p.Sizes[k]) {
			return false
		}
	}
	return true
}

// An outline must have the frontier of the whole problem, with the same plans where nothing waits.
func TestOutlineAgreesWithProblem(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 8))
	fewer, points := 0, 0
	for round := range 90 {
		p := mustPlatform(t, platform.Names()[round%len(platform.Names())])
		settings := anySettings(rng, p)
		if rng.IntN(4) == 0 {
			settings.MemoryMB = p.Grid(p.MemoryStepMB * (1 + rng.Int64N(40)))
		}
		effort := solve.Effort{ResolutionUs: []int64{1, solve.Millisecond}[rng.IntN(2)], MaxLabels: 1 << 17}
		table := mustTable(t, longGraph(rng), p, settings)
		whole := table.Problem()
		want := whole.Solve(effort)
		if want.Status == solve.Stopped {
			continue // some have a hundred thousand points
		}
		outline := table.Outline()
		checkAims(t, outline, whole, want, effort, rng)
		problem, got := outline.Solve(effort)
		if len(problem.Stages) < len(whole.Stages) {
			fewer++
		}
		points += len(want.Frontier)
		if got.Status != want.Status || got.Reach != want.Reach || len(got.Frontier) != len(want.Frontier) {
			t.Fatalf("round %d: %s, %d points by the outline, %s, %d by the problem (%+v)", round, got.Status, len(got.Frontier), want.Status, len(want.Frontier), settings)
		}
		for i := range want.Frontier {
			total, err := problem.Evaluate(got.Stages(i))
			if got.Frontier[i] != want.Frontier[i] || err != nil || total != want.Frontier[i] {
				t.Fatalf("round %d: point %d is %v (%v, %v) by the outline, %v by the problem", round, i, got.Frontier[i], total, err, want.Frontier[i])
			}
			a, b := got.Stages(i), want.Stages(i)
			if settings.Scenario == solve.ColdOverlapped {
				continue // of plans that differ by a wait another may be met first
			}
			for k := range a {
				x, y := problem.Stages[a[k].Segment], whole.Stages[b[k].Segment]
				if len(a) != len(b) || x != y || a[k].Option != b[k].Option {
					t.Fatalf("round %d, %s: point %d %v has stage %+v at %d, not %+v at %d", round, settings.Scenario, i, got.Frontier[i], x, a[k].Option, y, b[k].Option)
				}
			}
		}
	}
	if fewer < 20 || points < 1000 {
		t.Errorf("only %d problems lost stages, and had %d points", fewer, points)
	}
}

// checkAims compares answers to single questions with lookups in the whole frontier.
func checkAims(t *testing.T, o *solve.Outline, whole *solve.Problem, all *solve.Result, e solve.Effort, rng *rand.Rand) {
	t.Helper()
	for range 6 {
		a := solve.Aim{SLOUs: rng.Int64N(1000) * 1000}
		if n := len(all.Frontier); n > 0 {
			x := all.Frontier[rng.IntN(n)]
			a.SLOUs = (x.LatencyUs + rng.Int64N(3)*500) / e.ResolutionUs * e.ResolutionUs
			if rng.IntN(3) == 0 {
				a = solve.Aim{BudgetPicoUSD: x.CostPicoUSD + rng.Int64N(3)}
			}
		}
		if n := len(all.Frontier); n > 0 && rng.IntN(6) == 0 { // nothing is so fast, or so cheap
			a = []solve.Aim{{SLOUs: all.Frontier[0].LatencyUs/e.ResolutionUs*e.ResolutionUs - e.ResolutionUs}, {BudgetPicoUSD: all.Frontier[n-1].CostPicoUSD - 1}}[rng.IntN(2)]
		}
		want, found := all.Cheapest(a.SLOUs)
		if a.BudgetPicoUSD > 0 {
			want, found = all.Fastest(a.BudgetPicoUSD)
		}
		problem, got := o.Best(a, e)
		if !found {
			if len(got.Frontier) > 0 {
				t.Fatalf("%+v: %v where no plan is", a, got.Frontier)
			}
			continue
		}
		if got.Status != solve.Optimal || len(got.Frontier) != 1 || got.Frontier[0] != all.Frontier[want] {
			t.Fatalf("%s, %+v: %s %v, the frontier has %v", o.Scenario, a, got.Status, got.Frontier, all.Frontier[want])
		}
		if total, err := problem.Evaluate(got.Stages(0)); err != nil || total != got.Frontier[0] {
			t.Fatalf("%s, %+v: the plan of %v takes %v (%v)", o.Scenario, a, got.Frontier[0], total, err)
		}
		if o.Scenario == solve.ColdOverlapped {
			continue // of plans that differ by a wait another may be met first
		}
		x, y := got.Stages(0), all.Stages(want)
		for k := range x {
			if len(x) != len(y) || x[k].Option != y[k].Option || problem.Stages[x[k].Segment] != whole.Stages[y[k].Segment] {
				t.Fatalf("%s, %+v: %v has another plan than in the frontier", o.Scenario, a, got.Frontier[0])
			}
		}
	}
}
