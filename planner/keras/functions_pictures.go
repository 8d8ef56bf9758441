package keras

import (
	"fmt"

	"partita/planner/graph"
)

// Functions of pictures: batches of (height, width, channels), or channels first.

func init() {
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		size := o.sizes(2, "size")
		if size == nil {
			o.malformed("option size is missing")
			size = ones(2)
		}
		r := &resizing{height: size[0], width: size[1], form: o.layout(), interpolation: o.interpolation("bilinear"), antialias: o.boolean(false, "antialias"),
			crop: o.boolean(false, "crop_to_aspect_ratio"), pad: o.boolean(false, "pad_to_aspect_ratio"), fill: o.number(0, "fill_value")}
		if mode := o.text("constant", "fill_mode"); r.pad && mode != "constant" {
			o.unsupported("use the fill mode constant", "fill mode %q", mode)
		}
		return func(f *functionCall) ([]*tensor, error) {
			t, err := r.lower(f.l, f.floats())
			return []*tensor{t}, err
		}
	}, "Resize")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		form := o.layout()
		return func(f *functionCall) ([]*tensor, error) {
			return f.picture(form, 1, func(x graph.ValueID, s graph.Shape) graph.ValueID {
				if s[1] == 1 {
					return f.op("Identity", x)
				}
				// The luma of ITU-R BT.601, to the digits that TensorFlow and Keras have.
				share := f.l.floats("luma", graph.Shape{1, 3, 1, 1}, []float32{0.2989, 0.587, 0.114})
				return f.with("ReduceSum", []graph.Attr{intAttr("keepdims", 1)}, f.op("Mul", x, share), f.l.integers("axes", []int64{1}))
			})
		}
	}, "RGBToGrayscale")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		form := o.layout()
		return func(f *functionCall) ([]*tensor, error) { return f.picture(form, 3, f.toHSV) }
	}, "RGBToHSV")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		form := o.layout()
		return func(f *functionCall) ([]*tensor, error) { return f.picture(form, 3, f.toRGB) }
	}, "HSVToRGB")
	for _, crop := range []bool{false, true} {
		name, what := "PadImages", "padding"
		if crop {
			name, what = "CropImages", "cropping"
		}
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			form := o.layout()
			var before, after, target [2]*int64
			for axis, names := range [][3]string{{"top_" + what, "bottom_" + what, "target_height"}, {"left_" + what, "right_" + what, "target_width"}} {
				before[axis], after[axis], target[axis] = o.margin(names[0]), o.margin(names[1]), o.margin(names[2])
			}
			return func(f *functionCall) ([]*tensor, error) {
				t := f.args[0]
				if err := wantRank(t, 4); err != nil {
					return nil, err
				}
				b := &border{form: form, crop: crop, before: make([]int64, 2), after: make([]int64, 2)}
				for axis := range 2 {
					size := t.shape[1+axis]
					if form == asSource {
						size = t.shape[2+axis]
					}
					if err := b.settle(axis, size, before[axis], after[axis], target[axis]); err != nil {
						return nil, err
					}
				}
				t, err := b.lower(f.l, f.floats())
				return []*tensor{t}, err
			}
		}, name)
	}
	for _, deeper := range []bool{false, true} {
		name := "DepthToSpace"
		if deeper {
			name = "SpaceToDepth"
		}
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			n, form := o.required("block_size"), o.layout()
			return func(f *functionCall) ([]*tensor, error) { return f.blocks(n, form, deeper) }
		}, name)
	}
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		w := window{size: o.sizes(2, "size"), dilation: o.sizesOr(ones(2), "dilation_rate"), same: o.padding(), form: o.layout()}
		if w.size == nil {
			o.malformed("option size is missing")
			w.size = ones(2)
		}
		w.strides = o.sizesOr(w.size, "strides")
		return func(f *functionCall) ([]*tensor, error) {
			t := f.floats()[0]
			if err := wantRank(t, 4); err != nil {
				return nil, err
			}
			x, err := f.l.as(t, w.form)
			if err != nil {
				return nil, err
			}
			y, err := f.patches(x, &w)
			if err != nil {
				return nil, err
			}
			return []*tensor{f.l.tensorOf(y, w.form)}, nil
		}
	}, "ExtractPatches")
}

