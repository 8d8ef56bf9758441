package split

// lane is how many neighbours along the stored tensor's last axis are moved together: they share a cache line when
// read, and few enough rows are then written at once for all of them to stay in the first-level cache.
const lane = 8

// permutation rearranges a tensor from stored to output order.
type permutation struct {
	dims    []int64 // of the output
	strides []int64 // of the output's axes in the stored tensor
}

// newPermutation prepares the permutation of a tensor whose stored axes have so many elements.
func newPermutation(stored []int64, perm []int) *permutation {
	p := &permutation{dims: make([]int64, len(perm)), strides: make([]int64, len(perm))}
	for k, a := range perm {
		p.dims[k] = stored[a]
		p.strides[k] = 1
		for _, d := range stored[a+1:] {
			p.strides[k] *= d
		}
	}
	return p
}

// run fills dst, in output order, from src. Its last output axis is not the stored tensor's last (collapse and the
// order of boxes see to the common cases; the general one is right but slower).
func (p *permutation) run(dst, src []float32) {
	n := len(p.dims)
	near := 0 // the output axis that is nearest in the stored tensor
	for k := range p.strides {
		if p.strides[k] < p.strides[near] || p.strides[k] == p.strides[near] && p.dims[k] > p.dims[near] {
			near = k
		}
	}
	out := make([]int64, n) // strides of the output
	step := int64(1)
	for k := n - 1; k >= 0; k-- {
		out[k] = step
		step *= p.dims[k]
	}
	if near == n-1 {
		p.rows(dst, src, out)
		return
	}
	// Lanes of the nearest axis outermost, then the other axes in output order, the last one and the lane innermost.
	var middle []int
	for k := 0; k < n-1; k++ {
		if k != near {
			middle = append(middle, k)
		}
	}
	last, farStride, nearOut := p.dims[n-1], p.strides[n-1], out[near]
	index := make([]int64, len(middle))
	for lo := int64(0); lo < p.dims[near]; lo += lane {
		width := min(lane, p.dims[near]-lo)
		for {
			from, to := lo*p.strides[near], lo*nearOut
			for i, k := range middle {
				from += index[i] * p.strides[k]
				to += index[i] * out[k]
			}
			if width == lane && p.strides[near] == 1 {
				for j := int64(0); j < last; j++ {
					v := src[from+j*farStride : from+j*farStride+lane]
					d := dst[to+j:]
					d[0], d[nearOut], d[2*nearOut], d[3*nearOut] = v[0], v[1], v[2], v[3]
					d[4*nearOut], d[5*nearOut], d[6*nearOut], d[7*nearOut] = v[4], v[5], v[6], v[7]
				}
			} else {
				for j := int64(0); j < last; j++ {
					for i := int64(0); i < width; i++ {
						dst[to+j+i*nearOut] = src[from+j*farStride+i*p.strides[near]]
					}
				}
			}
			if !advance(index, middle, p.dims) {
				break
			}
		}
	}
}

// rows copies along the last output axis, which is the nearest in the stored tensor too.
func (p *permutation) rows(dst, src []float32, out []int64) {
	n := len(p.dims)
	outer := make([]int, n-1)
	for k := range outer {
		outer[k] = k
	}
	index := make([]int64, n-1)
	last, stride := p.dims[n-1], p.strides[n-1]
	for {
		from, to := int64(0), int64(0)
		for k, i := range index {
			from += i * p.strides[k]
			to += i * out[k]
		}
		if stride == 1 {
			copy(dst[to:to+last], src[from:from+last])
		} else {
			for j := int64(0); j < last; j++ {
				dst[to+j] = src[from+j*stride]
			}
		}
		if !advance(index, outer, p.dims) {
			return
		}
	}
}

// advance steps an odometer over the given axes; false when it is back at the start.
func advance(index []int64, axes []int, dims []int64) bool {
	for i := len(axes) - 1; i >= 0; i-- {
		if index[i]++; index[i] < dims[axes[i]] {
			return true
		}
		index[i] = 0
	}
	return false
}
