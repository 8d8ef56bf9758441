package planner

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"

	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/report"
	"partita/planner/solve"
)

// Explain adds to a plan of this problem the reasons it is as it is: of a feasible plan, every constraint that holds it back,
// with what loosening it would save; of an infeasible one, for each kind of change the smallest that would make it feasible.
// Each is found by planning again with the change, so this takes several times as long as the plan did.
func (p *Problem) Explain(document *plan.Plan) {
	r := p.request
	r.Objective, r.SLOUs, r.BudgetPicoUSD = document.Request.Objective, document.Request.SLOUs, document.Request.BudgetPicoUSD
	e := &explainer{problem: p, request: r, document: document}
	switch {
	case p.result.Status == solve.Stopped: // solving more of the same would be stopped as well
	case document.Status == plan.Infeasible:
		e.remedies()
	default:
		e.bonds()
		document.Levers = e.used()
	}
	document.Reasons = e.reasons
}

// explainer tries changes of a request.
type explainer struct {
	problem  *Problem
	request  Request
	document *plan.Plan
	reasons  []plan.Reason
}

// change is something to try.
type change struct {
	constraint string
	words      string
	option     string // set to value, when it is an option that changes
	value      string
	platform   *platform.Platform // other figures, when it is a limit
	keepCuts   bool               // the document's cuts stay: the change may bring more than is found, and not less
	whole      bool               // all ways to send many inputs are tried again, since the plan without something is wanted
}

// triedLabels bounds the work of one attempt to about a second. What an attempt that is stopped has found is a plan all the same.
const triedLabels = 1 << 23

// fewWays is up to how many ways to send inputs all are tried again with every change.
const fewWays = 50

// try plans with a change.
func (e *explainer) try(c change) (best solve.Point, feasible bool) {
	changed, ok := e.changed(c)
	if !ok {
		return best, false
	}
	return changed.best(changed.request)
}

// changed prepares the problem of a change; not ok where it makes no sense or is soon seen to have no plan.
func (e *explainer) changed(c change) (changed *Problem, ok bool) {
	r := e.request
	if c.option != "" {
		o, known := OptionNamed(c.option)
		if !known {
			panic("planner: a reason changes no option: " + c.option)
		}
		if err := o.Parse(&r, c.value); err != nil {
			return nil, false
		}
	}
	if c.keepCuts {
		stages := e.document.Stages
		r.Cuts, r.MinStages, r.MaxStages = nil, len(e.document.Waves())-1, len(stages)
		for _, s := range stages[:len(stages)-1] {
			r.Cuts = append(r.Cuts, strconv.Itoa(s.LastLayer))
		}
	}
	if b := e.document.Batching; b != nil && e.problem.waysToSend() > fewWays && !c.whole && !slices.Contains([]string{"inputs", "batch", "pipelines"}, c.option) {
		r.Batch, r.Pipelines = b.Batch, b.Pipelines // as the document sends them: here too the change may bring more
	}
	if r.GatewayMemoryMB == AutoGateway && r.MicroRequestsPH > 0 && e.document.Status != plan.Infeasible && !c.whole && !slices.Contains([]string{"gateway-memory", "rate", "platform"}, c.option) {
		r.GatewayMemoryMB = e.document.Gateway.MemoryMB // with a rate each size is a search of its own: as the document has it, so the change may bring more
	}
	bought, err := r.check()
	if err != nil {
		return nil, false
	}
	if c.platform != nil {
		bought = c.platform
	}
	if e.tooSlow(r, bought) {
		return nil, false
	}
	if changed, err = newProblemOn(e.problem.given, r, bought); err != nil {
		return nil, false
	}
	changed.labels = triedLabels
	return changed, true
}

// waysToSend counts the ways to send the inputs of a request that are open.
func (p *Problem) waysToSend() int {
	if p.either != nil {
		return p.either[0].waysToSend()
	}
	return len(p.members)
}

// tooSlow tells soon that no plan meets an SLO: every stage is fastest at the largest size, so the sizes below it can be left out.
func (e *explainer) tooSlow(r Request, p *platform.Platform) bool {
	if r.SLOUs == 0 || e.document.Status != plan.Infeasible || len(r.Fixed) > 0 {
		return false
	}
	sizes := r.MemoryMB
	if sizes == nil {
		sizes = p.Grid(0)
	}
	r.MemoryMB = sizes[len(sizes)-1:]
	largest, err := newProblemOn(e.problem.given, r, p)
	if err != nil {
		return false
	}
	frontier := largest.Solve().Frontier
	return largest.result.Status != solve.Stopped && (len(frontier) == 0 || frontier[0].LatencyUs > r.SLOUs)
}

// helps tries a change, notes it if it helps, and tells whether it does.
func (e *explainer) helps(c change) bool {
	best, feasible := e.try(c)
	return feasible && e.note(c, best)
}

