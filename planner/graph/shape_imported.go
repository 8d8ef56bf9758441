package graph

import (
	"errors"
	"fmt"
)

// inferImported gives the outputs of a node of a model that came as ONNX. Its front-end has inferred the shapes, thinking
// several runs through, which here are checked for one inference with sizes that are left open at their typical value.
// Where inference has no answer, the shapes are those that the file declared.
func inferImported(g *Graph, n *Node) ([]Inferred, error) {
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
	in := make([]*Known, len(n.Inputs))
	for i, id := range n.Inputs {
		if id == None {
			continue
		}
		if id < 0 || int(id) >= len(g.Values) {
			return nil, fmt.Errorf("%s %s: input %d refers to no value", n.Op, n.Name, i)
		}
		v := &g.Values[id]
		in[i] = &Known{DType: v.DType, Shape: v.Shape.single()}
		if c := v.Const; c != nil {
			in[i].Ints, in[i].Floats, in[i].Filled = c.Int64s, c.Float32s, true
		}
	}
	known, err := Evaluate(n, g.Opset, in)
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
