// Package graph holds a neural network as one list of ONNX operators, whatever format it came from.
//
// Every front-end lowers a model to a Graph. Its weights are references (a key, the shape the model implies, a
// transform), never bytes. Its nodes are grouped by Layer, the unit people see and the unit between which the optimiser
// cuts. Positions between layers are numbered 0..len(Layers): cut c has layers [0, c) before it and [c, N) after it.
package graph

import (
	"fmt"
	"strings"
)

// DType is an element type. The values are those of ONNX's TensorProto.DataType.
type DType int32

// The element types that models and their hand-over tensors use.
const (
	Float32  DType = 1
	UInt8    DType = 2
	Int8     DType = 3
	UInt16   DType = 4
	Int16    DType = 5
	Int32    DType = 6
	Int64    DType = 7
	String   DType = 8
	Bool     DType = 9
	Float16  DType = 10
	Float64  DType = 11
	UInt32   DType = 12
	UInt64   DType = 13
	BFloat16 DType = 16
)

var dtypes = map[DType]struct {
	name string
	size int64
}{
	Float32: {"float32", 4}, UInt8: {"uint8", 1}, Int8: {"int8", 1}, Int32: {"int32", 4}, Int64: {"int64", 8},
	UInt16: {"uint16", 2}, Int16: {"int16", 2}, UInt32: {"uint32", 4}, UInt64: {"uint64", 8},
	String: {"string", 0}, Bool: {"bool", 1}, Float16: {"float16", 2}, Float64: {"float64", 8}, BFloat16: {"bfloat16", 2},
}

// Size gives the bytes of one element; 0 when the type has no fixed size.
func (d DType) Size() int64 { return dtypes[d].size }

// String gives NumPy's name of the type, as in "float32".
func (d DType) String() string {
	if t, ok := dtypes[d]; ok {
		return t.name
	}
	return fmt.Sprintf("dtype(%d)", int32(d))
}

// ParseDType finds a type by NumPy's name.
func ParseDType(name string) (DType, bool) {
	for d, t := range dtypes {
		if t.name == name {
			return d, true
		}
	}
	return 0, false
}

// Batch marks the batch dimension of a Shape: its size is chosen when the model runs.
const Batch = -1

// Free marks, in the shapes that RunShape gives, a dimension whose size the data decide when the model runs.
const Free = -2

// Shape is a tensor's shape; at most its first dimension is Batch.
type Shape []int64

// Elements counts the elements at a batch size.
func (s Shape) Elements(batch int64) int64 {
	n := int64(1)
	for _, d := range s {
		if d == Batch {
			d = batch
		}
		n *= d
	}
	return n
}

// String prints the shape as the source frameworks do, "?x224x224x3".
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		switch d {
		case Batch:
			parts[i] = "?"
		case Free:
			parts[i] = "*"
		default:
			parts[i] = fmt.Sprint(d)
		}
	}
	return strings.Join(parts, "x")
}

// ValueID indexes Graph.Values.
type ValueID int32

// None stands for an optional input that a node leaves out.
const None ValueID = -1

// Value is one tensor: a model input, the output of a node, a weight or a constant.
type Value struct {
	Name     string // unique in the graph
	DType    DType
	Shape    Shape // as ONNX sees it (images NCHW)
	Producer int   // index of the node that makes it; -1 for inputs, weights and constants
	Weight   *Weight
	Const    *Const
	Free     []int // rising: the dimensions whose size the data decide at run time; Shape has a typical size there, for planning
}

// Weight says where a value's numbers are stored and how to arrange them. The value is the stored tensor or a Part of it,
// its axes permuted by Perm, then cut along the first axis into equal Blocks that change places, then reshaped to
// Value.Shape.
type Weight struct {
	Key    string // unique per stored tensor: layer path and weight name, "conv1/kernel"
	Stored Shape  // the shape the model implies for the stored tensor
	Perm   []int  // output axis k is stored axis Perm[k]; nil: as stored
	Blocks []int  // block k is block Blocks[k] of what Perm gives, as gates of recurrent layers change places; nil: as they are
	Part   *Part  // what is taken of the stored tensor; nil: all of it
}

