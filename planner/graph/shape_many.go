package graph

import "fmt"

// manyRule is a rule of an operator with several outputs. An output that the node leaves out (None, or absent at the end)
// is inferred all the same.
type manyRule struct {
	minInputs int
	infer     func(n *Node, in []*Value) ([]Inferred, error)
}

var manyRules = map[string]manyRule{
	"LSTM": {3, func(n *Node, in []*Value) ([]Inferred, error) { return inferRecurrent(n, in, 4, 3) }},
	"GRU":  {3, func(n *Node, in []*Value) ([]Inferred, error) { return inferRecurrent(n, in, 3, 2) }},
	"RNN":  {3, func(n *Node, in []*Value) ([]Inferred, error) { return inferRecurrent(n, in, 1, 2) }},
	"TopK": {2, inferTopK},
}

// inferRecurrent gives the outputs of a recurrent operator in layout 0: (time, directions, batch, hidden) and the last
// states (directions, batch, hidden). The batch is its inputs' second dimension; the graph knows it as Batch only where
// the input says so.
func inferRecurrent(n *Node, in []*Value, gates int64, outputs int) ([]Inferred, error) {
	x, w, r := in[0].Shape, in[1].Shape, in[2].Shape
	hidden := n.Attr("hidden_size")
	if len(x) != 3 || len(w) != 3 || len(r) != 3 || hidden == nil || hidden.Int < 1 || hidden.Int > 1<<30 {
		return nil, fmt.Errorf("inputs %s, %s and %s and hidden_size do not fit", x, w, r)
	}
	directions := int64(1)
	if d := n.Attr("direction"); d != nil && d.Str == "bidirectional" {
		directions = 2
	}
	h := hidden.Int
	if !w.Equal(Shape{directions, gates * h, x[2]}) || !r.Equal(Shape{directions, gates * h, h}) {
		return nil, fmt.Errorf("weights %s and %s do not fit %d units and input %s", w, r, h, x)
	}
	if len(in) > 3 && in[3] != nil && !in[3].Shape.Equal(Shape{directions, 2 * gates * h}) {
		return nil, fmt.Errorf("bias %s does not fit %d units", in[3].Shape, h)
	}
	if l := n.Attr("layout"); l != nil && l.Int != 0 {
		return nil, fmt.Errorf("layout %d is not known", l.Int)
	}
	out := []Inferred{{Shape{x[0], directions, x[1], h}, in[0].DType}, {Shape{directions, x[1], h}, in[0].DType}}
	if outputs == 3 {
		out = append(out, out[1])
	}
	return out, nil
}

func inferTopK(n *Node, in []*Value) ([]Inferred, error) {
	k, err := constants(in[1])
	if err != nil {
		return nil, err
	}
	axis, err := n.axis("axis", -1, len(in[0].Shape))
	if err != nil {
		return nil, err
	}
	out := append(Shape(nil), in[0].Shape...)
	if len(k) != 1 || k[0] < 1 || out[axis] == Batch || k[0] > out[axis] {
		return nil, fmt.Errorf("k %v does not fit axis %d of %s", k, axis, out)
	}
	out[axis] = k[0]
	return []Inferred{{out, in[0].DType}, {out, Int64}}, nil
}

// axis gives an axis attribute counted from the start.
func (n *Node) axis(name string, def int64, rank int) (int, error) {
	a := def
	if attr := n.Attr(name); attr != nil {
		a = attr.Int
	}
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d is not one of %d", a, rank)
	}
	return int(a), nil
}
