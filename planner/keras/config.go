package keras

import (
	"fmt"
	"sort"
	"strconv"

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
	model               *modelConfig // of a model within the model
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
	m := &modelConfig{major: major}
	m.name, _ = config["name"].(string)
	layers, ok := config["layers"].([]any)
	if !ok || len(layers) == 0 {
		return nil, badConfig("%sconfig.layers is %s, not a list of layers", place, describe(config["layers"]))
	}
	var err error
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
		if m.input, err = readInput(first); err != nil {
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
		if len(l.name) > maxNameBytes {
			return nil, badConfig("%s has a name of %d bytes", l.path, len(l.name))
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
		layers = append(layers, l)
	}
	return layers, nil
}

// readCall reads one entry of inbound_nodes: a list of references (Keras 1 and 2) or an object with args and kwargs
// that hold __keras_tensor__ objects (Keras 3).
func readCall(entry any) (*call, error) {
	c := &call{}
	if m, ok := entry.(map[string]any); ok {
		if _, ok := m["args"]; !ok { // Keras 2, called on an object of tensors
			return c, c.addReferences(m)
		}
		if err := c.addArgument(m["args"]); err != nil {
			return nil, err
		}
		list, _ := m["args"].([]any)
		c.separate = len(list) > 1
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
	if _, number := v.(float64); !number && !holdsTensor(v) {
		if text, ok := v.(string); ok { // a number, as some files have it
			if f, err := strconv.ParseFloat(text, 64); err == nil {
				v = f
			}
		}
		if _, number = v.(float64); !number {
			c.args = append(c.args, argument{isOther: true, other: v})
			return nil
		}
	}
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
		switch class := v["class_name"]; class {
		case "__keras_tensor__":
		case "__tuple__":
			return c.addArgument(v["items"])
		case nil:
			return c.addArguments(v)
		default:
			return fmt.Errorf("an argument is an object of class %s", describe(class))
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

// addArguments adds an object of tensors, which Keras walks in the order of its sorted keys.
func (c *call) addArguments(object map[string]any) error {
	for _, k := range sortedKeys(object) {
		before := len(c.args)
		if err := c.addArgument(object[k]); err != nil {
			return err
		}
		for i := range c.args[before:] {
			c.args[before+i].key = k
		}
	}
	return nil
}

// addReferences adds an object of references.
func (c *call) addReferences(object map[string]any) error {
	for _, k := range sortedKeys(object) {
		ref, kwargs, err := readReference(object[k])
		if err != nil {
			return err
		}
		c.args = append(c.args, argument{ref: ref, isRef: true, key: k})
		if err := c.addKeywords(kwargs); err != nil {
			return err
		}
	}
	return nil
}

// references walks the tensors that a call reads.
func (c *call) references(visit func(*tensorRef)) {
	for i := range c.args {
		if c.args[i].isRef {
			visit(&c.args[i].ref)
		}
	}
}

func (c *call) addKeywords(kwargs map[string]any) error {
	for _, name := range sortedKeys(kwargs) {
		switch v := kwargs[name]; {
		case v == nil || v == false && name == "training":
		case name == "training" && v == true:
			c.training = true
		case holdsTensor(v) || holdsReference(v):
			list, isList := v.([]any)
			if !isList || isReference(v) {
				list = []any{v}
			}
			for i, e := range list {
				before := len(c.args)
				if isReference(e) {
					ref, _, err := readReference(e)
					if err != nil {
						return err
					}
					c.args = append(c.args, argument{ref: ref, isRef: true})
				} else if e == nil {
					continue
				} else if err := c.addArgument(e); err != nil {
					return err
				}
				for k := before; k < len(c.args); k++ {
					c.args[k].keyword, c.args[k].position = name, i
				}
			}
		default:
			if list, ok := v.([]any); ok && allNull(list) {
				continue // as mask=[None, None] is no mask
			}
			c.args = append(c.args, argument{isOther: true, other: v, keyword: name})
		}
	}
	return nil
}

// holdsTensor tells whether there is a tensor of Keras 3 anywhere in an argument.
func holdsTensor(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if holdsTensor(e) {
				return true
			}
		}
	case map[string]any:
		if v["class_name"] == "__keras_tensor__" {
			return true
		}
		for _, e := range v {
			if holdsTensor(e) {
				return true
			}
		}
	}
	return false
}

// isReference tells whether a keyword's value is a reference as Keras 2 writes them, ["conv1", 0, 0].
func isReference(v any) bool {
	list, ok := v.([]any)
	if !ok || len(list) < 3 || len(list) > 4 {
		return false
	}
	_, name := list[0].(string)
	_, node := list[1].(float64)
	_, tensor := list[2].(float64)
	return name && node && tensor
}

// holdsReference tells whether a value is a reference or a list of them.
func holdsReference(v any) bool {
	if list, ok := v.([]any); ok && !isReference(v) {
		for _, e := range list {
			if isReference(e) {
				return true
			}
		}
		return false
	}
	return isReference(v)
}

func allNull(list []any) bool {
	for _, e := range list {
		if e != nil {
			return false
		}
	}
	return true
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

// readPorts reads input_layers and output_layers: references in lists, one reference, or (Keras 3) objects of them, which
// Keras walks in the order of their sorted keys. keys are those of an object at the top.
func readPorts(v any) (refs []tensorRef, keys []string, err error) {
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case []any:
			if len(v) > 0 {
				if _, one := v[0].(string); one {
					r, _, err := readReference(v)
					refs = append(refs, r)
					return err
				}
			}
			for _, e := range v {
				if err := walk(e); err != nil {
					return err
				}
			}
		case map[string]any:
			for _, k := range sortedKeys(v) {
				if err := walk(v[k]); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("%s is not a reference [layer, node, tensor]", describe(v))
		}
		if len(refs) > maxReferences {
			return fmt.Errorf("more than %d entries", maxReferences)
		}
		return nil
	}
	if v != nil {
		if err := walk(v); err != nil {
			return nil, nil, err
		}
	}
	if len(refs) == 0 {
		return nil, nil, fmt.Errorf("no references")
	}
	if object, ok := v.(map[string]any); ok {
		keys = sortedKeys(object)
	}
	return refs, keys, nil
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
