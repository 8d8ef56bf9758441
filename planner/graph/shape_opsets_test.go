package graph

import (
	"errors"
	"math"
	"testing"
)

// TestEvaluateOpsets: operators whose inputs or attributes changed between operator sets, in each of their forms. Source: ONNX's
// Changelog.md.
func TestEvaluateOpsets(t *testing.T) {
	type attrs map[string]any
	two := func(v float32) *Known { return &Known{DType: Float32, Filled: true, Floats: []float32{v}} }
	half := floats(1, 1, 2, 2)
	for _, c := range []struct {
		op    string
		opset int64
		attrs attrs
		in    []*Known
		want  string
	}{
		{"Upsample", 7, attrs{"scales": []float32{1, 1, 2, 2}}, []*Known{sized(1, 3, 4, 5)}, "[1x3x8x10]"},
		{"Upsample", 9, nil, []*Known{sized(1, 3, 4, 5), half}, "[1x3x8x10]"},
		{"Resize", 10, nil, []*Known{sized(1, 3, 4, 5), half}, "[1x3x8x10]"},
		{"Resize", 11, nil, []*Known{sized(1, 3, 4, 5), floats(), half}, "[1x3x8x10]"},
		{"Resize", 11, nil, []*Known{sized(1, 3, 4, 5), floats(), floats(), list(1, 3, 6, 7)}, "[1x3x6x7]"},
		{"Resize", 13, nil, []*Known{sized(1, 3, 4, 5), nil, half}, "[1x3x8x10]"},
		{"Resize", 19, attrs{"axes": []int64{2, 3}}, []*Known{sized(1, 3, 4, 5), nil, floats(2, 2)}, "[1x3x8x10]"},
		{"Resize", 19, attrs{"keep_aspect_ratio_policy": "not_smaller", "axes": []int64{2, 3}}, []*Known{sized(1, 3, 4, 8), nil, nil, list(8, 8)}, "[1x3x8x16]"},
		{"Slice", 9, attrs{"starts": []int64{0, 1}, "ends": []int64{2, 3}}, []*Known{sized(4, 5)}, "[2x2]"},
		{"Slice", 10, nil, []*Known{sized(4, 5), list(0, 1), list(2, 3)}, "[2x2]"},
		{"Slice", 10, attrs{"starts": []int64{0}, "ends": []int64{1}}, []*Known{sized(4, 5), list(0, 1), list(2, 3)}, "[2x2]"},
		{"TopK", 9, attrs{"k": 3, "outputs": 2}, []*Known{sized(2, 5)}, "[2x3][2x3]"},
		{"TopK", 10, attrs{"outputs": 2}, []*Known{sized(2, 5), list(3)}, "[2x3][2x3]"},
		{"TopK", 11, attrs{"outputs": 2, "largest": 0, "axis": 0}, []*Known{sized(2, 5), list(2)}, "[2x5][2x5]"},
		{"TopK", 11, attrs{"outputs": 2}, []*Known{sized(2, 5), of(Int64, 1)}, "data"},
		{"Clip", 6, attrs{"min": 0}, []*Known{sized(2, 5)}, "[2x5]"},
		{"Clip", 11, nil, []*Known{sized(2, 5), two(0), nil}, "[2x5]"},
		{"Clip", 13, nil, []*Known{sized(2, 5), nil, two(6)}, "[2x5]"},
		{"Pad", 10, attrs{"pads": []int64{0, 1, 0, 1}}, []*Known{sized(2, 5)}, "[2x7]"},
		{"Pad", 11, nil, []*Known{sized(2, 5), list(0, 1, 0, 1), two(0)}, "[2x7]"},
		{"Pad", 19, attrs{"mode": "wrap"}, []*Known{sized(2, 5), list(1, 1), nil, list(-1)}, "[2x7]"},
		{"Squeeze", 12, attrs{"axes": []int64{0}}, []*Known{sized(1, 5)}, "[5]"},
		{"Squeeze", 13, nil, []*Known{sized(1, 5), list(0)}, "[5]"},
		{"Unsqueeze", 11, attrs{"axes": []int64{-1}}, []*Known{sized(4, 5)}, "[4x5x1]"},
		{"Unsqueeze", 13, nil, []*Known{sized(4, 5), list(-1)}, "[4x5x1]"},
		{"Split", 11, attrs{"split": []int64{1, 4}, "axis": 1, "outputs": 2}, []*Known{sized(2, 5)}, "[2x1][2x4]"},
		{"Split", 13, attrs{"axis": 1, "outputs": 2}, []*Known{sized(2, 5), list(1, 4)}, "[2x1][2x4]"},
		{"Split", 18, attrs{"axis": 1, "num_outputs": 3, "outputs": 3}, []*Known{sized(2, 5)}, "[2x2][2x2][2x1]"},
		{"ReduceSum", 12, attrs{"axes": []int64{1}}, []*Known{sized(2, 5)}, "[2x1]"},
		{"ReduceSum", 13, nil, []*Known{sized(2, 5), list(1)}, "[2x1]"},
		{"ReduceMax", 17, attrs{"axes": []int64{0}, "keepdims": 0}, []*Known{sized(2, 5)}, "[5]"},
		{"ReduceMax", 18, attrs{"keepdims": 0}, []*Known{sized(2, 5), list(0)}, "[5]"},
		{"ReduceMean", 18, attrs{"noop_with_empty_axes": 1}, []*Known{sized(2, 5)}, "[2x5]"},
		{"ReduceL2", 18, nil, []*Known{sized(2, 5), nil}, "[1x1]"},
		{"Dropout", 7, attrs{"outputs": 2}, []*Known{sized(2, 5)}, "[2x5][2x5]"},
		{"Dropout", 13, nil, []*Known{sized(2, 5), two(0.5), of(Bool)}, "[2x5]"},
		{"BatchNormalization", 7, attrs{"spatial": 1}, []*Known{sized(2, 5), sized(5), sized(5), sized(5), sized(5)}, "[2x5]"},
		{"BatchNormalization", 15, nil, []*Known{sized(2, 5), sized(5), sized(5), sized(5), sized(5)}, "[2x5]"},
		{"Softmax", 12, attrs{"axis": 1}, []*Known{sized(2, 5, 6)}, "[2x5x6]"},
		{"Softmax", 13, attrs{"axis": -1}, []*Known{sized(2, 5, 6)}, "[2x5x6]"},
		{"Gemm", 9, nil, []*Known{sized(2, 5), sized(5, 3), sized(3)}, "[2x3]"},
		{"Gemm", 11, nil, []*Known{sized(2, 5), sized(5, 3)}, "[2x3]"},
		{"Reshape", 13, nil, []*Known{sized(2, 5), list(0, -1)}, "[2x5]"},
		{"Reshape", 14, attrs{"allowzero": 1}, []*Known{sized(2, 0), list(0, 4)}, "[0x4]"},
		{"Scatter", 9, nil, []*Known{sized(2, 5), of(Int64, 1, 2), sized(1, 2)}, "[2x5]"},
		{"ScatterElements", 18, attrs{"reduction": "max"}, []*Known{sized(2, 5), of(Int64, 1, 2), sized(1, 2)}, "[2x5]"},
		{"Shape", 13, nil, []*Known{sized(2, 5, 6)}, "[3]"},
		{"Shape", 15, attrs{"start": 1}, []*Known{sized(2, 5, 6)}, "[2]"},
		{"QuantizeLinear", 10, nil, []*Known{sized(2, 5), two(1), of(UInt8)}, "[2x5]"},
		{"QuantizeLinear", 21, attrs{"output_dtype": 3}, []*Known{sized(2, 5), two(1)}, "[2x5]"},
		{"DequantizeLinear", 13, attrs{"axis": 0}, []*Known{of(Int8, 2, 5), sized(2), of(Int8, 2)}, "[2x5]"},
		{"DequantizeLinear", 21, attrs{"axis": 1, "block_size": 2}, []*Known{of(Int8, 2, 4), sized(2, 2)}, "[2x4]"},
		{"GroupNormalization", 18, attrs{"num_groups": 2}, []*Known{sized(2, 4, 6), sized(2), sized(2)}, "[2x4x6]"},
		{"GroupNormalization", 21, attrs{"num_groups": 2}, []*Known{sized(2, 4, 6), sized(4), sized(4)}, "[2x4x6]"},
		{"AveragePool", 11, attrs{"kernel_shape": []int64{2}, "ceil_mode": 1, "strides": []int64{2}}, []*Known{sized(1, 1, 5)}, "[1x1x3]"},
		{"AveragePool", 19, attrs{"kernel_shape": []int64{2}, "dilations": []int64{2}}, []*Known{sized(1, 1, 5)}, "[1x1x3]"},
		{"MaxPool", 8, attrs{"kernel_shape": []int64{2}, "outputs": 2}, []*Known{sized(1, 1, 5)}, "[1x1x4][1x1x4]"},
		{"MaxPool", 10, attrs{"kernel_shape": []int64{2}, "dilations": []int64{2}}, []*Known{sized(1, 1, 5)}, "[1x1x3]"},
		{"Cast", 9, attrs{"to": 7}, []*Known{sized(2, 5)}, "[2x5]"},
		{"Cast", 19, attrs{"to": 10, "saturate": 1}, []*Known{sized(2, 5)}, "[2x5]"},
		{"CumSum", 14, attrs{"exclusive": 1}, []*Known{sized(2, 5), list(1)}, "[2x5]"},
		{"OneHot", 9, nil, []*Known{of(Int64, 2), list(4), sized(2)}, "[2x4]"},
		{"OneHot", 11, attrs{"axis": -2}, []*Known{of(Int64, 2), list(4), sized(2)}, "[4x2]"},
		{"GatherND", 11, nil, []*Known{sized(2, 5), of(Int64, 3, 1)}, "[3x5]"},
		{"GatherND", 12, attrs{"batch_dims": 1}, []*Known{sized(2, 5), of(Int64, 2, 1)}, "[2]"},
		{"LayerNormalization", 17, nil, []*Known{sized(2, 5), sized(5)}, "[2x5]"},
		{"Gelu", 20, attrs{"approximate": "tanh"}, []*Known{sized(2, 5)}, "[2x5]"},
		{"RMSNormalization", 23, nil, []*Known{sized(2, 5), sized(5)}, "[2x5]"},
		{"Attention", 23, attrs{"outputs": 3}, []*Known{sized(2, 3, 1, 8), sized(2, 3, 1, 8), sized(2, 3, 1, 8), nil, sized(2, 3, 6, 8), sized(2, 3, 6, 8)}, "[2x3x1x8][2x3x7x8][2x3x7x8]"},
		{"Attention", 24, attrs{"q_num_heads": 4, "kv_num_heads": 2, "outputs": 3}, []*Known{sized(2, 5, 32), sized(2, 5, 16), sized(2, 5, 16)}, "[2x5x32][2x2x5x8][2x2x5x8]"},
		{"Swish", 24, nil, []*Known{sized(2, 5)}, "[2x5]"},
		{"TensorScatter", 24, nil, []*Known{sized(2, 5, 3), sized(2, 1, 3)}, "[2x5x3]"},
		{"DFT", 17, attrs{"axis": 1, "onesided": 1}, []*Known{sized(2, 16, 1)}, "[2x9x2]"},
		{"DFT", 20, attrs{"onesided": 1}, []*Known{sized(2, 16, 1), nil, list(1)}, "[2x9x2]"},
		{"DFT", 20, nil, []*Known{sized(2, 16, 1), list(8)}, "[2x8x2]"},
		{"DFT", 20, nil, []*Known{sized(2, 16, 1), nil, list(-1)}, "an error"},
		{"STFT", 17, nil, []*Known{sized(2, 128, 1), list(8), sized(16)}, "[2x15x9x2]"},
		{"STFT", 17, attrs{"onesided": 0}, []*Known{sized(2, 128, 1), list(8), nil, list(16)}, "[2x15x16x2]"},
		{"STFT", 17, nil, []*Known{sized(2, 8, 1), list(8), sized(16)}, "an error"},
		{"HannWindow", 17, nil, []*Known{list(16)}, "[16]"},
		{"MelWeightMatrix", 17, nil, []*Known{list(8), list(16), list(8192), two(0), two(8192 / 2)}, "[9x8]"},
		{"CenterCropPad", 18, attrs{"axes": []int64{-1, 0}}, []*Known{sized(2, 5, 7), list(3, 4)}, "[4x5x3]"},
		{"AffineGrid", 20, nil, []*Known{sized(2, 2, 3), list(2, 3, 5, 6)}, "[2x5x6x2]"},
		{"Det", 11, nil, []*Known{sized(2, 5, 5)}, "[2]"},
		{"RandomNormal", 1, attrs{"shape": []int64{2, 3}}, nil, "[2x3]"},
		{"Multinomial", 7, attrs{"sample_size": 4}, []*Known{sized(2, 5)}, "[2x4]"},
		{"Col2Im", 18, nil, []*Known{sized(1, 5, 5), list(5, 5), list(1, 5)}, "[1x1x5x5]"},
		{"MaxUnpool", 11, attrs{"kernel_shape": []int64{2, 2}, "strides": []int64{2, 2}}, []*Known{sized(1, 1, 2, 2), of(Int64, 1, 1, 2, 2)}, "[1x1x4x4]"},
		{"MaxUnpool", 11, attrs{"kernel_shape": []int64{2, 2}}, []*Known{sized(1, 1, 2, 2), of(Int64, 1, 1, 2, 2), list(1, 1, 5, 5)}, "[1x1x5x5]"},
		{"DeformConv", 19, nil, []*Known{sized(1, 1, 3, 3), sized(1, 1, 2, 2), sized(1, 8, 2, 2)}, "[1x1x2x2]"},
		{"ai.onnx.ml:SVMClassifier", 1, attrs{"classlabels_ints": []int64{0, 1, 2, 3}, "vectors_per_class": []int64{1, 1, 1, 1}, "outputs": 2}, []*Known{sized(5, 4)}, "[5][5x6]"},
		{"ai.onnx.ml:SVMClassifier", 1, attrs{"classlabels_ints": []int64{0, 1, 2, 3}, "vectors_per_class": []int64{1, 1, 1, 1}, "prob_a": []float32{1}, "outputs": 2}, []*Known{sized(5, 4)}, "[5][5x4]"},
		{"ai.onnx.ml:SVMClassifier", 1, attrs{"classlabels_ints": []int64{0, 1}, "vectors_per_class": []int64{1, 1}, "outputs": 2}, []*Known{sized(5, 4)}, "[5][5x2]"},
		{"ai.onnx.ml:OneHotEncoder", 1, attrs{"cats_int64s": []int64{0, 1, 2}}, []*Known{of(Int64, 5, 2)}, "[5x2x3]"},
		{"ai.onnx.ml:FeatureVectorizer", 1, attrs{"inputdimensions": []int64{2, 1}}, []*Known{sized(5, 2), sized(5, 1)}, "[5x3]"},
		{"ai.onnx.ml:TreeEnsemble", 5, attrs{"n_targets": 2}, []*Known{sized(5, 4)}, "[5x2]"},
		{"com.microsoft:CDist", 1, nil, []*Known{sized(5, 4), sized(7, 4)}, "[5x7]"},
		{"com.microsoft:CDist", 1, nil, []*Known{sized(5, 4), sized(7, 3)}, "an error"},
		{"com.microsoft:QLinearWhere", 1, nil, []*Known{of(Bool, 5, 1), of(UInt8, 4), two(1), of(UInt8), of(UInt8, 5, 4)}, "[5x4]"},
	} {
		n := &Node{Op: c.op, Outputs: []ValueID{0}}
		for i := 0; i < len(c.op); i++ {
			if c.op[i] == ':' {
				n.Domain, n.Op = c.op[:i], c.op[i+1:]
			}
		}
		for name, v := range c.attrs {
			switch v := v.(type) {
			case []float32:
				n.Attrs = append(n.Attrs, Attr{Name: name, Kind: AttrFloats, Floats: v})
			case int:
				if name == "outputs" {
					n.Outputs = make([]ValueID, v)
					continue
				}
				n.Attrs = append(n.Attrs, attribute(name, v))
			default:
				n.Attrs = append(n.Attrs, attribute(name, v))
			}
		}
		out, err := Evaluate(n, c.opset, c.in)
		got := ""
		for i := range out {
			got += "[" + out[i].Shape.String() + "]"
		}
		switch {
		case errors.Is(err, ErrNoRule):
			got = "no rule"
		case errors.Is(err, ErrDataDecide):
			got = "data"
		case err != nil:
			got = "an error"
		}
		if got != c.want {
			t.Errorf("%s-%d %v gives %s (%v), want %s", c.op, c.opset, c.attrs, got, err, c.want)
		}
	}
	// Sizes at the ends of their range are refused, not wrapped around.
	for _, n := range []*Node{
		{Op: "HannWindow", Outputs: []ValueID{0}}, {Op: "MelWeightMatrix", Outputs: []ValueID{0}},
	} {
		in := []*Known{list(math.MaxInt64), list(math.MaxInt64)}
		if _, err := Evaluate(n, 17, in); err == nil {
			t.Errorf("%s of 2^63 is accepted", n.Op)
		}
	}
}
