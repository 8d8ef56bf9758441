package cost_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/solve"
)

// The passes of a request, counted one by one.
func TestBatchingCounts(t *testing.T) {
	for inputs := int64(1); inputs <= 12; inputs++ {
		for batch := int64(1); batch <= inputs; batch++ {
			var sizes []int64
			for left := inputs; left > 0; left -= batch {
				sizes = append(sizes, min(batch, left))
			}
			for pipelines := 1; pipelines <= len(sizes); pipelines++ {
				b := cost.Batching{Inputs: inputs, Batch: batch, Pipelines: int64(pipelines)}
				turns := (len(sizes) + pipelines - 1) / pipelines
				if b.Passes() != int64(len(sizes)) || b.Turns() != int64(turns) || b.LastBatch() != sizes[len(sizes)-1] {
					t.Errorf("%+v: %d passes, %d turns, %d in the last", b, b.Passes(), b.Turns(), b.LastBatch())
				}
			}
		}
	}
}

// What is offered for some inputs loses nothing: with every number of pipelines, and where all batches are candidates with
// every batch, the frontier is the same.
func TestBatchingsLoseNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 41))
	for round := range 60 {
		g := randomGraph(rng)
		p := mustPlatform(t, platform.Names()[round%len(platform.Names())])
		all := p.Grid(0)
		settings := cost.Settings{Scenario: scenarios[rng.IntN(3)], MinStages: 1, MaxStages: 3, MemoryMB: []int64{all[len(all)/8], all[len(all)/3], all[len(all)-1]}}
		if rng.IntN(3) == 0 {
			settings.Arrivals = &cost.Arrivals{ColdPpm: rng.Int64N(1_000_001)}
		}
		inputs := 1 + rng.Int64N(9)
		table := mustTable(t, g, p, settings)
		frontier := func(all []cost.Batching) *solve.Result {
			var results []*solve.Result
			for _, b := range all {
				results = append(results, table.With(b, 1, 3, 0).Problem().Solve(solve.Effort{}))
			}
			merged, _ := solve.Merge(results, 1)
			return merged
		}
		var every []cost.Batching
		for b := int64(1); b <= inputs; b++ {
			for c := int64(1); c <= (inputs+b-1)/b; c++ {
				every = append(every, cost.Batching{Inputs: inputs, Batch: b, Pipelines: c})
			}
		}
		offered := cost.Batchings(inputs, 0, 0, 3, settings.Scenario == solve.Warm && settings.Arrivals == nil)
		if len(offered) > len(every) || !slices.IsSortedFunc(offered, func(a, b cost.Batching) int { return int(a.Batch*1000 + a.Pipelines - b.Batch*1000 - b.Pipelines) }) {
			t.Fatalf("%d inputs: %v", inputs, offered)
		}
		got, want := frontier(offered), frontier(every)
		// What is beaten already need not be found again.
		var known []*solve.Result
		for k := range offered {
			b := offered[len(offered)-1-k]
			beaten, _ := solve.Merge(known, 1)
			known = append(known, table.With(b, 1, 3, 0).Problem().Solve(solve.Effort{Beaten: beaten.Frontier}))
		}
		if less, _ := solve.Merge(known, 1); !slices.Equal(less.Frontier, want.Frontier) {
			t.Fatalf("round %d, %s, %d inputs: %v from what is not beaten, %v in all", round, settings.Scenario, inputs, less.Frontier, want.Frontier)
		}
		if !slices.Equal(got.Frontier, want.Frontier) {
			t.Fatalf("round %d, %s, %d inputs: of %d ways %v, of all %d %v", round, settings.Scenario, inputs, len(offered), got.Frontier, len(every), want.Frontier)
		}
	}
}

// With many inputs the candidates stay few, and reach from one at a time to all at once.
func TestBatchingsOfMany(t *testing.T) {
	for inputs, most := range map[int64]int{17: 60, 100: 300, 1000: 3000, cost.MaxInputs: 14_000} {
		all := cost.Batchings(inputs, 0, 0, 10, false)
		if len(all) > most || all[0] != (cost.Batching{Inputs: inputs, Batch: 1, Pipelines: 1}) && inputs < cost.MaxInputs || all[len(all)-1] != (cost.Batching{Inputs: inputs, Batch: inputs, Pipelines: 1}) {
			t.Errorf("%d inputs: %d candidates from %v to %v", inputs, len(all), all[0], all[len(all)-1])
		}
		for _, b := range all {
			if b.Pipelines > b.Passes() || b.MaxStages() < 1 {
				t.Errorf("%+v", b)
			}
		}
	}
	if got := fmt.Sprint(cost.Batchings(10, 4, 2, 10, false), cost.Batchings(10, 20, 9, 10, false), cost.Batchings(10, 5, 0, 10, true)); got != "[{10 4 2}] [{10 10 1}] [{10 5 2}]" {
		t.Error(got)
	}
}

