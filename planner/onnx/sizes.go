package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"partita/planner/diag"
	"partita/planner/graph"
)

// opening is a dimension that the file leaves open; inputs share those of one name.
type opening struct {
	name    string
	typical [typicalSizes]int64
	batch   bool // it is a first dimension, and nothing but that
}

// typicalSizes is how many sets of typical sizes are tried: a model may need a multiple of some size.
const typicalSizes = 6

// What is taken, for planning, as the size of a dimension that the data decide: of images' sides, of sequences' lengths
// and of batches.
var (
	typicalSides   = [typicalSizes]int64{224, 320, 512, 640, 256, 64}
	typicalLengths = [typicalSizes]int64{128, 64, 16, 8, 1024, 16000} // the last, a second of speech
	typicalOthers  = [typicalSizes]int64{3, 1, 3, 1, 3, 1}
	typicalBatches = [typicalSizes]int64{1, 1, 1, 1, 1, 1}
)

// openings finds the dimensions that the file leaves open and the options do not settle.
func (l *lowering) openings(o Options) error {
	byName := map[string]int{}
	used := l.bind(o)
	var all []string
	for i := range l.inputs {
		p := &l.inputs[i]
		input := fmt.Sprintf("its input %q", shorten(p.name))
		switch {
		case p.kind != "":
			return diag.New(diag.Invalid, "onnx.unsupported-input", doing, input+" is "+p.kind, "export it with tensors as inputs")
		case p.dtype.Size() == 0:
			return diag.New(diag.Invalid, "onnx.unsupported-input", doing, input+" is of type "+typeName(p.dtype), "export it with inputs of numbers")
		case !p.ranks || len(p.dims) > 64:
			return diag.New(diag.Invalid, "onnx.unsupported-input", doing, input+" has no known number of dimensions", "export it with the shapes of its inputs")
		}
		dims := make([]int, len(p.dims))
		for axis := range p.dims {
			d := &p.dims[axis]
			dims[axis] = -1
			place := fmt.Sprintf("%s[%d]", p.name, axis)
			name := d.name
			if name == "" {
				name = place
			}
			if d.size > 0 {
				continue
			}
			all = append(all, shorten(name))
			size, given := o.Dims[name]
			if given {
				used[name] = true
			} else if size, given = o.Dims[place]; given {
				used[place] = true
			}
			if given {
				if size < 1 || size > math.MaxInt32 {
					return diag.New(diag.Usage, "onnx.bad-dimension", doing, fmt.Sprintf("dimension %q is given the size %d", name, size), "give a size of at least 1")
				}
				d.size, d.name = size, ""
				continue
			}
			k, known := byName[name]
			if !known {
				k = len(l.open)
				byName[name] = k
				l.open = append(l.open, opening{name: name, typical: typical(p, axis), batch: true})
			}
			l.open[k].batch = l.open[k].batch && axis == 0
			dims[axis] = k
		}
		l.dims = append(l.dims, dims)
	}
	for name := range o.Dims {
		if !used[name] {
			return diag.New(diag.Usage, "onnx.no-such-dimension", doing, fmt.Sprintf("it leaves no dimension %q open; it leaves open: %s", shorten(name), joined(all)), "use one of these names")
		}
	}
	return nil
}

// single tells whether a tensor is one integer.
func (p *port) single() bool {
	for _, d := range p.dims {
		if d.size != 1 {
			return false
		}
	}
	return p.kind == "" && p.ranks && len(p.dims) <= 1 && (p.dtype == graph.Int64 || p.dtype == graph.Int32)
}

// bind makes constants of the inputs that are single integers and that the options give a value. It tells which.
func (l *lowering) bind(o Options) map[string]bool {
	bound := map[string]bool{}
	var rest []port
	for _, p := range l.inputs {
		value, given := o.Dims[p.name]
		if !given || !p.single() || p.dtype == graph.Int32 && value != int64(int32(value)) {
			rest = append(rest, p)
			continue
		}
		bound[p.name] = true
		t := &Stored{Name: p.name, DType: p.dtype, Shape: graph.Shape{}, raw: appendElement(nil, p.dtype, uint64(value))}
		for range p.dims {
			t.Shape = append(t.Shape, 1)
		}
		l.initializers = append(l.initializers, t)
	}
	if len(bound) > 0 {
		l.inputs = rest
	}
	return bound
}

