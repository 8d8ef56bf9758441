package graph

// counted gives the operator of ai.onnx as which a node's work is counted; "" for operators of other sets that are none of
// these. A node of another set is not what its name says.
func (n *Node) counted() string {
	switch n.Domain {
	case "", "ai.onnx":
		return n.Op
	case "com.microsoft":
		switch n.Op {
		case "FusedConv":
			return "Conv"
		case "FusedMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat":
			return "MatMul"
		}
	}
	return ""
}

// importedMACs counts the multiply-accumulates of operators that only models have that came as ONNX: products of quantized
// numbers and attention.
func (g *Graph) importedMACs(n *Node, out int64) int64 {
	shape := func(slot int) Shape {
		if slot >= len(n.Inputs) || n.Inputs[slot] == None {
			return nil
		}
		return g.Values[n.Inputs[slot]].Shape.single()
	}
	x := shape(0)
	switch {
	case n.Domain == "" && (n.Op == "QLinearConv" || n.Op == "ConvInteger"):
		w := shape(1)
		if n.Op == "QLinearConv" {
			w = shape(3)
		}
		if len(w) > 1 {
			return mulSaturated(out, w[1:].Elements(1))
		}
	case n.Domain == "" && (n.Op == "MatMulInteger" || n.Op == "QLinearMatMul"), n.Domain == "com.microsoft" && n.Op == "QGemm":
		if len(x) > 0 {
			return mulSaturated(out, x[len(x)-1])
		}
	case n.Domain == "com.microsoft" && n.Op == "FusedGemm":
		if len(x) == 2 && n.int("transA", 0) != 0 {
			return mulSaturated(out, x[0])
		} else if len(x) == 2 {
			return mulSaturated(out, x[1])
		}
	case n.Domain == "com.microsoft" && n.Op == "MatMulNBits":
		return mulSaturated(out, max(n.int("K", 0), 0))
	case n.Domain == "com.microsoft" && n.Op == "Attention" && len(x) == 3 && len(shape(1)) == 2:
		// The projections, then each query with each key and each weight with each value.
		return addSaturated(mulSaturated(x.Elements(1), shape(1)[1]), mulSaturated(2, mulSaturated(out, x[1])))
	case (n.Op == "Attention" || n.Op == "MultiHeadAttention") && len(x) >= 3 && len(shape(1)) == len(x):
		return mulSaturated(2, mulSaturated(out, shape(1)[len(x)-2]))
	}
	return 0
}
