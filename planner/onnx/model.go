// Package onnx reads and writes ONNX files.
//
// A Model becomes the bytes of an onnx.ModelProto, the same bytes for the same Model. A file is read as a File, the
// structure without the weights, and lowered to a graph; files are from strangers, and what is damaged, unsupported or too
// large is a *diag.Error whose code starts with "onnx.".
//
// The protocol-buffer fields are read and written by hand (the format's few messages do not earn generated code, which would be
// most of the program that runs in the browser). Numbers of fields and meanings are those of onnx.proto, ONNX 1.12.
// Weights stay outside: a tensor with an External names a place in a data file beside the model.
package onnx

import "partita/planner/graph"

const (
	// IRVersion is the version of the file format, that of ONNX 1.10 to 1.12; every later ONNX Runtime reads it.
	IRVersion = 8
	// OpsetVersion is the version of the operators of domain "" (ai.onnx), that of ONNX 1.12.
	OpsetVersion = 17
	// Alignment is what the offset of external data is a multiple of, so that a reader can map it: the page size of
	// x86-64 and of most arm64 systems, as ONNX's ExternalData document advises.
	Alignment = 4096
	// BatchParam names the one symbolic dimension.
	BatchParam = "batch"
)

// Model is what a file holds. Values are known by their names.
type Model struct {
	Name         string // of the graph
	Producer     string // the program that writes the file
	Inputs       []ValueInfo
	Outputs      []ValueInfo
	Initializers []Tensor
	Nodes        []Node // in topological order

	Opset   int64            // of ai.onnx; 0: OpsetVersion
	Domains map[string]int64 // versions of other operator sets; one that is absent has version 1
}

// ValueInfo declares a tensor. A dimension of graph.Batch becomes the symbolic dimension BatchParam, one of graph.Free is
// left open.
type ValueInfo struct {
	Name  string
	DType graph.DType
	Shape graph.Shape
}

// Node is one operator. An input of "" is an optional input left out.
type Node struct {
	Op      string
	Domain  string // "" for ai.onnx
	Name    string
	Inputs  []string
	Outputs []string
	Attrs   []graph.Attr
}

// Tensor is an initializer: exactly one of Const and External is set.
type Tensor struct {
	ValueInfo
	Const    *graph.Const // written into the file
	External *External
}

// External is a place in a data file.
type External struct {
	Location string // the file, relative to the model's folder
	Offset   int64
	Length   int64
}

// Layout places tensors one after the other in a data file, each at a multiple of Alignment.
type Layout struct {
	Location string
	end      int64
}

// Place gives the next tensor, of a length in bytes, its place. A tensor without elements takes none.
func (l *Layout) Place(length int64) *External {
	if length == 0 {
		return &External{Location: l.Location}
	}
	offset := (l.end + Alignment - 1) / Alignment * Alignment
	l.end = offset + length
	return &External{Location: l.Location, Offset: offset, Length: length}
}

// Size gives the size of the data file: the end of the last tensor.
func (l *Layout) Size() int64 { return l.end }
