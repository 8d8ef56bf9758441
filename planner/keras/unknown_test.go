package keras_test

import (
	"fmt"
	"strings"
	"testing"

	"partita/planner/keras"
)

// required are the options without which a class is malformed.
var required = map[string]string{
	"Activation": `"activation": "relu"`, "CenterCrop": `"height": 2, "width": 2`, "Dense": `"units": 2`, "Dot": `"axes": 1`,
	"EinsumDense": `"equation": "ab,bc->ac", "output_shape": [2]`, "Embedding": `"input_dim": 3, "output_dim": 2`,
	"GroupQueryAttention": `"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1`, "GroupedQueryAttention": `"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1`,
	"LayerScale": `"projection_dim": 8`, "MultiHeadAttention": `"num_heads": 2, "key_dim": 2`, "Permute": `"dims": [1]`, "RepeatVector": `"n": 2`,
	"Reshape": `"target_shape": [8]`, "Resizing": `"height": 2, "width": 2`,
	"RNN":              `"cell": {"class_name": "GRUCell", "config": {"name": "c", "units": 2}}`,
	"CategoryEncoding": `"num_tokens": 3`, "MaxoutDense": `"output_dim": 2`, "TimeDistributedDense": `"output_dim": 2`, "RandomCrop": `"height": 2, "width": 2`,
	"Pipeline": `"layers": [{"class_name": "Rescaling", "config": {"name": "r", "scale": 2}}]`, "ReversibleEmbedding": `"input_dim": 3, "output_dim": 2`,
	"Discretization": `"bin_boundaries": [0, 1]`, "IntegerLookup": `"vocabulary": [1, 2]`,
	"Bidirectional": `"layer": {"class_name": "GRU", "config": {"name": "c", "units": 2}}`,
}

// optionsOf guesses what a class needs from its name.
func optionsOf(class string) string {
	if text, ok := required[class]; ok {
		return text
	}
	rank := strings.TrimSuffix(class, "Transpose")
	ones := map[byte]string{'1': "[1]", '2': "[1, 1]", '3': "[1, 1, 1]"}
	list := ""
	if len(rank) > 2 && rank[len(rank)-1] == 'D' {
		list = ones[rank[len(rank)-2]]
	}
	switch {
	case strings.HasPrefix(class, "Adaptive"):
		return `"output_size": ` + list
	case strings.Contains(class, "LSTM") && list != "", strings.HasPrefix(class, "LocallyConnected"):
		return `"filters": 2, "kernel_size": ` + list
	case strings.Contains(class, "Conv"):
		return `"filters": 2, "kernel_size": ` + list
	case strings.HasSuffix(class, "LSTM"), strings.HasSuffix(class, "GRU"), class == "SimpleRNN":
		return `"units": 2`
	case class == "TimeDistributed", class == "SpectralNormalization":
		return `"layer": {"class_name": "Dense", "config": {"name": "d", "units": 2}}`
	}
	return ""
}

// TestUnknownOptions gives every class an option that no version of Keras has: none may pass over it in silence, whether the
// class is a layer of the model or an operation of keras.ops.
func TestUnknownOptions(t *testing.T) {
	for _, s := range keras.Supported() {
		m := build(3, vector, layer{s.Name, optionsOf(s.Name)})
		if _, err := keras.Parse(m); err != nil && strings.Contains(err.Error(), "option") {
			t.Errorf("%s as it is given here has wrong options: %v", s.Name, err)
		}
		more := `"surprise": 0.125`
		if o := optionsOf(s.Name); o != "" {
			more = o + ", " + more
		}
		_, err := keras.Parse(build(3, vector, layer{s.Name, more}))
		if all := fmt.Sprint(err); err == nil || !strings.Contains(all, "surprise") || !strings.Contains(all, `"l1"`) || !strings.Contains(all, s.Name) {
			t.Errorf("%s with an unknown option: %v", s.Name, err)
		}
	}
	for _, f := range keras.Functions() {
		m := fmt.Sprintf(`{"class_name": "Functional", "keras_version": "3.5.0", "config": {"name": "m", "layers": [
			{"class_name": "InputLayer", "module": "keras.layers", "name": "x", "config": {"name": "x", "batch_shape": [null, 4]}, "inbound_nodes": []},
			{"class_name": %q, "module": "keras.src.ops.numpy", "name": "f", "config": {"name": "f", "surprise": 0.125}, "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}], "kwargs": {}}]}],
			"input_layers": [["x", 0, 0]], "output_layers": [["f", 0, 0]]}}`, f.Name)
		_, err := keras.Parse([]byte(m))
		if all := fmt.Sprint(err); err == nil || !strings.Contains(all, "surprise") || !strings.Contains(all, f.Name) {
			t.Errorf("keras.ops.%s with an unknown option: %v", f.Name, err)
		}
	}
}
