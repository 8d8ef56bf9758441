package cost

import (
	"fmt"
	"slices"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/solve"
)

// Transports of a hop.
const (
	Inline = plan.TransportInline
	S3     = plan.TransportS3
)

// MaxBatch bounds the inputs of one pass through a pipeline.
const MaxBatch = 4096

// Settings say what of the law applies.
type Settings struct {
	Scenario        solve.Scenario
	MinStages       int
	MaxStages       int
	MemoryMB        []int64 // sizes to consider, rising; nil: the platform's planning grid
	Batch           int64   // inputs per pass
	Inputs          int64   // inputs per request; 0: Batch
	Pipelines       int64   // that run at the same time; 0: 1
	Transport       string  // Inline, S3, or "" for whichever is better at each cut
	GatewayMemoryMB int64
	PicturePixels   int64 // of the pictures that are sent; 0: as the platform's figures have it
	Calibration     *Calibration
	Variants        []Variant // ways to package and store a stage; nil: Plain alone
	Arrivals        *Arrivals // nil: every request is as the scenario says
	Pins            Pins
	// IncludedTemporary says that no function may have more temporary storage than its price includes.
	IncludedTemporary bool
	Regions           [][]int // layers that fall into branches, which functions may run side by side: branch k of a region r is the layers [r[k], r[k+1])
}

// Table is what the law needs to know about a graph on a platform at a batch size.
type Table struct {
	Graph    *graph.Graph
	Platform *platform.Platform
	Settings

	cuts     []int             // positions: 0, the graph's cuts, N
	live     [][]graph.ValueID // by position
	crossing []crossing        // by cut
	nodes    []node

	lastCrossing []crossing // of the last pass
	lastRun1Ns   []int64    // of the last pass; nil where it has a whole batch

	run1Ns  []int64                                // by layer, sum before it
	peak    []int64                                // by layer
	weights map[precision.Precision][]layerWeights // by layer
	pinned  []int64                                // by layer: the memory of its stage, 0 for any
	stored  []precision.Precision                  // by layer: the precision of its stage, "" for any offered

	offeredVariants int // how many of Variants are for stages without a precision of their own; the rest are for pins

	sizes   []platform.Size
	useful  int // sizes up to the first with the platform's full speed
	regions []region
	waves   [][]Function // of the problem made last
}

// crossing is what crosses a position.
type crossing struct {
	bytes     int64
	textBytes int64 // as base64 in a message
	tensors   int64
}

// node is a cut with the transport used there, and what the hop costs on both its sides.
type node struct {
	cut       int // index into Table.cuts
	transport string
	output    hop // on the side of the stage before
	input     hop // on the side of the stage after

	lastOutputUs, lastInputUs int64 // of the last pass
}

type hop struct{ us, feePicoUSD int64 }

// pageBytes is the alignment of tensors in a stage's weights file.
const pageBytes = 4096

// Text of a message beyond the tensors' numbers: the envelope, and name, type and shape of each tensor.
const (
	messageTextBytes = 1024
	tensorTextBytes  = 256
)

// NewTable prepares the law for a graph on a platform. The settings must make sense; those that a graph contradicts
// (more stages than it has cuts for) are left to the optimiser.
func NewTable(g *graph.Graph, p *platform.Platform, s Settings) (*Table, error) {
	if err := s.check(p, g); err != nil {
		return nil, err
	}
	t := &Table{Graph: g, Platform: p, Settings: s}
	t.cuts = append(append([]int{0}, slices.DeleteFunc(slices.Clone(g.Cuts()), func(position int) bool { return slices.Contains(s.Pins.NoCuts, position) })...), len(g.Layers))
	t.pin()
	t.live = g.Live()
	t.measureBatch()
	t.measureWeights()
	t.chooseSizes()
	t.measureRegions()
	return t, nil
}

