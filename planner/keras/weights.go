package keras

import (
	"fmt"
	"strconv"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/hdf5"
	"partita/planner/weights"
)

const binding = "matching the weights file with the model"

// Bind finds the tensors that a model's layers need in a weights file: a whole-model .h5 (below /model_weights), a
// weights-only .h5 (at its top) or a .weights.h5 of Keras 3. root is the group at which to look, "" the file's top. Every
// tensor is found and its shape checked before Bind returns; all that does not fit is listed in one error.
func Bind(layers []LayerWeights, f *hdf5.File, root string) (weights.Source, error) {
	at := f.Root()
	if root != "" {
		var err error
		if at, err = f.Group(root); err != nil {
			return nil, err
		}
	}
	b := &binder{source: storedTensors{}, layers: layers}
	if err := b.bind(at); err != nil {
		return nil, err
	}
	if err := b.failure(); err != nil {
		return nil, err
	}
	return b.source, nil
}

// binder matches the layers of a model with those of a file, and collects what does not fit.
type binder struct {
	layers []LayerWeights
	source storedTensors

	absent []LayerWeights // layers in several models, where their tensors are not in their place

	missing    []string
	mismatched []string
	extra      []string
	unreadable []*diag.Error
}

// bind recognises the form of the file.
func (b *binder) bind(at *hdf5.Group) error {
	for _, path := range []string{"", "model_weights"} {
		g := at
		if path != "" {
			if !at.Has(path) {
				continue
			}
			var err error
			if g, err = at.Group(path); err != nil {
				return err
			}
		}
		names, ok, err := stringList(g, "layer_names")
		if err != nil {
			return err
		}
		if ok {
			return b.bindLegacy(g, names)
		}
	}
	if is, err := b.bindModel(newGroupFolder(at), b.layers); is || err != nil {
		return err
	}
	return diag.New(diag.Invalid, "weights.not-keras", binding,
		"it has neither a list layer_names, as .h5 files of Keras have, nor a group layers, as .weights.h5 files have",
		"give a file that Keras's save or save_weights wrote")
}

// failure makes one error of all that does not fit.
func (b *binder) failure() error {
	for _, layer := range b.absent {
		for _, w := range layer.Weights {
			if b.source[w.Key] == nil {
				b.match(layer, nil)
				break
			}
		}
	}
	b.absent = nil
	var found, details []string
	code := ""
	for _, p := range []struct {
		code, one, many string
		details         []string
	}{
		{"weights.missing", "1 tensor that the model needs is missing", "%d tensors that the model needs are missing", b.missing},
		{"weights.shape-mismatch", "1 tensor does not fit", "%d tensors do not fit", b.mismatched},
		{"weights.extra-layers", "1 layer of the file is not in the model", "%d layers of the file are not in the model", b.extra},
	} {
		switch n := len(p.details); {
		case n == 0:
			continue
		case n == 1:
			found = append(found, p.one)
		default:
			found = append(found, fmt.Sprintf(p.many, n))
		}
		details = append(details, p.details...)
		if code == "" {
			code = p.code
		}
	}
	for _, e := range b.unreadable {
		details = append(details, e.Doing+": "+e.Found)
	}
	if code == "" && len(b.unreadable) == 0 {
		return nil
	}
	if code == "" { // tensors that are there and cannot be read: the reader's own words
		first := b.unreadable[0]
		return first.With(details[1:]...)
	}
	return diag.New(diag.Invalid, code, binding, strings.Join(found, ", "),
		"give the weights that were saved from this very model").With(details...)
}

// match takes the tensors of one layer of the file for those of a layer of the model.
func (b *binder) match(layer LayerWeights, stored []storedTensor) {
	b.mismatched = append(b.mismatched, fits(layer, stored)...)
	for i, w := range layer.Weights {
		if i >= len(stored) {
			b.missing = append(b.missing, fmt.Sprintf("%s (%s) of layer %s", w.Name, w.Shape, layer.Name))
			continue
		}
		if err := stored[i].readable(); err != nil {
			b.unreadable = append(b.unreadable, diag.As(err))
			continue
		}
		b.source[w.Key] = stored[i]
	}
	for _, t := range stored[min(len(stored), len(layer.Weights)):] {
		b.mismatched = append(b.mismatched, fmt.Sprintf("layer %s has %d tensors in the file and %d in the model: %s is one too many",
			layer.Name, len(stored), len(layer.Weights), t.place()))
	}
}

// fits lists the tensors that differ in shape from what the model implies, or are no numbers.
func fits(layer LayerWeights, stored []storedTensor) []string {
	var wrong []string
	for i, w := range layer.Weights[:min(len(stored), len(layer.Weights))] {
		t := stored[i]
		if shape := t.Shape(); !shape.Equal(w.Shape) {
			wrong = append(wrong, fmt.Sprintf("%s of layer %s has the shape %s in the file and %s in the model", w.Name, layer.Name,
				shapeText(shape), shapeText(w.Shape)))
		} else if kind := t.odd(); kind != "" {
			wrong = append(wrong, fmt.Sprintf("%s of layer %s has elements of type %s", w.Name, layer.Name, kind))
		}
	}
	return wrong
}

// shapeText prints a shape so that a scalar is seen too.
func shapeText(s graph.Shape) string {
	if len(s) == 0 {
		return "scalar"
	}
	return s.String()
}

// storedTensors is a model's weights by key.
type storedTensors map[string]storedTensor

// Tensor implements weights.Source.
func (s storedTensors) Tensor(key string) (weights.Tensor, error) {
	t, ok := s[key]
	if !ok {
		return nil, diag.New(diag.Internal, "weights.unknown-key", "reading weights", "no tensor has the key "+strconv.Quote(key),
			"report this: the model refers to a weight it does not declare")
	}
	return t, nil
}

// storedTensor is one tensor of the file.
type storedTensor interface {
	weights.Tensor
	place() string   // in the file
	readable() error // why its numbers cannot be read
	odd() string     // the type of its elements, when they are no numbers
}

// dataset is a tensor of an HDF5 file.
type dataset struct{ *hdf5.Dataset }

func (t dataset) place() string   { return t.Path() }
func (t dataset) readable() error { return t.Readable() }

func (t dataset) odd() string {
	if t.Type().Format == hdf5.NoNumber {
		return t.Type().String()
	}
	return ""
}

var storedTypes = map[hdf5.Format]graph.DType{
	hdf5.Float16: graph.Float16, hdf5.BFloat16: graph.BFloat16, hdf5.Float32: graph.Float32, hdf5.Float64: graph.Float64,
	hdf5.Int8: graph.Int8, hdf5.Int16: graph.Int16, hdf5.Int32: graph.Int32, hdf5.Int64: graph.Int64,
	hdf5.Uint8: graph.UInt8, hdf5.Uint16: graph.UInt16, hdf5.Uint32: graph.UInt32, hdf5.Uint64: graph.UInt64,
}

// DType implements weights.Tensor.
func (t dataset) DType() graph.DType { return storedTypes[t.Type().Format] }

// Shape implements weights.Tensor.
func (t dataset) Shape() graph.Shape { return t.Dataset.Shape() }
