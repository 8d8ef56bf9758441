package split

import (
	"fmt"
	"unsafe"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/weights"
)

// raw yields the pieces of a tensor that is no float32: its bytes as they are stored, in windows of four bytes a
// word.
func (l *loader) raw(stored weights.Tensor, t *tensor, p *piece) error {
	r, ok := stored.(weights.RawReader)
	if !ok || stored.DType() != t.dtype {
		return diag.New(diag.Invalid, "split.weight-type", "packing the weight "+t.weight.Key, fmt.Sprintf("it is of type %v in the graph and stored as %v", t.dtype, stored.DType()),
			"give the weights file that belongs to this model")
	}
	words := (t.place.Length + 3) / 4
	for ; p.at < words; p.at += p.elements {
		at := p.at
		p.elements = min(words-at, l.limits.block)
		p.whole = min(4*p.elements, t.place.Length-4*at)
		p.read = func(window []float32) error {
			if err := readWhole(r, bytesOf(window)[:min(4*int64(len(window)), t.place.Length-4*at)], 4*at, t.dtype); err != nil {
				return err
			}
			raw(window) // on a machine of the other byte order this undoes what the sink will do
			return nil
		}
		if err := l.yield(*p); err != nil {
			return err
		}
	}
	return nil
}

// readWhole reads bytes of a tensor; limits are multiples of the elements' sizes, so that elements are whole.
func readWhole(r weights.RawReader, b []byte, at int64, d graph.DType) error {
	return r.ReadRaw(b, at/d.Size())
}

// bytesOf gives the memory of a window.
func bytesOf(window []float32) []byte {
	if len(window) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&window[0])), 4*len(window))
}
