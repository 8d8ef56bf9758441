package cli

import (
	"io"
	"os"
	"path/filepath"

	"partita/planner/load"
)

// weightsFile is what is uploaded as a model's weights.
type weightsFile struct {
	name   string
	size   int64
	reader io.Reader
	files  []*os.File
}

func (w *weightsFile) Close() {
	for _, f := range w.files {
		f.Close()
	}
}

// openWeights opens the file with a model's weights. The model.json of a TensorFlow.js model names further files, which
// are found beside it: all of them are sent as one archive.
func openWeights(name string, env *environment) (*weightsFile, error) {
	f, size, err := openFile(name, env)
	if err != nil {
		return nil, err
	}
	w := &weightsFile{name: name, size: size, reader: f, files: []*os.File{f}}
	whole := []load.File{{Name: name, Size: size, Reader: f}}
	shards, err := w.openShards(name, f, size, env)
	if err == nil && len(shards) > 0 {
		var packed *load.Bundle
		if packed, err = load.NewBundle(append(whole, shards...)...); err == nil {
			w.name, w.size, w.reader = packed.Name, packed.Size, packed.Reader()
		}
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// openShards opens the files that a model.json names; none when the file is something else.
func (w *weightsFile) openShards(name string, f *os.File, size int64, env *environment) ([]load.File, error) {
	paths, err := load.Shards(load.File{Name: name, Size: size, Reader: f})
	if err != nil {
		return nil, err
	}
	var shards []load.File
	for _, p := range paths {
		path := filepath.Join(filepath.Dir(name), filepath.FromSlash(p))
		f, size, err := openFile(path, env)
		if err != nil {
			return nil, err
		}
		w.files = append(w.files, f)
		shards = append(shards, load.File{Name: path, Size: size, Reader: f})
	}
	return shards, nil
}
