package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		m := &melSpectrogram{transform: o.integer(2048, 1, "fft_length"), step: o.integer(512, 1, "sequence_stride"), window: o.text("hann", "window"),
			rate: o.number(16000, "sampling_rate"), bands: o.integer(128, 1, "num_mel_bins"), lowest: o.number(20, "min_freq"),
			decibels: o.boolean(true, "power_to_db"), span: o.number(80, "top_db"), exponent: o.number(1, "mag_exp"),
			least: o.number(1e-10, "min_power"), reference: o.number(1, "ref_power")}
		m.frame = o.integer(m.transform, 1, "sequence_length")
		m.highest = o.number(math.Trunc(m.rate/2), "max_freq")
		if v, given := o.layer.options["window"]; given && v == nil {
			m.window = "none" // which Keras's backends pad differently
		}
		switch {
		case m.frame > m.transform:
			o.malformed("a sequence of %d is longer than its transform of %d", m.frame, m.transform)
		case m.bins() > maxMelWeights/m.bands:
			o.unsupported("use a shorter transform or fewer bands", "%d frequencies to %d bands are more than %d weights", m.bins(), m.bands, maxMelWeights)
		case m.rate <= 0 || m.lowest < 0 || m.highest <= m.lowest || m.least <= 0:
			o.malformed("bands from %g to %g Hz of sound sampled at %g Hz, of a power of at least %g", m.lowest, m.highest, m.rate, m.least)
		case m.window != "hann" && m.window != "hamming":
			o.unsupported("use hann or hamming", "option window is %q", m.window)
		}
		return m
	}, "MelSpectrogram")
}

// maxMelWeights bounds the matrix from frequencies to bands, which is a constant of the graph. That of the longest usual
// transform, 8,192 samples to 256 bands, is a quarter of it.
const maxMelWeights = 1 << 22

// melSpectrogram gives the power of sound in bands of the mel scale: magnitudes of a Fourier transform of short frames, summed by
// triangles that are even on the scale of O'Shaughnessy (2595 log10(1 + f/700), as the Hidden Markov Model Toolkit has it).
// (keras.layers.MelSpectrogram and keras.ops.stft of Keras 3.)
type melSpectrogram struct {
	transform, frame, step, bands    int64
	window                           string
	rate, lowest, highest            float64
	decibels                         bool
	span, exponent, least, reference float64
}

func (m *melSpectrogram) bins() int64 { return m.transform/2 + 1 }

func (m *melSpectrogram) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if err := wantRank(t, 2); err != nil {
		return nil, err
	}
	half := m.transform / 2
	if t.shape[1] <= half {
		return nil, fmt.Errorf("its input %s is too short to be mirrored by %d samples", t.shape, half)
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	x = c.with("Pad", []graph.Attr{textAttr("mode", "reflect")}, x, l.integers("pads", []int64{0, half, 0, half}))
	x = c.axes("Unsqueeze", x, 2)
	step := l.value(graph.Value{Name: l.unique(l.label + "/step"), DType: graph.Int64, Shape: graph.Shape{}, Producer: -1, Const: &graph.Const{Int64s: []int64{m.step}}})
	x = c.op("STFT", x, step, l.floats("window", graph.Shape{m.transform}, m.windowed())) // batch, time, frequencies, real and imaginary part
	power := c.with("ReduceSumSquare", []graph.Attr{intsAttr("axes", 3), intAttr("keepdims", 0)}, x)
	y := c.op("Sqrt", power)
	if m.exponent != 1 {
		y = c.op("Pow", y, c.number(m.exponent))
	}
	y = c.op("MatMul", y, l.floats("bands", graph.Shape{m.bins(), m.bands}, m.weights()))
	if m.decibels {
		y = c.op("Mul", c.op("Log", c.op("Max", y, c.number(m.least))), c.number(10/math.Ln10))
		y = c.op("Sub", y, c.number(10*math.Log10(math.Max(math.Abs(m.reference), m.least))))
		loudest := c.with("ReduceMax", []graph.Attr{intsAttr("axes", 1, 2), intAttr("keepdims", 1)}, y)
		y = c.op("Max", y, c.op("Sub", loudest, c.number(m.span)))
	}
	y = c.turn(y, 0, 2, 1)
	if c.err != nil {
		return nil, c.err
	}
	return l.tensorOf(y, asSource), nil
}

// windowed is the periodic window of a sequence, in the middle of the transform.
func (m *melSpectrogram) windowed() []float32 {
	constant, wave := 0.5, 0.5
	if m.window == "hamming" {
		constant, wave = 0.54, 0.46
	}
	w := make([]float32, m.transform)
	for i := range m.frame {
		w[(m.transform-m.frame)/2+i] = float32(constant - float64(wave*math.Cos(2*math.Pi*float64(i)/float64(m.frame))))
	}
	return w
}

// weights is the matrix from frequencies to bands. The lowest frequency, 0 Hz, counts nowhere.
func (m *melSpectrogram) weights() []float32 {
	mel := func(hertz float64) float64 { return 1127 * math.Log1p(hertz/700) }
	low, high := mel(m.lowest), mel(m.highest)
	width := (high - low) / float64(m.bands+1)
	w := make([]float32, m.bins()*m.bands)
	for bin := int64(1); bin < m.bins(); bin++ {
		at := mel(float64(m.rate/2*float64(bin)) / float64(m.bins()-1))
		for band := range m.bands {
			peak := low + float64(float64(band+1)*width)
			w[bin*m.bands+band] = float32(max(0, 1-math.Abs(at-peak)/width))
		}
	}
	return w
}
