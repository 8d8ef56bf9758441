package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		s := &spectrogram{mode: o.text("log", "mode"), frame: o.integer(256, 1, "frame_length"), expand: o.boolean(false, "expand_dims")}
		s.step = o.integer(max(1, s.frame/2), 1, "frame_step")
		size := int64(1)
		for size < s.frame {
			size *= 2
		}
		s.bins = o.integer(size, s.frame, "fft_length")/2 + 1
		s.same = o.padding()
		s.form = o.layout()
		// The window and its scale are in the stored kernels.
		o.ignore("window", "periodic", "scaling")
		switch s.mode {
		case "log", "magnitude", "psd", "real", "imag", "angle", "stft":
		default:
			o.malformed("option mode is %q", s.mode)
		}
		return s
	}, "STFTSpectrogram")
}

// spectrogram is a Fourier transform of short frames of sound by convolutions with two stored kernels, for the real and the
// imaginary part.
type spectrogram struct {
	mode              string
	frame, step, bins int64
	same, expand      bool
	form              layout
}

func (s *spectrogram) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 3); err != nil {
		return nil, err
	}
	x, err := l.as(t, s.form) // batch, channels, time
	if err != nil {
		return nil, err
	}
	shape := l.g.Values[x].Shape
	w := window{size: []int64{s.frame}, strides: []int64{s.step}, dilation: []int64{1}, same: s.same}
	pads := w.pads(shape[2:])
	c := &formula{l: l}
	x = c.axes("Unsqueeze", x, 1) // each channel by itself
	part := func(name string) graph.ValueID {
		kernel, err := l.weight(name, graph.Shape{s.frame, 1, s.bins}, []int{2, 1, 0}, graph.Shape{s.bins, 1, 1, s.frame})
		if err != nil && c.err == nil {
			c.err = err
		}
		return c.with("Conv", []graph.Attr{intsAttr("dilations", 1, 1), intAttr("group", 1), intsAttr("kernel_shape", 1, s.frame),
			intsAttr("pads", 0, pads[0], 0, pads[1]), intsAttr("strides", 1, s.step)}, x, kernel)
	}
	real, imaginary := graph.None, graph.None
	if s.mode != "imag" {
		real = part("real_kernel")
	}
	if s.mode != "real" {
		imaginary = part("imag_kernel")
	}
	var y graph.ValueID // batch, frequencies, channels, time
	switch s.mode {
	case "real":
		y = real
	case "imag":
		y = imaginary
	case "angle":
		y = arcTangent(c, imaginary, real)
	case "stft":
		y = c.with("Concat", []graph.Attr{intAttr("axis", 1)}, real, imaginary)
	default:
		power := c.op("Add", c.op("Mul", real, real), c.op("Mul", imaginary, imaginary))
		if s.mode == "psd" { // the frequencies below zero count with those above
			y = power
			if s.bins > 2 {
				once := c.op("Pad", c.slice(power, 1, 1, s.bins-1), l.integers("pads", []int64{0, 1, 0, 0, 0, 1, 0, 0}))
				y = c.op("Add", power, once)
			}
			break
		}
		y = c.op("Sqrt", c.op("Max", power, c.number(normalizationEpsilon)))
		if s.mode == "log" {
			y = c.op("Log", c.op("Max", y, c.number(normalizationEpsilon)))
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	of := l.g.Values[y].Shape
	bins, channels, frames := of[1], of[2], of[3]
	if frames < 1 {
		return nil, fmt.Errorf("its input %s is shorter than a frame", t.shape)
	}
	perms := map[bool][]int64{true: {0, 3, 1, 2}, false: {0, 2, 3, 1}} // time, frequencies, channels; channels, time, frequencies
	switch {
	case s.expand:
		y = c.turn(y, perms[s.form == channelsFirst]...)
	case s.form == channelsFirst:
		y = c.op("Reshape", c.turn(y, 0, 3, 2, 1), l.integers("flat", []int64{0, frames, channels * bins}))
	default:
		y = c.op("Reshape", c.turn(y, 0, 2, 1, 3), l.integers("flat", []int64{0, channels * bins, frames}))
	}
	return c.tensor(y, asSource)
}
