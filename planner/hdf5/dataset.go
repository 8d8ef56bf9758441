package hdf5

import (
	"fmt"
	"slices"
	"sync"
)

// Dataset is an array of a file. Its elements are read in windows of C order.
type Dataset struct {
	object
	typ      Type
	space    space
	layout   layout
	filters  []filter
	fill     []byte // the element that stands where nothing is stored
	unusable error  // why its elements cannot be read, though its shape is known

	once     sync.Once
	chunks   map[uint64]chunk
	indexErr error
}

// Shape gives the dimensions; none for a scalar.
func (d *Dataset) Shape() []int64 { return slices.Clone(d.space.dims) }

// Elements counts the elements.
func (d *Dataset) Elements() int64 { return d.space.elements }

// Type gives the type of the elements. Pairs of bytes whose attribute "dtype" says "bfloat16", as Keras 3 writes them, have
// the format BFloat16.
func (d *Dataset) Type() Type { return d.typ }

// Path gives the path by which the dataset was found.
func (d *Dataset) Path() string { return d.path }

// Offset gives the place of the elements in the file; false when they are not in one piece there.
func (d *Dataset) Offset() (int64, bool) {
	if d.unusable != nil || d.layout.class != layoutContiguous || d.layout.addr == undefined || d.space.elements == 0 {
		return 0, false
	}
	return d.file.base + int64(d.layout.addr), true
}

// Readable tells whether the elements can be read, and if not, why: the error that reading them would give.
func (d *Dataset) Readable() error { return d.failed(d.unusable) }

func (d *Dataset) failed(err error) error {
	if err == nil {
		return nil
	}
	return while("reading the dataset "+d.path, err)
}

// Classes of layouts.
const (
	layoutCompact    = 0
	layoutContiguous = 1
	layoutChunked    = 2
	layoutVirtual    = 3
)

// layout says where the elements are.
type layout struct {
	class uint8
	data  []byte // compact: the elements
	addr  uint64 // contiguous: of the elements; chunked: of the index
	size  uint64 // contiguous
	chunk chunkLayout
}

// asDataset reads what the header says about a dataset.
func (f *File) asDataset(b *budget, o *object) (*Dataset, error) {
	if o.listed() != nil {
		return o.listedDataset()
	}
	if !o.isDataset() {
		return nil, wrongType("%s is no dataset", o.path)
	}
	d := &Dataset{object: *o}
	m := o.find(msgDatatype)
	data, err := f.resolve(b, msgDatatype, m.flags&flagShared != 0, m.data)
	if err != nil {
		return nil, err
	}
	if d.typ, err = f.parseType(data, 0); err != nil {
		return nil, err
	}
	if m = o.find(msgDataspace); m == nil {
		return nil, damaged("%s has no dataspace", o.path)
	}
	if m.flags&flagShared != 0 {
		return nil, unsupported("a shared dataspace")
	}
	if d.space, err = f.parseSpace(m.data); err != nil {
		return nil, err
	}
	if d.fill, err = o.fillValue(d.typ.Size); err != nil {
		return nil, err
	}
	if err := d.findBFloat16(); err != nil {
		return nil, err
	}
	d.unusable = d.locate()
	return d, nil
}

// findBFloat16 recognises the type that HDF5 has no word for.
func (d *Dataset) findBFloat16() error {
	if d.typ.Class != Opaque || d.typ.Size != 2 {
		return nil
	}
	a, ok, err := d.Attr("dtype")
	if err != nil || !ok || a.space.elements != 1 || a.Type.Class != String && !a.Type.VarString {
		return err
	}
	s, err := a.Text()
	if err == nil && s == "bfloat16" {
		d.typ.Format = BFloat16
	}
	return err
}

// locate reads the layout and the filters, and checks that what they promise can be in the file.
func (d *Dataset) locate() error {
	f := d.file
	if d.find(msgExternal) != nil {
		return refused("its elements are stored in another file")
	}
	m := d.find(msgFilters)
	if m != nil {
		if m.flags&flagShared != 0 {
			return unsupported("a shared filter pipeline")
		}
		var err error
		if d.filters, err = f.parseFilters(m.data); err != nil {
			return err
		}
	}
	var err error
	if d.layout, err = d.parseLayout(d.find(msgLayout).data); err != nil {
		return err
	}
	if d.space.null || d.space.elements == 0 {
		return nil
	}
	if d.space.elements > 1<<62/int64(d.typ.Size) {
		return limit("it has %d elements of %d bytes", d.space.elements, d.typ.Size)
	}
	bytes := d.space.elements * int64(d.typ.Size)
	switch d.layout.class {
	case layoutCompact:
		if bytes > int64(len(d.layout.data)) {
			return damaged("it has %d bytes of data instead of %d", len(d.layout.data), bytes)
		}
		return nil
	case layoutContiguous:
		if d.layout.addr != undefined {
			if d.layout.size < uint64(bytes) {
				return damaged("it has %d bytes of data instead of %d", d.layout.size, bytes)
			}
			return f.inside(d.layout.addr, bytes, "its data")
		}
	}
	return d.checkSize()
}

