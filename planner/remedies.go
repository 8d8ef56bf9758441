package planner

import (
	"fmt"
	"slices"
	"sort"
	"strconv"

	"partita/planner/platform"
	"partita/planner/report"
	"partita/planner/solve"
)

// remedies finds, for each kind of change, the smallest that makes an infeasible request feasible.
func (e *explainer) remedies() {
	p, r := e.problem, e.request
	set := func(option, value, words string) bool {
		return e.helps(change{constraint: option, option: option, value: value, words: words})
	}
	if frontier := p.result.Frontier; len(frontier) > 0 {
		if r.SLOUs > 0 {
			e.affordable(frontier, set)
		}
		if point, within := p.result.Cheapest(e.slo()); within && r.BudgetPicoUSD > 0 {
			value := printMoney(frontier[point].CostPicoUSD)
			set("budget", value, "spend up to "+value+" USD per request")
		}
	}
	e.stages(set)
	e.sizes(set)
	if r.Inputs > 1 {
		k := sort.Search(int(r.Inputs-1), func(k int) bool {
			_, ok := e.try(change{option: "inputs", value: strconv.FormatInt(r.Inputs-1-int64(k), 10)})
			return ok
		})
		if most := strconv.FormatInt(r.Inputs-1-int64(k), 10); most != "0" {
			set("inputs", most, "send "+most+" inputs in a request")
		}
	} else if r.Batch > 1 {
		// The largest batch that does: larger ones take more of everything.
		k := sort.Search(int(r.Batch-1), func(k int) bool {
			_, ok := e.try(change{option: "batch", value: strconv.FormatInt(r.Batch-1-int64(k), 10)})
			return ok
		})
		if most := strconv.FormatInt(r.Batch-1-int64(k), 10); most != "0" {
			set("batch", most, "send "+most+" inputs at a time")
		}
	}
	if r.Transport != "" {
		set("transport", "auto", "let tensors travel the better way at each cut")
	}
	e.levers(set)
	if r.Scenario == string(solve.ColdSequential) {
		set("scenario", string(solve.ColdOverlapped), "wake all functions at once")
	}
	e.unpin()
	if r.LayerCap > 0 { // an even one has been given up already
		all := len(p.model.graph.Layers)
		k := sort.Search(all-r.LayerCap, func(k int) bool {
			_, ok := e.try(change{option: "layer-cap", value: strconv.Itoa(r.LayerCap + 1 + k)})
			return ok
		})
		value := strconv.Itoa(r.LayerCap + 1 + k)
		set("layer-cap", value, "allow "+value+" layers in a function")
	}
	e.platformLimits()
	e.otherPlatform(set)
}

// slo is the most that a request may take.
func (e *explainer) slo() int64 {
	if slo := e.request.SLOUs; slo > 0 {
		return min(slo, e.problem.platform.RequestTimeoutUs())
	}
	return e.problem.platform.RequestTimeoutUs()
}

// affordable loosens the SLO to the fastest plan there is within the budget.
func (e *explainer) affordable(frontier []solve.Point, set func(option, value, words string) bool) {
	fastest := 0
	if budget := e.request.BudgetPicoUSD; budget > 0 {
		var ok bool
		if fastest, ok = e.problem.result.Fastest(budget); !ok {
			return
		}
	}
	if us := frontier[fastest].LatencyUs; us > e.request.SLOUs {
		limit := us + us/50 // within a fiftieth, in fewer digits
		value := roundUpDuration(us, limit)
		set("slo", value, "loosen the SLO to "+value)
	}
}

// moreStages bounds how many more functions are tried against an SLO or a budget.
const moreStages = 6

// stages finds the smallest change of how many functions there may be. What can be served with some functions can be when more
// are allowed, so one attempt with the most tells whether any number helps.
func (e *explainer) stages(set func(option, value, words string) bool) {
	p, r := e.problem, e.request
	serves := func(option string, n int) bool {
		_, ok := e.try(change{option: option, value: strconv.Itoa(n)})
		return ok
	}
	possible := p.table.Cuts() + 1
	fewest := max(r.MaxStages+1, p.result.Reach.FewestStages)
	most := min(possible, fewest+moreStages-1)
	if fewest <= most && serves("max-stages", most) {
		n := fewest + sort.Search(most-fewest, func(k int) bool { return serves("max-stages", fewest+k) })
		value := strconv.Itoa(n)
		set("max-stages", value, "allow "+value+" functions")
	}
	least := min(r.MinStages-1, possible)
	if reach := p.result.Reach.MostStages; 0 < reach && reach < r.MinStages {
		least = reach
	} else if least >= 1 && serves("min-stages", 1) {
		least -= sort.Search(least-1, func(k int) bool { return serves("min-stages", least-k) })
	}
	if least >= 1 {
		set("min-stages", strconv.Itoa(least), "allow as few as "+report.Count(least, "function"))
	}
}

// sizes finds the smallest size that helps when it is considered as well; failing that, it tries all.
func (e *explainer) sizes(set func(option, value, words string) bool) {
	p, r := e.problem, e.request
	if r.MemoryMB == nil {
		return
	}
	grid := p.platform.Grid(0)
	with := func(m int64) string {
		return printSizes(sorted(append([]int64{m}, r.MemoryMB...)))
	}
	k := sort.Search(len(grid), func(k int) bool {
		_, ok := e.try(change{option: "memory", value: with(grid[k])})
		return ok
	})
	if k < len(grid) {
		set("memory", with(grid[k]), fmt.Sprintf("consider functions of %d MB as well", grid[k]))
		return
	}
	set("memory", "grid", "consider the platform's whole grid of sizes")
}

// notForSale are the platforms that are no answer to somebody who needs another one: one for trying, and one of the past.
var notForSale = []string{"local", "aws-lambda-2020"}

// otherPlatform names the first platform on which the request is feasible, one that can be deployed to if there is one.
func (e *explainer) otherPlatform(set func(option, value, words string) bool) {
	if e.request.Calibration != nil {
		return // its times are this platform's
	}
	for _, planningOnly := range []bool{false, true} {
		for _, name := range platform.Names() {
			p, err := platform.Get(name)
			if err != nil || p.PlanningOnly != planningOnly || name == e.request.Platform || slices.Contains(notForSale, name) {
				continue
			}
			if set("platform", name, "plan for "+name) {
				return
			}
		}
	}
}
