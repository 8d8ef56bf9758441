package planner

import (
	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/rewrite"
)

// allBranches is the choice of branches however little they take.
const allBranches = "all"

// sideBySide finds the branches of a model that functions may run side by side and puts the layers in an order in which each is a
// range of them. It gives the model so changed and its table, or both as they are where there are none.
func (r *Request) sideBySide(m model, p *platform.Platform, settings cost.Settings, table *cost.Table) (model, *cost.Table, error) {
	if r.Branches == off || r.MaxStages < 2 || p.Orchestrator != nil { // a workflow drives chains
		return m, table, nil
	}
	least := table.BranchNs()
	if r.Branches == allBranches {
		least = 1
	}
	order, regions := branchesOf(table, least)
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

// branchesOf finds the branches of a table's graph that take some nanoseconds on one vCPU.
func branchesOf(table *cost.Table, least int64) (order []int, regions []rewrite.Region) {
	ns := make([]int64, len(table.Graph.Layers))
	for l := range ns {
		ns[l], _ = table.Layer(l)
	}
	return rewrite.Branches(table.Graph, ns, least)
}

// forks tells whether the model has branches that can be worth functions of their own.
func (p *Problem) forks() bool {
	_, regions := branchesOf(p.table, p.table.BranchNs())
	return len(regions) > 0
}
