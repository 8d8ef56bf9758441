package onnx

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
)

// text is a model written as lines, for these tests:
//
//	opset 17
//	in x float32 batch 3 224 ?      a number, a name or ? for each dimension
//	weight w float32 8 3            zeros
//	const s int64 = 1 2 3           a list; "const s int64 scalar = 1" is a scalar
//	y = Reshape(x, s) axis=1 perm=1,0 mode="edge"
//	told y float32 1 2              a shape that the file declares
//	out y float32
func text(t testing.TB, lines string) []byte {
	t.Helper()
	var g message
	opset := int64(17)
	for _, line := range strings.Split(lines, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "opset":
			opset = number(f[1])
		case "in", "out", "told":
			p := port{name: f[1], dtype: dtype(f[2]), ranks: len(f) > 3}
			for _, d := range f[3:] {
				dim := dimension{}
				if n := number(d); n != 0 || d == "0" {
					dim.size = n
				} else if d != "?" {
					dim.name = d
				}
				p.dims = append(p.dims, dim)
			}
			g.message(map[string]protowire.Number{"in": 11, "out": 12, "told": 13}[f[0]], p.proto())
		case "weight", "const":
			s := Stored{Name: f[1], DType: dtype(f[2]), raw: []byte{}}
			if f[0] == "weight" {
				for _, d := range f[3:] {
					s.Shape = append(s.Shape, number(d))
				}
				g.message(5, withRaw(&s, make([]byte, s.Shape.Elements(1)*s.DType.Size())))
				continue
			}
			values := f[4:]
			if f[3] == "scalar" {
				values = f[5:]
			} else {
				s.Shape = graph.Shape{int64(len(values))}
			}
			var raw []byte
			for _, v := range values {
				if s.DType == graph.Float32 {
					var x float64
					fmt.Sscan(v, &x)
					raw = appendElement(raw, s.DType, uint64(math.Float32bits(float32(x))))
				} else {
					raw = appendElement(raw, s.DType, uint64(number(v)))
				}
			}
			g.message(5, withRaw(&s, raw))
		default:
			g.message(1, nodeLine(t, line))
		}
	}
	g.text(2, "test")
	return file(opset, g)
}

func file(opset int64, g message) []byte {
	var b message
	b.int(1, 8)
	b.message(7, g)
	var o message
	o.int(2, opset)
	b.message(8, o)
	return b
}

func withRaw(s *Stored, raw []byte) message {
	s.raw = nil
	b := s.proto()
	b.bytes(9, raw)
	return b
}

func dtype(name string) graph.DType {
	d, _ := graph.ParseDType(name)
	return d
}

func number(s string) int64 {
	var n int64
	fmt.Sscan(s, &n)
	return n
}

func nodeLine(t testing.TB, line string) message {
	outs, rest, ok := strings.Cut(line, "=")
	op, rest, ok2 := strings.Cut(rest, "(")
	args, attrs, ok3 := strings.Cut(rest, ")")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("no node: %s", line)
	}
	n := fileNode{}
	n.domain, n.op, _ = strings.Cut(strings.TrimSpace(op), ":")
	if n.op == "" {
		n.domain, n.op = "", n.domain
	}
	split := func(s string) (list []string) {
		for _, x := range strings.Split(s, ",") {
			list = append(list, strings.Trim(x, " -\t"))
		}
		return list
	}
	n.outputs = split(outs)
	if strings.TrimSpace(args) != "" {
		n.inputs = split(args)
	}
	for _, f := range strings.Fields(attrs) {
		name, v, _ := strings.Cut(f, "=")
		a := graph.Attr{Name: name, Kind: graph.AttrInt}
		switch {
		case strings.HasPrefix(v, `"`):
			a.Kind, a.Str = graph.AttrString, strings.Trim(v, `"`)
		case strings.Contains(v, ","):
			a.Kind = graph.AttrInts
			for _, x := range strings.Split(strings.TrimSuffix(v, ","), ",") {
				a.Ints = append(a.Ints, number(x))
			}
		default:
			a.Int = number(v)
		}
		n.attrs = append(n.attrs, a)
	}
	return n.proto()
}

