package graph

import (
	"fmt"
	"strconv"
	"strings"
)

// Text gives the graph in a stable form of one line per input, node and output, for tests and reports of faults:
//
//	model tiny: 3 layers, 8 parameters
//	input image = image ?x4x4x3
//	0 conv Conv2D | conv = Conv(image, conv/kernel) group=1 strides=1,1 | ?x2x4x4
//	output conv = conv ?x2x4x4
//
// A weight is printed as its key, with its permutation and shape; a constant as its numbers.
func (g *Graph) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %s: %d layers, %d parameters\n", g.Name, g.LayerCount, g.Parameters)
	for _, p := range g.Inputs {
		fmt.Fprintf(&b, "input %s = %s\n", p.Name, g.describe(p.Value))
	}
	for li := range g.Layers {
		l := &g.Layers[li]
		if l.FirstNode == l.LastNode {
			fmt.Fprintf(&b, "%d %s %s | | %s\n", li, l.Name, l.Class, l.Output)
		}
		for ni := l.FirstNode; ni < l.LastNode; ni++ {
			n := &g.Nodes[ni]
			outs := make([]string, len(n.Outputs))
			shapes := make([]string, len(n.Outputs))
			for i, id := range n.Outputs {
				if id == None {
					outs[i], shapes[i] = "-", "-"
					continue
				}
				outs[i], shapes[i] = g.Values[id].Name, g.shapeAndType(id)
			}
			ins := make([]string, len(n.Inputs))
			for i, id := range n.Inputs {
				ins[i] = g.operand(id)
			}
			op := n.Op
			if n.Domain != "" {
				op = n.Domain + "." + op
			}
			fmt.Fprintf(&b, "%d %s %s | %s = %s(%s)", li, l.Name, l.Class, strings.Join(outs, ", "), op, strings.Join(ins, ", "))
			for i := range n.Attrs {
				fmt.Fprintf(&b, " %s=%s", n.Attrs[i].Name, n.Attrs[i].text())
			}
			fmt.Fprintf(&b, " | %s\n", strings.Join(shapes, ", "))
		}
	}
	for _, p := range g.Outputs {
		fmt.Fprintf(&b, "output %s = %s\n", p.Name, g.describe(p.Value))
	}
	return b.String()
}

func (g *Graph) describe(id ValueID) string { return g.Values[id].Name + " " + g.shapeAndType(id) }

func (g *Graph) shapeAndType(id ValueID) string {
	v := &g.Values[id]
	if v.DType == Float32 {
		return v.Shape.String()
	}
	return v.Shape.String() + " " + v.DType.String()
}

func (g *Graph) operand(id ValueID) string {
	if id == None {
		return "-"
	}
	v := &g.Values[id]
	switch {
	case v.Weight != nil:
		s := v.Weight.ID()
		if v.Weight.Perm != nil {
			s += "~"
			for _, p := range v.Weight.Perm {
				s += strconv.Itoa(p)
			}
		}
		if v.Weight.Blocks != nil {
			s += "^"
			for _, b := range v.Weight.Blocks {
				s += strconv.Itoa(b)
			}
		}
		return s + ":" + v.Shape.String()
	case v.Const != nil:
		const shown = 8
		var parts []string
		for _, n := range v.Const.Int64s {
			parts = append(parts, strconv.FormatInt(n, 10))
		}
		for i, f := range v.Const.Float32s {
			if i == shown {
				parts = append(parts, "...")
				break
			}
			parts = append(parts, formatFloat(f))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return v.Name
}

func (a *Attr) text() string {
	var parts []string
	switch a.Kind {
	case AttrInt:
		return strconv.FormatInt(a.Int, 10)
	case AttrFloat:
		return formatFloat(a.Float)
	case AttrString:
		return strconv.Quote(a.Str)
	case AttrInts:
		for _, n := range a.Ints {
			parts = append(parts, strconv.FormatInt(n, 10))
		}
	case AttrFloats:
		for _, f := range a.Floats {
			parts = append(parts, formatFloat(f))
		}
	case AttrStrings:
		for _, s := range a.Strs {
			parts = append(parts, strconv.Quote(s))
		}
	case AttrTensor:
		return fmt.Sprintf("%s %s tensor", a.Tensor.Shape, a.Tensor.DType)
	}
	return strings.Join(parts, ",")
}

func formatFloat(f float32) string { return strconv.FormatFloat(float64(f), 'g', -1, 32) }
