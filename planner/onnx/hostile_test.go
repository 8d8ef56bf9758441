package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
)

// open does all that is done with a file from a stranger.
func open(data []byte) error {
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	l, err := f.Lower(Options{})
	if err != nil {
		return err
	}
	src, err := f.Weights(l.Graph, Data{Size: int64(len(data)), Reader: bytes.NewReader(data)})
	if err != nil {
		return err
	}
	for i := range l.Graph.Values {
		if w := l.Graph.Values[i].Weight; w != nil {
			t, err := src.Tensor(w.Key)
			if err != nil {
				return err
			}
			n := t.Shape().Elements(1)
			if err := t.ReadFloat32s(make([]float32, min(n, 64)), max(0, n-64)); err != nil {
				return err
			}
		}
	}
	if w := l.Graph.TotalWork(); w.MACs < 0 || w.FLOPs < 0 {
		return fmt.Errorf("the work is %+v", w)
	}
	l.Graph.Cuts()
	return l.Graph.Validate()
}

// withInitializer is a small model with one more initializer.
func withInitializer(t testing.TB, tensor message) []byte {
	model := text(t, "in x float32 N 4\nweight big float32 4 64\ny = MatMul(x, w)\nout y float32 N 64")
	var g message
	var b message
	eachField(t, model, func(num int, v []byte) {
		if num == 7 {
			g = append(g, v...)
		}
	})
	g.message(5, tensor)
	b.int(1, 8)
	b.message(7, g)
	var o message
	o.int(2, 17)
	b.message(8, o)
	return b
}

