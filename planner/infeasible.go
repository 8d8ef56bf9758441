package planner

import (
	"fmt"
	"strconv"
	"strings"

	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/planner/solve"
)

// obstacle is why a request has no plan, and the smallest change that would help.
type obstacle struct {
	reason string
	advice *plan.Advice
}

// explainSlow says that even the fastest plan misses the SLO.
func (p *Problem) explainSlow(r Request, fastest solve.Point) *obstacle {
	least := printDuration(fastest.LatencyUs)
	if o := p.platform.Orchestrator; o != nil && fastest.LatencyUs > p.platform.RequestTimeoutUs() {
		return &obstacle{reason: fmt.Sprintf("the fastest plan takes %s, and %s end after %s", least, o.Label, printDuration(p.platform.RequestTimeoutUs())),
			advice: &plan.Advice{Option: "orchestration", Value: gateway}}
	}
	if r.SLOUs == 0 || fastest.LatencyUs > p.platform.TimeoutUs {
		return &obstacle{reason: fmt.Sprintf("the fastest plan takes %s, and %s ends every function, the gateway among them, after %s",
			least, p.platform.Name, printDuration(p.platform.TimeoutUs))}
	}
	return &obstacle{
		reason: fmt.Sprintf("the SLO is %s; the fastest plan takes %s and costs %s USD per request", printDuration(r.SLOUs), least, printMoney(fastest.CostPicoUSD)),
		advice: &plan.Advice{Option: "slo", Value: least},
	}
}

// explainDear says that the cheapest plan fast enough is over the budget.
func (p *Problem) explainDear(r Request, cheapest solve.Point) *obstacle {
	within := ""
	if r.SLOUs > 0 {
		within = " within the SLO of " + printDuration(r.SLOUs)
	}
	least := printMoney(cheapest.CostPicoUSD)
	return &obstacle{
		reason: fmt.Sprintf("the budget is %s USD per request; the cheapest plan%s costs %s USD", printMoney(r.BudgetPicoUSD), within, least),
		advice: &plan.Advice{Option: "budget", Value: least},
	}
}

// explainNoPlan says why no plan exists whatever its latency and cost.
func (p *Problem) explainNoPlan() *obstacle {
	reach := p.result.Reach
	switch {
	case p.result.Status == solve.Stopped:
		return &obstacle{reason: "the optimiser reached its limit of work before it found a plan"}
	case reach.FewestStages == 0:
		return p.explainObstacles()
	case reach.FewestStages > p.request.MaxStages:
		return &obstacle{
			reason: fmt.Sprintf("at least %d functions are needed, at most %d are allowed: %s", reach.FewestStages, p.request.MaxStages, p.whatDivides()),
			advice: &plan.Advice{Option: "max-stages", Value: strconv.Itoa(reach.FewestStages)},
		}
	case reach.MostStages < p.request.MinStages:
		reason := fmt.Sprintf("at least %d functions are wanted; the model has %d places to cut, so it makes %d at most", p.request.MinStages,
			p.table.Cuts(), p.table.Cuts()+1)
		if reach.MostStages < p.table.Cuts()+1 {
			reason = fmt.Sprintf("at least %d functions are wanted; with what fits this platform and the sizes considered the model makes %d at most",
				p.request.MinStages, reach.MostStages)
		}
		return &obstacle{reason: reason, advice: &plan.Advice{Option: "min-stages", Value: strconv.Itoa(reach.MostStages)}}
	}
	return &obstacle{
		reason: fmt.Sprintf("the model can be served by %d to %d functions, but not by %d to %d", reach.FewestStages, reach.MostStages,
			p.request.MinStages, p.request.MaxStages),
		advice: &plan.Advice{Option: "max-stages", Value: strconv.Itoa(reach.MostStages)},
	}
}

// advise keeps an obstacle's advice if the request has a plan with it. Where there is another obstacle behind, and advice against that, the
// reason goes on to say what all of them take, as no single change is enough.
func (p *Problem) advise(r Request, why *obstacle) (reason string, advice *plan.Advice) {
	reason, advice = why.reason, why.advice
	if advice == nil || advice.Option == "budget" || advice.Option == "slo" && r.BudgetPicoUSD == 0 {
		return reason, advice // what SLO and budget allow is read off the frontier
	}
	const most = 5
	taken := map[string]string{}
	var order []string
	for why != nil && why.advice != nil && len(taken) < most {
		option, value := why.advice.Option, why.advice.Value
		if taken[option] == value {
			return reason, nil
		}
		if _, again := taken[option]; !again {
			order = append(order, option)
		}
		taken[option] = value
		o, known := OptionNamed(option)
		if !known {
			panic("planner: advice on no option: " + option)
		}
		if err := o.Parse(&r, value); err != nil {
			return reason, nil
		}
		why = p.obstacleTo(r)
	}
	if why != nil {
		return reason, nil
	}
	if len(order) == 1 {
		return reason, &plan.Advice{Option: order[0], Value: taken[order[0]]}
	}
	for i, option := range order {
		order[i] = option + " " + taken[option]
	}
	return reason + ". There is a plan with " + strings.Join(order[:len(order)-1], ", ") + " and " + order[len(order)-1], nil
}

