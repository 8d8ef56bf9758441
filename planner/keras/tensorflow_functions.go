package keras

import (
	"fmt"
	"slices"

	"partita/planner/graph"
)

// foreignFunctions are those of TensorFlow's functions that no operation of keras.ops is.
var foreignFunctions = map[string]func(o *options) *function{}

func init() {
	foreign := func(least, most int, parse func(o *options) func(f *functionCall) ([]*tensor, error), name string) {
		foreignFunctions[name] = func(o *options) *function { return &function{least: least, most: most, apply: parse(o)} }
	}
	foreign(1, 256, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) {
			values, form, err := f.alike(f.args)
			if err != nil {
				return nil, err
			}
			v := values[0]
			for _, next := range values[1:] {
				v = f.op("Add", v, next)
			}
			if f.err != nil {
				return nil, f.err
			}
			return []*tensor{f.l.tensorOf(v, form)}, nil
		}
	}, "AddN")
	foreign(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		return applied(reluOf(o.optional("max_value"), o.number(0, "negative_slope"), o.number(0, "threshold")))
	}, "ReluOf")
	foreign(1, 1, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) { return f.asTensor(dimensions(f.args[0].shape), true) }
	}, "Shape")
	foreign(2, 16, func(*options) func(*functionCall) ([]*tensor, error) { return reshapeTo }, "ReshapeTo")
	foreign(2, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		turnA := o.boolean(false, "transpose_a") != o.boolean(false, "adjoint_a")
		turnB := o.boolean(false, "transpose_b") != o.boolean(false, "adjoint_b")
		return func(f *functionCall) ([]*tensor, error) {
			turned := func(i int, turn bool) graph.ValueID {
				v, rank := f.number32(f.value(i)), len(f.args[i].shape)
				if !turn || rank < 2 {
					return v
				}
				perm := make([]int64, rank)
				for k := range perm {
					perm[k] = int64(k)
				}
				perm[rank-1], perm[rank-2] = perm[rank-2], perm[rank-1]
				return f.turn(v, perm...)
			}
			return f.result(f.op("MatMul", turned(0, turnA), turned(1, turnB)))
		}
	}, "MatMul")
	foreign(2, 2, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) {
			v, form, err := f.alike(f.args)
			if err != nil {
				return nil, err
			}
			d := f.op("Sub", f.number32(v[0]), f.number32(v[1]))
			d = f.op("Mul", d, d)
			if f.err != nil {
				return nil, f.err
			}
			return []*tensor{f.l.tensorOf(d, form)}, nil
		}
	}, "SquaredDifference")
}

// reshapeTo arranges a tensor anew; the sizes are numbers in the configuration or follow from shapes.
func reshapeTo(f *functionCall) ([]*tensor, error) {
	var target []int64
	for i := 1; i < len(f.args); i++ {
		t := f.args[i]
		known, ok := f.knownOf(i)
		if !ok {
			known, ok = f.constantOf(t)
		}
		if !ok {
			return nil, fmt.Errorf("its shape is computed from the data")
		}
		target = append(target, known...)
	}
	if len(target) == 0 || target[0] != graph.Batch {
		return nil, fmt.Errorf("shape %v does not keep the batch in front", target)
	}
	x := f.args[0]
	if f.l.g.Values[x.values[x.form()]].DType == graph.Bool {
		return nil, fmt.Errorf("it arranges truth values anew")
	}
	t, err := (&reshape{target: target[1:]}).lower(f.l, []*tensor{x})
	return []*tensor{t}, err
}

// constantOf gives the whole numbers of a constant in the configuration.
func (f *functionCall) constantOf(t *tensor) (dimensions, bool) {
	c := f.l.g.Values[t.values[asSource]].Const
	if c == nil || len(c.Float32s) == 0 {
		return nil, false
	}
	var out dimensions
	for _, v := range c.Float32s {
		n, whole := wholeNumber(float64(v))
		if !whole {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// sizes is an operation on numbers that are known before the model runs, as tf.shape gives them: it is computed here, since
// shapes must be settled before the model runs. It says whether it could.
func (f *functionCall) sizes(op string) ([]*tensor, bool, error) {
	some, open := false, false
	for _, t := range f.args {
		some, open = some || t.known != nil, open || t.known.open()
	}
	if !some || op == "ReshapeTo" || op == "Shape" {
		return nil, false, nil
	}
	switch op {
	case "Copy", "StopGradient", "ConvertToTensor", "Cast":
		if op != "Cast" || open {
			return f.args, true, nil
		}
	case "Add":
		return f.folded(func(a, b int64) int64 { return a + b })
	case "Subtract":
		return f.folded(func(a, b int64) int64 { return a - b })
	case "Multiply":
		return f.folded(func(a, b int64) int64 {
			return min(max(a, -maxDimension), maxDimension) * min(max(b, -maxDimension), maxDimension)
		})
	case "FloorDivide":
		if b, ok := f.knownOf(1); ok && len(b) == 1 && b[0] > 0 {
			return f.folded(func(a, b int64) int64 { return (a - (a%b+b)%b) / b })
		}
	case "GetItem":
		t := f.args[0]
		if len(t.shape) != 1 {
			break
		}
		key, isList := f.key.([]any)
		if !isList || len(key) != 1 {
			break
		}
		n := int64(len(t.known))
		if at, ok := key[0].(float64); ok {
			k := int64(at)
			if k < 0 {
				k += n
			}
			if k < 0 || k >= n {
				return nil, true, fmt.Errorf("a shape of %d sizes has none at %v", n, at)
			}
			out, err := f.asTensor(t.known[k:k+1], false)
			return out, true, err
		}
		if m, ok := key[0].(map[string]any); ok && m["class_name"] == "__slice__" {
			config, _ := m["config"].(map[string]any)
			from, to, step, whole, err := sliceBounds(config, n)
			if whole {
				return f.args, true, nil
			}
			if err == nil && step == 1 {
				out, err := f.asTensor(slices.Clone(t.known[from:to]), true)
				return out, true, err
			}
		}
	case "Stack", "Concatenate":
		var all dimensions
		for i := range f.args {
			known, ok := f.knownOf(i)
			if !ok {
				if known, ok = f.constantOf(f.args[i]); !ok {
					all = nil
					break
				}
			}
			all = append(all, known...)
		}
		if all != nil {
			out, err := f.asTensor(all, true)
			return out, true, err
		}
	}
	if open {
		return nil, true, fmt.Errorf("it computes with the size of the batch, which is known only when the model runs")
	}
	return nil, false, nil
}
