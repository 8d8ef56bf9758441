package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
)

// smallFloats is how many elements a tensor of floats may have to be held and to become a constant of the graph: scalars,
// bounds, and the factors of a resize.
const smallFloats = 8

// Stored is one tensor of a file: an initializer or the value of a Constant.
type Stored struct {
	Name  string
	DType graph.DType
	Shape graph.Shape

	raw      []byte    // the elements of a small tensor, little-endian
	data     part      // in the file: fixed-size little-endian elements
	varints  part      // in the file: packed numbers
	external *External // in another file; a length of -1 is the rest of that file
	absent   bool      // left out, by Strip
	refused  bool      // of a type that is not read, which matters if something needs it
}

// small tells whether a tensor is held: what shapes may depend on.
func (t *Stored) small() bool {
	n := t.Shape.Elements(1)
	switch t.DType {
	case graph.Int64, graph.Int32, graph.Int16, graph.Int8, graph.UInt8, graph.UInt16, graph.UInt32, graph.UInt64, graph.Bool:
		return n <= graph.MaxKnown
	}
	return n <= smallFloats
}

// floating tells whether a tensor holds parameters as frameworks count them.
func (t *Stored) floating() bool {
	switch t.DType {
	case graph.Float32, graph.Float16, graph.Float64, graph.BFloat16:
		return true
	}
	return false
}

// elements counts the elements of a shape; false when it is none or absurd.
func elements(shape []int64) (int64, bool) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(uint64(n), uint64(max(d, 1)))
		if hi != 0 || lo > uint64(graph.MaxElements) {
			return 0, false
		}
		n = int64(lo)
	}
	return graph.Shape(shape).Elements(1), len(shape) <= 64
}

func badTensor(t *Stored, found string) *diag.Error {
	return diag.New(diag.Invalid, "onnx.bad-tensor", doing, fmt.Sprintf("tensor %q: %s", shorten(t.Name), found), "export or download the model again")
}

// numbers are the elements of a tensor as its message has them.
type numbers struct {
	raw    part
	isRaw  bool
	typed  []field // packed lists, of fields 4, 5, 7, 10 or 11
	single []uint64
	texts  bool
}

