package load

import (
	"archive/zip"
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"path"
	"strings"

	"partita/planner/diag"
	"partita/planner/keras"
	"partita/planner/weights"
)

// modelJSON is the name of the file with the architecture of a TensorFlow.js model, by convention and in a Bundle.
const modelJSON = "model.json"

// Shards lists the files that hold the weights of a TensorFlow.js model, by paths relative to its model.json, those that a
// .weights.json of Keras 3 names, or the external data of an ONNX model. There are none when f is something else.
func Shards(f File) ([]string, error) {
	if isONNX(f) {
		return onnxShards(f)
	}
	m, err := manifestOf(f)
	if err != nil || m == nil {
		return nil, err
	}
	return m.Shards(), nil
}

// manifestOf reads the list of weights in a model.json; nil when f is something else.
func manifestOf(f File) (*keras.Manifest, error) {
	// What is wrong with the file is told where it is opened.
	if k, err := sniff(f); err != nil || k != jsonText || f.Size > maxConfigBytes {
		return nil, nil
	}
	text := make([]byte, f.Size)
	if n, err := f.Reader.ReadAt(text, 0); n < len(text) {
		return nil, about(f, unreadable(err))
	}
	if !bytes.Contains(text, []byte(`"weightsManifest"`)) && !bytes.Contains(text, []byte(`"weight_map"`)) {
		return nil, nil
	}
	m, err := keras.ReadManifest(text)
	if err != nil {
		return nil, about(f, err)
	}
	return m, nil
}

// weightList is a file that lists those that hold a model's weights, and these by their paths in it.
type weightList struct {
	file     *File
	manifest *keras.Manifest
	shards   map[string]*File
}

// listAmong finds the first list of weights among files, all of whose shards must be there; nil when there is none.
func listAmong(files []File) (*weightList, error) {
	for i := range files {
		manifest, err := manifestOf(files[i])
		if err != nil {
			return nil, err
		}
		if manifest == nil {
			continue
		}
		found, missing := shardsAmong(manifest.Shards(), files)
		if len(missing) > 0 {
			return nil, about(files[i], keras.MissingShards(missing))
		}
		return &weightList{&files[i], manifest, found}, nil
	}
	return nil, nil
}

// shardsAmong finds shards among files, by their paths or, as browsers tell only these, their names.
func shardsAmong(paths []string, files []File) (found map[string]*File, missing []string) {
	found = map[string]*File{}
	byName, byPath := map[string]*File{}, map[string]*File{}
	for i := range files {
		name := strings.ReplaceAll(files[i].Name, "\\", "/")
		byName[path.Base(name)] = &files[i]
		for at := len(name); at >= 0; at = strings.LastIndexByte(name[:at], '/') { // every path that it ends in
			if at < len(name) {
				byPath[name[at+1:]] = &files[i]
			}
		}
		byPath[name] = &files[i]
	}
	for _, p := range paths {
		f := byPath[p]
		if f == nil {
			f = byName[path.Base(p)]
		}
		if f == nil {
			missing = append(missing, p)
			continue
		}
		found[p] = f
	}
	return found, missing
}

func opened(files map[string]*File) map[string]keras.Shard {
	shards := make(map[string]keras.Shard, len(files))
	for p, f := range files {
		shards[p] = keras.Shard{Reader: f.Reader, Size: f.Size}
	}
	return shards
}

func baseName(name string) string { return path.Base(strings.ReplaceAll(name, "\\", "/")) }

