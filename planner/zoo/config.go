package zoo

import (
	"cmp"
	"encoding/json"
	"slices"
)

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
	index := map[*layer]int{}
	var sorted []*layer // each after what it reads
	var walk func(l *layer)
	walk = func(l *layer) {
		if _, seen := index[l]; seen {
			return
		}
		index[l] = len(index)
		for _, in := range l.inputs {
			walk(in)
		}
		sorted = append(sorted, l)
	}
	walk(n.output)
	distance := map[*layer]int{}
	for _, l := range slices.Backward(sorted) {
		for _, in := range l.inputs {
			distance[in] = max(distance[in], distance[l]+1)
		}
	}
	slices.SortFunc(sorted, func(a, b *layer) int {
		return cmp.Or(cmp.Compare(distance[b], distance[a]), cmp.Compare(index[a], index[b]))
	})
	return sorted
}
