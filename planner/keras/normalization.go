package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		n := &batchNormalization{axes: o.axes("axis"), epsilon: o.number(1e-3, "epsilon"),
			center: o.boolean(true, "center"), scale: o.boolean(true, "scale")}
		o.ignore("momentum", "synchronized", "fused") // how the stored averages were made and how fast they are applied
		if mode := o.integer(0, 0, "mode"); mode != 0 {
			o.unsupported("use mode 0", "mode %d of Keras 1 normalises by the batch at hand, not by stored averages", mode)
		}
		if o.boolean(false, "renorm") {
			o.unsupported("save the model without renorm", "batch renormalisation stores further weights")
		}
		o.ignore("renorm_momentum", "renorm_clipping")
		return n
	}, "BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization")
	register(func(o *options) operation {
		return &rescaling{o.perChannel("scale", 1), o.perChannel("offset", 0)}
	}, "Rescaling")
	register(parseNormalization, "Normalization")
}

// batchNormalization applies stored averages per channel.
type batchNormalization struct {
	axes          []int64
	epsilon       float64
	center, scale bool
}

func (n *batchNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	axes, err := normalAxes(n.axes, rank)
	if err != nil {
		return nil, err
	}
	if len(axes) > 1 || axes[0] != 1 && axes[0] != rank-1 {
		return n.elsewhere(l, t, axes)
	}
	axis := axes[0]
	// ONNX normalises axis 1 of the value: with channels last that is the value with its channels moved to the front.
	form := asSource
	if axis != 1 {
		form = channelsFirst
	}
	x, err := l.as(t, form)
	if err != nil {
		return nil, err
	}
	channels := t.shape[axis]
	inputs := []graph.ValueID{x}
	for _, w := range []struct {
		name   string
		stored bool
		absent float32
	}{{"gamma", n.scale, 1}, {"beta", n.center, 0}, {"moving_mean", true, 0}, {"moving_variance", true, 0}} {
		var v graph.ValueID
		if w.stored {
			v, err = l.vector(w.name, channels)
		} else {
			v, err = l.filled(w.name, channels, w.absent)
		}
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, v)
	}
	v, err := l.emit("BatchNormalization", inputs, floatAttr("epsilon", n.epsilon))
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, form), nil
}

// elsewhere normalises along other axes, or several, which ONNX's operator does not.
func (n *batchNormalization) elsewhere(l *lowering, t *tensor, axes []int) (*tensor, error) {
	form := t.form()
	c := &formula{l: l}
	weight := func(name string) graph.ValueID {
		v, err := l.perAxes(name, t, axes, form)
		if err != nil && c.err == nil {
			c.err = err
		}
		return v
	}
	gamma, beta := graph.None, graph.None
	if n.scale {
		gamma = weight("gamma")
	}
	if n.center {
		beta = weight("beta")
	}
	mean, variance := weight("moving_mean"), weight("moving_variance")
	v := c.op("Div", c.op("Sub", t.values[form], mean), c.op("Sqrt", c.op("Add", variance, c.number(n.epsilon))))
	if gamma != graph.None {
		v = c.op("Mul", v, gamma)
	}
	if beta != graph.None {
		v = c.op("Add", v, beta)
	}
	return c.tensor(v, form)
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
	form, rank := t.form(), len(t.shape)
	c := &formula{l: l}
	operand := func(what string, list []float32) graph.ValueID {
		if len(list) == 1 {
			return c.number(float64(list[0]))
		}
		if int64(len(list)) != t.shape[rank-1] && c.err == nil {
			c.err = fmt.Errorf("%d numbers do not fit %s", len(list), t.shape)
		}
		shape := graph.Shape(ones(rank))
		shape[physical(rank-1, rank, form)] = int64(len(list))
		return l.floats(what, shape, list)
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
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	form := t.form()
	axes, err := normalAxes(n.axes, rank)
	if err != nil {
		return nil, err
	}
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

// alongAxes makes a constant of numbers that lie along axes, one for each element or one for all, shaped to broadcast to the
// tensor in a layout.
func (l *lowering) alongAxes(what string, t *tensor, axes []int, form layout, numbers []float32) (graph.ValueID, error) {
	rank := len(t.shape)
	along := graph.Shape{}
	for _, a := range axes {
		along = append(along, t.shape[a])
	}
	if len(numbers) == 1 {
		return l.floats(what, graph.Shape{}, numbers), nil
	}
	if int64(len(numbers)) != along.Elements(1) {
		return graph.None, fmt.Errorf("it has %d numbers for %s", len(numbers), along)
	}
	// In the order of the layout: only the last axis changes its place, to behind the batch.
	shape, turned := graph.Shape(ones(rank)), make([]float32, len(numbers))
	for _, a := range axes {
		shape[physical(a, rank, form)] = t.shape[a]
	}
	last := int64(1)
	if form == channelsFirst && len(axes) > 0 && axes[len(axes)-1] == rank-1 {
		last = t.shape[rank-1]
	}
	rows := int64(len(numbers)) / last
	for i := range numbers {
		row, column := int64(i)/last, int64(i)%last
		turned[column*rows+row] = numbers[i]
	}
	return l.floats(what, shape, turned), nil
}
