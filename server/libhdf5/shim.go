//go:build libhdf5 && linux

package libhdf5

// #cgo LDFLAGS: -lhdf5
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unsafe"

	"partita/planner/diag"
	"partita/planner/hdf5"
)

// identifier is libhdf5's name of an open object.
type identifier = C.hid_t

// prepare closes libhdf5's ways to other files.
func prepare() error {
	if C.shim_prepare() < 0 {
		return failed("it cannot be prepared")
	}
	return nil
}

// failed makes an error of what libhdf5 reports.
func failed(format string, args ...any) *diag.Error {
	var text [256]C.char
	C.shim_error(&text[0], C.size_t(len(text)))
	found := fmt.Sprintf(format, args...)
	if said := strings.ToValidUTF8(C.GoString(&text[0]), "?"); said != "" {
		found += " (libhdf5: " + said + ")"
	}
	return diag.New(diag.Invalid, "hdf5.damaged", "", found, "the file is damaged or unusual: get or write it again")
}

func tooLarge(what string) *diag.Error {
	return diag.New(diag.Limit, "hdf5.limit", "", what, "no file that Keras writes needs as much")
}

// listed runs fill on a list of limited size and gives its records.
func listed(limit int, what string, fill func(*C.shim_list) C.int) ([]byte, error) {
	var l C.shim_list
	l.limit = C.size_t(limit)
	defer func() { C.free(unsafe.Pointer(l.data)) }()
	result := fill(&l)
	if l.full != 0 {
		return nil, tooLarge(what + " take too much")
	}
	if result < 0 {
		return nil, failed("%s cannot be read", what)
	}
	return C.GoBytes(unsafe.Pointer(l.data), C.int(l.length)), nil
}

// foundLink is a name in a group and, of a hard link, the address of the object.
type foundLink struct {
	name    string
	kind    hdf5.LinkKind
	address uint64
}

func links(group identifier, limit int, path string) ([]foundLink, error) {
	records, err := listed(limit, "the names in "+path, func(l *C.shim_list) C.int { return C.shim_links(group, l) })
	if err != nil {
		return nil, err
	}
	kinds := [...]hdf5.LinkKind{hdf5.HardLink, hdf5.SoftLink, hdf5.ExternalLink, hdf5.OtherLink}
	var all []foundLink
	for len(records) > 9 {
		l := foundLink{kind: kinds[records[0]&3], address: binary.NativeEndian.Uint64(records[1:])}
		l.name, records = cutName(records[9:])
		if l.name == "." || strings.Contains(l.name, "/") {
			l.kind = hdf5.OtherLink // no path leads through it
		}
		all = append(all, l)
	}
	return all, nil
}

func cutName(records []byte) (string, []byte) {
	for i, b := range records {
		if b == 0 {
			return string(records[:i]), records[i+1:]
		}
	}
	return string(records), nil
}

// attributes gives the attributes of an object. The values are at most limit bytes together.
func (l *library) attributes(object identifier, limit int, path string) ([]hdf5.CatalogAttr, error) {
	what := "the attributes of " + path
	names, err := listed(limit, what, func(l *C.shim_list) C.int { return C.shim_attributes(object, l) })
	if err != nil {
		return nil, err
	}
	var all []hdf5.CatalogAttr
	for len(names) > 0 {
		var name string
		name, names = cutName(names)
		a, err := l.attribute(object, name, limit, fmt.Sprintf("the attribute %s of %s", name, path))
		if err != nil {
			return nil, err
		}
		limit -= len(a.Data) + len(name) + 64
		for _, s := range a.Texts {
			limit -= len(s) + 16
		}
		if limit < 0 {
			return nil, tooLarge(what + " take too much")
		}
		all = append(all, a)
	}
	return all, nil
}

