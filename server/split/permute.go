package split

const (
	// lane is how many neighbours along the stored tensor's last axis are moved together: a cache line of 64 bytes.
	lane = 16
	// bundle is how many lanes are taken from each stored row before the next row: rows are often in different pages of
	// memory, and more rows are in use at once than the processor keeps addresses of.
	bundle = 4
	// tileWidth is how many elements of each output row are collected before they are written to it. Output rows are often
	// a power of two of bytes apart, and would compete for the same few places in the cache if written one element at a
	// time. tileStride is no such power; the tile, 20 KiB, stays in the first-level cache.
	tileWidth  = 72
	tileStride = tileWidth + 8
)

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

// columnwise tells whether the output's first axis is the stored tensor's last.
func (p *permutation) columnwise() bool { return len(p.dims) > 1 && p.strides[0] == 1 }

// run fills dst, in output order, from src. Where the output's first axis is the stored tensor's last, as it is for
// convolution kernels, it goes by columns; other orders are rarer and take a slower way.
func (p *permutation) run(dst, src []float32) {
	if p.columnwise() {
		p.columns(dst, src, nil)
	} else {
		p.rows(dst, src)
	}
}

// columns fills dst where output axis 0 is the stored tensor's last: lane neighbours along it are read together and
// become elements of as many output rows. With factors, row k is multiplied by factors[k].
func (p *permutation) columns(dst, src []float32, factors []float32) {
	n := len(p.dims)
	var middle []int
	row := int64(1)
	for k := 1; k < n; k++ {
		row *= p.dims[k]
		if k < n-1 {
			middle = append(middle, k)
		}
	}
	last, far := p.dims[n-1], p.strides[n-1]
	index := make([]int64, len(middle))
	var tile [bundle * lane * tileStride]float32
	lo := int64(0)
	for lo+lane <= p.dims[0] {
		lanes := min(bundle, (p.dims[0]-lo)/lane)
		var f []float32
		if factors != nil {
			f = factors[lo : lo+lanes*lane]
		}
		filled, written := int64(0), lo*row
		flush := func() {
			for k, to := int64(0), written; k < lanes*lane; k, to = k+1, to+row {
				copy(dst[to:to+filled], tile[k*tileStride:])
			}
			written += filled
			filled = 0
		}
		for {
			from := lo
			for i, k := range middle {
				from += index[i] * p.strides[k]
			}
			for left := last; left > 0; left-- {
				collect(tile[filled:], src[from:from+lanes*lane], f)
				from += far
				if filled++; filled == tileWidth {
					flush()
				}
			}
			if !advance(index, middle, p.dims) {
				break
			}
		}
		flush()
		lo += lanes * lane
	}
	rest := permutation{dims: p.dims[1:], strides: p.strides[1:]}
	for ; lo < p.dims[0]; lo++ {
		out := dst[lo*row : (lo+1)*row]
		rest.rows(out, src[lo:])
		if factors != nil {
			multiply(out, factors[lo])
		}
	}
}

// collect moves a part of a stored row, whole lanes of it, to a column of a tile, times the factors if there are any. It
// is the innermost loop of a split, and written out so that no element is checked against bounds.
func collect(tile, row, factors []float32) {
	const s = tileStride
	for at := 0; at+lane <= len(row); at += lane {
		v := (*[lane]float32)(row[at:])
		t := (*[(lane-1)*s + 1]float32)(tile[at*s:])
		if factors == nil {
			t[0], t[s], t[2*s], t[3*s], t[4*s], t[5*s], t[6*s], t[7*s] = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
			t[8*s], t[9*s], t[10*s], t[11*s], t[12*s], t[13*s], t[14*s], t[15*s] = v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]
			continue
		}
		f := (*[lane]float32)(factors[at:])
		t[0], t[s], t[2*s], t[3*s] = v[0]*f[0], v[1]*f[1], v[2]*f[2], v[3]*f[3]
		t[4*s], t[5*s], t[6*s], t[7*s] = v[4]*f[4], v[5]*f[5], v[6]*f[6], v[7]*f[7]
		t[8*s], t[9*s], t[10*s], t[11*s] = v[8]*f[8], v[9]*f[9], v[10]*f[10], v[11]*f[11]
		t[12*s], t[13*s], t[14*s], t[15*s] = v[12]*f[12], v[13]*f[13], v[14]*f[14], v[15]*f[15]
	}
}

func multiply(part []float32, factor float32) {
	for i, v := range part {
		part[i] = v * factor
	}
}

// rows fills dst one row along the last output axis after the other.
func (p *permutation) rows(dst, src []float32) {
	n := len(p.dims)
	outer := make([]int, n-1)
	for k := range outer {
		outer[k] = k
	}
	index := make([]int64, n-1)
	last, stride := p.dims[n-1], p.strides[n-1]
	for to := int64(0); ; to += last {
		from := int64(0)
		for k, i := range index {
			from += i * p.strides[k]
		}
		if stride == 1 {
			copy(dst[to:to+last], src[from:from+last])
		} else {
			for j := range dst[to : to+last] {
				dst[to+int64(j)] = src[from]
				from += stride
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
