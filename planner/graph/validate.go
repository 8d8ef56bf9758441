package graph

import "fmt"

// Validate checks everything that other packages rely on: names are unique, nodes and layers are in topological order
// and point at each other, constants and weights have the sizes they claim, and every shape and type is what inference
// says. A graph that fails was lowered wrongly: the error is a fault of a front-end, not of the user's model.
func (g *Graph) Validate() error {
	if err := g.validateValues(); err != nil {
		return err
	}
	if err := g.validateLayers(); err != nil {
		return err
	}
	made := make([]bool, len(g.Values))
	ports := map[string]bool{}
	for _, p := range g.Inputs {
		if p.Value < 0 || int(p.Value) >= len(g.Values) {
			return fmt.Errorf("input %s refers to no value", p.Name)
		}
		if v := &g.Values[p.Value]; v.Producer != -1 || !v.Computed() || made[p.Value] {
			return fmt.Errorf("input %s is not a value of its own", p.Name)
		}
		if ports[p.Name] {
			return fmt.Errorf("two inputs are named %s", p.Name)
		}
		ports[p.Name] = true
		made[p.Value] = true
	}
	names := make(map[string]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Name == "" || names[n.Name] {
			return fmt.Errorf("node %d (%s) has no name of its own: %q", i, n.Op, n.Name)
		}
		names[n.Name] = true
		inferred, err := Infer(g, n)
		if err != nil {
			return err
		}
		for _, id := range n.Inputs {
			if id != None && g.Values[id].Computed() && !made[id] {
				return fmt.Errorf("node %s uses %s before it is made", n.Name, g.Values[id].Name)
			}
		}
		if len(n.Outputs) == 0 || len(n.Outputs) > len(inferred) {
			return fmt.Errorf("node %s has %d outputs, inference says %d", n.Name, len(n.Outputs), len(inferred))
		}
		for k, id := range n.Outputs {
			if id == None && len(inferred) > 1 {
				continue
			}
			if id < 0 || int(id) >= len(g.Values) || made[id] || g.Values[id].Producer != i || !g.Values[id].Computed() {
				return fmt.Errorf("output %d of node %s is not a value of its own", k, n.Name)
			}
			made[id] = true
			if v := &g.Values[id]; !v.Shape.Equal(inferred[k].Shape) || v.DType != inferred[k].DType {
				return fmt.Errorf("value %s is %s %s, inference says %s %s", v.Name, v.Shape, v.DType, inferred[k].Shape, inferred[k].DType)
			}
		}
	}
	for i := range g.Values {
		if v := &g.Values[i]; v.Computed() && !made[i] {
			return fmt.Errorf("value %s is neither an input nor made by a node", v.Name)
		}
	}
	ports = map[string]bool{}
	for _, p := range g.Outputs {
		if p.Value < 0 || int(p.Value) >= len(g.Values) || !made[p.Value] {
			return fmt.Errorf("output %s is not made by the model", p.Name)
		}
		if ports[p.Name] {
			return fmt.Errorf("two outputs are named %s", p.Name)
		}
		ports[p.Name] = true
	}
	if len(g.Inputs) == 0 || len(g.Outputs) == 0 {
		return fmt.Errorf("the model has %d inputs and %d outputs", len(g.Inputs), len(g.Outputs))
	}
	return nil
}

func (g *Graph) validateValues() error {
	names := make(map[string]bool, len(g.Values))
	stored := map[string]Shape{}
	for i := range g.Values {
		v := &g.Values[i]
		if v.Name == "" || names[v.Name] {
			return fmt.Errorf("value %d has no name of its own: %q", i, v.Name)
		}
		names[v.Name] = true
		if v.Const != nil && v.Shape.checkSizes() == nil && v.Shape.Elements(1) == 0 {
			continue // an empty list, as ONNX models give for "none"
		}
		if err := v.Shape.Check(); err != nil {
			return fmt.Errorf("value %s: %w", v.Name, err)
		}
		elements := v.Shape.Elements(1)
		switch {
		case v.Weight != nil && v.Const != nil:
			return fmt.Errorf("value %s is both a weight and a constant", v.Name)
		case v.Weight != nil:
			w := v.Weight
			if p := w.Part; p != nil && (p.Axis < 0 || p.Axis >= len(w.Stored) || p.From < 0 || p.From >= p.To || p.To > w.Stored[p.Axis]) {
				return fmt.Errorf("weight %s: %s has no part %s", v.Name, w.Stored, w.ID())
			}
			if w.Key == "" || w.Taken().Elements(1) != elements || w.Perm != nil && len(w.Perm) != len(w.Stored) {
				return fmt.Errorf("weight %s: stored shape %s and permutation %v do not give %s", v.Name, w.Taken(), w.Perm, v.Shape)
			}
			if err := w.validateBlocks(); err != nil {
				return fmt.Errorf("weight %s: %w", v.Name, err)
			}
			if s, ok := stored[w.Key]; ok && !s.Equal(w.Stored) {
				return fmt.Errorf("weight %s is stored as %s and as %s", w.Key, s, w.Stored)
			}
			stored[w.Key] = w.Stored
		case v.Const != nil:
			if n := int64(len(v.Const.Int64s) + len(v.Const.Float32s)); n != elements {
				return fmt.Errorf("constant %s has %d numbers for shape %s", v.Name, n, v.Shape)
			}
		}
		if (v.Weight != nil || v.Const != nil) && v.Producer != -1 {
			return fmt.Errorf("value %s has both numbers and a producer", v.Name)
		}
	}
	return nil
}

func (w *Weight) validateBlocks() error {
	if w.Blocks == nil {
		return nil
	}
	if len(w.Stored) == 0 {
		return fmt.Errorf("a scalar has no blocks")
	}
	first := 0
	if w.Perm != nil {
		first = w.Perm[0]
	}
	used := make([]bool, len(w.Blocks))
	for _, b := range w.Blocks {
		if b < 0 || b >= len(w.Blocks) || used[b] {
			return fmt.Errorf("blocks %v are not a permutation", w.Blocks)
		}
		used[b] = true
	}
	if taken := w.Taken(); taken[first]%int64(len(w.Blocks)) != 0 {
		return fmt.Errorf("%d blocks do not divide axis %d of %s", len(w.Blocks), first, taken)
	}
	return nil
}

func (g *Graph) validateLayers() error {
	next := 0
	for i := range g.Layers {
		l := &g.Layers[i]
		if l.FirstNode != next || l.LastNode < l.FirstNode || l.LastNode > len(g.Nodes) {
			return fmt.Errorf("layer %s has nodes [%d, %d), expected to begin at %d", l.Name, l.FirstNode, l.LastNode, next)
		}
		for n := l.FirstNode; n < l.LastNode; n++ {
			if g.Nodes[n].Layer != i {
				return fmt.Errorf("node %s says layer %d, it is in layer %d", g.Nodes[n].Name, g.Nodes[n].Layer, i)
			}
		}
		for _, in := range l.Inputs {
			if in < 0 || in >= i {
				return fmt.Errorf("layer %s reads layer %d, which is not before it", l.Name, in)
			}
		}
		next = l.LastNode
	}
	if next != len(g.Nodes) {
		return fmt.Errorf("%d nodes belong to no layer", len(g.Nodes)-next)
	}
	return nil
}
