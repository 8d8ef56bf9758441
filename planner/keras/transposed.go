package keras

import "partita/planner/graph"

func init() {
	for rank, classes := range [][]string{1: {"Conv1DTranspose", "Convolution1DTranspose"},
		2: {"Conv2DTranspose", "Convolution2DTranspose"}, 3: {"Conv3DTranspose", "Convolution3DTranspose"}} {
		if len(classes) == 0 {
			continue
		}
		register(func(o *options) operation {
			c := &transposed{filters: o.required("filters")}
			c.read(o, rank)
			if o.layer.options["output_padding"] != nil {
				c.extra = o.margins(rank, "output_padding")
			}
			o.ignore("output_padding", "groups")
			return c
		}, classes...)
	}
}

// transposed is a convolution's transpose, also called a deconvolution.
type transposed struct {
	filter
	filters int64
	extra   []int64 // output_padding; nil: chosen so that the output is stride times as large where the padding is same
}

// crops gives how many elements TensorFlow cuts off before and after the full transpose, of (in-1) stride + reach + 1
// elements, along each axis. A negative number after it adds elements. The output is
//
//	same:  in stride, or with output padding (in-1) stride + window mod 2 + output padding
//	valid: (in-1) stride + max(window, stride), or with output padding (in-1) stride + window + output padding
//
// where the window includes dilation, and where the cut of `same` is odd the extra element is cut at the end.
func (c *transposed) crops(axis int) (before, after int64) {
	stride, reach := c.strides[axis], (c.size[axis]-1)*c.dilation[axis]
	size := reach + 1
	total := size - max(size, stride) // of valid: elements that are added count negatively
	if c.extra != nil {
		total = -c.extra[axis]
	}
	if !c.same {
		return 0, total
	}
	if total = size - stride; c.extra != nil {
		total = size - size%2 - c.extra[axis]
	}
	before = max(total, 0) / 2
	return before, total - before
}

func (c *transposed) lower(l *lowering, in []*tensor) (*tensor, error) {
	x, shape, err := c.input(l, in)
	if err != nil {
		return nil, err
	}
	// Keras stores window, out, in; ONNX wants in, out, window.
	kernel, err := c.kernelOf(l, "kernel", c.size, c.filters, shape[1], true, graph.Shape{shape[1], c.filters})
	if err != nil {
		return nil, err
	}
	bias, err := c.biasOf(l, c.filters)
	if err != nil {
		return nil, err
	}
	rank := len(c.size)
	pads, more := make([]int64, 2*rank), make([]int64, rank)
	for i := range rank {
		before, after := c.crops(i)
		pads[i], pads[i+rank], more[i] = before, max(after, 0), max(-after, 0)
	}
	inputs := []graph.ValueID{x, kernel}
	if bias != graph.None {
		inputs = append(inputs, bias)
	}
	y, err := l.emit("ConvTranspose", inputs,
		intsAttr("dilations", c.dilation...),
		intsAttr("kernel_shape", c.size...),
		intsAttr("output_padding", more...),
		intsAttr("pads", pads...),
		intsAttr("strides", c.strides...))
	if err != nil {
		return nil, err
	}
	return c.activation.apply(l, l.tensorOf(y, c.form), nil)
}
