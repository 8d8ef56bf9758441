package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	register(parseBidirectional, "Bidirectional")
	register(parseTimeDistributed, "TimeDistributed")
	register(func(o *options) operation {
		o.ignore("power_iterations") // how the stored kernel was made
		inner := o.inner("layer")
		if inner == nil {
			return nil
		}
		op := inner.innerOperation()
		return &spectral{op, inner.layer.class}
	}, "SpectralNormalization")
}

// innerOperation reads the layer in an option.
func (o *options) innerOperation() operation {
	parse, ok := parsers[o.layer.class]
	switch {
	case o.layer.isModel():
		o.unsupported("call the model on each step of time by itself", "it is a model")
		return nil
	case !ok:
		o.unsupported("replace it by supported layers and save again", "this class is not supported")
		return nil
	}
	op := parse(o)
	o.finish()
	return op
}

// within lowers a layer that is part of the current one. It is called with tensors alone.
func (l *lowering) within(op operation, in ...*tensor) ([]*tensor, error) {
	c, given := l.call, l.given
	defer func() { l.call, l.given = c, given }()
	l.call, l.given = &call{}, nil
	return lowerCall(op, l, in)
}

// timed is a layer that goes through the steps of time, in the direction that it is told.
type timed interface {
	operation
	way() *direction
	mirrored() timed // the same in the other direction
	outputMasks(l *lowering, in []*tensor) ([]*tensor, error)
	run(l *lowering, t, mask *tensor, initial []*tensor) ([]*tensor, error)
}

// bidirectional goes through time in both directions.
type bidirectional struct {
	forward, backward timed
	merge             string // "": not at all
}

func parseBidirectional(o *options) operation {
	b := &bidirectional{merge: "concat"}
	o.accept("mask", "initial_state")
	o.ignore("return_sequences", "return_state", "stateful")
	if v, there := o.layer.options["merge_mode"]; there {
		if b.merge = ""; v != nil {
			b.merge = o.text("concat", "merge_mode")
		}
		o.ignore("merge_mode")
	}
	switch b.merge {
	case "", "concat", "sum", "mul", "ave":
	default:
		o.malformed("merge mode %q", b.merge)
	}
	read := func(option string) timed {
		inner := o.inner(option)
		if inner == nil {
			return nil
		}
		var r timed
		switch inner.layer.class {
		case "LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU", "RNN":
			r = inner.recurrent()
		case "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D":
			r = inner.convLSTM(int(inner.layer.class[len("ConvLSTM")] - '0'))
		default:
			inner.unsupported("use LSTM, GRU, SimpleRNN or ConvLSTM", "it does not go through time")
			return nil
		}
		inner.finish()
		// Keras 3 and tf.keras, whose files name the layout of time, set this; Keras 2 knows nothing of it.
		if _, tf := inner.layer.options["time_major"]; tf || o.major >= 3 {
			r.way().zeroMasked = r.way().sequences
		}
		return r
	}
	if b.forward = read("layer"); b.forward == nil {
		return b
	}
	there := b.forward.way()
	if o.layer.options["backward_layer"] != nil {
		if b.backward = read("backward_layer"); b.backward == nil {
			return b
		}
		back := b.backward.way()
		if back.backwards == there.backwards || back.sequences != there.sequences || back.states != there.states {
			o.malformed("backward_layer does not mirror layer")
		}
	} else {
		o.ignore("backward_layer")
		b.backward = b.forward.mirrored()
	}
	there.prefix, b.backward.way().prefix = "forward_", "backward_"
	return b
}

