package keras

import "partita/planner/graph"

// StoredWeight is one tensor that a Keras weights file must hold.
type StoredWeight struct {
	Key   string // what graph.Weight refers to, "conv1/kernel"
	Name  string // Keras's name within the layer, "kernel"
	Shape graph.Shape
}

// LayerWeights is a layer as weights files see it. A model's list is in model order and includes layers without weights,
// because Keras 3 numbers layers by class.
type LayerWeights struct {
	Name    string
	Class   string
	Weights []StoredWeight // in the order of Keras's layer.weights
}
