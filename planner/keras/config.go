package keras

import (
	"fmt"

	"partita/planner/graph"
)

// modelConfig is an architecture in one form for all versions of Keras.
type modelConfig struct {
	name       string
	sequential bool
	major      int // Keras 1, 2 or 3
	layers     []*layerConfig
	inputs     []tensorRef
	inputKeys  []string // of inputs given as an object, in the order of inputs
	outputs    []tensorRef
	first      *layerConfig // of a Sequential: the first layer, which may be an InputLayer
	input      *inputConfig // of a Sequential: its only input, which is not a layer; its shape may be unknown within a model
	open       *openings    // of the outermost model

	checksLengths bool // Keras would not call an Embedding with an input_length on an input of another
}

// layerConfig is one layer as configured.
type layerConfig struct {
	name, class, module string
	registered          string
	path                string // where it stands in the document, "config.layers[3]"
	key                 string // unique in the whole model; "" is name
	options             map[string]any
	calls               []call
	function            bool         // an operation of keras.ops, by its form
	op                  string       // of a function of TensorFlow: the operation that it is
	foreign             string       // why it is none
	model               *modelConfig // of a model within the model
	steps               *modelConfig // of a model that TimeDistributed calls on each step of time
	shared              string       // the number that layers have in common which are one, in several models
}

// call is one use of a layer on tensors. Keras calls it a node.
type call struct {
	args     []argument
	training bool // called with training=True
	separate bool // called on several arguments rather than on one, which may be a list
}

// argument is a tensor, a number, or something else without tensors in it.
type argument struct {
	ref      tensorRef
	number   float64
	isRef    bool
	isOther  bool
	other    any
	keyword  string // "": given by its place
	position int    // of one tensor among those of its keyword
	key      string // of an argument in an object of arguments
}

// tensorRef names an output of a call.
type tensorRef struct {
	layer        string
	node, tensor int
}

// inputConfig is an input of the model.
type inputConfig struct {
	name  string
	shape graph.Shape
	dtype graph.DType
}

// readModel reads a model; place is where it stands in the document ("" for the whole, "config.layers[3]." for a model
// within it).
func readModel(top map[string]any, major int, place string, depth int) (*modelConfig, error) {
	if depth > maxModelDepth {
		return nil, tooLarge("models are nested deeper than %d levels, at %s", maxModelDepth, place)
	}
	if top["class_name"] == "Sequential" {
		return readSequential(top, major, place, depth)
	}
	config, ok := top["config"].(map[string]any)
	if !ok {
		return nil, badConfig("%sconfig is %s, not an object", place, describe(top["config"]))
	}
	open, err := readOpenings(top)
	if err != nil {
		return nil, err
	}
	m := &modelConfig{major: major, open: open}
	m.name, _ = config["name"].(string)
	layers, ok := config["layers"].([]any)
	if !ok || len(layers) == 0 {
		return nil, badConfig("%sconfig.layers is %s, not a list of layers", place, describe(config["layers"]))
	}
	if m.layers, err = readLayers(layers, place+"config.layers", major, depth); err != nil {
		return nil, err
	}
	references := 0
	for i, l := range m.layers {
		nodes, ok := layers[i].(map[string]any)["inbound_nodes"].([]any)
		if !ok {
			return nil, badConfig("%s.inbound_nodes is missing: the layers are not wired", l.path)
		}
		for k, n := range nodes {
			c, err := readCall(n)
			if err != nil {
				return nil, badConfig("%s.inbound_nodes[%d]: %v", l.path, k, err)
			}
			if references += len(c.args); references > maxReferences {
				return nil, tooLarge("its layers have more than %d inputs in all", maxReferences)
			}
			l.calls = append(l.calls, *c)
		}
		l.function = major >= 3 && l.looksLikeFunction()
		l.translate()
	}
	if m.inputs, m.inputKeys, err = readPorts(config["input_layers"]); err != nil {
		return nil, badConfig("%sconfig.input_layers: %v", place, err)
	}
	if m.outputs, _, err = readPorts(config["output_layers"]); err != nil {
		return nil, badConfig("%sconfig.output_layers: %v", place, err)
	}
	m.numberCalls()
	if m.name == "" {
		m.name = "model"
	}
	return m, nil
}

// looksLikeFunction recognises an operation of keras.ops in a file of Keras 3 that does not say from which module a class
// comes, as its .h5 files do not. Operations have neither the option trainable nor dtype, which every layer has, and where
// a layer has the same name it takes its inputs in a list.
func (l *layerConfig) looksLikeFunction() bool {
	if l.module != "" || l.registered != "" || l.class == "InputLayer" || l.model != nil || l.options == nil || len(l.calls) == 0 {
		return false
	}
	if parsers[l.class] == nil && functions[l.class] != nil {
		return true // no layer has that name; Cast has the option dtype
	}
	for _, option := range []string{"trainable", "dtype"} {
		if _, has := l.options[option]; has {
			return false
		}
	}
	for i := range l.calls {
		if !l.calls[i].separate && parsers[l.class] != nil {
			return false
		}
	}
	return true
}

