package keras

import (
	"fmt"
	"slices"

	"partita/planner/graph"
)

// Axes as options name them, where they lie in a layout, and weights and numbers that lie along them.

// axes reads one axis or several; the last is the default.
func (o *options) axes(name string) []int64 {
	if list := o.integers(name); len(list) > 0 {
		return list
	}
	return []int64{-1}
}

// normalAxis counts an axis from the start, batch included.
func normalAxis(axis int64, rank int) (int, error) {
	a := axis
	if a < 0 {
		a += int64(rank)
	}
	if a < 1 || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d does not name an axis of a tensor of %d dimensions other than the batch", axis, rank)
	}
	return int(a), nil
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

// sourceAxes counts axes from the start; the batch is not one of them.
func sourceAxes(axes []int64, rank int) ([]int64, error) {
	list, err := normalAxes(axes, rank)
	return toInt64(list), err
}

// inputAlong gives the one input of a layer and the axes along which the layer works.
func inputAlong(axes []int64, in []*tensor) (*tensor, []int, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, nil, err
	}
	list, err := normalAxes(axes, len(t.shape))
	return t, list, err
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

// ones is a list of ones.
func ones(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// along is the shape, in a layout, of what has the tensor's sizes along axes and broadcasts along the others.
func (t *tensor) along(axes []int, form layout) graph.Shape {
	shape := graph.Shape(ones(len(t.shape)))
	for _, a := range axes {
		shape[physical(a, len(t.shape), form)] = t.shape[a]
	}
	return shape
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
	return l.weight(name, stored, perm, t.along(axes, form))
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
	turned := make([]float32, len(numbers))
	last := int64(1)
	if form == channelsFirst && len(axes) > 0 && axes[len(axes)-1] == rank-1 {
		last = t.shape[rank-1]
	}
	rows := int64(len(numbers)) / last
	for i := range numbers {
		row, column := int64(i)/last, int64(i)%last
		turned[column*rows+row] = numbers[i]
	}
	return l.floats(what, t.along(axes, form), turned), nil
}

// perPosition refers to weights with a number for each position of the tensor, or one along shared axes, arranged as a layout.
func (l *lowering) perPosition(t *tensor, shared []int64, form layout, names ...string) ([]graph.ValueID, error) {
	stored := append(graph.Shape(nil), t.shape[1:]...)
	for _, a := range shared {
		axis, err := normalAxis(a, len(t.shape))
		if err != nil {
			return nil, err
		}
		stored[axis-1] = 1
	}
	shape, perm := stored, []int(nil)
	if form == channelsFirst && len(t.shape) >= 3 {
		shape = nil
		for _, axis := range permutation(len(t.shape), channelsFirst)[1:] {
			perm = append(perm, axis-1)
			shape = append(shape, stored[axis-1])
		}
	}
	var out []graph.ValueID
	for _, name := range names {
		v, err := l.weight(name, stored, perm, shape)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
