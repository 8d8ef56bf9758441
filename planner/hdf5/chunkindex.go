package hdf5

import "math/bits"

// readChunkTree2 reads a version 2 B-tree of chunks, which datasets with several unlimited dimensions have.
func (d *Dataset) readChunkTree2(b *budget) error {
	const what = "the chunks"
	l := &d.layout.chunk
	kind := uint8(recordChunk)
	if len(d.filters) > 0 {
		kind = recordFilteredChunk
	}
	coordinates := 8 * len(l.dims)
	return d.file.readTree2(b, d.layout.addr, kind, what, func(record []byte) error {
		c := d.file.cursor(record, what)
		stored := chunk{addr: c.addr()}
		if kind == recordFilteredChunk {
			stored = d.storedChunk(c, stored.addr, c.left()-4-coordinates)
		}
		places := c.bytes(coordinates)
		if c.err != nil {
			return c.err
		}
		n, ok := l.number(func(i int) uint64 {
			c := d.file.cursor(places[8*i:], what)
			return c.uint(8)
		})
		if !ok {
			return nil
		}
		if kind == recordFilteredChunk && stored.size == 0 {
			return damaged("a chunk has no bytes")
		}
		return d.addChunk(n, stored)
	})
}

// storedChunk reads the size, of so many bytes, and the mask of a filtered chunk.
func (d *Dataset) storedChunk(c *cursor, addr uint64, sizeBytes int) chunk {
	if sizeBytes < 1 || sizeBytes > 8 {
		if c.err == nil {
			c.err = damaged("%s have sizes of %d bytes", c.what, sizeBytes)
		}
		return chunk{}
	}
	size := c.uint(sizeBytes)
	return chunk{addr: addr, size: int64(min(size, 1<<62)), mask: c.u32()}
}

// readChunkArray reads the indexes that number chunks along the maximal shape: an implicit index, a fixed array, or an
// extensible array, in which the one unlimited dimension counts slowest.
func (d *Dataset) readChunkArray(b *budget) error {
	l := &d.layout.chunk
	total := uint64(1)
	for _, n := range l.grid {
		hi, lo := bits.Mul64(total, uint64(n))
		if hi != 0 || lo > maxChunks {
			return limit("it has more than %d chunks", maxChunks)
		}
		total = lo
	}
	strides, err := d.arrayStrides()
	if err != nil {
		return err
	}
	last := uint64(0) // the greatest number in use
	for i, s := range strides {
		hi, lo := bits.Mul64(s, uint64(l.grid[i]-1))
		if hi != 0 || last+lo < last || last+lo > 1<<40 {
			return limit("it has a chunk index for more than 2^40 chunks")
		}
		last += lo
	}
	var elements func(number uint64) (chunk, error)
	switch l.index {
	case indexImplicit:
		if len(d.filters) > 0 {
			return damaged("it has filtered chunks and an index without their sizes")
		}
		elements = func(number uint64) (chunk, error) {
			return chunk{addr: d.layout.addr + number*uint64(l.bytes)}, nil
		}
	case indexFixedArray:
		elements, err = d.fixedArray(b, last)
	default:
		elements, err = d.extensibleArray(b)
	}
	if err != nil {
		return err
	}
	for n := range total {
		rest, number := n, uint64(0)
		for i := len(l.grid) - 1; i >= 0; i-- {
			number += rest % uint64(l.grid[i]) * strides[i]
			rest /= uint64(l.grid[i])
		}
		stored, err := elements(number)
		if err != nil {
			return err
		}
		if err := d.addChunk(n, stored); err != nil {
			return err
		}
	}
	return nil
}

// arrayStrides gives by how much a chunk's number rises along each dimension.
func (d *Dataset) arrayStrides() ([]uint64, error) {
	l := &d.layout.chunk
	order := make([]int, 0, len(l.dims)) // slowest first
	for i, n := range d.space.max {
		if n < 0 {
			order = append(order, i)
		}
	}
	unlimited := len(order)
	if (l.index == indexExtensible && unlimited != 1) || (l.index != indexExtensible && unlimited != 0) {
		return nil, damaged("it has %d unlimited dimensions and a chunk index of kind %d", unlimited, l.index)
	}
	for i, n := range d.space.max {
		if n >= 0 {
			order = append(order, i)
		}
	}
	strides := make([]uint64, len(l.dims))
	stride := uint64(1)
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		strides[i] = stride
		if n := d.space.max[i]; n >= 0 {
			if n < d.space.dims[i] {
				return nil, damaged("its dimension %d is larger than its maximum", i)
			}
			hi, lo := bits.Mul64(stride, uint64((n+l.dims[i]-1)/l.dims[i]))
			if hi != 0 {
				return nil, limit("its maximal shape has more than 2^64 chunks")
			}
			stride = lo
		}
	}
	return strides, nil
}

