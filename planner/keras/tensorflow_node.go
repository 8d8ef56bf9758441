package keras

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
)

// node says which function of TensorFlow's API a node of its graph is, with the function's names for the node's inputs and
// attributes.
type node struct {
	function   string
	inputs     []string
	attributes map[string]string // by TensorFlow's name
	settle     func(n *nodeDef) error
}

// nodeDef is a node as TensorFlowOpLayer holds it.
type nodeDef struct {
	op        string
	inputs    int
	attrs     map[string]any
	constants map[int]any
	named     map[string]any // what is no tensor, by the function's names
	operands  []string       // the names of the inputs
}

var nodes = map[string]node{}

func init() {
	for op, function := range map[string]string{"AddV2": "add", "Add": "add", "Sub": "subtract", "Mul": "multiply", "RealDiv": "truediv", "Div": "truediv", "FloorDiv": "floordiv",
		"FloorMod": "floormod", "Maximum": "maximum", "Minimum": "minimum", "Pow": "pow", "SquaredDifference": "squared_difference", "DivNoNan": "divide_no_nan",
		"Greater": "greater", "GreaterEqual": "greater_equal", "Less": "less", "LessEqual": "less_equal", "Equal": "equal", "NotEqual": "not_equal",
		"LogicalAnd": "logical_and", "LogicalOr": "logical_or"} {
		nodes[op] = node{function: function, inputs: []string{"x", "y"}}
	}
	for op, function := range map[string]string{"Abs": "abs", "Exp": "exp", "Log": "log", "Log1p": "log1p", "Expm1": "expm1", "Sqrt": "sqrt", "Rsqrt": "rsqrt", "Square": "square",
		"Neg": "negative", "Sin": "sin", "Cos": "cos", "Tan": "tan", "Tanh": "tanh", "Sigmoid": "sigmoid", "Erf": "erf", "Floor": "floor", "Ceil": "ceil", "Round": "round",
		"Sign": "sign", "Reciprocal": "reciprocal", "Inv": "reciprocal", "LogicalNot": "logical_not"} {
		nodes[op] = node{function: function, inputs: []string{"x"}}
	}
	for op, function := range map[string]string{"Relu": "nn.relu", "Relu6": "nn.relu6", "Elu": "nn.elu", "Selu": "nn.selu", "Softplus": "nn.softplus", "Softsign": "nn.softsign"} {
		nodes[op] = node{function: function, inputs: []string{"features"}}
	}
	nodes["LeakyRelu"] = node{function: "nn.leaky_relu", inputs: []string{"features"}, attributes: same("alpha")}
	nodes["Softmax"] = node{function: "nn.softmax", inputs: []string{"logits"}}
	nodes["LogSoftmax"] = node{function: "nn.log_softmax", inputs: []string{"logits"}}
	for op, function := range map[string]string{"Mean": "reduce_mean", "Sum": "reduce_sum", "Max": "reduce_max", "Min": "reduce_min", "Prod": "reduce_prod", "Any": "reduce_any", "All": "reduce_all"} {
		nodes[op] = node{function: function, inputs: []string{"input_tensor", "axis"}, attributes: map[string]string{"keep_dims": "keepdims"}}
	}
	for op, function := range map[string]string{"ArgMax": "argmax", "ArgMin": "argmin"} {
		nodes[op] = node{function: function, inputs: []string{"input", "axis"}}
	}
	nodes["Identity"] = node{function: "identity", inputs: []string{"input"}}
	nodes["StopGradient"] = nodes["Identity"]
	nodes["BiasAdd"] = node{function: "nn.bias_add", inputs: []string{"value", "bias"}, settle: imagesLast}
	nodes["AddN"] = node{function: "add_n", settle: listOf("inputs", "", 0)}
	nodes["ClipByValue"] = node{function: "clip_by_value", inputs: []string{"t", "clip_value_min", "clip_value_max"}}
	nodes["Cast"] = node{function: "cast", inputs: []string{"x"}, attributes: map[string]string{"DstT": "dtype"}}
	nodes["Shape"] = node{function: "shape", inputs: []string{"input"}}
	nodes["Reshape"] = node{function: "reshape", inputs: []string{"tensor", "shape"}}
	nodes["Transpose"] = node{function: "transpose", inputs: []string{"a", "perm"}}
	nodes["ExpandDims"] = node{function: "expand_dims", inputs: []string{"input", "axis"}}
	nodes["Squeeze"] = node{function: "squeeze", inputs: []string{"input"}, attributes: map[string]string{"squeeze_dims": "axis"}}
	nodes["ConcatV2"] = node{function: "concat", settle: listOf("values", "axis", -1)}
	nodes["Pack"] = node{function: "stack", attributes: same("axis"), settle: listOf("values", "", 0)}
	nodes["Unpack"] = node{function: "unstack", inputs: []string{"value"}, attributes: same("axis", "num")}
	nodes["Split"] = node{function: "split", inputs: []string{"axis", "value"}, attributes: map[string]string{"num_split": "num_or_size_splits"}}
	nodes["SplitV"] = node{function: "split", inputs: []string{"value", "num_or_size_splits", "axis"}}
	nodes["Tile"] = node{function: "tile", inputs: []string{"input", "multiples"}}
	nodes["Pad"] = node{function: "pad", inputs: []string{"tensor", "paddings"}}
	nodes["PadV2"] = node{function: "pad", inputs: []string{"tensor", "paddings", "constant_values"}}
	nodes["MirrorPad"] = node{function: "pad", inputs: []string{"tensor", "paddings"}, attributes: same("mode")}
	nodes["ReverseV2"] = node{function: "reverse", inputs: []string{"tensor", "axis"}}
	nodes["GatherV2"] = node{function: "gather", inputs: []string{"params", "indices", "axis"}, attributes: same("batch_dims")}
	nodes["SelectV2"] = node{function: "where", inputs: []string{"condition", "x", "y"}}
	nodes["Select"] = nodes["SelectV2"]
	nodes["MatMul"] = node{function: "linalg.matmul", inputs: []string{"a", "b"}, attributes: same("transpose_a", "transpose_b")}
	nodes["BatchMatMulV2"] = node{function: "linalg.matmul", inputs: []string{"a", "b"}, attributes: map[string]string{"adj_x": "adjoint_a", "adj_y": "adjoint_b"}}
	nodes["BatchMatMul"] = nodes["BatchMatMulV2"]
	nodes["OneHot"] = node{function: "one_hot", inputs: []string{"indices", "depth", "on_value", "off_value"}, attributes: same("axis")}
	nodes["ResizeBilinear"] = node{function: "image.resize", inputs: []string{"images", "size"}, settle: halfPixels("bilinear")}
	nodes["ResizeNearestNeighbor"] = node{function: "image.resize", inputs: []string{"images", "size"}, settle: halfPixels("nearest")}
	nodes["ResizeBicubic"] = node{function: "image.resize", inputs: []string{"images", "size"}, settle: halfPixels("bicubic")}
	nodes["MaxPool"] = node{function: "nn.max_pool2d", inputs: []string{"input"}, attributes: same("ksize", "strides", "padding", "data_format")}
	nodes["AvgPool"] = node{function: "nn.avg_pool2d", inputs: []string{"input"}, attributes: same("ksize", "strides", "padding", "data_format")}
	nodes["DepthToSpace"] = node{function: "nn.depth_to_space", inputs: []string{"input"}, attributes: same("block_size", "data_format")}
	nodes["SpaceToDepth"] = node{function: "nn.space_to_depth", inputs: []string{"input"}, attributes: same("block_size", "data_format")}
	nodes["StridedSlice"] = node{function: "__operators__.getitem", inputs: []string{"tensor", "begin", "end", "strides"}, settle: stridedSlice}
}

