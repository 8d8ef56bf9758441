package cost_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/platform"
	"partita/planner/solve"
)

// builder makes small graphs by hand: convolutions, activations, additions over skip connections, a dense end.
type builder struct {
	g    graph.Graph
	last graph.ValueID
}

func newBuilder(channels, side int64) *builder {
	b := &builder{g: graph.Graph{Name: "made by hand"}}
	b.last = b.value(graph.Value{Name: "image", DType: graph.Float32, Shape: graph.Shape{graph.Batch, channels, side, side}, Producer: -1})
	b.g.Inputs = []graph.Port{{Name: "image", Value: b.last}}
	b.g.Layers = []graph.Layer{{Name: "image", Class: "InputLayer"}}
	return b
}

func (b *builder) value(v graph.Value) graph.ValueID {
	b.g.Values = append(b.g.Values, v)
	return graph.ValueID(len(b.g.Values) - 1)
}

func (b *builder) weight(key string, shape ...int64) graph.ValueID {
	for i := range b.g.Values {
		if w := b.g.Values[i].Weight; w != nil && w.Key == key {
			return graph.ValueID(i)
		}
	}
	return b.value(graph.Value{Name: key, DType: graph.Float32, Shape: shape, Producer: -1, Weight: &graph.Weight{Key: key, Stored: shape}})
}

// layer adds a layer of one node and makes its output the current one.
func (b *builder) layer(name, op string, shape graph.Shape, attrs []graph.Attr, inputs ...graph.ValueID) graph.ValueID {
	node := len(b.g.Nodes)
	out := b.value(graph.Value{Name: name, DType: graph.Float32, Shape: shape, Producer: node})
	b.g.Nodes = append(b.g.Nodes, graph.Node{Op: op, Name: name, Layer: len(b.g.Layers), Inputs: inputs, Outputs: []graph.ValueID{out}, Attrs: attrs})
	b.g.Layers = append(b.g.Layers, graph.Layer{Name: name, Class: op, Output: shape, FirstNode: node, LastNode: node + 1})
	b.last = out
	return out
}

func (b *builder) conv(name, key string, channels int64) graph.ValueID {
	in := b.g.Values[b.last].Shape
	return b.layer(name, "Conv", graph.Shape{graph.Batch, channels, in[2], in[3]}, nil, b.last, b.weight(key, channels, in[1], 3, 3))
}

func (b *builder) relu(name string) graph.ValueID {
	return b.layer(name, "Relu", b.g.Values[b.last].Shape, nil, b.last)
}

func (b *builder) add(name string, skip graph.ValueID) graph.ValueID {
	return b.layer(name, "Add", b.g.Values[b.last].Shape, nil, b.last, skip)
}

func (b *builder) dense(name string, units int64) {
	in := b.g.Values[b.last].Shape
	flat := b.layer(name+"_flatten", "Flatten", graph.Shape{graph.Batch, in[1:].Elements(1)}, nil, b.last)
	b.layer(name, "Gemm", graph.Shape{graph.Batch, units}, nil, flat, b.weight(name+"/kernel", in[1:].Elements(1), units))
}

func (b *builder) done() *graph.Graph {
	b.g.Outputs = []graph.Port{{Name: b.g.Layers[len(b.g.Layers)-1].Name, Value: b.last}}
	b.g.LayerCount = len(b.g.Layers)
	return &b.g
}

// randomGraph makes a residual network; some of its layers share a kernel.
func randomGraph(rng *rand.Rand) *graph.Graph {
	b := newBuilder(4, 8+rng.Int64N(40))
	channels := int64(8) << rng.IntN(5)
	b.conv("stem", "stem/kernel", channels)
	for k := range 1 + rng.IntN(5) {
		skip := b.last
		key := fmt.Sprintf("conv%d/kernel", rng.IntN(3))
		b.conv(fmt.Sprintf("conv%d", k), key, channels)
		if rng.IntN(2) == 0 {
			b.relu(fmt.Sprintf("relu%d", k))
		}
		if rng.IntN(3) > 0 {
			b.add(fmt.Sprintf("add%d", k), skip)
		}
	}
	b.dense("classes", 10+rng.Int64N(2000))
	return b.done()
}

