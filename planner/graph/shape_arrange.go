package graph

import "fmt"

// Shape rules of the operators that multiply matrices or rearrange tensors.

func inferGemm(n *Node, in []*Value) (Inferred, error) {
	a, b := in[0].Shape, in[1].Shape
	if len(a) != 2 || len(b) != 2 {
		return Inferred{}, fmt.Errorf("inputs %s and %s are not matrices", a, b)
	}
	rows, inner := a[0], a[1]
	if t := n.Attr("transA"); t != nil && t.Int != 0 {
		rows, inner = inner, rows
	}
	inner2, cols := b[0], b[1]
	if t := n.Attr("transB"); t != nil && t.Int != 0 {
		inner2, cols = cols, inner2
	}
	if inner != inner2 {
		return Inferred{}, fmt.Errorf("inputs %s and %s do not multiply", a, b)
	}
	out := Shape{rows, cols}
	if len(in) > 2 && in[2] != nil {
		if s, err := Broadcast(out, in[2].Shape); err != nil || !s.Equal(out) {
			return Inferred{}, fmt.Errorf("bias %s does not broadcast to %s", in[2].Shape, out)
		}
	}
	return Inferred{out, in[0].DType}, nil
}

func inferMatMul(_ *Node, in []*Value) (Inferred, error) {
	a, b := in[0].Shape, in[1].Shape
	if len(a) < 2 || len(b) < 2 || a[len(a)-1] != b[len(b)-2] {
		return Inferred{}, fmt.Errorf("inputs %s and %s do not multiply", a, b)
	}
	outer, err := Broadcast(a[:len(a)-2], b[:len(b)-2])
	if err != nil {
		return Inferred{}, err
	}
	return Inferred{append(append(Shape(nil), outer...), a[len(a)-2], b[len(b)-1]), in[0].DType}, nil
}

func inferTranspose(n *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	perm := n.Attr("perm")
	if perm == nil || len(perm.Ints) != len(x) {
		return Inferred{}, fmt.Errorf("perm does not fit %s", x)
	}
	out := make(Shape, len(x))
	used := make([]bool, len(x))
	for i, p := range perm.Ints {
		if p < 0 || p >= int64(len(x)) || used[p] {
			return Inferred{}, fmt.Errorf("perm %v is not a permutation", perm.Ints)
		}
		used[p] = true
		out[i] = x[p]
	}
	return Inferred{out, in[0].DType}, nil
}

// constants gives the integers of a constant input.
func constants(v *Value) ([]int64, error) {
	if v == nil || v.Const == nil || v.DType != Int64 {
		return nil, fmt.Errorf("an input that decides the shape is not an int64 constant")
	}
	return v.Const.Int64s, nil
}

func inferReshape(_ *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	target, err := constants(in[1])
	if err != nil {
		return Inferred{}, err
	}
	known, hasBatch := int64(1), false
	for _, d := range x {
		if d == Batch {
			hasBatch = true
		} else {
			known *= d
		}
	}
	out := make(Shape, len(target))
	rest, open, batchUsed := int64(1), -1, false
	for i, d := range target {
		switch {
		case d == 0: // copies the input's dimension
			if i >= len(x) {
				return Inferred{}, fmt.Errorf("shape %v copies a dimension that %s lacks", target, x)
			}
			out[i] = x[i]
			if x[i] == Batch {
				batchUsed = true
				continue
			}
		case d == -1:
			if open >= 0 {
				return Inferred{}, fmt.Errorf("shape %v leaves two dimensions open", target)
			}
			open = i
			continue
		case d < 0 || d > MaxElements:
			return Inferred{}, fmt.Errorf("shape %v has an impossible dimension", target)
		default:
			out[i] = d
		}
		if out[i] > MaxElements/rest {
			return Inferred{}, fmt.Errorf("shape %v is too large", target)
		}
		rest *= out[i]
	}
	switch {
	case open < 0 && (rest != known || batchUsed != hasBatch):
		return Inferred{}, fmt.Errorf("%s does not reshape to %v", x, target)
	case open >= 0 && hasBatch && !batchUsed:
		// Only the batch itself may take the open place: its product with anything else has no symbol.
		if rest != known {
			return Inferred{}, fmt.Errorf("%s does not reshape to %v with its batch kept", x, target)
		}
		out[open] = Batch
	case open >= 0:
		if known%rest != 0 {
			return Inferred{}, fmt.Errorf("%s does not reshape to %v", x, target)
		}
		out[open] = known / rest
	}
	return Inferred{out, in[0].DType}, nil
}

