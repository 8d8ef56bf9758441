package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

// functionCall is one call of an operation of keras.ops on tensors, numbers and constants.
type functionCall struct {
	*formula
	args []*tensor // in order, constants among them; of keywords too
	key  any       // the first argument that is none of these
}

// function is an operation of keras.ops whose options have been read.
type function struct {
	least, most int  // arguments
	keyed       bool // takes what is no tensor as a key
	key         any  // one among the options
	op          string
	apply       func(f *functionCall) ([]*tensor, error)
}

func (f *function) keepsTypes() {}

// functions reads the options of each operation.
var functions = map[string]func(o *options) *function{}

func registerFunction(least, most int, parse func(o *options) func(f *functionCall) ([]*tensor, error), names ...string) {
	for _, n := range names {
		functions[n] = func(o *options) *function { return &function{least: least, most: most, apply: parse(o)} }
	}
}

// function reads an operation of keras.ops called on tensors.
func (o *options) function() operation {
	o.ignore("name")
	class := o.layer.class
	parse, ok := functions[class]
	if o.layer.op != "" {
		class = o.layer.op
		if parse, ok = foreignFunctions[class]; !ok {
			parse, ok = functions[class]
		}
	}
	if !ok {
		o.unsupported("replace it by layers of Keras and save again", "the function keras.ops.%s is not supported", class)
		return nil
	}
	f := parse(o)
	f.op = class
	o.finishFunction()
	return f
}

// finishFunction reports options that no one read.
func (o *options) finishFunction() {
	for _, name := range sortedKeys(o.layer.options) {
		if v := o.layer.options[name]; !o.read[name] && v != nil {
			o.unsupported("replace it by layers of Keras and save again", "keras.ops.%s with the option %s", o.layer.class, name)
		}
	}
}

func (f *function) lowerAll(l *lowering, _ []*tensor) ([]*tensor, error) {
	c := &functionCall{formula: &formula{l: l}, key: f.key}
	absent := false
	for i, a := range l.call.args {
		t := l.given[i]
		if t == nil && a.isOther {
			t = l.constant(a.other, !f.keyed)
		}
		switch {
		case t != nil && absent:
			return nil, fmt.Errorf("an operand before others is left out")
		case t != nil:
			c.args = append(c.args, t)
		case f.keyed && a.keyword == "" && c.key == nil:
			c.key = a.other
		case a.other == nil:
			absent = true
		case a.keyword == "" || a.other != false:
			return nil, fmt.Errorf("it is called with %s", describe(a.other))
		}
	}
	if n := len(c.args); n < f.least || n > f.most {
		return nil, fmt.Errorf("it is called on %d operands", n)
	}
	if out, done, err := c.sizes(f.op); done || err != nil {
		return out, err
	}
	out, err := f.apply(c)
	if err == nil {
		err = c.err
	}
	return out, err
}

