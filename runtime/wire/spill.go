package wire

import (
	"cmp"
	"slices"
)

// messageRoom is what a message takes at most beside the data of its tensors, of which each is allowed this much more.
const (
	messageRoom = 32 << 10
	tensorRoom  = 1 << 10
)

// Spill chooses the tensors of a message that go through the store: all when the hop is planned so, else the largest,
// as many as keep the message within PayloadLimit. Those that are in the store already and stay there count nothing.
func Spill(tensors []Tensor, all bool) []*Tensor { return SpillBeyond(tensors, all, 0) }

// SpillBeyond is Spill where the text of the tensors may take so many bytes; 0 is what fits into a payload.
func SpillBeyond(tensors []Tensor, all bool, most int64) []*Tensor {
	limit := PayloadLimit - messageRoom
	if most > 0 && most < int64(limit) {
		limit = int(most)
	}
	order := make([]*Tensor, 0, len(tensors))
	total := 0
	for i := range tensors {
		t := &tensors[i]
		total += tensorRoom + t.EncodedBytes()
		if t.EncodedBytes() > 0 {
			order = append(order, t)
		}
	}
	if all {
		return order
	}
	slices.SortStableFunc(order, func(a, b *Tensor) int { return cmp.Compare(b.EncodedBytes(), a.EncodedBytes()) })
	for i, t := range order {
		if total <= limit {
			return order[:i]
		}
		total -= t.EncodedBytes()
	}
	return order
}