// tensor reads a TensorProto; its elements only if it is small.
func (s *scanner) tensor(x field) (*Stored, error) {
	t := &Stored{}
	if err := s.charge(tensorBytes); err != nil {
		return nil, err
	}
	if x.kind != protowire.BytesType {
		return nil, malformed("a tensor is not a message")
	}
	var in numbers
	var dims []int64
	location, external, isExternal, segment := map[string]string{}, 0, false, false
	err := s.fields(x.part, func(x field) error {
		switch x.id {
		case 1:
			return s.integers(x, &dims)
		case 2:
			t.DType = graph.DType(int32(x.value))
		case 3:
			segment = true
		case 4, 5, 7, 10, 11:
			return in.add(x)
		case 6:
			in.texts = true
		case 8:
			return s.text(x, &t.Name)
		case 9:
			if x.kind != protowire.BytesType {
				return malformed("a tensor's raw_data is not a range of bytes")
			}
			in.raw, in.isRaw = x.part, true
		case 13:
			if external++; external > 16 {
				return malformed("a tensor has many external_data entries")
			}
			var key, value string
			err := s.fields(x.part, func(x field) error {
				switch x.id {
				case 1:
					return s.text(x, &key)
				case 2:
					return s.text(x, &value)
				}
				return nil
			})
			location[key] = value
			return err
		case 14:
			isExternal = x.value == 1
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.Shape = append(graph.Shape{}, dims...)
	n, ok := elements(dims)
	if !ok {
		return nil, badTensor(t, fmt.Sprintf("%v is no shape of a tensor", short(dims)))
	}
	size := t.DType.Size()
	if size == 0 || in.texts {
		t.refused = true
		return t, nil
	}
	if segment {
		return nil, diag.New(diag.Invalid, "onnx.unsupported-tensor", doing, fmt.Sprintf("tensor %q is stored in segments", shorten(t.Name)), "save the model again with a newer ONNX")
	}
	switch {
	case isExternal:
		t.external, err = t.place(location)
		return t, err
	case n == 0 && (!in.isRaw || in.raw.size() == 0):
		t.raw = []byte{}
		return t, nil
	case in.isRaw && in.raw.size() == n*size:
		t.data = in.raw
	case in.isRaw && in.raw.size() > 0:
		return nil, badTensor(t, fmt.Sprintf("%d bytes for %d elements of %s", in.raw.size(), n, t.DType))
	case len(in.typed)+len(in.single) > 0:
		return t, s.typed(t, &in, n)
	case s.lenient:
		t.absent = true
		return t, nil
	default:
		return nil, badTensor(t, fmt.Sprintf("no bytes for %d elements of %s", n, t.DType))
	}
	if t.small() {
		err = s.hold(t)
	}
	return t, err
}

// hold reads the elements of a tensor into memory.
func (s *scanner) hold(t *Stored) error {
	if t.raw != nil {
		return nil
	}
	if t.data.size() == 0 || t.data.size() > maxText {
		return tooLarge(fmt.Sprintf("the attribute %q has %d bytes", shorten(t.Name), t.data.size()))
	}
	if err := s.charge(t.data.size()); err != nil {
		return err
	}
	t.raw = []byte{}
	if t.data.size() > 0 {
		w, err := s.window(t.data.at, int(t.data.size()))
		if err != nil {
			return err
		}
		t.raw = append(t.raw, w[:t.data.size()]...)
	}
	return nil
}

func (in *numbers) add(x field) error {
	if x.kind == protowire.BytesType {
		in.typed = append(in.typed, x)
	} else {
		in.single = append(in.single, x.value)
	}
	if len(in.typed) > 64 || len(in.single) > graph.MaxKnown {
		return diag.New(diag.Invalid, "onnx.unsupported-tensor", doing, "a large tensor is stored element by element", "save the model again with a newer ONNX")
	}
	return nil
}

// typed takes elements that are stored as protocol-buffer numbers: small ones are read, large ones must be one packed
// list. Of float16 and bfloat16 the list holds the bits.
func (s *scanner) typed(t *Stored, in *numbers, n int64) error {
	fixed := t.DType == graph.Float32 || t.DType == graph.Float64
	if len(in.typed) == 1 && len(in.single) == 0 && !t.small() {
		if fixed {
			t.data = in.typed[0].part
			if t.data.size() != n*t.DType.Size() {
				return badTensor(t, fmt.Sprintf("%d bytes for %d elements of %s", t.data.size(), n, t.DType))
			}
			return nil
		}
		if t.varints = in.typed[0].part; t.varints.size() < n {
			return badTensor(t, fmt.Sprintf("%d bytes for %d elements of %s", t.varints.size(), n, t.DType))
		}
		return nil
	}
	values := in.single
	for _, x := range in.typed {
		if fixed {
			width := t.DType.Size()
			for at := x.part.at; at+width <= x.part.end && int64(len(values)) <= n; at += width {
				w, err := s.window(at, int(width))
				if err != nil {
					return err
				}
				if width == 4 {
					values = append(values, uint64(binary.LittleEndian.Uint32(w)))
				} else {
					values = append(values, binary.LittleEndian.Uint64(w))
				}
			}
			continue
		}
		for at := x.part.at; at < x.part.end && int64(len(values)) <= n; {
			v, next, err := s.varint(at, x.part.end)
			if err != nil {
				return err
			}
			values = append(values, v)
			at = next
		}
	}
	if int64(len(values)) != n {
		return badTensor(t, fmt.Sprintf("%d numbers for %d elements of %s", len(values), n, t.DType))
	}
	if err := s.charge(n * t.DType.Size()); err != nil {
		return err
	}
	t.raw = make([]byte, 0, n*t.DType.Size())
	for _, v := range values {
		t.raw = appendElement(t.raw, t.DType, v)
	}
	return nil
}

// appendElement appends the low bytes of a number.
func appendElement(b []byte, d graph.DType, v uint64) []byte {
	switch d.Size() {
	case 1:
		return append(b, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(b, uint16(v))
	case 4:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

// place checks where external data lie: in a file beside the model or in a folder below it.
func (t *Stored) place(entries map[string]string) (*External, error) {
	e := &External{Location: entries["location"], Length: -1}
	bad := func(found string) error {
		return diag.New(diag.Invalid, "onnx.bad-external-data", doing, fmt.Sprintf("tensor %q: %s", shorten(t.Name), found), "save the model again with its weights beside it")
	}
	if e.Location == "" || strings.ContainsAny(e.Location, "\\\x00") || strings.HasPrefix(e.Location, "/") || len(e.Location) > 1 && e.Location[1] == ':' {
		return nil, bad(fmt.Sprintf("its data are in %q, which is no relative path", shorten(e.Location)))
	}
	for _, step := range strings.Split(e.Location, "/") {
		if step == ".." || step == "" {
			return nil, bad(fmt.Sprintf("its data are in %q, outside the model's folder", shorten(e.Location)))
		}
	}
	for key, into := range map[string]*int64{"offset": &e.Offset, "length": &e.Length} {
		if text, ok := entries[key]; ok && text != "" {
			v, err := strconv.ParseInt(text, 10, 64)
			if err != nil || v < 0 {
				return nil, bad(fmt.Sprintf("its %s is %q", key, shorten(text)))
			}
			*into = v
		}
	}
	want := t.Shape.Elements(1) * t.DType.Size()
	if e.Length >= 0 && e.Length != want {
		return nil, bad(fmt.Sprintf("it has %d bytes for %s of %s", e.Length, t.Shape, t.DType))
	}
	if e.Offset > math.MaxInt64-want {
		return nil, bad(fmt.Sprintf("its offset is %d", e.Offset))
	}
	return e, nil
}

// known gives a held tensor to shape inference.
func (t *Stored) known() *graph.Known {
	k := &graph.Known{DType: t.DType, Shape: t.Shape}
	if t.raw == nil {
		return k
	}
	if c := t.constant(); c != nil {
		k.Ints, k.Floats, k.Filled = c.Int64s, c.Float32s, true
	}
	return k
}

// constant gives a held tensor as the graph holds constants; nil for a type that it does not hold.
func (t *Stored) constant() *graph.Const {
	if t.raw == nil {
		return nil
	}
	c := &graph.Const{}
	size := int(t.DType.Size())
	for at := 0; at+size <= len(t.raw); at += size {
		b := t.raw[at:]
		switch t.DType {
		case graph.Float32:
			c.Float32s = append(c.Float32s, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		case graph.Int64:
			c.Int64s = append(c.Int64s, int64(binary.LittleEndian.Uint64(b)))
		case graph.Int32:
			c.Int64s = append(c.Int64s, int64(int32(binary.LittleEndian.Uint32(b))))
		case graph.Bool, graph.UInt8:
			c.Int64s = append(c.Int64s, int64(b[0]))
		case graph.Int8:
			c.Int64s = append(c.Int64s, int64(int8(b[0])))
		default:
			return nil
		}
	}
	switch t.DType {
	case graph.Float32, graph.Int64, graph.Int32, graph.Bool, graph.UInt8, graph.Int8:
		return c
	}
	return nil
}

// typeName names a type, also one that ONNX has and graphs do not.
func typeName(d graph.DType) string {
	names := map[graph.DType]string{14: "complex64", 15: "complex128", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz",
		21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0"}
	if s := names[d]; s != "" {
		return s
	}
	return d.String()
}

func short(dims []int64) string {
	if len(dims) > 8 {
		return fmt.Sprintf("%v...", dims[:8])
	}
	return fmt.Sprint(dims)
}
