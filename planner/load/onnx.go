package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"

	"partita/planner/diag"
	"partita/planner/onnx"
	"partita/planner/weights"
)

// ONNX is the format of an Architecture that an ONNX model has: its ModelProto without the numbers of large tensors.
const ONNX = "onnx"

// SourceONNX is the source of models that came as ONNX: architecture and weights.
const SourceONNX = "onnx"

// Options settle what a model file may leave open.
type Options struct {
	Dims map[string]int64 // sizes of dimensions that an ONNX file only names, or as "input[axis]"
}

// OpenWith is Open with options.
func OpenWith(o Options, files ...File) (*Model, error) {
	m, err := openONNX(o, files)
	if m != nil || err != nil {
		return m, err
	}
	if len(o.Dims) > 0 {
		return nil, diag.New(diag.Usage, "model.no-open-dimensions", doing, "sizes of dimensions are given, and the model is none of ONNX", "leave them out")
	}
	return Open(files...)
}

// isONNX tells whether a file is an ONNX model, by its first bytes or, where they are nothing else's, its name.
func isONNX(f File) bool {
	if f.Size <= 0 {
		return false
	}
	head := make([]byte, min(f.Size, 16))
	if n, err := f.Reader.ReadAt(head, 0); n < len(head) && err != io.EOF {
		return false
	}
	name := strings.ToLower(f.Name)
	if strings.HasSuffix(name, ".pb") || strings.HasPrefix(string(head), hdf5Signature) || strings.HasPrefix(string(head), "PK\x03\x04") {
		return false
	}
	return strings.HasSuffix(name, ".onnx") || onnx.Is(head)
}

// openONNX opens an ONNX model, of which the files beside it hold external data. It is nil, without an error, when none of
// the files is one.
func openONNX(o Options, files []File) (*Model, error) {
	holder := -1
	for i, f := range files {
		if isONNX(f) {
			holder = i
			break
		}
	}
	if holder < 0 {
		return nil, nil
	}
	f := files[holder]
	read, err := onnx.Read(f.Reader, f.Size)
	if err != nil {
		return nil, about(f, err)
	}
	lowered, err := read.Lower(onnx.Options{Dims: o.Dims})
	if err != nil {
		return nil, about(f, err)
	}
	m := newONNX(lowered)
	if name := strings.TrimSuffix(path.Base(strings.ReplaceAll(f.Name, "\\", "/")), ".onnx"); isGeneric(m.Name) && name != "" && name != "." {
		m.Name = name
	}
	_, err = read.Weights(lowered.Graph, onnx.Data{Size: f.Size, Reader: f.Reader}, beside(files, holder)...)
	if code := diag.CodeOf(err); err != nil && (code != "weights.external-data" || len(files) > 1) {
		return nil, about(f, err)
	}
	m.HasWeights = err == nil
	return m, nil
}

func beside(files []File, holder int) []onnx.Data {
	var list []onnx.Data
	for i, f := range files {
		if i != holder {
			list = append(list, onnx.Data{Name: f.Name, Size: f.Size, Reader: f.Reader})
		}
	}
	return list
}

// isGeneric tells whether a graph's name is what exporters write when they know none.
func isGeneric(name string) bool {
	switch name {
	case "model", "main", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx", "graph", "onnx-model":
		return true
	}
	return strings.ContainsAny(name, " \t")
}

func newONNX(l *onnx.Lowered) *Model {
	sum := sha256.Sum256(l.Stripped)
	return &Model{Graph: l.Graph, Name: l.Graph.Name, Source: SourceONNX, Architecture: Architecture{ONNX, l.Stripped},
		Digest: "sha256:" + hex.EncodeToString(sum[:]), Preprocess: none}
}

// onnxFromArchitecture opens the architecture that a plan carries.
func onnxFromArchitecture(data []byte) (*Model, error) {
	read, err := onnx.ReadStripped(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	lowered, err := read.Lower(onnx.Options{})
	if err != nil {
		return nil, err
	}
	return newONNX(lowered), nil
}

// WeightsOf is Weights of a model whose tensors are in several files: an ONNX file and the external data beside it.
func (m *Model) WeightsOf(files ...File) (weights.Source, error) {
	if m.Source == SourceONNX {
		return m.onnxWeights(files...)
	}
	if len(files) != 1 {
		return nil, diag.New(diag.Usage, "model.too-many-files", doing, fmt.Sprintf("%d files are given", len(files)), "give the one file with the weights")
	}
	return m.Weights(files[0])
}

// onnxWeights finds the stored tensors in the ONNX file that the model was opened from, or another of the same structure.
func (m *Model) onnxWeights(files ...File) (weights.Source, error) {
	for i, f := range files {
		if !isONNX(f) {
			continue
		}
		read, err := onnx.Read(f.Reader, f.Size)
		if err != nil {
			return nil, about(f, err)
		}
		source, err := read.Weights(m.Graph, onnx.Data{Size: f.Size, Reader: f.Reader}, beside(files, i)...)
		if err != nil {
			return nil, about(f, err)
		}
		return source, nil
	}
	if len(files) == 0 {
		return nil, diag.New(diag.Usage, "model.no-file", doing, "no file is given", "name the model's .onnx file")
	}
	return nil, about(files[0], diag.New(diag.Invalid, "weights.absent", "looking for weights", fmt.Sprintf("it is no ONNX file, and the model %s came as one", shorten(m.Name)), "give the .onnx file"))
}
