package solve

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// What is beaten already need not be found: merged with the points that beat it, what is found is the whole frontier. The points are
// those of another problem, some better than any plan here and some worse.
func TestBeatenPoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	empty := 0
	check := func(in *Instance) {
		t.Helper()
		for _, resolution := range []int64{1, Millisecond} {
			full := in.Solve(Effort{ResolutionUs: resolution})
			if full.Status != Optimal {
				continue
			}
			foreign := &Result{Status: Optimal}
			least := int64(1) << 60
			for _, p := range full.Frontier {
				if rng.IntN(3) > 0 {
					continue
				}
				p.LatencyUs = max(p.LatencyUs+rng.Int64N(21)*p.LatencyUs/100-p.LatencyUs/10, in.StartUs)
				p.CostPicoUSD = p.CostPicoUSD + rng.Int64N(21)*p.CostPicoUSD/100 - p.CostPicoUSD/10
				if n := len(foreign.Frontier); p.CostPicoUSD < least && (n == 0 || p.LatencyUs > foreign.Frontier[n-1].LatencyUs) {
					foreign.Frontier, least = append(foreign.Frontier, p), p.CostPicoUSD
				}
			}
			some := in.Solve(Effort{ResolutionUs: resolution, Beaten: foreign.Frontier})
			if some.Status != Optimal || holds(in, some) != nil {
				t.Fatalf("%s, %v", some.Status, holds(in, some))
			}
			if len(some.Frontier) == 0 {
				empty++
			}
			want, _ := Merge([]*Result{foreign, full}, resolution)
			got, _ := Merge([]*Result{foreign, some}, resolution)
			// Within a step of SLOs any of the cheapest will do.
			if !slices.EqualFunc(got.Frontier, want.Frontier, func(a, b Point) bool {
				return a.CostPicoUSD == b.CostPicoUSD && (a.LatencyUs+resolution-1)/resolution == (b.LatencyUs+resolution-1)/resolution
			}) {
				t.Fatalf("%s: beside %v found %v, want %v", in.Scenario, foreign.Frontier, some.Frontier, full.Frontier)
			}
		}
	}
	for range 2000 {
		in := random(rng, 2+rng.IntN(6), 1+rng.IntN(6), 1<<(4+rng.IntN(20)), 1<<(4+rng.IntN(22)))
		if in.Validate() == nil {
			check(in)
		}
	}
	for _, c := range structured() {
		check(c.in)
	}
	if empty == 0 {
		t.Error("never was everything beaten")
	}
}

func TestMerge(t *testing.T) {
	a := &Result{Status: Optimal, Frontier: []Point{{1000, 90}, {2500, 50}, {9000, 10}}, Reach: Reach{FewestStages: 3, MostStages: 4}}
	b := &Result{Status: Infeasible, Reach: Reach{FewestStages: 2, MostStages: 7}}
	c := &Result{Status: Stopped, GapPicoUSD: 4, Frontier: []Point{{1000, 80}, {2000, 50}, {2900, 49}, {9500, 10}}}
	m, from := Merge([]*Result{a, b, c}, 1)
	if m.Status != Stopped || m.GapPicoUSD != 4 || m.Reach != (Reach{FewestStages: 2, MostStages: 7}) ||
		!slices.Equal(m.Frontier, []Point{{1000, 80}, {2000, 50}, {2900, 49}, {9000, 10}}) || !slices.Equal(from, []Origin{{2, 0}, {2, 1}, {2, 2}, {0, 2}}) {
		t.Errorf("%+v", m)
	}
	a.Frontier[1].CostPicoUSD = 49
	if m, _ := Merge([]*Result{a, c}, 1000); !slices.Equal(m.Frontier, []Point{{1000, 80}, {2000, 50}, {2500, 49}, {9000, 10}}) {
		t.Errorf("%+v", m)
	}
	if k, ok := m.Cheapest(2950); !ok || k != 2 {
		t.Error(k, ok)
	}
	if k, ok := m.Fastest(50); !ok || k != 1 {
		t.Error(k, ok)
	}
	if m, _ := Merge([]*Result{b, b}, 1); m.Status != Infeasible || len(m.Frontier) != 0 {
		t.Errorf("%+v", m)
	}
}
