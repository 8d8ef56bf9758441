package keras

import (
	"fmt"
	"math"
	"slices"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		h := &multiHead{heads: o.required("num_heads"), keySize: o.required("key_dim"), output: o.integers("output_shape"),
			axes: o.integers("attention_axes")}
		h.keyHeads, h.valueSize = h.heads, o.integer(h.keySize, 1, "value_dim")
		o.ignore("query_shape", "key_shape", "value_shape")
		return o.heads(h)
	}, "MultiHeadAttention")
	register(func(o *options) operation {
		h := &multiHead{heads: o.required("num_query_heads"), keyHeads: o.required("num_key_value_heads"), keySize: o.required("head_dim")}
		h.valueSize = h.keySize
		if h.heads%h.keyHeads != 0 {
			o.malformed("%d heads of keys do not divide %d heads of queries", h.keyHeads, h.heads)
			h.keyHeads = h.heads
		}
		return o.heads(h)
	}, "GroupQueryAttention", "GroupedQueryAttention")
}

// heads reads the options that both kinds of multi-head attention have.
func (o *options) heads(h *multiHead) operation {
	h.bias = o.boolean(true, "use_bias")
	h.gated = o.boolean(false, "use_gate")
	h.window = o.integer(0, 0, "sliding_window")
	h.dropout = o.number(0, "dropout") > 0
	o.ignore("flash_attention", "seed")
	o.accept("value", "key", "query_mask", "value_mask", "key_mask", "attention_mask", "return_attention_scores", "use_causal_mask")
	return h
}

// multiHead is attention of several heads, between projections of queries, keys and values and one of the result. With
// fewer heads of keys than of queries, each of the former serves several of the latter.
type multiHead struct {
	heads, keyHeads, keySize, valueSize int64
	output                              []int64 // nil: as the query
	axes                                []int64 // nil: all but the batch and the features
	window                              int64   // how near a key must be to count; 0: anywhere
	bias, gated                         bool
	dropout                             bool // decides how Keras treats queries that nothing counts for
}

// project multiplies the last axis with a kernel (features, heads, size).
func (h *multiHead) project(c *formula, name string, t *tensor, heads, size int64) graph.ValueID {
	if c.err != nil {
		return graph.None
	}
	l := c.l
	x, err := l.as(t, asSource)
	if err != nil {
		c.err = err
		return graph.None
	}
	features := t.shape[len(t.shape)-1]
	kernel, err := l.weight(name+"_kernel", graph.Shape{features, heads, size}, nil, graph.Shape{features, heads * size})
	if err != nil {
		c.err = err
		return graph.None
	}
	x = c.op("MatMul", x, kernel)
	if h.bias {
		bias, err := l.weight(name+"_bias", graph.Shape{heads, size}, nil, graph.Shape{heads * size})
		if err != nil {
			c.err = err
			return graph.None
		}
		x = c.op("Add", x, bias)
	}
	return x
}

