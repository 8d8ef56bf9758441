package split

import (
	"encoding/binary"
	"io"
	"math"

	"partita/planner/graph"
	"partita/planner/weights"
)

// limits bounds a streamer's memory, in elements.
type limits struct {
	window int64 // of a stored tensor, held while its axes are permuted
	block  int64 // permuted, scaled and written at a time
}

// usual takes the largest convolution kernels of VGG, ResNet and Inception whole (10 MiB), and works on what stays in a
// core's second-level cache (1 MiB).
var usual = limits{window: 10 << 20 / 4, block: 1 << 20 / 4}

// streamer writes tensors as little-endian float32 in C order. Its buffers are allocated as needed and kept.
type streamer struct {
	w      io.Writer
	src    weights.Source
	window []float32 // of the stored tensor
	block  []float32 // of the tensor as shipped
	bytes  []byte
	limits limits

	scale *scaling // of the tensor being written; nil: none
	at    int64    // elements of it written so far
}

// scaling multiplies each element by the factor of its channel.
type scaling struct {
	factors []float64
	inner   int64 // elements between a channel and the next
}

// tensor writes one tensor.
func (s *streamer) tensor(t *tensor) error {
	s.scale, s.at = nil, 0
	if t.fold != nil {
		factors, bias, err := t.fold.numbers(s.src)
		if err != nil {
			return err
		}
		if t.weight == nil {
			return s.emit(bias)
		}
		s.scale = &scaling{factors: factors, inner: t.shape[t.axis+1:].Elements(1)}
	}
	stored, err := storedTensor(s.src, t.weight, t.shape.Elements(1))
	if err != nil {
		return err
	}
	dims, perm := collapse(t.weight.Stored, t.weight.Perm)
	if len(perm) <= 1 {
		return s.copy(stored, t.shape.Elements(1))
	}
	b := box{dims: dims, perm: perm, start: make([]int64, len(dims)), count: append([]int64(nil), dims...)}
	return s.boxes(stored, &b, 0)
}

// copy writes a tensor whose axes stay in place.
func (s *streamer) copy(stored weights.Tensor, elements int64) error {
	s.block = grow(s.block, min(elements, s.limits.block))
	for at := int64(0); at < elements; {
		part := s.block[:min(elements-at, s.limits.block)]
		if err := stored.ReadFloat32s(part, at); err != nil {
			return err
		}
		if err := s.emit(part); err != nil {
			return err
		}
		at += int64(len(part))
	}
	return nil
}

// box is a part of a stored tensor: count elements from start on along each stored axis. Output axis k is stored axis
// perm[k].
type box struct {
	dims, start, count []int64
	perm               []int
}

// boxes writes a box in output order, whose output axes before axis have one element left: it goes along the axis in
// pieces that fit the window, and where one element of the axis does not fit, along the next axis.
func (s *streamer) boxes(stored weights.Tensor, b *box, axis int) error {
	a := b.perm[axis]
	total := int64(1)
	for _, n := range b.count {
		total *= n
	}
	if total <= s.limits.window {
		return s.box(stored, b)
	}
	start, count := b.start[a], b.count[a]
	defer func() { b.start[a], b.count[a] = start, count }()
	step := int64(1)
	if each := total / count; each <= s.limits.window {
		step = s.limits.window / each
		if step > lane {
			step -= step % lane
		}
	}
	for at := int64(0); at < count; at += step {
		b.start[a], b.count[a] = start+at, min(step, count-at)
		if err := s.boxes(stored, b, min(axis+1, len(b.perm)-1)); err != nil {
			return err
		}
	}
	return nil
}

// box reads a box that fits the window and writes it in output order, block by block along its first output axis with
// more than one element.
func (s *streamer) box(stored weights.Tensor, b *box) error {
	total := int64(1)
	for _, n := range b.count {
		total *= n
	}
	s.window = grow(s.window, total)
	window := s.window[:total]
	if err := read(stored, b, window); err != nil {
		return err
	}
	outer := 0
	for outer < len(b.perm)-1 && b.count[b.perm[outer]] == 1 {
		outer++
	}
	p := newPermutation(b.count, b.perm)
	each := total / p.dims[outer]
	rows := max(s.limits.block/each, 1)
	if rows > lane {
		rows -= rows % lane
	}
	count := p.dims[outer]
	s.block = grow(s.block, min(rows, count)*each)
	for at := int64(0); at < count; at += rows {
		p.dims[outer] = min(rows, count-at)
		part := s.block[:p.dims[outer]*each]
		p.run(part, window[at*p.strides[outer]:])
		if err := s.emit(part); err != nil {
			return err
		}
	}
	return nil
}

