package keras

import (
	"fmt"
	"math"
	"slices"

	"partita/planner/graph"
)

// Functions that reduce, sort and select.

func init() {
	for name, op := range map[string]string{"Any": "ReduceMax", "All": "ReduceMin", "CountNonzero": "ReduceSum"} {
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			axes, keep := o.reducedAxes()
			return func(f *functionCall) ([]*tensor, error) {
				list, err := sourceAxes(axes, len(f.args[0].shape))
				if err != nil {
					return nil, err
				}
				x := f.cast(f.boolean(f.value(0)), graph.Float32)
				if op == "ReduceSum" {
					return f.result(f.cast(f.total(x, list, keep), graph.Int32))
				}
				return f.result(f.cast(f.with(op, []graph.Attr{intsAttr("axes", list...), intAttr("keepdims", keep)}, x), graph.Bool))
			}
		}, name)
	}
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes, keep := o.reducedAxes()
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape))
			if err != nil {
				return nil, err
			}
			x, kept := f.number32(f.value(0)), []graph.Attr{intsAttr("axes", list...), intAttr("keepdims", keep)}
			return f.result(f.op("Sub", f.with("ReduceMax", kept, x), f.with("ReduceMin", kept, x)))
		}
	}, "Ptp")
	registerFunction(1, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes, _ := o.reducedAxes()
		return func(f *functionCall) ([]*tensor, error) {
			shape := f.args[0].shape
			list, err := sourceAxes(axes, len(shape))
			if err != nil {
				return nil, err
			}
			x := f.number32(f.value(0))
			if len(f.args) == 1 {
				return f.result(f.with("ReduceMean", []graph.Attr{intsAttr("axes", list...), intAttr("keepdims", 0)}, x))
			}
			w := f.number32(f.value(1))
			if of := f.args[1].shape; len(of) == 1 && len(list) == 1 && len(shape) > 1 {
				along := graph.Shape(ones(len(shape)))
				along[list[0]] = of[0]
				w = f.op("Reshape", w, f.l.integers("along", along))
			} else if !of.Equal(shape) {
				return nil, fmt.Errorf("weights %s do not fit %s", of, shape)
			}
			sum := f.total(f.op("Mul", x, w), list, 0)
			return f.result(f.op("Div", sum, f.total(w, list, 0)))
		}
	}, "Average")
	registerFunction(1, 1, parseNorm, "Norm")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes := o.integers("axes")
		keep := int64(0)
		if o.boolean(false, "keepdims") {
			keep = 1
		}
		if o.boolean(false, "synchronized") {
			o.unsupported("set synchronized to false", "moments over all replicas")
		}
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape))
			if err != nil || len(list) == 0 {
				return nil, fmt.Errorf("axes %v do not name axes other than the batch", axes)
			}
			x := f.number32(f.value(0))
			mean := f.mean(x, list)
			d := f.op("Sub", x, mean)
			kept := []graph.Attr{intsAttr("axes", list...), intAttr("keepdims", keep)}
			variance := f.with("ReduceMean", kept, f.op("Mul", d, d))
			if keep == 0 {
				mean = f.axes("Squeeze", mean, list...)
			}
			return f.results(mean, variance)
		}
	}, "Moments")
	sorts := func(places bool, name string) {
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			axis := o.integer(-1, -8, "axis")
			return func(f *functionCall) ([]*tensor, error) {
				a, err := normalAxis(axis, len(f.args[0].shape))
				if err != nil {
					return nil, err
				}
				sorted := f.sorted(f.number32(f.value(0)), a, f.args[0].shape[a], false)
				if places {
					return f.result(f.cast(sorted[1], graph.Int32))
				}
				return f.result(sorted[0])
			}
		}, name)
	}
	sorts(false, "Sort")
	sorts(true, "Argsort")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		k := o.required("k")
		o.ignore("sorted", "is_stable") // in order is one of the orders that unsorted allows
		return func(f *functionCall) ([]*tensor, error) {
			rank := len(f.args[0].shape)
			out := f.sorted(f.number32(f.value(0)), rank-1, k, true)
			return f.results(out[0], f.cast(out[1], graph.Int32))
		}
	}, "TopK")
	registerFunction(2, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		axis := o.integer(-1, -8, "axis")
		if _, there := o.layer.options["axis"]; there && o.layer.options["axis"] == nil {
			o.unsupported("name the axis", "it takes along the whole tensor, the batch too")
		}
		return func(f *functionCall) ([]*tensor, error) {
			a, err := normalAxis(axis, len(f.args[0].shape))
			if err != nil {
				return nil, err
			}
			x, at := f.args[0].shape, f.args[1].shape
			for i := range x {
				if len(at) != len(x) || i != a && at[i] != x[i] {
					return nil, fmt.Errorf("positions %s do not fit %s", at, x)
				}
			}
			return f.result(f.with("GatherElements", []graph.Attr{intAttr("axis", int64(a))}, f.value(0), f.cast(f.value(1), graph.Int64)))
		}
	}, "TakeAlongAxis")
	for _, multi := range []bool{false, true} {
		name := "OneHot"
		if multi {
			name = "MultiHot"
		}
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			n, axis := o.required("num_classes"), o.integer(-1, -8, "axis")
			dtype, given := o.elementType("dtype")
			if o.boolean(false, "sparse") {
				o.unsupported("set sparse to false", "a sparse tensor")
			}
			return func(f *functionCall) ([]*tensor, error) {
				y, err := f.oneHot(f.args[0], n, axis)
				if err != nil {
					return nil, err
				}
				if multi && len(f.args[0].shape) < 2 {
					return nil, fmt.Errorf("it counts over the batch")
				}
				if multi {
					y = f.with("ReduceMax", []graph.Attr{intsAttr("axes", 1), intAttr("keepdims", 0)}, y)
				}
				if given && dtype != graph.Float32 {
					y = f.cast(y, dtype)
				}
				return f.result(y)
			}
		}, name)
	}
	for _, upper := range []bool{false, true} {
		name := "Tril"
		if upper {
			name = "Triu"
		}
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			k := o.integer(0, -maxDimension, "k")
			return func(f *functionCall) ([]*tensor, error) {
				shape := f.args[0].shape
				if len(shape) < 3 {
					return nil, fmt.Errorf("%s is a matrix whose rows are the batch", shape)
				}
				mask := f.byPosition("triangle", shape[len(shape)-2], shape[len(shape)-1], func(row, column int64) bool {
					return upper && column-row >= k || !upper && column-row <= k
				})
				x := f.value(0)
				zero := f.formula.number(0)
				if f.err == nil && f.l.g.Values[x].DType != graph.Float32 {
					zero = f.cast(zero, f.l.g.Values[x].DType)
				}
				return f.result(f.op("Where", f.cast(mask, graph.Bool), x, zero))
			}
		}, name)
	}
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		n, axis := o.integer(1, 1, "n"), o.integer(-1, -8, "axis")
		return func(f *functionCall) ([]*tensor, error) {
			a, err := normalAxis(axis, len(f.args[0].shape))
			size := f.args[0].shape[max(a, 0)]
			if err != nil || n >= size || n > 64 {
				return nil, fmt.Errorf("%d differences along axis %d of %s", n, axis, f.args[0].shape)
			}
			x := f.number32(f.value(0))
			for ; n > 0; n-- {
				x = f.op("Sub", f.slice(x, a, 1, size), f.slice(x, a, 0, size-1))
				size--
			}
			return f.result(x)
		}
	}, "Diff")
}

