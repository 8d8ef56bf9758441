// Package split makes the stages of a plan: from a model's graph and the positions of its cuts, an ONNX file per stage,
// its weights, and the package (zip) in which a function gets both.
//
// Weights are streamed from a weights.Source through their transforms (axes permuted, batch normalization folded) into
// one page-aligned file of external data, in memory that does not grow with the model.
package split

import (
	"fmt"
	"sync"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/onnx"
	"partita/planner/precision"
	"partita/runtime/wire"
)

// Stage is one stage of a deployment, ready to be written.
type Stage struct {
	Manifest wire.StageManifest

	model       []byte   // stage.onnx
	tensors     []tensor // of stage.weights, by rising offset
	weightsSize int64    // of stage.weights

	mu   sync.Mutex
	loss Loss // of the last time that the weights were written
}

// Section is what a stage holds: the layers from the end of the section before it.
type Section struct {
	End       int                 // position
	Precision precision.Precision // of its weights; "" is float32
	Branch    int                 // of sections that run side by side, from 1; 0: it runs alone
}

// Stages splits a model at the given positions, which rise and have work on both sides, into len(cuts)+1 stages. Their
// weights are stored as the precisions say, one per stage; without any, as float32.
func Stages(g *graph.Graph, cuts []int, deployment string, precisions ...precision.Precision) ([]*Stage, error) {
	if len(precisions) != 0 && len(precisions) != len(cuts)+1 {
		panic(fmt.Sprintf("split: %d precisions for %d stages", len(precisions), len(cuts)+1))
	}
	sections := make([]Section, len(cuts)+1)
	for k := range sections {
		sections[k].End = len(g.Layers)
		if k < len(cuts) {
			sections[k].End = cuts[k]
		}
		if len(precisions) > 0 {
			sections[k].Precision = precisions[k]
		}
	}
	return Sections(g, sections, deployment)
}

// Sections splits a model into stages, some of which may run side by side: such a stage takes only what its own layers read, and
// gives only what is read after the last one beside it.
func Sections(g *graph.Graph, sections []Section, deployment string) ([]*Stage, error) {
	doing := fmt.Sprintf("splitting %s into %d stages", g.Name, len(sections))
	if err := checkServed(g, doing); err != nil {
		return nil, err
	}
	first := 0
	for k, s := range sections {
		if s.End <= first || s.End > len(g.Layers) || (k == len(sections)-1) != (s.End == len(g.Layers)) {
			var ends []int
			for _, s := range sections {
				ends = append(ends, s.End)
			}
			return nil, diag.New(diag.Invalid, "split.bad-cut", doing,
				fmt.Sprintf("the cuts %v do not rise within 1..%d", ends[:len(ends)-1], len(g.Layers)-1),
				"make the plan again from this model")
		}
		first = s.End
	}
	encodings := map[precision.Precision][]precision.Encoding{}
	live := g.Live()
	subs := make([]*graph.Subgraph, len(sections))
	first = 0
	for k, section := range sections {
		subs[k] = g.Subgraph(live, first, section.End)
		first = section.End
		if section.Branch > 0 {
			var err error
			if subs[k], err = beside(g, live, subs[k], sections, k, doing); err != nil {
				return nil, err
			}
		}
	}
	stages := make([]*Stage, len(sections))
	for k, section := range sections {
		sub := subs[k]
		if len(sub.Made) == 0 {
			return nil, diag.New(diag.Invalid, "split.empty-stage", doing,
				fmt.Sprintf("stage %d (%s) computes nothing that anything after it needs", k+1, layerRange(g, sub)),
				"make the plan again from this model, or leave out that cut")
		}
		stored := precision.Float32
		if section.Precision != "" {
			stored = section.Precision
		}
		if encodings[stored] == nil {
			encodings[stored] = precision.Encodings(g, stored)
		}
		s, err := newStage(g, sub, encodings[stored], doing)
		if err != nil {
			return nil, err
		}
		s.Manifest = wire.StageManifest{
			Format: wire.StageFormat, Deployment: deployment, Index: k, Stages: len(stages), Layers: layerRange(g, sub), Precision: string(stored),
			Inputs: specs(g, sub.Inputs), Outputs: specs(g, sub.Outputs),
		}
		stages[k] = s
	}
	return stages, nil
}

