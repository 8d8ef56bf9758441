package cost_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/solve"
)

func TestColdPpm(t *testing.T) {
	const second, minute, hour = 1_000_000, 60_000_000, 3_600_000_000
	for _, c := range []struct {
		microPH, idleUs, want int64
	}{
		{0, hour, 1_000_000},                  // nobody comes
		{1_000_000, 0, 1_000_000},             // nothing is kept
		{1_000_000, hour, 367_879},            // once an hour, kept for one: 1/e
		{6_000_000, 10 * minute, 367_879},     // six times, kept for a sixth
		{100_000_000, 10 * minute, 0},         // exp(-16.7) = 5.8e-8
		{60_000_000, 10 * minute, 45},         // exp(-10) = 4.54e-5
		{3_600_000_000, second, 367_879},      // once a second, kept for one
		{41_666, 10 * minute, 993_080},        // once a day: exp(-600/86400.0) = 0.99308
		{3_600_000_000_000_000, 24 * hour, 0}, // a million a second
		{1, 1, 1_000_000},                     // next to nothing
		{15_000_000, hour, 0},                 // exp(-15) = 3.1e-7
		{14_000_000, hour, 1},                 // exp(-14) = 8.3e-7
		{693_147, hour, 500_000},              // ln 2
	} {
		if got := cost.ColdPpm(c.microPH, c.idleUs); got != c.want {
			t.Errorf("%d millionths an hour, %d us: %d, want %d", c.microPH, c.idleUs, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(4, 2))
	for range 1000 {
		rate, idle := rng.Int64N(200_000_000), rng.Int64N(2*hour)
		want := 1e6 * math.Exp(-float64(rate)/1e6/3600*float64(idle)/1e6)
		if got := cost.ColdPpm(rate, idle); math.Abs(float64(got)-want) > 0.501 {
			t.Fatalf("%d, %d: %d, want %f", rate, idle, got, want)
		}
	}
	// It is the share of gaps of a Poisson process that are longer than the idle timeout.
	const gaps, perHour, idleMinutes = 200_000, 9.0, 10.0
	long := 0
	for range gaps {
		if rng.ExpFloat64()*60/perHour > idleMinutes {
			long++
		}
	}
	got := float64(cost.ColdPpm(perHour*1_000_000, idleMinutes*minute)) / 1e6
	if share := float64(long) / gaps; math.Abs(share-got) > 0.005 {
		t.Errorf("%f of the gaps are long, the formula says %f", share, got)
	}
}

// A mix of all cold or all warm requests costs what those scenarios cost, gateway included, up to the gateway's rounding to
// milliseconds and a pico-dollar a stage.
func TestMixedCosts(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	tried := 0
	for round := range 60 {
		g := randomGraph(rng)
		p := mustPlatform(t, platform.Names()[round%len(platform.Names())])
		at := func(scenario solve.Scenario, share int64) cost.Settings {
			s := cost.Settings{Scenario: scenario}
			if share >= 0 {
				s.Arrivals = &cost.Arrivals{ColdPpm: share}
			}
			return s
		}
		full := func(s cost.Settings) solve.Point {
			table := mustTable(t, g, p, s)
			in := mustInstance(t, table)
			var path []solve.Choice
			byEnds := map[[2]int]int{}
			for k := range in.Segments {
				byEnds[[2]int{in.Segments[k].I, in.Segments[k].J}] = k
			}
			sink := len(in.Nodes) - 1
			for node := 1; node < sink; node++ { // the first two stages that there are
				before, ok := byEnds[[2]int{0, node}]
				after, too := byEnds[[2]int{node, sink}]
				if ok && too {
					path = []solve.Choice{{Segment: before}, {Segment: after}}
					break
				}
			}
			whole, ok := byEnds[[2]int{0, sink}]
			switch {
			case path == nil && !ok: // too much memory for this platform
				return solve.Point{}
			case path == nil:
				path = []solve.Choice{{Segment: whole}}
			}
			tried++
			for _, c := range path {
				in.Segments[c.Segment].Options = []solve.Option{option(table, &in.Segments[c.Segment], p.MaxMemoryMB)}
			}
			point, err := solve.Evaluate(in, path)
			if err != nil {
				t.Fatal(err)
			}
			return point
		}
		perMs := p.PicoUSDPerMs(p.GatewayMemoryMB)
		near := func(what string, got, want int64) {
			t.Helper()
			// The whole of a latency is rounded, of half a step on average; and what is billed at least counts in the scenario's requests only.
			apart := 2 * perMs
			if p.GranularityUs > 1000 && p.PlanningOnly {
				apart = (p.GranularityUs/2 + 2000) / 1000 * perMs
			}
			less := apart
			if p.MinBilledUs > p.GranularityUs {
				less += p.MinBilledUs / 1000 * perMs
			}
			if d := got - want; d > apart || d < -less {
				t.Errorf("round %d, %s on %s: %d, want %d", round, what, p.Name, got, want)
			}
		}
		warm, cold := full(at(solve.Warm, -1)), full(at(solve.ColdSequential, -1))
		for _, share := range []int64{0, 250_000, 1_000_000} {
			want := (share*cold.CostPicoUSD + (1_000_000-share)*warm.CostPicoUSD) / 1_000_000
			onWarm, onCold := full(at(solve.Warm, share)), full(at(solve.ColdSequential, share))
			near("warm", onWarm.CostPicoUSD, want)
			near("cold", onCold.CostPicoUSD, want)
			if onWarm.LatencyUs != warm.LatencyUs || onCold.LatencyUs != cold.LatencyUs {
				t.Errorf("round %d: the latency is no longer the scenario's", round)
			}
		}
		near("all cold and woken", full(at(solve.ColdOverlapped, 1_000_000)).CostPicoUSD, full(at(solve.ColdOverlapped, -1)).CostPicoUSD)
	}
	if tried < 300 {
		t.Errorf("only %d paths were priced", tried)
	}
}

func option(table *cost.Table, s *solve.Segment, memoryMB int64) solve.Option {
	a := table.Stage(s.I, s.J, memoryMB)
	return a.Option()
}

// The expected cost of one stage worked out by hand, from what the pure scenarios bill.
func TestMixByHand(t *testing.T) {
	b := newBuilder(3, 16)
	b.conv("conv", "conv/kernel", 8)
	g := b.done()
	p := mustPlatform(t, "local")
	s := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential, Arrivals: &cost.Arrivals{ColdPpm: 200_000}}).Stage(0, 1, 512)
	// Cold it bills 50,002 us of init and 67 us of run as 51 ms (see TestOneStageByHand), warm 1 ms; a millisecond at 512 MB is 8,333.35.
	const cold, warm = 425_001 + 200_000, 8_333 + 200_000
	if want := int64(200_000*cold+800_000*warm+500_000) / 1_000_000; s.CostPicoUSD != want || s.BilledUs != 51_000 {
		t.Errorf("cost %d, billed %d us, want %d", s.CostPicoUSD, s.BilledUs, want)
	}
	// In four fifths of the requests the gateway decodes for 34,551 us, dispatches for 2,000 and waits for the run, at 8,333 a millisecond.
	run := s.InputUs + s.ComputeUs + s.OutputUs
	if want := ((34_551+2_000+run)*8_333*800_000+999_999_999)/1_000_000_000 + 200_000; s.GatewayPicoUSD != want {
		t.Errorf("the gateway's part is %d, want %d", s.GatewayPicoUSD, want)
	}
}