// reducedAxes reads the options that functions along axes have.
func (o *options) reducedAxes() (axes []int64, keep int64) {
	axes = o.integers("axis")
	if o.boolean(false, "keepdims") {
		keep = 1
	}
	if axes == nil {
		o.unsupported("name the axes, without the batch", "it reduces all axes, the batch too")
	}
	return axes, keep
}

// total sums along axes.
func (f *functionCall) total(x graph.ValueID, axes []int64, keep int64) graph.ValueID {
	return f.with("ReduceSum", []graph.Attr{intAttr("keepdims", keep)}, x, f.l.integers("axes", axes))
}

func (f *functionCall) results(values ...graph.ValueID) ([]*tensor, error) {
	var out []*tensor
	for _, v := range values {
		t, err := f.result(v)
		if err != nil {
			return nil, err
		}
		out = append(out, t...)
	}
	return out, nil
}

// oneHot gives each whole number below n an axis of its own with a one there. Other numbers have only zeros.
func (f *functionCall) oneHot(t *tensor, n, axis int64) (graph.ValueID, error) {
	rank := len(t.shape)
	a, err := normalAxis(axis, rank+1)
	if err != nil {
		return graph.None, err
	}
	if n > 1<<20 {
		return graph.None, fmt.Errorf("%d classes are too many", n)
	}
	shape, classes := graph.Shape(ones(rank+1)), make([]float32, n)
	shape[a] = n
	for i := range classes {
		classes[i] = float32(i)
	}
	x, err := f.l.as(t, asSource)
	if err != nil {
		return graph.None, err
	}
	x = f.axes("Unsqueeze", f.number32(x), int64(a))
	y := f.cast(f.op("Equal", x, f.l.floats("classes", shape, classes)), graph.Float32)
	return y, f.err
}

