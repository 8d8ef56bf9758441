package check

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"partita/planner/load"
)

// randomModel makes a Keras model by lot: convolutions of several widths, some in two branches that are added up, and a
// classifier.
func randomModel(rng *rand.Rand) (*load.Model, error) {
	b := &builder{}
	at := b.add("InputLayer", map[string]any{"batch_input_shape": []any{nil, 32, 32, 3}, "dtype": "float32"})
	width := 8 << rng.IntN(3)
	at = b.convolve(at, width, 1)
	for range 1 + rng.IntN(5) {
		switch rng.IntN(4) {
		case 0:
			width = 8 << rng.IntN(5)
			at = b.convolve(at, width, 1)
		case 1:
			at = b.add("Activation", map[string]any{"activation": "relu"}, at)
		case 2:
			at = b.add("MaxPooling2D", map[string]any{"pool_size": []int{2, 2}, "strides": []int{1, 1}, "padding": "same", "data_format": "channels_last"}, at)
		default:
			inner := b.convolve(at, width, 3)
			inner = b.add("Activation", map[string]any{"activation": "relu"}, inner)
			inner = b.convolve(inner, width, 1)
			at = b.add("Add", map[string]any{}, at, inner)
		}
	}
	at = b.add("GlobalAveragePooling2D", map[string]any{"data_format": "channels_last"}, at)
	at = b.add("Dense", map[string]any{"units": 64 << rng.IntN(9), "activation": "relu", "use_bias": true}, at)
	at = b.add("Dense", map[string]any{"units": 10, "activation": "softmax", "use_bias": true}, at)
	data, err := json.Marshal(map[string]any{"class_name": "Model", "config": map[string]any{"name": "random", "layers": b.layers,
		"input_layers": []any{[]any{b.name(0), 0, 0}}, "output_layers": []any{[]any{b.name(at), 0, 0}}}})
	if err != nil {
		return nil, err
	}
	return load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: data})
}

type builder struct{ layers []any }

func (b *builder) name(layer int) string { return fmt.Sprintf("layer%d", layer) }

// add appends a layer and gives its number.
func (b *builder) add(class string, config map[string]any, inputs ...int) int {
	name := b.name(len(b.layers))
	config["name"] = name
	inbound := []any{}
	if len(inputs) > 0 {
		var tensors []any
		for _, i := range inputs {
			tensors = append(tensors, []any{b.name(i), 0, 0, map[string]any{}})
		}
		inbound = append(inbound, tensors)
	}
	b.layers = append(b.layers, map[string]any{"class_name": class, "name": name, "config": config, "inbound_nodes": inbound})
	return len(b.layers) - 1
}

func (b *builder) convolve(from, filters, kernel int) int {
	return b.add("Conv2D", map[string]any{"filters": filters, "kernel_size": []int{kernel, kernel}, "strides": []int{1, 1}, "padding": "same",
		"data_format": "channels_last", "dilation_rate": []int{1, 1}, "activation": "linear", "use_bias": true}, from)
}
