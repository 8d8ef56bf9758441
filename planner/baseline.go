package planner

import (
	"math/rand/v2"

	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/solve"
)

// Names of the baselines: what people do without an optimiser.
const (
	OneFunction = "one function" // the whole model in one function, at its best size
	Greedy      = "greedy"       // fill each function as far as it goes, at the largest size that is worth its price
	EqualLayers = "equal layers" // the same number of layers in each function, each at its cheapest size
	Random      = "random"       // cuts and sizes by lot
)

// baselines gives the simpler plans of the same instance. They respect the limits of the platform and of the number of
// stages; whether they meet the SLO is for the reader to compare. Layers are spread equally over as many functions as the
// plan has, two at least. What does not depend on the SLO is computed once, so that the SLO can follow a slider.
func (p *Problem) baselines(r Request, stages int) []plan.Baseline {
	if p.simple == nil {
		p.simple = &simplePlans{
			whole: p.wholePlans(), greedy: p.baseline(Greedy, p.greedy()), random: p.baseline(Random, p.random()), equal: map[int]plan.Baseline{},
		}
	}
	stages = max(stages, 2, p.outline.MinStages)
	equal, known := p.simple.equal[stages]
	if !known {
		equal = p.baseline(EqualLayers, p.equalLayers(stages))
		p.simple.equal[stages] = equal
	}
	return []plan.Baseline{p.baseline(OneFunction, p.oneFunction(r)), p.simple.greedy, equal, p.simple.random}
}

// wholePlan is the whole model in one function.
type wholePlan struct {
	choice solve.Choice
	total  solve.Point
}

// simplePlans are the baselines computed so far.
type simplePlans struct {
	whole          []wholePlan // by variant, then size
	greedy, random plan.Baseline
	equal          map[int]plan.Baseline // by number of stages
}

func (p *Problem) baseline(name string, path []solve.Choice) plan.Baseline {
	b := plan.Baseline{Name: name, Status: plan.Infeasible, Stages: []plan.Choice{}}
	if path == nil {
		return b
	}
	total, err := p.someStages().Evaluate(path)
	if err != nil {
		return b // too few or too many stages
	}
	b.Status, b.LatencyUs, b.CostPicoUSD, b.Stages = plan.Feasible, total.LatencyUs, total.CostPicoUSD, p.choices(&p.all.Problem, path)
	b.Batch, b.Pipelines = p.sent()
	return b
}

// wholePlans lists the ways to have the whole model in one function; none when one is too few.
func (p *Problem) wholePlans() []wholePlan {
	var all []wholePlan
	for s, end := p.someStages().after(0); s < end; s++ {
		stage := &p.all.Stages[s]
		if int(stage.J) != len(p.all.Nodes)-1 || cost.IsWave(stage) {
			continue
		}
		for o := stage.Low; o < stage.High; o++ {
			x := wholePlan{choice: solve.Choice{Segment: s, Option: int(o)}}
			var err error
			if x.total, err = p.all.Evaluate([]solve.Choice{x.choice}); err != nil {
				return nil
			}
			all = append(all, x)
		}
	}
	return all
}

// oneFunction takes the cheapest size within the SLO, or the fastest when none is.
func (p *Problem) oneFunction(r Request) []solve.Choice {
	var best *wholePlan
	for k := range p.simple.whole {
		x := &p.simple.whole[k]
		late, bestLate := r.SLOUs > 0 && x.total.LatencyUs > r.SLOUs, best != nil && r.SLOUs > 0 && best.total.LatencyUs > r.SLOUs
		if best == nil || bestLate && x.total.LatencyUs < best.total.LatencyUs || !late && !bestLate && x.total.CostPicoUSD < best.total.CostPicoUSD {
			best = x
		}
	}
	if best == nil {
		return nil
	}
	return []solve.Choice{best.choice}
}

