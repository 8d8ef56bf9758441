package zoo

import "encoding/json"

// layerConfig is a layer as Keras 3 writes it, without what has Keras's default.
type layerConfig struct {
	Class   string         `json:"class_name"`
	Module  string         `json:"module,omitempty"`
	Name    string         `json:"name"`
	Config  map[string]any `json:"config"`
	Inbound []any          `json:"inbound_nodes"`
}

// config writes the network as a functional model.
func (n *network) config() []byte {
	var layers []layerConfig
	for _, l := range n.order() {
		c := layerConfig{Class: l.class, Module: l.module, Name: l.name, Config: l.options, Inbound: []any{}}
		var references []any
		for _, in := range l.inputs {
			references = append(references, reference(in))
		}
		switch {
		case l.number != 0:
			operand := map[string]any{"class_name": "__keras_tensor__", "config": map[string]any{"keras_history": references[0]}}
			c.Inbound = []any{map[string]any{"args": []any{operand, l.number}, "kwargs": map[string]any{}}}
		case references != nil:
			c.Inbound = []any{references}
		}
		layers = append(layers, c)
	}
	text, err := json.Marshal(map[string]any{"class_name": "Functional", "config": map[string]any{
		"name": n.name, "layers": layers, "input_layers": []any{reference(n.input)}, "output_layers": []any{reference(n.output)}}})
	if err != nil {
		panic(err) // numbers and texts of this package only
	}
	return text
}

func reference(l *layer) any { return []any{l.name, 0, 0} }

// order gives the layers in the order in which Keras lists those of a functional model (keras.src.ops.function, map_graph):
// by falling distance from the output, and at one distance in the order of a walk from the output to the inputs.
func (n *network) order() []*layer {
	seen := map[*layer]bool{}
	var met, finished []*layer // each before what it reads; each after
	var walk func(l *layer)
	walk = func(l *layer) {
		if seen[l] {
			return
		}
		seen[l] = true
		met = append(met, l)
		for _, in := range l.inputs {
			walk(in)
		}
		finished = append(finished, l)
	}
	walk(n.output)
	distance := map[*layer]int{}
	for i := len(finished) - 1; i >= 0; i-- {
		l := finished[i]
		for _, in := range l.inputs {
			distance[in] = max(distance[in], distance[l]+1)
		}
	}
	at := make([][]*layer, len(met)) // by distance
	for _, l := range met {
		at[distance[l]] = append(at[distance[l]], l)
	}
	var sorted []*layer
	for i := len(at) - 1; i >= 0; i-- {
		sorted = append(sorted, at[i]...)
	}
	return sorted
}
