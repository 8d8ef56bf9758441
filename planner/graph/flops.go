package graph

import (
	"math"
	"math/bits"
)

// Work is what one inference of one input costs in a node, a layer or a model.
type Work struct {
	MACs        int64 // multiply-accumulates of convolutions and matrix products, biases not counted
	FLOPs       int64 // 2 per MAC, and the elementwise work of the other operators
	InputBytes  int64 // activations read
	OutputBytes int64 // activations written
	WeightBytes int64 // weights read
}

// Add sums work; sums saturate instead of wrapping round.
func (w Work) Add(o Work) Work {
	return Work{addSaturated(w.MACs, o.MACs), addSaturated(w.FLOPs, o.FLOPs), addSaturated(w.InputBytes, o.InputBytes),
		addSaturated(w.OutputBytes, o.OutputBytes), addSaturated(w.WeightBytes, o.WeightBytes)}
}

// flopsPerElement is the arithmetic of elementwise operators per element of the output. Transcendental functions count
// as several operations, about what a polynomial approximation takes; operators that only move data are absent.
var flopsPerElement = map[string]int64{
	"Relu": 1, "Clip": 2, "LeakyRelu": 2, "PRelu": 2, "Elu": 10, "Selu": 10, "Sigmoid": 10, "Tanh": 10, "Softplus": 12,
	"Softsign": 3, "HardSigmoid": 4, "HardSwish": 5, "Exp": 8, "Erf": 10, "Sqrt": 4, "Neg": 1, "Softmax": 12, "LogSoftmax": 14,
	"BatchNormalization": 2, "Greater": 1, "Cast": 1,
	"Abs": 1, "Log": 10, "Floor": 1, "Ceil": 1, "Round": 1, "Sign": 1, "Reciprocal": 1, "Sin": 12, "Cos": 12, "Tan": 14, "Sinh": 12,
	"Cosh": 12, "Asin": 14, "Acos": 14, "Atan": 14, "Asinh": 14, "Acosh": 14, "Atanh": 14, "Not": 1, "ThresholdedRelu": 1, "Celu": 10,
	"Less": 1, "LessOrEqual": 1, "GreaterOrEqual": 1, "Equal": 1, "And": 1, "Or": 1, "Xor": 1, "Pow": 14, "Mod": 4, "Where": 1,
	"LayerNormalization": 8, "InstanceNormalization": 8, "Resize": 6, "ReduceL2": 2, "ReduceSumSquare": 2, "ReduceLogSumExp": 12,
}

// Work gives the work of one node for one input.
func (g *Graph) Work(node int) Work {
	n := &g.Nodes[node]
	var w Work
	for _, id := range n.Inputs {
		if id == None {
			continue
		}
		v := &g.Values[id]
		bytes := v.Bytes(1)
		if v.Computed() {
			w.InputBytes += bytes
		} else {
			w.WeightBytes += bytes
		}
	}
	out := int64(0)
	for _, id := range n.Outputs {
		if id != None {
			out += g.Values[id].Shape.Elements(1)
			w.OutputBytes += g.Values[id].Bytes(1)
		}
	}
	switch n.counted() {
	case "Conv":
		// Each output element takes the inputs of its group under the window: kernel is (out, in/groups, window...).
		w.MACs = mulSaturated(out, g.Values[n.Inputs[1]].Shape[1:].Elements(1))
	case "Gemm":
		a := g.Values[n.Inputs[0]].Shape
		inner := a[1]
		if n.int("transA", 0) != 0 {
			inner = a[0]
		}
		w.MACs = mulSaturated(out, inner)
	case "MatMul":
		a := g.Values[n.Inputs[0]].Shape
		w.MACs = mulSaturated(out, a[len(a)-1])
	case "ConvTranspose":
		// Each input element goes to the outputs of its group under the window: kernel is (in, out/groups, window...).
		w.MACs = mulSaturated(g.Values[n.Inputs[0]].Shape.Elements(1), g.Values[n.Inputs[1]].Shape[1:].Elements(1))
	case "LSTM", "GRU", "RNN":
		// Each step of time multiplies the input and the state by all weights; the gates cost some 30 operations a unit.
		time := g.Values[n.Inputs[0]].Shape[0]
		r := g.Values[n.Inputs[2]].Shape
		w.MACs = mulSaturated(time, addSaturated(g.Values[n.Inputs[1]].Shape.Elements(1), r.Elements(1)))
		w.FLOPs = mulSaturated(time, mulSaturated(30, r[0]*r[2]))
	case "Einsum":
		w.MACs = g.einsumMACs(n)
	case "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare",
		"ArgMax", "ArgMin", "CumSum":
		w.FLOPs = mulSaturated(g.Values[n.Inputs[0]].Shape.Elements(1), max(1, flopsPerElement[n.Op]))
	case "TopK":
		e := g.Values[n.Inputs[0]].Shape.Elements(1)
		w.FLOPs = mulSaturated(e, int64(bits.Len64(uint64(e)))) // comparisons of a sort
	case "Gather", "GatherND":
		// Of a table it reads what it gives; the rest of the table lies still.
		if !g.Values[n.Inputs[0]].Computed() {
			w.WeightBytes = min(w.WeightBytes, w.OutputBytes)
		}
	case "MaxPool", "AveragePool":
		window := int64(1)
		for _, k := range n.Attr("kernel_shape").Ints {
			window = mulSaturated(window, k)
		}
		w.FLOPs = mulSaturated(out, window)
	case "GlobalMaxPool", "GlobalAveragePool":
		w.FLOPs = g.Values[n.Inputs[0]].Shape.Elements(1)
	case "Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "Min":
		w.FLOPs = mulSaturated(out, int64(max(1, len(n.Inputs)-1)))
	default:
		w.MACs = g.importedMACs(n, out)
		w.FLOPs = mulSaturated(out, flopsPerElement[n.Op])
	}
	w.FLOPs = addSaturated(w.FLOPs, mulSaturated(2, w.MACs))
	return w
}

// LayerWork gives the work of one layer for one input.
func (g *Graph) LayerWork(layer int) Work {
	var w Work
	for i := g.Layers[layer].FirstNode; i < g.Layers[layer].LastNode; i++ {
		w = w.Add(g.Work(i))
	}
	return w
}

// TotalWork gives the work of the whole model for one input.
func (g *Graph) TotalWork() Work {
	var w Work
	for i := range g.Nodes {
		w = w.Add(g.Work(i))
	}
	return w
}

// WeightBytes counts the bytes of the weights that the nodes use, each stored tensor once, in the types of the graph's
// values.
func (g *Graph) WeightBytes() int64 {
	seen := map[string]bool{}
	var sum int64
	for i := range g.Values {
		if v := &g.Values[i]; v.Weight != nil && !seen[v.Weight.ID()] {
			seen[v.Weight.ID()] = true
			sum = addSaturated(sum, v.Bytes(1))
		}
	}
	return sum
}

// Bytes gives the size of the value at a batch size.
func (v *Value) Bytes(batch int64) int64 {
	return mulSaturated(v.Shape.Elements(batch), v.DType.Size())
}

func mulSaturated(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

func addSaturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
