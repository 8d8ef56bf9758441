package hdf5

import (
	"fmt"
	"math/bits"
)

// Class is the class of a datatype, by the number the format gives it.
type Class uint8

// The classes of datatypes.
const (
	Integer   Class = 0
	Float     Class = 1
	Time      Class = 2
	String    Class = 3
	BitField  Class = 4
	Opaque    Class = 5
	Compound  Class = 6
	Reference Class = 7
	Enum      Class = 8
	VarLen    Class = 9
	Array     Class = 10
)

var classNames = [...]string{"integer", "float", "time", "string", "bit field", "opaque", "compound", "reference",
	"enum", "variable-length", "array"}

func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Format is how an element that is a number is encoded.
type Format uint8

// The formats of numbers.
const (
	NoNumber Format = iota // strings, structures, and floats of unusual make
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Float16
	BFloat16
	Float32
	Float64
)

var formatNames = [...]string{"no number", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
	"float16", "bfloat16", "float32", "float64"}

func (f Format) String() string { return formatNames[f] }

// Type is the datatype of an attribute or dataset.
type Type struct {
	Class     Class
	Size      int    // bytes of one element as stored
	BigEndian bool   // of a number
	Format    Format // of a number; a boolean (an Enum over int8) has the format of its base
	Tag       string // of an Opaque
	VarString bool   // a VarLen of characters
	Padded    byte   // what fills a String up: 0 a zero ends it, 1 zeros, 2 spaces
}

// String gives the type in words, as in "big-endian float32".
func (t Type) String() string {
	switch {
	case t.VarString:
		return "variable-length string"
	case t.Format == NoNumber:
		return fmt.Sprintf("%s of %d bytes", t.Class, t.Size)
	case t.BigEndian:
		return "big-endian " + t.Format.String()
	}
	return t.Format.String()
}

const maxElement = 16 << 20 // bytes of one element, which may be a long string

// parseType reads a datatype message.
func (f *File) parseType(data []byte, depth int) (Type, error) {
	c := f.cursor(data, "a datatype")
	head := c.u8()
	flags := uint32(c.uint(3))
	size := c.u32()
	t := Type{Class: Class(head & 15), Size: int(size)}
	if version := head >> 4; c.err == nil && (version < 1 || version > 5) {
		return t, damaged("a datatype has version %d", version)
	}
	if c.err == nil && (size == 0 || size > maxElement) {
		return t, limit("a datatype has %d bytes", size)
	}
	switch t.Class {
	case Integer, BitField:
		t.BigEndian = flags&1 != 0
		shift, precision := c.u16(), c.u16()
		if t.Class == Integer && shift == 0 && int(precision) == 8*t.Size {
			t.Format = integerFormat(t.Size, flags&8 != 0)
		}
	case Float:
		t.BigEndian = flags&1 != 0
		var d floatDescription
		d.size = t.Size
		d.shift, d.precision = c.u16(), c.u16()
		d.exponentAt, d.exponentBits = c.u8(), c.u8()
		d.mantissaAt, d.mantissaBits = c.u8(), c.u8()
		d.bias = c.u32()
		d.sign = uint8(flags >> 8)
		if flags&0x40 == 0 && flags>>4&3 == 2 { // neither VAX order nor an explicit leading bit
			t.Format = floatFormats[d]
		}
	case String:
		t.Padded = byte(flags & 15)
	case Opaque:
		t.Tag = cString(c.bytes(min(int(flags&0xff), c.left())))
	case Enum:
		if depth > 0 {
			return t, damaged("a datatype is nested too deep")
		}
		base, err := f.parseType(data[min(c.off, len(data)):], depth+1)
		if err != nil {
			return t, err
		}
		if base.Size == t.Size {
			t.BigEndian, t.Format = base.BigEndian, base.Format
		}
	case VarLen:
		t.VarString = flags&15 == 1
		if want := 4 + f.offsetSize + 4; c.err == nil && t.Size != want {
			return t, damaged("a variable-length datatype has %d bytes, not %d", t.Size, want)
		}
	case Time, Compound, Reference, Array:
		// Known, but their elements are read as bytes only.
	default:
		if c.err == nil {
			return t, unsupported("a datatype of class %d", t.Class)
		}
	}
	return t, c.err
}

func integerFormat(size int, signed bool) Format {
	if size > 8 || size&(size-1) != 0 {
		return NoNumber
	}
	f := Uint8
	if signed {
		f = Int8
	}
	return f + Format(bits.TrailingZeros(uint(size)))
}

// floatDescription is how a datatype message describes a floating-point number.
type floatDescription struct {
	size                     int
	shift, precision         uint16
	exponentAt, exponentBits uint8
	mantissaAt, mantissaBits uint8
	bias                     uint32
	sign                     uint8
}

// IEEE 754 and the "brain" half of float32.
var floatFormats = map[floatDescription]Format{
	{2, 0, 16, 10, 5, 0, 10, 15, 15}:    Float16,
	{2, 0, 16, 7, 8, 0, 7, 127, 15}:     BFloat16,
	{4, 0, 32, 23, 8, 0, 23, 127, 31}:   Float32,
	{8, 0, 64, 52, 11, 0, 52, 1023, 63}: Float64,
}

// maxRank is the most dimensions the format knows.
const maxRank = 32

// space is a dataspace: the shape of an attribute or dataset.
type space struct {
	null     bool // no element at all, not even a scalar
	dims     []int64
	max      []int64 // unlimited is -1
	elements int64
}

// parseSpace reads a dataspace message.
func (f *File) parseSpace(data []byte) (space, error) {
	c := f.cursor(data, "a dataspace")
	s := space{elements: 1}
	version := c.u8()
	rank, flags := int(c.u8()), c.u8()
	switch version {
	case 1:
		c.skip(5)
	case 2:
		s.null = c.u8() == 2
	default:
		if c.err == nil {
			return s, damaged("a dataspace has version %d", version)
		}
	}
	if rank > maxRank {
		return s, damaged("a dataspace has %d dimensions", rank)
	}
	s.dims = make([]int64, rank)
	for i := range s.dims {
		d := c.length()
		hi, n := bits.Mul64(uint64(s.elements), d)
		if d > 1<<62 || hi != 0 || n > 1<<62 {
			return s, limit("a shape has more than 2^62 elements")
		}
		s.dims[i], s.elements = int64(d), int64(n)
	}
	s.max = s.dims
	if flags&1 != 0 {
		s.max = make([]int64, rank)
		for i := range s.max {
			d := widen(c.length(), f.lengthSize)
			s.max[i] = int64(d) // all ones is -1
			if d != undefined && d > 1<<62 {
				return s, damaged("a dataspace has a maximal dimension of %d", d)
			}
		}
	}
	if s.null {
		s.dims, s.elements = nil, 0
	}
	return s, c.err
}

// cString cuts bytes at the first zero.
func cString(b []byte) string {
	for i, x := range b {
		if x == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
