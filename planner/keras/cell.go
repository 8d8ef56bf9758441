package keras

import (
	"slices"

	"partita/planner/graph"
)

// cell is what is done at each step.
type cell struct {
	kind       string // LSTM, GRU or RNN, as ONNX calls them
	units      int64
	bias       bool
	twoBiases  bool // one for the input and one for the state, in one vector
	resetAfter bool // GRU: the reset gate acts on the product rather than on the state
	activation activation
	recurrent  activation // of the gates
	named      []onnxActivation
	exact      bool     // ONNX's operator has the activations
	parts      []string // Keras 1: the suffixes of weights stored gate by gate, in ONNX's order
	stored     []string // the same in stored order
	prefix     string
}

func (c *cell) states() int {
	if c.kind == "LSTM" {
		return 2
	}
	return 1
}

var gates = map[string]int64{"LSTM": 4, "GRU": 3, "RNN": 1}

// cell reads the options of a cell, or of the layer that is one cell.
func (o *options) cell() *cell {
	c := &cell{units: o.required("units", "output_dim"), bias: o.boolean(true, "use_bias")}
	o.ignore("dropout", "recurrent_dropout", "implementation", "unit_forget_bias", "seed")
	class := o.layer.class
	gated := true
	switch class {
	case "LSTM", "LSTMCell":
		c.kind = "LSTM"
	case "GRU", "GRUCell":
		c.kind = "GRU"
		c.resetAfter = o.boolean(o.major >= 3, "reset_after")
	case "SimpleRNN", "SimpleRNNCell":
		c.kind, gated = "RNN", false
	case "CuDNNLSTM":
		c.kind, c.twoBiases = "LSTM", true
	case "CuDNNGRU":
		c.kind, c.twoBiases, c.resetAfter = "GRU", true, true
	default:
		o.unsupported("use LSTM, GRU or SimpleRNN", "its cell is a %s", class)
		return c
	}
	if c.twoBiases {
		c.activation, c.recurrent = one("Tanh"), one("Sigmoid")
		c.named, c.exact = []onnxActivation{{name: "Tanh"}, {name: "Sigmoid"}}, true
	} else {
		gate := "sigmoid"
		if o.major < 3 {
			gate = "hard_sigmoid"
		}
		c.exact = true
		option := "recurrent_activation"
		if o.layer.options["inner_activation"] != nil {
			option = "inner_activation"
		}
		c.named = []onnxActivation{o.onnxActivation("activation", "tanh")}
		c.activation = o.activationOf("activation", "tanh")
		if gated {
			c.named = append(c.named, o.onnxActivation(option, gate))
			c.recurrent = o.activationOf(option, gate)
		}
		for _, a := range c.named {
			c.exact = c.exact && a.name != ""
		}
	}
	if o.major == 1 && o.layer.options["consume_less"] != "gpu" {
		switch c.kind {
		case "LSTM":
			c.stored, c.parts = []string{"i", "c", "f", "o"}, []string{"i", "o", "f", "c"}
		case "GRU":
			c.stored, c.parts = []string{"z", "r", "h"}, []string{"z", "r", "h"}
		}
	}
	return c
}

// onnxActivation is an activation as ONNX's recurrent operators know it; without a name, one that they lack.
type onnxActivation struct {
	name        string
	alpha, beta float32
	parameters  int
}

func (o *options) onnxActivation(option, def string) onnxActivation {
	v, there := o.layer.options[option]
	if !there {
		v = def
	}
	if v == nil {
		v = "linear"
	}
	switch v {
	case "tanh":
		return onnxActivation{name: "Tanh"}
	case "sigmoid":
		return onnxActivation{name: "Sigmoid"}
	case "relu":
		return onnxActivation{name: "Relu"}
	case "softsign":
		return onnxActivation{name: "Softsign"}
	case "softplus":
		return onnxActivation{name: "Softplus"}
	case "linear":
		return onnxActivation{name: "Affine", alpha: 1, parameters: 2}
	case "elu":
		return onnxActivation{name: "Elu", alpha: 1, parameters: 1}
	case "leaky_relu":
		return onnxActivation{name: "LeakyRelu", alpha: 0.2, parameters: 1}
	case "hard_sigmoid":
		if o.major < 3 {
			return onnxActivation{name: "HardSigmoid", alpha: 0.2, beta: 0.5, parameters: 2}
		}
		return onnxActivation{name: "HardSigmoid", alpha: 1.0 / 6, beta: 0.5, parameters: 2}
	}
	return onnxActivation{}
}

