package report

import (
	"fmt"
	"io"
	"strconv"

	"partita/planner"
)

// Rate prints a rate of requests, given in millionths per hour, in the unit that suits it.
func Rate(microRequestsPH int64) string {
	perHour := float64(microRequestsPH) / 1e6
	switch {
	case perHour >= 36_000:
		return short(perHour/3600) + "/s"
	case perHour >= 1:
		return short(perHour) + "/h"
	}
	return short(perHour*24) + "/d"
}

// short prints three figures, and all of a larger number.
func short(v float64) string {
	if v >= 1000 {
		return Grouped(int64(v + 0.5))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// Month prints a cost per month, in millionths of a USD.
func Month(microUSD int64) string {
	if microUSD >= 1000_000_000 {
		return "$" + Grouped((microUSD+500_000)/1_000_000)
	}
	return Dollars(microUSD, 1_000_000)
}

// WriteComparison shows a comparison to people.
func WriteComparison(w io.Writer, c *planner.Comparison) error {
	page := NewPage(w)
	page.Line("%s at %s: the plan costs %s per 100,000 requests, %s a month, and takes %s", c.Model, Rate(c.MicroRequestsPH), Dollars(c.CostPicoUSD, Requests), Month(c.MonthMicroUSD),
		Duration(c.LatencyUs))
	if c.ColdPpm != nil {
		page.Line("%s of the requests are cold at this rate", Share(*c.ColdPpm))
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
		if r.Status == "infeasible" {
			rows = append(rows, []string{"-", "-", "-", "-", r.Status, name})
			continue
		}
		latency, even := "-", "never"
		if r.CostPicoUSD < c.CostPicoUSD {
			even = "always"
		}
		if r.LatencyUs > 0 {
			latency = Duration(r.LatencyUs)
		}
		if r.BreakEvenMicroRequestsPH > 0 {
			even = Rate(r.BreakEvenMicroRequestsPH)
		}
		rows = append(rows, []string{latency, Dollars(r.CostPicoUSD, Requests), Month(r.MonthMicroUSD), even, Compared(r.CostPicoUSD, c.CostPicoUSD), name})
	}
	page.Table(rows)
	page.Line("")
	for i, note := range notes {
		page.Line("[%d] %s", i+1, note)
	}
	return page.Err()
}