func (l *library) attribute(object identifier, name string, limit int, what string) (a hdf5.CatalogAttr, err error) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	id := C.shim_attribute(object, text)
	if id < 0 {
		return a, failed("%s cannot be opened", what)
	}
	defer C.shim_attribute_close(id)
	of := C.shim_attribute_type(id)
	if of < 0 {
		return a, failed("%s has no type", what)
	}
	defer C.shim_type_close(of)
	space := C.shim_attribute_space(id)
	if space < 0 {
		return a, failed("%s has no shape", what)
	}
	defer C.shim_space_close(space)
	a.Name = name
	var indirect bool
	if a.Type, indirect, err = l.typeOf(of, what); err != nil {
		return a, err
	}
	var elements int64
	if a.Shape, a.Null, elements, err = shapeOf(space, what); err != nil {
		return a, err
	}
	switch {
	case elements > int64(limit/a.Type.Size):
		return a, tooLarge(fmt.Sprintf("%s has %d elements", what, elements))
	case a.Type.VarString:
		a.Texts, err = texts(id, true, of, space, elements, limit, what)
	case indirect: // the elements in memory are pointers, of no use to anybody else
		a.Data = make([]byte, elements*int64(a.Type.Size))
	case elements > 0:
		a.Data = make([]byte, elements*int64(a.Type.Size))
		if C.shim_attribute_read(id, of, unsafe.Pointer(&a.Data[0])) < 0 {
			err = failed("%s cannot be read", what)
		}
	}
	return a, err
}

// texts reads variable-length strings.
func texts(object identifier, isAttribute bool, of, space identifier, n int64, limit int, what string) ([]string, error) {
	flag := C.int(0)
	if isAttribute {
		flag = 1
	}
	records, err := listed(limit, what, func(l *C.shim_list) C.int {
		return C.shim_texts(object, flag, of, space, C.size_t(n), l)
	})
	if err != nil {
		return nil, err
	}
	all := make([]string, 0, n)
	for range n {
		size := binary.NativeEndian.Uint32(records)
		all = append(all, string(records[4:4+size]))
		records = records[4+size:]
	}
	return all, nil
}

// shapeOf describes a dataspace.
func shapeOf(space identifier, what string) (dims []int64, null bool, elements int64, err error) {
	var s C.shim_space
	if C.shim_describe_space(space, &s) < 0 {
		return nil, false, 0, failed("the shape of %s cannot be read", what)
	}
	if s.null != 0 {
		return nil, true, 0, nil
	}
	elements = 1
	for _, d := range s.dims[:s.rank] {
		if d > 1<<62 || d > 0 && elements > (1<<62)/int64(d) {
			return nil, false, 0, tooLarge("the shape of " + what + " has more than 2^62 elements")
		}
		dims = append(dims, int64(d))
		elements *= int64(d)
	}
	return dims, false, elements, nil
}

// typeOf describes a datatype; indirect says that its elements in memory hold pointers.
func (l *library) typeOf(id identifier, what string) (t hdf5.Type, indirect bool, err error) {
	var d C.shim_type
	if C.shim_describe_type(id, &d) < 0 {
		return t, false, failed("the type of %s cannot be read", what)
	}
	if d.size > maxElementBytes {
		return t, false, tooLarge(fmt.Sprintf("%s has elements of %d bytes", what, uint64(d.size)))
	}
	t = hdf5.Type{Class: hdf5.Class(d.class), Size: int(d.size), BigEndian: d.order == 1}
	switch t.Class {
	case hdf5.Integer:
		if d.offset == 0 && int(d.precision) == 8*t.Size && d.order != 2 {
			t.Format = integerFormat(t.Size, d.sign != 0)
		}
	case hdf5.Float:
		if d.order != 2 && d.implied != 0 && d.offset == 0 && int(d.precision) == 8*t.Size && d.mantissa_at == 0 &&
			d.exponent_at == d.mantissa_bits && int(d.sign_at) == 8*t.Size-1 {
			t.Format = floatFormats[[3]int{int(d.exponent_bits), int(d.mantissa_bits), int(d.exponent_bias)}]
		}
	case hdf5.String:
		t.Padded = byte(d.padding)
		if d.variable != 0 { // libhdf5 calls it a string, the file a sequence of characters
			t = hdf5.Type{Class: hdf5.VarLen, VarString: true, Size: 4 + l.addressBytes + 4}
		}
	case hdf5.VarLen:
		t.Size = 4 + l.addressBytes + 4
	case hdf5.Opaque:
		t.Tag = strings.ToValidUTF8(C.GoString(&d.tag[0]), "?")
	case hdf5.Enum:
		base := C.shim_base_type(id)
		if base < 0 {
			return t, false, failed("the type of %s cannot be read", what)
		}
		defer C.shim_type_close(base)
		b, _, err := l.typeOf(base, what)
		if err != nil {
			return t, false, err
		}
		if b.Size == t.Size {
			t.BigEndian, t.Format = b.BigEndian, b.Format
		}
	}
	return t, d.indirect != 0, nil
}

