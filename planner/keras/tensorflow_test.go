package keras_test

import (
	"fmt"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/keras"
)

// TestRefusedFunctions refuses functions of TensorFlow, and uses of them, that are not understood: by the layer's name, the
// function's and the argument's.
func TestRefusedFunctions(t *testing.T) {
	model := func(class, config, inbound string) []byte {
		return []byte(fmt.Sprintf(`{"class_name": "Functional", "keras_version": "2.11.0", "config": {"name": "m", "layers": [
			{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [null, 4]}, "inbound_nodes": []},
			{"class_name": "TFOpLambda", "name": "shape", "config": {"name": "shape", "function": "shape"}, "inbound_nodes": [["x", 0, 0, {}]]},
			{"class_name": "SlicingOpLambda", "name": "batch", "config": {"name": "batch", "function": "__operators__.getitem"}, "inbound_nodes": [["shape", 0, 0, {"slice_spec": 0}]]},
			{"class_name": %q, "name": "f", "config": {"name": "f", %s}, "inbound_nodes": [%s]}],
			"input_layers": [["x", 0, 0]], "output_layers": [["f", 0, 0]]}}`, class, config, inbound))
	}
	node := func(op string, attrs, constants string) string {
		return fmt.Sprintf(`"node_def": {"name": "n", "op": %q, "input": ["a", "b"], "attr": {%s}}, "constants": {%s}`, op, attrs, constants)
	}
	for name, c := range map[string]struct {
		class, config, inbound string
		want                   []string
	}{
		"an unknown function":        {"TFOpLambda", `"function": "signal.fft"`, `["x", 0, 0, {}]`, []string{"tf.signal.fft", "not supported"}},
		"no function":                {"TFOpLambda", `"trainable": true`, `["x", 0, 0, {}]`, []string{"which function"}},
		"an unknown argument":        {"TFOpLambda", `"function": "math.cumsum"`, `["x", 0, 0, {"axis": 1, "reverse": true}]`, []string{"tf.math.cumsum", "reverse"}},
		"an argument computed":       {"TFOpLambda", `"function": "math.reduce_mean"`, `["x", 0, 0, {"axis": ["x", 0, 0]}]`, []string{"axis is computed"}},
		"a shape from the data":      {"TFOpLambda", `"function": "reshape"`, `["x", 0, 0, {"shape": ["x", 0, 0]}]`, []string{"from the data"}},
		"the batch's size":           {"TFOpLambda", `"function": "math.multiply"`, `["x", 0, 0, {"y": ["batch", 0, 0]}]`, []string{"size of the batch"}},
		"half the batch":             {"TFOpLambda", `"function": "math.floordiv"`, `["batch", 0, 0, {"y": 2}]`, []string{"size of the batch"}},
		"the batch reduced":          {"TFOpLambda", `"function": "math.reduce_mean"`, `["x", 0, 0, {}]`, []string{"the batch too"}},
		"rows of the batch":          {"SlicingOpLambda", `"function": "__operators__.getitem"`, `["x", 0, 0, {"slice_spec": [{"start": 1, "stop": null, "step": null}]}]`, []string{"batch"}},
		"an unknown operator":        {"TensorFlowOpLayer", node("Cholesky", "", ""), `[["x", 0, 0, {}]]`, []string{"Cholesky"}},
		"old resizing":               {"TensorFlowOpLayer", node("ResizeBilinear", `"half_pixel_centers": {"b": false}`, `"1": [2, 2]`), `[["x", 0, 0, {}]]`, []string{"half_pixel_centers"}},
		"a node without its tensors": {"TensorFlowOpLayer", node("AddV2", "", ""), `[["x", 0, 0, {}]]`, []string{"more than its tensors"}},
		"no node":                    {"TensorFlowOpLayer", `"constants": {}`, `[["x", 0, 0, {}]]`, []string{"no node"}},
	} {
		_, err := keras.Parse(model(c.class, c.config, c.inbound))
		code := diag.CodeOf(err)
		if code != "keras.unsupported-layer" && code != "keras.bad-config" {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, w := range append(c.want, `"f"`) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error does not contain %q: %v", name, w, err)
			}
		}
	}
}
