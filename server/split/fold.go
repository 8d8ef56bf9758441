package split

import (
	"fmt"
	"math"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/weights"
)

// maxFoldChannels bounds the memory of a fold: its four vectors are held whole. No known network comes near it.
const maxFoldChannels = 1 << 20

// fold is a batch normalization merged into the linear operator before it. With
//
//	factor = gamma / sqrt(variance + epsilon)
//
// per output channel, the kernel becomes kernel * factor and the bias (bias - mean) * factor + beta (Ioffe and Szegedy,
// "Batch Normalization", 2015, section 3.1, at inference). The factor and the bias are computed in float64 and rounded
// once; the kernel is multiplied in float32, which adds half a unit in the last place to what its storage loses anyway.
type fold struct {
	gamma, beta, mean, variance vector
	bias                        *vector // of the linear operator; nil: none
	epsilon                     float64
	channels                    int64
	axis                        int // of the kernel: its output channels
	kernelName, biasName        string
}

// vector is where a per-channel vector's numbers come from.
type vector struct {
	weight *graph.Weight
	values []float32
}

func (f *fold) biasTensor() tensor {
	return tensor{name: f.biasName, dtype: graph.Float32, shape: graph.Shape{f.channels}, fold: f}
}

// change is what folding does to one node.
type change struct {
	fold     *fold
	kernel   bool // input 1 becomes the scaled kernel
	bias     bool // input biasSlot becomes the computed bias
	biasSlot int
	op       string // the node becomes this operator on its first input and the bias
	output   string // the node's output gets this name
}

// folds says which nodes of a subgraph change and which disappear.
type folds struct {
	change map[int]*change
	drop   map[int]bool
}

// candidate is a batch normalization that could be folded.
type candidate struct {
	norm   int // the BatchNormalization node
	linear int // the node with the kernel
	add    int // the node that adds the bias; -1: the linear node itself does or there is none
	slot   int // of the bias in the node that takes it
	kernel graph.ValueID
	fold   *fold
	params string // the identities of everything the fold depends on but the kernel
}

// findFolds finds the batch normalizations to fold: those that follow a Conv, Gemm, MatMul or MatMul and Add of the same
// stage, whose input is used nowhere else and does not leave the stage. A kernel that several nodes share is folded only
// if all of them agree, so that it is never shipped twice.
func findFolds(g *graph.Graph, sub *graph.Subgraph) *folds {
	m := &matcher{g: g, sub: sub, uses: map[graph.ValueID]int{}}
	sharers := map[string]int{}
	for i := sub.FirstNode; i < sub.LastNode; i++ {
		for _, v := range g.Nodes[i].Inputs {
			if v == graph.None {
				continue
			}
			m.uses[v]++
			if w := g.Value(v); w.Weight != nil {
				sharers[identity(w)]++
			}
		}
	}
	for _, v := range sub.Outputs {
		m.uses[v]++
	}
	var found []*candidate
	agree := map[string]int{} // how many candidates have a kernel and parameters
	for i := sub.FirstNode; i < sub.LastNode; i++ {
		if c := m.match(i); c != nil {
			found = append(found, c)
			agree[identity(g.Value(c.kernel))+c.params]++
		}
	}

	f := &folds{change: map[int]*change{}, drop: map[int]bool{}}
	names := map[string]bool{}
	for i := range g.Values {
		names[g.Values[i].Name] = true
	}
	unique := func(name string) string {
		for names[name] {
			name += "_"
		}
		names[name] = true
		return name
	}
	merged := map[string]*fold{}
	for _, c := range found {
		kernel := g.Value(c.kernel)
		id := identity(kernel)
		key := id + c.params
		if agree[key] != sharers[id] {
			continue
		}
		if merged[key] == nil {
			c.fold.kernelName = unique(kernel.Name + "/folded")
			c.fold.biasName = unique(g.Nodes[c.norm].Name + "/folded_bias")
			merged[key] = c.fold
		}
		f.apply(g, c, merged[key])
	}
	return f
}

