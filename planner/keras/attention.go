package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for _, additive := range []bool{false, true} {
		class := "Attention"
		if additive {
			class = "AdditiveAttention"
		}
		register(func(o *options) operation {
			a := &attention{additive: additive, scaled: o.boolean(additive, "use_scale"), causal: o.boolean(false, "causal")}
			if !additive {
				switch mode := o.text("dot", "score_mode"); mode {
				case "dot":
				case "concat":
					a.concat = true
				default:
					o.malformed("option score_mode is %q", mode)
				}
			}
			o.ignore("dropout", "seed", "score_mode") // what shapes training only
			o.accept("mask", "use_causal_mask", "return_attention_scores")
			return a
		}, class)
	}
}

// attention weighs values by how well their keys fit queries (Luong's dot products, or Bahdanau's sums).
type attention struct {
	additive, concat, scaled, causal bool
}

// maxMask bounds the elements of a mask that depends on positions alone.
const maxMask = 1 << 24

// byPosition makes a mask (1, rows, columns) of ones and zeros.
func (c *formula) byPosition(what string, rows, columns int64, counts func(row, column int64) bool) graph.ValueID {
	if c.err != nil {
		return graph.None
	}
	if rows > maxMask/columns {
		c.err = fmt.Errorf("a mask of %d by %d positions is too large", rows, columns)
		return graph.None
	}
	m := make([]float32, rows*columns)
	for r := range rows {
		for k := range columns {
			if counts(r, k) {
				m[r*columns+k] = 1
			}
		}
	}
	return c.l.floats(what, graph.Shape{1, rows, columns}, m)
}

func (c *formula) causalMask(rows, columns int64) graph.ValueID {
	return c.byPosition("causal", rows, columns, func(r, k int64) bool { return r >= k })
}

// both is the mask of what counts in both; None stands for all.
func (c *formula) both(a, b graph.ValueID) graph.ValueID {
	switch {
	case a == graph.None:
		return b
	case b == graph.None:
		return a
	}
	return c.op("Mul", a, b)
}

// listMasks gives the masks of a list of inputs, given by hand or carried by the tensors.
func (l *lowering) listMasks(in []*tensor) ([]graph.ValueID, error) {
	given := l.keyword("mask")
	masks := make([]graph.ValueID, len(in))
	for i, t := range in {
		masks[i] = graph.None
		m := t.mask
		if given != nil {
			var err error
			if m, err = l.toMask(given[i]); err != nil {
				return nil, err
			}
		}
		if m != nil {
			v, err := l.as(m, asSource)
			if err != nil {
				return nil, err
			}
			masks[i] = v
		}
	}
	return masks, nil
}

func (a *attention) lowerAll(l *lowering, in []*tensor) ([]*tensor, error) {
	if len(in) != 2 && len(in) != 3 {
		return nil, fmt.Errorf("it is called on %d tensors, it takes query, value and perhaps key", len(in))
	}
	masks, err := l.listMasks(in)
	if err != nil {
		return nil, err
	}
	var values [3]graph.ValueID
	for i, t := range in {
		if err := wantRank(t, 3); err != nil {
			return nil, err
		}
		if values[i], err = l.as(t, asSource); err != nil {
			return nil, err
		}
	}
	query, value, key := values[0], values[1], values[2]
	keyShape := in[len(in)-1].shape
	if len(in) == 2 {
		key = value
	}
	rows, columns := in[0].shape[1], keyShape[1]
	c := &formula{l: l}
	var scores graph.ValueID
	switch {
	case a.additive || a.concat:
		sum := c.op("Add", c.axes("Unsqueeze", query, 2), c.axes("Unsqueeze", key, 1))
		stored := graph.Shape{}
		if a.additive {
			stored = graph.Shape{in[0].shape[2]}
		}
		scale := graph.None
		if a.scaled {
			if scale, err = l.weight("scale", stored, nil, stored); err != nil {
				return nil, err
			}
		}
		if a.concat && a.scaled {
			sum = c.op("Mul", sum, scale)
		}
		sum = c.op("Tanh", sum)
		if a.additive && a.scaled {
			sum = c.op("Mul", sum, scale)
		}
		scores = c.with("ReduceSum", []graph.Attr{intAttr("keepdims", 0)}, sum, l.integers("axes", []int64{3}))
		if a.concat {
			weight, err := l.weight("concat_score_weight", graph.Shape{}, nil, graph.Shape{})
			if err != nil {
				return nil, err
			}
			scores = c.op("Mul", scores, weight)
		}
	default:
		scores = c.op("MatMul", query, c.turn(key, 0, 2, 1))
		if a.scaled {
			scale, err := l.weight("scale", graph.Shape{}, nil, graph.Shape{})
			if err != nil {
				return nil, err
			}
			scores = c.op("Mul", scores, scale)
		}
	}
	mask := graph.None
	if masks[1] != graph.None {
		mask = c.axes("Unsqueeze", masks[1], 1)
	}
	if a.causal || l.flag("use_causal_mask") {
		mask = c.both(mask, c.causalMask(rows, columns))
	}
	if mask != graph.None {
		scores = c.op("Sub", scores, c.op("Mul", c.op("Sub", c.number(1), mask), c.number(1e9)))
	}
	weights := c.with("Softmax", []graph.Attr{intAttr("axis", 2)}, scores)
	y := c.op("MatMul", weights, value)
	if masks[0] != graph.None {
		y = c.op("Mul", y, c.axes("Unsqueeze", masks[0], 2))
	}
	if c.err != nil {
		return nil, c.err
	}
	out := []*tensor{l.tensorOf(y, asSource)}
	if l.flag("return_attention_scores") {
		out = append(out, l.tensorOf(weights, asSource))
	}
	return out, nil
}

func (a *attention) lower(l *lowering, in []*tensor) (*tensor, error) {
	out, err := a.lowerAll(l, in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}