func (h *multiHead) lowerAll(l *lowering, in []*tensor) ([]*tensor, error) {
	in = slices.Clone(in)
	for _, name := range []string{"value", "key"} {
		if given := l.keyword(name); given != nil {
			in = append(in, given[0])
		}
	}
	if len(in) != 2 && len(in) != 3 {
		return nil, fmt.Errorf("it is called on %d tensors, it takes query, value and perhaps key", len(in))
	}
	query, value, key := in[0], in[1], in[len(in)-1]
	rank := len(query.shape)
	if rank < 3 || len(value.shape) != rank || len(key.shape) != rank {
		return nil, fmt.Errorf("its inputs %s do not fit each other", shapesOf(in))
	}
	// The axes attended over, and the others behind the batch.
	attended := h.axes
	if attended == nil {
		for a := 1; a < rank-1; a++ {
			attended = append(attended, int64(a))
		}
	}
	over, err := normalAxes(attended, rank)
	if err != nil {
		return nil, err
	}
	if slices.Contains(over, rank-1) || len(over) == 0 {
		return nil, fmt.Errorf("attention axes %v are not between the batch and the features of %s", attended, query.shape)
	}
	c := &formula{l: l}
	q := h.project(c, "query", query, h.heads, h.keySize)
	k := h.project(c, "key", key, h.keyHeads, h.keySize)
	gate := graph.None
	if h.gated {
		gate = c.op("Sigmoid", h.project(c, "gate", query, h.heads, h.valueSize))
	}
	v := h.project(c, "value", value, h.keyHeads, h.valueSize)

	q = h.arrange(c, q, query.shape, over, h.heads, h.keySize)
	k = h.arrange(c, k, key.shape, over, h.keyHeads, h.keySize)
	v = h.arrange(c, v, value.shape, over, h.keyHeads, h.valueSize)
	if c.err != nil {
		return nil, c.err
	}
	// From here on: batch, other axes, heads (of keys, and of queries for each), positions, features.
	n := len(l.g.Values[k].Shape)
	last := make([]int64, n)
	for i := range last {
		last[i] = int64(i)
	}
	last[n-1], last[n-2] = last[n-2], last[n-1]
	scores := c.op("MatMul", c.op("Mul", q, c.number(1/math.Sqrt(float64(h.keySize)))), c.turn(k, last...))
	if c.err != nil {
		return nil, c.err
	}
	rows, columns := l.g.Values[scores].Shape[n-2], l.g.Values[scores].Shape[n-1]
	mask, err := h.mask(c, query, value, key, len(in) == 3, rows, columns, n, over)
	if err != nil {
		return nil, err
	}
	withScores := l.flag("return_attention_scores")
	counts := graph.None
	if mask != graph.None {
		counts = c.cast(mask, graph.Bool)
		scores = c.op("Where", counts, scores, c.number(-1e30))
	}
	weights := c.with("Softmax", []graph.Attr{intAttr("axis", int64(n-1))}, scores)
	if mask != graph.None && (h.dropout || withScores || rank != 3) {
		// Keras's way with dropout: a query for which no key counts gives zero. Its way without, like this formula's, gives
		// such a query the mean of all values.
		weights = c.op("Mul", weights, mask)
	}
	y := h.collect(c, c.op("MatMul", weights, v), query.shape, over)
	if gate != graph.None {
		y = c.op("Mul", y, gate)
	}
	output := h.output
	if output == nil {
		output = []int64{query.shape[rank-1]}
	}
	size := graph.Shape(output).Elements(1)
	if err := graph.Shape(output).Check(); err != nil {
		return nil, err
	}
	stored := append(graph.Shape{h.heads, h.valueSize}, output...)
	kernel, err := l.weight("attention_output_kernel", stored, nil, graph.Shape{h.heads * h.valueSize, size})
	if err != nil {
		return nil, err
	}
	y = c.op("MatMul", y, kernel)
	if h.bias {
		bias, err := l.weight("attention_output_bias", graph.Shape(output), nil, graph.Shape{size})
		if err != nil {
			return nil, err
		}
		y = c.op("Add", y, bias)
	}
	if len(output) != 1 {
		target := append(append([]int64{0}, query.shape[1:rank-1]...), output...)
		y = c.op("Reshape", y, l.integers("shape", target))
	}
	if c.err != nil {
		return nil, c.err
	}
	out := []*tensor{l.tensorOf(y, asSource)}
	if withScores {
		if rank != 3 {
			return nil, fmt.Errorf("its scores are asked for over several axes")
		}
		w := c.op("Reshape", weights, l.integers("shape", []int64{0, h.heads, rows, columns}))
		if c.err != nil {
			return nil, c.err
		}
		out = append(out, l.tensorOf(w, asSource))
	}
	return out, nil
}