func (f *function) lower(l *lowering, in []*tensor) (*tensor, error) {
	out, err := f.lowerAll(l, in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// constant makes a tensor of an array in the configuration, or of lists of numbers where these may stand for one; nil when
// it is none.
func (l *lowering) constant(v any, lists bool) *tensor {
	m, _ := v.(map[string]any)
	_, isList := v.([]any)
	config, _ := m["config"].(map[string]any)
	if class := m["class_name"]; class != "__numpy__" && class != "__tensor__" && !(lists && isList) {
		return nil
	} else if isList {
		config = map[string]any{"value": v}
	}
	var numbers []float32
	var shape graph.Shape
	ok := true
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		switch v := v.(type) {
		case bool:
			ok = ok && depth == len(shape)
			numbers = append(numbers, 0)
			if v {
				numbers[len(numbers)-1] = 1
			}
		case float64:
			ok = ok && depth == len(shape)
			numbers = append(numbers, float32(v))
		case []any:
			if depth == len(shape) && len(numbers) == 0 {
				shape = append(shape, int64(len(v)))
			}
			ok = ok && depth < len(shape) && int64(len(v)) == shape[depth] && len(v) > 0
			for _, e := range v {
				if ok {
					walk(e, depth+1)
				}
			}
		default:
			ok = false
		}
	}
	walk(config["value"], 0)
	if !ok || len(numbers) > 1<<20 {
		return nil
	}
	t := &tensor{shape: shape, step: -1, values: [layouts]graph.ValueID{graph.None, graph.None}}
	t.values[asSource] = l.floats("constant", append(graph.Shape{}, shape...), numbers)
	return t
}

// value gives an argument in the source's layout.
func (f *functionCall) value(i int) graph.ValueID {
	if f.err != nil {
		return graph.None
	}
	v, err := f.l.as(f.args[i], asSource)
	if err != nil {
		f.err = err
	}
	return v
}

func (f *functionCall) result(v graph.ValueID) ([]*tensor, error) {
	if f.err != nil {
		return nil, f.err
	}
	return []*tensor{f.l.tensorOf(v, asSource)}, nil
}

// number32 casts whole numbers and booleans to float32.
func (f *functionCall) number32(v graph.ValueID) graph.ValueID {
	if f.err != nil || f.l.g.Values[v].DType == graph.Float32 {
		return v
	}
	return f.cast(v, graph.Float32)
}

// alike gives the arguments in one layout and one type, broadcasting as NumPy does: tensors of one rank, or of several
// in the source's layout.
func (f *functionCall) alike(args []*tensor) ([]graph.ValueID, layout, error) {
	form, rank := asSource, -1
	sameRank := true
	for _, t := range args {
		if len(t.shape) == 0 {
			continue
		}
		if rank >= 0 && rank != len(t.shape) {
			sameRank = false
		}
		rank = len(t.shape)
		if rank >= 3 && t.form() == channelsFirst {
			form = channelsFirst
		}
	}
	if rank < 0 {
		return nil, form, fmt.Errorf("it is called on numbers only")
	}
	if !sameRank {
		form = asSource
	}
	values := make([]graph.ValueID, len(args))
	var dtype graph.DType
	mixed := false
	for i, t := range args {
		at := form
		if len(t.shape) == 0 {
			at = asSource
		}
		v, err := f.l.as(t, at)
		if err != nil {
			return nil, form, err
		}
		values[i] = v
		d := f.l.g.Values[v].DType
		mixed = mixed || dtype != 0 && d != dtype || d == graph.Bool
		dtype = d
	}
	if mixed {
		for i := range values {
			values[i] = f.number32(values[i])
		}
	}
	return values, form, f.err
}

func init() {
	for name, op := range map[string]string{"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "TrueDivide": "Div", "Divide": "Div",
		"Maximum": "Max", "Minimum": "Min", "Power": "Pow", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "Less": "Less",
		"LessEqual": "LessOrEqual", "Equal": "Equal", "NotEqual": "NotEqual"} {
		registerFunction(2, 2, func(*options) func(*functionCall) ([]*tensor, error) {
			return func(f *functionCall) ([]*tensor, error) {
				v, form, err := f.alike(f.args)
				if err != nil {
					return nil, err
				}
				if op == "Div" || op == "Pow" {
					v[0], v[1] = f.number32(v[0]), f.number32(v[1])
				}
				var y graph.ValueID
				if op == "NotEqual" {
					y = f.op("Not", f.op("Equal", v...))
				} else {
					y = f.op(op, v...)
				}
				if f.err != nil {
					return nil, f.err
				}
				return []*tensor{f.l.tensorOf(y, form)}, nil
			}
		}, name)
	}
	for name, op := range map[string]string{"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor"} {
		registerFunction(2, 2, func(*options) func(*functionCall) ([]*tensor, error) {
			return func(f *functionCall) ([]*tensor, error) {
				return f.result(f.op(op, f.boolean(f.value(0)), f.boolean(f.value(1))))
			}
		}, name)
	}
	registerFunction(3, 3, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) {
			v, _, err := f.alike([]*tensor{f.args[1], f.args[2], f.args[0]})
			if err != nil {
				return nil, err
			}
			return f.result(f.op("Where", f.boolean(f.value(0)), f.sourceOf(1, v[0]), f.sourceOf(2, v[1])))
		}
	}, "Where")
	elementwiseFunctions()
	reducingFunctions()
	arrangingFunctions()
}

// sourceOf gives an argument in the source's layout and in the type of another of its values.
func (f *functionCall) sourceOf(i int, like graph.ValueID) graph.ValueID {
	v := f.value(i)
	if f.err == nil && f.l.g.Values[v].DType != f.l.g.Values[like].DType {
		v = f.cast(v, f.l.g.Values[like].DType)
	}
	return v
}

