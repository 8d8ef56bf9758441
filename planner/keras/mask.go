package keras

import (
	"fmt"

	"partita/planner/graph"
)

// Keras hands masks from layer to layer beside the tensors: which steps of time count. Here a mask is a tensor of ones and
// zeros, made only in models with a layer that reads masks.

// masking is an operation that says itself which masks its outputs carry. Other operations pass their first input's mask
// on or, like Keras, lose it.
type masking interface {
	outputMasks(l *lowering, in []*tensor) ([]*tensor, error)
}

// keepsTypes is an operation that takes whole numbers as they are. For others they become float32.
type keepsTypes interface{ keepsTypes() }

// passMasks are the classes that carry their input's mask on unchanged.
var passMasks = map[string]bool{
	"Dense": true, "Activation": true, "ReLU": true, "LeakyReLU": true, "PReLU": true, "ELU": true, "ThresholdedReLU": true, "Softmax": true,
	"Dropout": true, "SpatialDropout1D": true, "SpatialDropout2D": true, "SpatialDropout3D": true, "GaussianDropout": true,
	"GaussianNoise": true, "AlphaDropout": true, "ActivityRegularization": true, "Identity": true, "BatchNormalization": true,
	"BatchNormalizationV1": true, "BatchNormalizationV2": true, "SyncBatchNormalization": true, "LayerNormalization": true,
	"GroupNormalization": true, "UnitNormalization": true, "Rescaling": true, "Normalization": true, "TimeDistributed": true,
	"MultiHeadAttention": true, "Attention": true, "AdditiveAttention": true, "GroupQueryAttention": true, "GroupedQueryAttention": true,
	"EinsumDense": false, "RMSNormalization": false,
}

// readMasks are the classes whose result depends on masks.
var readMasks = map[string]bool{
	"LSTM": true, "GRU": true, "SimpleRNN": true, "RNN": true, "Bidirectional": true, "TimeDistributed": true, "CuDNNLSTM": true,
	"CuDNNGRU": true, "ConvLSTM1D": true, "ConvLSTM2D": true, "ConvLSTM3D": true, "MultiHeadAttention": true, "GroupQueryAttention": true, "GroupedQueryAttention": true, "Attention": true,
	"AdditiveAttention": true, "GlobalAveragePooling1D": true, "GlobalAvgPool1D": true, "Softmax": true,
}

func (m *modelConfig) usesMasks() bool {
	for _, l := range m.layers {
		switch l.class {
		case "Multiply", "Maximum", "Minimum":
			if m.major >= 3 {
				return true
			}
		}
		if readMasks[l.class] || l.model != nil && l.model.usesMasks() || l.steps != nil && l.steps.usesMasks() {
			return true
		}
	}
	return false
}

// accept lists keywords with which the layer may be called.
func (o *options) accept(names ...string) {
	if o.accepted == nil {
		o.accepted = map[string]bool{}
	}
	for _, n := range names {
		o.accepted[n] = true
	}
}

// checkKeywords reports keywords of calls that no one accepted.
func (o *options) checkKeywords() {
	if o.layer.isFunction() {
		return // what a function is called with is part of it
	}
	seen := map[string]bool{}
	for _, c := range o.layer.calls {
		for _, a := range c.args {
			switch {
			case a.keyword == "" || seen[a.keyword] || o.accepted[a.keyword]:
			case a.keyword == "mask":
				o.unsupported("build the model without masking", "it is called with a mask")
			default:
				o.unsupported("call it with its inputs alone", "it is called with the argument %s", a.keyword)
			}
			seen[a.keyword] = true
		}
	}
}

// keyword gives the tensors that the current call has under a keyword, by their positions.
func (l *lowering) keyword(name string) map[int]*tensor {
	var found map[int]*tensor
	for i, a := range l.call.args {
		if a.keyword == name && l.given[i] != nil {
			if found == nil {
				found = map[int]*tensor{}
			}
			found[a.position] = l.given[i]
		}
	}
	return found
}

// flag gives a keyword of the current call that is true or false.
func (l *lowering) flag(name string) bool {
	for _, a := range l.call.args {
		if a.keyword == name && a.isOther {
			return a.other == true
		}
	}
	return false
}

// maskOf gives the mask of the first input, given by hand or carried by the tensor; nil when there is none.
func (l *lowering) maskOf(in []*tensor) (*tensor, error) {
	if given := l.keyword("mask"); given != nil {
		return l.toMask(given[0])
	}
	if len(in) == 0 {
		return nil, nil
	}
	return in[0].mask, nil
}

// toMask turns a tensor that serves as a mask into ones and zeros: all that is not zero counts.
func (l *lowering) toMask(t *tensor) (*tensor, error) {
	if t == nil {
		return nil, nil
	}
	v, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	if l.g.Values[v].DType != graph.Bool {
		if v, err = l.emit("Cast", []graph.ValueID{v}, intAttr("to", int64(graph.Bool))); err != nil {
			return nil, err
		}
	}
	if v, err = l.emit("Cast", []graph.ValueID{v}, intAttr("to", int64(graph.Float32))); err != nil {
		return nil, err
	}
	return l.tensorOf(v, asSource), nil
}

