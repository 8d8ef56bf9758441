package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
)

// Options settle what a file leaves open.
type Options struct {
	// Dims gives sizes to dimensions that the file only names. A dimension without a name is known by its input and axis, as in
	// "x[2]".
	Dims map[string]int64
}

// Lowered is a file as a graph.
type Lowered struct {
	Graph    *graph.Graph
	Stripped []byte   // the file without the numbers of its large tensors, dimensions settled: the same for the same model
	Notes    []string // what is different from the file, for people: outputs that another tensor stands for
	Open     []Dimension
}

// Dimension is one that the file leaves open and no option settled, other than the batch.
type Dimension struct {
	Name string // as in Options
	Size int64  // that is taken for planning
}

// runs is how many runs of the model are thought through at once: an ordinary one, one with another batch size and one
// with other sizes of everything else that the file leaves open. A size that differs between runs is not settled before
// the model runs.
const runs = 3

// maxFilled bounds the elements that are tracked in all.
const maxFilled = 1 << 17

// tensorInfo is one tensor of the file while it is lowered.
type tensorInfo struct {
	name   string
	stored *Stored // of initializers and Constants
	input  bool
	made   int // the node that makes it; -1: none
	known  [runs]*graph.Known
	data   bool // its elements depend on those of the model's inputs
	sure   bool // its elements are known and no size that the file leaves open has a part in them
}

// lowering turns a file into a graph.
type lowering struct {
	*File
	open   []opening // the dimensions that the file leaves open
	dims   [][]int   // per input and axis: the opening, or -1
	infos  []tensorInfo
	ids    map[string]int
	nodes  []graph.Node // of the file, Inputs and Outputs indexing infos; Constants left out
	source []*fileNode
	places []int // of source in the file
	order  []int // of nodes
	told   map[string]*port
	result map[string]bool // outputs of the model

	decided   map[int]string // the Ifs of which the condition is known, by their index in the file: the branch
	undecided map[int]bool   // the others that were come to
	eithers   []string       // of those, as people call them, both branches are computed
	single    bool           // a branch was chosen that a batch may not take
}

// Lower turns the file into a graph.
func (f *File) Lower(o Options) (*Lowered, error) {
	notes, err := f.settleOutputs()
	if err != nil {
		return nil, err
	}
	l := &lowering{File: f}
	l.prune()
	if err := l.checkTypes(); err != nil {
		return nil, err
	}
	if err := l.openings(o); err != nil {
		return nil, err
	}
	a, err := l.settleBranches()
	if err != nil {
		return nil, err
	}
	g, err := l.emit(a)
	if err != nil {
		return nil, err
	}
	return &Lowered{Graph: g, Stripped: f.strip(l), Notes: notes, Open: l.left(a)}, nil
}

// maxSteps bounds the nodes that are looked at, again after each choice of branches.
const maxSteps = 2_000_000

// settleBranches works out the sizes, and puts the branches that run in the place of their Ifs.
func (l *lowering) settleBranches() (*assignment, error) {
	for steps := 0; ; {
		if steps += len(l.File.nodes); steps > maxSteps {
			return nil, tooLarge("its conditions depend on each other many times over")
		}
		l.prune()
		if err := l.settleAttributes(); err != nil {
			return nil, err
		}
		l.prune() // what turned results that nothing needs
		l.ids, l.told, l.result = map[string]int{}, map[string]*port{}, map[string]bool{}
		l.decided, l.undecided = map[int]string{}, map[int]bool{}
		if err := l.collect(); err != nil {
			return nil, err
		}
		if err := l.sort(); err != nil {
			return nil, err
		}
		a, err := l.attempt()
		switch {
		case len(l.decided) > 0:
			err = l.choose(l.decided)
		case len(l.undecided) > 0:
			for i := range l.undecided {
				l.eithers = append(l.eithers, fmt.Sprintf("%s (If)", shorten(l.File.nodes[i].label())))
			}
			err = l.both(l.undecided)
		default:
			return a, err
		}
		if err != nil {
			return nil, err
		}
	}
}

// add makes a tensor known by its name.
func (l *lowering) add(t tensorInfo) int {
	l.ids[t.name] = len(l.infos)
	l.infos = append(l.infos, t)
	return len(l.infos) - 1
}

// optionalOutputs names the operators whose last outputs may be left out.
var optionalOutputs = map[string]bool{"MaxPool": true, "Dropout": true, "BatchNormalization": true, "LSTM": true, "GRU": true, "RNN": true,
	"LayerNormalization": true, "SkipLayerNormalization": true, "SkipSimplifiedLayerNormalization": true, "EmbedLayerNormalization": true, "SimplifiedLayerNormalization": true}

