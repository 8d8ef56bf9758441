package synthetic

import "partita/planner/graph"

// Input gives the numbers of a made-up input for a model, in C order: of a picture, pixels prepared as the model wants them,
// with patches whose size rises from one sample to the next; of anything else of floats, numbers round zero; and of whole numbers, which
// may be places in tables of unknown length, zeros and ones. The same name, shape and sample give the same numbers everywhere.
func Input(name string, dtype graph.DType, shape []int64, preprocess string, number int) []float64 {
	count := graph.Shape(shape).Elements(1)
	seed := seedOf(name) + uint64(number)*0x9e3779b97f4a7c15
	out := make([]float64, count)
	picture := len(shape) == 4
	switch {
	case dtype == graph.Float32, dtype == graph.Float64, dtype == graph.Float16, dtype == graph.BFloat16:
		values := likeInput(normal(seed), picture, preprocess)
		for i := range out {
			out[i] = values[mix(seed+place(int64(i), shape, picture, number))%samples]
		}
	case picture && dtype == graph.UInt8:
		for i := range out {
			out[i] = float64(mix(seed+place(int64(i), shape, picture, number)) & 255)
		}
	default:
		for i := range out {
			out[i] = float64(mix(seed+uint64(i)) & 1)
		}
	}
	return out
}

// place numbers the patch of a picture that an element is in, in either order of its axes, and elements of other tensors.
func place(i int64, shape []int64, picture bool, number int) uint64 {
	if !picture {
		return uint64(i)
	}
	patch := int64(1) << (2 * (number % 4)) // 1, 4, 16, 64
	d := i % shape[3]
	i /= shape[3]
	c := i % shape[2]
	i /= shape[2]
	b := i % shape[1]
	n := i / shape[1]
	if shape[1] < shape[3] { // channels first
		c, d = c/patch, d/patch
	} else {
		b, c = b/patch, c/patch
	}
	return uint64(((n*shape[1]+b)*shape[2]+c)*shape[3] + d)
}
