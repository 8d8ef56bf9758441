package graph

import (
	"encoding/binary"
	"math"
)

// fill computes the elements of a node's only output where they follow from shapes and known elements: the arithmetic
// with which models compute shapes. An operator that is absent here leaves them unknown.
func (c *call) fill() {
	out := &c.out[0]
	if c.Domain != "" && c.Domain != "ai.onnx" {
		return
	}
	switch c.Op {
	case "Shape":
		from, to := c.shapeRange()
		if from < to {
			out.Ints = append([]int64{}, c.in[0].Shape[from:to]...)
		}
		out.Filled = true
		return
	case "Size":
		out.Ints, out.Filled = []int64{c.in[0].Shape.Elements(1)}, true
		return
	case "ConstantOfShape":
		c.fillConstant(out)
		return
	}
	for _, t := range c.in {
		if t != nil && (!t.Filled || t.Shape.Elements(1) > MaxKnown) {
			return
		}
	}
	switch c.Op {
	case "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten":
		out.copyFrom(c.in[0])
	case "Cast", "CastLike":
		out.cast(c.in[0])
	case "Gather":
		c.fillGather(out)
	case "Slice":
		c.fillSlice(out)
	case "Concat":
		c.fillConcat(out)
	case "Transpose":
		perm, err := c.order(len(c.in[0].Shape))
		if err != nil {
			return
		}
		out.pick(c.in[0], func(at []int64) int64 {
			from := make([]int64, len(at))
			for i, p := range perm {
				from[p] = at[i]
			}
			return flat(c.in[0].Shape, from)
		})
	case "Expand", "Tile":
		out.pick(c.in[0], func(at []int64) int64 { return wrapped(c.in[0].Shape, at) })
	case "Where":
		c.fillWhere(out)
	case "Range":
		c.fillRange(out)
	case "NonZero":
		c.fillNonZero(out)
	case "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin":
		c.fillReduce(out)
	case "Not", "Neg", "Abs", "Floor", "Ceil", "Sqrt":
		c.fillUnary(out)
	case "Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "And", "Or", "Xor", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual":
		c.fillBinary(out)
	}
}

func (t *Known) copyFrom(s *Known) {
	t.Ints, t.Floats, t.Filled = s.Ints, s.Floats, true
}

// cast converts as ONNX does between float32, integers and booleans; other types leave the elements unknown.
func (t *Known) cast(s *Known) {
	integer := func(d DType) bool { return d == Int64 || d == Int32 || d == Bool }
	switch {
	case t.DType == s.DType:
		t.copyFrom(s)
	case t.DType == Float32 && integer(s.DType):
		t.Floats = make([]float32, len(s.Ints))
		for i, n := range s.Ints {
			t.Floats[i] = float32(n)
		}
		t.Filled = true
	case integer(t.DType) && s.DType == Float32:
		t.Ints = make([]int64, len(s.Floats))
		for i, f := range s.Floats {
			if t.DType == Bool {
				t.Ints[i] = truth(f != 0)
				continue
			}
			if !(math.Abs(float64(f)) < 1<<31) {
				t.Ints = nil
				return
			}
			t.Ints[i] = int64(f)
		}
		t.Filled = true
	case integer(t.DType) && integer(s.DType):
		t.Ints = make([]int64, len(s.Ints))
		for i, n := range s.Ints {
			switch {
			case t.DType == Bool:
				n = truth(n != 0)
			case t.DType == Int32 && n != int64(int32(n)):
				// Ends of slices are often the largest int64: what they become differs between programs.
				t.Ints = nil
				return
			}
			t.Ints[i] = n
		}
		t.Filled = true
	}
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// each calls f with every index of a shape, in C order.
func each(s Shape, f func(i int, at []int64)) {
	at := make([]int64, len(s))
	for i := range int(s.Elements(1)) {
		f(i, at)
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < s[k] {
				break
			}
			at[k] = 0
		}
	}
}

// flat gives the place of an index in C order.
func flat(s Shape, at []int64) int64 {
	n := int64(0)
	for k, d := range s {
		n = n*d + at[k]
	}
	return n
}

// wrapped gives the place in a tensor of which a larger one, aligned at the last axes, is made by repetition.
func wrapped(s Shape, at []int64) int64 {
	n := int64(0)
	at = at[len(at)-len(s):]
	for k, d := range s {
		n = n*d + at[k]%d
	}
	return n
}

