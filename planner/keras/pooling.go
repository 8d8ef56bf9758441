package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for rank, axes := range []string{1: "1D", 2: "2D", 3: "3D"} {
		if rank == 0 {
			continue
		}
		for class, op := range map[string]string{"Max": "MaxPool", "Average": "AveragePool"} {
			short := map[string]string{"Max": "MaxPool", "Average": "AvgPool"}[class] // Keras's other name
			register(func(o *options) operation {
				p := &pooling{op: op}
				size := make([]int64, rank)
				for i := range size {
					size[i] = 2
				}
				p.size = o.sizesOr(size, "pool_size", "pool_length")
				p.strides = o.sizesOr(p.size, "strides", "stride")
				p.dilation = ones(rank)
				p.same = o.padding()
				p.form = o.layout()
				return p
			}, class+"Pooling"+axes, short+axes)
			register(func(o *options) operation {
				p := &globalPooling{op: "Global" + op, rank: rank, keep: o.boolean(false, "keepdims")}
				p.form = o.layout()
				o.accept("mask")
				return p
			}, "Global"+class+"Pooling"+axes, "Global"+short+axes)
			register(func(o *options) operation {
				p := &adaptivePooling{largest: class == "Max", size: o.sizes(rank, "output_size"), form: o.layout()}
				if p.size == nil {
					o.malformed("option output_size is missing")
					p.size = ones(rank)
				}
				return p
			}, "Adaptive"+class+"Pooling"+axes)
		}
	}
}

type pooling struct {
	window
	op string
}

func (p *pooling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, len(p.size)+2); err != nil {
		return nil, err
	}
	x, err := l.as(t, p.form)
	if err != nil {
		return nil, err
	}
	shape := l.g.Values[x].Shape
	attrs := []graph.Attr{
		intsAttr("kernel_shape", p.size...),
		intsAttr("pads", p.pads(shape[2:])...),
		intsAttr("strides", p.strides...),
	}
	if p.op == "AveragePool" {
		// TensorFlow leaves padding out of the average.
		attrs = append([]graph.Attr{intAttr("count_include_pad", 0)}, attrs...)
	}
	y, err := l.emit(p.op, []graph.ValueID{x}, attrs...)
	if err != nil {
		return nil, err
	}
	return l.tensorOf(y, p.form), nil
}

type globalPooling struct {
	op   string
	rank int
	form layout
	keep bool // the pooled axes, with size 1
}

func (p *globalPooling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, p.rank+2); err != nil {
		return nil, err
	}
	x, err := l.as(t, p.form)
	if err != nil {
		return nil, err
	}
	if p.rank == 1 && p.op == "GlobalAveragePool" {
		mask, err := l.maskOf(in)
		if err != nil {
			return nil, err
		}
		if mask != nil {
			return p.masked(l, x, mask)
		}
	}
	y, err := l.emit(p.op, []graph.ValueID{x})
	if err != nil || p.keep {
		if err != nil {
			return nil, err
		}
		return l.tensorOf(y, p.form), nil
	}
	if y, err = l.emit("Flatten", []graph.ValueID{y}, intAttr("axis", 1)); err != nil {
		return nil, err
	}
	return l.tensorOf(y, asSource), nil
}

// masked is the mean over the steps of time that count.
func (p *globalPooling) masked(l *lowering, x graph.ValueID, mask *tensor) (*tensor, error) {
	m, err := l.as(mask, asSource)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	m = c.axes("Unsqueeze", m, 1) // batch, channels, time, as x
	keep := intAttr("keepdims", 0)
	if p.keep {
		keep.Int = 1
	}
	sum := func(v graph.ValueID) graph.ValueID {
		return c.with("ReduceSum", []graph.Attr{keep}, v, l.integers("axes", []int64{2}))
	}
	y := c.op("Div", sum(c.op("Mul", x, m)), sum(m))
	if c.err != nil {
		return nil, c.err
	}
	if p.keep {
		return l.tensorOf(y, p.form), nil
	}
	return l.tensorOf(y, asSource), nil
}

// adaptivePooling pools to a given number of positions: position i of n takes the elements from i in/n, rounded down, to
// (i+1) in/n, rounded up.
type adaptivePooling struct {
	largest bool
	size    []int64
	form    layout
}

// maxPositions bounds the positions of one axis that are computed by a node of their own each.
const maxPositions = 512

func (p *adaptivePooling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(p.size)
	if err := wantRank(t, rank+2); err != nil {
		return nil, err
	}
	x, err := l.as(t, p.form)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	// One axis after the other: the largest of largest, and the mean of means of equal weight, are those of the whole.
	for i, n := range p.size {
		axis, size := i+2, l.g.Values[x].Shape[i+2]
		if n > maxPositions || n > size {
			return nil, fmt.Errorf("it pools %d elements to %d positions; at most %d, and no more than there are elements, can be", size, n, maxPositions)
		}
		if n == size {
			continue
		}
		op := "ReduceMean"
		if p.largest {
			op = "ReduceMax"
		}
		var parts []graph.ValueID
		for k := range n {
			part := c.slice(x, axis, k*size/n, ((k+1)*size+n-1)/n)
			parts = append(parts, c.with(op, []graph.Attr{intsAttr("axes", int64(axis)), intAttr("keepdims", 1)}, part))
		}
		if x = parts[0]; len(parts) > 1 {
			x = c.with("Concat", []graph.Attr{intAttr("axis", int64(axis))}, parts...)
		}
		if c.err != nil {
			return nil, c.err
		}
	}
	return l.tensorOf(x, p.form), nil
}
