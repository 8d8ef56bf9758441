package onnx

import (
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
)

// Bounds on what is held of a file's structure: names, nodes, attributes and small tensors. The largest exports of
// transformers and detectors have some ten thousand nodes.
const (
	maxStructure = 20 << 20 // bytes, as they are accounted for
	maxText      = 1 << 20  // of one name or string
	maxNodes     = 100_000
	maxTensors   = 200_000
	pageBytes    = 16 << 10 // read at a time

	// What a node, an initializer and a declared tensor take, with what lowering makes of them.
	nodeBytes   = 1500
	tensorBytes = 500
	portBytes   = 300
)

const doing = "reading the ONNX model"

func malformed(what string) *diag.Error {
	return diag.New(diag.Invalid, "onnx.malformed", doing, what, "export or download it again: it is damaged or no ONNX model")
}

func tooLarge(what string) *diag.Error {
	return diag.New(diag.Limit, "onnx.too-large", doing, what, "use a smaller model: this is beyond what is read")
}

// part is a range of the file.
type part struct{ at, end int64 }

func (p part) size() int64 { return p.end - p.at }

// scanner reads the fields of protocol-buffer messages in a file a page at a time, so that large fields are stepped over
// and never read.
type scanner struct {
	r      io.ReaderAt
	page   []byte
	at     int64 // of page in the file
	size   int64
	budget int64 // of structure that may still be held

	lenient bool // large tensors may lack their elements
}

func newScanner(r io.ReaderAt, size int64) *scanner {
	return &scanner{r: r, size: size, budget: maxStructure}
}

// window gives the bytes from a place on: at least n of them, fewer only at the end of the file.
func (s *scanner) window(at int64, n int) ([]byte, error) {
	if at >= s.at && at+int64(n) <= s.at+int64(len(s.page)) {
		return s.page[at-s.at:], nil
	}
	want := min(max(int64(n), pageBytes), s.size-at)
	if int64(cap(s.page)) < want {
		s.page = make([]byte, want)
	}
	s.page = s.page[:want]
	s.at = at
	if got, err := s.r.ReadAt(s.page, at); int64(got) < want {
		s.page = s.page[:0]
		return nil, diag.New(diag.Unavailable, "onnx.unreadable", doing, fmt.Sprintf("byte %d of the file cannot be read", at+int64(got)), "check that the file is still there").Because(err)
	}
	return s.page, nil
}

// charge accounts for structure that is going to be held.
func (s *scanner) charge(bytes int64) error {
	if s.budget -= bytes; s.budget < 0 {
		return tooLarge(fmt.Sprintf("its structure, without the weights, takes over %d MB", maxStructure>>20))
	}
	return nil
}

// varint reads a number and gives the place after it.
func (s *scanner) varint(at, end int64) (uint64, int64, error) {
	w, err := s.window(at, int(min(10, end-at)))
	if err != nil {
		return 0, 0, err
	}
	w = w[:min(int64(len(w)), end-at)]
	v, n := protowire.ConsumeVarint(w)
	if n < 0 {
		return 0, 0, malformed(fmt.Sprintf("byte %d is no number of a protocol buffer", at))
	}
	return v, at + int64(n), nil
}

// field is one field of a message: its number and either a number or a range of bytes.
type field struct {
	id    protowire.Number
	kind  protowire.Type
	value uint64
	part  part
}

// fields calls f with each field of a message.
func (s *scanner) fields(message part, f func(field) error) error {
	for at := message.at; at < message.end; {
		tag, next, err := s.varint(at, message.end)
		if err != nil {
			return err
		}
		id, kind := protowire.DecodeTag(tag)
		if id < protowire.MinValidNumber {
			return malformed(fmt.Sprintf("byte %d is no field of a protocol buffer", at))
		}
		x := field{id: id, kind: kind}
		switch kind {
		case protowire.VarintType:
			x.value, next, err = s.varint(next, message.end)
		case protowire.Fixed32Type, protowire.Fixed64Type:
			n := int64(4)
			if kind == protowire.Fixed64Type {
				n = 8
			}
			if message.end-next < n {
				return malformed(fmt.Sprintf("the field at byte %d reaches beyond its message", at))
			}
			var w []byte
			if w, err = s.window(next, int(n)); err == nil && n == 4 {
				v, _ := protowire.ConsumeFixed32(w)
				x.value = uint64(v)
			} else if err == nil {
				x.value, _ = protowire.ConsumeFixed64(w)
			}
			next += n
		case protowire.BytesType:
			var n uint64
			if n, next, err = s.varint(next, message.end); err == nil {
				if n > uint64(message.end-next) {
					return malformed(fmt.Sprintf("the field at byte %d has %d bytes, %d are left of its message: the file may be truncated", at, n, message.end-next))
				}
				x.part = part{next, next + int64(n)}
				next += int64(n)
			}
		default:
			return malformed(fmt.Sprintf("the field at byte %d has wire type %d", at, kind))
		}
		if err != nil {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// bytes reads a field's contents.
func (s *scanner) bytes(x field) ([]byte, error) {
	if x.kind != protowire.BytesType {
		return nil, malformed(fmt.Sprintf("field %d should hold bytes", x.id))
	}
	if x.part.size() > maxText {
		return nil, tooLarge(fmt.Sprintf("a name or string in it has %d bytes", x.part.size()))
	}
	if err := s.charge(48 + x.part.size()); err != nil {
		return nil, err
	}
	if x.part.size() == 0 {
		return nil, nil
	}
	w, err := s.window(x.part.at, int(x.part.size()))
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), w[:x.part.size()]...), nil
}

func (s *scanner) text(x field, into *string) error {
	b, err := s.bytes(x)
	*into = string(b)
	return err
}

// integers appends the numbers of a repeated integer field, packed or one by one.
func (s *scanner) integers(x field, into *[]int64) error {
	if x.kind == protowire.VarintType {
		*into = append(*into, int64(x.value))
		return s.charge(8)
	}
	if x.kind != protowire.BytesType {
		return malformed(fmt.Sprintf("field %d should hold integers", x.id))
	}
	for at := x.part.at; at < x.part.end; {
		v, next, err := s.varint(at, x.part.end)
		if err == nil {
			err = s.charge(8)
		}
		if err != nil {
			return err
		}
		*into = append(*into, int64(v))
		at = next
	}
	return nil
}

// floats appends the numbers of a repeated float field, packed or one by one.
func (s *scanner) floats(x field, into *[]float32) error {
	if x.kind == protowire.Fixed32Type {
		*into = append(*into, math.Float32frombits(uint32(x.value)))
		return s.charge(4)
	}
	if x.kind != protowire.BytesType || x.part.size()%4 != 0 {
		return malformed(fmt.Sprintf("field %d should hold floats", x.id))
	}
	if err := s.charge(x.part.size()); err != nil {
		return err
	}
	for at := x.part.at; at < x.part.end; at += 4 {
		w, err := s.window(at, 4)
		if err != nil {
			return err
		}
		v, _ := protowire.ConsumeFixed32(w)
		*into = append(*into, math.Float32frombits(v))
	}
	return nil
}
