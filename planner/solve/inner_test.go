package solve

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestInnerLoopsDoNotAllocate sweeps and searches again and again with a solver that has its room already.
func TestInnerLoopsDoNotAllocate(t *testing.T) {
	for _, scenario := range scenarios {
		t.Run(string(scenario), func(t *testing.T) {
			in := model(chainLike(20, 2), sizes(256, 3008), scenario, 4, false)
			s := newSolver(&in.Terms, Effort{})
			s.segments = in.Segments
			s.sortArcs(len(in.Segments), func(i int) (tail, head int32, some bool) {
				return int32(in.Segments[i].I), int32(in.Segments[i].J), len(in.Segments[i].Options) > 0
			})
			for i := range s.arcs {
				s.arcs[i].survey(&s.rule, in.Segments[s.arcs[i].segment].Options)
			}
			if r := s.solve(); r.Status != Optimal || len(r.Frontier) < 5 {
				t.Fatalf("%s, %d points", r.Status, len(r.Frontier))
			}
			p, q, ok := s.extremes()
			if !ok {
				t.Fatal("no path")
			}
			s.list(p, q)
			list, d, scale := s.entries, s.direction(p, q), s.clock.scale(p, q)
			s.sweep(p, q, list, d)
			limit := s.known.ceiling(p, q, d)
			s.survive(p, q, list, d, limit, scale)
			if len(s.search.survivors) == 0 {
				t.Fatal("nothing to search")
			}
			labels := 0
			loops := func() {
				if s.menus.overlapped {
					s.weighOverlap(list, d)
					s.forwardOverlap(list)
					s.backwardOverlap(list, p.time)
				} else {
					s.weigh(list, d)
					s.forward(list)
					s.backward(list)
				}
				s.labels = 0
				if !s.labelSearch(p, q, d, scale, 0) {
					t.Fatal("the search stopped")
				}
				labels = s.labels
				s.search.reset(s.states)
			}
			for range 50 { // the search's buffers change places
				loops()
			}
			if n := testing.AllocsPerRun(20, loops); n != 0 || labels == 0 {
				t.Errorf("%v allocations for %d labels", n, labels)
			}
		})
	}
}

// TestLongLists has more arcs than are swept at once, and compares with the solver that knows no bounds.
func TestLongLists(t *testing.T) {
	for _, stages := range [][2]int{{1, 3}, {2, 3}} {
		for _, layers := range [][]modelLayer{cellsLike(100), cellsLike(110)} {
			in := model(layers, sizes(1400, 3008), ColdOverlapped, stages[1], false)
			in.MinStages = stages[0]
			if len(in.Segments) <= longList {
				t.Fatalf("only %d segments", len(in.Segments))
			}
			if err := same(in, Solve(in, 0), solvePlain(in).Frontier); err != nil {
				t.Errorf("%d nodes, %v stages: %v", len(in.Nodes), stages, err)
			}
		}
	}
}

// chainOutline is an outline of layers in a row, all of whose stages may be made.
func chainOutline(scenario Scenario, layers int) *Outline {
	rng := rand.New(rand.NewPCG(11, 3))
	o := &Outline{Problem: Problem{
		Terms:  Terms{Scenario: scenario, MinStages: 1, MaxStages: 8, DispatchUs: 5000, GatewayPicoUSDPerMs: 2000},
		Common: 160, TickUs: Millisecond,
		Cost: func(s *Stage, runUs int64, z *Size) int64 {
			return (s.FixedUs + runUs) / 1000 * z.PicoUSDPer1024s / (1024 * 1000)
		},
	}, Alone: make([]bool, layers+1)}
	for k := range int64(160) {
		m := 64 * (k + 1)
		o.Sizes = append(o.Sizes, Size{m, (1769 << SlowdownBits) / m, m * 16_666_667_000 / 1000})
	}
	var run int64
	for v := range layers + 1 {
		o.Nodes, o.RunNs, o.HopUs = append(o.Nodes, Node{Cut: v}), append(o.RunNs, run), append(o.HopUs, 2000+rng.Int64N(90_000))
		run += 1e6 + rng.Int64N(30e6)
	}
	o.Make = func(places []Place, wanted func(i int) []bool, out []Stage) []Stage {
		least := func(p Place) int64 { return slices.Min(o.HopUs[p.First:p.Last+1]) / 2 }
		for i := range places {
			row := wanted(i)
			for j := i + 1; j < len(places) && row != nil; j++ {
				if row[j] {
					work := o.RunNs[places[j].First] - o.RunNs[places[i].Last]
					init := 200_000 + work/4_000_000*1000
					out = append(out, Stage{I: int32(i), J: int32(j), High: 160, InitUs: init, HopUs: least(places[i]) + least(places[j]), Run1Ns: work,
						FeesPicoUSD: 9e6, FixedPicoUSD: 9e6, FixedUs: init - 1000})
				}
			}
		}
		return out
	}
	return o
}

// A sieve and what it leaves give the frontier of all stages, and its bounds take no memory of their own.
func TestSieve(t *testing.T) {
	for _, scenario := range scenarios {
		t.Run(string(scenario), func(t *testing.T) {
			o := chainOutline(scenario, 32)
			want := o.Whole().Solve(Effort{})
			p, got := o.Solve(Effort{})
			if !slices.Equal(got.Frontier, want.Frontier) || len(got.Frontier) < 5 || len(p.Stages) > len(o.Whole().Stages)/2 {
				t.Fatalf("%d points of %d stages, not %d of %d", len(got.Frontier), len(p.Stages), len(want.Frontier), len(o.Whole().Stages))
			}
			s := o.sieve(o.scout(Effort{}, false, nil), nil)
			places := o.single(nil)
			s.pass(places, every(len(places)))
			left := s.count()
			if n := testing.AllocsPerRun(20, s.mark); n != 0 || left == 0 || left != s.count() {
				t.Errorf("%v allocations, %d stages left, then %d", n, left, s.count())
			}
		})
	}
}