func inferFlatten(n *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	axis := int64(1)
	if a := n.Attr("axis"); a != nil {
		axis = a.Int
	}
	if axis != 1 || len(x) < 1 {
		return Inferred{}, fmt.Errorf("only axis 1 of a tensor with a batch is flattened, not axis %d of %s", axis, x)
	}
	return Inferred{Shape{x[0], x[1:].Elements(1)}, in[0].DType}, nil
}

func inferConcat(n *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	axis := n.Attr("axis")
	if axis == nil || axis.Int < 0 || axis.Int >= int64(len(x)) || x[axis.Int] == Batch {
		return Inferred{}, fmt.Errorf("axis does not fit %s", x)
	}
	out := append(Shape(nil), x...)
	for _, v := range in[1:] {
		if v == nil || len(v.Shape) != len(x) || v.DType != in[0].DType {
			return Inferred{}, fmt.Errorf("the inputs do not concatenate")
		}
		for i, d := range v.Shape {
			if int64(i) == axis.Int {
				if d == Batch {
					return Inferred{}, fmt.Errorf("the batch does not concatenate")
				}
				out[i] += d
			} else if d != x[i] {
				return Inferred{}, fmt.Errorf("%s and %s do not concatenate along axis %d", x, v.Shape, axis.Int)
			}
		}
	}
	return Inferred{out, in[0].DType}, nil
}

func inferPad(_ *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	pads, err := constants(in[1])
	if err != nil {
		return Inferred{}, err
	}
	if len(pads) != 2*len(x) {
		return Inferred{}, fmt.Errorf("%d pads for %s", len(pads), x)
	}
	out := append(Shape(nil), x...)
	for i := range out {
		before, after := pads[i], pads[i+len(x)]
		if before < 0 || after < 0 || before > MaxElements || after > MaxElements {
			return Inferred{}, fmt.Errorf("pads %v are out of range", pads)
		}
		if out[i] == Batch && before+after != 0 {
			return Inferred{}, fmt.Errorf("the batch is not padded")
		}
		if out[i] != Batch {
			out[i] += before + after
		}
	}
	return Inferred{out, in[0].DType}, nil
}

// inferSlice knows starts and ends that lie within the input, and steps; a negative step runs backwards, to an end that
// may lie before the first element.
func inferSlice(_ *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	if len(in) < 4 || len(in) > 5 {
		return Inferred{}, fmt.Errorf("starts, ends and axes are needed")
	}
	lists := make([][]int64, len(in)-1)
	for i := range lists {
		var err error
		if lists[i], err = constants(in[i+1]); err != nil {
			return Inferred{}, err
		}
	}
	starts, ends, axes := lists[0], lists[1], lists[2]
	if len(starts) != len(ends) || len(starts) != len(axes) || len(lists) > 3 && len(lists[3]) != len(starts) {
		return Inferred{}, fmt.Errorf("starts, ends, axes and steps differ in length")
	}
	out := append(Shape(nil), x...)
	for i, a := range axes {
		step := int64(1)
		if len(lists) > 3 {
			step = lists[3][i]
		}
		if a < 0 || a >= int64(len(x)) || x[a] == Batch || step == 0 {
			return Inferred{}, fmt.Errorf("axis %d with step %d does not fit %s", a, step, x)
		}
		if step > 0 {
			if starts[i] < 0 || ends[i] > x[a] || starts[i] >= ends[i] {
				return Inferred{}, fmt.Errorf("[%d, %d) of axis %d does not fit %s", starts[i], ends[i], a, x)
			}
			out[a] = (ends[i] - starts[i] + step - 1) / step
			continue
		}
		// Ends count from the end where they are negative; one before the first element is -size-1 or less.
		end := ends[i]
		if end < 0 {
			end = max(end+x[a], -1)
		}
		if starts[i] < 0 || starts[i] >= x[a] || end >= starts[i] || step < -MaxElements {
			return Inferred{}, fmt.Errorf("[%d, %d) backwards of axis %d does not fit %s", starts[i], ends[i], a, x)
		}
		out[a] = (starts[i] - end - step - 1) / -step
	}
	return Inferred{out, in[0].DType}, nil
}
