package ui

import (
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner/plan"
	"partita/planner/report"
)

// oneFunction names the comparison with the whole model in one function; see package planner.
const oneFunction = "one function"

// answer is what the whole page is for: the price, the latency, and what the alternative would be.
func (p *Page) answer() app.UI {
	document := p.session.Answer.Plan
	if document.Status == plan.Infeasible {
		return app.Section().Class("card problem").ID("answer").Body(
			app.H2().Text("Answer"),
			app.P().Body(app.Strong().Text("No plan satisfies this. "), app.Text(capital(document.Reason)+".")),
			app.If(document.Advice != nil && len(p.reasons.list) == 0, func() app.UI {
				return app.Button().Type("button").ID("advice").Text("Set " + p.label(document.Advice.Option) + " to " + document.Advice.Value).OnClick(p.takeAdvice)
			}),
		)
	}
	stages := report.Count(len(document.Stages), "function")
	return app.Section().Class("card").ID("answer").DataSet("slo-us", strconv.FormatInt(document.Request.SLOUs, 10)).Aria("live", "polite").Body(
		app.H2().Text("Answer, predicted"),
		app.Div().Class("headline").ID("cost").Text(report.Price(document.CostPicoUSD)),
		app.Div().Class("unit").Text("per 100,000 requests"),
		app.Ul().Class("facts").Body(
			app.Li().ID("latency").Text(report.Duration(document.LatencyUs)+" "+startWords(document.Request.Scenario)),
			app.Li().ID("stage-count").Text(stages),
			app.If(document.Batching != nil, func() app.UI {
				return app.Li().ID("sending").Text(capital(report.Sending(document.Batching)) + ": " + report.Price(document.CostPicoUSD/document.Batching.Inputs) + " per 100,000 inputs")
			}),
			app.If(document.Traffic != nil, func() app.UI { return app.Li().ID("traffic").Text(capital(report.Traffic(document)) + ".") }),
			app.If(document.Status == plan.Stopped, func() app.UI {
				return app.Li().Text("The search was stopped at its limit: the best plan is at most " + report.Price(document.GapPicoUSD) + " cheaper.")
			}),
			app.If(p.againstKept() != "", func() app.UI {
				return app.Li().ID("against-kept").Text(strings.TrimSuffix(p.againstKept(), "."))
			}),
			app.If(oneFunctionWords(document) != "", func() app.UI { return app.Li().ID("comparison").Text(oneFunctionWords(document)) }),
		),
	)
}

// takeAdvice makes the change that would make the request feasible.
func (p *Page) takeAdvice(app.Context, app.Event) {
	advice := p.session.Answer.Plan.Advice
	if advice == nil {
		return
	}
	p.set(advice.Option, advice.Value)
}

// startWords says which start a latency belongs to.
func startWords(scenario string) string {
	if scenario == "warm" {
		return "warm"
	}
	return "cold"
}

// oneFunctionWords says how the plan differs from the simplest alternative, in words.
func oneFunctionWords(document *plan.Plan) string {
	if document.Request.MinStages > 1 || document.Status == plan.Infeasible {
		return "" // one function is not what was asked for, or there is nothing to compare it with
	}
	for _, b := range document.Baselines {
		if b.Name != oneFunction {
			continue
		}
		if b.Status != plan.Feasible {
			return "One function cannot serve this model within the limits"
		}
		if b.CostPicoUSD == document.CostPicoUSD && b.LatencyUs == document.LatencyUs {
			return "One function is the best there is"
		}
		return capital(report.Versus(document.CostPicoUSD, document.LatencyUs, b.CostPicoUSD, b.LatencyUs, "one function"))
	}
	return ""
}
