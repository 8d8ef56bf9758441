package keras_test

import (
	"strings"
	"testing"

	"partita/planner/keras"
)

// TestForms reads one model in every form in which versions of Keras wrote models: a Sequential as a bare list and as an object,
// in JSON and in both styles of YAML; a functional model with its inputs in lists, with others among keywords, and as objects
// with args and kwargs.
func TestForms(t *testing.T) {
	type form struct{ name, text string }
	for what, forms := range map[string][]form{
		"Sequential": {
			{"a bare list", `{"class_name": "Sequential", "config": [
				{"class_name": "Dense", "config": {"name": "a", "units": 3, "activation": "relu", "batch_input_shape": [null, 4]}}, {"class_name": "Dropout", "config": {"name": "b", "rate": 0.5}}]}`},
			{"an object", `{"class_name": "Sequential", "keras_version": "2.2.4", "config": {"name": "s", "layers": [
				{"class_name": "Dense", "config": {"name": "a", "units": 3, "activation": "relu", "batch_input_shape": [null, 4]}}, {"class_name": "Dropout", "config": {"name": "b", "rate": 0.5}}]}}`},
			{"YAML in blocks", "backend: tensorflow\nclass_name: Sequential\nconfig:\n- class_name: Dense\n  config:\n    name: a\n    units: 3\n    activation: relu\n    batch_input_shape: !!python/tuple\n    - null\n    - 4\n" +
				"- class_name: Dropout\n  config:\n    name: b\n    rate: 0.5\nkeras_version: 2.2.2\n"},
			{"YAML with its leaves inline", "backend: tensorflow\nclass_name: Sequential\nconfig:\n- class_name: Dense\n  config:\n    name: a\n    units: 3\n    activation: relu\n    batch_input_shape: !!python/tuple [null, 4]\n" +
				"- class_name: Dropout\n  config: {name: b, rate: 0.5}\nkeras_version: 2.2.2\n"},
			{"YAML on one line", "{class_name: Sequential, config: [{class_name: Dense, config: {name: a, units: 3, activation: relu, batch_input_shape: [null, 4]}}, {class_name: Dropout, config: {name: b, rate: 0.5}}], keras_version: 2.1.6}\n"},
		},
		"functional": {
			{"lists and keywords", `{"class_name": "Model", "keras_version": "2.4.0", "config": {"name": "m", "layers": [
				{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [null, 5, 4]}, "inbound_nodes": []},
				{"class_name": "InputLayer", "name": "y", "config": {"name": "y", "batch_input_shape": [null, 3, 4]}, "inbound_nodes": []},
				{"class_name": "MultiHeadAttention", "name": "a", "config": {"name": "a", "num_heads": 2, "key_dim": 3}, "inbound_nodes": [[["x", 0, 0, {"value": ["y", 0, 0], "training": false}]]]}],
				"input_layers": [["x", 0, 0], ["y", 0, 0]], "output_layers": [["a", 0, 0]]}}`},
			{"one reference without its list", `{"class_name": "Functional", "keras_version": "2.11.0", "config": {"name": "m", "layers": [
				{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [null, 5, 4]}, "inbound_nodes": []},
				{"class_name": "InputLayer", "name": "y", "config": {"name": "y", "batch_input_shape": [null, 3, 4]}, "inbound_nodes": []},
				{"class_name": "MultiHeadAttention", "name": "a", "config": {"name": "a", "num_heads": 2, "key_dim": 3}, "inbound_nodes": [["x", 0, 0, {"value": ["y", 0, 0]}]]}],
				"input_layers": [["x", 0, 0], ["y", 0, 0]], "output_layers": ["a", 0, 0]}}`},
			{"args and kwargs", `{"class_name": "Functional", "module": "keras.src.models.functional", "keras_version": "2.15.0", "config": {"name": "m", "layers": [
				{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_shape": [null, 5, 4]}, "inbound_nodes": []},
				{"class_name": "InputLayer", "name": "y", "config": {"name": "y", "batch_shape": [null, 3, 4]}, "inbound_nodes": []},
				{"class_name": "MultiHeadAttention", "name": "a", "config": {"name": "a", "num_heads": 2, "key_dim": 3}, "inbound_nodes": [{
					"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}],
					"kwargs": {"value": {"class_name": "__keras_tensor__", "config": {"keras_history": ["y", 0, 0]}}, "training": false}}]}],
				"input_layers": [["x", 0, 0], ["y", 0, 0]], "output_layers": [["a", 0, 0]]}}`},
			{"YAML", "class_name: Functional\nkeras_version: 2.4.0\nconfig:\n  name: m\n  layers:\n  - {class_name: InputLayer, name: x, config: {name: x, batch_input_shape: [null, 5, 4]}, inbound_nodes: []}\n" +
				"  - {class_name: InputLayer, name: y, config: {name: y, batch_input_shape: [null, 3, 4]}, inbound_nodes: []}\n  - class_name: MultiHeadAttention\n    name: a\n    config: {name: a, num_heads: 2, key_dim: 3}\n" +
				"    inbound_nodes:\n    - - - x\n        - 0\n        - 0\n        - value:\n          - y\n          - 0\n          - 0\n  input_layers: [[x, 0, 0], [y, 0, 0]]\n  output_layers:\n  - - a\n    - 0\n    - 0\n"},
		},
	} {
		want := ""
		for _, f := range forms {
			parse := keras.Parse
			if strings.HasPrefix(f.name, "YAML") {
				parse = keras.ParseYAML
			}
			m, err := parse([]byte(f.text))
			if err != nil {
				t.Errorf("%s, %s: %v", what, f.name, err)
				continue
			}
			text := m.Graph.Text()
			text = text[strings.Index(text, "\n"):] // without the model's name
			if want == "" {
				want = text
			}
			if text != want {
				t.Errorf("%s, %s: another graph\n%s", what, f.name, firstDifference(text, want))
			}
		}
	}
}
