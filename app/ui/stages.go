package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner/plan"
	"partita/planner/report"
)

// stageColours is the number of stage classes in the style sheet; further stages start again.
const stageColours = 8

func stageClass(index int) string { return fmt.Sprintf("stage-%d", index%stageColours) }

// stages is the table of the plan's functions.
func (p *Page) stages() app.UI {
	rows := p.session.Answer.Plan.Stages
	if len(rows) == 0 {
		return app.Div()
	}
	calls := p.called()
	return app.Section().Class("card").ID("functions").Body(
		app.H2().Text("Functions, predicted"),
		app.If(p.session.Answer.Plan.Batching != nil, func() app.UI { return app.P().ID("passes").Class("unit").Text(passWords(p.session.Answer.Plan)) }),
		scrolled("Functions").Body(app.Table().ID("stages").Body(
			app.THead().Body(app.Tr().Body(
				app.Th().Text("#"), app.Th().Class("words").Text("layers"), app.Th().Text("memory"), app.Th().Class("words").Text("weights"),
				app.Th().Text("in"), app.Th().Text("out"), app.Th().Text("start"), app.Th().Text("compute"),
				app.If(calls, func() app.UI { return app.Th().Text("calls") }),
				app.Th().Text("billed"), app.Th().Text("$ per 100,000"),
			)),
			app.TBody().Body(app.Range(rows).Slice(func(i int) app.UI {
				s := rows[i]
				return app.Tr().Body(
					app.Td().Body(app.Span().Class("swatch "+stageClass(i)).Aria("hidden", "true"), app.Text(report.StageName(&s))),
					app.Td().Class("words").Text(layerSpan(&s)),
					app.Td().Body(app.Text(report.Memory(s.MemoryMB)+" "), p.lock(&s)),
					app.Td().Class("words").Text(report.Weights(&s)),
					app.Td().Body(app.Text(report.Bytes(s.InputBytes)), app.Small().Text(s.TransportIn)),
					app.Td().Body(app.Text(report.Bytes(s.OutputBytes)), app.Small().Text(s.TransportOut)),
					app.Td().Text(report.Duration(s.InitUs)),
					app.Td().Text(report.Duration(s.ComputeUs)),
					app.If(calls, func() app.UI { return app.Td().Text(report.Grouped(s.Invocations)) }),
					app.Td().Text(report.Duration(s.BilledUs)),
					app.Td().Text(report.Price(s.CostPicoUSD)),
				)
			})),
			app.TFoot().Body(p.drivers(calls)...),
		)),
	)
}

// called tells whether a function is called more than once in a request.
func (p *Page) called() bool {
	return slices.ContainsFunc(p.session.Answer.Plan.Stages, func(s plan.Stage) bool { return s.Invocations > 1 })
}

// passWords says what the table of functions tells where a request has several inputs.
func passWords(document *plan.Plan) string {
	b := document.Batching
	text := capital(report.Sending(b)) + "."
	if b.Passes > 1 {
		text += fmt.Sprintf(" Sizes and times are of a pass of %d, what is billed and costs of all %d.", b.Batch, b.Passes)
	}
	return text
}

// drivers are the rows of what is paid for beside the functions: with theirs, the costs add up to the plan's.
func (p *Page) drivers(calls bool) []app.UI {
	document := p.session.Answer.Plan
	row := func(name, memory, start string, billedUs, picoUSD int64) app.UI {
		return app.Tr().Body(
			app.Td().ColSpan(2).Class("words").Text(name), app.Td().Text(memory), app.Td().ColSpan(3), app.Td().Text(start), app.Td(),
			app.If(calls, func() app.UI { return app.Td() }),
			app.Td().Text(report.Duration(billedUs)), app.Td().Text(report.Price(picoUSD)),
		)
	}
	g := document.Gateway
	rows := []app.UI{row("gateway", report.Memory(g.MemoryMB), report.Duration(g.StartUs), g.BilledUs, g.CostPicoUSD)}
	if w := document.Workflow; w != nil {
		rows = append(rows, row("workflow, which drives them", "", "", w.BilledUs, w.CostPicoUSD))
	}
	return rows
}

// lock is the button that fixes the memory of a function's layers, or lets the planner choose it again.
func (p *Page) lock(s *plan.Stage) app.UI {
	answer, layers := p.session.Answer, len(p.session.Model.Layers)
	entry := locked(answer.Place(s.FirstLayer-1, layers)+1, max(answer.Place(s.LastLayer, layers), answer.Place(s.FirstLayer-1, layers)+1), s.MemoryMB)
	on := hasLock(p.session.Request["stage-memory"], entry)
	return app.Button().Type("button").Class("small").Aria("pressed", on).Aria("label", "Lock the memory of function "+strconv.Itoa(s.Index)).Text("Lock").
		OnClick(func(app.Context, app.Event) {
			p.set("stage-memory", toggleLock(p.wanted()["stage-memory"], entry))
		}, app.EventScope(entry))
}

func layerSpan(s *plan.Stage) string {
	if s.LastLayer == s.FirstLayer {
		return s.Layers
	}
	return fmt.Sprintf("%s (%d)", strings.Replace(s.Layers, " .. ", " … ", 1), s.LastLayer-s.FirstLayer+1)
}