// collect lists the tensors and nodes.
func (l *lowering) collect() error {
	stored, made := l.tensors(), 0
	for i := range l.File.nodes {
		made += len(l.File.nodes[i].outputs)
	}
	// Room for all at once: growing would take it several times over.
	l.infos = make([]tensorInfo, 0, len(stored)+len(l.inputs)+made)
	l.nodes, l.source, l.places = make([]graph.Node, 0, len(l.File.nodes)), make([]*fileNode, 0, len(l.File.nodes)), make([]int, 0, len(l.File.nodes))
	for _, t := range stored {
		k := t.known()
		l.add(tensorInfo{name: t.Name, stored: t, made: -1, sure: k.Filled, known: [runs]*graph.Known{k, k, k}})
	}
	for i := range l.inputs {
		l.add(tensorInfo{name: l.inputs[i].name, input: true, made: -1, data: true})
	}
	read := map[string]bool{}
	for i := range l.File.nodes {
		for _, name := range l.File.nodes[i].inputs {
			read[name] = true
		}
	}
	for i := range l.outputs {
		p := &l.outputs[i]
		l.result[p.name], l.told[p.name] = true, p
	}
	for i := range l.values {
		if p := &l.values[i]; p.kind == "" {
			l.told[p.name] = p
		}
	}
	for i := range l.File.nodes {
		n := &l.File.nodes[i]
		if n.op == "Constant" && n.domain == "" {
			if n.constant == nil {
				t, err := n.literal()
				if err != nil {
					return err
				}
				k := t.known()
				l.add(tensorInfo{name: t.Name, stored: t, made: -1, sure: k.Filled, known: [runs]*graph.Known{k, k, k}})
			}
			continue
		}
		outputs := n.outputs
		for optionalOutputs[n.op] && len(outputs) > 1 && !read[outputs[len(outputs)-1]] && !l.result[outputs[len(outputs)-1]] {
			outputs = outputs[:len(outputs)-1]
		}
		node := graph.Node{Op: n.op, Domain: n.domain, Name: n.name, Attrs: n.attrs}
		for _, name := range outputs {
			id := int(graph.None)
			if name != "" {
				id = l.add(tensorInfo{name: name, made: len(l.nodes)})
			}
			node.Outputs = append(node.Outputs, graph.ValueID(id))
		}
		l.nodes, l.source, l.places = append(l.nodes, node), append(l.source, n), append(l.places, i)
	}
	for i, n := range l.source {
		for _, name := range n.inputs {
			id := int(graph.None)
			if name != "" {
				var ok bool
				if id, ok = l.ids[name]; !ok {
					return malformed(fmt.Sprintf("node %q (%s) reads %q, which nothing makes", shorten(n.name), n.op, shorten(name)))
				}
			}
			l.nodes[i].Inputs = append(l.nodes[i].Inputs, graph.ValueID(id))
		}
		// Trailing inputs left out are the same as none.
		for in := l.nodes[i].Inputs; len(in) > 0 && in[len(in)-1] == graph.None; in = in[:len(in)-1] {
			l.nodes[i].Inputs = in[:len(in)-1]
		}
	}
	return nil
}

// literal gives the value of a Constant that is an attribute other than a tensor.
func (n *fileNode) literal() (*Stored, error) {
	t := &Stored{Name: n.outputs[0], raw: []byte{}}
	put := func(d graph.DType, list bool, values ...uint64) {
		t.DType = d
		if list {
			t.Shape = graph.Shape{int64(len(values))}
		} else {
			t.Shape = graph.Shape{}
		}
		for _, v := range values {
			t.raw = appendElement(t.raw, d, v)
		}
	}
	for i := range n.attrs {
		a := &n.attrs[i]
		switch a.Name {
		case "value_int":
			put(graph.Int64, false, uint64(a.Int))
		case "value_ints":
			put(graph.Int64, true, words(a.Ints)...)
		case "value_float":
			put(graph.Float32, false, bitsOf(a.Float)...)
		case "value_floats":
			put(graph.Float32, true, bitsOf(a.Floats...)...)
		}
	}
	if t.DType == 0 {
		return nil, diag.New(diag.Invalid, "onnx.unsupported-tensor", doing, fmt.Sprintf("the Constant that makes %q holds no tensor of numbers", shorten(t.Name)), "export the model with weights of numbers")
	}
	return t, nil
}

// sort puts the nodes in an order in which each comes after those it reads: that of the file, where it is one.
func (l *lowering) sort() error {
	l.order = make([]int, 0, len(l.nodes))
	waits := make([]int, len(l.nodes))
	readers := make([][]int, len(l.nodes))
	for i := range l.nodes {
		for _, v := range l.nodes[i].Inputs {
			if v != graph.None && l.infos[v].made >= 0 {
				readers[l.infos[v].made] = append(readers[l.infos[v].made], i)
				waits[i]++
			}
		}
	}
	var ready heap
	for i := range waits {
		if waits[i] == 0 {
			ready.push(i)
		}
	}
	for len(ready) > 0 {
		i := ready.pop()
		l.order = append(l.order, i)
		for _, r := range readers[i] {
			if waits[r]--; waits[r] == 0 {
				ready.push(r)
			}
		}
	}
	if len(l.order) < len(l.nodes) {
		var stuck []string
		for i := range waits {
			if waits[i] > 0 && len(stuck) < 5 {
				stuck = append(stuck, l.label(i))
			}
		}
		return diag.New(diag.Invalid, "onnx.cycle", doing, fmt.Sprintf("%d nodes wait for each other: %s...", len(l.nodes)-len(l.order), strings.Join(stuck, ", ")),
			"export the model again: no model that runs has cycles")
	}
	return nil
}

