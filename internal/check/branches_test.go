package check

import (
	"math/rand/v2"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/rewrite"
	"partita/planner/solve"
)

// randomTowers makes a model of several towers by lot.
func randomTowers(t *testing.T, rng *rand.Rand, most int) *load.Model {
	t.Helper()
	m := fixture.Towers{Size: 64 << rng.IntN(3), Depth: 1 + rng.IntN(3), Apart: rng.IntN(2) == 0, Level: rng.IntN(2) == 0, Separate: rng.IntN(4) == 0}
	for range 2 + rng.IntN(most-1) {
		m.Filters = append(m.Filters, 8+8*rng.IntN(16))
	}
	return models.Towers(t, m)
}

// Plans with functions side by side take and cost what they say.
func TestBranchesComeTrue(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 70))
	plans, waves, driven := 0, 0, 0
	for range 60 {
		m := randomTowers(t, rng, 4)
		for range 6 {
			r := randomRequest(rng)
			r.MinStages, r.Batch, r.Branches = 1, 1, "all"
			if r.Pipelines, r.LayerCap = 0, 0; r.Inputs > 1 { // side by side if all inputs pass together
				r.Inputs, r.Batch = 2, 0
			}
			r.MaxStages = 4 + rng.IntN(4)
			if rng.IntN(3) == 0 {
				r.Packaging = plan.PackagingZip
			}
			for document := range documents(t, m, r, 6) {
				plans++
				if len(document.Waves())-1 < len(document.Stages) {
					waves++
					if document.Workflow != nil {
						driven++
					}
				}
				holds(t, document)
			}
		}
	}
	if waves < 150 || plans-waves < 50 || driven < 40 {
		t.Errorf("%d plans, %d with functions side by side, %d of these by a workflow", plans, waves, driven)
	}
}

// brute looks at every plan of a table: at all ways to cut the model, to run its one region side by side, and to choose sizes.
type brute struct {
	table   *cost.Table
	problem *solve.Problem
	branch  []int // bounds of the region
	sizes   []int64
	all     []solve.Point
	waves   int
}

// from goes on from a node, which was reached at a time and a price.
func (b *brute) from(node, stages int, finish, picoUSD int64) {
	t, last := b.table, len(b.problem.Nodes)-1
	if node == last {
		latency := t.StartUs() + finish
		b.all = append(b.all, solve.Point{LatencyUs: latency, CostPicoUSD: picoUSD + (latency+999)/1000*t.GatewayPicoUSDPerMs()})
		return
	}
	if stages == t.MaxStages {
		return
	}
	for j := node + 1; j <= last; j++ {
		if b.problem.Nodes[j].Cut == b.problem.Nodes[node].Cut {
			continue
		}
		for _, m := range b.sizes {
			if s := t.StageAs(0, node, j, m); s.MemoryNeededMB <= m {
				b.from(j, stages+1, b.ends(finish, &s), picoUSD+s.CostPicoUSD+s.GatewayPicoUSD)
			}
		}
		if b.problem.Nodes[node].Cut == b.branch[0] && b.problem.Nodes[j].Cut == b.branch[len(b.branch)-1] && b.passes(node, j) {
			b.beside(node, j, stages, finish, picoUSD, 0, nil)
		}
	}
}

// passes tells whether what no branch takes can stay as it is from one node to the other.
func (b *brute) passes(i, j int) bool {
	live := b.table.Graph.Live()
	for _, v := range live[b.branch[0]] {
		if slices.Contains(live[b.branch[len(b.branch)-1]], v) {
			first, last := b.table.StageAs(0, i, j, b.sizes[0]).TransportIn, b.table.StageAs(0, i, j, b.sizes[0]).TransportOut
			return first == last
		}
	}
	return true
}

