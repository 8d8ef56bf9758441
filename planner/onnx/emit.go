package onnx

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"partita/planner/diag"
	"partita/planner/graph"
)

func words(list []int64) []uint64 {
	out := make([]uint64, len(list))
	for i, v := range list {
		out[i] = uint64(v)
	}
	return out
}

func bitsOf(list ...float32) []uint64 {
	out := make([]uint64, len(list))
	for i, f := range list {
		out[i] = uint64(math.Float32bits(f))
	}
	return out
}

// emission builds the graph of what has been worked out.
type emission struct {
	*lowering
	*assignment
	g       *graph.Graph
	names   map[string]bool // of values
	nodes   map[string]bool // names of nodes
	numbers map[string]int  // the next number to make a taken name another
	ids     []graph.ValueID // per tensorInfo: the value; None until there is one
	same    []int           // per tensorInfo: the one that it is the same as
	needed  []bool          // per node
	sinks   []bool          // per node: it depends on no input, and is put before its first reader
	done    []bool
	counted map[int]bool // weights that a layer has counted as its parameters
}

// emit makes the graph: what follows from shapes and constants alone becomes constants, and what nothing needs any more is
// left out.
func (l *lowering) emit(a *assignment) (*graph.Graph, error) {
	g := &graph.Graph{Name: l.Name, LayerCount: len(l.File.nodes), Opset: l.Opset}
	if g.Name == "" {
		g.Name = "model"
	}
	e := &emission{lowering: l, assignment: a, g: g, names: map[string]bool{}, nodes: map[string]bool{}, numbers: map[string]int{}, counted: map[int]bool{},
		ids: make([]graph.ValueID, len(l.infos)), same: make([]int, len(l.infos)), needed: make([]bool, len(l.nodes)), sinks: make([]bool, len(l.nodes)), done: make([]bool, len(l.nodes))}
	for i := range e.ids {
		e.ids[i], e.same[i] = graph.None, i
		e.names[l.infos[i].name] = true
	}
	for _, t := range l.initializers {
		if t.floating() {
			g.Parameters += t.Shape.Elements(1)
		}
	}
	for _, t := range l.tensors()[len(l.initializers):] {
		if t.floating() && !t.small() {
			g.Parameters += t.Shape.Elements(1)
		}
	}
	e.simplify()
	e.mark()
	needed := 0
	for _, n := range e.needed {
		if n {
			needed++
		}
	}
	g.Nodes, g.Layers, g.Values = make([]graph.Node, 0, needed), make([]graph.Layer, 0, needed), make([]graph.Value, 0, needed+len(l.initializers))
	for i := range l.inputs {
		id := l.ids[l.inputs[i].name]
		g.Inputs = append(g.Inputs, graph.Port{Name: l.inputs[i].name, Value: e.value(id)})
	}
	for _, i := range l.order {
		if e.needed[i] && !e.sinks[i] {
			e.node(i)
		}
	}
	for i := range l.outputs {
		id := l.ids[l.outputs[i].name]
		if l.infos[id].made < 0 && !l.infos[id].input {
			return nil, diag.New(diag.Invalid, "onnx.constant-output", doing, fmt.Sprintf("its output %q is a constant", shorten(l.outputs[i].name)), "export it without that output")
		}
		g.Outputs = append(g.Outputs, graph.Port{Name: l.outputs[i].name, Value: e.ids[id]})
	}
	if len(g.Nodes) == 0 {
		return nil, diag.New(diag.Invalid, "onnx.empty", doing, "it computes nothing from its inputs", "give a model that computes something")
	}
	for i := range g.Nodes {
		if d := g.Nodes[i].Domain; d != "" {
			if g.Domains == nil {
				g.Domains = map[string]int64{}
			}
			g.Domains[d] = max(l.Domains[d], 1)
		}
	}
	return g, nil
}

// simplify finds tensors that are others under a second name, and makes shapes to reshape to constants where they only
// keep open sizes.
func (e *emission) simplify() {
	for _, i := range e.order {
		n := &e.lowering.nodes[i]
		for k, v := range n.Inputs {
			if v != graph.None {
				n.Inputs[k] = graph.ValueID(e.same[v])
			}
		}
		if n.Op == "Identity" && n.Domain == "" && e.infos[n.Inputs[0]].stored != nil && !e.result[e.infos[n.Outputs[0]].name] {
			e.same[n.Outputs[0]] = int(n.Inputs[0])
		}
		if n.Op != "Reshape" || n.Domain != "" || e.infos[n.Inputs[1]].constant() {
			continue
		}
		if target := e.target(n); target != nil {
			k := &graph.Known{DType: graph.Int64, Shape: graph.Shape{int64(len(target))}, Filled: true, Ints: target}
			name := e.unique(e.infos[n.Outputs[0]].name+"/shape", e.names)
			n.Inputs[1] = graph.ValueID(len(e.infos))
			e.infos = append(e.infos, tensorInfo{name: name, made: -1, known: [runs]*graph.Known{k, k, k}})
			e.ids = append(e.ids, graph.None)
			e.same = append(e.same, len(e.same))
		}
	}
}

