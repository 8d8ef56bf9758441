package graph

// Cuts lists, in rising order, the positions at which the model may be cut: those with work on both sides, one for each
// distinct split of the nodes (a cut on either side of an InputLayer is the same cut, and the first is listed). Where a
// tensor of strings crosses, which stages do not hand over, there is no cut.
func (g *Graph) Cuts() []int {
	closed := g.closed()
	var cuts []int
	for c := 1; c < len(g.Layers); c++ {
		if g.Layers[c-1].LastNode > g.Layers[c-1].FirstNode && g.Layers[c-1].LastNode < len(g.Nodes) && !closed[c] {
			cuts = append(cuts, c)
		}
	}
	return cuts
}

// closed tells the positions that a value crosses which stages cannot hand over, and those right after layers that do not
// depend on the model's inputs: a stage of such alone would have nothing to wait for. Only models that came as ONNX
// have either.
func (g *Graph) closed() []bool {
	closed := make([]bool, len(g.Layers)+1)
	if g.Opset == 0 {
		return closed
	}
	depends := make([]bool, len(g.Values)) // on the model's inputs
	for _, p := range g.Inputs {
		depends[p.Value] = true
	}
	for i := range g.Layers {
		closed[i+1] = true
		for k := g.Layers[i].FirstNode; k < g.Layers[i].LastNode; k++ {
			n, fed := &g.Nodes[k], false
			for _, v := range n.Inputs {
				fed = fed || v != None && depends[v]
			}
			for _, v := range n.Outputs {
				if v != None {
					depends[v] = fed
				}
			}
			closed[i+1] = closed[i+1] && !fed
		}
	}
	last := make(map[ValueID]int)
	for i := range g.Nodes {
		for _, v := range g.Nodes[i].Inputs {
			if v != None && g.Values[v].Producer >= 0 && !g.Values[v].HandedOver() {
				last[v] = g.Nodes[i].Layer
			}
		}
	}
	for v, layer := range last {
		for c := g.Nodes[g.Values[v].Producer].Layer + 1; c <= layer; c++ {
			closed[c] = true
		}
	}
	return closed
}

// HandedOver tells whether stages can hand a value over: a tensor with elements of a fixed size. ONNX Runtime's binding for
// Go gives half-size floats only in tensors with dimensions whose sizes are known before the run.
func (v *Value) HandedOver() bool {
	half := v.DType == Float16 || v.DType == BFloat16
	return v.DType.Size() > 0 && !(half && (len(v.Free) > 0 || len(v.Shape) == 0))
}

// Live computes, for each position 0..len(Layers), the values that cross it: made before it (or inputs of the model) and
// needed after it, in rising order of id. A value that is an output of the model is needed to the end. Live()[0] is
// the model's inputs, Live()[N] its outputs, each in rising order of id.
func (g *Graph) Live() [][]ValueID {
	n := len(g.Layers)
	// A value is live at the positions [first, last].
	first := make([]int, len(g.Values))
	last := make([]int, len(g.Values))
	for v := range first {
		first[v], last[v] = n+1, -1
	}
	for _, p := range g.Inputs {
		first[p.Value], last[p.Value] = 0, 0
	}
	for i := range g.Nodes {
		node := &g.Nodes[i]
		for _, v := range node.Outputs {
			if v != None {
				first[v] = node.Layer + 1
			}
		}
		for _, v := range node.Inputs {
			if v != None && g.Values[v].Computed() && node.Layer > last[v] {
				last[v] = node.Layer
			}
		}
	}
	for _, p := range g.Outputs {
		last[p.Value] = n
	}
	live := make([][]ValueID, n+1)
	for v := range first {
		for c := first[v]; c <= last[v]; c++ {
			live[c] = append(live[c], ValueID(v))
		}
	}
	return live
}