// unpackNode makes of a node the function that it is, called with named arguments like a TFOpLambda, and gives the function's
// name.
func (l *layerConfig) unpackNode() (string, error) {
	def, ok := l.options["node_def"].(map[string]any)
	if text, isText := l.options["node_def"].(string); isText {
		tree, err := decodeJSON([]byte(text))
		if err != nil {
			return "", fmt.Errorf("its node of TensorFlow's graph is in a form that is not known")
		}
		def, ok = tree.(map[string]any)
	}
	op, _ := def["op"].(string)
	if !ok || op == "" {
		return "", fmt.Errorf("it holds no node of TensorFlow's graph")
	}
	kind, ok := nodes[op]
	if !ok {
		return "", fmt.Errorf("the operator %s of TensorFlow is not supported", op)
	}
	n := &nodeDef{op: op, constants: map[int]any{}, named: map[string]any{}, operands: kind.inputs}
	list, _ := def["input"].([]any)
	n.inputs = len(list)
	n.attrs, _ = def["attr"].(map[string]any)
	constants, _ := l.options["constants"].(map[string]any)
	for k, v := range constants {
		i, err := strconv.Atoi(k)
		if err != nil || i < 0 || i >= n.inputs {
			return "", fmt.Errorf("its constant %q is of no input", k)
		}
		n.constants[i] = v
	}
	for attribute, name := range kind.attributes {
		if v, ok := n.attribute(attribute); ok {
			n.named[name] = v
		}
	}
	if kind.settle != nil {
		if err := kind.settle(n); err != nil {
			return "", fmt.Errorf("the operator %s of TensorFlow: %v", op, err)
		}
	}
	if len(n.operands) < n.inputs {
		return "", fmt.Errorf("the operator %s of TensorFlow is called on %d inputs", op, n.inputs)
	}
	for i := range l.calls {
		if err := l.calls[i].place(n); err != nil {
			return "", fmt.Errorf("the operator %s of TensorFlow: %v", op, err)
		}
	}
	return kind.function, nil
}