// Part is a range of a stored tensor along one of its axes.
type Part struct {
	Axis     int
	From, To int64
}

// Taken gives the shape of what is taken of the stored tensor.
func (w *Weight) Taken() Shape {
	if w.Part == nil {
		return w.Stored
	}
	s := append(Shape{}, w.Stored...)
	s[w.Part.Axis] = w.Part.To - w.Part.From
	return s
}

// ID tells apart what values take of the stored tensors: two that have the same are shipped once.
func (w *Weight) ID() string {
	if w.Part == nil {
		return w.Key
	}
	return fmt.Sprintf("%s[%d:%d@%d]", w.Key, w.Part.From, w.Part.To, w.Part.Axis)
}

// Const is a small tensor that the front-end made (shapes, scalars), in the type of its Value.
type Const struct {
	Int64s   []int64
	Float32s []float32
}

// Node is one ONNX operator.
type Node struct {
	Op      string // ONNX operator type, as in "Conv"
	Domain  string // "" for ai.onnx
	Name    string // unique in the graph
	Layer   int    // index into Graph.Layers; never falls along Graph.Nodes
	Inputs  []ValueID
	Outputs []ValueID
	Attrs   []Attr
}

// Attr is a node's attribute; exactly the field that Kind names is used.
type Attr struct {
	Name   string
	Kind   AttrKind
	Int    int64
	Float  float32
	Str    string
	Ints   []int64
	Floats []float32
	Strs   []string
	Tensor *TensorAttr
}

// TensorAttr is a small tensor that is an attribute.
type TensorAttr struct {
	DType DType
	Shape Shape
	Raw   []byte // little-endian, in C order
}

// AttrKind is the type of an attribute. The values are those of ONNX's AttributeProto.AttributeType.
type AttrKind int32

// The attribute types that the graph carries.
const (
	AttrFloat   AttrKind = 1
	AttrInt     AttrKind = 2
	AttrString  AttrKind = 3
	AttrTensor  AttrKind = 4
	AttrFloats  AttrKind = 6
	AttrInts    AttrKind = 7
	AttrStrings AttrKind = 8
)

// Layer is one step of the source model in execution order. A layer that the source model calls twice is two steps that
// refer to the same weights.
type Layer struct {
	Name       string
	Class      string // the source framework's class or operator, as in "Conv2D"
	Inputs     []int  // the steps whose outputs it reads
	Output     Shape  // of its first output, as the source framework shows it (Keras: NHWC)
	Parameters int64  // as the source framework counts them; 0 on repeated calls
	FirstNode  int    // its nodes are Graph.Nodes[FirstNode:LastNode]
	LastNode   int
}

// Port is an input or output of the whole model, under the name its users know.
type Port struct {
	Name  string // Keras: the InputLayer's name; for outputs the name of the layer that makes it
	Value ValueID
}

// Graph is a model. Layers and Nodes are in one deterministic topological order.
type Graph struct {
	Name       string
	Layers     []Layer
	Nodes      []Node
	Values     []Value
	Inputs     []Port
	Outputs    []Port
	LayerCount int   // as the source framework counts layers (a shared layer once)
	Parameters int64 // as the source framework counts them

	Opset   int64            // version of the operators of ai.onnx, where the model is one of ONNX; 0: 17
	Domains map[string]int64 // versions of other operator sets; one that is absent has version 1
}

// Value gives the value with an id.
func (g *Graph) Value(id ValueID) *Value { return &g.Values[id] }

// Computed tells whether a value is made by a node or is an input of the model: what can cross a cut.
func (v *Value) Computed() bool { return v.Weight == nil && v.Const == nil }

// RunShape gives the shape as far as it is settled before the model runs: Batch and Free are not.
func (v *Value) RunShape() Shape {
	s := append(Shape{}, v.Shape...)
	for _, i := range v.Free {
		s[i] = Free
	}
	return s
}
