package keras

import (
	"fmt"
	"slices"

	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/planner/weights"
)

// Keras 3.10 and later cut weights that are too large for one file into several: NAME.weights.json says in which of the files
// NAME_00000.weights.h5, NAME_00001.weights.h5, ... each group of tensors is. Each of these has the form of a .weights.h5 file
// with some of its groups; the tensors of one group may be in two of them.

// readIndex reads such a list; nil when the document is none.
func readIndex(top map[string]any) (*Manifest, error) {
	list, ok := top["weight_map"].(map[string]any)
	if !ok {
		return nil, nil
	}
	if len(list) > maxManifestTensors {
		return nil, diag.New(diag.Limit, "keras.too-large", readingManifest, fmt.Sprintf("it lists more than %d groups of tensors", maxManifestTensors), "give the file as Keras wrote it")
	}
	m := &Manifest{index: true}
	seen := map[string]bool{}
	for _, group := range sortedKeys(list) {
		files, several := list[group].([]any)
		if !several {
			files = []any{list[group]}
		}
		for _, f := range files {
			text, _ := f.(string)
			clean, err := shardPath(text)
			if err != nil {
				return nil, err
			}
			seen[clean] = true
		}
	}
	if len(seen) > maxShards {
		return nil, diag.New(diag.Limit, "keras.too-large", readingManifest, fmt.Sprintf("it lists more than %d files", maxShards), "save the weights in larger files")
	}
	m.groups = []shardGroup{{paths: sortedNames(seen)}}
	return m, nil
}

// Index tells whether the list is that of weights alone, which lie in files of HDF5, rather than of a whole model.
func (m *Manifest) Index() bool { return m.index }

// bindIndex finds the tensors in all files taken together.
func (m *Manifest) bindIndex(layers []LayerWeights, files map[string]Shard) (weights.Source, error) {
	var absent []string
	all := mergedFolder{}
	for _, p := range m.Shards() {
		s, ok := files[p]
		if !ok {
			absent = append(absent, p)
			continue
		}
		f, err := hdf5.Open(s.Reader, s.Size)
		if err != nil {
			if e := diag.As(err); e != nil {
				c := *e
				c.Doing = "reading " + p
				err = &c
			}
			return nil, err
		}
		all.parts = append(all.parts, newGroupFolder(f.Root()))
	}
	if len(absent) > 0 {
		return nil, MissingShards(absent)
	}
	b := &binder{source: storedTensors{}, layers: layers}
	is, err := b.bindModel(all, layers)
	if err == nil && !is {
		err = diag.New(diag.Invalid, "weights.not-keras", binding, "none of its files has a group layers, as .weights.h5 files have", "give the files that Keras's save_weights wrote")
	}
	if err == nil {
		err = b.failure()
	}
	if err != nil {
		return nil, err
	}
	return b.source, nil
}

// mergedFolder is a folder that is in several files, each with a part of what is in it.
type mergedFolder struct{ parts []folder }

func (m mergedFolder) path() string {
	if len(m.parts) == 0 {
		return "/"
	}
	return m.parts[0].path()
}

func (m mergedFolder) names() []string {
	var names []string
	for _, p := range m.parts {
		names = append(names, p.names()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (m mergedFolder) has(name string) bool {
	return slices.ContainsFunc(m.parts, func(p folder) bool { return p.has(name) })
}

func (m mergedFolder) folder(name string) (folder, error) {
	var in mergedFolder
	for _, p := range m.parts {
		if !p.has(name) {
			continue
		}
		f, err := p.folder(name)
		if err != nil {
			return nil, err
		}
		if f != nil {
			in.parts = append(in.parts, f)
		}
	}
	if len(in.parts) == 0 {
		return nil, nil
	}
	return in, nil
}

func (m mergedFolder) tensor(name string) (storedTensor, error) {
	for _, p := range m.parts {
		if p.has(name) {
			return p.tensor(name)
		}
	}
	return nil, diag.New(diag.Internal, "weights.unknown-key", "reading weights", "no file has "+m.path()+"/"+name, "report this as a fault")
}
