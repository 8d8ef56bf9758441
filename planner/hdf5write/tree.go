// Package hdf5write writes HDF5 files of the plain kind that Keras's own weights files are: superblock 0, groups as symbol
// tables, contiguous float32 datasets, and attributes of strings. What libhdf5 1.6 and everything since reads. The file is
// written from front to back, so that it can go anywhere; memory is needed for its structure, never for its numbers.
//
// The layout follows the HDF5 File Format Specification Version 2.0 (The HDF Group), whose sections are named in comments.
package hdf5write

import (
	"fmt"
	"io"
	"strings"

	"partita/planner/diag"
)

// Group is a group with what is in it. The root of a file is a Group too.
type Group struct {
	children   map[string]any // *Group or *dataset
	attributes []attribute

	layout groupLayout
}

// Fill gives a dataset's elements, in C order, from offset on. It is called with rising offsets, each element once.
type Fill func(dst []float32, offset int64) error

type dataset struct {
	shape  []int64
	fill   Fill
	header int64 // address of the object header
	data   int64 // address of the elements
}

// attribute is a list of strings, or one string.
type attribute struct {
	name   string
	texts  []string
	scalar bool
}

const doing = "writing an HDF5 file"

func badInput(format string, args ...any) *diag.Error {
	return diag.New(diag.Invalid, "hdf5write.unwritable", doing, fmt.Sprintf(format, args...), "")
}

// NewGroup makes an empty group.
func NewGroup() *Group { return &Group{children: map[string]any{}} }

// Group gives the group at a path below g, "conv1" or "lstm/cell", and makes it where it is missing.
func (g *Group) Group(path string) (*Group, error) {
	at := g
	for _, name := range strings.Split(path, "/") {
		if err := checkName(name); err != nil {
			return nil, err
		}
		switch child := at.children[name].(type) {
		case nil:
			made := NewGroup()
			at.children[name] = made
			at = made
		case *Group:
			at = child
		default:
			return nil, badInput("%q in the path %q is a dataset already, not a group", name, path)
		}
	}
	return at, nil
}

// Dataset adds a dataset of float32 at a path below g. Its groups are made where they are missing. A shape of no dimensions
// is a scalar.
func (g *Group) Dataset(path string, shape []int64, fill Fill) error {
	at, name := g, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		var err error
		if at, err = g.Group(path[:i]); err != nil {
			return err
		}
		name = path[i+1:]
	}
	if err := checkName(name); err != nil {
		return err
	}
	if at.children[name] != nil {
		return badInput("there are two objects at %q", path)
	}
	if len(shape) > maxRank {
		return badInput("%q has %d dimensions, more than the %d that HDF5 knows", path, len(shape), maxRank)
	}
	elements := int64(1)
	for _, d := range shape {
		if d < 0 || d > 0 && elements > maxElements/d {
			return badInput("%q has the shape %v", path, shape)
		}
		elements *= d
	}
	at.children[name] = &dataset{shape: shape, fill: fill}
	return nil
}

const (
	maxRank     = 32
	maxElements = 1 << 48
	maxName     = 1 << 12
)

func checkName(name string) error {
	if name == "" || name == "." || strings.ContainsAny(name, "/\x00") || len(name) > maxName {
		return badInput("%.60q cannot be the name of an object", name)
	}
	return nil
}

// SetText sets an attribute that is one string.
func (g *Group) SetText(name, text string) error {
	return g.setAttribute(attribute{name: name, texts: []string{text}, scalar: true})
}

// SetTexts sets an attribute that is a list of strings. An empty list is what h5py makes of one: no numbers of float64. A
// list that is too long for one attribute is cut into name0, name1, ..., as Keras does it.
func (g *Group) SetTexts(name string, texts []string) error {
	whole := attribute{name: name, texts: texts}
	if whole.messageBytes() <= maxMessageBytes {
		return g.setAttribute(whole)
	}
	// Every part has elements of the same size, that of the longest text.
	perPart := (maxMessageBytes - 64 - len(name)) / whole.elementBytes()
	if perPart < 1 {
		return badInput("a text of the attribute %q has %d bytes", name, whole.elementBytes())
	}
	for part := 0; len(texts) > 0; part++ {
		n := min(perPart, len(texts))
		if err := g.setAttribute(attribute{name: fmt.Sprintf("%s%d", name, part), texts: texts[:n]}); err != nil {
			return err
		}
		texts = texts[n:]
	}
	return nil
}

func (g *Group) setAttribute(a attribute) error {
	if a.name == "" || strings.ContainsRune(a.name, 0) || a.messageBytes() > maxMessageBytes {
		return badInput("the attribute %.60q takes %d bytes, or its name is not one", a.name, a.messageBytes())
	}
	for _, other := range g.attributes {
		if other.name == a.name {
			return badInput("the attribute %q is set twice", a.name)
		}
	}
	g.attributes = append(g.attributes, a)
	return nil
}

// Write writes the file whose root is g.
func (g *Group) Write(w io.Writer) error {
	f := &file{root: g}
	f.place()
	return f.write(w)
}

// Size gives the size of the file that Write writes.
func (g *Group) Size() int64 {
	f := &file{root: g}
	return f.place()
}
