package onnx

import (
	"fmt"
	"slices"
)

// everyTensor lists tensors with those of graphs inside nodes, whether these take part or not.
func (f *File) everyTensor() []*Stored {
	list := f.tensors()
	var walk func(nodes []fileNode)
	walk = func(nodes []fileNode) {
		for i := range nodes {
			for _, b := range nodes[i].branches {
				list = append(append(list, b.initializers...), constants(b.nodes)...)
				walk(b.nodes)
			}
		}
	}
	walk(f.nodes)
	return list
}

// choose puts the nodes of branches in the places of Ifs, of which the indices are given.
func (f *File) choose(decided map[int]string) error {
	var nodes []fileNode
	for i := range f.nodes {
		branch, ok := decided[i]
		if !ok {
			nodes = append(nodes, f.nodes[i])
			continue
		}
		list, err := f.branch(&f.nodes[i], branch)
		if err != nil {
			return err
		}
		nodes = append(nodes, list...)
	}
	f.nodes = nodes
	return nil
}

// both puts both branches of Ifs, of which the indices are given, in their places, and lets their conditions take the results
// of one: what a branch computes has no effect but its results. Whether the branches make tensors of the same shapes shows
// later.
func (f *File) both(undecided map[int]bool) error {
	var nodes []fileNode
	for i := range f.nodes {
		n := f.nodes[i]
		if !undecided[i] {
			nodes = append(nodes, n)
			continue
		}
		label := n.label()
		results := map[string][]string{}
		for _, branch := range []string{thenBranch, elseBranch} {
			part := n
			part.outputs = make([]string, len(n.outputs))
			for k, out := range n.outputs {
				if out != "" {
					part.outputs[k] = out + "/" + branch
				}
			}
			list, err := f.branch(&part, branch)
			if err != nil {
				return err
			}
			nodes, results[branch] = append(nodes, list...), part.outputs
		}
		for k, out := range n.outputs {
			if out != "" {
				nodes = append(nodes, fileNode{op: "Where", either: label, inputs: []string{n.inputs[0], results[thenBranch][k], results[elseBranch][k]}, outputs: []string{out}})
			}
		}
	}
	f.nodes = nodes
	return nil
}

// The attributes of an If.
const (
	thenBranch = "then_branch"
	elseBranch = "else_branch"
)

// branch gives the nodes of one branch of an If, which make the If's outputs, and takes over its tensors.
func (f *File) branch(n *fileNode, branch string) ([]fileNode, error) {
	k := slices.IndexFunc(n.branches, func(b *body) bool { return b.name == branch })
	if k < 0 {
		return nil, malformed(fmt.Sprintf("node %q (If) has no %s", shorten(n.name), branch))
	}
	b := n.branches[k]
	if len(b.outputs) < len(n.outputs) {
		return nil, malformed(fmt.Sprintf("node %q (If) has %d outputs, and its %s %d", shorten(n.name), len(n.outputs), branch, len(b.outputs)))
	}
	// A tensor that a node of the branch makes takes the name of the If's output. Numbers keep theirs, by which they are
	// found in the file.
	made := map[string]bool{}
	for i := range b.nodes {
		for _, out := range b.nodes[i].outputs {
			made[out] = b.nodes[i].op != "Constant" || b.nodes[i].domain != ""
		}
	}
	names := map[string]string{}
	var same []fileNode
	for k, out := range n.outputs {
		from := b.outputs[k]
		switch {
		case out == "":
		case from == "":
			return nil, malformed(fmt.Sprintf("output %d of the %s of node %q has no name", k, branch, shorten(n.name)))
		case made[from] && names[from] == "":
			names[from] = out
		default:
			if known := names[from]; known != "" {
				from = known
			}
			same = append(same, fileNode{op: "Identity", inputs: []string{from}, outputs: []string{out}})
		}
	}
	f.initializers = append(f.initializers, b.initializers...)
	for _, p := range b.values {
		if name := names[p.name]; name != "" {
			p.name = name
		}
		f.values = append(f.values, p)
	}
	return append(renamed(b.nodes, names), same...), nil
}

// renamed gives nodes, and the graphs inside them, other names for some tensors.
func renamed(nodes []fileNode, names map[string]string) []fileNode {
	list := func(in []string) []string {
		out := slices.Clone(in)
		for k, name := range out {
			if other := names[name]; other != "" {
				out[k] = other
			}
		}
		return out
	}
	out := slices.Clone(nodes)
	for i := range out {
		n := &out[i]
		n.inputs, n.outputs = list(n.inputs), list(n.outputs)
		n.branches = slices.Clone(n.branches)
		for k, b := range n.branches {
			c := *b
			c.nodes, c.outputs = renamed(b.nodes, names), list(b.outputs)
			n.branches[k] = &c
		}
	}
	return out
}
