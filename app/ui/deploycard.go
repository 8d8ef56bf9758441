package ui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
	"partita/planner/report"
)

// deploy is the card that deploys the plan, tries the deployment and removes it.
func (p *Page) deploy() app.UI {
	d, document := &p.deployed, p.session.Answer.Plan
	why := p.whyNot()
	return app.Section().Class("card").ID("deploy").Aria("label", "Deploy").Body(
		app.H2().Text("Deploy"),
		app.If(d.failure != "", func() app.UI {
			return app.Div().ID("deploy-failure").Role("alert").Class("problem").Body(app.Strong().Text("That did not work. "), app.Text(capital(d.failure)))
		}),
		app.If(d.Phase == state.Undeployed && why != "", func() app.UI {
			return app.P().ID("not-deployable").Text(why)
		}).ElseIf(d.Phase == state.Undeployed && len(p.session.Model.WeightsIn) == 0, p.withoutWeights).Else(func() app.UI {
			return app.Div().Body(
				app.If(d.Phase == state.Undeployed && document.Platform != "local" && p.cloud != nil && p.cloud.Kind == "local", func() app.UI {
					return app.P().Text("This plan is made with the figures of " + document.Platform + ". Choose the platform local to plan with the figures of the local cloud itself.")
				}),
				p.deployControls(),
			)
		}),
		p.progress(),
		app.If(d.Phase == state.Serving, p.try),
	)
}

// whyNot says why the plan on the screen cannot be deployed; "" when it can.
func (p *Page) whyNot() string {
	document := p.session.Answer.Plan
	switch {
	case document.Status == plan.Infeasible:
		return "There is no plan to deploy: change the request first."
	case p.about != nil && slices.Contains(p.about.Apart, document.Platform):
		return "Plans can be made for " + p.platformLabel(document.Platform) + ", to compare prices; Partita deploys to AWS Lambda and to its local cloud. Choose one of those platforms to deploy."
	}
	return ""
}

func (p *Page) platformLabel(name string) string {
	if o, known := p.about.Option("platform"); known {
		for _, c := range o.Choices {
			if c.Value == name {
				return c.Label
			}
		}
	}
	return name
}

func (p *Page) deployControls() app.UI {
	d := &p.deployed
	return app.Div().Body(
		app.Div().Class("control").Body(
			app.Label().For("deployment-name").Text("Name"),
			app.Input().Type("text").ID("deployment-name").Value(d.Name).Disabled(d.Phase != state.Undeployed).Spellcheck(false).AutoComplete(false).
				OnInput(func(ctx app.Context, _ app.Event) {
					if p.deployed.Phase == state.Undeployed {
						p.deployed.Name = strings.TrimSpace(ctx.JSSrc().Get("value").String())
						p.keepSoon()
					}
				}),
		),
		app.If(d.Phase == state.Undeployed, p.preview),
		app.Div().Class("actions").Body(
			app.If(d.Phase == state.Undeployed, func() app.UI {
				return app.Button().Type("button").ID("deploy-button").Class("primary").Text("Deploy").Disabled(d.Name == "").OnClick(p.startDeploy)
			}),
			app.If((d.Phase == state.Uploading || d.Phase == state.Deploying) && d.cancel != nil, func() app.UI {
				return app.Button().Type("button").ID("cancel-button").Text("Cancel").OnClick(func(app.Context, app.Event) { p.deployed.cancel() })
			}),
			app.If(d.Phase == state.Serving || d.Phase == state.Interrupted, func() app.UI {
				return app.Button().Type("button").ID("destroy-button").Class("danger").Text("Destroy").OnClick(p.startDestroy)
			}),
		),
		app.Div().ID("deploy-message").Aria("live", "polite").Text(d.message),
		app.If(len(d.left) > 0, func() app.UI {
			return app.Div().ID("left").Body(
				app.P().Text("Left behind, or about to be made when it ended:"),
				app.Ul().Body(app.Range(d.left).Slice(func(i int) app.UI { return app.Li().Text(d.left[i]) })),
			)
		}),
	)
}

