package rewrite

import (
	"cmp"
	"fmt"
	"slices"

	"partita/planner/diag"
	"partita/planner/graph"
)

// Region is a part of a model that falls into branches: groups of layers that need nothing of each other, so that functions
// can compute them side by side. In the order that Branches gives, each branch is a range of layers.
type Region struct {
	Bounds []int // positions: branch k is the layers [Bounds[k], Bounds[k+1])
}

// Bounds of what is looked for.
const (
	MaxBranches = 8 // of a region: more are put together
	maxRegions  = 16
)

// Branches finds the regions of a graph that can be worth computing side by side: those with two branches at least that take
// least nanoseconds, where layer l takes ns[l]. It gives the order of the layers in which each branch is a range of them
// (order[new] = old), nil where that is the order they have, and the regions in it. Branches that take less go together with
// others.
//
// A region is a range of steps in a topological order, where a step is a chain of layers of which each feeds the next alone.
// Of all ranges that is taken first which has most work outside its longest branch, and then, likewise, of what is left on
// its both sides. Those that worth does not want are given up; nil wants all. It is asked about a region of a graph in the new
// order, and told what is live there and the work outside the longest branch.
func Branches(g *graph.Graph, ns []int64, least int64, worth func(g *graph.Graph, live [][]graph.ValueID, r Region, savedNs int64) bool) (order []int, regions []Region) {
	d := newDependencies(g)
	steps := d.steps(ns)
	if d.slack(ns) < least {
		return nil, nil
	}
	var found []window
	for open := [][2]int{{0, len(steps)}}; len(open) > 0 && len(found) < maxRegions; {
		part := open[0]
		open = open[1:]
		w, ok := widest(steps, part[0], part[1], least)
		if !ok {
			continue
		}
		found = append(found, w)
		open = append(open, [2]int{part[0], w.first}, [2]int{w.last, part[1]})
	}
	slices.SortFunc(found, func(a, b window) int { return cmp.Compare(a.first, b.first) })
	// A region whose ends the graph cannot be cut at is given up, and the rest put in order again.
	for len(found) > 0 {
		order, regions = arrange(steps, found, least)
		sorted, err := Reorder(g, order)
		if err != nil {
			panic("rewrite: branches out of order: " + err.Error())
		}
		cuts, live := sorted.Cuts(), sorted.Live()
		var kept []window
		for k := range regions {
			if regions[k].settle(sorted, cuts, live) && (worth == nil || worth(sorted, live, regions[k], found[k].saved)) {
				kept = append(kept, found[k])
			}
		}
		if len(kept) == len(found) {
			if slices.IsSorted(order) {
				order = nil
			}
			return order, regions
		}
		found = kept
	}
	return nil, nil
}

// dependencies are what layers need of each other.
type dependencies struct {
	needs [][]int // by layer: earlier ones, rising
	feeds []int   // how many layers need it
}

func newDependencies(g *graph.Graph) *dependencies {
	d := &dependencies{make([][]int, len(g.Layers)), make([]int, len(g.Layers))}
	for l := range g.Layers {
		need := slices.Clone(g.Layers[l].Inputs)
		for i := g.Layers[l].FirstNode; i < g.Layers[l].LastNode; i++ {
			for _, v := range g.Nodes[i].Inputs {
				if v != graph.None && g.Values[v].Producer >= 0 {
					need = append(need, g.Nodes[g.Values[v].Producer].Layer)
				}
			}
		}
		slices.Sort(need)
		need = slices.DeleteFunc(slices.Compact(need), func(k int) bool { return k >= l })
		d.needs[l] = need
		for _, k := range need {
			d.feeds[k]++
		}
	}
	return d
}

// slack is the work outside the longest path: no two branches can both take more.
func (d *dependencies) slack(ns []int64) int64 {
	var all, longest int64
	until := make([]int64, len(ns))
	for l := range ns {
		for _, k := range d.needs[l] {
			until[l] = max(until[l], until[k])
		}
		until[l] += ns[l]
		longest = max(longest, until[l])
		all += ns[l]
	}
	return all - longest
}

