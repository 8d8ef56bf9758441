package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

// Functions that layers of the same name do too: pooling, normalisation and attention without weights of their own.

func init() {
	for name, op := range map[string]string{"MaxPool": "MaxPool", "AveragePool": "AveragePool"} {
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			size, strides := o.integers("pool_size"), o.integers("strides")
			same, form := o.padding(), o.layout()
			return func(f *functionCall) ([]*tensor, error) {
				rank := len(f.args[0].shape) - 2
				if strides == nil {
					strides = size
				}
				if rank < 1 || !positive(size, rank) || !positive(strides, rank) {
					return nil, fmt.Errorf("a window of %v and strides of %v do not fit %s", size, strides, f.args[0].shape)
				}
				p := &pooling{op: op, window: window{size: spread(size, rank), strides: spread(strides, rank), dilation: ones(rank), same: same, form: form}}
				t, err := p.lower(f.l, f.floats())
				return []*tensor{t}, err
			}
		}, name)
	}
	for name, largest := range map[string]bool{"AdaptiveMaxPool": true, "AdaptiveAveragePool": false} {
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			size, form := o.integers("output_size"), o.layout()
			return func(f *functionCall) ([]*tensor, error) {
				rank := len(f.args[0].shape) - 2
				if rank < 1 || !positive(size, rank) {
					return nil, fmt.Errorf("an output of %v does not fit %s", size, f.args[0].shape)
				}
				t, err := (&adaptivePooling{largest: largest, size: spread(size, rank), form: form}).lower(f.l, f.floats())
				return []*tensor{t}, err
			}
		}, name)
	}
	registerFunction(1, 3, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes, epsilon, rms := o.axes("axis"), o.number(normalizationEpsilon, "epsilon"), o.boolean(false, "rms_scaling")
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape))
			if err != nil {
				return nil, err
			}
			x := f.number32(f.value(0))
			d := f.op("Sub", x, f.mean(x, list))
			deviation := f.rootMeanSquare(d, list, epsilon)
			if rms {
				d = x
			}
			return f.scaled(f.op("Div", d, deviation), list, "Mul", "Add")
		}
	}, "LayerNorm")
	registerFunction(1, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes, epsilon := o.axes("axis"), o.number(normalizationEpsilon, "epsilon")
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape))
			if err != nil {
				return nil, err
			}
			x := f.number32(f.value(0))
			root := f.rootMeanSquare(x, list, epsilon)
			return f.scaled(f.op("Div", x, root), list, "Mul")
		}
	}, "RMSNorm")
	functions["DotProductAttention"] = func(o *options) *function {
		causal, cap := o.boolean(false, "is_causal"), o.value("attn_logits_soft_cap")
		o.ignore("flash_attention")
		if cap != nil {
			o.unsupported("leave attn_logits_soft_cap out", "a soft cap of the scores")
		}
		return &function{least: 3, most: 6, keyed: true, apply: func(f *functionCall) ([]*tensor, error) { return f.attend(causal) }}
	}
}

func positive(list []int64, rank int) bool {
	for _, n := range list {
		if n < 1 {
			return false
		}
	}
	return len(list) == 1 || len(list) == rank
}

// floats gives the arguments in float32.
func (f *functionCall) floats() []*tensor {
	out := make([]*tensor, len(f.args))
	for i, t := range f.args {
		var err error
		if out[i], err = f.l.toFloat(t); err != nil && f.err == nil {
			f.err = err
		}
		if out[i] == nil {
			out[i] = t
		}
	}
	return out
}

// scaled applies the arguments behind the first, which lie along the normalised axes.
func (f *functionCall) scaled(x graph.ValueID, axes []int64, ops ...string) ([]*tensor, error) {
	shape := f.args[0].shape
	for i, t := range f.args[1:] {
		v := f.number32(f.value(i + 1))
		if len(t.shape) != len(shape) {
			along := graph.Shape(ones(len(shape)))
			for _, a := range axes {
				along[a] = shape[a]
			}
			if t.shape.Elements(1) != along.Elements(1) {
				return nil, fmt.Errorf("a factor %s does not fit the axes %v of %s", t.shape, axes, shape)
			}
			v = f.op("Reshape", v, f.l.integers("along", along))
		}
		x = f.op(ops[i], x, v)
	}
	return f.result(x)
}

// attend is attention of (batch, positions, heads, size), with a bias and a mask of the scores by place or by keyword.
func (f *functionCall) attend(causal bool) ([]*tensor, error) {
	named := map[string]*tensor{}
	places := []string{"query", "key", "value", "bias", "mask", "scale"}
	n := 0
	for i, a := range f.l.call.args {
		name := a.keyword
		if name == "" && n < len(places) {
			name = places[n]
			n++
		}
		named[name] = f.l.given[i]
	}
	q, k, v := named["query"], named["key"], named["value"]
	for _, t := range []*tensor{q, k, v} {
		if t == nil || len(t.shape) != 4 {
			return nil, fmt.Errorf("it takes a query, a key and a value of four axes")
		}
	}
	turned := func(t *tensor, perm ...int64) graph.ValueID {
		x, err := f.l.as(t, asSource)
		if err != nil && f.err == nil {
			f.err = err
		}
		return f.turn(f.number32(x), perm...)
	}
	query := turned(q, 0, 2, 1, 3)
	if s := named["scale"]; s != nil {
		x, err := f.l.as(s, asSource)
		if err != nil {
			return nil, err
		}
		query = f.op("Mul", query, f.number32(x))
	} else {
		query = f.op("Mul", query, f.formula.number(1/math.Sqrt(float64(k.shape[3]))))
	}
	scores := f.op("MatMul", query, turned(k, 0, 2, 3, 1))
	if b := named["bias"]; b != nil {
		x, err := f.l.as(b, asSource)
		if err != nil {
			return nil, err
		}
		scores = f.op("Add", scores, f.number32(x))
	}
	mask := graph.None
	if m := named["mask"]; m != nil {
		t, err := f.l.toMask(m)
		if err != nil {
			return nil, err
		}
		mask = t.values[asSource]
	}
	if causal {
		mask = f.both(mask, f.causalMask(q.shape[1], k.shape[1]))
	}
	if mask != graph.None {
		scores = f.op("Where", f.cast(mask, graph.Bool), scores, f.formula.number(-0.7*math.MaxFloat32))
	}
	weights := f.with("Softmax", []graph.Attr{intAttr("axis", 3)}, scores)
	return f.result(f.turn(f.op("MatMul", weights, turned(v, 0, 2, 1, 3)), 0, 2, 1, 3))
}
