package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

// Layers that turn numbers into categories, and categories into ones and zeros.

func init() {
	register(func(o *options) operation {
		d := &discretization{encoding: o.encoding("int")}
		d.bounds = o.numbers("bin_boundaries")
		o.ignore("num_bins", "epsilon") // how the boundaries were found
		d.depth = int64(len(d.bounds) + 1)
		if len(d.bounds) == 0 {
			o.unsupported("adapt the layer to data before saving, or give it bin_boundaries", "its boundaries are not in the file")
		}
		for i := 1; i < len(d.bounds); i++ {
			if !(d.bounds[i-1] <= d.bounds[i]) {
				o.malformed("option bin_boundaries does not rise")
				break
			}
		}
		return d
	}, "Discretization")
	register(func(o *options) operation {
		e := o.encoding("multi_hot")
		e.depth = o.required("num_tokens", "max_tokens")
		o.accept("count_weights")
		if e.mode == "int" {
			o.malformed("option output_mode is \"int\"")
		}
		return &categoryEncoding{e}
	}, "CategoryEncoding")
	register(func(o *options) operation {
		k := &integerLookup{encoding: o.encoding("int"), inverse: o.boolean(false, "invert")}
		vocabulary := o.numbers("vocabulary")
		oov := o.integer(1, 0, "num_oov_indices")
		if v := o.value("mask_token", "mask_value"); v != nil {
			f, isNumber := v.(float64)
			k.masked, k.mask = true, float32(f)
			if !isNumber {
				o.malformed("option mask_token is %s", describe(v))
			}
		}
		k.oovToken = float32(o.number(-1, "oov_token", "oov_value"))
		if v, there := o.layer.options["vocabulary"]; !there || v == nil || len(vocabulary) == 0 {
			o.unsupported("give the vocabulary to the layer when it is made", "its vocabulary is not in the configuration")
		}
		if oov > 1 {
			o.unsupported("use one index for numbers out of the vocabulary", "%d indices for numbers out of the vocabulary, chosen by a hash", oov)
		}
		if o.value("idf_weights") != nil {
			o.unsupported("use another output mode", "weights of terms by their rarity")
		}
		most, pad := o.integer(0, 0, "max_tokens"), o.boolean(false, "pad_to_max_tokens")
		o.ignore("vocabulary_dtype", "vocabulary_size")
		// The vocabulary may be written with the mask and the number for all others in front.
		if k.masked && len(vocabulary) > 0 && vocabulary[0] == k.mask {
			vocabulary = vocabulary[1:]
		}
		if oov == 1 && len(vocabulary) > 0 && vocabulary[0] == k.oovToken {
			vocabulary = vocabulary[1:]
		}
		k.tokens, k.unknown = vocabulary, oov == 1
		k.first = oov
		if k.masked {
			k.first++
		}
		if k.masked && k.mode != "int" {
			o.unsupported("use the output mode int, or no mask_token", "a mask_token with the output mode %s", k.mode)
		}
		if k.depth = k.first + int64(len(vocabulary)); pad {
			k.depth = most
		}
		for _, v := range vocabulary {
			if float64(v) != math.Trunc(float64(v)) || math.Abs(float64(v)) > 1<<24 {
				o.unsupported("use smaller numbers", "the number %g in its vocabulary, which float32 does not hold exactly", v)
				break
			}
		}
		return k
	}, "IntegerLookup")
}

// encoding is how categories leave a layer: as whole numbers, or as ones or counts in vectors.
type encoding struct {
	mode  string
	depth int64
}

func (o *options) encoding(def string) encoding {
	e := encoding{mode: o.text(def, "output_mode")}
	switch e.mode {
	case "binary":
		e.mode = "multi_hot"
	case "int", "one_hot", "multi_hot", "count":
	default:
		o.unsupported("use the output mode int, one_hot, multi_hot or count", "output mode %q", e.mode)
	}
	if o.boolean(false, "sparse") {
		o.unsupported("set sparse to false", "sparse tensors")
	}
	return e
}

func (e *encoding) keepsTypes() {}

