package split

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/weights"
)

// memory is a weights.Source of random tensors, made for the graphs of these tests.
type memory map[string]*stored

type stored struct {
	shape graph.Shape
	data  []float32
	reads int
}

var _ weights.Source = memory{}

func (m memory) Tensor(key string) (weights.Tensor, error) {
	if t, ok := m[key]; ok {
		return t, nil
	}
	return nil, diag.New(diag.Invalid, "weights.missing", "reading a weight", key+" is absent", "")
}

func (s *stored) DType() graph.DType { return graph.Float32 }
func (s *stored) Shape() graph.Shape { return s.shape }
func (s *stored) ReadFloat32s(dst []float32, offset int64) error {
	s.reads++
	if copy(dst, s.data[offset:]) != len(dst) {
		return fmt.Errorf("read past the end")
	}
	return nil
}

// model builds a graph layer by layer.
type model struct {
	t   testing.TB
	g   *graph.Graph
	src memory
	rng *rand.Rand
}

func newModel(t testing.TB, name string) *model {
	return &model{t: t, g: &graph.Graph{Name: name}, src: memory{}, rng: rand.New(rand.NewPCG(1, 2))}
}

func (m *model) value(v graph.Value) graph.ValueID {
	if v.DType == 0 {
		v.DType = graph.Float32
	}
	m.g.Values = append(m.g.Values, v)
	return graph.ValueID(len(m.g.Values) - 1)
}

func (m *model) layer(name string) {
	n := len(m.g.Nodes)
	m.g.Layers = append(m.g.Layers, graph.Layer{Name: name, FirstNode: n, LastNode: n})
}

func (m *model) input(name string, shape ...int64) graph.ValueID {
	m.layer(name)
	v := m.value(graph.Value{Name: name, Shape: append(graph.Shape{graph.Batch}, shape...), Producer: -1})
	m.g.Inputs = append(m.g.Inputs, graph.Port{Name: name, Value: v})
	return v
}

// weight makes a stored tensor of random numbers around middle.
func (m *model) weight(key string, middle float32, perm []int, storedShape, shape graph.Shape) graph.ValueID {
	if m.src[key] == nil {
		s := &stored{shape: storedShape, data: make([]float32, storedShape.Elements(1))}
		for i := range s.data {
			s.data[i] = middle + float32(m.rng.NormFloat64())*0.2
		}
		m.src[key] = s
	}
	return m.value(graph.Value{Name: key, Shape: shape, Producer: -1, Weight: &graph.Weight{Key: key, Stored: storedShape, Perm: perm}})
}

func (m *model) vector(key string, middle float32, n int64) graph.ValueID {
	return m.weight(key, middle, nil, graph.Shape{n}, graph.Shape{n})
}

// node adds a node to the last layer.
func (m *model) node(op string, shape graph.Shape, attrs []graph.Attr, inputs ...graph.ValueID) graph.ValueID {
	l := len(m.g.Layers) - 1
	name := fmt.Sprintf("%s/%d", m.g.Layers[l].Name, len(m.g.Nodes)-m.g.Layers[l].FirstNode)
	out := m.value(graph.Value{Name: name + ":0", Shape: shape, Producer: len(m.g.Nodes)})
	m.g.Nodes = append(m.g.Nodes, graph.Node{Op: op, Name: name, Layer: l, Inputs: inputs, Outputs: []graph.ValueID{out}, Attrs: attrs})
	m.g.Layers[l].LastNode = len(m.g.Nodes)
	return out
}

func (m *model) shape(v graph.ValueID) graph.Shape { return m.g.Value(v).Shape }

func ints(name string, v ...int64) graph.Attr {
	return graph.Attr{Name: name, Kind: graph.AttrInts, Ints: v}
}

func integer(name string, v int64) graph.Attr {
	return graph.Attr{Name: name, Kind: graph.AttrInt, Int: v}
}