func (s *Settings) check(p *platform.Platform, g *graph.Graph) error {
	bad := func(found, fix string) error {
		return diag.New(diag.Usage, "cost.bad-settings", "preparing the law of cost", found, fix)
	}
	switch {
	case len(g.Nodes) == 0:
		return diag.New(diag.Invalid, "cost.empty-model", "preparing the law of cost", "the model has no operator", "use a model with at least one layer besides its inputs")
	case s.Batch < 1 || s.Batch > MaxBatch:
		return bad(fmt.Sprintf("the batch is %d", s.Batch), fmt.Sprintf("use 1 to %d", MaxBatch))
	case s.Inputs < 0 || s.Inputs > MaxInputs || s.Pipelines < 0 || s.Pipelines > s.batching().Passes():
		return bad(fmt.Sprintf("%d inputs in batches of %d over %d pipelines are wanted", s.Inputs, s.Batch, s.Pipelines), fmt.Sprintf("use 1 to %d inputs, and no more pipelines than batches", MaxInputs))
	case s.MinStages < 1 || s.MaxStages < s.MinStages:
		return bad(fmt.Sprintf("%d to %d stages are wanted", s.MinStages, s.MaxStages), "use 1 <= minStages <= maxStages")
	case s.Transport != "" && s.Transport != Inline && s.Transport != S3:
		return bad(fmt.Sprintf("the transport is %q", s.Transport), "use inline, s3 or neither")
	case !p.Sells(s.GatewayMemoryMB):
		return bad(fmt.Sprintf("%s sells no functions of %d MB", p.Name, s.GatewayMemoryMB), fmt.Sprintf("the nearest size is %d MB", p.NearestMemory(s.GatewayMemoryMB)))
	case s.PicturePixels < 0 || s.PicturePixels > MaxPicturePixels:
		return bad(fmt.Sprintf("pictures have %d pixels", s.PicturePixels), fmt.Sprintf("use at most %d", int64(MaxPicturePixels)))
	case s.Arrivals != nil && (s.Arrivals.ColdPpm < 0 || s.Arrivals.ColdPpm > million):
		return bad(fmt.Sprintf("%d millionths of the requests are cold", s.Arrivals.ColdPpm), "use 0 to 1,000,000")
	case s.Calibration != nil && (s.Calibration.Batch < 1 || len(s.Calibration.LayerNs) != len(g.Layers)):
		return bad("the calibration belongs to another model or has no batch size", "measure this model")
	case !slices.IsSorted(s.MemoryMB):
		return bad("the memory sizes do not rise", "sort them")
	}
	for _, m := range s.MemoryMB {
		if !p.Sells(m) {
			return bad(fmt.Sprintf("%s sells no functions of %d MB", p.Name, m), fmt.Sprintf("the nearest size is %d MB", p.NearestMemory(m)))
		}
	}
	return nil
}

// crossings sizes what crosses each cut with a batch.
func (t *Table) crossings(batch int64) []crossing {
	all := make([]crossing, len(t.cuts))
	for cut := range t.cuts {
		all[cut] = t.crossingAt(cut, batch)
	}
	return all
}

func (t *Table) crossingAt(cut int, batch int64) crossing {
	return t.crossingOf(t.live[t.cuts[cut]], batch)
}

// makeNodes lists source, cuts and sink, each cut with the transports worth considering.
func (t *Table) makeNodes() {
	for c := range t.cuts {
		x, last := t.crossing[c], t.lastCrossing[c]
		inline := node{c, Inline, t.inlineHop(x), t.inlineHop(x), t.inlineHop(last).us, t.inlineHop(last).us}
		objects := node{c, S3, t.putHop(x), t.getHop(x), t.putHop(last).us, t.getHop(last).us}
		fits := x.textBytes <= t.Platform.PayloadLimitBytes && t.relays(x)
		switch {
		case c == 0 || c == len(t.cuts)-1:
			// What the gateway exchanges with the outer stages is not the planner's choice.
			if fits {
				t.nodes = append(t.nodes, inline)
			} else {
				t.nodes = append(t.nodes, objects)
			}
		case t.Transport == Inline || t.Transport == "" && fits && inline.noWorse(objects):
			if fits {
				t.nodes = append(t.nodes, inline)
			}
		case t.Transport == S3 || !fits || objects.noWorse(inline):
			t.nodes = append(t.nodes, objects)
		default:
			t.nodes = append(t.nodes, inline, objects)
		}
	}
}

