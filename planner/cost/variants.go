package cost

import (
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/precision"
)

// Variant is a way to package a stage and to store its weights.
type Variant struct {
	Packaging string
	Precision precision.Precision
}

// packing is a packaging as the law tells it from others.
type packing uint8

const (
	inZip   packing = iota // everything is in a zip
	fetched                // the stage fetches its weights when it starts
	inImage                // everything is in a container image
)

func (v Variant) packing() packing {
	switch v.Packaging {
	case plan.PackagingS3:
		return fetched
	case plan.PackagingImage:
		return inImage
	}
	return inZip
}

// Plain is the variant that a plan has unless it says otherwise.
var Plain = Variant{plan.PackagingZip, precision.Float32}

// held sums what the weights of a stage take, in one precision.
type held struct {
	bytes   int64 // as stored
	padded  int64 // in the stage's files: each tensor on its own pages, constants beside
	apart   int64 // of padded, what is in the weights file
	loaded  int64 // bytes that the session loads, as float32 where it widens
	widened int64 // of those, what it widens
	copies  int64 // memory, in thousandths of bytes
}

func (h *held) add(o *held) {
	h.bytes, h.padded, h.apart = add(h.bytes, o.bytes), add(h.padded, o.padded), add(h.apart, o.apart)
	h.loaded, h.widened, h.copies = add(h.loaded, o.loaded), add(h.widened, o.widened), add(h.copies, o.copies)
}

// layerWeights are the weights that a layer's nodes read. Those that no earlier layer reads are only summed.
type layerWeights struct {
	own     held
	earlier []earlierUse
}

// earlierUse is a weight that an earlier layer reads too: it counts once in a stage that holds both.
type earlierUse struct {
	layer int
	held
}

// measureWeights lists what each layer reads, by stored tensor, in every precision that a variant has.
func (t *Table) measureWeights() {
	for _, v := range t.Variants {
		if t.weights[v.Precision] == nil {
			if t.weights == nil {
				t.weights = map[precision.Precision][]layerWeights{}
			}
			t.weights[v.Precision] = t.weightsAt(v.Precision)
		}
	}
}

func (t *Table) weightsAt(p precision.Precision) []layerWeights {
	g := t.Graph
	encodings := precision.Encodings(g, p)
	all := make([]layerWeights, len(g.Layers))
	lastUse := map[string]int{} // weights by identity, constants by their value's name after a NUL
	for l := range g.Layers {
		w := &all[l]
		seen := map[string]bool{}
		for i := g.Layers[l].FirstNode; i < g.Layers[l].LastNode; i++ {
			for _, id := range g.Nodes[i].Inputs {
				if id == graph.None || g.Value(id).Computed() {
					continue
				}
				key, h := t.tensor(g.Value(id), encodings[id])
				if seen[key] {
					continue
				}
				seen[key] = true
				if before, ok := lastUse[key]; ok {
					w.earlier = append(w.earlier, earlierUse{before, h})
				} else {
					w.own.add(&h)
				}
				lastUse[key] = l
			}
		}
	}
	return all
}

// tensor identifies the tensor behind a value and tells what it takes. A constant belongs to the graph: it takes room only.
func (t *Table) tensor(v *graph.Value, e precision.Encoding) (key string, h held) {
	if v.Weight == nil {
		return "\x00" + v.Name, held{padded: v.Bytes(1)}
	}
	pages := func(bytes int64) int64 { return mul(scale(bytes, 1, pageBytes), pageBytes) }
	numbers, factors := e.Bytes(v)
	h = held{bytes: add(numbers, factors), apart: add(pages(numbers), pages(factors))}
	h.padded = h.apart
	plain, p := v.Bytes(1), t.Platform
	switch e.Form {
	case precision.Half, precision.Widened8:
		h.loaded, h.widened, h.copies = plain, plain, mul(plain, p.WidenedCopiesPermille)
	case precision.Product8:
		h.copies = mul(numbers, p.ProductCopiesPermille)
	default:
		h.loaded, h.copies = plain, mul(plain, p.WeightCopiesPermille)
	}
	return v.Weight.ID(), h
}

// stageWeights sums the weights of the layers [first, last), each stored tensor once.
func (t *Table) stageWeights(p precision.Precision, first, last int) (h held) {
	for l := first; l < last; l++ {
		h.addLayer(t.weights[p], first, l)
	}
	return h
}

// addLayer adds layer l to the weights of a stage that begins at layer first and ends before l.
func (h *held) addLayer(layers []layerWeights, first, l int) {
	w := &layers[l]
	h.add(&w.own)
	for i := range w.earlier {
		if e := &w.earlier[i]; e.layer < first {
			h.add(&e.held)
		}
	}
}