// pick fills a tensor with elements of another.
func (t *Known) pick(s *Known, from func(at []int64) int64) {
	if s.Ints == nil && s.Floats == nil {
		t.Filled = t.Shape.Elements(1) == 0
		return
	}
	each(t.Shape, func(_ int, at []int64) {
		k := from(at)
		if s.Ints != nil {
			t.Ints = append(t.Ints, s.Ints[k])
		} else {
			t.Floats = append(t.Floats, s.Floats[k])
		}
	})
	t.Filled = true
}

func (c *call) fillConstant(out *Known) {
	n := int(out.Shape.Elements(1))
	a := c.Attr("value")
	raw := make([]byte, 8)
	if a != nil && a.Tensor != nil {
		if a.Tensor.DType.Size() == 0 || int64(len(a.Tensor.Raw)) != a.Tensor.DType.Size() {
			return
		}
		raw = a.Tensor.Raw
	}
	switch out.DType {
	case Float32:
		out.Floats = make([]float32, n)
		for i := range out.Floats {
			out.Floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw))
		}
	case Int64, Int32, Bool:
		v := int64(raw[0])
		if out.DType == Int64 {
			v = int64(binary.LittleEndian.Uint64(raw))
		} else if out.DType == Int32 {
			v = int64(int32(binary.LittleEndian.Uint32(raw)))
		}
		out.Ints = make([]int64, n)
		for i := range out.Ints {
			out.Ints[i] = v
		}
	default:
		return
	}
	out.Filled = true
}

func (c *call) fillGather(out *Known) {
	x, index := c.in[0], c.in[1]
	k, err := axis(c.int("axis", 0), len(x.Shape))
	if err != nil {
		return
	}
	for _, i := range index.Ints {
		if i < -x.Shape[k] || i >= x.Shape[k] {
			return
		}
	}
	rank := len(index.Shape)
	out.pick(x, func(at []int64) int64 {
		i := index.Ints[flat(index.Shape, at[k:k+rank])]
		if i < 0 {
			i += x.Shape[k]
		}
		from := append(append(append([]int64{}, at[:k]...), i), at[k+rank:]...)
		return flat(x.Shape, from)
	})
}

func (c *call) fillSlice(out *Known) {
	list, err := c.spans(c.in[0].Shape)
	if err != nil {
		return
	}
	out.pick(c.in[0], func(at []int64) int64 {
		from := append([]int64{}, at...)
		for _, s := range list {
			from[s.axis] = s.start + at[s.axis]*s.step
		}
		return flat(c.in[0].Shape, from)
	})
}

func (c *call) fillConcat(out *Known) {
	k, err := axis(c.int("axis", 1), len(out.Shape))
	if err != nil {
		return
	}
	for _, t := range c.in {
		if t.Ints == nil && t.Floats == nil && t.Shape.Elements(1) != 0 {
			return
		}
	}
	each(out.Shape, func(_ int, at []int64) {
		from := append([]int64{}, at...)
		for _, t := range c.in {
			if from[k] >= t.Shape[k] {
				from[k] -= t.Shape[k]
				continue
			}
			if i := flat(t.Shape, from); t.Ints != nil {
				out.Ints = append(out.Ints, t.Ints[i])
			} else {
				out.Floats = append(out.Floats, t.Floats[i])
			}
			return
		}
	})
	out.Filled = true
}

func (c *call) fillWhere(out *Known) {
	for _, t := range c.in {
		if t == nil || t.Ints == nil && t.Floats == nil {
			return
		}
	}
	each(out.Shape, func(_ int, at []int64) {
		from := c.in[2]
		if c.in[0].Ints[wrapped(c.in[0].Shape, at)] != 0 {
			from = c.in[1]
		}
		if i := wrapped(from.Shape, at); from.Ints != nil {
			out.Ints = append(out.Ints, from.Ints[i])
		} else {
			out.Floats = append(out.Floats, from.Floats[i])
		}
	})
	out.Filled = true
}

func (c *call) fillRange(out *Known) {
	n := out.Shape[0]
	switch {
	case out.DType == Float32:
		start, step := c.in[0].Floats[0], c.in[2].Floats[0]
		for i := range n {
			out.Floats = append(out.Floats, start+float32(float32(i)*step))
		}
	case out.DType == Int64 || out.DType == Int32:
		start, step := c.in[0].Ints[0], c.in[2].Ints[0]
		for i := range n {
			out.Ints = append(out.Ints, start+i*step)
		}
	default:
		return
	}
	out.Filled = true
}

func (c *call) fillNonZero(out *Known) {
	x := c.in[0]
	var found [][]int64
	each(x.Shape, func(i int, at []int64) {
		if x.Ints != nil && x.Ints[i] != 0 || x.Floats != nil && x.Floats[i] != 0 {
			found = append(found, append([]int64{}, at...))
		}
	})
	for k := range x.Shape {
		for _, at := range found {
			out.Ints = append(out.Ints, at[k])
		}
	}
	out.Filled = true
}

