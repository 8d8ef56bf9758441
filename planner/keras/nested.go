package keras

import (
	"fmt"

	"partita/planner/graph"
)

// firstInput finds the layer that says what a model within a Sequential takes, when that model comes first: its own
// first input, or that of the model which comes first in it. nil when there is none.
func (l *layerConfig) firstInput() *layerConfig {
	for l.model != nil {
		m := l.model
		if m.sequential {
			if m.first == nil {
				return nil
			}
			l = m.first
			continue
		}
		name := m.inputs[0].layer
		l = nil
		for _, candidate := range m.layers {
			if candidate.name == name {
				l = candidate
			}
		}
		if l == nil {
			return nil
		}
	}
	return l
}

// numberCalls makes references to the calls of models within the model count from 0. Keras counts the construction of a
// model as its first call, so that references to it begin with 1: everywhere in Keras 1 and 2, and in Keras 3 only where
// a model's outputs are listed and only for functional models. Sequentials that were built without an input have no such
// call. The references themselves tell which it is, unless neither the first nor the last call is referred to.
func (m *modelConfig) numberCalls() {
	type span struct{ least, most int }
	const unseen = maxReferences + 1
	var models []*layerConfig
	inCalls, inPorts := map[string]*span{}, map[string]*span{}
	for _, l := range m.layers {
		if l.model != nil {
			models = append(models, l)
			inCalls[l.name], inPorts[l.name] = &span{unseen, -1}, &span{unseen, -1}
		}
	}
	if len(models) == 0 {
		return
	}
	each := func(visit func(r *tensorRef, seen map[string]*span)) {
		for _, l := range m.layers {
			for i := range l.calls {
				l.calls[i].references(func(r *tensorRef) { visit(r, inCalls) })
			}
		}
		for i := range m.outputs {
			visit(&m.outputs[i], inPorts)
		}
	}
	each(func(r *tensorRef, seen map[string]*span) {
		if s := seen[r.layer]; s != nil {
			s.least, s.most = min(s.least, r.node), max(s.most, r.node)
		}
	})
	first := map[*span]int{}
	for _, l := range models {
		for _, s := range []*span{inCalls[l.name], inPorts[l.name]} {
			switch {
			case s.least == 0:
			case s.most >= len(l.calls):
				first[s] = 1
			case m.major < 3 || s == inPorts[l.name] && l.class != "Sequential":
				first[s] = 1
			}
		}
	}
	each(func(r *tensorRef, seen map[string]*span) {
		if s := seen[r.layer]; s != nil {
			r.node -= first[s]
		}
	})
}

// bindInputs gives the tensors that a model within the model is called on in the order of its inputs.
func (m *modelConfig) bindInputs(args []argument, in []*tensor) ([]*tensor, error) {
	if m.sequential {
		if len(in) != 1 {
			return nil, fmt.Errorf("it is called on %d tensors, a Sequential takes one", len(in))
		}
		return in, nil
	}
	if len(in) != len(m.inputs) {
		return nil, fmt.Errorf("it is called on %d tensors and has %d inputs", len(in), len(m.inputs))
	}
	for _, a := range args {
		if a.key == "" {
			return in, nil
		}
	}
	names := m.inputKeys // in the order of inputs; both are sorted then
	if names == nil {
		for _, r := range m.inputs {
			names = append(names, r.layer)
		}
	}
	bound := make([]*tensor, len(in))
	for i, name := range names {
		for k, a := range args {
			if a.key == name {
				bound[i] = in[k]
			}
		}
		if bound[i] == nil {
			return nil, fmt.Errorf("it is called without a tensor for its input %q", name)
		}
	}
	return bound, nil
}

