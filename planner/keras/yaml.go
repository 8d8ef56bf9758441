package keras

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"partita/planner/diag"
)

// Bounds on YAML. The largest real file (NASNetLarge of Keras 2) has 0.6 MB and 76,000 tokens.
const (
	maxYAMLBytes  = 8 << 20
	maxYAMLColumn = 512     // of an entry in block style: bounds the depth of indentation
	maxYAMLNodes  = 4 << 20 // with every alias counted as often as it is used
	maxProperties = 4       // anchors and tags before one node
	maxMapping    = 4096    // entries of one mapping: the parser compares each key with all before it
)

// decodeYAML turns YAML 1.1, as PyYAML writes it, into the same data as JSON. Tuples become lists; a NumPy number
// becomes a number; other Python objects become text that no option accepts. Nothing is ever executed.
func decodeYAML(text []byte) (tree any, err error) {
	if len(text) > maxYAMLBytes {
		return nil, tooLarge("it has %d bytes, more than the %d of YAML that are read", len(text), maxYAMLBytes)
	}
	defer func() {
		// The YAML library is not ours: a panic in it on a damaged file is the file's fault to the user.
		if r := recover(); r != nil {
			tree, err = nil, notYAML(fmt.Errorf("%v", r))
		}
	}()
	if !utf8.Valid(text) {
		return nil, notYAML(errors.New("it is not UTF-8 text"))
	}
	tokens := lexer.Tokenize(string(text))
	if err := boundNesting(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, notYAML(parserMessage(err))
	}
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, notYAML(fmt.Errorf("it holds several documents"))
		}
		body = d.Body
	}
	if body == nil {
		return nil, notYAML(fmt.Errorf("it is empty"))
	}
	r := &yamlReader{anchors: map[string]yamlValue{}}
	v, err := r.node(body, 0)
	return v.data, err
}

func notYAML(err error) error {
	return diag.New(diag.Invalid, "model.not-a-model", doing, "it is not valid YAML", "check that the file is complete").Because(err)
}

// parserMessage gives what the parser says and where. Its own Error() also prints the source around the place, in time
// quadratic in the length of the line.
func parserMessage(err error) error {
	var e interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &e) && e.GetToken() != nil {
		return fmt.Errorf("line %d: %s", e.GetToken().Position.Line, e.GetMessage())
	}
	return fmt.Errorf("the parser gives up")
}

// boundNesting refuses nesting that the parser, which recurses, should not be given. Brackets count directly. In block
// style every level but a list directly under its key is indented by a column or more, so the column bounds the depth.
func boundNesting(tokens token.Tokens) error {
	depth, properties := 0, 0
	var block [maxYAMLColumn + 1]int // entries of the open block mapping at each column
	var flow [maxDepth + 1]int       // entries of the open bracket at each depth
	for i, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			if depth++; depth > maxDepth {
				return tooLarge("it nests deeper than %d brackets, in line %d", maxDepth, t.Position.Line)
			}
			flow[depth] = 0
		case token.SequenceEndType, token.MappingEndType:
			depth = max(0, depth-1)
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			at := t
			if t.Type == token.MappingValueType && i > 0 && tokens[i-1].Position.Line == t.Position.Line {
				at = tokens[i-1] // the key
			}
			if depth == 0 && at.Position.Column > maxYAMLColumn {
				return tooLarge("it is indented deeper than %d columns, in line %d", maxYAMLColumn, t.Position.Line)
			}
			entries := &flow[depth]
			if depth == 0 {
				column := max(0, at.Position.Column)
				clear(block[column+1:]) // deeper mappings have ended
				entries = &block[column]
			}
			if t.Type != token.SequenceEntryType { // a list may be long
				if *entries++; *entries > maxMapping {
					return tooLarge("a mapping has more than %d entries, in line %d", maxMapping, t.Position.Line)
				}
			}
		}
		switch t.Type {
		case token.TagType, token.AnchorType:
			if properties++; properties > 2*maxProperties { // an anchor's name may be a token of its own
				return tooLarge("it gives one value more than %d tags and anchors, in line %d", maxProperties, t.Position.Line)
			}
		case token.StringType: // a name or a value: neither ends a chain for certain
		default:
			properties = 0
		}
		if t.Type == token.StringType && i > 0 && tokens[i-1].Type != token.AnchorType {
			properties = 0
		}
	}
	return nil
}

// yamlValue is data with its size and depth, aliases expanded.
type yamlValue struct {
	data  any
	size  int
	depth int
}

