package keras

import (
	"fmt"
	"math"
	"strings"
)

// translations are the functions of TensorFlow by their canonical names, those of tf.math without that prefix.
var translations = map[string]translation{}

func init() {
	// Of one tensor, under the names that its parameter has.
	for operand, names := range map[string][]string{
		"x": {"abs=Abs", "exp=Exp", "log=Log", "log1p=Log1p", "expm1=Expm1", "sqrt=Sqrt", "rsqrt=Rsqrt", "square=Square", "negative=Negative",
			"sin=Sin", "cos=Cos", "tan=Tan", "asin=Arcsin", "acos=Arccos", "atan=Arctan", "sinh=Sinh", "cosh=Cosh", "tanh=Tanh", "asinh=Arcsinh",
			"acosh=Arccosh", "atanh=Arctanh", "sigmoid=Sigmoid", "erf=Erf", "floor=Floor", "ceil=Ceil", "round=Round", "sign=Sign",
			"reciprocal=Reciprocal", "logical_not=LogicalNot", "is_nan=Isnan", "is_inf=Isinf", "is_finite=Isfinite", "log_sigmoid=LogSigmoid",
			"nn.sigmoid=Sigmoid", "nn.tanh=Tanh", "keras.activations.sigmoid=Sigmoid", "keras.activations.tanh=Tanh", "keras.activations.linear=Copy",
			"keras.activations.swish=Silu", "keras.activations.silu=Silu", "keras.activations.softplus=Softplus", "keras.activations.softsign=Softsign",
			"keras.activations.selu=Selu", "keras.activations.exponential=Exp", "keras.activations.hard_sigmoid=HardSigmoid",
			"keras.backend.abs=Abs", "keras.backend.exp=Exp", "keras.backend.log=Log", "keras.backend.sqrt=Sqrt", "keras.backend.square=Square",
			"keras.backend.sign=Sign", "keras.backend.round=Round", "keras.backend.sin=Sin", "keras.backend.cos=Cos",
			"keras.backend.sigmoid=Sigmoid", "keras.backend.hard_sigmoid=HardSigmoid", "keras.backend.tanh=Tanh", "keras.backend.softplus=Softplus",
			"keras.backend.softsign=Softsign", "keras.backend.identity=Copy"},
		"features": {"nn.relu=Relu", "nn.relu6=Relu6", "nn.elu=Elu", "nn.selu=Selu", "nn.softplus=Softplus", "softplus=Softplus", "nn.softsign=Softsign",
			"softsign=Softsign"},
		"input": {"identity=Copy", "stop_gradient=StopGradient"},
	} {
		for _, n := range names {
			translations[before(n)] = translation{op: behind(n), operands: []string{operand}}
		}
	}
	// Of two.
	for _, n := range []string{"add=Add", "__operators__.add=Add", "subtract=Subtract", "__operators__.sub=Subtract", "multiply=Multiply", "__operators__.mul=Multiply",
		"truediv=TrueDivide", "divide=TrueDivide", "__operators__.truediv=TrueDivide", "floordiv=FloorDivide", "floormod=Mod", "mod=Mod", "pow=Power",
		"maximum=Maximum", "minimum=Minimum", "greater=Greater", "greater_equal=GreaterEqual", "less=Less", "less_equal=LessEqual", "equal=Equal",
		"not_equal=NotEqual", "__operators__.eq=Equal", "__operators__.ne=NotEqual", "logical_and=LogicalAnd", "logical_or=LogicalOr", "logical_xor=LogicalXor",
		"squared_difference=SquaredDifference", "divide_no_nan=DivideNoNan", "keras.backend.maximum=Maximum", "keras.backend.minimum=Minimum"} {
		translations[before(n)] = translation{op: behind(n), operands: []string{"x", "y"}}
	}
	translations["atan2"] = translation{op: "Arctan2", operands: []string{"y", "x"}}
	translations["add_n"] = translation{op: "AddN", operands: []string{"inputs"}}
	translations["nn.bias_add"] = translation{op: "Add", operands: []string{"value", "bias"}, constant: map[string]any{"data_format": "NHWC"}}
	// Along axes.
	for n, operand := range map[string]string{"reduce_mean=Mean": "input_tensor", "reduce_sum=Sum": "input_tensor", "reduce_max=Max": "input_tensor",
		"reduce_min=Min": "input_tensor", "reduce_prod=Prod": "input_tensor", "reduce_std=Std": "input_tensor", "reduce_variance=Var": "input_tensor",
		"reduce_logsumexp=Logsumexp": "input_tensor", "reduce_any=Any": "input_tensor", "reduce_all=All": "input_tensor",
		"keras.backend.mean=Mean": "x", "keras.backend.sum=Sum": "x", "keras.backend.max=Max": "x", "keras.backend.min=Min": "x", "keras.backend.prod=Prod": "x",
		"keras.backend.std=Std": "x", "keras.backend.var=Var": "x", "keras.backend.any=Any": "x", "keras.backend.all=All": "x",
		"keras.backend.logsumexp=Logsumexp": "x"} {
		translations[before(n)] = translation{op: behind(n), operands: []string{operand}, options: same("axis", "keepdims")}
	}
	for n, operand := range map[string]string{"argmax=Argmax": "input", "argmin=Argmin": "input", "keras.backend.argmax=Argmax": "x", "keras.backend.argmin=Argmin": "x"} {
		axis := any(0.0)
		if operand == "x" {
			axis = -1.0
		}
		translations[before(n)] = translation{op: behind(n), operands: []string{operand}, options: map[string]string{"axis": "axis", "output_type": "output_type"},
			fixed: map[string]any{"axis": axis}, settle: without("output_type")}
	}
	translations["cumsum"] = translation{op: "Cumsum", operands: []string{"x"}, options: same("axis"), fixed: map[string]any{"axis": 0.0},
		constant: map[string]any{"exclusive": false, "reverse": false}}
	for n, operand := range map[string]string{"nn.softmax=Softmax": "logits", "nn.log_softmax=LogSoftmax": "logits", "keras.activations.softmax=Softmax": "x",
		"keras.backend.softmax=Softmax": "x", "keras.activations.log_softmax=LogSoftmax": "x"} {
		translations[before(n)] = translation{op: behind(n), operands: []string{operand}, options: same("axis")}
	}
	root := func(options map[string]any) error { // the bound of the square is that of the length
		if e, ok := options["epsilon"].(float64); ok && e >= 0 {
			options["epsilon"] = math.Sqrt(e)
		}
		return nil
	}
	translations["l2_normalize"] = translation{op: "Normalize", operands: []string{"x"}, options: same("axis", "epsilon"), fixed: map[string]any{"epsilon": 1e-12}, settle: root}
	translations["nn.l2_normalize"] = translations["l2_normalize"]
	translations["keras.backend.l2_normalize"] = translations["l2_normalize"]
	translations["norm"] = translation{op: "Norm", operands: []string{"tensor"}, options: same("ord", "axis", "keepdims"), settle: euclidean}
	translations["linalg.norm"] = translations["norm"]
	activationTranslations()
	arrangingTranslations()
	pictureTranslations()
}

