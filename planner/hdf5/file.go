// Package hdf5 reads HDF5 files of the shapes that Keras and its neighbours write: groups, attributes and datasets of
// numbers and strings, over an io.ReaderAt, in bounded memory and time.
//
// It is meant for files from strangers. Every address, length and count is checked against the file before it is used,
// every walk remembers where it has been, every operation has a budget, and nothing outside the file is ever opened:
// external storage, external links and virtual datasets are refused, soft links are not followed. What is damaged,
// unsupported or refused is a *diag.Error whose code starts with "hdf5.".
//
// The format is described in "HDF5 File Format Specification Version 3.0" (The HDF Group).
package hdf5

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
)

// File is an open HDF5 file. It and the objects found through it may be used by several goroutines at once.
type File struct {
	data       io.ReaderAt // the whole file, for tensor data
	pages      io.ReaderAt // the same through a page cache, for metadata
	size       int64       // of the whole file
	base       int64       // where address 0 of the file's own address space lies (after a user block)
	offsetSize int         // bytes of an address
	lengthSize int         // bytes of a length
	top        *Group      // the root group
	trusting   bool        // checksums of metadata are not compared: tests set it to reach the code behind them

	mu        sync.Mutex // guards the caches of metadata below
	groups    map[uint64]*links
	linkCount int // links held by groups
	heaps     map[uint64]*collection

	chunks chunkCache

	catalog  *Catalog // of a file that another reader reads; addresses are places in it
	elements Elements
}

var signature = []byte("\x89HDF\r\n\x1a\n")

// Open reads the superblock of the file in r. The tree below it is read as it is asked for.
func Open(r io.ReaderAt, size int64) (*File, error) { return openFile(r, size, false) }

func openFile(r io.ReaderAt, size int64, trusting bool) (*File, error) {
	const doing = "opening the file as HDF5"
	f := &File{size: size, trusting: trusting, groups: map[uint64]*links{}, heaps: map[uint64]*collection{}}
	if p, ok := r.(*pagedReader); ok {
		f.data, f.pages = p.source, p
	} else {
		f.data, f.pages = r, Paged(r, size)
	}
	at, err := f.findSuperblock()
	if err != nil {
		return nil, while(doing, err)
	}
	root, err := f.readSuperblock(at)
	if err != nil {
		return nil, while(doing, err)
	}
	if f.top, err = f.group(root, "/"); err != nil {
		return nil, while(doing, err)
	}
	return f, nil
}

// findSuperblock gives the place of the signature: 0, or 512, 1024, 2048, ... after a user block.
func (f *File) findSuperblock() (int64, error) {
	var sig [8]byte
	for at := int64(0); at+int64(len(sig)) <= f.size; at = max(512, at*2) {
		if _, err := f.pages.ReadAt(sig[:], at); err != nil {
			return 0, readFailed(at, err)
		}
		if bytes.Equal(sig[:], signature) {
			return at, nil
		}
		if at > 1<<30 {
			break // a user block of this size is no file of ours
		}
	}
	return 0, invalid("hdf5.not-hdf5", "there is no HDF5 signature in it", "give a Keras .h5 or .weights.h5 file")
}