// checkSize refuses a dataset that no file of this size can hold: only compressed chunks and fill values make one larger.
func (d *Dataset) checkSize() error {
	f := d.file
	if d.space.elements > 1<<62/int64(d.typ.Size) {
		return limit("it has %d elements of %d bytes", d.space.elements, d.typ.Size)
	}
	bytes := d.space.elements * int64(d.typ.Size)
	if most := unstoredBytes + f.size*maxDeflate; bytes > most {
		return limit("its shape %s takes %d bytes, which a file of %d bytes cannot hold", shapeText(d.space.dims), bytes, f.size)
	}
	return nil
}

// unstoredBytes is how large a dataset may be whatever the size of the file.
const unstoredBytes = 256 << 20

func shapeText(dims []int64) string { return fmt.Sprint(dims) }

// fillValue finds the element that stands for what is not stored.
func (o *object) fillValue(size int) ([]byte, error) {
	var c *cursor
	if m := o.find(msgFill); m != nil {
		if m.flags&flagShared != 0 {
			return nil, unsupported("a shared fill value")
		}
		c = o.file.cursor(m.data, "the fill value of "+o.path)
		switch version := c.u8(); {
		case version == 3:
			if c.u8()&0x20 == 0 {
				return make([]byte, size), c.err
			}
		case version == 1 || version == 2:
			c.skip(2)
			if c.u8() == 0 {
				return make([]byte, size), c.err
			}
		case c.err == nil:
			return nil, damaged("%s has version %d", c.what, version)
		}
	} else if m := o.find(msgFillOld); m != nil && m.flags&flagShared == 0 {
		c = o.file.cursor(m.data, "the fill value of "+o.path)
	} else {
		return make([]byte, size), nil
	}
	n := int(c.u32())
	if n == 0 {
		return make([]byte, size), c.err
	}
	value := c.bytes(n)
	if c.err == nil && n != size {
		return nil, damaged("%s has %d bytes, an element %d", c.what, n, size)
	}
	return value, c.err
}

// parseLayout reads a layout message.
func (d *Dataset) parseLayout(data []byte) (layout, error) {
	c := d.file.cursor(data, "the layout of "+d.path)
	version := c.u8()
	var l layout
	switch {
	case c.err != nil:
	case version == 1 || version == 2:
		d.parseOldLayout(c, &l)
	case version == 3 || version == 4:
		l.class = c.u8()
		switch l.class {
		case layoutCompact:
			l.data = c.bytes(int(c.u16()))
		case layoutContiguous:
			l.addr, l.size = c.addr(), c.length()
		case layoutChunked:
			if version == 3 {
				l.chunk.index = indexTree1
				n := int(c.u8())
				l.addr = c.addr()
				l.chunk.readDims(c, n, 4)
			} else {
				d.parseChunkLayout4(c, &l)
			}
		case layoutVirtual:
			return l, refused("it is a virtual dataset, made of others")
		}
	default:
		return l, unsupported("a data layout of version %d", version)
	}
	if c.err != nil {
		return l, c.err
	}
	if l.class > layoutChunked {
		return l, damaged("the layout of %s has class %d", d.path, l.class)
	}
	if l.class == layoutChunked {
		return l, d.checkChunks(&l.chunk)
	}
	return l, nil
}

// parseOldLayout reads the layouts of HDF5 before 1.6.3.
func (d *Dataset) parseOldLayout(c *cursor, l *layout) {
	n := int(c.u8())
	l.class = c.u8()
	c.skip(5)
	if l.class != layoutCompact {
		l.addr = c.addr()
	}
	switch l.class {
	case layoutChunked:
		l.chunk.index = indexTree1
		l.chunk.readDims(c, n, 4)
	case layoutCompact:
		c.skip(4 * n)
		l.data = c.bytes(int(c.u32()))
	case layoutContiguous:
		// The dimensions say the same as the dataspace.
		c.skip(4 * n)
		if d.space.elements <= 1<<62/int64(d.typ.Size) {
			l.size = uint64(d.space.elements) * uint64(d.typ.Size)
		}
	}
}

