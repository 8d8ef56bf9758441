package graph

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// MaxElements bounds the elements of one tensor at batch size 1. It keeps sizes, sums and products of sizes well inside
// int64 whatever a hostile model claims; the largest real layers are some 2^28.
const MaxElements = int64(1) << 44

// Inferred is what shape inference says about one output of a node.
type Inferred struct {
	Shape Shape
	DType DType
}

// ownOpset is the version of the operators of ai.onnx that front-ends emit whose models come with none.
const ownOpset = 17

// Infer computes the shapes and types of a node's outputs from its inputs, by the rule of its operator. Batch stays
// symbolic: every operator that is given it must hand it on.
func Infer(g *Graph, n *Node) ([]Inferred, error) {
	in, err := g.operands(n)
	if err == nil && g.Opset != 0 {
		return g.inferImported(n, in)
	}
	var c *call
	if err == nil {
		c, err = infer(n, ownOpset, in)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", n.Op, n.Name, err)
	}
	batched := false
	for _, t := range in {
		batched = batched || t != nil && t.Shape.hasBatch()
	}
	out := make([]Inferred, len(c.out))
	for i := range c.out {
		if n.Outputs[i] == None {
			continue
		}
		out[i] = Inferred{c.out[i].Shape, c.out[i].DType}
		err := out[i].Shape.Check()
		if err == nil && batched && !out[i].Shape.hasBatch() {
			err = fmt.Errorf("the batch is not in its output %s any more", out[i].Shape)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", n.Op, n.Name, err)
		}
	}
	return out, nil
}

// operands gives what is known of a node's inputs.
func (g *Graph) operands(n *Node) ([]*Known, error) {
	in, room := make([]*Known, len(n.Inputs)), make([]Known, len(n.Inputs))
	for i, id := range n.Inputs {
		if id == None {
			continue
		}
		if id < 0 || int(id) >= len(g.Values) {
			return nil, fmt.Errorf("input %d refers to no value", i)
		}
		v := &g.Values[id]
		in[i] = &room[i]
		in[i].DType, in[i].Shape = v.DType, v.Shape
		if c := v.Const; c != nil {
			in[i].Ints, in[i].Floats, in[i].Filled = c.Int64s, c.Float32s, true
		}
	}
	return in, nil
}

// inferImported is Infer for a model that came as ONNX. Its front-end has inferred the shapes, thinking several runs
// through, which here are checked for one inference with sizes that are left open at their typical value. Where inference
// has no answer, the shapes are those that the file declared.
func (g *Graph) inferImported(n *Node, in []*Known) ([]Inferred, error) {
	declared := make([]Inferred, len(n.Outputs))
	for i, id := range n.Outputs {
		if id == None {
			continue
		}
		if id < 0 || int(id) >= len(g.Values) {
			return nil, fmt.Errorf("%s %s: output %d refers to no value", n.Op, n.Name, i)
		}
		v := &g.Values[id]
		declared[i] = Inferred{v.Shape, v.DType}
		if err := v.Shape.Check(); err != nil {
			return nil, fmt.Errorf("%s %s: %w", n.Op, n.Name, err)
		}
	}
	for _, t := range in {
		if t != nil {
			t.Shape = t.Shape.single()
		}
	}
	known, err := EvaluateShapes(n, g.Opset, in)
	if errors.Is(err, ErrNoRule) || errors.Is(err, ErrDataDecide) {
		return declared, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", n.Op, n.Name, err)
	}
	for i := range known {
		if n.Outputs[i] != None && !(declared[i].Shape.single().Equal(known[i].Shape) && declared[i].DType == known[i].DType) {
			declared[i] = Inferred{known[i].Shape, known[i].DType}
		}
	}
	return declared, nil
}

// single gives the shape at one inference.
func (s Shape) single() Shape {
	out := append(Shape{}, s...)
	for i, d := range out {
		if d == Batch {
			out[i] = 1
		}
	}
	return out
}

func (s Shape) hasBatch() bool { return slices.Contains(s, Batch) }

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
