package kernels

import (
	"strings"
	"testing"

	"partita/planner/graph"
)

// model is a chain of operators on one element type.
func model(opset int64, dtype graph.DType, ops ...string) *graph.Graph {
	g := &graph.Graph{Opset: opset, Domains: map[string]int64{}, Values: []graph.Value{{Name: "x", DType: dtype, Producer: -1}}}
	for i, op := range ops {
		domain := ""
		if k := strings.LastIndex(op, "."); k >= 0 {
			domain, op = op[:k], op[k+1:]
		}
		last := graph.ValueID(len(g.Values) - 1)
		g.Values = append(g.Values, graph.Value{Name: "y", DType: dtype, Producer: i})
		g.Nodes = append(g.Nodes, graph.Node{Op: op, Domain: domain, Inputs: []graph.ValueID{last, last}, Outputs: []graph.ValueID{last + 1}})
	}
	return g
}

func TestLacking(t *testing.T) {
	for _, c := range []struct {
		g         *graph.Graph
		what, fix string // parts; "" when nothing is lacking
	}{
		{model(21, graph.Float32, "Conv", "LpNormalization", "RoiAlign", "ai.onnx.Relu"), "", ""},
		{model(22, graph.Float32, "Conv", "LpNormalization", "RoiAlign", "RoiAlign"), `LpNormalization of operator set 22 ("y"), RoiAlign of operator set 22 (2 times, first in "y")`, "operator set 21 ("},
		{model(22, graph.Float32, "DeformConv"), `DeformConv of operator set 19 ("y")`, "write DeformConv with other operators"},
		{model(20, graph.UInt16, "BitShift", "Identity"), `BitShift on uint16 ("y")`, "another element type"},
		{model(20, graph.UInt32, "BitShift"), "", ""},
		{model(13, graph.Float64, "Clip", "MatMul"), "", ""},
		{model(11, graph.Float64, "Clip", "MatMul"), "Clip on float64", "another element type"},
		{model(0, graph.Float32, "Conv", "my.own.Conv"), `my.own.Conv ("y")`, "operators of ONNX alone"},
		{model(17, graph.Float32, "com.microsoft.FusedConv", "com.microsoft.GroupNorm"), `com.microsoft.GroupNorm ("y")`, "write com.microsoft.GroupNorm"},
	} {
		lacks := Lacking(c.g)
		if c.what == "" {
			if len(lacks) > 0 {
				t.Errorf("%v", What(lacks))
			}
			continue
		}
		if len(lacks) == 0 || !strings.Contains(What(lacks), c.what) || !strings.Contains(Fix(lacks), c.fix) {
			t.Errorf("%d lacks, want %s and %s", len(lacks), c.what, c.fix)
			if len(lacks) > 0 {
				t.Log(What(lacks), Fix(lacks))
			}
		}
	}
}

// TestTable checks the form of the list: known types, rising versions.
func TestTable(t *testing.T) {
	for op, rows := range table() {
		slots := map[string]bool{}
		for _, r := range rows {
			if slots[r.slot] {
				t.Errorf("%s: %q is in two rows", op, r.slot)
			}
			slots[r.slot] = true
			for i, s := range r.spans {
				if i > 0 && s.since <= r.spans[i-1].since {
					t.Errorf("%s: versions do not rise", op)
				}
				for _, name := range s.types {
					if _, ok := graph.ParseDType(name); !ok && (name != "all" || r.slot != "") {
						t.Errorf("%s: %q is no type", op, name)
					}
				}
			}
		}
	}
}
