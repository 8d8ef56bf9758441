package synthetic

import (
	"math"
	"strings"

	"partita/planner/graph"
	"partita/planner/hdf5write"
)

// scale is the distribution of a tensor's numbers.
type scale struct{ mean, deviation float64 }

// fill gives the numbers of a tensor: each follows from the tensor's key and its place alone.
func (s scale) fill(key string) hdf5write.Fill {
	seed := seedOf(key)
	return func(dst []float32, offset int64) error {
		for i := range dst {
			dst[i] = float32(s.mean + float64(s.deviation*bell(seed+uint64(offset)+uint64(i))))
		}
		return nil
	}
}

// bell gives the number at a place of a sequence that is nearly normal, with mean 0 and deviation 1: the sum of four even
// ones, so never beyond 3.5.
func bell(place uint64) float64 {
	h := mix(place)
	sum := int(h&0xffff) + int(h>>16&0xffff) + int(h>>32&0xffff) + int(h>>48)
	const middle, deviation = 2 * 0xffff, 37837.23 // of the sum: sqrt(4 (65536² - 1) / 12)
	return float64(sum-middle) / deviation
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014).
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// seedOf is FNV-1a of the key, mixed, so that the sequences of similar keys start far from each other.
func seedOf(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return mix(h)
}

// role is a tensor's name within its layer.
func role(key string) string {
	name, _, _ := strings.Cut(key[strings.LastIndexByte(key, '/')+1:], ":")
	return name
}

// byName gives the scale of a tensor of which only the name and the shape are known.
func byName(key string, stored graph.Shape) scale {
	switch name := role(key); name {
	case "bias", "beta":
		return scale{0, 0.1}
	case "gamma", "scale":
		return scale{1, 0.1}
	case "moving_mean", "mean":
		return scale{0, 0.1}
	case "moving_variance", "variance":
		return scale{1, 0.1}
	case "alpha": // of PReLU
		return scale{0.25, 0.05}
	case "embeddings":
		return scale{0, 0.5}
	case "count": // of the samples that a Normalization layer has seen
		return scale{1000, 0}
	}
	if len(stored) < 2 {
		return scale{0, 0.1}
	}
	out := stored[len(stored)-1]
	in := stored[:len(stored)-1].Elements(1)
	return scale{0, round(math.Sqrt(2 / float64(in+out)))} // Glorot and Bengio, 2010
}

// round keeps the leading 12 bits, so that what differs in the last bit between machines is the same number everywhere.
func round(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	return math.Ldexp(math.Round(fraction*4096)/4096, exponent)
}