func (f *folds) apply(g *graph.Graph, c *candidate, merged *fold) {
	output := g.Value(g.Nodes[c.norm].Outputs[0]).Name
	linear := &change{fold: merged, kernel: true}
	f.change[c.linear] = linear
	switch {
	case c.add >= 0:
		f.change[c.add] = &change{fold: merged, bias: true, biasSlot: c.slot, output: output}
		f.drop[c.norm] = true
	case g.Nodes[c.linear].Op == "MatMul":
		// MatMul has no place for a bias: the normalization becomes the addition of it.
		f.change[c.norm] = &change{fold: merged, bias: true, biasSlot: 1, op: "Add"}
	default:
		linear.bias, linear.biasSlot, linear.output = true, c.slot, output
		f.drop[c.norm] = true
	}
}

type matcher struct {
	g    *graph.Graph
	sub  *graph.Subgraph
	uses map[graph.ValueID]int // by nodes of the stage, and as its output
}

// inner finds the node of the stage that makes a value which nothing else uses; -1 when there is none.
func (m *matcher) inner(v graph.ValueID) int {
	if v == graph.None || m.uses[v] != 1 {
		return -1
	}
	p := m.g.Value(v).Producer
	if p < m.sub.FirstNode || p >= m.sub.LastNode || !m.g.Value(v).Computed() {
		return -1
	}
	return p
}

func (m *matcher) match(norm int) *candidate {
	n := &m.g.Nodes[norm]
	if n.Op != "BatchNormalization" || n.Domain != "" || len(n.Inputs) != 5 || len(n.Outputs) != 1 {
		return nil
	}
	if a := n.Attr("training_mode"); a != nil && a.Int != 0 {
		return nil
	}
	c := m.linear(n.Inputs[0])
	if c == nil {
		return nil
	}
	c.norm = norm
	kernel := m.g.Value(c.kernel)
	if kernel.Weight == nil || kernel.DType != graph.Float32 || c.fold.axis >= len(kernel.Shape) {
		return nil
	}
	c.fold.channels = kernel.Shape[c.fold.axis]
	if c.fold.channels < 1 || c.fold.channels > maxFoldChannels {
		return nil
	}
	if c.fold.bias != nil {
		taker := c.linear
		if c.add >= 0 {
			taker = c.add
		}
		v := m.g.Nodes[taker].Inputs[c.slot]
		if !m.vector(v, c.fold.channels, c.fold.bias) {
			return nil
		}
		c.params += m.name(v)
	}
	for k, v := range []*vector{&c.fold.gamma, &c.fold.beta, &c.fold.mean, &c.fold.variance} {
		if !m.vector(n.Inputs[k+1], c.fold.channels, v) {
			return nil
		}
		c.params += m.name(n.Inputs[k+1])
	}
	epsilon := float32(1e-5) // the operator's default
	if a := n.Attr("epsilon"); a != nil {
		epsilon = a.Float
	}
	c.fold.epsilon = float64(epsilon)
	c.params += fmt.Sprintf("|%g|%d", epsilon, c.fold.axis)
	return c
}

