package ui

import (
	"context"
	"fmt"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
	"partita/planner/report"
)

// phase is how far a deployment has come.
type phase int

const (
	undeployed phase = iota
	deploying
	serving
	destroying
)

// deployment is the part of the page about the plan's life on the server.
type deployment struct {
	name    string
	model   string // digest of the model that the name was suggested for
	phase   phase
	steps   []state.Step
	cancel  context.CancelFunc
	asking  string // the input being sent; "" when none is
	reply   *state.Reply
	message string
}

// suggestedName makes a valid deployment name of a model's name.
func suggestedName(model string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(model) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 30 {
			break
		}
	}
	if name := strings.Trim(b.String(), "-"); name != "" {
		return name
	}
	return "model"
}

// deploy is the card that deploys the plan, tries the deployment and removes it.
func (p *Page) deploy() app.UI {
	d := &p.deployed
	return app.Section().Class("card").ID("deploy").Body(
		app.H2().Text("Deploy"),
		app.If(p.session.Answer.Plan.Status == plan.Infeasible, func() app.UI {
			return app.P().Text("There is no plan to deploy: change the request first.")
		}).ElseIf(len(p.session.Model.WeightsIn) == 0, p.withoutWeights).ElseIf(p.session.Answer.Plan.Platform != "local" && d.phase == undeployed, func() app.UI {
			return app.P().Text("This plan is made with the figures of " + p.session.Answer.Plan.Platform + ". Choose the platform local to deploy to the local cloud of this server with its own figures.")
		}),
		app.If(len(p.session.Model.WeightsIn) > 0 && p.session.Answer.Plan.Status != plan.Infeasible, func() app.UI { return p.deployControls() }),
		p.progress(),
		app.If(d.phase == serving, func() app.UI { return p.try() }),
	)
}

func (p *Page) deployControls() app.UI {
	d := &p.deployed
	return app.Div().Body(
		app.Div().Class("control").Body(
			app.Label().For("deployment-name").Text("Name"),
			app.Input().Type("text").ID("deployment-name").Value(d.name).Disabled(d.phase != undeployed).Spellcheck(false).
				OnInput(func(ctx app.Context, _ app.Event) { p.deployed.name = ctx.JSSrc().Get("value").String() }),
		),
		app.If(d.phase == undeployed, func() app.UI {
			return app.P().Class("unit").Text(fmt.Sprintf("Creates %s and a gateway in the local cloud and uploads %s of weights to it.",
				report.Count(len(p.session.Answer.Plan.Stages), "function"), report.Bytes(p.session.WeightsSize())))
		}),
		app.Div().Class("actions").Body(
			app.If(d.phase == undeployed, func() app.UI {
				return app.Button().ID("deploy-button").Class("primary").Text("Deploy").OnClick(p.startDeploy)
			}),
			app.If(d.phase == deploying, func() app.UI {
				return app.Button().ID("cancel-button").Text("Cancel").OnClick(func(app.Context, app.Event) { p.deployed.cancel() })
			}),
			app.If(d.phase == serving, func() app.UI {
				return app.Button().ID("destroy-button").Class("danger").Text("Destroy").OnClick(p.startDestroy)
			}),
		),
		app.Div().ID("deploy-message").Aria("live", "polite").Text(d.message),
	)
}

// progress lists what has been done, the latest state of each resource.
func (p *Page) progress() app.UI {
	steps := p.deployed.steps
	if len(steps) == 0 {
		return app.Div()
	}
	return app.Ul().Class("steps").ID("steps").Body(app.Range(steps).Slice(func(i int) app.UI {
		s := steps[i]
		note := s.State
		if s.Bytes > 0 {
			note = report.Bytes(s.Bytes) + " · " + note
		}
		if s.ElapsedMs > 0 {
			note += " · " + report.Duration(s.ElapsedMs*1000)
		}
		return app.Li().Body(app.Span().Text(s.Action+" "+s.Resource), app.Span().Class(s.State).Text(note))
	}))
}

// addStep keeps one line per action on a resource.
func (d *deployment) addStep(s state.Step) {
	for i := range d.steps {
		if d.steps[i].Resource == s.Resource && d.steps[i].Action == s.Action {
			d.steps[i] = s
			return
		}
	}
	d.steps = append(d.steps, s)
}

