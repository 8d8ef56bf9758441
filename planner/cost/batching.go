package cost

import (
	"math/bits"
	"slices"

	"partita/planner/solve"
)

// Batching is how the inputs of a request go through the pipeline: in passes of a batch each, the last of which may have
// fewer, shared among pipelines that run at the same time. Pass n is the pipeline n mod Pipelines's. A pipeline sends all its
// passes through a stage before the next stage has its turn.
type Batching struct {
	Inputs    int64
	Batch     int64
	Pipelines int64
}

// Concurrency is how many invocations an account may have under way at the same time (AWS Lambda quotas: 1,000 in a region). The
// gateway's is one of them.
const Concurrency = 1000

// MaxInputs bounds the inputs of a request.
const MaxInputs = 4096

// Passes counts the passes, and Turns those of the pipeline that has the most.
func (b Batching) Passes() int64 { return scale(b.Inputs, 1, b.Batch) }
func (b Batching) Turns() int64  { return scale(b.Passes(), 1, b.Pipelines) }

// LastBatch is the number of inputs of the last pass.
func (b Batching) LastBatch() int64 { return b.Inputs - (b.Passes()-1)*b.Batch }

// rest tells whether the last pass has fewer inputs than the others.
func (b Batching) rest() bool { return b.LastBatch() < b.Batch }

// MaxStages is the most functions that so many pipelines can have within the account's concurrency.
func (b Batching) MaxStages() int64 { return (Concurrency - 1) / b.Pipelines }

// passes counts the passes as the optimiser does. The pipeline that ends last is one of those with the most passes: one without
// the last pass, where there is one.
func (b Batching) passes() solve.Passes {
	n := b.Passes()
	if n == 1 {
		return solve.Passes{}
	}
	p := solve.Passes{Full: b.Turns(), AllFull: n}
	if b.rest() {
		p.AllFull, p.AllLast = n-1, 1
		if (n-1)%b.Pipelines == 0 {
			p.Full, p.Last = b.Turns()-1, 1
		}
	}
	return p
}

// firstPasses counts the passes that are the first of their pipeline: those with a whole batch, and the last one.
func (b Batching) firstPasses() (full, last int64) {
	if b.Pipelines == b.Passes() && b.rest() {
		return b.Pipelines - 1, 1
	}
	return b.Pipelines, 0
}

// fewInputs is the number of inputs up to which every batch size is a candidate.
const fewInputs = 16

// Batchings lists the ways to send some inputs that are worth considering, by rising batch and then pipelines. batch and
// pipelines fix the one or the other, 0 leaves it open; stages is the most functions there may be; warm says that every
// environment is up, whatever their number.
//
// Up to 16 inputs every batch is a candidate, and beyond those of ceil(inputs / passes) for each number of passes: the least
// batches that make so few. A larger one with as many passes has a longer first pass and a shorter last one, needs more memory
// and longer messages, and takes as much work. Of the numbers of pipelines those count that are the fewest for their number
// of turns, and those whose last turn is the shorter last pass alone. More have more cold starts and end no sooner. Where
// nothing starts cold pipelines cost nothing, so only the most are wanted.
func Batchings(inputs, batch, pipelines int64, stages int, warm bool) []Batching {
	var all []Batching
	var sizes []int64
	switch {
	case batch > 0:
		sizes = []int64{min(batch, inputs)}
	case inputs <= fewInputs:
		for b := int64(1); b <= inputs; b++ {
			sizes = append(sizes, b)
		}
	default:
		for passes := inputs; passes >= 1; passes-- {
			sizes = append(sizes, scale(inputs, 1, passes))
		}
		sizes = slices.Compact(sizes)
	}
	for _, b := range sizes {
		all = append(all, Batching{inputs, b, 1}.abreast(pipelines, int64(stages), warm)...)
	}
	return all
}

// abreast lists the numbers of pipelines worth considering for a batch.
func (b Batching) abreast(pipelines, stages int64, warm bool) []Batching {
	passes := b.Passes()
	most := min(passes, Concurrency-1)
	if pipelines > 0 {
		b.Pipelines = min(pipelines, most)
		return []Batching{b}
	}
	var counts []int64
	for turns := scale(passes, 1, most); turns <= passes; turns++ {
		c := scale(passes, 1, turns)
		counts = append(counts, c)
		if last := c + 1; b.rest() && turns > 1 {
			for ; last <= most && scale(passes, 1, last) == turns; last++ {
				if (passes-1)%last == 0 {
					counts = append(counts, last)
				}
			}
		}
		if warm && most*stages < Concurrency {
			break // fewer take longer and cost no less
		}
	}
	slices.Sort(counts)
	counts = slices.Compact(counts)
	all := make([]Batching, len(counts))
	for i, c := range counts {
		all[i] = Batching{b.Inputs, b.Batch, c}
	}
	return all
}

// batching gives the table's, with what its settings leave out.
func (s *Settings) batching() Batching {
	return Batching{max(s.Inputs, s.Batch), s.Batch, max(s.Pipelines, 1)}
}

