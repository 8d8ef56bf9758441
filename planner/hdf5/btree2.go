package hdf5

import "math/bits"

// Kinds of records in version 2 B-trees.
const (
	recordHuge            = 1 // a huge object of a fractal heap, by its number
	recordLinkName        = 5
	recordAttributeName   = 8
	recordChunk           = 10
	recordFilteredChunk   = 11
	maxTreeDepth          = 32
	nodeOverhead          = 10 // bytes of signature, version, kind and checksum of a node
	smallestNode, maxNode = 32, 16 << 20
)

// tree2 is the header of a version 2 B-tree.
type tree2 struct {
	kind       uint8
	nodeSize   int64
	recordSize int
	leafCount  int   // bytes of a count of records in a leaf
	maxRecords []int // by level, 0 a leaf
	totalSize  []int // by level, bytes of a count of all records below
}

// readTree2 visits all records of a version 2 B-tree.
func (f *File) readTree2(b *budget, addr uint64, kind uint8, what string, visit func(record []byte) error) error {
	raw, err := f.read(b, addr, int64(16+f.offsetSize+2+f.lengthSize+4), what)
	if err != nil {
		return err
	}
	c := f.cursor(raw, "the index of "+what)
	c.expect("BTHD")
	c.version(0)
	t := tree2{kind: c.u8(), nodeSize: int64(c.u32()), recordSize: int(c.u16())}
	depth := int(c.u16())
	c.skip(2) // when nodes split and merge
	root, count := c.addr(), int(c.u16())
	c.length()
	if c.err != nil {
		return c.err
	}
	if summed := raw[:c.off]; !f.intact(summed, c.u32()) {
		return badChecksum("the index of " + what)
	}
	switch {
	case t.kind != kind:
		return damaged("the index of %s is of kind %d, not %d", what, t.kind, kind)
	case depth > maxTreeDepth:
		return damaged("the index of %s has %d levels", what, depth)
	case t.nodeSize < smallestNode || t.nodeSize > maxNode || t.recordSize == 0:
		return damaged("the index of %s has nodes of %d and records of %d bytes", what, t.nodeSize, t.recordSize)
	case root == undefined || count == 0:
		return nil
	}
	// How wide the counts in a node are follows from how many records can be below it.
	most := (t.nodeSize - nodeOverhead) / int64(t.recordSize)
	if most <= 0 {
		return damaged("the index of %s has records larger than its nodes", what)
	}
	t.leafCount = widthOf(uint64(most))
	t.maxRecords, t.totalSize = []int{int(most)}, []int{0}
	total := uint64(most)
	for level := 1; level <= depth; level++ {
		pointer := int64(f.offsetSize + t.leafCount + t.totalSize[level-1])
		most := (t.nodeSize - nodeOverhead - pointer) / (int64(t.recordSize) + pointer)
		if most <= 0 {
			return damaged("the index of %s has nodes that are too small", what)
		}
		hi, below := bits.Mul64(uint64(most)+1, total)
		if hi != 0 || below+uint64(most) < below {
			return damaged("the index of %s has too many levels", what)
		}
		total = below + uint64(most)
		t.maxRecords = append(t.maxRecords, int(most))
		t.totalSize = append(t.totalSize, widthOf(total))
	}
	return f.readNode2(b, &t, root, depth, count, what, map[uint64]bool{}, visit)
}

// widthOf gives the bytes that a number up to n needs.
func widthOf(n uint64) int { return (bits.Len64(n)-1)/8 + 1 }

func (f *File) readNode2(b *budget, t *tree2, addr uint64, level, count int, what string, seen map[uint64]bool, visit func([]byte) error) error {
	if seen[addr] {
		return damaged("the index of %s contains itself", what)
	}
	seen[addr] = true
	if count > t.maxRecords[level] {
		return damaged("the index of %s has a node with %d records", what, count)
	}
	pointer, sig := 0, "BTLF"
	size := nodeOverhead + count*t.recordSize
	if level > 0 {
		sig, pointer = "BTIN", f.offsetSize+t.leafCount
		if level > 1 {
			pointer += t.totalSize[level-1]
		}
		size += (count + 1) * pointer
	}
	raw, err := f.read(b, addr, int64(size), what)
	if err != nil {
		return err
	}
	c := f.cursor(raw, "the index of "+what)
	c.expect(sig)
	c.version(0)
	kind := c.u8()
	records := c.bytes(count * t.recordSize)
	pointers := c.bytes((count + 1) * pointer)
	if c.err != nil {
		return c.err
	}
	if summed := raw[:c.off]; !f.intact(summed, c.u32()) {
		return badChecksum("the index of " + what)
	}
	if kind != t.kind {
		return damaged("the index of %s has a node of kind %d", what, kind)
	}
	for i := 0; i <= count; i++ {
		if level > 0 {
			c := f.cursor(pointers[i*pointer:(i+1)*pointer], what)
			child, n := c.addr(), int(c.uint(t.leafCount))
			if err := f.readNode2(b, t, child, level-1, n, what, seen, visit); err != nil {
				return err
			}
		}
		if i < count {
			if err := visit(records[i*t.recordSize : (i+1)*t.recordSize]); err != nil {
				return err
			}
		}
	}
	return nil
}
