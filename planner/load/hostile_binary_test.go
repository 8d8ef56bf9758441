package load_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// proto is a protocol-buffer message under construction.
type proto []byte

func (p proto) number(id protowire.Number, v int64) proto {
	return protowire.AppendVarint(protowire.AppendTag(p, id, protowire.VarintType), uint64(v))
}

func (p proto) bytes(id protowire.Number, v []byte) proto {
	return protowire.AppendBytes(protowire.AppendTag(p, id, protowire.BytesType), v)
}

func (p proto) text(id protowire.Number, v string) proto { return p.bytes(id, []byte(v)) }

// protoPort is a ValueInfoProto of float32.
func protoPort(name string, dims ...int64) proto {
	var shape proto
	for _, d := range dims {
		shape = shape.bytes(1, proto(nil).number(1, d))
	}
	return proto(nil).text(1, name).bytes(2, proto(nil).bytes(1, proto(nil).number(1, 1).bytes(2, shape)))
}

func protoNode(op string, inputs, outputs []string, attributes ...proto) proto {
	var n proto
	for _, in := range inputs {
		n = n.text(1, in)
	}
	for _, out := range outputs {
		n = n.text(2, out)
	}
	n = n.text(4, op)
	for _, a := range attributes {
		n = n.bytes(5, a)
	}
	return n
}

// protoTensor is a TensorProto of 1 float32 or 7 int64, with its elements as raw bytes, or with other fields.
func protoTensor(name string, kind int64, dims []int64, raw []byte, more ...proto) proto {
	var t proto
	for _, d := range dims {
		t = t.number(1, d)
	}
	t = t.number(2, kind).text(8, name)
	if raw != nil {
		t = t.bytes(9, raw)
	}
	return append(t, bytes.Join(toBytes(more), nil)...)
}

func toBytes(messages []proto) [][]byte {
	var list [][]byte
	for _, m := range messages {
		list = append(list, m)
	}
	return list
}

// protoModel is a ModelProto with a graph from x to y.
func protoModel(graph proto) []byte {
	graph = graph.text(2, "g").bytes(11, protoPort("x", 2, 2)).bytes(12, protoPort("y", 2, 2))
	return proto(nil).number(1, 8).bytes(8, proto(nil).text(1, "").number(2, 17)).bytes(7, graph)
}

// elsewhere marks a tensor's data as external.
func elsewhere(pairs ...string) proto {
	var t proto
	for i := 0; i < len(pairs); i += 2 {
		t = t.bytes(13, proto(nil).text(1, pairs[i]).text(2, pairs[i+1]))
	}
	return t.number(14, 1)
}

func int64s(values ...int64) []byte {
	var raw []byte
	for _, v := range values {
		raw = protowire.AppendFixed64(raw, uint64(v))
	}
	return raw
}

