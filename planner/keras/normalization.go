package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		n := &batchNormalization{axis: o.integer(-1, -8, "axis"), epsilon: o.number(1e-3, "epsilon"),
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
		return &rescaling{o.number(1, "scale"), o.number(0, "offset")}
	}, "Rescaling")
	register(parseNormalization, "Normalization")
}

// batchNormalization applies stored averages per channel.
type batchNormalization struct {
	axis          int64
	epsilon       float64
	center, scale bool
}

func (n *batchNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	axis, err := normalAxis(n.axis, rank)
	if err != nil {
		return nil, err
	}
	// ONNX normalises axis 1 of the value: with channels last that is the value with its channels moved to the front.
	var form layout
	switch axis {
	case 1:
		form = asSource
	case rank - 1:
		form = channelsFirst
	default:
		return nil, fmt.Errorf("it normalises axis %d of %s: only the first and the last axis behind the batch can be", n.axis, t.shape)
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

// rescaling is x * scale + offset.
type rescaling struct{ scale, offset float64 }

func (r *rescaling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	form := t.form()
	c := &formula{l: l}
	v := c.op("Mul", t.values[form], c.number(r.scale))
	if r.offset != 0 {
		v = c.op("Add", v, c.number(r.offset))
	}
	if c.err != nil {
		return nil, c.err
	}
	return l.tensorOf(v, form), nil
}

// normalization is the preprocessing layer (x - mean) / max(sqrt(variance), epsilon) along one axis. Mean and variance
// are options or, when the layer was adapted to data, weights.
type normalization struct {
	axis           int64
	scalar, stored bool
	invert         bool
	mean, variance []float32
}

// normalizationEpsilon is Keras's backend epsilon, which the layer takes.
const normalizationEpsilon = 1e-7

func parseNormalization(o *options) operation {
	n := &normalization{axis: -1, invert: o.boolean(false, "invert")}
	if v, there := o.layer.options["axis"]; there && v == nil {
		n.scalar = true
		o.ignore("axis")
	} else if axes := o.integers("axis"); len(axes) == 1 {
		n.axis = axes[0]
	} else if len(axes) > 1 {
		o.unsupported("normalise along one axis", "normalisation along the axes %v", axes)
	}
	n.mean, n.variance = o.numbers("mean"), o.numbers("variance")
	n.stored = n.mean == nil && n.variance == nil
	if !n.stored && (n.mean == nil || n.variance == nil || len(n.mean) != len(n.variance)) {
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
	stored, shape := graph.Shape{}, graph.Shape{}
	if !n.scalar {
		axis, err := normalAxis(n.axis, rank)
		if err != nil {
			return nil, err
		}
		stored = graph.Shape{t.shape[axis]}
		for range rank {
			shape = append(shape, 1)
		}
		shape[physical(axis, rank, form)] = t.shape[axis]
	}
	var mean, variance graph.ValueID
	if n.stored {
		if mean, err = l.weight("mean", stored, nil, shape); err != nil {
			return nil, err
		}
		if variance, err = l.weight("variance", stored, nil, shape); err != nil {
			return nil, err
		}
		// The number of samples seen: stored with the others and counted as a parameter.
		if err = l.declare("count", graph.Shape{}); err != nil {
			return nil, err
		}
	} else {
		count := stored.Elements(1)
		m, v := n.mean, n.variance
		if len(m) == 1 && count > 1 { // one number for all
			if count > 1<<16 {
				return nil, fmt.Errorf("%d channels are too many", count)
			}
			for int64(len(m)) < count {
				m, v = append(m, m[0]), append(v, v[0])
			}
		}
		if int64(len(m)) != count {
			return nil, fmt.Errorf("it has %d means for %d channels", len(m), count)
		}
		mean, variance = l.floats("mean", shape, m), l.floats("variance", shape, v)
	}
	c := &formula{l: l}
	deviation := c.op("Max", c.op("Sqrt", variance), c.number(normalizationEpsilon))
	var y graph.ValueID
	if n.invert {
		y = c.op("Add", c.op("Mul", t.values[form], deviation), mean)
	} else {
		y = c.op("Div", c.op("Sub", t.values[form], mean), deviation)
	}
	if c.err != nil {
		return nil, c.err
	}
	return l.tensorOf(y, form), nil
}
