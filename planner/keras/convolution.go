package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for rank, classes := range [][]string{1: {"Conv1D", "Convolution1D", "AtrousConvolution1D", "AtrousConv1D"},
		2: {"Conv2D", "Convolution2D", "AtrousConvolution2D", "AtrousConv2D"}, 3: {"Conv3D", "Convolution3D"}} {
		if len(classes) == 0 {
			continue
		}
		register(func(o *options) operation {
			c := &convolution{filters: o.required("filters", "nb_filter"), groups: o.integer(1, 1, "groups")}
			c.read(o, rank)
			o.ignore("input_dim", "input_length")
			return c
		}, classes...)
	}
	for rank, class := range []string{1: "DepthwiseConv1D", 2: "DepthwiseConv2D"} {
		if class == "" {
			continue
		}
		register(func(o *options) operation {
			c := &depthwise{multiplier: o.integer(1, 1, "depth_multiplier")}
			c.read(o, rank)
			o.ignore("filters", "groups") // written by some versions, with no meaning here
			return c
		}, class)
	}
	for rank, classes := range [][]string{1: {"SeparableConv1D", "SeparableConvolution1D"}, 2: {"SeparableConv2D", "SeparableConvolution2D"}} {
		if len(classes) == 0 {
			continue
		}
		register(func(o *options) operation {
			c := &separable{filters: o.required("filters", "nb_filter")}
			c.multiplier = o.integer(1, 1, "depth_multiplier")
			c.read(o, rank)
			o.ignore("groups")
			return c
		}, classes...)
	}
}

// window is what convolutions and poolings share, for any number of spatial axes.
type window struct {
	size, strides, dilation []int64
	same, causal            bool
	form                    layout // that ONNX needs for the data's layout
}

// pads gives ONNX's pads for an input of these spatial sizes. `same` is TensorFlow's: the output has ceil(in/stride)
// positions, and where the padding is odd the extra element is at the end. `causal` puts all of it in front, so that no
// output sees what comes after it.
func (w *window) pads(spatial graph.Shape) []int64 {
	n := len(spatial)
	pads := make([]int64, 2*n)
	for i, in := range spatial {
		reach := (w.size[i] - 1) * w.dilation[i]
		switch {
		case w.causal:
			pads[i] = reach
		case w.same:
			out := (in + w.strides[i] - 1) / w.strides[i]
			total := max(0, (out-1)*w.strides[i]+reach+1-in)
			pads[i], pads[i+n] = total/2, total-total/2
		}
	}
	return pads
}

// filter is what the kinds of convolution share.
type filter struct {
	window
	bias       bool
	activation activation
}

func (f *filter) read(o *options, rank int) {
	switch {
	case o.layer.options["nb_row"] != nil:
		f.size = []int64{o.required("nb_row"), o.required("nb_col")}
	case o.layer.options["filter_length"] != nil:
		f.size = []int64{o.required("filter_length")}
	case o.layer.options["kernel_dim1"] != nil:
		f.size = []int64{o.required("kernel_dim1"), o.required("kernel_dim2"), o.required("kernel_dim3")}
	default:
		f.size = o.sizes(rank, "kernel_size")
		if f.size == nil {
			o.malformed("option kernel_size is missing")
		}
	}
	if len(f.size) != rank {
		f.size = ones(rank)
	}
	f.strides = o.sizesOr(ones(rank), "strides", "subsample", "subsample_length")
	f.dilation = o.sizesOr(ones(rank), "dilation_rate", "atrous_rate")
	if rank == 1 && (o.layer.options["padding"] == "causal" || o.layer.options["border_mode"] == "causal") {
		f.causal = true
		o.ignore("padding", "border_mode")
	} else {
		f.same = o.padding()
	}
	f.form = o.layout()
	f.bias = o.boolean(true, "use_bias", "bias")
	f.activation = o.activation()
	if v := o.value("lora_rank"); v != nil {
		o.ignore("lora_alpha") // the saved kernel has the adaptation in it
	}
	o.refuseQuantized()
	if f.form == asSource && o.major == 1 {
		o.unsupported("save the model from Keras 2 with TensorFlow's kernels", "kernels of Keras 1 in Theano's order: the file does not say whether they are flipped")
	}
}

// refuseQuantized reports weights that Keras stores quantised, with scales beside them.
func (o *options) refuseQuantized() {
	if v := o.value("quantization_mode", "quantization_config"); v != nil {
		o.unsupported("save the model before quantising it", "its weights are quantised (%s)", describe(v))
	}
}

// input gives a convolution's input with its channels in front, as ONNX wants it.
func (f *filter) input(l *lowering, in []*tensor) (graph.ValueID, graph.Shape, error) {
	t, err := wantOne(in)
	if err != nil {
		return graph.None, nil, err
	}
	if err := wantRank(t, len(f.size)+2); err != nil {
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
		intsAttr("dilations", w.dilation...),
		intAttr("group", groups),
		intsAttr("kernel_shape", w.size...),
		intsAttr("pads", w.pads(shape[2:])...),
		intsAttr("strides", w.strides...))
}

// biasOf refers to the bias of n output channels, when the layer has one.
func (f *filter) biasOf(l *lowering, n int64) (graph.ValueID, error) {
	if !f.bias {
		return graph.None, nil
	}
	return l.vector("bias", n)
}

// kernelOf refers to a kernel that Keras stores as window, then a and b, and ONNX wants as first and second, then window.
func (f *filter) kernelOf(l *lowering, name string, size []int64, a, b int64, swap bool, shape graph.Shape) (graph.ValueID, error) {
	n := len(size)
	stored := append(append(graph.Shape{}, size...), a, b)
	if err := stored.Check(); err != nil {
		return graph.None, err
	}
	perm := []int{n, n + 1}
	if swap {
		perm = []int{n + 1, n}
	}
	for i := range n {
		perm = append(perm, i)
	}
	if l.m.major == 1 && n == 1 && l.layer.class != "SeparableConvolution1D" {
		// Keras 1 stores the kernels of its 1-D convolution as those of images with one column.
		stored = graph.Shape{size[0], 1, a, b}
		perm = []int{3, 2, 0, 1}
	}
	return l.weight(name, stored, perm, append(shape, size...))
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
	// Keras stores window, in, out; ONNX wants out, in, window.
	depth := shape[1] / c.groups
	kernel, err := c.kernelOf(l, "kernel", c.size, depth, c.filters, true, graph.Shape{c.filters, depth})
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

// kernel refers to the depthwise kernel: stored as window, channel, multiplier, it is ONNX's kernel of
// channel*multiplier filters of depth 1, in the order in which TensorFlow numbers the outputs.
func (c *depthwise) kernel(l *lowering, channels int64) (graph.ValueID, error) {
	return c.kernelOf(l, "depthwise_kernel", c.size, channels, c.multiplier, false, graph.Shape{channels * c.multiplier, 1})
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

// separable is a depthwise convolution followed by one of a single element; the bias and the activation are the second
// one's.
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
	single := ones(len(c.size))
	pointwise, err := c.kernelOf(l, "pointwise_kernel", single, depth, c.filters, true, graph.Shape{c.filters, depth})
	if err != nil {
		return nil, err
	}
	bias, err := c.biasOf(l, c.filters)
	if err != nil {
		return nil, err
	}
	point := window{size: single, strides: single, dilation: single}
	if y, err = c.conv(l, y, pointwise, bias, &point, 1); err != nil {
		return nil, err
	}
	return c.activation.apply(l, l.tensorOf(y, c.form), nil)
}
