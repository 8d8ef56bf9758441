// Package rewrite changes a model's graph into an equal one that functions can hold.
//
// A layer whose weights fit no function is computed in parts: each part computes a range of the layer's output channels
// from the same input, and a last step joins them. A cut may fall between any two of these, so that the parts lie in
// functions of their own; what crosses is the input and the parts computed so far. The sums are the same as before, in
// the same order, and so are the outputs up to the rounding of the kernels that ONNX Runtime chooses.
package rewrite

import (
	"fmt"
	"slices"

	"partita/planner/diag"
	"partita/planner/graph"
)

// MaxParts bounds the parts of one layer, MaxSplits the layers that are computed in parts.
const (
	MaxParts  = 64
	MaxSplits = 64
)

// Split asks for a layer to be computed in parts.
type Split struct {
	Layer string
	Parts int
}

// Candidate is a layer that can be computed in parts.
type Candidate struct {
	Layer    int   // index in the graph
	Channels int64 // of its output: no more parts than that
	Bytes    int64 // of its kernel
}

// heavy is the operator of a layer that is computed in parts.
type heavy struct {
	node    int
	kernel  graph.ValueID
	bias    graph.ValueID // None where there is none
	axis    int           // of the kernel: the output channels
	stored  int           // the same axis of the stored tensor
	outAxis int           // of the output
}

// Find tells whether a layer can be computed in parts: one whose largest weight is the kernel of a convolution without
// groups or of a matrix product, used there alone.
func Find(g *graph.Graph, layer int) (Candidate, bool) {
	h, ok := find(g, layer)
	if !ok {
		return Candidate{}, false
	}
	k := g.Value(h.kernel)
	return Candidate{Layer: layer, Channels: k.Shape[h.axis], Bytes: k.Bytes(1)}, true
}

func find(g *graph.Graph, layer int) (*heavy, bool) {
	l := &g.Layers[layer]
	var best *heavy
	var most int64
	for i := l.FirstNode; i < l.LastNode; i++ {
		n := &g.Nodes[i]
		for slot, v := range n.Inputs {
			if v == graph.None || g.Value(v).Weight == nil {
				continue
			}
			if bytes := g.Value(v).Bytes(1); bytes > most {
				most, best = bytes, divisible(g, i, slot)
			}
		}
	}
	if best == nil || usesOf(g, best.kernel) != 1 || g.Value(best.kernel).Shape[best.axis] < 2 {
		return nil, false
	}
	return best, true
}

// divisible tells whether a node can be computed in ranges of the output channels that its input slot has.
func divisible(g *graph.Graph, node, slot int) *heavy {
	n := &g.Nodes[node]
	if n.Domain != "" || slot != 1 || len(n.Outputs) != 1 {
		return nil
	}
	h := &heavy{node: node, kernel: n.Inputs[1], bias: graph.None}
	k := g.Value(h.kernel)
	rank := len(g.Value(n.Outputs[0]).Shape)
	switch n.Op {
	case "Conv":
		if group := n.Attr("group"); group != nil && group.Int != 1 {
			return nil
		}
		h.axis, h.outAxis = 0, 1
	case "Gemm":
		h.axis, h.outAxis = 1, 1
		if a := n.Attr("transB"); a != nil && a.Int != 0 {
			h.axis = 0
		}
	case "MatMul":
		if len(k.Shape) != 2 {
			return nil
		}
		h.axis, h.outAxis = 1, rank-1
	default:
		return nil
	}
	if k.DType != graph.Float32 || rank < 2 || len(k.Shape) <= h.axis {
		return nil
	}
	var ok bool
	if h.stored, ok = storedAxis(k, h.axis); !ok {
		return nil
	}
	if len(n.Inputs) > 2 && n.Inputs[2] != graph.None {
		h.bias = n.Inputs[2]
		b := g.Value(h.bias)
		if len(b.Shape) != 1 || b.Shape[0] != k.Shape[h.axis] || b.Computed() {
			return nil
		}
		if b.Weight != nil {
			if _, ok := storedAxis(b, 0); !ok || b.DType != graph.Float32 {
				return nil
			}
		} else if len(b.Const.Float32s) == 0 {
			return nil
		}
	}
	return h
}

// storedAxis finds the stored axis behind an axis of a weight that is only permuted.
func storedAxis(v *graph.Value, axis int) (int, bool) {
	w := v.Weight
	if w == nil || w.Blocks != nil || w.Part != nil || len(w.Stored) != len(v.Shape) {
		return 0, false
	}
	for k := range v.Shape {
		from := k
		if w.Perm != nil {
			from = w.Perm[k]
		}
		if w.Stored[from] != v.Shape[k] {
			return 0, false
		}
	}
	if w.Perm != nil {
		return w.Perm[axis], true
	}
	return axis, true
}