// linear recognises the operator that makes x. Gemm and MatMul count only on matrices, where the output channels are
// the axis that BatchNormalization normalizes.
func (m *matcher) linear(x graph.ValueID) *candidate {
	p := m.inner(x)
	if p < 0 {
		return nil
	}
	n := &m.g.Nodes[p]
	if n.Domain != "" {
		return nil
	}
	c := &candidate{linear: p, add: -1, fold: &fold{}}
	matrix := len(m.g.Value(x).Shape) == 2
	switch {
	case n.Op == "Conv" && len(n.Inputs) >= 2:
		c.kernel, c.fold.axis, c.slot = n.Inputs[1], 0, 2
	case n.Op == "Gemm" && len(n.Inputs) >= 2 && matrix:
		// y = alpha A B + beta C: any alpha, but a bias that is added as it is.
		if a := n.Attr("beta"); a != nil && a.Float != 1 {
			return nil
		}
		c.kernel, c.fold.axis, c.slot = n.Inputs[1], 1, 2
		if a := n.Attr("transB"); a != nil && a.Int != 0 {
			c.fold.axis = 0
		}
	case n.Op == "MatMul" && matrix:
		c.kernel, c.fold.axis, c.slot = n.Inputs[1], 1, 1
		if len(m.g.Value(c.kernel).Shape) != 2 {
			return nil
		}
		return c
	case n.Op == "Add" && matrix:
		for slot, v := range n.Inputs {
			other := n.Inputs[1-slot]
			if m.g.Value(v).Computed() || !m.g.Value(other).Computed() {
				continue
			}
			q := m.inner(other)
			if q < 0 || m.g.Nodes[q].Op != "MatMul" || m.g.Nodes[q].Domain != "" {
				return nil
			}
			inner := m.linear(other)
			if inner == nil {
				return nil
			}
			inner.add, inner.slot, inner.fold.bias = p, slot, &vector{}
			return inner
		}
		return nil
	default:
		return nil
	}
	if len(n.Inputs) > 2 && n.Inputs[2] != graph.None {
		c.fold.bias = &vector{}
	}
	return c
}

// vector takes a value as a vector of so many float32; false when it is none.
func (m *matcher) vector(v graph.ValueID, channels int64, into *vector) bool {
	if v == graph.None {
		return false
	}
	value := m.g.Value(v)
	if value.DType != graph.Float32 || len(value.Shape) != 1 || value.Shape[0] != channels || value.Computed() {
		return false
	}
	if value.Weight != nil {
		into.weight = value.Weight
		return true
	}
	into.values = value.Const.Float32s
	return int64(len(into.values)) == channels
}

// name identifies a vector's numbers.
func (m *matcher) name(v graph.ValueID) string {
	value := m.g.Value(v)
	if value.Weight != nil {
		return "|w " + identity(value)
	}
	return fmt.Sprintf("|c %d", v)
}

// numbers computes the factors per channel and the folded bias.
func (f *fold) numbers(src weights.Source) (factors, bias []float32, err error) {
	read := func(v *vector) []float32 {
		if err != nil {
			return nil
		}
		if v.weight == nil {
			return v.values
		}
		values := make([]float32, f.channels)
		var t weights.Tensor
		if t, err = storedTensor(src, v.weight, f.channels); err == nil {
			err = t.ReadFloat32s(values, 0)
		}
		return values
	}
	gamma, beta, mean, variance := read(&f.gamma), read(&f.beta), read(&f.mean), read(&f.variance)
	old := make([]float32, f.channels)
	if f.bias != nil {
		old = read(f.bias)
	}
	if err != nil {
		return nil, nil, err
	}
	factors = make([]float32, f.channels)
	bias = make([]float32, f.channels)
	for c := range factors {
		factor := float64(gamma[c]) / math.Sqrt(float64(variance[c])+f.epsilon)
		factors[c] = float32(factor)
		bias[c] = float32(float64((float64(old[c])-float64(mean[c]))*factor) + float64(beta[c]))
	}
	return factors, bias, nil
}

// storedTensor finds a stored tensor, or the part of it that a weight takes, and makes sure that it has the elements the
// graph counts on.
func storedTensor(src weights.Source, w *graph.Weight, elements int64) (weights.Tensor, error) {
	t, err := src.Tensor(w.Key)
	if err != nil {
		return nil, err
	}
	if got := t.Shape(); got.Elements(1) != w.Stored.Elements(1) || w.Taken().Elements(1) != elements {
		return nil, diag.New(diag.Invalid, "split.weight-shape", "packing the weight "+w.Key,
			fmt.Sprintf("it is stored as %v, the model implies %v (%d elements)", got, w.Stored, elements),
			"give the weights file that belongs to this model")
	}
	if w.Part != nil {
		return newPart(t, w), nil
	}
	return t, nil
}
