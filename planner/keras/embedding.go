package keras

import (
	"fmt"
	"slices"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		e := &embedding{words: o.required("input_dim"), size: o.required("output_dim"), zeroMasked: o.boolean(false, "mask_zero"), lengths: o.inputLength()}
		o.ignore("dropout", "sparse")
		if v := o.value("lora_rank"); v != nil {
			o.ignore("lora_alpha") // the saved table has the adaptation in it
		}
		o.refuseQuantized()
		return e
	}, "Embedding")
	register(func(o *options) operation {
		r := &reversibleEmbedding{embedding: embedding{words: o.required("input_dim"), size: o.required("output_dim"), zeroMasked: o.boolean(false, "mask_zero")},
			tied: o.boolean(true, "tie_weights"), cap: o.optional("logit_soft_cap")}
		o.ignore("input_length", "reverse_dtype")
		if v := o.value("lora_rank"); v != nil {
			o.ignore("lora_alpha") // the saved table has the adaptation in it
		}
		o.refuseQuantized()
		o.accept("reverse")
		return r
	}, "ReversibleEmbedding")
	register(func(o *options) operation { return &skipping{o.number(0, "mask_value")} }, "Masking")
}

// embedding looks vectors up in a table.
type embedding struct {
	words, size int64
	zeroMasked  bool
	lengths     []int64 // of its input, where the file says them
}

func (e *embedding) keepsTypes() {}

// inputLength reads the sizes that an Embedding was told of its input; nil when one of them is open.
func (o *options) inputLength() []int64 {
	if list, ok := o.value("input_length").([]any); ok && slices.Contains(list, nil) {
		return nil
	}
	return o.integers("input_length")
}

func (e *embedding) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if len(e.lengths) > 0 && l.m.checksLengths && !t.shape[1:].Equal(e.lengths) {
		return nil, fmt.Errorf("its input_length is %s, and its input is %s", graph.Shape(e.lengths), t.shape)
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	if d := l.g.Values[x].DType; d != graph.Int32 && d != graph.Int64 {
		if x, err = l.emit("Cast", []graph.ValueID{x}, intAttr("to", int64(graph.Int32))); err != nil {
			return nil, err
		}
	}
	shape := graph.Shape{e.words, e.size}
	table, err := l.weight("embeddings", shape, nil, shape)
	if err != nil {
		return nil, err
	}
	v, err := l.emit("Gather", []graph.ValueID{table, x}, intAttr("axis", 0))
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, asSource), nil
}

func (e *embedding) outputMasks(l *lowering, in []*tensor) ([]*tensor, error) {
	if !e.zeroMasked {
		return nil, nil
	}
	mask, err := l.toMask(in[0])
	return []*tensor{mask}, err
}

// skipping is the layer Masking: steps of time whose features all have one value do not count.
type skipping struct{ value float64 }

func (m *skipping) mask(l *lowering, t *tensor) (graph.ValueID, error) {
	x, err := l.as(t, asSource)
	if err != nil {
		return graph.None, err
	}
	c := &formula{l: l}
	v := c.cast(c.op("Not", c.op("Equal", x, c.number(m.value))), graph.Float32)
	v = c.with("ReduceMax", []graph.Attr{intsAttr("axes", int64(len(t.shape)-1)), intAttr("keepdims", 1)}, v)
	return v, c.err
}

func (m *skipping) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	mask, err := m.mask(l, t)
	if err != nil {
		return nil, err
	}
	v, err := l.emit("Mul", []graph.ValueID{t.values[asSource], mask})
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, asSource), nil
}

func (m *skipping) outputMasks(l *lowering, in []*tensor) ([]*tensor, error) {
	mask, err := m.mask(l, in[0])
	if err == nil {
		mask, err = l.emit("Squeeze", []graph.ValueID{mask, l.integers("axes", []int64{int64(len(in[0].shape) - 1)})})
	}
	if err != nil {
		return nil, err
	}
	return []*tensor{l.tensorOf(mask, asSource)}, nil
}

// reversibleEmbedding looks vectors up in a table, or, called in reverse, tells how well a vector fits each of the table or of
// another one.
type reversibleEmbedding struct {
	embedding
	tied bool
	cap  *float64 // of what comes of the reverse
}

func (r *reversibleEmbedding) lower(l *lowering, in []*tensor) (*tensor, error) {
	table, other := graph.Shape{r.words, r.size}, graph.Shape{r.size, r.words}
	if err := l.declare("embeddings", table); err != nil {
		return nil, err
	}
	if !r.tied {
		if err := l.declare("reverse_embeddings", other); err != nil {
			return nil, err
		}
	}
	if !l.flag("reverse") {
		return r.embedding.lower(l, in)
	}
	t, err := wantOne(in)
	if err == nil {
		t, err = l.toFloat(t)
	}
	if err != nil {
		return nil, err
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	kernel := graph.None
	if r.tied {
		kernel, err = l.weight("embeddings", table, []int{1, 0}, other)
	} else {
		kernel, err = l.weight("reverse_embeddings", other, nil, other)
	}
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	y := c.op("MatMul", x, kernel)
	if r.cap != nil && *r.cap > 0 {
		y = c.op("Mul", c.op("Tanh", c.op("Div", y, c.number(*r.cap))), c.number(*r.cap))
	}
	return c.tensor(y, asSource)
}

func (r *reversibleEmbedding) outputMasks(l *lowering, in []*tensor) ([]*tensor, error) {
	if l.flag("reverse") {
		return nil, nil
	}
	return r.embedding.outputMasks(l, in)
}
