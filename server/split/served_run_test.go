//go:build cgo

package split

import (
	"fmt"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/graph"
	"partita/planner/kernels"
	"partita/planner/onnx"
)

// TestServedBySessions holds the list of what ONNX Runtime lacks against the library: a session of one operator can be made
// if and only if the list does not have it. Sizes are left out, so that element types and versions alone decide.
func TestServedBySessions(t *testing.T) {
	runtimeReady(t)
	if got := ort.GetVersion(); got != kernels.Version {
		t.Errorf("the library is ONNX Runtime %s, the list is about %s", got, kernels.Version)
	}
	floats := []graph.DType{graph.Float32, graph.Float64, graph.Float16, graph.BFloat16}
	numbers := append([]graph.DType{graph.Int8, graph.Int16, graph.Int32, graph.Int64, graph.UInt8, graph.UInt16, graph.UInt32, graph.UInt64}, floats...)
	unsigned := []graph.DType{graph.UInt8, graph.UInt16, graph.UInt32, graph.UInt64}
	direction := graph.Attr{Name: "direction", Kind: graph.AttrString, Str: "LEFT"}
	window := graph.Attr{Name: "kernel_shape", Kind: graph.AttrInts, Ints: []int64{1, 1}}
	block := graph.Attr{Name: "blocksize", Kind: graph.AttrInt, Int: 2}
	region := graph.Attr{Name: "pooled_shape", Kind: graph.AttrInts, Ints: []int64{1, 1}}
	shape := graph.Attr{Name: "shape", Kind: graph.AttrInts, Ints: []int64{2, 2}}
	// T is the type that is tried; a version follows each schema of the operator.
	for _, c := range []struct {
		op       string
		inputs   string
		types    []graph.DType
		versions []int64
		attrs    []graph.Attr
	}{
		{"Abs", "T", numbers, []int64{13, 24}, nil},
		{"Acos", "T", floats[:3], []int64{7, 21}, nil},
		{"Add", "T T", numbers, []int64{14}, nil},
		{"ArgMax", "T", numbers, []int64{13}, nil},
		{"AveragePool", "T", floats, []int64{22}, []graph.Attr{window}},
		{"Bernoulli", "T", floats[:3], []int64{15, 21, 22, 24}, nil},
		{"BitShift", "T T", unsigned, []int64{11, 24}, []graph.Attr{direction}},
		{"Clip", "T T T", numbers[:8], []int64{12, 13}, nil},
		{"Conv", "T T", floats, []int64{22}, nil},
		{"CumSum", "T int64", append(numbers[2:4:4], floats...), []int64{14}, nil},
		{"DeformConv", "T T T", floats[:3], []int64{19, 22}, nil},
		{"DepthToSpace", "T", numbers, []int64{13}, []graph.Attr{block}},
		{"Einsum", "T T", append(numbers[:8:8], floats[:3]...), []int64{12}, []graph.Attr{{Name: "equation", Kind: graph.AttrString, Str: "...i->...i"}}},
		{"Erf", "T", floats, []int64{13}, nil},
		{"GlobalLpPool", "T", floats[:3], []int64{2 + 5, 21, 22}, nil},
		{"GridSample", "T T", floats[:2], []int64{16, 20, 22}, nil},
		{"LpNormalization", "T", floats[:3], []int64{7, 21, 22, 24}, nil},
		{"MatMul", "T T", append(numbers[2:4:4], floats...), []int64{13}, nil},
		{"Max", "T T", numbers, []int64{13}, nil},
		{"MaxRoiPool", "T T", floats[:1], []int64{7, 21, 22}, []graph.Attr{region}},
		{"MeanVarianceNormalization", "T", floats, []int64{13}, nil},
		{"Mish", "T", floats[:3], []int64{18, 22}, nil},
		{"NonZero", "T", numbers, []int64{13}, nil},
		{"Pow", "float32 T", append(numbers[:8:8], floats[:3]...), []int64{13, 15}, nil},
		{"RandomNormal", "", floats[:1], []int64{7, 21, 22}, []graph.Attr{shape}},
		{"RandomUniformLike", "T", floats[:2], []int64{7, 21, 22}, nil},
		{"ReduceSum", "T", append(numbers[2:4:4], graph.UInt32, graph.UInt64, graph.Float32), []int64{11, 13}, nil},
		{"Relu", "T", append(numbers[:4:4], floats...), []int64{14}, nil},
		{"Resize", "T float32 float32", numbers[:11], []int64{11}, nil},
		{"RoiAlign", "T T int64", floats[:2], []int64{10, 16, 21, 22}, nil},
		{"Sin", "T", floats, []int64{22}, nil},
		{"TensorScatter", "T T int64", floats[:1], []int64{24}, nil},
		{"Trilu", "T", append(numbers[:8:8], graph.Bool), []int64{14}, nil},
		{"Where", "bool T T", append(numbers, graph.Bool), []int64{16}, nil},
		{"ai.onnx.ml.Binarizer", "T", []graph.DType{graph.Float32, graph.Float64, graph.Int64, graph.Int32}, []int64{1}, nil},
		{"com.microsoft.LayerNormalization", "T T T", floats[:1], []int64{1}, nil},
		{"com.microsoft.GroupNorm", "T T T", floats[:1], []int64{1}, []graph.Attr{{Name: "groups", Kind: graph.AttrInt, Int: 1}, {Name: "activation", Kind: graph.AttrInt}}},
		{"com.microsoft.QuickGelu", "T", floats[:1], []int64{1}, nil},
	} {
		for _, version := range c.versions {
			for _, dtype := range c.types {
				lacks, err := oneOperator(c.op, strings.Fields(c.inputs), dtype, version, c.attrs)
				missing := false
				for _, text := range []string{"Could not find an implementation", "Failed to find kernel", "is not a registered function/op", "_inlfunc_", "bound to different types"} {
					missing = missing || err != nil && strings.Contains(err.Error(), text)
				}
				if missing != (len(lacks) > 0) || err != nil && !missing {
					t.Errorf("%s of version %d on %s: the list has %d of it, the library says %v", c.op, version, dtype, len(lacks), err)
				}
			}
		}
	}
}

