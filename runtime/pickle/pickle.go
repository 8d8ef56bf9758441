// Package pickle reads arrays and numbers out of Python pickles, protocols 0 to 5, as data: a pickle is a program for a
// small stack machine, and this machine knows only how to make NumPy arrays, lists, tuples, dictionaries and numbers. No global is
// ever imported or called; the few names that NumPy's own pickles use are understood by what they mean.
package pickle

import (
	"fmt"
	"math"
	"slices"

	"partita/planner/diag"
	"partita/runtime/npy"
)

// Limits of one pickle. A pickle of a few bytes can describe a structure of any size by referring to its own parts, so
// what it makes is counted, not what it has.
const (
	maxOperations = 2 << 20
	maxMade       = 128 << 20 // bytes of strings and arrays
	maxDepth      = 64        // of nested lists, NumPy 2's limit of dimensions
)

const reading = "reading a pickle"

func invalid(code, found, fix string) *diag.Error {
	return diag.New(diag.Invalid, code, reading, found, fix)
}

// Is tells whether data look like a pickle: the mark of protocols 2 to 5, or an operation with which protocols 0 and 1
// begin, and the final stop.
func Is(data []byte) bool {
	if len(data) < 2 || data[len(data)-1] != '.' {
		return false
	}
	switch data[0] {
	case 0x80:
		return data[1] <= 5
	case 'c', '(', ']', ')', 'I', 'F', 'K', 'G', 'J', 'L', 'M':
		return true
	}
	return false
}

// Decode reads a pickled array, or lists (of lists) of numbers or of equal arrays. It shares data's memory where it can.
func Decode(data []byte) (*npy.Array, error) {
	m := &machine{rest: data, memo: map[uint64]any{}}
	v, err := m.run()
	if err != nil {
		return nil, err
	}
	return m.array(v)
}

// array turns a value into an array.
func (m *machine) array(v any) (*npy.Array, error) {
	switch v := v.(type) {
	case *ndarray:
		if v.array == nil {
			return nil, invalid("pickle.malformed", "it has an array without content", "pickle the array again")
		}
		return v.array, nil
	case int64, float64, bool, *list, tuple:
		return m.nested(v)
	}
	return nil, invalid("pickle.not-an-array", "it holds "+describe(v), "pickle a NumPy array or a list of numbers")
}

// leaves gathers the numbers of nested lists.
type leaves struct {
	shape   []int64
	depth   int // of the leaves; -1 until the first is found
	floats  []float64
	ints    []int64
	kind    string       // of the numbers: "bool", "int64" or "float64", the first that holds all
	arrays  []*npy.Array // leaves that are arrays, of equal shape and type
	inexact bool         // an int does not fit a float64 exactly
}

func (m *machine) nested(v any) (*npy.Array, error) {
	l := &leaves{depth: -1, kind: "bool"}
	if err := m.collect(l, v, 0); err != nil {
		return nil, err
	}
	shape := l.shape
	if len(l.arrays) > 0 {
		first := l.arrays[0]
		a := &npy.Array{DType: first.DType, Shape: append(append([]int64{}, shape...), first.Shape...)}
		if err := m.spend(len(first.Data) * len(l.arrays)); err != nil {
			return nil, err
		}
		a.Data = make([]byte, 0, len(first.Data)*len(l.arrays))
		for _, item := range l.arrays {
			a.Data = append(a.Data, item.Data...)
		}
		return a, nil
	}
	if shape == nil {
		shape = []int64{}
	}
	if len(l.floats) == 0 && len(shape) > 0 {
		l.kind = "float64" // as NumPy types an empty list
	}
	if l.kind == "float64" && l.inexact {
		return nil, invalid("pickle.lossy", "it mixes floats with an integer above 2^53", "pickle an array of one element type")
	}
	if err := m.spend(8 * len(l.floats)); err != nil {
		return nil, err
	}
	a := &npy.Array{DType: l.kind, Shape: shape}
	switch l.kind {
	case "bool":
		for _, n := range l.ints {
			a.Data = append(a.Data, byte(n))
		}
	case "int64":
		a.Data = make([]byte, 8*len(l.ints))
		for i, n := range l.ints {
			little.PutUint64(a.Data[8*i:], uint64(n))
		}
	default:
		a.Data = make([]byte, 8*len(l.floats))
		for i, f := range l.floats {
			little.PutUint64(a.Data[8*i:], math.Float64bits(f))
		}
	}
	return a, nil
}

func (m *machine) collect(l *leaves, v any, depth int) error {
	if err := m.step(); err != nil {
		return err
	}
	var items []any
	switch v := v.(type) {
	case *list:
		items = v.items
	case tuple:
		items = v
	case int64:
		l.inexact = l.inexact || v > 1<<53 || v < -(1<<53)
		return l.number(depth, "int64", float64(v), v)
	case float64:
		return l.number(depth, "float64", v, 0)
	case bool:
		n := int64(0)
		if v {
			n = 1
		}
		return l.number(depth, "bool", float64(n), n)
	case *ndarray:
		if v.array == nil {
			return ragged()
		}
		if len(l.floats) > 0 || !l.at(depth) {
			return ragged()
		}
		if len(l.arrays) > 0 && (l.arrays[0].DType != v.array.DType || !slices.Equal(l.arrays[0].Shape, v.array.Shape)) {
			return ragged()
		}
		l.arrays = append(l.arrays, v.array)
		return nil
	default:
		return invalid("pickle.not-an-array", "its lists hold "+describe(v), "pickle a NumPy array or a list of numbers")
	}
	if depth >= maxDepth {
		return invalid("pickle.too-deep", fmt.Sprintf("its lists are nested more than %d deep", maxDepth), "pickle a NumPy array")
	}
	if l.depth >= 0 && depth >= l.depth {
		return ragged()
	}
	if depth == len(l.shape) {
		l.shape = append(l.shape, int64(len(items)))
	} else if l.shape[depth] != int64(len(items)) {
		return ragged()
	}
	if len(items) == 0 && !l.at(depth+1) {
		return ragged()
	}
	for _, item := range items {
		if err := m.collect(l, item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// at records that leaves are at a depth; false when others are elsewhere.
func (l *leaves) at(depth int) bool {
	if l.depth < 0 {
		l.depth = depth
	}
	return l.depth == depth && len(l.shape) == depth
}

func (l *leaves) number(depth int, kind string, f float64, n int64) error {
	if len(l.arrays) > 0 || !l.at(depth) {
		return ragged()
	}
	if kind == "float64" || (kind == "int64" && l.kind == "bool") {
		l.kind = kind
	}
	l.floats = append(l.floats, f)
	l.ints = append(l.ints, n)
	return nil
}

func ragged() error {
	return invalid("pickle.ragged", "its lists are not of equal lengths, or mix numbers, arrays and lists", "pickle a NumPy array")
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return "a text"
	case []byte:
		return "bytes"
	case *dictionary:
		return "a dictionary"
	case global:
		return "the global " + v.String()
	case *dataType:
		return "a NumPy element type"
	case int64, float64, bool:
		return "a number"
	case *list, tuple:
		return "a list"
	}
	return fmt.Sprintf("a %T", v)
}
