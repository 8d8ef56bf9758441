package graph

import (
	"errors"
	"fmt"
	"slices"
)

// Known is what is known of a tensor before the model runs: its type, its shape with every dimension a size, and for small
// tensors that only depend on shapes and constants the elements themselves.
type Known struct {
	DType  DType
	Shape  Shape
	Filled bool      // the elements are known: Floats of float32, Ints of integers and booleans
	Ints   []int64   // booleans are 0 and 1
	Floats []float32 // of float32
}

// MaxKnown bounds the elements of a tensor whose elements are tracked. Shapes, axes and lists of positions have fewer.
const MaxKnown = 4096

// ErrNoRule says that shape inference does not know an operator.
var ErrNoRule = errors.New("shape inference does not know this operator")

// ErrDataDecide says that the shape of an output depends on the elements of a tensor that only the run gives.
var ErrDataDecide = errors.New("the data decide the shape of its output")

// maxRank bounds the dimensions of a tensor. Operators of known networks have at most eight.
const maxRank = 64

// Evaluate computes what is known of a node's outputs by the rules of an operator set of ONNX, for the operators of the
// families in ONNX's model zoo. Inputs that are left out are nil. The errors ErrNoRule and ErrDataDecide say that inference
// has no answer; all others say that the node is not a valid one.
func Evaluate(n *Node, opset int64, in []*Known) ([]Known, error) {
	c, err := inferSizes(n, opset, in)
	if err != nil {
		return nil, err
	}
	if len(c.out) == 1 && c.out[0].Shape.Elements(1) <= MaxKnown {
		c.fill()
	}
	return c.out, nil
}

// EvaluateShapes is Evaluate without the elements.
func EvaluateShapes(n *Node, opset int64, in []*Known) ([]Known, error) {
	c, err := inferSizes(n, opset, in)
	if err != nil {
		return nil, err
	}
	return c.out, nil
}

// rule finds the rule of a node's operator; nil when there is none.
func (n *Node) rule() func(*call) error {
	switch n.Domain {
	case "", "ai.onnx":
		return operators[n.Op]
	case "ai.onnx.ml":
		return learners[n.Op]
	case "com.microsoft":
		return contributed[n.Op]
	}
	return nil
}

// HasRule tells whether shape inference knows a node's operator.
func (n *Node) HasRule() bool { return n.rule() != nil }