// beside chooses the functions of a wave one by one.
func (b *brute) beside(i, j, stages int, finish, picoUSD int64, branch int, functions []cost.Function) {
	if branch == len(b.branch)-1 {
		if len(functions) < 2 {
			return
		}
		w := b.table.Wave(i, j, functions)
		end := int64(0)
		for k := range w.Functions {
			s := &w.Functions[k]
			if s.MemoryNeededMB > s.MemoryMB {
				return
			}
			end = max(end, b.ends(finish, s))
			picoUSD += s.CostPicoUSD
		}
		b.waves++
		b.from(j, stages+1, end, picoUSD+w.GatewayPicoUSD)
		return
	}
	for end := branch + 1; end < len(b.branch); end++ {
		for _, m := range b.sizes {
			next := append(slices.Clone(functions), cost.Function{First: b.branch[branch], Last: b.branch[end], MemoryMB: m})
			if end == len(b.branch)-1 && len(next) < 2 {
				continue
			}
			b.beside(i, j, stages, finish, picoUSD, end, next)
		}
	}
}

// ends is when a stage has run that is called when the one before it has.
func (b *brute) ends(finish int64, s *cost.Stage) int64 {
	begin := finish + b.table.Platform.DispatchUs
	switch b.table.Scenario {
	case solve.ColdSequential:
		begin += s.InitUs
	case solve.ColdOverlapped:
		begin = max(begin, s.InitUs)
	}
	return begin + s.InputUs + s.ComputeUs + s.OutputUs
}

// front keeps the plans that no other beats.
func (b *brute) front() []solve.Point {
	slices.SortFunc(b.all, func(x, y solve.Point) int {
		if x.LatencyUs != y.LatencyUs {
			return int(x.LatencyUs - y.LatencyUs)
		}
		return int(x.CostPicoUSD - y.CostPicoUSD)
	})
	var kept []solve.Point
	for _, p := range b.all {
		if n := len(kept); n == 0 || p.CostPicoUSD < kept[n-1].CostPicoUSD {
			kept = append(kept, p)
		}
	}
	return kept
}

func work(g *graph.Graph) []int64 {
	ns := make([]int64, len(g.Layers))
	for i := range g.Nodes {
		ns[g.Nodes[i].Layer] += g.Work(i).FLOPs
	}
	return ns
}

// The frontier of a small model of towers is that of all its plans. Only for overlapped cold starts of towers behind other layers
// that need not be so (see package cost); it has been in every model drawn.
func TestBranchesExhaustively(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 71))
	exact, waves := 0, 0
	for range 200 {
		g := randomTowers(t, rng, 3).Graph
		order, regions := rewrite.Branches(g, work(g), 1, nil)
		if len(regions) != 1 {
			t.Fatalf("%d regions", len(regions))
		}
		if order != nil {
			var err error
			if g, err = rewrite.Reorder(g, order); err != nil {
				t.Fatal(err)
			}
		}
		names := platform.Names()
		on, err := platform.Get(names[rng.IntN(len(names))])
		if err != nil {
			t.Fatal(err)
		}
		sizes := someSizes(rng, on, 3)
		scenario := scenarios[rng.IntN(len(scenarios))]
		table, err := cost.NewTable(g, on, cost.Settings{Scenario: scenario, MinStages: 1, MaxStages: 3, MemoryMB: sizes, Batch: 1,
			Transport: []string{"", "inline", "s3"}[rng.IntN(3)], GatewayMemoryMB: on.GatewayMemoryMB, Regions: [][]int{regions[0].Bounds}})
		if err != nil {
			t.Fatal(err)
		}
		problem := table.Problem()
		result := problem.Solve(solve.Effort{})
		b := &brute{table: table, problem: problem, branch: regions[0].Bounds, sizes: sizes}
		b.from(0, 0, 0, 0)
		want := b.front()
		for k := range result.Frontier {
			for _, c := range result.Stages(k) {
				if cost.IsWave(&problem.Stages[c.Segment]) {
					waves++
				}
			}
		}
		if on.PlanningOnly {
			continue // its gateway is billed otherwise
		}
		exact++
		if _, outlined := table.Outline().Solve(solve.Effort{}); !slices.Equal(outlined.Frontier, result.Frontier) {
			t.Fatalf("%s on %s, %v MB: with its stages made when they are asked for the frontier is %v, not %v", scenario, on.Name, sizes, outlined.Frontier, result.Frontier)
		}
		if !slices.Equal(want, result.Frontier) {
			t.Fatalf("%s on %s, %v MB: the frontier is %v, that of all plans %v", scenario, on.Name, sizes, result.Frontier, want)
		}
	}
	if exact < 130 || waves < 200 {
		t.Errorf("%d frontiers, %d plans with functions side by side", exact, waves)
	}
}