func mustPlatform(t testing.TB, name string) *platform.Platform {
	t.Helper()
	p, err := platform.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustTable(t testing.TB, g *graph.Graph, p *platform.Platform, s cost.Settings) *cost.Table {
	t.Helper()
	if s.Batch == 0 {
		s.Batch = 1
	}
	if s.MinStages == 0 {
		s.MinStages, s.MaxStages = 1, 4
	}
	if s.Scenario == "" {
		s.Scenario = solve.ColdOverlapped
	}
	if s.GatewayMemoryMB == 0 {
		s.GatewayMemoryMB = p.GatewayMemoryMB
	}
	table, err := cost.NewTable(g, p, s)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func mustInstance(t testing.TB, table *cost.Table) *solve.Instance {
	t.Helper()
	in, err := table.Instance()
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Validate(); err != nil {
		t.Fatal(err)
	}
	return in
}

var scenarios = []solve.Scenario{solve.Warm, solve.ColdSequential, solve.ColdOverlapped}

// The law worked out by hand for one convolution on the local platform.
func TestOneStageByHand(t *testing.T) {
	b := newBuilder(3, 16)
	b.conv("conv", "conv/kernel", 8)
	g := b.done()
	p := mustPlatform(t, "local")
	table := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential})
	in := mustInstance(t, table)
	if len(in.Nodes) != 2 || len(in.Segments) != 1 {
		t.Fatalf("%d nodes, %d segments", len(in.Nodes), len(in.Segments))
	}
	s := table.Stage(0, 1, 512)
	// Weights: 8 x 3 x 3 x 3 float32. Activations: 3 x 16 x 16 in, 8 x 16 x 16 out.
	const weights, inBytes, outBytes = 8 * 27 * 4, 3 * 256 * 4, 8 * 256 * 4
	// 2 x 27 x 2048 FLOPs at 110 GFLOP/s: 1005.4 ns; 11,264 B of activations and 864 B of weights at 24 GB/s: 469.4 and 36 ns;
	// 5,000 ns for the operator. Each part is rounded up: 6,512 ns.
	const run1Ns = 1006 + 470 + 36 + 5000
	// At 512 MB all takes 1769 / 512 times as long.
	wantCompute := int64(23) // 6512 ns x 3.4551 = 22.5 us
	textIn, textOut := int64(1024+4096+256+5), int64(1024+(8192+2)/3*4+256+4)
	wantIn, wantOut := (textIn*1e6+4e8-1)/4e8, (textOut*1e6+4e8-1)/4e8
	packaged := int64(4096 + 35_164_376 + 16_000_000)
	wantInit := int64(50_000 + (weights*1660+999_999)/1_000_000)
	run := wantIn + wantCompute + wantOut
	billedMs := (wantInit + run + 999) / 1000
	wantCost := (billedMs*512*16_666_700+512_000)/1_024_000 + 200_000
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"weights", s.WeightBytes, weights}, {"input bytes", s.InputBytes, inBytes}, {"output bytes", s.OutputBytes, outBytes},
		{"one vCPU", s.OneVCPUUs, (run1Ns + 999) / 1000}, {"compute", s.ComputeUs, wantCompute}, {"input", s.InputUs, wantIn},
		{"output", s.OutputUs, wantOut}, {"package", s.PackageBytes, packaged}, {"init", s.InitUs, wantInit},
		{"billed", s.BilledUs, billedMs * 1000}, {"cost", s.CostPicoUSD, wantCost}, {"memory", s.MemoryNeededMB, 65},
		{"start", in.StartUs, 50_000 + 34_551}, {"dispatch", in.DispatchUs, 2000}, {"gateway", in.GatewayPicoUSDPerMs, 8333},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	found := false
	for _, o := range in.Segments[0].Options {
		if o.MemoryMB == 512 {
			found = true
			if want := (solve.Option{MemoryMB: 512, InitUs: wantInit, RunUs: run, CostPicoUSD: wantCost + 200_000}); o != want {
				t.Errorf("option %+v, want %+v", o, want)
			}
		}
	}
	if !found {
		t.Error("512 MB is no option")
	}
}

