package keras

// Stored gives a model's layers as .h5 files have them: a model within the model is one layer, and its weights are in the
// order in which Keras writes them.
func Stored(layers []LayerWeights) []LayerWeights {
	out := make([]LayerWeights, len(layers))
	for i, l := range layers {
		out[i] = l.Flat()
	}
	return out
}
