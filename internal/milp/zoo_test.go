package milp

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/diag"
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
	f, err := os.Open(fixture.Shared(t, "zoo", filepath.FromSlash(name)+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	config, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	m, err := load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: config})
	if diag.CodeOf(err) == "keras.unsupported-layer" {
		t.Skip("it holds Python bytecode, which is never run") // Keras 2's InceptionResNetV2
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sizes are some of those a platform sells: three to six of them.
func sizes(t testing.TB, on string, n int) []int64 {
	p, err := platform.Get(on)
	if err != nil {
		t.Fatal(err)
	}
	var list []int64
	for _, m := range [...]int64{512, 1024, 1536, 2048, 3008, 4096} {
		if len(list) < 3+n%4 && p.Sells(m) {
			list = append(list, m)
		}
	}
	return list
}

// thin keeps at most so many nodes, evenly, and the segments between them: fewer places where the model may be cut. It is an
// instance of its own; both solvers get it.
func thin(in *solve.Instance, most int) *solve.Instance {
	if len(in.Nodes) <= most {
		return in
	}
	small := *in
	small.Nodes, small.Segments = nil, nil
	number := make([]int, len(in.Nodes)) // from 1; 0: left out
	for k := range most {
		v := k * (len(in.Nodes) - 1) / (most - 1)
		small.Nodes = append(small.Nodes, in.Nodes[v])
		number[v] = len(small.Nodes)
	}
	for _, g := range in.Segments {
		if number[g.I] > 0 && number[g.J] > 0 {
			small.Segments = append(small.Segments, solve.Segment{I: number[g.I] - 1, J: number[g.J] - 1, Options: g.Options})
		}
	}
	return &small
}

// The nodes left of a model's instance. An overlapped program takes CBC a hundred times as long as one whose times add up.
func mostNodes(scenario solve.Scenario) int {
	switch {
	case thorough() && scenario == solve.ColdOverlapped:
		return 60
	case thorough():
		return 200
	case scenario == solve.ColdOverlapped:
		return 26
	}
	return 60
}

// Every model of the zoo, on each kind of platform in turn: the cheapest plan of all, and the cheapest that is faster than
// one from the middle of the frontier.
func TestZoo(t *testing.T) {
	c := mustFind(t)
	var feasible atomic.Int64
	t.Cleanup(func() {
		if !t.Failed() && feasible.Load() < 100 {
			t.Errorf("only %d of the problems had a plan", feasible.Load())
		}
	})
	for n, name := range zoo(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustModel(t, name)
			on := platform.Names()[n%len(platform.Names())]
			for k, scenario := range scenarios {
				r := planner.DefaultRequest()
				r.Platform, r.Scenario, r.MinStages, r.MaxStages = on, string(scenario), 1+(n+k)%2, 2+(n+k)%9
				r.MemoryMB = sizes(t, on, n+k)
				p, err := planner.New(m, r)
				if err != nil {
					t.Fatal(err)
				}
				whole, err := p.Instance()
				if err != nil {
					t.Fatal(err)
				}
				in := thin(whole, mostNodes(scenario))
				result := solve.Solve(in, 0)
				what := fmt.Sprintf("%s %s, %d to %d stages, %v MB", on, scenario, in.MinStages, in.MaxStages, r.MemoryMB)
				agree(t, c, what, in, result, NoSLO)
				if points := len(result.Frontier); points > 0 {
					feasible.Add(1)
					agree(t, c, what, in, result, result.Frontier[points/2].LatencyUs-1)
				}
			}
		})
	}
}
