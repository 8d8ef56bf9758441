package keras

import (
	"fmt"
	"strings"

	"partita/planner/diag"
	"partita/planner/hdf5"
)

// maxNameChunks bounds the pieces in which Keras cuts a list of names that is too long for one attribute.
const maxNameChunks = 1 << 12

// stringList reads a list of strings from an attribute, or from name0, name1, ... when Keras had to cut it.
func stringList(g *hdf5.Group, name string) (list []string, ok bool, err error) {
	a, ok, err := g.Attr(name)
	if err != nil {
		return nil, false, err
	}
	if ok {
		list, err = a.Strings()
		return list, true, err
	}
	for i := range maxNameChunks {
		a, more, err := g.Attr(fmt.Sprintf("%s%d", name, i))
		if err != nil {
			return nil, false, err
		}
		if !more {
			break
		}
		part, err := a.Strings()
		if err != nil {
			return nil, false, err
		}
		list, ok = append(list, part...), true
	}
	return list, ok, nil
}

// legacyLayer is a layer of an .h5 file: a group with the list of its tensors' names.
type legacyLayer struct {
	name    string
	group   *hdf5.Group
	weights []string
}

// bindLegacy matches the layers of a .h5 file, as Keras 1 and 2 write them, with those of the model: by name, or, when names
// differ because they were generated in another session, in their order, as Keras itself does.
func (b *binder) bindLegacy(g *hdf5.Group, names []string) error {
	var stored []legacyLayer // those with weights
	byName := map[string]int{}
	for _, name := range names {
		layer := legacyLayer{name: name}
		var err error
		if layer.group, err = g.Group(name); err != nil {
			return err
		}
		ok := false
		if layer.weights, ok, err = stringList(layer.group, "weight_names"); err != nil {
			return err
		} else if !ok {
			return diag.New(diag.Invalid, "weights.not-keras", binding, "the layer "+name+" has no list weight_names",
				"give a file that Keras's save or save_weights wrote")
		}
		if len(layer.weights) > 0 {
			byName[name] = len(stored)
			stored = append(stored, layer)
		}
	}
	var needed []LayerWeights
	for _, l := range b.layers {
		if l = l.Flat(); len(l.Weights) > 0 {
			needed = append(needed, l)
		}
	}
	pairs := make([]int, len(needed)) // the layer of the file for each needed one, -1: none
	complete := true
	for i, layer := range needed {
		at, ok := byName[layer.Name]
		if !ok {
			at, complete = -1, false
		}
		pairs[i] = at
	}
	if !complete && len(needed) == len(stored) {
		if inOrder, err := b.sameOrder(needed, stored); err != nil {
			return err
		} else if inOrder {
			for i := range pairs {
				pairs[i] = i
			}
		}
	}
	used := make([]bool, len(stored))
	for i, at := range pairs {
		if at < 0 {
			b.match(needed[i], nil)
			continue
		}
		used[at] = true
		tensors, err := stored[at].tensors(needed[i])
		if err != nil {
			return err
		}
		b.match(needed[i], tensors)
	}
	for i, layer := range stored {
		if !used[i] {
			b.extra = append(b.extra, fmt.Sprintf("layer %s with %d tensors is only in the file", layer.name, len(layer.weights)))
		}
	}
	return nil
}

// sameOrder tells whether the layers of file and model fit one by one.
func (b *binder) sameOrder(needed []LayerWeights, stored []legacyLayer) (bool, error) {
	for i, layer := range needed {
		if len(stored[i].weights) != len(layer.Weights) {
			return false, nil
		}
		tensors, err := stored[i].tensors(layer)
		if err != nil || len(tensors) != len(layer.Weights) || len(fits(layer, tensors)) > 0 {
			return false, err
		}
	}
	return true, nil
}

// tensors gives a layer's tensors in the order in which the model lists them: by name where the file uses the same names,
// each once, else in the order of the file, which is that of the layer's weights.
func (l legacyLayer) tensors(layer LayerWeights) ([]storedTensor, error) {
	order := l.weights
	if byName := l.inModelOrder(layer); byName != nil {
		order = byName
	} else if len(order) == len(layer.Weights) { // what is trained comes first
		order = make([]string, 0, len(l.weights))
		trained, frozen := l.weights, l.weights
		for _, w := range layer.Weights {
			if !w.Frozen {
				frozen = frozen[1:]
			}
		}
		for _, w := range layer.Weights {
			if w.Frozen {
				order, frozen = append(order, frozen[0]), frozen[1:]
			} else {
				order, trained = append(order, trained[0]), trained[1:]
			}
		}
	}
	var all []storedTensor
	for _, name := range order {
		d, err := l.group.Dataset(name)
		if diag.CodeOf(err) == "hdf5.not-found" {
			break // what is listed and not there is missing
		}
		if err != nil {
			return nil, err
		}
		all = append(all, dataset{d})
	}
	return all, nil
}

// inModelOrder sorts the file's names by those of the model; nil when they are not the same.
func (l legacyLayer) inModelOrder(layer LayerWeights) []string {
	if len(l.weights) != len(layer.Weights) {
		return nil
	}
	byBase := map[string][]string{}
	for _, path := range l.weights {
		byBase[baseName(path)] = append(byBase[baseName(path)], path)
	}
	order := make([]string, 0, len(layer.Weights))
	taken := map[string]bool{}
	for _, w := range layer.Weights {
		path, ok := nearest(byBase[baseName(w.Name)], w)
		if !ok || taken[path] {
			return nil
		}
		taken[path] = true
		order = append(order, path)
	}
	return order
}

// nearest finds the one path that names a weight. Of a weight in a model within the model, its own layer must be in the
// path; of several such paths the one that names most of the models round it is taken.
func nearest(paths []string, w StoredWeight) (string, bool) {
	if len(w.owners) == 0 {
		if len(paths) != 1 {
			return "", false
		}
		return paths[0], true
	}
	best, most, alone := "", 0, false
	for _, path := range paths {
		named := 0
		for _, owner := range w.owners {
			if strings.Contains("/"+path, "/"+owner+"/") {
				named++
			} else if owner == w.owners[len(w.owners)-1] {
				named = -len(w.owners)
			}
		}
		switch {
		case named > most:
			best, most, alone = path, named, true
		case named == most:
			alone = false
		}
	}
	return best, alone
}

// baseName gives "kernel" of "conv1/kernel:0".
func baseName(path string) string {
	path = path[strings.LastIndexByte(path, '/')+1:]
	name, _, _ := strings.Cut(path, ":")
	return name
}
