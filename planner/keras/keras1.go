package keras

import (
	"partita/planner/graph"
)

// Layers that only Keras 1 has.

func init() {
	register(func(o *options) operation {
		o.ignore("input_dim", "input_length")
		return &dense{units: o.required("output_dim"), bias: o.boolean(true, "bias"), activation: o.activation()}
	}, "TimeDistributedDense")
	register(func(o *options) operation {
		o.ignore("input_dim")
		return &maxoutDense{units: o.required("output_dim"), features: o.integer(4, 1, "nb_feature"), bias: o.boolean(true, "bias")}
	}, "MaxoutDense")
	register(func(o *options) operation {
		o.ignore("input_dim", "transform_bias")
		return &highway{bias: o.boolean(true, "bias"), activation: o.activation()}
	}, "Highway")
	register(func(o *options) operation { return &shapedReLU{shared: o.integers("shared_axes")} }, "SReLU")
	register(func(o *options) operation {
		o.ignore("alpha_init", "beta_init")
		return &parametricSoftplus{shared: o.integers("shared_axes")}
	}, "ParametricSoftplus")
}

// maxoutDense takes the largest of several products.
type maxoutDense struct {
	units, features int64
	bias            bool
}

func (m *maxoutDense) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 2); err != nil {
		return nil, err
	}
	stored := graph.Shape{m.features, t.shape[1], m.units}
	kernel, err := l.weight("W", stored, nil, stored)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	y := c.op("MatMul", c.axes("Unsqueeze", t.values[asSource], 0), kernel) // features, batch, units
	if m.bias {
		bias, err := l.weight("b", graph.Shape{m.features, m.units}, nil, graph.Shape{m.features, 1, m.units})
		if err != nil {
			return nil, err
		}
		y = c.op("Add", y, bias)
	}
	y = c.with("ReduceMax", []graph.Attr{intsAttr("axes", 0), intAttr("keepdims", 0)}, y)
	return c.tensor(y, asSource)
}

// highway lets a gate choose between a product and its input.
type highway struct {
	bias       bool
	activation activation
}

func (h *highway) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 2); err != nil {
		return nil, err
	}
	n := t.shape[1]
	square := graph.Shape{n, n}
	var values [2][]graph.ValueID
	for i, name := range []string{"W", "W_carry"} {
		w, err := l.weight(name, square, nil, square)
		if err != nil {
			return nil, err
		}
		values[i] = []graph.ValueID{t.values[asSource], w}
	}
	if h.bias {
		for i, name := range []string{"b", "b_carry"} {
			b, err := l.vector(name, n)
			if err != nil {
				return nil, err
			}
			values[i] = append(values[i], b)
		}
	}
	c := &formula{l: l}
	y, gate := c.op("Gemm", values[0]...), c.op("Sigmoid", c.op("Gemm", values[1]...))
	if c.err != nil {
		return nil, c.err
	}
	act, err := h.activation.apply(l, l.tensorOf(y, asSource), nil)
	if err != nil {
		return nil, err
	}
	y = c.op("Mul", act.values[asSource], gate)
	y = c.op("Add", y, c.op("Mul", c.op("Sub", c.number(1), gate), t.values[asSource]))
	return c.tensor(y, asSource)
}

// shapedReLU has two bends and a slope on either side: below t_left the slope a_left, above t_left + |t_right| the slope
// a_right, and 1 between. (Jin et al., 2015.)
type shapedReLU struct{ shared []int64 }

func (s *shapedReLU) lower(l *lowering, in []*tensor) (*tensor, error) {
	x, w, err := l.withPositions(in, s.shared, "t_left", "a_left", "t_right", "a_right")
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	left, slope, width, steep := w[0], w[1], c.op("Abs", w[2]), w[3]
	above := c.op("Sub", x, left)
	middle := c.op("Min", c.op("Relu", above), width)
	below := c.op("Mul", slope, c.op("Relu", c.op("Neg", above)))
	right := c.op("Mul", steep, c.op("Relu", c.op("Sub", above, width)))
	y := c.op("Add", c.op("Sub", c.op("Add", left, middle), below), right)
	return c.tensor(y, asSource)
}

// withPositions gives a layer's one input and its weights, which have a number for each position of it.
func (l *lowering) withPositions(in []*tensor, shared []int64, names ...string) (x graph.ValueID, w []graph.ValueID, err error) {
	t, err := wantOne(in)
	if err != nil {
		return graph.None, nil, err
	}
	if x, err = l.as(t, asSource); err != nil {
		return graph.None, nil, err
	}
	w, err = l.perPosition(t, shared, asSource, names...)
	return x, w, err
}

// parametricSoftplus is alpha log(1 + exp(beta x)).
type parametricSoftplus struct{ shared []int64 }

func (p *parametricSoftplus) lower(l *lowering, in []*tensor) (*tensor, error) {
	x, w, err := l.withPositions(in, p.shared, "alphas", "betas")
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	y := c.op("Mul", w[0], c.op("Softplus", c.op("Mul", w[1], x)))
	return c.tensor(y, asSource)
}
