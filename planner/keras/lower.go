package keras

import (
	"fmt"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
)

// operation is a layer whose options have been read.
type operation interface {
	// lower emits the nodes of one call. An error says why the inputs do not fit.
	lower(l *lowering, in []*tensor) (*tensor, error)
}

// parsers reads the options of each class. Keras 1's names stand beside today's.
var parsers = map[string]func(o *options) operation{}

// register adds a parser for classes of layers; the files of the families call it.
func register(parse func(o *options) operation, classes ...string) {
	for _, c := range classes {
		parsers[c] = parse
	}
}

// lower turns an architecture into a graph. Everything that is not supported is found before anything is emitted and
// told in one error.
func lower(m *modelConfig) (*graph.Graph, []LayerWeights, error) {
	if err := m.refuseNested(); err != nil {
		return nil, nil, err
	}
	steps, index, err := m.order()
	if err != nil {
		return nil, nil, err
	}
	used := make([]bool, len(m.layers))
	for _, s := range steps {
		used[s.layer] = true
	}
	operations, inputs, err := m.readLayers(used)
	if err != nil {
		return nil, nil, err
	}
	l := newLowering(m)
	tensors := make([]*tensor, len(steps))
	if m.input != nil {
		l.sequentialInput = l.input(m.input)
	}
	isOutput := map[int]bool{}
	for _, r := range m.outputs {
		isOutput[index[tensorRef{layer: r.layer, node: r.node}]] = true
	}
	stepOf := make([]int, len(m.layers)) // the layer's first step
	for i := range stepOf {
		stepOf[i] = -1
	}
	for i, s := range steps {
		layer := m.layers[s.layer]
		repeated := stepOf[s.layer] >= 0
		if !repeated {
			stepOf[s.layer] = i
		}
		if in := inputs[s.layer]; in != nil {
			l.beginStep(layer, s, repeated)
			tensors[i] = l.input(in)
			l.endStep(tensors[i], false)
			continue
		}
		l.beginStep(layer, s, repeated)
		args, err := l.arguments(layer.calls[s.call], index, tensors)
		if err == nil {
			tensors[i], err = operations[s.layer].lower(l, args)
		}
		if err == nil {
			tensors[i], err = l.endStep(tensors[i], isOutput[i])
		}
		if err != nil {
			if diag.As(err) != nil {
				return nil, nil, err
			}
			return nil, nil, badConfig("layer %q (%s) at %s: %v", layer.name, layer.class, layer.path, err)
		}
	}
	g := l.g
	if len(g.Nodes) == 0 {
		return nil, nil, badConfig("the model computes nothing: its outputs are its inputs")
	}
	for _, r := range m.inputs {
		t := tensors[index[tensorRef{layer: r.layer}]]
		g.Inputs = append(g.Inputs, graph.Port{Name: r.layer, Value: t.values[asSource]})
	}
	if m.input != nil {
		g.Inputs = append(g.Inputs, graph.Port{Name: m.input.name, Value: l.sequentialInput.values[asSource]})
	}
	taken := map[string]bool{}
	for _, r := range m.outputs {
		name := r.layer
		for n := 1; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", r.layer, n)
		}
		taken[name] = true
		t := tensors[index[tensorRef{layer: r.layer, node: r.node}]]
		g.Outputs = append(g.Outputs, graph.Port{Name: name, Value: t.values[asSource]})
	}
	var stored []LayerWeights
	for i, layer := range m.layers {
		if used[i] && !layer.isFunction() {
			g.LayerCount++
			stored = append(stored, LayerWeights{Name: layer.name, Class: layer.class, Weights: l.stored[layer.name]})
		}
	}
	for i := range g.Layers {
		g.Parameters += g.Layers[i].Parameters
	}
	if err := g.Validate(); err != nil {
		return nil, nil, diag.New(diag.Internal, "keras.wrong-graph", doing, "the operator graph that came of it is inconsistent", "report this as a fault").Because(err)
	}
	return g, stored, nil
}

// refuseNested reports models inside the model, with everything else that is not supported. It comes before the layers
// are ordered, because versions of Keras count the calls of an inner model differently.
func (m *modelConfig) refuseNested() error {
	nested := false
	all := make([]bool, len(m.layers))
	for i, l := range m.layers {
		all[i] = true
		nested = nested || l.isModel()
	}
	if !nested {
		return nil
	}
	_, _, err := m.readLayers(all)
	return err
}

