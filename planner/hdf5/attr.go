package hdf5

import (
	"slices"
	"unicode/utf8"
)

// Attr is an attribute of a group or dataset, with its value still in the file's encoding.
type Attr struct {
	Name  string
	Type  Type
	Shape []int64 // nil for a scalar

	owner *object
	space space
	data  []byte
	texts []string // of variable-length strings that another reader read
}

const maxAttributes = 1 << 16 // of one object

// Attr finds an attribute; false when there is none of that name.
func (o *object) Attr(name string) (Attr, bool, error) {
	var found Attr
	ok := false
	err := o.eachAttr(func(a Attr) bool {
		if a.Name == name {
			found, ok = a, true
		}
		return !ok
	})
	if err != nil {
		return Attr{}, false, while("reading the attributes of "+o.path, err)
	}
	return found, ok, nil
}

// Attrs gives all attributes in byte order of their names.
func (o *object) Attrs() ([]Attr, error) {
	var all []Attr
	err := o.eachAttr(func(a Attr) bool {
		all = append(all, a)
		return true
	})
	if err != nil {
		return nil, while("reading the attributes of "+o.path, err)
	}
	slices.SortStableFunc(all, func(x, y Attr) int {
		switch {
		case x.Name < y.Name:
			return -1
		case x.Name > y.Name:
			return 1
		}
		return 0
	})
	return all, nil
}

// eachAttr visits the attributes, those in the object header first, until visit returns false.
func (o *object) eachAttr(visit func(Attr) bool) error {
	if o.listed() != nil {
		return o.eachListedAttr(visit)
	}
	b := newBudget()
	count := 0
	for i := range o.messages {
		m := &o.messages[i]
		if m.kind != msgAttribute {
			continue
		}
		if m.flags&flagShared != 0 {
			return unsupported("attributes shared in a heap")
		}
		a, err := o.parseAttr(b, m.data)
		if err != nil {
			return err
		}
		if !visit(a) {
			return nil
		}
	}
	m := o.find(msgAttributeInfo)
	if m == nil {
		return nil
	}
	c := o.file.cursor(m.data, "the attribute information of "+o.path)
	c.version(0)
	if c.u8()&1 != 0 {
		c.skip(2) // the greatest order of creation
	}
	heapAt, indexAt := c.addr(), c.addr()
	if c.err != nil || heapAt == undefined {
		return c.err
	}
	more := true
	return o.file.readDense(b, heapAt, indexAt, recordAttributeName, "the attributes of "+o.path, func(data []byte) error {
		if count++; count > maxAttributes {
			return limit("%s has more than %d attributes", o.path, maxAttributes)
		}
		a, err := o.parseAttr(b, data)
		if err == nil && more {
			more = visit(a)
		}
		return err
	})
}

// parseAttr reads an attribute message.
func (o *object) parseAttr(b *budget, data []byte) (Attr, error) {
	what := "an attribute of " + o.path
	c := o.file.cursor(data, what)
	version, flags := c.u8(), c.u8()
	nameSize, typeSize, spaceSize := int(c.u16()), int(c.u16()), int(c.u16())
	align := 1
	switch version {
	case 1:
		align, flags = 8, 0
	case 2:
	case 3:
		c.skip(1) // character set of the name
	default:
		if c.err == nil {
			return Attr{}, damaged("%s has version %d", what, version)
		}
	}
	part := func(n int) []byte {
		s := c.bytes(n)
		if pad := -n & (align - 1); pad > 0 {
			c.skip(pad)
		}
		return s
	}
	a := Attr{owner: o, Name: cString(part(nameSize))}
	typeData, spaceData := part(typeSize), part(spaceSize)
	if c.err != nil {
		return a, c.err
	}
	typeData, err := o.file.resolve(b, msgDatatype, flags&1 != 0, typeData)
	if err != nil {
		return a, err
	}
	if flags&2 != 0 {
		return a, unsupported("a shared dataspace")
	}
	if a.Type, err = o.file.parseType(typeData, 0); err != nil {
		return a, err
	}
	if a.space, err = o.file.parseSpace(spaceData); err != nil {
		return a, err
	}
	if len(a.space.dims) > 0 {
		a.Shape = a.space.dims
	}
	if a.space.elements > maxBlock/int64(a.Type.Size) {
		return a, limit("the attribute %s of %s has %d elements", a.Name, o.path, a.space.elements)
	}
	a.data = c.bytes(int(a.space.elements) * a.Type.Size)
	return a, c.err
}

// failed says which attribute an error is about.
func (a Attr) failed(err error) error {
	return while("reading the attribute "+a.Name+" of "+a.owner.path, err)
}

// Strings gives the value of a text attribute, one string per element. An attribute without elements gives none, whatever
// its type: Keras writes empty lists of strings as empty lists of numbers.
func (a Attr) Strings() ([]string, error) {
	if len(a.texts) > 0 {
		return slices.Clone(a.texts), nil
	}
	s, err := a.owner.file.strings(newBudget(), a.Type, a.data)
	if err != nil {
		return nil, a.failed(err)
	}
	return s, nil
}