func (f *functionCall) boolean(v graph.ValueID) graph.ValueID {
	if f.err != nil || f.l.g.Values[v].DType == graph.Bool {
		return v
	}
	return f.cast(v, graph.Bool)
}

// elementwiseFunctions registers functions of one tensor, element by element.
func elementwiseFunctions() {
	byName := map[string]activation{
		"Absolute": one("Abs"), "Abs": one("Abs"), "Exp": one("Exp"), "Log": one("Log"), "Sqrt": one("Sqrt"), "Negative": one("Neg"),
		"Sin": one("Sin"), "Cos": one("Cos"), "Tan": one("Tan"), "Sinh": one("Sinh"), "Cosh": one("Cosh"), "Arcsin": one("Asin"),
		"Arccos": one("Acos"), "Arctan": one("Atan"), "Arcsinh": one("Asinh"), "Arccosh": one("Acosh"), "Arctanh": one("Atanh"),
		"Floor": one("Floor"), "Ceil": one("Ceil"), "Sign": one("Sign"), "Reciprocal": one("Reciprocal"), "Erf": one("Erf"),
		"Square": chain(func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Mul", x, x) }),
		"Rsqrt":  chain(func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Reciprocal", c.op("Sqrt", x)) }),
		"Log1p":  chain(func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Log", c.op("Add", x, c.number(1))) }),
		"Expm1":  chain(func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Sub", c.op("Exp", x), c.number(1)) }),
		"Log2": chain(func(c *formula, x graph.ValueID) graph.ValueID {
			return c.op("Mul", c.op("Log", x), c.number(math.Log2E))
		}),
		"Log10": chain(func(c *formula, x graph.ValueID) graph.ValueID {
			return c.op("Mul", c.op("Log", x), c.number(math.Log10E))
		}),
	}
	for name, of := range map[string]string{"Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu", "Relu6": "relu6", "Softplus": "softplus",
		"Softsign": "softsign", "Silu": "silu", "Selu": "selu", "LogSigmoid": "log_sigmoid", "HardTanh": "hard_tanh", "TanhShrink": "tanh_shrink",
		"SparsePlus": "sparse_plus", "SparseSigmoid": "sparse_sigmoid"} {
		byName[name] = activations[of]
	}
	for name, f := range byName {
		registerFunction(1, 1, func(*options) func(*functionCall) ([]*tensor, error) { return applied(f) }, name)
	}
	for name, parse := range map[string]func(o *options) activation{
		"HardSigmoid": func(o *options) activation { return o.named("hard_sigmoid") },
		"HardSilu":    func(o *options) activation { return o.named("hard_silu") },
		"LeakyRelu": func(o *options) activation {
			return one("LeakyRelu", floatAttr("alpha", o.number(0.2, "negative_slope")))
		},
		"Elu":        func(o *options) activation { return one("Elu", floatAttr("alpha", o.number(1, "alpha"))) },
		"Celu":       func(o *options) activation { return celu(o.number(1, "alpha")) },
		"SoftShrink": func(o *options) activation { return softShrink(o.number(0.5, "threshold")) },
		"HardShrink": func(o *options) activation { return hardShrink(o.number(0.5, "threshold")) },
		"Squareplus": func(o *options) activation { return squareplus(o.number(4, "b")) },
		"Glu":        func(o *options) activation { return glu(o.integer(-1, -8, "axis")) },
		"Softmax":    func(o *options) activation { return softmaxOf("Softmax", int(o.integer(-1, -8, "axis"))) },
		"LogSoftmax": func(o *options) activation { return softmaxOf("LogSoftmax", int(o.integer(-1, -8, "axis"))) },
		"Gelu": func(o *options) activation {
			if o.boolean(true, "approximate") {
				return chain(geluByTanh)
			}
			return chain(gelu)
		},
		"Round": func(o *options) activation {
			if d := o.integer(0, 0, "decimals"); d != 0 {
				o.unsupported("round to whole numbers", "rounding to %d decimals", d)
			}
			return one("Round")
		},
		"Clip": func(o *options) activation {
			low, high := o.number(math.Inf(-1), "x_min"), o.number(math.Inf(1), "x_max")
			return clip(math.Max(low, -math.MaxFloat32), math.Min(high, math.MaxFloat32))
		},
	} {
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) { return applied(parse(o)) }, name)
	}
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		o.ignore("dtype", "sparse", "ragged")
		return func(f *functionCall) ([]*tensor, error) { return f.args, nil }
	}, "Copy", "StopGradient", "Conjugate", "Conj", "Real", "ConvertToTensor")
	registerFunction(1, 1, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) { return f.result(f.op("Not", f.boolean(f.value(0)))) }
	}, "LogicalNot")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		dtype, _ := o.elementType("dtype")
		return func(f *functionCall) ([]*tensor, error) {
			t := f.args[0]
			v := t.values[t.form()]
			if f.l.g.Values[v].DType == dtype {
				return f.args, nil
			}
			v = f.cast(v, dtype)
			if f.err != nil {
				return nil, f.err
			}
			return []*tensor{f.l.tensorOf(v, t.form())}, nil
		}
	}, "Cast", "SaturateCast")
}

