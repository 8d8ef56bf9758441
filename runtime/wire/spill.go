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

// Spill chooses the tensors of a message that go through the store: all when the hop is planned so, else the largest, as many
// as keep the text of the others within mostBytes and the message within PayloadLimit, which alone counts where mostBytes is 0. Those that are in
// the store already and stay there count nothing.
func Spill(tensors []Tensor, all bool, mostBytes int64) []*Tensor {
	limit := PayloadLimit - messageRoom
	if mostBytes > 0 && mostBytes < int64(limit) {
		limit = int(mostBytes)
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
