package load

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/kernels"
	"partita/planner/onnx"
	"partita/planner/weights"
)

// ONNX is the format of an Architecture that an ONNX model has: its ModelProto without the numbers of large tensors.
const ONNX = "onnx"

// SourceONNX is the source of models that came as ONNX: architecture and weights.
const SourceONNX = "onnx"

// Options settle what a model file may leave open.
type Options struct {
	Dims map[string]int64 // sizes of dimensions that it leaves open, by the name that an ONNX file gives them or as "input[axis]"
}

// Dimension is one that an ONNX file leaves open and no option settled, other than the batch.
type Dimension struct {
	Name string // as in Options
	Size int64  // that is taken for planning
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

// onnxFile is an ONNX model and the files that its external data may be in: beside it, or in one archive with it.
type onnxFile struct {
	File
	beside []onnx.Data
}

// onnxAmong finds the ONNX model among files; nil when there is none.
func onnxAmong(files []File) (*onnxFile, error) {
	for i, f := range files {
		if !isONNX(f) {
			continue
		}
		found := &onnxFile{File: f}
		for k, other := range files {
			if k != i {
				found.beside = append(found.beside, onnx.Data{Name: other.Name, Size: other.Size, Reader: other.Reader})
			}
		}
		return found, nil
	}
	for _, f := range files {
		if k, err := sniff(f); err != nil || k != zipFile {
			continue
		}
		if found, err := onnxInArchive(f); found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// onnxInArchive finds an ONNX model in a zip archive; nil when there is none. Its files are read in place.
func onnxInArchive(f File) (*onnxFile, error) {
	if boundDirectory(f) != nil {
		return nil, nil // told where the archive is opened
	}
	z, err := zip.NewReader(f.Reader, f.Size)
	if err != nil {
		return nil, nil
	}
	var model *zip.File
	for _, e := range z.File {
		if strings.HasSuffix(strings.ToLower(e.Name), ".onnx") && (model == nil || len(e.Name) < len(model.Name)) {
			model = e
		}
	}
	if model == nil {
		return nil, nil
	}
	found := &onnxFile{}
	for _, e := range z.File {
		inner, err := storedEntry(f, e)
		switch {
		case err == nil && e == model:
			found.File = inner
		case e == model:
			return nil, about(f, err)
		case err == nil:
			found.beside = append(found.beside, onnx.Data{Name: e.Name, Size: inner.Size, Reader: inner.Reader})
		}
	}
	return found, nil
}

// openONNX opens an ONNX model, of which the files beside it hold external data. It is nil, without an error, when none of
// the files is one.
func openONNX(o Options, files []File) (*Model, error) {
	f, err := onnxAmong(files)
	if f == nil || err != nil {
		return nil, err
	}
	read, err := onnx.Read(f.Reader, f.Size)
	if err != nil {
		return nil, about(f.File, err)
	}
	lowered, err := read.Lower(onnx.Options{Dims: o.Dims})
	if err != nil {
		return nil, about(f.File, err)
	}
	m := newONNX(lowered)
	if name := strings.TrimSuffix(baseName(f.Name), ".onnx"); isGeneric(m.Name) && name != "" && name != "." {
		m.Name = name
	}
	m.Preprocess = preprocessONNX(m.Graph, m.Name, read)
	_, err = read.Weights(lowered.Graph, onnx.Data{Size: f.Size, Reader: f.Reader}, f.beside...)
	if err != nil && (diag.CodeOf(err) != "weights.external-data" || len(f.beside) > 0) {
		return nil, about(f.File, err)
	}
	m.HasWeights = err == nil
	return m, nil
}

// onnxShards lists the files that hold external data of an ONNX model.
func onnxShards(f File) ([]string, error) {
	read, err := onnx.Read(f.Reader, f.Size)
	if err != nil {
		return nil, about(f, err)
	}
	return read.Elsewhere(), nil
}

// onnxBundle packs an ONNX model and its external data; nil when none of the files is one.
func onnxBundle(files []File) (*Bundle, error) {
	for i := range files {
		if !isONNX(files[i]) {
			continue
		}
		paths, err := onnxShards(files[i])
		if err != nil {
			return nil, err
		}
		found, missing := shardsAmong(paths, files)
		if len(missing) > 0 {
			return nil, about(files[i], diag.New(diag.Invalid, "weights.external-data", "looking for weights", "the weights are in other files, which are not there: "+strings.Join(missing[:min(len(missing), 5)], ", "),
				"give these files with the model"))
		}
		b := &Bundle{Name: baseName(files[i].Name) + ".zip"}
		return b, b.pack(&files[i], "model.onnx", paths, found)
	}
	return nil, nil
}

// isGeneric tells whether a graph's name is what exporters write when they know none.
func isGeneric(name string) bool {
	switch name {
	case "model", "main", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx", "graph", "onnx-model", "mxnet_converted_model", "torch_jit_export":
		return true
	}
	return strings.ContainsAny(name, " \t")
}

func newONNX(l *onnx.Lowered) *Model {
	sum := sha256.Sum256(l.Stripped)
	var open []Dimension
	for _, d := range l.Open {
		open = append(open, Dimension(d))
	}
	return &Model{Open: open, Graph: l.Graph, Name: l.Graph.Name, Source: SourceONNX, Architecture: Architecture{ONNX, l.Stripped},
		Digest: "sha256:" + hex.EncodeToString(sum[:]), Preprocess: none, Notes: append(l.Notes, served(l.Graph)...)}
}

// served says of a model that no function could run that plans can be made for it all the same.
func served(g *graph.Graph) []string {
	lacks := kernels.Lacking(g)
	if len(lacks) == 0 {
		return nil
	}
	return []string{"it can be planned and not deployed: " + kernels.What(lacks) + "; " + kernels.Fix(lacks)}
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

// WeightsOf is Weights of a model whose tensors are in several files: an ONNX file and the external data beside it, or a list of weights
// (see Shards) and all that it names.
func (m *Model) WeightsOf(files ...File) (weights.Source, error) {
	if m.Source == SourceONNX {
		return m.onnxWeights(files...)
	}
	if l, err := listAmong(files); err != nil {
		return nil, err
	} else if l != nil {
		source, err := l.manifest.Bind(m.layers, opened(l.shards))
		if err != nil {
			return nil, about(*l.file, err)
		}
		return source, nil
	}
	if len(files) != 1 {
		return nil, diag.New(diag.Usage, "model.too-many-files", doing, fmt.Sprintf("%d files are given", len(files)), "give the one file with the weights, or a list of weights with all the files that it names")
	}
	return m.Weights(files[0])
}

// onnxWeights finds the stored tensors in the ONNX file that the model was opened from, or another of the same structure.
func (m *Model) onnxWeights(files ...File) (weights.Source, error) {
	f, err := onnxAmong(files)
	if err != nil {
		return nil, err
	}
	if f == nil {
		given := File{Name: "the weights"}
		if len(files) > 0 {
			given = files[0]
		}
		return nil, about(given, diag.New(diag.Invalid, "weights.absent", "looking for weights", fmt.Sprintf("it is no ONNX file, and the model %s came as one", shorten(m.Name)), "give the .onnx file"))
	}
	read, err := onnx.Read(f.Reader, f.Size)
	if err != nil {
		return nil, about(f.File, err)
	}
	source, err := read.Weights(m.Graph, onnx.Data{Size: f.Size, Reader: f.Reader}, f.beside...)
	if err != nil {
		return nil, about(f.File, err)
	}
	return source, nil
}
