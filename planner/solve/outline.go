package solve

import "sort"

// Outline is a Problem whose stages are made when they are asked for (or are all there, where Make is nil). A model of a thousand layers has a million of them, and
// a few dozen can be part of a plan worth having; all the others are set aside by bounds over places, a place being one
// node or several that follow each other (see sieve).
type Outline struct {
	Problem // without its stages, unless Make is nil

	RunNs []int64 // per node: the work before it on one full processor, so that a stage's Run1Ns is a difference
	HopUs []int64 // per node: what a cut there takes on both its sides; it guides the search and bounds nothing

	Alone []bool // per node: it is always a place of its own

	// Make appends the stages from each place to those wanted from there (nil: none), by rising place, their I and J being positions in places. Between
	// two nodes they are the stages there are. Between places of several nodes they are at least as good as those from any node
	// of one to any node of the other: for each of these there is one with no larger an amount in any field and no smaller a
	// choice of sizes (or one as fast and no dearer), whose Run1Ns is that from the last node of the one to the first of the
	// other. Stages that run as long at every size are between nodes that are alone, whatever their Run1Ns. The
	// source and the sink are always places of their own, and the nodes of one cut either are in one place or are all alone.
	Make func(places []Place, wanted func(i int) []bool, out []Stage) []Stage
}

// Place is a node or several that follow each other, First to Last.
type Place struct{ First, Last int32 }

// Whole makes every stage.
func (o *Outline) Whole() *Problem {
	if o.Make == nil {
		return &o.Problem
	}
	return o.among(o.single(nil))
}

// every wants all of some places.
func every(places int) func(i int) []bool {
	all := make([]bool, places)
	for k := range all {
		all[k] = true
	}
	return func(int) []bool { return all }
}

// After appends the stages that begin at a node.
func (o *Outline) After(node int, out []Stage) []Stage {
	if o.Make == nil {
		first := sort.Search(len(o.Stages), func(k int) bool { return int(o.Stages[k].I) >= node })
		end := first + sort.Search(len(o.Stages)-first, func(k int) bool { return int(o.Stages[first+k].I) > node })
		return append(out, o.Stages[first:end]...)
	}
	places := []Place{{0, 0}} // the source is always the first
	for v := max(node, 1); v < len(o.Nodes); v++ {
		places = append(places, Place{int32(v), int32(v)})
	}
	n, all := len(out), every(len(places))
	out = o.Make(places, func(i int) []bool {
		if places[i].First != int32(node) {
			return nil
		}
		return all(i)
	}, out)
	for k := n; k < len(out); k++ {
		out[k].I, out[k].J = places[out[k].I].First, places[out[k].J].First
	}
	return out
}

// single gives every node that passes a place of its own.
func (o *Outline) single(pass func(node int) bool) []Place {
	places := make([]Place, 0, len(o.Nodes))
	for v := range o.Nodes {
		if v == 0 || v == len(o.Nodes)-1 || pass == nil || pass(v) {
			places = append(places, Place{int32(v), int32(v)})
		}
	}
	return places
}

// among makes the problem of the stages between some nodes, which it still has all of.
func (o *Outline) among(places []Place) *Problem {
	p := o.Problem
	p.Stages = o.Make(places, every(len(places)), nil)
	for k := range p.Stages {
		s := &p.Stages[k]
		s.I, s.J = places[s.I].First, places[s.J].First
	}
	return &p
}

// Solve finds the whole frontier. The stages of the result are positions in those of the problem given beside it, which lacks
// stages that no plan of the frontier has.
func (o *Outline) Solve(e Effort) (*Problem, *Result) {
	if o.Make != nil && len(o.Nodes) >= fewNodes {
		for _, layered := range []bool{false, true} {
			if !layered && o.MinStages > 1 {
				continue
			}
			if p, r := o.solve(e, layered); r != nil {
				return p, r
			}
		}
	}
	p := o.Whole()
	return p, p.Solve(e)
}

// fewNodes is a number of nodes whose stages are made sooner than bounded.
const fewNodes = 24

// solve finds the frontier among the stages that a sieve leaves. It gives nil when there is no plan to begin with, or when
// the number of stages was left free and a plan broke the limits.
func (o *Outline) solve(e Effort, layered bool) (*Problem, *Result) {
	o.table = newLawTable(&o.Problem)
	defer func() { o.table = nil }()
	known := o.scout(e, layered, nil)
	if len(known) == 0 {
		return nil, nil
	}
	p, known := o.sift(known, nil, func(pass func(int) bool) []item { return o.scoutAmong(pass, e, layered, nil) })
	s := p.compact(e)
	s.layered(layered)
	p.table = nil
	s.hints, s.rough, s.scouted = known, true, o.Common <= fewSizes
	return p, s.run()
}

// compact makes a solver for the nodes that the stages of a problem touch.
func (p *Problem) compact(e Effort) *solver {
	touched := make([]bool, len(p.Nodes))
	touched[0], touched[len(p.Nodes)-1] = true, true
	for k := range p.Stages {
		touched[p.Stages[k].I], touched[p.Stages[k].J] = true, true
	}
	q := *p
	q.Nodes = make([]Node, 0, 64)
	place := make([]int32, len(p.Nodes))
	for v := range p.Nodes {
		if touched[v] {
			place[v] = int32(len(q.Nodes))
			q.Nodes = append(q.Nodes, p.Nodes[v])
		}
	}
	q.Stages = make([]Stage, len(p.Stages))
	for k := range p.Stages {
		q.Stages[k] = p.Stages[k]
		q.Stages[k].I, q.Stages[k].J = place[p.Stages[k].I], place[p.Stages[k].J]
	}
	return q.solver(e)
}

// scout finds plans to hold others against, among the stages between few nodes: of every so many the one that takes least to
// cut at. With an aim they are those near to it.
func (o *Outline) scout(e Effort, layered bool, a *Aim) []item {
	n := len(o.Nodes) - 2
	best := make([]int, scouts)
	for v := 1; v <= n; v++ {
		k := (v - 1) * scouts / n
		if best[k] == 0 || o.HopUs[v] < o.HopUs[best[k]] {
			best[k] = v
		}
	}
	return o.scoutAmong(func(v int) bool { return best[(v-1)*scouts/n] == v }, e, layered, a)
}

// scoutAmong finds plans with cuts at some nodes.
func (o *Outline) scoutAmong(pass func(node int) bool, e Effort, layered bool, a *Aim) []item {
	p := o.among(o.single(pass))
	e.Beaten = nil
	s := p.compact(e)
	s.layered(layered)
	s.rough = o.Common > fewSizes
	fastest, cheapest, ok := s.begin()
	if !ok || fastest == nil {
		return nil
	}
	s.known.settle()
	s.list(fastest, cheapest)
	s.rehearseWindow(fastest, cheapest, 0, len(s.entries), 3, a)
	return s.known.points
}

const (
	scouts   = 14   // nodes that a scout looks at
	fewSizes = 1000 // sizes up to which it polishes what it finds
)
