package graph

import (
	"strings"
	"testing"
)

// tiny builds a graph by hand.
type tiny struct {
	g Graph
}

func (b *tiny) add(name string, v Value) ValueID {
	v.Name = name
	b.g.Values = append(b.g.Values, v)
	return ValueID(len(b.g.Values) - 1)
}

func (b *tiny) tensor(name string, shape ...int64) ValueID {
	return b.add(name, Value{DType: Float32, Shape: shape, Producer: -1})
}

func (b *tiny) ints(name string, n ...int64) ValueID {
	return b.add(name, Value{DType: Int64, Shape: Shape{int64(len(n))}, Producer: -1, Const: &Const{Int64s: n}})
}

func attrInts(name string, n ...int64) Attr { return Attr{Name: name, Kind: AttrInts, Ints: n} }
func attrInt(name string, n int64) Attr     { return Attr{Name: name, Kind: AttrInt, Int: n} }

// TestInfer has one row per rule and per way in which it refuses. A list of integers as input is a constant.
func TestInfer(t *testing.T) {
	type ints []int64
	for _, c := range []struct {
		op     string
		inputs []any // Shape: a float32 tensor; ints: an int64 constant; nil: left out
		attrs  []Attr
		want   string // the shape, or after "!" a part of the error
	}{
		{"Relu", []any{Shape{-1, 3}}, nil, "?x3"},
		{"Relu", nil, nil, "!input 0 of the 1 it needs"},
		{"Nothing", []any{Shape{-1, 3}}, nil, "!does not know this operator"},
		{"Add", []any{Shape{-1, 3, 4}, Shape{4}}, nil, "?x3x4"},
		{"Add", []any{Shape{1, 1, 4}, Shape{-1, 3, 1}}, nil, "?x3x4"},
		{"Add", []any{Shape{-1, 3}, Shape{-1, 4}}, nil, "!do not broadcast"},
		{"Add", []any{Shape{-1, 3}, Shape{2, 3}}, nil, "!do not broadcast"},
		{"Add", []any{Shape{-1, 3}, ints{1, 2, 3}}, nil, "!types"},
		{"Max", []any{Shape{-1, 3}, Shape{3}, Shape{}}, nil, "?x3"},
		{"Greater", []any{Shape{-1, 3}, Shape{}}, nil, "?x3 bool"},
		{"PRelu", []any{Shape{-1, 3, 5, 5}, Shape{3, 1, 1}}, nil, "?x3x5x5"},
		{"PRelu", []any{Shape{-1, 1}, Shape{3}}, nil, "!does not broadcast"},
		{"Cast", []any{Shape{-1, 3}}, []Attr{attrInt("to", int64(Float16))}, "?x3 float16"},
		{"Cast", []any{Shape{-1, 3}}, nil, "!casts to the type 0"},
		{"Conv", []any{Shape{-1, 4, 9, 8}, Shape{6, 4, 3, 3}}, nil, "?x6x7x6"},
		{"Conv", []any{Shape{-1, 4, 9, 8}, Shape{6, 4, 3, 3}, Shape{6}}, []Attr{attrInts("pads", 1, 0, 1, 1), attrInts("strides", 2, 3)}, "?x6x5x3"},
		{"Conv", []any{Shape{-1, 4, 9, 8}, Shape{6, 2, 3, 3}}, []Attr{attrInt("group", 2), attrInts("dilations", 2, 2)}, "?x6x5x4"},
		{"Conv", []any{Shape{-1, 4, 9, 8}, Shape{6, 3, 3, 3}}, nil, "!does not fit the 4 channels"},
		{"Conv", []any{Shape{-1, 4, 9, 8}, Shape{6, 4, 3, 3}, Shape{5}}, nil, "!bias"},
		{"Conv", []any{Shape{-1, 4, 2, 8}, Shape{6, 4, 3, 3}}, nil, "!does not fit the padded size"},
		{"Conv", []any{Shape{-1, 4, 9, 8}, Shape{6, 4, 3, 3}}, []Attr{attrInts("pads", -1, 0, 0, 0)}, "!not a window"},
		{"Conv", []any{Shape{-1, 4, 9, 8}, Shape{6, 4, 3, 3}}, []Attr{attrInts("strides", 1)}, "!strides"},
		{"MaxPool", []any{Shape{-1, 4, 9, 8}}, []Attr{attrInts("kernel_shape", 2, 3), attrInts("strides", 2, 2)}, "?x4x4x3"},
		{"AveragePool", []any{Shape{-1, 4, 9, 8}}, nil, "!kernel_shape"},
		{"GlobalAveragePool", []any{Shape{-1, 4, 9, 8}}, nil, "?x4x1x1"},
		{"GlobalMaxPool", []any{Shape{-1, 4}}, nil, "!nothing to pool"},
		{"BatchNormalization", []any{Shape{-1, 4, 9}, Shape{4}, Shape{4}, Shape{4}, Shape{4}}, nil, "?x4x9"},
		{"BatchNormalization", []any{Shape{-1, 4, 9}, Shape{4}, Shape{4}, Shape{9}, Shape{4}}, nil, "!4 channels"},
		{"Gemm", []any{Shape{-1, 4}, Shape{4, 7}, Shape{7}}, nil, "?x7"},
		{"Gemm", []any{Shape{-1, 4}, Shape{7, 4}}, []Attr{attrInt("transB", 1)}, "?x7"},
		{"Gemm", []any{Shape{-1, 4}, Shape{7, 4}}, nil, "!do not multiply"},
		{"Gemm", []any{Shape{-1, 4}, Shape{4, 7}, Shape{2, 7}}, nil, "!bias"},
		{"MatMul", []any{Shape{-1, 5, 4}, Shape{4, 7}}, nil, "?x5x7"},
		{"MatMul", []any{Shape{-1, 5, 4}, Shape{5, 7}}, nil, "!do not multiply"},
		{"Transpose", []any{Shape{-1, 5, 4}}, []Attr{attrInts("perm", 0, 2, 1)}, "?x4x5"},
		{"Transpose", []any{Shape{-1, 5, 4}}, []Attr{attrInts("perm", 0, 2, 2)}, "!not a permutation"},
		{"Transpose", []any{Shape{-1, 5, 4}}, []Attr{attrInts("perm", 1, 0, 2)}, "5x?x4"},
		{"Reshape", []any{Shape{-1, 6, 4}, ints{0, 3, -1}}, nil, "?x3x8"},
		{"Reshape", []any{Shape{-1, 6, 4}, ints{-1, 24}}, nil, "?x24"},
		{"Reshape", []any{Shape{-1, 6, 4}, ints{-1, 12}}, nil, "!batch kept"},
		{"Reshape", []any{Shape{-1, 6, 4}, ints{0, 5, -1}}, nil, "!does not reshape"},
		{"Reshape", []any{Shape{-1, 6, 4}, ints{0, 23}}, nil, "!does not reshape"},
		{"Reshape", []any{Shape{-1, 6, 4}, ints{0, -1, -1}}, nil, "!two dimensions open"},
		{"Reshape", []any{Shape{-1, 6}, ints{0, 1 << 40, 1 << 40, 1 << 40}}, nil, "!does not reshape"},
		{"Reshape", []any{Shape{-1, 6}, Shape{2}}, nil, "!should be a list of integers"},
		{"Reshape", []any{Shape{-1, 6}, ints{6, 0}}, nil, "!does not reshape"},
		{"Reshape", []any{Shape{6, -1}, ints{2, 3, -1}}, nil, "2x3x?"},
		{"Flatten", []any{Shape{-1, 6, 4}}, nil, "?x24"},
		{"Flatten", []any{Shape{-1, 1, 4}}, []Attr{attrInt("axis", 2)}, "?x4"},
		{"Flatten", []any{Shape{1, -1, 4}}, []Attr{attrInt("axis", 2)}, "?x4"},
		{"Flatten", []any{Shape{-1, 6, 4}}, []Attr{attrInt("axis", 2)}, "!not made one with other axes"},
		{"Concat", []any{Shape{-1, 6, 4}, Shape{-1, 1, 4}}, []Attr{attrInt("axis", 1)}, "?x7x4"},
		{"Concat", []any{Shape{-1, 6, 4}, Shape{-1, 1, 5}}, []Attr{attrInt("axis", 1)}, "!do not concatenate"},
		{"Concat", []any{Shape{-1, 6}, Shape{-1, 6}}, []Attr{attrInt("axis", 0)}, "!the batch does not concatenate"},
		{"Pad", []any{Shape{-1, 6, 4}, ints{0, 1, 0, 0, 2, 3}}, nil, "?x9x7"},
		{"Pad", []any{Shape{-1, 6}, ints{1, 0, 0, 0}}, nil, "!batch is not padded"},
		{"Slice", []any{Shape{-1, 6, 4}, ints{2}, ints{5}, ints{1}}, nil, "?x3x4"},
		{"Slice", []any{Shape{-1, 6, 4}, ints{2}, ints{7}, ints{1}}, nil, "?x4x4"},
		{"Slice", []any{Shape{-1, 6, 4}, ints{6}, ints{7}, ints{1}}, nil, "!not positive"},
		{"Slice", []any{Shape{-1, 6, 4}, ints{0}, ints{7}, ints{0}}, nil, "!the batch of ?x6x4 is not sliced"},
		{"Relu", []any{Shape{-1, 1 << 30, 1 << 30}}, nil, "!elements"},
		{"Tile", []any{Shape{-1, 3}, ints{1, 2}}, nil, "?x6"},
		{"Tile", []any{Shape{-1, 3}, ints{2, 2}}, nil, "!do not fit ?x3"},
		{"Expand", []any{Shape{-1, 1, 3}, ints{1, 4, 1}}, nil, "?x4x3"},
		{"Expand", []any{Shape{-1, 1, 3}, ints{-1, 4, 1}}, nil, "!impossible"},
		{"Split", []any{Shape{-1, 6}, ints{6}}, []Attr{attrInt("axis", 1)}, "?x6"},
		{"Split", []any{Shape{-1, 6}, ints{1}}, nil, "!the batch is not split"},
		{"Einsum", []any{Shape{-1, 6, 4}, Shape{4, 5}}, []Attr{attribute("equation", "abc,cd->abd")}, "?x6x5"},
		{"Einsum", []any{Shape{-1, 6, 1}, Shape{-1, 1, 4}}, []Attr{attribute("equation", "abc,abc->abc")}, "?x6x4"},
		{"ConvTranspose", []any{Shape{-1, 4, 9}, Shape{4, 6, 3}, Shape{6}}, nil, "?x6x11"},
		{"ConvTranspose", []any{Shape{-1, 4, 9}, Shape{4, 6, 3}, Shape{4}}, nil, "!bias"},
		{"LSTM", []any{Shape{7, -1, 4}, Shape{1, 12, 4}, Shape{1, 12, 3}}, nil, "7x1x?x3"},
		{"LSTM", []any{Shape{7, -1, 4}, Shape{1, 12, 5}, Shape{1, 12, 3}}, nil, "!do not fit 3 units"},
		{"GRU", []any{Shape{7, -1, 4}, Shape{1, 9, 4}, Shape{1, 9, 3}, Shape{1, 9}}, nil, "!bias"},
		{"TopK", []any{Shape{-1, 4}, ints{1}}, []Attr{attrInt("axis", 0)}, "!takes the first 1"},
		// An operator that is given the batch hands it on.
		{"Gather", []any{Shape{-1, 3}, ints{0}}, nil, "!the batch is not in its output"},
		{"ReduceMean", []any{Shape{-1, 3}}, []Attr{attrInts("axes", 0)}, "!the batch is not in its output"},
		{"ArgMax", []any{Shape{-1, 3}}, nil, "!the batch is not in its output"},
		{"Einsum", []any{Shape{-1, 6}, Shape{-1, 6}}, []Attr{attribute("equation", "ab,ab->b")}, "!the batch is not in its output"},
		{"MatMul", []any{Shape{6, -1}, Shape{-1, 6}}, nil, "!the batch is not in its output"},
		{"GlobalMaxPool", []any{Shape{2, 6, -1}}, nil, "!the batch is not in its output"},
		{"MaxPool", []any{Shape{2, 6, -1}}, []Attr{attrInts("kernel_shape", 1)}, "!works along the batch"},
	} {
		b := &tiny{}
		n := Node{Op: c.op, Name: "n", Attrs: c.attrs, Outputs: make([]ValueID, 1)}
		for i, in := range c.inputs {
			name := string(rune('a' + i))
			switch in := in.(type) {
			case Shape:
				n.Inputs = append(n.Inputs, b.tensor(name, in...))
			case ints:
				n.Inputs = append(n.Inputs, b.ints(name, in...))
			}
		}
		out, err := Infer(&b.g, &n)
		if part, refused := strings.CutPrefix(c.want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s(%v): got %v, %v, want an error with %q", c.op, c.inputs, out, err, part)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s(%v): %v", c.op, c.inputs, err)
			continue
		}
		got := out[0].Shape.String()
		if out[0].DType != Float32 {
			got += " " + out[0].DType.String()
		}
		if got != c.want {
			t.Errorf("%s(%v) %v: %s, want %s", c.op, c.inputs, c.attrs, got, c.want)
		}
	}
}

