// Package npy reads and writes NumPy's .npy files (numpy.lib.format, versions 1 to 3) and converts between element types.
package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"partita/planner/diag"
)

// Array is an array in C order, its numbers little-endian.
type Array struct {
	DType string // NumPy's name: "float32", "uint8", "bool"
	Shape []int64
	Data  []byte
}

const (
	magic = "\x93NUMPY"
	// maxHeader bounds the header; NumPy itself refuses more than 10,000 bytes unless told otherwise.
	maxHeader = 64 << 10
	// maxRank is NumPy 2's limit.
	maxRank = 64
	reading = "reading a .npy file"
)

// Is tells whether data begin like a .npy file.
func Is(data []byte) bool { return len(data) >= len(magic) && string(data[:len(magic)]) == magic }

func invalid(code, found, fix string) *diag.Error {
	return diag.New(diag.Invalid, code, reading, found, fix)
}

// Decode reads a whole file. The array shares data's memory where it is already little-endian and in C order.
func Decode(data []byte) (*Array, error) {
	if !Is(data) || len(data) < 10 {
		return nil, invalid("npy.not-npy", "it does not begin with NumPy's mark", "save it with numpy.save")
	}
	major := data[6]
	var length, at int
	switch major {
	case 1:
		length, at = int(binary.LittleEndian.Uint16(data[8:])), 10
	case 2, 3:
		if len(data) < 12 {
			return nil, invalid("npy.truncated", "it ends inside its header", "save it again")
		}
		n := binary.LittleEndian.Uint32(data[8:])
		if n > maxHeader {
			return nil, invalid("npy.bad-header", fmt.Sprintf("its header has %d bytes; at most %d are read", n, maxHeader), "save it with numpy.save")
		}
		length, at = int(n), 12
	default:
		return nil, invalid("npy.unsupported-version", fmt.Sprintf("it has format version %d.%d; 1 to 3 are read", major, data[7]), "save it with numpy.save")
	}
	if len(data)-at < length {
		return nil, invalid("npy.truncated", "it ends inside its header", "save it again")
	}
	h, err := parseHeader(string(data[at : at+length]))
	if err != nil {
		return nil, invalid("npy.bad-header", "its header is not a dictionary of descr, fortran_order and shape", "save it with numpy.save").Because(err)
	}
	return New(h.descr, h.shape, h.fortran, data[at+length:])
}

// New makes an array of raw numbers described as NumPy does: descr is a type string as in "<f4", the data are in Fortran
// order or C order. The array shares data's memory where it can.
func New(descr string, shape []int64, fortran bool, data []byte) (*Array, error) {
	d, bigEndian, err := parseDescr(descr)
	if err != nil {
		return nil, err
	}
	if len(shape) > maxRank {
		return nil, invalid("npy.bad-header", fmt.Sprintf("it has %d dimensions; at most %d are read", len(shape), maxRank), "reshape it")
	}
	bytes, ok := size(shape, d.size)
	if !ok || bytes != int64(len(data)) {
		return nil, invalid("npy.wrong-size", fmt.Sprintf("shape %s of %s does not take the %d bytes that are there", tuple(shape), d.name, len(data)),
			"save it again: it is truncated, or holds more than one array")
	}
	if fortran && len(shape) > 1 {
		data = toC(data, shape, d.size)
	}
	if bigEndian && d.size > 1 {
		data = swapped(data, d.size)
	}
	if d.name == "bool" {
		data = normalised(data)
	}
	return &Array{DType: d.name, Shape: append([]int64{}, shape...), Data: data}, nil
}

func size(shape []int64, item int) (int64, bool) {
	n := int64(item)
	for _, dim := range shape {
		if dim < 0 || (dim > 0 && n > math.MaxInt64/dim) {
			return 0, false
		}
		n *= dim
	}
	return n, true
}

// Elements counts the array's elements.
func (a *Array) Elements() int64 {
	n := int64(1)
	for _, dim := range a.Shape {
		n *= dim
	}
	return n
}

// Header gives the bytes before the numbers of a file (version 1, padded to 64 bytes as NumPy pads).
func Header(dtype string, shape []int64) ([]byte, error) {
	for _, d := range dtypes {
		if d.name != dtype {
			continue
		}
		if len(shape) > maxRank {
			return nil, diag.New(diag.Invalid, "npy.too-many-dimensions", "writing a .npy file", fmt.Sprintf("it has %d dimensions; NumPy reads %d", len(shape), maxRank), "reshape it")
		}
		text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", d.descr, tuple(shape))
		pad := 64 - (10+len(text)+1)%64
		if pad == 64 {
			pad = 0
		}
		text += strings.Repeat(" ", pad) + "\n"
		h := append([]byte(magic), 1, 0, byte(len(text)), byte(len(text)>>8))
		return append(h, text...), nil
	}
	return nil, diag.New(diag.Invalid, "npy.unsupported-dtype", "writing a .npy file", fmt.Sprintf("NumPy has no element type %q", dtype), "convert it to float32")
}

// Write writes the array as a file. A bfloat16 array, a type that NumPy lacks, is written as float32.
func (a *Array) Write(w io.Writer) error {
	if a.DType == "bfloat16" {
		wide, err := a.Convert("float32")
		if err != nil {
			return err
		}
		a = wide
	}
	h, err := Header(a.DType, a.Shape)
	if err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	_, err = w.Write(a.Data)
	return err
}

// tuple prints a shape as Python prints a tuple.
func tuple(shape []int64) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, dim := range shape {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatInt(dim, 10))
	}
	if len(shape) == 1 {
		b.WriteByte(',')
	}
	b.WriteByte(')')
	return b.String()
}

// toC copies numbers from Fortran order (first index fastest) to C order (last index fastest).
func toC(data []byte, shape []int64, item int) []byte {
	out := make([]byte, len(data))
	if len(data) == 0 {
		return out
	}
	rank := len(shape)
	strides := make([]int, rank)
	stride := item
	for k := 0; k < rank; k++ {
		strides[k] = stride
		stride *= int(shape[k])
	}
	index := make([]int64, rank)
	inner, step := int(shape[rank-1]), strides[rank-1]
	from := 0
	for to := 0; to < len(out); {
		src := from
		switch item {
		case 4:
			for i := 0; i < inner; i++ {
				*(*[4]byte)(out[to:]) = *(*[4]byte)(data[src:])
				to, src = to+4, src+step
			}
		case 1:
			for i := 0; i < inner; i++ {
				out[to] = data[src]
				to, src = to+1, src+step
			}
		default:
			for i := 0; i < inner; i++ {
				copy(out[to:to+item], data[src:src+item])
				to, src = to+item, src+step
			}
		}
		for k := rank - 2; k >= 0; k-- {
			index[k]++
			from += strides[k]
			if index[k] < shape[k] {
				break
			}
			from -= strides[k] * int(shape[k])
			index[k] = 0
		}
	}
	return out
}

func swapped(data []byte, item int) []byte {
	out := make([]byte, len(data))
	for i := 0; i < len(data); i += item {
		for k := 0; k < item; k++ {
			out[i+k] = data[i+item-1-k]
		}
	}
	return out
}

// normalised makes every bool 0 or 1, the only values that ONNX Runtime's kernels expect.
func normalised(data []byte) []byte {
	for _, b := range data {
		if b > 1 {
			out := make([]byte, len(data))
			for i, b := range data {
				if b != 0 {
					out[i] = 1
				}
			}
			return out
		}
	}
	return data
}
