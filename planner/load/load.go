// Package load opens model files, whatever their format: it looks at the bytes, not at the name, and tells a file that
// it does not know from one that it knows and that is not a model.
package load

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/hdf5"
	"partita/planner/keras"
	"partita/planner/weights"
)

// File is a file that can be read at any place. Only the parts that are needed are read.
type File struct {
	Name   string // shown in messages
	Size   int64
	Reader io.ReaderAt
	// Second opens an HDF5 file that package hdf5 does not support with another reader; nil: there is none.
	Second func(r io.ReaderAt, size int64) (*hdf5.File, error)
}

// Architecture is a model without its weights, in a form that FromArchitecture reads back.
type Architecture struct {
	Format string // "keras-json"
	Data   []byte // canonical: equal models have equal bytes
}

// KerasJSON is the format of an Architecture that a Keras model has.
const KerasJSON = "keras-json"

// The sources that a model may come from.
const (
	SourceKerasJSON = "keras-json" // architecture alone
	SourceKerasYAML = "keras-yaml" // architecture alone
	SourceKerasH5   = "keras-h5"   // architecture and weights
	SourceKerasV3   = "keras-v3"   // a .keras file: architecture and weights
	SourceTFJS      = "tfjs"       // a TensorFlow.js layers model: architecture, with weights when they are given too
)

// Model is an opened model. Its weights stay in their file.
type Model struct {
	Graph        *graph.Graph
	Name         string
	Source       string
	Architecture Architecture
	Digest       string   // "sha256:" and the hexadecimal digest of Architecture.Data
	Preprocess   string   // suggested preprocessing of images: caffe, tf, torch, unit or none
	Notes        []string // what is otherwise than in the file, for people
	KerasVersion string   // as the file says; "" when it does not
	HasWeights   bool     // one of the opened files holds the weights, and they fit
	Open         []Dimension

	layers  []keras.LayerWeights
	bundled bool // opened from a Bundle
}

// errWeightsOnly says that a file is known and holds no architecture.
var errWeightsOnly = diag.New(diag.Invalid, "model.weights-only", doing, "this file holds only weights, not the model's architecture",
	"give the architecture (.json or .yaml) too, or the whole model (.keras or .h5)")

// Open opens a model from one file, or from a file with the architecture and one with the weights, in any order. Of two
// architectures the first counts, and the other file gives the weights. Weights among the files are matched with the
// model at once, by names and shapes; no number is read. A TensorFlow.js model is its model.json, alone or with all its
// shards.
func Open(files ...File) (*Model, error) { return OpenWith(Options{}, files...) }

// OpenWith is Open with options.
func OpenWith(o Options, files ...File) (*Model, error) {
	if len(files) == 0 {
		return nil, diag.New(diag.Usage, "model.no-file", doing, "no file is given", "name a model file")
	}
	if m, err := openTFJS(o, files); m != nil || err != nil {
		return m, err
	}
	if m, err := openONNX(o, files); m != nil || err != nil {
		return m, err
	}
	if len(files) > 2 {
		return nil, diag.New(diag.Usage, "model.too-many-files", doing, fmt.Sprintf("%d files are given", len(files)), "give the model, and its weights where they are in another file")
	}
	var m, second *Model
	holder := -1 // the file that the architecture is from
	for i, f := range files {
		found, err := openArchitecture(o, f)
		switch {
		case errors.Is(err, errWeightsOnly):
			continue
		case err != nil && m == nil:
			return nil, about(f, err)
		case m == nil:
			m, holder = found, i
		case err == nil:
			second = found
		}
	}
	if m == nil {
		return nil, about(files[0], errWeightsOnly)
	}
	if second != nil && m.stored() && !second.stored() { // an architecture and the whole model, in the order of their names
		m, second, holder = second, m, 1-holder
	}
	from := holder
	if len(files) == 2 {
		from = 1 - holder
	}
	if len(files) == 2 || m.stored() {
		if _, err := m.Weights(files[from]); err != nil {
			if second != nil && (m.stored() || second.stored()) {
				return nil, diag.New(diag.Usage, "model.two-models", doing, fmt.Sprintf("%s and %s are two models: the weights of one are not those of the other", baseName(files[0].Name), baseName(files[1].Name)), "open one of them").Because(err)
			}
			return nil, err
		}
		m.HasWeights = true
	}
	return m, nil
}

// stored tells whether the model came with its weights in the same file.
func (m *Model) stored() bool {
	return m.bundled || m.Source == SourceKerasH5 || m.Source == SourceKerasV3
}

// FromArchitecture opens the architecture that a plan carries.
func FromArchitecture(a Architecture) (*Model, error) {
	if a.Format == ONNX {
		return onnxFromArchitecture(a.Data)
	}
	if a.Format != KerasJSON {
		return nil, diag.New(diag.Invalid, "model.unknown-format", "reading the plan's architecture",
			fmt.Sprintf("its format is %q", shorten(a.Format)), "use a newer Partita, which may know it")
	}
	parsed, err := keras.Parse(a.Data)
	if err != nil {
		return nil, err
	}
	return newModel(parsed, SourceKerasJSON), nil
}

