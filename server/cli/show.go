package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"partita/planner/plan"
	"partita/planner/report"
	"partita/runtime/wire"
	"partita/server/deploy"
)

// The views for people. They print what the documents say, with units.

// page collects lines, and aligns those of a table.
type page struct{ w io.Writer }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }

// table prints rows in columns; columns of figures are aligned to the right.
func (p *page) table(rows [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i > 0 {
				b.WriteString("  ")
			}
			if i == len(row)-1 { // the last column is words
				b.WriteString(cell)
				break
			}
			b.WriteString(pad + cell)
		}
		p.line("%s", strings.TrimRight(b.String(), " "))
	}
}

func showInspect(w io.Writer, d *report.Inspect) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model\t%s (%s)\n", d.Name, d.Source)
	fmt.Fprintf(t, "layers\t%d, which may be cut at %d places\n", d.Layers, d.Cuts)
	fmt.Fprintf(t, "parameters\t%s (%s)\n", grouped(int64(d.Parameters)), bytesText(int64(d.WeightBytes)))
	fmt.Fprintf(t, "work\t%s multiply-adds per input\n", grouped(int64(d.MACs)))
	for _, in := range d.Inputs {
		fmt.Fprintf(t, "input\t%s %s %s\n", in.Name, in.DType, shapeText(in.Shape))
	}
	for _, out := range d.Outputs {
		fmt.Fprintf(t, "output\t%s %s %s\n", out.Name, out.DType, shapeText(out.Shape))
	}
	return t.Flush()
}

func showPlan(w io.Writer, p *plan.Plan) error {
	page := &page{w}
	page.line("%s on %s, %s, prices of %s", p.Model.Name, p.Platform, scenarioText(p.Request.Scenario), p.PriceBook.Date)
	if p.Status == plan.Infeasible {
		page.line("infeasible: %s", p.Reason)
		return nil
	}
	page.line("%s per 100,000 requests, %s per request (%s)", dollars(p.CostPicoUSD, 100_000), duration(p.LatencyUs), p.Times)
	if p.Status == plan.Stopped {
		page.line("the search was stopped at its limit: the best plan is at most %s cheaper per 100,000 requests", dollars(p.GapPicoUSD, 100_000))
	}
	page.line("")
	rows := [][]string{{"stage", "memory", "weights", "in", "via", "init", "run", "cost/100k", "layers"}}
	for _, s := range p.Stages {
		rows = append(rows, []string{strconv.Itoa(s.Index), memoryText(s.MemoryMB), bytesText(s.WeightBytes), bytesText(s.InputBytes), s.TransportIn,
			duration(s.InitUs), duration(s.InputUs + s.ComputeUs + s.OutputUs), dollars(s.CostPicoUSD, 100_000), s.Layers})
	}
	g := p.Gateway
	rows = append(rows, []string{"gateway", memoryText(g.MemoryMB), "", "", "", duration(g.StartUs), duration(g.BilledUs), dollars(g.CostPicoUSD, 100_000), ""})
	page.table(rows)
	if len(p.Baselines) > 0 {
		page.line("")
		rows = [][]string{{"instead", "latency", "cost/100k", "compared"}}
		for _, b := range p.Baselines {
			if b.Status != "feasible" {
				rows = append(rows, []string{b.Name, "-", "-", b.Status})
				continue
			}
			rows = append(rows, []string{b.Name, duration(b.LatencyUs), dollars(b.CostPicoUSD, 100_000), compared(b.CostPicoUSD, p.CostPicoUSD)})
		}
		page.table(rows)
	}
	page.line("")
	page.line("plan %s, one of %d that no other beats in both cost and latency", p.Hash, len(p.Frontier))
	return nil
}

func scenarioText(scenario string) string {
	switch scenario {
	case "cold-overlapped":
		return "cold, all functions woken at once"
	case "cold-sequential":
		return "cold, each function in its turn"
	}
	return scenario
}

// compared says how much dearer something is than the plan.
func compared(other, ours int64) string {
	if ours <= 0 {
		return ""
	}
	percent := 100 * (float64(other) - float64(ours)) / float64(ours)
	switch {
	case percent >= 0.5:
		return fmt.Sprintf("%.0f %% dearer", percent)
	case percent <= -0.5:
		return fmt.Sprintf("%.0f %% cheaper", -percent)
	}
	return "the same cost"
}

func showDeploy(w io.Writer, p *plan.Plan, name, server string) {
	page := &page{w}
	page.line("On %s this makes the deployment %s of %s:", server, name, p.Model.Name)
	for _, s := range p.Stages {
		page.line("  function partita-%s-stage-%d, %s, %s", name, s.Index, memoryText(s.MemoryMB), s.Layers)
	}
	page.line("  function partita-%s-gateway, %s", name, memoryText(p.Gateway.MemoryMB))
	page.line("It costs %s per 100,000 requests and nothing at rest but storage.", dollars(p.CostPicoUSD, 100_000))
}

