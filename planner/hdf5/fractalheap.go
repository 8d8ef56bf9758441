package hdf5

import "math/bits"

// fractalHeap is the header of a heap of links or attributes.
type fractalHeap struct {
	f           *File
	what        string
	idLength    int
	flags       uint8
	hugeIndex   uint64
	width       int    // blocks in a row
	start       uint64 // bytes of a block in the first row
	maxDirect   uint64 // bytes of the largest direct block
	offsetBytes int    // of an offset within the heap
	sizeBytes   int    // of an object's size
	root        uint64
	rootRows    int             // 0: the root is a direct block
	checked     map[uint64]bool // blocks whose signature and checksum are right
}

const maxIndirect = 64 // levels of indirect blocks

func (f *File) openFractalHeap(b *budget, addr uint64, what string) (*fractalHeap, error) {
	what = "the heap of " + what
	size := 26 + 12*f.lengthSize + 3*f.offsetSize
	raw, err := f.read(b, addr, int64(size), what)
	if err != nil {
		return nil, err
	}
	c := f.cursor(raw, what)
	h := &fractalHeap{f: f, what: what}
	c.expect("FRHP")
	c.version(0)
	h.idLength = int(c.u16())
	filters := c.u16()
	h.flags = c.u8()
	maxManaged := c.u32()
	c.length() // the next huge object's number
	h.hugeIndex = c.addr()
	c.length() // free space
	c.addr()
	for range 8 {
		c.length() // amounts of space and of objects
	}
	h.width = int(c.u16())
	h.start, h.maxDirect = c.length(), c.length()
	heapBits := int(c.u16())
	c.u16() // rows that the root had at first
	h.root = c.addr()
	h.rootRows = int(c.u16())
	if c.err != nil {
		return nil, c.err
	}
	if filters != 0 {
		return nil, unsupported("a filtered heap")
	}
	if summed := raw[:c.off]; !f.intact(summed, c.u32()) {
		return nil, badChecksum(what)
	}
	if bits.OnesCount64(h.start) != 1 || bits.OnesCount64(h.maxDirect) != 1 || h.maxDirect < h.start ||
		h.maxDirect > maxBlock || bits.OnesCount(uint(h.width)) != 1 || heapBits == 0 || heapBits > 64 || h.rootRows > 64 ||
		h.idLength < 1 {
		return nil, damaged("%s has impossible measures", what)
	}
	h.offsetBytes = (heapBits + 7) / 8
	h.sizeBytes = min((bits.Len64(h.maxDirect)-1+7)/8, widthOf(uint64(max(maxManaged, 1))))
	return h, nil
}

// object gives the bytes of the object with an id.
func (h *fractalHeap) object(b *budget, id []byte) ([]byte, error) {
	c := h.f.cursor(id[:min(h.idLength, len(id))], h.what)
	head := c.u8()
	if c.err == nil && head>>6 != 0 {
		return nil, damaged("%s has an object of version %d", h.what, head>>6)
	}
	switch head >> 4 & 3 {
	case 0:
		offset, size := c.uint(h.offsetBytes), c.uint(h.sizeBytes)
		if c.err != nil {
			return nil, c.err
		}
		return h.managed(b, offset, size)
	case 1:
		return h.huge(b, c)
	case 2:
		size := int(head&15) + 1
		if h.idLength > 18 {
			size = (int(head&15)<<8 | int(c.u8())) + 1
		}
		data := c.bytes(size)
		return data, c.err
	}
	return nil, damaged("%s has an object of an unknown kind", h.what)
}

