package graph

import "fmt"

// Shape rules of operators that select, compare, reduce or expand.

func init() {
	for _, op := range []string{"Abs", "Log", "Floor", "Ceil", "Round", "Sign", "Reciprocal", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asin",
		"Acos", "Atan", "Asinh", "Acosh", "Atanh", "Not", "CumSum", "ThresholdedRelu", "Celu"} {
		rules[op] = rule{1, inferSame}
	}
	for _, op := range []string{"Less", "LessOrEqual", "GreaterOrEqual", "Equal", "And", "Or", "Xor"} {
		rules[op] = rule{2, inferCompare}
	}
	for _, op := range []string{"Pow", "Mod"} {
		rules[op] = rule{2, inferBroadcast}
	}
	for _, op := range []string{"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceL1", "ReduceL2",
		"ReduceLogSumExp", "ReduceSumSquare"} {
		rules[op] = rule{1, inferReduce}
	}
	rules["ArgMax"] = rule{1, inferArg}
	rules["ArgMin"] = rule{1, inferArg}
	rules["Where"] = rule{3, inferWhere}
	rules["Gather"] = rule{2, inferGather}
	rules["GatherND"] = rule{2, inferGatherND}
	rules["GatherElements"] = rule{2, inferGatherElements}
	rules["Expand"] = rule{2, inferExpand}
	rules["Tile"] = rule{2, inferTile}
	rules["Unsqueeze"] = rule{2, inferUnsqueeze}
	rules["Squeeze"] = rule{2, inferSqueeze}
	rules["LayerNormalization"] = rule{2, inferSame}
	rules["InstanceNormalization"] = rule{3, inferSame}
	manyRules["Split"] = manyRule{1, inferSplit}
}

// normalAxes counts axes from the start.
func normalAxes(axes []int64, rank int) ([]int, error) {
	out := make([]int, len(axes))
	seen := make([]bool, rank)
	for i, a := range axes {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) || seen[a] {
			return nil, fmt.Errorf("axes %v do not name axes of %d", axes, rank)
		}
		seen[a] = true
		out[i] = int(a)
	}
	return out, nil
}

// inferReduce takes the axes from an attribute or, as ReduceSum has them since opset 13, from an input.
func inferReduce(n *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	var axes []int64
	if a := n.Attr("axes"); a != nil {
		axes = a.Ints
	} else if len(in) > 1 && in[1] != nil {
		var err error
		if axes, err = constants(in[1]); err != nil {
			return Inferred{}, err
		}
	}
	if len(axes) == 0 {
		for i := range x {
			axes = append(axes, int64(i))
		}
	}
	names, err := normalAxes(axes, len(x))
	if err != nil {
		return Inferred{}, err
	}
	keep := true
	if a := n.Attr("keepdims"); a != nil {
		keep = a.Int != 0
	}
	gone := make([]bool, len(x))
	for _, a := range names {
		if x[a] == Batch {
			return Inferred{}, fmt.Errorf("the batch is not reduced")
		}
		gone[a] = true
	}
	out := Shape{}
	for i, d := range x {
		switch {
		case !gone[i]:
			out = append(out, d)
		case keep:
			out = append(out, 1)
		}
	}
	return Inferred{out, in[0].DType}, nil
}

func inferArg(n *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	a, err := n.axis("axis", 0, len(x))
	if err != nil {
		return Inferred{}, err
	}
	if x[a] == Batch {
		return Inferred{}, fmt.Errorf("the batch is not reduced")
	}
	out := append(Shape(nil), x...)
	if keep := n.Attr("keepdims"); keep != nil && keep.Int == 0 {
		out = append(out[:a], out[a+1:]...)
	} else {
		out[a] = 1
	}
	return Inferred{out, Int64}, nil
}

func inferWhere(n *Node, in []*Value) (Inferred, error) {
	if in[0].DType != Bool || in[1].DType != in[2].DType {
		return Inferred{}, fmt.Errorf("types %s, %s and %s do not fit", in[0].DType, in[1].DType, in[2].DType)
	}
	s, err := Broadcast(in[0].Shape, in[1].Shape)
	if err == nil {
		s, err = Broadcast(s, in[2].Shape)
	}
	return Inferred{s, in[1].DType}, err
}

func inferGather(n *Node, in []*Value) (Inferred, error) {
	x, indices := in[0].Shape, in[1].Shape
	a, err := n.axis("axis", 0, len(x))
	if err != nil {
		return Inferred{}, err
	}
	if in[1].DType != Int64 && in[1].DType != Int32 {
		return Inferred{}, fmt.Errorf("indices are %s", in[1].DType)
	}
	out := append(Shape{}, x[:a]...)
	out = append(out, indices...)
	return Inferred{append(out, x[a+1:]...), in[0].DType}, nil
}