// margin reads a whole number that may be absent.
func (o *options) margin(name string) *int64 {
	if o.layer.options[name] == nil {
		o.ignore(name)
		return nil
	}
	n := o.integer(0, 0, name)
	return &n
}

// settle finds the two margins of an axis from two of the three numbers: those before and after, and the size that is to come
// of it.
func (b *border) settle(axis int, size int64, before, after, target *int64) error {
	grown := func(t int64) int64 { // what both margins take
		if b.crop {
			return size - t
		}
		return t - size
	}
	switch {
	case before != nil && after != nil && target == nil:
		b.before[axis], b.after[axis] = *before, *after
	case before != nil && after == nil && target != nil:
		b.before[axis], b.after[axis] = *before, grown(*target)-*before
	case before == nil && after != nil && target != nil:
		b.before[axis], b.after[axis] = grown(*target)-*after, *after
	default:
		return fmt.Errorf("two of the margins and the size must be given for each axis")
	}
	if b.before[axis] < 0 || b.after[axis] < 0 {
		return fmt.Errorf("margins of %d and %d", b.before[axis], b.after[axis])
	}
	return nil
}

// picture applies a formula to a picture with its channels in front.
func (f *functionCall) picture(form layout, channels int64, compute func(x graph.ValueID, s graph.Shape) graph.ValueID) ([]*tensor, error) {
	t := f.floats()[0]
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	x, err := f.l.as(t, form)
	if err != nil {
		return nil, err
	}
	s := f.l.g.Values[x].Shape
	if s[1] != 3 && s[1] != channels {
		return nil, fmt.Errorf("%s is no picture of three channels", t.shape)
	}
	y := compute(x, s)
	if f.err != nil {
		return nil, f.err
	}
	return []*tensor{f.l.tensorOf(y, form)}, nil
}

// toHSV gives hue, saturation and value of red, green and blue between 0 and 1. (Smith, 1978.)
func (f *functionCall) toHSV(x graph.ValueID, _ graph.Shape) graph.ValueID {
	const epsilon = 1.0 / (1 << 23)
	x = f.op("Where", f.op("Less", f.op("Abs", x), f.formula.number(epsilon)), f.formula.number(0), x)
	r, g, b := f.slice(x, 1, 0, 1), f.slice(x, 1, 1, 2), f.slice(x, 1, 2, 3)
	value := f.op("Max", r, g, b)
	spread := f.op("Sub", value, f.op("Min", r, g, b))
	one, zero := f.formula.number(1), f.formula.number(0)
	bright, colored := f.op("Greater", value, zero), f.op("Greater", spread, zero)
	saturation := f.op("Where", bright, f.op("Div", spread, f.op("Where", bright, value, one)), zero)
	sixth := f.op("Div", f.formula.number(1.0/6), f.op("Where", colored, spread, one))
	part := func(a, b graph.ValueID, offset float64) graph.ValueID {
		return f.op("Add", f.op("Mul", sixth, f.op("Sub", a, b)), f.formula.number(offset))
	}
	hue := f.op("Where", f.op("Equal", value, g), part(b, r, 2.0/6), part(r, g, 4.0/6))
	hue = f.op("Where", f.op("Equal", value, r), part(g, b, 0), hue)
	around := f.cast(f.op("Less", hue, zero), graph.Float32)
	hue = f.op("Add", f.op("Where", colored, hue, zero), around)
	return f.with("Concat", []graph.Attr{intAttr("axis", 1)}, hue, saturation, value)
}

func (f *functionCall) toRGB(x graph.ValueID, _ graph.Shape) graph.ValueID {
	h, s, v := f.slice(x, 1, 0, 1), f.slice(x, 1, 1, 2), f.slice(x, 1, 2, 3)
	number := f.formula.number
	angle := f.op("Mul", f.op("Sub", h, f.op("Floor", h)), number(6))
	between := func(x graph.ValueID) graph.ValueID { return f.op("Clip", x, number(0), number(1)) }
	far := func(from float64) graph.ValueID { return f.op("Abs", f.op("Sub", angle, number(from))) }
	rest := f.op("Sub", number(1), s)
	color := func(share graph.ValueID) graph.ValueID {
		return f.op("Mul", v, f.op("Add", rest, f.op("Mul", s, share)))
	}
	return f.with("Concat", []graph.Attr{intAttr("axis", 1)}, color(between(f.op("Sub", far(3), number(1)))),
		color(between(f.op("Sub", number(2), far(2)))), color(between(f.op("Sub", number(2), far(4)))))
}

