package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for rank, class := range []string{1: "ConvLSTM1D", 2: "ConvLSTM2D", 3: "ConvLSTM3D"} {
		if class != "" {
			register(func(o *options) operation { return o.convLSTM(rank) }, class)
		}
	}
}

// convLSTM is a long short-term memory whose products are convolutions: that of the input may have strides, dilation and
// any padding, that of the state has neither and keeps its size. (Shi et al., 2015, without peepholes, as Keras has it.)
// ONNX has no operator for it, so every step of time becomes nodes of its own.
type convLSTM struct {
	filter
	direction
	filters int64
	gate    activation
}

func (o *options) convLSTM(rank int) *convLSTM {
	c := &convLSTM{direction: o.direction(), filters: o.required("filters", "nb_filter")}
	o.ignore("unroll", "implementation", "dropout", "recurrent_dropout", "dropout_W", "dropout_U", "seed", "unit_forget_bias", "forget_bias_init", "inner_init")
	def := "sigmoid"
	if o.major < 3 {
		def = "hard_sigmoid"
	}
	option := "recurrent_activation"
	if o.layer.options["inner_activation"] != nil {
		option = "inner_activation"
	}
	c.gate = o.activationOf(option, def)
	c.read(o, rank)
	c.activation = o.activationOf("activation", "tanh")
	if o.major == 1 {
		o.unsupported("save the model from Keras 2", "Keras 1 stores its gates one by one")
	}
	o.accept("mask", "initial_state")
	return c
}

func (c *convLSTM) mirrored() timed {
	m := *c
	m.backwards = !c.backwards
	return &m
}

func (c *convLSTM) lower(l *lowering, in []*tensor) (*tensor, error) {
	out, err := c.lowerAll(l, in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func (c *convLSTM) lowerAll(l *lowering, in []*tensor) ([]*tensor, error) {
	return throughTime(c, l, in)
}

// run gives the output and, if wanted, the last states.
func (c *convLSTM) run(l *lowering, t, mask *tensor, initial []*tensor) ([]*tensor, error) {
	rank := len(c.size)
	if err := wantRank(t, rank+3); err != nil {
		return nil, err
	}
	steps := t.shape[1]
	if steps > maxUnrolled {
		return nil, fmt.Errorf("%d steps of time are more than the %d that get nodes of their own", steps, maxUnrolled)
	}
	if len(initial) != 0 && len(initial) != 2 {
		return nil, fmt.Errorf("it is given %d initial states and has 2", len(initial))
	}
	s := &sequence{formula: &formula{l: l}, time: steps, zeroMasked: c.zeroMasked}
	var err error
	if s.x, err = l.as(t, asSource); err != nil {
		return nil, err
	}
	channels := t.shape[2]
	if c.form == channelsFirst { // batch, time, channels, space
		channels = t.shape[rank+2]
		perm := []int64{0, 1, int64(rank + 2)}
		for k := range rank {
			perm = append(perm, int64(k+2))
		}
		s.x = s.turn(s.x, perm...)
	}
	if err := s.begin(l, t, mask, c.backwards); err != nil {
		return nil, err
	}
	kernel, err := c.kernelOf(l, c.prefix+"kernel", c.size, channels, 4*c.filters, true, graph.Shape{4 * c.filters, channels})
	if err != nil {
		return nil, err
	}
	recurrent, err := c.kernelOf(l, c.prefix+"recurrent_kernel", c.size, c.filters, 4*c.filters, true, graph.Shape{4 * c.filters, c.filters})
	if err != nil {
		return nil, err
	}
	bias := graph.None
	if c.bias {
		if bias, err = l.vector(c.prefix+"bias", 4*c.filters); err != nil {
			return nil, err
		}
	}
	h, carry := graph.None, graph.None
	for i, state := range initial {
		v, err := l.as(state, c.form)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			h = v
		} else {
			carry = v
		}
	}
	outputs, output := []graph.ValueID(nil), graph.None
	within := window{size: c.size, strides: ones(rank), dilation: ones(rank), same: true}
	for k := range steps {
		if s.err != nil {
			return nil, s.err
		}
		x := s.axes("Squeeze", s.slice(s.x, 1, k, k+1), 1)
		if s.err != nil {
			return nil, s.err
		}
		z, err := c.conv(l, x, kernel, bias, &c.window, 1)
		if err != nil {
			return nil, err
		}
		if h != graph.None {
			of, err := c.conv(l, h, recurrent, graph.None, &within, 1)
			if err != nil {
				return nil, err
			}
			z = s.op("Add", z, of)
		}
		nextH, nextCarry := c.step(s, z, carry)
		out := nextH
		if s.masked {
			m := s.slice(s.mask, 1, k, k+1)
			for range rank {
				m = s.axes("Unsqueeze", m, 2)
			}
			out = s.keep(m, nextH, graph.None)
			if !s.zeroMasked {
				out = s.keep(m, nextH, output)
			}
			nextH, nextCarry = s.keep(m, nextH, h), s.keep(m, nextCarry, carry)
		}
		h, carry, output = nextH, nextCarry, out
		if c.sequences {
			outputs = append(outputs, out)
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	last := []*tensor{l.tensorOf(output, c.form)}
	if c.sequences {
		if last[0], err = c.together(s.formula, outputs); err != nil {
			return nil, err
		}
	}
	if c.states {
		last = append(last, l.tensorOf(h, c.form), l.tensorOf(carry, c.form))
	}
	return last, nil
}

// step goes from one state to the next. The gates lie in Keras's order: i f c o.
func (c *convLSTM) step(s *sequence, z, carry graph.ValueID) (graph.ValueID, graph.ValueID) {
	part := func(k int64) graph.ValueID { return s.slice(z, 1, k*c.filters, (k+1)*c.filters) }
	act := func(f activation, v graph.ValueID) graph.ValueID { return s.actIn(f, v, c.form) }
	i := act(c.gate, part(0))
	next := s.op("Mul", i, act(c.activation, part(2)))
	if carry != graph.None {
		next = s.op("Add", s.op("Mul", act(c.gate, part(1)), carry), next)
	}
	return s.op("Mul", act(c.gate, part(3)), act(c.activation, next)), next
}

// together puts the outputs of all steps behind each other.
func (c *convLSTM) together(f *formula, outputs []graph.ValueID) (*tensor, error) {
	rank := len(c.size)
	for i, v := range outputs {
		outputs[i] = f.axes("Unsqueeze", v, 1)
	}
	y := outputs[0]
	if len(outputs) > 1 {
		y = f.with("Concat", []graph.Attr{intAttr("axis", 1)}, outputs...)
	}
	if c.form == channelsFirst {
		perm := []int64{0, 1}
		for k := range rank {
			perm = append(perm, int64(k+3))
		}
		y = f.turn(y, append(perm, 2)...)
	}
	return f.tensor(y, asSource)
}

// keep takes what is fresh where a step counts and what was before where it does not; without anything before, zero.
func (s *sequence) keep(mask, fresh, old graph.ValueID) graph.ValueID {
	if old == graph.None {
		return s.op("Mul", fresh, mask)
	}
	return s.op("Add", s.op("Mul", fresh, mask), s.op("Mul", old, s.op("Sub", s.number(1), mask)))
}
