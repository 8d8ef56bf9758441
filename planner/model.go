package planner

import (
	"partita/planner/load"
	"partita/planner/plan"
)

// New prepares a request for a model: it checks the request, measures the model and writes the numeric problem. The
// error is a *diag.Error; that nothing satisfies the request is not an error but an answer of Plan.
func New(m *load.Model, r Request) (*Problem, error) {
	architecture, err := plan.PackArchitecture(m.Architecture.Format, m.Architecture.Data)
	if err != nil {
		return nil, err
	}
	return newProblem(model{m.Graph, plan.Model{
		Name: m.Name, Source: m.Source, Digest: m.Digest, Layers: m.Graph.LayerCount, Parameters: m.Graph.Parameters,
		WeightBytes: m.Graph.WeightBytes(), MACs: m.Graph.TotalWork().MACs, Preprocess: m.Preprocess, Architecture: architecture,
	}}, r)
}

// Make is all of it: a model and a request become a plan.
func Make(m *load.Model, r Request) (*plan.Plan, error) {
	p, err := New(m, r)
	if err != nil {
		return nil, err
	}
	return p.Plan()
}
