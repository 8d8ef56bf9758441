package cost_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"partita/planner/cost"
	"partita/planner/solve"
)

// An instance with pins has of the free instance's options exactly those that break none, and the account of each is the same.
func TestPins(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	kept, dropped := 0, 0
	for round := range 80 {
		g := randomGraph(rng)
		p := mustPlatform(t, []string{"aws-lambda-x86_64", "azure-functions-flex"}[round%2])
		cuts := g.Cuts()
		if len(cuts) < 3 {
			continue
		}
		sizes := p.Grid(512)
		settings := cost.Settings{MemoryMB: sizes, MaxStages: 10, MinStages: 1}
		free := mustInstance(t, mustTable(t, g, p, settings))
		pins := cost.Pins{MaxLayers: rng.IntN(2) * (1 + rng.IntN(len(g.Layers)))}
		for _, c := range cuts {
			switch rng.IntN(6) {
			case 0:
				pins.Cuts = append(pins.Cuts, c)
			case 1:
				pins.NoCuts = append(pins.NoCuts, c)
			}
		}
		for l := 0; l < len(g.Layers); {
			end := min(l+1+rng.IntN(4), len(g.Layers))
			if rng.IntN(4) == 0 {
				pins.Memory = append(pins.Memory, cost.MemoryPin{First: l, Last: end, MemoryMB: sizes[rng.IntN(len(sizes))]})
			}
			l = end
		}
		settings.Pins = pins
		table := mustTable(t, g, p, settings)
		pinned := mustInstance(t, table)
		type stage struct{ from, to int }
		got := map[stage][]int64{}
		for _, s := range pinned.Segments {
			at := stage{pinned.Nodes[s.I].Cut, pinned.Nodes[s.J].Cut}
			for _, o := range s.Options {
				if account := table.Stage(s.I, s.J, o.MemoryMB); account.Option() != o {
					t.Fatalf("round %d: %+v is no %+v", round, o, account.Option())
				}
				if wants := pinnedSizes(pins, at.from, at.to); len(wants) > 1 || len(wants) == 1 && wants[0] != o.MemoryMB {
					t.Fatalf("round %d: %v at %d MB, pinned to %v", round, at, o.MemoryMB, wants)
				}
				got[at] = append(got[at], o.MemoryMB)
			}
		}
		for _, s := range free.Segments {
			at := stage{free.Nodes[s.I].Cut, free.Nodes[s.J].Cut}
			wants := pinnedSizes(pins, at.from, at.to)
			ok := allowed(pins, at.from, at.to, len(g.Layers)) && len(wants) < 2
			if !ok {
				dropped++
				if len(got[at]) > 0 {
					t.Fatalf("round %d: %v breaks a pin of %+v", round, at, pins)
				}
				continue
			}
			kept++
			if len(wants) == 0 && len(got[at]) == 0 {
				t.Fatalf("round %d: %v is gone with pins %+v", round, at, pins)
			}
			// A pinned size is offered even where a free choice would not take it.
			if len(wants) == 1 && slices.ContainsFunc(s.Options, func(o solve.Option) bool { return o.MemoryMB <= wants[0] }) && len(got[at]) == 0 {
				t.Fatalf("round %d: %v does not offer %d MB", round, at, wants[0])
			}
		}
	}
	if kept < 100 || dropped < 100 {
		t.Errorf("%d kept, %d dropped: the test tries too little", kept, dropped)
	}
}

func allowed(pins cost.Pins, from, to, layers int) bool {
	for _, c := range pins.Cuts {
		if from < c && c < to {
			return false
		}
	}
	return !slices.Contains(pins.NoCuts, from) && !slices.Contains(pins.NoCuts, to) && (pins.MaxLayers == 0 || to-from <= pins.MaxLayers)
}

func pinnedSizes(pins cost.Pins, from, to int) []int64 {
	var sizes []int64
	for _, p := range pins.Memory {
		if p.First < to && from < p.Last && !slices.Contains(sizes, p.MemoryMB) {
			sizes = append(sizes, p.MemoryMB)
		}
	}
	return sizes
}