// label names a node for people.
func (l *lowering) label(i int) string {
	n := l.source[i]
	if n.either != "" {
		return fmt.Sprintf("%s (If)", shorten(n.either))
	}
	op := n.op
	if n.domain != "" {
		op = n.domain + "." + op
	}
	return fmt.Sprintf("%s (%s)", shorten(n.label()), shorten(op))
}

// heap is a min-heap of indices.
type heap []int

func (h *heap) push(x int) {
	*h = append(*h, x)
	for i := len(*h) - 1; i > 0 && (*h)[(i-1)/2] > (*h)[i]; i = (i - 1) / 2 {
		(*h)[(i-1)/2], (*h)[i] = (*h)[i], (*h)[(i-1)/2]
	}
}

func (h *heap) pop() int {
	old := *h
	top, n := old[0], len(old)-1
	old[0] = old[n]
	*h = old[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			return top
		}
		if c+1 < n && old[c+1] < old[c] {
			c++
		}
		if old[i] <= old[c] {
			return top
		}
		old[i], old[c] = old[c], old[i]
		i = c
	}
}

// problem is a node whose outputs cannot be told.
type problem struct {
	node int
	err  error
}

// report tells all problems in one error. What is unknown comes before what may follow from it.
func (l *lowering) report(problems []problem) error {
	var unknown, dependent, bad []string
	conditions := slices.Sorted(slices.Values(l.eithers))
	for _, p := range problems {
		switch {
		case errors.Is(p.err, errCondition):
			// It is among those of which both branches are computed.
		case errors.Is(p.err, graph.ErrNoRule):
			unknown = append(unknown, l.label(p.node))
		case errors.Is(p.err, graph.ErrDataDecide):
			dependent = append(dependent, l.label(p.node))
		default:
			bad = append(bad, l.label(p.node)+": "+p.err.Error())
		}
	}
	sized := l.settleable()
	all := append(append(prefixed("no shape rule for ", unknown), prefixed("the data decide the output of ", dependent)...), prefixed("not known before it runs: the condition of ", conditions)...)
	all = append(all, bad...)
	switch {
	case len(conditions) > 0:
		// Whatever else is wrong may be so in a branch that never runs.
		return diag.New(diag.Invalid, "onnx.control-flow", doing, fmt.Sprintf("%d of its nodes run one of two graphs as the data or open sizes tell, and the two do not make tensors of the same shapes", len(conditions)),
			"export the model with tracing, so that it has no such conditions (torch.onnx.export of the module itself, not of a script); "+sized).With(clip(all)...)
	case len(unknown) > 0:
		return diag.New(diag.Invalid, "onnx.unknown-operator", doing, fmt.Sprintf("the shapes that %d of its operators make are not known", len(unknown)),
			"write the shapes into the file (onnx.shape_inference.infer_shapes), or export the model with other operators").With(clip(all)...)
	case len(dependent) > 0:
		return diag.New(diag.Invalid, "onnx.data-dependent-shape", doing, fmt.Sprintf("the shapes that %d of its operators make depend on the data", len(dependent)),
			"leave such operators (selecting, suppressing) out of the exported model and do that work after it; "+sized).With(clip(all)...)
	}
	return diag.New(diag.Invalid, "onnx.bad-node", doing, fmt.Sprintf("%d of its operators do not fit what they are given", len(bad)), sized).With(clip(all)...)
}

// settleable says what options may settle.
func (l *lowering) settleable() string {
	var sizes, values []string
	for _, o := range l.open {
		sizes = append(sizes, shorten(o.name))
	}
	for i := range l.inputs {
		if l.inputs[i].single() {
			values = append(values, fmt.Sprintf("%q", shorten(l.inputs[i].name)))
		}
	}
	var all []string
	if len(sizes) > 0 {
		all = append(all, "settle the sizes that it leaves open ("+joined(sizes)+")")
	}
	if len(values) > 0 {
		all = append(all, "give its input "+joined(values)+" a value")
	}
	if len(all) == 0 {
		return "if it leaves sizes open, settle them with --dim NAME=SIZE,..."
	}
	return strings.Join(all, ", or ") + ", with --dim NAME=SIZE,..."
}

func prefixed(prefix string, list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = prefix + out[i]
	}
	return out
}
