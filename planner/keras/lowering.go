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
	float  *tensor    // itself in float32, once cast
	mask   *tensor    // which steps of time count: 1 or 0, nil when all do
	known  dimensions // its numbers, where they follow from shapes
}

// lowering emits nodes into a graph.
type lowering struct {
	m           *modelConfig
	g           *graph.Graph
	names       map[string]bool // of values and nodes
	numbers     map[string]int  // the next number to make a taken name another
	weights     map[string]graph.ValueID
	stored      map[string][]StoredWeight // by the layer's key
	modelInputs map[string]*tensor        // by name
	calls       map[string]int            // so far, by the layer's key
	runs        int                       // of models within the model
	layer       *layerConfig              // of the current step
	call        *call                     // of the current step
	given       []*tensor                 // what it is called on, in the order of call.args
	masks       bool                      // whether a layer of the model reads masks
	label       string                    // of the current step: the layer's key, and the call when there are several
}

func newLowering(m *modelConfig) *lowering {
	l := &lowering{m: m, g: &graph.Graph{Name: m.name}, names: map[string]bool{}, numbers: map[string]int{}, weights: map[string]graph.ValueID{},
		stored: map[string][]StoredWeight{}, modelInputs: map[string]*tensor{}, calls: map[string]int{}}
	// The names of steps belong to their outputs: no inner value may take one.
	for _, layer := range m.layers {
		l.names[layer.name] = true
	}
	if m.input != nil {
		l.names[m.input.name] = true
	}
	return l
}

// beginStep opens a step that reads the outputs of other steps.
func (l *lowering) beginStep(layer *layerConfig, inputs []int) error {
	if len(l.g.Layers) >= maxSteps {
		return tooLarge("it has more than %d steps, counting every call of every layer", maxSteps)
	}
	key := layer.id()
	l.layer, l.label = layer, key
	l.calls[key]++
	if n := l.calls[key]; n > 1 {
		l.label = l.unique(key + "@" + strconv.Itoa(n))
	} else if key != layer.name {
		l.label = l.unique(key) // those of the outermost model are taken from the start
	}
	l.g.Layers = append(l.g.Layers, graph.Layer{Name: key, Class: layer.class, Inputs: inputs,
		FirstNode: len(l.g.Nodes), LastNode: len(l.g.Nodes)})
	return nil
}

// endStep closes a step with its outputs: one that the step passed through gets an Identity, outputs of the whole model
// (wanted) are brought into the source's layout, and the values that leave the step take its name.
func (l *lowering) endStep(outputs []*tensor, wanted func(k int) bool) error {
	index := len(l.g.Layers) - 1
	layer := &l.g.Layers[index]
	named := map[graph.ValueID]bool{}
	for k, t := range outputs {
		if t.step != index {
			form := t.form()
			v, err := l.emit("Identity", []graph.ValueID{t.values[form]})
			if err != nil {
				return err
			}
			t = l.passed(t, v, form)
			outputs[k] = t
		}
		form := t.form()
		if wanted(k) {
			form = asSource
			if _, err := l.as(t, asSource); err != nil {
				return err
			}
		}
		if v := t.values[form]; !named[v] {
			named[v] = true
			name := l.label
			if k > 0 {
				name = l.unique(l.label + ":" + strconv.Itoa(k))
			}
			l.g.Values[v].Name = name
		}
	}
	layer.Output = outputs[0].shape
	layer.LastNode = len(l.g.Nodes)
	if l.calls[l.layer.id()] == 1 {
		for _, w := range l.stored[l.layer.id()] {
			layer.Parameters += w.Shape.Elements(1)
		}
	}
	return nil
}

// passed is a tensor that the current step only passes on.
func (l *lowering) passed(t *tensor, v graph.ValueID, form layout) *tensor {
	same := *t
	same.step, same.float = len(l.g.Layers)-1, nil
	same.values = [layouts]graph.ValueID{graph.None, graph.None}
	same.values[form] = v
	return &same
}