func (h *multiHead) lower(l *lowering, in []*tensor) (*tensor, error) {
	out, err := h.lowerAll(l, in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// others are the axes between the batch and the features that are not attended over.
func others(rank int, over []int) []int {
	var rest []int
	for a := 1; a < rank-1; a++ {
		if !slices.Contains(over, a) {
			rest = append(rest, a)
		}
	}
	return rest
}

// arrange turns (batch, axes, heads size) into (batch, other axes, heads of keys, heads of queries for each, positions,
// size); the two axes of heads are one where there are as many of both.
func (h *multiHead) arrange(c *formula, x graph.ValueID, shape graph.Shape, over []int, heads, size int64) graph.ValueID {
	rank := len(shape)
	rest := others(rank, over)
	each := append(append([]int64{0}, shape[1:rank-1]...), heads, size)
	perm := []int64{0}
	merged := []int64{0}
	for _, a := range rest {
		perm, merged = append(perm, int64(a)), append(merged, shape[a])
	}
	perm = append(perm, int64(rank-1))
	if h.keyHeads != h.heads {
		merged = append(merged, h.keyHeads)
	}
	merged = append(merged, heads)
	if h.keyHeads != h.heads {
		merged[len(merged)-1] = heads / h.keyHeads
	}
	positions := int64(1)
	for _, a := range over {
		perm = append(perm, int64(a))
		positions *= shape[a]
	}
	x = c.turn(c.op("Reshape", x, c.l.integers("heads", each)), append(perm, int64(rank))...)
	if len(over) == 1 && h.keyHeads == h.heads {
		return x
	}
	return c.op("Reshape", x, c.l.integers("merged", append(merged, positions, size)))
}

// collect turns what arrange and the products gave back into (batch, axes, heads size).
func (h *multiHead) collect(c *formula, x graph.ValueID, shape graph.Shape, over []int) graph.ValueID {
	rank := len(shape)
	rest := others(rank, over)
	target := []int64{0}
	for _, a := range rest {
		target = append(target, shape[a])
	}
	target = append(target, h.heads)
	for _, a := range over {
		target = append(target, shape[a])
	}
	x = c.op("Reshape", x, c.l.integers("apart", append(target, h.valueSize)))
	// Now (batch, rest, heads, over, size): every axis to its place.
	perm := make([]int64, rank+1)
	for i, a := range rest {
		perm[a] = int64(1 + i)
	}
	for i, a := range over {
		perm[a] = int64(2 + len(rest) + i)
	}
	perm[rank-1], perm[rank] = int64(1+len(rest)), int64(rank)
	x = c.turn(x, perm...)
	return c.op("Reshape", x, c.l.integers("features", append(append([]int64{0}, shape[1:rank-1]...), h.heads*h.valueSize)))
}

// maskOver brings a mask given by hand into the form of scores over several axes: it ends with the axes of the queries and
// those of the keys, and what it lacks of the others is put before these.
func (h *multiHead) maskOver(c *formula, mask graph.ValueID, over []int, rows, columns int64, n int) (graph.ValueID, error) {
	shape := c.l.g.Values[mask].Shape
	lead := len(shape) - 2*len(over)
	if lead < 1 || lead > n-2 || shape[lead:lead+len(over)].Elements(1) != rows || shape[lead+len(over):].Elements(1) != columns {
		return graph.None, fmt.Errorf("a mask %s does not fit its scores of %d by %d positions", shape, rows, columns)
	}
	target := []int64{0}
	for _, d := range shape[1:lead] {
		target = append(target, d)
	}
	for len(target) < n-2 {
		target = append(target, 1)
	}
	return c.op("Reshape", mask, c.l.integers("mask", append(target, rows, columns))), c.err
}

// mask joins all masks of a call into one that broadcasts to the scores, which have n axes; None when there is none.
func (h *multiHead) mask(c *formula, query, value, key *tensor, ownKey bool, rows, columns int64, n int, over []int) (graph.ValueID, error) {
	l := c.l
	mask := graph.None
	carried := []struct {
		name string
		t    *tensor
		axis int64
	}{{"query_mask", query, 2}, {"value_mask", value, 1}, {"key_mask", key, 1}}
	if !ownKey {
		carried = carried[:2]
	}
	for _, m := range carried {
		t := m.t.mask
		if given := l.keyword(m.name); given != nil {
			var err error
			if t, err = l.toMask(given[0]); err != nil {
				return graph.None, err
			}
		}
		if t != nil {
			v, err := l.as(t, asSource)
			if err != nil {
				return graph.None, err
			}
			mask = c.both(mask, c.axes("Unsqueeze", v, m.axis))
		}
	}
	if l.flag("use_causal_mask") {
		mask = c.both(mask, c.causalMask(rows, columns))
	}
	if h.window > 0 {
		mask = c.both(mask, c.byPosition("window", rows, columns, func(r, k int64) bool { return max(r-k, k-r) < h.window }))
	}
	if given := l.keyword("attention_mask"); given != nil {
		t, err := l.toMask(given[0])
		if err != nil {
			return graph.None, err
		}
		v, err := l.as(t, asSource)
		if err != nil {
			return graph.None, err
		}
		if len(query.shape) != 3 && mask == graph.None {
			return h.maskOver(c, v, over, rows, columns, n)
		}
		mask = c.both(mask, v)
	}
	if mask == graph.None || c.err != nil {
		return mask, c.err
	}
	if len(query.shape) != 3 {
		return graph.None, fmt.Errorf("it has masks on inputs of %d axes", len(query.shape))
	}
	shape := l.g.Values[mask].Shape
	if len(shape) > 4 || len(shape) == 4 && n != 4 && shape[1] != 1 {
		return graph.None, fmt.Errorf("a mask %s does not fit its scores", shape)
	}
	for k := len(shape); k < n; k++ { // axes of heads
		mask = c.axes("Unsqueeze", mask, int64(k-2))
	}
	return mask, c.err
}