// usesOf counts the inputs of nodes that read the stored tensor behind a value.
func usesOf(g *graph.Graph, id graph.ValueID) int {
	key, n := g.Value(id).Weight.Key, 0
	for i := range g.Nodes {
		for _, v := range g.Nodes[i].Inputs {
			if v != graph.None && g.Value(v).Weight != nil && g.Value(v).Weight.Key == key {
				n++
			}
		}
	}
	return n
}

// Apply gives a graph in which layers are computed in parts; g stays as it is. Layers that are named are told by their
// first step of that name. The parts of a layer are steps of their own, "fc1 (1 of 3)", before it; the layer keeps its
// name and joins them.
func Apply(g *graph.Graph, splits []Split) (*graph.Graph, error) {
	if len(splits) > MaxSplits {
		return nil, diag.New(diag.Limit, "rewrite.too-many", "computing layers in parts", fmt.Sprintf("%d layers are to be", len(splits)), fmt.Sprintf("split at most %d", MaxSplits))
	}
	for _, s := range splits {
		next, err := apply(g, s)
		if err != nil {
			return nil, err
		}
		g = next
	}
	return g, nil
}

func refused(s Split, found string) error {
	return diag.New(diag.Invalid, "rewrite.split", fmt.Sprintf("computing the layer %.80q in %d parts", s.Layer, s.Parts), found,
		"split a layer whose largest weight is the kernel of a dense layer or of a convolution, or none")
}

func apply(g *graph.Graph, s Split) (*graph.Graph, error) {
	layer := slices.IndexFunc(g.Layers, func(l graph.Layer) bool { return l.Name == s.Layer })
	if layer < 0 {
		return nil, refused(s, "the model has no layer of that name")
	}
	h, ok := find(g, layer)
	if !ok {
		return nil, refused(s, "that layer cannot be computed in parts")
	}
	channels := g.Value(h.kernel).Shape[h.axis]
	if s.Parts < 2 || s.Parts > MaxParts || int64(s.Parts) > channels {
		return nil, refused(s, fmt.Sprintf("it has %d output channels, and a layer is computed in 2 to %d parts", channels, MaxParts))
	}
	e := &editor{g: g, h: h, layer: layer, parts: s.Parts, names: map[string]bool{}}
	return e.edit(channels), nil
}

// bounds gives where part k of n begins: ranges are as equal as multiples of 16 channels allow, which is what processors
// compute at a time, where there are enough.
func bounds(channels int64, k, n int) int64 {
	unit := int64(16)
	for unit > 1 && channels/unit < int64(n) {
		unit /= 2
	}
	if k == n {
		return channels
	}
	return channels / unit * int64(k) / int64(n) * unit
}

// editor makes the graph with one layer in parts.
type editor struct {
	g     *graph.Graph
	h     *heavy
	layer int
	parts int
	names map[string]bool
	out   *graph.Graph
}

func (e *editor) unique(name string) string {
	for e.names[name] {
		name += "_"
	}
	e.names[name] = true
	return name
}

func (e *editor) edit(channels int64) *graph.Graph {
	g, h := e.g, e.h
	c := *g
	c.Values = slices.Clone(g.Values)
	c.Layers, c.Nodes = nil, nil
	e.out = &c
	for i := range g.Values {
		e.names[g.Values[i].Name] = true
	}
	for i := range g.Nodes {
		e.names[g.Nodes[i].Name] = true
	}
	for i := range g.Layers {
		e.names[g.Layers[i].Name] = true
	}
	for i := range e.layer {
		e.copyLayer(i, 0)
	}
	old := g.Layers[e.layer]
	var made []graph.ValueID
	for k := range e.parts {
		from, to := bounds(channels, k, e.parts), bounds(channels, k+1, e.parts)
		label := fmt.Sprintf("%s (%d of %d)", old.Name, k+1, e.parts)
		l := graph.Layer{Name: e.unique(label), Class: old.Class, Inputs: slices.Clone(old.Inputs), FirstNode: len(c.Nodes)}
		if k == 0 { // what comes before the product in its layer
			for i := old.FirstNode; i < h.node; i++ {
				e.copyNode(i, len(c.Layers))
			}
		} else if h.node > old.FirstNode {
			l.Inputs = append(l.Inputs, e.layer)
		}
		l.Output = slices.Clone(old.Output)
		value := e.part(label, from, to, len(c.Layers), &l)
		made = append(made, value)
		l.LastNode = len(c.Nodes)
		c.Layers = append(c.Layers, l)
	}
	last := old
	last.FirstNode, last.Parameters = len(c.Nodes), 0
	for k := range e.parts {
		last.Inputs = append(slices.Clone(last.Inputs), e.layer+k)
	}
	n := &g.Nodes[h.node]
	joined := n.Outputs[0]
	c.Values[joined].Producer = len(c.Nodes)
	c.Nodes = append(c.Nodes, graph.Node{Op: "Concat", Name: n.Name, Layer: len(c.Layers), Inputs: made, Outputs: []graph.ValueID{joined},
		Attrs: []graph.Attr{{Name: "axis", Kind: graph.AttrInt, Int: int64(h.outAxis)}}})
	for i := h.node + 1; i < old.LastNode; i++ {
		e.copyNode(i, len(c.Layers))
	}
	last.LastNode = len(c.Nodes)
	c.Layers = append(c.Layers, last)
	for i := e.layer + 1; i < len(g.Layers); i++ {
		e.copyLayer(i, e.parts)
	}
	return &c
}