// blocks moves n by n blocks of space into the channels, or out of them. With channels last the channels come last within
// a block, with channels first they come first.
func (f *functionCall) blocks(n int64, form layout, deeper bool) ([]*tensor, error) {
	t := f.args[0]
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	s := t.shape
	h, w, c := s[1], s[2], s[3]
	if form == asSource {
		h, w, c = s[2], s[3], s[1]
	}
	if n > 1<<10 || deeper && (h%n != 0 || w%n != 0) || !deeper && c%(n*n) != 0 {
		return nil, fmt.Errorf("blocks of %d by %d do not divide %s", n, n, s)
	}
	var apart, perm, whole []int64
	switch {
	case deeper && form == channelsFirst:
		apart, perm, whole = []int64{0, h / n, n, w / n, n, c}, []int64{0, 1, 3, 2, 4, 5}, []int64{0, h / n, w / n, c * n * n}
	case deeper:
		apart, perm, whole = []int64{0, c, h / n, n, w / n, n}, []int64{0, 1, 3, 5, 2, 4}, []int64{0, c * n * n, h / n, w / n}
	case form == channelsFirst:
		apart, perm, whole = []int64{0, h, w, n, n, c / n / n}, []int64{0, 1, 3, 2, 4, 5}, []int64{0, h * n, w * n, c / n / n}
	default:
		apart, perm, whole = []int64{0, c / n / n, n, n, h, w}, []int64{0, 1, 4, 2, 5, 3}, []int64{0, c / n / n, h * n, w * n}
	}
	x := f.op("Reshape", f.value(0), f.l.integers("apart", apart))
	return f.result(f.op("Reshape", f.turn(x, perm...), f.l.integers("whole", whole)))
}

// maxPatch bounds the elements of a window that are gathered by a node of their own each.
const maxPatch = 1024

// patches gives, for channels in front, at each position of a window what lies in it: the elements of the window in order,
// and the channels within each.
func (c *formula) patches(x graph.ValueID, w *window) (graph.ValueID, error) {
	rank := len(w.size)
	if graph.Shape(w.size).Elements(1) > maxPatch {
		return graph.None, fmt.Errorf("a window of %v has more than %d elements", w.size, maxPatch)
	}
	shape := c.l.g.Values[x].Shape
	pads := w.pads(shape[2:])
	full := append(append(append([]int64{0, 0}, pads[:rank]...), 0, 0), pads[rank:]...)
	if graph.Shape(pads).String() != graph.Shape(make([]int64, 2*rank)).String() {
		x = c.op("Pad", x, c.l.integers("pads", full))
	}
	if c.err != nil {
		return graph.None, c.err
	}
	padded := c.l.g.Values[x].Shape
	out, axes := make([]int64, rank), make([]int64, rank)
	for i := range rank {
		reach := (w.size[i]-1)*w.dilation[i] + 1
		if padded[i+2] < reach {
			return graph.None, fmt.Errorf("a window of %v does not fit %s", w.size, shape)
		}
		out[i], axes[i] = (padded[i+2]-reach)/w.strides[i]+1, int64(i+2)
	}
	var parts []graph.ValueID
	at := make([]int64, rank)
	for {
		starts, ends := make([]int64, rank), make([]int64, rank)
		for i := range rank {
			starts[i] = at[i] * w.dilation[i]
			ends[i] = starts[i] + (out[i]-1)*w.strides[i] + 1
		}
		parts = append(parts, c.op("Slice", x, c.l.integers("starts", starts), c.l.integers("ends", ends), c.l.integers("axes", axes), c.l.integers("steps", w.strides)))
		i := rank - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < w.size[i] {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			break
		}
	}
	y := parts[0]
	if len(parts) > 1 {
		y = c.with("Concat", []graph.Attr{intAttr("axis", 1)}, parts...)
	}
	return y, c.err
}
