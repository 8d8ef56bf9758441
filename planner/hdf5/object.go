package hdf5

import "fmt"

// Types of header messages.
const (
	msgNil             = 0x00
	msgDataspace       = 0x01
	msgLinkInfo        = 0x02
	msgDatatype        = 0x03
	msgFillOld         = 0x04
	msgFill            = 0x05
	msgLink            = 0x06
	msgExternal        = 0x07
	msgLayout          = 0x08
	msgGroupInfo       = 0x0a
	msgFilters         = 0x0b
	msgAttribute       = 0x0c
	msgContinuation    = 0x10
	msgSymbolTable     = 0x11
	msgAttributeInfo   = 0x15
	msgLastKnown       = 0x18
	flagShared         = 0x02 // the message is a reference to one stored elsewhere
	flagMustUnderstand = 0x80 // whoever does not know the message must not read the object
)

const maxMessages = 1 << 16 // of one object header

// message is one message of an object header.
type message struct {
	kind  uint16
	flags uint8
	data  []byte
}

// object is what a group and a dataset have in common: an object header.
type object struct {
	file     *File
	addr     uint64
	path     string
	messages []message
}

// find gives the first message of a kind.
func (o *object) find(kind uint16) *message {
	for i := range o.messages {
		if o.messages[i].kind == kind {
			return &o.messages[i]
		}
	}
	return nil
}

// isGroup tells a group by the messages that only groups have.
func (o *object) isGroup() bool {
	if c := o.listed(); c != nil {
		return c.Kind == GroupObject
	}
	return o.find(msgSymbolTable) != nil || o.find(msgLinkInfo) != nil || o.find(msgLink) != nil ||
		o.find(msgGroupInfo) != nil
}

// isDataset tells a dataset by its layout.
func (o *object) isDataset() bool {
	if c := o.listed(); c != nil {
		return c.Kind == DatasetObject
	}
	return o.find(msgLayout) != nil && o.find(msgDatatype) != nil
}

// block is a part of an object header.
type block struct {
	addr uint64
	size int64
}

// readObject reads the object header at an address.
func (f *File) readObject(b *budget, addr uint64, path string) (*object, error) {
	o := &object{file: f, addr: addr, path: path}
	if f.catalog != nil {
		return o, b.spend(minimumCharge, path)
	}
	what := "the object header of " + path
	if err := f.inside(addr, 16, what); err != nil {
		return nil, err
	}
	head, err := f.read(b, addr, 16, what)
	if err != nil {
		return nil, err
	}
	if string(head[:4]) == "OHDR" {
		err = o.readVersion2(b, what)
	} else {
		err = o.readVersion1(b, head, what)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// readVersion1 reads a header without signatures and checksums.
func (o *object) readVersion1(b *budget, head []byte, what string) error {
	c := o.file.cursor(head, what)
	c.version(1)
	c.skip(1)
	count := int(c.u16())
	c.skip(4) // references to the object
	size := int64(c.u32())
	if c.err != nil {
		return c.err
	}
	return o.readBlocks(b, block{o.addr + 16, size}, what, func(raw []byte, next *[]block) error {
		c := o.file.cursor(raw, what)
		for c.left() >= 8 && len(o.messages) < count {
			kind, size := c.u16(), int(c.u16())
			flags := c.u8()
			c.skip(3)
			if err := o.add(kind, flags, c.bytes(size), next, what); err != nil {
				return err
			}
			if c.err != nil {
				return c.err
			}
		}
		return nil
	})
}

// readVersion2 reads a header whose blocks have checksums.
func (o *object) readVersion2(b *budget, what string) error {
	head, err := o.file.read(b, o.addr, min(34, o.file.size-o.file.base-int64(o.addr)), what)
	if err != nil {
		return err
	}
	c := o.file.cursor(head, what)
	c.expect("OHDR")
	c.version(2)
	flags := c.u8()
	if flags&0x20 != 0 {
		c.skip(16) // times
	}
	if flags&0x10 != 0 {
		c.skip(4) // when attributes become dense
	}
	size := c.uint(1 << (flags & 3))
	if c.err != nil {
		return c.err
	}
	if size > maxBlock {
		return limit("%s has %d bytes", what, size)
	}
	first := true
	return o.readBlocks(b, block{o.addr, int64(c.off) + int64(size) + 4}, what, func(raw []byte, next *[]block) error {
		start := 4 // after the signature of a continuation
		if first {
			start, first = c.off, false
		} else if len(raw) < 8 || string(raw[:4]) != "OCHK" {
			return damaged("a continuation of %s has no signature", what)
		}
		end := len(raw) - 4
		stored := o.file.cursor(raw[end:], what)
		if !o.file.intact(raw[:end], stored.u32()) {
			return badChecksum(what)
		}
		c := o.file.cursor(raw[start:end], what)
		headSize := 4
		if flags&0x04 != 0 {
			headSize = 6
		}
		for c.left() >= headSize {
			kind, size := uint16(c.u8()), int(c.u16())
			messageFlags := c.u8()
			c.skip(headSize - 4) // order of creation
			if err := o.add(kind, messageFlags, c.bytes(size), next, what); err != nil {
				return err
			}
			if c.err != nil {
				return c.err
			}
		}
		return nil
	})
}

// readBlocks reads the blocks of a header, the first and those that parse finds in them.
func (o *object) readBlocks(b *budget, first block, what string, parse func(raw []byte, next *[]block) error) error {
	seen := map[uint64]bool{}
	for queue := []block{first}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if seen[at.addr] {
			return damaged("%s continues in itself", what)
		}
		seen[at.addr] = true
		raw, err := o.file.read(b, at.addr, at.size, what)
		if err != nil {
			return err
		}
		if err := parse(raw, &queue); err != nil {
			return err
		}
	}
	return nil
}

// add keeps a message, or queues the block it points to.
func (o *object) add(kind uint16, flags uint8, data []byte, next *[]block, what string) error {
	switch {
	case data == nil:
		return nil // the cursor has the error
	case kind == msgNil:
		// A version 1 header counts these too, so they must be kept.
	case kind == msgContinuation:
		c := o.file.cursor(data, what)
		at := block{addr: c.addr(), size: int64(c.length())}
		if c.err != nil {
			return c.err
		}
		*next = append(*next, at)
	case kind > msgLastKnown && flags&flagMustUnderstand != 0:
		return unsupported("a header message of type %d in %s", kind, o.path)
	}
	if len(o.messages) >= maxMessages {
		return limit("%s has more than %d messages", what, maxMessages)
	}
	o.messages = append(o.messages, message{kind, flags, data})
	return nil
}

// resolve gives the bytes of a message that another object may hold: only datatypes are shared in that way (a "committed"
// datatype).
func (f *File) resolve(b *budget, kind uint16, shared bool, data []byte) ([]byte, error) {
	if !shared {
		return data, nil
	}
	c := f.cursor(data, "a shared message")
	version, where := c.u8(), c.u8()
	switch {
	case version == 1:
		c.skip(6)
	case version == 2:
	case version == 3 && where == 2:
	case c.err == nil:
		return nil, unsupported("messages shared in a heap (version %d, kind %d)", version, where)
	}
	addr := c.addr()
	if c.err != nil {
		return nil, c.err
	}
	o, err := f.readObject(b, addr, fmt.Sprintf("the object at byte %d", addr))
	if err != nil {
		return nil, err
	}
	m := o.find(kind)
	if m == nil || m.flags&flagShared != 0 {
		return nil, damaged("a shared message is not where it should be (byte %d)", addr)
	}
	return m.data, nil
}