// dropUnused removes the steps that no output of the model depends on. There are some only where a model within the model
// has outputs that are not used, which Keras computes all the same.
func dropUnused(g *graph.Graph) {
	needed := make([]bool, len(g.Values))
	for _, p := range g.Outputs {
		needed[p.Value] = true
	}
	keep := make([]bool, len(g.Layers))
	dropped := false
	for i := len(g.Layers) - 1; i >= 0; i-- {
		l := &g.Layers[i]
		keep[i] = l.FirstNode == l.LastNode // an input
		for _, n := range g.Nodes[l.FirstNode:l.LastNode] {
			for _, v := range n.Outputs {
				keep[i] = keep[i] || v != graph.None && needed[v]
			}
		}
		dropped = dropped || !keep[i]
		if !keep[i] {
			continue
		}
		for _, n := range g.Nodes[l.FirstNode:l.LastNode] {
			for _, v := range n.Inputs {
				if v != graph.None {
					needed[v] = true
				}
			}
			for _, v := range n.Outputs {
				if v != graph.None {
					needed[v] = true // made, used or not
				}
			}
		}
	}
	if !dropped {
		return
	}
	for _, p := range g.Inputs {
		needed[p.Value] = true
	}
	newLayer := make([]int, len(g.Layers))
	newValue := make([]graph.ValueID, len(g.Values))
	var values []graph.Value
	for v := range g.Values {
		newValue[v] = graph.None
		if needed[v] {
			newValue[v] = graph.ValueID(len(values))
			values = append(values, g.Values[v])
		}
	}
	rename := func(list []graph.ValueID) []graph.ValueID {
		renamed := make([]graph.ValueID, len(list))
		for k, v := range list {
			renamed[k] = graph.None
			if v != graph.None {
				renamed[k] = newValue[v]
			}
		}
		return renamed
	}
	var layers []graph.Layer
	var nodes []graph.Node
	for i, l := range g.Layers {
		if !keep[i] {
			continue
		}
		newLayer[i] = len(layers)
		first := len(nodes)
		for _, n := range g.Nodes[l.FirstNode:l.LastNode] {
			n.Layer = len(layers)
			n.Inputs, n.Outputs = rename(n.Inputs), rename(n.Outputs)
			for _, v := range n.Outputs {
				if v != graph.None {
					values[v].Producer = len(nodes)
				}
			}
			nodes = append(nodes, n)
		}
		l.FirstNode, l.LastNode = first, len(nodes)
		var inputs []int
		for _, in := range l.Inputs {
			if keep[in] {
				inputs = append(inputs, newLayer[in])
			}
		}
		l.Inputs = inputs
		layers = append(layers, l)
	}
	for _, ports := range [][]graph.Port{g.Inputs, g.Outputs} {
		for i := range ports {
			ports[i].Value = newValue[ports[i].Value]
		}
	}
	g.Layers, g.Nodes, g.Values = layers, nodes, values
}

// sharedLayer is the member of a layer in the canonical form that tells layers of several models which are one.
const sharedLayer = "shared_layer"

// nameShared finds the layers that are one layer in several models. Files with the models themselves give objects numbers,
// which differ from file to file: in the canonical form those that stand at more than one layer count from 1.
func nameShared(top map[string]any) {
	uses, names := map[float64]int{}, map[float64]int{}
	var walk func(model map[string]any, depth int, visit func(layer map[string]any))
	walk = func(model map[string]any, depth int, visit func(layer map[string]any)) {
		layers, ok := model["config"].([]any)
		if config, isObject := model["config"].(map[string]any); isObject {
			layers, ok = config["layers"].([]any)
		}
		if !ok || depth > maxModelDepth {
			return
		}
		for _, e := range layers {
			layer, _ := e.(map[string]any)
			if layer == nil {
				continue
			}
			visit(layer)
			class, _ := layer["class_name"].(string)
			if (&layerConfig{class: class}).isModel() {
				walk(layer, depth+1, visit)
			}
		}
	}
	walk(top, 0, func(layer map[string]any) {
		if n, ok := layer["shared_object_id"].(float64); ok {
			uses[n]++
		}
	})
	walk(top, 0, func(layer map[string]any) {
		n, ok := layer["shared_object_id"].(float64)
		if !ok || uses[n] < 2 {
			return
		}
		if names[n] == 0 {
			names[n] = len(names) + 1
		}
		layer[sharedLayer] = float64(names[n])
	})
}