func (l *layerConfig) isModel() bool {
	return l.class == "Model" || l.class == "Functional" || l.class == "Sequential"
}

// isFunction tells whether a "layer" is an operation of keras.ops on tensors, which Keras does not count as a layer.
func (l *layerConfig) isFunction() bool {
	return strings.HasPrefix(l.module, "keras.src.ops.") || strings.HasPrefix(l.module, "keras.ops")
}

// ours tells whether a layer's class is Keras's own rather than a user's of the same name.
func (l *layerConfig) ours() bool {
	known := l.module == "" || l.module == "builtins"
	for _, prefix := range []string{"keras", "tf_keras", "tensorflow"} {
		known = known || l.module == prefix || strings.HasPrefix(l.module, prefix+".")
	}
	return known && !strings.Contains(l.registered, ">")
}

// readLayers reads the options of all layers that are used, and fails with all findings at once.
func (m *modelConfig) readLayers(used []bool) ([]operation, []*inputConfig, error) {
	operations := make([]operation, len(m.layers))
	inputs := make([]*inputConfig, len(m.layers))
	declared := map[string]bool{}
	for _, r := range m.inputs {
		declared[r.layer] = true
	}
	var details []string
	unsupported := false
	for i, l := range m.layers {
		if !used[i] {
			continue
		}
		if l.class == "InputLayer" {
			in, err := readInput(l)
			if err != nil {
				return nil, nil, err
			}
			if !declared[l.name] {
				return nil, nil, badConfig("%s (%s) is an input that config.input_layers does not list", l.path, l.name)
			}
			inputs[i] = in
			continue
		}
		if declared[l.name] {
			return nil, nil, badConfig("config.input_layers lists %q, which is a %s, not an InputLayer", l.name, l.class)
		}
		o := &options{layer: l, major: m.major, read: map[string]bool{}}
		operations[i] = o.operation()
		for _, f := range o.findings {
			details = append(details, fmt.Sprintf("layer %q (%s) at %s: %s; %s", l.name, l.class, l.path, f.reason, f.fix))
			unsupported = unsupported || !f.malformed
		}
	}
	switch {
	case unsupported:
		e := diag.New(diag.Invalid, "keras.unsupported-layer", doing, fmt.Sprintf("%d findings keep it from being served", len(details)), "")
		if len(details) == 1 {
			e.Found = "one layer is not supported"
		}
		return nil, nil, e.With(details...)
	case len(details) > 0:
		return nil, nil, badConfig("%d options are malformed", len(details)).With(details...)
	}
	return operations, inputs, nil
}

// operation reads one layer and everything about its calls that decides whether it can be lowered.
func (o *options) operation() operation {
	l := o.layer
	for _, c := range l.calls {
		for _, a := range c.args {
			if a.isRef && a.ref.tensor != 0 {
				o.unsupported("use layers with one output", "it reads output %d of layer %q; only layers with one output are known", a.ref.tensor, a.ref.layer)
			}
			if !a.isRef && !l.isFunction() {
				o.unsupported("use a Rescaling layer", "it is called with the number %g", a.number)
			}
		}
		if c.training {
			o.unsupported("save the model as built for inference", "it is called with training=True")
		}
		if c.mask {
			o.unsupported("build the model without masking", "it is called with a mask")
		}
		for _, name := range c.other {
			o.unsupported("call it with its inputs alone", "it is called with the argument %s", name)
		}
	}
	if l.isFunction() {
		return o.function()
	}
	if !l.ours() {
		o.unsupported("replace it by layers of Keras and save again", "a class of %s, whose code is not in the file", describe(l.module+" "+l.registered))
		return nil
	}
	if parse, ok := parsers[l.class]; ok {
		op := parse(o)
		o.finish()
		return op
	}
	switch l.class {
	case "Model", "Functional", "Sequential":
		o.unsupported("build it as one model without nesting", "it is a model inside the model")
	case "Lambda":
		o.unsupported("replace it by layers of Keras and save again", "it holds Python bytecode, which is never run")
	case "TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer":
		o.unsupported("replace the function by layers of Keras and save again", "a TensorFlow function called on tensors (%s)", describe(l.options["function"]))
	default:
		o.unsupported("replace it by supported layers and save again", "this class is not supported")
	}
	return nil
}
