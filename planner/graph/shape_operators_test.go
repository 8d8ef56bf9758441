package graph

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func list(v ...int64) *Known {
	return &Known{DType: Int64, Shape: Shape{int64(len(v))}, Filled: true, Ints: v}
}

func floats(v ...float32) *Known {
	return &Known{DType: Float32, Shape: Shape{int64(len(v))}, Filled: true, Floats: v}
}

func sized(d ...int64) *Known { return &Known{DType: Float32, Shape: d} }

func of(d DType, shape ...int64) *Known { return &Known{DType: d, Shape: shape} }

func attribute(name string, v any) Attr {
	switch v := v.(type) {
	case int:
		return Attr{Name: name, Kind: AttrInt, Int: int64(v)}
	case string:
		return Attr{Name: name, Kind: AttrString, Str: v}
	case []int64:
		return Attr{Name: name, Kind: AttrInts, Ints: v}
	case []string:
		return Attr{Name: name, Kind: AttrStrings, Strs: v}
	}
	panic(name)
}

// TestEvaluate holds shapes against those that ONNX's own test data and documents give.
func TestEvaluate(t *testing.T) {
	type attrs map[string]any
	for _, c := range []struct {
		op    string
		opset int64
		attrs attrs
		in    []*Known
		want  string // "an error", or shapes of the outputs
	}{
		{"Conv", 11, attrs{"auto_pad": "SAME_LOWER", "strides": []int64{2, 2}}, []*Known{sized(1, 1, 5, 5), sized(1, 1, 3, 3)}, "[1x1x3x3]"},
		{"Conv", 11, attrs{"dilations": []int64{2, 2}}, []*Known{sized(1, 2, 9, 9), sized(4, 2, 3, 3)}, "[1x4x5x5]"},
		{"Conv", 11, attrs{"group": 2}, []*Known{sized(1, 4, 9, 9), sized(6, 2, 3, 3)}, "[1x6x7x7]"},
		{"Conv", 11, attrs{"group": 3}, []*Known{sized(1, 4, 9, 9), sized(6, 2, 3, 3)}, "an error"},
		{"ConvTranspose", 11, attrs{"strides": []int64{3, 2}, "output_shape": []int64{10, 8}}, []*Known{sized(1, 1, 3, 3), sized(1, 2, 3, 3)}, "[1x2x10x8]"},
		{"ConvTranspose", 11, attrs{"strides": []int64{3, 2}, "output_padding": []int64{1, 1}}, []*Known{sized(1, 1, 3, 3), sized(1, 2, 3, 3)}, "[1x2x10x8]"},
		{"ConvTranspose", 11, attrs{"strides": []int64{3, 2}, "pads": []int64{1, 2, 1, 2}}, []*Known{sized(1, 1, 3, 3), sized(1, 2, 3, 3)}, "[1x2x7x3]"},
		{"MaxPool", 12, attrs{"kernel_shape": []int64{3, 3}, "strides": []int64{2, 2}, "ceil_mode": 1}, []*Known{sized(1, 1, 4, 4)}, "[1x1x2x2]"},
		{"AveragePool", 19, attrs{"kernel_shape": []int64{2, 2}, "strides": []int64{2, 2}, "ceil_mode": 1, "pads": []int64{1, 1, 0, 0}}, []*Known{sized(1, 1, 5, 5)}, "[1x1x3x3]"},
		{"GlobalAveragePool", 1, nil, []*Known{sized(2, 3, 7, 7)}, "[2x3x1x1]"},
		{"BatchNormalization", 9, nil, []*Known{sized(2, 3, 7), sized(3), sized(3), sized(3), sized(3)}, "[2x3x7]"},
		{"BatchNormalization", 14, attrs{"training_mode": 1}, []*Known{sized(2, 3, 7), sized(3), sized(3), sized(3), sized(3)}, "an error"},
		{"Dropout", 13, nil, []*Known{sized(2, 5), nil, {DType: Bool, Filled: true, Ints: []int64{1}}}, "an error"},
		{"Dropout", 13, nil, []*Known{sized(2, 5), nil, {DType: Bool, Filled: true, Ints: []int64{0}}}, "[2x5]"},
		{"Resize", 10, nil, []*Known{sized(1, 1, 2, 4), floats(1, 1, 0.6, 0.6)}, "[1x1x1x2]"},
		{"Resize", 13, nil, []*Known{sized(1, 1, 2, 4), nil, floats(), list(1, 1, 7, 8)}, "[1x1x7x8]"},
		{"Resize", 13, nil, []*Known{sized(1, 1, 10, 4), nil, floats(1, 1, 0.7, 1)}, "[1x1x7x4]"}, // the product is rounded to float32
		{"Resize", 18, attrs{"axes": []int64{3, 2}}, []*Known{sized(1, 1, 2, 4), nil, nil, list(8, 7)}, "[1x1x7x8]"},
		{"Resize", 18, attrs{"keep_aspect_ratio_policy": "not_larger"}, []*Known{sized(1, 1, 2, 4), nil, nil, list(1, 1, 8, 8)}, "[1x1x2x4]"},
		{"Upsample", 9, nil, []*Known{sized(1, 3, 2, 2), floats(1, 1, 2, 3)}, "[1x3x4x6]"},
		{"DepthToSpace", 13, attrs{"blocksize": 2}, []*Known{sized(1, 8, 2, 3)}, "[1x2x4x6]"},
		{"SpaceToDepth", 13, attrs{"blocksize": 2}, []*Known{sized(1, 2, 4, 6)}, "[1x8x2x3]"},
		{"Gemm", 13, attrs{"transA": 1, "transB": 1}, []*Known{sized(4, 3), sized(5, 4), sized(1, 5)}, "[3x5]"},
		{"MatMul", 13, nil, []*Known{sized(4), sized(2, 4, 3)}, "[2x3]"},
		{"MatMul", 13, nil, []*Known{sized(4), sized(4)}, "[]"},
		{"MatMul", 13, nil, []*Known{sized(2, 1, 5, 4), sized(3, 4, 6)}, "[2x3x5x6]"},
		{"Einsum", 12, attrs{"equation": "...ii ->...i"}, []*Known{sized(3, 5, 5)}, "[3x5]"},
		{"Einsum", 12, attrs{"equation": "bij, bjk -> bik"}, []*Known{sized(5, 2, 3), sized(5, 3, 4)}, "[5x2x4]"},
		{"Einsum", 12, attrs{"equation": "ij->k"}, []*Known{sized(5, 2)}, "an error"},
		{"Einsum", 12, attrs{"equation": "ij->ii"}, []*Known{sized(5, 2)}, "an error"},
		{"Einsum", 12, attrs{"equation": "i.->i"}, []*Known{sized(5, 2)}, "an error"},
		{"Einsum", 12, attrs{"equation": "bj,jk"}, []*Known{sized(5, 2), sized(2, 3)}, "[5x3]"},
		{"Reshape", 14, nil, []*Known{sized(2, 3, 4), list(2, 0, 1, -1)}, "[2x3x1x4]"},
		{"Reshape", 14, attrs{"allowzero": 1}, []*Known{sized(0, 3, 4), list(3, 4, 0)}, "[3x4x0]"},
		{"Reshape", 14, nil, []*Known{sized(2, 3, 4), list(-1, -1)}, "an error"},
		{"Flatten", 13, attrs{"axis": -1}, []*Known{sized(2, 3, 4, 5)}, "[24x5]"},
		{"Flatten", 13, attrs{"axis": 0}, []*Known{sized(2, 3)}, "[1x6]"},
		{"Squeeze", 11, attrs{"axes": []int64{0}}, []*Known{sized(1, 3, 1)}, "[3x1]"},
		{"Squeeze", 13, nil, []*Known{sized(1, 3, 1)}, "[3]"},
		{"Squeeze", 13, nil, []*Known{sized(1, 3, 1), list(-1)}, "[1x3]"},
		{"Squeeze", 13, nil, []*Known{sized(1, 3, 1), list(1)}, "an error"},
		{"Unsqueeze", 13, nil, []*Known{sized(3, 4), list(4, 2, 0)}, "[1x3x1x4x1]"},
		{"Transpose", 13, nil, []*Known{sized(2, 3, 4)}, "[4x3x2]"},
		{"Split", 18, attrs{"num_outputs": 2, "outputs": 2}, []*Known{sized(7)}, "[4][3]"},
		{"Split", 13, attrs{"axis": 1, "outputs": 2}, []*Known{sized(2, 6), list(2, 4)}, "[2x2][2x4]"},
		{"Split", 13, attrs{"outputs": 2}, []*Known{sized(7)}, "an error"},
		{"Slice", 13, nil, []*Known{sized(20, 10, 5), list(0, 0, 3), list(20, 10, 4)}, "[20x10x1]"},
		{"Slice", 13, nil, []*Known{sized(20, 10, 5), list(20, 10, 4), list(0, 0, 1), list(0, 1, 2), list(-1, -3, -2)}, "[19x3x2]"},
		{"Slice", 13, nil, []*Known{sized(20), list(-1), list(math.MinInt64), list(0), list(-1)}, "[20]"},
		{"Slice", 9, attrs{"starts": []int64{1}, "ends": []int64{1000}, "axes": []int64{1}}, []*Known{sized(20, 10)}, "[20x9]"},
		{"Pad", 18, nil, []*Known{sized(1, 3, 4, 5), list(2, 3, 2, 3), nil, list(1, 3)}, "[1x7x4x11]"},
		{"Pad", 10, attrs{"pads": []int64{0, 1, 0, -1}}, []*Known{sized(2, 5)}, "[2x5]"},
		{"Tile", 13, nil, []*Known{sized(2, 3), list(2, 1)}, "[4x3]"},
		{"Expand", 13, nil, []*Known{sized(3, 1), list(2, 1, 6)}, "[2x3x6]"},
		{"Expand", 13, nil, []*Known{sized(3, 1), of(Int64, 3)}, "data"},
		{"Gather", 13, attrs{"axis": 1}, []*Known{sized(5, 4, 3), of(Int64, 2, 2)}, "[5x2x2x3]"},
		{"GatherElements", 13, attrs{"axis": 1}, []*Known{sized(2, 2), of(Int64, 2, 7)}, "[2x7]"},
		{"Less", 13, nil, []*Known{sized(2, 1), sized(3)}, "[2x3]"},
		{"And", 13, nil, []*Known{of(Bool, 2, 1), of(Bool, 3)}, "[2x3]"},
		{"GatherND", 13, attrs{"batch_dims": 1}, []*Known{sized(2, 2, 2), of(Int64, 2, 1)}, "[2x2]"},
		{"Shape", 15, attrs{"start": -2, "end": 10}, []*Known{sized(3, 4, 5)}, "[2]"},
		{"OneHot", 11, attrs{"axis": 1}, []*Known{of(Int64, 2, 2), list(10), sized(2)}, "[2x10x2]"},
		{"TopK", 11, attrs{"outputs": 2}, []*Known{sized(3, 4), list(3)}, "[3x3][3x3]"},
		{"ArgMax", 13, attrs{"keepdims": 0}, []*Known{sized(2, 3)}, "[3]"},
		{"ReduceMean", 13, attrs{"axes": []int64{-1}}, []*Known{sized(2, 3, 4)}, "[2x3x1]"},
		{"ReduceMean", 18, attrs{"keepdims": 0}, []*Known{sized(2, 3, 4), list(1)}, "[2x4]"},
		{"ReduceSum", 13, attrs{"noop_with_empty_axes": 1}, []*Known{sized(2, 3), list()}, "[2x3]"},
		{"ReduceSum", 13, nil, []*Known{sized(2, 3)}, "[1x1]"},
		{"LayerNormalization", 17, attrs{"axis": 2, "outputs": 3}, []*Known{sized(2, 3, 4, 5), sized(4, 5)}, "[2x3x4x5][2x3x1x1][2x3x1x1]"},
		{"LSTM", 14, attrs{"outputs": 3}, []*Known{sized(7, 2, 4), sized(2, 12, 4), sized(2, 12, 3)}, "[7x2x2x3][2x2x3][2x2x3]"},
		{"GRU", 14, attrs{"layout": 1, "outputs": 2}, []*Known{sized(2, 7, 4), sized(1, 9, 4), sized(1, 9, 3)}, "[2x7x1x3][2x1x3]"},
		{"Attention", 23, nil, []*Known{sized(2, 3, 4, 8), sized(2, 3, 6, 8), sized(2, 3, 6, 10)}, "[2x3x4x10]"},
		{"Attention", 23, attrs{"q_num_heads": 3, "kv_num_heads": 3}, []*Known{sized(2, 4, 24), sized(2, 6, 24), sized(2, 6, 30)}, "[2x4x30]"},
		{"NonMaxSuppression", 11, nil, []*Known{sized(1, 6, 4), sized(1, 1, 6)}, "data"},
		{"Strange", 17, nil, []*Known{sized(1)}, "no rule"},
		{"ai.onnx.ml:TreeEnsembleClassifier", 1, attrs{"classlabels_int64s": []int64{0, 1, 2}, "outputs": 2}, []*Known{sized(5, 4)}, "[5][5x3]"},
		{"ai.onnx.ml:LinearRegressor", 1, attrs{"targets": 2}, []*Known{sized(5, 4)}, "[5x2]"},
		{"com.microsoft:FusedMatMul", 1, attrs{"transB": 1}, []*Known{sized(2, 5, 4), sized(3, 4)}, "[2x5x3]"},
		{"com.microsoft:Attention", 1, nil, []*Known{sized(2, 5, 16), sized(16, 48), sized(48)}, "[2x5x16]"},
	} {
		n := &Node{Op: c.op, Outputs: []ValueID{0}}
		for i := 0; i < len(c.op); i++ {
			if c.op[i] == ':' {
				n.Domain, n.Op = c.op[:i], c.op[i+1:]
			}
		}
		for name, v := range c.attrs {
			if name == "outputs" {
				n.Outputs = make([]ValueID, v.(int))
				continue
			}
			n.Attrs = append(n.Attrs, attribute(name, v))
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
			t.Errorf("%s %v gives %s (%v), want %s", c.op, c.attrs, got, err, c.want)
		}
	}
}