func activationTranslations() {
	translations["nn.leaky_relu"] = translation{op: "LeakyRelu", operands: []string{"features"}, options: map[string]string{"alpha": "negative_slope"}, fixed: map[string]any{"negative_slope": 0.2}}
	translations["nn.gelu"] = translation{op: "Gelu", operands: []string{"features"}, options: same("approximate"), fixed: map[string]any{"approximate": false}}
	translations["keras.activations.gelu"] = translation{op: "Gelu", operands: []string{"x"}, options: same("approximate"), fixed: map[string]any{"approximate": false}}
	translations["nn.silu"] = translation{op: "Silu", operands: []string{"features"}, constant: map[string]any{"beta": 1.0}}
	translations["nn.swish"] = translations["nn.silu"]
	translations["keras.activations.elu"] = translation{op: "Elu", operands: []string{"x"}, options: same("alpha")}
	translations["keras.backend.elu"] = translations["keras.activations.elu"]
	for name, slope := range map[string]string{"keras.activations.relu": "alpha", "keras.backend.relu": "alpha"} {
		translations[name] = translation{op: "ReluOf", operands: []string{"x"}, options: map[string]string{slope: "negative_slope", "max_value": "max_value", "threshold": "threshold"}}
	}
	translations["clip_by_value"] = translation{op: "Clip", operands: []string{"t"}, options: map[string]string{"clip_value_min": "x_min", "clip_value_max": "x_max"}}
	translations["keras.backend.clip"] = translation{op: "Clip", operands: []string{"x"}, options: map[string]string{"min_value": "x_min", "max_value": "x_max"}}
}

