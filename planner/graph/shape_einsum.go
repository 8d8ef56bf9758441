package graph

import (
	"fmt"
	"strings"
)

func init() { rules["Einsum"] = rule{1, inferEinsum} }

// einsumSizes reads an equation with explicit output and without ellipses, and gives the size of each index.
func einsumSizes(n *Node, shapes []Shape) (output string, sizes map[byte]int64, err error) {
	a := n.Attr("equation")
	if a == nil {
		return "", nil, fmt.Errorf("there is no equation")
	}
	left, output, ok := strings.Cut(strings.ReplaceAll(a.Str, " ", ""), "->")
	terms := strings.Split(left, ",")
	if !ok || len(terms) != len(shapes) || len(a.Str) > 200 {
		return "", nil, fmt.Errorf("equation %q does not fit %d inputs", a.Str, len(shapes))
	}
	sizes = map[byte]int64{}
	for k, term := range terms {
		if len(term) != len(shapes[k]) {
			return "", nil, fmt.Errorf("term %q does not fit %s", term, shapes[k])
		}
		for i := range len(term) {
			c := term[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
				return "", nil, fmt.Errorf("equation %q has more than letters", a.Str)
			}
			d := shapes[k][i]
			if known, ok := sizes[c]; ok && known != d {
				return "", nil, fmt.Errorf("index %c of %q is both %d and %d", c, a.Str, known, d)
			}
			sizes[c] = d
		}
	}
	for i := range len(output) {
		if _, ok := sizes[output[i]]; !ok || strings.IndexByte(output, output[i]) != i {
			return "", nil, fmt.Errorf("equation %q has an impossible output", a.Str)
		}
	}
	return output, sizes, nil
}

func inferEinsum(n *Node, in []*Value) (Inferred, error) {
	var shapes []Shape
	for _, v := range in {
		if v == nil {
			return Inferred{}, fmt.Errorf("an input is left out")
		}
		shapes = append(shapes, v.Shape)
	}
	output, sizes, err := einsumSizes(n, shapes)
	if err != nil {
		return Inferred{}, err
	}
	out := Shape{}
	for i := range len(output) {
		out = append(out, sizes[output[i]])
	}
	for c, d := range sizes {
		if d == Batch && strings.IndexByte(output, c) < 0 {
			return Inferred{}, fmt.Errorf("the batch is not summed over")
		}
	}
	return Inferred{out, in[0].DType}, nil
}

// einsumMACs counts a product over all indices, as a sum of products needs them.
func (g *Graph) einsumMACs(n *Node) int64 {
	var shapes []Shape
	for _, id := range n.Inputs {
		shapes = append(shapes, g.Values[id].Shape)
	}
	_, sizes, err := einsumSizes(n, shapes)
	if err != nil || len(shapes) < 2 {
		return 0
	}
	macs := int64(1)
	for _, d := range sizes {
		if d != Batch {
			macs = mulSaturated(macs, d)
		}
	}
	return macs
}