// openTFJS opens a TensorFlow.js model given as its model.json and other files, in any order, or a Keras model whose weights
// are in several files that a .weights.json lists. The model is nil when none of the files is such a list.
func openTFJS(o Options, files []File) (*Model, error) {
	for i, f := range files {
		manifest, err := manifestOf(f)
		if err != nil {
			return nil, err
		}
		if manifest == nil {
			continue
		}
		others := append(append([]File(nil), files[:i]...), files[i+1:]...)
		var m *Model
		if manifest.Index() {
			if m, others, err = architectureAmong(o, others); err != nil {
				return nil, err
			}
			if m == nil {
				return nil, about(f, errWeightsOnly)
			}
			found, missing := shardsAmong(manifest.Shards(), others)
			if len(missing) > 0 {
				return nil, about(f, keras.MissingShards(missing))
			}
			if _, err = manifest.Bind(m.layers, opened(found)); err != nil {
				return nil, about(f, err)
			}
			m.HasWeights = true
			return m, nil
		}
		if m, err = openArchitecture(o, f); err != nil {
			return nil, about(f, err)
		}
		found, missing := shardsAmong(manifest.Shards(), others)
		switch {
		case len(others) == 0:
			return m, nil
		case len(found) == 0 && len(others) == 1: // weights in another format
			_, err = m.Weights(others[0])
		case len(missing) > 0:
			err = about(f, keras.MissingShards(missing))
		default:
			if _, err = manifest.Bind(m.layers, opened(found)); err != nil {
				err = about(f, err)
			}
		}
		if err != nil {
			return nil, err
		}
		m.HasWeights = true
		return m, nil
	}
	return nil, nil
}

// architectureAmong finds the architecture among files with weights, and gives the others; no model when there is none.
func architectureAmong(o Options, files []File) (*Model, []File, error) {
	for i, f := range files {
		m, err := openArchitecture(o, f)
		switch {
		case err == nil:
			return m, append(append([]File(nil), files[:i]...), files[i+1:]...), nil
		case !errors.Is(err, errWeightsOnly):
			return nil, nil, about(f, err)
		}
	}
	return nil, files, nil
}

// bundled is a TensorFlow.js model in a zip archive: model.json and, beside it and stored as they are, its shards.
type bundled struct {
	file   File
	model  *zip.File
	shards map[string]*zip.File // by path in the archive
}

// bundleIn finds a TensorFlow.js model in an archive; nil when there is none.
func bundleIn(f File, z *zip.Reader) *bundled {
	b := &bundled{file: f, shards: map[string]*zip.File{}}
	for _, e := range z.File {
		b.shards[path.Clean(e.Name)] = e
		if path.Base(e.Name) == modelJSON && (b.model == nil || len(e.Name) < len(b.model.Name)) {
			b.model = e
		}
	}
	if b.model == nil {
		return nil
	}
	return b
}

func (b *bundled) text() ([]byte, error) { return readEntry(b.model, maxConfigBytes) }

// weights finds the tensors of a model's layers in the archive.
func (b *bundled) weights(layers []keras.LayerWeights) (weights.Source, error) {
	text, err := b.text()
	if err != nil {
		return nil, err
	}
	manifest, err := keras.ReadManifest(text)
	if err != nil {
		return nil, err
	}
	if manifest == nil {
		return nil, diag.New(diag.Invalid, "weights.absent", doing, b.model.Name+" in it lists no weights", "give the files of a TensorFlow.js layers model")
	}
	files := map[string]keras.Shard{}
	for _, p := range manifest.Shards() {
		e := b.shards[path.Join(path.Dir(b.model.Name), p)]
		if e == nil {
			continue // told by Bind
		}
		inner, err := storedEntry(b.file, e)
		if err != nil {
			return nil, err
		}
		files[p] = keras.Shard{Reader: inner.Reader, Size: inner.Size}
	}
	return manifest.Bind(layers, files)
}

// Bundle is a TensorFlow.js model, or an ONNX model with external data, as one file, for where a model's weights have to be one: a zip archive, its entries
// stored as they are, that Open and Model.Weights read. It is not held in memory: it is made of headers and of the files.
type Bundle struct {
	Name  string
	Size  int64
	Parts []BundlePart
}

// BundlePart is one stretch of a Bundle: bytes, or else a whole file.
type BundlePart struct {
	Bytes []byte
	File  *File
}

