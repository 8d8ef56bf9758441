package graph

import "fmt"

// Subgraph is the part of a model that one stage runs: the layers [First, Last), positions First to Last.
type Subgraph struct {
	First, Last         int
	FirstNode, LastNode int // its nodes are Graph.Nodes[FirstNode:LastNode]

	Inputs      []ValueID // what crosses position First
	Outputs     []ValueID // what crosses position Last
	Used        []ValueID // the inputs that its nodes read, in the order of Inputs
	Made        []ValueID // the outputs that its nodes make, in the order of Outputs
	PassThrough []ValueID // in both Inputs and Outputs: the nodes after it need them
	Weights     []ValueID // what its nodes read of the model's weights, each once, in order of first use
	Consts      []ValueID // the same of constants
}

// Subgraph extracts the layers [first, last). Live is g.Live(): whoever extracts many stages computes it once. It panics
// unless 0 <= first < last <= len(g.Layers).
func (g *Graph) Subgraph(live [][]ValueID, first, last int) *Subgraph {
	if first < 0 || first >= last || last > len(g.Layers) {
		panic(fmt.Sprintf("graph: no layers [%d, %d) in a model of %d", first, last, len(g.Layers)))
	}
	s := &Subgraph{
		First: first, Last: last,
		FirstNode: g.Layers[first].FirstNode, LastNode: g.Layers[last-1].LastNode,
		Inputs: live[first], Outputs: live[last],
	}
	used := map[ValueID]bool{}
	for i := s.FirstNode; i < s.LastNode; i++ {
		for _, v := range g.Nodes[i].Inputs {
			if v == None || used[v] {
				continue
			}
			used[v] = true
			switch {
			case g.Values[v].Weight != nil:
				s.Weights = append(s.Weights, v)
			case g.Values[v].Const != nil:
				s.Consts = append(s.Consts, v)
			}
		}
	}
	crossesFirst := map[ValueID]bool{}
	for _, v := range s.Inputs {
		crossesFirst[v] = true
		if used[v] {
			s.Used = append(s.Used, v)
		}
	}
	for _, v := range s.Outputs {
		if crossesFirst[v] {
			s.PassThrough = append(s.PassThrough, v)
		} else {
			s.Made = append(s.Made, v)
		}
	}
	return s
}

// SideBySide is the part of a model that a stage runs which stands beside others: Sub's layers, in a region of layers that ends at a
// position, where nothing else of the region needs what they make. It takes what its own nodes read and gives what is
// needed after the region; nothing passes through it.
func (g *Graph) SideBySide(live [][]ValueID, sub *Subgraph, end int) *Subgraph {
	s := *sub
	s.Inputs, s.PassThrough = s.Used, nil
	s.Made = nil
	for _, v := range live[end] {
		if p := g.Values[v].Producer; p >= s.FirstNode && p < s.LastNode {
			s.Made = append(s.Made, v)
		}
	}
	s.Outputs = s.Made
	return &s
}