func arrangingTranslations() {
	translations["__operators__.getitem"] = translation{op: "GetItem", operands: []string{"tensor"}, options: map[string]string{"slice_spec": "key"}, settle: keyOfSlices}
	translations["shape"] = translation{op: "Shape", operands: []string{"input"}, options: map[string]string{"out_type": "out_type"}, settle: without("out_type")}
	translations["keras.backend.shape"] = translation{op: "Shape", operands: []string{"x"}}
	translations["reshape"] = translation{op: "ReshapeTo", operands: []string{"tensor", "shape"}}
	translations["keras.backend.reshape"] = translation{op: "ReshapeTo", operands: []string{"x", "shape"}}
	translations["transpose"] = translation{op: "Transpose", operands: []string{"a"}, options: map[string]string{"perm": "axes"}, constant: map[string]any{"conjugate": false}}
	translations["keras.backend.permute_dimensions"] = translation{op: "Transpose", operands: []string{"x"}, options: map[string]string{"pattern": "axes"}}
	for name, operand := range map[string]string{"expand_dims": "input", "keras.backend.expand_dims": "x"} {
		translations[name] = translation{op: "ExpandDims", operands: []string{operand}, options: same("axis"), fixed: map[string]any{"axis": -1.0}}
	}
	translations["squeeze"] = translation{op: "Squeeze", operands: []string{"input"}, options: same("axis")}
	translations["keras.backend.squeeze"] = translation{op: "Squeeze", operands: []string{"x"}, options: same("axis")}
	translations["concat"] = translation{op: "Concatenate", operands: []string{"values"}, options: same("axis")}
	translations["keras.backend.concatenate"] = translation{op: "Concatenate", operands: []string{"tensors"}, options: same("axis"), fixed: map[string]any{"axis": -1.0}}
	translations["stack"] = translation{op: "Stack", operands: []string{"values"}, options: same("axis")}
	translations["keras.backend.stack"] = translation{op: "Stack", operands: []string{"x"}, options: same("axis")}
	translations["unstack"] = translation{op: "Unstack", operands: []string{"value"}, options: same("axis", "num")}
	translations["split"] = translation{op: "Split", operands: []string{"value"}, options: map[string]string{"num_or_size_splits": "indices_or_sections", "axis": "axis", "num": "num"}, settle: sizesToEnds}
	translations["tile"] = translation{op: "Tile", operands: []string{"input"}, options: map[string]string{"multiples": "repeats"}}
	translations["repeat"] = translation{op: "Repeat", operands: []string{"input"}, options: same("repeats", "axis")}
	translations["keras.backend.repeat_elements"] = translation{op: "Repeat", operands: []string{"x"}, options: map[string]string{"rep": "repeats", "axis": "axis"}}
	translations["pad"] = translation{op: "Pad", operands: []string{"tensor", "constant_values"}, options: map[string]string{"paddings": "pad_width", "mode": "mode"}, settle: lowered}
	translations["reverse"] = translation{op: "Flip", operands: []string{"tensor"}, options: same("axis")}
	translations["keras.backend.reverse"] = translation{op: "Flip", operands: []string{"x"}, options: map[string]string{"axes": "axis"}}
	translations["roll"] = translation{op: "Roll", operands: []string{"input"}, options: same("shift", "axis")}
	translations["gather"] = translation{op: "Take", operands: []string{"params", "indices"}, options: map[string]string{"axis": "axis"}, fixed: map[string]any{"axis": 0.0},
		constant: map[string]any{"batch_dims": 0.0, "validate_indices": nil}}
	translations["where"] = translation{op: "Where", operands: []string{"condition", "x", "y"}}
	translations["keras.backend.switch"] = translation{op: "Where", operands: []string{"condition", "then_expression", "else_expression"}}
	for name, op := range map[string]string{"zeros_like": "ZerosLike", "ones_like": "OnesLike"} {
		translations[name] = translation{op: op, operands: []string{"input"}, options: same("dtype")}
		translations["keras.backend."+name] = translation{op: op, operands: []string{"x"}, options: same("dtype")}
	}
	translations["cast"] = translation{op: "Cast", operands: []string{"x"}, options: same("dtype")}
	translations["keras.backend.cast"] = translations["cast"]
	translations["convert_to_tensor"] = translation{op: "ConvertToTensor", operands: []string{"value"}, options: same("dtype")}
	translations["one_hot"] = translation{op: "OneHot", operands: []string{"indices"}, options: map[string]string{"depth": "num_classes", "axis": "axis", "dtype": "dtype"},
		constant: map[string]any{"on_value": 1.0, "off_value": 0.0}}
	translations["keras.backend.one_hot"] = translation{op: "OneHot", operands: []string{"indices"}, options: map[string]string{"num_classes": "num_classes"}}
	translations["linalg.matmul"] = translation{op: "MatMul", operands: []string{"a", "b"}, options: map[string]string{"transpose_a": "transpose_a", "transpose_b": "transpose_b",
		"adjoint_a": "adjoint_a", "adjoint_b": "adjoint_b"}, constant: map[string]any{"a_is_sparse": false, "b_is_sparse": false}}
	translations["matmul"] = translations["linalg.matmul"]
	translations["keras.backend.dot"] = translation{op: "Dot", operands: []string{"x", "y"}}
	translations["top_k"] = translation{op: "TopK", operands: []string{"input"}, options: same("k", "sorted"), fixed: map[string]any{"k": 1.0}}
	translations["nn.top_k"] = translations["top_k"]
}

