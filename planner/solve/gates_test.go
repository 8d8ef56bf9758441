package solve

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// randomGates are larger and larger gateways: each starts sooner than the one before and costs more by the millisecond.
func randomGates(rng *rand.Rand) []Gate {
	start, price := 300_000+rng.Int64N(1_000_000), 200+rng.Int64N(2000)
	gates := make([]Gate, 1+rng.IntN(9))
	for k := range gates {
		gates[k] = Gate{StartUs: start, PicoUSDPerMs: price}
		if rng.IntN(3) == 0 {
			gates[k].AddedPicoUSD = rng.Int64N(2e6) - 1e6
		}
		start, price = start-rng.Int64N(start/2), price+rng.Int64N(2000)
		if rng.IntN(8) == 0 {
			start += rng.Int64N(400_000) // or it is no good
		}
	}
	return gates
}

// One search for all gates finds what a search for each does, the same plans with the same gates.
func TestGatesAgainstOneByOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 15))
	several := 0
	for n := range 60 {
		o := chainOutline(scenarios[n%3], []int{5, 12, 40}[rng.IntN(3)])
		if o.Scenario != ColdOverlapped && rng.IntN(2) == 0 {
			o.TickUs = 1
		}
		if rng.IntN(4) == 0 {
			o.DispatchUs += rng.Int64N(999) // then no finish is in whole milliseconds
		}
		if rng.IntN(3) == 0 {
			o.GatewayStepUs, o.GatewayMinUs = Millisecond*(1+rng.Int64N(100)), rng.Int64N(3_000_000)
		}
		if o.MaxStages = 1 + rng.IntN(5); rng.IntN(3) == 0 {
			o = &Outline{Problem: *o.Whole()}
		}
		gates := randomGates(rng)
		for _, resolution := range []int64{1, Millisecond} {
			var each []*Result
			for _, g := range gates {
				_, r := (&Outline{Problem: *o.Whole().At(g)}).Solve(Effort{ResolutionUs: resolution})
				each = append(each, r)
			}
			want, from := Merge(each, resolution)
			in, got, which := o.SolveThrough(gates, Effort{ResolutionUs: resolution})
			if got.Status != want.Status || !slices.Equal(got.Frontier, want.Frontier) {
				t.Fatalf("%s, %+v, by %d us:\n%v\n%v, one by one\n%v", o.Scenario, gates, resolution, got.Status, got.Frontier, want.Frontier)
			}
			for i, f := range from {
				if which[i] != f.Result {
					t.Errorf("point %v is driven by gate %d, one by one %d", got.Frontier[i], which[i], f.Result)
				}
				if total, err := in.At(gates[which[i]]).Evaluate(got.Stages(i)); err != nil || total != got.Frontier[i] {
					t.Fatalf("point %v is a plan of %v (%v)", got.Frontier[i], total, err)
				}
				if which[i] != which[0] {
					several++
				}
			}
		}
	}
	if several < 100 {
		t.Errorf("only %d points have another gate than the first of theirs", several)
	}
}

// What points of other problems beat through every gate need not be found, and nothing else is left out.
func TestGatesBesideBeatenPoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	fewer := 0
	for n := range 30 {
		o := chainOutline(scenarios[n%3], 20)
		gates := randomGates(rng)
		_, full, _ := o.SolveThrough(gates, Effort{})
		foreign := &Result{Status: Optimal}
		for _, x := range full.Frontier {
			x.LatencyUs, x.CostPicoUSD = x.LatencyUs+rng.Int64N(50_000)-25_000, x.CostPicoUSD+rng.Int64N(2e6)-1e6
			if k := len(foreign.Frontier); rng.IntN(3) == 0 && (k == 0 || x.LatencyUs > foreign.Frontier[k-1].LatencyUs && x.CostPicoUSD < foreign.Frontier[k-1].CostPicoUSD) {
				foreign.Frontier = append(foreign.Frontier, x)
			}
		}
		_, some, _ := o.SolveThrough(gates, Effort{Beaten: foreign.Frontier})
		want, _ := Merge([]*Result{foreign, full}, 1)
		got, _ := Merge([]*Result{foreign, some}, 1)
		if !slices.Equal(got.Frontier, want.Frontier) {
			t.Fatalf("%s: beside %v found %v, want %v", o.Scenario, foreign.Frontier, got.Frontier, want.Frontier)
		}
		if len(some.Frontier) < len(full.Frontier) {
			fewer++
		}
	}
	if fewer == 0 {
		t.Error("never was anything left out")
	}
}
