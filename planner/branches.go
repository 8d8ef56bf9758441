package planner

import (
	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/platform"
	"partita/planner/rewrite"
)

// allBranches is the choice of branches however little they take.
const allBranches = "all"

// sideBySide finds the branches of a model that functions may run side by side and puts the layers in an order in which each is a
// range of them. It gives the model so changed and its table, or both as they are where there are none.
func (r *Request) sideBySide(m model, p *platform.Platform, settings cost.Settings, table *cost.Table) (model, *cost.Table, error) {
	if r.Branches == off || r.MaxStages < 2 {
		return m, table, nil
	}
	order, regions := branchesOf(table, r.Branches == allBranches)
	if len(regions) == 0 {
		return m, table, nil
	}
	settings.Calibration = table.Calibration
	if order != nil {
		sorted, err := rewrite.Reorder(m.graph, order)
		if err != nil {
			return m, nil, err
		}
		m.graph = sorted
		m.document.Order = rewrite.InPlan(order)
		if c := settings.Calibration; c != nil {
			times := make([]int64, len(order))
			for k, l := range order {
				times[k] = c.LayerNs[l]
			}
			settings.Calibration = &cost.Calibration{Batch: c.Batch, LayerNs: times}
		}
	}
	var err error
	if settings.Pins, err = r.pins(m.graph, p); err != nil {
		return m, nil, err
	}
	for _, region := range regions {
		settings.Regions = append(settings.Regions, region.Bounds)
	}
	table, err = cost.NewTable(m.graph, p, settings)
	return m, table, err
}

// branchesOf finds the branches of a table's graph: all, or those that can be worth functions of their own. Computing them one after
// another must take longer, by the fastest functions, than a hop takes that hands over what goes into them, or what comes out.
func branchesOf(table *cost.Table, all bool) (order []int, regions []rewrite.Region) {
	ns := make([]int64, len(table.Graph.Layers))
	for l := range ns {
		ns[l], _ = table.Layer(l)
	}
	if all {
		return rewrite.Branches(table.Graph, ns, 1, nil)
	}
	return rewrite.Branches(table.Graph, ns, table.WorthNs(nil), func(g *graph.Graph, live [][]graph.ValueID, r rewrite.Region, savedNs int64) bool {
		first, last := r.Bounds[0], r.Bounds[len(r.Bounds)-1]
		if first > 0 && savedNs < table.WorthNs(live[first]) {
			return false
		}
		return last == len(g.Layers) || savedNs >= table.WorthNs(live[last])
	})
}

// forks tells whether the model has branches that can be worth functions of their own.
func (p *Problem) forks() bool {
	_, regions := branchesOf(p.table, false)
	return len(regions) > 0
}
