package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for class, op := range map[string]string{"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Average": "Mean", "Maximum": "Max", "Minimum": "Min"} {
		register(func(o *options) operation { return &merge{op: op} }, class)
	}
	register(func(o *options) operation { return &concatenate{axis: o.integer(-1, -8, "axis")} }, "Concatenate")
	register(parseMerge, "Merge")
}

// parseMerge reads Keras 1's one layer for all merges.
func parseMerge(o *options) operation {
	o.ignore("dot_axes", "output_shape_type", "output_mask_type", "mode_type")
	for _, name := range []string{"output_shape", "output_mask"} {
		if v := o.value(name); v != nil {
			o.unsupported("use a merge mode that needs no function", "option %s = %s", name, describe(v))
		}
	}
	if a, ok := o.value("arguments").(map[string]any); ok && len(a) > 0 {
		o.unsupported("use a merge mode that needs no function", "option arguments")
	}
	axis := o.integer(-1, -8, "concat_axis")
	switch mode := o.text("sum", "mode"); mode {
	case "sum":
		return &merge{op: "Add"}
	case "mul":
		return &merge{op: "Mul"}
	case "ave":
		return &merge{op: "Mean"}
	case "max":
		return &merge{op: "Max"}
	case "concat":
		return &concatenate{axis: axis}
	case "dot":
		return &dot{axes: o.dotAxes()}
	case "cos":
		return &cosine{axes: o.dotAxes()}
	default:
		o.unsupported("use the mode sum, mul, ave, max, concat, dot or cos", "merge mode %q", mode)
		return nil
	}
}

// together brings tensors into one layout: channels first where one of them has it already.
func (l *lowering) together(in []*tensor) ([]graph.ValueID, layout, error) {
	form := asSource
	for _, t := range in {
		if len(t.shape) >= 3 && t.form() == channelsFirst {
			form = channelsFirst
		}
	}
	values := make([]graph.ValueID, len(in))
	for i, t := range in {
		v, err := l.as(t, form)
		if err != nil {
			return nil, form, err
		}
		values[i] = v
	}
	return values, form, nil
}

// merge combines tensors element by element.
type merge struct{ op string }

func (m *merge) lower(l *lowering, in []*tensor) (*tensor, error) {
	if len(in) < 2 && m.op != "Add" && m.op != "Mul" && m.op != "Mean" && m.op != "Max" && m.op != "Min" || m.op == "Sub" && len(in) != 2 {
		return nil, fmt.Errorf("it is called on %d tensors", len(in))
	}
	if len(in) == 1 {
		return in[0], nil
	}
	rank := 0
	for _, t := range in {
		rank = max(rank, len(t.shape))
	}
	// Keras gives tensors of lower rank axes of size 1 behind the batch.
	same := make([]*tensor, len(in))
	for i, t := range in {
		var err error
		if same[i], err = l.widen(t, rank); err != nil {
			return nil, err
		}
	}
	if v, err := m.masked(l, in); v != nil || err != nil {
		return v, err
	}
	values, form, err := l.together(same)
	if err != nil {
		return nil, err
	}
	v, err := l.combine(m.op, values)
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, form), nil
}

// combine applies an operator to several values, two by two where ONNX has the operator for two only.
func (l *lowering) combine(op string, values []graph.ValueID) (graph.ValueID, error) {
	switch op {
	case "Mean":
		sum, err := l.combine("Add", values)
		if err != nil {
			return graph.None, err
		}
		return l.emit("Mul", []graph.ValueID{sum, l.scalar("share", 1/float64(len(values)))})
	case "Max", "Min":
		return l.emit(op, values)
	}
	v := values[0]
	for _, next := range values[1:] {
		var err error
		if v, err = l.emit(op, []graph.ValueID{v, next}); err != nil {
			return graph.None, err
		}
	}
	return v, nil
}

func (l *lowering) widen(t *tensor, rank int) (*tensor, error) {
	missing := rank - len(t.shape)
	if missing == 0 {
		return t, nil
	}
	if len(t.shape) == 0 {
		return nil, fmt.Errorf("a number among its inputs")
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	target := []int64{0}
	for i := 0; i < missing; i++ {
		target = append(target, 1)
	}
	target = append(target, t.shape[1:]...)
	v, err := l.reshape(x, target)
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, asSource), nil
}

type concatenate struct{ axis int64 }

func (c *concatenate) lower(l *lowering, in []*tensor) (*tensor, error) {
	rank := len(in[0].shape)
	for _, t := range in {
		if len(t.shape) != rank {
			return nil, fmt.Errorf("its inputs differ in rank: %s", shapesOf(in))
		}
	}
	axis, err := normalAxis(c.axis, rank)
	if err != nil {
		return nil, err
	}
	if len(in) == 1 {
		return in[0], nil
	}
	values, form, err := l.together(in)
	if err != nil {
		return nil, err
	}
	v, err := l.emit("Concat", values, intAttr("axis", int64(physical(axis, rank, form))))
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, form), nil
}
