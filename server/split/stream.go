package split

import (
	"partita/planner/graph"
	"partita/planner/precision"
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

// loader reads the tensors of a stage in the order of the file, in windows that the arranger then puts into output order.
type loader struct {
	src    weights.Source
	limits limits
	yield  func(piece) error
}

// piece is a part of a tensor: elements at.. of its output order, as stored.
type piece struct {
	tensor *tensor
	scale  *scaling // nil: none
	at     int64
	count  []int64 // elements along each stored axis
	perm   []int   // output axis k is stored axis perm[k]; nil: the elements are in output order

	elements int64
	read     func(window []float32) error // fills a window with them
	whole    int64                        // of elements of another type than float32: the bytes of the piece
	measured bool                         // only the magnitudes of its elements are wanted
}

// bytes gives what the piece takes in the file.
func (p *piece) bytes() int64 {
	switch {
	case p.whole != 0:
		return p.whole
	case p.tensor.factorsOf != nil:
		return 4 * p.elements
	}
	return p.elements * p.tensor.encoding.DType().Size()
}

// tensor yields the pieces of one tensor.
func (l *loader) tensor(t *tensor) error {
	p := piece{tensor: t}
	if kernel := t.factorsOf; kernel != nil {
		// Factors follow from the numbers: the tensor is read once for them and once more to be stored.
		if err := l.elements(kernel, piece{tensor: kernel, measured: true}); err != nil {
			return err
		}
		p.elements = t.shape.Elements(1)
		p.read = func([]float32) error { return nil }
		return l.yield(p)
	}
	return l.elements(t, p)
}

// elements yields the pieces of a tensor's numbers.
func (l *loader) elements(t *tensor, p piece) error {
	if t.fold != nil {
		factors, bias, err := t.fold.numbers(l.src)
		if err != nil {
			return err
		}
		if t.weight == nil {
			p.elements = int64(len(bias))
			p.read = func(window []float32) error { copy(window, bias); return nil }
			return l.yield(p)
		}
		p.scale = &scaling{factors: factors, inner: t.shape[t.axis+1:].Elements(1)}
	}
	stored, err := storedTensor(l.src, t.weight, t.shape.Elements(1))
	if err != nil {
		return err
	}
	if t.encoding.Form == precision.Plain && t.dtype != graph.Float32 && t.dtype != 0 {
		return l.raw(stored, t, &p)
	}
	dims, perm := collapse(t.weight.Taken(), t.weight.Perm)
	if len(perm) <= 1 && t.weight.Blocks == nil {
		elements := t.shape.Elements(1)
		for ; p.at < elements; p.at += p.elements {
			at := p.at
			p.elements = min(elements-at, l.limits.block)
			p.read = func(window []float32) error { return stored.ReadFloat32s(window, at) }
			if err := l.yield(p); err != nil {
				return err
			}
		}
		return nil
	}
	b := box{dims: dims, perm: perm, start: make([]int64, len(dims)), count: append([]int64(nil), dims...)}
	if t.weight.Blocks == nil {
		return l.boxes(stored, &b, 0, &p)
	}
	// The output's first axis leads the first of the collapsed ones, so that a block is a part of that one.
	first := perm[0]
	size := dims[first] / int64(len(t.weight.Blocks))
	for _, k := range t.weight.Blocks {
		b.start[first], b.count[first] = int64(k)*size, size
		if err := l.boxes(stored, &b, 0, &p); err != nil {
			return err
		}
	}
	return nil
}

// box is a part of a stored tensor: count elements from start on along each stored axis.
type box struct {
	dims, start, count []int64
	perm               []int
}

// boxes yields a box in output order, whose output axes before axis have one element left: it goes along the axis in
// pieces that fit the window, and where one element of the axis does not fit, along the next axis.
func (l *loader) boxes(stored weights.Tensor, b *box, axis int, p *piece) error {
	total := graph.Shape(b.count).Elements(1)
	if total <= l.limits.window {
		p.count, p.perm, p.elements = append([]int64(nil), b.count...), b.perm, total
		p.read = func(window []float32) error { return read(stored, b, window) }
		err := l.yield(*p)
		p.at += total
		return err
	}
	a := b.perm[axis]
	start, count := b.start[a], b.count[a]
	defer func() { b.start[a], b.count[a] = start, count }()
	step := int64(1)
	if each := total / count; each <= l.limits.window {
		step = l.limits.window / each
		if step > lane {
			step -= step % lane
		}
	}
	for at := int64(0); at < count; at += step {
		b.start[a], b.count[a] = start+at, min(step, count-at)
		if err := l.boxes(stored, b, min(axis+1, len(b.perm)-1), p); err != nil {
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

// scaling multiplies each element by the factor of its channel.
type scaling struct {
	factors []float32
	inner   int64 // elements between a channel and the next
}

// apply scales elements at.. of a tensor: runs of inner elements share a factor.
func (c *scaling) apply(part []float32, at int64) {
	if c == nil {
		return
	}
	channels := int64(len(c.factors))
	if c.inner == 1 {
		k := at % channels
		for i, v := range part {
			part[i] = v * c.factors[k]
			if k++; k == channels {
				k = 0
			}
		}
		return
	}
	for len(part) > 0 {
		factor := c.factors[at/c.inner%channels]
		run := min(c.inner-at%c.inner, int64(len(part)))
		multiply(part[:run], factor)
		part = part[run:]
		at += run
	}
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