// readSuperblock reads the superblock at a place in the file, which becomes the base of all addresses, and
// gives the address of the root group.
func (f *File) readSuperblock(at int64) (root uint64, err error) {
	f.base, f.offsetSize, f.lengthSize = at, 8, 8
	b := newBudget()
	// The longest superblock (version 1 with 8-byte addresses) has 100 bytes; a file may end before that.
	raw, err := f.read(b, 0, min(100, f.size-at), "the superblock")
	if err != nil {
		return 0, err
	}
	c := f.cursor(raw, "the superblock")
	c.skip(len(signature))
	version := c.u8()
	switch version {
	case 0, 1:
		c.skip(4) // versions of the free-space storage, the root group's entry, shared messages; reserved
		f.offsetSize, f.lengthSize = int(c.u8()), int(c.u8())
		c.skip(1 + 2 + 2 + 4)
		if version == 1 {
			c.skip(4)
		}
	case 2, 3:
		f.offsetSize, f.lengthSize = int(c.u8()), int(c.u8())
		c.skip(1)
	default:
		return 0, unsupported("a superblock of version %d", version)
	}
	if !validWidth(f.offsetSize) || !validWidth(f.lengthSize) {
		return 0, damaged("the superblock declares addresses of %d and lengths of %d bytes", f.offsetSize, f.lengthSize)
	}
	c.addr() // The declared base: the place of the superblock counts, as it does for the HDF5 library.
	c.addr() // free space, or the superblock's extension
	end := c.addr()
	if version <= 1 {
		c.addr() // driver information
		c.addr() // the root group's name
	}
	root = c.addr()
	if version >= 2 {
		summed := raw[:c.off]
		if stored := c.u32(); c.err == nil && !f.intact(summed, stored) {
			return 0, badChecksum("the superblock")
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	if end == undefined || end > uint64(1)<<62 {
		return 0, damaged("the superblock declares no end of file")
	}
	// The library writes this end from the start of the file, a user block included.
	if int64(end) > f.size {
		return 0, truncated("the superblock declares %d bytes, the file has %d", end, f.size)
	}
	return root, nil
}

func validWidth(n int) bool { return n == 2 || n == 4 || n == 8 }

// undefined marks an address that points nowhere.
const undefined = ^uint64(0)

// Limits on metadata. They are far above what Keras writes, and keep the work on any file below about a second.
const (
	maxBlock      = 64 << 20 // bytes of one piece of metadata
	budgetBytes   = 64 << 20 // bytes of metadata that one operation may read
	minimumCharge = 256      // of one read, so that the number of reads is bounded too
	maxDepth      = 64       // groups within groups
)

// budget bounds the metadata that one operation reads.
type budget struct{ left int64 }

func newBudget() *budget { return &budget{left: budgetBytes} }

// spend charges n bytes.
func (b *budget) spend(n int64, what string) error {
	b.left -= max(n, minimumCharge)
	if b.left < 0 {
		return limit("reading %s takes more than %d MB of metadata", what, budgetBytes>>20)
	}
	return nil
}

// read gives n bytes of metadata at an address.
func (f *File) read(b *budget, addr uint64, n int64, what string) ([]byte, error) {
	if err := f.inside(addr, n, what); err != nil {
		return nil, err
	}
	if n > maxBlock {
		return nil, limit("%s has %d bytes", what, n)
	}
	if err := b.spend(n, what); err != nil {
		return nil, err
	}
	buf := make([]byte, n)
	if _, err := f.pages.ReadAt(buf, f.base+int64(addr)); err != nil {
		return nil, readFailed(f.base+int64(addr), err)
	}
	return buf, nil
}

// inside checks that n bytes at an address lie within the file.
func (f *File) inside(addr uint64, n int64, what string) error {
	if addr == undefined {
		return damaged("%s has no address", what)
	}
	room := f.size - f.base
	if n < 0 || addr > uint64(room) || n > room-int64(addr) {
		return damaged("%s should lie at byte %d and have %d bytes, but the file ends at %d", what, addr, n, room)
	}
	return nil
}

// cursor walks through a piece of metadata. The first read past its end sets err and all later ones give zeros, so that
// a parser may check once.
type cursor struct {
	b    []byte
	off  int
	f    *File
	what string
	err  error
}

func (f *File) cursor(b []byte, what string) *cursor { return &cursor{b: b, f: f, what: what} }

func (c *cursor) bytes(n int) []byte {
	if c.err != nil {
		return nil
	}
	if n < 0 || n > len(c.b)-c.off {
		c.err = damaged("%s ends too early", c.what)
		return nil
	}
	s := c.b[c.off : c.off+n : c.off+n]
	c.off += n
	return s
}

func (c *cursor) skip(n int) { c.bytes(n) }

// left counts the bytes not read yet.
func (c *cursor) left() int { return len(c.b) - c.off }

// uint reads a little-endian number of n <= 8 bytes.
func (c *cursor) uint(n int) uint64 {
	var v uint64
	for i, b := range c.bytes(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

func (c *cursor) u8() uint8 {
	if s := c.bytes(1); s != nil {
		return s[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if s := c.bytes(2); s != nil {
		return binary.LittleEndian.Uint16(s)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if s := c.bytes(4); s != nil {
		return binary.LittleEndian.Uint32(s)
	}
	return 0
}

// addr reads an address; all ones, whatever the width, is undefined.
func (c *cursor) addr() uint64 { return widen(c.uint(c.f.offsetSize), c.f.offsetSize) }

// length reads a length.
func (c *cursor) length() uint64 { return c.uint(c.f.lengthSize) }

func widen(v uint64, width int) uint64 {
	if width < 8 && v == 1<<(8*width)-1 {
		return undefined
	}
	return v
}

// expect reads a signature.
func (c *cursor) expect(sig string) {
	if s := c.bytes(len(sig)); s != nil && string(s) != sig {
		c.err = damaged("%s does not start with %q", c.what, sig)
	}
}

// version reads a version byte that must be v.
func (c *cursor) version(v uint8) {
	if got := c.u8(); c.err == nil && got != v {
		c.err = unsupported("%s of version %d", c.what, got)
	}
}