// TestFill checks the arithmetic of shapes.
func TestFill(t *testing.T) {
	scalar := func(v int64) *Known { return &Known{DType: Int64, Filled: true, Ints: []int64{v}} }
	for _, c := range []struct {
		op   string
		attr []Attr
		in   []*Known
		want string
	}{
		{"Shape", nil, []*Known{sized(2, 3, 4)}, "[2 3 4] []"},
		{"Size", nil, []*Known{sized(2, 3, 4)}, "[24] []"},
		{"Gather", nil, []*Known{list(5, 6, 7), scalar(-1)}, "[7] []"},
		{"Concat", []Attr{attribute("axis", 0)}, []*Known{list(1), list(2, 3)}, "[1 2 3] []"},
		{"Slice", nil, []*Known{list(1, 2, 3, 4), list(3), list(0), list(0), list(-2)}, "[4 2] []"},
		{"Mul", nil, []*Known{list(2, 3), scalar(4)}, "[8 12] []"},
		{"Div", nil, []*Known{list(7, -7), scalar(2)}, "[3 -3] []"},
		{"Div", nil, []*Known{list(7), scalar(0)}, "[] []"},
		{"Mul", nil, []*Known{list(1 << 40), list(1 << 40)}, "[] []"},
		{"Cast", []Attr{attribute("to", 1)}, []*Known{list(3)}, "[] [3]"},
		{"Cast", []Attr{attribute("to", 7)}, []*Known{floats(3.7, -3.7)}, "[3 -3] []"},
		{"Cast", []Attr{attribute("to", 7)}, []*Known{floats(float32(math.NaN()))}, "[] []"},
		{"Floor", nil, []*Known{floats(3.7)}, "[] [3]"},
		{"Where", nil, []*Known{{DType: Bool, Shape: Shape{2}, Filled: true, Ints: []int64{0, 1}}, list(1, 2), scalar(9)}, "[9 2] []"},
		{"Equal", nil, []*Known{list(1, -1), scalar(-1)}, "[0 1] []"},
		{"Range", nil, []*Known{scalar(2), scalar(8), scalar(3)}, "[2 5] []"},
		{"ConstantOfShape", nil, []*Known{list(2)}, "[] [0 0]"},
		{"Expand", nil, []*Known{list(1, 2), list(2, 2)}, "[1 2 1 2] []"},
		{"Transpose", nil, []*Known{{DType: Int64, Shape: Shape{2, 2}, Filled: true, Ints: []int64{1, 2, 3, 4}}}, "[1 3 2 4] []"},
		{"NonZero", nil, []*Known{list(0, 5, 6)}, "[1 2] []"},
		{"ReduceProd", []Attr{attribute("keepdims", 0)}, []*Known{list(2, 3, 4)}, "[24] []"},
	} {
		n := &Node{Op: c.op, Attrs: c.attr, Outputs: []ValueID{0}}
		out, err := Evaluate(n, 17, c.in)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		if got := fmt.Sprint(out[0].Ints, out[0].Floats); got != c.want || out[0].Filled != (c.want != "[] []") {
			t.Errorf("%s gives %s (%v), want %s", c.op, got, out[0].Filled, c.want)
		}
	}
}

