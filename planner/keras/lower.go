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

// several is an operation with more than one output.
type several interface {
	lowerAll(l *lowering, in []*tensor) ([]*tensor, error)
}

// lower turns an architecture into a graph. Everything that is not supported is found before anything is emitted and
// told in one error.
func lower(m *modelConfig) (*graph.Graph, []LayerWeights, error) {
	found := &findings{keys: map[string]bool{}, shared: map[string]*layerConfig{}}
	p, err := m.prepare(found, false)
	if err == nil {
		err = found.failure()
	}
	if err != nil {
		return nil, nil, err
	}
	l := newLowering(m)
	l.masks = m.usesMasks()
	outputs, err := l.run(p, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	g := l.g
	if len(g.Nodes) == 0 {
		return nil, nil, badConfig("the model computes nothing: its outputs are its inputs")
	}
	for _, r := range m.inputs {
		g.Inputs = append(g.Inputs, graph.Port{Name: r.layer, Value: l.modelInputs[r.layer].values[asSource]})
	}
	if m.input != nil {
		g.Inputs = append(g.Inputs, graph.Port{Name: m.input.name, Value: l.modelInputs[m.input.name].values[asSource]})
	}
	taken := map[string]bool{}
	for k, r := range m.outputs {
		name := r.layer
		for n := 1; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", r.layer, n)
		}
		taken[name] = true
		g.Outputs = append(g.Outputs, graph.Port{Name: name, Value: outputs[k].values[asSource]})
	}
	stored := p.layerWeights(l.stored)
	g.LayerCount = len(stored) // a model within the model is one layer
	for i := range g.Layers {
		g.Parameters += g.Layers[i].Parameters
	}
	dropUnused(g)
	if err := g.Validate(); err != nil {
		return nil, nil, diag.New(diag.Internal, "keras.wrong-graph", doing, "the operator graph that came of it is inconsistent", "report this as a fault").Because(err)
	}
	return g, stored, nil
}

func (l *layerConfig) isModel() bool {
	return l.class == "Model" || l.class == "Functional" || l.class == "Sequential"
}

// isFunction tells whether a "layer" is an operation of keras.ops on tensors, which Keras does not count as a layer.
func (l *layerConfig) isFunction() bool {
	return l.function || l.op != "" || strings.HasPrefix(l.module, "keras.src.ops.") || strings.HasPrefix(l.module, "keras.ops")
}

// ours tells whether a layer's class is Keras's own rather than a user's of the same name.
func (l *layerConfig) ours() bool {
	known := l.module == "" || l.module == "builtins"
	for _, prefix := range []string{"keras", "tf_keras", "tensorflow"} {
		known = known || l.module == prefix || strings.HasPrefix(l.module, prefix+".")
	}
	return known && !strings.Contains(l.registered, ">")
}

// operation reads one layer and everything about its calls that decides whether it can be lowered.
func (o *options) operation() operation {
	l := o.layer
	if l.foreign != "" {
		o.unsupported("replace the function by layers of Keras and save again", "%s", l.foreign)
		return nil
	}
	for _, c := range l.calls {
		for _, a := range c.args {
			switch {
			case l.isFunction() || a.isRef || a.keyword != "":
			case a.isOther:
				o.unsupported("call it with its inputs alone", "it is called with %s", describe(a.other))
			default:
				o.unsupported("use a Rescaling layer", "it is called with the number %g", a.number)
			}
		}
		if c.training {
			o.unsupported("save the model as built for inference", "it is called with training=True")
		}
	}
	defer o.checkKeywords()
	if l.isFunction() {
		return o.function()
	}
	if !l.ours() {
		o.unsupported("replace it by layers of Keras and save again", "a class of %s, whose code is not in the file", describe(l.module+" "+l.registered))
		return nil
	}
	if l.model != nil {
		return nil
	}
	if parse, ok := parsers[l.class]; ok {
		op := parse(o)
		o.finish()
		return op
	}
	if r, known := refused[l.class]; known {
		o.unsupported(r.fix, "%s", r.reason)
		return nil
	}
	o.unsupported("replace it by supported layers and save again", "this class is not supported")
	return nil
}
