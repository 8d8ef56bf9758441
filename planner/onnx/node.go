package onnx

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
)

// fileNode is a node as the file has it.
type fileNode struct {
	op, domain, overload, name string
	inputs, outputs            []string
	attrs                      []graph.Attr
	constant                   *Stored // of a Constant whose value is a tensor

	references []attributeReference // in a function
	branches   []*body              // of an If: then_branch and else_branch
	either     string               // of a Where in the place of an If: what the If was called
	runs       []string             // the attributes with the graphs that it runs, when it is no If
}

// label gives a name for people.
func (n *fileNode) label() string {
	name := n.name
	for _, out := range n.outputs {
		if name == "" {
			name = out
		}
	}
	return name
}

// attributeReference is an attribute of a node in a function that takes the value of one of the function's.
type attributeReference struct{ name, of string }

// body is a graph that a node runs.
type body struct {
	name         string // of the attribute
	nodes        []fileNode
	initializers []*Stored
	inputs       []string
	outputs      []string
	values       []port
}

// The kinds of attributes that graphs do not carry.
const (
	attrGraph  graph.AttrKind = 5
	attrGraphs graph.AttrKind = 10
)

// Bounds that no exporter comes near.
const (
	maxAttributes = 4096 // of a node
	maxDepth      = 32   // of graphs and functions inside each other
)

// body reads the graph that a node runs.
func (s *scanner) body(name string, message part, depth int) (*body, error) {
	if depth > maxDepth {
		return nil, tooLarge(fmt.Sprintf("graphs of nodes are inside each other over %d deep", maxDepth))
	}
	b := &body{name: name}
	err := s.fields(message, func(x field) error {
		switch x.id {
		case 1:
			n, err := s.node(x, depth)
			b.nodes = append(b.nodes, n)
			return err
		case 5:
			t, err := s.tensor(x)
			b.initializers = append(b.initializers, t)
			return err
		case 11, 12, 13:
			p, err := s.port(x)
			switch x.id {
			case 11:
				b.inputs = append(b.inputs, p.name)
			case 12:
				b.outputs = append(b.outputs, p.name)
			default:
				b.values = append(b.values, p)
			}
			return err
		}
		return nil
	})
	return b, err
}

// node reads a NodeProto that is inside so many graphs of other nodes.
func (s *scanner) node(x field, depth int) (fileNode, error) {
	var n fileNode
	if err := s.charge(nodeBytes); err != nil {
		return n, err
	}
	if x.kind != protowire.BytesType {
		return n, malformed("a node is not a message")
	}
	var attributes []field
	err := s.fields(x.part, func(x field) error {
		switch x.id {
		case 1, 2:
			var name string
			if err := s.text(x, &name); err != nil {
				return err
			}
			if x.id == 1 {
				n.inputs = append(n.inputs, name)
			} else {
				n.outputs = append(n.outputs, name)
			}
		case 3:
			return s.text(x, &n.name)
		case 4:
			return s.text(x, &n.op)
		case 5:
			if attributes = append(attributes, x); len(attributes) > maxAttributes {
				return tooLarge(fmt.Sprintf("node %q has over %d attributes", shorten(n.name), maxAttributes))
			}
		case 6:
			if s.lenient { // a stripped model
				var doc string
				err := s.text(x, &doc)
				if name, ok := strings.CutPrefix(doc, eitherMark); ok {
					n.either = name
				}
				return err
			}
		case 7:
			return s.text(x, &n.domain)
		case 8:
			return s.text(x, &n.overload)
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	if n.domain == "ai.onnx" {
		n.domain = ""
	}
	for _, x := range attributes {
		if err := s.attribute(x, &n, depth); err != nil {
			return n, err
		}
	}
	if n.constant != nil && n.constant.raw == nil && !n.constant.refused && (n.op != "Constant" || n.domain != "") {
		return n, malformed(fmt.Sprintf("the value of node %q (%s) is a large tensor", shorten(n.name), shorten(n.op)))
	}
	return n, nil
}

// attribute reads an AttributeProto of a node.
func (s *scanner) attribute(x field, n *fileNode, depth int) error {
	if err := s.charge(160); err != nil {
		return err
	}
	var a graph.Attr
	var tensor *Stored
	var ran part
	graphs := 0
	reference, kind, other := "", graph.AttrKind(0), graph.AttrKind(0)
	err := s.fields(x.part, func(x field) error {
		switch x.id {
		case 1:
			return s.text(x, &a.Name)
		case 2:
			kind = graph.AttrFloat
			one := []float32{}
			if err := s.floats(x, &one); err != nil || len(one) != 1 {
				return malformed("an attribute's float is not one number")
			}
			a.Float = one[0]
		case 3:
			kind, a.Int = graph.AttrInt, int64(x.value)
		case 4:
			kind = graph.AttrString
			return s.text(x, &a.Str)
		case 5:
			kind = graph.AttrTensor
			var err error
			tensor, err = s.tensor(x)
			return err
		case 6, 11:
			if x.kind != protowire.BytesType {
				return malformed("the graph of a node is not a message")
			}
			if ran, graphs = x.part, graphs+1; x.id == 6 {
				kind = attrGraph
			} else {
				kind = attrGraphs
			}
		case 7:
			kind = graph.AttrFloats
			return s.floats(x, &a.Floats)
		case 8:
			kind = graph.AttrInts
			return s.integers(x, &a.Ints)
		case 9:
			kind = graph.AttrStrings
			var v string
			err := s.text(x, &v)
			a.Strs = append(a.Strs, v)
			return err
		case 10, 14, 15, 22, 23:
			other = graph.AttrKind(x.id)
		case 20:
			a.Kind = graph.AttrKind(x.value)
		case 21:
			return s.text(x, &reference)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if reference != "" {
		n.references = append(n.references, attributeReference{a.Name, reference})
		return nil
	}
	if a.Kind == 0 { // before IR version 3 the field that is set tells
		a.Kind = kind
	}
	switch a.Kind {
	case graph.AttrFloat, graph.AttrInt, graph.AttrString, graph.AttrFloats, graph.AttrInts, graph.AttrStrings:
	case attrGraph, attrGraphs:
		if n.op != "If" || n.domain != "" || graphs != 1 {
			n.runs = append(n.runs, a.Name)
			return nil
		}
		b, err := s.body(a.Name, ran, depth+1)
		n.branches = append(n.branches, b)
		return err
	case graph.AttrTensor:
		if tensor == nil {
			return malformed(fmt.Sprintf("attribute %s of node %q should hold a tensor", a.Name, n.name))
		}
		if a.Name == "value" && n.constant == nil {
			n.constant = tensor
		} else if tensor.refused {
			return diag.New(diag.Invalid, "onnx.unsupported-attribute", doing, fmt.Sprintf("attribute %s of node %q is a tensor of type %s", shorten(a.Name), shorten(n.name), typeName(tensor.DType)),
				"export the model with plain operators")
		} else if err := s.hold(tensor); err != nil {
			return err
		}
		if tensor.raw != nil {
			a.Tensor = &graph.TensorAttr{DType: tensor.DType, Shape: tensor.Shape, Raw: tensor.raw}
		}
	default:
		return diag.New(diag.Invalid, "onnx.unsupported-attribute", doing, fmt.Sprintf("attribute %s of node %q is of a kind (%d) that is not supported", a.Name, n.name, max(int32(a.Kind), int32(other))),
			"export the model with plain operators")
	}
	n.attrs = append(n.attrs, a)
	return nil
}
