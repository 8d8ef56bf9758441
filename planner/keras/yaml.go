package keras

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"partita/planner/diag"
)

// Bounds on YAML. The largest real file (NASNetLarge of Keras 3) has 1.3 MB.
const (
	maxYAMLBytes = 8 << 20
	maxAnchors   = 20000
)

// decodeYAML turns YAML 1.1, as PyYAML writes it, into the same data as JSON. Tuples become lists; a NumPy number
// becomes a number; other Python objects become text that no option accepts. Nothing is ever executed.
func decodeYAML(text []byte) (tree any, err error) {
	if len(text) > maxYAMLBytes {
		return nil, tooLarge("it has %d bytes, more than the %d of YAML that are read", len(text), maxYAMLBytes)
	}
	if !utf8.Valid(text) {
		return nil, notYAML(errors.New("it is not UTF-8 text"))
	}
	whole := strings.TrimPrefix(string(text), "\ufeff")
	if strings.IndexByte(whole, '\r') >= 0 {
		whole = strings.ReplaceAll(strings.ReplaceAll(whole, "\r\n", "\n"), "\r", "\n")
	}
	p := &yamlParser{text: whole, anchors: map[string]yamlValue{}}
	return p.document()
}

func notYAML(err error) error {
	return diag.New(diag.Invalid, "model.not-a-model", doing, "it is not valid YAML", "check that the file is complete").Because(err)
}

func leaf(data any) yamlValue { return yamlValue{data: data} }

const pythonTag = "!!python/"

// pythonObject stands for a Python object that is not data. No option accepts it.
func pythonObject(tag string) any { return map[string]any{"python": tag} }

// tagged gives a value the type that a tag names.
func (p *yamlParser) tagged(tag string, v yamlValue) (yamlValue, error) {
	switch {
	case tag == "!!binary":
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v.text), ""))
		if err != nil {
			return v, p.wrong("!!binary is not base64: %v", err)
		}
		v.data = data
		return v, nil
	case tag == "!!str" || tag == pythonTag+"str" || tag == pythonTag+"unicode":
		if v.scalar {
			v.data = v.text
		}
		return v, nil
	case tag == "!!int" || tag == "!!float" || tag == pythonTag+"int" || tag == pythonTag+"long" || tag == pythonTag+"float":
		if s, ok := v.data.(string); ok {
			v.data = plainScalar(s)
		}
		return v, nil
	case tag == "!!map" || tag == "!!seq" || tag == "!!bool" || tag == "!!null" || tag == pythonTag+"tuple" ||
		tag == pythonTag+"list" || tag == pythonTag+"dict" || tag == pythonTag+"bool" || tag == pythonTag+"none":
		return v, nil
	case tag == pythonTag+"object/apply:numpy.dtype":
		v.data = numpyType(v.data)
		return v, nil
	case tag == pythonTag+"object/apply:numpy.core.multiarray._reconstruct" ||
		tag == pythonTag+"object/apply:numpy._core.multiarray._reconstruct":
		if f, ok := numpyArray(v.data); ok {
			return leaf(f), nil
		}
	case tag == pythonTag+"object/apply:numpy.core.multiarray.scalar" ||
		tag == pythonTag+"object/apply:numpy._core.multiarray.scalar":
		if list, ok := v.data.([]any); ok && len(list) == 2 {
			if f, ok := numpyNumber(list[0], list[1]); ok {
				return leaf(f), nil
			}
		}
	}
	if strings.HasPrefix(tag, pythonTag) {
		return yamlValue{data: pythonObject(tag), size: yamlObjectBytes + len(tag), depth: 1}, p.charge(yamlObjectBytes)
	}
	return v, p.wrong("the tag %s is not known", tag)
}

// numpyType reads the arguments and the state of a numpy.dtype into its code with the byte order in front, "<f4".
func numpyType(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return pythonObject("numpy.dtype")
	}
	args, _ := m["args"].([]any)
	state, _ := m["state"].([]any)
	if len(args) == 0 || len(state) < 2 {
		return pythonObject("numpy.dtype")
	}
	code, _ := args[0].(string)
	order, _ := state[1].(string)
	return map[string]any{"numpy": order + code}
}

// numpyArray reads an array of no dimensions, or of one element: what a float32 constant in a layer's options becomes.
// Its state is (version, shape, type, Fortran order, bytes).
func numpyArray(v any) (float64, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return 0, false
	}
	state, _ := m["state"].([]any)
	if len(state) != 5 {
		return 0, false
	}
	shape, ok := state[1].([]any)
	for _, d := range shape {
		ok = ok && d == 1.0
	}
	if !ok {
		return 0, false
	}
	return numpyNumber(state[2], state[4])
}

func numpyNumber(dtype, bytes any) (float64, bool) {
	m, _ := dtype.(map[string]any)
	code, _ := m["numpy"].(string)
	b, ok := bytes.([]byte)
	if !ok || len(code) < 3 {
		return 0, false
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if code[0] == '>' {
		order = binary.BigEndian
	}
	switch kind := code[1:]; {
	case kind == "f4" && len(b) == 4:
		return float64(math.Float32frombits(order.Uint32(b))), true
	case kind == "f8" && len(b) == 8:
		return math.Float64frombits(order.Uint64(b)), true
	case kind == "i4" && len(b) == 4:
		return float64(int32(order.Uint32(b))), true
	case kind == "i8" && len(b) == 8:
		return float64(int64(order.Uint64(b))), true
	}
	return 0, false
}

// The plain scalars of YAML 1.1 as PyYAML resolves them, and floats without a point as everyone else does.
var (
	yamlInt   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9_]*)$`)
	yamlOctal = regexp.MustCompile(`^[-+]?0[0-7_]+$`)
	yamlHex   = regexp.MustCompile(`^[-+]?0x[0-9a-fA-F_]+$`)
	yamlFloat = regexp.MustCompile(`^[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9_]+)([eE][-+]?[0-9]+)?$`)
)

func plainScalar(s string) any {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false
	}
	if c := s[0]; c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') {
		return s
	}
	digits := strings.ReplaceAll(s, "_", "")
	base := 0
	switch {
	case yamlInt.MatchString(s):
		base = 10
	case yamlOctal.MatchString(s):
		base = 8
	case yamlHex.MatchString(s):
		base = 16
		digits = strings.Replace(digits, "0x", "", 1)
	case yamlFloat.MatchString(s):
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return f
		}
		return s
	default:
		return s
	}
	if n, err := strconv.ParseInt(digits, base, 64); err == nil {
		return float64(n)
	}
	return s
}
