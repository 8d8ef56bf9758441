package hdf5

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// bigEndian tells how this machine holds numbers in memory.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// memory gives the bytes that numbers lie in, in this machine's order.
func memory(numbers []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), 4*len(numbers))
}

// order gives the byte order of a type's numbers.
func (t Type) order() binary.ByteOrder {
	if t.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// decodeFloat32s converts the elements in src, rounding to the nearest float32.
func decodeFloat32s(dst []float32, src []byte, t Type) {
	if t.Format == Float32 && !t.BigEndian { // nearly always
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
		return
	}
	o := t.order()
	switch t.Format {
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(o.Uint32(src[4*i:]))
		}
	case Float64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(o.Uint64(src[8*i:])))
		}
	case Float16:
		for i := range dst {
			dst[i] = halfToFloat32(o.Uint16(src[2*i:]))
		}
	case BFloat16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(o.Uint16(src[2*i:])) << 16)
		}
	case Int8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case Uint8:
		for i := range dst {
			dst[i] = float32(src[i])
		}
	case Uint64:
		for i := range dst {
			dst[i] = float32(o.Uint64(src[8*i:]))
		}
	default:
		for i := range dst {
			dst[i] = float32(integer(src[i*t.Size:], t, o))
		}
	}
}

func decodeFloat64s(dst []float64, src []byte, t Type) {
	o := t.order()
	for i := range dst {
		element := src[i*t.Size:]
		switch t.Format {
		case Float64:
			dst[i] = math.Float64frombits(o.Uint64(element))
		case Float32, Float16, BFloat16:
			var one [1]float32
			decodeFloat32s(one[:], element, t)
			dst[i] = float64(one[0])
		case Uint64:
			dst[i] = float64(o.Uint64(element))
		default:
			dst[i] = float64(integer(element, t, o))
		}
	}
}

func decodeInt64s(dst []int64, src []byte, t Type) {
	o := t.order()
	for i := range dst {
		dst[i] = integer(src[i*t.Size:], t, o)
	}
}

// integer reads one element of an integer type; of uint64 the bits.
func integer(b []byte, t Type, o binary.ByteOrder) int64 {
	switch t.Format {
	case Int8:
		return int64(int8(b[0]))
	case Uint8:
		return int64(b[0])
	case Int16:
		return int64(int16(o.Uint16(b)))
	case Uint16:
		return int64(o.Uint16(b))
	case Int32:
		return int64(int32(o.Uint32(b)))
	case Uint32:
		return int64(o.Uint32(b))
	}
	return int64(o.Uint64(b))
}

// halfToFloat32 converts an IEEE 754 binary16, exactly.
func halfToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, mantissa := uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // zero and subnormal numbers: mantissa x 2^-24
		f := math.Float32bits(float32(mantissa) * (1.0 / (1 << 24)))
		return math.Float32frombits(sign | f)
	case 31: // infinity and NaN
		return math.Float32frombits(sign | 255<<23 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}