// typical tells what kind of dimension an open one is. In tensors of four and more dimensions, sides of images come in
// twos, or beside a few channels; others are those of attention's keys and values.
func typical(p *port, axis int) [typicalSizes]int64 {
	rank := len(p.dims)
	few := func(axis int) bool { return p.dims[axis].size > 0 && p.dims[axis].size <= 4 }
	switch {
	case axis == 0:
		return typicalBatches
	case rank < 4:
		return typicalLengths
	case few(rank-1) && !few(1): // channels last
		if axis < rank-1 {
			return typicalSides
		}
		return typicalOthers
	case axis == 1:
		return typicalOthers
	case few(1) && axis == rank-1 || p.dims[rank-1].size <= 0 && p.dims[rank-2].size <= 0:
		return typicalSides
	}
	return typicalLengths
}

// assignment is what the runs take the open sizes to be.
type assignment struct {
	batch bool // the first dimension of every input is the batch
	sizes [][runs]int64
	set   int
}

// otherBatch is the batch size of the second run.
const otherBatch = 3

func (l *lowering) assign(batch bool, set int) *assignment {
	a := &assignment{batch: batch, set: set}
	for i := range l.open {
		n := l.open[i].typical[set]
		other := 2 * n
		if n == 1 {
			other = 3
		}
		if batch && l.open[i].batch {
			a.sizes = append(a.sizes, [runs]int64{1, otherBatch, 1})
		} else {
			a.sizes = append(a.sizes, [runs]int64{n, n, other})
		}
	}
	return a
}

// left lists what stays open, with the sizes of the ordinary run.
func (l *lowering) left(a *assignment) []Dimension {
	var left []Dimension
	for i, o := range l.open {
		if !a.batch || !o.batch {
			left = append(left, Dimension{o.name, a.sizes[i][0]})
		}
	}
	return left
}

// shape gives the shape of an input in a run.
func (l *lowering) shape(a *assignment, input, run int) graph.Shape {
	p := &l.inputs[input]
	s := make(graph.Shape, len(p.dims))
	for axis := range s {
		if k := l.dims[input][axis]; k >= 0 {
			s[axis] = a.sizes[k][run]
		} else {
			s[axis] = p.dims[axis].size
		}
	}
	if a.batch {
		s[0] = [runs]int64{1, otherBatch, 1}[run]
	}
	return s
}

// mayBatch tells whether the inputs look as if their first dimension is the batch: open in all, or one size in all.
func (l *lowering) mayBatch() bool {
	size := int64(-1)
	for i := range l.inputs {
		if len(l.dims[i]) == 0 {
			return false
		}
		n := int64(0)
		if k := l.dims[i][0]; k < 0 {
			n = l.inputs[i].dims[0].size
		} else if !l.open[k].batch {
			return false
		}
		if size >= 0 && n != size {
			return false
		}
		size = n
	}
	return true
}

// errBatch says that the first dimension of the inputs is not a batch, or not one that all results keep apart.
var errBatch = errors.New("the items of a batch are not kept apart")

// attempt finds sizes with which all shapes are known. A first dimension becomes the batch if every operator keeps its
// items apart; otherwise it is a size like others.
func (l *lowering) attempt() (*assignment, error) {
	ways := []bool{false}
	if l.mayBatch() {
		ways = []bool{true, false}
	}
	sets := 1
	if len(l.open) > 0 {
		sets = typicalSizes
	}
	if l.single {
		ways = []bool{false}
	}
	var first []problem
	for _, batch := range ways {
		for set := range sets {
			a := l.assign(batch, set)
			problems := l.walk(a)
			if len(l.decided) > 0 {
				// What is decided without a batch may be otherwise with one.
				l.single = !batch && len(ways) > 1
				return nil, nil
			}
			if len(problems) == 0 {
				return a, nil
			}
			if !batch && first == nil {
				first = problems
			}
			if errors.Is(problems[0].err, errBatch) {
				break
			}
		}
	}
	return nil, l.report(first)
}