// copyLayer copies a layer whose index, and those of what it reads after the edited one, rise by shift.
func (e *editor) copyLayer(i, shift int) {
	l := e.g.Layers[i]
	l.Inputs = slices.Clone(l.Inputs)
	for k, in := range l.Inputs {
		if in >= e.layer {
			l.Inputs[k] = in + shift
		}
	}
	first := len(e.out.Nodes)
	for n := l.FirstNode; n < l.LastNode; n++ {
		e.copyNode(n, len(e.out.Layers))
	}
	l.FirstNode, l.LastNode = first, len(e.out.Nodes)
	e.out.Layers = append(e.out.Layers, l)
}

func (e *editor) copyNode(i, layer int) {
	n := e.g.Nodes[i]
	n.Layer = layer
	for _, v := range n.Outputs {
		if v != graph.None {
			e.out.Values[v].Producer = len(e.out.Nodes)
		}
	}
	e.out.Nodes = append(e.out.Nodes, n)
}

// part adds the node that computes the channels from..to and gives its output.
func (e *editor) part(label string, from, to int64, layer int, l *graph.Layer) graph.ValueID {
	g, h := e.g, e.h
	n := g.Nodes[h.node]
	n.Inputs, n.Name, n.Layer = slices.Clone(n.Inputs), e.unique(fmt.Sprintf("%s/%d:%d", n.Name, from, to)), layer
	n.Inputs[1] = e.slice(h.kernel, h.axis, h.stored, from, to)
	parameters := e.out.Values[n.Inputs[1]].Shape.Elements(1)
	if h.bias != graph.None {
		if b := g.Value(h.bias); b.Weight != nil {
			axis, _ := storedAxis(b, 0)
			n.Inputs[2] = e.slice(h.bias, 0, axis, from, to)
			parameters += to - from
		} else {
			n.Inputs[2] = e.slice(h.bias, 0, 0, from, to)
		}
	}
	whole := g.Value(n.Outputs[0])
	out := graph.Value{Name: e.unique(label), DType: whole.DType, Shape: slices.Clone(whole.Shape), Free: whole.Free, Producer: len(e.out.Nodes)}
	out.Shape[h.outAxis] = to - from
	id := e.add(out)
	n.Outputs = []graph.ValueID{id}
	e.out.Nodes = append(e.out.Nodes, n)
	l.Parameters = parameters
	axis := h.outAxis
	if !l.Output.Equal(whole.Shape) {
		axis = len(l.Output) - 1 // as Keras shows images
	}
	if axis >= 0 && l.Output[axis] == whole.Shape[h.outAxis] {
		l.Output[axis] = to - from
	}
	return id
}

func (e *editor) add(v graph.Value) graph.ValueID {
	e.out.Values = append(e.out.Values, v)
	return graph.ValueID(len(e.out.Values) - 1)
}

// slice adds a value that is a range of a weight or a constant along an axis.
func (e *editor) slice(id graph.ValueID, axis, stored int, from, to int64) graph.ValueID {
	v := *e.g.Value(id)
	v.Name = e.unique(fmt.Sprintf("%s/%d:%d", v.Name, from, to))
	v.Shape = slices.Clone(v.Shape)
	v.Shape[axis] = to - from
	if v.Weight != nil {
		w := *v.Weight
		w.Part = &graph.Part{Axis: stored, From: from, To: to}
		v.Weight = &w
	} else {
		v.Const = &graph.Const{Float32s: v.Const.Float32s[from:to]}
	}
	if from == 0 && v.Weight != nil && usesOf(e.g, id) == 1 {
		e.out.Values[id] = v // the first range takes the place of the whole, which nothing reads any more
		return id
	}
	return e.add(v)
}

// Sources tells for each layer of a graph in which some are computed in parts which layer of the given ones it came from.
// Names that are not among the given ones are passed over.
func Sources(layers []string, splits []Split) []int {
	parts := map[string]int{}
	for _, s := range splits {
		if s.Parts >= 2 && s.Parts <= MaxParts {
			parts[s.Layer] = s.Parts
		}
	}
	var all []int
	for i, name := range layers {
		for range parts[name] {
			all = append(all, i)
		}
		delete(parts, name) // the first layer of a name is the one in parts
		all = append(all, i)
	}
	return all
}
