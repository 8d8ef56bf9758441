// Package precision says how the weights of a stage are stored in less than float32: which tensors, in which type, and how
// many bytes that takes. Packager and law of cost ask the same functions, so that a plan's sizes are those of its packages.
//
// Activations that cross from stage to stage are always float32, and so are biases and other small tensors. Of the
// large ones,
//
//   - Float16 stores IEEE 754 half-precision numbers, which ONNX Runtime widens when it loads the stage: half the package,
//     the same speed, an error of at most 2^-11 of each weight;
//   - Int8 stores 8-bit numbers with one factor per output channel. A matrix of MatMulMinimum elements or more stays in
//     8 bits and is multiplied in integers (DynamicQuantizeLinear, MatMulInteger); everything else, convolutions above
//     all, is widened when the stage is loaded (DequantizeLinear).
//
// The choice follows measurements with ONNX Runtime 1.24 on one thread. A convolution in integers (ConvInteger) took 0.5 to
// 19 times as long as in float32, depending on its kind and the processor's instructions; widened it takes the same. A
// matrix product at batch 1 reads its matrix once: 411 MB widened took 0.38 s to load and 20 ms to run, in integers 5 ms
// and 21 ms, in a quarter of the memory. Stored matrices are unsigned with the zero point 128: products of signed weights
// saturate in 16 bits on processors without VNNI (ONNX Runtime documentation, "Quantize ONNX models").
package precision

import (
	"partita/planner/diag"
	"partita/planner/graph"
)

// Precision is how a stage's weights are stored.
type Precision string

// The precisions.
const (
	Float32 Precision = "float32"
	Float16 Precision = "float16"
	Int8    Precision = "int8"
)

// All lists the precisions, the exact one first.
var All = []Precision{Float32, Float16, Int8}

// Parse reads a precision; "" is Float32.
func Parse(name string) (Precision, error) {
	if name == "" {
		return Float32, nil
	}
	for _, p := range All {
		if string(p) == name {
			return p, nil
		}
	}
	return "", diag.New(diag.Usage, "precision.unknown", "choosing how weights are stored", "there is no precision called "+quoted(name), "use float32, float16 or int8")
}

func quoted(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return `"` + s + `"`
}

// Minimum is the number of elements from which a tensor is stored in less than float32: below it the pages that tensors
// are aligned to would eat the gain, and the tensors where it matters most (biases, normalizations) are below it.
const Minimum = 4096

// MatMulMinimum is the number of elements from which a matrix is multiplied in integers: from there on reading it takes
// longer than quantizing the activations.
const MatMulMinimum = 1 << 20

// Form is how one tensor is stored.
type Form uint8

// The forms.
const (
	Plain    Form = iota // as it is
	Half                 // float16, widened when loaded
	Widened8             // int8 with a factor per channel, widened when loaded
	Product8             // uint8 around 128 with a factor per column, multiplied in integers
)

// Encoding is how one weight of a graph is stored.
type Encoding struct {
	Form      Form
	Axis      int  // of the value's shape: the output channels, for the forms of 8 bits
	Transpose bool // the matrix is stored with its axes swapped: its consumers are Gemm with transB
}

// DType is the type of the stored numbers.
func (e Encoding) DType() graph.DType {
	switch e.Form {
	case Half:
		return graph.Float16
	case Widened8:
		return graph.Int8
	case Product8:
		return graph.UInt8
	}
	return graph.Float32
}

// use is what a stored tensor is used for, over all values that refer to it.
type use struct {
	axis      int
	matrix    bool // only ever the second factor of a matrix product
	transpose bool
	mixed     bool
}

// Encodings gives for each value of a graph how its weight is stored at a precision; values that are no weights are
// Plain. It depends on the whole graph alone, not on where it is cut.
func Encodings(g *graph.Graph, p Precision) []Encoding {
	all := make([]Encoding, len(g.Values))
	if p == Float32 || p == "" {
		return all
	}
	uses := map[string]*use{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for slot, v := range n.Inputs {
			if v == graph.None || g.Values[v].Weight == nil {
				continue
			}
			next := useOf(g, n, slot)
			key := g.Values[v].Weight.Key
			switch u := uses[key]; {
			case u == nil:
				uses[key] = &next
			case u.matrix != next.matrix || u.transpose != next.transpose:
				u.mixed = true
			}
		}
	}
	old := g.Opset != 0 && g.Opset < dynamicOpset
	for v := range g.Values {
		value := &g.Values[v]
		u := (*use)(nil)
		if value.Weight != nil {
			u = uses[value.Weight.Key]
		}
		if u == nil || value.DType != graph.Float32 || len(value.Shape) < 2 || value.Shape.Elements(1) < Minimum {
			continue
		}
		if p == Float16 {
			all[v].Form = Half
			continue
		}
		all[v] = Encoding{Form: Widened8, Axis: min(u.axis, len(value.Shape)-1)}
		if u.matrix && !u.mixed && !old && len(value.Shape) == 2 && value.Shape.Elements(1) >= MatMulMinimum && (!u.transpose || swappable(value)) {
			all[v] = Encoding{Form: Product8, Axis: u.axis, Transpose: u.transpose}
		}
	}
	return all
}

// dynamicOpset is the first version of ai.onnx with DynamicQuantizeLinear.
const dynamicOpset = 11

// useOf tells what an input of a node is used for.
func useOf(g *graph.Graph, n *graph.Node, slot int) use {
	if n.Domain != "" {
		return use{}
	}
	switch n.Op {
	case "ConvTranspose":
		return use{axis: 1}
	case "MatMul":
		rank := len(g.Value(n.Inputs[slot]).Shape)
		return use{axis: max(rank-1, 0), matrix: slot == 1 && rank == 2}
	case "Gemm":
		one := func(name string) bool { a := n.Attr(name); return a == nil || a.Float == 1 }
		set := func(name string) bool { a := n.Attr(name); return a != nil && a.Int != 0 }
		u := use{axis: 1, transpose: set("transB"), matrix: slot == 1 && !set("transA") && one("alpha") && one("beta")}
		if u.transpose {
			u.axis = 0
		}
		return u
	case "LSTM", "GRU", "RNN":
		return use{axis: 1}
	}
	return use{}
}

// swappable tells whether the axes of a matrix can be swapped by reading it in another order.
func swappable(v *graph.Value) bool {
	w := v.Weight
	if w.Blocks != nil || len(w.Stored) != 2 {
		return false
	}
	for k := range v.Shape {
		from := k
		if w.Perm != nil {
			from = w.Perm[k]
		}
		if w.Stored[from] != v.Shape[k] {
			return false
		}
	}
	return true
}

// Bytes gives the bytes that a weight takes as stored: its numbers, and the factors of its channels (0 but for the forms
// of 8 bits), which are a tensor of their own.
func (e Encoding) Bytes(v *graph.Value) (numbers, factors int64) {
	elements := v.Shape.Elements(1)
	switch e.Form {
	case Half:
		return 2 * elements, 0
	case Widened8, Product8:
		return elements, 4 * v.Shape[e.Axis]
	}
	return v.DType.Size() * elements, 0
}
