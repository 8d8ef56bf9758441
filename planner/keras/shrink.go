package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

// Activations that Keras 3 added.

func celu(alpha float64) activation {
	// max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)
	return chain(func(c *formula, x graph.ValueID) graph.ValueID {
		falling := c.op("Mul", c.op("Sub", c.op("Exp", c.op("Min", c.op("Div", x, c.number(alpha)), c.number(0))), c.number(1)), c.number(alpha))
		return c.op("Add", c.op("Relu", x), falling)
	})
}

func softShrink(threshold float64) activation {
	return chain(func(c *formula, x graph.ValueID) graph.ValueID {
		return c.op("Sub", x, c.op("Clip", x, c.number(-threshold), c.number(threshold)))
	})
}

func hardShrink(threshold float64) activation {
	return chain(func(c *formula, x graph.ValueID) graph.ValueID {
		return c.op("Mul", x, c.cast(c.op("Greater", c.op("Abs", x), c.number(threshold)), graph.Float32))
	})
}

func squareplus(b float64) activation {
	return chain(func(c *formula, x graph.ValueID) graph.ValueID {
		root := c.op("Sqrt", c.op("Add", c.op("Mul", x, x), c.number(b)))
		return c.op("Mul", c.op("Add", x, root), c.number(0.5))
	})
}

// sparsePlus is 0 up to -1, x from 1 on, and (x + 1)^2 / 4 between.
func sparsePlus(c *formula, x graph.ValueID) graph.ValueID {
	between := c.op("Add", c.op("Clip", x, c.number(-1), c.number(1)), c.number(1))
	parabola := c.op("Mul", c.op("Mul", between, between), c.number(0.25))
	return c.op("Add", parabola, c.op("Relu", c.op("Sub", x, c.number(1))))
}

// geluByTanh is the approximation x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
func geluByTanh(c *formula, x graph.ValueID) graph.ValueID {
	cube := c.op("Mul", c.op("Mul", x, x), x)
	inner := c.op("Mul", c.op("Add", x, c.op("Mul", cube, c.number(0.044715))), c.number(math.Sqrt(2/math.Pi)))
	return c.op("Mul", c.op("Mul", x, c.number(0.5)), c.op("Add", c.op("Tanh", inner), c.number(1)))
}

// glu multiplies the first half of an axis by the sigmoid of the second.
func glu(axis int64) activation {
	return func(l *lowering, t *tensor) (*tensor, error) {
		a, err := normalAxis(axis, len(t.shape))
		if err != nil {
			return nil, err
		}
		form := t.form()
		at, size := physical(a, len(t.shape), form), t.shape[a]
		if size%2 != 0 {
			return nil, fmt.Errorf("glu halves axis %d of %s", a, t.shape)
		}
		c := &formula{l: l}
		x := t.values[form]
		v := c.op("Mul", c.slice(x, at, 0, size/2), c.op("Sigmoid", c.slice(x, at, size/2, size)))
		return c.tensor(v, form)
	}
}