func pictureTranslations() {
	translations["image.resize"] = translation{op: "Resize", operands: []string{"images"}, options: map[string]string{"size": "size", "method": "interpolation", "antialias": "antialias"},
		constant: map[string]any{"preserve_aspect_ratio": false}, settle: lowered}
	translations["image.rgb_to_grayscale"] = translation{op: "RGBToGrayscale", operands: []string{"images"}}
	for _, kind := range []string{"max", "avg"} {
		op := map[string]string{"max": "MaxPool", "avg": "AveragePool"}[kind]
		for _, axes := range []string{"", "1d", "2d", "3d"} {
			translations["nn."+kind+"_pool"+axes] = translation{op: op, operands: []string{"input"}, options: map[string]string{"ksize": "pool_size", "strides": "strides",
				"padding": "padding", "data_format": "data_format"}, settle: lowered}
		}
	}
	for name, op := range map[string]string{"nn.depth_to_space": "DepthToSpace", "nn.space_to_depth": "SpaceToDepth"} {
		translations[name] = translation{op: op, operands: []string{"input"}, options: same("block_size", "data_format"), settle: lowered}
	}
}

// before and behind take "function=Operation" apart.
func before(pair string) string { name, _, _ := strings.Cut(pair, "="); return name }
func behind(pair string) string { _, op, _ := strings.Cut(pair, "="); return op }

func same(names ...string) map[string]string {
	m := map[string]string{}
	for _, n := range names {
		m[n] = n
	}
	return m
}

// without drops an option that says only how wide whole numbers are.
func without(name string) func(map[string]any) error {
	return func(options map[string]any) error {
		delete(options, name)
		return nil
	}
}

// euclidean is TensorFlow's default norm.
func euclidean(options map[string]any) error {
	if options["ord"] == "euclidean" {
		delete(options, "ord")
	}
	return nil
}

// sizesToEnds makes the sizes of parts the places where one part ends and the next begins.
func sizesToEnds(options map[string]any) error {
	delete(options, "num")
	list, ok := options["indices_or_sections"].([]any)
	if !ok {
		return nil
	}
	var ends []any
	sum := 0.0
	for _, v := range list {
		f, isNumber := v.(float64)
		if !isNumber || f < 1 {
			return fmt.Errorf("with parts of %s", describe(v))
		}
		sum += f
		ends = append(ends, sum)
	}
	if len(ends) > 0 {
		ends = ends[:len(ends)-1]
	}
	options["indices_or_sections"] = ends
	return nil
}

// keyOfSlices writes a key as keras.ops has it: a slice is an object of start, stop and step in TensorFlow's files.
func keyOfSlices(options map[string]any) error {
	list, ok := options["key"].([]any)
	if !ok {
		list = []any{options["key"]}
	}
	key := make([]any, len(list))
	for i, e := range list {
		m, isObject := e.(map[string]any)
		switch {
		case isObject && m["class_name"] == "__ellipsis__", e == "...":
			key[i] = map[string]any{"class_name": "__ellipsis__"}
		case isObject && m["class_name"] == nil:
			for _, part := range []string{"start", "stop", "step"} {
				if _, number := m[part].(float64); !number && m[part] != nil {
					return fmt.Errorf("with a slice that is computed")
				}
			}
			key[i] = map[string]any{"class_name": "__slice__", "config": m}
		default:
			key[i] = e
		}
	}
	options["key"] = key
	return nil
}