// conv adds a convolution of stride 1 that keeps the size, with a Keras kernel (H, W, I, O).
func (m *model) conv(name string, x graph.ValueID, k, out int64, bias bool) graph.ValueID {
	m.layer(name)
	s := m.shape(x)
	in := []graph.ValueID{x, m.weight(name+"/kernel", 0, []int{3, 2, 0, 1}, graph.Shape{k, k, s[1], out}, graph.Shape{out, s[1], k, k})}
	if bias {
		in = append(in, m.vector(name+"/bias", 0, out))
	}
	p := k / 2
	return m.node("Conv", graph.Shape{s[0], out, s[2], s[3]}, []graph.Attr{ints("kernel_shape", k, k), ints("pads", p, p, p, p)}, in...)
}

// depthwise adds a depthwise convolution with a Keras kernel (H, W, C, M).
func (m *model) depthwise(name string, x graph.ValueID, k, mult int64) graph.ValueID {
	m.layer(name)
	s := m.shape(x)
	w := m.weight(name+"/kernel", 0, []int{2, 3, 0, 1}, graph.Shape{k, k, s[1], mult}, graph.Shape{s[1] * mult, 1, k, k})
	p := k / 2
	return m.node("Conv", graph.Shape{s[0], s[1] * mult, s[2], s[3]},
		[]graph.Attr{integer("group", s[1]), ints("kernel_shape", k, k), ints("pads", p, p, p, p)}, x, w)
}

func (m *model) norm(name string, x graph.ValueID) graph.ValueID {
	m.layer(name)
	c := m.shape(x)[1]
	return m.node("BatchNormalization", m.shape(x), []graph.Attr{{Name: "epsilon", Kind: graph.AttrFloat, Float: 1e-3}},
		x, m.vector(name+"/gamma", 1, c), m.vector(name+"/beta", 0, c), m.vector(name+"/mean", 0, c), m.vector(name+"/variance", 2, c))
}

func (m *model) same(name, op string, inputs ...graph.ValueID) graph.ValueID {
	m.layer(name)
	return m.node(op, m.shape(inputs[0]), nil, inputs...)
}

func (m *model) dense(name string, x graph.ValueID, out int64) graph.ValueID {
	m.layer(name)
	in := m.shape(x)[1]
	return m.node("Gemm", graph.Shape{graph.Batch, out}, nil, x,
		m.weight(name+"/kernel", 0, nil, graph.Shape{in, out}, graph.Shape{in, out}), m.vector(name+"/bias", 0, out))
}

func (m *model) done(outputs ...graph.ValueID) *graph.Graph {
	for _, v := range outputs {
		m.g.Outputs = append(m.g.Outputs, graph.Port{Name: m.g.Layers[m.g.Nodes[m.g.Value(v).Producer].Layer].Name, Value: v})
	}
	m.g.LayerCount = len(m.g.Layers)
	if err := m.g.Validate(); err != nil {
		m.t.Fatalf("the test's graph is not valid: %v", err)
	}
	return m.g
}

