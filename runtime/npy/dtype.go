package npy

import (
	"encoding/binary"
	"fmt"
	"math"

	"partita/planner/diag"
)

type dtype struct {
	name  string
	descr string // as this package writes it
	size  int
	get   func([]byte) float64 // exact for all but the 64-bit integers
	put   func([]byte, float64)
	low   float64 // range of an integer type; low > high: not an integer
	high  float64
}

var little = binary.LittleEndian

var dtypes = []dtype{
	{"float32", "<f4", 4, func(b []byte) float64 { return float64(math.Float32frombits(little.Uint32(b))) },
		func(b []byte, v float64) { little.PutUint32(b, math.Float32bits(float32(v))) }, 1, 0},
	{"float64", "<f8", 8, func(b []byte) float64 { return math.Float64frombits(little.Uint64(b)) },
		func(b []byte, v float64) { little.PutUint64(b, math.Float64bits(v)) }, 1, 0},
	{"float16", "<f2", 2, func(b []byte) float64 { return float64(Float16(little.Uint16(b))) },
		func(b []byte, v float64) { little.PutUint16(b, ToFloat16(float32(v))) }, 1, 0},
	{"uint8", "|u1", 1, func(b []byte) float64 { return float64(b[0]) },
		func(b []byte, v float64) { b[0] = byte(v) }, 0, math.MaxUint8},
	{"int8", "|i1", 1, func(b []byte) float64 { return float64(int8(b[0])) },
		func(b []byte, v float64) { b[0] = byte(int8(v)) }, math.MinInt8, math.MaxInt8},
	{"bool", "|b1", 1, func(b []byte) float64 { return float64(b[0]) },
		func(b []byte, v float64) { b[0] = byte(v) }, 0, 1},
	{"int16", "<i2", 2, func(b []byte) float64 { return float64(int16(little.Uint16(b))) },
		func(b []byte, v float64) { little.PutUint16(b, uint16(int16(v))) }, math.MinInt16, math.MaxInt16},
	{"uint16", "<u2", 2, func(b []byte) float64 { return float64(little.Uint16(b)) },
		func(b []byte, v float64) { little.PutUint16(b, uint16(v)) }, 0, math.MaxUint16},
	{"int32", "<i4", 4, func(b []byte) float64 { return float64(int32(little.Uint32(b))) },
		func(b []byte, v float64) { little.PutUint32(b, uint32(int32(v))) }, math.MinInt32, math.MaxInt32},
	{"uint32", "<u4", 4, func(b []byte) float64 { return float64(little.Uint32(b)) },
		func(b []byte, v float64) { little.PutUint32(b, uint32(v)) }, 0, math.MaxUint32},
	// The ranges of the 64-bit integers are those that float64 holds exactly: what goes through float64 must.
	{"int64", "<i8", 8, func(b []byte) float64 { return float64(int64(little.Uint64(b))) },
		func(b []byte, v float64) { little.PutUint64(b, uint64(int64(v))) }, -(1 << 53), 1 << 53},
	{"uint64", "<u8", 8, func(b []byte) float64 { return float64(little.Uint64(b)) },
		func(b []byte, v float64) { little.PutUint64(b, uint64(v)) }, 0, 1 << 53},
}

// bfloat16 is no NumPy type; it can be converted from and to, but not read or written.
var bfloat16 = dtype{"bfloat16", "", 2, func(b []byte) float64 { return float64(math.Float32frombits(uint32(little.Uint16(b)) << 16)) },
	func(b []byte, v float64) { little.PutUint16(b, toBFloat16(float32(v))) }, 1, 0}

func dtypeNamed(name string) *dtype {
	for i := range dtypes {
		if dtypes[i].name == name {
			return &dtypes[i]
		}
	}
	if name == bfloat16.name {
		return &bfloat16
	}
	return nil
}

// parseDescr reads NumPy's type string as in "<f4" or ">i8".
func parseDescr(descr string) (d *dtype, bigEndian bool, err error) {
	kind := descr
	if kind != "" {
		switch kind[0] {
		case '<', '|', '=':
			kind = kind[1:]
		case '>':
			kind, bigEndian = kind[1:], true
		}
	}
	if kind == "?" {
		kind = "b1"
	}
	for i := range dtypes {
		if dtypes[i].descr[1:] == kind {
			return &dtypes[i], bigEndian, nil
		}
	}
	found := fmt.Sprintf("its element type is %q", descr)
	if kind == "O" || kind == "O8" {
		found += ", Python objects"
	}
	return nil, false, invalid("npy.unsupported-dtype", found, "convert it, for example with .astype('float32')")
}

