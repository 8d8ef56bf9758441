package cli

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"partita/planner"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/runtime/wire"
	"partita/server/deploy"
)

// The views for people. They print what the documents say, with units.

func showInspect(w io.Writer, d *report.Inspect) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model\t%s (%s)\n", d.Name, d.Source)
	fmt.Fprintf(t, "layers\t%d, which may be cut at %d places\n", d.Layers, d.Cuts)
	fmt.Fprintf(t, "parameters\t%s (%s)\n", report.Grouped(int64(d.Parameters)), report.Bytes(int64(d.WeightBytes)))
	fmt.Fprintf(t, "work\t%s multiply-adds per input\n", report.Grouped(int64(d.MACs)))
	for _, in := range d.Inputs {
		fmt.Fprintf(t, "input\t%s %s %s\n", in.Name, in.DType, report.Shape(in.Shape))
	}
	for _, out := range d.Outputs {
		fmt.Fprintf(t, "output\t%s %s %s\n", out.Name, out.DType, report.Shape(out.Shape))
	}
	if d.Preprocess != "none" {
		fmt.Fprintf(t, "images\tprepared as %s unless told otherwise: a suggestion, the file does not say\n", d.Preprocess)
	}
	for _, note := range d.Notes {
		fmt.Fprintf(t, "note\t%s\n", note)
	}
	return t.Flush()
}

func showDeploy(w io.Writer, p *plan.Plan, name, server string) {
	page := report.NewPage(w)
	page.Line("On %s this makes the deployment %s of %s:", server, name, p.Model.Name)
	for _, s := range p.Stages {
		page.Line("  function partita-%s-stage-%d, %s, %s", name, s.Index, report.Memory(s.MemoryMB), s.Layers)
	}
	page.Line("  function partita-%s-gateway, %s", name, report.Memory(p.Gateway.MemoryMB))
	if p.Workflow != nil {
		page.Line("  workflow partita-%s-workflow, which takes requests", name)
	}
	rest := "nothing at rest but storage"
	if month, known := planner.AtRest(p); known {
		rest = "at rest at most " + report.Dollars(month, 1) + " a month for what it stores"
	}
	page.Line("It costs %s per 100,000 requests, and %s.", report.Dollars(p.CostPicoUSD, report.Requests), rest)
}

func showDeployment(w io.Writer, d *deploy.Deployment) error {
	page := report.NewPage(w)
	processor := ""
	if d.Architecture != "" {
		processor = ", on " + d.Architecture
	}
	front := d.Gateway
	if d.Workflow != nil {
		front = d.Workflow.Name
	}
	page.Line("%s is %s: %s in %s behind %s%s", d.Name, d.State, d.Model.Name, report.Count(len(d.Stages), "stage"), front, processor)
	for _, s := range d.Stages {
		page.Line("  %s, %s, %s of weights%s, %s", s.Function, report.Memory(s.MemoryMB), report.Bytes(s.WeightBytes), storedAs(&s), s.Layers)
	}
	if d.OutputError != nil {
		page.Line("%s", report.Outputs(d.OutputError))
	}
	for _, in := range d.Inputs {
		page.Line("input %s %s %s", in.Name, in.DType, report.Shape(in.Shape))
	}
	page.Line("partita invoke %s INPUT", d.Name)
	return nil
}

// storedAs says how a stage's weights are stored, where that is not as float32 in its package, and how far they are from exact.
func storedAs(s *deploy.DeployedStage) string {
	text := ""
	switch s.Packaging {
	case plan.PackagingS3:
		text = " in S3"
	case plan.PackagingImage:
		text = " in an image"
	}
	if s.Precision != "" {
		text += " as " + s.Precision
	}
	if s.WeightError > 0 {
		text += fmt.Sprintf(" (its numbers measured to be %s off; answers may be further)", report.Share(int64(s.WeightError*1e6)))
	}
	return text
}

func showList(w io.Writer, all []*deploy.Deployment) error {
	page := report.NewPage(w)
	if len(all) == 0 {
		page.Line("no deployments")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\tstate\tmodel\tstages\tcost/100k\tlatency\tcreated")
	for _, d := range all {
		cost, latency := "-", "-"
		if d.CostPicoUSD > 0 {
			cost, latency = report.Dollars(d.CostPicoUSD, report.Requests), report.Duration(d.LatencyUs)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", d.Name, d.State, d.Model.Name, len(d.Stages), cost, latency, d.Created.Local().Format("2006-01-02 15:04"))
	}
	return t.Flush()
}

func showDestroyed(w io.Writer, d *deploy.Destroyed) error {
	images := ""
	if d.Repository != "" {
		images = ", its container images"
	}
	_, err := fmt.Fprintf(w, "%s is gone: %s%s and %s were deleted, nothing is left\n", d.Name, report.Count(len(d.Functions), "function"), images, report.Count(int(d.Objects), "object"))
	return err
}

// itemsShown bounds how many items of a batch are printed for people.
const itemsShown = 10

func showInvocation(w io.Writer, d *invocation) error {
	page := report.NewPage(w)
	for _, o := range d.Outputs {
		page.Line("output %s %s %s", o.Name, o.DType, report.Shape(o.Shape))
	}
	for item, classes := range d.Top {
		if item == itemsShown {
			page.Line("... and %d more items (--json shows all)", len(d.Top)-item)
			break
		}
		if len(d.Top) > 1 {
			page.Line("item %d", item)
		}
		for _, c := range classes {
			page.Line("  class %4d  %.6g", c.Index, c.Score)
		}
		if len(classes) == 0 {
			page.Line("  no class: the scores are not numbers")
		}
	}
	t := &d.Trace
	page.Line("")
	driver := "gateway"
	if t.Workflow != nil {
		driver = "workflow"
	}
	page.Line("%s in the %s, %s per 100,000 such requests (measured)", report.Duration(t.LatencyUs), driver, report.Dollars(t.CostPicoUSD, report.Requests))
	if t.Passes > 1 {
		page.Line("%d passes over %s", t.Passes, report.Count(max(t.Pipelines, 1), "pipeline"))
	}
	rows := [][]string{{"stage", "pass", "called at", "wait", "init", "input", "compute", "output", "billed", "memory used", "start"}}
	for _, s := range t.Stages {
		rows = append(rows, stageRow(&s))
	}
	page.Table(rows)
	return nil
}

func stageRow(s *wire.StageTrace) []string {
	start := "warm"
	if s.Cold {
		start = "cold"
	}
	used := "unknown of " + report.Memory(s.MemoryMB) // a workflow hands on no report of its functions
	if s.MaxMemoryMB > 0 {
		used = fmt.Sprintf("%d of %s", s.MaxMemoryMB, report.Memory(s.MemoryMB))
	}
	return []string{strconv.Itoa(s.Index + 1), strconv.Itoa(s.Pass + 1), report.Duration(s.CalledUs), report.Duration(s.QueueUs), report.Duration(s.InitUs), report.Duration(s.InputUs), report.Duration(s.ComputeUs), report.Duration(s.OutputUs),
		fmt.Sprintf("%d ms", s.BilledMs), used, start}
}