// everything is a model with all that splitting treats differently: folds of every kind and their refusals, a residual,
// a value that passes through stages, two outputs.
func everything(t testing.TB) (*graph.Graph, memory) {
	m := newModel(t, "everything")
	image := m.input("image", 3, 8, 8)
	side := m.input("side", 5)
	x := m.conv("conv1", image, 3, 8, true)
	x = m.same("relu1", "Relu", m.norm("bn1", x))
	x = m.depthwise("depthwise", x, 3, 2)
	x = m.same("relu2", "Relu", m.norm("bn2", x))
	skip := x
	x = m.conv("conv3", x, 1, 16, false)
	x = m.norm("bn3", x)
	x = m.same("add", "Add", x, skip) // two live tensors between bn2 and here
	y := m.conv("conv4", x, 3, 8, false)
	z := m.norm("bn4", y) // not folded: conv4 is used by more than the normalization
	x = m.same("add4", "Add", y, z)
	x = m.norm("bn5", x) // not folded: nothing linear before it
	m.layer("pool")
	x = m.node("GlobalAveragePool", graph.Shape{graph.Batch, 8, 1, 1}, nil, x)
	m.layer("flatten")
	x = m.node("Flatten", graph.Shape{graph.Batch, 8}, nil, x)
	x = m.norm("bn6", m.dense("dense1", x, 6))
	m.layer("matmul1")
	x = m.node("MatMul", graph.Shape{graph.Batch, 7}, nil, x, m.weight("matmul1/kernel", 0, nil, graph.Shape{6, 7}, graph.Shape{6, 7}))
	x = m.node("Add", m.shape(x), nil, m.vector("matmul1/bias", 0, 7), x)
	x = m.norm("bn7", x)
	m.layer("matmul2")
	x = m.node("MatMul", graph.Shape{graph.Batch, 5}, nil, x, m.weight("matmul2/kernel", 0, nil, graph.Shape{7, 5}, graph.Shape{7, 5}))
	x = m.norm("bn8", x)
	first := m.same("relu8", "Relu", x)
	// One layer called twice, each time with the same normalization after it: shipped once, folded.
	twice := func(call string, x graph.ValueID) graph.ValueID {
		m.layer("shared" + call)
		x = m.node("Gemm", graph.Shape{graph.Batch, 5}, []graph.Attr{integer("transB", 1), {Name: "alpha", Kind: graph.AttrFloat, Float: 0.5}}, x,
			m.weightOnce("shared/kernel", graph.Shape{5, 5}), m.weightOnce("shared/bias", graph.Shape{5}))
		m.layer("shared_bn" + call)
		return m.node("BatchNormalization", m.shape(x), nil, x, m.weightOnce("shared_bn/gamma", graph.Shape{5}),
			m.weightOnce("shared_bn/beta", graph.Shape{5}), m.weightOnce("shared_bn/mean", graph.Shape{5}), m.weightOnce("shared_bn/variance", graph.Shape{5}))
	}
	a, b := twice("_a", first), twice("_b", side)
	second := m.same("sum", "Add", a, b)
	for i := range m.src["shared_bn/variance"].data {
		m.src["shared_bn/variance"].data[i] = float32(i) + 0.5
	}
	return m.done(first, second), m.src
}

// weightOnce is the value of a weight that several nodes share.
func (m *model) weightOnce(key string, shape graph.Shape) graph.ValueID {
	for i := range m.g.Values {
		if m.g.Values[i].Name == key {
			return graph.ValueID(i)
		}
	}
	return m.weight(key, 0, nil, shape, shape)
}

// naive arranges a stored tensor the slow and obvious way.
func naive(s *stored, perm []int) []float32 {
	if perm == nil {
		return append([]float32(nil), s.data...)
	}
	n := len(perm)
	out := make([]float32, 0, len(s.data))
	index := make([]int64, n) // of the output
	for {
		at := make([]int64, n)
		for k, a := range perm {
			at[a] = index[k]
		}
		offset := int64(0)
		for a, d := range s.shape {
			offset = offset*d + at[a]
		}
		out = append(out, s.data[offset])
		k := n - 1
		for ; k >= 0; k-- {
			if index[k]++; index[k] < s.shape[perm[k]] {
				break
			}
			index[k] = 0
		}
		if k < 0 {
			return out
		}
	}
}

// excess is how far got is from want beyond tolerance*|want| and a floor relative to the largest element.
func excess(got, want []float32, tolerance float64) float64 {
	largest := 0.0
	for _, w := range want {
		largest = math.Max(largest, math.Abs(float64(w)))
	}
	worst := 0.0
	for i := range want {
		d := math.Abs(float64(got[i])-float64(want[i])) - tolerance*math.Max(math.Abs(float64(want[i])), largest)
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst = math.Max(worst, d)
	}
	return worst
}
