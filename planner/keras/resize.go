package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		r := &resizing{height: o.required("height"), width: o.required("width"), form: o.layout()}
		r.interpolation = o.interpolation("bilinear")
		r.antialias = o.boolean(false, "antialias")
		r.crop = o.boolean(false, "crop_to_aspect_ratio")
		r.pad = o.boolean(false, "pad_to_aspect_ratio")
		if r.pad {
			r.fill = o.number(0, "fill_value")
			if mode := o.text("constant", "fill_mode"); mode != "constant" {
				o.unsupported("use the fill mode constant", "fill mode %q", mode)
			}
		}
		o.ignore("fill_value", "fill_mode", "data_format", "bounding_box_format")
		return r
	}, "Resizing")
	register(func(o *options) operation {
		c := &centerCrop{height: o.required("height"), width: o.required("width"), form: o.layout()}
		o.ignore("bounding_box_format")
		return c
	}, "CenterCrop")
}

// interpolation reads the option of that name.
func (o *options) interpolation(def string) string {
	switch v := o.text(def, "interpolation"); v {
	case "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area":
		return v
	default:
		o.unsupported("use the interpolation nearest or bilinear", "interpolation %q", v)
		return def
	}
}

// resample resizes images, channels first, by a matrix for each axis: any kernel and any ratio, exactly.
func (l *lowering) resample(x graph.ValueID, height, width int64, kernel string, antialias bool) (graph.ValueID, error) {
	s := l.g.Values[x].Shape
	if height != s[2] || kernel == "area" {
		m, err := l.resampling("rows", s[2], height, kernel, antialias)
		if err != nil {
			return graph.None, err
		}
		// (height, in) times (in, width), for every image and channel.
		if x, err = l.emit("MatMul", []graph.ValueID{l.floats("rows", graph.Shape{height, s[2]}, m), x}); err != nil {
			return graph.None, err
		}
	}
	if width != s[3] {
		m, err := l.resampling("columns", s[3], width, kernel, antialias)
		if err != nil {
			return graph.None, err
		}
		turned := make([]float32, len(m))
		for r := range width {
			for k := range s[3] {
				turned[k*width+r] = m[r*s[3]+k]
			}
		}
		if x, err = l.emit("MatMul", []graph.ValueID{x, l.floats("columns", graph.Shape{s[3], width}, turned)}); err != nil {
			return graph.None, err
		}
	}
	return x, nil
}

// resampling gives the weights of each of `in` elements in each of `out`, by half-pixel centres: output i lies at
// (i + 1/2) in/out - 1/2. A kernel is widened when shrinking with antialias. The weights of each output sum to one; what
// lies outside counts nothing, except that bilinear repeats the edge. The nearest element is the one at (i + 1/2) in/out
// rounded down. (TensorFlow, tf.image.resize with half_pixel_centers; JAX, jax.image.resize.)
func (l *lowering) resampling(what string, in, out int64, kernel string, antialias bool) ([]float32, error) {
	const most = 1 << 22
	if in*out > most {
		return nil, fmt.Errorf("resizing %d %s to %d needs more than %d numbers", in, what, out, most)
	}
	m := make([]float32, in*out)
	ratio := float64(in) / float64(out)
	widen := 1.0
	if antialias && ratio > 1 {
		widen = ratio
	}
	var f func(x float64) float64
	var radius float64
	switch kernel {
	case "nearest":
		for i := range out {
			k := int64(math.Floor((float64(i) + 0.5) * ratio))
			m[i*in+min(max(k, 0), in-1)] = 1
		}
		return m, nil
	case "bilinear":
		f, radius = func(x float64) float64 { return math.Max(0, 1-math.Abs(x)) }, 1
	case "bicubic": // Keys's kernel with a = -1/2
		f, radius = func(x float64) float64 {
			x = math.Abs(x)
			switch {
			case x < 1:
				return (1.5*x-2.5)*x*x + 1
			case x < 2:
				return ((-0.5*x+2.5)*x-4)*x + 2
			}
			return 0
		}, 2
	case "lanczos3", "lanczos5":
		radius = float64(kernel[7] - '0')
		f = func(x float64) float64 {
			if math.Abs(x) >= radius {
				return 0
			}
			return sinc(x) * sinc(x/radius)
		}
	case "area": // the mean of what an output covers
		for i := range out {
			from, to := float64(i)*ratio, float64(i+1)*ratio
			for k := int64(from); k < in && float64(k) < to; k++ {
				m[i*in+k] = float32((math.Min(to, float64(k+1)) - math.Max(from, float64(k))) / ratio)
			}
		}
		return m, nil
	}
	for i := range out {
		at := (float64(i)+0.5)*ratio - 0.5
		sum := 0.0
		weights := map[int64]float64{}
		for k := int64(math.Ceil(at - radius*widen)); float64(k) <= at+radius*widen; k++ {
			w := f((float64(k) - at) / widen)
			if kernel != "bilinear" || widen > 1 {
				if k < 0 || k >= in {
					continue
				}
			}
			weights[min(max(k, 0), in-1)] += w
			sum += w
		}
		for k, w := range weights {
			m[i*in+k] = float32(w / sum)
		}
	}
	return m, nil
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// resizing is the preprocessing layer that brings images to one size.
type resizing struct {
	height, width        int64
	form                 layout
	interpolation        string
	antialias, crop, pad bool
	fill                 float64
}

func (r *resizing) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	x, err := l.as(t, r.form)
	if err != nil {
		return nil, err
	}
	s := l.g.Values[x].Shape
	h, w := s[2], s[3]
	switch {
	case r.crop: // the largest part in the middle that has the ratio of the result
		ch := max(1, min(h, int64(float64(w*r.height)/float64(r.width))))
		cw := max(1, min(w, int64(float64(h*r.width)/float64(r.height))))
		top, left := (h-ch)/2, (w-cw)/2
		c := &formula{l: l}
		x = c.slice(c.slice(x, 2, top, top+ch), 3, left, left+cw)
		if c.err != nil {
			return nil, c.err
		}
	case r.pad: // a frame round the image that has the ratio of the result, the same on both sides
		ph, pw := max(h, int64(float64(w*r.height)/float64(r.width))), max(w, int64(float64(h*r.width)/float64(r.height)))
		top, left := (ph-h)/2, (pw-w)/2
		x, err = l.emit("Pad", []graph.ValueID{x, l.integers("pads", []int64{0, 0, top, left, 0, 0, top, left}),
			l.scalar("fill", r.fill)})
		if err != nil {
			return nil, err
		}
	}
	if x, err = l.resample(x, r.height, r.width, r.interpolation, r.antialias); err != nil {
		return nil, err
	}
	return l.tensorOf(x, r.form), nil
}

// centerCrop cuts the middle out of images; images that are smaller are resized so that the middle has the ratio.
type centerCrop struct {
	height, width int64
	form          layout
}

func (c *centerCrop) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 4); err != nil {
		return nil, err
	}
	x, err := l.as(t, c.form)
	if err != nil {
		return nil, err
	}
	s := l.g.Values[x].Shape
	if s[2] < c.height || s[3] < c.width {
		r := &resizing{height: c.height, width: c.width, form: c.form, interpolation: "bilinear", crop: true}
		return r.lower(l, in)
	}
	f := &formula{l: l}
	top, left := (s[2]-c.height)/2, (s[3]-c.width)/2
	x = f.slice(f.slice(x, 2, top, top+c.height), 3, left, left+c.width)
	return f.tensor(x, c.form)
}