// preview says what Deploy will create, where, and what it costs.
func (p *Page) preview() app.UI {
	d, document := &p.deployed, p.session.Answer.Plan
	names := "partita-" + d.Name + "-"
	return app.Div().ID("preview").Body(
		app.P().ID("where").Text(p.whereTo()),
		scrolled("What is created").Body(app.Table().Body(
			app.THead().Body(app.Tr().Body(app.Th().Class("words").Text("function"), app.Th().Text("memory"), app.Th().Text("package"), app.Th().Text("weights"))),
			app.TBody().Body(
				app.Range(document.Stages).Slice(func(i int) app.UI {
					s := &document.Stages[i]
					return app.Tr().Body(
						app.Td().Class("words").Text(fmt.Sprintf("%sstage-%d", names, i+1)), app.Td().Text(report.Memory(s.MemoryMB)),
						app.Td().Text(report.Bytes(s.PackageBytes)), app.Td().Text(report.Bytes(s.WeightBytes)))
				}),
				app.Tr().Body(app.Td().Class("words").Text(names+"gateway"), app.Td().Text(report.Memory(document.Gateway.MemoryMB)), app.Td(), app.Td()),
				app.If(document.Workflow != nil, func() app.UI {
					return app.Tr().Body(app.Td().Class("words").Text(names+"workflow, a state machine that drives them"), app.Td(), app.Td(), app.Td())
				}),
			),
		)),
		app.P().ID("price").Text(p.priceOf()),
	)
}

// whereTo says where Deploy creates things.
func (p *Page) whereTo() string {
	size := report.Bytes(p.session.WeightsSize())
	switch {
	case p.cloud == nil:
		return "Creates these functions and sends " + size + " of weights to this page's server, which has not said yet where it deploys to."
	case p.cloud.Kind == "aws":
		return "Creates these functions in the AWS account that the server is connected to, region " + p.cloud.Region + ", by way of the bucket " + p.cloud.Bucket + ", and sends " + size + " of weights there."
	}
	return "Creates these functions in the local cloud, on the computer where this page's server runs, and sends " + size + " of weights to it. No cloud account is used."
}

// priceOf says what a deployment costs.
func (p *Page) priceOf() string {
	document := p.session.Answer.Plan
	price := report.Price(document.CostPicoUSD) + " per 100,000 requests"
	rest := ""
	if month := p.session.Answer.Rest; month != nil {
		rest = ", and while nobody asks at most " + report.Dollars(*month, 1) + " a month for what it stores"
	}
	if p.cloud != nil && p.cloud.Kind == "local" {
		return "Costs nothing here. On " + p.deployedPlatform() + " it would cost " + price + rest + "."
	}
	return "Costs " + price + ", as predicted for " + p.deployedPlatform() + rest + "."
}

func (p *Page) deployedPlatform() string {
	if p.about == nil {
		return p.session.Answer.Plan.Platform
	}
	return p.platformLabel(p.session.Answer.Plan.Platform)
}

// progress lists what has been done, the latest state of each resource; what failed comes first.
func (p *Page) progress() app.UI {
	steps := slices.Clone(p.deployed.steps)
	if len(steps) == 0 {
		return app.Div()
	}
	slices.SortStableFunc(steps, func(a, b state.Step) int { return rank(a) - rank(b) })
	return app.Ul().Class("steps").ID("steps").Body(app.Range(steps).Slice(func(i int) app.UI {
		s := steps[i]
		note := s.State
		switch {
		case s.Bytes > 0 && s.TotalBytes > s.Bytes:
			note = report.Bytes(s.Bytes) + " of " + report.Bytes(s.TotalBytes) + " · " + note
		case s.Bytes > 0:
			note = report.Bytes(s.Bytes) + " · " + note
		}
		if s.ElapsedMs > 0 {
			note += " · " + report.Duration(s.ElapsedMs*1000)
		}
		what := s.Resource
		if !strings.HasPrefix(what, s.Action+" ") {
			what = s.Action + " " + what
		}
		return app.Li().Body(app.Span().Text(what), app.Span().Class(s.State).Text(note))
	}))
}

func rank(s state.Step) int {
	if s.State == "failed" {
		return 0
	}
	return 1
}

// try sends an input through the deployment and shows what came back.
func (p *Page) try() app.UI {
	d := &p.deployed
	return app.Div().Body(
		app.Div().Class("actions").Body(
			app.Input().Type("file").ID("input-file").Accept("image/*,.npy,.pkl,.json").Disabled(d.asking != "").OnChange(p.send),
			app.Label().For("input-file").Class("button primary").Text("Send an image or .npy…"),
			app.Span().Aria("live", "polite").Text(asking(d.asking)),
		),
		app.If(d.reply != nil, func() app.UI { return p.reply() }),
	)
}

func asking(name string) string {
	if name == "" {
		return ""
	}
	return "Sending " + name + " …"
}