func eachField(t testing.TB, b []byte, f func(num int, v []byte)) {
	s := newScanner(bytes.NewReader(b), int64(len(b)))
	if err := s.fields(part{0, int64(len(b))}, func(x field) error {
		f(int(x.id), b[x.part.at:x.part.end])
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func tensorOf(name string, d graph.DType, dims []int64, fill func(b *message)) message {
	var b message
	for _, n := range dims {
		b.int(1, n)
	}
	b.int(2, int64(d))
	b.text(8, name)
	fill(&b)
	return b
}

func external(entries ...string) func(b *message) {
	return func(b *message) {
		for i := 0; i < len(entries); i += 2 {
			var e message
			e.text(1, entries[i])
			e.text(2, entries[i+1])
			b.message(13, e)
		}
		b.int(14, 1)
	}
}

// TestHostile gives a stable code to each kind of broken file.
func TestHostile(t *testing.T) {
	good := text(t, "in x float32 N 4\nweight w float32 4 64\ny = MatMul(x, w)\nout y float32 N 64")
	if err := open(good); err != nil {
		t.Fatal(err)
	}
	raw := func(n int) func(b *message) { return func(b *message) { b.bytes(9, make([]byte, n)) } }
	var many strings.Builder
	many.WriteString("in x float32 1\n")
	for i := range 50 {
		fmt.Fprintf(&many, "v%d = Concat(%s) axis=0\n", i, strings.TrimSuffix(strings.Repeat(map[bool]string{true: "x", false: fmt.Sprintf("v%d", i-1)}[i == 0]+", ", 4), ", "))
	}
	many.WriteString("out v49 float32 1")
	loop := func() []byte {
		var body, a, n, g message
		body.text(2, "body")
		a.text(1, "body")
		a.message(6, body)
		a.int(20, 5)
		n.element(1, "x")
		n.element(2, "y")
		n.text(4, "Loop")
		n.message(5, a)
		g.message(1, n)
		in := port{name: "x", dtype: graph.Float32, ranks: true, dims: []dimension{{size: 1}}}
		g.message(11, in.proto())
		out := port{name: "y", dtype: graph.Float32}
		g.message(12, out.proto())
		return file(17, g)
	}
	for _, c := range []struct {
		name, code string
		data       []byte
	}{
		{"nothing", "onnx.malformed", nil},
		{"truncated", "onnx.malformed", good[:len(good)/2]},
		{"no fields", "onnx.malformed", []byte("\x00\x00\x00\x00")},
		{"a group", "onnx.malformed", []byte("\x08\x08\x3b\x3c")},
		{"an endless number", "onnx.malformed", append([]byte{8}, bytes.Repeat([]byte{0xff}, 30)...)},
		{"a length beyond the file", "onnx.malformed", []byte("\x08\x08\x3a\xff\xff\xff\xff\x7f")},
		{"opset 6", "onnx.unsupported-opset", text(t, "opset 6\nin x float32 1\ny = Relu(x)\nout y float32 1")},
		{"opset 99", "onnx.unsupported-opset", text(t, "opset 99\nin x float32 1\ny = Relu(x)\nout y float32 1")},
		{"no nodes", "onnx.malformed", text(t, "in x float32 1\nout y float32 1")},
		{"output is an input alone", "onnx.empty", text(t, "in x float32 1\nout x float32 1")},
		{"cycle", "onnx.cycle", text(t, "in x float32 1\na = Add(x, b)\nb = Relu(a)\nout b float32 1")},
		{"own input", "onnx.cycle", text(t, "in x float32 1\na = Add(x, a)\nout a float32 1")},
		{"made twice", "onnx.malformed", text(t, "in x float32 1\na = Relu(x)\na = Exp(x)\nout a float32 1")},
		{"read of nothing", "onnx.malformed", text(t, "in x float32 1\na = Relu(z)\nout a float32 1")},
		{"unknown operators, all told", "onnx.unknown-operator", text(t, "in x float32 1\na = Strange(x)\nb = custom:Odd(x)\nc = Add(a, b)\nout c float32 1")},
		{"shape that the data decide", "onnx.data-dependent-shape", text(t, "in x float32 3\ni = NonZero(x)\nout i int64 1 n")},
		{"operator that does not fit", "onnx.bad-node", text(t, "in x float32 2 3\nweight w float32 4 5\ny = MatMul(x, w)\nout y float32 2 5")},
		{"negative size", "onnx.bad-node", text(t, "in x float32 2 3\nconst s int64 = -5 -1\ny = Reshape(x, s)\nout y float32 2 5")},
		{"pads of more than all", "onnx.bad-node", text(t, "in x float32 2 3\nconst p int64 = 0 0 -5 0\ny = Pad(x, p)\nout y float32 2 5")},
		{"axis far out", "onnx.bad-node", text(t, "in x float32 2 3\ny = Concat(x, x) axis=-9223372036854775808\nout y float32 2 5")},
		{"steps far out", "onnx.bad-node", text(t, "in x float32 2 3\nconst a int64 = -9223372036854775808\nconst b int64 = 9223372036854775807\nconst z int64 = 0\nconst s int64 = -9223372036854775808\ny = Slice(x, b, a, z, s)\nq = Concat(y, x) axis=1\nout q float32 2 5")},
		{"huge input", "onnx.bad-node", text(t, "in x float32 4611686018427387904 4611686018427387904\ny = Relu(x)\nout y float32 1")},
		{"growth without end", "onnx.bad-node", text(t, many.String())},
		{"expansion without end", "onnx.bad-node", text(t, "in x float32 1\nconst s int64 = 1099511627776 1099511627776\ny = Expand(x, s)\nout y float32 1")},
		{"loop", "onnx.control-flow", loop()},
		{"input of strings", "onnx.unsupported-input", text(t, "in x string 1\ny = Identity(x)\nout y float32 1")},
		{"input without shape", "onnx.unsupported-input", text(t, "in x float32\ny = Identity(x)\nout y float32 1")},
		{"negative dimension of a weight", "onnx.bad-tensor", withInitializer(t, tensorOf("w", graph.Float32, []int64{-4, 64}, raw(16)))},
		{"absurd shape of a weight", "onnx.bad-tensor", withInitializer(t, tensorOf("w", graph.Float32, []int64{math.MaxInt64, math.MaxInt64}, raw(16)))},
		{"weight without bytes", "onnx.bad-tensor", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, func(*message) {}))},
		{"weight with too few bytes", "onnx.bad-tensor", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, raw(1000)))},
		{"weight of an unknown type", "onnx.unsupported-tensor", withInitializer(t, tensorOf("w", 22, []int64{4, 64}, raw(128)))},
		{"weights elsewhere", "weights.external-data", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, external("location", "w.bin", "offset", "0", "length", "1024")))},
		{"path out of the folder", "onnx.bad-external-data", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, external("location", "../w.bin")))},
		{"path out of the folder in the middle", "onnx.bad-external-data", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, external("location", "a/../../w.bin")))},
		{"absolute path", "onnx.bad-external-data", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, external("location", "/etc/passwd")))},
		{"path of Windows", "onnx.bad-external-data", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, external("location", "C:w.bin")))},
		{"negative offset", "onnx.bad-external-data", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, external("location", "w", "offset", "-1")))},
		{"wrong length", "onnx.bad-external-data", withInitializer(t, tensorOf("w", graph.Float32, []int64{4, 64}, external("location", "w", "length", "5")))},
		{"many nodes", "onnx.too-large", file(17, bytes.Repeat([]byte{0x0a, 0x00}, maxNodes+1))},
		{"many initializers", "onnx.too-large", file(17, bytes.Repeat([]byte("\x2a\x08\x10\x01\x4a\x04\x00\x00\x00\x00"), maxTensors+1))},
		{"a name of megabytes", "onnx.too-large", func() []byte {
			var g message
			g.text(2, strings.Repeat("x", maxText+1))
			return file(17, g)
		}()},
		{"names without end", "onnx.too-large", func() []byte {
			var g, n message
			for range 1_000_000 {
				n.element(1, "x")
			}
			g.message(1, n)
			return file(17, g)
		}()},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := open(c.data)
			runtime.ReadMemStats(&after)
			if diag.CodeOf(err) != c.code {
				t.Errorf("%v", err)
			}
			if e := diag.As(err); e != nil && (e.Found == "" || e.Fix == "" || e.Doing == "") {
				t.Errorf("it does not say enough: %v", err)
			}
			t.Logf("%v, %d kB allocated: %v", time.Since(began), (after.TotalAlloc-before.TotalAlloc)>>10, err)
			if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 128<<20 {
				t.Errorf("%d MB were allocated", bytes>>20)
			}
		})
	}
}

