package keras

import (
	"fmt"

	"partita/planner/graph"
)

// formula emits nodes one after the other and keeps the first error.
type formula struct {
	l   *lowering
	err error
}

// op emits an operator without attributes.
func (c *formula) op(name string, in ...graph.ValueID) graph.ValueID { return c.with(name, nil, in...) }

// with emits an operator.
func (c *formula) with(name string, attrs []graph.Attr, in ...graph.ValueID) graph.ValueID {
	if c.err != nil {
		return graph.None
	}
	v, err := c.l.emit(name, in, attrs...)
	c.err = err
	return v
}

// tensor gives the tensor that a value in a layout stands for, where all went well.
func (c *formula) tensor(v graph.ValueID, form layout) (*tensor, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.l.tensorOf(v, form), nil
}

func (c *formula) number(f float64) graph.ValueID { return c.l.scalar("number", f) }

func (c *formula) cast(x graph.ValueID, to graph.DType) graph.ValueID {
	return c.with("Cast", []graph.Attr{intAttr("to", int64(to))}, x)
}

// axes emits an operator that takes axes as its second input.
func (c *formula) axes(op string, x graph.ValueID, axes ...int64) graph.ValueID {
	return c.op(op, x, c.l.integers("axes", axes))
}

// turn changes the order of the axes.
func (c *formula) turn(x graph.ValueID, perm ...int64) graph.ValueID {
	return c.with("Transpose", []graph.Attr{intsAttr("perm", perm...)}, x)
}

// flip turns axis 1 round, where there is anything to turn.
func (c *formula) flip(x graph.ValueID, size int64) graph.ValueID {
	if size == 1 || c.err != nil {
		return x
	}
	return c.reversed(x, 1, size)
}

// reversed turns an axis of a size round.
func (c *formula) reversed(x graph.ValueID, axis, size int64) graph.ValueID {
	l := c.l
	return c.op("Slice", x, l.integers("starts", []int64{size - 1}), l.integers("ends", []int64{-size - 1}), l.integers("axes", []int64{axis}),
		l.integers("steps", []int64{-1}))
}

// slice takes the elements [from, to) of an axis.
func (c *formula) slice(x graph.ValueID, axis int, from, to int64) graph.ValueID {
	if c.err != nil {
		return graph.None
	}
	s := c.l.g.Values[x].Shape
	if from == 0 && to == s[axis] {
		return x
	}
	if c.err = withinAxis(s, axis, from, to); c.err != nil {
		return graph.None
	}
	return c.op("Slice", x, c.l.integers("starts", []int64{from}), c.l.integers("ends", []int64{to}), c.l.integers("axes", []int64{int64(axis)}))
}

// withinAxis refuses elements [from, to) of an axis that are not there or none: the operator would take fewer, or count them
// from the end.
func withinAxis(s graph.Shape, axis int, from, to int64) error {
	if from < 0 || from >= to || to > s[axis] && s[axis] != graph.Batch {
		return fmt.Errorf("[%d, %d) of axis %d does not fit %s", from, to, axis, s)
	}
	return nil
}

// mean takes the mean along axes, which stay with size 1.
func (c *formula) mean(x graph.ValueID, axes []int64) graph.ValueID {
	return c.with("ReduceMean", []graph.Attr{intsAttr("axes", axes...), intAttr("keepdims", 1)}, x)
}
