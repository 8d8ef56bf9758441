package split

import (
	"fmt"

	"partita/planner/graph"
	"partita/planner/onnx"
	"partita/planner/precision"
)

// How nodes that widen or multiply 8-bit numbers name their intermediate values: the name of a value and one of these.
const (
	halfSuffix   = "/float16"
	eightSuffix  = "/int8"
	factorSuffix = "/factors"
)

// minAxisOpset is the first version of ai.onnx whose DequantizeLinear has factors per channel.
const minAxisOpset = 13

// zeroPoint is what the unsigned numbers of a matrix lie around.
const zeroPoint = 128

// encoder rewrites the nodes and tensors of a stage for a precision.
type encoder struct {
	lowered
	opset     int64
	names     map[string]bool // of all values
	nodes     []onnx.Node     // as rewritten
	products  map[string]*tensor
	quantized map[string][3]string // by name of an input of products: its numbers, factor and zero point
	zero      string               // the constant zeroPoint, once it is needed
}

// encode stores the tensors of a lowered subgraph as their encodings say and adds the nodes that undo it.
func (l *lowered) encode(g *graph.Graph) {
	e := &encoder{lowered: *l, opset: g.Opset, names: map[string]bool{}, products: map[string]*tensor{}, quantized: map[string][3]string{}}
	if e.opset == 0 {
		e.opset = onnx.OpsetVersion
	}
	for i := range g.Values {
		e.names[g.Values[i].Name] = true
	}
	for i := range l.tensors {
		e.names[l.tensors[i].name] = true
	}
	var tensors []tensor
	for i := range l.tensors {
		t := l.tensors[i]
		switch t.encoding.Form {
		case precision.Half:
			wide := t.name
			t.dtype, t.name = graph.Float16, e.unique(wide+halfSuffix)
			e.add(onnx.Node{Op: "Cast", Name: t.name, Inputs: []string{t.name}, Outputs: []string{wide}, Attrs: []graph.Attr{castTo(graph.Float32)}})
		case precision.Widened8:
			wide := t.name
			t.dtype, t.name = graph.Int8, e.unique(wide+eightSuffix)
			f := e.factors(wide, &t)
			tensors = append(tensors, f)
			e.widen(&t, &f, wide)
		case precision.Product8:
			wide := t.name
			if t.encoding.Transpose {
				t.swap()
			}
			t.dtype, t.name = graph.UInt8, e.unique(wide+eightSuffix)
			tensors = append(tensors, e.factors(wide, &t))
			kept := t
			e.products[wide] = &kept
		}
		tensors = append(tensors, t)
	}
	for i := range l.nodes {
		n := l.nodes[i]
		if t := e.product(&n); t != nil {
			e.multiply(&n, t)
			continue
		}
		e.add(n)
	}
	l.nodes, l.tensors, l.made = e.nodes, tensors, e.made
}

// swap exchanges the axes of a matrix.
func (t *tensor) swap() {
	w := *t.weight
	if w.Perm == nil {
		w.Perm = []int{1, 0}
	} else {
		w.Perm = []int{w.Perm[1], w.Perm[0]}
	}
	if w.Perm[0] == 0 {
		w.Perm = nil
	}
	t.weight, t.shape = &w, graph.Shape{t.shape[1], t.shape[0]}
	t.axis, t.encoding.Axis = 1-t.axis, 1-t.encoding.Axis
}

func (e *encoder) unique(name string) string {
	for e.names[name] {
		name += "_"
	}
	e.names[name] = true
	return name
}

func (e *encoder) add(n onnx.Node) { e.nodes = append(e.nodes, n) }

// op adds a node with one output and gives the output's name.
func (e *encoder) op(op, output string, inputs []string, attrs ...graph.Attr) string {
	output = e.unique(output)
	e.add(onnx.Node{Op: op, Name: output, Inputs: inputs, Outputs: []string{output}, Attrs: attrs})
	return output
}