// read fills dst with a box in stored order, in as few reads as its shape allows.
func read(stored weights.Tensor, b *box, dst []float32) error {
	// The axes from split on are whole: a run goes over them and the part of axis split-1.
	split := len(b.dims)
	run := int64(1)
	for split > 0 && b.count[split-1] == b.dims[split-1] {
		split--
		run *= b.dims[split]
	}
	if split > 0 {
		split--
		run *= b.count[split]
	}
	index := make([]int64, split)
	for {
		offset := int64(0)
		for k := range b.dims {
			offset = offset*b.dims[k] + b.start[k]
			if k < split {
				offset += index[k]
			}
		}
		if err := stored.ReadFloat32s(dst[:run], offset); err != nil {
			return err
		}
		dst = dst[run:]
		k := split - 1
		for ; k >= 0; k-- {
			if index[k]++; index[k] < b.count[k] {
				break
			}
			index[k] = 0
		}
		if k < 0 {
			return nil
		}
	}
}

// emit scales and writes the next elements of the tensor. It may change them.
func (s *streamer) emit(part []float32) error {
	if s.scale != nil {
		s.scale.apply(part, s.at)
	}
	s.at += int64(len(part))
	for len(part) > 0 {
		n := int(min(int64(len(part)), s.limits.block))
		if cap(s.bytes) < 4*n {
			s.bytes = make([]byte, 4*n)
		}
		raw := s.bytes[:4*n]
		for i, f := range part[:n] {
			binary.LittleEndian.PutUint32(raw[4*i:4*i+4], math.Float32bits(f))
		}
		if _, err := s.w.Write(raw); err != nil {
			return err
		}
		part = part[n:]
	}
	return nil
}

// apply scales elements at.. of a tensor: runs of inner elements share a factor.
func (c *scaling) apply(part []float32, at int64) {
	channels := int64(len(c.factors))
	if c.inner == 1 {
		k := at % channels
		for i, v := range part {
			part[i] = float32(float64(v) * c.factors[k])
			if k++; k == channels {
				k = 0
			}
		}
		return
	}
	for len(part) > 0 {
		factor := c.factors[at/c.inner%channels]
		run := min(c.inner-at%c.inner, int64(len(part)))
		for i, v := range part[:run] {
			part[i] = float32(float64(v) * factor)
		}
		part = part[run:]
		at += run
	}
}

func grow(buffer []float32, n int64) []float32 {
	if int64(len(buffer)) < n {
		return make([]float32, n)
	}
	return buffer
}

// collapse simplifies a permutation: axes of one element vanish, and axes that stay neighbours in order become one. An
// identity becomes at most one axis.
func collapse(stored graph.Shape, perm []int) (dims []int64, simple []int) {
	var kept []int // stored axes in output order
	if perm == nil {
		return []int64{stored.Elements(1)}, []int{0}
	}
	for _, a := range perm {
		if stored[a] != 1 {
			kept = append(kept, a)
		}
	}
	// Renumber without the axes of one element, so that neighbours are neighbours.
	rank := make([]int, len(stored))
	var sizes []int64
	for a, d := range stored {
		rank[a] = len(sizes)
		if d != 1 {
			sizes = append(sizes, d)
		}
	}
	// groups are runs of stored axes that stay together, in output order.
	type group struct{ first, last int }
	var groups []group
	for _, a := range kept {
		a = rank[a]
		if n := len(groups); n > 0 && groups[n-1].last+1 == a {
			groups[n-1].last = a
		} else {
			groups = append(groups, group{a, a})
		}
	}
	dims = make([]int64, len(groups))
	simple = make([]int, len(groups))
	for k, g := range groups {
		before := 0 // groups that come earlier in stored order
		for _, other := range groups {
			if other.first < g.first {
				before++
			}
		}
		simple[k] = before
		dims[before] = 1
		for a := g.first; a <= g.last; a++ {
			dims[before] *= sizes[a]
		}
	}
	return dims, simple
}
