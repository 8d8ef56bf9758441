package keras

import (
	"fmt"

	"partita/planner/graph"
)

// maxUnrolled bounds the steps of time that become nodes of their own.
const maxUnrolled = 512

// unrolled goes through the steps one by one with elementary operators, for activations that ONNX's recurrent operators
// lack.
func (c *cell) unrolled(s *sequence, w arranged, initial []graph.ValueID, all bool) (graph.ValueID, []graph.ValueID, error) {
	if s.time > maxUnrolled {
		return graph.None, nil, fmt.Errorf("its activation needs a node for each of %d steps, more than %d; relu, tanh, sigmoid and linear need none", s.time, maxUnrolled)
	}
	n := gates[c.kind]
	// All inputs at once: (batch, time, features) times (features, gates units), and the biases that can be added here.
	kernel := s.turn(s.axes("Squeeze", w.kernel, 0), 1, 0)
	recurrent := s.turn(s.axes("Squeeze", w.recurrent, 0), 1, 0)
	x := s.op("MatMul", s.x, kernel)
	stateBias := graph.None
	if w.bias != graph.None {
		x = s.op("Add", x, s.slice(w.bias, 1, 0, n*c.units))
		stateBias = s.slice(w.bias, 1, n*c.units, 2*n*c.units)
	}
	if s.err != nil {
		return graph.None, nil, s.err
	}
	var h, carry graph.ValueID = graph.None, graph.None
	if len(initial) > 0 {
		h = initial[0]
	}
	if len(initial) > 1 {
		carry = initial[1]
	}
	if h == graph.None { // zeros of the right batch: nothing times zero
		h = s.op("Mul", s.slice(s.axes("Squeeze", s.slice(x, 1, 0, 1), 1), 1, 0, c.units), s.number(0))
		carry = h
	}
	var outputs []graph.ValueID
	output := graph.None
	for t := range s.time {
		xt := s.axes("Squeeze", s.slice(x, 1, t, t+1), 1)
		nextH, nextCarry, err := c.step(s, xt, h, carry, recurrent, stateBias)
		if err != nil {
			return graph.None, nil, err
		}
		out := nextH
		if s.masked {
			m := s.slice(s.mask, 1, t, t+1)
			out = s.keep(m, nextH, graph.None)
			if !s.zeroMasked {
				out = s.keep(m, nextH, output)
			}
			nextH = s.keep(m, nextH, h)
			if c.kind == "LSTM" {
				nextCarry = s.keep(m, nextCarry, carry)
			}
		}
		h, carry, output = nextH, nextCarry, out
		if all {
			outputs = append(outputs, s.axes("Unsqueeze", out, 1))
		}
	}
	states := []graph.ValueID{h}
	if c.kind == "LSTM" {
		states = append(states, carry)
	}
	if all {
		output = s.with("Concat", []graph.Attr{intAttr("axis", 1)}, outputs...)
	}
	return output, states, s.err
}

// act applies an activation to a value.
func (s *sequence) act(f activation, v graph.ValueID) graph.ValueID { return s.actIn(f, v, asSource) }

// actIn applies an activation to a value in a layout.
func (s *sequence) actIn(f activation, v graph.ValueID, form layout) graph.ValueID {
	if f == nil || s.err != nil {
		return v
	}
	t, err := f(s.l, s.l.tensorOf(v, form))
	if err == nil {
		v, err = s.l.as(t, form)
	}
	s.err = err
	return v
}

// step is one step of time. The gates lie in ONNX's order: i o f c, or z r h.
func (c *cell) step(s *sequence, x, h, carry, recurrent, bias graph.ValueID) (graph.ValueID, graph.ValueID, error) {
	u := c.units
	part := func(v graph.ValueID, k int64) graph.ValueID { return s.slice(v, 1, k*u, (k+1)*u) }
	inner := func() graph.ValueID {
		v := s.op("MatMul", h, recurrent)
		if bias != graph.None {
			v = s.op("Add", v, bias)
		}
		return v
	}
	switch c.kind {
	case "RNN":
		h = s.act(c.activation, s.op("Add", x, inner()))
	case "LSTM":
		z := s.op("Add", x, inner())
		i, o, f := s.act(c.recurrent, part(z, 0)), s.act(c.recurrent, part(z, 1)), s.act(c.recurrent, part(z, 2))
		carry = s.op("Add", s.op("Mul", f, carry), s.op("Mul", i, s.act(c.activation, part(z, 3))))
		h = s.op("Mul", o, s.act(c.activation, carry))
	case "GRU":
		v := inner()
		z := s.act(c.recurrent, s.op("Add", part(x, 0), part(v, 0)))
		r := s.act(c.recurrent, s.op("Add", part(x, 1), part(v, 1)))
		var candidate graph.ValueID
		if c.resetAfter {
			candidate = s.op("Mul", r, part(v, 2))
		} else {
			candidate = s.op("MatMul", s.op("Mul", r, h), part(recurrent, 2))
		}
		candidate = s.act(c.activation, s.op("Add", part(x, 2), candidate))
		h = s.op("Add", s.op("Mul", z, h), s.op("Mul", s.op("Sub", s.number(1), z), candidate))
	}
	return h, carry, s.err
}