// encode turns whole numbers, as float32, into the output. counts are weights for each number, nil: one.
func (e *encoding) encode(f *functionCall, x graph.ValueID, counts *tensor) (*tensor, error) {
	if e.mode == "int" {
		x = f.cast(x, graph.Int64)
		return f.tensor(x, asSource)
	}
	if f.err != nil {
		return nil, f.err
	}
	shape := f.l.g.Values[x].Shape
	rank := len(shape)
	if e.mode == "one_hot" && rank > 1 && shape[rank-1] == 1 {
		x = f.axes("Squeeze", x, int64(rank-1))
		rank--
	}
	if e.mode != "one_hot" && rank != 2 {
		return nil, fmt.Errorf("it counts the elements of %s, which are no list for each input", shape)
	}
	if f.err != nil {
		return nil, f.err
	}
	y, err := f.oneHot(f.l.tensorOf(x, asSource), e.depth, int64(rank))
	if err != nil {
		return nil, err
	}
	switch {
	case e.mode == "multi_hot":
		y = f.with("ReduceMax", []graph.Attr{intsAttr("axes", int64(rank-1)), intAttr("keepdims", 0)}, y)
	case e.mode == "count":
		if counts != nil {
			w, err := f.l.as(counts, asSource)
			if err != nil {
				return nil, err
			}
			y = f.op("Mul", y, f.axes("Unsqueeze", f.number32(w), int64(rank)))
		}
		y = f.total(y, []int64{int64(rank - 1)}, 0)
	}
	return f.tensor(y, asSource)
}

// categories begins a formula on a layer's input as float32.
func categories(l *lowering, in []*tensor) (*functionCall, graph.ValueID, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, graph.None, err
	}
	f := &functionCall{formula: &formula{l: l}, args: []*tensor{t}}
	x := f.number32(f.value(0))
	return f, x, f.err
}

// discretization counts the boundaries that a number reaches.
type discretization struct {
	encoding
	bounds []float32
}

func (d *discretization) lower(l *lowering, in []*tensor) (*tensor, error) {
	f, x, err := categories(l, in)
	if err != nil {
		return nil, err
	}
	rank := len(in[0].shape)
	shape := graph.Shape(ones(rank + 1))
	shape[rank] = int64(len(d.bounds))
	reached := f.op("GreaterOrEqual", f.axes("Unsqueeze", x, int64(rank)), l.floats("boundaries", shape, d.bounds))
	return d.encode(f, f.total(f.cast(reached, graph.Float32), []int64{int64(rank)}, 0), nil)
}

type categoryEncoding struct{ encoding }

func (c *categoryEncoding) lower(l *lowering, in []*tensor) (*tensor, error) {
	f, x, err := categories(l, in)
	if err != nil {
		return nil, err
	}
	var counts *tensor
	if given := l.keyword("count_weights"); given != nil {
		if counts = given[0]; c.mode != "count" {
			return nil, fmt.Errorf("it is called with count_weights and has the output mode %s", c.mode)
		}
	}
	return c.encode(f, x, counts)
}

// integerLookup gives numbers their places in a vocabulary: first, when there are, the places of the mask and of all numbers
// that are not in it. The inverse gives places their numbers.
type integerLookup struct {
	encoding
	tokens          []float32
	first           int64
	masked, unknown bool
	mask, oovToken  float32
	inverse         bool
}

func (k *integerLookup) lower(l *lowering, in []*tensor) (*tensor, error) {
	f, x, err := categories(l, in)
	if err != nil {
		return nil, err
	}
	n := int64(len(k.tokens))
	places := make([]float32, n)
	for i := range places {
		places[i] = float32(k.first + int64(i))
	}
	from, to, other := k.tokens, places, float32(0)
	switch {
	case k.inverse:
		from, to, other = places, k.tokens, k.oovToken
	case k.unknown:
		other = float32(k.first - 1)
	default:
		return nil, fmt.Errorf("it has no index for numbers out of its vocabulary, on which Keras stops")
	}
	rank := len(in[0].shape)
	shape := graph.Shape(ones(rank + 1))
	shape[rank] = n
	same := f.cast(f.op("Equal", f.axes("Unsqueeze", x, int64(rank)), l.floats("from", shape, from)), graph.Float32)
	last := []int64{int64(rank)}
	y := f.total(f.op("Mul", same, l.floats("to", shape, to)), last, 0)
	known := f.cast(f.with("ReduceMax", []graph.Attr{intsAttr("axes", last...), intAttr("keepdims", 0)}, same), graph.Bool)
	y = f.op("Where", known, y, f.formula.number(float64(other)))
	if k.masked {
		at, is := k.mask, float32(0)
		if k.inverse {
			at, is = 0, k.mask
		}
		y = f.op("Where", f.op("Equal", x, f.formula.number(float64(at))), f.formula.number(float64(is)), y)
	}
	return k.encode(f, y, nil)
}