// managed finds an object in the heap's blocks.
func (h *fractalHeap) managed(b *budget, offset, size uint64) ([]byte, error) {
	addr, rows := h.root, h.rootRows
	first := uint64(0) // offset of the block at addr
	blockSize := h.start
	for level := 0; rows > 0; level++ {
		if level > maxIndirect {
			return nil, damaged("%s is nested too deep", h.what)
		}
		// The row and the column in which the offset lies: rows 0 and 1 have blocks of the starting size, each later row
		// blocks of twice the size of the row before it.
		within := offset - first
		rowSize, rowStart, row := h.start, uint64(0), 0
		for within-rowStart >= rowSize*uint64(h.width) {
			rowStart += rowSize * uint64(h.width)
			if row > 0 {
				rowSize *= 2
			}
			if row++; row >= rows || rowSize > 1<<62/uint64(h.width) {
				return nil, damaged("%s has an object outside of its blocks", h.what)
			}
		}
		column := (within - rowStart) / rowSize
		children := h.directRows() * h.width
		if rows*h.width < children {
			children = rows * h.width
		}
		entry := row*h.width + int(column)
		next, err := h.child(b, addr, rows*h.width, entry)
		if err != nil {
			return nil, err
		}
		addr, first, blockSize = next, first+rowStart+column*rowSize, rowSize
		if entry < children {
			rows = 0
		} else {
			rows = bits.Len64(rowSize) - bits.Len64(h.start*uint64(h.width)) + 1
			if rows <= 0 {
				return nil, damaged("%s has an empty block", h.what)
			}
		}
	}
	head := uint64(5 + h.f.offsetSize + h.offsetBytes)
	if h.flags&2 != 0 {
		head += 4
	}
	at := offset - first
	if at < head || at > blockSize || size > blockSize-at {
		return nil, damaged("%s has an object outside of its block", h.what)
	}
	if err := h.checkBlock(b, addr, int64(blockSize)); err != nil {
		return nil, err
	}
	return h.f.read(b, addr+at, int64(size), h.what)
}

// directRows counts the rows whose blocks are direct.
func (h *fractalHeap) directRows() int { return bits.Len64(h.maxDirect) - bits.Len64(h.start) + 2 }

// child reads the address of an entry of an indirect block.
func (h *fractalHeap) child(b *budget, addr uint64, entries, entry int) (uint64, error) {
	head := 5 + h.f.offsetSize + h.offsetBytes
	raw, err := h.f.read(b, addr, int64(head+entries*h.f.offsetSize+4), h.what)
	if err != nil {
		return 0, err
	}
	end := len(raw) - 4
	stored := h.f.cursor(raw[end:], h.what)
	if string(raw[:4]) != "FHIB" {
		return 0, damaged("%s has an indirect block without signature", h.what)
	}
	if !h.f.intact(raw[:end], stored.u32()) {
		return 0, badChecksum(h.what)
	}
	c := h.f.cursor(raw[head+entry*h.f.offsetSize:end], h.what)
	return c.addr(), c.err
}

// checkBlock checks the signature and, if there is one, the checksum of a direct block.
func (h *fractalHeap) checkBlock(b *budget, addr uint64, size int64) error {
	if h.checked == nil {
		h.checked = map[uint64]bool{}
	}
	if h.checked[addr] {
		return nil
	}
	raw, err := h.f.read(b, addr, size, h.what)
	if err != nil {
		return err
	}
	if string(raw[:4]) != "FHDB" {
		return damaged("%s has a block without signature", h.what)
	}
	if at := 5 + h.f.offsetSize + h.offsetBytes; h.flags&2 != 0 {
		c := h.f.cursor(raw[at:], h.what)
		stored := c.u32()
		if c.err != nil {
			return c.err
		}
		clear(raw[at : at+4]) // the sum is over the block with zeros in its place
		if !h.f.intact(raw, stored) {
			return badChecksum(h.what)
		}
	}
	h.checked[addr] = true
	return nil
}

// huge finds an object that lies outside of the heap's blocks.
func (h *fractalHeap) huge(b *budget, c *cursor) ([]byte, error) {
	if h.idLength-1 >= h.f.offsetSize+h.f.lengthSize { // the id says where
		addr, size := c.addr(), c.length()
		if c.err != nil {
			return nil, c.err
		}
		if size > maxBlock {
			return nil, limit("an object of %s has %d bytes", h.what, size)
		}
		return h.f.read(b, addr, int64(size), h.what)
	}
	number := c.uint(min(h.f.lengthSize, h.idLength-1))
	if c.err != nil {
		return nil, c.err
	}
	var data []byte
	err := h.f.readTree2(b, h.hugeIndex, recordHuge, h.what, func(record []byte) error {
		r := h.f.cursor(record, h.what)
		addr, size := r.addr(), r.length()
		if r.length() != number || r.err != nil || data != nil {
			return r.err
		}
		if size > maxBlock {
			return limit("an object of %s has %d bytes", h.what, size)
		}
		var err error
		data, err = h.f.read(b, addr, int64(size), h.what)
		return err
	})
	if err == nil && data == nil {
		err = damaged("%s lacks huge object %d", h.what, number)
	}
	return data, err
}
