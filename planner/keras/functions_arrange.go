package keras

import (
	"fmt"
	"slices"

	"partita/planner/graph"
)

// arrangingFunctions registers functions that move elements without changing them.
func arrangingFunctions() {
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		shape := o.openShape("newshape")
		return func(f *functionCall) ([]*tensor, error) {
			if len(shape) == 0 || shape[0] != -1 && shape[0] != 1 {
				return nil, fmt.Errorf("shape %v does not keep the batch in front", shape)
			}
			r := &reshape{target: shape[1:]}
			t, err := r.lower(f.l, f.args)
			return []*tensor{t}, err
		}
	}, "Reshape")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes := o.integers("axis")
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape)+len(axes))
			if err != nil || len(list) == 0 {
				return nil, fmt.Errorf("axis %v does not fit %s", axes, f.args[0].shape)
			}
			return f.result(f.axes("Unsqueeze", f.value(0), list...))
		}
	}, "ExpandDims")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes := o.integers("axis")
		return func(f *functionCall) ([]*tensor, error) {
			shape := f.args[0].shape
			list, err := sourceAxes(axes, len(shape))
			if err != nil {
				return nil, err
			}
			for i := 1; axes == nil && i < len(shape); i++ {
				if shape[i] == 1 {
					list = append(list, int64(i))
				}
			}
			if len(list) == 0 {
				return f.args, nil
			}
			return f.result(f.axes("Squeeze", f.value(0), list...))
		}
	}, "Squeeze")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes := o.integers("axes")
		return func(f *functionCall) ([]*tensor, error) {
			return f.permuted(axes)
		}
	}, "Transpose")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		a, b := o.integer(0, -8, "axis1"), o.integer(0, -8, "axis2")
		return func(f *functionCall) ([]*tensor, error) {
			rank := len(f.args[0].shape)
			i, err := normalAxis(a, rank)
			if err != nil {
				return nil, err
			}
			j, err := normalAxis(b, rank)
			if err != nil {
				return nil, err
			}
			perm := make([]int64, rank)
			for k := range perm {
				perm[k] = int64(k)
			}
			perm[i], perm[j] = perm[j], perm[i]
			return f.permuted(perm)
		}
	}, "Swapaxes")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		source, destination := o.integers("source"), o.integers("destination")
		return func(f *functionCall) ([]*tensor, error) {
			rank := len(f.args[0].shape)
			if len(source) != 1 || len(destination) != 1 {
				return nil, fmt.Errorf("it moves one axis")
			}
			from, err := normalAxis(source[0], rank)
			if err != nil {
				return nil, err
			}
			to, err := normalAxis(destination[0], rank)
			if err != nil {
				return nil, err
			}
			var perm []int64
			for k := range rank {
				if k != from {
					perm = append(perm, int64(k))
				}
			}
			return f.permuted(slices.Insert(perm, to, int64(from)))
		}
	}, "Moveaxis")
	registerFunction(1, 256, func(o *options) func(*functionCall) ([]*tensor, error) {
		axis := o.integer(0, -8, "axis")
		return func(f *functionCall) ([]*tensor, error) {
			return f.joined(axis)
		}
	}, "Concatenate")
	registerFunction(1, 256, func(o *options) func(*functionCall) ([]*tensor, error) {
		axis := o.integer(0, -8, "axis")
		return func(f *functionCall) ([]*tensor, error) {
			at, err := normalAxis(axis, len(f.args[0].shape)+1)
			if err != nil {
				return nil, err
			}
			var parts []graph.ValueID
			for i := range f.args {
				parts = append(parts, f.axes("Unsqueeze", f.value(i), int64(at)))
			}
			return f.result(f.with("Concat", []graph.Attr{intAttr("axis", int64(at))}, parts...))
		}
	}, "Stack")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axis := o.integer(0, -8, "axis")
		_, whole := o.layer.options["indices_or_sections"].(float64)
		at := o.integers("indices_or_sections")
		return func(f *functionCall) ([]*tensor, error) {
			a, err := normalAxis(axis, len(f.args[0].shape))
			if err != nil {
				return nil, err
			}
			size := f.args[0].shape[a]
			ends := slices.Clone(at)
			if whole {
				n := at[0]
				if n < 1 || n > 1024 || size%n != 0 {
					return nil, fmt.Errorf("%d parts do not divide axis %d of %s", n, a, f.args[0].shape)
				}
				ends = nil
				for k := int64(1); k < n; k++ {
					ends = append(ends, k*size/n)
				}
			}
			x := f.value(0)
			var out []*tensor
			from := int64(0)
			for _, to := range append(ends, size) {
				v := f.slice(x, a, from, to)
				if f.err != nil {
					return nil, f.err
				}
				if from = to; v == x {
					return f.args, nil
				}
				out = append(out, f.l.tensorOf(v, asSource))
			}
			return out, nil
		}
	}, "Split")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes := o.integers("axis")
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape))
			if err != nil || len(list) == 0 {
				return nil, fmt.Errorf("axis %v does not name axes other than the batch", axes)
			}
			x := f.value(0)
			for _, a := range list {
				x = f.reversed(x, a, f.args[0].shape[a])
			}
			return f.result(x)
		}
	}, "Flip")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		repeats := o.integers("repeats")
		return func(f *functionCall) ([]*tensor, error) {
			rank := len(f.args[0].shape)
			if len(repeats) > rank {
				return nil, fmt.Errorf("repeats %v do not fit %s", repeats, f.args[0].shape)
			}
			full := append(ones(rank-len(repeats)), repeats...)
			return f.result(f.op("Tile", f.value(0), f.l.integers("repeats", full)))
		}
	}, "Tile")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		n, axes := o.required("repeats"), o.integers("axis")
		return func(f *functionCall) ([]*tensor, error) {
			list, err := sourceAxes(axes, len(f.args[0].shape))
			if err != nil || len(list) != 1 {
				return nil, fmt.Errorf("axis %v does not name an axis other than the batch", axes)
			}
			shape := f.args[0].shape
			expand, merged := graph.Shape(ones(len(shape)+1)), []int64{0}
			expand[list[0]+1] = n
			for i := 1; i < len(shape); i++ {
				if int64(i) == list[0] {
					merged = append(merged, shape[i]*n)
				} else {
					merged = append(merged, shape[i])
				}
			}
			x := f.op("Expand", f.axes("Unsqueeze", f.value(0), list[0]+1), f.l.integers("expand", expand))
			return f.result(f.op("Reshape", x, f.l.integers("merged", merged)))
		}
	}, "Repeat")
	functions["GetItem"] = func(o *options) *function {
		return &function{least: 1, most: 1, keyed: true, key: o.value("key"), apply: getItem}
	}
	registerFunction(2, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		axes := o.integers("axis")
		return func(f *functionCall) ([]*tensor, error) {
			if len(axes) != 1 {
				return nil, fmt.Errorf("it takes from one axis, not %v", axes)
			}
			a := axes[0]
			if len(f.args[0].shape) > 0 && f.args[0].shape[0] == graph.Batch {
				n, err := normalAxis(a, len(f.args[0].shape))
				if err != nil {
					return nil, err
				}
				if len(f.args[1].shape) > 0 && f.args[1].shape[0] == graph.Batch {
					return nil, fmt.Errorf("both what is taken from and the positions have a batch")
				}
				a = int64(n)
			}
			return f.result(f.with("Gather", []graph.Attr{intAttr("axis", a)}, f.value(0), f.cast(f.value(1), graph.Int64)))
		}
	}, "Take")
	registerFunction(1, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		pads, _ := o.value("pad_width").([]any)
		if mode := o.text("constant", "mode"); mode != "constant" {
			o.unsupported("pad with a constant", "padding mode %q", mode)
		}
		return func(f *functionCall) ([]*tensor, error) {
			rank := len(f.args[0].shape)
			widths := make([]int64, 2*rank)
			ok := len(pads) == rank
			for i := 0; ok && i < rank; i++ {
				pair, isPair := pads[i].([]any)
				if ok = isPair && len(pair) == 2; ok {
					a, isA := pair[0].(float64)
					b, isB := pair[1].(float64)
					ok = isA && isB && a >= 0 && b >= 0
					widths[i], widths[i+rank] = int64(a), int64(b)
				}
			}
			if !ok {
				return nil, fmt.Errorf("pad_width is not a pair for each axis")
			}
			in := []graph.ValueID{f.number32(f.value(0)), f.l.integers("pads", widths)}
			if len(f.args) > 1 {
				in = append(in, f.number32(f.value(1)))
			}
			return f.result(f.op("Pad", in...))
		}
	}, "Pad")
}