// TestEvaluateSurvives gives every operator arguments that make no sense: what comes out is an error or a shape that is
// one.
func TestEvaluateSurvives(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	odd := []int64{-1 << 63, -1 << 40, -9, -2, -1, 0, 1, 2, 3, 5, 64, 1 << 20, 1 << 31, 1 << 44, 1<<63 - 1}
	pick := func() int64 { return odd[rng.IntN(len(odd))] }
	small := func() int64 { return rng.Int64N(6) }
	names := []string{"axis", "axes", "kernel_shape", "strides", "dilations", "pads", "group", "auto_pad", "ceil_mode", "perm", "split", "starts", "ends", "steps", "to", "k",
		"keepdims", "equation", "blocksize", "output_shape", "output_padding", "layout", "batch_dims", "start", "end", "allowzero", "pooled_shape", "output_height", "q_num_heads",
		"kv_num_heads", "qkv_hidden_sizes", "N", "K", "transA", "value", "dtype", "output_dtype", "scales", "classlabels_ints", "noop_with_empty_axes"}
	texts := []string{"", "SAME_UPPER", "VALID", "ij,jk->ik", "...a,b...", "aa->", "->", ",", "nearest", "\xff"}
	random := func() *Known {
		if rng.IntN(12) == 0 {
			return nil
		}
		k := &Known{DType: []DType{Float32, Int64, Int32, Bool, Float16, UInt8}[rng.IntN(6)], Shape: Shape{}}
		for range rng.IntN(5) {
			d := small()
			if rng.IntN(20) == 0 {
				d = 1 << 30
			}
			k.Shape = append(k.Shape, d)
		}
		if n := k.Shape.Elements(1); n >= 0 && n <= 200 && k.Shape.checkSizes() == nil && rng.IntN(2) == 0 {
			k.Filled = true
			for range n {
				switch k.DType {
				case Float32:
					k.Floats = append(k.Floats, []float32{0, 1, 2.5, -3, float32(math.NaN()), float32(math.Inf(1))}[rng.IntN(6)])
				case Float16:
					k.Filled = false
				default:
					k.Ints = append(k.Ints, []int64{pick(), small()}[rng.IntN(2)])
				}
			}
		}
		return k
	}
	all := map[string]map[string]func(*call) error{"": operators, "ai.onnx.ml": learners, "com.microsoft": contributed}
	good := 0
	for domain, rules := range all {
		for op := range rules {
			for range 1500 {
				n := &Node{Op: op, Domain: domain, Outputs: make([]ValueID, 1+rng.IntN(3))}
				for range rng.IntN(5) {
					a := Attr{Name: names[rng.IntN(len(names))], Kind: []AttrKind{AttrInt, AttrInts, AttrString, AttrFloats, AttrStrings, AttrTensor}[rng.IntN(6)], Int: pick(), Str: texts[rng.IntN(len(texts))],
						Strs: texts[:rng.IntN(3)], Floats: []float32{1, 2}, Tensor: &TensorAttr{DType: Int32, Shape: Shape{1}, Raw: make([]byte, rng.IntN(9))}}
					for range rng.IntN(6) {
						a.Ints = append(a.Ints, []int64{pick(), small()}[rng.IntN(2)])
					}
					n.Attrs = append(n.Attrs, a)
				}
				var in []*Known
				for range rng.IntN(6) {
					in = append(in, random())
				}
				out, err := Evaluate(n, []int64{7, 9, 11, 13, 18, 24}[rng.IntN(6)], in)
				if err != nil {
					continue
				}
				good++
				for i := range out {
					o := &out[i]
					if o.Shape.checkSizes() != nil || o.Filled && int64(len(o.Ints)+len(o.Floats)) != o.Shape.Elements(1) {
						t.Fatalf("%s %+v of %+v gives %+v", op, n.Attrs, in, o)
					}
				}
			}
		}
	}
	if good < 10000 {
		t.Errorf("only %d calls made sense", good)
	}
}

