package hdf5

import "bytes"

const (
	maxName     = 16 << 10 // bytes of a link's or attribute's name
	maxNameHeap = 32 << 20 // bytes of an old-style group's heap of names
)

// readLinks collects a group's links, in whichever of the three ways the format knows they are stored.
func (f *File) readLinks(b *budget, o *object, l *links) error {
	if o.listed() != nil {
		return o.listLinks(b, l)
	}
	if m := o.find(msgSymbolTable); m != nil {
		c := f.cursor(m.data, "the symbol table of "+o.path)
		tree, heap := c.addr(), c.addr()
		if c.err != nil {
			return c.err
		}
		return f.readSymbolTable(b, tree, heap, l, o.path)
	}
	for i := range o.messages {
		if m := &o.messages[i]; m.kind == msgLink {
			if err := f.addLink(b, m.data, l, o.path); err != nil {
				return err
			}
		}
	}
	m := o.find(msgLinkInfo)
	if m == nil {
		return nil
	}
	c := f.cursor(m.data, "the link information of "+o.path)
	c.version(0)
	if c.u8()&1 != 0 {
		c.skip(8) // the greatest order of creation
	}
	heapAt, indexAt := c.addr(), c.addr()
	if c.err != nil || heapAt == undefined {
		return c.err
	}
	return f.readDense(b, heapAt, indexAt, recordLinkName, "the links of "+o.path, func(data []byte) error {
		return f.addLink(b, data, l, o.path)
	})
}

// readDense reads the objects of a fractal heap that a version 2 B-tree indexes by name: links or attributes.
func (f *File) readDense(b *budget, heapAt, indexAt uint64, kind uint8, what string, add func([]byte) error) error {
	heap, err := f.openFractalHeap(b, heapAt, what)
	if err != nil {
		return err
	}
	return f.readTree2(b, indexAt, kind, what, func(record []byte) error {
		id := record
		switch kind {
		case recordLinkName:
			id = record[min(4, len(record)):] // after the hash of the name
		case recordAttributeName:
			id = record[:min(heap.idLength, len(record))] // before flags, order of creation and hash
		}
		data, err := heap.object(b, id)
		if err != nil {
			return err
		}
		return add(data)
	})
}

// addLink reads a link message.
func (f *File) addLink(b *budget, data []byte, l *links, path string) error {
	c := f.cursor(data, "a link in "+path)
	c.version(1)
	flags := c.u8()
	kind := uint8(0)
	if flags&0x08 != 0 {
		kind = c.u8()
	}
	if flags&0x04 != 0 {
		c.skip(8) // order of creation
	}
	if flags&0x10 != 0 {
		c.skip(1) // character set: names are bytes here
	}
	size := c.uint(1 << (flags & 3))
	if c.err == nil && size > maxName {
		return limit("a name in %s has %d bytes", path, size)
	}
	name := string(c.bytes(int(size)))
	to := link{kind: otherLink}
	switch kind {
	case 0:
		to = link{kind: hardLink, addr: c.addr()}
	case 1:
		to.kind = softLink
	case 64:
		to.kind = externalLink
	}
	if c.err != nil {
		return c.err
	}
	return l.add(b, name, to, path)
}

func (l *links) add(b *budget, name string, to link, path string) error {
	if name == "" {
		return damaged("a name in %s is empty", path)
	}
	if _, twice := l.all[name]; twice {
		return damaged("%s exists twice", join(path, name))
	}
	if len(l.all) >= maxLinks {
		return limit("%s has more than %d members", path, maxLinks)
	}
	l.all[name] = to
	return b.spend(int64(len(name)), "the names in "+path)
}

// readSymbolTable reads an old-style group: a version 1 B-tree whose leaves hold entries that point to names in a heap.
func (f *File) readSymbolTable(b *budget, tree, heap uint64, l *links, path string) error {
	what := "the names in " + path
	head, err := f.read(b, heap, int64(8+2*f.lengthSize+f.offsetSize), what)
	if err != nil {
		return err
	}
	c := f.cursor(head, what)
	c.expect("HEAP")
	c.version(0)
	c.skip(3)
	size := c.length()
	c.length() // the list of free pieces
	at := c.addr()
	if c.err != nil {
		return c.err
	}
	if size > maxNameHeap {
		return limit("%s take %d bytes", what, size)
	}
	names, err := f.read(b, at, int64(size), what)
	if err != nil {
		return err
	}
	return f.readTree1(b, tree, treeGroup, f.lengthSize, "the members of "+path, func(_ []byte, addr uint64) error {
		return f.readSymbols(b, addr, names, l, path)
	})
}

// readSymbols reads a leaf of a group's B-tree.
func (f *File) readSymbols(b *budget, addr uint64, names []byte, l *links, path string) error {
	what := "the members of " + path
	head, err := f.read(b, addr, 8, what)
	if err != nil {
		return err
	}
	c := f.cursor(head, what)
	c.expect("SNOD")
	c.version(1)
	c.skip(1)
	count := int(c.u16())
	if c.err != nil {
		return c.err
	}
	raw, err := f.read(b, addr+8, int64(count)*int64(2*f.offsetSize+24), what)
	if err != nil {
		return err
	}
	c = f.cursor(raw, what)
	for range count {
		nameAt, to := c.uint(f.offsetSize), link{kind: hardLink, addr: c.addr()}
		cached := c.u32()
		c.skip(4 + 16)
		if c.err != nil {
			return c.err
		}
		if cached == 2 {
			to.kind = softLink
		}
		if nameAt >= uint64(len(names)) {
			return damaged("a name in %s lies outside of the group's heap", path)
		}
		rest := names[nameAt:]
		end := bytes.IndexByte(rest[:min(maxName, len(rest))], 0)
		if end < 0 {
			return damaged("a name in %s does not end", path)
		}
		if err := l.add(b, string(rest[:end]), to, path); err != nil {
			return err
		}
	}
	return nil
}