// parseNorm reads the length of vectors along an axis, or of matrices along two.
func parseNorm(o *options) func(*functionCall) ([]*tensor, error) {
	axes, keep := o.reducedAxes()
	order, kind := 2.0, ""
	switch v := o.value("ord").(type) {
	case nil:
	case float64:
		order, kind = v, "number"
	case string:
		switch kind = v; v {
		case "fro", "euclidean":
		case "inf", "Infinity":
			order = math.Inf(1)
		case "-inf", "-Infinity":
			order = math.Inf(-1)
		default:
			o.unsupported("use another norm", "the norm %q", v)
		}
	default:
		o.malformed("option ord is %s", describe(v))
	}
	return func(f *functionCall) ([]*tensor, error) {
		list, err := sourceAxes(axes, len(f.args[0].shape))
		if err != nil {
			return nil, err
		}
		if len(list) > 2 || len(list) == 2 && kind != "" && kind != "fro" && kind != "euclidean" {
			return nil, fmt.Errorf("the norm %v over the axes %v", o.layer.options["ord"], axes)
		}
		x, kept := f.number32(f.value(0)), []graph.Attr{intsAttr("axes", list...), intAttr("keepdims", keep)}
		size := f.op("Abs", x)
		switch {
		case order == 2:
			return f.result(f.with("ReduceL2", kept, x))
		case order == 1:
			return f.result(f.with("ReduceL1", kept, x))
		case math.IsInf(order, 1):
			return f.result(f.with("ReduceMax", kept, size))
		case math.IsInf(order, -1):
			return f.result(f.with("ReduceMin", kept, size))
		case order == 0:
			return f.result(f.total(f.cast(f.boolean(x), graph.Float32), list, keep))
		}
		return f.result(f.op("Pow", f.total(f.op("Pow", size, f.formula.number(order)), list, keep), f.formula.number(1/order)))
	}
}