// memoryNeededMB is the memory a stage needs: the runtime, the weights and their copies, the activations and the text of
// the messages in and out.
func (t *Table) memoryNeededMB(h *held, peakBytes, textIn, textOut int64) int64 {
	bytes := add(scale(h.copies, 1, 1000), add(peakBytes, add(textIn, textOut)))
	return add(t.Platform.RuntimeBaseMB, scale(bytes, 1, 1<<20))
}

// packageBytes is the size of a stage's unzipped package, or of what an image adds to the one it is based on.
func (t *Table) packageBytes(k packing, h *held) int64 {
	inside := h.padded
	if k == fetched {
		inside -= h.apart
	}
	return add(inside, t.Platform.LibraryBytes+t.Platform.BootstrapBytes)
}

// packageLimit is the most that a package may have; 0 where there are none of the kind.
func (t *Table) packageLimit(k packing) int64 {
	if k == inImage {
		return t.Platform.ImageLimitBytes
	}
	return t.Platform.PackageLimitBytes
}

// offered tells whether a variant can be had at all for a stage: weights that are fetched need room in the temporary
// storage that a function can have.
func (t *Table) offered(k packing, h *held) bool {
	most := t.Platform.MaxTemporaryMB
	if t.IncludedTemporary {
		most = t.Platform.TemporaryMB
	}
	return t.temporaryMB(k, h) <= most
}

// temporaryMB is the temporary storage that a stage needs.
func (t *Table) temporaryMB(k packing, h *held) int64 {
	if k != fetched {
		return 0
	}
	return scale(add(h.apart, temporaryRoomBytes), 1, 1<<20)
}

// temporaryPicoUSDPer1024s is the price of a stage's temporary storage beyond what is included, for 1,024 seconds: of a MB it is
// that of a GB for a second.
func (t *Table) temporaryPicoUSDPer1024s(k packing, h *held) int64 {
	return max(t.temporaryMB(k, h)-t.Platform.TemporaryMB, 0) * t.Platform.TemporaryPicoUSDPerGBs
}

// temporaryRoomBytes is what is left of a function's temporary storage for other files than its weights.
const temporaryRoomBytes = 16 << 20

// initUs is the cold start of a stage.
func (t *Table) initUs(k packing, h *held) int64 {
	p := t.Platform
	boot, rate, load := p.BootUs, p.FetchPicosecPerByte, p.LoadPicosecPerByte
	if k == inImage {
		boot, rate = p.ImageBootUs, p.ImageFetchPicosecPerByte
	}
	us := add(boot, scale(t.packageBytes(k, h), rate, 1e6))
	if k == fetched {
		us = add(us, t.fetchUs(h.apart))
		load = p.LoadFetchedPicosecPerByte
	}
	return t.whole(add(us, scale(add(mul(h.loaded, load), mul(h.widened, p.WidenPicosecPerByte)), 1, 1e6)))
}

// gatewayInitUs is the cold start of the gateway, a package of the bootstrap alone.
func (t *Table) gatewayInitUs() int64 {
	return add(t.Platform.BootUs, scale(t.Platform.BootstrapBytes, t.Platform.FetchPicosecPerByte, 1e6))
}

// How weights are fetched: in so many ranges at once, of no less than this.
const (
	MaxFetchParts    = 16
	MinFetchPartSize = 8 << 20
)

// fetchParts counts the ranges in which weights are fetched.
func fetchParts(bytes int64) int64 {
	return min(MaxFetchParts, scale(bytes, 1, MinFetchPartSize))
}

// fetchUs is the time to fetch weights, if there are any: the first bytes come as fast as the ranges together and the network's burst allow,
// the rest at the network's steady rate.
func (t *Table) fetchUs(bytes int64) int64 {
	p := t.Platform
	if bytes == 0 {
		return 0
	}
	ranges := mul(fetchParts(bytes), p.ObjectGetBytesPerSecond)
	burst := min(bytes, p.NetworkBurstBytes)
	us := add(p.ObjectGetLatencyUs, scale(burst, 1e6, min(ranges, p.NetworkBurstBytesPerSecond)))
	return add(us, scale(bytes-burst, 1e6, min(ranges, p.NetworkBytesPerSecond)))
}

// fetchPicoUSD is the fee of fetching a stage's weights, per request: every cold start pays it.
func (t *Table) fetchPicoUSD(k packing, h *held) int64 {
	if k != fetched {
		return 0
	}
	fee := fetchParts(h.apart) * t.Platform.ObjectGetPicoUSD
	switch {
	case t.Arrivals != nil:
		return scale(fee, t.Arrivals.ColdPpm, million)
	case t.Cold():
		return fee
	}
	return 0
}