// Two pieces of code state the law: the fast one that writes the instance, and Stage. They must agree on every option,
// and every size that the instance leaves out must be impossible or no better than one that it has.
func TestInstanceAgreesWithStage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for round := range 120 {
		g := randomGraph(rng)
		p := mustPlatform(t, platform.Names()[round%len(platform.Names())])
		settings := cost.Settings{
			Scenario: scenarios[rng.IntN(3)], Batch: 1 + rng.Int64N(40), MinStages: 1, MaxStages: 4,
			Transport: []string{"", cost.Inline, cost.S3}[rng.IntN(3)],
		}
		if round%2 == 1 {
			settings.Arrivals = &cost.Arrivals{ColdPpm: rng.Int64N(1_000_001)}
		}
		table := mustTable(t, g, p, settings)
		in := mustInstance(t, table)
		listed := map[[2]int]map[int64]solve.Option{}
		for _, s := range in.Segments {
			sizes := map[int64]solve.Option{}
			previous := int64(0)
			for _, o := range s.Options {
				account := table.Stage(s.I, s.J, o.MemoryMB)
				if got := account.Option(); got != o {
					t.Fatalf("round %d: nodes %d-%d at %d MB: the instance has %+v, the account %+v", round, s.I, s.J, o.MemoryMB, o, got)
				}
				if o.MemoryMB <= previous {
					t.Fatalf("round %d: options out of order", round)
				}
				previous = o.MemoryMB
				sizes[o.MemoryMB] = o
			}
			listed[[2]int{s.I, s.J}] = sizes
		}
		for i := range in.Nodes {
			for j := i + 1; j < len(in.Nodes); j++ {
				if in.Nodes[i].Cut == in.Nodes[j].Cut {
					continue
				}
				for _, m := range p.Grid(0) {
					a := table.Stage(i, j, m)
					if _, ok := listed[[2]int{i, j}][m]; ok || !fits(p, a) {
						continue
					}
					o := a.Option()
					if !beaten(listed[[2]int{i, j}], o) {
						t.Fatalf("round %d: nodes %d-%d: %+v fits and is left out", round, i, j, o)
					}
				}
			}
		}
	}
}

func fits(p *platform.Platform, s cost.Stage) bool {
	return s.PackageBytes <= p.PackageLimitBytes && s.MemoryNeededMB <= s.MemoryMB && s.InputUs+s.ComputeUs+s.OutputUs <= p.TimeoutUs && s.InitUs <= p.InitTimeoutUs
}

func beaten(options map[int64]solve.Option, o solve.Option) bool {
	for _, b := range options {
		if b.InitUs <= o.InitUs && b.RunUs <= o.RunUs && b.CostPicoUSD <= o.CostPicoUSD {
			return true
		}
	}
	return false
}

func TestSharedWeightsCountOncePerStage(t *testing.T) {
	b := newBuilder(8, 8)
	b.conv("first", "shared/kernel", 8)
	b.conv("second", "shared/kernel", 8)
	b.conv("third", "own/kernel", 8)
	g := b.done()
	const kernel = 8 * 8 * 9 * 4
	table := mustTable(t, g, mustPlatform(t, "local"), cost.Settings{})
	// Nodes: source, after first, after second, sink.
	for _, c := range []struct {
		i, j int
		want int64
	}{{0, 1, kernel}, {1, 2, kernel}, {0, 2, kernel}, {0, 3, 2 * kernel}, {1, 3, 2 * kernel}} {
		if got := table.Stage(c.i, c.j, 1024).WeightBytes; got != c.want {
			t.Errorf("nodes %d-%d hold %d bytes of weights, want %d", c.i, c.j, got, c.want)
		}
	}
}

func TestPeakCountsWhatPassesOver(t *testing.T) {
	b := newBuilder(4, 16)
	skip := b.conv("stem", "stem/kernel", 4)
	b.conv("a", "a/kernel", 4)
	b.conv("b", "b/kernel", 4)
	b.add("sum", skip)
	g := b.done()
	p := mustPlatform(t, "local")
	const tensor = 4 * 256 * 4
	// While b runs, the skip, its input and its output are live.
	for _, c := range []struct{ batch, want int64 }{{1, 3 * tensor}, {700, 700 * 3 * tensor}} {
		table := mustTable(t, g, p, cost.Settings{Batch: c.batch, Transport: cost.S3})
		s := table.Stage(0, len(mustInstance(t, table).Nodes)-1, 3008)
		text := 2 * (1024 + 256 + (tensor*c.batch+2)/3*4)
		want := 64 + (2*s.WeightBytes+c.want+text+5+3+1<<20-1)>>20
		if s.MemoryNeededMB != want {
			t.Errorf("batch %d: %d MB needed, want %d", c.batch, s.MemoryNeededMB, want)
		}
	}
}

