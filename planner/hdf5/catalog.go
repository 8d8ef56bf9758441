package hdf5

import (
	"fmt"
	"math/bits"

	"partita/planner/diag"
)

// Catalog is what another reader found in a file that this one does not support. FromCatalog makes a File of it, so that
// all who read files through this package read such a file, too. It has a JSON form, in which another process sends it.
type Catalog struct {
	Objects []CatalogObject `json:"objects"` // the first is the group at the top
}

// CatalogObject is a group, a dataset, or an object of another kind.
type CatalogObject struct {
	Kind  ObjectKind    `json:"kind"`
	Attrs []CatalogAttr `json:"attrs,omitempty"`
	Links []CatalogLink `json:"links,omitempty"` // of a group

	// Of a dataset.
	Type     Type     `json:"type,omitzero"`
	Shape    []int64  `json:"shape,omitempty"`
	Null     bool     `json:"null,omitempty"`     // it has no element, not even a scalar
	Offset   *int64   `json:"offset,omitempty"`   // where its elements are, if in one piece
	Unusable *Problem `json:"unusable,omitempty"` // why its elements cannot be read
}

// ObjectKind says what a CatalogObject is.
type ObjectKind uint8

// The kinds of objects.
const (
	OtherObject ObjectKind = iota
	GroupObject
	DatasetObject
)

// CatalogLink is a name in a group. Links that are not hard lead nowhere.
type CatalogLink struct {
	Name   string   `json:"name"`
	Kind   LinkKind `json:"kind"`
	Object int      `json:"object,omitempty"` // of a hard link: its place in Catalog.Objects
}

// LinkKind says what a name in a group leads to.
type LinkKind = linkKind

// The kinds of links.
const (
	HardLink     LinkKind = hardLink
	SoftLink     LinkKind = softLink
	ExternalLink LinkKind = externalLink
	OtherLink    LinkKind = otherLink
)

// CatalogAttr is an attribute with its value: as stored, or, when it is of variable-length strings, as text.
type CatalogAttr struct {
	Name  string   `json:"name"`
	Type  Type     `json:"type"`
	Shape []int64  `json:"shape,omitempty"`
	Null  bool     `json:"null,omitempty"`
	Data  []byte   `json:"data,omitempty"`
	Texts []string `json:"texts,omitempty"`
}

// Problem is what the other reader could not do, without the error's cause.
type Problem struct {
	Kind  diag.Kind `json:"kind"`
	Code  string    `json:"code"`
	Found string    `json:"found"`
	Fix   string    `json:"fix,omitempty"`
}

// Err gives the problem as an error.
func (p *Problem) Err() error {
	if p == nil {
		return nil
	}
	return diag.New(p.Kind, p.Code, "", p.Found, p.Fix)
}

// ProblemOf gives an error as a Problem; one without a code becomes a damaged file.
func ProblemOf(err error) *Problem {
	e := diag.As(err)
	if e == nil {
		e = diag.As(damaged("%v", err))
	}
	return &Problem{e.Kind, e.Code, e.Found, e.Fix}
}

// Elements reads the elements of a catalog's datasets, which are named by their places in Catalog.Objects. Windows have
// been checked against the shape. It may be used by several goroutines at once.
type Elements interface {
	ReadRaw(object int, dst []byte, elementOffset int64) error
	// ReadFloat32s is asked for datasets of class Integer, Float and Enum.
	ReadFloat32s(object int, dst []float32, elementOffset int64) error
	Strings(object int) ([]string, error)
}

// FromCatalog gives the file of size bytes that a catalog describes. The catalog is not trusted: what is out of its own
// bounds or those of the file is an error, and the limits of this package hold.
func FromCatalog(c *Catalog, size int64, elements Elements) (*File, error) {
	f := &File{size: size, offsetSize: 8, lengthSize: 8, groups: map[uint64]*links{}, heaps: map[uint64]*collection{},
		catalog: c, elements: elements}
	if len(c.Objects) == 0 || c.Objects[0].Kind != GroupObject {
		return nil, damaged("it has no group at its top")
	}
	if len(c.Objects) > maxLinks {
		return nil, limit("there are more than %d objects", maxLinks)
	}
	for i := range c.Objects {
		for _, to := range c.Objects[i].Links {
			if to.Kind > otherLink || to.Kind == hardLink && (to.Object < 0 || to.Object >= len(c.Objects)) {
				return nil, damaged("the link %s leads nowhere", to.Name)
			}
		}
	}
	var err error
	f.top, err = f.group(0, "/")
	return f, err
}

