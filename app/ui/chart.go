package ui

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner/plan"
	"partita/planner/report"
)

// Size of the chart's drawing in its own units, and the margins that hold its labels.
const (
	chartWidth, chartHeight           = 720.0, 260.0
	chartLeft, chartRight             = 76.0, 16.0
	chartTop, chartBottom             = 32.0, 40.0
	chartInnerWidth, chartInnerHeight = chartWidth - chartLeft - chartRight, chartHeight - chartTop - chartBottom
	chartTicks                        = 4
)

// chart plots cost against latency: the frontier as a step line through evaluated plans only, the chosen plan, and the
// simple alternatives. The table under it says the same.
func (p *Page) chart() app.UI {
	document, frontier := p.session.Answer.Plan, p.session.Answer.Frontier
	if len(frontier.Drawn) == 0 {
		return app.Div()
	}
	return app.Section().Class("card").ID("chart").Body(
		app.H2().Text("Cost against latency, predicted"),
		app.Raw(chartSVG(document, frontier.Drawn)),
		app.Details().Body(
			app.Summary().Text(fmt.Sprintf("%d best trade-offs as a table", frontier.Points)),
			frontierTable(frontier.Table),
		),
	)
}

// frontierTable shows points of the frontier.
func frontierTable(points []plan.Point) app.UI {
	return scrolled("Trade-offs").Body(app.Table().Body(
		app.THead().Body(app.Tr().Body(
			app.Th().Text("latency"), app.Th().Text("$ per 100,000"), app.Th().Text("functions"), app.Th().Class("words").Text("memory"),
		)),
		app.TBody().Body(app.Range(points).Slice(func(i int) app.UI {
			point := points[i]
			var memory []string
			for _, s := range point.Stages {
				memory = append(memory, report.Grouped(s.MemoryMB)+" MB")
			}
			return app.Tr().Body(
				app.Td().Text(report.Duration(point.LatencyUs)),
				app.Td().Text(perHundredThousand(point.CostPicoUSD)),
				app.Td().Text(len(point.Stages)),
				app.Td().Class("words").Text(strings.Join(memory, ", ")),
			)
		})),
	))
}

// chartSVG draws the chart; points are latencies in microseconds and costs in pico-dollars. Latency is on a logarithmic axis: fast plans crowd together.
func chartSVG(document *plan.Plan, points [][2]int64) string {
	first, last := points[0], points[len(points)-1]
	lowUs, highUs := first[0], last[0]
	lowCost, highCost := last[1], first[1]
	for _, b := range document.Baselines {
		if b.Status == "feasible" {
			lowUs, highUs = min(lowUs, b.LatencyUs), max(highUs, b.LatencyUs)
			lowCost, highCost = min(lowCost, b.CostPicoUSD), max(highCost, b.CostPicoUSD)
		}
	}
	logLow, logHigh := math.Log(float64(max(lowUs, 1)))-0.05, math.Log(float64(max(highUs, 1)))+0.05
	costLow, costHigh := float64(lowCost)*0.95, float64(highCost)*1.05+1
	x := func(us int64) float64 {
		return chartLeft + chartInnerWidth*(math.Log(float64(max(us, 1)))-logLow)/(logHigh-logLow)
	}
	y := func(cost float64) float64 {
		return chartTop + chartInnerHeight*(1-(cost-costLow)/(costHigh-costLow))
	}

	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="Cost per 100,000 requests against latency: from %s at %s to %s at %s">`,
		chartWidth, chartHeight, html.EscapeString(perHundredThousand(first[1])), html.EscapeString(report.Duration(first[0])),
		html.EscapeString(perHundredThousand(last[1])), html.EscapeString(report.Duration(last[0])))
	for i := range chartTicks + 1 {
		share := float64(i) / chartTicks
		cost := costLow + share*(costHigh-costLow)
		us := int64(math.Exp(logLow + share*(logHigh-logLow)))
		fmt.Fprintf(&b, `<line class="axis" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartWidth-chartRight, y(cost), y(cost), chartLeft-6, y(cost)+4, perHundredThousand(int64(cost)))
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="%s">%s</text>`, x(us), chartHeight-chartBottom+18, anchorAt(x(us), "middle"), report.Duration(us))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="end">latency</text><text x="4" y="12">$ per 100,000 requests</text>`, chartWidth-chartRight, chartHeight-4)

	b.WriteString(`<path class="frontier" d="`)
	for i, point := range points {
		if i == 0 {
			fmt.Fprintf(&b, "M%.1f %.1f", x(point[0]), y(float64(point[1])))
		} else {
			fmt.Fprintf(&b, "H%.1fV%.1f", x(point[0]), y(float64(point[1])))
		}
	}
	b.WriteString(`"/>`)
	if slo := document.Request.SLOUs; slo > 0 && slo >= lowUs && slo <= highUs {
		fmt.Fprintf(&b, `<line class="limit" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text x="%.1f" y="%g">SLO</text>`,
			x(slo), x(slo), chartTop, chartHeight-chartBottom, x(slo)+4, chartTop+10)
	}
	for _, other := range document.Baselines {
		if other.Status == "feasible" {
			cx, cy := x(other.LatencyUs), y(float64(other.CostPicoUSD))
			fmt.Fprintf(&b, `<circle class="other" r="4" cx="%.1f" cy="%.1f"/><text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`,
				cx, cy, cx, cy-9, anchorAt(cx, "start"), html.EscapeString(other.Name))
		}
	}
	if document.Status != plan.Infeasible {
		fmt.Fprintf(&b, `<circle class="chosen" r="7" cx="%.1f" cy="%.1f"/>`, x(document.LatencyUs), y(float64(document.CostPicoUSD)))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// anchorAt keeps a label near the right end inside the drawing.
func anchorAt(x float64, elsewhere string) string {
	if x > chartWidth*0.85 {
		return "end"
	}
	return elsewhere
}
