package ui

import (
	"fmt"
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
	return app.Section().Class("card").Body(
		app.H2().Text("Functions, predicted"),
		scrolled("Functions").Body(app.Table().ID("stages").Body(
			app.THead().Body(app.Tr().Body(
				app.Th().Text("#"), app.Th().Class("words").Text("layers"), app.Th().Text("memory"), app.Th().Text("weights"),
				app.Th().Text("in"), app.Th().Text("out"), app.Th().Class("words").Text("arrives"), app.Th().Text("start"),
				app.Th().Text("compute"), app.Th().Text("billed"), app.Th().Text("$ per 100,000"),
			)),
			app.TBody().Body(app.Range(rows).Slice(func(i int) app.UI {
				s := rows[i]
				return app.Tr().Body(
					app.Td().Body(app.Span().Class("swatch "+stageClass(i)).Aria("hidden", "true"), app.Text(report.StageName(&s))),
					app.Td().Class("words").Text(layerSpan(&s)),
					app.Td().Body(app.Text(report.Memory(s.MemoryMB)+" "), p.lock(&s)),
					app.Td().Text(report.Bytes(s.WeightBytes)),
					app.Td().Text(report.Bytes(s.InputBytes)),
					app.Td().Text(report.Bytes(s.OutputBytes)),
					app.Td().Class("words").Text(s.TransportIn),
					app.Td().Text(report.Duration(s.InitUs)),
					app.Td().Text(report.Duration(s.ComputeUs)),
					app.Td().Text(report.Duration(s.BilledUs)),
					app.Td().Text(report.Price(s.CostPicoUSD)),
				)
			})),
		)),
	)
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
