package keras

import (
	"fmt"
	"strings"

	"partita/planner/graph"
)

func init() {
	register(func(o *options) operation {
		e := &einsumDense{equation: strings.ReplaceAll(o.text("", "equation"), " ", ""), output: o.dimensions("output_shape"),
			biasAxes: o.text("", "bias_axes"), activation: o.activation()}
		if e.equation == "" || e.output == nil {
			o.malformed("options equation and output_shape are needed")
		}
		if v := o.value("lora_rank"); v != nil {
			o.ignore("lora_alpha") // the saved kernel has the adaptation in it
		}
		o.ignore("gptq_unpacked_column_size")
		o.refuseQuantized()
		return e
	}, "EinsumDense")
}

// dimensions reads a shape in which sizes may be left open; an open one is 0.
func (o *options) dimensions(name string) []int64 {
	v := o.value(name)
	if _, single := v.(float64); single {
		v = []any{v}
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil
	}
	out := make([]int64, len(list))
	for i, e := range list {
		if e == nil {
			continue
		}
		f, isNumber := e.(float64)
		n, whole := wholeNumber(f)
		if !isNumber || !whole || n < 1 {
			o.malformed("option %s is %s, not a shape", name, describe(v))
			return nil
		}
		out[i] = n
	}
	return out
}

// einsumDense is a product of the input and a kernel, summed over indices, with a bias along some of the output's.
type einsumDense struct {
	equation, biasAxes string
	output             []int64 // without the batch and without what an ellipsis stands for
	activation         activation
}

// indices spells the terms of the equation out for an input: an ellipsis, before or behind the others in both the input and
// the output, becomes letters of its own.
func (e *einsumDense) indices(rank int) (input, kernel, output string, elided int, before bool, err error) {
	left, output, ok := strings.Cut(e.equation, "->")
	input, kernel, ok2 := strings.Cut(left, ",")
	if !ok || !ok2 || strings.Contains(kernel, ".") {
		return "", "", "", 0, false, fmt.Errorf("equation %q is not one of an input and a kernel", e.equation)
	}
	const ellipsis = "..."
	before = strings.HasPrefix(input, ellipsis)
	if !strings.Contains(e.equation, ellipsis) {
		if len(input) != rank {
			err = fmt.Errorf("equation %q does not fit an input of %d axes", e.equation, rank)
		}
		return input, kernel, output, 0, false, err
	}
	elided = rank - (len(input) - len(ellipsis))
	if strings.Count(input, ellipsis) != 1 || strings.Count(output, ellipsis) != 1 || elided < 0 ||
		!before && !strings.HasSuffix(input, ellipsis) || before != strings.HasPrefix(output, ellipsis) || !before && !strings.HasSuffix(output, ellipsis) {
		return "", "", "", 0, false, fmt.Errorf("equation %q does not fit an input of %d axes", e.equation, rank)
	}
	spelled := ""
	for c := 'A'; c <= 'z' && len(spelled) < elided; c++ {
		if (c <= 'Z' || c >= 'a') && !strings.ContainsRune(e.equation, c) {
			spelled += string(c)
		}
	}
	return strings.Replace(input, ellipsis, spelled, 1), kernel, strings.Replace(output, ellipsis, spelled, 1), elided, before, nil
}

func (e *einsumDense) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	rank := len(t.shape)
	input, kernel, output, elided, before, err := e.indices(rank)
	if err != nil {
		return nil, err
	}
	if input == "" || output == "" || input[0] != output[0] || strings.IndexByte(kernel, input[0]) >= 0 {
		return nil, fmt.Errorf("equation %q does not keep the batch in front", e.equation)
	}
	// The output's shape as Keras puts it together.
	shape := append([]int64{graph.Batch}, e.output...)
	switch {
	case elided > 0 && before:
		full := []int64{graph.Batch}
		for i := 1; i < elided; i++ {
			full = append(full, t.shape[i])
		}
		shape = append(full, e.output...)
	case elided > 0:
		shape = append(shape, t.shape[rank-elided:]...)
	}
	if len(shape) != len(output) {
		return nil, fmt.Errorf("equation %q does not fit the output shape %v", e.equation, e.output)
	}
	sizes := map[byte]int64{}
	for i := range len(input) {
		sizes[input[i]] = t.shape[i]
	}
	for i := range len(output) {
		known, ok := sizes[output[i]]
		switch {
		case ok && shape[i] != 0 && shape[i] != known:
			return nil, fmt.Errorf("index %c of %q is %d in the input and %d in the output", output[i], e.equation, known, shape[i])
		case !ok && shape[i] == 0:
			return nil, fmt.Errorf("index %c of %q has no size", output[i], e.equation)
		case !ok:
			sizes[output[i]] = shape[i]
		}
	}
	var stored graph.Shape
	for i := range len(kernel) {
		d, ok := sizes[kernel[i]]
		if !ok {
			return nil, fmt.Errorf("index %c of %q has no size", kernel[i], e.equation)
		}
		stored = append(stored, d)
	}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	weight, err := l.weight("kernel", stored, nil, stored)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	y := c.with("Einsum", []graph.Attr{textAttr("equation", input+","+kernel+"->"+output)}, x, weight)
	if e.biasAxes != "" {
		first := len(output)
		for i := range len(e.biasAxes) {
			at := strings.IndexByte(output, e.biasAxes[i])
			if at < 1 {
				return nil, fmt.Errorf("bias axis %c is not one of the output of %q", e.biasAxes[i], e.equation)
			}
			first = min(first, at)
		}
		var shape graph.Shape
		for i := first; i < len(output); i++ {
			if strings.IndexByte(e.biasAxes, output[i]) >= 0 {
				shape = append(shape, sizes[output[i]])
			} else {
				shape = append(shape, 1)
			}
		}
		bias, err := l.weight("bias", shape, nil, shape)
		if err != nil {
			return nil, err
		}
		y = c.op("Add", y, bias)
	}
	if c.err != nil {
		return nil, c.err
	}
	return e.activation.apply(l, l.tensorOf(y, asSource), nil)
}
