package planner

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"partita/planner/diag"
	"partita/planner/plan"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]int64{"100/h": 100_000_000, "2.5/s": 9_000_000_000, "30/m": 1_800_000_000, "1000/d": 41_666_666, "1000000/s": maxRatePH * microRequest} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "/h", "0/h", "-1/h", "1/y", "0.0000001/h", "1000001/s", "999999999999999/s", "9999999999999999999999/h"} {
		if _, err := ParseRate(text); diag.CodeOf(err) != "planner.bad-rate" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCompare(t *testing.T) {
	d := mustPlan(t, mustProblem(t, tiny(t), "memory=512,1024"))
	c, err := Compare(d, 100*microRequest)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Rival{}
	for _, r := range c.Rivals {
		byName[r.Name] = r
		if r.Basis == "" || r.Status == "" {
			t.Errorf("%+v", r)
		}
	}
	if len(byName) != len(d.Baselines)+1+5 || byName[Published].Basis != PublishedBasis {
		t.Fatalf("%+v", c)
	}
	notebook := byName["SageMaker notebook (ml.t2.medium)"]
	if notebook.CostPicoUSD != 464_000_000 { // 0.0464 USD an hour over 100 requests
		t.Errorf("%+v", notebook)
	}
	// At the break-even rate both cost the same, within the rounding of a millionth of a request.
	even, err := Compare(d, notebook.BreakEvenMicroRequestsPH)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range even.Rivals {
		if r.Name == notebook.Name && (r.CostPicoUSD > d.CostPicoUSD || r.CostPicoUSD < d.CostPicoUSD-1-d.CostPicoUSD/1_000_000) {
			t.Errorf("at break-even %d, the plan costs %d", r.CostPicoUSD, d.CostPicoUSD)
		}
	}
	serverless := byName["SageMaker Serverless Inference"]
	if serverless.Status != "feasible" || serverless.BreakEvenMicroRequestsPH != 0 || serverless.LatencyUs == 0 {
		t.Errorf("%+v", serverless)
	}
	d.Model.Name = "ResNet50"
	if c, err := Compare(d, 1); err != nil || c.Rivals[len(c.Rivals)-1].Status != "published" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Compare(d, 0); diag.CodeOf(err) != "planner.bad-rate" {
		t.Error(err)
	}
	if _, err := Compare(&plan.Plan{Reason: "none"}, 1); diag.CodeOf(err) != "planner.nothing-to-compare" {
		t.Error(err)
	}
}

func TestDivideUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		a, b, c := rng.Int64()>>rng.IntN(63), rng.Int64()>>rng.IntN(63), rng.Int64()>>rng.IntN(63)+1
		product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		want := new(big.Int).Add(product, big.NewInt(c-1))
		want.Quo(want, big.NewInt(c))
		if !want.IsInt64() {
			want = big.NewInt(math.MaxInt64)
		}
		if got := divideUp(a, b, c); got != want.Int64() {
			t.Fatalf("%d x %d / %d = %d, want %v", a, b, c, got, want)
		}
	}
}
