package describe

import (
	"fmt"
	"io"

	"partita/planner/plan"
	"partita/planner/report"
	"partita/planner/rivals"
)

// Comparison shows a comparison to people.
func Comparison(w io.Writer, c *rivals.Comparison) error {
	page := report.NewPage(w)
	page.Line("%s at %s: the plan costs %s per 100,000 requests, %s a month, and takes %s", c.Model, report.Rate(c.MicroRequestsPH), report.Price(c.CostPicoUSD), report.Month(c.MonthMicroUSD),
		report.Duration(c.LatencyUs))
	if c.ColdPpm != nil {
		page.Line("%s of the requests are cold at this rate", report.Share(*c.ColdPpm))
	}
	page.Line("")
	rows := [][]string{{"latency", "cost/100k", "a month", "cheaper from", "compared", "instead"}}
	var notes []string
	known := map[string]int{}
	for _, r := range c.Rivals {
		note, seen := known[r.Basis]
		if !seen {
			notes = append(notes, r.Basis)
			note = len(notes)
			known[r.Basis] = note
		}
		name := fmt.Sprintf("%s [%d]", r.Name, note)
		if r.Status == plan.Infeasible {
			rows = append(rows, []string{"-", "-", "-", "-", string(r.Status), name})
			continue
		}
		latency, even := "-", "never"
		if r.CostPicoUSD < c.CostPicoUSD {
			even = "always"
		}
		if r.LatencyUs > 0 {
			latency = report.Duration(r.LatencyUs)
		}
		if r.BreakEvenMicroRequestsPH > 0 {
			even = report.Rate(r.BreakEvenMicroRequestsPH)
		}
		rows = append(rows, []string{latency, report.Price(r.CostPicoUSD), report.Month(r.MonthMicroUSD), even, report.Compared(r.CostPicoUSD, c.CostPicoUSD), name})
	}
	page.Table(rows)
	page.Line("")
	for i, note := range notes {
		page.Line("[%d] %s", i+1, note)
	}
	return page.Err()
}
