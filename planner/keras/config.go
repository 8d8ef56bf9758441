package keras

import (
	"fmt"
	"sort"

	"partita/planner/graph"
)

// modelConfig is an architecture in one form for all versions of Keras.
type modelConfig struct {
	name       string
	sequential bool
	major      int // Keras 1, 2 or 3
	layers     []*layerConfig
	inputs     []tensorRef
	outputs    []tensorRef
	input      *inputConfig // of a Sequential: its only input, which is not a layer
}

// layerConfig is one layer as configured.
type layerConfig struct {
	name, class, module string
	registered          string
	path                string // where it stands in the document, "config.layers[3]"
	options             map[string]any
	calls               []call
}

// call is one use of a layer on tensors. Keras calls it a node.
type call struct {
	args     []argument
	training bool // called with training=True
	mask     bool // called with a mask
	other    []string
}

// argument is a tensor or a number.
type argument struct {
	ref    tensorRef
	number float64
	isRef  bool
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

func readModel(top map[string]any, major int) (*modelConfig, error) {
	if top["class_name"] == "Sequential" {
		return readSequential(top, major)
	}
	config, ok := top["config"].(map[string]any)
	if !ok {
		return nil, badConfig("config is %s, not an object", describe(top["config"]))
	}
	m := &modelConfig{major: major}
	m.name, _ = config["name"].(string)
	layers, ok := config["layers"].([]any)
	if !ok || len(layers) == 0 {
		return nil, badConfig("config.layers is %s, not a list of layers", describe(config["layers"]))
	}
	var err error
	if m.layers, err = readLayers(layers, "config.layers"); err != nil {
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
	}
	if m.inputs, err = readPorts(config["input_layers"]); err != nil {
		return nil, badConfig("config.input_layers: %v", err)
	}
	if m.outputs, err = readPorts(config["output_layers"]); err != nil {
		return nil, badConfig("config.output_layers: %v", err)
	}
	if m.name == "" {
		m.name = "model"
	}
	return m, nil
}

// readSequential reads a list of layers, each fed by the one before. Its InputLayer, when there is one, is not counted
// as a layer by any version of Keras.
func readSequential(top map[string]any, major int) (*modelConfig, error) {
	m := &modelConfig{major: major, sequential: true, name: "sequential"}
	var layers []any
	var buildShape any
	path := "config"
	switch c := top["config"].(type) {
	case []any: // before Keras 2.2.3
		layers = c
	case map[string]any:
		layers, _ = c["layers"].([]any)
		path = "config.layers"
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
	if m.layers, err = readLayers(layers, path); err != nil {
		return nil, err
	}
	first := m.layers[0]
	if first.class == "InputLayer" {
		in, err := readInput(first)
		if err != nil {
			return nil, err
		}
		m.input, m.layers = in, m.layers[1:]
		if len(m.layers) == 0 {
			return nil, badConfig("the model has no layers but its input")
		}
	} else {
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
		if shape == nil {
			shape = buildShape
		}
		options := map[string]any{"batch_input_shape": shape, "dtype": first.options["dtype"]}
		if m.input, err = readInput(&layerConfig{name: first.name + "_input", class: "InputLayer", path: first.path, options: options}); err != nil {
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

func readLayers(list []any, path string) ([]*layerConfig, error) {
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
			l.name = l.path
		}
		if len(l.name) > maxNameBytes {
			return nil, badConfig("%s has a name of %d bytes", l.path, len(l.name))
		}
		if other, taken := names[l.name]; taken {
			return nil, badConfig("%s and %s are both named %q", other, l.path, l.name)
		}
		names[l.name] = l.path
		layers = append(layers, l)
	}
	return layers, nil
}

// readCall reads one entry of inbound_nodes: a list of references (Keras 1 and 2) or an object with args and kwargs
// that hold __keras_tensor__ objects (Keras 3).
func readCall(entry any) (*call, error) {
	c := &call{}
	if m, ok := entry.(map[string]any); ok {
		if err := c.addArgument(m["args"]); err != nil {
			return nil, err
		}
		kwargs, _ := m["kwargs"].(map[string]any)
		return c, c.addKeywords(kwargs)
	}
	list, ok := entry.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is not a list of references", describe(entry))
	}
	if len(list) > 0 {
		if _, ok := list[0].(string); ok { // one reference without the list round it
			list = []any{list}
		}
	}
	for _, r := range list {
		ref, kwargs, err := readReference(r)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, argument{ref: ref, isRef: true})
		if err := c.addKeywords(kwargs); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *call) addArgument(v any) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := c.addArgument(e); err != nil {
				return err
			}
		}
	case float64:
		c.args = append(c.args, argument{number: v})
	case map[string]any:
		if v["class_name"] != "__keras_tensor__" {
			return fmt.Errorf("an argument is an object of class %s", describe(v["class_name"]))
		}
		config, _ := v["config"].(map[string]any)
		ref, _, err := readReference(config["keras_history"])
		if err != nil {
			return err
		}
		c.args = append(c.args, argument{ref: ref, isRef: true})
	default:
		return fmt.Errorf("an argument is %s, not a tensor or a number", describe(v))
	}
	return nil
}

func (c *call) addKeywords(kwargs map[string]any) error {
	names := make([]string, 0, len(kwargs))
	for name := range kwargs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		switch v := kwargs[name]; {
		case v == nil || v == false && name == "training":
		case name == "training":
			c.training = true
		case name == "mask":
			// A list of nulls is no mask either.
			if list, ok := v.([]any); ok {
				for _, e := range list {
					c.mask = c.mask || e != nil
				}
			} else {
				c.mask = true
			}
		default:
			c.other = append(c.other, name)
		}
	}
	return nil
}

// readReference reads ["conv1", 0, 0] and, of Keras 2, ["conv1", 0, 0, {"training": false}].
func readReference(v any) (tensorRef, map[string]any, error) {
	list, ok := v.([]any)
	if !ok || len(list) < 3 || len(list) > 4 {
		return tensorRef{}, nil, fmt.Errorf("%s is not a reference [layer, node, tensor]", describe(v))
	}
	layer, ok0 := list[0].(string)
	node, ok1 := list[1].(float64)
	tensor, ok2 := list[2].(float64)
	if !ok0 || !ok1 || !ok2 || node < 0 || tensor < 0 || node > maxReferences || tensor > maxReferences ||
		node != float64(int(node)) || tensor != float64(int(tensor)) {
		return tensorRef{}, nil, fmt.Errorf("a reference is not [layer, node, tensor]")
	}
	var kwargs map[string]any
	if len(list) == 4 {
		kwargs, _ = list[3].(map[string]any)
	}
	return tensorRef{layer, int(node), int(tensor)}, kwargs, nil
}

// readPorts reads input_layers and output_layers: a list of references, one reference, or (Keras 3) an object of them,
// which Keras walks in the order of its sorted keys.
func readPorts(v any) ([]tensorRef, error) {
	var refs []tensorRef
	add := func(e any) error {
		r, _, err := readReference(e)
		if err == nil {
			refs = append(refs, r)
		}
		return err
	}
	switch v := v.(type) {
	case []any:
		if len(v) > maxReferences {
			return nil, fmt.Errorf("more than %d entries", maxReferences)
		}
		if len(v) > 0 {
			if _, ok := v[0].(string); ok {
				return refs, add(v)
			}
		}
		for _, e := range v {
			if err := add(e); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			if err := add(v[k]); err != nil {
				return nil, err
			}
		}
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("no references")
	}
	return refs, nil
}