// beside narrows a section that runs side by side with others to what its own layers read and make. It must read nothing of theirs.
func beside(g *graph.Graph, live [][]graph.ValueID, sub *graph.Subgraph, sections []Section, k int, doing string) (*graph.Subgraph, error) {
	end := k
	for end+1 < len(sections) && sections[end+1].Branch == sections[end].Branch+1 {
		end++
	}
	begin := 0 // of the first of them
	if from := k - (sections[k].Branch - 1); from > 0 {
		begin = sections[from-1].End
	}
	for _, v := range sub.Used {
		if p := g.Value(v).Producer; p >= 0 && p >= g.Layers[begin].FirstNode {
			return nil, diag.New(diag.Invalid, "split.bad-branches", doing,
				fmt.Sprintf("stage %d (%s) is to run beside the one that makes %s, which it needs", k+1, layerRange(g, sub), g.Value(v).Name),
				"make the plan again from this model")
		}
	}
	return g.SideBySide(live, sub, sections[end].End), nil
}

// WeightBytes gives the bytes of the stage's weights as shipped: after folding, without the padding between them.
func (s *Stage) WeightBytes() int64 {
	var n int64
	for i := range s.tensors {
		n += s.tensors[i].place.Length
	}
	return n
}

// WeightsFileBytes gives the size of the stage's file of weights: what a function that fetches it needs room for.
func (s *Stage) WeightsFileBytes() int64 { return s.weightsSize }

// Lowered tells whether any of the stage's weights is stored in less than float32: small ones never are.
func (s *Stage) Lowered() bool {
	for i := range s.tensors {
		if s.tensors[i].encoding.Form != precision.Plain {
			return true
		}
	}
	return false
}

// Loss tells what storing the weights has changed in them, as measured when they were last written.
func (s *Stage) Loss() Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loss
}

// newStage lowers a subgraph to its ONNX model and the recipes of its weights.
func newStage(g *graph.Graph, sub *graph.Subgraph, encodings []precision.Encoding, doing string) (*Stage, error) {
	l := lower(g, sub, encodings)
	model := &onnx.Model{Name: g.Name, Producer: "partita", Nodes: l.nodes, Opset: g.Opset, Domains: g.Domains}
	for _, v := range sub.Used {
		model.Inputs = append(model.Inputs, info(g, v))
	}
	for _, v := range sub.Made {
		model.Outputs = append(model.Outputs, info(g, v))
	}
	for _, v := range l.consts {
		c := g.Value(v)
		if want := c.Shape.Elements(1); int64(len(c.Const.Float32s)+len(c.Const.Int64s)) != want {
			panic(fmt.Sprintf("split: the constant %s of %d elements has %d numbers", c.Name, want,
				len(c.Const.Float32s)+len(c.Const.Int64s)))
		}
		model.Initializers = append(model.Initializers, onnx.Tensor{ValueInfo: info(g, v), Const: c.Const})
	}
	model.Initializers = append(model.Initializers, l.made...)
	layout := onnx.Layout{Location: wire.WeightsFile}
	for i := range l.tensors {
		t := &l.tensors[i]
		if t.dtype.Size() == 0 || t.encoding.Form == precision.Plain && t.dtype != graph.Float32 && (t.weight == nil || t.weight.Perm != nil || t.weight.Blocks != nil) {
			return nil, diag.New(diag.Invalid, "split.weight-type", doing,
				fmt.Sprintf("the weight %s is of type %v in the graph", t.name, t.dtype),
				"use a model whose weights are of numbers, and of float32 where they are rearranged")
		}
		t.place = layout.Place(t.dtype.Size() * t.shape.Elements(1))
		model.Initializers = append(model.Initializers, onnx.Tensor{
			ValueInfo: onnx.ValueInfo{Name: t.name, DType: t.dtype, Shape: t.shape}, External: t.place})
	}
	return &Stage{model: model.Encode(), tensors: l.tensors, weightsSize: layout.Size()}, nil
}

func info(g *graph.Graph, v graph.ValueID) onnx.ValueInfo {
	value := g.Value(v)
	return onnx.ValueInfo{Name: value.Name, DType: value.DType, Shape: value.RunShape()}
}

func specs(g *graph.Graph, values []graph.ValueID) []wire.TensorSpec {
	list := make([]wire.TensorSpec, len(values))
	for i, v := range values {
		value := g.Value(v)
		list[i] = wire.TensorSpec{Name: value.Name, DType: value.DType.String(), Shape: value.RunShape()}
	}
	return list
}

// layerRange names a stage's layers for people, "conv1 .. conv4_block6_out", without layers that do nothing at its start.
func layerRange(g *graph.Graph, sub *graph.Subgraph) string {
	first, last := sub.First, sub.Last-1
	for first < last && g.Layers[first].FirstNode == g.Layers[first].LastNode {
		first++
	}
	if first == last {
		return g.Layers[last].Name
	}
	return g.Layers[first].Name + " .. " + g.Layers[last].Name
}
