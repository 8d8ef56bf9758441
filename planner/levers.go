package planner

import (
	"fmt"
	"slices"
	"strings"

	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/precision"
	"partita/planner/report"
)

// levers tries what the request switches off: other packagings, layers in parts, and weights in less than float32, the more
// exact first.
func (e *explainer) levers(set func(option, value, words string) bool) {
	r := e.request
	for _, packaging := range packagings(e.problem.platform) {
		if now := r.packagings(e.problem.platform); !slices.Contains(now, packaging) {
			set("packaging", printAuto(packagingOf(append(now, packaging))), allowed[packaging])
		}
	}
	if r.Inputs > 1 && r.Batch > 0 {
		set("batch", auto, "let as many inputs pass together as is best")
	}
	if r.Inputs > 1 && r.Pipelines > 0 {
		set("pipelines", auto, "let as many pipelines share the inputs as is best")
	}
	if r.Temporary == included {
		set("temporary", auto, "give functions the temporary storage that their weights need")
	}
	if r.SplitLayers == off {
		set("split-layers", auto, "compute layers that fit no function in parts")
	}
	if r.Branches == off && e.problem.forks() {
		set("branches", auto, "let functions run branches of the model side by side")
	}
	switch r.Orchestration {
	case "":
		set("orchestration", plan.StepFunctions, "let a Step Functions workflow drive the functions")
	case plan.StepFunctions:
		set("orchestration", gateway, "let the gateway drive the functions")
	}
	if e.document.Status == plan.Infeasible && r.GatewayMemoryMB != AutoGateway { // of a plan, see gateway
		set("gateway-memory", auto, "let the planner choose the gateway's size")
	}
	e.lowerAlone(set)
	for _, w := range precision.All[1:] {
		now := r.Precisions
		if len(now) == 0 {
			now = precision.All[:1]
		}
		if slices.Contains(now, w) {
			continue
		}
		wider, err := parsePrecisions(printPrecisions(append(slices.Clone(now), w)))
		if err == nil && set("precision", printPrecisions(wider), "allow weights in "+string(w)) && e.document.Status == plan.Infeasible {
			break
		}
	}
}

// lowerAlone stores nothing in less than float32 but the functions of layers that fit none by themselves.
func (e *explainer) lowerAlone(set func(option, value, words string) bool) {
	var names []string
	for _, o := range e.problem.table.Obstacles() {
		switch o.Limit {
		case cost.PackageLimit, cost.MemoryLimit, cost.InitLimit:
		default:
			return // it is not the weights, or not they alone
		}
		names = append(names, heaviest(e.problem.model.graph, o.First, o.Last))
	}
	const tried = 20 // layers
	if len(names) == 0 || len(names) > tried {
		return
	}
	for _, w := range precision.All[1:] {
		fixed := slices.Clone(e.request.FixedPrecisions)
		for _, name := range names {
			fixed = append(fixed, FixedPrecision{From: name, To: name, Precision: w})
		}
		if set("stage-precision", printAll(fixed), fmt.Sprintf("store the function of %s in %s and all others exactly", strings.Join(names, ", that of "), w)) {
			return
		}
	}
}

// heaviest names the layer of a range that has the most weights.
func heaviest(g *graph.Graph, first, last int) string {
	name, most := g.Layers[first].Name, int64(-1)
	for l := first; l < last; l++ {
		var bytes int64
		for _, n := range g.Nodes[g.Layers[l].FirstNode:g.Layers[l].LastNode] {
			for _, in := range n.Inputs {
				if in != graph.None && g.Value(in).Weight != nil {
					bytes += g.Value(in).Bytes(1)
				}
			}
		}
		if bytes > most {
			name, most = g.Layers[l].Name, bytes
		}
	}
	return name
}

// otherProcessor tries the same cloud's other processor, whose prices and speeds differ.
func (e *explainer) otherProcessor(set func(option, value, words string) bool) {
	if e.request.Calibration != nil {
		return // its times are this platform's
	}
	switch e.request.Platform {
	case "aws-lambda-x86_64":
		set("platform", "aws-lambda-arm64", "deploy functions for arm64")
	case "aws-lambda-arm64":
		set("platform", "aws-lambda-x86_64", "deploy functions for x86_64")
	}
}

// allowed says in words that a packaging may be used.
var allowed = map[string]string{
	plan.PackagingZip:   "allow zip packages",
	plan.PackagingS3:    "allow weights in S3",
	plan.PackagingImage: "allow container images",
}

// used lists the levers that a plan uses. What each is worth is found by planning without it.
func (e *explainer) used() []plan.Lever {
	var all []plan.Lever
	d := e.document
	try := func(option, value, use string) {
		lever := plan.Lever{Lever: option, Use: use}
		without, feasible := e.try(change{option: option, value: value, whole: true})
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
	without := func(packaging string) string { // the request's packagings less one
		left := slices.DeleteFunc(e.request.packagings(e.problem.platform), func(other string) bool { return other == packaging })
		if len(left) == 0 { // it alone was allowed
			return plan.PackagingZip
		}
		return strings.Join(left, ",")
	}
	if n := count((*plan.Stage).FetchesWeights); n > 0 {
		try("packaging", without(plan.PackagingS3), report.Count(n, "function")+of+" with weights in S3")
	}
	if n := count(func(s *plan.Stage) bool { return s.Packaging == plan.PackagingImage }); n > 0 {
		try("packaging", without(plan.PackagingImage), report.Count(n, "function")+of+" in container images")
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
	if e.request.GatewayMemoryMB == AutoGateway && d.Gateway.MemoryMB != e.problem.platform.GatewayMemoryMB {
		try("gateway-memory", "default", fmt.Sprintf("the gateway has %d MB, not %d", d.Gateway.MemoryMB, e.problem.platform.GatewayMemoryMB))
	}
	if n := count(func(s *plan.Stage) bool { return s.TemporaryMB > 0 }); n > 0 {
		try("temporary", included, report.Count(n, "function")+of+" with more temporary storage than the price includes")
	}
	if b := d.Batching; b != nil && b.Batch > 1 && e.request.Batch == 0 {
		try("batch", "1", fmt.Sprintf("%d inputs in passes of up to %d", b.Inputs, b.Batch))
	}
	if b := d.Batching; b != nil && b.Pipelines > 1 && e.request.Pipelines == 0 {
		try("pipelines", "1", fmt.Sprintf("%d passes over %d pipelines", b.Passes, b.Pipelines))
	}
	for _, s := range d.Model.Splits {
		try("split-layers", off, fmt.Sprintf("%s in %d parts", s.Layer, s.Parts))
	}
	return all
}