// Text gives the value of an attribute that is one string.
func (a Attr) Text() (string, error) {
	if a.space.elements != 1 {
		return "", a.failed(wrongType("it has %d elements instead of one", a.space.elements))
	}
	s, err := a.Strings()
	if err != nil {
		return "", err
	}
	return s[0], nil
}

// Int64s gives the value of an attribute of integers.
func (a Attr) Int64s() ([]int64, error) {
	switch a.Type.Format {
	case Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64:
		out := make([]int64, a.space.elements)
		decodeInt64s(out, a.data, a.Type)
		return out, nil
	}
	if a.space.elements == 0 {
		return nil, nil
	}
	return nil, a.failed(wrongType("it is %s instead of integers", a.Type))
}

// Float64s gives the value of an attribute of numbers.
func (a Attr) Float64s() ([]float64, error) {
	if a.space.elements == 0 {
		return nil, nil
	}
	if a.Type.Format == NoNumber {
		return nil, a.failed(wrongType("it is %s instead of numbers", a.Type))
	}
	out := make([]float64, a.space.elements)
	decodeFloat64s(out, a.data, a.Type)
	return out, nil
}

// strings decodes elements of a string type.
func (f *File) strings(b *budget, t Type, data []byte) ([]string, error) {
	n := len(data) / t.Size
	if n == 0 {
		return nil, nil
	}
	if t.Class != String && !t.VarString {
		return nil, wrongType("it is %s instead of text", t)
	}
	out := make([]string, 0, n)
	for ; len(data) >= t.Size; data = data[t.Size:] {
		raw := data[:t.Size]
		if t.VarString {
			var err error
			if raw, err = f.heapObject(b, raw); err != nil {
				return nil, err
			}
		}
		s := cString(raw)
		if t.Class == String && t.Padded == 2 {
			for len(s) > 0 && s[len(s)-1] == ' ' {
				s = s[:len(s)-1]
			}
		}
		if !utf8.ValidString(s) {
			return nil, damaged("a text is not valid UTF-8")
		}
		out = append(out, s)
	}
	return out, nil
}

// collection is a piece of the global heap, in which variable-length values lie.
type collection struct {
	objects map[uint16]block
}

const maxCollections = 64 // that are remembered

// heapObject gives the bytes that a variable-length element refers to.
func (f *File) heapObject(b *budget, element []byte) ([]byte, error) {
	const what = "the global heap"
	c := f.cursor(element, what)
	size, addr, index := int64(c.u32()), c.addr(), c.u32()
	if c.err != nil || size == 0 {
		return nil, c.err
	}
	f.mu.Lock()
	heap := f.heaps[addr]
	f.mu.Unlock()
	if heap == nil {
		var err error
		if heap, err = f.readCollection(b, addr); err != nil {
			return nil, err
		}
		f.mu.Lock()
		if len(f.heaps) >= maxCollections {
			clear(f.heaps)
		}
		f.heaps[addr] = heap
		f.mu.Unlock()
	}
	at, ok := heap.objects[uint16(index)]
	if !ok || index > 0xffff {
		return nil, damaged("%s has no object %d at byte %d", what, index, addr)
	}
	if size > at.size {
		return nil, damaged("an object of %s has %d bytes, not %d", what, at.size, size)
	}
	return f.read(b, at.addr, size, what)
}

// readCollection finds where the objects of a piece of the global heap lie.
func (f *File) readCollection(b *budget, addr uint64) (*collection, error) {
	const what = "the global heap"
	headSize := int64(8 + f.lengthSize)
	head, err := f.read(b, addr, headSize, what)
	if err != nil {
		return nil, err
	}
	c := f.cursor(head, what)
	c.expect("GCOL")
	c.version(1)
	c.skip(3)
	size := c.length()
	if c.err != nil {
		return nil, c.err
	}
	if size > uint64(f.size) {
		return nil, damaged("%s has a piece of %d bytes", what, size)
	}
	if err := f.inside(addr, int64(size), what); err != nil {
		return nil, err
	}
	heap := &collection{objects: map[uint16]block{}}
	// The headers of small objects are close to each other: read them together with what is between them.
	const window = 4096
	var raw []byte
	var rawAt int64
	for at := headSize; at+headSize <= int64(size); {
		if at < rawAt || at+headSize > rawAt+int64(len(raw)) {
			rawAt = at
			if raw, err = f.read(b, addr+uint64(at), min(window, int64(size)-at), what); err != nil {
				return nil, err
			}
		}
		c := f.cursor(raw[at-rawAt:], what)
		index := c.u16()
		c.skip(6)
		n := c.length()
		if c.err != nil {
			return nil, c.err
		}
		if index == 0 { // the free space at the end
			break
		}
		if n > size-uint64(at)-uint64(headSize) {
			return nil, damaged("%s has an object that is larger than its piece", what)
		}
		if _, twice := heap.objects[index]; twice {
			return nil, damaged("%s has two objects %d", what, index)
		}
		heap.objects[index] = block{addr + uint64(at+headSize), int64(n)}
		at += headSize + (int64(n)+7)&^7
	}
	return heap, nil
}