// arrayHead is what the headers of fixed and extensible arrays have in common.
type arrayHead struct {
	d        *Dataset
	what     string
	filtered uint8
	entry    int // bytes of an element
}

// check compares the checksum that ends raw.
func (h *arrayHead) check(raw []byte) error {
	end := len(raw) - 4
	c := h.d.file.cursor(raw[end:], h.what)
	if !h.d.file.intact(raw[:end], c.u32()) {
		return badChecksum(h.what)
	}
	return nil
}

// element reads one element.
func (h *arrayHead) element(raw []byte) (chunk, error) {
	c := h.d.file.cursor(raw, h.what)
	stored := chunk{addr: c.addr()}
	if h.filtered == 1 {
		stored = h.d.storedChunk(c, stored.addr, h.entry-h.d.file.offsetSize-4)
		if c.err == nil && stored.addr != undefined && stored.size == 0 {
			return stored, damaged("a chunk has no bytes")
		}
	}
	return stored, c.err
}

// begin reads the signature, version, client and, if it is to be there, header address of a block.
func (h *arrayHead) begin(c *cursor, sig string) {
	c.expect(sig)
	c.version(0)
	h.client(c)
	if got := c.addr(); c.err == nil && got != h.d.layout.addr {
		c.err = damaged("%s belong to another index", h.what)
	}
}

func (h *arrayHead) client(c *cursor) {
	h.filtered = c.u8()
	want := uint8(0)
	if len(h.d.filters) > 0 {
		want = 1
	}
	if c.err == nil && h.filtered != want {
		c.err = damaged("%s are indexed as kind %d", h.what, h.filtered)
	}
}

func (h *arrayHead) checkEntry() error {
	want := h.d.file.offsetSize
	if h.filtered == 1 {
		want += 4 + 1
	}
	if h.entry < want || h.entry > want+7 {
		return damaged("%s are indexed by elements of %d bytes", h.what, h.entry)
	}
	return nil
}

// fixedArray reads a fixed array: a header and one data block, which may have pages.
func (d *Dataset) fixedArray(b *budget, last uint64) (func(uint64) (chunk, error), error) {
	f := d.file
	h := arrayHead{d: d, what: "the chunks"}
	raw, err := f.read(b, d.layout.addr, int64(8+f.lengthSize+f.offsetSize+4), h.what)
	if err != nil {
		return nil, err
	}
	c := f.cursor(raw, h.what)
	c.expect("FAHD")
	c.version(0)
	h.client(c)
	h.entry = int(c.u8())
	pageBits := int(c.u8())
	count, at := c.length(), c.addr()
	if c.err != nil {
		return nil, c.err
	}
	if err := h.check(raw); err != nil {
		return nil, err
	}
	if err := h.checkEntry(); err != nil {
		return nil, err
	}
	if count > 1<<40 || last >= count || pageBits > 30 {
		return nil, damaged("%s are indexed up to %d, and there are %d", h.what, count, last+1)
	}
	if at == undefined { // nothing stored yet
		return func(uint64) (chunk, error) { return chunk{addr: undefined}, nil }, nil
	}
	head := 6 + f.offsetSize
	perPage := uint64(1) << pageBits
	if count <= perPage {
		raw, err := f.read(b, at, int64(head)+int64(count)*int64(h.entry)+4, h.what)
		if err != nil {
			return nil, err
		}
		c := f.cursor(raw, h.what)
		if h.begin(c, "FADB"); c.err != nil {
			return nil, c.err
		}
		if err := h.check(raw); err != nil {
			return nil, err
		}
		return func(n uint64) (chunk, error) { return h.element(raw[head+int(n)*h.entry:]) }, nil
	}
	pages := (count + perPage - 1) / perPage
	head += int((pages + 7) / 8)
	raw, err = f.read(b, at, int64(head)+4, h.what)
	if err != nil {
		return nil, err
	}
	c = f.cursor(raw, h.what)
	if h.begin(c, "FADB"); c.err != nil {
		return nil, c.err
	}
	if err := h.check(raw); err != nil {
		return nil, err
	}
	present := raw[6+f.offsetSize:]
	stride := perPage*uint64(h.entry) + 4
	var page []byte
	loaded := ^uint64(0)
	return func(n uint64) (chunk, error) {
		p := n / perPage
		if present[p/8]>>(7-p%8)&1 == 0 {
			return chunk{addr: undefined}, nil
		}
		if p != loaded {
			size := min(perPage, count-p*perPage)*uint64(h.entry) + 4
			var err error
			if page, err = f.read(b, at+uint64(head)+4+p*stride, int64(size), h.what); err != nil {
				return chunk{}, err
			}
			if err := h.check(page); err != nil {
				return chunk{}, err
			}
			loaded = p
		}
		return h.element(page[n%perPage*uint64(h.entry):])
	}, nil
}
