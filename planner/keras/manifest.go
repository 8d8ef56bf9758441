package keras

import (
	"bytes"
	"fmt"
	"math"
	"path"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
)

// Bounds on a weights manifest. tensorflowjs_converter cuts weights into shards of 4 MB.
const (
	maxManifestTensors = 200000
	maxShards          = 20000
)

// Manifest is the list of weights in the model.json of a TensorFlow.js layers model (its member weightsManifest): groups
// of files, "shards", whose bytes one after the other hold tensors one after the other. Or it is Keras 3's list of weights in
// several files of HDF5.
type Manifest struct {
	groups []shardGroup
	index  bool // of files of HDF5
}

type shardGroup struct {
	paths   []string
	tensors []shardTensor
	bytes   int64
}

// shardTensor is a tensor as it lies in a group.
type shardTensor struct {
	name       string
	shape      graph.Shape
	stored     string // the type of its elements in the file
	offset     int64  // in the group, in bytes
	scale, min float64
	quantized  bool // the numbers are value * scale + min
}

// shardTypes are the types that TensorFlow.js stores, and the bytes of an element.
var shardTypes = map[string]int64{"float32": 4, "int32": 4, "bool": 1, "uint8": 1, "uint16": 2, "float16": 2, "complex64": 8}

const readingManifest = "reading the list of weights in model.json"

func badManifest(format string, args ...any) *diag.Error {
	return diag.New(diag.Invalid, "tfjs.bad-manifest", readingManifest, fmt.Sprintf(format, args...), "convert or save the model again")
}

// ReadManifest finds the list of weights in a model.json, or reads a .weights.json. It is nil when the document is neither a
// TensorFlow.js model with a list nor such a list.
func ReadManifest(document []byte) (*Manifest, error) {
	tree, err := decodeJSON(document)
	if err != nil {
		return nil, err
	}
	top, _ := tree.(map[string]any)
	if top["modelTopology"] == nil || top["weightsManifest"] == nil {
		return readIndex(top)
	}
	list, ok := top["weightsManifest"].([]any)
	if !ok {
		return nil, badManifest("weightsManifest is %s, not a list", describe(top["weightsManifest"]))
	}
	m := &Manifest{}
	tensors, shards := 0, 0
	for i, entry := range list {
		where := fmt.Sprintf("weightsManifest[%d]", i)
		group, ok := entry.(map[string]any)
		if !ok {
			return nil, badManifest("%s is %s", where, describe(entry))
		}
		var g shardGroup
		paths, _ := group["paths"].([]any)
		for _, p := range paths {
			text, _ := p.(string)
			clean, err := shardPath(text)
			if err != nil {
				return nil, err
			}
			g.paths = append(g.paths, clean)
		}
		stored, _ := group["weights"].([]any)
		if tensors, shards = tensors+len(stored), shards+len(paths); tensors > maxManifestTensors || shards > maxShards {
			return nil, diag.New(diag.Limit, "keras.too-large", readingManifest, fmt.Sprintf("it lists more than %d tensors or %d files", maxManifestTensors, maxShards), "convert the model again with shards of 4 MB")
		}
		for k, s := range stored {
			if err := g.add(s, fmt.Sprintf("%s.weights[%d]", where, k)); err != nil {
				return nil, err
			}
		}
		m.groups = append(m.groups, g)
	}
	return m, nil
}

// shardPath cleans the path of a shard, which is relative to model.json and must stay below its folder.
func shardPath(p string) (string, error) {
	clean := path.Clean(p)
	if p == "" || path.IsAbs(p) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(p, "\\\x00:") || len(p) > 1024 {
		return "", diag.New(diag.Invalid, "tfjs.bad-path", readingManifest, fmt.Sprintf("the file %s is not beside model.json or below its folder", describe(p)),
			"download the files beside model.json and name them there by relative paths")
	}
	return clean, nil
}

