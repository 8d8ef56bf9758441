package ui

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner/report"
)

// Sizes of a timeline's drawing, in pixels.
const (
	timelineLeft = 76
	timelineRow  = 28
	timelineBar  = 20
)

// timeline draws one request as a Gantt chart: what each function does when, where all are cold and where all are warm.
func (p *Page) timeline() app.UI {
	answer := p.session.Answer
	if len(answer.Plan.Stages) == 0 {
		return app.Div()
	}
	flow := answer.Plan.Workflow != nil
	one := func(id, title string, line *report.Timeline) app.UI {
		return app.Div().ID(id).Body(
			app.H3().Text(title+": "+report.Duration(line.LatencyUs)+", "+report.Price(line.CostPicoUSD)+" per 100,000 requests"),
			app.Raw(timelineSVG(title, line, flow, line.LatencyUs, p.room)),
		)
	}
	return app.Section().Class("card").ID("timeline").Body(
		app.H2().Text("One request, predicted"),
		one("timeline-cold", "All functions cold", &answer.Cold),
		one("timeline-warm", "All functions warm", &answer.Warm),
		app.P().Class("legend").Body(
			app.Span().Class("mark start").Aria("hidden", "true"), app.Text("pale: the function starts "),
			app.Span().Class("mark work").Aria("hidden", "true"), app.Text("full: it reads its input, computes and hands the result on"),
		),
		app.Details().Body(
			app.Summary().Text("As a table"),
			scrolled("Timeline").Body(app.Table().ID("timeline-table").Body(
				app.THead().Body(app.Tr().Body(
					app.Th().Class("words").Text("function"), app.Th().Text("starts at"), app.Th().Text("ready at"), app.Th().Text("called at"),
					app.Th().Text("reads"), app.Th().Text("computes"), app.Th().Text("hands on"), app.Th().Text("ends at"),
				)),
				app.TBody().Body(append(timelineRows("cold", &answer.Cold, flow), timelineRows("warm", &answer.Warm, flow)...)...),
			)),
		),
	)
}

// timelineRows lists what happens when; flow: a workflow drives, and the gateway prepares the input and makes the answer.
func timelineRows(start string, line *report.Timeline, flow bool) []app.UI {
	driver := "gateway"
	if flow {
		driver = "workflow"
	}
	rows := []app.UI{app.Tr().Body(
		app.Td().Class("words").Text(start+", "+driver), app.Td().Text("0"), app.Td().Text(report.Duration(line.StartUs)), app.Td().Text("0"),
		app.Td(), app.Td(), app.Td(), app.Td().Text(report.Duration(line.LatencyUs)),
	)}
	for i := range line.Spans {
		s := &line.Spans[i]
		rows = append(rows, app.Tr().Body(
			app.Td().Class("words").Text(start+", function "+strconv.Itoa(i+1)),
			app.Td().Text(report.Duration(s.WakeUs)), app.Td().Text(report.Duration(s.ReadyUs)), app.Td().Text(report.Duration(s.CallUs)),
			app.Td().Text(report.Duration(s.InputUs)), app.Td().Text(report.Duration(s.ComputeUs)), app.Td().Text(report.Duration(s.OutputUs)),
			app.Td().Text(report.Duration(s.EndUs())),
		))
	}
	return rows
}

// timelineSVG draws a timeline on a scale up to overUs.
func timelineSVG(title string, line *report.Timeline, flow bool, overUs, room int64) string {
	width := max(room, 240)
	height := int64(timelineRow*(len(line.Spans)+1) + 24)
	x := report.LinearAxis(0, float64(max(overUs, 1)), timelineLeft, width-8)
	at := func(us int64) float64 { return pixel(x, float64(us)) }
	b := &strings.Builder{}
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height,
		html.EscapeString(fmt.Sprintf("%s: timeline of one request over %s, %s in all", title, report.Count(len(line.Spans), "function"), report.Duration(line.LatencyUs))))
	for _, us := range x.Apart(64) {
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="0" y2="%d"/><text x="%.1f" y="%d" text-anchor="%s">%s</text>`,
			pixel(x, us), pixel(x, us), height-20, pixel(x, us), height-6, anchorNear(pixel(x, us), width), report.Duration(int64(math.Round(us))))
	}
	row := func(i int, name string, draw func(top int)) {
		fmt.Fprintf(b, `<text x="0" y="%d">%s</text>`, timelineRow*i+18, name)
		draw(timelineRow*i + 4)
	}
	bar := func(class string, top int, from, to int64, what string) {
		if to > from {
			fmt.Fprintf(b, `<rect class="edge %s" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s %s</title></rect>`,
				class, at(from), top, max(at(to)-at(from), 1), timelineBar, what, report.Duration(to-from))
		}
	}
	if flow {
		row(0, "workflow", func(top int) {
			bar("gateway init", top, 0, line.StartUs, "the gateway starts and prepares the input")
			bar("gateway", top, line.StartUs, line.LatencyUs-line.EndUs, "drives")
			bar("gateway init", top, line.LatencyUs-line.EndUs, line.LatencyUs, "the gateway makes the answer")
		})
	} else {
		row(0, "gateway", func(top int) {
			bar("gateway init", top, 0, line.StartUs, "start")
			bar("gateway", top, line.StartUs, line.LatencyUs, "drives")
		})
	}
	for i := range line.Spans {
		s := &line.Spans[i]
		row(i+1, "function "+strconv.Itoa(i+1), func(top int) {
			bar("init "+stageClass(i), top, s.WakeUs, s.ReadyUs, "start")
			bar(stageClass(i), top, s.CallUs, s.EndUs(), "run")
		})
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// anchorNear keeps a label near the right end inside the drawing.
func anchorNear(x float64, width int64) string {
	if x > float64(width)-30 {
		return "end"
	}
	return "middle"
}
