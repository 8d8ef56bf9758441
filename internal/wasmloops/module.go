package wasmloops

import (
	"bytes"
	"errors"
	"fmt"
)

// Sections of a module that are looked into.
const (
	customSection   = 0
	importSection   = 2
	functionSection = 3
	codeSection     = 10
)

// module is a program taken apart as far as needed.
type module struct {
	sections []section
	imported int      // functions, which come first in the numbering
	types    []uint64 // per own function
	bodies   [][]byte // per own function
	names    map[int]string
}

type section struct {
	kind byte
	data []byte
}

var header = []byte("\x00asm\x01\x00\x00\x00")

func parse(program []byte) (*module, error) {
	if !bytes.HasPrefix(program, header) {
		return nil, errors.New("not a WebAssembly program of version 1")
	}
	m := &module{names: map[int]string{}}
	r := &reader{data: program, at: len(header)}
	for r.at < len(r.data) && r.err == nil {
		kind := r.byte()
		data := r.take(r.unsigned())
		s := &reader{data: data}
		switch kind {
		case customSection:
			if s.text() == "name" {
				m.readNames(s)
				continue
			}
			s.err = nil
		case importSection:
			m.readImports(s)
		case functionSection:
			for range s.count() {
				m.types = append(m.types, s.unsigned())
			}
		case codeSection:
			for range s.count() {
				m.bodies = append(m.bodies, s.take(s.unsigned()))
			}
		}
		if s.err != nil {
			return nil, fmt.Errorf("section %d: %w", kind, s.err)
		}
		m.sections = append(m.sections, section{kind, data})
	}
	if r.err != nil {
		return nil, r.err
	}
	if len(m.types) != len(m.bodies) {
		return nil, fmt.Errorf("%d functions are declared and %d have bodies", len(m.types), len(m.bodies))
	}
	return m, nil
}

// readImports counts the functions among them.
func (m *module) readImports(r *reader) {
	limits := func() {
		if r.byte()&1 != 0 {
			r.unsigned()
		}
		r.unsigned()
	}
	for range r.count() {
		r.text()
		r.text()
		switch kind := r.byte(); kind {
		case 0: // function
			m.imported++
			r.unsigned()
		case 1: // table
			r.byte()
			limits()
		case 2: // memory
			limits()
		case 3: // global
			r.byte()
			r.byte()
		default:
			r.fail(fmt.Errorf("import of kind %d", kind))
		}
	}
}

// readNames reads the names of functions. They decide nothing but what is rewritten, so that a broken list of them is no error.
func (m *module) readNames(r *reader) {
	const functions = 1
	for r.at < len(r.data) && r.err == nil {
		kind := r.byte()
		part := &reader{data: r.take(r.unsigned())}
		if kind != functions {
			continue
		}
		for range part.count() {
			index := part.unsigned()
			if name := part.text(); part.err == nil {
				m.names[int(index)] = name
			}
		}
	}
}

func (m *module) encode() []byte {
	out := bytes.Clone(header)
	for _, s := range m.sections {
		data := s.data
		switch s.kind {
		case functionSection:
			data = putUnsigned(nil, uint64(len(m.types)))
			for _, t := range m.types {
				data = putUnsigned(data, t)
			}
		case codeSection:
			data = putUnsigned(nil, uint64(len(m.bodies)))
			for _, b := range m.bodies {
				data = append(putUnsigned(data, uint64(len(b))), b...)
			}
		}
		out = append(putUnsigned(append(out, s.kind), uint64(len(data))), data...)
	}
	return out
}

// reader takes bytes from the front; after its first error all it gives is zero.
type reader struct {
	data []byte
	at   int
	err  error
}

var errShort = errors.New("the program ends too soon")

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.at = err, len(r.data)
	}
}

func (r *reader) byte() byte {
	if r.at >= len(r.data) {
		r.fail(errShort)
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)-r.at) {
		r.fail(errShort)
		return nil
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at]
}

func (r *reader) text() string { return string(r.take(r.unsigned())) }

// count is a number of things of at least one byte each.
func (r *reader) count() uint64 {
	n := r.unsigned()
	if n > uint64(len(r.data)-r.at) {
		r.fail(errShort)
		return 0
	}
	return n
}

// unsigned reads a number of up to 64 bits in LEB128.
func (r *reader) unsigned() uint64 {
	var v uint64
	for shift := uint(0); shift < 70; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	r.fail(errors.New("a number of more than 64 bits"))
	return 0
}

// signed reads a signed one.
func (r *reader) signed() int64 {
	var v int64
	for shift := uint(0); shift < 70; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 && shift < 57 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	r.fail(errors.New("a number of more than 64 bits"))
	return 0
}

func putUnsigned(out []byte, v uint64) []byte {
	for v >= 0x80 {
		out = append(out, byte(v)|0x80)
		v >>= 7
	}
	return append(out, byte(v))
}