// small is a valid graph of two layers: a convolution with a bias, then a pooling and a flattening.
func small() *Graph {
	b := &tiny{}
	x := b.tensor("x", Batch, 2, 4, 4)
	k := b.add("conv/kernel", Value{DType: Float32, Shape: Shape{3, 2, 3, 3}, Producer: -1,
		Weight: &Weight{Key: "conv/kernel", Stored: Shape{3, 3, 2, 3}, Perm: []int{3, 2, 0, 1}}})
	bias := b.add("conv/bias", Value{DType: Float32, Shape: Shape{3}, Producer: -1, Weight: &Weight{Key: "conv/bias", Stored: Shape{3}}})
	conv := b.add("conv", Value{DType: Float32, Shape: Shape{Batch, 3, 4, 4}, Producer: 0})
	pool := b.add("pool/AveragePool", Value{DType: Float32, Shape: Shape{Batch, 3, 2, 2}, Producer: 1})
	shape := b.ints("pool/shape", 0, -1)
	flat := b.add("pool", Value{DType: Float32, Shape: Shape{Batch, 12}, Producer: 2})
	b.g.Name, b.g.LayerCount, b.g.Parameters = "small", 2, 57
	b.g.Layers = []Layer{
		{Name: "conv", Class: "Conv2D", Output: Shape{Batch, 4, 4, 3}, Parameters: 57, FirstNode: 0, LastNode: 1},
		{Name: "pool", Class: "Pool", Inputs: []int{0}, Output: Shape{Batch, 12}, FirstNode: 1, LastNode: 3},
	}
	b.g.Nodes = []Node{
		{Op: "Conv", Name: "conv/Conv", Inputs: []ValueID{x, k, bias}, Outputs: []ValueID{conv}, Attrs: []Attr{attrInts("pads", 1, 1, 1, 1)}},
		{Op: "AveragePool", Name: "pool/AveragePool", Layer: 1, Inputs: []ValueID{conv}, Outputs: []ValueID{pool},
			Attrs: []Attr{attrInts("kernel_shape", 2, 2), attrInts("strides", 2, 2), {Name: "auto_pad", Kind: AttrString, Str: "NOTSET"}}},
		{Op: "Reshape", Name: "pool/Reshape", Layer: 1, Inputs: []ValueID{pool, shape}, Outputs: []ValueID{flat}},
	}
	b.g.Inputs, b.g.Outputs = []Port{{"x", x}}, []Port{{"pool", flat}}
	return &b.g
}

