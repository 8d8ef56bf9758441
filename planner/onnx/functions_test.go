package onnx

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
)

// define appends functions to a model, each written as "domain.name(inputs) -> outputs" and lines of nodes.
func define(t testing.TB, model []byte, opset int64, functions ...string) []byte {
	t.Helper()
	b := message(bytes.Clone(model))
	for _, text := range functions {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		head, outs, ok := strings.Cut(lines[0], "->")
		name, ins, ok2 := strings.Cut(strings.TrimSuffix(strings.TrimSpace(head), ")"), "(")
		domain, name, ok3 := strings.Cut(name, ".")
		if !ok || !ok2 || !ok3 {
			t.Fatal(lines[0])
		}
		var f, o message
		f.text(1, name)
		for _, in := range strings.Split(ins, ",") {
			f.element(4, strings.TrimSpace(in))
		}
		for _, out := range strings.Split(outs, ",") {
			f.element(5, strings.TrimSpace(out))
		}
		for _, line := range lines[1:] {
			f.message(7, nodeLine(t, line))
		}
		o.int(2, opset)
		f.message(9, o)
		f.text(10, domain)
		b.message(25, f)
	}
	return b
}

// attributed gives the last node of a model's graph another attribute.
func attributed(t testing.TB, line string, attributes ...message) message {
	n := nodeLine(t, line)
	for _, a := range attributes {
		n.message(5, a)
	}
	return n
}

// graphOf is an attribute that is a graph, of nodes, initializers of zeros written as "name rows columns", and outputs.
func graphOf(t testing.TB, name, outputs, weights string, nodes ...string) message {
	var g message
	for _, line := range nodes {
		g.message(1, nodeLine(t, line))
	}
	for _, w := range strings.Split(weights, ";") {
		if f := strings.Fields(w); len(f) > 0 {
			s := Stored{Name: f[0], DType: graph.Float32}
			for _, d := range f[1:] {
				s.Shape = append(s.Shape, number(d))
			}
			g.message(5, withRaw(&s, make([]byte, 4*s.Shape.Elements(1))))
		}
	}
	for _, out := range strings.Fields(outputs) {
		g.message(12, (&port{name: out, dtype: graph.Float32}).proto())
	}
	var a message
	a.text(1, name)
	a.message(6, g)
	a.int(20, 5)
	return a
}

// withNode puts a node at the end of a model's graph.
func withNode(t testing.TB, model []byte, n message) []byte {
	var b message
	eachMessage(t, model, func(id protowire.Number, field, whole []byte) {
		if id != 7 {
			b = append(b, whole...)
			return
		}
		g := message(bytes.Clone(field))
		g.message(1, n)
		b.message(7, g)
	})
	return b
}

func eachMessage(t testing.TB, b []byte, f func(id protowire.Number, field, whole []byte)) {
	for len(b) > 0 {
		id, kind, n := protowire.ConsumeTag(b)
		m := protowire.ConsumeFieldValue(id, kind, b[n:])
		if n < 0 || m < 0 {
			t.Fatal("no message")
		}
		field := b[n : n+m]
		if kind == protowire.BytesType {
			field, _ = protowire.ConsumeBytes(field)
		}
		f(id, field, b[:n+m])
		b = b[n+m:]
	}
}

