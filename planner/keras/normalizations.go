package keras

import (
	"fmt"
	"slices"

	"partita/planner/graph"
)

func init() {
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

// axes reads one axis or several; the last is the default.
func (o *options) axes(name string) []int64 {
	if list := o.integers(name); len(list) > 0 {
		return list
	}
	return []int64{-1}
}

// normalAxes counts axes from the start, in rising order.
func normalAxes(axes []int64, rank int) ([]int, error) {
	var out []int
	for _, a := range axes {
		n, err := normalAxis(a, rank)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// physicalAxes are where axes lie in a layout.
func physicalAxes(axes []int, rank int, form layout) []int64 {
	out := make([]int64, len(axes))
	for i, a := range axes {
		out[i] = int64(physical(a, rank, form))
	}
	slices.Sort(out)
	return out
}

// perAxes refers to a weight with the sizes of the given axes, shaped to broadcast to the tensor in a layout.
func (l *lowering) perAxes(name string, t *tensor, axes []int, form layout) (graph.ValueID, error) {
	rank := len(t.shape)
	stored := graph.Shape{}
	for _, a := range axes {
		stored = append(stored, t.shape[a])
	}
	// Axes change their order between layouts only where the last one comes to the front.
	order := make([]int, len(axes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return physical(axes[i], rank, form) - physical(axes[j], rank, form) })
	perm := order
	if slices.IsSorted(order) {
		perm = nil
	}
	shape := graph.Shape(ones(rank))
	for _, a := range axes {
		shape[physical(a, rank, form)] = t.shape[a]
	}
	return l.weight(name, stored, perm, shape)
}

// layerNormalization brings each input to mean 0 and variance 1 along axes; with rms scaling, as Keras has it, it divides
// by the deviation and leaves the mean.
type layerNormalization struct {
	axes               []int64
	epsilon            float64
	rms, center, scale bool
}

func (n *layerNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	axes, err := normalAxes(n.axes, rank)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	if len(axes) == 1 && axes[0] == rank-1 && !n.rms {
		// ONNX's operator normalises the last axis.
		x, err := l.as(t, asSource)
		if err != nil {
			return nil, err
		}
		size := t.shape[rank-1]
		inputs := []graph.ValueID{x}
		if n.scale {
			gamma, err := l.vector("gamma", size)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, gamma)
		} else {
			one, err := l.filled("gamma", size, 1)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, one)
		}
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
	deviation := c.op("Sqrt", c.op("Add", c.mean(c.op("Mul", centred, centred), where), c.number(n.epsilon)))
	if n.rms {
		centred = x
	}
	v := c.op("Div", centred, deviation)
	for _, w := range []struct {
		name, op string
		there    bool
	}{{"gamma", "Mul", n.scale}, {"beta", "Add", n.center}} {
		if !w.there {
			continue
		}
		weight, err := l.perAxes(w.name, t, axes, form)
		if err != nil {
			return nil, err
		}
		v = c.op(w.op, v, weight)
	}
	return c.tensor(v, form)
}

// rmsNormalization divides by the root of the mean square along axes.
type rmsNormalization struct {
	axes    []int64
	epsilon float64
}

func (n *rmsNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	axes, err := normalAxes(n.axes, rank)
	if err != nil {
		return nil, err
	}
	form := t.form()
	c, x := &formula{l: l}, t.values[form]
	scale, err := l.perAxes("scale", t, axes, form)
	if err != nil {
		return nil, err
	}
	root := c.op("Sqrt", c.op("Add", c.mean(c.op("Mul", x, x), physicalAxes(axes, rank, form)), c.number(n.epsilon)))
	v := c.op("Mul", c.op("Div", x, root), scale)
	return c.tensor(v, form)
}

// unitNormalization divides by the length along axes, of which the square is at least 1e-12 squared for Keras 3 and 1e-12
// before it.
type unitNormalization struct{ axes []int64 }

func (n *unitNormalization) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	axes, err := normalAxes(n.axes, len(t.shape))
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
	y = c.op("Div", y, c.op("Sqrt", c.op("Add", c.mean(c.op("Mul", y, y), reduced), c.number(n.epsilon))))
	y = c.op("Reshape", y, l.integers("whole", whole))
	broadcast := graph.Shape(ones(rank))
	broadcast[at] = channels
	for _, w := range []struct {
		name, op string
		there    bool
	}{{"gamma", "Mul", n.scale}, {"beta", "Add", n.center}} {
		if !w.there {
			continue
		}
		weight, err := l.weight(w.name, graph.Shape{channels}, nil, broadcast)
		if err != nil {
			return nil, err
		}
		y = c.op(w.op, y, weight)
	}
	return c.tensor(y, form)
}
