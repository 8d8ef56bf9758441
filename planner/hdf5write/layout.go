package hdf5write

import (
	"encoding/binary"
	"io"
	"math"
	"slices"
)

// Sizes of the file's structures, with addresses and lengths of 8 bytes.
const (
	superblockBytes = 96
	// The constants K that the superblock declares: libhdf5's defaults. A leaf of a group's B-tree lists up to 2*leafK
	// objects, a node points to up to 2*nodeK others.
	leafK = 4
	nodeK = 16

	leafBytes       = 8 + 2*leafK*entryBytes
	entryBytes      = 40
	nodeBytes       = 24 + (4*nodeK+1)*8
	heapHeaderBytes = 32
)

// undefined is the address of nothing.
const undefined = math.MaxUint64

// file is a file while it is being laid out and written.
type file struct {
	root     *Group
	next     int64 // first free address
	groups   []*Group
	datasets []*dataset
}

// groupLayout is where a group's parts are.
type groupLayout struct {
	names   []string // in the order of the B-tree: that of their bytes
	offsets []int64  // of the names in the heap
	header  int64
	heap    int64
	heapLen int64
	levels  [][]int64 // addresses of the B-tree's nodes: levels[0] are the leaves (symbol table nodes), the last is the root
}

func align(n int64) int64 { return (n + 7) &^ 7 }

func (f *file) allocate(bytes int64) int64 {
	at := f.next
	f.next = align(at + bytes)
	return at
}

// place gives everything its address, the structure first and then the numbers, and the size of the file.
func (f *file) place() int64 {
	f.next, f.groups, f.datasets = superblockBytes, nil, nil
	f.placeGroup(f.root)
	for _, d := range f.datasets {
		d.data = f.allocate(4 * d.elements())
	}
	return f.next
}

func (f *file) placeGroup(g *Group) {
	f.groups = append(f.groups, g)
	l := groupLayout{header: f.allocate(g.headerBytes()), heap: f.allocate(heapHeaderBytes)}
	for name := range g.children {
		l.names = append(l.names, name)
	}
	slices.Sort(l.names)
	l.heapLen = 8 // the empty name, which the first key of a B-tree refers to
	for _, name := range l.names {
		l.offsets = append(l.offsets, l.heapLen)
		l.heapLen = align(l.heapLen + int64(len(name)) + 1)
	}
	f.allocate(l.heapLen)
	var leaves []int64
	for range ceil(len(l.names), 2*leafK) {
		leaves = append(leaves, f.allocate(leafBytes))
	}
	l.levels = [][]int64{leaves}
	for below := leaves; ; {
		var nodes []int64
		for range max(1, ceil(len(below), 2*nodeK)) {
			nodes = append(nodes, f.allocate(nodeBytes))
		}
		l.levels = append(l.levels, nodes)
		if len(nodes) == 1 {
			break
		}
		below = nodes
	}
	g.layout = l
	for _, name := range l.names {
		switch child := g.children[name].(type) {
		case *Group:
			f.placeGroup(child)
		case *dataset:
			child.header = f.allocate(child.headerBytes())
			f.datasets = append(f.datasets, child)
		}
	}
}

func ceil(n, by int) int { return (n + by - 1) / by }

func (d *dataset) elements() int64 {
	n := int64(1)
	for _, dim := range d.shape {
		n *= dim
	}
	return n
}

// bufferElements bounds the numbers that are held at once.
const bufferElements = 1 << 16

// write writes the structure, which is small and made in memory, and then the numbers through a buffer.
func (f *file) write(w io.Writer) error {
	end := f.next
	structure := end
	if len(f.datasets) > 0 {
		structure = f.datasets[0].data
	}
	image := make([]byte, structure)
	f.superblock(image, end)
	for _, g := range f.groups {
		g.encode(image)
	}
	for _, d := range f.datasets {
		d.encode(image)
	}
	if _, err := w.Write(image); err != nil {
		return err
	}
	numbers := make([]float32, bufferElements)
	bytes := make([]byte, 0, 4*bufferElements+8)
	for _, d := range f.datasets {
		total := d.elements()
		for at := int64(0); at < total; {
			part := numbers[:min(int64(len(numbers)), total-at)]
			if err := d.fill(part, at); err != nil {
				return err
			}
			bytes = bytes[:0]
			for _, x := range part {
				bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(x))
			}
			at += int64(len(part))
			if at == total && total%2 == 1 {
				bytes = append(bytes, 0, 0, 0, 0) // up to the next dataset, or the end
			}
			if _, err := w.Write(bytes); err != nil {
				return err
			}
		}
	}
	return nil
}
