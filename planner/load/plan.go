package load

import "partita/planner/plan"

// FromPlan opens the model that a plan is for, as it was given: none of its layers in parts.
func FromPlan(p *plan.Plan) (*Model, error) {
	format, data, err := p.Architecture()
	if err != nil {
		return nil, err
	}
	return FromArchitecture(Architecture{Format: format, Data: data})
}
