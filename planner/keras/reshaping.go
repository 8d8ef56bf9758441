package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for rank, axes := range []string{1: "1D", 2: "2D", 3: "3D"} {
		if rank == 0 {
			continue
		}
		register(func(o *options) operation {
			p := &border{form: o.layout()}
			p.before, p.after = o.borders(rank, 1, "padding")
			return p
		}, "ZeroPadding"+axes)
		register(func(o *options) operation {
			p := &border{form: o.layout(), crop: true}
			def := int64(0)
			if rank == 1 || rank == 3 {
				def = 1 // the default of these two is to cut one element off each side
			}
			p.before, p.after = o.borders(rank, def, "cropping")
			return p
		}, "Cropping"+axes)
		register(func(o *options) operation {
			def := make([]int64, rank)
			for i := range def {
				def[i] = 2
			}
			u := &upSampling{form: o.layout(), size: o.sizesOr(def, "size", "length")}
			if rank == 2 {
				u.interpolation = o.interpolation("nearest")
			}
			return u
		}, "UpSampling"+axes)
	}
	register(func(o *options) operation { return &repeatVector{o.required("n")} }, "RepeatVector")
}

// border adds zeros round the data or cuts its edges off.
type border struct {
	before, after []int64 // of each spatial axis
	form          layout
	crop          bool
}

func (b *border) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(b.before)
	if err := wantRank(t, rank+2); err != nil {
		return nil, err
	}
	x, err := l.as(t, b.form)
	if err != nil {
		return nil, err
	}
	var v graph.ValueID
	if b.crop {
		s := l.g.Values[x].Shape
		var starts, ends, axes []int64
		for i := range rank {
			from, to := b.before[i], s[i+2]-b.after[i]
			if err := withinAxis(s, i+2, from, to); err != nil {
				return nil, err
			}
			starts, ends, axes = append(starts, from), append(ends, to), append(axes, int64(i+2))
		}
		v, err = l.emit("Slice", []graph.ValueID{x, l.integers("starts", starts), l.integers("ends", ends), l.integers("axes", axes)})
	} else {
		pads := append(append(append([]int64{0, 0}, b.before...), 0, 0), b.after...)
		v, err = l.emit("Pad", []graph.ValueID{x, l.integers("pads", pads)})
	}
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, b.form), nil
}

// upSampling makes whole-number multiples of each axis, by repetition or by interpolation.
type upSampling struct {
	size          []int64
	form          layout
	interpolation string
}

func (u *upSampling) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(u.size)
	if err := wantRank(t, rank+2); err != nil {
		return nil, err
	}
	x, err := l.as(t, u.form)
	if err != nil {
		return nil, err
	}
	scales := []float32{1, 1}
	whole := true
	for i, n := range u.size {
		if n > 1<<12 {
			return nil, fmt.Errorf("a factor of %d is out of range", n)
		}
		scales = append(scales, float32(n))
		whole = whole && l.g.Values[x].Shape[i+2] < 1<<22 // so that float32 holds the product exactly
	}
	if !whole {
		return nil, fmt.Errorf("its input %s is too large", t.shape)
	}
	var v graph.ValueID
	switch u.interpolation {
	case "", "nearest":
		v, err = l.emit("Resize", []graph.ValueID{x, graph.None, l.floats("scales", graph.Shape{int64(len(scales))}, scales)},
			textAttr("coordinate_transformation_mode", "asymmetric"), textAttr("mode", "nearest"), textAttr("nearest_mode", "floor"))
	case "bilinear":
		v, err = l.emit("Resize", []graph.ValueID{x, graph.None, l.floats("scales", graph.Shape{int64(len(scales))}, scales)},
			textAttr("coordinate_transformation_mode", "half_pixel"), textAttr("mode", "linear"))
	default:
		s := l.g.Values[x].Shape
		v, err = l.resample(x, s[2]*u.size[0], s[3]*u.size[1], u.interpolation, false)
	}
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, u.form), nil
}

// repeatVector gives a vector n steps of time.
type repeatVector struct{ n int64 }

func (r *repeatVector) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 2); err != nil {
		return nil, err
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	v := c.op("Unsqueeze", x, l.integers("axes", []int64{1}))
	v = c.op("Expand", v, l.integers("shape", []int64{1, r.n, 1}))
	return c.tensor(v, asSource)
}

func textAttr(name, s string) graph.Attr {
	return graph.Attr{Name: name, Kind: graph.AttrString, Str: s}
}