func showDeployment(w io.Writer, d *deploy.Deployment) error {
	page := &page{w}
	page.line("%s is %s: %s in %d stages behind %s", d.Name, d.State, d.Model.Name, len(d.Stages), d.Gateway)
	for _, s := range d.Stages {
		page.line("  %s, %s, %s of weights, %s", s.Function, memoryText(s.MemoryMB), bytesText(s.WeightBytes), s.Layers)
	}
	for _, in := range d.Inputs {
		page.line("input %s %s %s", in.Name, in.DType, shapeText(in.Shape))
	}
	page.line("partita invoke %s INPUT", d.Name)
	return nil
}

func showList(w io.Writer, all []*deploy.Deployment) error {
	page := &page{w}
	if len(all) == 0 {
		page.line("no deployments")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\tstate\tmodel\tstages\tcost/100k\tlatency\tcreated")
	for _, d := range all {
		cost, latency := "-", "-"
		if d.CostPicoUSD > 0 {
			cost, latency = dollars(d.CostPicoUSD, 100_000), duration(d.LatencyUs)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", d.Name, d.State, d.Model.Name, len(d.Stages), cost, latency, d.Created.Local().Format("2006-01-02 15:04"))
	}
	return t.Flush()
}

func showDestroyed(w io.Writer, d *deploy.Destroyed) error {
	_, err := fmt.Fprintf(w, "%s is gone: %d functions and %d objects were deleted, nothing is left\n", d.Name, len(d.Functions), d.Objects)
	return err
}

// itemsShown bounds how many items of a batch are printed for people.
const itemsShown = 10

func showInvocation(w io.Writer, d *invocation) error {
	page := &page{w}
	for _, o := range d.Outputs {
		page.line("output %s %s %s", o.Name, o.DType, shapeText(o.Shape))
	}
	for item, classes := range d.Top {
		if item == itemsShown {
			page.line("... and %d more items (--json shows all)", len(d.Top)-item)
			break
		}
		if len(d.Top) > 1 {
			page.line("item %d", item)
		}
		for _, c := range classes {
			page.line("  class %4d  %.6g", c.Index, c.Score)
		}
	}
	t := &d.Trace
	page.line("")
	page.line("%s in the gateway, %s per 100,000 such requests (measured)", duration(t.LatencyUs), dollars(t.CostPicoUSD, 100_000))
	rows := [][]string{{"stage", "pass", "wait", "init", "input", "compute", "output", "billed", "memory used", "start"}}
	for _, s := range t.Stages {
		rows = append(rows, stageRow(&s))
	}
	page.table(rows)
	return nil
}

func stageRow(s *wire.StageTrace) []string {
	start := "warm"
	if s.Cold {
		start = "cold"
	}
	return []string{strconv.Itoa(s.Index + 1), strconv.Itoa(s.Pass + 1), duration(s.QueueUs), duration(s.InitUs), duration(s.InputUs), duration(s.ComputeUs), duration(s.OutputUs),
		fmt.Sprintf("%d ms", s.BilledMs), fmt.Sprintf("%d of %s", s.MaxMemoryMB, memoryText(s.MemoryMB)), start}
}

// duration prints microseconds with three figures.
func duration(us int64) string {
	switch {
	case us == 0:
		return "0"
	case us < 1000:
		return fmt.Sprintf("%d µs", us)
	case us < 10_000:
		return fmt.Sprintf("%.2f ms", float64(us)/1e3)
	case us < 100_000:
		return fmt.Sprintf("%.1f ms", float64(us)/1e3)
	case us < 1_000_000:
		return fmt.Sprintf("%.0f ms", float64(us)/1e3)
	}
	return fmt.Sprintf("%.2f s", float64(us)/1e6)
}

// dollars prints the price of a number of requests.
func dollars(picoUSD, requests int64) string {
	usd := float64(picoUSD) / 1e12 * float64(requests)
	if usd != 0 && usd < 0.1 {
		return fmt.Sprintf("$%.4f", usd)
	}
	return fmt.Sprintf("$%.2f", usd)
}

func bytesText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

func memoryText(mb int64) string { return grouped(mb) + " MB" }

// grouped prints a number with thousands separated.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// shapeText prints a shape as the source frameworks do; ? is the batch.
func shapeText(shape []int64) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.FormatInt(d, 10)
		if d < 0 {
			parts[i] = "?"
		}
	}
	return strings.Join(parts, "x")
}
