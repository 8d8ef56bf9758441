package milp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"partita/internal/fixture"
	"partita/planner/solve"
)

var scenarios = []solve.Scenario{solve.Warm, solve.ColdSequential, solve.ColdOverlapped}

// random makes an instance with the magnitudes of real ones: seconds, and millions of pico-dollars.
func random(rng *rand.Rand, scenario solve.Scenario, nodes, options int, times, costs int64) *solve.Instance {
	in := &solve.Instance{Format: solve.Format, Terms: solve.Terms{Scenario: scenario, MinStages: rng.IntN(3), StartUs: rng.Int64N(times),
		DispatchUs: rng.Int64N(times/4 + 1)}}
	in.MaxStages = max(1, in.MinStages) + rng.IntN(5)
	if rng.IntN(2) == 0 {
		in.GatewayPicoUSDPerMs = rng.Int64N(1 + 1000*costs/times)
		if rng.IntN(2) == 0 {
			in.GatewayStepUs = solve.Millisecond * (1 + rng.Int64N(1+times/3000))
			in.GatewayMinUs = rng.Int64N(2) * rng.Int64N(1+4*times)
		}
	}
	for v := range nodes {
		in.Nodes = append(in.Nodes, solve.Node{Cut: v})
	}
	density := 0.3 + 0.7*rng.Float64()
	for i := range nodes {
		for j := i + 1; j < nodes; j++ {
			if rng.Float64() > density {
				continue
			}
			s := solve.Segment{I: i, J: j}
			init := rng.Int64N(times)
			for range 1 + rng.IntN(options) {
				if rng.IntN(3) == 0 {
					init = rng.Int64N(times)
				}
				s.Options = append(s.Options, solve.Option{MemoryMB: int64(len(s.Options)), InitUs: init, RunUs: rng.Int64N(times), CostPicoUSD: rng.Int64N(costs)})
			}
			in.Segments = append(in.Segments, s)
		}
	}
	return in
}

func mustFind(t testing.TB) CBC {
	t.Helper()
	return CBC{Path: fixture.Tool(t, "cbc", "the optimiser against CBC", "make test-tools, or sudo apt-get install coinor-cbc")}
}

// ours is what package solve found, and what its choices stand for.
type ours struct {
	result *solve.Result
	step   func(solve.Choice) step
}

func oursOf(in *solve.Instance) ours {
	return ours{solve.Solve(in, 0), func(c solve.Choice) step { return stepOf(in, c) }}
}

// agree holds CBC's optimum against the frontier at one SLO, both in exact integers by this package's rule.
func agree(t *testing.T, c CBC, what string, in *solve.Instance, o ours, sloUs int64) {
	t.Helper()
	r := o.result
	a, err := c.Solve(t.Context(), t.TempDir(), in, sloUs)
	if err != nil {
		t.Fatalf("%s, SLO %d: %v", what, sloUs, err)
	}
	limit := sloUs
	if limit == NoSLO {
		limit = math.MaxInt64
	}
	point, ok := r.Cheapest(limit)
	if r.Status == solve.Stopped || ok != a.Feasible() {
		t.Errorf("%s, SLO %d: CBC finds a plan: %v; Solve: %v, %s", what, sloUs, a.Feasible(), ok, r.Status)
		return
	}
	if !ok {
		return
	}
	var steps []step
	for _, choice := range r.Stages(point) {
		steps = append(steps, o.step(choice))
	}
	if total, err := evaluate(&in.Terms, steps); err != nil || total != r.Frontier[point] {
		t.Errorf("%s, SLO %d: Solve's plan takes %v (%v), it says %v", what, sloUs, total, err, r.Frontier[point])
	}
	if a.Total.CostPicoUSD != r.Frontier[point].CostPicoUSD {
		t.Errorf("%s, SLO %d: CBC's plan takes %v, Solve's %v", what, sloUs, a.Total, r.Frontier[point])
	}
}

// Instances without structure, in every scenario: the cheapest plan of all, the cheapest that is faster than a point of the
// frontier, and that none is faster than its first.
func TestRandom(t *testing.T) {
	c := mustFind(t)
	count := 210
	if thorough() {
		count = 2100
	}
	rng := rand.New(rand.NewPCG(11, 12))
	for n := range count {
		in := random(rng, scenarios[n%3], 3+rng.IntN(18), 1+rng.IntN(5), 1<<(4+rng.IntN(20)), 1<<(4+rng.IntN(28)))
		inner := rng.Int()
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			if err := in.Validate(); err != nil {
				t.Fatal(err)
			}
			o := oursOf(in)
			r := o.result
			what := string(in.Scenario)
			agree(t, c, what, in, o, NoSLO)
			if len(r.Frontier) > 0 {
				agree(t, c, what, in, o, r.Frontier[inner%len(r.Frontier)].LatencyUs-1)
				agree(t, c, what, in, o, r.Frontier[0].LatencyUs-1)
			}
		})
	}
}

// What is written and read again is what was meant: a path that is too slow by one microsecond is refused, and a program
// without any path is infeasible.
func TestProgram(t *testing.T) {
	c := mustFind(t)
	in := &solve.Instance{Format: solve.Format, Terms: solve.Terms{Scenario: solve.ColdOverlapped, MinStages: 1, MaxStages: 2, StartUs: 7, DispatchUs: 10, GatewayPicoUSDPerMs: 1000,
		Nodes: []solve.Node{{Cut: 0}, {Cut: 1}, {Cut: 2}, {Cut: 3}}}, Segments: []solve.Segment{
		{I: 0, J: 1, Options: []solve.Option{{MemoryMB: 1, InitUs: 50, RunUs: 2000, CostPicoUSD: 5}}},
		{I: 1, J: 3, Options: []solve.Option{{MemoryMB: 1, InitUs: 9000, RunUs: 100, CostPicoUSD: 5}, {MemoryMB: 2, InitUs: 100, RunUs: 100, CostPicoUSD: 6000}}},
		{I: 2, J: 3, Options: []solve.Option{{MemoryMB: 1, CostPicoUSD: 1}}}, // nothing leads to its beginning
	}}
	for _, x := range []struct {
		sloUs int64
		want  solve.Point
	}{{NoSLO, solve.Point{LatencyUs: 2167, CostPicoUSD: 9005}}, {2167, solve.Point{LatencyUs: 2167, CostPicoUSD: 9005}}, {2166, solve.Point{}}, {0, solve.Point{}}} {
		a, err := c.Solve(t.Context(), t.TempDir(), in, x.sloUs)
		if err != nil {
			t.Fatal(err)
		}
		if a.Total != x.want || a.Feasible() != (x.want.CostPicoUSD > 0) {
			t.Errorf("SLO %d: %+v, want %v", x.sloUs, a, x.want)
		}
	}
	in.Segments = in.Segments[2:]
	if a, err := c.Solve(t.Context(), t.TempDir(), in, NoSLO); err != nil || a.Feasible() {
		t.Errorf("%+v, %v", a, err)
	}
	for _, wrong := range [][]step{{{i: 0, j: 3}, {i: 0, j: 3}}, {{i: 0, j: 2}}, {{i: 0, j: 1}, {i: 1, j: 2}, {i: 2, j: 3}}, {}} {
		if _, err := evaluate(&in.Terms, wrong); err == nil {
			t.Errorf("%v is no plan", wrong)
		}
	}
}
