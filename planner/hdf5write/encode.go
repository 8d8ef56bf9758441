package hdf5write

import (
	"encoding/binary"
	"unicode/utf8"
)

// image is written piece by piece at known addresses: a cursor puts numbers one after the other.
type cursor struct {
	image []byte
	at    int64
}

func (c *cursor) bytes(b ...byte) {
	c.at += int64(copy(c.image[c.at:], b))
}

func (c *cursor) text(s string) {
	c.at += int64(copy(c.image[c.at:], s))
}

func (c *cursor) u16(n int) {
	binary.LittleEndian.PutUint16(c.image[c.at:], uint16(n))
	c.at += 2
}

func (c *cursor) u32(n int) {
	binary.LittleEndian.PutUint32(c.image[c.at:], uint32(n))
	c.at += 4
}

func (c *cursor) u64(n uint64) {
	binary.LittleEndian.PutUint64(c.image[c.at:], n)
	c.at += 8
}

func (c *cursor) address(n int64) { c.u64(uint64(n)) }

// superblock: II.A, version 0, with the symbol table entry of the root group.
func (f *file) superblock(image []byte, end int64) {
	c := &cursor{image: image}
	c.text("\x89HDF\r\n\x1a\n")
	c.bytes(0, 0, 0, 0) // versions: superblock, free space, root group, reserved
	c.bytes(0, 8, 8, 0) // version of shared headers, sizes of addresses and of lengths, reserved
	c.u16(leafK)
	c.u16(nodeK)
	c.u32(0)         // consistency flags
	c.u64(0)         // base address
	c.u64(undefined) // free space
	c.address(end)
	c.u64(undefined) // driver information
	c.entry(0, f.root)
}

// entry: III.C, a symbol table entry.
func (c *cursor) entry(nameOffset int64, object any) {
	c.address(nameOffset)
	switch o := object.(type) {
	case *Group:
		c.address(o.layout.header)
		c.u32(1) // where the B-tree and the heap are stands here too
		c.u32(0)
		c.address(o.layout.btree())
		c.address(o.layout.heap)
	case *dataset:
		c.address(o.header)
		c.at += 24 // nothing cached
	}
}

func (l *groupLayout) btree() int64 { return l.levels[len(l.levels)-1][0] }

// Types of header messages: IV.A.2.
const (
	dataspaceMessage = 0x01
	datatypeMessage  = 0x03
	fillMessage      = 0x05
	layoutMessage    = 0x08
	attributeMessage = 0x0c
	groupMessage     = 0x11
)

const (
	headerPrefixBytes  = 16
	messagePrefixBytes = 8
	// maxMessageBytes is what a header message can hold, a multiple of 8 below 64 KiB.
	maxMessageBytes = 1<<16 - 8
)

func (g *Group) headerBytes() int64 {
	n := int64(headerPrefixBytes + messagePrefixBytes + 16)
	for _, a := range g.attributes {
		n += messagePrefixBytes + a.messageBytesAligned()
	}
	return n
}

// header: IV.A.1.a, an object header of version 1.
func (c *cursor) header(messages int, bytes int64) {
	c.bytes(1, 0)
	c.u16(messages)
	c.u32(1) // reference count
	c.u32(int(bytes - headerPrefixBytes))
	c.u32(0) // up to a multiple of 8
}

func (c *cursor) message(kind int, bytes int64) {
	c.u16(kind)
	c.u16(int(bytes))
	c.u32(0) // flags, reserved
}

func (g *Group) encode(image []byte) {
	l := &g.layout
	c := &cursor{image, l.header}
	c.header(1+len(g.attributes), g.headerBytes())
	c.message(groupMessage, 16)
	c.address(l.btree())
	c.address(l.heap)
	for _, a := range g.attributes {
		c.message(attributeMessage, a.messageBytesAligned())
		a.encode(image[c.at:])
		c.at += a.messageBytesAligned()
	}

	// III.D, a local heap: the names.
	c = &cursor{image, l.heap}
	c.text("HEAP")
	c.u32(0) // version, reserved
	c.address(l.heapLen)
	c.u64(1) // no free list
	data := align(c.at + 8)
	c.address(data)
	for i, name := range l.names {
		copy(image[data+l.offsets[i]:], name)
	}

	// III.B, symbol table nodes.
	for i, at := range l.levels[0] {
		first := i * 2 * leafK
		last := min(first+2*leafK, len(l.names))
		c = &cursor{image, at}
		c.text("SNOD")
		c.bytes(1, 0)
		c.u16(last - first)
		for k := first; k < last; k++ {
			c.entry(l.offsets[k], g.children[l.names[k]])
		}
	}

	// III.A.1, B-tree nodes of version 1. The key before a child is the largest name of the child before it.
	reach := 2 * leafK // names below a child
	for level, nodes := range l.levels[1:] {
		children := l.levels[level]
		for i, at := range nodes {
			first := i * 2 * nodeK
			last := min(first+2*nodeK, len(children))
			c = &cursor{image, at}
			c.text("TREE")
			c.bytes(0, byte(level))
			c.u16(last - first)
			c.sibling(nodes, i-1)
			c.sibling(nodes, i+1)
			c.address(l.key(first * reach))
			for k := first; k < last; k++ {
				c.address(children[k])
				c.address(l.key((k + 1) * reach))
			}
		}
		reach *= 2 * nodeK
	}
}