func TestTransportFollowsThePayloadLimit(t *testing.T) {
	b := newBuilder(3, 64)
	b.conv("conv", "conv/kernel", 16)
	b.conv("again", "again/kernel", 1)
	g := b.done()
	p := mustPlatform(t, "aws-lambda-x86_64")
	// 16 x 64 x 64 float32 are 262,144 B, as text 349,528 B: 17 of them and the envelope fit 6 MB, 18 do not.
	for _, c := range []struct {
		batch int64
		want  string
	}{{1, cost.Inline}, {17, cost.Inline}, {18, cost.S3}} {
		in := mustInstance(t, mustTable(t, g, p, cost.Settings{Batch: c.batch}))
		if len(in.Nodes) != 3 || in.Nodes[1].Transport != c.want || in.Nodes[0].Transport != "" || in.Nodes[2].Transport != "" {
			t.Errorf("batch %d: nodes %+v, want the cut %s", c.batch, in.Nodes, c.want)
		}
	}
	if in := mustInstance(t, mustTable(t, g, p, cost.Settings{Batch: 18, Transport: cost.Inline})); len(in.Nodes) != 2 {
		t.Errorf("inline alone: nodes %+v", in.Nodes)
	}
}

func TestWakesAreBilledApart(t *testing.T) {
	b := newBuilder(3, 32)
	b.conv("conv", "conv/kernel", 16)
	b.conv("again", "again/kernel", 16)
	g := b.done()
	p := mustPlatform(t, "aws-lambda-x86_64")
	sequential := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential}).Stage(1, 2, 1024)
	overlapped := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdOverlapped}).Stage(1, 2, 1024)
	run := sequential.InputUs + sequential.ComputeUs + sequential.OutputUs
	if got, want := overlapped.BilledUs, p.BilledUs(sequential.InitUs+1000)+p.BilledUs(run); got != want {
		t.Errorf("billed %d us, want %d", got, want)
	}
	if got, want := overlapped.FeesPicoUSD-sequential.FeesPicoUSD, p.RequestPicoUSD; got != want || overlapped.Invocations != 2 {
		t.Errorf("%d pico-USD more in fees, want %d; %d invocations", got, want, overlapped.Invocations)
	}
	if first := mustTable(t, g, p, cost.Settings{}).Stage(0, 1, 1024); first.Invocations != 1 || first.GatewayPicoUSD != p.RequestPicoUSD {
		t.Errorf("first stage %+v", first)
	}
}

// Where stages wait for each other's starts, a stage starts and runs for whole milliseconds, rounded up.
func TestOverlappedCountsMilliseconds(t *testing.T) {
	g := randomGraph(rand.New(rand.NewPCG(5, 5)))
	p := mustPlatform(t, "aws-lambda-x86_64")
	exact, whole := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential}), mustTable(t, g, p, cost.Settings{Scenario: solve.ColdOverlapped})
	up := func(us int64) int64 { return (us + 999) / 1000 * 1000 }
	for _, m := range p.Grid(640) {
		a, b := exact.Stage(0, 2, m), whole.Stage(0, 2, m)
		if run := a.InputUs + a.ComputeUs + a.OutputUs; b.InputUs != a.InputUs || b.OutputUs != a.OutputUs || b.InputUs+b.ComputeUs+b.OutputUs != up(run) || b.InitUs != up(a.InitUs) {
			t.Errorf("%d MB: %+v, by the microsecond %+v", m, b, a)
		}
	}
}