// note writes a change down if its plan is better than the document's, or the document has none.
func (e *explainer) note(c change, best solve.Point) bool {
	reason := plan.Reason{Constraint: c.constraint, Change: c.words, Option: c.option, Value: c.value, LatencyUs: best.LatencyUs, CostPicoUSD: best.CostPicoUSD}
	d := e.document
	if d.Status != plan.Infeasible {
		if e.request.Objective == LeastLatency {
			reason.SavesUs = max(d.LatencyUs-best.LatencyUs, 0)
		} else {
			reason.SavesPicoUSD = max(d.CostPicoUSD-best.CostPicoUSD, 0)
		}
		if reason.SavesUs == 0 && reason.SavesPicoUSD == 0 {
			return false
		}
	}
	e.reasons = append(e.reasons, reason)
	return true
}

// bonds tries to loosen each constraint of a feasible plan.
func (e *explainer) bonds() {
	p, r := e.problem, e.request
	e.frontierBonds()
	set := func(option, value, words string) bool {
		return e.helps(change{constraint: option, option: option, value: value, words: words})
	}
	if r.MaxStages < p.table.Cuts()+1 && len(e.document.Stages) >= r.MaxStages {
		more := strconv.Itoa(r.MaxStages + 1)
		set("max-stages", more, "allow "+more+" functions")
	}
	if r.MinStages > 1 && len(e.document.Waves())-1 == r.MinStages {
		fewer := strconv.Itoa(r.MinStages - 1)
		set("min-stages", fewer, "allow as few as "+report.Count(r.MinStages-1, "function"))
	}
	if r.MemoryMB != nil {
		set("memory", "grid", "consider the platform's whole grid of sizes")
	} else if p.platform.MemoryStepMB < p.platform.PlanningStepMB {
		value := fmt.Sprintf("%d-%d/%d", p.platform.MinMemoryMB, p.platform.MaxMemoryMB, p.platform.MemoryStepMB)
		e.helps(change{constraint: "memory", option: "memory", value: value, words: "consider every size on sale", keepCuts: true})
	}
	if r.Transport != "" {
		set("transport", auto, "let tensors travel the better way at each cut")
	}
	e.gateway()
	e.levers(set)
	e.otherProcessor(set)
	e.unpin()
	e.platformLimits()
	e.longest()
}

// gateway tries to leave the gateway's size to the planner, and says which it takes.
func (e *explainer) gateway() {
	if e.request.GatewayMemoryMB == AutoGateway {
		return
	}
	c := change{constraint: "gateway-memory", option: "gateway-memory", value: auto, keepCuts: e.request.MicroRequestsPH > 0} // with a rate each size is a search of its own
	changed, ok := e.changed(c)
	if !ok {
		return
	}
	point, why := changed.choose(changed.request)
	if why != nil {
		return
	}
	memoryMB := changed.frontier[point].GatewayMemoryMB
	c.words = fmt.Sprintf("let the planner choose the gateway's size, which is then %d MB", memoryMB)
	if memoryMB < e.document.Gateway.MemoryMB && e.request.PicturePixels == 0 && changed.table.TakesPictures() {
		c.words += ", though large photos then take longer to decode"
	}
	e.note(c, changed.result.Frontier[point])
}

// frontierBonds looks up what a looser SLO or a larger budget would bring: the least loosening that brings a hundredth, and having
// none at all.
func (e *explainer) frontierBonds() {
	r, frontier := e.request, e.problem.result.Frontier
	at := sort.Search(len(frontier), func(i int) bool { return frontier[i].LatencyUs >= e.document.LatencyUs })
	worth := func(was, is int64) bool { return was-is >= max((was+99)/100, 1) }
	timeout := e.problem.platform.RequestTimeoutUs()
	if r.Objective == LeastCost && r.SLOUs > 0 {
		last := sort.Search(len(frontier), func(i int) bool { return frontier[i].LatencyUs > timeout }) - 1
		for i := at + 1; i <= last; i++ {
			if worth(e.document.CostPicoUSD, frontier[i].CostPicoUSD) && i < last {
				value := roundUpDuration(frontier[i].LatencyUs, frontier[i+1].LatencyUs)
				e.note(change{constraint: "slo", option: "slo", value: value, words: "loosen the SLO to " + value}, frontier[i])
				break
			}
		}
		if last > at {
			e.note(change{constraint: "slo", option: "slo", value: "none", words: "give up the SLO"}, frontier[last])
		}
	}
	if r.Objective == LeastLatency && r.BudgetPicoUSD > 0 {
		for i := at - 1; i > 0; i-- {
			if worth(e.document.LatencyUs, frontier[i].LatencyUs) {
				value := printMoney(frontier[i].CostPicoUSD)
				e.note(change{constraint: "budget", option: "budget", value: value, words: "spend up to " + value + " USD per request"}, frontier[i])
				break
			}
		}
		if at > 0 {
			e.note(change{constraint: "budget", option: "budget", value: "none", words: "give up the budget"}, frontier[0])
		}
	}
}

