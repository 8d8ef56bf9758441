package ui

import (
	"fmt"
	"html"
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
					app.Td().Body(app.Span().Class("swatch "+stageClass(i)).Aria("hidden", "true"), app.Text(i+1)),
					app.Td().Class("words").Text(layerSpan(&s)),
					app.Td().Body(app.Text(report.Memory(s.MemoryMB)+" "), p.lock(&s)),
					app.Td().Text(report.Bytes(s.WeightBytes)),
					app.Td().Text(report.Bytes(s.InputBytes)),
					app.Td().Text(report.Bytes(s.OutputBytes)),
					app.Td().Class("words").Text(s.TransportIn),
					app.Td().Text(report.Duration(s.InitUs)),
					app.Td().Text(report.Duration(s.ComputeUs)),
					app.Td().Text(report.Duration(s.BilledUs)),
					app.Td().Text(perHundredThousand(s.CostPicoUSD)),
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

// Size of the timeline's drawing in its own units.
const (
	timelineWidth, timelineLeft = 720.0, 80.0
	timelineRow                 = 28.0
)

// timeline draws one request as a Gantt chart: what each function does when.
func (p *Page) timeline() app.UI {
	document := p.session.Answer.Plan
	if len(document.Stages) == 0 {
		return app.Div()
	}
	return app.Section().Class("card").Body(
		app.H2().Text("One request, predicted"),
		app.Raw(timelineSVG(document)),
	)
}

func timelineSVG(document *plan.Plan) string {
	spans := spansOf(document)
	height := timelineRow*float64(len(spans)+1) + 24
	scale := (timelineWidth - timelineLeft - 8) / float64(max(document.LatencyUs, 1))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, timelineWidth, height,
		html.EscapeString(fmt.Sprintf("Timeline of one request over %d functions, %s in all", len(spans), report.Duration(document.LatencyUs))))
	fmt.Fprintf(&b, `<text x="0" y="18">gateway</text><rect class="edge gateway" x="%g" y="4" width="%.1f" height="20"><title>%s</title></rect>`,
		timelineLeft, float64(document.LatencyUs)*scale, "gateway "+report.Duration(document.LatencyUs))
	for i, s := range spans {
		top := timelineRow * float64(i+1)
		fmt.Fprintf(&b, `<text x="0" y="%.1f">function %d</text>`, top+18, i+1)
		if s.runUs > s.initUs {
			fmt.Fprintf(&b, `<rect class="init edge %s" x="%.1f" y="%.1f" width="%.1f" height="20"><title>start %s</title></rect>`,
				stageClass(i), timelineLeft+float64(s.initUs)*scale, top+4, float64(s.readyUs-s.initUs)*scale, report.Duration(s.readyUs-s.initUs))
		}
		fmt.Fprintf(&b, `<rect class="edge %s" x="%.1f" y="%.1f" width="%.1f" height="20"><title>run %s</title></rect>`,
			stageClass(i), timelineLeft+float64(s.runUs)*scale, top+4, float64(s.endUs-s.runUs)*scale, report.Duration(s.endUs-s.runUs))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g">0</text><text x="%g" y="%g" text-anchor="end">%s</text></svg>`,
		timelineLeft, height-4, timelineWidth-8, height-4, report.Duration(document.LatencyUs))
	return b.String()
}

// span is when a function starts (initUs to readyUs) and runs (runUs to endUs), from the request's arrival.
type span struct{ initUs, readyUs, runUs, endUs int64 }

// spansOf lays the stages out by the law of latency of the plan's scenario; see package cost.
func spansOf(document *plan.Plan) []span {
	start, dispatch := document.Gateway.StartUs, document.Gateway.DispatchUs
	finish := start
	var spans []span
	for _, s := range document.Stages {
		var one span
		switch turn := finish + dispatch; document.Request.Scenario {
		case "warm":
			one = span{initUs: turn, readyUs: turn, runUs: turn}
		case "cold-overlapped":
			one = span{initUs: start, readyUs: start + s.InitUs, runUs: max(turn, start+s.InitUs)}
		default:
			one = span{initUs: turn, readyUs: turn + s.InitUs, runUs: turn + s.InitUs}
		}
		one.endUs = one.runUs + s.InputUs + s.ComputeUs + s.OutputUs
		finish = one.endUs
		spans = append(spans, one)
	}
	return spans
}