func TestCalibrationReplacesPredictions(t *testing.T) {
	b := newBuilder(3, 32)
	b.conv("conv", "conv/kernel", 16)
	b.conv("again", "again/kernel", 16)
	g := b.done()
	p := mustPlatform(t, "aws-lambda-x86_64")
	table := mustTable(t, g, p, cost.Settings{Scenario: solve.Warm, Calibration: &cost.Calibration{Batch: 1, LayerNs: []int64{-1, 5_000_000, -1}}})
	if got := table.Stage(0, 1, 1769).ComputeUs; got != 5000 {
		t.Errorf("measured layer takes %d us, want 5000", got)
	}
	predicted := mustTable(t, g, p, cost.Settings{Scenario: solve.Warm})
	if got, want := table.Stage(1, 2, 1769).ComputeUs, predicted.Stage(1, 2, 1769).ComputeUs; got != want {
		t.Errorf("unmeasured layer takes %d us, want the predicted %d", got, want)
	}
	if _, err := cost.NewTable(g, p, cost.Settings{Scenario: solve.Warm, MinStages: 1, MaxStages: 1, Batch: 1, GatewayMemoryMB: 512,
		Calibration: &cost.Calibration{Batch: 1, LayerNs: []int64{1}}}); err == nil {
		t.Error("the calibration of another model is accepted")
	}
}

func TestObstacles(t *testing.T) {
	b := newBuilder(3, 64)
	b.conv("small", "small/kernel", 16)
	b.dense("huge", 2000) // 65,536 x 2,000 float32: 524 MB
	g := b.done()
	table := mustTable(t, g, mustPlatform(t, "aws-lambda-x86_64"), cost.Settings{})
	obstacles := table.Obstacles()
	if len(obstacles) != 1 || obstacles[0].Limit != cost.PackageLimit || g.Layers[obstacles[0].First].Name != "huge" {
		t.Fatalf("obstacles %+v", obstacles)
	}
	if in := mustInstance(t, table); solve.Solve(in, 0).Status != solve.Infeasible {
		t.Error("a model with an obstacle has a plan")
	}
	table = mustTable(t, randomGraph(rand.New(rand.NewPCG(1, 1))), mustPlatform(t, "local"), cost.Settings{MemoryMB: []int64{128}, Batch: 1000, Transport: cost.S3})
	if obstacles := table.Obstacles(); len(obstacles) == 0 || obstacles[0].Limit != cost.MemoryLimit || obstacles[0].Needs <= 128 {
		t.Errorf("obstacles at 128 MB: %+v", obstacles)
	}
}

// The compute law against exact rational arithmetic, rounding included.
func TestComputeIsExactlyTheFixedPointLaw(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	b := newBuilder(3, 32)
	b.conv("conv", "conv/kernel", 16)
	g := b.done()
	for range 300 {
		p := mustPlatform(t, platform.Names()[rng.IntN(4)])
		ns := rng.Int64N(int64(1) << rng.Int64N(42))
		table := mustTable(t, g, p, cost.Settings{Scenario: solve.Warm, Calibration: &cost.Calibration{Batch: 1, LayerNs: []int64{0, ns}}})
		grid := p.Grid(0)
		m := grid[rng.IntN(len(grid))]
		q := new(big.Int).Mul(big.NewInt(ns), big.NewInt(p.Slowdown(m)))
		q.Add(q, big.NewInt(1000<<platform.SlowdownBits-1)).Quo(q, big.NewInt(1000<<platform.SlowdownBits))
		if got := table.Stage(0, 1, m).ComputeUs; got != q.Int64() {
			t.Fatalf("%d ns at %d MB: %d us, want %s", ns, m, got, q)
		}
	}
}

// The grid is never made coarser for a model of many cuts; only writing its options out has a limit, and says so.
func TestManyCuts(t *testing.T) {
	b := newBuilder(3, 8)
	b.conv("stem", "stem/kernel", 4)
	for k := range 700 {
		b.conv(fmt.Sprintf("conv%d", k), "shared/kernel", 4)
	}
	g := b.done()
	p := mustPlatform(t, "aws-lambda-x86_64")
	table := mustTable(t, g, p, cost.Settings{Scenario: solve.Warm})
	if !slices.Equal(table.MemoryMB, p.Grid(0)) {
		t.Errorf("%d sizes of %d", len(table.MemoryMB), len(p.Grid(0)))
	}
	if _, err := table.Instance(); diag.CodeOf(err) != "cost.too-many-options" || diag.ExitCode(err) != 4 {
		t.Errorf("error %v", err)
	}
	if r := table.Problem().Solve(solve.Effort{}); r.Status != solve.Optimal || len(r.Frontier) == 0 {
		t.Errorf("%s, %d points", r.Status, len(r.Frontier))
	}
}