// fillReduce speaks of lists that are reduced to one integer.
func (c *call) fillReduce(out *Known) {
	x := c.in[0]
	if len(x.Ints) == 0 || out.Shape.Elements(1) != 1 {
		return
	}
	r := x.Ints[0]
	for _, n := range x.Ints[1:] {
		switch c.Op {
		case "ReduceProd":
			r *= n
		case "ReduceSum":
			r += n
		case "ReduceMax":
			r = max(r, n)
		case "ReduceMin":
			r = min(r, n)
		}
	}
	out.Ints, out.Filled = []int64{r}, true
}

func (c *call) fillUnary(out *Known) {
	x := c.in[0]
	for _, n := range x.Ints {
		switch c.Op {
		case "Not":
			n = truth(n == 0)
		case "Neg":
			n = -n
		case "Abs":
			n = max(n, -n)
		default:
			return
		}
		out.Ints = append(out.Ints, n)
	}
	for _, f := range x.Floats {
		v := float64(f)
		switch c.Op {
		case "Neg":
			v = -v
		case "Abs":
			v = math.Abs(v)
		case "Floor":
			v = math.Floor(v)
		case "Ceil":
			v = math.Ceil(v)
		case "Sqrt":
			v = math.Sqrt(v)
		default:
			return
		}
		out.Floats = append(out.Floats, float32(v))
	}
	out.Filled = len(out.Ints)+len(out.Floats) == int(out.Shape.Elements(1))
}

func (c *call) fillBinary(out *Known) {
	if len(c.in) != 2 || c.in[0] == nil || c.in[1] == nil {
		return
	}
	a, b := c.in[0], c.in[1]
	good := true
	switch {
	case a.Ints != nil && b.Ints != nil:
		each(out.Shape, func(_ int, at []int64) {
			n, ok := integerResult(c.Op, a.Ints[wrapped(a.Shape, at)], b.Ints[wrapped(b.Shape, at)], a.DType)
			good = good && ok
			out.Ints = append(out.Ints, n)
		})
	case a.Floats != nil && b.Floats != nil:
		each(out.Shape, func(_ int, at []int64) {
			x, y := a.Floats[wrapped(a.Shape, at)], b.Floats[wrapped(b.Shape, at)]
			if out.DType == Bool {
				n, ok := comparison(c.Op, x, y)
				good = good && ok
				out.Ints = append(out.Ints, n)
				return
			}
			f, ok := floatResult(c.Op, x, y)
			good = good && ok
			out.Floats = append(out.Floats, f)
		})
	default:
		return
	}
	if !good {
		out.Ints, out.Floats = nil, nil
		return
	}
	out.Filled = true
}

func comparison[T int64 | float32](op string, x, y T) (int64, bool) {
	switch op {
	case "Equal":
		return truth(x == y), true
	case "Less":
		return truth(x < y), true
	case "Greater":
		return truth(x > y), true
	case "LessOrEqual":
		return truth(x <= y), true
	case "GreaterOrEqual":
		return truth(x >= y), true
	}
	return 0, false
}

// integerResult leaves out what overflows an int64's half: no shape does, and what it becomes would depend on the type.
func integerResult(op string, x, y int64, d DType) (n int64, ok bool) {
	if n, ok := comparison(op, x, y); ok {
		return n, true
	}
	const limit = 1 << 31
	switch op {
	case "And":
		return truth(x != 0 && y != 0), d == Bool
	case "Or":
		return truth(x != 0 || y != 0), d == Bool
	case "Xor":
		return truth((x != 0) != (y != 0)), d == Bool
	case "Min":
		return min(x, y), true
	case "Max":
		return max(x, y), true
	}
	if d != Int64 && d != Int32 || x >= limit || x <= -limit || y >= limit || y <= -limit {
		return 0, false
	}
	switch op {
	case "Add":
		n = x + y
	case "Sub":
		n = x - y
	case "Mul":
		n = x * y
	case "Div":
		if y == 0 {
			return 0, false
		}
		n = x / y
	case "Mod":
		if y == 0 || x < 0 || y < 0 {
			return 0, false
		}
		n = x % y
	default:
		return 0, false
	}
	return n, d == Int64 || n == int64(int32(n))
}

func floatResult(op string, x, y float32) (float32, bool) {
	switch op {
	case "Add":
		return x + y, true
	case "Sub":
		return x - y, true
	case "Mul":
		return x * y, true
	case "Div":
		return x / y, true
	case "Min":
		return min(x, y), true
	case "Max":
		return max(x, y), true
	}
	return 0, false
}