// roundUpDuration prints a duration in as few digits as keep it below limit.
func roundUpDuration(us, limit int64) string {
	for unit := int64(10_000_000); unit > 1; unit /= 10 {
		if up := (us + unit - 1) / unit * unit; up < limit {
			return printDuration(up)
		}
	}
	return printDuration(us)
}

// unpin tries to give up, one by one, what is fixed by hand.
func (e *explainer) unpin() {
	r := e.request
	const tried = 20 // of each kind
	for i, c := range r.Cuts[:min(len(r.Cuts), tried)] {
		rest := slices.Delete(slices.Clone(r.Cuts), i, i+1)
		e.helps(change{constraint: "cut", option: "cut", value: printLayers(rest), words: "do not cut after layer " + c})
	}
	for i, c := range r.NoCuts[:min(len(r.NoCuts), tried)] {
		rest := slices.Delete(slices.Clone(r.NoCuts), i, i+1)
		e.helps(change{constraint: "no-cut", option: "no-cut", value: printLayers(rest), words: "allow a cut after layer " + c})
	}
	for i, f := range r.Fixed[:min(len(r.Fixed), tried)] {
		rest := slices.Delete(slices.Clone(r.Fixed), i, i+1)
		e.helps(change{constraint: "stage-memory", option: "stage-memory", value: printAll(rest), words: "choose the memory of layer " + f.String() + " freely"})
	}
	for i, f := range r.FixedPrecisions[:min(len(r.FixedPrecisions), tried)] {
		rest := slices.Delete(slices.Clone(r.FixedPrecisions), i, i+1)
		e.helps(change{constraint: "stage-precision", option: "stage-precision", value: printAll(rest), words: "choose how layer " + f.String() + " is stored freely"})
	}
	if r.LayerCap != 0 && e.document.Status != plan.Infeasible {
		e.helps(change{constraint: "layer-cap", option: "layer-cap", value: "none", words: "allow any number of layers in a function"})
	}
}

// limit is a figure of a platform that may be in the way.
type limit struct {
	name  string
	kind  cost.Limit
	field func(p *platform.Platform) *int64
	most  int64 // beyond which it bounds nothing
	unit  int64 // to round to
	print func(v int64) string
}

var limits = []limit{
	{"package limit", cost.PackageLimit, func(p *platform.Platform) *int64 { return &p.PackageLimitBytes }, 1 << 40, 1 << 20, megabytes},
	{"payload limit", cost.PayloadLimit, func(p *platform.Platform) *int64 { return &p.PayloadLimitBytes }, 1 << 40, 1 << 16, megabytes},
	{"timeout", cost.TimeLimit, func(p *platform.Platform) *int64 { return &p.TimeoutUs }, 3600 * 1_000_000, 1_000_000, printDuration},
	{"init timeout", cost.InitLimit, func(p *platform.Platform) *int64 { return &p.InitTimeoutUs }, 3600 * 1_000_000, 100_000, printDuration},
}

// without gives the platform with a limit at another value.
func (l *limit) without(p *platform.Platform, value int64) *platform.Platform {
	changed := *p
	*l.field(&changed) = value
	return &changed
}

// platformLimits tries to lift each limit of the platform that some part of the model reaches, and finds the least value that does as
// well.
func (e *explainer) platformLimits() {
	p := e.problem
	for i := range limits {
		l := &limits[i]
		now := *l.field(p.platform)
		if now >= l.most || !p.table.Reaches(l.kind) {
			continue
		}
		best, feasible := e.try(change{platform: l.without(p.platform, l.most)})
		if !feasible || e.document.Status != plan.Infeasible && !e.better(best) {
			continue
		}
		// Values above now that do as well are an interval, since a looser limit only adds plans.
		units := (l.most - now) / l.unit
		k := int64(sort.Search(int(units), func(k int) bool {
			point, ok := e.try(change{platform: l.without(p.platform, now+(int64(k)+1)*l.unit)})
			return ok && (e.document.Status == plan.Infeasible || point == best)
		}))
		value := min(now+(k+1)*l.unit, l.most)
		point, ok := e.try(change{platform: l.without(p.platform, value)})
		if !ok {
			continue
		}
		e.note(change{constraint: l.name, words: fmt.Sprintf("a %s of %s instead of %s", l.name, l.print(value), l.print(now))}, point)
	}
}

// better tells whether a point beats the document's.
func (e *explainer) better(point solve.Point) bool {
	if e.request.Objective == LeastLatency {
		return point.LatencyUs < e.document.LatencyUs
	}
	return point.CostPicoUSD < e.document.CostPicoUSD
}

// longest puts the reasons in order, those that bring most first. Reasons of one constraint stay together.
func (e *explainer) longest() {
	most := map[string]int64{}
	for _, r := range e.reasons {
		most[r.Constraint] = max(most[r.Constraint], r.SavesPicoUSD, r.SavesUs)
	}
	slices.SortStableFunc(e.reasons, func(a, b plan.Reason) int {
		if a.Constraint == b.Constraint {
			return 0
		}
		return cmp.Compare(most[b.Constraint], most[a.Constraint])
	})
}
