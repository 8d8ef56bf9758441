package keras

import (
	"fmt"
	"strconv"
	"strings"

	"partita/planner/graph"
)

// layout is how a tensor's axes lie in memory.
type layout int

const (
	asSource      layout = iota // the axes in the order in which Keras shows them
	channelsFirst               // the last axis moved behind the batch: NCHW for Keras's NHWC
	layouts
)

// tensor is a Keras tensor during lowering. Its value may exist in both layouts: it is made in one and converted when a
// step needs the other, once.
type tensor struct {
	shape  graph.Shape // as Keras shows it
	step   int         // that made it; -1 for a Sequential's input
	values [layouts]graph.ValueID
	float  *tensor // itself in float32, once cast
}

// lowering emits nodes into a graph.
type lowering struct {
	m               *modelConfig
	g               *graph.Graph
	names           map[string]bool // of values and nodes
	weights         map[string]graph.ValueID
	stored          map[string][]StoredWeight // by layer name
	sequentialInput *tensor
	layer           *layerConfig // of the current step
	label           string       // of the current step: the layer's name, and the call when there are several
	repeated        bool
}

func newLowering(m *modelConfig) *lowering {
	l := &lowering{m: m, g: &graph.Graph{Name: m.name}, names: map[string]bool{}, weights: map[string]graph.ValueID{},
		stored: map[string][]StoredWeight{}}
	// The names of steps belong to their outputs: no inner value may take one.
	for _, layer := range m.layers {
		l.names[layer.name] = true
	}
	if m.input != nil {
		l.names[m.input.name] = true
	}
	return l
}

func (l *lowering) beginStep(layer *layerConfig, s step, repeated bool) {
	l.layer, l.repeated, l.label = layer, repeated, layer.name
	if repeated {
		l.label = l.unique(layer.name + "@" + strconv.Itoa(s.call+1))
	}
	class := layer.class
	l.g.Layers = append(l.g.Layers, graph.Layer{Name: layer.name, Class: class, Inputs: s.inputs,
		FirstNode: len(l.g.Nodes), LastNode: len(l.g.Nodes)})
}

// endStep closes a step: a step that passed its input through gets an Identity, an output of the model is brought into
// the source's layout, and the value that leaves the step takes the step's name.
func (l *lowering) endStep(t *tensor, output bool) (*tensor, error) {
	index := len(l.g.Layers) - 1
	layer := &l.g.Layers[index]
	if l.layer.class != "InputLayer" {
		if t.step != index {
			form := t.form()
			v, err := l.emit("Identity", []graph.ValueID{t.values[form]})
			if err != nil {
				return nil, err
			}
			t = l.tensorOf(v, form)
		}
		if output {
			if _, err := l.as(t, asSource); err != nil {
				return nil, err
			}
		}
		form := t.form()
		if output {
			form = asSource
		}
		l.g.Values[t.values[form]].Name = l.label
	}
	layer.Output = t.shape
	layer.LastNode = len(l.g.Nodes)
	if !l.repeated {
		for _, w := range l.stored[l.layer.name] {
			layer.Parameters += w.Shape.Elements(1)
		}
	}
	return t, nil
}

func (l *lowering) input(in *inputConfig) *tensor {
	id := l.value(graph.Value{Name: in.name, DType: in.dtype, Shape: in.shape, Producer: -1})
	t := &tensor{shape: in.shape, step: len(l.g.Layers) - 1, values: [layouts]graph.ValueID{graph.None, graph.None}}
	t.values[asSource] = id
	return t
}

