package keras

import "partita/planner/graph"

func init() {
	for class, op := range map[string]string{"MaxPooling2D": "MaxPool", "AveragePooling2D": "AveragePool"} {
		register(func(o *options) operation {
			p := &pooling{op: op}
			p.size = o.pair([2]int64{2, 2}, "pool_size")
			p.strides = o.pair(p.size, "strides")
			p.dilation = [2]int64{1, 1}
			p.same = o.padding()
			p.form = o.layout()
			return p
		}, class)
	}
	for class, op := range map[string]string{"GlobalMaxPooling2D": "GlobalMaxPool", "GlobalAveragePooling2D": "GlobalAveragePool"} {
		register(func(o *options) operation {
			return &globalPooling{op: op, form: o.layout(), keep: o.boolean(false, "keepdims")}
		}, class)
	}
}

type pooling struct {
	window
	op string
}

func (p *pooling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	x, err := l.as(t, p.form)
	if err != nil {
		return nil, err
	}
	shape := l.g.Values[x].Shape
	attrs := []graph.Attr{
		intsAttr("kernel_shape", p.size[0], p.size[1]),
		intsAttr("pads", p.pads(shape[2], shape[3])...),
		intsAttr("strides", p.strides[0], p.strides[1]),
	}
	if p.op == "AveragePool" {
		// TensorFlow leaves padding out of the average.
		attrs = append([]graph.Attr{intAttr("count_include_pad", 0)}, attrs...)
	}
	y, err := l.emit(p.op, []graph.ValueID{x}, attrs...)
	if err != nil {
		return nil, err
	}
	return l.tensorOf(y, p.form), nil
}

type globalPooling struct {
	op   string
	form layout
	keep bool // the pooled axes, with size 1
}

func (p *globalPooling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	x, err := l.as(t, p.form)
	if err != nil {
		return nil, err
	}
	y, err := l.emit(p.op, []graph.ValueID{x})
	if err != nil || p.keep {
		if err != nil {
			return nil, err
		}
		return l.tensorOf(y, p.form), nil
	}
	if y, err = l.emit("Flatten", []graph.ValueID{y}, intAttr("axis", 1)); err != nil {
		return nil, err
	}
	return l.tensorOf(y, asSource), nil
}