func hostileONNX() []hostileCase {
	relu := protoNode("Relu", []string{"x"}, []string{"y"})
	matmul := protoNode("MatMul", []string{"x", "w"}, []string{"y"})
	file := func(name, code string, data func() []byte) hostileCase {
		return one("onnx/"+name, code, "m.onnx", data)
	}
	graph := func(name, code string, g func() proto) hostileCase {
		return file(name, code, func() []byte { return protoModel(g()) })
	}
	weight := func(name, code string, t proto) hostileCase {
		return graph(name, code, func() proto { return proto(nil).bytes(1, matmul).bytes(5, t) })
	}
	outside := func(name, code string, pairs ...string) hostileCase {
		return hostileCase{"onnx/" + name, code, func() []hostileFile {
			t := protoTensor("w", 1, []int64{2, 2}, nil, elsewhere(pairs...))
			return []hostileFile{{"m.onnx", protoModel(proto(nil).bytes(1, matmul).bytes(5, t))}, {"w.bin", make([]byte, 16)}}
		}}
	}
	chain := func(n int, g proto, op string, reads func(i int) []string) proto {
		for i := range n {
			out := fmt.Sprint("v", i)
			if i == n-1 {
				out = "y"
			}
			g = g.bytes(1, protoNode(op, reads(i), []string{out}))
		}
		return g
	}
	before := func(i int) string {
		if i == 0 {
			return "x"
		}
		return fmt.Sprint("v", i-1)
	}
	return []hostileCase{
		file("nothing but a first field", "onnx.malformed", func() []byte { return []byte("\x08\x08\x12\x00") }),
		file("an endless number", "onnx.malformed", func() []byte { return append([]byte{8}, bytes.Repeat([]byte{0xff}, 1<<20)...) }),
		file("lengths of 2^63", "onnx.malformed", func() []byte { return []byte("\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f") }),
		file("a million empty fields", "onnx.malformed", func() []byte { return append([]byte("\x08\x08"), bytes.Repeat([]byte{0x32, 0}, 4<<20)...) }),
		file("a million operator sets", "onnx.malformed", func() []byte { return append([]byte("\x08\x08"), bytes.Repeat([]byte{0x42, 0}, 4<<20)...) }),
		file("messages 100,000 deep", "onnx.too-large", func() []byte {
			// A graph in an attribute of a node in a graph in an attribute.
			g := proto(nil).bytes(1, relu)
			for len(g) < 1<<20 {
				inner := g
				for range 100 {
					inner = proto(nil).bytes(1, proto(nil).text(4, "If").bytes(5, proto(nil).text(1, "then").bytes(6, inner)))
				}
				g = append(inner, bytes.Repeat([]byte{0x52, 0}, 1<<16)...)
			}
			return protoModel(g)
		}),
		graph("cycle", "onnx.cycle", func() proto {
			return proto(nil).bytes(1, protoNode("Add", []string{"x", "b"}, []string{"a"})).bytes(1, protoNode("Relu", []string{"a"}, []string{"b"})).bytes(1, protoNode("Relu", []string{"b"}, []string{"y"}))
		}),
		graph("cycle of 11,000", "onnx.cycle", func() proto {
			return chain(11_000, nil, "Add", func(i int) []string { return []string{before(i), "y"} })
		}),
		graph("chain of 90,000", "onnx.too-large", func() proto { return chain(90_000, nil, "Relu", func(i int) []string { return []string{before(i)} }) }),
		graph("chain of 50,000, backwards", "onnx.too-large", func() proto {
			g := proto(nil)
			for i := 49_999; i >= 0; i-- {
				out := fmt.Sprint("v", i)
				if i == 49_999 {
					out = "y"
				}
				g = g.bytes(1, protoNode("Relu", []string{before(i)}, []string{out}))
			}
			return g
		}),
		graph("chain of 10,000, backwards", "", func() proto {
			g := proto(nil)
			for i := 9_999; i >= 0; i-- {
				out := fmt.Sprint("v", i)
				if i == 9_999 {
					out = "y"
				}
				g = g.bytes(1, protoNode("Relu", []string{before(i)}, []string{out}))
			}
			return g
		}),
		graph("chain of 11,000", "", func() proto { return chain(11_000, nil, "Relu", func(i int) []string { return []string{before(i)} }) }),
		graph("11,000 nodes of one name", "", func() proto {
			var g proto
			for i := range 11_000 {
				out := fmt.Sprint("v", i)
				if i == 10_999 {
					out = "y"
				}
				g = g.bytes(1, protoNode("Relu", []string{before(i)}, []string{out}).text(3, "n"))
			}
			return g
		}),
		graph("11,000 names that are made of underscores", "", func() proto {
			return chain(11_000, nil, "Relu", func(i int) []string { return []string{before(i)} }).bytes(1, protoNode("Relu", []string{"x"}, []string{strings.Repeat("_", 1<<19)}))
		}),
		graph("chain of 10,500 on a weight", "", func() proto {
			g := proto(nil).bytes(5, protoTensor("w", 1, []int64{32, 2, 2}, make([]byte, 512)))
			last := "w"
			for i := range 10_500 {
				g = g.bytes(1, protoNode("Relu", []string{last}, []string{fmt.Sprint("u", i)}))
				last = fmt.Sprint("u", i)
			}
			return g.bytes(1, protoNode("Add", []string{"x", last}, []string{"y"}))
		}),
		graph("10,000 tensors alive at once", "", func() proto {
			g := proto(nil)
			var all []string
			for i := range 10_000 {
				g = g.bytes(1, protoNode("Relu", []string{"x"}, []string{fmt.Sprint("v", i)}))
				all = append(all, fmt.Sprint("v", i))
			}
			return g.bytes(1, protoNode("Sum", all, []string{"y"}))
		}),
		graph("sums of all before", "onnx.too-large", func() proto {
			return chain(20_000, nil, "Sum", func(i int) []string {
				all := []string{"x"}
				for k := max(0, i-50); k < i; k++ {
					all = append(all, fmt.Sprint("v", k))
				}
				return all
			})
		}),
		graph("one node reads a million times", "onnx.too-large", func() proto {
			all := make([]string, 1<<20)
			for i := range all {
				all[i] = "x"
			}
			return proto(nil).bytes(1, protoNode("Sum", all, []string{"y"}))
		}),
		graph("40,000 tensors alive at once", "onnx.too-large", func() proto {
			g := proto(nil)
			var all []string
			for i := range 40_000 {
				g = g.bytes(1, protoNode("Relu", []string{"x"}, []string{fmt.Sprint("v", i)}))
				all = append(all, fmt.Sprint("v", i))
			}
			return g.bytes(1, protoNode("Sum", all, []string{"y"}))
		}),
		graph("joins that double 60 times", "onnx.bad-node", func() proto {
			return chain(60, nil, "Concat", func(i int) []string { return []string{before(i), before(i)} })
		}),
		graph("constants that double", "onnx.bad-node", func() proto {
			g := proto(nil).bytes(5, protoTensor("c", 7, []int64{1}, int64s(1)))
			axis := proto(nil).text(1, "axis").number(3, 0).number(20, 2)
			last := "c"
			for i := range 70 {
				g = g.bytes(1, protoNode("Concat", []string{last, last}, []string{fmt.Sprint("c", i)}, axis))
				last = fmt.Sprint("c", i)
			}
			return g.bytes(1, protoNode("Expand", []string{"x", last}, []string{"y"}))
		}),
		graph("ranges of 2^62, many times", "onnx.bad-node", func() proto {
			g := proto(nil).bytes(5, protoTensor("a", 7, nil, int64s(0))).bytes(5, protoTensor("b", 7, nil, int64s(1<<62))).bytes(5, protoTensor("c", 7, nil, int64s(1)))
			var all []string
			for i := range 1000 {
				g = g.bytes(1, protoNode("Range", []string{"a", "b", "c"}, []string{fmt.Sprint("r", i)}))
				all = append(all, fmt.Sprint("r", i))
			}
			return g.bytes(1, protoNode("Sum", all, []string{"y"}))
		}),
		graph("9,000 constants of 1,024", "", func() proto {
			g := proto(nil).bytes(5, protoTensor("n", 7, []int64{1}, int64s(1024)))
			var all []string
			for i := range 9_000 {
				g = g.bytes(1, protoNode("ConstantOfShape", []string{"n"}, []string{fmt.Sprint("r", i)}))
				all = append(all, fmt.Sprint("r", i))
			}
			return g.bytes(1, protoNode("Sum", all, []string{"y"}))
		}),
		graph("expansion to 2^80", "onnx.bad-node", func() proto {
			return proto(nil).bytes(5, protoTensor("s", 7, []int64{3}, int64s(1<<40, 1<<40, 2))).bytes(1, protoNode("Expand", []string{"x", "s"}, []string{"y"}))
		}),
		graph("tiles of 2^62", "onnx.bad-node", func() proto {
			return proto(nil).bytes(5, protoTensor("s", 7, []int64{2}, int64s(1<<62, 1<<62))).bytes(1, protoNode("Tile", []string{"x", "s"}, []string{"y"}))
		}),
		graph("pads of 2^62", "onnx.bad-node", func() proto {
			return proto(nil).bytes(5, protoTensor("s", 7, []int64{4}, int64s(1<<62, 1<<62, 1<<62, 1<<62))).bytes(1, protoNode("Pad", []string{"x", "s"}, []string{"y"}))
		}),
		graph("reshape to -2^63", "onnx.bad-node", func() proto {
			return proto(nil).bytes(5, protoTensor("s", 7, []int64{2}, int64s(math.MinInt64, math.MinInt64))).bytes(1, protoNode("Reshape", []string{"x", "s"}, []string{"y"}))
		}),
		graph("axes of 2^62", "onnx.bad-node", func() proto {
			return proto(nil).bytes(1, protoNode("Concat", []string{"x", "x"}, []string{"y"}, proto(nil).text(1, "axis").number(3, 1<<62).number(20, 2)))
		}),
		file("an input of 2^62 by 2^62", "onnx.bad-node", func() []byte {
			return proto(nil).number(1, 8).bytes(8, proto(nil).number(2, 17)).bytes(7, proto(nil).bytes(1, relu).bytes(11, protoPort("x", 1<<62, 1<<62)).bytes(12, protoPort("y", 1)))
		}),
		file("an input of 100,000 dimensions", "onnx.unsupported-input", func() []byte {
			dims := make([]int64, 100_000)
			return proto(nil).number(1, 8).bytes(8, proto(nil).number(2, 17)).bytes(7, proto(nil).bytes(1, relu).bytes(11, protoPort("x", dims...)).bytes(12, protoPort("y", 1)))
		}),
		file("a negative input", "", func() []byte { // as a dimension that is open
			return proto(nil).number(1, 8).bytes(8, proto(nil).number(2, 17)).bytes(7, proto(nil).bytes(1, relu).bytes(11, protoPort("x", -5, 2)).bytes(12, protoPort("y", -5, 2)))
		}),
		file("100,000 inputs", "onnx.too-large", func() []byte {
			g := proto(nil).bytes(1, relu)
			for i := range 400_000 {
				g = g.bytes(11, protoPort(fmt.Sprint("x", i), 1))
			}
			return protoModel(g)
		}),
		weight("a weight of negative size", "onnx.bad-tensor", protoTensor("w", 1, []int64{-2, -2}, make([]byte, 16))),
		weight("a weight of 2^126", "onnx.bad-tensor", protoTensor("w", 1, []int64{math.MaxInt64, math.MaxInt64}, make([]byte, 16))),
		weight("a weight whose size is 4 after overflow", "onnx.bad-tensor", protoTensor("w", 1, []int64{1 << 32, 1 << 32, 4}, make([]byte, 16))),
		weight("a weight of 100,000 dimensions", "onnx.bad-tensor", protoTensor("w", 1, make([]int64, 100_000), []byte{})),
		weight("a weight with too few bytes", "onnx.bad-tensor", protoTensor("w", 1, []int64{1 << 20, 1 << 20}, make([]byte, 16))),
		weight("a weight with dimensions of a million numbers", "onnx.bad-tensor", protoTensor("w", 1, nil, make([]byte, 16), proto(nil).bytes(1, bytes.Repeat([]byte{1}, 1<<20)))),
		outside("external data beyond its file", "onnx.bad-external-data", "location", "w.bin", "offset", "4"),
		outside("external data at 2^63-1", "onnx.bad-external-data", "location", "w.bin", "offset", "9223372036854775807"),
		outside("external data at 2^64", "onnx.bad-external-data", "location", "w.bin", "offset", "18446744073709551616"),
		outside("external data before its file", "onnx.bad-external-data", "location", "w.bin", "offset", "-16"),
		outside("external data longer than it is", "onnx.bad-external-data", "location", "w.bin", "length", "1000000000000"),
		outside("external data of a system file", "onnx.bad-external-data", "location", "/etc/passwd"),
		outside("external data upwards", "onnx.bad-external-data", "location", "a/../../w.bin"),
		outside("external data upwards on Windows", "onnx.bad-external-data", "location", `..\w.bin`),
		outside("external data in the model itself", "weights.external-data", "location", "m.onnx", "offset", "0"),
		outside("external data nowhere", "onnx.bad-external-data", "offset", "0"),
		outside("external data with a name of a megabyte", "onnx.too-large", "location", strings.Repeat("w", 2<<20)),
		graph("5,000 external files", "", func() proto { // a model without weights
			g := proto(nil)
			for i := range 5000 {
				g = g.bytes(5, protoTensor(fmt.Sprint("w", i), 1, []int64{2, 2}, nil, elsewhere("location", fmt.Sprintf("%d.bin", i))))
				out := fmt.Sprint("v", i)
				if i == 4999 {
					out = "y"
				}
				g = g.bytes(1, protoNode("MatMul", []string{before(i), fmt.Sprint("w", i)}, []string{out}))
			}
			return g
		}),
	}
}