// applied calls an activation on the one argument, in float32.
func applied(a activation) func(*functionCall) ([]*tensor, error) {
	return func(f *functionCall) ([]*tensor, error) {
		t, err := f.l.toFloat(f.args[0])
		t, err = a.apply(f.l, t, err)
		return []*tensor{t}, err
	}
}

// reducingFunctions registers functions that sum or compare along axes.
func reducingFunctions() {
	for name, op := range map[string]string{"Mean": "ReduceMean", "Sum": "ReduceSum", "Max": "ReduceMax", "Amax": "ReduceMax", "Min": "ReduceMin",
		"Amin": "ReduceMin", "Prod": "ReduceProd", "Logsumexp": "ReduceLogSumExp", "Std": "Std", "Var": "Var", "Argmax": "ArgMax",
		"Argmin": "ArgMin"} {
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			axes, keep := o.reducedAxes()
			return func(f *functionCall) ([]*tensor, error) {
				rank := len(f.args[0].shape)
				list, err := sourceAxes(axes, rank)
				if err != nil {
					return nil, err
				}
				x := f.value(0)
				kept := intAttr("keepdims", keep)
				switch op {
				case "ReduceSum":
					return f.result(f.with(op, []graph.Attr{kept}, f.number32(x), f.l.integers("axes", list)))
				case "ArgMax", "ArgMin":
					if len(list) != 1 {
						return nil, fmt.Errorf("it takes one axis")
					}
					return f.result(f.cast(f.with(op, []graph.Attr{intAttr("axis", list[0]), kept}, f.number32(x)), graph.Int32))
				case "Std", "Var":
					x = f.number32(x)
					x = f.op("Sub", x, f.mean(x, list))
					x = f.with("ReduceMean", []graph.Attr{intsAttr("axes", list...), kept}, f.op("Mul", x, x))
					if op == "Std" {
						x = f.op("Sqrt", x)
					}
					return f.result(x)
				}
				return f.result(f.with(op, []graph.Attr{intsAttr("axes", list...), kept}, f.number32(x)))
			}
		}, name)
	}
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes, order, epsilon := o.axes("axis"), o.integer(2, 1, "order"), o.number(normalizationEpsilon, "epsilon")
		if order != 2 {
			o.unsupported("use the order 2", "normalisation by the norm of order %d", order)
		}
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape))
			if err != nil {
				return nil, err
			}
			return f.result(f.unit(f.number32(f.value(0)), list, epsilon))
		}
	}, "Normalize")
	registerFunction(2, 2, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) {
			return f.result(f.op("MatMul", f.number32(f.value(0)), f.number32(f.value(1))))
		}
	}, "Matmul")
	registerFunction(1, 8, func(o *options) func(*functionCall) ([]*tensor, error) {
		equation := o.text("", "subscripts")
		return func(f *functionCall) ([]*tensor, error) {
			var in []graph.ValueID
			for i := range f.args {
				in = append(in, f.number32(f.value(i)))
			}
			return f.result(f.with("Einsum", []graph.Attr{textAttr("equation", equation)}, in...))
		}
	}, "Einsum")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axis := o.integers("axis")
		o.ignore("dtype")
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axis, len(f.args[0].shape))
			if err != nil || len(list) != 1 {
				return nil, fmt.Errorf("it takes one axis, not %v", axis)
			}
			return f.result(f.op("CumSum", f.number32(f.value(0)), f.l.integer(list[0])))
		}
	}, "Cumsum")
}