// NewBundle packs a model.json and its shards, a .weights.json and the files that it lists, or an ONNX model and its external data, which are among files by their
// paths or names. Each file is read once for its checksum.
func NewBundle(files ...File) (*Bundle, error) {
	if b, err := onnxBundle(files); b != nil || err != nil {
		return b, err
	}
	if l, err := listAmong(files); err != nil {
		return nil, err
	} else if l != nil {
		if l.shards[modelJSON] != nil {
			return nil, about(*l.file, diag.New(diag.Invalid, "tfjs.bad-manifest", doing, "it lists model.json among the files with its weights", "convert or save the model again"))
		}
		b := &Bundle{Name: baseName(l.file.Name) + ".zip"}
		return b, b.pack(l.file, modelJSON, l.manifest.Shards(), l.shards)
	}
	return nil, diag.New(diag.Invalid, "model.not-a-model", "packing a TensorFlow.js model", "none of the files is its model.json", "give model.json and its shards")
}

// pack lays out the model's file and the shards.
func (b *Bundle) pack(model *File, modelName string, paths []string, shards map[string]*File) error {
	out := &layout{bundle: b}
	z := zip.NewWriter(out)
	for _, name := range append([]string{modelName}, paths...) {
		f := shards[name]
		if name == modelName {
			f = model
		}
		sum, err := checksum(*f)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: name, Method: zip.Store, CRC32: sum, CompressedSize64: uint64(f.Size), UncompressedSize64: uint64(f.Size)}
		if strings.ContainsFunc(name, func(r rune) bool { return r > 126 }) {
			header.Flags |= 0x800 // the name is UTF-8
		}
		content, err := z.CreateRaw(header)
		if err == nil {
			err = z.Flush()
		}
		if err == nil {
			err = out.file(f, content, z.Flush)
		}
		if err != nil {
			return diag.New(diag.Internal, "tfjs.unpackable", "packing a TensorFlow.js model", "the archive cannot be made", "report this as a fault").Because(err)
		}
	}
	if err := z.Close(); err != nil {
		return diag.New(diag.Internal, "tfjs.unpackable", "packing a TensorFlow.js model", "the archive cannot be made", "report this as a fault").Because(err)
	}
	return nil
}

// layout takes what the zip writer writes: its own bytes are kept, and in place of a file's content there is the file.
type layout struct {
	bundle  *Bundle
	content bool // of a file
}

func (l *layout) Write(p []byte) (int, error) {
	b := l.bundle
	b.Size += int64(len(p))
	if l.content {
		return len(p), nil
	}
	if n := len(b.Parts); n == 0 || b.Parts[n-1].File != nil {
		b.Parts = append(b.Parts, BundlePart{})
	}
	last := &b.Parts[len(b.Parts)-1]
	last.Bytes = append(last.Bytes, p...)
	return len(p), nil
}

// file lets the zip writer count a file's bytes, without reading them.
func (l *layout) file(f *File, content io.Writer, flush func() error) error {
	l.content = true
	defer func() { l.content = false }()
	l.bundle.Parts = append(l.bundle.Parts, BundlePart{File: f})
	blank := make([]byte, 1<<16)
	for left := f.Size; left > 0; {
		n := min(left, int64(len(blank)))
		if _, err := content.Write(blank[:n]); err != nil {
			return err
		}
		left -= n
	}
	return flush()
}

func checksum(f File) (uint32, error) {
	h := crc32.NewIEEE()
	if _, err := io.Copy(h, io.NewSectionReader(f.Reader, 0, f.Size)); err != nil {
		return 0, about(f, unreadable(err))
	}
	return h.Sum32(), nil
}

// Reader reads the bundle from its beginning.
func (b *Bundle) Reader() io.Reader {
	var readers []io.Reader
	for _, p := range b.Parts {
		if p.File != nil {
			readers = append(readers, io.NewSectionReader(p.File.Reader, 0, p.File.Size))
		} else {
			readers = append(readers, bytes.NewReader(p.Bytes))
		}
	}
	return io.MultiReader(readers...)
}
