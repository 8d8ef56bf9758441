package hdf5

import (
	"container/list"
	"math/bits"
	"sync"
)

// Kinds of chunk indexes; those after the first came with layout version 4.
const (
	indexTree1      = 0
	indexSingle     = 1
	indexImplicit   = 2
	indexFixedArray = 3
	indexExtensible = 4
	indexTree2      = 5
)

const (
	maxChunkBytes = 64 << 20 // of one decoded chunk
	maxChunks     = 1 << 18  // of one dataset
	chunkCacheMax = 32 << 20 // bytes of decoded chunks that are remembered: a row of chunks of a large matrix
)

// chunkLayout is how a dataset is cut in chunks.
type chunkLayout struct {
	dims        []int64 // of a chunk; while parsing, the last is the size of an element
	index       uint8
	wholeEdges  bool    // chunks that stick out of the dataset are not filtered
	single      chunk   // of indexSingle
	filtered    bool    // indexSingle carries a size and a mask
	elementSize int64   // as the layout has it
	bytes       int64   // of a chunk
	grid        []int64 // chunks along each dimension
}

// chunk is a stored chunk.
type chunk struct {
	addr uint64
	size int64 // as stored; 0: as large as decoded
	mask uint32
}

func (l *chunkLayout) readDims(c *cursor, n, width int) {
	if n < 2 || n > maxRank+1 {
		if c.err == nil {
			c.err = damaged("%s has %d dimensions", c.what, n)
		}
		return
	}
	for range n {
		d := c.uint(width)
		if c.err == nil && (d == 0 || d > 1<<40) {
			c.err = damaged("%s has a chunk of size %d", c.what, d)
		}
		l.dims = append(l.dims, int64(d))
	}
	l.elementSize, l.dims = l.dims[n-1], l.dims[:n-1]
}

// parseChunkLayout4 reads the chunk part of a version 4 layout.
func (d *Dataset) parseChunkLayout4(c *cursor, l *layout) {
	flags := c.u8()
	n, width := int(c.u8()), int(c.u8())
	if width < 1 || width > 8 {
		if c.err == nil {
			c.err = damaged("%s has dimensions of %d bytes", c.what, width)
		}
		return
	}
	l.chunk.wholeEdges = flags&1 != 0
	l.chunk.readDims(c, n, width)
	l.chunk.index = c.u8()
	switch l.chunk.index {
	case indexSingle:
		if flags&2 != 0 {
			l.chunk.filtered = true
			l.chunk.single.size = int64(c.length())
			l.chunk.single.mask = c.u32()
		}
	case indexImplicit:
	case indexFixedArray:
		c.skip(1)
	case indexExtensible:
		c.skip(5)
	case indexTree2:
		c.skip(6)
	default:
		if c.err == nil {
			c.err = unsupported("a chunk index of kind %d", l.chunk.index)
		}
	}
	l.addr = c.addr()
}

// checkChunks compares a chunk's shape with the dataset's and bounds it.
func (d *Dataset) checkChunks(l *chunkLayout) error {
	if len(l.dims) != len(d.space.dims) && !d.space.null {
		return damaged("it has %d dimensions, its chunks %d", len(d.space.dims), len(l.dims))
	}
	if l.elementSize != int64(d.typ.Size) {
		return damaged("its elements have %d bytes, those of its chunks %d", d.typ.Size, l.elementSize)
	}
	n := uint64(d.typ.Size)
	for _, c := range l.dims {
		hi, lo := bits.Mul64(n, uint64(c))
		if hi != 0 || lo > maxChunkBytes {
			return limit("its chunks have more than %d MB", maxChunkBytes>>20)
		}
		n = lo
	}
	l.bytes = int64(n)
	for i, size := range d.space.dims {
		l.grid = append(l.grid, (size+l.dims[i]-1)/l.dims[i])
	}
	return nil
}

// number gives a chunk's place in row-major order of the grid from its coordinates; false outside of the grid.
func (l *chunkLayout) number(at func(dim int) uint64) (uint64, bool) {
	n := uint64(0)
	for i, count := range l.grid {
		x := at(i)
		if x >= uint64(count) {
			return 0, false
		}
		n = n*uint64(count) + x
	}
	return n, true
}

// loadIndex reads where the chunks are, once.
func (d *Dataset) loadIndex() error {
	d.once.Do(func() {
		d.chunks = map[uint64]chunk{}
		d.indexErr = d.readIndex(newBudget())
	})
	return d.indexErr
}

func (d *Dataset) readIndex(b *budget) error {
	l := &d.layout.chunk
	const what = "the chunks"
	switch l.index {
	case indexTree1:
		rank := len(l.dims)
		return d.file.readTree1(b, d.layout.addr, treeChunks, 8+8*(rank+1), what, func(key []byte, addr uint64) error {
			c := d.file.cursor(key, what)
			stored := chunk{addr: addr, size: int64(c.u32()), mask: c.u32()}
			if stored.size == 0 {
				return damaged("a chunk has no bytes")
			}
			offsets := c.b[c.off:]
			n, ok := l.number(func(i int) uint64 {
				c := d.file.cursor(offsets[8*i:], what)
				return c.uint(8) / uint64(l.dims[i])
			})
			if !ok { // left over from when the dataset was larger
				return nil
			}
			return d.addChunk(n, stored)
		})
	case indexSingle:
		stored := l.single
		stored.addr = d.layout.addr
		if l.filtered && stored.size == 0 {
			return damaged("a chunk has no bytes")
		}
		return d.addChunk(0, stored)
	case indexTree2:
		return d.readChunkTree2(b)
	}
	return d.readChunkArray(b)
}

