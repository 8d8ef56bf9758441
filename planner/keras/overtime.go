package keras

import (
	"fmt"
	"slices"

	"partita/planner/graph"
)

// overTime calls a model on each step of time: a step of the graph takes the tensor apart, the model runs once for each part,
// and another step puts what comes of it together.
func (r *running) overTime(layer *layerConfig, inner *program, in []*tensor, inputs []int, wanted func(k int) bool) ([]*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	switch {
	case len(t.shape) < 3:
		return nil, fmt.Errorf("its input %s has no steps of time with features", t.shape)
	case t.shape[1] > maxUnrolled:
		return nil, fmt.Errorf("%d steps of time are more than the %d that get nodes of their own", t.shape[1], maxUnrolled)
	case t.mask != nil && inner.m.usesMasks():
		return nil, fmt.Errorf("its input has a mask, which its model would read")
	case !inner.m.sequential && len(inner.m.inputs) != 1 || len(inner.m.outputs) != 1:
		return nil, fmt.Errorf("its model has %d inputs and %d outputs", max(1, len(inner.m.inputs)), len(inner.m.outputs))
	}
	apart := *layer
	apart.key = layer.id() + "/steps"
	if err := r.beginStep(&apart, inputs); err != nil {
		return nil, err
	}
	x, err := r.as(t, asSource)
	if err != nil {
		return nil, err
	}
	c := &formula{l: r.lowering}
	parts := make([]*tensor, t.shape[1])
	for k := range parts {
		v := c.axes("Squeeze", c.slice(x, 1, int64(k), int64(k)+1), 1)
		if c.err != nil {
			return nil, c.err
		}
		parts[k] = r.tensorOf(v, asSource)
	}
	if err := r.endStep(parts, func(int) bool { return false }); err != nil {
		return nil, err
	}
	outputs := make([]*tensor, len(parts))
	var from []int
	for k, part := range parts {
		out, err := r.run(inner, []*tensor{part}, make([]bool, 1))
		if err != nil {
			return nil, err
		}
		outputs[k] = out[0]
		if !slices.Contains(from, out[0].step) {
			from = append(from, out[0].step)
		}
	}
	if err := r.beginStep(layer, from); err != nil {
		return nil, err
	}
	var values []graph.ValueID
	for _, t := range outputs {
		if t, err = r.toFloat(t); err != nil {
			return nil, err
		}
		v, err := r.as(t, asSource)
		if err != nil {
			return nil, err
		}
		values = append(values, c.axes("Unsqueeze", v, 1))
	}
	if c.err != nil {
		return nil, c.err
	}
	y := values[0]
	if len(values) > 1 {
		y = c.with("Concat", []graph.Attr{intAttr("axis", 1)}, values...)
	}
	if c.err != nil {
		return nil, c.err
	}
	together := []*tensor{r.tensorOf(y, asSource)}
	mask := t.mask
	if err := r.endStep(together, wanted); err != nil {
		return nil, err
	}
	together[0].mask = mask
	return together, nil
}
