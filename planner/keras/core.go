package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		o.ignore("input_dim", "input_length", "gptq_unpacked_column_size")
		if v := o.value("lora_rank"); v != nil {
			o.ignore("lora_alpha") // the saved kernel has the adaptation in it
		}
		o.refuseQuantized()
		return &dense{units: o.required("units", "output_dim"), bias: o.boolean(true, "use_bias", "bias"), activation: o.activation()}
	}, "Dense")
	register(func(o *options) operation {
		first := o.layer.options["data_format"] == "channels_first"
		o.layout()
		return &flatten{first}
	}, "Flatten")
	register(func(o *options) operation {
		r := &reshape{target: o.integers("target_shape")}
		if o.layer.options["target_shape"] == nil {
			o.malformed("option target_shape is missing")
		}
		return r
	}, "Reshape")
	register(func(o *options) operation { return &permute{dims: o.integers("dims")} }, "Permute")
}

// dense is a matrix product over the last axis.
type dense struct {
	units      int64
	bias       bool
	activation activation
}

func (d *dense) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	if rank < 2 {
		return nil, fmt.Errorf("its input %s has no features", t.shape)
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	shape := graph.Shape{t.shape[rank-1], d.units}
	kernel, err := l.weight("kernel", shape, nil, shape)
	if err != nil {
		return nil, err
	}
	operands := []graph.ValueID{x, kernel}
	bias := graph.None
	if d.bias {
		if bias, err = l.vector("bias", d.units); err != nil {
			return nil, err
		}
	}
	var y graph.ValueID
	if rank == 2 {
		if bias != graph.None {
			operands = append(operands, bias)
		}
		y, err = l.emit("Gemm", operands)
	} else {
		y, err = l.emit("MatMul", operands)
		if err == nil && bias != graph.None {
			y, err = l.emit("Add", []graph.ValueID{y, bias})
		}
	}
	if err != nil {
		return nil, err
	}
	return d.activation.apply(l, l.tensorOf(y, asSource), nil)
}

// flatten lines up all axes but the batch, channels last whatever the data's layout: with data_format channels_first
// Keras moves the channels to the end before it flattens.
type flatten struct{ channelsFirstData bool }

func (f *flatten) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	if rank == 2 {
		return t, nil
	}
	x, err := l.inSourceOrder(t)
	if err != nil {
		return nil, err
	}
	if f.channelsFirstData && rank > 2 && t.shape[1] != 1 && t.shape[2:].Elements(1) != 1 {
		if x, err = l.as(t, asSource); err != nil {
			return nil, err
		}
		perm := []int64{0}
		for axis := 2; axis < rank; axis++ {
			perm = append(perm, int64(axis))
		}
		if x, err = l.emit("Transpose", []graph.ValueID{x}, intsAttr("perm", append(perm, 1)...)); err != nil {
			return nil, err
		}
	}
	v, err := l.emit("Flatten", []graph.ValueID{x}, intAttr("axis", 1))
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, asSource), nil
}

// reshape arranges each input of the batch anew; one dimension may be left open.
type reshape struct{ target []int64 }

func (r *reshape) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	total := t.shape[1:].Elements(1)
	rest, open := int64(1), -1
	target := []int64{0}
	for i, d := range r.target {
		switch {
		case d == -1 && open < 0:
			open = i
		case d < 1 || d > total/rest: // also keeps the product from overflowing
			return nil, fmt.Errorf("%s does not reshape to %v", t.shape, r.target)
		default:
			rest *= d
		}
		target = append(target, d)
	}
	if total%rest != 0 || open < 0 && rest != total {
		return nil, fmt.Errorf("%s does not reshape to %v", t.shape, r.target)
	}
	if open >= 0 {
		target[open+1] = total / rest
	}
	x, err := l.inSourceOrder(t)
	if err != nil {
		return nil, err
	}
	v, err := l.reshape(x, target)
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, asSource), nil
}

// permute reorders the axes, which Keras counts from 1 behind the batch.
type permute struct{ dims []int64 }

func (p *permute) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if len(p.dims) != len(t.shape)-1 {
		return nil, fmt.Errorf("dims %v do not fit %s", p.dims, t.shape)
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	v, err := l.emit("Transpose", []graph.ValueID{x}, intsAttr("perm", append([]int64{0}, p.dims...)...))
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, asSource), nil
}