func leaf(data any) yamlValue { return yamlValue{data, 1, 0} }

type yamlReader struct {
	anchors map[string]yamlValue
	total   int
}

func (r *yamlReader) count(size int, n ast.Node) error {
	if r.total += size; r.total > maxYAMLNodes {
		return tooLarge("it expands to more than %d values, in line %d", maxYAMLNodes, n.GetToken().Position.Line)
	}
	return nil
}

func (r *yamlReader) wrong(n ast.Node, format string, args ...any) error {
	return notYAML(fmt.Errorf("line %d: %s", n.GetToken().Position.Line, fmt.Sprintf(format, args...)))
}

func (r *yamlReader) node(n ast.Node, depth int) (yamlValue, error) {
	if n == nil {
		return leaf(nil), nil
	}
	if depth > maxDepth {
		return yamlValue{}, tooLarge("it nests deeper than %d levels, in line %d", maxDepth, n.GetToken().Position.Line)
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		v, err := r.node(n.Value, depth+1)
		if err == nil {
			r.anchors[n.Name.GetToken().Value] = v
		}
		return v, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		v, ok := r.anchors[name]
		if !ok {
			return v, r.wrong(n, "alias *%s has no anchor before it", name)
		}
		if depth+v.depth > maxDepth {
			return v, tooLarge("it nests deeper than %d levels, in line %d", maxDepth, n.GetToken().Position.Line)
		}
		return v, r.count(v.size, n)
	case *ast.TagNode:
		return r.tagged(n, depth)
	case *ast.MappingNode:
		return r.mapping(n, n.Values, depth)
	case *ast.MappingValueNode:
		return r.mapping(n, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out := make([]any, 0, len(n.Values))
		size, deep := 1, 0
		for _, e := range n.Values {
			v, err := r.node(e, depth+1)
			if err != nil {
				return v, err
			}
			out = append(out, v.data)
			size += v.size
			deep = max(deep, v.depth)
		}
		return yamlValue{out, size, deep + 1}, r.count(1, n)
	case *ast.LiteralNode:
		return leaf(n.Value.Value), r.count(1, n)
	case *ast.NullNode:
		return leaf(nil), r.count(1, n)
	case ast.ScalarNode:
		t := n.GetToken()
		if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
			return leaf(t.Value), r.count(1, n)
		}
		text := t.Value
		if s, ok := n.(*ast.StringNode); ok {
			text = s.Value
		}
		return leaf(plainScalar(text)), r.count(1, n)
	}
	return yamlValue{}, r.wrong(n, "%s is not expected here", n.Type())
}

func (r *yamlReader) mapping(n ast.Node, values []*ast.MappingValueNode, depth int) (yamlValue, error) {
	out := make(map[string]any, len(values))
	size, deep := 1, 0
	for _, e := range values {
		if _, merge := e.Key.(*ast.MergeKeyNode); merge {
			return yamlValue{}, r.wrong(e, "a merge key << is not expected in a model")
		}
		k, err := r.node(keyOf(e.Key), depth+1)
		if err != nil {
			return k, err
		}
		key, ok := k.data.(string)
		if !ok {
			key = fmt.Sprint(k.data)
		}
		v, err := r.node(e.Value, depth+1)
		if err != nil {
			return v, err
		}
		out[key] = v.data
		size += 1 + v.size
		deep = max(deep, v.depth)
	}
	return yamlValue{out, size, deep + 1}, r.count(1, n)
}

func keyOf(k ast.MapKeyNode) ast.Node {
	if m, ok := k.(*ast.MappingKeyNode); ok { // the explicit form "? key"
		return m.Value
	}
	return k
}

const pythonTag = "!!python/"

// pythonObject stands for a Python object that is not data. No option accepts it.
func pythonObject(tag string) any { return map[string]any{"python": tag} }

func (r *yamlReader) tagged(n *ast.TagNode, depth int) (yamlValue, error) {
	v, err := r.node(n.Value, depth+1)
	if err != nil {
		return v, err
	}
	tag := n.Start.Value
	switch {
	case tag == "!!binary":
		text, _ := v.data.(string)
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return v, r.wrong(n, "!!binary is not base64: %v", err)
		}
		return leaf(data), nil
	case tag == "!!str" || tag == pythonTag+"str" || tag == pythonTag+"unicode":
		if text, ok := n.Value.(ast.ScalarNode); ok {
			return leaf(text.GetToken().Value), nil
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
		return yamlValue{pythonObject(tag), 1, 1}, nil
	}
	return v, r.wrong(n, "the tag %s is not known", tag)
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