// addChunk remembers a chunk.
func (d *Dataset) addChunk(number uint64, c chunk) error {
	if c.addr == undefined {
		return nil
	}
	if _, twice := d.chunks[number]; twice {
		return damaged("a chunk is listed twice")
	}
	if len(d.chunks) >= maxChunks {
		return limit("it has more than %d chunks", maxChunks)
	}
	d.chunks[number] = c
	return nil
}

// readChunks fills dst with whole elements from the chunks that hold them.
func (d *Dataset) readChunks(dst []byte, element int64) error {
	if err := d.loadIndex(); err != nil {
		return err
	}
	// Dimensions at the end that chunks do not cut are one with the dimension before them: the runs get longer, and the
	// numbers of the chunks stay the same.
	l := &d.layout.chunk
	rank := len(l.dims)
	row, runMost := d.space.dims[rank-1], l.dims[rank-1]
	for rank > 1 && l.dims[rank-1] == d.space.dims[rank-1] {
		rank--
		row *= d.space.dims[rank-1]
		runMost *= l.dims[rank-1]
	}
	outer := rank - 1
	columns := uint64((row + runMost - 1) / runMost)

	size := int64(d.typ.Size)
	var (
		current = ^uint64(0) // number of the chunk in data
		data    []byte       // nil: not stored
	)
	for len(dst) > 0 {
		// The row that the element is in: the number of its first chunk and the row's place within the chunks.
		at, column := element/row, element%row
		number, within, scale := uint64(0), int64(0), int64(1)
		gridScale := uint64(1)
		for i := outer - 1; i >= 0; i-- {
			x := at % d.space.dims[i]
			at /= d.space.dims[i]
			number += uint64(x/l.dims[i]) * gridScale
			gridScale *= uint64(l.grid[i])
			within += x % l.dims[i] * scale
			scale *= l.dims[i]
		}
		for column < row && len(dst) > 0 {
			n := number*columns + uint64(column/runMost)
			if n != current {
				var err error
				if data, err = d.chunk(n); err != nil {
					return err
				}
				current = n
			}
			inRow := column % runMost
			run := min(runMost-inRow, row-column, int64(len(dst))/size)
			to := dst[:run*size]
			if data == nil {
				d.fillWith(to)
			} else {
				copy(to, data[(within*runMost+inRow)*size:])
			}
			dst = dst[run*size:]
			column += run
			element += run
		}
	}
	return nil
}

// chunk gives a decoded chunk; nil when it is not stored.
func (d *Dataset) chunk(number uint64) ([]byte, error) {
	stored, ok := d.chunks[number]
	if !ok {
		return nil, nil
	}
	key := chunkKey{d.addr, stored.addr}
	if data := d.file.chunks.get(key); data != nil {
		return data, nil
	}
	l := &d.layout.chunk
	size := stored.size
	filters := d.filters
	if l.wholeEdges && d.atEdge(number) {
		filters = nil
	}
	if size == 0 || len(filters) == 0 {
		if size != 0 && size != l.bytes {
			return nil, damaged("a chunk has %d bytes instead of %d", size, l.bytes)
		}
		size = l.bytes
	}
	if err := d.file.inside(stored.addr, size, "a chunk"); err != nil {
		return nil, err
	}
	if size > 2*maxChunkBytes {
		return nil, limit("a chunk has %d bytes", size)
	}
	data := make([]byte, size)
	offset := d.file.base + int64(stored.addr)
	source := d.file.data
	if size <= pageBytes {
		source = d.file.pages
	}
	if _, err := readAll(source, data, offset); err != nil {
		return nil, readFailed(offset, err)
	}
	data, err := unfilter(data, filters, stored.mask, int(l.bytes))
	if err != nil {
		return nil, err
	}
	d.file.chunks.put(key, data)
	return data, nil
}

// atEdge tells whether a chunk sticks out of the dataset.
func (d *Dataset) atEdge(number uint64) bool {
	l := &d.layout.chunk
	for i := len(l.grid) - 1; i >= 0; i-- {
		x := int64(number % uint64(l.grid[i]))
		number /= uint64(l.grid[i])
		if (x+1)*l.dims[i] > d.space.dims[i] {
			return true
		}
	}
	return false
}

// chunkKey names a decoded chunk: two datasets may claim the same bytes.
type chunkKey struct{ dataset, addr uint64 }

// chunkCache remembers the decoded chunks that were used last.
type chunkCache struct {
	mu    sync.Mutex
	known map[chunkKey]*list.Element
	used  list.List // of cachedChunk, the most recently used first
	bytes int
}

type cachedChunk struct {
	key  chunkKey
	data []byte
}

func (c *chunkCache) get(key chunkKey) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known[key]
	if e == nil {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(cachedChunk).data
}

func (c *chunkCache) put(key chunkKey, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[key] != nil { // another goroutine was faster
		return
	}
	if c.known == nil {
		c.known = map[chunkKey]*list.Element{}
	}
	c.known[key] = c.used.PushFront(cachedChunk{key, data})
	c.bytes += len(data)
	for c.bytes > chunkCacheMax && c.used.Len() > 1 {
		old := c.used.Remove(c.used.Back()).(cachedChunk)
		delete(c.known, old.key)
		c.bytes -= len(old.data)
	}
}
