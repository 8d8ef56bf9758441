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
		n := &layerNormalization{axes: o.axes("axis"), epsilon: o.number(1e-3, "epsilon"), rms: o.boolean(false, "rms_scaling")}
		center, scale := o.boolean(true, "center"), o.boolean(true, "scale")
		n.center, n.scale = center && !n.rms, scale || n.rms
		return n
	}, "LayerNormalization")
	register(func(o *options) operation {
		return &rmsNormalization{axes: o.axes("axis"), epsilon: o.number(1e-6, "epsilon")}
	}, "RMSNormalization")
	register(func(o *options) operation {
		return &unitNormalization{axes: o.axes("axis")}
	}, "UnitNormalization")
	register(func(o *options) operation {
		return &groupNormalization{axis: o.integer(-1, -8, "axis"), groups: o.integer(32, -1, "groups"), epsilon: o.number(1e-3, "epsilon"),
			center: o.boolean(true, "center"), scale: o.boolean(true, "scale")}
	}, "GroupNormalization")
}

// batchNormalization applies stored averages per channel.
type batchNormalization struct {
	axes          []int64
	epsilon       float64
	center, scale bool
}

func (n *batchNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, axes, err := inputAlong(n.axes, in)
	if err != nil {
		return nil, err
	}
	if len(axes) > 1 || axes[0] != 1 && axes[0] != len(t.shape)-1 {
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
	inputs := []graph.ValueID{x}
	for _, w := range n.vectors() {
		v, err := l.vectorOr(w.stored, w.name, t.shape[axis], w.absent)
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

// normalizing is a vector of a normalisation: stored or, where it is not, full of one number.
type normalizing struct {
	name   string
	stored bool
	absent float32
}

// vectors are in Keras's order.
func (n *batchNormalization) vectors() []normalizing {
	return []normalizing{{"gamma", n.scale, 1}, {"beta", n.center, 0}, {"moving_mean", true, 0}, {"moving_variance", true, 0}}
}

// vectorOr refers to a stored vector or, where there is none, makes one full of a number.
func (l *lowering) vectorOr(stored bool, name string, n int64, absent float32) (graph.ValueID, error) {
	if stored {
		return l.vector(name, n)
	}
	return l.filled(name, n, absent)
}

// elsewhere normalises along other axes, or several, which ONNX's operator does not.
func (n *batchNormalization) elsewhere(l *lowering, t *tensor, axes []int) (*tensor, error) {
	form := t.form()
	weights := map[string]graph.ValueID{}
	for _, w := range n.vectors() {
		if !w.stored {
			continue
		}
		v, err := l.perAxes(w.name, t, axes, form)
		if err != nil {
			return nil, err
		}
		weights[w.name] = v
	}
	c := &formula{l: l}
	v := c.op("Div", c.op("Sub", t.values[form], weights["moving_mean"]), c.op("Sqrt", c.op("Add", weights["moving_variance"], c.number(n.epsilon))))
	v = c.scaledAndCentred(v, n.scale, n.center, func(name string) (graph.ValueID, error) { return weights[name], nil })
	return c.tensor(v, form)
}

// scaledAndCentred multiplies by a weight gamma and adds a weight beta, where there are such.
func (c *formula) scaledAndCentred(v graph.ValueID, scale, center bool, weight func(name string) (graph.ValueID, error)) graph.ValueID {
	for _, w := range []struct {
		name, op string
		there    bool
	}{{"gamma", "Mul", scale}, {"beta", "Add", center}} {
		if !w.there || c.err != nil {
			continue
		}
		var by graph.ValueID
		if by, c.err = weight(w.name); c.err == nil {
			v = c.op(w.op, v, by)
		}
	}
	return v
}

// rootMeanSquare is the root of the mean of the squares along axes, which stay with size 1; an epsilon keeps it from 0.
func (c *formula) rootMeanSquare(x graph.ValueID, axes []int64, epsilon float64) graph.ValueID {
	return c.op("Sqrt", c.op("Add", c.mean(c.op("Mul", x, x), axes), c.number(epsilon)))
}

// layerNormalization brings each input to mean 0 and variance 1 along axes; with rms scaling, as Keras has it, it divides
// by the deviation and leaves the mean.
type layerNormalization struct {
	axes               []int64
	epsilon            float64
	rms, center, scale bool
}

func (n *layerNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, axes, err := inputAlong(n.axes, in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	c := &formula{l: l}
	if len(axes) == 1 && axes[0] == rank-1 && !n.rms {
		// ONNX's operator normalises the last axis.
		x, err := l.as(t, asSource)
		if err != nil {
			return nil, err
		}
		size := t.shape[rank-1]
		gamma, err := l.vectorOr(n.scale, "gamma", size, 1)
		if err != nil {
			return nil, err
		}
		inputs := []graph.ValueID{x, gamma}
		if n.center {
			beta, err := l.vector("beta", size)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, beta)
		}
		v, err := l.emit("LayerNormalization", inputs, intAttr("axis", int64(rank-1)), floatAttr("epsilon", n.epsilon))
		if err != nil {
			return nil, err
		}
		return l.tensorOf(v, asSource), nil
	}
	form := t.form()
	x := t.values[form]
	where := physicalAxes(axes, rank, form)
	centred := c.op("Sub", x, c.mean(x, where))
	deviation := c.rootMeanSquare(centred, where, n.epsilon)
	if n.rms {
		centred = x
	}
	v := c.op("Div", centred, deviation)
	v = c.scaledAndCentred(v, n.scale, n.center, func(name string) (graph.ValueID, error) {
		return l.perAxes(name, t, axes, form)
	})
	return c.tensor(v, form)
}

// rmsNormalization divides by the root of the mean square along axes.
type rmsNormalization struct {
	axes    []int64
	epsilon float64
}

func (n *rmsNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, axes, err := inputAlong(n.axes, in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	form := t.form()
	c, x := &formula{l: l}, t.values[form]
	scale, err := l.perAxes("scale", t, axes, form)
	if err != nil {
		return nil, err
	}
	root := c.rootMeanSquare(x, physicalAxes(axes, rank, form), n.epsilon)
	v := c.op("Mul", c.op("Div", x, root), scale)
	return c.tensor(v, form)
}

// unitNormalization divides by the length along axes, of which the square is at least 1e-12 squared for Keras 3 and 1e-12
// before it.
type unitNormalization struct{ axes []int64 }

func (n *unitNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, axes, err := inputAlong(n.axes, in)
	if err != nil {
		return nil, err
	}
	least := 1e-12
	if l.m.major < 3 {
		least = 1e-6 // the root of 1e-12
	}
	form := t.form()
	c := &formula{l: l}
	v := c.unit(t.values[form], physicalAxes(axes, len(t.shape), form), least)
	return c.tensor(v, form)
}

// unit divides by the length along axes, or by the least length.
func (c *formula) unit(x graph.ValueID, axes []int64, least float64) graph.ValueID {
	length := c.with("ReduceL2", []graph.Attr{intsAttr("axes", axes...), intAttr("keepdims", 1)}, x)
	return c.op("Div", x, c.op("Max", length, c.number(least)))
}

// groupNormalization brings groups of channels to mean 0 and variance 1, each with all other axes but the batch.
type groupNormalization struct {
	axis, groups  int64
	epsilon       float64
	center, scale bool
}

func (n *groupNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	axis, err := normalAxis(n.axis, rank)
	if err != nil {
		return nil, err
	}
	form := t.form()
	if axis == rank-1 && rank > 2 {
		form = channelsFirst
	} else if axis != 1 {
		form = asSource
	}
	x, err := l.as(t, form)
	if err != nil {
		return nil, err
	}
	channels, groups := t.shape[axis], n.groups
	if groups == -1 {
		groups = channels
	}
	if groups < 1 || channels%groups != 0 {
		return nil, fmt.Errorf("%d groups do not divide %d channels", groups, channels)
	}
	at := physical(axis, rank, form)
	shape := l.g.Values[x].Shape
	split, whole := []int64{0}, []int64{0}
	var reduced []int64
	for i := 1; i < rank; i++ {
		if i == at {
			split = append(split, groups, channels/groups)
			reduced = append(reduced, int64(i+1))
		} else {
			split = append(split, shape[i])
			if i < at {
				reduced = append(reduced, int64(i))
			} else {
				reduced = append(reduced, int64(i+1))
			}
		}
		whole = append(whole, shape[i])
	}
	c := &formula{l: l}
	y := c.op("Reshape", x, l.integers("split", split))
	y = c.op("Sub", y, c.mean(y, reduced))
	y = c.op("Div", y, c.rootMeanSquare(y, reduced, n.epsilon))
	y = c.op("Reshape", y, l.integers("whole", whole))
	broadcast := graph.Shape(ones(rank))
	broadcast[at] = channels
	y = c.scaledAndCentred(y, n.scale, n.center, func(name string) (graph.ValueID, error) {
		return l.weight(name, graph.Shape{channels}, nil, broadcast)
	})
	return c.tensor(y, form)
}
