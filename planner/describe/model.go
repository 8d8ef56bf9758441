// Package describe makes the views that package report cannot, because they take an opened model or a comparison: report is
// part of the page's program, which holds neither.
package describe

import (
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/report"
)

// Model describes an opened model.
func Model(m *load.Model) *report.Inspect {
	g := m.Graph
	return &report.Inspect{
		Format: report.InspectFormat, Name: m.Name, Source: m.Source, KerasVersion: m.KerasVersion, Digest: m.Digest,
		Layers: g.LayerCount, Parameters: g.Parameters, WeightBytes: g.WeightBytes(), MACs: g.TotalWork().MACs,
		Inputs: tensors(g, g.Inputs), Outputs: tensors(g, g.Outputs), Cuts: len(g.Cuts()),
		Preprocess: m.Preprocess, HasWeights: m.HasWeights, Notes: m.Notes,
	}
}

func tensors(g *graph.Graph, ports []graph.Port) []report.Tensor {
	out := make([]report.Tensor, len(ports))
	for i, p := range ports {
		v := g.Value(p.Value)
		out[i] = report.Tensor{Name: p.Name, Shape: v.RunShape(), DType: v.DType.String()}
	}
	return out
}