// factors makes the tensor of a kernel's factors. It comes before the kernel in the file, whose numbers depend on it.
func (e *encoder) factors(wide string, kernel *tensor) tensor {
	shape := graph.Shape{kernel.shape[kernel.encoding.Axis]}
	if kernel.encoding.Form == precision.Widened8 && e.opset < minAxisOpset {
		for range kernel.shape[kernel.encoding.Axis+1:] {
			shape = append(shape, 1)
		}
	}
	name := e.unique(wide + factorSuffix)
	kernel.factors = name
	original := *kernel
	original.encoding.Form, original.dtype = precision.Plain, graph.Float32
	return tensor{name: name, dtype: graph.Float32, shape: shape, factorsOf: &original, encoding: kernel.encoding}
}

// widen adds the nodes that make float32 of 8-bit numbers. ONNX Runtime does it once, when it loads the stage.
func (e *encoder) widen(t, f *tensor, wide string) {
	if e.opset >= minAxisOpset {
		e.add(onnx.Node{Op: "DequantizeLinear", Name: t.name, Inputs: []string{t.name, f.name}, Outputs: []string{wide},
			Attrs: []graph.Attr{{Name: "axis", Kind: graph.AttrInt, Int: int64(t.encoding.Axis)}}})
		return
	}
	numbers := e.op("Cast", t.name+"/float32", []string{t.name}, castTo(graph.Float32))
	e.add(onnx.Node{Op: "Mul", Name: t.name, Inputs: []string{numbers, f.name}, Outputs: []string{wide}})
}

// product finds the matrix by which a node multiplies, if that one is stored in 8 bits.
func (e *encoder) product(n *onnx.Node) *tensor {
	if (n.Op == "Gemm" || n.Op == "MatMul") && n.Domain == "" && len(n.Inputs) > 1 {
		return e.products[n.Inputs[1]]
	}
	return nil
}

// multiply replaces a matrix product by one in integers: the activations are quantized by their range (to 8 bits, with
// one factor and zero point for the tensor), and the sums scaled by the factors of both. ONNX Runtime makes one kernel of it.
func (e *encoder) multiply(n *onnx.Node, t *tensor) {
	x := n.Inputs[0]
	q, done := e.quantized[x]
	if !done {
		q = [3]string{e.unique(x + eightSuffix), e.unique(x + "/factor"), e.unique(x + "/zero")}
		e.quantized[x] = q
		e.add(onnx.Node{Op: "DynamicQuantizeLinear", Name: q[0], Inputs: []string{x}, Outputs: q[:]})
	}
	if e.zero == "" {
		e.zero = e.unique("matrix/zero")
		e.made = append(e.made, onnx.Tensor{ValueInfo: onnx.ValueInfo{Name: e.zero, DType: graph.UInt8}, Const: &graph.Const{Int64s: []int64{zeroPoint}}})
	}
	y := n.Outputs[0]
	sums := e.op("MatMulInteger", y+"/sums", []string{q[0], t.name, q[2], e.zero})
	wide := e.op("Cast", y+"/float32", []string{sums}, castTo(graph.Float32))
	unit := e.op("Mul", y+"/unit", []string{q[1], t.factors})
	bias := ""
	if n.Op == "Gemm" && len(n.Inputs) > 2 {
		bias = n.Inputs[2]
	}
	if bias == "" {
		e.add(onnx.Node{Op: "Mul", Name: n.Name, Inputs: []string{wide, unit}, Outputs: n.Outputs})
		return
	}
	scaled := e.op("Mul", y+"/scaled", []string{wide, unit})
	e.add(onnx.Node{Op: "Add", Name: n.Name, Inputs: []string{scaled, bias}, Outputs: n.Outputs})
}

func castTo(d graph.DType) graph.Attr {
	return graph.Attr{Name: "to", Kind: graph.AttrInt, Int: int64(d)}
}

// channelsOf gives how the elements of a tensor lie: so many channels, each in runs of inner elements.
func (t *tensor) channelsOf() (channels, inner int64) {
	return t.shape[t.encoding.Axis], t.shape[t.encoding.Axis+1:].Elements(1)
}

func (t *tensor) String() string {
	if t.weight != nil {
		return t.weight.Key
	}
	return fmt.Sprintf("%q", t.name)
}
