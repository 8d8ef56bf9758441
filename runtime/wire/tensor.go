package wire

import (
	"fmt"
	"math"
	"slices"

	"partita/planner/diag"
	"partita/planner/graph"
)

// Batch marks the batch dimension of a TensorSpec.
const Batch = graph.Batch

// Free marks a dimension of a TensorSpec whose size comes with the data.
const Free = graph.Free

// Settled tells whether the tensor's shape is known but for the batch.
func (s *TensorSpec) Settled() bool { return !slices.Contains(s.Shape, Free) }

// Least gives the specification with the least size in the place of those that come with the data.
func (s *TensorSpec) Least() *TensorSpec {
	least := *s
	least.Shape = slices.Clone(s.Shape)
	for i, d := range least.Shape {
		if d == Free {
			least.Shape[i] = 1
		}
	}
	return &least
}

// Fits tells whether a shape is one of those that the specification allows.
func (s *TensorSpec) Fits(shape []int64) bool {
	if len(shape) != len(s.Shape) {
		return false
	}
	for i, d := range shape {
		open := s.Shape[i] == Free || i == 0 && s.Shape[0] == Batch
		if open && d <= 0 || !open && d != s.Shape[i] {
			return false
		}
	}
	return true
}

// String prints a specification for people, as in "input_1 float32 ?x224x224x3".
func (s *TensorSpec) String() string {
	return fmt.Sprintf("%s %s %s", s.Name, s.DType, graph.Shape(s.Shape))
}

// Batched tells whether the tensor's first dimension is the batch.
func (s *TensorSpec) Batched() bool { return len(s.Shape) > 0 && s.Shape[0] == Batch }

// Bytes gives the size of the tensor at a batch size; false when it is not a number of bytes: an unknown element type,
// a negative dimension, or more than an int64 holds.
func (s *TensorSpec) Bytes(batch int64) (int64, bool) {
	d, ok := graph.ParseDType(s.DType)
	if !ok || d.Size() == 0 {
		return 0, false
	}
	n := d.Size()
	for i, dim := range s.Shape {
		if i == 0 && dim == Batch {
			dim = batch
		}
		if dim < 0 {
			return 0, false
		}
		if dim > 0 && n > math.MaxInt64/dim {
			return 0, false
		}
		n *= dim
	}
	return n, true
}

// Match checks a tensor that came against what is expected of it and gives its batch size (1 when it has no batch
// dimension). Code is the code of the error for another shape or element type.
func (s *TensorSpec) Match(doing string, got *TensorSpec) (batch int64, err error) {
	if s.DType != got.DType {
		return 0, diag.New(diag.Invalid, "tensor.wrong-dtype", doing, fmt.Sprintf("tensor %q has element type %s, expected %s",
			s.Name, got.DType, s.DType), "convert it to "+s.DType)
	}
	if !s.Fits(got.Shape) {
		return 0, diag.New(diag.Invalid, "tensor.wrong-shape", doing, fmt.Sprintf("tensor %q has shape %s, expected %s",
			s.Name, graph.Shape(got.Shape), graph.Shape(s.Shape)), "send a tensor of the expected shape (? is the batch size, * any size, at least 1)")
	}
	if s.Batched() {
		return got.Shape[0], nil
	}
	return 1, nil
}

// Check tells whether a tensor's decoded data have the size that its shape and element type give.
func (t *Tensor) Check(doing string) error {
	want, ok := t.Bytes(-1)
	if !ok {
		return diag.New(diag.Invalid, "tensor.no-size", doing, fmt.Sprintf("tensor %q is of %s %s, which has no size in bytes",
			t.Name, t.DType, graph.Shape(t.Shape)), "send float32, float16, float64, bool or integer numbers in a shape without unknown dimensions")
	}
	if int64(len(t.Data)) != want {
		return diag.New(diag.Invalid, "tensor.wrong-size", doing, fmt.Sprintf("tensor %q of %s %s has %d bytes of data, expected %d",
			t.Name, t.DType, graph.Shape(t.Shape), len(t.Data), want), "send all of its elements, little-endian in C order")
	}
	return nil
}
