package graph

import "fmt"

// Attr finds a node's attribute; nil when it is absent.
func (n *Node) Attr(name string) *Attr {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			return &n.Attrs[i]
		}
	}
	return nil
}

// int gives an integer attribute, or def.
func (n *Node) int(name string, def int64) int64 {
	if a := n.Attr(name); a != nil && a.Kind == AttrInt {
		return a.Int
	}
	return def
}

// text gives a string attribute, or def.
func (n *Node) text(name, def string) string {
	if a := n.Attr(name); a != nil && a.Kind == AttrString {
		return a.Str
	}
	return def
}

// list gives an integer-list attribute; false when it is absent.
func (n *Node) list(name string) ([]int64, bool) {
	a := n.Attr(name)
	if a == nil || a.Kind != AttrInts {
		return nil, false
	}
	return a.Ints, true
}

// ints gives an integer-list attribute of a length, or as many of def when it is absent.
func (n *Node) ints(name string, count int, def int64) ([]int64, error) {
	a := n.Attr(name)
	if a == nil {
		out := make([]int64, count)
		for i := range out {
			out[i] = def
		}
		return out, nil
	}
	if len(a.Ints) != count {
		return nil, fmt.Errorf("attribute %s has %d entries, needs %d", name, len(a.Ints), count)
	}
	return a.Ints, nil
}
