package keras

import (
	"fmt"

	"partita/planner/diag"
	"partita/planner/graph"
)

// program is a model whose layers have been read and ordered. A model within the model is a program of its own, which
// runs at each of its calls.
type program struct {
	m          *modelConfig
	steps      []step
	index      map[tensorRef]int // of steps
	used       []bool            // by layer
	operations []operation       // by layer
	inputs     []*inputConfig    // by layer; of the outermost model only
	programs   []*program        // by layer
	over       []*program        // by layer: what TimeDistributed calls on each step of time
}

// findings collects all that is not supported in a model and in the models within it.
type findings struct {
	details     []string
	unsupported bool
	keys        map[string]bool // of all layers
	shared      map[string]*layerConfig
}

// failure makes one error of the findings.
func (f *findings) failure() error {
	switch {
	case f.unsupported:
		e := diag.New(diag.Invalid, "keras.unsupported-layer", doing, fmt.Sprintf("%d findings keep it from being served", len(f.details)),
			"change the model as each finding says and save it again")
		if len(f.details) == 1 {
			e.Found = "one layer is not supported"
		}
		return e.With(clipped(f.details)...)
	case len(f.details) > 0:
		return badConfig("%d options are malformed", len(f.details)).With(clipped(f.details)...)
	}
	return nil
}

// clipped keeps what people can read of a list.
func clipped(list []string) []string {
	const most = 200
	if len(list) > most {
		return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
	}
	return list
}

// id is the layer's name, with the names of the models that it is in.
func (l *layerConfig) id() string {
	if l.key != "" {
		return l.key
	}
	return l.name
}

