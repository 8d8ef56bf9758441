package rivals

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"partita/internal/models"
	"partita/planner"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
)

func TestCompare(t *testing.T) {
	d := mustPlan(t, models.Residual(t), "mb=512,1024")
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

// Every figure of a comparison worked out by hand for a plan of 2 millionths of a USD per request.
func TestComparisonByHand(t *testing.T) {
	d := mustPlan(t, models.Residual(t), "mb=512,1024&start=warm")
	d.CostPicoUSD = 2_000_000
	c, err := Compare(d, 100*microRequest)
	if err != nil {
		t.Fatal(err)
	}
	// 100 requests an hour for 730 hours: 73,000 x 2 micro-dollars.
	if c.MonthMicroUSD != 146_000 || c.ColdPpm != nil {
		t.Errorf("a month is %d micro-dollars", c.MonthMicroUSD)
	}
	for _, want := range []struct {
		name                        string
		picoUSD, month, perHourEven int64
	}{
		{"SageMaker notebook (ml.t2.medium)", 464_000_000, 33_872_000, 23_200},                                // 0.0464 USD/h
		{"SageMaker notebook (ml.t2.medium) and hosting (ml.m4.xlarge)", 3_264_000_000, 238_272_000, 163_200}, // 0.0464 + 0.28
		{"SageMaker real-time (ml.m4.xlarge)", 2_400_000_000, 175_200_000, 120_000},                           // 0.24
		{"SageMaker real-time (ml.m5.xlarge)", 2_300_000_000, 167_900_000, 115_000},                           // 0.23
	} {
		found := false
		for _, r := range c.Rivals {
			if r.Name == want.name {
				found = true
				if r.CostPicoUSD != want.picoUSD || r.MonthMicroUSD != want.month || r.BreakEvenMicroRequestsPH != want.perHourEven*microRequest {
					t.Errorf("%+v, want %+v", r, want)
				}
			}
		}
		if !found {
			t.Errorf("%s is not compared with", want.name)
		}
	}
	for i, name := range []string{planner.OneFunction, planner.Greedy, planner.EqualLayers, planner.Random, Published} {
		r := c.Rivals[i]
		if r.Name != name || r.Status != "feasible" || r.BreakEvenMicroRequestsPH != 0 || r.MonthMicroUSD != (r.CostPicoUSD*73_000+999_999)/1_000_000 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// SageMaker Serverless at 1 GB: whole milliseconds at 20 micro-dollars a GB-s, and 16 nano-dollars a kB of the image and the classes.
	r := c.Rivals[len(c.Rivals)-1]
	g := models.Residual(t).Graph
	bytes := g.Value(g.Inputs[0].Value).Bytes(1) + g.Value(g.Outputs[0].Value).Bytes(1)
	if want := (r.LatencyUs+999)/1000*20_000 + bytes*16; r.Name != "SageMaker Serverless Inference" || r.CostPicoUSD != want {
		t.Errorf("%+v, want %d", r, want)
	}
}

// A plan made for a rate costs what it costs at the rate compared at, and breaks even where an hour of it costs the host's price.
func TestComparisonOfAPlanForARate(t *testing.T) {
	d := mustPlan(t, models.Residual(t), "mb=512,1024&rate=1/h")
	at := func(rate int64) *Comparison {
		t.Helper()
		c, err := Compare(d, rate)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := at(microRequest); c.CostPicoUSD != d.CostPicoUSD || *c.ColdPpm != 846_482 { // exp(-1/6)
		t.Errorf("%+v", c)
	}
	busy := at(3600 * microRequest)
	if busy.CostPicoUSD != d.Traffic.WarmCostPicoUSD || *busy.ColdPpm != 0 {
		t.Errorf("once a second it costs %d, warm %d, %d cold", busy.CostPicoUSD, d.Traffic.WarmCostPicoUSD, *busy.ColdPpm)
	}
	for _, r := range busy.Rivals {
		if r.BreakEvenMicroRequestsPH == 0 {
			continue
		}
		even := r.BreakEvenMicroRequestsPH
		host := int64(0)
		for _, h := range platform.Hosts() {
			if h.Label == r.Name {
				host = h.PicoUSDPerHour
			}
		}
		if above, below := divideUp(at(even).CostPicoUSD, even, microRequest), divideUp(at(even-1).CostPicoUSD, even-1, microRequest); above < host || below >= host {
			t.Errorf("%s at %d an hour: %d, just below %d, the host takes %d", r.Name, even, above, below, host)
		}
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
