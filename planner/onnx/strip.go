package onnx

import (
	"partita/planner/graph"
)

// strip writes the file without what does not belong to the architecture: the numbers of large tensors, descriptions, and
// shapes that follow from others. Sizes that options settled are written as settled.
func (f *File) strip(l *lowering) []byte {
	var b message
	b.int(1, f.IRVersion)
	var g message
	for i := range f.nodes {
		g.message(1, f.nodes[i].proto())
	}
	g.text(2, f.Name)
	for _, t := range f.initializers {
		g.message(5, t.proto())
	}
	for i := range f.inputs {
		g.message(11, f.inputs[i].proto())
	}
	for i := range f.outputs {
		g.message(12, f.outputs[i].proto())
	}
	for i := range f.values {
		p := &f.values[i]
		id, ok := l.ids[p.name]
		if ok && l.infos[id].made >= 0 && !l.inferable(l.infos[id].made) {
			g.message(13, p.proto())
		}
	}
	b.message(7, g)
	m := Model{Opset: f.Opset, Domains: f.Domains}
	for d := range f.Domains {
		m.Nodes = append(m.Nodes, Node{Domain: d})
	}
	m.opsetProtos(&b)
	return b
}

// inferable tells whether the outputs of a node were inferred.
func (l *lowering) inferable(i int) bool {
	n := &l.nodes[i]
	in := make([]*graph.Known, len(n.Inputs))
	for k, v := range n.Inputs {
		if v != graph.None {
			in[k] = l.infos[v].known[0]
		}
	}
	_, err := graph.Evaluate(n, l.Opset, in)
	return err == nil
}

func (n *fileNode) proto() message {
	var b message
	for _, in := range n.inputs {
		b.element(1, in)
	}
	for _, out := range n.outputs {
		b.element(2, out)
	}
	b.text(3, n.name)
	b.text(4, n.op)
	for i := range n.attrs {
		a := &n.attrs[i]
		if a.Kind == graph.AttrTensor && a.Tensor == nil { // a Constant of which the numbers are left out
			var v message
			v.text(1, a.Name)
			v.message(5, n.constant.proto())
			v.int(20, int64(a.Kind))
			b.message(5, v)
			continue
		}
		b.message(5, attributeProto(a))
	}
	if n.either != "" {
		b.text(6, eitherMark+n.either)
	}
	b.text(7, n.domain)
	return b
}

// eitherMark begins the doc_string of a Where in the place of an If, in stripped models.
const eitherMark = "If "

func (t *Stored) proto() message {
	var b message
	for _, d := range t.Shape {
		b.int(1, d)
	}
	b.int(2, int64(t.DType))
	b.text(8, t.Name)
	if t.raw != nil && t.small() {
		b.bytes(9, t.raw)
	}
	return b
}

func (p *port) proto() message {
	var tensor message
	tensor.int(1, int64(p.dtype))
	if p.ranks {
		var shape message
		for _, d := range p.dims {
			var dim message
			if d.size > 0 {
				dim.int(1, d.size)
			} else {
				dim.text(2, d.name)
			}
			shape.message(1, dim)
		}
		tensor.message(2, shape)
	}
	var typ message
	typ.message(1, tensor)
	var b message
	b.text(1, p.name)
	b.message(2, typ)
	return b
}