func (b *bidirectional) lowerAll(l *lowering, in []*tensor) ([]*tensor, error) {
	states, err := l.initialStates(in)
	if err != nil {
		return nil, err
	}
	mask, err := l.maskOf(in)
	if err != nil {
		return nil, err
	}
	half := len(states) / 2
	forward, err := b.forward.run(l, in[0], mask, states[:half])
	if err != nil {
		return nil, err
	}
	backward, err := b.backward.run(l, in[0], mask, states[half:])
	if err != nil {
		return nil, err
	}
	values, form, err := l.together([]*tensor{forward[0], backward[0]})
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	y, z, shape := values[0], values[1], forward[0].shape
	if !shape.Equal(backward[0].shape) {
		return nil, fmt.Errorf("its layers make %s and %s", shape, backward[0].shape)
	}
	if b.forward.way().sequences {
		z = c.flip(z, shape[1])
	}
	switch b.merge {
	case "concat":
		y = c.with("Concat", []graph.Attr{intAttr("axis", int64(physical(len(shape)-1, len(shape), form)))}, y, z)
	case "sum":
		y = c.op("Add", y, z)
	case "mul":
		y = c.op("Mul", y, z)
	case "ave":
		y = c.op("Mul", c.op("Add", y, z), c.number(0.5))
	}
	if c.err != nil {
		return nil, c.err
	}
	out := []*tensor{l.tensorOf(y, form)}
	if b.merge == "" {
		out = append(out, l.tensorOf(z, form))
	}
	return append(append(out, forward[1:]...), backward[1:]...), nil
}

func (b *bidirectional) lower(l *lowering, in []*tensor) (*tensor, error) {
	out, err := b.lowerAll(l, in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func (b *bidirectional) outputMasks(l *lowering, in []*tensor) ([]*tensor, error) {
	masks, err := b.forward.outputMasks(l, in)
	if err == nil && masks != nil && b.merge == "" {
		masks = append(masks, masks[0])
	}
	return masks, err
}

// timeDistributed applies a layer to each step of time by itself.
type timeDistributed struct {
	inner    operation
	class    string
	together bool // the layer works on the last axis alone and takes all steps at once
}

func parseTimeDistributed(o *options) operation {
	o.accept("mask")
	o.ignore("input_length")
	if o.layer.steps != nil { // a model, which program runs
		o.ignore("layer")
		return nil
	}
	inner := o.inner("layer")
	if inner == nil {
		return nil
	}
	t := &timeDistributed{inner: inner.innerOperation(), class: inner.layer.class}
	switch t.class {
	case "Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
		"SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Identity", "Rescaling", "Embedding":
		t.together = true
	}
	return t
}

func (d *timeDistributed) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	if len(t.shape) < 3 && d.class != "Embedding" {
		return nil, fmt.Errorf("its input %s has no steps of time with features", t.shape)
	}
	if d.together {
		out, err := l.within(d.inner, t)
		if err != nil {
			return nil, err
		}
		return out[0], nil
	}
	if t.mask != nil && readMasks[d.class] {
		return nil, fmt.Errorf("its input has a mask, which its %s would read", d.class)
	}
	steps := t.shape[1]
	if steps > maxUnrolled {
		return nil, fmt.Errorf("%d steps of time are more than the %d that get nodes of their own", steps, maxUnrolled)
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	var parts []graph.ValueID
	for k := range steps {
		part := c.axes("Squeeze", c.slice(x, 1, k, k+1), 1)
		if c.err != nil {
			return nil, c.err
		}
		out, err := l.within(d.inner, l.tensorOf(part, asSource))
		if err != nil {
			return nil, err
		}
		v, err := l.as(out[0], asSource)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c.axes("Unsqueeze", v, 1))
	}
	y := parts[0]
	if len(parts) > 1 {
		y = c.with("Concat", []graph.Attr{intAttr("axis", 1)}, parts...)
	}
	return c.tensor(y, asSource)
}

// spectral is SpectralNormalization: at inference the wrapped layer with the kernel as training left it, normalised.
type spectral struct {
	inner operation
	class string
}

func (s *spectral) lower(l *lowering, in []*tensor) (*tensor, error) {
	out, err := l.within(s.inner, in...)
	if err != nil {
		return nil, err
	}
	// The vector that training keeps beside the kernel is as long as the kernel's last axis.
	stored := l.stored[l.layer.id()]
	for _, w := range stored {
		if w.Name == "kernel" || w.Name == "embeddings" {
			if err := l.declare("vector_u", graph.Shape{1, w.Shape[len(w.Shape)-1]}); err != nil {
				return nil, err
			}
			// It is the wrapper's own, and comes before the weights of the layer in it.
			key, all := l.layer.id(), l.stored[l.layer.id()]
			if n := len(all); n > len(stored) {
				l.stored[key] = append([]StoredWeight{all[n-1]}, all[:n-1]...)
			}
			return out[0], nil
		}
	}
	return nil, fmt.Errorf("a %s has no kernel to normalise", s.class)
}
