package split

import (
	"encoding/binary"
	"fmt"
	"math"

	"partita/planner/diag"
	"partita/planner/precision"
)

// The largest finite number of float16, and the largest of the 8-bit numbers, which are symmetric.
const (
	maxHalf  = 65504
	maxEight = 127
)

// Loss is what storing weights in less than float32 has changed in them: the sums of the squares of the differences and of
// the weights themselves, over the tensors that are stored so.
type Loss struct {
	Differences, Weights float64
}

// Relative gives the size of the difference relative to the weights', as a ratio of Euclidean norms; 0 when nothing was
// stored in less.
func (l Loss) Relative() float64 {
	if l.Weights == 0 {
		return 0
	}
	return math.Sqrt(l.Differences / l.Weights)
}

func (l *Loss) add(weight, stored float32) {
	d := float64(weight) - float64(stored)
	l.Differences = float64(d*d) + l.Differences
	w := float64(weight)
	l.Weights = float64(w*w) + l.Weights
}

// unfit says that a weight cannot be stored as wanted.
func unfit(t *tensor, value float32) error {
	return diag.New(diag.Invalid, "split.weight-range", "storing the weight "+t.String()+" as "+t.encoding.DType().String(),
		fmt.Sprintf("it has the element %v, which that type cannot hold", value), "plan that stage with precision float32")
}

// measure raises peaks to the largest magnitudes of the channels among elements at.. of a tensor.
func measure(peaks, part []float32, t *tensor, at int64) error {
	channels, inner := t.channelsOf()
	for len(part) > 0 {
		c := at / inner % channels
		run := min(inner-at%inner, int64(len(part)))
		peak := peaks[c]
		for _, v := range part[:run] {
			v = max(v, -v)
			if !(v <= math.MaxFloat32) {
				return unfit(t, v)
			}
			peak = max(peak, v)
		}
		peaks[c] = peak
		part, at = part[run:], at+run
	}
	return nil
}

// factorsOf gives the unit of each channel: its largest magnitude becomes the largest 8-bit number.
func factorsOf(peaks []float32) []float32 {
	units := make([]float32, len(peaks))
	for c, peak := range peaks {
		units[c] = peak / maxEight
		if units[c] == 0 { // all zeros, or so small that the quotient is none
			units[c] = 1
		}
	}
	return units
}

// eights stores elements at.. of a tensor as 8-bit numbers in units of their channels, at the front of the elements' own
// memory; zero is what the numbers lie around. It gives the bytes.
func eights(part []float32, t *tensor, at int64, units []float32, zero int32, loss *Loss) []byte {
	out := bytesOf(part)[:len(part)]
	channels, inner := t.channelsOf()
	for k := 0; k < len(part); {
		unit := units[at/inner%channels]
		run := int(min(inner-at%inner, int64(len(part)-k)))
		for end := k + run; k < end; k++ {
			v := part[k]
			q := min(max(int32(math.RoundToEven(float64(v)/float64(unit))), -maxEight), maxEight)
			loss.add(v, float32(q)*unit)
			out[k] = byte(q + zero) // never beyond the element that has just been read
		}
		at += int64(run)
	}
	return out
}

// halves stores elements of a tensor as float16, at the front of their own memory.
func halves(part []float32, t *tensor, loss *Loss) ([]byte, error) {
	out := bytesOf(part)[:2*len(part)]
	for k, v := range part {
		if !(v <= maxHalf && v >= -maxHalf) {
			return nil, unfit(t, v)
		}
		h := half(v)
		loss.add(v, wide(h))
		binary.LittleEndian.PutUint16(out[2*k:], h)
	}
	return out, nil
}

// half rounds a number of at most maxHalf to float16, to the nearest and from the middle to the even one (IEEE 754-2008).
func half(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	if b < 0x38800000 { // below 2^-14: a multiple of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
	}
	b += 0xfff + b>>13&1
	return sign | uint16(b>>13-112<<10)
}

// wide gives the number that a finite float16 stands for.
func wide(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&1023)
	if exponent == 0 {
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// store gives the bytes of elements at.. of a tensor as its encoding stores them, at the front of their own memory.
func (p *pipeline) store(part []float32, t *tensor, at int64) ([]byte, error) {
	switch t.encoding.Form {
	case precision.Half:
		return halves(part, t, &p.loss)
	case precision.Widened8:
		return eights(part, t, at, p.units[t.factors], 0, &p.loss), nil
	case precision.Product8:
		return eights(part, t, at, p.units[t.factors], zeroPoint, &p.loss), nil
	}
	return raw(part), nil
}