// TestAllProblemsAtOnce: a model with several unknown operators is told about all of them.
func TestAllProblemsAtOnce(t *testing.T) {
	err := open(text(t, "in x float32 1\na = Strange(x)\nb = custom:Odd(x)\nc = Add(a, b)\nout c float32 1"))
	e := diag.As(err)
	if e == nil || len(e.Details) != 2 || !strings.Contains(e.Details[0], "a (Strange)") || !strings.Contains(e.Details[1], "b (custom.Odd)") {
		t.Errorf("%v", err)
	}
}

// TestStoredForms reads one tensor in every form in which ONNX stores numbers.
func TestStoredForms(t *testing.T) {
	values := make([]float32, 256)
	for i := range values {
		values[i] = float32(i) - 100
	}
	packed := func(id int, element func(b *message, v float32)) func(b *message) {
		return func(b *message) {
			var list message
			for _, v := range values {
				element(&list, v)
			}
			b.bytes(protowire.Number(id), list)
		}
	}
	le := binary.LittleEndian
	varint := func(b *message, n uint64) { *b = binary.AppendUvarint(*b, n) }
	outside := make([]byte, 4096)
	for _, v := range values {
		outside = le.AppendUint32(outside, math.Float32bits(v))
	}
	for _, c := range []struct {
		name  string
		dtype graph.DType
		fill  func(b *message)
	}{
		{"raw float32", graph.Float32, packed(9, func(b *message, v float32) { *b = le.AppendUint32(*b, math.Float32bits(v)) })},
		{"float_data", graph.Float32, packed(4, func(b *message, v float32) { *b = le.AppendUint32(*b, math.Float32bits(v)) })},
		{"double_data", graph.Float64, packed(10, func(b *message, v float32) { *b = le.AppendUint64(*b, math.Float64bits(float64(v))) })},
		{"raw bfloat16", graph.BFloat16, packed(9, func(b *message, v float32) { *b = le.AppendUint16(*b, uint16(math.Float32bits(v)>>16)) })},
		{"bits of float16 in int32_data", graph.Float16, packed(5, func(b *message, v float32) { varint(b, uint64(toHalf(v))) })},
		{"int32_data", graph.Int32, packed(5, func(b *message, v float32) { varint(b, uint64(int64(v))) })},
		{"int8 in int32_data", graph.Int8, packed(5, func(b *message, v float32) { varint(b, uint64(int64(max(v, -128)))) })},
		{"int64_data", graph.Int64, packed(7, func(b *message, v float32) { varint(b, uint64(int64(v))) })},
		{"external", graph.Float32, external("location", "weights.bin", "offset", "4096", "length", "1024")},
		{"external without length", graph.Float32, external("location", "./weights.bin", "offset", "4096")},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := withInitializer(t, tensorOf("w", c.dtype, []int64{4, 64}, c.fill))
			f, err := Read(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			// MatMul takes floats alone; the tensor itself is what this is about.
			g := &graph.Graph{Values: []graph.Value{{Name: "w", DType: c.dtype, Shape: graph.Shape{4, 64}, Weight: &graph.Weight{Key: "w", Stored: graph.Shape{4, 64}}}}}
			src, err := f.Weights(g, Data{Size: int64(len(data)), Reader: bytes.NewReader(data)}, Data{Name: "some/weights.bin", Size: int64(len(outside)), Reader: bytes.NewReader(outside)})
			if err != nil {
				t.Fatal(err)
			}
			tensor, err := src.Tensor("w")
			if err != nil {
				t.Fatal(err)
			}
			// In parts, and backwards.
			for _, at := range []int64{200, 0, 100} {
				got := make([]float32, 56)
				if err := tensor.ReadFloat32s(got, at); err != nil {
					t.Fatal(err)
				}
				for i, v := range got {
					want := values[at+int64(i)]
					if c.dtype == graph.Int8 && want > 127 {
						want -= 256
					}
					if v != want && !(c.dtype == graph.BFloat16 && math.Abs(float64(v-want)) <= 1) {
						t.Fatalf("element %d is %g, want %g", at+int64(i), v, want)
					}
				}
			}
		})
	}
}

