package milp

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/platform"
	"partita/planner/solve"
)

// thorough reports whether the long run is wanted: make check-milp.
func thorough() bool { return os.Getenv("PARTITA_TEST_MILP") != "" }

// zoo names every architecture of the shared test data; the same one from three versions of Keras is three models.
func zoo(t testing.TB) []string {
	files, err := filepath.Glob(filepath.Join(fixture.Shared(t, "zoo"), "*", "*.json.gz"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d models, %v", len(files), err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(filepath.Dir(file))+"/"+strings.TrimSuffix(filepath.Base(file), ".json.gz"))
	}
	return names
}

func mustModel(t testing.TB, name string) *load.Model {
	t.Helper()
	return models.Keras(t, fixture.Read(t, fixture.Shared(t, "zoo", filepath.FromSlash(name)+".json.gz")))
}

// sizes are some of those a platform sells: three to six of them.
func sizes(on *platform.Platform, n int) []int64 {
	var list []int64
	for _, m := range [...]int64{512, 1024, 1536, 2048, 3008, 4096} {
		if len(list) < 3+n%4 && on.Sells(m) {
			list = append(list, m)
		}
	}
	return list
}

// noCuts forbids all cuts of a model but so many, evenly: fewer places where it may be cut, for both solvers.
func noCuts(g *graph.Graph, keep int) []int {
	cuts := g.Cuts()
	if len(cuts) <= keep {
		return nil
	}
	forbidden := slices.Clone(cuts)
	for k := keep - 1; k >= 0; k-- {
		i := (2*k + 1) * len(cuts) / (2 * keep)
		forbidden = slices.Delete(forbidden, i, i+1)
	}
	return forbidden
}

// The cuts left of a model. An overlapped program takes CBC a hundred times as long as one whose times add up.
func mostCuts(scenario solve.Scenario) int {
	switch {
	case thorough() && scenario == solve.ColdOverlapped:
		return 40
	case thorough():
		return 150
	case scenario == solve.ColdOverlapped:
		return 22
	}
	return 50
}

// Every model of the zoo, on each platform in turn, some with a share of cold requests: the cheapest plan of all, and the
// cheapest that is faster than one from the middle of the frontier. The planner solves the problem by its law, CBC with every
// option written out.
func TestZoo(t *testing.T) {
	c := mustFind(t)
	var posed, feasible atomic.Int64
	t.Cleanup(func() {
		if !t.Failed() && feasible.Load() < posed.Load()/2 {
			t.Errorf("only %d of %d problems had a plan", feasible.Load(), posed.Load())
		}
	})
	for n, name := range zoo(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustModel(t, name)
			on, err := platform.Get(platform.Names()[n%len(platform.Names())])
			if err != nil {
				t.Fatal(err)
			}
			for k, scenario := range scenarios {
				s := cost.Settings{Scenario: scenario, MinStages: 1 + (n+k)%2, MaxStages: 2 + (n+k)%9, MemoryMB: sizes(on, n+k), Batch: 1 + int64(n%2),
					GatewayMemoryMB: on.GatewayMemoryMB, Pins: cost.Pins{NoCuts: noCuts(m.Graph, mostCuts(scenario))}}
				if (n+k)%4 == 0 {
					s.Arrivals = &cost.Arrivals{ColdPpm: int64(123_456 * (n % 8))}
				}
				table, err := cost.NewTable(m.Graph, on, s)
				if err != nil {
					t.Fatal(err)
				}
				in, err := table.Instance()
				if err != nil {
					t.Fatal(err)
				}
				posed.Add(1)
				law := table.Problem()
				o := ours{law.Solve(solve.Effort{}), func(c solve.Choice) step {
					stage := &law.Stages[c.Segment]
					return step{int(stage.I), int(stage.J), law.Option(c.Segment, c.Option)}
				}}
				what := fmt.Sprintf("%s %s, %d to %d stages, %v MB, arrivals %v", on.Name, scenario, s.MinStages, s.MaxStages, s.MemoryMB, s.Arrivals)
				agree(t, c, what, in, o, NoSLO)
				if points := len(o.result.Frontier); points > 0 {
					feasible.Add(1)
					agree(t, c, what, in, o, o.result.Frontier[points/2].LatencyUs-1)
				}
			}
		})
	}
}
