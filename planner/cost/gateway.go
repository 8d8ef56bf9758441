package cost

import (
	"partita/planner/picture"
	"partita/planner/platform"
	"partita/planner/solve"
)

// The size of the gateway's function: what it must hold, and what it changes.

// MaxPicturePixels bounds the pictures that a request may be planned for: nothing larger is decoded.
const MaxPicturePixels = picture.MaxSide * picture.MaxSide

// UsualPicturePixels is what a gateway whose size is the planner's choice has room for when nobody has said what is sent: twelve
// megapixels, as telephones take photos.
const UsualPicturePixels = 12_000_000

// megapixelPermille is what a megapixel of a JPEG adds to the time of an input, in thousandths of the platform's GatewayDecodeUs.
// Measured on the local cloud (GatewayDecodeUs 10 ms) with MobileNet in three functions that were warm, 500x375, 1280x960 and 4000x3000
// pixels: decoding takes 8.5, 34 and 330 ms of one vCPU, 27.5 ms for each megapixel; what else the gateway does for a request takes 8 ms,
// two of them for a call. With that, a request takes as long beyond its stages as the law says within a tenth, in gateways of 192, 512 and
// 1,769 MB.
const megapixelPermille = 2750

// decodeUs is the gateway's work on the inputs, and reading and leaving objects where several inputs or outputs are too long for a
// message.
func (t *Table) decodeUs() int64 {
	one := t.Platform.GatewayDecodeUs
	if t.PicturePixels > 0 {
		one = add(one, scale(mul(one, megapixelPermille), mul(t.PicturePixels, int64(len(t.pictureWidths()))), 1e9))
	}
	us := scale(mul(t.batching().Inputs, one), t.Platform.Slowdown(t.GatewayMemoryMB), 1<<platform.SlowdownBits)
	return add(us, t.doorstep().us)
}

// pictureWidths gives the widths to which pictures are scaled: one for each of the model's inputs that takes pictures.
func (t *Table) pictureWidths() []int64 {
	var widths []int64
	for _, id := range t.Graph.Inputs {
		if l, open, ok := picture.LayoutOf(t.Graph.Value(id.Value).Shape); ok && len(open) == 0 {
			widths = append(widths, int64(l.Width))
		}
	}
	return widths
}

// TakesPictures tells whether some input of the model is made of pictures.
func (t *Table) TakesPictures() bool { return len(t.pictureWidths()) > 0 }

// The gateway has a third of its memory for the inputs as the model takes them, and as much for the tensors that it hands on
// inside messages: there are payloads beside both.
const gatewayShare = 3

// GatewayRoom tells what the inputs of a request take of the gateway's memory, and what there is for them. One input alone is
// not held against it.
func (t *Table) GatewayRoom() (needs, allowed int64) {
	allowed = t.GatewayMemoryMB << 20 / gatewayShare
	if t.batching().Inputs > 1 {
		needs = t.inputBytes()
	}
	return needs, allowed
}

// inputBytes is what the inputs of a request take as the model takes them.
func (t *Table) inputBytes() int64 { return t.crossingAt(0, t.batching().Inputs).bytes }

// PictureRoom tells what decoding a picture takes of the gateway's memory, and what there is for it; nothing where the model takes none,
// or where nobody has said what is sent.
func (t *Table) PictureRoom() (needs, allowed int64) {
	if t.PicturePixels > 0 {
		needs = t.pictureBytes(t.PicturePixels)
	}
	return needs, picture.Room(t.GatewayMemoryMB << 20)
}

func (t *Table) pictureBytes(pixels int64) int64 {
	var most int64
	for _, width := range t.pictureWidths() {
		most = max(most, picture.UprightBytes(pixels, width))
	}
	return most
}

// GatewaySizes lists the sizes of the platform's grid that the gateway may have where its size is the planner's choice: those in which it
// has room for the inputs of a request and for a picture as it comes, up to the first with a whole vCPU, as one thread does its
// work. Where it has room in none of these it is the first above in which it has, or the largest there is.
func (t *Table) GatewaySizes() []int64 {
	inputs, decoding := t.inputBytes(), int64(0)
	if t.PicturePixels > 0 {
		decoding = t.pictureBytes(t.PicturePixels)
	} else {
		decoding = t.pictureBytes(UsualPicturePixels)
	}
	var sizes []int64
	for _, m := range t.Platform.Grid(0) {
		if inputs <= m<<20/gatewayShare && decoding <= picture.Room(m<<20) {
			sizes = append(sizes, m)
		}
		if len(sizes) > 0 && t.Platform.Slowdown(m) <= 1<<platform.SlowdownBits {
			break
		}
	}
	if sizes == nil {
		return []int64{t.Platform.MaxMemoryMB}
	}
	return sizes
}

// relays tells whether the gateway has room for what crosses a cut in messages, in all passes at once: while a stage has its
// turn, it holds what goes into it or has come out of it.
func (t *Table) relays(x crossing) bool {
	n := t.batching().Passes()
	return n == 1 || mul(n, x.textBytes) <= t.GatewayMemoryMB<<20/gatewayShare
}

// Gateways sorts the sizes that the gateway may have into groups for which one search does: the stages are the same, and cost the same, and
// only the gateway before them differs. With arrivals each size is alone, as every stage carries its part of the gateway's time in the
// requests that are not the scenario's; and where the frontier is wanted by the millisecond only, and not all plans finish with whole
// ones, as a search for all gateways would have to be by the microsecond.
func (t *Table) Gateways(byMs bool) [][]int64 {
	var groups [][]int64
	relayed := -1
	for _, m := range t.GatewaySizes() {
		own := *t
		own.GatewayMemoryMB = m
		of := own.relayedCuts()
		if t.Arrivals != nil || byMs && t.tickUs() < solve.Millisecond || of != relayed {
			groups, relayed = append(groups, nil), of
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], m)
	}
	return groups
}

// relayedCuts counts the cuts that the gateway has room to relay. A larger one relays those of a smaller one, too.
func (t *Table) relayedCuts() (n int) {
	if t.batching().Passes() == 1 {
		return len(t.crossing)
	}
	for _, x := range t.crossing {
		if t.relays(x) {
			n++
		}
	}
	return n
}

// WithGateway is the same table for a gateway of another size. What a table of the same group needs for stages side by side, it has from
// this one.
func (t *Table) WithGateway(memoryMB int64) *Table {
	n := *t
	n.GatewayMemoryMB = memoryMB
	if n.relayedCuts() != t.relayedCuts() {
		n.nodes = nil
		n.makeNodes()
	}
	return &n
}

// Gate states the gateway of a table of the same group for the search that its problem stands for.
func (t *Table) Gate(of *Table) solve.Gate {
	return solve.Gate{StartUs: of.StartUs(), PicoUSDPerMs: of.GatewayPicoUSDPerMs(), AddedPicoUSD: of.GatewayFees() - t.GatewayFees()}
}
