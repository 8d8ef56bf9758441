package graph

import (
	"fmt"
	"math/bits"
)

// MaxElements bounds the elements of one tensor at batch size 1. It keeps sizes, sums and products of sizes well inside
// int64 whatever a hostile model claims; the largest real layers are some 2^28.
const MaxElements = int64(1) << 44

// Inferred is what shape inference says about one output of a node.
type Inferred struct {
	Shape Shape
	DType DType
}

// Infer computes the shapes and types of a node's outputs from its inputs by the rules of ONNX opset 17, for the
// operators that the front-ends emit. Batch stays symbolic.
func Infer(g *Graph, n *Node) ([]Inferred, error) {
	if g.Opset != 0 {
		return inferImported(g, n)
	}
	in := make([]*Value, len(n.Inputs))
	for i, id := range n.Inputs {
		if id == None {
			continue
		}
		if id < 0 || int(id) >= len(g.Values) {
			return nil, fmt.Errorf("%s %s: input %d refers to no value", n.Op, n.Name, i)
		}
		in[i] = &g.Values[id]
	}
	many, several := manyRules[n.Op]
	rule, ok := rules[n.Op]
	if several {
		ok, rule.minInputs = true, many.minInputs
	}
	if !ok || n.Domain != "" {
		return nil, fmt.Errorf("%s %s: no shape rule for this operator", n.Op, n.Name)
	}
	if len(in) < rule.minInputs {
		return nil, fmt.Errorf("%s %s: %d inputs, needs %d", n.Op, n.Name, len(in), rule.minInputs)
	}
	for i := 0; i < rule.minInputs; i++ {
		if in[i] == nil {
			return nil, fmt.Errorf("%s %s: input %d is left out", n.Op, n.Name, i)
		}
	}
	var out []Inferred
	var err error
	if several {
		out, err = many.infer(n, in)
	} else {
		var one Inferred
		one, err = rule.infer(n, in)
		out = []Inferred{one}
	}
	for i := range out {
		if err == nil {
			err = out[i].Shape.Check()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", n.Op, n.Name, err)
	}
	return out, nil
}

// Check tells whether a shape is one that the graph carries: at most one dimension is Batch (the first, except within
// recurrent layers, whose operators want the time first), the others are positive, and the elements stay within
// MaxElements.
func (s Shape) Check() error {
	n, batch := int64(1), false
	for i, d := range s {
		if d == Batch && !batch {
			batch = true
			continue
		}
		if d <= 0 {
			return fmt.Errorf("dimension %d of %s is not positive", i, s)
		}
		hi, lo := bits.Mul64(uint64(n), uint64(d))
		if hi != 0 || lo > uint64(MaxElements) {
			return fmt.Errorf("a tensor of shape %s has more than %d elements", s, MaxElements)
		}
		n = int64(lo)
	}
	return nil
}

// Equal tells whether two shapes are the same.
func (s Shape) Equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if s[i] != t[i] {
			return false
		}
	}
	return true
}

type rule struct {
	minInputs int
	infer     func(n *Node, in []*Value) (Inferred, error)
}

var rules = map[string]rule{
	"Conv":              {2, inferConv},
	"MaxPool":           {1, inferPool},
	"AveragePool":       {1, inferPool},
	"GlobalMaxPool":     {1, inferGlobalPool},
	"GlobalAveragePool": {1, inferGlobalPool},
	"Gemm":              {2, inferGemm},
	"MatMul":            {2, inferMatMul},
	"Transpose":         {1, inferTranspose},
	"Reshape":           {2, inferReshape},
	"Flatten":           {1, inferFlatten},
	"Concat":            {1, inferConcat},
	"Pad":               {2, inferPad},
	"Slice":             {3, inferSlice},
	"Cast":              {1, inferCast},
	"Greater":           {2, inferCompare},
	"PRelu":             {2, inferPRelu},
	// BatchNormalization needs scale, bias, mean and variance of one size.
	"BatchNormalization": {5, inferBatchNormalization},
}

func init() {
	for _, op := range []string{"Identity", "Relu", "Clip", "LeakyRelu", "Elu", "Selu", "Softmax", "LogSoftmax", "Sigmoid",
		"Tanh", "Softplus", "Softsign", "HardSigmoid", "HardSwish", "Exp", "Erf", "Sqrt", "Neg"} {
		rules[op] = rule{1, inferSame}
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div"} {
		rules[op] = rule{2, inferBroadcast}
	}
	for _, op := range []string{"Sum", "Mean", "Max", "Min"} {
		rules[op] = rule{1, inferBroadcast}
	}
}

func inferSame(_ *Node, in []*Value) (Inferred, error) {
	return Inferred{in[0].Shape, in[0].DType}, nil
}

// Broadcast gives the shape of an elementwise result by NumPy's rule, with a symbolic batch dimension.
func Broadcast(a, b Shape) (Shape, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := append(Shape(nil), a...)
	shift := len(a) - len(b)
	for i, d := range b {
		e := out[i+shift]
		switch {
		case d == e || d == 1:
		case e == 1:
			out[i+shift] = d
		default:
			return nil, fmt.Errorf("shapes %s and %s do not broadcast", a, b)
		}
	}
	return out, nil
}

