package rewrite

import (
	"fmt"

	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/plan"
)

// Model opens the model that a plan is for, with the layers in parts that the plan computes so and in the order that it says:
// the numbers of layers in the plan are those of its graph.
func Model(p *plan.Plan) (*load.Model, error) {
	m, err := load.FromPlan(p)
	if err != nil {
		return nil, err
	}
	splits := make([]Split, len(p.Model.Splits))
	for i, s := range p.Model.Splits {
		splits[i] = Split(s)
	}
	if m.Graph, err = Apply(m.Graph, splits); err != nil {
		return nil, err
	}
	if m.Graph, err = InOrder(m.Graph, p.Model.Order); err != nil {
		return nil, err
	}
	return m, nil
}

// InOrder puts the layers of a graph in the order that a plan says.
func InOrder(g *graph.Graph, ranges []plan.Reordering) (*graph.Graph, error) {
	if len(ranges) == 0 {
		return g, nil
	}
	order, err := fromPlan(ranges, len(g.Layers))
	if err != nil {
		return nil, err
	}
	return Reorder(g, order)
}

// InPlan writes an order of layers, as Reorder takes it, for a plan: only the ranges in which it differs from theirs.
func InPlan(order []int) []plan.Reordering {
	var all []plan.Reordering
	for first := 0; first < len(order); first++ {
		if order[first] == first {
			continue
		}
		end, most := first, first
		for ; end <= most; end++ {
			most = max(most, order[end])
		}
		r := plan.Reordering{FirstLayer: first + 1}
		for _, l := range order[first:end] {
			r.Layers = append(r.Layers, l+1)
		}
		all = append(all, r)
		first = end - 1
	}
	return all
}

// fromPlan undoes InPlan for a model of so many layers. Whether the result is an order is for Reorder to see.
func fromPlan(ranges []plan.Reordering, layers int) ([]int, error) {
	order := make([]int, layers)
	for k := range order {
		order[k] = k
	}
	for _, r := range ranges {
		if r.FirstLayer < 1 || len(r.Layers) > layers || r.FirstLayer-1 > layers-len(r.Layers) {
			return nil, outOfOrder(fmt.Sprintf("%d layers from layer %d on are put in another order, and the model has %d", len(r.Layers), r.FirstLayer, layers))
		}
		for k, l := range r.Layers {
			order[r.FirstLayer-1+k] = l - 1
		}
	}
	return order, nil
}