func integerFormat(size int, signed bool) hdf5.Format {
	for i, width := range [...]int{1, 2, 4, 8} {
		if size == width && signed {
			return hdf5.Int8 + hdf5.Format(i)
		} else if size == width {
			return hdf5.Uint8 + hdf5.Format(i)
		}
	}
	return hdf5.NoNumber
}

// floatFormats are the usual floating-point types by the bits of their exponents and mantissas and the exponents' bias.
var floatFormats = map[[3]int]hdf5.Format{
	{5, 10, 15}: hdf5.Float16, {8, 7, 127}: hdf5.BFloat16, {8, 23, 127}: hdf5.Float32, {11, 52, 1023}: hdf5.Float64,
}

// storage is how the elements of a dataset are kept.
type storage struct {
	offset     *int64
	chunk      []int64 // nil: not in chunks
	unreadable *hdf5.Problem
}

func storageOf(dataset identifier, rank int, path string) (s storage, err error) {
	var d C.shim_storage
	if C.shim_describe_storage(dataset, &d) < 0 {
		return s, failed("how the elements of %s are stored cannot be read", path)
	}
	const fix = "nothing outside of the file is read: put the data itself into it (h5repack, or save the model again)"
	if d.external != 0 {
		s.unreadable = &hdf5.Problem{Kind: diag.Limit, Code: "hdf5.external", Found: "its elements are stored in another file", Fix: fix}
	}
	if d.virtual != 0 {
		s.unreadable = &hdf5.Problem{Kind: diag.Limit, Code: "hdf5.external", Found: "it is a virtual dataset, made of others", Fix: fix}
	}
	if d.at_offset != 0 {
		at := int64(d.offset)
		s.offset = &at
	}
	if d.chunked != 0 {
		for _, n := range d.chunk[:rank] {
			s.chunk = append(s.chunk, int64(n))
		}
	}
	for i := range int(d.filters) {
		if d.filter_available[i] == 0 {
			s.unreadable = &hdf5.Problem{Kind: diag.Invalid, Code: "hdf5.unsupported", Found: fmt.Sprintf("it has data written through filter %d, which libhdf5 does not have", int(d.filter[i])),
				Fix: "copy it with h5repack -f NONE -l CONTI where that filter is installed"}
		}
	}
	return s, nil
}

// readElements reads what is selected in the file's space, or a scalar when there are no spaces.
func readElements(dataset identifier, asFloat32 bool, memorySpace, fileSpace identifier, to []byte, path string) error {
	of := C.shim_dataset_type(dataset)
	if of < 0 {
		return failed("%s has no type", path)
	}
	defer C.shim_type_close(of)
	flag := C.int(0)
	if asFloat32 {
		flag = 1
	}
	if C.shim_read(dataset, of, flag, memorySpace, fileSpace, unsafe.Pointer(&to[0])) < 0 {
		return failed("its elements cannot be read")
	}
	return nil
}

// kindOf tells what a path leads to.
func kindOf(file identifier, path string) (hdf5.ObjectKind, error) {
	text := C.CString(path)
	defer C.free(unsafe.Pointer(text))
	switch kind := C.shim_kind(file, text); {
	case kind < 0:
		return 0, failed("%s cannot be opened", path)
	case kind == C.H5I_GROUP:
		return hdf5.GroupObject, nil
	case kind == C.H5I_DATASET:
		return hdf5.DatasetObject, nil
	}
	return hdf5.OtherObject, nil
}

func datasetType(dataset identifier) identifier { return C.shim_dataset_type(dataset) }
func closeType(id identifier)                   { C.shim_type_close(id) }
func addressBytes(file identifier) int          { return int(C.shim_address_bytes(file)) }
