package cost

import (
	"math"
	"slices"

	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/solve"
)

// builder makes the stages of a Problem: hundreds of thousands of a large model, each in every variant, so what neighbouring
// stages share is summed once.
type builder struct {
	*Table
	weights    [][]layerWeights // in every precision
	stored     []int            // by variant: its precision, an index into weights
	packing    []packing        // by variant
	held       []held           // by precision: the weights of the present stage
	full       []bool           // by variant: the package is too large, and packages only grow
	open       int              // how many are not
	low        []int            // by variant: the size that the last stage needed
	candidates []candidate
	waits      bool // cold starts count
	initUs     func(k packing, h *held) int64
}

// candidate is a variant of a stage, with what decides whether another is better whatever its size.
type candidate struct {
	variant      int32
	initUs, fees int64
	needMB       int64
	added        int64 // to the price of 1,024 seconds
	low          int   // the first of the sizes to choose from that gives it that memory
}

func newBuilder(t *Table) *builder {
	n := len(t.Variants)
	b := &builder{Table: t, stored: make([]int, n), packing: make([]packing, n), full: make([]bool, n), low: make([]int, n), candidates: make([]candidate, 0, n), waits: t.Cold() || t.Arrivals != nil, initUs: t.initUs}
	var precisions []precision.Precision
	for v := range t.Variants {
		b.packing[v] = t.Variants[v].packing()
		p := t.Variants[v].Precision
		if b.stored[v] = slices.Index(precisions, p); b.stored[v] < 0 {
			b.stored[v] = len(precisions)
			precisions, b.weights = append(precisions, p), append(b.weights, t.weights[p])
		}
	}
	b.held = make([]held, len(precisions))
	return b
}

// mostStages estimates the number of a problem's stages by the packages that are small enough, weights that an earlier layer reads
// too set aside. Of the variants of a stage seldom more than two are worth considering.
func (t *Table) mostStages() int {
	all, most := 0, 0
	for _, v := range t.Variants {
		before := make([]held, len(t.Graph.Layers)+1) // by layer, sum before it
		for l, w := range t.weights[v.Precision] {
			before[l+1] = before[l]
			before[l+1].add(&w.own)
		}
		count, j := 0, 0
		for i := range t.nodes {
			first := &before[t.cuts[t.nodes[i].cut]]
			for ; j < len(t.nodes); j++ {
				last := &before[t.cuts[t.nodes[j].cut]]
				if t.packageBytes(v.packing(), &held{padded: last.padded - first.padded, apart: last.apart - first.apart}) > t.packageLimit(v.packing()) {
					break
				}
			}
			count += max(j-i-1, 0)
		}
		all, most = all+count, max(most, count)
	}
	return min(all, 2*most)
}

// stagesFrom adds the stages from a place to those wanted, of each the variants that are worth considering.
func (b *builder) stagesFrom(places []place, i int, wanted []bool, out []solve.Stage) []solve.Stage {
	t, from := b.Table, &places[i]
	first, layer := from.begin, from.begin
	b.begin()
	var peak int64
	var want wish
	end, passes := t.reach(first), t.batching().Passes()
	farthest := len(places) - 1
	for farthest > i && !wanted[farthest] {
		farthest--
	}
	for j := i + 1; j <= farthest; j++ {
		to := &places[j]
		last := to.end
		if last == first {
			continue // the same cut with the other transport
		}
		if last > end {
			return out
		}
		for ; layer < last; layer++ {
			if !want.add(t, layer) {
				return out
			}
			for k := range b.held {
				b.held[k].addLayer(b.weights[k], first, layer)
			}
			peak = max(peak, t.peak[layer])
		}
		s := solve.Stage{I: int32(i), J: int32(j), Run1Ns: t.run1Ns[last] - t.run1Ns[first], HopUs: add(from.input.us, to.output.us)}
		if t.lastRun1Ns != nil {
			s.LastRun1Ns, s.LastHopUs = t.lastRun1Ns[last]-t.lastRun1Ns[first], add(from.lastInputUs, to.lastOutputUs)
		}
		if s.Run1Ns > maxRunNs || b.open == 0 {
			return out
		}
		if !wanted[j] {
			continue
		}
		best := b.offers(&want, peak, from.text, to.text)
		for k := range best {
			if c := &best[k]; t.fit(&s, c, want.memoryMB) {
				s.Variant, s.InitUs, s.AddedPicoUSDPer1024s = c.variant, c.initUs, c.added
				s.FeesPicoUSD = passes*(from.input.feePicoUSD+to.output.feePicoUSD) + t.batching().Pipelines*c.fees
				t.price(&s)
				out = append(out, s)
			}
		}
	}
	return out
}

// begin makes room for the weights of a stage at its first layer.
func (b *builder) begin() {
	clear(b.held)
	clear(b.full)
	b.open = len(b.full)
}

