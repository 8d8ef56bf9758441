package keras

import "partita/planner/graph"

// Layers that bring data into the form that a network wants, by numbers that are settled before it is trained.

func init() {
	register(func(o *options) operation {
		return &rescaling{o.perChannel("scale", 1), o.perChannel("offset", 0)}
	}, "Rescaling")
	register(parseNormalization, "Normalization")
}

// rescaling is x * scale + offset, each one number or one for each element of the last axis.
type rescaling struct{ scale, offset []float32 }

// perChannel reads a number or a list of numbers.
func (o *options) perChannel(name string, def float64) []float32 {
	if v, _ := asNumber(o.layer.options[name]); v == nil || o.layer.options[name] == nil {
		o.ignore(name)
		return []float32{float32(def)}
	}
	list, single := o.layer.options[name].([]any)
	if m, ok := o.layer.options[name].(map[string]any); ok && m["class_name"] == "__numpy__" {
		config, _ := m["config"].(map[string]any)
		list, single = config["value"].([]any)
	}
	if !single || len(list) == 1 {
		return []float32{float32(o.number(def, name))}
	}
	var out []float32
	for _, e := range list {
		f, isNumber := e.(float64)
		if !isNumber || len(list) > 1<<16 {
			o.malformed("option %s is %s, not a list of numbers", name, describe(o.value(name)))
			return []float32{float32(def)}
		}
		out = append(out, float32(f))
	}
	o.ignore(name)
	return out
}

func (r *rescaling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	form := t.form()
	c := &formula{l: l}
	operand := func(what string, list []float32) graph.ValueID {
		if len(list) == 1 {
			return c.number(float64(list[0]))
		}
		v, err := l.alongAxes(what, t, []int{len(t.shape) - 1}, form, list)
		if c.err == nil {
			c.err = err
		}
		return v
	}
	v := c.op("Mul", t.values[form], operand("scale", r.scale))
	if len(r.offset) > 1 || r.offset[0] != 0 {
		v = c.op("Add", v, operand("offset", r.offset))
	}
	return c.tensor(v, form)
}

// normalization is the preprocessing layer (x - mean) / max(sqrt(variance), epsilon) along one axis. Mean and variance
// are options or, when the layer was adapted to data, weights.
type normalization struct {
	axes           []int64 // none: the same numbers for all elements
	stored         bool
	invert         bool
	mean, variance []float32
}

// normalizationEpsilon is Keras's backend epsilon, which the layer takes.
const normalizationEpsilon = 1e-7

func parseNormalization(o *options) operation {
	n := &normalization{axes: []int64{-1}, invert: o.boolean(false, "invert")}
	if _, there := o.layer.options["axis"]; there {
		n.axes = o.integers("axis")
	}
	n.mean, n.variance = o.numbers("mean"), o.numbers("variance")
	n.stored = n.mean == nil && n.variance == nil
	if !n.stored && (n.mean == nil || n.variance == nil) {
		o.malformed("mean and variance do not belong together")
	}
	return n
}

// numbers reads a list of numbers, however nested; a single number is a list of one.
func (o *options) numbers(name string) []float32 {
	const most = 1 << 16
	var out []float32
	ok := true
	var add func(v any)
	add = func(v any) {
		switch v := v.(type) {
		case nil:
		case float64:
			out = append(out, float32(v))
			ok = ok && len(out) <= most
		case []any:
			for _, e := range v {
				add(e)
			}
		default:
			ok = false
		}
	}
	add(o.value(name))
	if !ok {
		o.malformed("option %s is not a list of numbers", name)
		return nil
	}
	return out
}

func (n *normalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, axes, err := inputAlong(n.axes, in)
	if err != nil {
		return nil, err
	}
	form := t.form()
	var mean, variance graph.ValueID
	if n.stored {
		if mean, err = l.perAxes("mean", t, axes, form); err != nil {
			return nil, err
		}
		if variance, err = l.perAxes("variance", t, axes, form); err != nil {
			return nil, err
		}
		// The number of samples seen: stored with the others and counted as a parameter.
		if err = l.declare("count", graph.Shape{}); err != nil {
			return nil, err
		}
	} else {
		if mean, err = l.alongAxes("mean", t, axes, form, n.mean); err != nil {
			return nil, err
		}
		if variance, err = l.alongAxes("variance", t, axes, form, n.variance); err != nil {
			return nil, err
		}
	}
	c := &formula{l: l}
	deviation := c.op("Max", c.op("Sqrt", variance), c.number(normalizationEpsilon))
	var y graph.ValueID
	if n.invert {
		y = c.op("Add", c.op("Mul", t.values[form], deviation), mean)
	} else {
		y = c.op("Div", c.op("Sub", t.values[form], mean), deviation)
	}
	return c.tensor(y, form)
}