// arranged are a cell's weights as ONNX has them.
type arranged struct{ kernel, recurrent, bias graph.ValueID }

// weights refers to the weights. Keras stores (features, gates units) with the gates in the order i f c o or z r h; ONNX
// wants (1, gates units, features), i o f c or z r h, and the two biases of input and state one after the other.
func (c *cell) weights(s *sequence, prefix string, features int64) (arranged, error) {
	l, n := s.l, gates[c.kind]
	prefix += c.prefix
	w := arranged{bias: graph.None}
	if c.parts != nil {
		return c.weightsByGate(s, prefix, features)
	}
	var blocks, twice []int
	if c.kind == "LSTM" {
		blocks, twice = []int{0, 3, 1, 2}, []int{0, 3, 1, 2, 4, 7, 5, 6}
	}
	var err error
	if w.kernel, err = l.weightInBlocks(prefix+"kernel", graph.Shape{features, n * c.units}, []int{1, 0}, blocks, graph.Shape{1, n * c.units, features}); err != nil {
		return w, err
	}
	if w.recurrent, err = l.weightInBlocks(prefix+"recurrent_kernel", graph.Shape{c.units, n * c.units}, []int{1, 0}, blocks, graph.Shape{1, n * c.units, c.units}); err != nil {
		return w, err
	}
	switch {
	case !c.bias:
	case c.twoBiases:
		w.bias, err = l.weightInBlocks(prefix+"bias", graph.Shape{2 * n * c.units}, nil, twice, graph.Shape{1, 2 * n * c.units})
	case c.kind == "GRU" && c.resetAfter:
		w.bias, err = l.weight(prefix+"bias", graph.Shape{2, n * c.units}, nil, graph.Shape{1, 2 * n * c.units})
	default:
		if w.bias, err = l.weightInBlocks(prefix+"bias", graph.Shape{n * c.units}, nil, blocks, graph.Shape{1, n * c.units}); err == nil {
			w.bias = s.besideZeros(w.bias, n*c.units)
		}
	}
	return w, err
}

// besideZeros puts zeros, the bias of the state, behind the bias of the input.
func (s *sequence) besideZeros(bias graph.ValueID, n int64) graph.ValueID {
	if s.err != nil {
		return bias
	}
	zeros := s.l.floats("zeros", graph.Shape{1, n}, make([]float32, n))
	return s.with("Concat", []graph.Attr{intAttr("axis", 1)}, bias, zeros)
}

// weightsByGate joins weights that Keras 1 stores gate by gate.
func (c *cell) weightsByGate(s *sequence, prefix string, features int64) (arranged, error) {
	l := s.l
	for _, g := range c.stored {
		for _, w := range []struct {
			name  string
			shape graph.Shape
		}{{"W_", graph.Shape{features, c.units}}, {"U_", graph.Shape{c.units, c.units}}, {"b_", graph.Shape{c.units}}} {
			if err := l.declare(prefix+w.name+g, w.shape); err != nil {
				return arranged{}, err
			}
		}
	}
	var kernels, recurrents, biases []graph.ValueID
	for _, g := range c.parts {
		k, err := l.weight(prefix+"W_"+g, graph.Shape{features, c.units}, []int{1, 0}, graph.Shape{1, c.units, features})
		if err != nil {
			return arranged{}, err
		}
		u, err := l.weight(prefix+"U_"+g, graph.Shape{c.units, c.units}, []int{1, 0}, graph.Shape{1, c.units, c.units})
		if err != nil {
			return arranged{}, err
		}
		b, err := l.weight(prefix+"b_"+g, graph.Shape{c.units}, nil, graph.Shape{1, c.units})
		if err != nil {
			return arranged{}, err
		}
		kernels, recurrents, biases = append(kernels, k), append(recurrents, u), append(biases, b)
	}
	axis := []graph.Attr{intAttr("axis", 1)}
	return arranged{s.with("Concat", axis, kernels...), s.with("Concat", axis, recurrents...),
		s.besideZeros(s.with("Concat", axis, biases...), gates[c.kind]*c.units)}, s.err
}