// step is a chain of layers.
type step struct {
	layers []int // rising
	ns     int64
	needs  []int // earlier steps
}

// steps lists the chains in topological order, that of their first layers.
func (d *dependencies) steps(ns []int64) []step {
	var all []step
	of := make([]int, len(ns))
	for l := range ns {
		if need := d.needs[l]; len(need) == 1 && d.feeds[need[0]] == 1 {
			of[l] = of[need[0]]
			s := &all[of[l]]
			s.layers, s.ns = append(s.layers, l), s.ns+ns[l]
			continue
		}
		of[l] = len(all)
		s := step{layers: []int{l}, ns: ns[l]}
		for _, k := range d.needs[l] {
			s.needs = append(s.needs, of[k])
		}
		all = append(all, s)
	}
	return all
}

// window is a range of steps.
type window struct {
	first, last int
	saved       int64 // work outside the longest branch
	all         int64
}

// better prefers what saves more, then what has more work, then what has fewer steps.
func (w *window) better(o *window) bool {
	return cmp.Or(cmp.Compare(w.saved, o.saved), cmp.Compare(w.all, o.all), cmp.Compare(o.last-o.first, w.last-w.first)) > 0
}

// widest finds the best window within a range of steps; false when none has two branches of the least work.
func widest(steps []step, first, last int, least int64) (best window, ok bool) {
	root := make([]int, len(steps))
	work := make([]int64, len(steps)) // by root
	find := func(s int) int {
		for root[s] != s {
			root[s] = root[root[s]]
			s = root[s]
		}
		return s
	}
	for a := first; a < last; a++ {
		w := window{first: a}
		var longest int64
		for b := a; b < last; b++ {
			root[b], work[b] = b, steps[b].ns
			for _, need := range steps[b].needs {
				if need < a {
					continue
				}
				if r, own := find(need), find(b); r != own {
					root[r] = own
					work[own] += work[r]
				}
			}
			w.last, w.all = b+1, w.all+steps[b].ns
			longest = max(longest, work[find(b)])
			w.saved = w.all - longest
			if w.saved < least || ok && !w.better(&best) {
				continue
			}
			heavy := 0
			for s := a; s <= b; s++ {
				if root[s] == s && work[s] >= least {
					heavy++
				}
			}
			if heavy >= 2 {
				best, ok = w, true
			}
		}
	}
	return best, ok
}

// branch is a group of layers of a region.
type branch struct {
	layers []int
	ns     int64
}

// branches groups the steps of a window: those that depend on each other, and with the heavy ones, so as to make them as equal as
// can be, those that are too light to be on their own.
func (w *window) branches(steps []step, least int64) []branch {
	of := make([]int, w.last-w.first)
	groups := make([]branch, len(of))
	for k := range of {
		of[k] = k
		s := &steps[w.first+k]
		groups[k] = branch{slices.Clone(s.layers), s.ns}
		for _, need := range s.needs {
			if need < w.first {
				continue
			}
			if from, to := of[need-w.first], of[k]; from != to {
				groups[to].layers, groups[to].ns = append(groups[to].layers, groups[from].layers...), groups[to].ns+groups[from].ns
				groups[from] = branch{}
				for n := range of[:k] {
					if of[n] == from {
						of[n] = to
					}
				}
			}
		}
	}
	groups = slices.DeleteFunc(groups, func(b branch) bool { return len(b.layers) == 0 })
	for k := range groups {
		slices.Sort(groups[k].layers)
	}
	slices.SortFunc(groups, func(a, b branch) int {
		return cmp.Or(cmp.Compare(b.ns, a.ns), cmp.Compare(a.layers[0], b.layers[0]))
	})
	own := 2
	for own < min(len(groups), MaxBranches) && groups[own].ns >= least {
		own++
	}
	for _, light := range groups[own:] {
		to := 0
		for k := 1; k < own; k++ {
			if groups[k].ns < groups[to].ns {
				to = k
			}
		}
		groups[to].layers, groups[to].ns = append(groups[to].layers, light.layers...), groups[to].ns+light.ns
	}
	groups = groups[:own]
	for k := range groups {
		slices.Sort(groups[k].layers)
	}
	slices.SortFunc(groups, func(a, b branch) int { return cmp.Compare(a.layers[0], b.layers[0]) })
	return groups
}

