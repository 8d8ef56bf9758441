package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		return &dot{axes: o.integers("axes"), unit: o.boolean(false, "normalize")}
	}, "Dot")
}

// dot is a product over one axis of each of two tensors, for each input of the batch.
type dot struct {
	axes []int64
	unit bool // vectors along these axes are brought to length 1 before
}

func (d *dot) lower(l *lowering, in []*tensor) (*tensor, error) {
	if len(in) != 2 || len(d.axes) < 1 || len(d.axes) > 2 {
		return nil, fmt.Errorf("it is called on %d tensors with the axes %v", len(in), d.axes)
	}
	c := &formula{l: l}
	var axes [2]int
	var values [2]graph.ValueID
	for i, t := range in {
		if len(t.shape) < 2 {
			return nil, fmt.Errorf("its input %s has no axis but the batch", t.shape)
		}
		var err error
		if axes[i], err = normalAxis(d.axes[min(i, len(d.axes)-1)], len(t.shape)); err != nil {
			return nil, err
		}
		if values[i], err = l.as(t, asSource); err != nil {
			return nil, err
		}
		if d.unit {
			least := normalizationEpsilon
			if l.m.major < 3 {
				least = 1e-6 // Keras 2 bounds the square, by 1e-12
			}
			values[i] = c.unit(values[i], []int64{int64(axes[i])}, least)
		}
	}
	x, y := in[0].shape, in[1].shape
	n := x[axes[0]]
	if n != y[axes[1]] {
		return nil, fmt.Errorf("axis %d of %s and axis %d of %s differ in size", axes[0], x, axes[1], y)
	}
	// (batch, what stays of x, n) times (batch, n, what stays of y).
	a, aRest := c.last(values[0], x, axes[0], false)
	b, bRest := c.last(values[1], y, axes[1], true)
	v := c.op("MatMul", a, b)
	target := append(append([]int64{0}, aRest...), bRest...)
	if len(target) == 1 {
		target = append(target, 1)
	}
	v = c.op("Reshape", v, l.integers("shape", target))
	return c.tensor(v, asSource)
}

// dotAxes reads the axes of Keras 1's merges: a number, one for each tensor, or each of these in a list of its own.
func (o *options) dotAxes() []int64 {
	list, isList := o.value("dot_axes").([]any)
	if !isList {
		return []int64{o.integer(-1, -8, "dot_axes")}
	}
	var axes []int64
	for _, e := range list {
		v, ok := asNumber(e)
		n, whole := int64(0), false
		if v != nil {
			n, whole = wholeNumber(*v)
		}
		if !ok || !whole {
			o.malformed("option dot_axes is %s, not a list of whole numbers", describe(list))
			return nil
		}
		axes = append(axes, n)
	}
	return axes
}

// cosine is the cosine of the angle between two vectors, with an axis more than their product, as the mode cos of Keras 1 made
// it. (Keras 1.2.2, engine/topology.py, Merge.call; backend epsilon 1e-7.)
type cosine struct{ axes []int64 }

func (o *cosine) lower(l *lowering, in []*tensor) (*tensor, error) {
	if len(in) != 2 {
		return nil, fmt.Errorf("it is called on %d tensors", len(in))
	}
	for _, t := range in {
		if len(t.shape) != len(in[0].shape) || len(t.shape) > 3 {
			return nil, fmt.Errorf("the mode cos is of two tensors of two or three dimensions, not %s", shapesOf(in))
		}
	}
	d := &dot{axes: o.axes}
	if len(d.axes) == 2 && d.axes[0] != d.axes[1] {
		return nil, fmt.Errorf("the mode cos is of one axis of both tensors, not of %v", d.axes)
	}
	var products [3]graph.ValueID
	for i, pair := range [][]*tensor{{in[0], in[1]}, {in[0], in[0]}, {in[1], in[1]}} {
		t, err := d.lower(l, pair)
		if err != nil {
			return nil, err
		}
		if t.shape.Elements(1) != 1 {
			// Keras 1 divided by the products of different vectors with each other.
			return nil, fmt.Errorf("the mode cos is of one vector in each tensor, and %s have several", shapesOf(in))
		}
		products[i] = t.values[asSource]
	}
	c := &formula{l: l}
	lengths := c.op("Max", c.op("Sqrt", c.op("Mul", products[1], products[2])), c.number(1e-7))
	v := c.axes("Unsqueeze", c.op("Div", products[0], lengths), 1)
	if c.err != nil {
		return nil, c.err
	}
	return l.tensorOf(v, asSource), nil
}

// last makes a tensor a stack of matrices with one axis last, or first behind the batch, and gives the sizes of the others.
func (c *formula) last(x graph.ValueID, shape graph.Shape, axis int, first bool) (graph.ValueID, []int64) {
	var rest, others []int64
	for i := 1; i < len(shape); i++ {
		if i != axis {
			rest, others = append(rest, shape[i]), append(others, int64(i))
		}
	}
	perm := append([]int64{0}, append(append([]int64{}, others...), int64(axis))...)
	target := []int64{0, graph.Shape(rest).Elements(1), shape[axis]}
	if first {
		perm = append([]int64{0, int64(axis)}, others...)
		target = []int64{0, shape[axis], graph.Shape(rest).Elements(1)}
	}
	for i, p := range perm {
		if p != int64(i) {
			x = c.turn(x, perm...)
			break
		}
	}
	if len(shape) != 3 {
		x = c.op("Reshape", x, c.l.integers("matrix", target))
	}
	return x, rest
}