// tfjs is a model.json of one Dense layer, 2 numbers to 2, with a list of weights.
func tfjs(paths, weights string) string {
	return string(tfjsModel(`[{"paths": [` + paths + `], "weights": [` + weights + `]}]`))
}

func hostileTFJS() []hostileCase {
	const good = `{"name": "fc/kernel", "shape": [2, 2], "dtype": "float32"}, {"name": "fc/bias", "shape": [2], "dtype": "float32"}`
	with := func(name, code, paths, weights string, size int) hostileCase {
		return hostileCase{"tfjs/" + name, code, func() []hostileFile {
			return []hostileFile{{"model.json", []byte(tfjs(paths, weights))}, {"a.bin", make([]byte, size)}}
		}}
	}
	quantized := func(q string) string { return strings.Replace(good, `"float32"`, `"float32", "quantization": `+q, 1) }
	return []hostileCase{
		with("short shard", "weights.wrong-size", `"a.bin"`, good, 20),
		with("long shard", "weights.wrong-size", `"a.bin"`, good, 1<<20),
		with("shard used twice", "weights.wrong-size", `"a.bin", "a.bin"`, good, 24),
		with("path upwards", "tfjs.bad-path", `"../a.bin"`, good, 24),
		with("path upwards in the middle", "tfjs.bad-path", `"b/../../a.bin"`, good, 24),
		with("absolute path", "tfjs.bad-path", `"/etc/passwd"`, good, 24),
		with("address", "tfjs.bad-path", `"file:///etc/passwd"`, good, 24),
		with("path with a zero byte", "tfjs.bad-path", `"a.bin\u0000.h5"`, good, 24),
		with("the model as a shard", "weights.missing-shards", `"a.bin", "model.json"`, good, 24),
		with("quantised in bits of 3", "tfjs.bad-manifest", `"a.bin"`, quantized(`{"dtype": "uint3", "scale": 1, "min": 0}`), 24),
		with("quantised without scale", "tfjs.bad-manifest", `"a.bin"`, quantized(`{"dtype": "uint8", "min": 0}`), 24),
		with("quantised with a text as scale", "tfjs.bad-manifest", `"a.bin"`, quantized(`{"dtype": "uint8", "min": 0, "scale": "1"}`), 24),
		with("quantised, shard of full size", "weights.wrong-size", `"a.bin"`, quantized(`{"dtype": "uint8", "min": 0, "scale": 1}`), 24),
		with("quantised with a scale beyond float32", "tfjs.bad-manifest", `"a.bin"`, quantized(`{"dtype": "uint8", "min": 0, "scale": 1e300}`), 12),
		with("a scale beyond all", "model.not-a-model", `"a.bin"`, quantized(`{"dtype": "uint8", "min": 0, "scale": 1e999}`), 12),
		with("negative shape", "tfjs.bad-manifest", `"a.bin"`, strings.Replace(good, "2, 2", "-2, -2", 1), 24),
		with("shape that overflows", "tfjs.bad-manifest", `"a.bin"`, strings.Replace(good, "2, 2", "4294967296, 4294967296, 4", 1), 24),
		with("shape of 0.5", "tfjs.bad-manifest", `"a.bin"`, strings.Replace(good, "2, 2", "0.5, 8", 1), 24),
		with("complex numbers", "weights.shape-mismatch", `"a.bin"`, strings.Replace(good, "float32", "complex64", 1), 40),
		with("a tensor of 2^44 that no layer has", "tfjs.bad-manifest", `"a.bin"`, good+`, {"name": "z/z", "shape": [17592186044416], "dtype": "float32"}`, 24),
		{"tfjs/100,000 shards", "keras.too-large", func() []hostileFile {
			return []hostileFile{{"model.json", []byte(tfjs(strings.Join(many(100_000, func(i int) string { return fmt.Sprintf(`"s%d.bin"`, i) }), ","), good))}, {"a.bin", make([]byte, 24)}}
		}},
		{"tfjs/19,000 shards that are missing", "weights.missing-shards", func() []hostileFile {
			return []hostileFile{{"model.json", []byte(tfjs(strings.Join(many(19_000, func(i int) string { return fmt.Sprintf(`"s%d.bin"`, i) }), ","), good))}, {"a.bin", make([]byte, 24)}, {"b.bin", make([]byte, 24)}}
		}},
		{"tfjs/20,000 tensors of deep names", "weights.extra-layers", func() []hostileFile {
			deep := strings.Repeat("a/", 150)
			return []hostileFile{{"model.json", []byte(tfjs(`"a.bin"`, good+","+strings.Join(many(20_000, func(i int) string {
				return fmt.Sprintf(`{"name": "%s%d", "shape": [0], "dtype": "float32"}`, deep, i)
			}), ",")))}, {"a.bin", make([]byte, 24)}}
		}},
	}
}