// prepare orders the calls of a model and reads the options of all layers that are used.
func (m *modelConfig) prepare(f *findings, nested bool) (*program, error) {
	steps, index, err := m.order()
	if err != nil {
		return nil, err
	}
	p := &program{m: m, steps: steps, index: index, used: make([]bool, len(m.layers)), operations: make([]operation, len(m.layers)),
		inputs: make([]*inputConfig, len(m.layers)), programs: make([]*program, len(m.layers)), over: make([]*program, len(m.layers))}
	for _, s := range steps {
		p.used[s.layer] = true
	}
	declared := map[string]bool{}
	for _, r := range m.inputs {
		declared[r.layer] = true
	}
	for _, l := range m.layers {
		if !nested {
			f.keys[l.name] = true
		}
		if l.shared == "" {
			continue
		}
		if first := f.shared[l.shared]; first == nil {
			f.shared[l.shared] = l
		} else if first.class == l.class && l.model == nil && l.steps == nil {
			l.key = first.id() // one layer in several models: its weights are there once
		}
	}
	for i, l := range m.layers {
		if !p.used[i] {
			continue
		}
		if l.class == "InputLayer" {
			if !declared[l.name] {
				return nil, badConfig("%s (%s) is an input that config.input_layers does not list", l.path, l.name)
			}
			if p.inputs[i] = (&inputConfig{name: l.name}); !nested { // within a model, what it is called on has a shape
				if p.inputs[i], err = readInput(l, m.open); err != nil {
					return nil, err
				}
			}
			continue
		}
		if declared[l.name] {
			return nil, badConfig("config.input_layers lists %q, which is a %s, not an InputLayer", l.name, l.class)
		}
		o := &options{layer: l, major: m.major, read: map[string]bool{}}
		p.operations[i] = o.operation()
		for _, found := range o.findings {
			f.details = append(f.details, fmt.Sprintf("layer %q (%s) at %s: %s; %s", l.name, l.class, l.path, found.reason, found.fix))
			f.unsupported = f.unsupported || !found.malformed
		}
		for model, programs := range map[*modelConfig][]*program{l.model: p.programs, l.steps: p.over} {
			if model == nil {
				continue
			}
			for _, inner := range model.layers {
				inner.key = l.id() + "/" + inner.name
				for n := 2; f.keys[inner.key]; n++ {
					inner.key = fmt.Sprintf("%s/%s_%d", l.id(), inner.name, n)
				}
				f.keys[inner.key] = true
			}
			if programs[i], err = model.prepare(f, true); err != nil {
				return nil, err
			}
		}
	}
	if !nested {
		if err := m.open.check(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// layerWeights lists the weights of the layers that Keras counts, in model order.
func (p *program) layerWeights(stored map[string][]StoredWeight) []LayerWeights {
	var all []LayerWeights
	for i, l := range p.m.layers {
		switch {
		case !p.used[i] || l.isFunction() && l.op == "": // Keras 2 counts TensorFlow's functions, Keras 3 its own not
		case p.programs[i] != nil:
			all = append(all, LayerWeights{Name: l.name, Class: l.class, Layers: p.programs[i].layerWeights(stored)})
		case p.over[i] != nil:
			all = append(all, LayerWeights{Name: l.name, Class: l.class, Part: "layer", Layers: p.over[i].layerWeights(stored)})
		default:
			all = append(all, LayerWeights{Name: l.name, Class: l.class, Weights: stored[l.id()], Shared: l.shared != ""})
		}
	}
	return all
}

// run lowers the calls of a model and gives its outputs. given are the tensors that a model within the model is called
// on, nil for the outermost model; wanted tells which of a model's outputs are outputs of the whole, nil: all.
func (l *lowering) run(p *program, given []*tensor, wanted []bool) ([]*tensor, error) {
	if l.runs++; l.runs > maxSteps {
		return nil, tooLarge("its models are called more than %d times", maxSteps)
	}
	r := &running{program: p, lowering: l, tensors: make([][]*tensor, len(p.steps)), wanted: map[tensorRef]bool{}}
	for k, ref := range p.m.outputs {
		if wanted == nil || wanted[k] {
			r.wanted[ref] = true
		}
	}
	switch {
	case p.m.input != nil && given != nil:
		r.first = given[0]
	case p.m.input != nil:
		r.first = l.input(p.m.input)
	}
	for i, s := range p.steps {
		layer := p.m.layers[s.layer]
		var err error
		if p.inputs[s.layer] != nil {
			r.tensors[i], err = r.input(s, given)
		} else {
			r.tensors[i], err = r.call(s)
		}
		if err != nil {
			if diag.As(err) != nil {
				return nil, err
			}
			return nil, badConfig("layer %q (%s) at %s: %v", layer.name, layer.class, layer.path, err)
		}
	}
	outputs := make([]*tensor, len(p.m.outputs))
	for k, ref := range p.m.outputs {
		var err error
		if outputs[k], err = r.tensor(ref); err != nil {
			return nil, badConfig("the list of a model's outputs: %v", err)
		}
	}
	return outputs, nil
}

// running is a model being lowered at one of its calls.
type running struct {
	*program
	*lowering
	tensors [][]*tensor // outputs, by step
	first   *tensor     // a Sequential's input
	wanted  map[tensorRef]bool
}

// tensor finds what a reference refers to.
func (r *running) tensor(ref tensorRef) (*tensor, error) {
	if r.program.m.input != nil && ref.layer == r.program.m.input.name {
		return r.first, nil
	}
	outputs := r.tensors[r.index[tensorRef{layer: ref.layer, node: ref.node}]]
	if ref.tensor >= len(outputs) {
		return nil, fmt.Errorf("it reads output %d of layer %q, which has %d", ref.tensor, ref.layer, len(outputs))
	}
	return outputs[ref.tensor], nil
}

// input takes an InputLayer: a step of the outermost model, a tensor of those given within it.
func (r *running) input(s step, given []*tensor) ([]*tensor, error) {
	layer := r.program.m.layers[s.layer]
	if given == nil {
		if err := r.beginStep(layer, nil); err != nil {
			return nil, err
		}
		t := r.lowering.input(r.inputs[s.layer])
		r.g.Layers[len(r.g.Layers)-1].Output = t.shape
		return []*tensor{t}, nil
	}
	var t *tensor
	for k, ref := range r.program.m.inputs {
		if ref.layer == layer.name {
			t = given[k]
		}
	}
	if !r.wanted[tensorRef{layer: layer.name}] {
		return []*tensor{t}, nil
	}
	// An output of the whole model that is the input of a model in it.
	var inputs []int
	if t.step >= 0 {
		inputs = append(inputs, t.step)
	}
	if err := r.beginStep(layer, inputs); err != nil {
		return nil, err
	}
	outputs := []*tensor{t}
	return outputs, r.endStep(outputs, func(int) bool { return true })
}

// call lowers one call of a layer.
func (r *running) call(s step) ([]*tensor, error) {
	m := r.program.m
	layer := m.layers[s.layer]
	c := &layer.calls[s.call]
	wanted := func(k int) bool { return r.wanted[tensorRef{layer: layer.name, node: s.call, tensor: k}] }
	if len(c.args) == 0 {
		return nil, fmt.Errorf("it is called without inputs")
	}
	in := make([]*tensor, len(c.args))
	var inputs []int // the steps they come from
	for i, a := range c.args {
		if !a.isRef {
			continue
		}
		var err error
		if in[i], err = r.tensor(a.ref); err != nil {
			return nil, err
		}
		if in[i].step >= 0 {
			inputs = append(inputs, in[i].step)
		}
	}
	if inner := r.programs[s.layer]; inner != nil {
		bound, err := inner.m.bindInputs(c.args, in)
		if err != nil {
			return nil, err
		}
		ofWhole := make([]bool, len(inner.m.outputs))
		for k := range ofWhole {
			ofWhole[k] = wanted(k)
		}
		return r.run(inner, bound, ofWhole)
	}
	if inner := r.over[s.layer]; inner != nil {
		return r.overTime(layer, inner, in, inputs, wanted)
	}
	if err := r.beginStep(layer, inputs); err != nil {
		return nil, err
	}
	op := r.operations[s.layer]
	typed, _ := op.(keepsTypes)
	var placed []*tensor
	for i, a := range c.args {
		if a.isOther {
			continue
		}
		if !a.isRef { // a number becomes a tensor without axes
			in[i] = &tensor{shape: graph.Shape{}, step: -1, values: [layouts]graph.ValueID{graph.None, graph.None}}
			in[i].values[asSource] = r.scalar("number", a.number)
		}
		if _, function := op.(*function); in[i].known.open() && !function {
			return nil, fmt.Errorf("it is called on a shape with the size of the batch, which is known only when the model runs")
		}
		if typed == nil {
			var err error
			if in[i], err = r.toFloat(in[i]); err != nil {
				return nil, err
			}
		}
		if a.keyword == "" {
			placed = append(placed, in[i])
		}
	}
	r.lowering.call, r.given = c, in
	outputs, err := lowerCall(op, r.lowering, placed)
	if err != nil {
		return nil, err
	}
	masks, err := r.outputMasks(op, layer.class, placed, outputs)
	if err != nil {
		return nil, err
	}
	if err := r.endStep(outputs, wanted); err != nil {
		return nil, err
	}
	for k, t := range outputs {
		t.mask = masks[k]
	}
	return outputs, nil
}

func lowerCall(op operation, l *lowering, in []*tensor) ([]*tensor, error) {
	if op, ok := op.(several); ok {
		outputs, err := op.lowerAll(l, in)
		if err == nil && len(outputs) == 0 {
			err = fmt.Errorf("it has no outputs")
		}
		return outputs, err
	}
	t, err := op.lower(l, in)
	return []*tensor{t}, err
}

// frozen tells whether training leaves a weight of the layer alone: statistics are no parameters, and a layer may be set
// not to train.
func (l *layerConfig) frozen(weight string) bool {
	switch weight {
	case "moving_mean", "moving_variance", "mean", "variance", "count", "vector_u":
		return true
	}
	return l.options["trainable"] == false
}