// inferSizes is infer for inputs whose dimensions are all sizes.
func inferSizes(n *Node, opset int64, in []*Known) (*call, error) {
	c, err := infer(n, opset, in)
	if err != nil {
		return nil, err
	}
	for i := range c.out {
		if n.Outputs[i] == None {
			continue
		}
		if err := c.out[i].Shape.checkSizes(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// infer asks the rule of a node's operator. An input may have a dimension that is Batch, which takes part in no
// arithmetic: a rule hands it on or refuses it.
func infer(n *Node, opset int64, in []*Known) (*call, error) {
	c := &call{Node: n, opset: opset, in: in, out: make([]Known, len(n.Outputs))}
	f := n.rule()
	if f == nil {
		return nil, ErrNoRule
	}
	for _, t := range in {
		if t != nil && len(t.Shape) > maxRank {
			return nil, fmt.Errorf("a tensor has %d dimensions", len(t.Shape))
		}
	}
	if err := f(c); err != nil {
		return nil, err
	}
	for i := range c.out {
		if n.Outputs[i] != None && c.out[i].DType == 0 {
			return nil, ErrNoRule // an output that the rule does not speak of
		}
	}
	return c, nil
}

// checkSizes is Check for shapes whose dimensions are all sizes, of which some may be zero.
func (s Shape) checkSizes() error {
	positive := make(Shape, len(s))
	for i, d := range s {
		if d < 0 {
			return fmt.Errorf("dimension %d of %v is negative", i, []int64(s))
		}
		positive[i] = max(d, 1)
	}
	if len(s) > maxRank {
		return fmt.Errorf("a tensor has %d dimensions", len(s))
	}
	return positive.Check()
}

// call is one node whose outputs are asked for.
type call struct {
	*Node
	opset int64
	in    []*Known
	out   []Known
}

// need checks that the first inputs are there.
func (c *call) need(count int) error {
	for i := 0; i < count; i++ {
		if i >= len(c.in) || c.in[i] == nil {
			return fmt.Errorf("input %d of the %d it needs is left out", i, count)
		}
	}
	if len(c.out) == 0 {
		return fmt.Errorf("it has no outputs")
	}
	return nil
}

// input gives an input, nil when it is left out.
func (c *call) input(i int) *Known {
	if i >= len(c.in) {
		return nil
	}
	return c.in[i]
}

func (c *call) set(i int, d DType, shape ...int64) {
	if i < len(c.out) {
		c.out[i] = Known{DType: d, Shape: append(Shape{}, shape...)}
	}
}

// operand gives a list of integers that newer operator sets take as an input and older ones as an attribute. The list
// is nil when it is given as neither.
func (c *call) operand(name string, since int64, slot int) ([]int64, error) {
	if c.opset < since {
		list, _ := c.list(name)
		return list, nil
	}
	t := c.input(slot)
	if t == nil {
		return nil, nil
	}
	return t.integers()
}

// integers gives the elements of a list of integers.
func (t *Known) integers() ([]int64, error) {
	switch {
	case len(t.Shape) > 1 || t.DType != Int64 && t.DType != Int32:
		return nil, fmt.Errorf("an input of type %s and shape %s should be a list of integers", t.DType, t.Shape)
	case !t.Filled:
		return nil, ErrDataDecide
	}
	if t.Ints == nil {
		return []int64{}, nil
	}
	return t.Ints, nil
}

// one gives the only element of an integer tensor.
func (t *Known) one() (int64, error) {
	list, err := t.integers()
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("an input has %d elements, it should have one", len(list))
	}
	if err != nil {
		return 0, err
	}
	return list[0], nil
}

// settled refuses the batch among dimensions that a rule computes with.
func (s Shape) settled() error {
	if s.hasBatch() {
		return fmt.Errorf("it works along the batch, dimensions %s", s)
	}
	return nil
}

// axis counts an axis from the front.
func axis(a int64, rank int) (int, error) {
	if a < -int64(rank) || a >= int64(rank) {
		return 0, fmt.Errorf("there is no axis %d in %d dimensions", a, rank)
	}
	if a < 0 {
		a += int64(rank)
	}
	return int(a), nil
}

// places counts axes from the front, in the order in which they come; each may come once.
func places(list []int64, rank int) ([]int, error) {
	out := make([]int, len(list))
	for i, a := range list {
		k, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out[:i], k) {
			return nil, fmt.Errorf("axis %d is named twice", a)
		}
		out[i] = k
	}
	return out, nil
}

// everyPlace is all axes.
func everyPlace(rank int) []int {
	out := make([]int, rank)
	for k := range out {
		out[k] = k
	}
	return out
}

// axes is places as a set.
func axes(list []int64, rank int) ([]bool, error) {
	set := make([]bool, rank)
	over, err := places(list, rank)
	for _, k := range over {
		set[k] = true
	}
	return set, err
}

// broadcast gives the shape of an elementwise result; a dimension of 0 goes with 1 and 0.
func broadcast(shapes ...Shape) (Shape, error) {
	var out Shape
	for k, s := range shapes {
		if k == 0 {
			out = append(Shape{}, s...)
			continue
		}
		var err error
		if out, err = Broadcast(out, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// product multiplies dimensions and saturates.
func product(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		n = mulSaturated(n, d)
	}
	return n
}

// scaled rounds down.
func scaled(size int64, factor float32) (int64, error) {
	if size == Batch {
		if factor != 1 {
			return 0, fmt.Errorf("the batch is not resized")
		}
		return Batch, nil
	}
	f := float32(size) * factor // as the operator computes it
	if !(f >= 0 && f <= float32(MaxElements)) {
		return 0, fmt.Errorf("%d scaled by %g is not a size", size, factor)
	}
	return int64(f), nil
}
