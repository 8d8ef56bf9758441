package solve

import (
	"math/rand/v2"
	"slices"
)

// Baseline is a plan that a simpler way of planning makes of the same instance, for comparison with the optimum.
type Baseline struct {
	Name     string
	Feasible bool // whether that way finds a plan at all
	Point
	Stages []Choice
}

// Names of the baselines.
const (
	OneFunctionName = "one-function"
	GreedyName      = "greedy"
	EqualLayersName = "equal-layers"
	RandomName      = "random"
)

// OneFunction puts the whole model into one function, at the cheapest size within sloUs or, if none is that fast, the
// fastest one. No positive sloUs means no limit.
func OneFunction(in *Instance, sloUs int64) Baseline {
	var best Baseline
	for s := range in.Segments {
		if g := &in.Segments[s]; g.I != 0 || g.J != len(in.Nodes)-1 {
			continue
		}
		for o := range in.Segments[s].Options {
			best = preferred(best, newBaseline(in, OneFunctionName, []Choice{{s, o}}), sloUs)
		}
	}
	best.Name = OneFunctionName
	return best
}

// Greedy fills each function with as many layers as one can hold, leaving what the stage limits need, and gives it the
// largest size.
func Greedy(in *Instance) Baseline {
	w := newWalk(in)
	var path []Choice
	for at := 0; at != w.sink; {
		best := -1
		for _, s := range w.next(at, len(path)) {
			if best < 0 || in.Nodes[in.Segments[s].J].Cut > in.Nodes[in.Segments[best].J].Cut {
				best = s
			}
		}
		if best < 0 {
			return Baseline{Name: GreedyName}
		}
		path = append(path, Choice{best, in.Segments[best].atLeast(1 << 62)})
		at = in.Segments[best].J
	}
	return newBaseline(in, GreedyName, path)
}

// EqualLayers cuts the model into stages of about as many layers each (as few stages as possible when stages is 0) and
// gives all the same size: the cheapest within sloUs or, if none is that fast, the fastest. A stage that the size does
// not suit takes the next larger one.
func EqualLayers(in *Instance, stages int, sloUs int64) Baseline {
	w := newWalk(in)
	if stages == 0 {
		stages = max(w.fewest[0], in.MinStages)
	}
	w.min, w.max = stages, stages
	last := in.Nodes[w.sink].Cut
	var path []Choice
	for at := 0; at != w.sink; {
		target := last * (len(path) + 1) / max(stages, 1)
		best, off := -1, 0
		for _, s := range w.next(at, len(path)) {
			d := in.Nodes[in.Segments[s].J].Cut - target
			if d = max(d, -d); best < 0 || d < off {
				best, off = s, d
			}
		}
		if best < 0 {
			return Baseline{Name: EqualLayersName}
		}
		path = append(path, Choice{best, 0})
		at = in.Segments[best].J
	}
	var sizes []int64
	for _, c := range path {
		for _, o := range in.Segments[c.Segment].Options {
			sizes = append(sizes, o.MemoryMB)
		}
	}
	slices.Sort(sizes)
	var best Baseline
	for _, m := range slices.Compact(sizes) {
		same := slices.Clone(path)
		for k := range same {
			same[k].Option = in.Segments[same[k].Segment].atLeast(m)
		}
		best = preferred(best, newBaseline(in, EqualLayersName, same), sloUs)
	}
	best.Name = EqualLayersName
	return best
}

// Random cuts and sizes at random, the same for the same seed everywhere.
func Random(in *Instance, seed uint64) Baseline {
	w := newWalk(in)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100 { // the stage limits may lead a walk into a dead end
		var path []Choice
		at := 0
		for at != w.sink {
			next := w.next(at, len(path))
			if len(next) == 0 {
				break
			}
			s := next[rng.IntN(len(next))]
			path = append(path, Choice{s, rng.IntN(len(in.Segments[s].Options))})
			at = in.Segments[s].J
		}
		if b := newBaseline(in, RandomName, path); b.Feasible {
			return b
		}
	}
	return Baseline{Name: RandomName}
}

func newBaseline(in *Instance, name string, path []Choice) Baseline {
	p, err := Evaluate(in, path)
	if err != nil {
		return Baseline{Name: name}
	}
	return Baseline{name, true, p, path}
}

// preferred gives the cheaper of two baselines among those within sloUs, or the faster when not both are.
func preferred(a, b Baseline, sloUs int64) Baseline {
	within := func(x Baseline) bool { return sloUs <= 0 || x.LatencyUs <= sloUs }
	switch {
	case !a.Feasible:
		return b
	case !b.Feasible:
		return a
	case within(a) && within(b):
		if b.CostPicoUSD < a.CostPicoUSD || b.CostPicoUSD == a.CostPicoUSD && b.LatencyUs < a.LatencyUs {
			return b
		}
	case b.LatencyUs < a.LatencyUs || b.LatencyUs == a.LatencyUs && b.CostPicoUSD < a.CostPicoUSD:
		return b
	}
	return a
}

// atLeast gives the option of the smallest size of at least memoryMB, or else of the largest size; of equal sizes, as
// with several packagings, the fastest.
func (g *Segment) atLeast(memoryMB int64) int {
	best := 0
	for k := range g.Options {
		o, b := &g.Options[k], &g.Options[best]
		better := o.MemoryMB < b.MemoryMB
		if b.MemoryMB < memoryMB {
			better = o.MemoryMB > b.MemoryMB
		} else if o.MemoryMB < memoryMB {
			better = false
		}
		if better || o.MemoryMB == b.MemoryMB && o.InitUs+o.RunUs < b.InitUs+b.RunUs {
			best = k
		}
	}
	return best
}

// walk knows which segments lead on from a node, and how many stages it takes to end.
type walk struct {
	in           *Instance
	sink         int
	min, max     int   // stages a plan may have
	first        []int // of a node's segments in order
	order        []int
	fewest, most []int // stages from a node to the sink; most is 0 where there is no way
	found        []int
}

func newWalk(in *Instance) *walk {
	n := len(in.Nodes)
	w := &walk{in: in, sink: n - 1, min: in.MinStages, max: in.MaxStages, first: make([]int, n+1), order: make([]int, len(in.Segments)), fewest: make([]int, n), most: make([]int, n)}
	for s := range in.Segments {
		w.first[in.Segments[s].I+1]++
	}
	for v := range n {
		w.first[v+1] += w.first[v]
	}
	fill := slices.Clone(w.first)
	for s := range in.Segments {
		v := in.Segments[s].I
		w.order[fill[v]] = s
		fill[v]++
	}
	for v := n - 2; v >= 0; v-- {
		for _, s := range w.order[w.first[v]:w.first[v+1]] {
			j := in.Segments[s].J
			if len(in.Segments[s].Options) == 0 || j != w.sink && w.most[j] == 0 {
				continue
			}
			if w.most[v] == 0 || w.fewest[j]+1 < w.fewest[v] {
				w.fewest[v] = w.fewest[j] + 1
			}
			w.most[v] = max(w.most[v], w.most[j]+1)
		}
	}
	return w
}

// next lists the segments from a node by which a plan that has some stages can still end within the limits.
func (w *walk) next(at, stages int) []int {
	w.found = w.found[:0]
	for _, s := range w.order[w.first[at]:w.first[at+1]] {
		g := &w.in.Segments[s]
		if len(g.Options) > 0 && (g.J == w.sink || w.most[g.J] > 0) &&
			stages+1+w.fewest[g.J] <= w.max && stages+1+w.most[g.J] >= w.min {
			w.found = append(w.found, s)
		}
	}
	return w.found
}
