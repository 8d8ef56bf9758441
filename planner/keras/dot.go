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