// toHalf converts small whole numbers.
func toHalf(v float32) uint16 {
	b := math.Float32bits(v)
	if v == 0 {
		return 0
	}
	return uint16(b>>31<<15 | (b>>23&255-112)<<10 | b>>13&1023)
}

// FuzzONNX opens whatever comes: it ends with a graph that is valid or with a coded error.
func FuzzONNX(f *testing.F) {
	for _, model := range []string{
		"in x float32 N 4\nweight w float32 4 64\ny = MatMul(x, w)\nout y float32 N 64",
		"in x float32 N 3 4 5\nconst zero int64 scalar = 0\nconst axes int64 = 0\nconst rest int64 = 60\ns = Shape(x)\nn = Gather(s, zero)\nn1 = Unsqueeze(n, axes)\nto = Concat(n1, rest) axis=0\ny = Reshape(x, to)\nout y float32 N 60",
		"opset 11\nin x float32 N 3 h w\nweight k float32 8 3 3 3\nconst r float32 = \nconst s float32 = 1 1 2 2\nc = Conv(x, k) pads=1,1,1,1\np, i = MaxPool(c) kernel_shape=2,2 strides=2,2\ny = Resize(p, r, s) mode=\"nearest\"\nout y float32 N 8 h w",
		"in x float32 2 6\nconst p int64 = 0 1 0 1\nconst a int64 = 0\nconst b int64 = 4\nconst one int64 = 1\np1 = Pad(x, p)\ns = Slice(p1, a, b, one)\nt = Tile(s, q)\nconst q int64 = 1 2\nu, v = Split(t) axis=1\ny = Where(m, u, v)\nm = Less(u, v)\nout y float32 2 4",
		"in x float32 1 5 4\nweight w float32 1 12 4\nweight r float32 1 12 3\ny, h = RNN(x, w, r) hidden_size=3\nz = Einsum(y, h) equation=\"abcd,bce->ad\"\nout z float32",
	} {
		f.Add([]byte(text(f, model)))
	}
	call := text(f, "in x float32 N 4\ny = p:f(x)\nout y float32 N 4")
	f.Add(define(f, call, 17, "p.f(a) -> b\nc = p:g(a)\nb = p:g(c)", "p.g(a) -> b\nb = Relu(a)"))
	f.Add(withNode(f, text(f, "in x float32 N 4\nin c bool 1\nout y float32"), attributed(f, "y = If(c)", graphOf(f, "then_branch", "o", "k 4 64", "o = MatMul(x, k)"), graphOf(f, "else_branch", "o", "k 4 64", "o = MatMul(x, k)"))))
	if err := filepath.WalkDir("testdata", func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".onnx") {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f.Add(data)
		}
		return err
	}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := open(data); err != nil && diag.As(err) == nil {
			t.Error(err)
		}
	})
}