// Convert gives the array in another element type. Floats round to the nearest; into an integer type go only whole
// numbers in its range, so nothing is lost without an error.
func (a *Array) Convert(name string) (*Array, error) {
	if a.DType == name {
		return a, nil
	}
	const doing = "converting an array"
	from, to := dtypeNamed(a.DType), dtypeNamed(name)
	if from == nil || to == nil {
		return nil, diag.New(diag.Invalid, "npy.unsupported-dtype", doing, fmt.Sprintf("there is no conversion from %q to %q", a.DType, name), "send the element type that the model expects")
	}
	n := len(a.Data) / from.size
	out := make([]byte, n*to.size)
	switch {
	case from.name == "uint8" && to.name == "float32":
		for i, b := range a.Data {
			little.PutUint32(out[4*i:], math.Float32bits(float32(b)))
		}
	case from.name == "float64" && to.name == "float32":
		for i := 0; i < n; i++ {
			little.PutUint32(out[4*i:], math.Float32bits(float32(math.Float64frombits(little.Uint64(a.Data[8*i:])))))
		}
	case wide(from) && to.low <= to.high:
		return a.convertWide(from, to, out)
	default:
		for i := 0; i < n; i++ {
			v := from.get(a.Data[i*from.size:])
			if to.low <= to.high && !(v >= to.low && v <= to.high && v == math.Trunc(v)) {
				return nil, lossy(v, to.name)
			}
			to.put(out[i*to.size:], v)
		}
	}
	return &Array{DType: name, Shape: a.Shape, Data: out}, nil
}

func wide(d *dtype) bool { return d.name == "int64" || d.name == "uint64" }

// convertWide converts 64-bit integers to integers without going through float64.
func (a *Array) convertWide(from, to *dtype, out []byte) (*Array, error) {
	for i := 0; i*8 < len(a.Data); i++ {
		bits := little.Uint64(a.Data[8*i:])
		negative := from.name == "int64" && int64(bits) < 0
		switch {
		case wide(to):
			if negative || (to.name == "int64" && from.name == "uint64" && bits > math.MaxInt64) {
				return nil, lossy(from.get(a.Data[8*i:]), to.name)
			}
			little.PutUint64(out[8*i:], bits)
		default: // ranges of at most 32 bits: float64 is exact wherever the check passes
			v := from.get(a.Data[8*i:])
			if !(v >= to.low && v <= to.high) {
				return nil, lossy(v, to.name)
			}
			to.put(out[i*to.size:], v)
		}
	}
	return &Array{DType: to.name, Shape: a.Shape, Data: out}, nil
}

func lossy(v float64, to string) error {
	return diag.New(diag.Invalid, "npy.lossy-conversion", "converting an array", fmt.Sprintf("%v is no %s", v, to), "send the element type that the model expects")
}

// Float16 widens an IEEE 754 half-precision number.
func Float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent := uint32(h>>10) & 31
	fraction := uint32(h) & 1023
	switch exponent {
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case 0: // zero or subnormal: fraction * 2^-24, exact in float32
		v := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// ToFloat16 rounds to the nearest half-precision number, ties to even.
func ToFloat16(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits>>16) & 0x8000
	magnitude := bits & 0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN: keep it one
		return sign | 0x7e00
	case magnitude >= 0x477ff000: // 65520 and above round to infinity
		return sign | 0x7c00
	case magnitude < 0x38800000: // below 2^-14: subnormal
		// Adding 0.5 puts the half's last bit at the float's last bit, so the hardware rounds.
		sum := math.Float32frombits(magnitude) + 0.5
		return sign | uint16(math.Float32bits(sum)-math.Float32bits(0.5))
	}
	odd := magnitude >> 13 & 1
	return sign | uint16((magnitude-(112<<23)+0xfff+odd)>>13)
}

func toBFloat16(v float32) uint16 {
	bits := math.Float32bits(v)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// Float64s gives the numbers of a float64 array; nil for any other.
func (a *Array) Float64s() []float64 {
	if a.DType != "float64" {
		return nil
	}
	v := make([]float64, len(a.Data)/8)
	for i := range v {
		v[i] = math.Float64frombits(little.Uint64(a.Data[8*i:]))
	}
	return v
}

// FromFloat64s makes a float64 array.
func FromFloat64s(shape []int64, v []float64) *Array {
	a := &Array{DType: "float64", Shape: shape, Data: make([]byte, 8*len(v))}
	for i, f := range v {
		little.PutUint64(a.Data[8*i:], math.Float64bits(f))
	}
	return a
}
