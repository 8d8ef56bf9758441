package report

import (
	"fmt"
	"io"
	"strconv"

	"partita/planner/plan"
)

// Requests is the number of requests that prices are shown for: one request costs too little to read.
const Requests = 100_000

// Summary says a plan in one line.
func Summary(p *plan.Plan) string {
	if p.Status == plan.Infeasible {
		return fmt.Sprintf("%s on %s: infeasible: %s", p.Model.Name, p.Platform, p.Reason)
	}
	functions := Count(len(p.Stages), "function")
	sizes := ""
	for i, s := range p.Stages {
		switch {
		case s.Branch > 1:
			sizes += " | "
		case i > 0:
			sizes += " + "
		}
		sizes += Grouped(s.MemoryMB)
	}
	sent := ""
	if p.Batching != nil {
		sent = ", " + Sending(p.Batching)
	}
	return fmt.Sprintf("%s on %s: %s of %s MB%s, %s per 100,000 requests, %s per request (%s)", p.Model.Name, p.Platform, functions, sizes, sent,
		Price(p.CostPicoUSD), Duration(p.LatencyUs), Scenario(p.Request.Scenario))
}

// WritePlan shows a plan to people.
func WritePlan(w io.Writer, p *plan.Plan) error {
	page := NewPage(w)
	page.Line("%s on %s, %s, prices of %s", p.Model.Name, p.Platform, Scenario(p.Request.Scenario), p.PriceBook.Date)
	if p.Status == plan.Infeasible {
		page.Line("infeasible: %s", p.Reason)
		writeReasons(page, p)
		return page.Err()
	}
	page.Line("%s per 100,000 requests, %s per request (%s)", Price(p.CostPicoUSD), Duration(p.LatencyUs), p.Times)
	if p.Status == plan.Stopped {
		page.Line("the search was stopped at its limit: the best plan is at most %s cheaper per 100,000 requests", Price(p.GapPicoUSD))
	}
	if b := p.Batching; b != nil {
		page.Line("%s: %s per 100,000 inputs", Sending(b), Price(p.CostPicoUSD/b.Inputs))
	}
	if p.Request.Orchestration == plan.OrchestrationAuto {
		page.Line("%s drives the functions: that is better here", map[bool]string{true: "the gateway", false: "a Step Functions workflow"}[p.Workflow == nil])
	}
	if t := p.Traffic; t != nil {
		page.Line("%s", Traffic(p))
		page.Line("  cold: %s per 100,000 requests, %s; warm: %s, %s", Price(t.ColdCostPicoUSD), Duration(t.ColdLatencyUs),
			Price(t.WarmCostPicoUSD), Duration(t.WarmLatencyUs))
	}
	for _, s := range p.Model.Splits {
		page.Line("%s fits no function: it is computed in %d parts of its output channels, and joined", s.Layer, s.Parts)
	}
	page.Line("")
	page.Table(stageRows(p))
	if known := Expected(p); known != "" {
		page.Line("%s", known)
	}
	writeReasons(page, p)
	if len(p.Baselines) > 0 {
		page.Line("")
		page.Table(baselineRows(p))
	}
	page.Line("")
	page.Line("plan %s, one of %d that no other beats in both cost and latency", p.Hash, len(p.Frontier))
	return page.Err()
}

// Sending says how the inputs of a request go through the pipeline.
func Sending(b *plan.Batching) string {
	inputs := Count(int(b.Inputs), "input")
	switch {
	case b.Inputs == 1:
		return inputs
	case b.Passes == 1:
		return inputs + " together"
	}
	text := fmt.Sprintf("%s in %d passes of %d", inputs, b.Passes, b.Batch)
	if b.LastBatch() < b.Batch {
		text += fmt.Sprintf(", the last of %d,", b.LastBatch())
	}
	if b.Pipelines == 1 {
		return text + " one after another"
	}
	return fmt.Sprintf("%s over %d pipelines at the same time", text, b.Pipelines)
}

// Traffic says in words what a plan's rate of requests means.
func Traffic(p *plan.Plan) string {
	t := p.Traffic
	holds := "the latency is that of a cold one"
	if p.Request.Scenario == "warm" {
		holds = "the latency is that of the others"
	}
	return fmt.Sprintf("at %s, with functions kept for %s, %s of the requests are cold: the cost is the mean, %s", Rate(t.MicroRequestsPerHour), Duration(t.IdleUs), Share(t.ColdPpm), holds)
}

