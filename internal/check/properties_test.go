package check

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/solve"
)

// question is what is asked of the optimiser here: a model, a platform whose figures may be changed, and settings.
type question struct {
	graph    *graph.Graph
	platform platform.Platform
	settings cost.Settings
}

func randomQuestion(t *testing.T, rng *rand.Rand) question {
	t.Helper()
	r := randomRequest(rng)
	on, err := platform.Get(r.Platform)
	if err != nil {
		t.Fatal(err)
	}
	q := question{mustRandomModel(t, rng).Graph, *on, cost.Settings{Scenario: solve.Scenario(r.Scenario), MinStages: r.MinStages, MaxStages: r.MaxStages,
		MemoryMB: r.MemoryMB, Batch: max(r.Batch, 1), Transport: r.Transport, GatewayMemoryMB: on.GatewayMemoryMB}}
	if rng.IntN(3) == 0 {
		q.settings.Arrivals = &cost.Arrivals{ColdPpm: rng.Int64N(1_000_001)}
	}
	return q
}

// answer solves a question, and checks that the frontier falls strictly.
func (q question) answer(t *testing.T) *solve.Result {
	t.Helper()
	table, err := cost.NewTable(q.graph, &q.platform, q.settings)
	if err != nil {
		t.Fatalf("%+v: %v", q.settings, err)
	}
	r := table.Problem().Solve(solve.Effort{})
	if (r.Status == solve.Optimal) != (len(r.Frontier) > 0) || r.Status == solve.Stopped {
		t.Fatalf("%+v: %s with %d points", q.settings, r.Status, len(r.Frontier))
	}
	for i := 1; i < len(r.Frontier); i++ {
		if p, n := r.Frontier[i-1], r.Frontier[i]; n.LatencyUs <= p.LatencyUs || n.CostPicoUSD >= p.CostPicoUSD {
			t.Fatalf("%+v: after %v comes %v", q.settings, p, n)
		}
	}
	return r
}

// least is the cheapest cost within an SLO; the largest number when there is no plan.
func least(r *solve.Result, sloUs int64) int64 {
	point, ok := r.Cheapest(sloUs)
	if !ok {
		return math.MaxInt64
	}
	return r.Frontier[point].CostPicoUSD
}

// noDearer checks that a question is answered at least as well as a narrower one, whatever the SLO.
func noDearer(t *testing.T, what string, q question, wide, narrow *solve.Result) {
	t.Helper()
	for _, p := range narrow.Frontier {
		if now := least(wide, p.LatencyUs); now > p.CostPicoUSD {
			t.Fatalf("%s, %s %+v: within %d us it costs %d, without %d", what, q.platform.Name, q.settings, p.LatencyUs, now, p.CostPicoUSD)
		}
	}
}

// With more sizes, more stages allowed, or a looser limit of the platform no SLO costs more.
func TestFreedomNeverCostsMore(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 8))
	feasible := 0
	for range 150 {
		q := randomQuestion(t, rng)
		narrow := q.answer(t)
		if len(narrow.Frontier) > 0 {
			feasible++
		}
		for _, c := range []struct {
			what   string
			loosen func(*question)
		}{
			{"more sizes", func(q *question) {
				q.settings.MemoryMB = slices.Compact(slices.Sorted(slices.Values(append(someSizes(rng, &q.platform, 3), q.settings.MemoryMB...))))
			}},
			{"more stages", func(q *question) { q.settings.MaxStages += 1 + rng.IntN(4) }},
			{"fewer stages too", func(q *question) { q.settings.MinStages = max(1, q.settings.MinStages-1) }},
			{"larger packages", func(q *question) { q.platform.PackageLimitBytes *= 2 }},
			{"larger payloads", func(q *question) { q.platform.PayloadLimitBytes *= 4 }},
			{"longer runs", func(q *question) { q.platform.TimeoutUs *= 2 }},
			{"longer inits", func(q *question) { q.platform.InitTimeoutUs *= 2 }},
			{"less memory for the runtime", func(q *question) { q.platform.RuntimeBaseMB /= 2 }},
			{"any transport", func(q *question) { q.settings.Transport = "" }},
			{"images too", func(q *question) {
				q.settings.Variants = []cost.Variant{cost.Plain, {Packaging: plan.PackagingImage, Precision: precision.Float32}}
			}},
			{"any packaging", func(q *question) {
				q.settings.Variants = []cost.Variant{cost.Plain, {Packaging: plan.PackagingS3, Precision: precision.Float32}, {Packaging: plan.PackagingImage, Precision: precision.Float32}}
			}},
		} {
			wider := q
			c.loosen(&wider)
			noDearer(t, c.what, q, wider.answer(t), narrow)
		}
	}
	if feasible < 75 {
		t.Errorf("only %d questions had an answer", feasible)
	}
}

