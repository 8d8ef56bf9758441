package split

import (
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/kernels"
)

// checkServed tells all operators that no function could run, before anything is created.
func checkServed(g *graph.Graph, doing string) error {
	lacks := kernels.Lacking(g)
	if len(lacks) == 0 {
		return nil
	}
	return diag.New(diag.Invalid, "split.unserved-operators", doing, kernels.What(lacks), kernels.Fix(lacks))
}
