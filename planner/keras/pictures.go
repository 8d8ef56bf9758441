package keras

import (
	"fmt"

	"partita/planner/graph"
)

// Layers that prepare pictures and still do so when the model is in use.

func init() {
	register(func(o *options) operation {
		a := &autoContrast{}
		a.low, a.high = o.valueRange()
		o.ignore("factor", "data_format", "bounding_box_format", "seed")
		return a
	}, "AutoContrast")
	register(func(o *options) operation {
		c := &randomCrop{resizing{height: o.required("height"), width: o.required("width"), form: o.layout(), interpolation: "bilinear", crop: true}}
		o.ignore("seed", "bounding_box_format")
		return c
	}, "RandomCrop")
	register(func(o *options) operation {
		list, ok := o.value("layers").([]any)
		p := &pipeline{}
		for i, v := range list {
			if inner := o.innerOf(fmt.Sprintf("layers[%d]", i), v); inner != nil {
				p.layers = append(p.layers, inner.innerOperation())
			}
		}
		if !ok || len(list) == 0 || len(list) > maxSublayers {
			o.malformed("option layers is %s", describe(o.layer.options["layers"]))
		}
		return p
	}, "Pipeline")
}

// valueRange reads the range of a picture's numbers.
func (o *options) valueRange() (low, high float64) {
	list := o.numbers("value_range")
	if list == nil {
		return 0, 255
	}
	if len(list) != 2 || !(list[0] < list[1]) {
		o.malformed("option value_range is not a pair of rising numbers")
		return 0, 255
	}
	return float64(list[0]), float64(list[1])
}

// autoContrast stretches each channel of each picture over the whole range. Keras does so along its second and third axis,
// whatever the layout.
type autoContrast struct{ low, high float64 }

func (a *autoContrast) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	form := t.form()
	axes := physicalAxes([]int{1, 2}, 4, form)
	c := &formula{l: l}
	x := t.values[form]
	original, plain := x, a.low == 0 && a.high == 255
	if !plain { // to 0 ... 255
		x = c.op("Mul", c.op("Sub", x, c.number(a.low)), c.number(255/(a.high-a.low)))
	}
	extreme := func(op string) graph.ValueID {
		return c.with(op, []graph.Attr{intsAttr("axes", axes...), intAttr("keepdims", 1)}, x)
	}
	low, high := extreme("ReduceMin"), extreme("ReduceMax")
	scale := c.op("Div", c.number(255), c.op("Sub", high, low))
	y := c.op("Clip", c.op("Mul", c.op("Sub", x, low), scale), c.number(0), c.number(255))
	if !plain {
		y = c.op("Add", c.op("Mul", y, c.number((a.high-a.low)/255)), c.number(a.low))
	}
	// A channel of one number stays as it is.
	y = c.op("Where", c.op("Equal", high, low), original, y)
	return c.tensor(y, form)
}

// randomCrop is, when the model is in use, the largest part in the middle that has the ratio of the result, resized. That is
// what Keras 2 does and what Keras 3 says; later versions of Keras 3 pass pictures on in their own size.
type randomCrop struct{ resizing }

func (r *randomCrop) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	height, width := t.shape[1], t.shape[2]
	if r.form == asSource {
		height, width = t.shape[2], t.shape[3]
	}
	switch {
	case height == r.height && width == r.width:
		return t, nil
	case l.m.major >= 3:
		return nil, fmt.Errorf("what it does to pictures of %d by %d when the model is in use differs between versions of Keras 3: use Resizing or CenterCrop", height, width)
	}
	return r.resizing.lower(l, in)
}

// pipeline calls layers one after the other.
type pipeline struct{ layers []operation }

func (p *pipeline) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	owner := -1
	for i, op := range p.layers {
		before := len(l.stored[l.layer.id()])
		out, err := l.within(op, t)
		if err != nil {
			return nil, err
		}
		if len(l.stored[l.layer.id()]) > before {
			if owner >= 0 {
				return nil, fmt.Errorf("several of its layers have weights: call them one by one")
			}
			owner = i
		}
		t = out[0]
	}
	return t, nil
}