// The stages of a request of several inputs by hand: a cold one in passes of 2, 2 and 1 over two pipelines.
func TestPassesByHand(t *testing.T) {
	g := randomGraph(rand.New(rand.NewPCG(1, 1)))
	p := mustPlatform(t, "aws-lambda-x86_64")
	b := cost.Batching{Inputs: 5, Batch: 2, Pipelines: 2}
	table := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential}).With(b, 1, 4, 0)
	last := table.Cuts() + 1
	s := table.Stage(0, last, 1024)
	single := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential}).Stage(0, last, 1024)
	pair := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential, Batch: 2}).Stage(0, last, 1024)
	run := func(s *cost.Stage) int64 { return s.InputUs + s.ComputeUs + s.OutputUs }
	if run(&s) != run(&pair) || s.LastPass == nil || s.LastPass.ComputeUs != single.ComputeUs || s.InitUs != pair.InitUs {
		t.Fatalf("%+v", s)
	}
	// The first pipeline has passes 1 and 3, of 2 inputs and 1; the second pass 2.
	if o := s.Option(); o.RunUs != run(&pair)+p.DispatchUs+run(&single) {
		t.Errorf("runs for %d us", o.RunUs)
	}
	billed := 2*p.BilledUs(s.InitUs+run(&pair)) + p.BilledUs(run(&single))
	fees := 3*p.RequestPicoUSD + 3*(pair.FeesPicoUSD-p.RequestPicoUSD)
	if s.BilledUs != billed || s.Invocations != 3 || s.FeesPicoUSD != fees || s.CostPicoUSD != p.ComputePicoUSD(billed, 1024)+fees {
		t.Errorf("%+v, not %d us and %d", s, billed, fees)
	}
	overlapped := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdOverlapped}).With(b, 1, 4, 0)
	if o := overlapped.Stage(1, last, 1024); o.Invocations != 5 {
		t.Errorf("a stage that is woken in two environments is invoked %d times", o.Invocations)
	}
}

// Inputs that are too long for a message go through objects, and those that are too many for the gateway's memory do not go.
func TestManyInputsAtTheGateway(t *testing.T) {
	g := randomGraph(rand.New(rand.NewPCG(1, 1)))
	p := *mustPlatform(t, "aws-lambda-x86_64")
	base := mustTable(t, g, &p, cost.Settings{})
	few, many := base.With(cost.Batching{Inputs: 2, Batch: 1, Pipelines: 1}, 1, 4, 0), base.With(cost.Batching{Inputs: 4000, Batch: 1, Pipelines: 1}, 1, 4, 0)
	if fees := few.GatewayFees(); fees != p.RequestPicoUSD {
		t.Errorf("two inputs cost %d at the gateway", fees)
	}
	if fees := many.GatewayFees(); fees <= p.RequestPicoUSD {
		t.Errorf("4,000 inputs cost %d at the gateway", fees)
	}
	// What goes to the first stage through S3, and comes from the last, the gateway writes and reads itself.
	tight := p
	tight.PayloadLimitBytes = 1
	for _, b := range []cost.Batching{{Inputs: 1, Batch: 1, Pipelines: 1}, {Inputs: 7, Batch: 7, Pipelines: 1}, {Inputs: 7, Batch: 2, Pipelines: 2}} {
		plain, through := base.With(b, 1, 4, 0), mustTable(t, g, &tight, cost.Settings{}).With(b, 1, 4, 0)
		instance, err := through.Instance()
		if err != nil {
			t.Fatal(err)
		}
		whole := through.Stage(0, len(instance.Nodes)-1, 1024)
		in, out := whole.InputBytes*b.Inputs/b.Batch, whole.OutputBytes*b.Inputs/b.Batch
		if whole.TransportIn != cost.S3 || whole.TransportOut != cost.S3 || whole.InputBytes%b.Batch != 0 {
			t.Fatalf("%+v", whole)
		}
		ceil := func(a, b int64) int64 { return (a + b - 1) / b }
		puts, gets := min(p.ObjectPutBytesPerSecond, p.NetworkBytesPerSecond), min(p.ObjectGetBytesPerSecond, p.NetworkBytesPerSecond)
		us := p.ObjectPutLatencyUs + ceil(in*1e6, puts) + p.ObjectGetLatencyUs + ceil(out*1e6, gets)
		fees := b.Passes() * (p.ObjectPutPicoUSD + p.ObjectGetPicoUSD)
		if b.Inputs > 1 { // and so between the user and the gateway
			us += p.ObjectGetLatencyUs + ceil(in*1e6, gets) + p.ObjectPutLatencyUs + ceil(out*1e6, puts)
			fees += 2 * (p.ObjectPutPicoUSD + p.ObjectGetPicoUSD)
		}
		if got := through.StartUs() - plain.StartUs(); got != us {
			t.Errorf("%+v: the gateway takes %d us longer, want %d", b, got, us)
		}
		if got := through.GatewayFees() - plain.GatewayFees(); got != fees {
			t.Errorf("%+v: the gateway's fees are %d more, want %d", b, got, fees)
		}
	}
	one, allowed := base.GatewayRoom()
	needs, _ := many.GatewayRoom()
	if one != 0 || allowed != p.GatewayMemoryMB<<20/3 || needs != 4000*few.Stage(0, 1, 1024).InputBytes {
		t.Errorf("%d, %d, %d", one, needs, allowed)
	}
}
