package keras

import (
	"slices"

	"partita/planner/graph"
)

// StoredWeight is one tensor that a Keras weights file must hold.
type StoredWeight struct {
	Key   string // what graph.Weight refers to, "conv1/kernel"
	Name  string // Keras's name within the layer, "kernel"
	Shape graph.Shape
	// Frozen tells that training does not change it: Keras lists such weights of a model within the model last.
	Frozen bool

	owners []string // of a weight of a model within the model: the layers that it is in, the innermost last
}

// LayerWeights is a layer as weights files see it. A model's list is in model order and includes layers without weights,
// because Keras 3 numbers layers by class.
type LayerWeights struct {
	Name    string
	Class   string
	Weights []StoredWeight // in the order of Keras's layer.weights
	Layers  []LayerWeights // of a model within the model, in its order; it has no Weights then
	Part    string         // the part of the layer that the Layers are in; "": the layer is the model
	Shared  bool           // the layer is in several models: Keras 3 writes its weights in the first of them only
}

// Flat gives a model within the model as one layer: its weights in the order in which .h5 files have them, first those
// that are trained, then the others.
func (l LayerWeights) Flat() LayerWeights {
	if l.Layers == nil {
		return l
	}
	var trained, frozen []StoredWeight
	var walk func(layers []LayerWeights, owners []string)
	walk = func(layers []LayerWeights, owners []string) {
		for _, layer := range layers {
			within := append(slices.Clip(owners), layer.Name)
			for _, w := range layer.Weights {
				w.owners = within
				w.Name = layer.Name + "/" + w.Name
				if w.Frozen {
					frozen = append(frozen, w)
				} else {
					trained = append(trained, w)
				}
			}
			walk(layer.Layers, within)
		}
	}
	walk(l.Layers, []string{l.Name})
	return LayerWeights{Name: l.Name, Class: l.Class, Weights: append(trained, frozen...)}
}
