package graph

import (
	"fmt"
	"math"
)

// Rules of convolutions, pooling and resizing.

// steps gives how a window goes over a number of spatial axes; pads are all those before, then all those after.
func (c *call) steps(axes int) (strides, dilations, pads []int64, err error) {
	if strides, err = c.ints("strides", axes, 1); err != nil {
		return nil, nil, nil, err
	}
	if dilations, err = c.ints("dilations", axes, 1); err != nil {
		return nil, nil, nil, err
	}
	pads, err = c.ints("pads", 2*axes, 0)
	return strides, dilations, pads, err
}

// slide computes the spatial sizes that a window gives, with auto_pad and ceil_mode.
func (c *call) slide(x, kernel []int64) (Shape, error) {
	r := len(kernel)
	strides, dilations, pads, err := c.steps(r)
	if err != nil {
		return nil, err
	}
	if err := Shape(x).settled(); err != nil {
		return nil, err
	}
	mode := c.text("auto_pad", "NOTSET")
	out := make(Shape, r)
	for i := range out {
		k, s, d := kernel[i], strides[i], dilations[i]
		before, after := pads[i], pads[i+r]
		if k < 1 || s < 1 || d < 1 || k > 1<<31 || d > 1<<31 || before < 0 || after < 0 || before > 1<<31 || after > 1<<31 {
			return nil, fmt.Errorf("kernel %d, stride %d, dilation %d, pads %d and %d are not a window", k, s, d, before, after)
		}
		window := (k-1)*d + 1
		switch mode {
		case "SAME_UPPER", "SAME_LOWER":
			out[i] = (x[i] + s - 1) / s
			continue
		case "VALID":
			before, after = 0, 0
		case "NOTSET", "":
		default:
			return nil, fmt.Errorf("auto_pad %q is not known", mode)
		}
		padded := x[i] + before + after
		if padded < window {
			return nil, fmt.Errorf("a window of %d does not fit the padded size %d", window, padded)
		}
		out[i] = (padded-window)/s + 1
		if c.int("ceil_mode", 0) != 0 && (padded-window)%s != 0 && out[i]*s < x[i]+before {
			out[i]++ // a last window may reach over the end, but must begin inside
		}
	}
	return out, nil
}

func (c *call) convolve(x, w Shape) (Shape, error) {
	if len(x) < 3 || len(w) != len(x) {
		return nil, fmt.Errorf("input %s and kernel %s do not fit", x, w)
	}
	groups := c.int("group", 1)
	if groups < 1 || mulSaturated(w[1], groups) != x[1] || w[0]%groups != 0 {
		return nil, fmt.Errorf("kernel %s in %d groups does not fit the %d channels of the input", w, groups, x[1])
	}
	spatial, err := c.slide(x[2:], w[2:])
	return append(Shape{x[0], w[0]}, spatial...), err
}