// readSequential reads a list of layers, each fed by the one before. Its InputLayer, when there is one, is not counted
// as a layer by any version of Keras.
func readSequential(top map[string]any, major int, place string, depth int) (*modelConfig, error) {
	m := &modelConfig{major: major, sequential: true, name: "sequential"}
	var layers []any
	var buildShape any
	path := place + "config"
	switch c := top["config"].(type) {
	case []any: // before Keras 2.2.3
		layers = c
	case map[string]any:
		layers, _ = c["layers"].([]any)
		path += ".layers"
		if s, ok := c["name"].(string); ok && s != "" {
			m.name = s
		}
		buildShape = c["build_input_shape"]
	}
	if len(layers) == 0 {
		return nil, badConfig("%s is not a list of layers", path)
	}
	if b, ok := top["build_config"].(map[string]any); ok && buildShape == nil {
		buildShape = b["input_shape"]
	}
	var err error
	if m.open, err = readOpenings(top); err != nil {
		return nil, err
	}
	if m.layers, err = readLayers(layers, path, major, depth); err != nil {
		return nil, err
	}
	first := m.layers[0]
	m.first = first
	if first.class == "InputLayer" {
		m.layers = m.layers[1:]
		if len(m.layers) == 0 {
			return nil, badConfig("the model at %s has no layers but its input", path)
		}
	}
	switch {
	case depth > 0: // what it is called on has a shape
		m.input = &inputConfig{name: first.name}
		if first.class != "InputLayer" {
			m.input.name += "_input"
		}
	case first.class == "InputLayer":
		if m.input, err = readInput(first, m.open); err != nil {
			return nil, err
		}
	default:
		shape := first.options["batch_input_shape"]
		if shape == nil {
			shape = first.options["batch_shape"]
		}
		if s, ok := first.options["input_shape"].([]any); ok && shape == nil {
			shape = append([]any{nil}, s...)
		}
		if d, ok := first.options["input_dim"].(float64); ok && shape == nil && first.class == "Dense" {
			shape = []any{nil, d}
		}
		dtype := first.options["dtype"]
		if in := first.firstInput(); in != nil && shape == nil {
			shape, dtype = in.options["batch_input_shape"], in.options["dtype"]
			if shape == nil {
				shape = in.options["batch_shape"]
			}
		}
		if shape == nil {
			shape = buildShape
		}
		options := map[string]any{"batch_input_shape": shape, "dtype": dtype}
		if m.input, err = readInput(&layerConfig{name: first.name + "_input", class: "InputLayer", path: first.path, options: options}, m.open); err != nil {
			return nil, err
		}
	}
	previous := tensorRef{layer: m.input.name}
	for _, l := range m.layers {
		if l.name == m.input.name {
			return nil, badConfig("%s has the name of the model's input, %q", l.path, l.name)
		}
		l.calls = []call{{args: []argument{{ref: previous, isRef: true}}}}
		previous = tensorRef{layer: l.name}
	}
	m.outputs = []tensorRef{previous}
	return m, nil
}

func readLayers(list []any, path string, major, depth int) ([]*layerConfig, error) {
	if len(list) > maxLayers {
		return nil, tooLarge("it has %d layers, more than the %d that are read", len(list), maxLayers)
	}
	layers := make([]*layerConfig, 0, len(list))
	names := map[string]string{}
	for i, entry := range list {
		l := &layerConfig{path: fmt.Sprintf("%s[%d]", path, i)}
		m, ok := entry.(map[string]any)
		if !ok {
			return nil, badConfig("%s is %s, not a layer", l.path, describe(entry))
		}
		l.class, _ = m["class_name"].(string)
		l.module, _ = m["module"].(string)
		l.registered, _ = m["registered_name"].(string)
		if l.class == "" {
			return nil, badConfig("%s has no class_name", l.path)
		}
		l.options, _ = m["config"].(map[string]any)
		l.name, _ = m["name"].(string)
		if l.name == "" {
			l.name, _ = l.options["name"].(string)
		}
		if l.name == "" {
			if _, nested := m["config"].([]any); !nested { // a nested Sequential of Keras 1 has a list here
				return nil, badConfig("%s (%s) has no name", l.path, l.class)
			}
			l.name = "sequential"
			for n := 1; names[l.name] != ""; n++ {
				l.name = fmt.Sprintf("sequential_%d", n)
			}
		}
		if len(l.name) > maxNameBytes || len(l.class) > maxNameBytes {
			return nil, badConfig("%s has a name or class of %d bytes", l.path, max(len(l.name), len(l.class)))
		}
		if other, taken := names[l.name]; taken {
			return nil, badConfig("%s and %s are both named %q", other, l.path, l.name)
		}
		names[l.name] = l.path
		if l.isModel() {
			var err error
			if l.model, err = readModel(m, major, l.path+".", depth+1); err != nil {
				return nil, err
			}
		}
		if inner, ok := l.options["layer"].(map[string]any); ok && l.class == "TimeDistributed" {
			if class, _ := inner["class_name"].(string); (&layerConfig{class: class}).isModel() {
				var err error
				if l.steps, err = readModel(inner, major, l.path+".config.layer.", depth+1); err != nil {
					return nil, err
				}
			}
		}
		if n, ok := m[sharedLayer].(float64); ok {
			l.shared = fmt.Sprint(n)
		}
		layers = append(layers, l)
	}
	return layers, nil
}