// openShape reads a shape in which an open dimension, null or -1, is -1.
func (o *options) openShape(name string) []int64 {
	list, ok := o.value(name).([]any)
	var out []int64
	for _, e := range list {
		f, isNumber := e.(float64)
		n, whole := wholeNumber(f)
		if e == nil {
			n, isNumber, whole = -1, true, true
		}
		ok = ok && isNumber && whole
		out = append(out, n)
	}
	if !ok {
		o.malformed("option %s is not a shape", name)
	}
	return out
}

// permuted reorders the axes; the batch stays in front.
func (f *functionCall) permuted(axes []int64) ([]*tensor, error) {
	rank := len(f.args[0].shape)
	perm := make([]int64, len(axes))
	for i, a := range axes {
		if perm[i] = a; a < 0 {
			perm[i] += int64(rank)
		}
	}
	if len(perm) != rank || rank == 0 || perm[0] != 0 {
		return nil, fmt.Errorf("axes %v do not keep the batch of %s in front", axes, f.args[0].shape)
	}
	return f.result(f.turn(f.value(0), perm...))
}

// getItem takes parts of a tensor by a key of numbers, slices, new axes and an ellipsis.
func getItem(f *functionCall) ([]*tensor, error) {
	shape := f.args[0].shape
	key, isList := f.key.([]any)
	if m, ok := f.key.(map[string]any); ok && m["class_name"] == "__tuple__" {
		config, _ := m["config"].(map[string]any)
		if key, isList = config["value"].([]any); !isList {
			key, isList = m["items"].([]any)
		}
	}
	if !isList {
		key = []any{f.key}
	}
	isEllipsis := func(e any) bool {
		m, ok := e.(map[string]any)
		return ok && m["class_name"] == "__ellipsis__"
	}
	consumed, ellipses := 0, 0
	for _, e := range key {
		switch {
		case isEllipsis(e):
			ellipses++
		case e != nil:
			consumed++
		}
	}
	if ellipses > 1 || consumed > len(shape) {
		return nil, fmt.Errorf("the key %s does not fit %s", describe(f.key), shape)
	}
	var starts, ends, axes, steps, gone, fresh []int64
	axis, place := 0, int64(0) // of the input, of the result
	for _, e := range key {
		if isEllipsis(e) {
			n := len(shape) - consumed
			axis, place = axis+n, place+int64(n)
			continue
		}
		if e == nil {
			fresh = append(fresh, place)
			place++
			continue
		}
		size := shape[axis]
		if at, ok := e.(float64); ok {
			n := int64(at)
			if n < 0 {
				n += size
			}
			if size == graph.Batch || n < 0 || n >= size {
				return nil, fmt.Errorf("position %v of axis %d does not fit %s", at, axis, shape)
			}
			starts, ends, axes, steps = append(starts, n), append(ends, n+1), append(axes, int64(axis)), append(steps, 1)
			gone = append(gone, int64(axis))
			axis++
			continue
		}
		m, _ := e.(map[string]any)
		config, _ := m["config"].(map[string]any)
		if m["class_name"] != "__slice__" {
			return nil, fmt.Errorf("the key holds %s", describe(e))
		}
		from, to, step, whole, err := sliceBounds(config, size)
		if err != nil {
			return nil, fmt.Errorf("axis %d of %s: %w", axis, shape, err)
		}
		if !whole {
			starts, ends, axes, steps = append(starts, from), append(ends, to), append(axes, int64(axis)), append(steps, step)
		}
		axis++
		place++
	}
	x := f.value(0)
	if len(axes) > 0 {
		in := []graph.ValueID{x, f.l.integers("starts", starts), f.l.integers("ends", ends), f.l.integers("axes", axes)}
		if slices.ContainsFunc(steps, func(s int64) bool { return s != 1 }) {
			in = append(in, f.l.integers("steps", steps))
		}
		x = f.op("Slice", in...)
	}
	if len(gone) > 0 {
		x = f.axes("Squeeze", x, gone...)
	}
	if len(fresh) > 0 {
		if fresh[0] == 0 {
			return nil, fmt.Errorf("a new axis in front of the batch")
		}
		x = f.axes("Unsqueeze", x, fresh...)
	}
	if f.err == nil && len(axes)+len(fresh) == 0 {
		return f.args, nil
	}
	return f.result(x)
}

