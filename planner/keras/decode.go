package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
)

// Bounds on an architecture, which together keep what is held of a hostile file at some ten megabytes. The largest real one
// (NASNetLarge as Keras 3 writes it) has 1 MB, which takes 8 MB decoded, 1,041 layers and a depth of 12.
const (
	maxConfigBytes = 8 << 20
	maxTreeBytes   = 20 << 20 // of decoded JSON, as accounted for
	maxNodes       = 16000    // of ONNX operators
	maxDepth       = 128
	maxLayers      = 10000
	maxReferences  = 200000
	maxNameBytes   = 512
	maxModelDepth  = 16    // models within models
	maxSteps       = 20000 // of the graph: a model within the model may be called many times
)

// Model is an architecture with everything that follows from it.
type Model struct {
	Graph        *graph.Graph
	Weights      []LayerWeights // in model order
	Config       []byte         // canonical JSON: Parse of it gives the same model
	KerasVersion string         // as the file says; "" when it does not
	Sequential   bool
}

// Parse reads an architecture in JSON, as model.to_json() of Keras 1, 2 or 3 writes it or as a model file embeds it.
func Parse(config []byte) (*Model, error) { return ParseVersion(config, "") }

// ParseVersion is Parse for an architecture whose Keras version is recorded beside it, as HDF5 files do.
func ParseVersion(config []byte, kerasVersion string) (*Model, error) {
	return ParseWith(config, Options{Version: kerasVersion})
}

// ParseYAML reads an architecture in YAML, as model.to_yaml() of Keras 1 and 2 writes it.
func ParseYAML(config []byte) (*Model, error) { return ParseWith(config, Options{YAML: true}) }

// Options say of an architecture what its text does not.
type Options struct {
	YAML    bool
	Version string           // of Keras, as HDF5 files record it; "": unknown
	Dims    map[string]int64 // sizes of the dimensions that inputs leave open, each known as "input[axis]"; they become part of the model
}

// ParseWith reads an architecture.
func ParseWith(config []byte, o Options) (*Model, error) {
	decode := decodeJSON
	if o.YAML {
		decode = decodeYAML
	}
	tree, err := decode(config)
	if err != nil {
		return nil, err
	}
	return fromTree(tree, o)
}

const doing = "reading the Keras architecture"

func badConfig(format string, args ...any) *diag.Error {
	return diag.New(diag.Invalid, "keras.bad-config", doing, fmt.Sprintf(format, args...), "save the model again with Keras's to_json() or save()")
}

func tooLarge(format string, args ...any) *diag.Error {
	return diag.New(diag.Limit, "keras.too-large", doing, fmt.Sprintf(format, args...), "give the file as Keras wrote it: this is far beyond what real models have")
}

// decodeJSON turns JSON into maps, slices, strings, bools, float64 and nil. Depth is checked first: the standard
// decoder accepts nesting that later recursion should not have to.
func decodeJSON(text []byte) (any, error) {
	if len(text) > maxConfigBytes {
		return nil, tooLarge("it has %d bytes, more than the %d that are read", len(text), maxConfigBytes)
	}
	const object, list, value = 350, 32, 48 // bytes that the decoder takes for each
	depth, size, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return nil, tooLarge("it nests deeper than %d levels, at byte %d", maxDepth, i)
			}
			if size += list; c == '{' {
				size += object - list
			}
		case c == ',' || c == ':':
			if size += value; size > maxTreeBytes {
				return nil, tooLarge("it holds more values than fit in %d MB, at byte %d", maxTreeBytes>>20, i)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	var tree any
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &tree); err != nil {
		e := diag.New(diag.Invalid, "model.not-a-model", doing, "it is not valid JSON", "check that the file is complete")
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) { // which quotes it whole
			err = fmt.Errorf("it holds a number beyond all, of %d digits, at byte %d", len(wrong.Value)-len("number "), wrong.Offset)
		}
		return nil, e.Because(err)
	}
	return tree, nil
}

func fromTree(tree any, o Options) (*Model, error) {
	kerasVersion := o.Version
	tree, inTFJS, err := unwrapTFJS(tree)
	if err != nil {
		return nil, err
	}
	if inTFJS != "" {
		kerasVersion = inTFJS
	}
	top, err := topLevel(tree)
	if err != nil {
		return nil, err
	}
	nameShared(top)
	settled(top, o.Dims)
	// The version changes the meaning of some options (hard_sigmoid). It is kept in the canonical form only where the
	// rest would not tell it, so that JSON, YAML and HDF5 files of one model have one digest.
	declared := kerasVersion
	if v, ok := top["keras_version"].(string); ok && v != "" {
		declared = v
	}
	major := majorOf(declared)
	if major == 0 {
		major = inferMajor(top, false)
	}
	// Its members in the order of their names.
	text := []byte("{")
	if b, ok := top["build_config"]; ok && !hasInputShape(top["config"]) {
		text, err = appendLeaf(append(text, `"build_config":`...), b)
		text = append(text, ',')
	}
	if err == nil {
		text, err = appendLeaf(append(text, `"class_name":`...), top["class_name"])
	}
	if err == nil {
		text, err = appendPruned(append(text, `,"config":`...), top["config"])
	}
	if sizes, ok := top[sizesMember]; ok && err == nil {
		text, err = appendLeaf(append(text, `,"`+sizesMember+`":`...), sizes)
	}
	if inferMajor(top, true) != major {
		text = fmt.Appendf(text, `,"keras_version":"%d.0.0"`, major)
	}
	text = append(text, '}')
	if err != nil {
		return nil, badConfig("it holds a number that JSON cannot: %v", err)
	}
	mc, err := readModel(top, major, "", 0)
	if err != nil {
		return nil, err
	}
	// Keras 2 by itself; that in TensorFlow, of 2.4 and later or with a version that ends so, does not, nor do the others.
	if minor, of2 := strings.CutPrefix(declared, "2."); of2 && !strings.HasSuffix(declared, "-tf") {
		mc.checksLengths = len(minor) > 1 && minor[1] == '.' && minor[0] < '4'
	}
	g, stored, err := lower(mc)
	if err != nil {
		return nil, err
	}
	return &Model{Graph: g, Weights: stored, Config: text, KerasVersion: declared, Sequential: mc.sequential}, nil
}

