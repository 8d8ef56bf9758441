package graph

import "fmt"

// Rules of operators that take elements by indices, and of those that make tensors of shapes.

func ruleGather(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if d := c.in[1].DType; d != Int64 && d != Int32 {
		return fmt.Errorf("its indices are of type %s", d)
	}
	x := c.in[0].Shape
	k, err := axis(c.int("axis", 0), len(x))
	if err != nil {
		return err
	}
	out := append(append(append(Shape{}, x[:k]...), c.in[1].Shape...), x[k+1:]...)
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleGatherElements(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if d := c.in[1].DType; d != Int64 && d != Int32 {
		return fmt.Errorf("its indices are of type %s", d)
	}
	if len(c.in[0].Shape) != len(c.in[1].Shape) {
		return fmt.Errorf("indices %s do not fit %s", c.in[1].Shape, c.in[0].Shape)
	}
	c.set(0, c.in[0].DType, c.in[1].Shape...)
	return nil
}

func ruleGatherND(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if d := c.in[1].DType; d != Int64 && d != Int32 {
		return fmt.Errorf("its indices are of type %s", d)
	}
	x, at, batch := c.in[0].Shape, c.in[1].Shape, c.int("batch_dims", 0)
	if len(at) == 0 || batch < 0 || batch >= int64(len(at)) || at[len(at)-1] < 0 || at[len(at)-1] > int64(len(x))-batch || !x[:batch].Equal(at[:batch]) {
		return fmt.Errorf("indices %s do not fit %s", at, x)
	}
	out := append(Shape{}, at[:len(at)-1]...)
	c.set(0, c.in[0].DType, append(out, x[batch+at[len(at)-1]:]...)...)
	return nil
}

func ruleShape(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	from, to := c.shapeRange()
	c.set(0, Int64, max(to-from, 0))
	return nil
}

// shapeRange gives the axes that a Shape operator tells: since opset 15 a part of them.
func (c *call) shapeRange() (from, to int64) {
	rank := int64(len(c.in[0].Shape))
	place := func(at int64) int64 {
		if at < 0 {
			at += rank
		}
		return min(max(at, 0), rank)
	}
	return place(c.int("start", 0)), place(c.int("end", rank))
}

func ruleSize(c *call) error {
	err := c.need(1)
	c.set(0, Int64)
	return err
}

func ruleRange(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	for _, t := range c.in[:3] {
		if t.Shape.Elements(1) != 1 || t.DType != c.in[0].DType {
			return fmt.Errorf("start, limit and step are not numbers of one type")
		}
		if !t.Filled {
			return ErrDataDecide
		}
	}
	count := 0.0
	if c.in[0].DType == Float32 {
		start, limit, step := c.in[0].Floats[0], c.in[1].Floats[0], c.in[2].Floats[0]
		count = (float64(limit) - float64(start)) / float64(step)
	} else {
		start, limit, step := c.in[0].Ints[0], c.in[1].Ints[0], c.in[2].Ints[0]
		if step == 0 {
			return fmt.Errorf("its step is 0")
		}
		count = (float64(limit) - float64(start)) / float64(step)
	}
	n := int64(count)
	switch {
	case !(count < float64(MaxElements)):
		return fmt.Errorf("its range has no end")
	case count <= 0:
		n = 0
	case float64(n) < count:
		n++
	}
	c.set(0, c.in[0].DType, n)
	return nil
}

func ruleConstantOfShape(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	shape, err := c.in[0].integers()
	if err != nil {
		return err
	}
	d := Float32
	if a := c.Attr("value"); a != nil && a.Tensor != nil {
		d = a.Tensor.DType
	}
	c.set(0, d, shape...)
	return nil
}

// ruleLike gives a tensor of the input's shape and, if it says so, another type.
func ruleLike(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	d := c.in[0].DType
	if to := DType(c.int("dtype", 0)); to != 0 {
		d = to
	}
	c.set(0, d, c.in[0].Shape...)
	return nil
}

func ruleOneHot(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	t := c.in[1]
	depth := int64(0)
	switch {
	case t.Shape.Elements(1) != 1:
		return fmt.Errorf("its depth is not one number")
	case !t.Filled:
		return ErrDataDecide
	case t.Floats != nil:
		depth = int64(t.Floats[0])
	default:
		depth = t.Ints[0]
	}
	x := c.in[0].Shape
	k, err := axis(c.int("axis", -1), len(x)+1)
	if err != nil {
		return err
	}
	out := append(append(append(Shape{}, x[:k]...), depth), x[k:]...)
	c.set(0, c.in[2].DType, out...)
	return nil
}
