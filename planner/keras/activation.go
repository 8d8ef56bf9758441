package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

// activation is an elementwise function (or softmax) at the end of a layer; nil does nothing.
type activation func(l *lowering, t *tensor) (*tensor, error)

func (f activation) apply(l *lowering, t *tensor, err error) (*tensor, error) {
	if err != nil || f == nil {
		return t, err
	}
	return f(l, t)
}

func init() {
	register(func(o *options) operation {
		if o.layer.options["activation"] == nil {
			o.malformed("option activation is missing")
		}
		return elementwise{o.activation()}
	}, "Activation")
	register(func(o *options) operation {
		return elementwise{reluOf(o.optional("max_value"), o.number(0, "negative_slope", "alpha"), o.number(0, "threshold"))}
	}, "ReLU")
	register(func(o *options) operation {
		// Keras 3 says negative_slope; the others say alpha. The default is 0.3 in all of them.
		return elementwise{one("LeakyRelu", floatAttr("alpha", o.number(0.3, "negative_slope", "alpha")))}
	}, "LeakyReLU")
	register(func(o *options) operation {
		return elementwise{one("Elu", floatAttr("alpha", o.number(1, "alpha")))}
	}, "ELU")
	register(func(o *options) operation {
		return elementwise{reluOf(nil, 0, o.number(1, "theta"))}
	}, "ThresholdedReLU")
	register(func(o *options) operation {
		o.accept("mask")
		return &softmax{elementwise{softmaxOver(o.axes("axis"))}}
	}, "Softmax")
	register(func(o *options) operation { return &prelu{shared: o.integers("shared_axes")} }, "PReLU")
}

// optional reads a number that may be null.
func (o *options) optional(name string) *float64 {
	v, ok := asNumber(o.value(name))
	if !ok || v != nil && (math.IsNaN(*v) || *v < 0) {
		o.malformed("option %s is not a number of at least 0", name)
		return nil
	}
	return v
}

// elementwise is a layer that is an activation and nothing else.
type elementwise struct{ f activation }

func (e elementwise) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	return e.f.apply(l, t, err)
}

// softmax is the layer, which reads masks as the activation does not.
type softmax struct{ elementwise }

func (s *softmax) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	mask, err := l.maskOf(in)
	if err != nil {
		return nil, err
	}
	if mask == nil {
		return s.f.apply(l, t, nil)
	}
	if len(mask.shape) != len(t.shape) {
		return nil, fmt.Errorf("its mask %s does not fit its input %s", mask.shape, t.shape)
	}
	values, form, err := l.together([]*tensor{t, mask})
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	counts := c.cast(values[1], graph.Bool)
	masked := c.op("Where", counts, values[0], c.number(-1e9))
	if c.err != nil {
		return nil, c.err
	}
	y, err := s.f.apply(l, l.tensorOf(masked, form), nil)
	if err != nil {
		return nil, err
	}
	v := c.op("Mul", y.values[form], values[1]) // nothing where nothing counts
	return c.tensor(v, form)
}

// one is an activation that is one ONNX operator.
func one(op string, attrs ...graph.Attr) activation {
	return func(l *lowering, t *tensor) (*tensor, error) { return l.unary(t, op, attrs...) }
}

// chain is an activation written as a formula on values. It works in the layout the tensor has.
func chain(f func(c *formula, x graph.ValueID) graph.ValueID) activation {
	return func(l *lowering, t *tensor) (*tensor, error) {
		form := t.form()
		c := &formula{l: l}
		v := f(c, t.values[form])
		return c.tensor(v, form)
	}
}

// activations are those that mean the same in every version of Keras.
var activations = map[string]activation{
	"linear":      nil,
	"relu":        one("Relu"),
	"sigmoid":     one("Sigmoid"),
	"tanh":        one("Tanh"),
	"softplus":    one("Softplus"),
	"softsign":    one("Softsign"),
	"elu":         one("Elu"),
	"selu":        one("Selu"), // ONNX's default alpha and gamma are Keras's scale * alpha and scale
	"exponential": one("Exp"),
	"softmax":     softmaxOf("Softmax", -1),
	"log_softmax": softmaxOf("LogSoftmax", -1),
	"swish":       chain(silu),
	"silu":        chain(silu),
	"gelu":        chain(gelu),
	// relu6 is a function of keras-applications in Keras 1 and 2 and of Keras itself in 3, always min(max(x, 0), 6).
	"relu6": reluOf(new(6.0), 0, 0),
	"mish": chain(func(c *formula, x graph.ValueID) graph.ValueID {
		return c.op("Mul", x, c.op("Tanh", c.op("Softplus", x)))
	}),
	// Keras 3's leaky_relu takes a slope of 0.2 where the LeakyReLU layer takes 0.3.
	"leaky_relu": one("LeakyRelu", floatAttr("alpha", 0.2)),
	"hard_tanh":  clip(-1, 1),
	"celu":       celu(1),
	// Clips (x + 1) / 2 to what lies between 0 and 1.
	"sparse_sigmoid": one("HardSigmoid", floatAttr("alpha", 0.5), floatAttr("beta", 0.5)),
	"tanh_shrink":    chain(func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Sub", x, c.op("Tanh", x)) }),
	"soft_shrink":    softShrink(0.5),
	"hard_shrink":    hardShrink(0.5),
	"squareplus":     squareplus(4),
	"sparse_plus":    chain(sparsePlus),
	"glu":            glu(-1),
	"sparsemax":      sparsemax(-1),
	"log_sigmoid": chain(func(c *formula, x graph.ValueID) graph.ValueID {
		return c.op("Neg", c.op("Softplus", c.op("Neg", x)))
	}),
}

// activation reads the option of that name: a name, or a serialised activation layer.
func (o *options) activation() activation { return o.activationOf("activation", "") }

// activationOf reads an activation under an option's name; def is what stands for an absent one.
func (o *options) activationOf(option, def string) activation {
	v := o.value(option)
	if _, there := o.layer.options[option]; !there && def != "" {
		v = def
	}
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return o.named(v)
	case map[string]any:
		class, _ := v["class_name"].(string)
		config, _ := v["config"].(map[string]any)
		switch class {
		case "ReLU", "LeakyReLU", "ELU", "Softmax", "ThresholdedReLU", "Activation":
			inner := &options{layer: &layerConfig{name: o.layer.name, class: class, options: config}, major: o.major, read: map[string]bool{}}
			op := parsers[class](inner)
			inner.finish()
			o.findings = append(o.findings, inner.findings...)
			if s, ok := op.(*softmax); ok {
				return s.f
			}
			return op.(elementwise).f
		}
		o.unsupported("use one of Keras's own activations", "activation of class %q", class)
	default:
		o.malformed("option %s is %s", option, describe(v))
	}
	return nil
}