// lowered reads and lowers a file, and checks what holds for all: the graph is valid, and what is stripped gives the
// same graph and the same bytes again.
func lowered(t testing.TB, data []byte, o Options) *graph.Graph {
	t.Helper()
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.Lower(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Graph.Validate(); err != nil {
		t.Errorf("%v in\n%s", err, l.Graph.Text())
	}
	if _, err := f.Weights(l.Graph, Data{Size: int64(len(data)), Reader: bytes.NewReader(data)}); err != nil {
		t.Error(err)
	}
	s, err := ReadStripped(bytes.NewReader(l.Stripped), int64(len(l.Stripped)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Lower(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Graph.Text() != l.Graph.Text() || !bytes.Equal(again.Stripped, l.Stripped) {
		t.Errorf("what is stripped gives\n%s", again.Graph.Text())
	}
	return l.Graph
}

func TestLower(t *testing.T) {
	for _, c := range []struct{ name, model, want string }{
		{"symbolic batch, its size read and used in a reshape", `
			in x float32 N 3 4 5
			const zero int64 scalar = 0
			const axes int64 = 0
			const rest int64 = 60
			s = Shape(x)
			n = Gather(s, zero)
			n1 = Unsqueeze(n, axes)
			to = Concat(n1, rest) axis=0
			y = Reshape(x, to)
			out y float32 N 60`, `model test: 5 layers, 0 parameters
input x = x ?x3x4x5
0 y Reshape | y = Reshape(x, [0 60]) | ?x60
output y = y ?x60
`},
		{"fixed batch that the model does not need", `
			in x float32 1 4
			weight w float32 4 8
			y = MatMul(x, w)
			out y float32 1 8`, `model test: 1 layers, 32 parameters
input x = x ?x4
0 y MatMul | y = MatMul(x, w:4x8) | ?x8
output y = y ?x8
`},
		{"fixed batch that the model needs", `
			in x float32 2 6
			const to int64 = 2 3 2
			y = Reshape(x, to)
			out y float32 2 3 2`, `model test: 1 layers, 0 parameters
input x = x 2x6
0 y Reshape | y = Reshape(x, [2 3 2]) | 2x3x2
output y = y 2x3x2
`},
		{"the first of a batch by its place", `
			in x float32 20 4
			const from int64 = 0
			const to int64 = 3
			const axis int64 = 0
			y = Slice(x, from, to, axis)
			out y float32 3 4`, `model test: 1 layers, 0 parameters
input x = x 20x4
0 y Slice | y = Slice(x, [0], [3], [0]) | 3x4
output y = y 3x4
`},
		{"a first dimension along which a recurrent layer goes", `
			in x float32 seq 1 4
			weight w float32 1 3 4
			weight r float32 1 3 3
			y, h = RNN(x, w, r) hidden_size=3
			out h float32 1 1 3`, ""},
		{"softmax over the batch", `
			in x float32 N 4
			y = Softmax(x) axis=0
			out y float32 N 4`, `model test: 1 layers, 0 parameters
input x = x 1x4
0 y Softmax | y = Softmax(x) axis=0 | 1x4
output y = y 1x4
`},
		{"class token: what depends on the batch stays computed", `
			in x float32 N 4 16
			const first int64 = 0
			const one int64 = 1
			const rest int64 = 1 16
			weight token float32 1 1 16
			s = Shape(x)
			n = Slice(s, first, one, first)
			to = Concat(n, rest) axis=0
			t = Expand(token, to)
			y = Concat(t, x) axis=1
			out y float32 N 5 16`, `model test: 5 layers, 16 parameters
input x = x ?x4x16
0 s Shape | s = Shape(x) | 3 int64
1 n Slice | n = Slice(s, [0], [1], [0]) | 1 int64
2 to Concat | to = Concat(n, [1 16]) axis=0 | 3 int64
3 t Expand | t = Expand(token:1x1x16, to) | ?x1x16
4 y Concat | y = Concat(t, x) axis=1 | ?x5x16
output y = y ?x5x16
`},
		{"weights under a second name, and work on weights where it is used", `
			in x float32 N 4
			weight w float32 4 4
			weight half float16 4 4
			w2 = Identity(w)
			full = Cast(half) to=1
			a = MatMul(x, w2)
			y = MatMul(a, full)
			out y float32 N 4`, `model test: 4 layers, 32 parameters
input x = x ?x4
0 a MatMul | a = MatMul(x, w:4x4) | ?x4
1 full Cast | full = Cast(half:4x4) to=1 | 4x4
2 y MatMul | y = MatMul(a, full) | ?x4
output y = y ?x4
`},
		{"resize by computed sizes", `
			in x float32 1 3 8 8
			const from int64 = 2
			const to int64 = 4
			const two int64 = 2 2
			const lead int64 = 1 3
			s = Shape(x)
			hw = Slice(s, from, to)
			big = Mul(hw, two)
			sizes = Concat(lead, big) axis=0
			y = Resize(x, -, -, sizes) mode="nearest"
			out y float32 1 3 16 16`, `model test: 5 layers, 0 parameters
input x = x 1x3x8x8
0 y Resize | y = Resize(x, -, -, [1 3 16 16]) mode="nearest" | 1x3x16x16
output y = y 1x3x16x16
`},
		{"an operator of another set, with its shape in the file", `
			in x float32 N 4
			y = custom:Thing(x) strength=3
			z = Relu(y)
			told y float32 N 7
			out z float32 N 7`, `model test: 2 layers, 0 parameters
input x = x ?x4
0 y Thing | y = custom.Thing(x) strength=3 | ?x7
1 z Relu | z = Relu(y) | ?x7
output z = z ?x7
`},
		{"nodes out of order, unused nodes and outputs", `
			in x float32 N 3 8 8
			y = Relu(p)
			p, where = MaxPool(x) kernel_shape=2,2 strides=2,2
			unused = Exp(p)
			out y float32 N 3 4 4`, `model test: 2 layers, 0 parameters
input x = x ?x3x8x8
0 p MaxPool | p = MaxPool(x) kernel_shape=2,2 strides=2,2 | ?x3x4x4
1 y Relu | y = Relu(p) | ?x3x4x4
output y = y ?x3x4x4
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := lowered(t, text(t, c.model), Options{})
			if got := g.Text(); c.want != "" && got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// TestOpenSizes checks what stays open until the model runs, and that options settle it.
func TestOpenSizes(t *testing.T) {
	model := text(t, `
		in ids int64 N length
		weight table float32 100 8
		const to int64 = 0 0 2 4
		e = Gather(table, ids)
		h = Reshape(e, to)
		y = Transpose(h) perm=0,2,1,3
		out y float32 N 2 length 4`)
	g := lowered(t, model, Options{})
	shape := func(port graph.Port) string { return g.Value(port.Value).RunShape().String() }
	if in, out := shape(g.Inputs[0]), shape(g.Outputs[0]); in != "?x*" || out != "?x2x*x4" {
		t.Errorf("input %s, output %s", in, out)
	}
	g = lowered(t, model, Options{Dims: map[string]int64{"length": 16}})
	if in, out := shape(g.Inputs[0]), shape(g.Outputs[0]); in != "?x16" || out != "?x2x16x4" {
		t.Errorf("with a length, input %s, output %s", in, out)
	}
	g = lowered(t, model, Options{Dims: map[string]int64{"ids[1]": 16, "N": 4}})
	if in := shape(g.Inputs[0]); in != "?x16" {
		t.Errorf("with a length by its place, input %s", in)
	}
	for _, c := range []struct {
		dims map[string]int64
		want []Dimension
	}{{nil, []Dimension{{"length", 128}}}, {map[string]int64{"length": 16}, nil}, {map[string]int64{"N": 4}, []Dimension{{"length", 128}}}} {
		f, err := Read(bytes.NewReader(model), int64(len(model)))
		if err != nil {
			t.Fatal(err)
		}
		l, err := f.Lower(Options{Dims: c.dims})
		if err != nil || !slices.Equal(l.Open, c.want) {
			t.Errorf("with %v the sizes %v stay open, want %v (%v)", c.dims, l.Open, c.want, err)
		}
	}
	for _, c := range []struct {
		dims map[string]int64
		code string
	}{{map[string]int64{"width": 3}, "onnx.no-such-dimension"}, {map[string]int64{"length": 0}, "onnx.bad-dimension"}} {
		f, err := Read(bytes.NewReader(model), int64(len(model)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Lower(Options{Dims: c.dims}); diag.CodeOf(err) != c.code {
			t.Errorf("%v: %v", c.dims, err)
		}
	}
}