func (c *cursor) sibling(nodes []int64, i int) {
	if i < 0 || i >= len(nodes) {
		c.u64(undefined)
		return
	}
	c.address(nodes[i])
}

// key is where the last of the first n names is in the heap; with none it is the empty name.
func (l *groupLayout) key(n int) int64 {
	if n = min(n, len(l.offsets)); n == 0 {
		return 0
	}
	return l.offsets[n-1]
}

// Sizes of a dataset's messages, to multiples of 8.
const (
	float32Bytes = 24
	fillBytes    = 8
	layoutBytes  = 24
)

func (d *dataset) dataspaceBytes() int64 { return 8 + 8*int64(len(d.shape)) }

func (d *dataset) headerBytes() int64 {
	return headerPrefixBytes + 4*messagePrefixBytes + d.dataspaceBytes() + float32Bytes + fillBytes + layoutBytes
}

func (d *dataset) encode(image []byte) {
	c := &cursor{image, d.header}
	c.header(4, d.headerBytes())
	c.message(dataspaceMessage, d.dataspaceBytes())
	c.dataspace(d.shape...)
	c.message(datatypeMessage, float32Bytes)
	c.float(4, 31, 23, 8, 127)
	c.at += 4
	c.message(fillMessage, fillBytes)
	c.bytes(2, 2, 2, 1) // version 2: allocated late, written if set, the default
	c.u32(0)
	c.message(layoutMessage, layoutBytes)
	c.bytes(3, 1) // version 3, contiguous
	if n := d.elements(); n > 0 {
		c.address(d.data)
		c.address(4 * n)
	} else {
		c.u64(undefined)
		c.u64(0)
	}
}

// dataspace: IV.A.2.b, version 1.
func (c *cursor) dataspace(shape ...int64) {
	c.bytes(1, byte(len(shape)), 0, 0, 0, 0, 0, 0)
	for _, d := range shape {
		c.address(d)
	}
}

// float: IV.A.2.d, an IEEE number with its lowest byte first; 20 bytes.
func (c *cursor) float(size, sign, exponentAt, exponentBits, bias int) {
	c.bytes(0x11, 0x20, byte(sign), 0) // version 1, class 1; the mantissa's leading 1 is implied
	c.u32(size)
	c.u16(0)
	c.u16(8 * size)
	c.bytes(byte(exponentAt), byte(exponentBits), 0, byte(exponentAt))
	c.u32(bias)
}

// elementBytes is the size of an attribute's strings, padded with zeros: HDF5 knows no empty type.
func (a *attribute) elementBytes() int {
	longest := 1
	for _, t := range a.texts {
		longest = max(longest, len(t))
	}
	return longest
}

// parts gives the sizes of an attribute's parts: name, datatype, dataspace, data.
func (a *attribute) parts() (name, datatype, dataspace, data int64) {
	name, datatype, dataspace = int64(len(a.name))+1, 8, 8
	if !a.scalar {
		dataspace += 8
	}
	if len(a.texts) == 0 {
		datatype = 20
	}
	return name, datatype, dataspace, int64(len(a.texts)) * int64(a.elementBytes())
}

func (a *attribute) messageBytes() int {
	name, datatype, dataspace, data := a.parts()
	return int(8 + align(name) + align(datatype) + align(dataspace) + data)
}

func (a *attribute) messageBytesAligned() int64 { return align(int64(a.messageBytes())) }

// encode: IV.A.2.m, an attribute of version 1, whose parts are padded to multiples of 8.
func (a *attribute) encode(image []byte) {
	name, datatype, dataspace, _ := a.parts()
	c := &cursor{image: image}
	c.bytes(1, 0)
	c.u16(int(name))
	c.u16(int(datatype))
	c.u16(int(dataspace))
	c.text(a.name)
	c.at = 8 + align(name)
	after := c.at + align(datatype)
	size := a.elementBytes()
	if len(a.texts) == 0 {
		c.float(8, 63, 52, 11, 1023)
	} else {
		const nullPadded, utf8Set = 1, 1 << 4
		set := byte(nullPadded)
		for _, t := range a.texts {
			if !ascii(t) {
				set |= utf8Set
			}
		}
		c.bytes(0x13, set, 0, 0) // version 1, class 3: string
		c.u32(size)
	}
	c.at = after
	if a.scalar {
		c.dataspace()
	} else {
		c.dataspace(int64(len(a.texts)))
	}
	for _, t := range a.texts {
		copy(image[c.at:], t)
		c.at += int64(size)
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