// arrange gives the order of the layers in which every branch of every window is a range of them. Layers outside keep
// their order on either side of a window.
func arrange(steps []step, windows []window, least int64) (order []int, regions []Region) {
	at := 0
	between := func(end int) {
		start := len(order)
		for ; at < end; at++ {
			order = append(order, steps[at].layers...)
		}
		slices.Sort(order[start:])
	}
	for _, w := range windows {
		between(w.first)
		r := Region{Bounds: []int{len(order)}}
		for _, b := range w.branches(steps, least) {
			order = append(order, b.layers...)
			r.Bounds = append(r.Bounds, len(order))
		}
		at = w.last
		regions = append(regions, r)
	}
	between(len(steps))
	return order, regions
}

// settle moves the beginning of a region to where the graph can be cut, in front of layers without work, and tells whether
// stages can begin and end where its branches do: at positions where there may be a cut, each with tensors to take and to give.
func (r *Region) settle(g *graph.Graph, cuts []int, live [][]graph.ValueID) bool {
	isCut := func(position int) bool { _, found := slices.BinarySearch(cuts, position); return found }
	for r.Bounds[0] > 0 && !isCut(r.Bounds[0]) {
		if l := &g.Layers[r.Bounds[0]-1]; l.FirstNode != l.LastNode {
			return false
		}
		r.Bounds[0]--
	}
	for k, position := range r.Bounds[1:] {
		if position < len(g.Layers) && !isCut(position) {
			return false
		}
		s := g.Subgraph(live, r.Bounds[k], position)
		if len(s.Used) == 0 || len(g.SideBySide(live, s, r.Bounds[len(r.Bounds)-1]).Outputs) == 0 {
			return false
		}
	}
	return true
}

func outOfOrder(found string) error {
	return diag.New(diag.Invalid, "rewrite.order", "putting the layers of the model in another order", found, "make the plan again from this model")
}

// Reorder gives a graph whose layer k is layer order[k] of the given one, which stays as it is. No layer may come before one
// that it needs.
func Reorder(g *graph.Graph, order []int) (*graph.Graph, error) {
	if len(order) != len(g.Layers) {
		return nil, outOfOrder(fmt.Sprintf("the order has %d layers, the model %d", len(order), len(g.Layers)))
	}
	place := make([]int, len(order)) // new index, by old
	for k := range place {
		place[k] = -1
	}
	for k, l := range order {
		if l < 0 || l >= len(place) || place[l] >= 0 {
			return nil, outOfOrder(fmt.Sprintf("layer %d is not in it once", l+1))
		}
		place[l] = k
	}
	c := *g
	c.Values = slices.Clone(g.Values)
	c.Layers, c.Nodes = make([]graph.Layer, 0, len(g.Layers)), make([]graph.Node, 0, len(g.Nodes))
	for k, old := range order {
		l := g.Layers[old]
		l.Inputs = slices.Clone(l.Inputs)
		for i, in := range l.Inputs {
			if l.Inputs[i] = place[in]; place[in] >= k {
				return nil, outOfOrder(fmt.Sprintf("%s comes before %s, which it needs", l.Name, g.Layers[in].Name))
			}
		}
		first := len(c.Nodes)
		for i := l.FirstNode; i < l.LastNode; i++ {
			n := g.Nodes[i]
			n.Layer = k
			for _, v := range n.Inputs {
				if v != graph.None && g.Values[v].Producer >= 0 && place[g.Nodes[g.Values[v].Producer].Layer] > k {
					return nil, outOfOrder(fmt.Sprintf("%s comes before %s, which it needs", l.Name, g.Layers[g.Nodes[g.Values[v].Producer].Layer].Name))
				}
			}
			for _, v := range n.Outputs {
				if v != graph.None {
					c.Values[v].Producer = len(c.Nodes)
				}
			}
			c.Nodes = append(c.Nodes, n)
		}
		l.FirstNode, l.LastNode = first, len(c.Nodes)
		c.Layers = append(c.Layers, l)
	}
	return &c, nil
}
