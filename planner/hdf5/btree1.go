package hdf5

// What a version 1 B-tree indexes.
const (
	treeGroup  = 0
	treeChunks = 1
)

// readTree1 visits the children of all leaves of a version 1 B-tree in order, each with the key before it.
func (f *File) readTree1(b *budget, root uint64, kind uint8, keySize int, what string, visit func(key []byte, child uint64) error) error {
	type node struct {
		addr  uint64
		level int // -1: whatever it says, for the root
	}
	// A node is never below itself, because levels fall by one; seen keeps two nodes from sharing a child.
	seen := map[uint64]bool{}
	headSize := 8 + 2*f.offsetSize
	for stack := []node{{root, -1}}; len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[n.addr] {
			return damaged("the tree of %s contains itself", what)
		}
		seen[n.addr] = true
		head, err := f.read(b, n.addr, int64(headSize), what)
		if err != nil {
			return err
		}
		c := f.cursor(head, "the tree of "+what)
		c.expect("TREE")
		gotKind, level, count := c.u8(), int(c.u8()), int(c.u16())
		switch {
		case c.err != nil:
			return c.err
		case gotKind != kind:
			return damaged("the tree of %s is of kind %d", what, gotKind)
		case n.level >= 0 && level != n.level:
			return damaged("the tree of %s has a node at level %d that should be at %d", what, level, n.level)
		}
		pair := keySize + f.offsetSize
		raw, err := f.read(b, n.addr+uint64(headSize), int64(count)*int64(pair), what)
		if err != nil {
			return err
		}
		if level > 0 {
			for i := count - 1; i >= 0; i-- { // the first child is to be on top
				c := f.cursor(raw[i*pair+keySize:(i+1)*pair], what)
				stack = append(stack, node{c.addr(), level - 1})
			}
			continue
		}
		for i := range count {
			entry := raw[i*pair : (i+1)*pair]
			c := f.cursor(entry[keySize:], what)
			if err := visit(entry[:keySize], c.addr()); err != nil {
				return err
			}
		}
	}
	return nil
}