// walk thinks the runs through; it gives the nodes that do not work out.
func (l *lowering) walk(a *assignment) []problem {
	for i := range l.inputs {
		t := &l.infos[l.ids[l.inputs[i].name]]
		for r := range runs {
			t.known[r] = &graph.Known{DType: l.inputs[i].dtype, Shape: l.shape(a, i, r)}
			if _, ok := elements(t.known[r].Shape); !ok {
				return []problem{{0, fmt.Errorf("the input %q of shape %s is too large", shorten(t.name), t.known[r].Shape)}}
			}
		}
	}
	var problems []problem
	filled := 0
	for _, i := range l.order {
		n := &l.nodes[i]
		var outs [runs][]graph.Known
		ready, data := true, false
		var err error
		for r := 0; r < runs && ready && err == nil; r++ {
			in := make([]*graph.Known, len(n.Inputs))
			for k, v := range n.Inputs {
				if v == graph.None {
					continue
				}
				in[k] = l.infos[v].known[r]
				ready = ready && in[k] != nil
				data = data || l.infos[v].data
			}
			if ready {
				evaluate := graph.Evaluate
				if filled > maxFilled {
					evaluate = graph.EvaluateShapes
				}
				outs[r], err = evaluate(n, l.Opset, in)
			}
		}
		for _, v := range n.Outputs {
			if v != graph.None {
				l.infos[v].known = [runs]*graph.Known{}
			}
		}
		if !ready {
			// What it reads is not known, which was told; what its operator makes may be another thing to tell.
			if !n.HasRule() && !(n.Op == "If" && n.Domain == "") && l.declared(a, n) == nil {
				problems = append(problems, problem{i, graph.ErrNoRule})
			}
			continue
		}
		if n.Op == "If" && n.Domain == "" {
			if branch := l.condition(n); branch != "" {
				l.decided[l.places[i]] = branch
			} else {
				l.undecided[l.places[i]] = true
				problems = append(problems, problem{i, errCondition})
			}
			continue
		}
		if errors.Is(err, graph.ErrNoRule) || errors.Is(err, graph.ErrDataDecide) {
			if declared := l.declared(a, n); declared != nil {
				outs, err = *declared, nil
			}
		}
		if err == nil && l.source[i].either != "" && !l.alike(a, n) {
			err = errCondition
		}
		if err == nil {
			data = data && n.Op != "Shape" && n.Op != "Size"
			err = l.accept(n, &outs, data, &filled)
		}
		if err == nil && a.batch && data && l.mixes(n) {
			return []problem{{i, errBatch}}
		}
		if err != nil {
			problems = append(problems, problem{i, err})
		}
	}
	if len(problems)+len(l.decided) == 0 && a.batch {
		for name := range l.result {
			t := &l.infos[l.ids[name]]
			if len(t.known[0].Shape) == 0 || !t.isBatch(0) {
				return []problem{{0, errBatch}}
			}
		}
	}
	return problems
}

// accept takes a node's outputs as the runs have them.
func (l *lowering) accept(n *graph.Node, outs *[runs][]graph.Known, data bool, filled *int) error {
	for k, v := range n.Outputs {
		if v == graph.None {
			continue
		}
		t := &l.infos[v]
		all := true
		for r := range runs {
			o := &outs[r][k]
			if len(o.Shape) != len(outs[0][k].Shape) || o.DType != outs[0][k].DType {
				return errors.New("the number of dimensions that it makes is not settled before the model runs")
			}
			if *filled += len(o.Ints) + len(o.Floats); *filled > maxFilled {
				o.Ints, o.Floats, o.Filled = nil, nil, false
			}
			all = all && o.Filled
			t.known[r] = o
		}
		t.data = data && !all
		t.sure = all && l.sure(n, int(v))
		if !all && t.known[0].Shape.Elements(1) == 0 {
			t.known = [runs]*graph.Known{}
			return errors.New("it makes a tensor without elements")
		}
	}
	return nil
}

// errCondition says that it is not known, before the model runs, which branch of an If it takes.
var errCondition = errors.New("its condition is not known before the model runs")

