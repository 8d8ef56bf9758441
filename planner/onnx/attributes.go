package onnx

import (
	"fmt"
	"slices"

	"partita/planner/diag"
	"partita/planner/graph"
)

// settleAttributes replaces nodes by others that do the same, where an attribute asks for what ONNX Runtime has not, and
// refuses those for which there are none, all at once.
func (f *File) settleAttributes() error {
	var nodes []fileNode // nil as long as all stay
	var refused []string
	taken := map[string]bool{}
	for i := range f.nodes {
		n := &f.nodes[i]
		switch {
		case n.domain != "":
		case recurrent[n.op] && n.integer("layout", 0) == 1:
			if nodes == nil {
				nodes = slices.Clone(f.nodes[:i])
				for k := range f.nodes {
					for _, name := range append(slices.Clone(f.nodes[k].inputs), f.nodes[k].outputs...) {
						taken[name] = true
					}
				}
			}
			nodes = append(nodes, n.timeFirst(taken)...)
			continue
		case n.op == "BatchNormalization" && f.Opset < 9 && n.integer("spatial", 1) == 0:
			refused = append(refused, fmt.Sprintf("%s (BatchNormalization) has spatial=0: it has numbers for every position, not for every channel", shorten(n.label())))
		}
		if nodes != nil {
			nodes = append(nodes, *n)
		}
	}
	if len(refused) > 0 {
		return diag.New(diag.Invalid, "onnx.unsupported-attribute", doing, fmt.Sprintf("%d of its nodes are told to do what is not supported", len(refused)),
			"export the model with operator set 9 or later, which has no such attribute").With(clip(refused)...)
	}
	if nodes != nil {
		f.nodes = nodes
	}
	return nil
}

var recurrent = map[string]bool{"LSTM": true, "GRU": true, "RNN": true}

// integer gives an attribute of the node.
func (n *fileNode) integer(name string, otherwise int64) int64 {
	for i := range n.attrs {
		if n.attrs[i].Name == name {
			return n.attrs[i].Int
		}
	}
	return otherwise
}

// timeFirst gives the nodes that do what a recurrent one with layout=1 does, which has the batch before the time in X and Y and
// before the directions in states: one with layout=0 between transpositions. (ONNX, Operators.md, LSTM.)
func (n *fileNode) timeFirst(taken map[string]bool) []fileNode {
	core := *n
	core.inputs, core.outputs = slices.Clone(n.inputs), slices.Clone(n.outputs)
	core.attrs = slices.DeleteFunc(slices.Clone(n.attrs), func(a graph.Attr) bool { return a.Name == "layout" })
	fresh := func(name string) string {
		for name += "/time_first"; taken[name]; {
			name += "_"
		}
		taken[name] = true
		return name
	}
	turn := func(from, to string, perm ...int64) fileNode {
		return fileNode{op: "Transpose", name: fresh(n.label()), inputs: []string{from}, outputs: []string{to}, attrs: []graph.Attr{{Name: "perm", Kind: graph.AttrInts, Ints: perm}}}
	}
	var before, after []fileNode
	for _, i := range []int{0, 5, 6} { // X, initial_h, initial_c
		if i < len(core.inputs) && core.inputs[i] != "" {
			from := core.inputs[i]
			core.inputs[i] = fresh(from)
			before = append(before, turn(from, core.inputs[i], 1, 0, 2))
		}
	}
	for i, to := range core.outputs {
		if to == "" {
			continue
		}
		core.outputs[i] = fresh(to)
		if i == 0 { // time, directions, batch, hidden
			after = append(after, turn(core.outputs[i], to, 2, 0, 1, 3))
		} else {
			after = append(after, turn(core.outputs[i], to, 1, 0, 2))
		}
	}
	return append(append(before, core), after...)
}
