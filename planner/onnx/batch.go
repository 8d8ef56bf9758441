package onnx

import (
	"slices"

	"partita/planner/graph"
)

// mixes tells whether a node, on data with a batch, brings items of the batch together: it works along an axis whose
// size depends on the batch, or its result does not depend on it any more.
func (l *lowering) mixes(n *graph.Node) bool {
	along := func(slot, axis int) bool {
		if slot >= len(n.Inputs) || n.Inputs[slot] == graph.None {
			return false
		}
		t := &l.infos[n.Inputs[slot]]
		if axis < 0 {
			axis += len(t.known[0].Shape)
		}
		return axis >= 0 && axis < len(t.known[0].Shape) && t.known[0].Shape[axis] != t.known[1].Shape[axis]
	}
	rank := 0
	if len(n.Inputs) > 0 && n.Inputs[0] != graph.None {
		rank = len(l.infos[n.Inputs[0]].known[0].Shape)
	}
	from := func(first int) bool {
		if first < 0 {
			first += rank
		}
		for k := max(first, 0); k < rank; k++ {
			if along(0, k) {
				return true
			}
		}
		return false
	}
	integer := func(name string, def int64) int {
		if a := n.Attr(name); a != nil {
			def = a.Int
		}
		return int(min(max(def, -64), 64))
	}
	mixed := false
	switch n.Op {
	case "Softmax", "LogSoftmax", "Hardmax":
		if l.Opset < 13 {
			mixed = from(integer("axis", 1))
		} else {
			mixed = along(0, integer("axis", -1))
		}
	case "LayerNormalization":
		mixed = from(integer("axis", -1))
	case "LpNormalization", "TopK", "ArgMax", "ArgMin":
		mixed = along(0, integer("axis", -1)) || n.Op != "TopK" && along(0, integer("axis", 0)) && n.Attr("axis") == nil
	case "Gather", "GatherElements", "ScatterElements", "Scatter":
		mixed = along(0, integer("axis", 0)) && l.infos[n.Inputs[0]].data
	case "GatherND", "ScatterND":
		mixed = along(0, 0) && integer("batch_dims", 0) == 0
	case "CumSum", "DynamicQuantizeLinear":
		mixed = n.Op != "CumSum" || along(0, 0)
	case "Concat", "Split":
		for slot := range n.Inputs {
			def := int64(1)
			if n.Op == "Split" {
				def = 0
			}
			mixed = mixed || along(slot, integer("axis", def))
		}
	case "Slice":
		// Whatever it takes of the batch, it takes it by the place in the batch.
		axes := l.sliced(n)
		mixed = axes == nil && along(0, 0)
		for _, a := range axes {
			mixed = mixed || along(0, int(min(max(a, -64), 64)))
		}
	case "LSTM", "GRU", "RNN":
		mixed = along(0, integer("layout", 0))
	case "ReverseSequence":
		mixed = along(0, integer("time_axis", 0))
	case "MeanVarianceNormalization":
		mixed = n.Attr("axes") == nil && along(0, 0) || n.Attr("axes") != nil && slices.Contains(n.Attr("axes").Ints, 0)
	case "MatMul", "FusedMatMul", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat":
		mixed = along(0, -1) || along(1, -2) || n.Op == "DynamicQuantizeMatMul"
	case "QLinearMatMul":
		mixed = along(0, -1) || along(3, -2)
	case "CDist":
		mixed = along(1, 0)
	case "DFT":
		at := integer("axis", 1)
		if l.Opset >= 20 && len(n.Inputs) > 2 && n.Inputs[2] != graph.None {
			if list := l.infos[n.Inputs[2]].known[0].Ints; len(list) == 1 {
				at = int(min(max(list[0], -64), 64))
			}
		}
		mixed = along(0, at)
	case "Det":
		mixed = from(max(rank-2, 0))
	case "Gemm", "FusedGemm":
		mixed = along(0, 1-integer("transA", 0)) || along(1, integer("transB", 0))
	case "Conv", "ConvInteger", "QLinearConv", "DeformConv", "FusedConv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization", "GroupNormalization", "Resize", "Upsample":
		mixed = from(1)
	}
	for _, v := range n.Outputs {
		if v == graph.None {
			continue
		}
		t := &l.infos[v]
		mixed = mixed || t.data && t.known[0].Shape.Elements(1) == t.known[1].Shape.Elements(1)
	}
	return mixed
}

// sliced gives the axes that a Slice cuts; nil when it does not say which, or says it late.
func (l *lowering) sliced(n *graph.Node) []int64 {
	if l.Opset < 10 {
		if a := n.Attr("axes"); a != nil {
			return a.Ints
		}
		return nil
	}
	if len(n.Inputs) < 4 || n.Inputs[3] == graph.None {
		return nil
	}
	return l.infos[n.Inputs[3]].known[0].Ints
}
