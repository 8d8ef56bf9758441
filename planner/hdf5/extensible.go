package hdf5

import "math/bits"

// extensible is the header of an extensible array. Its elements are, in order: some in the index block itself, then those
// of data blocks whose addresses are in the index block, then those of data blocks whose addresses are in super blocks.
// Super block s (the first ones exist in theory only) has 2^(s/2) data blocks of 2^((s+1)/2) times the least size.
type extensible struct {
	arrayHead
	inIndex     uint64 // elements in the index block
	least       uint64 // elements of the smallest data block
	perPage     uint64 // elements of a page; larger data blocks have pages
	offsetBytes int    // of an offset that blocks carry
	theoretical int    // super blocks whose data blocks the index block lists
	index       []byte // the index block after its header
	listed      int    // data blocks that the index block lists
	supers      int    // super blocks that the index block lists

	super, data, page       []byte // what was read last
	superOf, dataOf, pageOf uint64 // and where
}

func (d *Dataset) extensibleArray(b *budget) (func(uint64) (chunk, error), error) {
	f := d.file
	x := &extensible{arrayHead: arrayHead{d: d, what: "the chunks"}, superOf: undefined, dataOf: undefined, pageOf: undefined}
	raw, err := f.read(b, d.layout.addr, int64(12+6*f.lengthSize+f.offsetSize+4), x.what)
	if err != nil {
		return nil, err
	}
	c := f.cursor(raw, x.what)
	c.expect("EAHD")
	c.version(0)
	x.client(c)
	x.entry = int(c.u8())
	countBits := int(c.u8())
	x.inIndex = uint64(c.u8())
	x.least = uint64(c.u8())
	pointers, pageBits := int(c.u8()), int(c.u8())
	for range 6 {
		c.length() // amounts of blocks and elements
	}
	at := c.addr()
	if c.err != nil {
		return nil, c.err
	}
	if err := x.check(raw); err != nil {
		return nil, err
	}
	if err := x.checkEntry(); err != nil {
		return nil, err
	}
	if countBits < 1 || countBits > 64 || bits.OnesCount64(x.least) != 1 || bits.OnesCount(uint(pointers)) != 1 ||
		pageBits > 30 || countBits < bits.Len64(x.least)-1 {
		return nil, damaged("the index of %s has impossible measures", x.what)
	}
	x.perPage = 1 << pageBits
	x.offsetBytes = (countBits + 7) / 8
	if at == undefined { // nothing stored yet
		return func(uint64) (chunk, error) { return chunk{addr: undefined}, nil }, nil
	}
	all := 1 + countBits - (bits.Len64(x.least) - 1)
	x.theoretical = 2 * (bits.Len(uint(pointers)) - 1)
	x.listed = 2 * (pointers - 1)
	x.supers = max(all-x.theoretical, 0)
	head := 6 + f.offsetSize
	size := head + int(x.inIndex)*x.entry + (x.listed+x.supers)*f.offsetSize + 4
	if raw, err = f.read(b, at, int64(size), x.what); err != nil {
		return nil, err
	}
	c = f.cursor(raw, x.what)
	if x.begin(c, "EAIB"); c.err != nil {
		return nil, c.err
	}
	if err := x.check(raw); err != nil {
		return nil, err
	}
	x.index = raw[head:]
	return func(n uint64) (chunk, error) { return x.find(b, n) }, nil
}

// find gives the element with a number.
func (x *extensible) find(b *budget, n uint64) (chunk, error) {
	if n < x.inIndex {
		return x.element(x.index[n*uint64(x.entry):])
	}
	n -= x.inIndex
	f := x.d.file
	s := bits.Len64(n/x.least+1) - 1 // the super block
	before := x.least * (1<<s - 1)   // elements in the super blocks before it
	size := x.least << ((s + 1) / 2) // elements of each of its data blocks
	block := (n - before) / size
	within := (n - before) % size
	pages := uint64(0)
	if size > x.perPage {
		pages = size / x.perPage
	}
	var addr uint64
	present := []byte(nil) // which pages are there, over all data blocks of the super block
	addresses := x.index[int(x.inIndex)*x.entry:]
	if s < x.theoretical {
		// Data blocks in super blocks 0..s-1: the sum of 2^(i/2).
		first := uint64(1)<<((s+1)/2) + uint64(1)<<(s/2) - 2
		c := f.cursor(addresses[(first+block)*uint64(f.offsetSize):], x.what)
		addr = c.addr()
		if pages > 0 {
			return chunk{}, unsupported("a chunk index with pages in its first blocks")
		}
	} else {
		if s-x.theoretical >= x.supers {
			return chunk{}, damaged("the index of %s is too short", x.what)
		}
		c := f.cursor(addresses[(x.listed+s-x.theoretical)*f.offsetSize:], x.what)
		superAt := c.addr()
		if superAt == undefined {
			return chunk{addr: undefined}, nil
		}
		blocks := uint64(1) << (s / 2)
		bitmap := (pages + 7) / 8
		head := uint64(6 + f.offsetSize + x.offsetBytes)
		total := head + blocks*(bitmap+uint64(f.offsetSize)) + 4
		if superAt != x.superOf || total != uint64(len(x.super)) { // a damaged file may give one block two sizes
			var err error
			if x.super, err = x.block(b, superAt, total, "EASB"); err != nil {
				return chunk{}, err
			}
			x.superOf = superAt
		}
		present = x.super[head : head+blocks*bitmap]
		c = f.cursor(x.super[head+blocks*bitmap+block*uint64(f.offsetSize):], x.what)
		addr = c.addr()
	}
	if addr == undefined {
		return chunk{addr: undefined}, nil
	}
	head := uint64(6 + f.offsetSize + x.offsetBytes)
	total := head + 4
	if pages == 0 {
		total += size * uint64(x.entry)
	}
	if addr != x.dataOf || total != uint64(len(x.data)) {
		var err error
		if x.data, err = x.block(b, addr, total, "EADB"); err != nil {
			return chunk{}, err
		}
		x.dataOf = addr
	}
	if pages == 0 {
		return x.element(x.data[head+within*uint64(x.entry):])
	}
	p := within / x.perPage
	if bit := block*pages + p; present[bit/8]>>(7-bit%8)&1 == 0 {
		return chunk{addr: undefined}, nil
	}
	stride := x.perPage*uint64(x.entry) + 4
	pageAt := addr + head + 4 + p*stride
	if pageAt != x.pageOf {
		var err error
		if x.page, err = f.read(b, pageAt, int64(stride), x.what); err != nil {
			return chunk{}, err
		}
		if err := x.check(x.page); err != nil {
			return chunk{}, err
		}
		x.pageOf = pageAt
	}
	return x.element(x.page[within%x.perPage*uint64(x.entry):])
}

// block reads a super or data block up to its checksum.
func (x *extensible) block(b *budget, addr, size uint64, sig string) ([]byte, error) {
	if size > maxBlock {
		return nil, limit("%s are indexed by blocks of %d bytes", x.what, size)
	}
	raw, err := x.d.file.read(b, addr, int64(size), x.what)
	if err != nil {
		return nil, err
	}
	c := x.d.file.cursor(raw, x.what)
	if x.begin(c, sig); c.err != nil {
		return nil, c.err
	}
	return raw, x.check(raw)
}
