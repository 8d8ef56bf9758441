package keras

import (
	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		e := &embedding{words: o.required("input_dim"), size: o.required("output_dim"), zeroMasked: o.boolean(false, "mask_zero")}
		o.ignore("input_length", "dropout", "sparse")
		if v := o.value("lora_rank"); v != nil {
			o.ignore("lora_alpha") // the saved table has the adaptation in it
		}
		o.refuseQuantized()
		return e
	}, "Embedding")
	register(func(o *options) operation { return &skipping{o.number(0, "mask_value")} }, "Masking")
}

// embedding looks vectors up in a table.
type embedding struct {
	words, size int64
	zeroMasked  bool
}

func (e *embedding) keepsTypes() {}

func (e *embedding) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
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