func relowered(t *testing.T, data []byte, dims map[string]int64) (*Lowered, error) {
	t.Helper()
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	l, err := f.Lower(Options{Dims: dims})
	if err != nil {
		return nil, err
	}
	if err := l.Graph.Validate(); err != nil {
		t.Error(err)
	}
	// What a plan carries is the same model, and the file itself gives its weights.
	s, err := ReadStripped(bytes.NewReader(l.Stripped), int64(len(l.Stripped)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Lower(Options{})
	if err != nil || again.Graph.Text() != l.Graph.Text() || !bytes.Equal(again.Stripped, l.Stripped) {
		t.Errorf("the stripped model is another: %v", err)
	}
	fresh, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Weights(l.Graph, Data{Size: int64(len(data)), Reader: bytes.NewReader(data)}); err != nil {
		t.Error(err)
	}
	return l, nil
}

func TestFunctions(t *testing.T) {
	model := text(t, `
		in x float32 N 4
		weight w float32 4 4
		h, - = p:block(x, w)
		y, z = p:block(h, w)
		out y float32 N 4
		out z float32 N 4`)
	l, err := relowered(t, define(t, model, 17, "p.block(a, k) -> b, same\nt = p:twice(a, k)\nb = Relu(t)\nsame = Identity(a)", "p.twice(a, k) -> c\nm = MatMul(a, k)\nc = MatMul(m, k)"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ops := ""
	for i := range l.Graph.Nodes {
		ops += l.Graph.Nodes[i].Op + " "
	}
	if ops != "MatMul MatMul Relu MatMul MatMul Relu Identity " || len(l.Graph.Domains) != 0 {
		t.Errorf("%s %v\n%s", ops, l.Graph.Domains, l.Graph.Text())
	}
}

func TestFunctionsRefused(t *testing.T) {
	call := text(t, "in x float32 N 4\ny = p:f(x)\nout y float32 N 4")
	deep, wide := []string{}, []string{}
	for i := range 100 {
		deep = append(deep, fmt.Sprintf("p.f%d(a) -> b\nb = p:f%d(a)", i, i+1))
		wide = append(wide, fmt.Sprintf("p.f%d(a) -> b\nc = p:f%d(a)\nb = p:f%d(c)", i, i+1, i+1))
	}
	for name, c := range map[string]struct {
		code string
		data []byte
	}{
		"calls itself":              {"onnx.too-large", define(t, call, 17, "p.f(a) -> b\nb = p:f(a)")},
		"a hundred deep":            {"onnx.too-large", define(t, text(t, "in x float32 N 4\ny = p:f0(x)\nout y float32 N 4"), 17, deep...)},
		"doubling":                  {"onnx.too-large", define(t, text(t, "in x float32 N 4\ny = p:f0(x)\nout y float32 N 4"), 17, append(wide[:25:25], "p.f25(a) -> b\nb = Relu(a)")...)},
		"nothing inside":            {"onnx.malformed", define(t, call, 17, "p.f(a) -> b\nc = Relu(a)")},
		"reads the model's tensors": {"onnx.malformed", define(t, call, 17, "p.f(a) -> b\nb = Add(a, x)")},
		"made twice":                {"onnx.malformed", define(t, call, 17, "p.f(a) -> b\nb = Relu(a)\nb = Relu(a)")},
		"too many inputs":           {"onnx.malformed", define(t, text(t, "in x float32 N 4\ny = p:f(x, x)\nout y float32 N 4"), 17, "p.f(a) -> b\nb = Relu(a)")},
		"defined twice":             {"onnx.malformed", define(t, call, 17, "p.f(a) -> b\nb = Relu(a)", "p.f(a) -> b\nb = Relu(a)")},
		"another operator set":      {"onnx.local-functions", define(t, call, 18, "p.f(a) -> b\nb = Relu(a)")},
	} {
		if _, err := relowered(t, c.data, nil); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestConditions(t *testing.T) {
	branches := []message{
		graphOf(t, "then_branch", "o", "k 4 64", "o = MatMul(x, k)"),
		graphOf(t, "else_branch", "o", "", "r = Relu(x)", "o = Concat(r, r, r, r, r, r, r, r, r, r, r, r, r, r, r, r) axis=1"),
	}
	sizes := "const two int64 = 4\nconst at int64 = 1\ns = Shape(x)\nd = Gather(s, at)\nc = Equal(d, two)\n"
	for _, c := range []struct {
		name, lines string
		dims        map[string]int64
		want        string
	}{
		{"a settled size", "in x float32 N 4\n" + sizes + "out y float32 N 64", nil, "MatMul"},
		{"a constant", "in x float32 N 4\nconst c bool = 0\nout y float32 N 64", nil, "Relu Concat"},
		{"the data", "in x float32 N 4\nconst z float32 scalar = 1\nm = ReduceMax(x) keepdims=0\nc = Greater(m, z)\nout y float32 N 64", nil, "ReduceMax Greater MatMul Relu Concat Where"},
		{"an input", "in x float32 N 4\nin c bool 1\nout y float32 N 64", nil, "MatMul Relu Concat Where"},
		{"the data of each item", "opset 18\nin x float32 1 4\nm = ReduceMax(x, last)\nconst last int64 = 1\nc = Cast(m) to=9\nout y float32 1 64", nil, "ReduceMax Cast MatMul Relu Concat Where"},
		{"an input with a value", "in x float32 N 4\nin n int64 1\nconst two int64 = 4\nc = Equal(n, two)\nout y float32 N 64", map[string]int64{"n": 4}, "MatMul"},
	} {
		l, err := relowered(t, withNode(t, text(t, c.lines), attributed(t, "y = If(c)", branches...)), c.dims)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		ops := []string{}
		for i := range l.Graph.Nodes {
			ops = append(ops, l.Graph.Nodes[i].Op)
		}
		if got := strings.Join(ops, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	// Branches of different shapes, of which an open size tells: all runs agree, and yet another size would not.
	squeeze := []message{graphOf(t, "then_branch", "o", "", "o = Relu(x)"), graphOf(t, "else_branch", "o", "", "r = Relu(x)", "o = Flatten(r)")}
	open := withNode(t, text(t, "in x float32 N seq 2\nconst one int64 = 1\nconst at int64 = 1\ns = Shape(x)\nd = Gather(s, at)\nc = Equal(d, one)\nout y float32"), attributed(t, "y = If(c)", squeeze...))
	_, err := relowered(t, open, nil)
	if e := diag.As(err); e == nil || e.Code != "onnx.control-flow" || !strings.Contains(e.Fix, "seq") {
		t.Errorf("%v", err)
	}
	if l, err := relowered(t, open, map[string]int64{"seq": 5}); err != nil || l.Graph.Nodes[len(l.Graph.Nodes)-1].Op != "Flatten" {
		t.Errorf("%v", err)
	}
	// Loops are named, all of them.
	loop := graphOf(t, "body", "o", "", "o = Relu(x)")
	two := withNode(t, withNode(t, text(t, "in x float32 N 4\nout y float32 N 4"), attributed(t, "a = Loop(x)", loop)), attributed(t, "y = Scan(a)", loop))
	if e := diag.As(func() error { _, err := relowered(t, two, nil); return err }()); e == nil || e.Code != "onnx.control-flow" || len(e.Details) != 2 {
		t.Errorf("%v", e)
	}
}

func TestOutputsThatAreNoTensors(t *testing.T) {
	lines := "in x float32 N 4\nlabel, p = ai.onnx.ml:LinearClassifier(x) classlabels_ints=0,1,2\nmaps = ai.onnx.ml:ZipMap(p)\n"
	var kind, typ, out message
	kind.message(1, nil)
	typ.message(4, kind)
	out.text(1, "maps")
	out.message(2, typ)
	withMaps := func(model []byte) []byte {
		var b message
		eachMessage(t, model, func(id protowire.Number, field, whole []byte) {
			if id != 7 {
				b = append(b, whole...)
				return
			}
			g := message(bytes.Clone(field))
			g.message(12, out)
			b.message(7, g)
		})
		return b
	}
	l, err := relowered(t, withMaps(text(t, lines+"out label int64 N")), nil)
	if err != nil || len(l.Graph.Outputs) != 2 || l.Graph.Outputs[1].Name != "p" || len(l.Notes) != 1 {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = relowered(t, withMaps(text(t, lines+"names = ai.onnx.ml:LabelEncoder(label) values_strings=\"a\"\nout names string N")), nil)
	if err != nil || len(l.Graph.Outputs) != 1 || len(l.Notes) != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := relowered(t, withMaps(text(t, "in x float32 N 4\nmaps = Relu(x)")), nil); diag.CodeOf(err) != "onnx.unsupported-output" {
		t.Errorf("%v", err)
	}
	if _, err := relowered(t, text(t, "in x int64 N\ny = ai.onnx.ml:LabelEncoder(x) values_strings=\"a\"\nout y string N"), nil); diag.CodeOf(err) != "onnx.unsupported-output" {
		t.Errorf("%v", err)
	}
}