// check tells whether a window lies within the dataset.
func (d *Dataset) check(elements int, offset int64) error {
	if d.unusable != nil {
		return d.unusable
	}
	if offset < 0 || int64(elements) > d.space.elements-offset {
		return invalid("hdf5.range", fmt.Sprintf("elements %d to %d of %d are asked for", offset, offset+int64(elements),
			d.space.elements), "ask for what the shape has")
	}
	return nil
}

// ReadRaw fills dst with elements as they are stored, from an element on.
func (d *Dataset) ReadRaw(dst []byte, elementOffset int64) error {
	n := len(dst) / d.typ.Size
	err := d.check(n, elementOffset)
	if err == nil && n*d.typ.Size != len(dst) {
		err = invalid("hdf5.range", "the buffer does not hold whole elements", "give a multiple of the element's size")
	}
	if err == nil {
		err = d.read(dst, elementOffset)
	}
	return d.failed(err)
}

// conversionBytes is the size of the window through which tensors are converted.
const conversionBytes = 512 << 10

var windows = sync.Pool{New: func() any { return new([conversionBytes]byte) }}

// ReadFloat32s fills dst with elements from an element on, converted to the nearest float32.
func (d *Dataset) ReadFloat32s(dst []float32, elementOffset int64) error {
	err := d.check(len(dst), elementOffset)
	if err == nil && d.typ.Format == NoNumber {
		err = wrongType("its elements are %s, no numbers", d.typ)
	}
	if err != nil {
		return d.failed(err)
	}
	if d.file.elements != nil && d.typ.Format != BFloat16 {
		return d.failed(d.file.elements.ReadFloat32s(int(d.addr), dst, elementOffset))
	}
	if d.typ.Format == Float32 && d.typ.BigEndian == bigEndian {
		return d.failed(d.read(memory(dst), elementOffset)) // nothing to convert
	}
	window := windows.Get().(*[conversionBytes]byte)
	defer windows.Put(window)
	for len(dst) > 0 {
		n := min(len(dst), conversionBytes/d.typ.Size)
		raw := window[:n*d.typ.Size]
		if err := d.read(raw, elementOffset); err != nil {
			return d.failed(err)
		}
		decodeFloat32s(dst[:n], raw, d.typ)
		dst, elementOffset = dst[n:], elementOffset+int64(n)
	}
	return nil
}

// Strings gives the elements of a dataset of text.
func (d *Dataset) Strings() ([]string, error) {
	err := d.check(0, 0)
	if err == nil && d.space.elements > maxBlock/int64(d.typ.Size) {
		err = limit("it has %d texts", d.space.elements)
	}
	if err != nil {
		return nil, d.failed(err)
	}
	if d.file.elements != nil && d.typ.VarString {
		s, err := d.file.elements.Strings(int(d.addr))
		return s, d.failed(err)
	}
	raw := make([]byte, d.space.elements*int64(d.typ.Size))
	if err := d.read(raw, 0); err != nil {
		return nil, d.failed(err)
	}
	s, err := d.file.strings(newBudget(), d.typ, raw)
	return s, d.failed(err)
}

// read fills dst with whole elements; the window has been checked.
func (d *Dataset) read(dst []byte, element int64) error {
	if len(dst) == 0 {
		return nil
	}
	if d.file.elements != nil {
		return d.file.elements.ReadRaw(int(d.addr), dst, element)
	}
	at := element * int64(d.typ.Size)
	switch {
	case d.layout.class == layoutCompact:
		copy(dst, d.layout.data[at:])
		return nil
	case d.layout.addr == undefined:
		d.fillWith(dst)
		return nil
	case d.layout.class == layoutChunked:
		return d.readChunks(dst, element)
	}
	source := d.file.data
	if len(dst) <= pageBytes {
		source = d.file.pages // small tensors lie close to each other
	}
	offset := d.file.base + int64(d.layout.addr) + at
	if _, err := readAll(source, dst, offset); err != nil {
		return readFailed(offset, err)
	}
	return nil
}

// fillWith puts fill values.
func (d *Dataset) fillWith(dst []byte) {
	n := copy(dst, d.fill)
	for n < len(dst) { // what is there twice, four times, ...
		n += copy(dst[n:], dst[:n])
	}
}