func (p *Page) startDeploy(app.Context, app.Event) {
	d := &p.deployed
	work, cancel := context.WithCancel(context.Background())
	d.phase, d.steps, d.reply, d.cancel, d.message = deploying, nil, nil, cancel, "Uploading the weights…"
	name, step := d.name, p.session.View
	p.ctx.Async(func() {
		var upload string
		var what *state.Upload
		document, err := p.host.Document(work, step.Opening, step.Request)
		if err == nil {
			var bundle *state.Bundle
			if bundle, err = p.host.Bundle(work, step.Opening); err == nil {
				what = bundle.Upload(step.Opening)
			}
		}
		if err == nil {
			upload, err = p.host.Upload(work, what)
		}
		if err == nil {
			p.dispatch(func() { p.deployed.message = "Deploying…" })
			err = p.host.Deploy(work, name, document, upload)
		}
		if err == nil {
			err = p.host.Follow(work, name, func(s state.Step) {
				p.dispatch(func() { p.deployed.addStep(s) })
			})
		}
		if work.Err() != nil {
			// The user cancelled: what was made so far is removed again.
			if removal := p.host.Destroy(context.Background(), name); removal == nil {
				_ = p.host.Follow(context.Background(), name, func(state.Step) {})
			}
		}
		p.dispatch(func() {
			cancel()
			if err != nil {
				p.deployed.phase, p.deployed.message = undeployed, "Not deployed, nothing is left behind: "+explained(err)
				return
			}
			p.deployed.phase, p.deployed.message = serving, "Deployed: it serves now."
		})
	})
}

func (p *Page) startDestroy(app.Context, app.Event) {
	d := &p.deployed
	d.phase, d.steps, d.reply, d.message = destroying, nil, nil, "Destroying…"
	name := d.name
	p.ctx.Async(func() {
		err := p.host.Destroy(context.Background(), name)
		if err == nil {
			err = p.host.Follow(context.Background(), name, func(s state.Step) {
				p.dispatch(func() { p.deployed.addStep(s) })
			})
		}
		p.dispatch(func() {
			if err != nil {
				p.deployed.phase, p.deployed.message = serving, "Not destroyed: "+explained(err)
				return
			}
			p.deployed.phase, p.deployed.message = undeployed, "Destroyed: nothing is left."
		})
	})
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

func (p *Page) send(app.Context, app.Event) {
	files := p.host.Chosen("input-file")
	if len(files) == 0 {
		return
	}
	file, name := files[0], p.deployed.name
	p.deployed.asking, p.deployed.reply, p.problem = file.Name(), nil, ""
	p.ctx.Async(func() {
		var reply *state.Reply
		raw, err := p.host.ReadFile(context.Background(), file)
		if err == nil {
			reply, err = p.host.Invoke(context.Background(), name, state.Input{Data: raw})
		}
		p.dispatch(func() {
			p.deployed.asking = ""
			if err != nil {
				p.problem = explained(err)
				return
			}
			p.deployed.reply = reply
		})
	})
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
	predicted := p.session.Answer.Plan.Stages
	start := startWords(p.session.Answer.Plan.Request.Scenario)
	return app.Div().ID("reply").Body(
		app.If(len(r.Top) > 0, func() app.UI {
			return app.Ol().ID("top").Body(app.Range(r.Top[0]).Slice(func(i int) app.UI {
				return app.Li().Text(fmt.Sprintf("class %d: %.4f", r.Top[0][i].Index, r.Top[0][i].Score))
			}))
		}),
		app.P().ID("measured").Text(fmt.Sprintf("Measured, %s: %s, %s per 100,000 requests. Predicted, %s: %s, %s.",
			foundWords(r), report.Duration(r.Trace.LatencyUs), perHundredThousand(r.Trace.CostPicoUSD),
			start, report.Duration(p.session.Answer.Plan.LatencyUs), perHundredThousand(p.session.Answer.Plan.CostPicoUSD))),
		scrolled("Trace").Body(app.Table().ID("trace").Body(
			app.THead().Body(app.Tr().Body(
				app.Th().Text("#"), app.Th().Class("words").Text("found"), app.Th().Text("start"), app.Th().Text("predicted, "+start), app.Th().Text("compute"),
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
				return row.Body(
					app.Td().Body(app.Span().Class("swatch "+stageClass(s.Index)).Aria("hidden", "true"), app.Text(s.Index+1)),
					app.Td().Class("words").Text(found),
					app.Td().Text(report.Duration(s.InitUs)), app.Td().Text(report.Duration(expected.InitUs)),
					app.Td().Text(report.Duration(s.ComputeUs)), app.Td().Text(report.Duration(expected.ComputeUs)),
					app.Td().Text(fmt.Sprintf("%d ms", s.BilledMs)),
					app.Td().Text(fmt.Sprintf("%d MB", s.MaxMemoryMB)),
					app.Td().Text(perHundredThousand(s.CostPicoUSD)), app.Td().Text(perHundredThousand(expected.CostPicoUSD)),
				)
			})),
		)),
	)
}
