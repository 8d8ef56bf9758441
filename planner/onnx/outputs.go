package onnx

import (
	"fmt"

	"partita/planner/diag"
	"partita/planner/graph"
)

// settleOutputs makes the outputs ones that can be handed over: tensors of numbers. In the place of the list of maps that
// skl2onnx makes of probabilities comes their tensor; a tensor of strings is left out where there are others. It tells what it
// has changed; what cannot be changed is refused, all at once.
func (f *File) settleOutputs() ([]string, error) {
	maker := map[string]*fileNode{}
	for i := range f.nodes {
		for _, out := range f.nodes[i].outputs {
			maker[out] = &f.nodes[i]
		}
	}
	listed := map[string]bool{}
	var notes, refused []string
	var outputs []port
	for _, p := range f.outputs {
		n := maker[p.name]
		switch {
		case p.kind != "" && n != nil && n.op == "ZipMap" && n.domain == "ai.onnx.ml" && len(n.inputs) == 1:
			notes = append(notes, fmt.Sprintf("its output %q is a list of maps from classes to numbers; in its place is the tensor of these numbers, %q, with a column per class", shorten(p.name), shorten(n.inputs[0])))
			p = port{name: n.inputs[0]}
		case p.kind != "":
			refused = append(refused, fmt.Sprintf("output %q is %s", shorten(p.name), p.kind))
		case p.dtype == graph.String:
			if len(f.outputs) == 1 {
				refused = append(refused, fmt.Sprintf("output %q is a tensor of strings", shorten(p.name)))
			} else {
				notes = append(notes, fmt.Sprintf("its output %q, a tensor of strings, is left out", shorten(p.name)))
			}
			continue
		}
		if !listed[p.name] {
			listed[p.name] = true
			outputs = append(outputs, p)
		}
	}
	if len(outputs) == 0 && len(refused) == 0 {
		refused = append(refused, "all outputs are tensors of strings")
	}
	if len(refused) > 0 {
		return nil, diag.New(diag.Invalid, "onnx.unsupported-output", doing, fmt.Sprintf("%d of its outputs are no tensors of numbers", len(refused)),
			"export it with tensors of numbers as outputs (skl2onnx: options={'zipmap': False}, and classes that are numbers)").With(clip(refused)...)
	}
	if len(notes) > 0 {
		f.outputs = outputs
	}
	return notes, nil
}

// checkTypes refuses tensors of types that are not read where something needs them, all at once, and leaves out those that
// nothing needs: names of classes, of which an output would have been made.
func (f *File) checkTypes() error {
	needed := map[string]bool{}
	for i := range f.outputs {
		needed[f.outputs[i].name] = true
	}
	var refused []string
	refuse := func(t *Stored, name string) {
		refused = append(refused, fmt.Sprintf("tensor %q is of type %s", shorten(name), typeName(t.DType)))
	}
	var read func(nodes []fileNode)
	read = func(nodes []fileNode) {
		for i := range nodes {
			n := &nodes[i]
			for _, in := range n.inputs {
				needed[in] = true
			}
			if n.constant != nil && n.constant.refused {
				refuse(n.constant, n.label())
			}
			for _, b := range n.branches {
				for _, out := range b.outputs {
					needed[out] = true
				}
				read(b.nodes)
				for _, t := range b.initializers {
					if t.refused {
						refuse(t, t.Name)
					}
				}
			}
		}
	}
	read(f.nodes)
	kept := f.initializers[:0:0]
	for _, t := range f.initializers {
		if t.refused && needed[t.Name] {
			refuse(t, t.Name)
		}
		if !t.refused {
			kept = append(kept, t)
		}
	}
	f.initializers = kept
	if len(refused) > 0 {
		return diag.New(diag.Invalid, "onnx.unsupported-tensor", doing, fmt.Sprintf("%d of its tensors are of types that are not read", len(refused)),
			"export the model with weights of float32, float16, float64, bfloat16, integers or booleans").With(clip(refused)...)
	}
	return nil
}

// prune leaves out the nodes that no output needs.
func (f *File) prune() {
	maker := map[string]int{}
	for i := range f.nodes {
		for _, out := range f.nodes[i].outputs {
			maker[out] = i
		}
	}
	needed := make([]bool, len(f.nodes))
	var stack []int
	need := func(name string) {
		if i, ok := maker[name]; ok && name != "" && !needed[i] {
			needed[i] = true
			stack = append(stack, i)
		}
	}
	for i := range f.outputs {
		need(f.outputs[i].name)
	}
	var read func(nodes []fileNode)
	read = func(nodes []fileNode) {
		for i := range nodes {
			for _, in := range nodes[i].inputs {
				need(in)
			}
			for _, b := range nodes[i].branches {
				for _, out := range b.outputs {
					need(out)
				}
				read(b.nodes)
			}
		}
	}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		read(f.nodes[i : i+1])
	}
	kept := f.nodes[:0:0]
	for i := range f.nodes {
		if needed[i] {
			kept = append(kept, f.nodes[i])
		}
	}
	if len(kept) < len(f.nodes) {
		f.nodes = kept
	}
}
