// Package weights is the contract between readers of weight files and those who need the numbers: the packager streams
// tensors through it in bounded memory.
package weights

import "partita/planner/graph"

// Source gives a model's stored tensors by the keys that graph.Weight uses. An implementation has already checked that
// every tensor the model needs is there with the shape the model implies.
type Source interface {
	// Tensor finds a stored tensor. The error is a *diag.Error.
	Tensor(key string) (Tensor, error)
}

// Tensor is one stored tensor, in C order.
type Tensor interface {
	DType() graph.DType // as stored
	Shape() graph.Shape // as stored
	// ReadFloat32s fills dst with the elements from offset on, converted to float32. It holds no more than a bounded
	// window of the tensor in memory.
	ReadFloat32s(dst []float32, offset int64) error
}

// RawReader is a Tensor that gives its elements also as they are, for weights that are no float32.
type RawReader interface {
	Tensor
	// ReadRaw fills dst with the elements from offset on, in the type that DType tells, little-endian. The length of dst is
	// a multiple of the type's size. It holds no more than a bounded window of the tensor in memory.
	ReadRaw(dst []byte, offset int64) error
}
