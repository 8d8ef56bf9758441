package state

import (
	"path"
	"strings"

	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/report"
)

// Model is what the page shows of a model: little enough to cross from the planner's worker to the page at once.
type Model struct {
	Inspect   *report.Inspect
	Layers    []Layer
	Crossing  []int64 // bytes that are live before the first layer, between layers, and after the last
	Open      []load.Dimension
	WeightsIn []int  // which of the opening's files hold the weights; none when only an architecture was opened
	BytesRead int64  // of the opening's files, to get here
	Format    string // of the architecture, which Packed holds as Linked does
	Packed    string
}

// Layer is one layer in the order of execution.
type Layer struct {
	Name, Class, Output string
	WeightBytes         int64 // that it is the first to use
}

func newModel(o *Opening, m *load.Model) (*Model, error) {
	packed, err := plan.PackArchitecture(m.Architecture.Format, m.Architecture.Data)
	if err != nil {
		return nil, err
	}
	v := &Model{Inspect: report.NewInspect(m), Crossing: crossings(m.Graph), Open: m.Open, Format: packed.Format, Packed: toURL(packed.Deflate)}
	weights := layerWeights(m.Graph)
	for i := range m.Graph.Layers {
		l := &m.Graph.Layers[i]
		v.Layers = append(v.Layers, Layer{l.Name, l.Class, l.Output.String(), weights[i]})
	}
	if m.HasWeights {
		v.WeightsIn = withWeights(o, m.Source)
	}
	return v, nil
}

// layerWeights sums the stored weights that each layer is the first to use.
func layerWeights(g *graph.Graph) []int64 {
	sums := make([]int64, len(g.Layers))
	seen := map[string]bool{}
	for i := range g.Nodes {
		for _, id := range g.Nodes[i].Inputs {
			if id == graph.None {
				continue
			}
			v := g.Value(id)
			if v.Weight != nil && !seen[v.Weight.ID()] {
				seen[v.Weight.ID()] = true
				sums[g.Nodes[i].Layer] += v.Bytes(1)
			}
		}
	}
	return sums
}

// crossings gives the bytes that are live at every position of the model.
func crossings(g *graph.Graph) []int64 {
	live := g.Live()
	sums := make([]int64, len(live))
	for c, ids := range live {
		for _, id := range ids {
			sums[c] += g.Value(id).Bytes(1)
		}
	}
	return sums
}

// withWeights picks the files to send when a model is deployed: the weights beside it; of an architecture and a weights
// file the latter; and all files of a model that is spread over several.
func withWeights(o *Opening, source string) []int {
	files := o.AllFiles()
	if o.Weights != nil {
		return []int{len(files) - 1}
	}
	if source == load.SourceTFJS || source == load.SourceONNX || len(files) == 1 {
		all := make([]int, len(files))
		for i := range all {
			all[i] = i
		}
		return all
	}
	for i, f := range files {
		switch strings.ToLower(path.Ext(f.Name())) {
		case ".h5", ".hdf5", ".keras":
			return []int{i}
		}
	}
	return nil
}

// Weights lists the files that hold the weights.
func (m *Model) Weights(o *Opening) []File {
	var files []File
	all := o.AllFiles()
	for _, i := range m.WeightsIn {
		files = append(files, all[i])
	}
	return files
}