// topLevel finds the model in a decoded document, and says what the document is when there is none.
func topLevel(tree any) (map[string]any, error) {
	notModel := func(found, fix string) error {
		return diag.New(diag.Invalid, "model.not-a-model", doing, found, fix)
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, notModel("the document holds "+describe(tree)+", not a model", "give the file that model.to_json() or model.save() wrote")
	}
	class, _ := top["class_name"].(string)
	switch class {
	case "Model", "Functional", "Sequential":
		if _, ok := top["config"]; !ok {
			return nil, notModel("class "+class+" comes without its config", "save the model again")
		}
		return top, nil
	case "":
		return nil, notModel("the document has no class_name", "give the file that model.to_json() or model.save() wrote")
	}
	if _, ok := top["config"].(map[string]any); ok {
		return nil, notModel(fmt.Sprintf("its class is %s: a single layer or a subclassed model, whose code is not in the file", describe(class)),
			"rebuild it with Keras's functional API or Sequential and save that")
	}
	return nil, notModel(fmt.Sprintf("its class_name is %s, not Model, Functional or Sequential", describe(class)), "give a Keras model file")
}

// appendPruned writes a configuration as canonical JSON, without what has no part in what a trained model computes (how
// weights were first set, penalised and constrained) and without what differs between files of one model (object numbers,
// the types and shapes that Keras 3 repeats at every use of a tensor). It makes plans and links several times smaller.
func appendPruned(b []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendPruned(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		b = append(b, '{')
		first := true
		for _, name := range slices.Sorted(maps.Keys(v)) {
			e := v[name]
			switch {
			case name == "module" && e == "keras.layers": // left out in HDF5 files
				continue
			case name == "shared_object_id" || name == "build_config" || name == "registered_name" && e == nil || hasSuffix(name, withoutEffectSuffixes):
				continue
			case name == "dtype":
				if p := policyName(e); p != "" {
					e = p
				}
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			if b, err = appendLeaf(b, name); err != nil {
				return nil, err
			}
			b = append(b, ':')
			if name == "config" && v["class_name"] == "__keras_tensor__" {
				c, _ := e.(map[string]any)
				b, err = appendLeaf(b, map[string]any{"keras_history": c["keras_history"]})
			} else {
				b, err = appendPruned(b, e)
			}
			if err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return appendLeaf(b, v)
}

func appendLeaf(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}

func majorOf(version string) int {
	switch {
	case strings.HasPrefix(version, "0.") || strings.HasPrefix(version, "1."):
		return 1
	case strings.HasPrefix(version, "2."):
		return 2
	case strings.HasPrefix(version, "3."):
		return 3
	}
	return 0
}

// inferMajor tells the major version of Keras from the form of the layers, as they are or as they are in canonical form.
func inferMajor(top map[string]any, canonical bool) int {
	layers, _ := top["config"].([]any)
	if c, ok := top["config"].(map[string]any); ok {
		layers, _ = c["layers"].([]any)
	}
	for _, l := range layers {
		m, ok := l.(map[string]any)
		if !ok {
			continue
		}
		c, _ := m["config"].(map[string]any)
		module, _ := m["module"].(string)
		if canonical && module == "keras.layers" {
			module = ""
		}
		if _, three := c["batch_shape"]; three || module != "" {
			return 3
		}
		for _, option := range []string{"nb_filter", "border_mode", "dim_ordering", "input_dtype"} {
			if _, one := c[option]; one {
				return 1
			}
		}
	}
	return 2
}

// hasInputShape tells whether a configuration itself says what shape the model takes.
func hasInputShape(config any) bool {
	c, ok := config.(map[string]any)
	if !ok {
		return false
	}
	if _, functional := c["input_layers"]; functional || c["build_input_shape"] != nil {
		return true
	}
	layers, _ := c["layers"].([]any)
	if len(layers) == 0 {
		return false
	}
	first, _ := layers[0].(map[string]any)
	return first["class_name"] == "InputLayer"
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		if len(v) > 40 {
			return fmt.Sprintf("a text of %d bytes", len(v))
		}
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}
