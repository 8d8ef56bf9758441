// Package synthetic makes weights for models that have none, so that any architecture can be deployed to try it: plausible
// numbers, the same every time, written as Keras's own weights file. The network answers nothing sensible with them, but its
// answers depend on the image, and neither vanish nor overflow: every kernel is scaled for what flows into it.
package synthetic

import (
	"io"

	"partita/planner/diag"
	"partita/planner/hdf5write"
	"partita/planner/keras"
	"partita/planner/load"
)

// unknownVersion is the version of Keras that a file names when the model names none. Without one, Keras takes the file
// for one of Keras 1 and turns kernels round.
const unknownVersion = "3.5.0"

// Write writes a weights-only .h5 for a model, as Keras's save_weights does and its load_weights reads, from front to back
// and in little memory.
func Write(w io.Writer, m *load.Model) error {
	root, err := tree(m)
	if err != nil {
		return err
	}
	return root.Write(w)
}

// Size gives the size of the file that Write writes.
func Size(m *load.Model) (int64, error) {
	root, err := tree(m)
	if err != nil {
		return 0, err
	}
	return root.Size(), nil
}

// tree lays out the file: a group for each layer with the list of its tensors, and the list of the layers.
func tree(m *load.Model) (*hdf5write.Group, error) {
	layers := m.StoredLayers()
	if len(layers) == 0 {
		return nil, diag.New(diag.Invalid, "synthetic.no-layers", "making weights", "the model does not say how its weights are stored in a file of their own",
			"only models of Keras have such files; others hold their weights")
	}
	root := hdf5write.NewGroup()
	version := m.KerasVersion
	if version == "" {
		version = unknownVersion
	}
	if err := root.SetText("keras_version", version); err != nil {
		return nil, err
	}
	if err := root.SetText("backend", "tensorflow"); err != nil {
		return nil, err
	}
	scales := scalesOf(m)
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
		if err := layer(root, l, scales); err != nil {
			return nil, err
		}
	}
	return root, root.SetTexts("layer_names", names)
}

func layer(root *hdf5write.Group, l keras.LayerWeights, scales map[string]scale) error {
	g, err := root.Group(l.Name)
	if err != nil {
		return err
	}
	var names []string
	for _, w := range l.Flat().Weights {
		// As Keras has it, the name of a tensor begins with the layer's, and so its group is within the layer's group.
		name := l.Name + "/" + w.Name
		names = append(names, name)
		s, used := scales[w.Key]
		if !used { // stored and not computed with
			s = byName(w.Key, w.Shape)
		}
		if err := g.Dataset(name, w.Shape, s.fill(w.Key)); err != nil {
			return err
		}
	}
	return g.SetTexts("weight_names", names)
}