// Weights finds the model's stored tensors in a file: a whole .h5, a .weights.h5, a weights-only .h5 or a .keras. All that
// is missing or does not fit is told in one error.
func (m *Model) Weights(f File) (weights.Source, error) {
	if m.Source == SourceONNX {
		return m.onnxWeights(f)
	}
	k, err := sniff(f)
	if err != nil {
		return nil, about(f, err)
	}
	inner := f
	switch k {
	case hdf5File:
	case zipFile:
		a, err := openArchive(f)
		if err == nil && a.bundle != nil {
			source, err := a.bundle.weights(m.layers)
			if err != nil {
				return nil, about(f, err)
			}
			return source, nil
		}
		if err == nil {
			inner, err = a.weightsFile()
		}
		if err != nil {
			return nil, about(f, err)
		}
	case jsonText, yamlText:
		if shards, err := Shards(f); err != nil {
			return nil, err
		} else if len(shards) > 0 {
			return nil, about(f, keras.MissingShards(shards))
		}
		return nil, about(f, diag.New(diag.Invalid, "weights.absent", "looking for weights", "it is text: an architecture without weights",
			"give the .h5, .weights.h5 or .keras file that the model was saved to"))
	}
	var source weights.Source
	err = withHDF5(inner, func(h *hdf5.File) error {
		source, err = keras.Bind(m.layers, h, "")
		return err
	})
	if err != nil {
		return nil, about(inner, err)
	}
	return source, nil
}

// openArchitecture reads the architecture in a file. The error is errWeightsOnly when the file is known and has none.
func openArchitecture(o Options, f File) (*Model, error) {
	k, err := sniff(f)
	if err != nil {
		return nil, err
	}
	switch k {
	case hdf5File:
		return openHDF5(o, f)
	case zipFile:
		a, err := openArchive(f)
		if err != nil {
			return nil, err
		}
		if a.bundle != nil {
			text, err := a.bundle.text()
			if err != nil {
				return nil, err
			}
			if list, _ := keras.ReadManifest(text); list != nil && list.Index() {
				return nil, errWeightsOnly
			}
			m, err := parsed(keras.ParseWith(text, keras.Options{Dims: o.Dims}))(SourceTFJS)
			if m != nil {
				m.bundled = true
			}
			return m, err
		}
		text, err := readEntry(a.config, maxConfigBytes)
		if err != nil {
			return nil, err
		}
		return parsed(keras.ParseWith(text, keras.Options{Version: a.version, Dims: o.Dims}))(SourceKerasV3)
	}
	if f.Size > maxConfigBytes {
		return nil, diag.New(diag.Limit, "model.too-large", doing, fmt.Sprintf("it is text of %d bytes; at most %d are read", f.Size, maxConfigBytes), "is it the right file?")
	}
	text := make([]byte, f.Size)
	if n, err := f.Reader.ReadAt(text, 0); n < len(text) {
		return nil, unreadable(err)
	}
	if k == jsonText {
		source := SourceKerasJSON
		if keras.IsTFJS(text) {
			source = SourceTFJS
		}
		return parsed(keras.ParseWith(text, keras.Options{Dims: o.Dims}))(source)
	}
	if !strings.Contains(string(text), "class_name") {
		return nil, diag.New(diag.Invalid, "model.unknown-format", doing, "it is text, and not the description of a model",
			known)
	}
	return parsed(keras.ParseWith(text, keras.Options{YAML: true, Dims: o.Dims}))(SourceKerasYAML)
}

func openHDF5(o Options, f File) (m *Model, err error) {
	err = withHDF5(f, func(h *hdf5.File) error {
		m, err = kerasModel(o, h)
		return err
	})
	return m, err
}

// kerasModel reads the architecture in an HDF5 file.
func kerasModel(o Options, h *hdf5.File) (*Model, error) {
	config, there, err := h.Root().Attr("model_config")
	if err != nil {
		return nil, err
	}
	if !there {
		for _, name := range []string{"layer_names", "layer_names0"} {
			if _, isList, _ := h.Root().Attr(name); isList {
				return nil, errWeightsOnly
			}
		}
		for _, name := range h.Root().Names() {
			name, _, _ = strings.Cut(name, `\`) // as Keras on Windows joins names
			if name == "layers" || name == "_layer_checkpoint_dependencies" {
				return nil, errWeightsOnly
			}
		}
		return nil, diag.New(diag.Invalid, "model.not-a-model", doing, "it is an HDF5 file, and neither a model nor weights of Keras", "give a file that Keras's save wrote")
	}
	text, err := config.Text()
	if err != nil {
		return nil, err
	}
	version := ""
	if v, there, err := h.Root().Attr("keras_version"); err == nil && there {
		version, _ = v.Text() // an odd version is no reason to refuse the file: the layers tell it too
	}
	return parsed(keras.ParseWith([]byte(text), keras.Options{Version: version, Dims: o.Dims}))(SourceKerasH5)
}

func parsed(k *keras.Model, err error) func(source string) (*Model, error) {
	return func(source string) (*Model, error) {
		if err != nil {
			return nil, err
		}
		return newModel(k, source), nil
	}
}

func newModel(k *keras.Model, source string) *Model {
	sum := sha256.Sum256(k.Config)
	return &Model{
		Graph: k.Graph, Name: k.Graph.Name, Source: source, Architecture: Architecture{KerasJSON, k.Config},
		Digest: "sha256:" + hex.EncodeToString(sum[:]), Preprocess: preprocess(k.Graph), KerasVersion: k.KerasVersion, layers: k.Weights,
	}
}

// about says which file an error is about.
func about(f File, err error) error {
	e := diag.As(err)
	if e == nil {
		return diag.New(diag.Internal, "model.unreadable", "reading "+f.Name, "it cannot be read", "").Because(err)
	}
	c := *e
	c.Doing = "reading " + f.Name
	if what, ok := strings.CutPrefix(e.Doing, "reading "); ok {
		c.Doing += " (" + what + ")"
	} else if e.Doing != "" && e.Doing != doing {
		c.Doing += " (" + e.Doing + ")"
	}
	return &c
}
