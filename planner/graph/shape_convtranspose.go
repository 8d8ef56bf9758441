package graph

import "fmt"

func init() {
	rules["ConvTranspose"] = rule{2, inferConvTranspose}
	rules["Resize"] = rule{1, inferResize} // roi, scales and sizes may each be left out
}

func inferConvTranspose(n *Node, in []*Value) (Inferred, error) {
	x, w := in[0].Shape, in[1].Shape
	if len(x) < 3 || len(w) != len(x) || w[0] != x[1] {
		return Inferred{}, fmt.Errorf("input %s and kernel %s do not fit", x, w)
	}
	groups := int64(1)
	if a := n.Attr("group"); a != nil {
		groups = a.Int
	}
	if groups < 1 || w[0]%groups != 0 || w[1] > MaxElements/groups {
		return Inferred{}, fmt.Errorf("kernel %s in %d groups does not fit the %d channels of the input", w, groups, x[1])
	}
	filters := w[1] * groups
	if len(in) > 2 && in[2] != nil && !in[2].Shape.Equal(Shape{filters}) {
		return Inferred{}, fmt.Errorf("bias %s does not fit %d output channels", in[2].Shape, filters)
	}
	if n.Attr("auto_pad") != nil && n.Attr("auto_pad").Str != "NOTSET" || n.Attr("output_shape") != nil {
		return Inferred{}, fmt.Errorf("only explicit pads are known")
	}
	r := len(x) - 2
	lists := map[string][]int64{}
	for name, def := range map[string]int64{"strides": 1, "dilations": 1, "output_padding": 0} {
		list, err := n.ints(name, r, def)
		if err != nil {
			return Inferred{}, err
		}
		lists[name] = list
	}
	pads, err := n.ints("pads", 2*r, 0)
	if err != nil {
		return Inferred{}, err
	}
	out := Shape{x[0], filters}
	for i := range r {
		k, s, d, extra := w[2+i], lists["strides"][i], lists["dilations"][i], lists["output_padding"][i]
		for _, v := range []int64{k, s, d, x[2+i]} {
			if v < 1 || v > 1<<30 {
				return Inferred{}, fmt.Errorf("kernel %d, stride %d, dilation %d on %d are not a window", k, s, d, x[2+i])
			}
		}
		for _, v := range []int64{pads[i], pads[i+r], extra} {
			if v < 0 || v > 1<<40 {
				return Inferred{}, fmt.Errorf("padding %d is out of range", v)
			}
		}
		out = append(out, s*(x[2+i]-1)+extra+(k-1)*d+1-pads[i]-pads[i+r])
	}
	return Inferred{out, in[0].DType}, nil
}

// inferResize knows constant scales (input 2) and constant sizes (input 3). Sizes cannot tell the batch's, so with them
// the input must have none.
func inferResize(_ *Node, in []*Value) (Inferred, error) {
	x := in[0].Shape
	out := append(Shape(nil), x...)
	if len(in) > 3 && in[3] != nil {
		sizes, err := constants(in[3])
		if err != nil || len(sizes) != len(x) {
			return Inferred{}, fmt.Errorf("sizes %v do not fit %s", sizes, x)
		}
		for i, s := range sizes {
			if x[i] == Batch {
				return Inferred{}, fmt.Errorf("sizes would settle the batch")
			}
			out[i] = s
		}
		return Inferred{out, in[0].DType}, nil
	}
	var scales *Value
	if len(in) > 2 {
		scales = in[2]
	}
	if scales == nil || scales.Const == nil || len(scales.Const.Float32s) != len(x) {
		return Inferred{}, fmt.Errorf("scales are not constants, one for each axis")
	}
	for i, s := range scales.Const.Float32s {
		if x[i] == Batch {
			if s != 1 {
				return Inferred{}, fmt.Errorf("the batch is not resized")
			}
			continue
		}
		if !(s > 0 && s < 1<<30) || x[i] > 1<<40 {
			return Inferred{}, fmt.Errorf("scale %g of axis %d of %s is out of range", s, i, x)
		}
		out[i] = int64(float32(x[i]) * s) // rounded down, in float32, as the operator computes it
	}
	return Inferred{out, in[0].DType}, nil
}
