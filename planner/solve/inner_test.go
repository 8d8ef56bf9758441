package solve

import "testing"

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
