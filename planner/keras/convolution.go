package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		c := &convolution{filters: o.required("filters", "nb_filter"), groups: o.integer(1, 1, "groups")}
		c.read(o)
		return c
	}, "Conv2D", "Convolution2D")
	register(func(o *options) operation {
		c := &depthwise{multiplier: o.integer(1, 1, "depth_multiplier")}
		c.read(o)
		o.ignore("filters", "groups") // written by some versions, with no meaning here
		return c
	}, "DepthwiseConv2D")
	register(func(o *options) operation {
		c := &separable{filters: o.required("filters", "nb_filter")}
		c.multiplier = o.integer(1, 1, "depth_multiplier")
		c.read(o)
		o.ignore("groups")
		return c
	}, "SeparableConv2D", "SeparableConvolution2D")
}

// window is what convolutions and poolings share.
type window struct {
	size, strides, dilation [2]int64
	same                    bool
	form                    layout // that ONNX needs for the data's layout
}

// pads gives ONNX's pads for an input of (rows, columns). `same` is TensorFlow's: the output has ceil(in/stride)
// positions, and where the padding is odd the extra row or column is at the end.
func (w *window) pads(rows, columns int64) []int64 {
	pads := make([]int64, 4)
	if !w.same {
		return pads
	}
	for i, in := range [2]int64{rows, columns} {
		out := (in + w.strides[i] - 1) / w.strides[i]
		total := max(0, (out-1)*w.strides[i]+(w.size[i]-1)*w.dilation[i]+1-in)
		pads[i], pads[i+2] = total/2, total-total/2
	}
	return pads
}

// filter is what the kinds of 2-D convolution share.
type filter struct {
	window
	bias       bool
	activation activation
}

func (f *filter) read(o *options) {
	if o.layer.options["nb_row"] != nil {
		rows, columns := o.required("nb_row"), o.required("nb_col")
		f.size = [2]int64{rows, columns}
	} else {
		f.size = o.pair([2]int64{}, "kernel_size")
		if f.size[0] == 0 {
			o.malformed("option kernel_size is missing")
			f.size = [2]int64{1, 1}
		}
	}
	f.strides = o.pair([2]int64{1, 1}, "strides", "subsample")
	f.dilation = o.pair([2]int64{1, 1}, "dilation_rate", "atrous_rate")
	f.same = o.padding()
	f.form = o.layout()
	f.bias = o.boolean(true, "use_bias", "bias")
	f.activation = o.activation()
	if f.form == asSource && o.major == 1 {
		o.unsupported("save the model from Keras 2 with TensorFlow's kernels", "kernels of Keras 1 in Theano's order: the file does not say whether they are flipped")
	}
}

// input gives a convolution's input as NCHW.
func (f *filter) input(l *lowering, in []*tensor) (graph.ValueID, graph.Shape, error) {
	t, err := wantOne(in)
	if err != nil {
		return graph.None, nil, err
	}
	if err := wantRank(t, 4); err != nil {
		return graph.None, nil, err
	}
	v, err := l.as(t, f.form)
	if err != nil {
		return graph.None, nil, err
	}
	return v, l.g.Values[v].Shape, nil
}

func (f *filter) conv(l *lowering, x, kernel, bias graph.ValueID, w *window, groups int64) (graph.ValueID, error) {
	shape := l.g.Values[x].Shape
	inputs := []graph.ValueID{x, kernel}
	if bias != graph.None {
		inputs = append(inputs, bias)
	}
	return l.emit("Conv", inputs,
		intsAttr("dilations", w.dilation[0], w.dilation[1]),
		intAttr("group", groups),
		intsAttr("kernel_shape", w.size[0], w.size[1]),
		intsAttr("pads", w.pads(shape[2], shape[3])...),
		intsAttr("strides", w.strides[0], w.strides[1]))
}

// biasOf refers to the bias of n output channels, when the layer has one.
func (f *filter) biasOf(l *lowering, n int64) (graph.ValueID, error) {
	if !f.bias {
		return graph.None, nil
	}
	return l.vector("bias", n)
}

type convolution struct {
	filter
	filters, groups int64
}

func (c *convolution) lower(l *lowering, in []*tensor) (*tensor, error) {
	x, shape, err := c.input(l, in)
	if err != nil {
		return nil, err
	}
	if shape[1]%c.groups != 0 || c.filters%c.groups != 0 {
		return nil, fmt.Errorf("%d groups do not divide %d input channels and %d filters", c.groups, shape[1], c.filters)
	}
	// Keras stores height, width, in, out; ONNX wants out, in, height, width.
	depth := shape[1] / c.groups
	kernel, err := l.weight("kernel", graph.Shape{c.size[0], c.size[1], depth, c.filters}, []int{3, 2, 0, 1},
		graph.Shape{c.filters, depth, c.size[0], c.size[1]})
	if err != nil {
		return nil, err
	}
	bias, err := c.biasOf(l, c.filters)
	if err != nil {
		return nil, err
	}
	y, err := c.conv(l, x, kernel, bias, &c.window, c.groups)
	if err != nil {
		return nil, err
	}
	return c.activation.apply(l, l.tensorOf(y, c.form), nil)
}

type depthwise struct {
	filter
	multiplier int64
}

// kernel refers to the depthwise kernel: stored as height, width, channel, multiplier, it is ONNX's kernel of
// channel*multiplier filters of depth 1, in the order in which TensorFlow numbers the outputs.
func (c *depthwise) kernel(l *lowering, channels int64) (graph.ValueID, error) {
	stored := graph.Shape{c.size[0], c.size[1], channels, c.multiplier}
	if err := stored.Check(); err != nil {
		return graph.None, err
	}
	return l.weight("depthwise_kernel", stored, []int{2, 3, 0, 1}, graph.Shape{channels * c.multiplier, 1, c.size[0], c.size[1]})
}

func (c *depthwise) lower(l *lowering, in []*tensor) (*tensor, error) {
	x, shape, err := c.input(l, in)
	if err != nil {
		return nil, err
	}
	kernel, err := c.kernel(l, shape[1])
	if err != nil {
		return nil, err
	}
	bias, err := c.biasOf(l, shape[1]*c.multiplier)
	if err != nil {
		return nil, err
	}
	y, err := c.conv(l, x, kernel, bias, &c.window, shape[1])
	if err != nil {
		return nil, err
	}
	return c.activation.apply(l, l.tensorOf(y, c.form), nil)
}

// separable is a depthwise convolution followed by one of 1x1; the bias and the activation are the second one's.
type separable struct {
	depthwise
	filters int64
}

func (c *separable) lower(l *lowering, in []*tensor) (*tensor, error) {
	x, shape, err := c.input(l, in)
	if err != nil {
		return nil, err
	}
	kernel, err := c.kernel(l, shape[1])
	if err != nil {
		return nil, err
	}
	y, err := c.conv(l, x, kernel, graph.None, &c.window, shape[1])
	if err != nil {
		return nil, err
	}
	depth := shape[1] * c.multiplier
	pointwise, err := l.weight("pointwise_kernel", graph.Shape{1, 1, depth, c.filters}, []int{3, 2, 0, 1}, graph.Shape{c.filters, depth, 1, 1})
	if err != nil {
		return nil, err
	}
	bias, err := c.biasOf(l, c.filters)
	if err != nil {
		return nil, err
	}
	point := window{size: [2]int64{1, 1}, strides: [2]int64{1, 1}, dilation: [2]int64{1, 1}}
	if y, err = c.conv(l, y, pointwise, bias, &point, 1); err != nil {
		return nil, err
	}
	return c.activation.apply(l, l.tensorOf(y, c.form), nil)
}
