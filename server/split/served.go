package split

import (
	"fmt"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
)

// served are the operator sets that ONNX Runtime has code for, as it is built for functions (ONNX Runtime documentation,
// "Operators": ai.onnx, ai.onnx.ml and the contributed operators). A plan can be made for operators of other sets, whose
// shapes the file tells; a function could not load them.
var served = []string{"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}

// checkServed tells all operators that no function could run, before anything is created.
func checkServed(g *graph.Graph, doing string) error {
	count := map[string]int{}
	var names []string
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if slices.Contains(served, n.Domain) {
			continue
		}
		name := n.Domain + "." + n.Op
		if count[name]++; count[name] == 1 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	const most = 20
	var list []string
	for _, name := range names[:min(len(names), most)] {
		if n := count[name]; n > 1 {
			name = fmt.Sprintf("%s (%d times)", name, n)
		}
		list = append(list, name)
	}
	if len(names) > most {
		list = append(list, fmt.Sprintf("%d more kinds", len(names)-most))
	}
	return diag.New(diag.Invalid, "split.unserved-operators", doing, "ONNX Runtime has no code for its operators "+strings.Join(list, ", "),
		"export the model with the operators of ONNX alone; quantised networks with QuantizeLinear and DequantizeLinear (qonnx: convert to QCDQ; Brevitas: export_onnx_qcdq)")
}