// With every price times k each SLO costs k times as much, but for what is rounded: half a pico-dollar for each stage and for
// each millisecond of the gateway, k times that before. Latencies do not change.
func TestPricesScale(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 21))
	for range 100 {
		q := randomQuestion(t, rng)
		q.settings.Arrivals = nil // their part of the gateway is rounded for times that are not in the frontier
		before := q.answer(t)
		k := 2 + rng.Int64N(9)
		dear := q
		for _, price := range []*int64{&dear.platform.PicoUSDPerGBs, &dear.platform.PicoUSDPerVCPUs, &dear.platform.RequestPicoUSD, &dear.platform.ObjectPutPicoUSD, &dear.platform.ObjectGetPicoUSD} {
			*price *= k
		}
		after := dear.answer(t)
		if (len(before.Frontier) == 0) != (len(after.Frontier) == 0) {
			t.Fatalf("%+v: %d points, dearer %d", q.settings, len(before.Frontier), len(after.Frontier))
		}
		if len(before.Frontier) > 0 && before.Frontier[0].LatencyUs != after.Frontier[0].LatencyUs {
			t.Errorf("%+v: the fastest plan takes %d us, dearer %d", q.settings, before.Frontier[0].LatencyUs, after.Frontier[0].LatencyUs)
		}
		for _, p := range append(slices.Clone(before.Frontier), after.Frontier...) {
			rounded := (k + 1) * (q.platform.BilledUs(p.LatencyUs)/1000 + 1 + int64(q.settings.MaxStages)) / 2
			if a, b := least(after, p.LatencyUs), k*least(before, p.LatencyUs); a > b+rounded || a < b-rounded {
				t.Fatalf("%s %+v: within %d us %d, at %d times the prices %d", q.platform.Name, q.settings, p.LatencyUs, b/k, k, a)
			}
		}
	}
}

// A size that nothing fits in changes nothing.
func TestUselessSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(34, 55))
	tried := 0
	for range 100 {
		q := randomQuestion(t, rng)
		small := q.platform.Grid(1)[0]
		if q.platform.RuntimeBaseMB = 700; small >= 700 || q.settings.MemoryMB[0] <= small {
			continue // it may be of use, or is there already
		}
		tried++
		before := q.answer(t)
		with := q
		with.settings.MemoryMB = append([]int64{small}, q.settings.MemoryMB...)
		if after := with.answer(t); !slices.Equal(before.Frontier, after.Frontier) {
			t.Fatalf("%s %+v: %d MB changes %v into %v", q.platform.Name, q.settings, small, before.Frontier, after.Frontier)
		}
	}
	if tried < 30 {
		t.Errorf("tried only %d times", tried)
	}
}

// A slower dispatch is paid at most as often as there are stages, and at least once unless it passes while stages boot.
func TestDispatchAdds(t *testing.T) {
	rng := rand.New(rand.NewPCG(89, 144))
	for range 100 {
		q := randomQuestion(t, rng)
		before := q.answer(t)
		slow := q
		more := int64(1000 + rng.IntN(100_000))
		slow.platform.DispatchUs += more
		after := slow.answer(t)
		if len(before.Frontier) == 0 {
			continue
		}
		least := more
		if q.settings.Scenario == solve.ColdOverlapped {
			least = 0 // it may pass while the stages boot
		}
		if added := after.Frontier[0].LatencyUs - before.Frontier[0].LatencyUs; added < least || added > more*int64(q.settings.MaxStages) {
			t.Errorf("%s %+v: a dispatch slower by %d us adds %d", q.platform.Name, q.settings, more, added)
		}
		noDearer(t, "faster dispatch", q, before, after)
	}
}

// The cheapest plan for a mix of cold and warm requests costs no less than the mix of the cheapest plans for each, as a plan's
// cost is linear in the share, and no more than when all are of the dearer kind.
func TestMixesLieBetween(t *testing.T) {
	rng := rand.New(rand.NewPCG(233, 377))
	feasible := 0
	for range 60 {
		q := randomQuestion(t, rng)
		at := func(ppm int64) int64 {
			c := q
			c.settings.Arrivals = &cost.Arrivals{ColdPpm: ppm}
			return least(c.answer(t), math.MaxInt64)
		}
		warm, half, cold := at(0), at(500_000), at(1_000_000)
		if half == math.MaxInt64 {
			if warm != half || cold != half {
				t.Errorf("%s %+v: only a mix has no plan", q.platform.Name, q.settings)
			}
			continue
		}
		feasible++
		// The gateway's price of a millisecond is rounded, its time in such small models below a minute.
		const slack = 60_000
		if half < warm/2+cold/2-slack || half > max(warm, cold)+slack {
			t.Errorf("%s %+v: warm %d, half %d, cold %d", q.platform.Name, q.settings, warm, half, cold)
		}
	}
	if feasible < 30 {
		t.Errorf("only %d mixes had a plan", feasible)
	}
}