func (l *lowering) input(in *inputConfig) *tensor {
	id := l.value(graph.Value{Name: in.name, DType: in.dtype, Shape: in.shape, Producer: -1})
	t := &tensor{shape: in.shape, step: len(l.g.Layers) - 1, values: [layouts]graph.ValueID{graph.None, graph.None}}
	t.values[asSource] = id
	l.modelInputs[in.name] = t
	return t
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
		t.float.mask = t.mask
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
	out, err := l.emitSeveral(op, 1, inputs, attrs...)
	if err != nil {
		return graph.None, err
	}
	return out[0], nil
}

// emitSeveral adds a node and gives its first outputs.
func (l *lowering) emitSeveral(op string, outputs int, inputs []graph.ValueID, attrs ...graph.Attr) ([]graph.ValueID, error) {
	if len(l.g.Nodes) >= maxNodes {
		return nil, tooLarge("its layers take more than %d ONNX operators", maxNodes)
	}
	name := l.unique(l.label + "/" + op)
	layer := len(l.g.Layers) - 1
	n := graph.Node{Op: op, Name: name, Layer: layer, Inputs: inputs, Outputs: make([]graph.ValueID, outputs), Attrs: attrs}
	out, err := graph.Infer(l.g, &n)
	if err != nil {
		return nil, err
	}
	for k, o := range out {
		value := name
		if k > 0 {
			value = l.unique(name + ":" + strconv.Itoa(k))
		}
		n.Outputs[k] = l.value(graph.Value{Name: value, DType: o.DType, Shape: o.Shape, Producer: len(l.g.Nodes)})
	}
	l.g.Nodes = append(l.g.Nodes, n)
	return n.Outputs, nil
}

func (l *lowering) value(v graph.Value) graph.ValueID {
	l.g.Values = append(l.g.Values, v)
	return graph.ValueID(len(l.g.Values) - 1)
}

func (l *lowering) unique(name string) string {
	candidate := name
	for n := max(2, l.numbers[name]); l.names[candidate]; n++ {
		candidate = name + "_" + strconv.Itoa(n)
		l.numbers[name] = n + 1
	}
	l.names[candidate] = true
	return candidate
}

// weight refers to a stored tensor of the current layer. The first call of the layer declares its weights, which must
// be in the order of Keras's layer.weights.
func (l *lowering) weight(name string, stored graph.Shape, perm []int, shape graph.Shape) (graph.ValueID, error) {
	return l.weightInBlocks(name, stored, perm, nil, shape)
}

// weightInBlocks is weight for a stored tensor whose blocks change places.
func (l *lowering) weightInBlocks(name string, stored graph.Shape, perm, blocks []int, shape graph.Shape) (graph.ValueID, error) {
	key := l.layer.id() + "/" + name
	if err := l.declare(name, stored); err != nil {
		return graph.None, err
	}
	memo := fmt.Sprint(key, perm, blocks, shape)
	if id, ok := l.weights[memo]; ok {
		return id, nil
	}
	id := l.value(graph.Value{Name: l.unique(key), DType: graph.Float32, Shape: shape, Producer: -1,
		Weight: &graph.Weight{Key: key, Stored: stored, Perm: perm, Blocks: blocks}})
	l.weights[memo] = id
	return id, nil
}

// declare lists a stored tensor of the current layer, used by a node or not.
func (l *lowering) declare(name string, stored graph.Shape) error {
	if err := stored.Check(); err != nil {
		return fmt.Errorf("weight %s: %w", name, err)
	}
	key := l.layer.id() + "/" + name
	for _, w := range l.stored[l.layer.id()] {
		if w.Key == key {
			if !w.Shape.Equal(stored) {
				return fmt.Errorf("weight %s would be %s in one call and %s in another", name, w.Shape, stored)
			}
			return nil
		}
	}
	l.stored[l.layer.id()] = append(l.stored[l.layer.id()], StoredWeight{Key: key, Name: name, Shape: stored, Frozen: l.layer.frozen(name)})
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
