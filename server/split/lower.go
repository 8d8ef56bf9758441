package split

import (
	"fmt"
	"strings"

	"partita/planner/graph"
	"partita/planner/onnx"
	"partita/planner/precision"
)

// lowered is a subgraph as ONNX nodes, with what the nodes read besides tensors that are computed.
type lowered struct {
	nodes   []onnx.Node
	consts  []graph.ValueID // in order of first use
	tensors []tensor        // in order of first use
	made    []onnx.Tensor   // constants that no graph has
}

// tensor is one tensor of stage.weights and how its numbers come about.
type tensor struct {
	name  string
	dtype graph.DType
	shape graph.Shape
	place *onnx.External

	weight *graph.Weight // the stored tensor; nil for the bias of a fold
	fold   *fold         // set for a kernel to scale and for a bias to compute
	axis   int           // of shape: the output channels of a kernel to scale

	encoding  precision.Encoding // how its numbers are stored, where that is not as float32
	factors   string             // name of the tensor of its factors
	factorsOf *tensor            // set for that tensor: whose factors it has
}

// lower turns the nodes of a subgraph into ONNX nodes, folding batch normalization where folds allows, and stores weights
// as their encodings say.
func lower(g *graph.Graph, sub *graph.Subgraph, encodings []precision.Encoding) *lowered {
	f := findFolds(g, sub)
	l := &lowered{}
	seen := map[string]bool{}    // names of consts and tensors already listed
	known := map[string]string{} // identity of a stored weight -> the name it got
	operand := func(v graph.ValueID) string {
		if v == graph.None {
			return ""
		}
		value := g.Value(v)
		name := value.Name
		switch {
		case value.Const != nil:
			if !seen[name] {
				seen[name] = true
				l.consts = append(l.consts, v)
			}
		case value.Weight != nil:
			// Two values may refer to the same stored tensor in the same arrangement: it is shipped once.
			id := identity(value)
			if first, ok := known[id]; ok {
				return first
			}
			known[id] = name
			l.tensors = append(l.tensors, tensor{name: name, dtype: value.DType, shape: value.Shape, weight: value.Weight, encoding: encodings[v]})
		}
		return name
	}
	folded := func(t tensor) string {
		if !seen[t.name] {
			seen[t.name] = true
			l.tensors = append(l.tensors, t)
		}
		return t.name
	}
	for i := sub.FirstNode; i < sub.LastNode; i++ {
		node := &g.Nodes[i]
		out := onnx.Node{Op: node.Op, Domain: node.Domain, Name: node.Name, Attrs: node.Attrs}
		for _, v := range node.Outputs {
			if v == graph.None {
				out.Outputs = append(out.Outputs, "")
			} else {
				out.Outputs = append(out.Outputs, g.Value(v).Name)
			}
		}
		if f.drop[i] {
			continue
		}
		change := f.change[i]
		inputs := node.Inputs
		if change != nil && change.op != "" {
			out.Op, out.Attrs, inputs = change.op, nil, inputs[:1]
		}
		for slot, v := range inputs {
			switch {
			case change != nil && change.kernel && slot == 1:
				k := g.Value(v)
				out.Inputs = append(out.Inputs, folded(tensor{name: change.fold.kernelName, dtype: k.DType, shape: k.Shape,
					weight: k.Weight, fold: change.fold, axis: change.fold.axis, encoding: encodings[v]}))
			case change != nil && change.bias && slot == change.biasSlot:
				out.Inputs = append(out.Inputs, folded(change.fold.biasTensor()))
			default:
				out.Inputs = append(out.Inputs, operand(v))
			}
		}
		if change != nil && change.bias && change.biasSlot == len(inputs) {
			out.Inputs = append(out.Inputs, folded(change.fold.biasTensor()))
		}
		if change != nil && change.output != "" {
			out.Outputs = []string{change.output}
		}
		l.nodes = append(l.nodes, out)
	}
	l.encode(g)
	return l
}

// identity tells stored tensors in their arrangement apart.
func identity(v *graph.Value) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v %v %d %s", v.Shape, v.Weight.Perm, v.Weight.Blocks, v.DType, v.Weight.ID())
	return b.String()
}