// add reads one entry of a group: its place follows from those before it.
func (g *shardGroup) add(entry any, where string) error {
	e, ok := entry.(map[string]any)
	if !ok {
		return badManifest("%s is %s", where, describe(entry))
	}
	t := shardTensor{offset: g.bytes, shape: graph.Shape{}}
	t.name, _ = e["name"].(string)
	if t.name == "" || len(t.name) > maxNameBytes {
		return badManifest("%s has no name", where)
	}
	dims, _ := e["shape"].([]any)
	n := int64(1)
	for _, d := range dims {
		f, isNumber := d.(float64)
		size, whole := wholeNumber(f)
		if !isNumber || !whole || size < 0 || size > 0 && n > graph.MaxElements/size {
			return badManifest("%s (%s) has the dimension %s", where, t.name, describe(d))
		}
		n *= size
		t.shape = append(t.shape, size)
	}
	t.stored, _ = e["dtype"].(string)
	if q, ok := e["quantization"].(map[string]any); ok {
		if err := t.quantize(q, where); err != nil {
			return err
		}
	}
	size, ok := shardTypes[t.stored]
	if !ok {
		return diag.New(diag.Invalid, "tfjs.unsupported-type", readingManifest, fmt.Sprintf("%s (%s) has elements of type %q", where, t.name, t.stored),
			"convert the model with weights of type float32, float16, uint16 or uint8")
	}
	if g.bytes > math.MaxInt64/2-n*size {
		return badManifest("the tensors up to %s take more bytes than a file can have", where)
	}
	g.bytes += n * size
	g.tensors = append(g.tensors, t)
	return nil
}

// quantize reads how whole numbers stand for the tensor's: an affine map, or half precision.
func (t *shardTensor) quantize(q map[string]any, where string) error {
	if t.stored != "float32" && t.stored != "int32" {
		return badManifest("%s (%s) of type %q is quantised", where, t.name, t.stored)
	}
	whole := t.stored == "int32"
	switch t.stored, _ = q["dtype"].(string); t.stored {
	case "float16":
		return nil
	case "uint8", "uint16":
		if whole {
			return badManifest("%s (%s) holds whole numbers and is quantised", where, t.name)
		}
	default:
		return badManifest("%s (%s) is quantised to %s", where, t.name, describe(q["dtype"]))
	}
	var ok0, ok1 bool
	t.scale, ok0 = q["scale"].(float64)
	t.min, ok1 = q["min"].(float64)
	t.quantized = true
	if !ok0 || !ok1 {
		return badManifest("%s (%s) is quantised without scale and min", where, t.name)
	}
	if math.Abs(t.scale) > math.MaxFloat32 || math.Abs(t.min) > math.MaxFloat32 {
		return badManifest("%s (%s) is quantised with the scale %g and the least value %g, beyond float32", where, t.name, t.scale, t.min)
	}
	return nil
}

// Shards lists the files that hold the weights, relative to model.json, each once.
func (m *Manifest) Shards() []string {
	var all []string
	seen := map[string]bool{}
	for _, g := range m.groups {
		for _, p := range g.paths {
			if !seen[p] {
				seen[p] = true
				all = append(all, p)
			}
		}
	}
	return all
}

// unwrapTFJS takes the architecture out of a TensorFlow.js model.json, where it is the member modelTopology: as the Keras
// converter writes it with the architecture under model_config, or as TensorFlow.js itself writes it. The version is that
// of the library which wrote it, "" when there is none. Other documents are left as they are.
func unwrapTFJS(tree any) (unwrapped any, version string, err error) {
	top, _ := tree.(map[string]any)
	topology, ok := top["modelTopology"].(map[string]any)
	if !ok {
		return tree, "", nil
	}
	_, nodes := topology["node"]
	_, library := topology["library"]
	if top["format"] == "graph-model" || nodes || library {
		return nil, "", diag.New(diag.Invalid, "model.unsupported-format", doing, "this is a TensorFlow.js graph model: its layers are no longer known",
			"convert the Keras model itself, or export it with tensorflowjs_converter as tfjs_layers_model")
	}
	version, _ = topology["keras_version"].(string)
	if inner, ok := topology["model_config"]; ok {
		if text, ok := inner.(string); ok {
			if inner, err = decodeJSON([]byte(text)); err != nil {
				return nil, "", err
			}
		}
		return inner, version, nil
	}
	return topology, version, nil
}

// IsTFJS tells whether a text looks like the model.json of a TensorFlow.js model.
func IsTFJS(document []byte) bool { return bytes.Contains(document, []byte(`"modelTopology"`)) }
