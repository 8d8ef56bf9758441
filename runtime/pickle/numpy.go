package pickle

import (
	"fmt"
	"math"
	"strings"

	"partita/runtime/npy"
)

type (
	list       struct{ items []any }
	tuple      []any
	dictionary struct{ keys, values []any }
	global     struct{ module, name string }
	ndarray    struct{ array *npy.Array }   // nil until its state is set
	dataType   struct{ order, kind string } // "<" and "f4"
)

func (g global) String() string { return fmt.Sprintf("%.60s.%.60s", g.module, g.name) }

// meaning gives what a name that NumPy's pickles use stands for; "" for all others. NumPy 2 renamed numpy.core to
// numpy._core; Python 2 had __builtin__ for builtins.
func (g global) meaning() string {
	module := strings.Replace(g.module, "numpy._core.", "numpy.core.", 1)
	if module == "__builtin__" {
		module = "builtins"
	}
	switch full := module + "." + g.name; full {
	case "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar", "numpy.core.numeric._frombuffer",
		"numpy.ndarray", "numpy.dtype", "_codecs.encode", "builtins.bytearray", "builtins.bytes":
		return full[strings.LastIndexByte(full, '.')+1:]
	}
	return ""
}

func refused(g global) error {
	return invalid("pickle.refused-global", "it asks for "+g.String()+", and pickles are read as data: nothing in them is executed",
		"pickle a NumPy array, or save it with numpy.save")
}

// reduce does what calling a known global with arguments would give.
func (m *machine) reduce(callee, arguments any) (any, error) {
	g, ok := callee.(global)
	args, isTuple := arguments.(tuple)
	if !ok || !isTuple {
		return nil, malformed("a call of what is no global")
	}
	switch g.meaning() {
	case "_reconstruct": // (numpy.ndarray, (0,), b"b"): an array whose state follows
		if len(args) == 3 {
			if class, ok := args[0].(global); ok && class.meaning() == "ndarray" {
				return &ndarray{}, nil
			} else if ok {
				return nil, refused(class)
			}
		}
	case "dtype": // ("f4", False, True)
		if len(args) >= 1 {
			if kind, ok := text(args[0]); ok && len(kind) <= 16 {
				return &dataType{order: "=", kind: kind}, nil
			}
		}
	case "scalar": // (dtype, b"....")
		if len(args) == 2 {
			if d, ok := args[0].(*dataType); ok {
				return m.newArray(d, tuple{}, false, args[1])
			}
		}
	case "_frombuffer": // (buffer, dtype, shape, "C" or "F")
		if len(args) == 4 {
			d, ok := args[1].(*dataType)
			order, isText := text(args[3])
			if ok && isText && (order == "C" || order == "F") {
				return m.newArray(d, args[2], order == "F", args[0])
			}
		}
	case "encode": // ("...", "latin1"): how protocols 0 to 2 write bytes
		if len(args) == 2 {
			s, ok := args[0].(string)
			codec, isText := text(args[1])
			if ok && isText && (codec == "latin1" || codec == "latin-1") {
				return m.latin1(s)
			}
		}
	case "bytearray", "bytes":
		if len(args) == 0 {
			return []byte{}, nil
		}
		if b, ok := args[0].([]byte); ok && len(args) == 1 {
			return b, nil
		}
	default:
		return nil, refused(g)
	}
	return nil, malformed("arguments of " + g.String() + " that NumPy does not write")
}

// build sets the state of an array or an element type.
func (m *machine) build(target, state any) error {
	s, ok := state.(tuple)
	if !ok {
		return malformed("a state that is no tuple")
	}
	switch v := target.(type) {
	case *ndarray: // (version, shape, dtype, is Fortran order, data); early NumPy left the version out
		if len(s) == 5 {
			s = s[1:]
		}
		if len(s) != 4 {
			break
		}
		d, ok := s[1].(*dataType)
		if !ok {
			break
		}
		made, err := m.newArray(d, s[0], truth(s[2]), s[3])
		if err != nil {
			return err
		}
		v.array = made.array
		return nil
	case *dataType: // (version, byte order, subdtype, names, fields, size, alignment, flags)
		if len(s) < 5 {
			break
		}
		order, ok := text(s[1])
		if !ok || len(order) != 1 {
			break
		}
		if s[2] != nil || s[3] != nil || s[4] != nil {
			return invalid("pickle.unsupported-dtype", "its array is structured (records with fields)", "pickle an array of plain numbers")
		}
		v.order = order
		return nil
	}
	return malformed("a state that NumPy does not write")
}

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	}
	return false
}

// text accepts both kinds of string: Python 2 wrote names as byte strings.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), len(v) <= 64
	}
	return "", false
}

func (m *machine) newArray(d *dataType, shape any, fortran bool, content any) (*ndarray, error) {
	dims, ok := shape.(tuple)
	if !ok {
		if n, isInt := shape.(int64); isInt {
			dims, ok = tuple{n}, true
		}
	}
	if !ok || len(dims) > maxDepth {
		return nil, malformed("a shape that is no tuple of dimensions")
	}
	sizes := make([]int64, len(dims))
	for i, dim := range dims {
		n, ok := dim.(int64)
		if !ok {
			return nil, malformed("a dimension that is no number")
		}
		sizes[i] = n
	}
	data, ok := content.([]byte)
	if !ok {
		if _, objects := content.(*list); objects {
			return nil, invalid("pickle.unsupported-dtype", "its array holds Python objects", "convert it, for example with .astype('float32')")
		}
		return nil, malformed("an array whose content is not bytes")
	}
	if err := m.spend(len(data)); err != nil {
		return nil, err
	}
	a, err := npy.New(d.order+d.kind, sizes, fortran, data)
	if err != nil {
		return nil, err
	}
	return &ndarray{array: a}, nil
}

// latin1 turns a text whose characters stand for bytes into these bytes.
func (m *machine) latin1(s string) ([]byte, error) {
	if err := m.spend(len(s)); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > math.MaxUint8 {
			return nil, malformed("a character that is not Latin-1 where bytes must be")
		}
		out = append(out, byte(r))
	}
	return out, nil
}