// condition tells which branch of an If runs; "" when that is not known. That all runs take the same branch is not enough:
// the sizes of another might tell otherwise.
func (l *lowering) condition(n *graph.Node) string {
	if len(n.Inputs) != 1 || n.Inputs[0] == graph.None {
		return ""
	}
	t := &l.infos[n.Inputs[0]]
	k := t.known[0]
	if !t.sure || !t.constant() || k.DType != graph.Bool || len(k.Ints) != 1 {
		return ""
	}
	if k.Ints[0] != 0 {
		return thenBranch
	}
	return elseBranch
}

// alike tells whether a Where, in the place of an If, takes one of two tensors of one shape as it is. With a batch, of which an
// If takes one item at a time, it takes one of two for each item.
func (l *lowering) alike(a *assignment, n *graph.Node) bool {
	for r := range runs {
		condition, x, y := l.infos[n.Inputs[0]].known[r], l.infos[n.Inputs[1]].known[r], l.infos[n.Inputs[2]].known[r]
		if !(a.batch && r == 1) && condition.Shape.Elements(1) != 1 || !x.Shape.Equal(y.Shape) {
			return false
		}
		if whole, err := graph.Broadcast(condition.Shape, x.Shape); err != nil || !whole.Equal(x.Shape) {
			return false
		}
		switch x.DType { // those of which ONNX Runtime's Where is
		case graph.Float32, graph.Float64, graph.Int64, graph.Int32, graph.UInt8:
		default:
			return false
		}
	}
	return true
}

// picking names the operators whose elements are some of their inputs', or sizes: where these are the same in all runs,
// no open size has a part in them.
var picking = map[string]bool{"Shape": true, "Size": true, "Gather": true, "Slice": true, "Squeeze": true, "Unsqueeze": true, "Reshape": true, "Identity": true,
	"Concat": true, "Cast": true, "CastLike": true, "Transpose": true, "Flatten": true}

// sure tells whether no open size has a part in the elements of a tensor that a node makes.
func (l *lowering) sure(n *graph.Node, made int) bool {
	if !l.infos[made].constant() {
		return false
	}
	if picking[n.Op] {
		return true
	}
	for _, v := range n.Inputs {
		if v != graph.None && !l.infos[v].sure {
			return false
		}
	}
	return true
}

// declared gives the outputs of a node as the file itself declares them; nil when it does not, or not all of it.
func (l *lowering) declared(a *assignment, n *graph.Node) *[runs][]graph.Known {
	var outs [runs][]graph.Known
	for _, v := range n.Outputs {
		if v == graph.None {
			for r := range runs {
				outs[r] = append(outs[r], graph.Known{})
			}
			continue
		}
		p := l.told[l.infos[v].name]
		if p == nil || p.kind != "" || !p.ranks || p.dtype.Size() == 0 {
			return nil
		}
		for r := range runs {
			s := make(graph.Shape, len(p.dims))
			for axis, d := range p.dims {
				s[axis] = d.size
				if d.size <= 0 {
					k := slices.IndexFunc(l.open, func(o opening) bool { return d.name != "" && o.name == d.name })
					if k < 0 {
						return nil
					}
					s[axis] = a.sizes[k][r]
				}
			}
			if _, ok := elements(s); !ok {
				return nil
			}
			outs[r] = append(outs[r], graph.Known{DType: p.dtype, Shape: s})
		}
	}
	return &outs
}

// isBatch tells whether a dimension is the batch.
func (t *tensorInfo) isBatch(axis int) bool {
	return t.known[0].Shape[axis] == 1 && t.known[1].Shape[axis] == otherBatch && t.known[2].Shape[axis] == 1
}

// settled tells whether a dimension is the same in all runs.
func (t *tensorInfo) settled(axis int) bool {
	d := t.known[0].Shape[axis]
	return t.known[1].Shape[axis] == d && t.known[2].Shape[axis] == d
}

// constant tells whether a tensor's elements are known and the same in all runs.
func (t *tensorInfo) constant() bool {
	for r := range runs {
		k := t.known[r]
		if k == nil || !k.Filled || !k.Shape.Equal(t.known[0].Shape) || !slices.Equal(k.Ints, t.known[0].Ints) {
			return false
		}
		for i, f := range k.Floats {
			if math.Float32bits(f) != math.Float32bits(t.known[0].Floats[i]) {
				return false
			}
		}
	}
	return true
}