// Reason says a reason in one line.
func Reason(r *plan.Reason) string {
	switch {
	case r.SavesPicoUSD > 0:
		return fmt.Sprintf("%s: saves %s per 100,000 requests (%s), %s per request", r.Change, Price(r.SavesPicoUSD),
			Share(fraction(r.SavesPicoUSD, r.SavesPicoUSD+r.CostPicoUSD)), Duration(r.LatencyUs))
	case r.SavesUs > 0:
		return fmt.Sprintf("%s: saves %s per request (%s), at %s per 100,000 requests", r.Change, Duration(r.SavesUs), Share(fraction(r.SavesUs, r.SavesUs+r.LatencyUs)),
			Price(r.CostPicoUSD))
	}
	return fmt.Sprintf("%s: then %s per 100,000 requests, %s per request", r.Change, Price(r.CostPicoUSD), Duration(r.LatencyUs))
}

// fraction gives a part of a whole in millionths.
func fraction(part, whole int64) int64 {
	return int64(float64(part) / float64(whole) * 1e6)
}

// Lever says in one line what a lever of a plan is worth.
func Lever(l *plan.Lever) string {
	switch {
	case l.Needed:
		return l.Use + ": there is no plan without"
	case l.SavesPicoUSD > 0:
		return fmt.Sprintf("%s: saves %s per 100,000 requests", l.Use, Price(l.SavesPicoUSD))
	case l.SavesUs > 0:
		return fmt.Sprintf("%s: saves %s per request", l.Use, Duration(l.SavesUs))
	}
	return l.Use + ": saves next to nothing"
}

func writeReasons(page *Page, p *plan.Plan) {
	if len(p.Levers) > 0 {
		page.Line("")
		page.Line("what it uses:")
		for i := range p.Levers {
			page.Line("  %s", Lever(&p.Levers[i]))
		}
	}
	if len(p.Reasons) == 0 {
		return
	}
	page.Line("")
	title := "what holds it back"
	if p.Status == plan.Infeasible {
		title = "any one of these would do"
	}
	page.Line("%s:", title)
	for i := range p.Reasons {
		page.Line("  %s", Reason(&p.Reasons[i]))
	}
}

// Weights says how much weights a stage has, and how they are stored and where, if not as float32 in its package.
func Weights(s *plan.Stage) string {
	text := Bytes(s.WeightBytes)
	if s.Precision != "" {
		text += " " + s.Precision
	}
	switch s.Packaging {
	case plan.PackagingS3:
		text += " in S3"
	case plan.PackagingImage:
		text += " in an image"
	}
	return text
}

// StageName numbers a stage, and says beside which it runs.
func StageName(s *plan.Stage) string {
	if s.Branch > 1 {
		return fmt.Sprintf("%d beside %d", s.Index, s.Index-s.Branch+1)
	}
	return strconv.Itoa(s.Index)
}

func stageRows(p *plan.Plan) [][]string {
	rows := [][]string{{"stage", "memory", "weights", "in", "via", "init", "run", "cost/100k", "layers"}}
	for _, s := range p.Stages {
		rows = append(rows, []string{StageName(&s), Memory(s.MemoryMB), Weights(&s), Bytes(s.InputBytes), s.TransportIn,
			Duration(s.InitUs), Duration(s.InputUs + s.ComputeUs + s.OutputUs), Price(s.CostPicoUSD), s.Layers})
	}
	g := p.Gateway
	rows = append(rows, []string{"gateway", Memory(g.MemoryMB), "", "", "", Duration(g.StartUs), Duration(g.BilledUs), Price(g.CostPicoUSD), ""})
	if w := p.Workflow; w != nil {
		rows = append(rows, []string{"workflow", "", "", "", "", "", Duration(w.BilledUs), Price(w.CostPicoUSD), ""})
	}
	return rows
}

func baselineRows(p *plan.Plan) [][]string {
	rows := [][]string{{"instead", "latency", "cost/100k", "compared"}}
	for _, b := range p.Baselines {
		if b.Status != plan.Feasible {
			rows = append(rows, []string{b.Name, "-", "-", string(b.Status)})
			continue
		}
		rows = append(rows, []string{b.Name, Duration(b.LatencyUs), Price(b.CostPicoUSD), Compared(b.CostPicoUSD, p.CostPicoUSD)})
	}
	return rows
}