// run goes through a sequence: the outputs of all steps, or of the last, and the last states.
func (c *cell) run(s *sequence, prefix string, initial []graph.ValueID, all bool) (graph.ValueID, []graph.ValueID, error) {
	if s.err != nil {
		return graph.None, nil, s.err
	}
	w, err := c.weights(s, prefix, s.l.g.Values[s.x].Shape[2])
	if err != nil {
		return graph.None, nil, err
	}
	if !c.exact {
		return c.unrolled(s, w, initial, all)
	}
	x := s.x
	if s.masked {
		s.compact()
		x = s.with("GatherND", []graph.Attr{intAttr("batch_dims", 1)}, x, s.order)
	}
	inputs := []graph.ValueID{s.turn(x, 1, 0, 2), w.kernel, w.recurrent, w.bias, graph.None, graph.None, graph.None}
	if s.masked {
		inputs[4] = s.cast(s.lengths, graph.Int32)
	}
	for i, v := range initial {
		inputs[5+i] = s.axes("Unsqueeze", v, 0)
	}
	for inputs[len(inputs)-1] == graph.None {
		inputs = inputs[:len(inputs)-1]
	}
	attrs := append(c.activations(), intAttr("hidden_size", c.units))
	if c.kind == "GRU" && c.resetAfter {
		attrs = append(attrs, intAttr("linear_before_reset", 1))
	}
	if s.err != nil {
		return graph.None, nil, s.err
	}
	out, err := s.l.emitSeveral(c.kind, 1+c.states(), inputs, attrs...)
	if err != nil {
		return graph.None, nil, err
	}
	var states []graph.ValueID
	for i, v := range out[1:] {
		v = s.axes("Squeeze", v, 0)
		if s.masked {
			// A sequence in which no step counts keeps its initial state. ONNX Runtime leaves some states of sequences of
			// length zero as they were in memory.
			old := graph.None
			if len(initial) > 0 {
				old = initial[i]
			} else {
				old = s.number(0)
			}
			v = s.op("Where", s.axes("Unsqueeze", s.cast(s.lengths, graph.Bool), 1), v, old)
		}
		states = append(states, v)
	}
	if !all {
		return s.lastOutput(states[0], len(initial) > 0), states, s.err
	}
	y := s.turn(s.axes("Squeeze", out[0], 1), 1, 0, 2)
	if s.masked {
		y = s.spreadOut(y)
	}
	return y, states, s.err
}

// activations names them for ONNX: of the gates, the candidate and, for LSTM, the output.
func (c *cell) activations() []graph.Attr {
	list := slices.Clone(c.named)
	switch c.kind {
	case "LSTM":
		list = []onnxActivation{list[1], list[0], list[0]}
	case "GRU":
		list = []onnxActivation{list[1], list[0]}
	}
	names := graph.Attr{Name: "activations", Kind: graph.AttrStrings}
	alpha := graph.Attr{Name: "activation_alpha", Kind: graph.AttrFloats}
	beta := graph.Attr{Name: "activation_beta", Kind: graph.AttrFloats}
	for _, a := range list {
		names.Strs = append(names.Strs, a.name)
		if a.parameters > 0 {
			alpha.Floats = append(alpha.Floats, a.alpha)
		}
		if a.parameters > 1 {
			beta.Floats = append(beta.Floats, a.beta)
		}
	}
	attrs := []graph.Attr{names}
	if alpha.Floats != nil {
		attrs = append(attrs, alpha)
	}
	if beta.Floats != nil {
		attrs = append(attrs, beta)
	}
	return attrs
}
