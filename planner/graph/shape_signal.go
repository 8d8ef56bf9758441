package graph

import "fmt"

// Rules of operators for signals, grids and random numbers. Sources: ONNX's Operators.md, opsets 17 to 24.

// number gives the only element of an input, def when it is left out.
func (c *call) number(slot int, def int64) (int64, error) {
	t := c.input(slot)
	if t == nil {
		return def, nil
	}
	return t.one()
}

// ruleDFT: the last axis holds real or complex numbers. Since opset 20 the axis is an input.
func ruleDFT(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	out := append(Shape{}, c.in[0].Shape...)
	at := c.int("axis", 1)
	if c.opset >= 20 {
		var err error
		if at, err = c.number(2, -2); err != nil {
			return err
		}
	}
	k, err := axis(at, len(out))
	if err != nil {
		return err
	}
	if len(out) < 2 || k == len(out)-1 {
		return fmt.Errorf("its input %s has no signal along axis %d", out, at)
	}
	inverse, oneSided := c.int("inverse", 0) != 0, c.int("onesided", 0) != 0
	if inverse && oneSided {
		return ErrNoRule
	}
	if out[k], err = c.number(1, out[k]); err != nil {
		return err
	}
	if oneSided {
		out[k] = out[k]/2 + 1
	}
	out[len(out)-1] = 2
	c.set(0, c.in[0].DType, out...)
	return nil
}

// ruleSTFT: the signal is (batch, length, 1 or 2), the result (batch, frames, bins, 2).
func ruleSTFT(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x := c.in[0].Shape
	step, err := c.in[1].one()
	if err != nil {
		return err
	}
	length := int64(0)
	if w := c.input(2); w != nil && len(w.Shape) == 1 {
		length = w.Shape[0]
	}
	if length, err = c.number(3, length); err != nil {
		return err
	}
	if len(x) < 2 || step < 1 || length < 1 || length > x[1] {
		return fmt.Errorf("frames of %d at steps of %d do not fit %s", length, step, x)
	}
	bins := length
	if c.int("onesided", 1) != 0 {
		bins = length/2 + 1
	}
	c.set(0, c.in[0].DType, x[0], (x[1]-length)/step+1, bins, 2)
	return nil
}

func ruleWindow(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	size, err := c.in[0].one()
	c.set(0, DType(c.int("output_datatype", int64(Float32))), size)
	return err
}

// ruleMelWeights: the inputs begin with the number of bands and the length of the transform.
func ruleMelWeights(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	bands, err := c.in[0].one()
	if err != nil {
		return err
	}
	length, err := c.in[1].one()
	c.set(0, DType(c.int("output_datatype", int64(Float32))), max(length, 0)/2+1, bands)
	return err
}

func ruleCenterCropPad(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	out := append(Shape{}, c.in[0].Shape...)
	target, err := c.in[1].integers()
	if err != nil {
		return err
	}
	over := everyPlace(len(out))
	if list, ok := c.list("axes"); ok {
		if over, err = places(list, len(out)); err != nil {
			return err
		}
	}
	if len(over) != len(target) {
		return fmt.Errorf("sizes %v are not those of axes %v", target, over)
	}
	for i, k := range over {
		out[k] = target[i]
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

// ruleAffineGrid: the size is (N, C, H, W) or (N, C, D, H, W), the grid has a place for each pixel.
func ruleAffineGrid(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	size, err := c.in[1].integers()
	if err != nil {
		return err
	}
	if len(size) != 4 && len(size) != 5 {
		return fmt.Errorf("its size %v is that of no image", size)
	}
	out := append(append(Shape{size[0]}, size[2:]...), int64(len(size)-2))
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleDet(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(x) < 2 || x[len(x)-1] != x[len(x)-2] {
		return fmt.Errorf("its input %s is of no square matrices", x)
	}
	c.set(0, c.in[0].DType, x[:len(x)-2]...)
	return nil
}

func ruleRandom(c *call) error {
	shape, ok := c.list("shape")
	if !ok {
		return fmt.Errorf("it does not say of what shape it is")
	}
	c.set(0, DType(c.int("dtype", int64(Float32))), shape...)
	return nil
}

func ruleMultinomial(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(x) != 2 {
		return fmt.Errorf("its input %s is not a table", x)
	}
	c.set(0, DType(c.int("dtype", int64(Int32))), x[0], c.int("sample_size", 1))
	return nil
}

// ruleCol2Im: the input is (N, C x block, blocks), the result (N, C, image).
func ruleCol2Im(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	x := c.in[0].Shape
	picture, err := c.in[1].integers()
	if err != nil {
		return err
	}
	block, err := c.in[2].integers()
	if err != nil {
		return err
	}
	area := product(block)
	if len(x) != 3 || area < 1 || x[1]%area != 0 {
		return fmt.Errorf("its input %s does not consist of blocks %v", x, block)
	}
	c.set(0, c.in[0].DType, append(Shape{x[0], x[1] / area}, picture...)...)
	return nil
}

func ruleMaxUnpool(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if t := c.input(2); t != nil {
		shape, err := t.integers()
		c.set(0, c.in[0].DType, shape...)
		return err
	}
	x := c.in[0].Shape
	kernel, _ := c.list("kernel_shape")
	strides, strided := c.list("strides")
	pads, padded := c.list("pads")
	if len(x) < 3 || len(kernel) != len(x)-2 || strided && len(strides) != len(kernel) || padded && len(pads) != 2*len(kernel) {
		return fmt.Errorf("its kernel %v does not fit %s", kernel, x)
	}
	out := append(Shape{}, x...)
	for i, k := range kernel {
		step, pad := int64(1), int64(0)
		if strided {
			step = strides[i]
		}
		if padded {
			pad = addSaturated(max(pads[i], 0), max(pads[i+len(kernel)], 0))
		}
		if step < 1 || k < 1 {
			return fmt.Errorf("its kernel %v or strides %v are none", kernel, strides)
		}
		out[i+2] = addSaturated(mulSaturated(x[i+2]-1, step), k) - pad
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}
