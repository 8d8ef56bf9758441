package check

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/cost"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// search looks at every plan of a table: all ways to cut the model and to choose sizes, without any bound.
type search struct {
	table *cost.Table
	cuts  []int // position of each node
	even  bool  // no stage may have more than ceil(layers / stages) layers
	all   []solve.Point
}

func (s *search) from(node, stages, most int, finish, picoUSD int64) {
	t, last := s.table, len(s.cuts)-1
	if node == last {
		layers := len(t.Graph.Layers)
		if !s.even || most <= (layers+stages-1)/stages {
			latency := t.StartUs() + finish
			s.all = append(s.all, solve.Point{LatencyUs: latency, CostPicoUSD: picoUSD + (latency+999)/1000*t.GatewayPicoUSDPerMs()})
		}
		return
	}
	if stages == t.MaxStages {
		return
	}
	for j := node + 1; j <= last; j++ {
		if s.cuts[j] == s.cuts[node] {
			continue
		}
		for _, m := range t.MemoryMB {
			x := t.StageAs(0, node, j, m)
			if x.MemoryNeededMB > m {
				continue
			}
			begin := finish + t.Platform.DispatchUs
			switch t.Scenario {
			case solve.ColdSequential:
				begin += x.InitUs
			case solve.ColdOverlapped:
				begin = max(begin, x.InitUs)
			}
			end := begin + x.Turns.InputUs + x.Turns.ComputeUs + x.Turns.OutputUs
			s.from(j, stages+1, max(most, x.Last-x.First), end, picoUSD+x.CostPicoUSD+x.GatewayPicoUSD)
		}
	}
}

// The frontier for several inputs, with the layer cap of the paper, or over the gateway's size, is that of all plans there are: in every batch,
// over every number of pipelines, behind every gateway, with every cut and size.
func TestInputsExhaustively(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 100))
	compared, several, points, gateways := 0, 0, 0, 0
	for range 90 {
		m := mustRandomModel(t, rng)
		r := randomRequest(rng)
		on, err := platform.Get(r.Platform)
		if err != nil {
			t.Fatal(err)
		}
		if on.PlanningOnly || len(m.Graph.Cuts()) > 9 {
			continue // its gateway is billed otherwise; or too many plans to look at all
		}
		r.MinStages, r.MaxStages, r.MemoryMB, r.Packaging, r.Branches, r.Orchestration = 1, 3, someSizes(rng, on, 2), "zip", "off", ""
		r.Inputs, r.Batch, r.Pipelines, r.SplitLayers = 1+rng.Int64N(5), 0, 0, "off"
		p, err := planner.New(m, r)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Solve().Frontier
		base, err := cost.NewTable(m.Graph, on, cost.Settings{Scenario: solve.Scenario(r.Scenario), MinStages: 1, MaxStages: 3, MemoryMB: r.MemoryMB, Batch: 1, Inputs: r.Inputs, Transport: r.Transport, GatewayMemoryMB: on.GatewayMemoryMB})
		if err != nil {
			t.Fatal(err)
		}
		sizes := []int64{cmp.Or(r.GatewayMemoryMB, on.GatewayMemoryMB)}
		if r.GatewayMemoryMB == planner.AutoGateway {
			sizes = base.GatewaySizes()
			gateways++
		}
		var want []solve.Point
		for _, gatewayMB := range sizes {
			base := base.WithGateway(gatewayMB)
			for b := int64(1); b <= r.Inputs; b++ {
				for c := int64(1); c <= (r.Inputs+b-1)/b; c++ {
					table := base.With(cost.Batching{Inputs: r.Inputs, Batch: b, Pipelines: c}, 1, 3, 0)
					s := &search{table: table, even: r.LayerCap == planner.EvenLayers}
					for _, n := range table.Problem().Nodes {
						s.cuts = append(s.cuts, n.Cut)
					}
					s.from(0, 0, 0, 0, 0)
					want = append(want, s.all...)
				}
			}
		}
		slices.SortFunc(want, func(a, b solve.Point) int {
			if a.LatencyUs != b.LatencyUs {
				return int(a.LatencyUs - b.LatencyUs)
			}
			return int(a.CostPicoUSD - b.CostPicoUSD)
		})
		kept := want[:0]
		for _, x := range want {
			if len(kept) == 0 || x.CostPicoUSD < kept[len(kept)-1].CostPicoUSD {
				kept = append(kept, x)
			}
		}
		if !slices.Equal(got, kept) {
			t.Fatalf("%+v: the frontier is %v, that of all plans %v", r, got, kept)
		}
		compared++
		points += len(kept)
		if r.Inputs > 1 {
			several++
		}
	}
	if compared < 20 || several < 12 || points < 60 || gateways < 5 {
		t.Errorf("compared %d frontiers of %d points, %d for several inputs, %d over the gateway's size", compared, points, several, gateways)
	}
}

// What the gateway leaves in S3 for the first stage, where inputs are too long for a message, is part of what a plan says.
func TestLargeInputsComeTrue(t *testing.T) {
	m, err := load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: fixture.Towers{Size: 256, Filters: []int{4}, Depth: 1}.Keras()})
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for _, name := range []string{"aws-lambda-x86_64", "local", "gcp-cloud-run-functions"} {
		for _, scenario := range scenarios {
			for _, batch := range []int64{0, 4, 12} {
				r := planner.DefaultRequest()
				r.Platform, r.Scenario, r.Inputs, r.Batch, r.MaxStages, r.GatewayMemoryMB, r.MemoryMB = name, string(scenario), 12, batch, 2, 1024, []int64{1024, 2048}
				p, err := planner.New(m, r)
				if err != nil {
					t.Fatal(err)
				}
				for _, point := range p.Solve().Frontier {
					document, err := p.At(point.LatencyUs)
					if err != nil || document.Status != plan.Optimal {
						t.Fatalf("%+v: %v", r, err)
					}
					if document.Stages[0].TransportIn == plan.TransportS3 {
						stored++
					}
					holds(t, document)
				}
			}
		}
	}
	if stored < 10 {
		t.Errorf("%d plans leave inputs in S3: this shows less than it should", stored)
	}
}