// outputMasks gives the mask of each output.
func (l *lowering) outputMasks(op operation, class string, in, outputs []*tensor) ([]*tensor, error) {
	masks := make([]*tensor, len(outputs))
	if !l.masks {
		return masks, nil
	}
	if m, ok := op.(masking); ok {
		own, err := m.outputMasks(l, in)
		copy(masks, own)
		return masks, err
	}
	if passMasks[class] {
		var err error
		if masks[0], err = l.maskOf(in); err != nil {
			return nil, err
		}
	}
	return masks, nil
}

// outputMasks of merges: Keras 3 counts a step that counts in any input, where all inputs have masks; Keras 1 and 2 count
// one that counts in all inputs that have masks.
func (m *merge) outputMasks(l *lowering, in []*tensor) ([]*tensor, error) {
	var masks []*tensor
	for _, t := range in {
		if t.mask != nil {
			masks = append(masks, t.mask)
		}
	}
	if len(masks) == 0 || l.m.major >= 3 && len(masks) < len(in) {
		return nil, nil
	}
	op := "Mul"
	if l.m.major >= 3 {
		op = "Max"
	}
	return l.joinMasks(op, masks)
}

func (l *lowering) joinMasks(op string, masks []*tensor) ([]*tensor, error) {
	c := &formula{l: l}
	v, err := l.as(masks[0], asSource)
	for _, m := range masks[1:] {
		next, e := l.as(m, asSource)
		if err == nil {
			err = e
		}
		if err == nil {
			v = c.op(op, v, next)
		}
	}
	if err == nil {
		err = c.err
	}
	if err != nil {
		return nil, err
	}
	return []*tensor{l.tensorOf(v, asSource)}, nil
}

// outputMasks of a concatenation: along the features a step counts if it counts in any input (Keras 3, where an input
// without a mask counts always) or in all (before); along the time the masks follow each other.
func (c *concatenate) outputMasks(l *lowering, in []*tensor) ([]*tensor, error) {
	var masks []*tensor
	for _, t := range in {
		if t.mask != nil {
			masks = append(masks, t.mask)
		}
	}
	if len(masks) == 0 {
		return nil, nil
	}
	rank := len(in[0].shape)
	axis, err := normalAxis(c.axis, rank)
	if err != nil {
		return nil, err
	}
	switch {
	case axis == rank-1 && l.m.major >= 3 && len(masks) < len(in):
		return nil, nil // every step counts
	case axis == rank-1 && l.m.major >= 3:
		return l.joinMasks("Max", masks)
	case axis == rank-1:
		return l.joinMasks("Mul", masks)
	case axis == 1 && len(masks) == len(in) && len(masks[0].shape) == 2:
		f := &formula{l: l}
		var parts []graph.ValueID
		for _, m := range masks {
			v, err := l.as(m, asSource)
			if err != nil {
				return nil, err
			}
			parts = append(parts, v)
		}
		v := f.with("Concat", []graph.Attr{intAttr("axis", 1)}, parts...)
		if f.err != nil {
			return nil, f.err
		}
		return []*tensor{l.tensorOf(v, asSource)}, nil
	}
	return nil, fmt.Errorf("it joins tensors with masks along axis %d", c.axis)
}

// masked merges tensors with masks as Keras 3 does for products, maxima and minima: a step that does not count in one
// input takes what the others have. nil without an error: masks make no difference.
func (m *merge) masked(l *lowering, in []*tensor) (*tensor, error) {
	some, all := false, true
	for _, t := range in {
		some, all = some || t.mask != nil, all && t.mask != nil
	}
	if !some || l.m.major < 3 || m.op != "Mul" && m.op != "Max" && m.op != "Min" {
		return nil, nil
	}
	c := &formula{l: l}
	choose := func(mask, yes, no graph.ValueID) graph.ValueID {
		return c.op("Where", c.cast(mask, graph.Bool), yes, no)
	}
	output, outputMask := graph.None, graph.None
	for _, t := range in {
		if len(t.shape) != len(in[0].shape) {
			return nil, fmt.Errorf("it joins tensors with masks of different ranks: %s", shapesOf(in))
		}
		x, err := l.as(t, asSource)
		if err != nil {
			return nil, err
		}
		mask := graph.None
		if t.mask != nil {
			if len(t.mask.shape) != len(t.shape)-1 {
				return nil, fmt.Errorf("a mask %s does not fit %s", t.mask.shape, t.shape)
			}
			if mask, err = l.as(t.mask, asSource); err != nil {
				return nil, err
			}
			mask = c.axes("Unsqueeze", mask, int64(len(t.shape)-1))
		}
		if m.op == "Mul" {
			if mask != graph.None {
				x = choose(mask, x, c.number(1))
				if outputMask != graph.None {
					mask = c.op("Max", outputMask, mask)
				}
				outputMask = mask
			}
			if output != graph.None {
				x = c.op("Mul", output, x)
			}
			output = x
			continue
		}
		if output == graph.None {
			output, outputMask = x, mask
			continue
		}
		if mask != graph.None {
			x = choose(mask, x, output)
		}
		if outputMask != graph.None {
			output = choose(outputMask, output, x)
		}
		if mask != graph.None && outputMask != graph.None {
			outputMask = c.op("Max", outputMask, mask)
		} else {
			outputMask = graph.None
		}
		output = c.op(m.op, output, x)
	}
	if m.op == "Mul" && all {
		output = choose(outputMask, output, c.number(0))
	}
	return c.tensor(output, asSource)
}
