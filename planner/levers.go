package planner

import (
	"fmt"
	"slices"

	"partita/planner/plan"
	"partita/planner/precision"
	"partita/planner/report"
)

// levers tries what the request switches off: other packagings, layers in parts, and weights in less than float32, the more
// exact first.
func (e *explainer) levers(set func(option, value, words string) bool) {
	r := e.request
	if r.Packaging != "" {
		set("packaging", auto, "let each function have its weights the better way")
	}
	if r.SplitLayers == off {
		set("split-layers", auto, "compute layers that fit no function in parts")
	}
	if r.Branches == off && e.problem.forks() {
		set("branches", auto, "let functions run branches of the model side by side")
	}
	if r.Orchestration == "" {
		set("orchestration", plan.StepFunctions, "let a Step Functions workflow drive the functions")
	} else {
		set("orchestration", gateway, "let the gateway drive the functions")
	}
	for _, w := range precision.All[1:] {
		allowed := r.Precisions
		if len(allowed) == 0 {
			allowed = precision.All[:1]
		}
		if slices.Contains(allowed, w) {
			continue
		}
		wider, err := parsePrecisions(printPrecisions(append(slices.Clone(allowed), w)))
		if err == nil && set("precision", printPrecisions(wider), "allow weights in "+string(w)) && e.document.Status == plan.Infeasible {
			break
		}
	}
}

// used lists the levers that a plan uses. What each is worth is found by planning without it.
func (e *explainer) used() []plan.Lever {
	var all []plan.Lever
	d := e.document
	try := func(option, value, use string) {
		lever := plan.Lever{Lever: option, Use: use}
		without, feasible := e.try(change{option: option, value: value})
		switch {
		case !feasible:
			lever.Needed = true
		case e.request.Objective == LeastLatency:
			lever.SavesUs = max(without.LatencyUs-d.LatencyUs, 0)
		default:
			lever.SavesPicoUSD = max(without.CostPicoUSD-d.CostPicoUSD, 0)
		}
		all = append(all, lever)
	}
	count := func(counts func(s *plan.Stage) bool) int {
		n := 0
		for i := range d.Stages {
			if counts(&d.Stages[i]) {
				n++
			}
		}
		return n
	}
	of := fmt.Sprintf(" of %d", len(d.Stages))
	if n := count((*plan.Stage).FetchesWeights); n > 0 {
		try("packaging", plan.PackagingZip, report.Count(n, "function")+of+" with weights in S3")
	}
	if n := count(func(s *plan.Stage) bool { return s.Precision != "" }); n > 0 {
		option, without := "precision", string(precision.Float32)
		if len(e.request.Precisions) == 0 {
			option, without = "stage-precision", "none" // all of them are fixed by hand
		}
		try(option, without, report.Count(n, "function")+of+" with weights in less than float32")
	}
	if n := count(func(s *plan.Stage) bool { return s.Branch > 0 }); n > 0 {
		try("branches", off, report.Count(n, "function")+of+" side by side with others")
	}
	if d.Workflow != nil {
		try("orchestration", gateway, "a Step Functions workflow drives the functions")
	}
	for _, s := range d.Model.Splits {
		try("split-layers", off, fmt.Sprintf("%s in %d parts", s.Layer, s.Parts))
	}
	return all
}
