package graph

import (
	"fmt"
	"strings"
)

// einsum is an equation of Einsum with the sizes of its axes. The terms name the axes with letters; an ellipsis stands for
// any axes, which broadcast.
type einsum struct {
	equation string
	output   string // with its ellipsis
	sizes    map[byte]int64
	middle   Shape // what the ellipses stand for
}

func readEinsum(equation string, shapes []Shape) (*einsum, error) {
	e := &einsum{equation: strings.ReplaceAll(equation, " ", ""), sizes: map[byte]int64{}}
	left, right, explicit := strings.Cut(e.equation, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(shapes) {
		return nil, fmt.Errorf("equation %q is not one of %d tensors", e.equation, len(shapes))
	}
	counts := map[byte]int{}
	for i, term := range terms {
		x := shapes[i]
		head, tail, ellipsis := strings.Cut(term, "...")
		rest := len(x) - len(head) - len(tail)
		if rest < 0 || !ellipsis && rest != 0 {
			return nil, fmt.Errorf("term %q does not fit %s", term, x)
		}
		for k, letters := 0, head+tail; k < len(letters); k++ {
			if c := letters[k]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
				return nil, fmt.Errorf("equation %q has more than letters", e.equation)
			}
			d := x[k]
			if k >= len(head) {
				d = x[k+rest]
			}
			old, known := e.sizes[letters[k]]
			if known && old != d && old != 1 && d != 1 {
				return nil, fmt.Errorf("axis %q of %q is both %s and %s", letters[k], e.equation, Shape{old}, Shape{d})
			}
			if !known || old == 1 {
				e.sizes[letters[k]] = d
			}
			counts[letters[k]]++
		}
		var err error
		if e.middle, err = Broadcast(e.middle, x[len(head):len(head)+rest]); err != nil {
			return nil, err
		}
	}
	if e.output = right; !explicit {
		e.output = "..."
		for l := byte('A'); l <= 'z'; l++ {
			if counts[l] == 1 {
				e.output += string(rune(l))
			}
		}
	}
	return e, nil
}

func ruleEinsum(c *call) error {
	if err := c.need(max(1, len(c.in))); err != nil {
		return err
	}
	shapes := make([]Shape, len(c.in))
	for i, t := range c.in {
		shapes[i] = t.Shape
	}
	e, err := readEinsum(c.text("equation", ""), shapes)
	if err != nil {
		return err
	}
	head, tail, ellipsis := strings.Cut(e.output, "...")
	var out Shape
	for k, letters := 0, head+tail; k <= len(letters); k++ {
		if k == len(head) && ellipsis {
			out = append(out, e.middle...)
		}
		if k == len(letters) {
			break
		}
		d, ok := e.sizes[letters[k]]
		if !ok || strings.IndexByte(letters, letters[k]) != k {
			return fmt.Errorf("equation %q makes the axis %q of nothing, or twice", e.equation, letters[k])
		}
		out = append(out, d)
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

// einsumMACs counts a product over all indices, as a sum of products needs them.
func (g *Graph) einsumMACs(n *Node) int64 {
	var shapes []Shape
	for _, id := range n.Inputs {
		if id == None {
			return 0
		}
		shapes = append(shapes, g.Values[id].Shape)
	}
	e, err := readEinsum(n.text("equation", ""), shapes)
	if err != nil || len(shapes) < 2 {
		return 0
	}
	macs := product(e.middle.single())
	for _, d := range e.sizes {
		if d != Batch {
			macs = mulSaturated(macs, d)
		}
	}
	return macs
}