// TestImportedWork counts the products of operators that front-ends other than ONNX's do not make.
func TestImportedWork(t *testing.T) {
	for _, c := range []struct {
		domain, op string
		in         []Shape
		out        Shape
		attrs      []Attr
		want       int64
	}{
		{"com.microsoft", "FusedConv", []Shape{{Batch, 2, 8, 8}, {4, 2, 3, 3}}, Shape{Batch, 4, 6, 6}, nil, 4 * 36 * 18},
		{"", "QLinearConv", []Shape{{Batch, 2, 8, 8}, {}, {}, {4, 2, 3, 3}}, Shape{Batch, 4, 6, 6}, nil, 4 * 36 * 18},
		{"", "MatMulInteger", []Shape{{Batch, 8}, {8, 3}}, Shape{Batch, 3}, nil, 24},
		{"com.microsoft", "MatMulNBits", []Shape{{Batch, 8}, {3, 1, 8}}, Shape{Batch, 3}, []Attr{attribute("K", 8)}, 24},
		{"", "Einsum", []Shape{{Batch, 2, 3}, {3, 4}}, Shape{Batch, 2, 4}, []Attr{attribute("equation", "bij, jk -> bik")}, 24},
		{"", "Einsum", []Shape{{5}, {5}}, Shape{}, []Attr{attribute("equation", "i,i")}, 5},
		{"", "Einsum", []Shape{{Batch, 6, 2, 3}, {6, 3, 4}}, Shape{Batch, 6, 2, 4}, []Attr{attribute("equation", "...ij,...jk->...ik")}, 6 * 24},
		{"", "Einsum", []Shape{{Batch, 2, 3}}, Shape{Batch, 3, 2}, []Attr{attribute("equation", "bij->bji")}, 0},
		{"com.microsoft", "Attention", []Shape{{Batch, 5, 16}, {16, 48}}, Shape{Batch, 5, 16}, nil, 5*16*48 + 2*5*16*5},
		{"", "Attention", []Shape{{Batch, 3, 4, 8}, {Batch, 3, 6, 8}, {Batch, 3, 6, 8}}, Shape{Batch, 3, 4, 8}, nil, 2 * 3 * 4 * 8 * 6},
		{"custom", "Conv", nil, Shape{Batch, 3}, nil, 0},
		{"custom", "MaxPool", []Shape{{Batch, 3}}, Shape{Batch, 3}, nil, 0},
	} {
		g := &Graph{Opset: 17}
		n := Node{Op: c.op, Domain: c.domain, Attrs: c.attrs}
		for _, s := range append(c.in, c.out) {
			g.Values = append(g.Values, Value{DType: Float32, Shape: s})
		}
		for i := range c.in {
			n.Inputs = append(n.Inputs, ValueID(i))
		}
		n.Outputs = []ValueID{ValueID(len(c.in))}
		g.Nodes = append(g.Nodes, n)
		if got := g.Work(0).MACs; got != c.want {
			t.Errorf("%s %s takes %d, want %d", c.domain, c.op, got, c.want)
		}
	}
}