func (o *options) named(name string) activation {
	switch {
	case name == "hard_sigmoid" && o.major < 3: // clip(0.2 x + 0.5, 0, 1)
		return one("HardSigmoid", floatAttr("alpha", 0.2), floatAttr("beta", 0.5))
	case name == "hard_sigmoid": // relu6(x + 3) / 6
		return one("HardSigmoid", floatAttr("alpha", 1.0/6), floatAttr("beta", 0.5))
	case name == "hard_swish" || name == "hard_silu":
		// x relu6(x + 3) / 6: built into Keras 3. In files of Keras 1 and 2 it is a function of keras-applications'
		// MobileNetV3 or of the author's own after the paper (Howard et al., 2019), which gave it name and formula.
		return one("HardSwish")
	}
	f, ok := activations[name]
	if !ok {
		o.unsupported("use one of Keras's own activations", "activation %q is not known", name)
	}
	return f
}

func silu(c *formula, x graph.ValueID) graph.ValueID { return c.op("Mul", x, c.op("Sigmoid", x)) }

// gelu is Keras's default, exact form: x/2 (1 + erf(x / sqrt 2)).
func gelu(c *formula, x graph.ValueID) graph.ValueID {
	erf := c.op("Erf", c.op("Mul", x, c.number(math.Sqrt(0.5))))
	return c.op("Mul", c.op("Mul", x, c.number(0.5)), c.op("Add", erf, c.number(1)))
}

func clip(low, high float64) activation {
	return chain(func(c *formula, x graph.ValueID) graph.ValueID {
		return c.op("Clip", x, c.number(low), c.number(high))
	})
}

// reluOf is Keras's relu with a maximum, a slope below the threshold, and a threshold:
//
//	f(x) = max for x >= max, x for threshold <= x < max, slope (x - threshold) otherwise
//
// put together as Keras's own backends do it, which decides the corner cases.
func reluOf(most *float64, slope, threshold float64) activation {
	switch {
	case threshold == 0 && slope == 0 && most == nil:
		return one("Relu")
	case threshold == 0 && slope == 0:
		return clip(0, *most)
	case threshold == 0 && most == nil:
		return one("LeakyRelu", floatAttr("alpha", slope))
	}
	return chain(func(c *formula, x graph.ValueID) graph.ValueID {
		var y graph.ValueID
		if threshold != 0 {
			above := c.op("Greater", x, c.number(threshold))
			y = c.op("Mul", x, c.with("Cast", []graph.Attr{intAttr("to", int64(graph.Float32))}, above))
		} else {
			y = c.op("Relu", x)
		}
		if most != nil {
			y = c.op("Clip", y, c.number(0), c.number(*most))
		}
		if slope != 0 {
			below := c.op("Relu", c.op("Sub", c.number(threshold), x))
			y = c.op("Sub", y, c.op("Mul", below, c.number(slope)))
		}
		return y
	})
}

func softmaxOf(op string, axis int) activation {
	return func(l *lowering, t *tensor) (*tensor, error) {
		a, err := normalAxis(int64(axis), len(t.shape))
		if err != nil {
			return nil, err
		}
		return l.unary(t, op, intAttr("axis", int64(physical(a, len(t.shape), t.form()))))
	}
}

// softmaxOver is softmax over one axis or over several together.
func softmaxOver(axes []int64) activation {
	if len(axes) == 1 {
		return softmaxOf("Softmax", int(axes[0]))
	}
	return func(l *lowering, t *tensor) (*tensor, error) {
		over, err := normalAxes(axes, len(t.shape))
		if err != nil {
			return nil, err
		}
		form := t.form()
		at := physicalAxes(over, len(t.shape), form)
		c := &formula{l: l}
		x := t.values[form]
		x = c.op("Exp", c.op("Sub", x, c.with("ReduceMax", []graph.Attr{intsAttr("axes", at...), intAttr("keepdims", 1)}, x)))
		v := c.op("Div", x, c.with("ReduceSum", []graph.Attr{intAttr("keepdims", 1)}, x, l.integers("axes", at)))
		return c.tensor(v, form)
	}
}

// prelu is a leaky relu with stored slopes, one per position of the input except along shared axes.
type prelu struct{ shared []int64 }

func (p *prelu) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	form := t.form()
	slope, err := l.perPosition(t, p.shared, form, "alpha")
	if err != nil {
		return nil, err
	}
	v, err := l.emit("PRelu", append([]graph.ValueID{t.values[form]}, slope...))
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, form), nil
}