// place names the arguments of a call: the tensors in their order take the places that constants leave free.
func (c *call) place(n *nodeDef) error {
	var args []argument
	tensors := c.args
	for i := range n.inputs {
		name := n.operands[i]
		if v, constant := n.constants[i]; constant {
			a := argument{isOther: true, other: v, keyword: name}
			if f, number := v.(float64); number {
				a = argument{number: f, keyword: name}
			}
			if name != "" && v != nil {
				args = append(args, a)
			}
			continue
		}
		if len(tensors) == 0 {
			return fmt.Errorf("its inputs are more than its tensors")
		}
		a := tensors[0]
		a.keyword = name
		args, tensors = append(args, a), tensors[1:]
	}
	if len(tensors) > 0 {
		return fmt.Errorf("its tensors are more than its inputs")
	}
	for _, name := range sortedKeys(n.named) {
		a := argument{isOther: true, other: n.named[name], keyword: name}
		if f, number := n.named[name].(float64); number {
			a = argument{number: f, keyword: name}
		}
		args = append(args, a)
	}
	c.args = args
	return nil
}

// attribute reads a node's attribute: protobuf's JSON has whole numbers as texts and bytes in base64.
func (n *nodeDef) attribute(name string) (any, bool) {
	a, ok := n.attrs[name].(map[string]any)
	if !ok {
		return nil, false
	}
	return attributeValue(a)
}

func attributeValue(a map[string]any) (any, bool) {
	if list, ok := a["list"].(map[string]any); ok {
		var out []any
		for kind, v := range list {
			items, _ := v.([]any)
			for _, item := range items {
				if e, ok := attributeValue(map[string]any{kind: item}); ok {
					out = append(out, e)
				}
			}
		}
		if len(out) == 0 {
			return nil, false
		}
		return out, true
	}
	for kind, v := range a {
		switch kind {
		case "i":
			if text, ok := v.(string); ok {
				f, err := strconv.ParseFloat(text, 64)
				return f, err == nil
			}
			return v, true
		case "f", "b":
			return v, true
		case "s":
			text, _ := v.(string)
			raw, err := base64.StdEncoding.DecodeString(text)
			return string(raw), err == nil
		case "type":
			name, ok := map[any]string{"DT_FLOAT": "float32", "DT_HALF": "float16", "DT_DOUBLE": "float64", "DT_INT32": "int32", "DT_INT64": "int64", "DT_BOOL": "bool",
				"DT_UINT8": "uint8", "DT_INT8": "int8", "DT_BFLOAT16": "bfloat16"}[v]
			if !ok {
				return v, true
			}
			return name, true
		}
	}
	return nil, false
}

// listOf names all inputs but one, which may be the last, as one list.
func listOf(name, other string, place int) func(n *nodeDef) error {
	return func(n *nodeDef) error {
		n.operands = make([]string, n.inputs)
		for i := range n.operands {
			n.operands[i] = name
		}
		if other != "" && n.inputs > 0 {
			n.operands[(place+n.inputs)%n.inputs] = other
		}
		return nil
	}
}

// imagesLast refuses what is added to the first axis behind the batch.
func imagesLast(n *nodeDef) error {
	if v, ok := n.attribute("data_format"); ok && v != "NHWC" {
		return fmt.Errorf("with data_format %v", v)
	}
	return nil
}

// halfPixels is resizing as tf.image.resize does it; the ways of TensorFlow 1 differ from it.
func halfPixels(method string) func(n *nodeDef) error {
	return func(n *nodeDef) error {
		half, _ := n.attribute("half_pixel_centers")
		corners, _ := n.attribute("align_corners")
		if half != true || corners == true {
			return fmt.Errorf("without half_pixel_centers or with align_corners")
		}
		n.named["method"] = method
		return nil
	}
}

// stridedSlice makes a key of slices of begin, end and strides with their masks.
func stridedSlice(n *nodeDef) error {
	masks := map[string]int{}
	for _, name := range []string{"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"} {
		v, _ := n.attribute(name)
		f, _ := v.(float64)
		masks[name] = int(f)
	}
	var lists [3][]any
	for i := range lists {
		list, ok := n.constants[i+1].([]any)
		if !ok || len(list) > 16 {
			return fmt.Errorf("its parts are computed")
		}
		lists[i] = list
		delete(n.constants, i+1)
	}
	var key []any
	for i := range lists[0] {
		bit := 1 << i
		begin, ok := lists[0][i].(float64)
		if len(lists[1]) != len(lists[0]) || len(lists[2]) != len(lists[0]) || !ok || math.IsNaN(begin) {
			return fmt.Errorf("its parts do not belong together")
		}
		switch {
		case masks["ellipsis_mask"]&bit != 0:
			key = append(key, map[string]any{"class_name": "__ellipsis__"})
		case masks["new_axis_mask"]&bit != 0:
			key = append(key, nil)
		case masks["shrink_axis_mask"]&bit != 0:
			key = append(key, begin)
		default:
			slice := map[string]any{"start": lists[0][i], "stop": lists[1][i], "step": lists[2][i]}
			if masks["begin_mask"]&bit != 0 {
				slice["start"] = nil
			}
			if masks["end_mask"]&bit != 0 {
				slice["stop"] = nil
			}
			key = append(key, slice)
		}
	}
	n.inputs, n.operands = 1, []string{"tensor"}
	n.named["slice_spec"] = key
	return nil
}