func (n node) noWorse(o node) bool {
	return n.output.us <= o.output.us && n.output.feePicoUSD <= o.output.feePicoUSD && n.input.us <= o.input.us && n.input.feePicoUSD <= o.input.feePicoUSD &&
		n.lastOutputUs <= o.lastOutputUs && n.lastInputUs <= o.lastInputUs
}

func (t *Table) inlineHop(x crossing) hop {
	return hop{us: add(t.Platform.InlineLatencyUs, scale(x.textBytes, 1e6, t.Platform.InlineBytesPerSecond))}
}

func (t *Table) putHop(x crossing) hop {
	rate := min(t.Platform.ObjectPutBytesPerSecond, t.Platform.NetworkBytesPerSecond)
	return hop{add(t.Platform.ObjectPutLatencyUs, scale(x.bytes, 1e6, rate)), x.tensors * t.Platform.ObjectPutPicoUSD}
}

func (t *Table) getHop(x crossing) hop {
	rate := min(t.Platform.ObjectGetBytesPerSecond, t.Platform.NetworkBytesPerSecond)
	return hop{add(t.Platform.ObjectGetLatencyUs, scale(x.bytes, 1e6, rate)), x.tensors * t.Platform.ObjectGetPicoUSD}
}

// chooseSizes tabulates the memory sizes: the user's choice or the platform's planning grid, and after them those that pins
// want beside.
func (t *Table) chooseSizes() {
	if t.MemoryMB == nil {
		t.MemoryMB = t.Platform.Grid(0)
	}
	for _, m := range t.MemoryMB {
		t.sizes = append(t.sizes, t.Platform.Size(m))
	}
	t.useful = t.usefulSizes()
	for _, pin := range t.Pins.Memory {
		if !slices.ContainsFunc(t.sizes, func(z platform.Size) bool { return z.MemoryMB == pin.MemoryMB }) {
			t.sizes = append(t.sizes, t.Platform.Size(pin.MemoryMB))
		}
	}
}

// usefulSizes counts the sizes up to the first that has the platform's full speed.
func (t *Table) usefulSizes() int {
	i, _ := slices.BinarySearch(t.MemoryMB, t.Platform.FullSpeedMB())
	return min(i+1, len(t.MemoryMB))
}

// tickUs is what the times of a stage are counted in. See the package's documentation.
func (t *Table) tickUs() int64 {
	if t.Scenario == solve.ColdOverlapped {
		return solve.Millisecond
	}
	return 1
}

// whole rounds a stage's time up to what it is counted in.
func (t *Table) whole(us int64) int64 {
	tick := t.tickUs()
	return scale(us, 1, tick) * tick
}

// Cold tells whether stages and gateway start cold in the table's scenario.
func (t *Table) Cold() bool { return t.Scenario != solve.Warm }

// Layer tells of one layer, from 0, by itself: what it takes on one vCPU, in nanoseconds, and the most bytes of activations that are live
// while it runs.
func (t *Table) Layer(l int) (oneVCPUNs, peakBytes int64) {
	return t.run1Ns[l+1] - t.run1Ns[l], t.peak[l]
}

// FewestLayers gives the most layers that lie between two places where the model may be cut: some function has as many.
func (t *Table) FewestLayers() int {
	most := 0
	for i := range t.cuts[1:] {
		most = max(most, t.cuts[i+1]-t.cuts[i])
	}
	return most
}

// Sizes counts the memory sizes that are considered, those that are pinned included.
func (t *Table) Sizes() int { return len(t.sizes) }

// Cuts gives the number of places where the model may be cut.
func (t *Table) Cuts() int { return len(t.cuts) - 2 }