func inferGatherND(n *Node, in []*Value) (Inferred, error) {
	x, indices := in[0].Shape, in[1].Shape
	b := int64(0)
	if a := n.Attr("batch_dims"); a != nil {
		b = a.Int
	}
	if len(indices) < 1 || b < 0 || b >= int64(len(indices)) || b >= int64(len(x)) || in[1].DType != Int64 {
		return Inferred{}, fmt.Errorf("indices %s %s do not fit %s", indices, in[1].DType, x)
	}
	depth := indices[len(indices)-1]
	if depth < 1 || b+depth > int64(len(x)) || !x[:b].Equal(indices[:b]) {
		return Inferred{}, fmt.Errorf("indices %s do not fit %s", indices, x)
	}
	out := append(Shape{}, indices[:len(indices)-1]...)
	return Inferred{append(out, x[b+depth:]...), in[0].DType}, nil
}

func inferGatherElements(n *Node, in []*Value) (Inferred, error) {
	if len(in[0].Shape) != len(in[1].Shape) {
		return Inferred{}, fmt.Errorf("indices %s do not fit %s", in[1].Shape, in[0].Shape)
	}
	return Inferred{in[1].Shape, in[0].DType}, nil
}

// inferExpand broadcasts to a constant shape; 1 leaves the input's dimension, so that the batch can stay.
func inferExpand(_ *Node, in []*Value) (Inferred, error) {
	target, err := constants(in[1])
	if err != nil {
		return Inferred{}, err
	}
	for _, d := range target {
		if d < 1 {
			return Inferred{}, fmt.Errorf("shape %v has an impossible dimension", target)
		}
	}
	s, err := Broadcast(in[0].Shape, target)
	return Inferred{s, in[0].DType}, err
}

func inferTile(_ *Node, in []*Value) (Inferred, error) {
	repeats, err := constants(in[1])
	if err != nil {
		return Inferred{}, err
	}
	out := append(Shape(nil), in[0].Shape...)
	if len(repeats) != len(out) {
		return Inferred{}, fmt.Errorf("repeats %v do not fit %s", repeats, out)
	}
	for i, r := range repeats {
		if r < 1 || r > 1<<31 || out[i] > 1<<31 || out[i] == Batch && r != 1 {
			return Inferred{}, fmt.Errorf("repeats %v do not fit %s", repeats, out)
		}
		if out[i] != Batch {
			out[i] *= r
		}
	}
	return Inferred{out, in[0].DType}, nil
}

func inferUnsqueeze(_ *Node, in []*Value) (Inferred, error) {
	axes, err := constants(in[1])
	if err != nil {
		return Inferred{}, err
	}
	x := in[0].Shape
	names, err := normalAxes(axes, len(x)+len(axes))
	if err != nil {
		return Inferred{}, err
	}
	fresh := map[int]bool{}
	for _, a := range names {
		fresh[a] = true
	}
	out := Shape{}
	for i, from := 0, 0; i < len(x)+len(axes); i++ {
		if fresh[i] {
			out = append(out, 1)
		} else {
			out = append(out, x[from])
			from++
		}
	}
	return Inferred{out, in[0].DType}, nil
}

func inferSqueeze(_ *Node, in []*Value) (Inferred, error) {
	axes, err := constants(in[1])
	if err != nil {
		return Inferred{}, err
	}
	x := in[0].Shape
	names, err := normalAxes(axes, len(x))
	if err != nil {
		return Inferred{}, err
	}
	gone := map[int]bool{}
	for _, a := range names {
		if x[a] != 1 {
			return Inferred{}, fmt.Errorf("axis %d of %s is not of size 1", a, x)
		}
		gone[a] = true
	}
	out := Shape{}
	for i, d := range x {
		if !gone[i] {
			out = append(out, d)
		}
	}
	return Inferred{out, in[0].DType}, nil
}

// inferSplit knows sizes given as a constant.
func inferSplit(n *Node, in []*Value) ([]Inferred, error) {
	x := in[0].Shape
	a, err := n.axis("axis", 0, len(x))
	if err != nil {
		return nil, err
	}
	if len(in) < 2 || in[1] == nil {
		return nil, fmt.Errorf("the sizes of the parts are not given")
	}
	sizes, err := constants(in[1])
	if err != nil {
		return nil, err
	}
	if x[a] == Batch {
		return nil, fmt.Errorf("the batch is not split")
	}
	rest := x[a]
	var parts []Inferred
	for _, s := range sizes {
		if s < 1 || s > rest {
			return nil, fmt.Errorf("parts %v do not fit axis %d of %s", sizes, a, x)
		}
		rest -= s
		out := append(Shape(nil), x...)
		out[a] = s
		parts = append(parts, Inferred{out, in[0].DType})
	}
	if rest != 0 {
		return nil, fmt.Errorf("parts %v do not fit axis %d of %s", sizes, a, x)
	}
	return parts, nil
}