// listed gives the catalog's entry of an object, nil when the file is read by this package.
func (o *object) listed() *CatalogObject {
	if o.file.catalog == nil {
		return nil
	}
	return &o.file.catalog.Objects[o.addr]
}

// listLinks gives the links that the catalog has of a group.
func (o *object) listLinks(b *budget, l *links) error {
	for _, to := range o.listed().Links {
		if err := l.add(b, to.Name, link{kind: to.Kind, addr: uint64(to.Object)}, o.path); err != nil {
			return err
		}
	}
	return nil
}

// eachListedAttr visits the attributes that the catalog has until visit returns false.
func (o *object) eachListedAttr(visit func(Attr) bool) error {
	for _, c := range o.listed().Attrs {
		what := fmt.Sprintf("the attribute %s of %s", c.Name, o.path)
		s, err := listedSpace(c.Shape, c.Null, what)
		if err != nil {
			return err
		}
		if err := c.Type.check(what); err != nil {
			return err
		}
		if s.elements > maxBlock/int64(c.Type.Size) {
			return limit("%s has %d elements", what, s.elements)
		}
		a := Attr{Name: c.Name, Type: c.Type, Shape: s.dims, owner: o, space: s, data: c.Data, texts: c.Texts}
		data, texts := s.elements*int64(c.Type.Size), int64(0)
		if c.Type.VarString {
			data, texts = 0, s.elements
		}
		if data != int64(len(c.Data)) || texts != int64(len(c.Texts)) {
			return damaged("%s has a value of another size than its type and shape say", what)
		}
		if !visit(a) {
			return nil
		}
	}
	return nil
}

// listedDataset gives a dataset of the catalog.
func (o *object) listedDataset() (*Dataset, error) {
	c := o.listed()
	if c.Kind != DatasetObject {
		return nil, wrongType("%s is no dataset", o.path)
	}
	d := &Dataset{object: *o, typ: c.Type, unusable: c.Unusable.Err()}
	if err := d.typ.check(o.path); err != nil {
		return nil, err
	}
	if d.typ.Format == NoNumber && (d.typ.Class == Integer || d.typ.Class == Float) {
		d.typ.Format = Float32 // of a make that only the other reader knows: that is what it gives
	}
	var err error
	if d.space, err = listedSpace(c.Shape, c.Null, o.path); err != nil {
		return nil, err
	}
	if c.Offset != nil && *c.Offset >= 0 && *c.Offset <= o.file.size {
		d.layout = layout{class: layoutContiguous, addr: uint64(*c.Offset)}
	}
	if err := d.findBFloat16(); err != nil {
		return nil, err
	}
	if d.unusable == nil {
		d.unusable = d.checkSize()
	}
	return d, nil
}

// listedSpace checks a shape.
func listedSpace(dims []int64, null bool, what string) (space, error) {
	s := space{null: null, elements: 1}
	if null {
		s.elements = 0
		return s, nil
	}
	if len(dims) > maxRank {
		return s, damaged("%s has %d dimensions", what, len(dims))
	}
	for _, d := range dims {
		hi, n := bits.Mul64(uint64(s.elements), uint64(d))
		if d < 0 || hi != 0 || n > 1<<62 {
			return s, limit("the shape of %s has more than 2^62 elements", what)
		}
		s.elements = int64(n)
	}
	if len(dims) > 0 {
		s.dims = dims
	}
	s.max = s.dims
	return s, nil
}

// check refuses a type that no file can have.
func (t Type) check(what string) error {
	if t.Size <= 0 || t.Size > maxElement || t.Format > Float64 || t.VarString && (t.Class != VarLen || t.Format != NoNumber) {
		return damaged("%s has a datatype of %d bytes that is none", what, t.Size)
	}
	widths := [...]int{NoNumber: 0, Int8: 1, Int16: 2, Int32: 4, Int64: 8, Uint8: 1, Uint16: 2, Uint32: 4, Uint64: 8,
		Float16: 2, BFloat16: 2, Float32: 4, Float64: 8}
	if want := widths[t.Format]; want != 0 && want != t.Size {
		return damaged("%s has a %s of %d bytes", what, t.Format, t.Size)
	}
	return nil
}