func init() {
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axis, n := o.integer(0, -8, "axis"), o.integer(0, 0, "num")
		return func(f *functionCall) ([]*tensor, error) {
			a, err := normalAxis(axis, len(f.args[0].shape))
			if err != nil {
				return nil, err
			}
			size := f.args[0].shape[a]
			if n != 0 && n != size || size > 1024 {
				return nil, fmt.Errorf("%d parts of axis %d of %s", n, axis, f.args[0].shape)
			}
			x := f.value(0)
			var parts []graph.ValueID
			for k := range size {
				parts = append(parts, f.axes("Squeeze", f.slice(x, a, k, k+1), int64(a)))
			}
			return f.results(parts...)
		}
	}, "Unstack")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		shift, axes := o.integers("shift"), o.integers("axis")
		if axes == nil {
			o.unsupported("name the axis", "it rolls the whole tensor, the batch too")
		}
		return func(f *functionCall) ([]*tensor, error) {
			if len(shift) == 1 {
				shift = spread(shift, len(axes))
			}
			if len(shift) != len(axes) {
				return nil, fmt.Errorf("shifts %v do not fit the axes %v", shift, axes)
			}
			x := f.value(0)
			for i := range axes {
				a, err := normalAxis(axes[i], len(f.args[0].shape))
				if err != nil {
					return nil, err
				}
				size := f.args[0].shape[a]
				if at := ((-shift[i])%size + size) % size; at != 0 {
					x = f.with("Concat", []graph.Attr{intAttr("axis", int64(a))}, f.slice(x, a, at, size), f.slice(x, a, 0, at))
				}
			}
			if f.err == nil && x == f.args[0].values[asSource] {
				return f.args, nil
			}
			return f.result(x)
		}
	}, "Roll")
	for name, axis := range map[string]int64{"Hstack": 1, "Dstack": 2} {
		registerFunction(1, 256, func(*options) func(*functionCall) ([]*tensor, error) {
			return func(f *functionCall) ([]*tensor, error) { return f.joined(axis) }
		}, name)
	}
	registerFunction(2, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		axis := o.integer(0, -8, "axis")
		return func(f *functionCall) ([]*tensor, error) { return f.joined(axis) }
	}, "Append")
	registerFunction(1, 1, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) {
			if len(f.args[0].shape) < 2 {
				return nil, fmt.Errorf("%s has no columns", f.args[0].shape)
			}
			return f.result(f.flip(f.value(0), f.args[0].shape[1]))
		}
	}, "Fliplr")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		target := o.openShape("shape")
		return func(f *functionCall) ([]*tensor, error) {
			rank := len(f.args[0].shape)
			if len(target) < 1 || len(target) != rank || target[0] != -1 {
				return nil, fmt.Errorf("shape %v does not keep the batch of %s in front", target, f.args[0].shape)
			}
			expand := slices.Clone(target)
			expand[0] = 1
			return f.result(f.op("Expand", f.value(0), f.l.integers("shape", expand)))
		}
	}, "BroadcastTo")
	registerFunction(2, 2, func(*options) func(*functionCall) ([]*tensor, error) {
		return func(f *functionCall) ([]*tensor, error) {
			a, b := f.number32(f.value(0)), f.number32(f.value(1))
			switch rank := len(f.args[1].shape); {
			case rank == 2 && f.args[1].shape[0] != graph.Batch && len(f.args[0].shape) > 1:
				return f.result(f.op("MatMul", a, b))
			case rank == 1 && f.args[1].shape[0] != graph.Batch && len(f.args[0].shape) > 1:
				y := f.op("MatMul", a, f.axes("Unsqueeze", b, 1))
				return f.result(f.axes("Squeeze", y, int64(len(f.args[0].shape)-1)))
			}
			return nil, fmt.Errorf("a product of %s and %s over the batch", f.args[0].shape, f.args[1].shape)
		}
	}, "Dot")
}

// joined puts its arguments behind each other along an axis.
func (f *functionCall) joined(axis int64) ([]*tensor, error) {
	values, form, err := f.alike(f.args)
	if err != nil {
		return nil, err
	}
	var in []*tensor
	for _, v := range values {
		in = append(in, f.l.tensorOf(v, form))
	}
	t, err := (&concatenate{axis: axis}).lower(f.l, in)
	return []*tensor{t}, err
}
