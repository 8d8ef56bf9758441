package load

import "partita/planner/keras"

// StoredLayers gives the model's layers with the weights that a weights file of Keras must hold for them, in the order of
// .h5 files. There are none for a model of another framework.
func (m *Model) StoredLayers() []keras.LayerWeights { return keras.Stored(m.layers) }