// offers lists the variants worth considering of a stage of the weights held, with so much text in its messages.
func (b *builder) offers(want *wish, peak, textIn, textOut int64) []candidate {
	t := b.Table
	b.candidates = b.candidates[:0]
	stored := -1 // as the last candidate
	for v := range t.Variants {
		if b.full[v] || !want.permits(t, v) {
			continue
		}
		kind, h := b.packing[v], &b.held[b.stored[v]]
		if t.packageBytes(kind, h) > t.packageLimit(kind) {
			b.full[v] = true
			b.open--
			continue
		}
		if !b.waits && b.stored[v] == stored || !t.offered(kind, h) {
			continue // warm, packaging makes no difference to what is not dearer
		}
		c := candidate{
			variant: int32(v), initUs: b.initUs(kind, h), fees: t.fetchPicoUSD(kind, h),
			needMB: t.memoryNeededMB(h, peak, textIn, textOut), added: t.temporaryPicoUSDPer1024s(kind, h),
		}
		if c.initUs > t.Platform.InitTimeoutUs {
			continue
		}
		c.low = b.low[v]
		for c.low > 0 && t.MemoryMB[c.low-1] >= c.needMB {
			c.low--
		}
		for c.low < len(t.MemoryMB) && t.MemoryMB[c.low] < c.needMB {
			c.low++
		}
		if b.low[v] = c.low; c.added == 0 {
			stored = b.stored[v]
		}
		b.candidates = append(b.candidates, c)
	}
	return b.best(b.candidates)
}

// fit sets the range of sizes of a stage in a variant: large enough, fast enough for the timeout, and no larger than brings more
// speed; or the size pinned (0: none). It gives false when there is none.
func (t *Table) fit(s *solve.Stage, c *candidate, pinnedMB int64) bool {
	if s.HopUs > t.Platform.TimeoutUs {
		return false
	}
	if pinnedMB > 0 {
		k := slices.IndexFunc(t.sizes, func(z platform.Size) bool { return z.MemoryMB == pinnedMB })
		s.Low, s.High = int32(k), int32(k+1)
		return c.needMB <= pinnedMB && t.inTime(s, k)
	}
	if c.low == len(t.MemoryMB) {
		return false
	}
	low, high := c.low, max(c.low, t.useful-1)+1
	if !t.inTime(s, low) {
		for end := high; low < end; { // the first size that is fast enough
			if mid := (low + end) >> 1; t.inTime(s, mid) {
				end = mid
			} else {
				low = mid + 1
			}
		}
	}
	s.Low, s.High = int32(low), int32(high)
	return low < high
}

// inTime tells whether a stage meets the platform's timeout at a size.
func (t *Table) inTime(s *solve.Stage, size int) bool {
	return t.whole(s.HopUs+scale(s.Run1Ns, t.sizes[size].Slowdown, 1000<<platform.SlowdownBits)) <= t.Platform.TimeoutUs
}

// better tells whether one variant of a stage is at least as good as another at every size. A cold start's time counts where
// there are cold starts, and outweighs fees where it is billed: least at the smallest size that the other can have.
func (b *builder) better(c, o *candidate) bool {
	if c.needMB > o.needMB || c.added > o.added || b.waits && c.initUs > o.initUs {
		return false
	}
	dearer := c.fees - o.fees
	if dearer <= 0 {
		return true
	}
	if !b.waits || !b.Platform.InitBilled {
		return false
	}
	price := int64(math.MaxInt64)
	if o.low < len(b.MemoryMB) {
		price = b.sizes[o.low].PicoUSDPer1024s
	}
	for _, pinned := range b.sizes[len(b.MemoryMB):] {
		if pinned.MemoryMB >= o.needMB {
			price = min(price, pinned.PicoUSDPer1024s)
		}
	}
	if price == math.MaxInt64 {
		return true // the other fits no size
	}
	granules := (o.initUs - c.initUs) / b.Platform.GranularityUs // billing rounds times up: so much is saved at least
	if b.Platform.MinBilledUs > 0 {
		granules = 0 // a start may be billed for more than it takes
	}
	saved := granules * b.Platform.GranularityUs / 1000 * price / msPer1024s
	if b.Arrivals != nil {
		saved = mul(saved, b.Arrivals.ColdPpm) / million
	}
	return saved-roundings > dearer
}

// roundings bounds what the roundings of prices to pico-dollars add up to.
const roundings = 8

// best leaves out the candidates that another is at least as good as, of equals all but the first.
func (b *builder) best(all []candidate) []candidate {
	if len(all) < 2 {
		return all
	}
	kept := all[:0]
next:
	for i := range all {
		for k := range kept {
			if b.better(&kept[k], &all[i]) {
				continue next
			}
		}
		for k := i + 1; k < len(all); k++ {
			if b.better(&all[k], &all[i]) && !b.better(&all[i], &all[k]) {
				continue next
			}
		}
		kept = append(kept, all[i])
	}
	return kept
}
