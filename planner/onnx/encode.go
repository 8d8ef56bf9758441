package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/graph"
)

// Encode gives the bytes of the file. It panics on a Model that no graph gives rise to: a constant of a type that
// graph.Const cannot hold, or an attribute of no kind.
func (m *Model) Encode() []byte {
	var b message
	b.int(1, IRVersion)
	b.text(2, m.Producer)
	b.message(7, m.graphProto())
	m.opsetProtos(&b)
	return b
}

func (m *Model) opsetProtos(b *message) {
	for _, set := range m.opsets() {
		var o message
		o.text(1, set.domain)
		o.int(2, set.version)
		b.message(8, o)
	}
}

type opset struct {
	domain  string
	version int64
}

// opsets lists the operator sets that the nodes need, ai.onnx first. ONNX Runtime's own sets are all at version 1.
// Those of other domains are as the model says.
func (m *Model) opsets() []opset {
	seen := map[string]bool{}
	for i := range m.Nodes {
		if d := m.Nodes[i].Domain; d != "" && d != "ai.onnx" {
			seen[d] = true
		}
	}
	sets := []opset{{"", OpsetVersion}}
	if m.Opset != 0 {
		sets[0].version = m.Opset
	}
	for d := range seen {
		sets = append(sets, opset{d, max(m.Domains[d], 1)})
	}
	sort.Slice(sets, func(i, j int) bool { return sets[i].domain < sets[j].domain })
	return sets
}

func (m *Model) graphProto() message {
	var b message
	for i := range m.Nodes {
		b.message(1, m.Nodes[i].proto())
	}
	b.text(2, m.Name)
	for i := range m.Initializers {
		b.message(5, m.Initializers[i].proto())
	}
	for i := range m.Inputs {
		b.message(11, m.Inputs[i].proto())
	}
	for i := range m.Outputs {
		b.message(12, m.Outputs[i].proto())
	}
	return b
}

func (n *Node) proto() message {
	var b message
	for _, in := range n.Inputs {
		b.element(1, in) // an empty name is meant: an input left out
	}
	for _, out := range n.Outputs {
		b.element(2, out)
	}
	b.text(3, n.Name)
	b.text(4, n.Op)
	for i := range n.Attrs {
		b.message(5, attributeProto(&n.Attrs[i]))
	}
	b.text(7, n.Domain)
	return b
}

func attributeProto(a *graph.Attr) message {
	var b message
	b.text(1, a.Name)
	switch a.Kind {
	case graph.AttrFloat:
		b.float(2, a.Float)
	case graph.AttrInt:
		b.int(3, a.Int)
	case graph.AttrString:
		b.element(4, a.Str)
	case graph.AttrFloats:
		for _, f := range a.Floats {
			b.float(7, f)
		}
	case graph.AttrInts:
		for _, i := range a.Ints {
			b.int(8, i)
		}
	case graph.AttrStrings:
		for _, s := range a.Strs {
			b.element(9, s)
		}
	case graph.AttrTensor:
		var t message
		for _, d := range a.Tensor.Shape {
			t.int(1, d)
		}
		t.int(2, int64(a.Tensor.DType))
		t.bytes(9, a.Tensor.Raw)
		b.message(5, t)
	default:
		panic(fmt.Sprintf("onnx: attribute %s has kind %d", a.Name, a.Kind))
	}
	b.int(20, int64(a.Kind))
	return b
}

func (v *ValueInfo) proto() message {
	var shape message
	for _, d := range v.Shape {
		var dim message
		switch d {
		case graph.Batch:
			dim.text(2, BatchParam)
		case graph.Free: // a dimension that the file says nothing about
		default:
			dim.int(1, d)
		}
		shape.message(1, dim)
	}
	var tensor message
	tensor.int(1, int64(v.DType))
	tensor.message(2, shape)
	var typ message
	typ.message(1, tensor)
	var b message
	b.text(1, v.Name)
	b.message(2, typ)
	return b
}

// proto writes a TensorProto; data_location 1 is EXTERNAL.
func (t *Tensor) proto() message {
	var b message
	for _, d := range t.Shape {
		b.int(1, d)
	}
	b.int(2, int64(t.DType))
	b.text(8, t.Name)
	if t.External == nil {
		b.bytes(9, RawData(t.DType, t.Const))
		return b
	}
	for _, entry := range [][2]string{
		{"location", t.External.Location},
		{"offset", strconv.FormatInt(t.External.Offset, 10)},
		{"length", strconv.FormatInt(t.External.Length, 10)},
	} {
		var e message
		e.text(1, entry[0])
		e.text(2, entry[1])
		b.message(13, e)
	}
	b.int(14, 1)
	return b
}

// RawData gives the elements of a constant as ONNX stores them: little-endian, in C order.
func RawData(dtype graph.DType, c *graph.Const) []byte {
	if dtype == graph.Float32 {
		raw := make([]byte, 0, 4*len(c.Float32s))
		for _, f := range c.Float32s {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		return raw
	}
	raw := make([]byte, 0, int(dtype.Size())*len(c.Int64s))
	for _, i := range c.Int64s {
		switch dtype {
		case graph.Int64:
			raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
		case graph.Int32:
			raw = binary.LittleEndian.AppendUint32(raw, uint32(i))
		case graph.Bool, graph.Int8, graph.UInt8:
			raw = append(raw, byte(i))
		default:
			panic(fmt.Sprintf("onnx: a constant of type %v", dtype))
		}
	}
	return raw
}

// message is a protocol-buffer message under construction.
type message []byte

func (b *message) int(field protowire.Number, v int64) {
	*b = protowire.AppendTag(*b, field, protowire.VarintType)
	*b = protowire.AppendVarint(*b, uint64(v))
}

func (b *message) float(field protowire.Number, v float32) {
	*b = protowire.AppendTag(*b, field, protowire.Fixed32Type)
	*b = protowire.AppendFixed32(*b, math.Float32bits(v))
}

// text writes a string field, or nothing for "", which is what an absent field reads as.
func (b *message) text(field protowire.Number, v string) {
	if v != "" {
		b.element(field, v)
	}
}

// element writes a string whatever it is.
func (b *message) element(field protowire.Number, v string) {
	*b = protowire.AppendTag(*b, field, protowire.BytesType)
	*b = protowire.AppendString(*b, v)
}

func (b *message) bytes(field protowire.Number, v []byte) {
	*b = protowire.AppendTag(*b, field, protowire.BytesType)
	*b = protowire.AppendBytes(*b, v)
}

func (b *message) message(field protowire.Number, v message) { b.bytes(field, v) }
