package keras

import (
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
	"CuDNNGRU": true, "MultiHeadAttention": true, "GroupQueryAttention": true, "GroupedQueryAttention": true, "Attention": true,
	"AdditiveAttention": true, "GlobalAveragePooling1D": true, "GlobalAvgPool1D": true, "GlobalAveragePool1D": true, "Softmax": true,
}

func (m *modelConfig) usesMasks() bool {
	for _, l := range m.layers {
		if readMasks[l.class] || l.model != nil && l.model.usesMasks() {
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