// greedy goes from each node as far as a stage reaches.
func (p *Problem) greedy() []solve.Choice {
	in := p.someStages()
	var path []solve.Choice
	for node := 0; node < len(in.Nodes)-1; node = int(in.Stages[path[len(path)-1].Segment].J) {
		farthest := -1
		for s, end := in.after(node); s < end; s++ {
			if !cost.IsWave(&in.Stages[s]) && (farthest < 0 || in.Stages[s].J > in.Stages[farthest].J) {
				farthest = s
			}
		}
		if farthest < 0 {
			return nil
		}
		path = append(path, solve.Choice{Segment: farthest, Option: p.largest(farthest)})
	}
	return path
}

// largest gives the largest size of a stage that still makes it faster.
func (p *Problem) largest(s int) int {
	stage := &p.all.Stages[s]
	size := int(stage.High) - 1
	for size > int(stage.Low) && p.all.RunUs(stage, &p.all.Sizes[size-1]) == p.all.RunUs(stage, &p.all.Sizes[size]) {
		size--
	}
	return size
}

// equalLayers cuts as near to equal numbers of layers as the model allows.
func (p *Problem) equalLayers(stages int) []solve.Choice {
	in := p.someStages()
	layers := len(p.model.graph.Layers)
	if stages > len(in.Nodes)-1 {
		return nil
	}
	nodes := []int{0}
	for k := 1; k < stages; k++ {
		want, best := k*layers/stages, -1
		for n := nodes[k-1] + 1; n < len(in.Nodes)-1; n++ {
			if best < 0 || distance(in.Nodes[n].Cut, want) < distance(in.Nodes[best].Cut, want) {
				best = n
			}
		}
		if best < 0 {
			return nil
		}
		nodes = append(nodes, best)
	}
	nodes = append(nodes, len(in.Nodes)-1)
	var path []solve.Choice
	for k := range stages {
		s, end := in.after(nodes[k])
		for s < end && (int(in.Stages[s].J) != nodes[k+1] || cost.IsWave(&in.Stages[s])) {
			s++
		}
		if s == end {
			return nil
		}
		cheapest := int(in.Stages[s].Low)
		for o := cheapest + 1; o < int(in.Stages[s].High); o++ {
			if in.Option(s, o).CostPicoUSD < in.Option(s, cheapest).CostPicoUSD {
				cheapest = o
			}
		}
		path = append(path, solve.Choice{Segment: s, Option: cheapest})
	}
	return path
}

func distance(a, b int) int { return max(a-b, b-a) }

// random draws stages from the source on until they reach the sink, a fixed number of times at most. The draw is the
// same every time.
func (p *Problem) random() []solve.Choice {
	in := p.someStages()
	rng := rand.New(rand.NewPCG(2021, 7)) // any seed will do
	const draws = 1000
	for range draws {
		var path []solve.Choice
		node := 0
		for node < len(in.Nodes)-1 && len(path) < in.MaxStages {
			first, end := in.after(node)
			if first == end {
				break
			}
			s := first + rng.IntN(end-first)
			path = append(path, solve.Choice{Segment: s, Option: int(in.Stages[s].Low) + rng.IntN(int(in.Stages[s].High-in.Stages[s].Low))})
			node = int(in.Stages[s].J)
		}
		if _, err := in.Evaluate(path); err == nil {
			return path
		}
	}
	return nil
}

// allStages are the stages of a problem, those of a node made when they are asked for.
type allStages struct {
	solve.Problem
	of   *Problem
	from [][2]int // by node: its stages, from the first to before the end; the end is 0 before they are made
}

// someStages gives the stages asked for so far.
func (p *Problem) someStages() *allStages {
	if p.all == nil {
		p.all = &allStages{of: p, Problem: p.outline.Problem, from: make([][2]int, len(p.outline.Nodes))}
		p.all.Stages = nil
	}
	return p.all
}

// after gives the stages that begin at a node.
func (a *allStages) after(node int) (first, end int) {
	f := &a.from[node]
	if f[1] == 0 && node < len(a.Nodes)-1 {
		f[0] = len(a.Stages)
		a.Stages = a.of.outline.After(node, a.Stages)
		f[1] = len(a.Stages)
	}
	return f[0], f[1]
}