// obstacleTo tells what is in the way of another request for the same model; nil when nothing is.
func (p *Problem) obstacleTo(r Request) *obstacle {
	bought, err := r.check()
	if err != nil {
		return &obstacle{}
	}
	changed, err := newProblemOn(p.given, r, bought)
	if err != nil {
		return &obstacle{}
	}
	changed.labels = triedLabels
	_, why := changed.choose(r)
	return why
}

// whatDivides says which limit the whole model in one function would exceed.
func (p *Problem) whatDivides() string {
	if most := p.table.Pins.MaxLayers; most > 0 {
		return "none may have more than " + report.Count(most, "layer")
	}
	limit, needs, allowed, ok := p.table.Whole()
	if ok {
		return "larger parts do not fit"
	}
	return "the whole model " + needed(limit, needs, allowed)
}

// explainObstacles names the layers that fit no function.
func (p *Problem) explainObstacles() *obstacle {
	obstacles := p.table.Obstacles()
	if len(obstacles) == 0 {
		most, least := p.table.Pins.MaxLayers, p.table.FewestLayers()
		if 0 < most && most < least {
			return &obstacle{reason: fmt.Sprintf("functions may have %s at most, and %d lie between two places where the model can be cut", report.Count(most, "layer"), least),
				advice: &plan.Advice{Option: "layer-cap", Value: strconv.Itoa(least)}}
		}
		return &obstacle{reason: "no way to cut the model fits the platform"}
	}
	const shown = 3
	var parts []string
	for i, o := range obstacles {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(obstacles)-shown))
			break
		}
		if o.Limit == cost.PayloadLimit {
			parts = append(parts, fmt.Sprintf("what crosses the cut after layer %d %s", o.First, needed(o.Limit, o.Needs, o.Allowed)))
			continue
		}
		parts = append(parts, p.layerRange(o.First, o.Last)+" "+needed(o.Limit, o.Needs, o.Allowed))
	}
	return &obstacle{reason: "some parts of the model that cannot be cut further fit no function of " + p.platform.Name + ": " + strings.Join(parts, "; "),
		advice: p.adviseOn(obstacles)}
}

// adviseOn finds the one option that removes all obstacles, if one does.
func (p *Problem) adviseOn(obstacles []cost.Obstacle) *plan.Advice {
	limit := obstacles[0].Limit
	most := int64(0)
	for _, o := range obstacles {
		if o.Limit != limit {
			return nil
		}
		most = max(most, o.Needs)
	}
	switch limit {
	case cost.MemoryLimit:
		size, sold := p.platform.MemoryFrom(most)
		if !sold {
			return nil
		}
		return &plan.Advice{Option: "memory", Value: strconv.FormatInt(size, 10)}
	case cost.PayloadLimit:
		return &plan.Advice{Option: "transport", Value: auto}
	}
	return nil
}

// layerRange names layers and their places.
func (p *Problem) layerRange(first, last int) string {
	for first+1 < last && p.model.graph.Layers[first].FirstNode == p.model.graph.Layers[first].LastNode {
		first++ // an input has no work to speak of
	}
	if last == first+1 {
		return fmt.Sprintf("layer %d (%s)", last, p.layers(first, last))
	}
	return fmt.Sprintf("layers %d to %d (%s)", first+1, last, p.layers(first, last))
}

// needed completes "... needs X, Y are allowed".
func needed(limit cost.Limit, needs, allowed int64) string {
	switch limit {
	case cost.PackageLimit:
		return fmt.Sprintf("needs a package of %s, the limit is %s", megabytes(needs), megabytes(allowed))
	case cost.MemoryLimit:
		return fmt.Sprintf("needs %d MB of memory, the largest size considered is %d MB", needs, allowed)
	case cost.PayloadLimit:
		return fmt.Sprintf("needs a payload of %s, the limit is %s", megabytes(needs), megabytes(allowed))
	case cost.InitLimit:
		return fmt.Sprintf("takes %s to start, the limit is %s", printDuration(needs), printDuration(allowed))
	}
	return fmt.Sprintf("takes %s, the limit is %s", printDuration(needs), printDuration(allowed))
}

// megabytes prints bytes in MB of 1,048,576 bytes, as platforms state their limits, with one decimal rounded up.
func megabytes(bytes int64) string {
	tenths := (bytes*10 + 1<<20 - 1) >> 20
	return fmt.Sprintf("%d.%d MB", tenths/10, tenths%10)
}
