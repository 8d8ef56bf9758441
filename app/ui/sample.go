package ui

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
	"partita/planner/report"
)

// sample is a finished plan on the empty screen, for whoever has no model at hand and wants to see what comes out. It is made like any
// other, and is no part of the visit: nothing of it is kept.
type sample struct {
	view   *state.View        // nil until it is made
	cancel context.CancelFunc // of what is being made; nil: nothing is
}

// The sample's model and what is asked for: a latency from cold that takes several functions, for one alone loads all of the weights.
const (
	sampleModel = "ResNet50"
	sampleSLO   = "1200ms"
)

// samplePause is how long nothing is opened before the sample is made: whoever comes with a file is served first.
const samplePause = 500 * time.Millisecond

// sampleSoon makes the sample once the page has been left alone for a moment.
func (p *Page) sampleSoon() {
	p.ctx.After(samplePause, func(ctx app.Context) {
		ctx.PreventUpdate()
		p.makeSample()
	})
}

// makeSample has the sample planned, unless there is something else to do. Where it fails the empty screen is as good without.
func (p *Page) makeSample() {
	s := &p.sample
	if s.view != nil || s.cancel != nil || p.session != nil || p.reading != nil || p.keeping.resuming != nil || p.keeping.opening != "" {
		return
	}
	work, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	o, request := state.OpenBuiltIn(sampleModel), state.Request{"slo": sampleSLO}
	p.ctx.Async(func() {
		var answer *state.Answer
		model, err := p.host.Open(work, o, nil)
		if err == nil {
			answer, err = p.host.Plan(work, o, request)
		}
		p.ctx.Dispatch(func(ctx app.Context) {
			given := work.Err() != nil
			cancel()
			if given || err != nil || answer.Plan.Status == plan.Infeasible {
				ctx.PreventUpdate()
				return
			}
			view := state.View{Opening: o, Model: model, Request: request}.Answered(answer)
			s.view = &view
			p.measure()
		})
	})
}

// drop gives up making the sample: the planner is wanted for something else.
func (s *sample) drop() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

// samplePlotID names the sample's chart, whose width is measured.
const samplePlotID = "sample-plot"

// sampled identifies what the sample's drawings show.
type sampled struct {
	answer *state.Answer
	room   int64
}

// samplePlan shows the sample: what it costs, how fast it is, and why it is in several functions.
func (p *Page) samplePlan() app.UI {
	view := p.sample.view
	if view == nil || p.reading != nil || p.keeping.resuming != nil {
		return app.Div()
	}
	answer := view.Answer
	document, of := answer.Plan, sampled{answer, p.room}
	picture := newFrontierPicture(document, answer.Frontier.Drawn, nil, p.room)
	return app.Section().Class("card").ID("sample").Aria("labelledby", "sample-title").Body(
		app.H2().ID("sample-title").Text("A sample: "+view.Opening.Label()+" within "+report.Duration(document.Request.SLOUs)+", "+startWords(document.Request.Scenario)),
		app.Div().Class("headline").ID("sample-cost").Text(report.Price(document.CostPicoUSD)),
		app.Div().Class("unit").Text("per 100,000 requests, predicted"),
		app.Ul().Class("facts").Body(
			app.Li().ID("sample-latency").Text(report.Duration(document.LatencyUs)+" "+startWords(document.Request.Scenario)),
			app.Li().ID("sample-functions").Text(report.Count(len(document.Stages), "function")),
			app.If(oneFunctionWords(document) != "", func() app.UI { return app.Li().ID("sample-comparison").Text(oneFunctionWords(document)) }),
		),
		app.If(len(document.Stages) > 1, func() app.UI {
			return app.P().Text("Why several? They start at the same time, and each loads only its own part of the weights.")
		}),
		app.Div().Class("plot").ID(samplePlotID).Role("img").Aria("label", sampleChartWords(document, answer.Frontier)).Body(
			p.once("sample-limits", of, func() string { return picture.limits(document) }),
			p.once("sample-frontier", of, func() string { return picture.ground(document) }),
			p.once("sample-marks", of, func() string { return picture.marks(document, nil) }),
		),
		app.Div().Class("picture").ID("sample-picture").Role("img").Aria("label", sampleModelWords(view)).Body(
			app.Div().Class("layers").Body(
				p.once("sample-plan", of, func() string { return planSVG(view.Model, answer, pins{}, mark{selected: -1}, 0, p.room) }),
				p.once("sample-layers", of, func() string {
					return groundSVG(view.Model, 0, (&measured{model: view.Model, answer: answer}).bars(0), p.room)
				}),
			),
		),
		app.P().Class("unit").Text("Above the line how large each layer's weights are, below it the bytes that would cross a cut there."),
		app.Div().Class("actions").Body(
			app.Button().Type("button").ID("open-sample").Text("Open this plan").OnClick(func(app.Context, app.Event) {
				p.load(view.Opening, view.Request, nil)
			}),
		),
	)
}

// sampleChartWords says what the chart of the sample shows.
func sampleChartWords(document *plan.Plan, frontier *state.Frontier) string {
	fastest, cheapest := frontier.Drawn[0], frontier.Drawn[len(frontier.Drawn)-1]
	return fmt.Sprintf("Cost against latency: from %s at %s to %s at %s per 100,000 requests; this plan takes %s and costs %s",
		report.Duration(fastest[0]), report.Price(fastest[1]), report.Duration(cheapest[0]), report.Price(cheapest[1]), report.Duration(document.LatencyUs), report.Price(document.CostPicoUSD))
}

// sampleModelWords says which functions the drawing of the sample's model shows.
func sampleModelWords(view *state.View) string {
	var functions []string
	for i := range view.Answer.Plan.Stages {
		s := &view.Answer.Plan.Stages[i]
		functions = append(functions, fmt.Sprintf("layers %d to %d in %s", s.FirstLayer, s.LastLayer, report.Memory(s.MemoryMB)))
	}
	return report.Count(len(view.Model.Layers), "layer") + " in " + report.Count(len(functions), "function") + ": " + strings.Join(functions, ", ")
}