// arguments finds the inputs of a call. A number becomes a tensor without axes.
func (l *lowering) arguments(c call, index map[tensorRef]int, tensors []*tensor) ([]*tensor, error) {
	var in []*tensor
	for _, a := range c.args {
		switch {
		case !a.isRef:
			t := &tensor{shape: graph.Shape{}, step: -1, values: [layouts]graph.ValueID{graph.None, graph.None}}
			t.values[asSource] = l.scalar("number", a.number)
			in = append(in, t)
		case l.m.input != nil && a.ref.layer == l.m.input.name:
			in = append(in, l.sequentialInput)
		default:
			in = append(in, tensors[index[tensorRef{layer: a.ref.layer, node: a.ref.node}]])
		}
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("it is called without inputs")
	}
	for i := range in {
		var err error
		if in[i], err = l.toFloat(in[i]); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// toFloat casts whole-number inputs of the model where they are first used.
func (l *lowering) toFloat(t *tensor) (*tensor, error) {
	v := t.values[t.form()]
	if l.g.Values[v].DType == graph.Float32 {
		return t, nil
	}
	if t.float == nil {
		cast, err := l.emit("Cast", []graph.ValueID{v}, intAttr("to", int64(graph.Float32)))
		if err != nil {
			return nil, err
		}
		t.float = l.tensorOf(cast, t.form())
	}
	return t.float, nil
}

// form is the layout in which a tensor should be read where either will do: the one convolutions want if it is there.
func (t *tensor) form() layout {
	if t.values[channelsFirst] != graph.None {
		return channelsFirst
	}
	return asSource
}

// physical gives the axis of the value in a layout that holds the tensor's axis.
func physical(axis, rank int, form layout) int {
	if form == asSource || rank < 3 || axis == 0 {
		return axis
	}
	if axis == rank-1 {
		return 1
	}
	return axis + 1
}

// permutation gives the perm of the Transpose from one layout to the other.
func permutation(rank int, to layout) []int {
	perm := make([]int, rank)
	for axis := 0; axis < rank; axis++ {
		if to == channelsFirst {
			perm[physical(axis, rank, channelsFirst)] = axis
		} else {
			perm[axis] = physical(axis, rank, channelsFirst)
		}
	}
	return perm
}

// sameOrder tells whether a tensor's numbers lie in the same order in both layouts, so that a Reshape does for a Transpose.
func sameOrder(s graph.Shape) bool {
	return len(s) < 3 || s[len(s)-1] == 1 || s[1:len(s)-1].Elements(1) == 1
}

// as gives the tensor's value in a layout, converting it at most once.
func (l *lowering) as(t *tensor, form layout) (graph.ValueID, error) {
	if t.values[form] != graph.None {
		return t.values[form], nil
	}
	from := t.values[t.form()]
	rank := len(t.shape)
	if rank < 3 {
		t.values[form] = from
		return from, nil
	}
	perm := permutation(rank, form)
	var v graph.ValueID
	var err error
	if sameOrder(t.shape) {
		target := []int64{0}
		for _, p := range perm[1:] {
			target = append(target, l.g.Values[from].Shape[p])
		}
		v, err = l.reshape(from, target)
	} else {
		v, err = l.emit("Transpose", []graph.ValueID{from}, intsAttr("perm", toInt64(perm)...))
	}
	t.values[form] = v
	return v, err
}

// inSourceOrder gives a value whose numbers lie in the source's order, for a Reshape; its own shape may differ.
func (l *lowering) inSourceOrder(t *tensor) (graph.ValueID, error) {
	if sameOrder(t.shape) {
		return t.values[t.form()], nil
	}
	return l.as(t, asSource)
}

// tensorOf makes the tensor that a value in a layout stands for.
func (l *lowering) tensorOf(v graph.ValueID, form layout) *tensor {
	s := l.g.Values[v].Shape
	t := &tensor{shape: s, step: len(l.g.Layers) - 1, values: [layouts]graph.ValueID{graph.None, graph.None}}
	if form == channelsFirst && len(s) >= 3 {
		t.shape = make(graph.Shape, len(s))
		for axis := range s {
			t.shape[axis] = s[physical(axis, len(s), form)]
		}
	} else {
		form = asSource
	}
	t.values[form] = v
	return t
}

// emit adds a node and gives its output, with the shape that inference says.
func (l *lowering) emit(op string, inputs []graph.ValueID, attrs ...graph.Attr) (graph.ValueID, error) {
	name := l.unique(l.label + "/" + op)
	layer := len(l.g.Layers) - 1
	n := graph.Node{Op: op, Name: name, Layer: layer, Inputs: inputs, Attrs: attrs}
	out, err := graph.Infer(l.g, &n)
	if err != nil {
		return graph.None, err
	}
	id := l.value(graph.Value{Name: name, DType: out[0].DType, Shape: out[0].Shape, Producer: len(l.g.Nodes)})
	n.Outputs = []graph.ValueID{id}
	l.g.Nodes = append(l.g.Nodes, n)
	return id, nil
}

func (l *lowering) value(v graph.Value) graph.ValueID {
	l.g.Values = append(l.g.Values, v)
	return graph.ValueID(len(l.g.Values) - 1)
}

func (l *lowering) unique(name string) string {
	candidate := name
	for n := 2; l.names[candidate]; n++ {
		candidate = name + "_" + strconv.Itoa(n)
	}
	l.names[candidate] = true
	return candidate
}

// weight refers to a stored tensor of the current layer. The first call of the layer declares its weights, which must
// be in the order of Keras's layer.weights.
func (l *lowering) weight(name string, stored graph.Shape, perm []int, shape graph.Shape) (graph.ValueID, error) {
	key := l.layer.name + "/" + name
	if err := l.declare(name, stored); err != nil {
		return graph.None, err
	}
	memo := fmt.Sprint(key, perm, shape)
	if id, ok := l.weights[memo]; ok {
		return id, nil
	}
	id := l.value(graph.Value{Name: l.unique(key), DType: graph.Float32, Shape: shape, Producer: -1,
		Weight: &graph.Weight{Key: key, Stored: stored, Perm: perm}})
	l.weights[memo] = id
	return id, nil
}

// declare lists a stored tensor of the current layer, used by a node or not.
func (l *lowering) declare(name string, stored graph.Shape) error {
	if err := stored.Check(); err != nil {
		return fmt.Errorf("weight %s: %w", name, err)
	}
	key := l.layer.name + "/" + name
	for _, w := range l.stored[l.layer.name] {
		if w.Key == key {
			if !w.Shape.Equal(stored) {
				return fmt.Errorf("weight %s would be %s in one call and %s in another", name, w.Shape, stored)
			}
			return nil
		}
	}
	l.stored[l.layer.name] = append(l.stored[l.layer.name], StoredWeight{Key: key, Name: name, Shape: stored})
	return nil
}

// vector is weight for a stored vector that is used as it is.
func (l *lowering) vector(name string, n int64) (graph.ValueID, error) {
	return l.weight(name, graph.Shape{n}, nil, graph.Shape{n})
}

func (l *lowering) scalar(what string, f float64) graph.ValueID {
	return l.value(graph.Value{Name: l.unique(l.label + "/" + what), DType: graph.Float32, Shape: graph.Shape{}, Producer: -1,
		Const: &graph.Const{Float32s: []float32{float32(f)}}})
}

func (l *lowering) floats(what string, shape graph.Shape, f []float32) graph.ValueID {
	return l.value(graph.Value{Name: l.unique(l.label + "/" + what), DType: graph.Float32, Shape: shape, Producer: -1,
		Const: &graph.Const{Float32s: f}})
}

// filled is a constant vector of one number.
func (l *lowering) filled(what string, n int64, f float32) (graph.ValueID, error) {
	const most = 1 << 22 // far above any real number of channels
	if n > most {
		return graph.None, fmt.Errorf("%d channels are more than %d", n, most)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = f
	}
	return l.floats(what, graph.Shape{n}, v), nil
}

func (l *lowering) integers(what string, n []int64) graph.ValueID {
	return l.value(graph.Value{Name: l.unique(l.label + "/" + what), DType: graph.Int64, Shape: graph.Shape{int64(len(n))}, Producer: -1,
		Const: &graph.Const{Int64s: n}})
}

// reshape emits a Reshape; a 0 in target keeps the input's dimension there.
func (l *lowering) reshape(v graph.ValueID, target []int64) (graph.ValueID, error) {
	return l.emit("Reshape", []graph.ValueID{v, l.integers("shape", target)})
}

// unary applies an elementwise operator in whatever layout the tensor has.
func (l *lowering) unary(t *tensor, op string, attrs ...graph.Attr) (*tensor, error) {
	form := t.form()
	v, err := l.emit(op, []graph.ValueID{t.values[form]}, attrs...)
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, form), nil
}

func toInt64(in []int) []int64 {
	out := make([]int64, len(in))
	for i, n := range in {
		out[i] = int64(n)
	}
	return out
}

func intAttr(name string, n int64) graph.Attr {
	return graph.Attr{Name: name, Kind: graph.AttrInt, Int: n}
}

func floatAttr(name string, f float64) graph.Attr {
	return graph.Attr{Name: name, Kind: graph.AttrFloat, Float: float32(f)}
}

func intsAttr(name string, n ...int64) graph.Attr {
	return graph.Attr{Name: name, Kind: graph.AttrInts, Ints: n}
}

func wantRank(t *tensor, rank int) error {
	if len(t.shape) != rank {
		return fmt.Errorf("its input is %s, it needs %d dimensions with the batch", t.shape, rank)
	}
	return nil
}

func wantOne(in []*tensor) (*tensor, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("it is called on %d tensors, it takes one", len(in))
	}
	return in[0], nil
}

func shapesOf(in []*tensor) string {
	s := make([]string, len(in))
	for i, t := range in {
		s[i] = t.shape.String()
	}
	return strings.Join(s, ", ")
}
