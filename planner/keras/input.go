package keras

import (
	"partita/planner/diag"
	"partita/planner/graph"
)

// maxDimension bounds one dimension of an input and one size in a layer's options.
const maxDimension = 1 << 30

// readInput reads an InputLayer. The batch dimension is symbolic whatever the file says; every other dimension must be
// known or settled, because plans are made for sizes in bytes.
func readInput(l *layerConfig, open *openings) (*inputConfig, error) {
	where := l.path + " (" + l.name + ")"
	shape := l.options["batch_input_shape"]
	if shape == nil {
		shape = l.options["batch_shape"]
	}
	if s, ok := l.options["shape"].([]any); ok && shape == nil {
		shape = append([]any{nil}, s...)
	}
	dims, ok := shape.([]any)
	if !ok || len(dims) == 0 {
		return nil, diag.New(diag.Invalid, "keras.no-input-shape", doing, "the input at "+where+" has no shape",
			"build the model on an input of known shape before saving it")
	}
	if len(dims) > 8 {
		return nil, badConfig("the input at %s has %d dimensions", where, len(dims))
	}
	in := &inputConfig{name: l.name, shape: graph.Shape{graph.Batch}, dtype: graph.Float32}
	for i, d := range dims[1:] {
		n, ok := d.(float64)
		if d == nil {
			n, ok = float64(open.size(l.name, i+1)), true
		}
		if !ok || n < 1 || n > maxDimension || n != float64(int64(n)) {
			return nil, badConfig("the input at %s has the dimension %s", where, describe(d))
		}
		in.shape = append(in.shape, int64(n))
	}
	if err := in.shape.Check(); err != nil {
		return nil, badConfig("the input at %s: %v", where, err)
	}
	for _, option := range []string{"sparse", "ragged"} {
		if l.options[option] == true {
			return nil, badConfig("the input at %s is %s: only dense tensors can be served", where, option)
		}
	}
	name := policyName(l.options["dtype"])
	if name == "" {
		name = policyName(l.options["input_dtype"])
	}
	switch name {
	case "", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16", "half", "float", "double": // served in float32
	default:
		dtype, ok := graph.ParseDType(name)
		if !ok || dtype == graph.String {
			return nil, badConfig("the input at %s has the type %q", where, name)
		}
		in.dtype = dtype
	}
	return in, nil
}

// policyName gives the name of a dtype option: a string or a serialised DTypePolicy.
func policyName(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		switch v["class_name"] {
		case "DTypePolicy", "Policy", "PolicyV1":
			c, _ := v["config"].(map[string]any)
			name, _ := c["name"].(string)
			return name
		}
		class, _ := v["class_name"].(string)
		return class
	}
	return ""
}