// foundWords says whether a request found its functions running.
func foundWords(r *state.Reply) string {
	cold := 0
	for _, s := range r.Trace.Stages {
		if s.Cold {
			cold++
		}
	}
	switch cold {
	case 0:
		return "warm"
	case len(r.Trace.Stages):
		return "cold"
	}
	return "partly cold"
}

// reply shows the prediction and the measured trace beside the predicted one.
func (p *Page) reply() app.UI {
	r := p.deployed.reply
	of := p.deployed.Predicted
	if of == nil {
		of = state.PredictedBy(p.session.Answer)
	}
	predicted, start := of.Stages, startWords(of.Scenario)
	passes := r.Trace.Passes > 1
	found, like, likeUs, likePicoUSD := foundWords(r), start, of.LatencyUs, of.CostPicoUSD
	line := of.Cold // what a request like this one was predicted to be
	if found == "warm" {
		line = of.Warm
	}
	if line != nil {
		if likeUs, likePicoUSD, like = line.LatencyUs, line.CostPicoUSD, "cold"; found == "warm" {
			like = found
		}
	}
	return app.Div().ID("reply").Body(
		app.If(len(r.Top) > 0, func() app.UI {
			return app.Ol().ID("top").Body(app.Range(r.Top[0]).Slice(func(i int) app.UI {
				return app.Li().Text(fmt.Sprintf("class %d: %.4f", r.Top[0][i].Index, r.Top[0][i].Score))
			}))
		}),
		app.P().ID("measured").Text(fmt.Sprintf("Measured, %s, in the %s: %s, %s per 100,000 requests. Predicted, %s: %s, %s.",
			found, r.Trace.Driver(), report.Duration(r.Trace.LatencyUs), report.Price(r.Trace.CostPicoUSD),
			like, report.Duration(likeUs), report.Price(likePicoUSD))),
		p.measuredTimeline(r, line, like),
		scrolled("Trace").Body(app.Table().ID("trace").Body(
			app.THead().Body(app.Tr().Body(
				app.Th().Text("#"), app.If(passes, func() app.UI { return app.Th().Text("pass") }), app.Th().Class("words").Text("found"), app.Th().Text("start"), app.Th().Text("predicted, "+start), app.Th().Text("compute"),
				app.Th().Text("predicted"), app.Th().Text("billed"), app.Th().Text("memory used"), app.Th().Text("$ per 100,000"), app.Th().Text("predicted"),
			)),
			app.TBody().Body(app.Range(r.Trace.Stages).Slice(func(i int) app.UI {
				s := r.Trace.Stages[i]
				found := "warm"
				if s.Cold {
					found = "cold"
				}
				row := app.Tr()
				if s.Index >= len(predicted) {
					return row
				}
				expected := predicted[s.Index]
				used := "unknown" // a workflow hands on no report of its functions
				if s.MaxMemoryMB > 0 {
					used = report.Memory(s.MaxMemoryMB)
				}
				return row.Body(
					app.Td().Body(app.Span().Class("swatch "+stageClass(s.Index)).Aria("hidden", "true"), app.Text(s.Index+1)),
					app.If(passes, func() app.UI { return app.Td().Text(s.Pass + 1) }),
					app.Td().Class("words").Text(found),
					app.Td().Text(report.Duration(s.InitUs)), app.Td().Text(report.Duration(expected.InitUs)),
					app.Td().Text(report.Duration(s.ComputeUs)), app.Td().Text(report.Duration(expected.ComputeUs)),
					app.Td().Text(report.Duration(s.BilledMs*1000)),
					app.Td().Text(used),
					app.Td().Text(report.Price(s.CostPicoUSD)), app.Td().Text(report.Price(expected.CostPicoUSD)),
				)
			})),
		)),
	)
}

// measuredTimeline draws what happened when in a request over what was predicted of one like it, on one scale.
func (p *Page) measuredTimeline(r *state.Reply, predicted *report.Timeline, like string) app.UI {
	measured := r.Trace.Timeline()
	if measured == nil || predicted == nil || len(predicted.Spans) != len(measured.Spans) {
		return app.Div()
	}
	flow, over := r.Trace.Workflow != nil, max(measured.LatencyUs, predicted.LatencyUs)
	return app.Div().ID("measured-timeline").Body(
		app.H3().Text("Measured: "+report.Duration(measured.LatencyUs)),
		app.Raw(timelineSVG("Measured", measured, flow, over, p.room)),
		app.H3().Text("Predicted, "+like+": "+report.Duration(predicted.LatencyUs)),
		app.Raw(timelineSVG("Predicted", predicted, flow, over, p.room)),
	)
}
