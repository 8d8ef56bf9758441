package engine

import (
	"context"
	"path"
	"slices"
	"strings"

	"partita/app/state"
	"partita/planner/describe"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/plan"
)

func newModel(ctx context.Context, o *state.Opening, m *load.Model) (*state.Model, error) {
	packed, err := plan.PackArchitecture(m.Architecture.Format, m.Architecture.Data)
	if err != nil {
		return nil, err
	}
	v := &state.Model{
		Inspect: describe.Model(m), Layers: layers(m.Graph), Crossing: crossings(m.Graph), Cuts: m.Graph.Cuts(),
		Format: packed.Format, Packed: state.ToURL(packed.Deflate),
	}
	for _, d := range m.Open {
		v.Open = append(v.Open, state.Dimension(d))
	}
	if m.HasWeights {
		if v.WeightsIn, err = withWeights(ctx, o, m.Source); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// layers lists what is shown of each layer.
func layers(g *graph.Graph) []state.Layer {
	list, weights := make([]state.Layer, len(g.Layers)), layerWeights(g)
	for i := range g.Layers {
		l := &g.Layers[i]
		list[i] = state.Layer{Name: l.Name, Class: l.Class, Output: l.Output.String(), WeightBytes: weights[i]}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		to := &list[n.Layer]
		to.MACs += g.Work(i).MACs
		for _, id := range n.Inputs {
			if id == graph.None {
				continue
			}
			if v := g.Value(id); v.Producer >= 0 {
				if from := g.Nodes[v.Producer].Layer; from != n.Layer && !slices.Contains(to.From, from) {
					to.From = append(to.From, from)
				}
			}
		}
	}
	return list
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

// withWeights picks the files to send when a model is deployed: the weights beside it; of an architecture and its weights the latter, which
// may be a list and the files that it names; and all files of a model that is spread over several.
func withWeights(ctx context.Context, o *state.Opening, source string) ([]int, error) {
	files := o.AllFiles()
	from := 0
	if o.Weights != nil {
		from = len(o.Files)
	}
	if o.Weights != nil || source == load.SourceTFJS || source == load.SourceONNX || len(files) == 1 {
		all := make([]int, 0, len(files))
		for i := from; i < len(files); i++ {
			all = append(all, i)
		}
		return all, nil
	}
	for i, f := range files {
		names, err := load.Shards(readable(ctx, f))
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			continue
		}
		in := []int{i}
		for k, shard := range files {
			if k != i && slices.ContainsFunc(names, func(name string) bool { return path.Base(name) == shard.Name() }) {
				in = append(in, k)
			}
		}
		return in, nil
	}
	for i, f := range files {
		switch strings.ToLower(path.Ext(f.Name())) {
		case ".h5", ".hdf5", ".keras":
			return []int{i}, nil
		}
	}
	return nil, nil
}