// target gives the constant that a Reshape may have as its shape: dimensions that are settled as they are, one that is
// not as -1, and others that are not as 0 where the input has the same one in that place. It is nil when there is none.
func (e *emission) target(n *graph.Node) []int64 {
	x, out := &e.infos[n.Inputs[0]], &e.infos[n.Outputs[0]]
	copies := true
	if a := n.Attr("allowzero"); a != nil && a.Int != 0 {
		copies = false
	}
	target := []int64{}
	open := -1
	for axis := range out.known[0].Shape {
		if out.settled(axis) {
			target = append(target, out.known[0].Shape[axis])
			continue
		}
		same := copies && axis < len(x.known[0].Shape)
		for r := 0; r < runs && same; r++ {
			same = x.known[r].Shape[axis] == out.known[r].Shape[axis]
		}
		switch {
		case same:
			target = append(target, 0)
		case open < 0:
			open = axis
			target = append(target, -1)
		default:
			return nil
		}
	}
	return target
}

// folded tells whether a tensor is a constant of the graph although a node makes it.
func (e *emission) folded(id int) bool {
	t := &e.infos[id]
	if t.made < 0 || e.result[t.name] || !t.constant() {
		return false
	}
	switch t.known[0].DType {
	case graph.Float32, graph.Int64, graph.Int32, graph.Bool, graph.UInt8, graph.Int8:
		return true
	}
	return false
}

// mark finds the nodes that the outputs need and those that depend on no input.
func (e *emission) mark() {
	var stack []int
	need := func(id int) {
		if i := e.infos[id].made; i >= 0 && !e.needed[i] && !e.folded(id) {
			e.needed[i] = true
			stack = append(stack, i)
		}
	}
	for name := range e.result {
		need(e.lowering.ids[name])
	}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, v := range e.lowering.nodes[i].Inputs {
			if v != graph.None {
				need(int(v))
			}
		}
	}
	for _, i := range e.order {
		n := &e.lowering.nodes[i]
		e.sinks[i] = true
		for _, v := range n.Inputs {
			if v == graph.None || e.folded(int(v)) {
				continue
			}
			t := &e.infos[v]
			if t.input || t.made >= 0 && !e.sinks[t.made] {
				e.sinks[i] = false
			}
		}
		for _, v := range n.Outputs {
			if v != graph.None && e.result[e.infos[v].name] {
				e.sinks[i] = false
			}
		}
	}
}

// unique gives a name that is not among those taken, and takes it.
func (e *emission) unique(name string, taken map[string]bool) string {
	free := name
	for n := max(2, e.numbers[name]); taken[free]; n++ {
		free = name + "_" + strconv.Itoa(n)
		e.numbers[name] = n + 1
	}
	taken[free] = true
	return free
}

// value gives the graph's value of a tensor, making it if there is none yet.
func (e *emission) value(id int) graph.ValueID {
	if e.ids[id] != graph.None {
		return e.ids[id]
	}
	t := &e.infos[id]
	v := graph.Value{Name: t.name, DType: t.known[0].DType, Shape: append(graph.Shape{}, t.known[0].Shape...), Producer: -1}
	switch {
	case t.stored != nil:
		if c := t.stored.constant(); c != nil {
			v.Const = c
		} else {
			v.Weight = &graph.Weight{Key: t.name, Stored: append(graph.Shape{}, t.stored.Shape...)}
		}
	case t.made < 0 && !t.input || e.folded(id):
		v.Const = &graph.Const{Int64s: t.known[0].Ints, Float32s: t.known[0].Floats}
	default:
		for axis := range v.Shape {
			switch {
			case axis == 0 && e.batch && t.isBatch(0):
				v.Shape[0] = graph.Batch
			case !t.settled(axis):
				v.Free = append(v.Free, axis)
			}
		}
	}
	e.g.Values = append(e.g.Values, v)
	e.ids[id] = graph.ValueID(len(e.g.Values) - 1)
	return e.ids[id]
}

// node adds a node and before it those that only it and later ones need and that depend on no input.
func (e *emission) node(i int) {
	if e.done[i] {
		return
	}
	e.done[i] = true
	n := &e.lowering.nodes[i]
	for _, v := range n.Inputs {
		if v == graph.None || e.folded(int(v)) {
			continue
		}
		if p := e.infos[v].made; p >= 0 && e.sinks[p] {
			e.node(p)
		}
	}
	g := e.g
	layer := graph.Layer{Class: n.Op, FirstNode: len(g.Nodes), LastNode: len(g.Nodes) + 1}
	out := graph.Node{Op: n.Op, Domain: n.Domain, Layer: len(g.Layers), Attrs: n.Attrs}
	for _, v := range n.Inputs {
		if v == graph.None {
			out.Inputs = append(out.Inputs, graph.None)
			continue
		}
		id := e.value(int(v))
		out.Inputs = append(out.Inputs, id)
		if p := g.Values[id].Producer; p >= 0 && !slices.Contains(layer.Inputs, g.Nodes[p].Layer) {
			layer.Inputs = append(layer.Inputs, g.Nodes[p].Layer)
		}
		if w := e.infos[v].stored; w != nil && w.floating() && !e.counted[int(v)] {
			e.counted[int(v)] = true
			layer.Parameters += w.Shape.Elements(1)
		}
	}
	name := n.Name
	for _, v := range n.Outputs {
		if v == graph.None {
			out.Outputs = append(out.Outputs, graph.None)
			continue
		}
		id := e.value(int(v))
		g.Values[id].Producer = len(g.Nodes)
		out.Outputs = append(out.Outputs, id)
		if layer.Output == nil {
			layer.Output = g.Values[id].Shape
		}
		if name == "" {
			name = e.infos[v].name
		}
	}
	name = e.unique(name, e.nodes)
	out.Name, layer.Name = name, name
	g.Nodes = append(g.Nodes, out)
	g.Layers = append(g.Layers, layer)
}
