package solve

import "sort"

// Status is the outcome of Solve.
type Status string

// The outcomes.
const (
	// Optimal: the frontier is whole and exact.
	Optimal Status = "optimal"
	// Infeasible: no path has an allowed number of stages. Result.Reach says how far it is from one.
	Infeasible Status = "infeasible"
	// Stopped: the limit of labels was reached. The frontier holds plans that exist, GapPicoUSD says how good they are.
	Stopped Status = "stopped"
)

// Result is what Solve found.
type Result struct {
	Status   Status
	Frontier []Point // non-dominated, by rising latency and so by falling cost
	// GapPicoUSD bounds what was missed when Status is Stopped: for any latency that the frontier reaches, no plan is
	// cheaper than the frontier's by more than this. Zero otherwise.
	GapPicoUSD int64
	Labels     int // labels made, the unit of Solve's limit
	Reach      Reach

	first   []int32 // first[p] is where point p's stages begin in choices, first[len(Frontier)] the end
	choices []choice
}

// Reach describes which paths exist when stage limits are set aside, to explain an infeasible instance.
type Reach struct {
	FewestStages int // of any path from source to sink; 0 when there is none
	MostStages   int
	LastNode     int // the last node that can be reached from the source
	FirstNode    int // the first node from which the sink can be reached
}

type choice struct{ segment, option int32 }

// Stages gives the plan behind a point of the frontier, in order. Of plans with equal totals it is the one with the
// fewest stages and, among those, with the smallest (segment, option) indices compared from the last stage to the
// first. In cold-overlapped, where waiting for an init can hide a slower beginning, that holds among plans that would
// also be the best to any node on their way. A stopped search may give another plan of the same totals.
func (r *Result) Stages(point int) []Choice {
	part := r.choices[r.first[point]:r.first[point+1]]
	stages := make([]Choice, len(part))
	for i, c := range part {
		stages[i] = Choice{int(c.segment), int(c.option)}
	}
	return stages
}

// Cheapest finds the cheapest point with a latency of at most sloUs; false when none is as fast.
func (r *Result) Cheapest(sloUs int64) (point int, ok bool) {
	n := sort.Search(len(r.Frontier), func(i int) bool { return r.Frontier[i].LatencyUs > sloUs })
	return n - 1, n > 0
}

// Fastest finds the fastest point that costs at most budgetPicoUSD; false when none is as cheap.
func (r *Result) Fastest(budgetPicoUSD int64) (point int, ok bool) {
	n := sort.Search(len(r.Frontier), func(i int) bool { return r.Frontier[i].CostPicoUSD <= budgetPicoUSD })
	if n == len(r.Frontier) {
		return -1, false
	}
	return n, true
}