func inferBroadcast(_ *Node, in []*Value) (Inferred, error) {
	shape := in[0].Shape
	for _, v := range in[1:] {
		if v == nil {
			return Inferred{}, fmt.Errorf("an input is left out")
		}
		if v.DType != in[0].DType {
			return Inferred{}, fmt.Errorf("types %s and %s differ", in[0].DType, v.DType)
		}
		var err error
		if shape, err = Broadcast(shape, v.Shape); err != nil {
			return Inferred{}, err
		}
	}
	return Inferred{shape, in[0].DType}, nil
}

func inferCompare(n *Node, in []*Value) (Inferred, error) {
	out, err := inferBroadcast(n, in)
	out.DType = Bool
	return out, err
}

func inferPRelu(_ *Node, in []*Value) (Inferred, error) {
	// The slope is broadcast to the input, never the other way.
	shape, err := Broadcast(in[0].Shape, in[1].Shape)
	if err == nil && !shape.Equal(in[0].Shape) {
		err = fmt.Errorf("slope %s does not broadcast to %s", in[1].Shape, in[0].Shape)
	}
	return Inferred{in[0].Shape, in[0].DType}, err
}

func inferBatchNormalization(_ *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	if len(x) < 2 {
		return Inferred{}, fmt.Errorf("input %s has no channels", x)
	}
	for _, v := range in[1:] {
		if v == nil || !v.Shape.Equal(Shape{x[1]}) {
			return Inferred{}, fmt.Errorf("scale, bias, mean and variance must have the %d channels of the input", x[1])
		}
	}
	return Inferred{x, in[0].DType}, nil
}

func inferCast(n *Node, in []*Value) (Inferred, error) {
	to := n.Attr("to")
	if to == nil || DType(to.Int).Size() == 0 {
		return Inferred{}, fmt.Errorf("attribute to is missing or unknown")
	}
	return Inferred{in[0].Shape, DType(to.Int)}, nil
}

// ints gives a node's integer-list attribute, or n copies of def when it is absent.
func (n *Node) ints(name string, count int, def int64) ([]int64, error) {
	a := n.Attr(name)
	if a == nil {
		out := make([]int64, count)
		for i := range out {
			out[i] = def
		}
		return out, nil
	}
	if len(a.Ints) != count {
		return nil, fmt.Errorf("attribute %s has %d entries, needs %d", name, len(a.Ints), count)
	}
	return a.Ints, nil
}

// windows computes the spatial sizes that a convolution or pooling window gives.
func windows(n *Node, x Shape, kernel []int64) (Shape, error) {
	r := len(kernel)
	strides, err := n.ints("strides", r, 1)
	if err != nil {
		return nil, err
	}
	dilations, err := n.ints("dilations", r, 1)
	if err != nil {
		return nil, err
	}
	pads, err := n.ints("pads", 2*r, 0)
	if err != nil {
		return nil, err
	}
	out := make(Shape, r)
	for i := range out {
		k, s, d := kernel[i], strides[i], dilations[i]
		if k < 1 || s < 1 || d < 1 || pads[i] < 0 || pads[i+r] < 0 || k > 1<<31 || d > 1<<31 {
			return nil, fmt.Errorf("kernel %d, stride %d, dilation %d, pads %d and %d are not a window", k, s, d, pads[i], pads[i+r])
		}
		padded := x[i] + pads[i] + pads[i+r]
		if window := (k-1)*d + 1; padded < window {
			return nil, fmt.Errorf("a window of %d does not fit the padded size %d", window, padded)
		} else {
			out[i] = (padded-window)/s + 1
		}
	}
	return out, nil
}

func inferConv(n *Node, in []*Value) (Inferred, error) {
	x, w := in[0].Shape, in[1].Shape
	if len(x) < 3 || len(w) != len(x) {
		return Inferred{}, fmt.Errorf("input %s and kernel %s do not fit", x, w)
	}
	groups := int64(1)
	if a := n.Attr("group"); a != nil {
		groups = a.Int
	}
	if groups < 1 || w[1]*groups != x[1] || w[0]%groups != 0 {
		return Inferred{}, fmt.Errorf("kernel %s in %d groups does not fit the %d channels of the input", w, groups, x[1])
	}
	if len(in) > 2 && in[2] != nil && !in[2].Shape.Equal(Shape{w[0]}) {
		return Inferred{}, fmt.Errorf("bias %s does not fit %d output channels", in[2].Shape, w[0])
	}
	spatial, err := windows(n, x[2:], w[2:])
	if err != nil {
		return Inferred{}, err
	}
	return Inferred{append(Shape{x[0], w[0]}, spatial...), in[0].DType}, nil
}

func inferPool(n *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	kernel := n.Attr("kernel_shape")
	if len(x) < 3 || kernel == nil || len(kernel.Ints) != len(x)-2 {
		return Inferred{}, fmt.Errorf("input %s does not fit the kernel_shape", x)
	}
	spatial, err := windows(n, x[2:], kernel.Ints)
	if err != nil {
		return Inferred{}, err
	}
	return Inferred{append(Shape{x[0], x[1]}, spatial...), in[0].DType}, nil
}

func inferGlobalPool(_ *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	if len(x) < 3 {
		return Inferred{}, fmt.Errorf("input %s has nothing to pool over", x)
	}
	out := append(Shape(nil), x...)
	for i := 2; i < len(out); i++ {
		out[i] = 1
	}
	return Inferred{out, in[0].DType}, nil
}