// Batching is how the inputs of a request go through the pipeline.
func (t *Table) Batching() Batching { return t.batching() }

// With is the same table for another batching and other limits of stages and their layers.
func (t *Table) With(b Batching, minStages, maxStages, maxLayers int) *Table {
	n := *t
	n.Inputs, n.Batch, n.Pipelines = b.Inputs, b.Batch, b.Pipelines
	n.MinStages, n.MaxStages, n.Pins.MaxLayers = minStages, maxStages, maxLayers
	if b.Batch != t.Batch || b.LastBatch() != t.batching().LastBatch() || b.Inputs != t.batching().Inputs {
		n.measureBatch()
	}
	n.measureRegions() // also for waves of its own
	return &n
}

// measureBatch measures what depends on the batch: tensors, times and memory.
func (t *Table) measureBatch() {
	b := t.batching()
	t.crossing, t.nodes = t.crossings(b.Batch), nil
	t.lastCrossing, t.lastRun1Ns = t.crossing, nil
	t.run1Ns, t.peak = t.times(b.Batch), layerPeaks(t.Graph, b.Batch)
	if b.rest() {
		t.lastCrossing, t.lastRun1Ns = t.crossings(b.LastBatch()), t.times(b.LastBatch())
	}
	t.makeNodes()
}

// times sums the layers' times for a batch, each entry what is before it.
func (t *Table) times(batch int64) []int64 {
	sums := make([]int64, len(t.Graph.Layers)+1)
	for l, ns := range layerTimes(t.Graph, t.Platform, batch, t.Calibration) {
		sums[l+1] = sums[l] + min(ns, maxRunNs+1)
	}
	return sums
}

// doorstep is what a gateway reads and writes in S3. Several inputs and their outputs may be too long for one message between the user and
// it: then it reads the inputs as objects, and leaves the outputs as objects. Both are counted as arrays. And what the first stage takes
// as objects a gateway that drives has left there, and it reads what the last one hands on as such: those of all passes at once.
func (t *Table) doorstep() hop {
	n, p := t.batching().Inputs, t.Platform
	var sum hop
	if p.Orchestrator == nil { // else see leaving and arriving
		passes, first, last := t.batching().Passes(), 0, len(t.nodes)-1
		for at, way := range map[int]func(crossing) hop{first: t.putHop, last: t.getHop} {
			if t.nodes[at].transport == S3 {
				x := t.crossingAt(t.nodes[at].cut, n)
				x.tensors *= passes
				h := way(x)
				sum = hop{add(sum.us, h.us), sum.feePicoUSD + h.feePicoUSD}
			}
		}
	}
	if n == 1 {
		return sum
	}
	fees := p.ObjectPutPicoUSD + p.ObjectGetPicoUSD
	if in := t.crossingAt(0, n); in.textBytes > p.PayloadLimitBytes {
		sum.us, sum.feePicoUSD = add(sum.us, t.getHop(in).us), sum.feePicoUSD+in.tensors*fees
	}
	if out := t.crossingAt(len(t.cuts)-1, n); out.textBytes > p.PayloadLimitBytes {
		sum.us, sum.feePicoUSD = add(sum.us, t.putHop(out).us), sum.feePicoUSD+out.tensors*fees
	}
	return sum
}

// turns gives the time of a stage's passes on the pipeline that ends last, from that of one and of the last.
func (t *Table) turns(runUs, lastUs int64) int64 {
	n := t.batching().passes()
	if n.Full == 0 {
		return runUs
	}
	return n.Full*runUs + n.Last*lastUs + (n.Full+n.Last-1)*t.Platform.DispatchUs
}

// phasesOfTurns sums the phases of a stage's passes on the pipeline that ends last.
func (t *Table) phasesOfTurns(s *Stage) Phases {
	n := t.batching().passes()
	if n.Full == 0 {
		return Phases{s.InputUs, s.ComputeUs, s.OutputUs}
	}
	sum := Phases{n.Full*s.InputUs + (n.Full+n.Last-1)*t.Platform.DispatchUs, n.Full * s.ComputeUs, n.Full * s.OutputUs}
	if n.Last > 0 {
		sum.InputUs, sum.ComputeUs, sum.OutputUs = sum.InputUs+s.LastPass.InputUs, sum.ComputeUs+s.LastPass.ComputeUs, sum.OutputUs+s.LastPass.OutputUs
	}
	return sum
}

// computePicoUSD prices a billed time at a price for 1,024 seconds, rounded half up, whatever its length.
func computePicoUSD(billedUs, picoUSDPer1024s int64) int64 {
	hi, lo := bits.Mul64(uint64(billedUs/1000), uint64(picoUSDPer1024s))
	lo, carry := bits.Add64(lo, msPer1024s/2, 0)
	q, _ := bits.Div64(hi+carry, lo, msPer1024s)
	return int64(q)
}
