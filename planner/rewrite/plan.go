package rewrite

import (
	"partita/planner/load"
	"partita/planner/plan"
)

// Model opens the model that a plan is for, with the layers in parts that the plan computes so: the numbers of layers in
// the plan are those of its graph.
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
	return m, nil
}