// sliceBounds settles Python's start:stop:step for an axis; whole tells that all is taken.
func sliceBounds(config map[string]any, size int64) (from, to, step int64, whole bool, err error) {
	read := func(name string) (int64, bool) {
		f, ok := config[name].(float64)
		return int64(f), ok
	}
	start, hasStart := read("start")
	stop, hasStop := read("stop")
	step, hasStep := read("step")
	if !hasStep {
		step = 1
	}
	if (!hasStart || start == 0) && !hasStop && step == 1 {
		return 0, 0, 1, true, nil
	}
	if size == graph.Batch {
		return 0, 0, 0, false, fmt.Errorf("the batch is sliced")
	}
	if step == 0 {
		return 0, 0, 0, false, fmt.Errorf("a step of zero")
	}
	low, high := int64(0), size // where an index ends up that lies outside
	if step < 0 {
		low, high = -1, size-1
	}
	settle := func(n int64) int64 {
		if n < 0 {
			n += size
		}
		return min(max(n, low), high)
	}
	if from, to = low, high; step < 0 {
		from, to = high, low
	}
	if hasStart {
		from = settle(start)
	}
	if hasStop {
		to = settle(stop)
	}
	if step > 0 && from >= to || step < 0 && from <= to {
		return 0, 0, 0, false, fmt.Errorf("nothing is left of it")
	}
	if step < 0 && to < 0 {
		to = -size - 1 // before the first, which ONNX would otherwise count from the end
	}
	return from, to, step, false, nil
}