func ruleConv(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	out, err := c.convolve(c.in[0].Shape, c.in[1].Shape)
	if err != nil {
		return err
	}
	if b := c.input(2); b != nil && c.Op == "Conv" && !b.Shape.Equal(Shape{out[1]}) {
		return fmt.Errorf("bias %s does not fit %d output channels", b.Shape, out[1])
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleQLinearConv(c *call) error {
	if err := c.need(8); err != nil {
		return err
	}
	out, err := c.convolve(c.in[0].Shape, c.in[3].Shape)
	c.set(0, c.in[7].DType, out...)
	return err
}

func ruleConvTranspose(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x, w := c.in[0].Shape, c.in[1].Shape
	if len(x) < 3 || len(w) != len(x) || w[0] != x[1] {
		return fmt.Errorf("input %s and kernel %s do not fit", x, w)
	}
	if err := x[2:].settled(); err != nil {
		return err
	}
	r := len(x) - 2
	strides, dilations, pads, err := c.steps(r)
	if err != nil {
		return err
	}
	extra, err := c.ints("output_padding", r, 0)
	if err != nil {
		return err
	}
	groups := c.int("group", 1)
	if groups < 1 || x[1]%groups != 0 {
		return fmt.Errorf("%d groups do not divide the %d channels of the input", groups, x[1])
	}
	out := Shape{x[0], mulSaturated(w[1], groups)}
	if b := c.input(2); b != nil && !b.Shape.Equal(out[1:]) {
		return fmt.Errorf("bias %s does not fit %d output channels", b.Shape, out[1])
	}
	given, isGiven := c.list("output_shape")
	if isGiven && len(given) < r {
		return fmt.Errorf("attribute output_shape has %d entries, needs %d", len(given), r)
	}
	mode := c.text("auto_pad", "NOTSET")
	for i := 0; i < r; i++ {
		k, s, d := w[2+i], strides[i], dilations[i]
		if s < 1 || d < 1 || s > 1<<31 || d > 1<<31 || pads[i] < 0 || pads[i+r] < 0 || extra[i] < 0 || extra[i] > 1<<31 || pads[i] > 1<<31 || pads[i+r] > 1<<31 {
			return fmt.Errorf("kernel %d, stride %d, dilation %d, pads %d and %d are not a window", k, s, d, pads[i], pads[i+r])
		}
		whole := addSaturated(addSaturated(mulSaturated(max(x[2+i]-1, 0), s), mulSaturated(k-1, d)), 1+extra[i])
		switch {
		case isGiven:
			out = append(out, given[len(given)-r+i])
		case mode == "SAME_UPPER" || mode == "SAME_LOWER":
			out = append(out, mulSaturated(x[2+i], s))
		case mode == "VALID":
			out = append(out, whole)
		default:
			out = append(out, whole-pads[i]-pads[i+r])
		}
		if out[2+i] < 1 {
			return fmt.Errorf("its output would have the size %d", out[2+i])
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func rulePool(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	kernel, ok := c.list("kernel_shape")
	if len(x) < 3 || !ok || len(kernel) != len(x)-2 {
		return fmt.Errorf("input %s does not fit the kernel_shape", x)
	}
	spatial, err := c.slide(x[2:], kernel)
	if err != nil {
		return err
	}
	out := append(Shape{x[0], x[1]}, spatial...)
	c.set(0, c.in[0].DType, out...)
	c.set(1, Int64, out...)
	return nil
}

func ruleGlobalPool(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(x) < 3 {
		return fmt.Errorf("input %s has nothing to pool over", x)
	}
	out := append(Shape{}, x...)
	for i := 2; i < len(out); i++ {
		out[i] = 1
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleMaxRoiPool(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	size, _ := c.list("pooled_shape")
	if len(size) != 2 || len(c.in[0].Shape) != 4 || len(c.in[1].Shape) != 2 {
		return fmt.Errorf("its inputs and pooled_shape do not fit")
	}
	c.set(0, c.in[0].DType, c.in[1].Shape[0], c.in[0].Shape[1], size[0], size[1])
	return nil
}

func ruleRoiAlign(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	if len(c.in[0].Shape) != 4 || len(c.in[1].Shape) != 2 {
		return fmt.Errorf("its inputs %s and %s do not fit", c.in[0].Shape, c.in[1].Shape)
	}
	c.set(0, c.in[0].DType, c.in[1].Shape[0], c.in[0].Shape[1], c.int("output_height", 1), c.int("output_width", 1))
	return nil
}

func ruleGridSample(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x, grid := c.in[0].Shape, c.in[1].Shape
	if len(x) < 3 || len(grid) != len(x) {
		return fmt.Errorf("its inputs %s and %s do not fit", x, grid)
	}
	c.set(0, c.in[0].DType, append(Shape{x[0], x[1]}, grid[1:len(grid)-1]...)...)
	return nil
}

func ruleDepthToSpace(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x, b := c.in[0].Shape, c.int("blocksize", 0)
	if len(x) != 4 || b < 1 || b > 1<<20 || x[1]%(b*b) != 0 {
		return fmt.Errorf("blocks of %d do not fit %s", b, x)
	}
	c.set(0, c.in[0].DType, x[0], x[1]/(b*b), mulSaturated(x[2], b), mulSaturated(x[3], b))
	return nil
}

func ruleSpaceToDepth(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x, b := c.in[0].Shape, c.int("blocksize", 0)
	if len(x) != 4 || b < 1 || b > 1<<20 || x[2]%b != 0 || x[3]%b != 0 {
		return fmt.Errorf("blocks of %d do not fit %s", b, x)
	}
	c.set(0, c.in[0].DType, x[0], mulSaturated(x[1], b*b), x[2]/b, x[3]/b)
	return nil
}

// factors gives a list of float32.
func (t *Known) factors() ([]float32, error) {
	switch {
	case len(t.Shape) != 1 || t.DType != Float32:
		return nil, fmt.Errorf("an input of type %s and shape %s should be a list of float32", t.DType, t.Shape)
	case !t.Filled:
		return nil, ErrDataDecide
	}
	return t.Floats, nil
}

func (c *call) scale(list []float32) error {
	x := c.in[0].Shape
	if len(list) != len(x) {
		return fmt.Errorf("%d scales for %s", len(list), x)
	}
	out := make(Shape, len(x))
	for i := range out {
		var err error
		if out[i], err = scaled(x[i], list[i]); err != nil {
			return err
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleUpsample(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	if c.opset < 9 {
		a := c.Attr("scales")
		if a == nil {
			return fmt.Errorf("it has no scales")
		}
		return c.scale(a.Floats)
	}
	if err := c.need(2); err != nil {
		return err
	}
	list, err := c.in[1].factors()
	if err != nil {
		return err
	}
	return c.scale(list)
}

// ruleResize: opset 10 has X and scales; later ones X, roi, scales and sizes, of which one of the last two counts; from
// opset 18 on they may speak of some axes only.
func ruleResize(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	if c.opset < 11 {
		if err := c.need(2); err != nil {
			return err
		}
		list, err := c.in[1].factors()
		if err != nil {
			return err
		}
		return c.scale(list)
	}
	x := c.in[0].Shape
	over := everyPlace(len(x)) // the axes that are spoken of
	if list, ok := c.list("axes"); ok && c.opset >= 18 {
		var err error
		if over, err = places(list, len(x)); err != nil {
			return err
		}
	}
	out := append(Shape{}, x...)
	if s := c.input(2); s != nil && !(s.Filled && len(s.Floats) == 0) && !s.Shape.Equal(Shape{0}) {
		list, err := s.factors()
		if err != nil {
			return err
		}
		if len(list) != len(over) {
			return fmt.Errorf("%d scales for %s", len(list), x)
		}
		for i, k := range over {
			if out[k], err = scaled(x[k], list[i]); err != nil {
				return err
			}
		}
		c.set(0, c.in[0].DType, out...)
		return nil
	}
	sizes := c.input(3)
	if sizes == nil {
		return fmt.Errorf("it has neither scales nor sizes")
	}
	list, err := sizes.integers()
	if err != nil {
		return err
	}
	if len(list) != len(over) {
		return fmt.Errorf("%d sizes for %s", len(list), x)
	}
	for _, k := range over {
		if x[k] == Batch {
			return fmt.Errorf("sizes would settle the batch")
		}
	}
	policy := c.text("keep_aspect_ratio_policy", "stretch")
	factor := math.NaN()
	for i, k := range over {
		if x[k] <= 0 || list[i] <= 0 {
			return fmt.Errorf("%s does not resize to %v", x, list)
		}
		out[k] = list[i]
		f := float64(list[i]) / float64(x[k])
		switch {
		case math.IsNaN(factor):
			factor = f
		case policy == "not_larger":
			factor = math.Min(factor, f)
		case policy == "not_smaller":
			factor = math.Max(factor, f)
		}
	}
	if policy != "stretch" {
		for _, k := range over {
			out[k] = int64(math.Floor(float64(float64(x[k])*factor) + 0.5))
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}