func TestText(t *testing.T) {
	const want = `model small: 2 layers, 57 parameters
input x = x ?x2x4x4
0 conv Conv2D | conv = Conv(x, conv/kernel~3201:3x2x3x3, conv/bias:3) pads=1,1,1,1 | ?x3x4x4
1 pool Pool | pool/AveragePool = AveragePool(conv) kernel_shape=2,2 strides=2,2 auto_pad="NOTSET" | ?x3x2x2
1 pool Pool | pool = Reshape(pool/AveragePool, [0 -1]) | ?x12
output pool = pool ?x12
`
	if got := small().Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWork(t *testing.T) {
	g := small()
	conv := Work{MACs: 48 * 18, FLOPs: 2 * 48 * 18, InputBytes: 32 * 4, OutputBytes: 48 * 4, WeightBytes: 57 * 4}
	if got := g.LayerWork(0); got != conv {
		t.Errorf("conv: %+v, want %+v", got, conv)
	}
	pool := Work{FLOPs: 12 * 4, InputBytes: (48 + 12) * 4, OutputBytes: 2 * 12 * 4, WeightBytes: 16}
	if got := g.LayerWork(1); got != pool {
		t.Errorf("pool: %+v, want %+v", got, pool)
	}
	if got := g.TotalWork(); got != conv.Add(pool) {
		t.Errorf("total: %+v", got)
	}
	if got := g.WeightBytes(); got != 57*4 {
		t.Errorf("%d bytes of weights", got)
	}
	if got := mulSaturated(1<<40, 1<<40); got != 1<<63-1 {
		t.Errorf("a product wraps to %d", got)
	}
	if got := addSaturated(1<<62, 1<<62); got != 1<<63-1 {
		t.Errorf("a sum wraps to %d", got)
	}
}

// TestValidate breaks a valid graph in one way at a time.
func TestValidate(t *testing.T) {
	if err := small().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want  string
		spoil func(g *Graph)
	}{
		{"no name of its own", func(g *Graph) { g.Values[3].Name = "x" }},
		{"no name of its own", func(g *Graph) { g.Nodes[1].Name = "conv/Conv" }},
		{"before it is made", func(g *Graph) { g.Nodes[1].Inputs[0] = 4 }},
		{"inference says", func(g *Graph) { g.Values[3].Shape[1] = 4 }},
		{"inference says", func(g *Graph) { g.Values[6].DType = Int64 }},
		{"not a value of its own", func(g *Graph) { g.Nodes[2].Outputs[0] = 4 }},
		{"neither an input nor made", func(g *Graph) {
			g.Values = append(g.Values, Value{Name: "lost", DType: Float32, Shape: Shape{1}, Producer: -1})
		}},
		{"expected to begin at", func(g *Graph) { g.Layers[1].FirstNode = 2 }},
		{"says layer", func(g *Graph) { g.Nodes[1].Layer = 0 }},
		{"not before it", func(g *Graph) { g.Layers[1].Inputs[0] = 1 }},
		{"belong to no layer", func(g *Graph) { g.Layers[1].LastNode = 2 }},
		{"do not give", func(g *Graph) { g.Values[1].Weight.Perm = []int{0} }},
		{"do not give", func(g *Graph) { g.Values[1].Weight.Stored = Shape{9} }},
		{"is stored as", func(g *Graph) {
			g.Values[2].Weight.Key, g.Values[2].Weight.Stored = "conv/kernel", Shape{3}
		}},
		{"both a weight and a constant", func(g *Graph) { g.Values[2].Const = &Const{Float32s: make([]float32, 3)} }},
		{"numbers for shape", func(g *Graph) { g.Values[5].Const.Int64s = []int64{0} }},
		{"not made by the model", func(g *Graph) { g.Outputs[0].Value = 99 }},
		{"two outputs", func(g *Graph) { g.Outputs = append(g.Outputs, g.Outputs[0]) }},
		{"two inputs", func(g *Graph) {
			g.Values = append(g.Values, Value{Name: "y", DType: Float32, Shape: Shape{1}, Producer: -1})
			g.Inputs = append(g.Inputs, Port{"x", 7})
		}},
		{"input y is not a value", func(g *Graph) { g.Inputs = append(g.Inputs, Port{"y", 0}) }},
		{"0 outputs", func(g *Graph) { g.Outputs = nil }},
		{"refers to no value", func(g *Graph) { g.Nodes[0].Inputs[0] = 77 }},
	} {
		g := small()
		c.spoil(g)
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