// oneOperator gives what the list has of a model of one operator, and whether the library makes a session of it.
func oneOperator(op string, inputs []string, dtype graph.DType, version int64, attrs []graph.Attr) ([]*kernels.Lack, error) {
	domain := ""
	if i := strings.LastIndex(op, "."); i >= 0 {
		domain, op = op[:i], op[i+1:]
	}
	g := &graph.Graph{Name: "one", Opset: version, Domains: map[string]int64{}}
	m := &onnx.Model{Name: "one", Producer: "test", Opset: version, Domains: g.Domains}
	if domain != "" {
		g.Opset, m.Opset, g.Domains[domain] = 17, 17, version
	}
	n, node := graph.Node{Op: op, Domain: domain, Name: "it", Attrs: attrs}, onnx.Node{Op: op, Domain: domain, Name: "it", Attrs: attrs, Outputs: []string{"y"}}
	var ports []byte // a model without sizes, which ours never are: inputs and outputs of a GraphProto
	for i, of := range inputs {
		d := dtype
		if of != "T" {
			d, _ = graph.ParseDType(of)
		}
		v := graph.Value{Name: fmt.Sprintf("x%d", i), DType: d, Producer: -1}
		n.Inputs = append(n.Inputs, graph.ValueID(len(g.Values)))
		g.Values = append(g.Values, v)
		node.Inputs = append(node.Inputs, v.Name)
		tensor := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(d))
		ports = field(ports, 11, field(field(nil, 1, []byte(v.Name)), 2, field(nil, 1, tensor)))
	}
	n.Outputs = []graph.ValueID{graph.ValueID(len(g.Values))}
	g.Values = append(g.Values, graph.Value{Name: "y", DType: dtype})
	g.Nodes = []graph.Node{n}
	m.Nodes = []onnx.Node{node}
	ports = field(ports, 12, field(nil, 1, []byte("y")))
	data := append(m.Encode(), field(nil, 7, ports)...) // what follows joins the graph that is there
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(data, []string{}, []string{"y"}, nil)
	if s != nil {
		s.Destroy()
	}
	return kernels.Lacking(g), err
}

// field adds a message or text to another message.
func field(to []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), content)
}
