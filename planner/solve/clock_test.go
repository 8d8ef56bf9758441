package solve

import (
	"math/rand/v2"
	"testing"
)

// coarse keeps of a frontier by the microsecond the last point of each millisecond.
func coarse(all []Point) []Point {
	var kept []Point
	for _, p := range all {
		if n := len(kept); n > 0 && (kept[n-1].LatencyUs+999)/1000 == (p.LatencyUs+999)/1000 {
			kept = kept[:n-1]
		}
		kept = append(kept, p)
	}
	return kept
}

// The frontier by the millisecond is a part of the one by the microsecond, and exact for every SLO in whole milliseconds.
func TestMilliseconds(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 5))
	fewer := 0
	for n := range 3000 {
		in := random(rng, 2+rng.IntN(8), 1+rng.IntN(6), 1<<(8+rng.IntN(12)), 1<<rng.IntN(24))
		all := solvePlain(in).Frontier
		want := coarse(all)
		if len(want) < len(all) {
			fewer++
		}
		if err := same(in, in.Solve(Effort{ResolutionUs: Millisecond}), want); err != nil {
			text, _ := in.Encode()
			t.Fatalf("instance %d, %s: %v\n%s", n, in.Scenario, err, text)
		}
	}
	if fewer < 300 {
		t.Errorf("only %d frontiers had several points in a millisecond", fewer)
	}
}

func TestMillisecondsOfModels(t *testing.T) {
	for _, scenario := range scenarios {
		for seed := range uint64(4) {
			in := model(chainLike(24, seed), sizes(128, 3008), scenario, 2+int(seed), seed%2 == 0)
			want := coarse(Solve(in, 0).Frontier)
			if err := same(in, in.Solve(Effort{ResolutionUs: Millisecond}), want); err != nil {
				t.Errorf("%s, seed %d: %v", scenario, seed, err)
			}
		}
	}
}
