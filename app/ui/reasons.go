package ui

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
	"partita/planner/report"
)

// reasons are what holds the plan on the screen back, or would make it feasible. They are found beside the page's planner, after the
// plan, because they take longer.
type reasons struct {
	of      *state.Answer // that they are about; nil: there are none
	list    []plan.Reason
	levers  []plan.Lever // what the plan uses
	finding bool
	cancel  context.CancelFunc
}

// forget ends what is being found.
func (r *reasons) forget() {
	if r.cancel != nil {
		r.cancel()
	}
	*r = reasons{}
}

// restInterval is how long a plan has to stay on the screen before reasons are looked for: whoever tries values out wants the next one.
const restInterval = 400 * time.Millisecond

// explain looks for the reasons of the plan on the screen.
func (p *Page) explain() {
	if p.reasons.of == p.session.Answer {
		return
	}
	p.reasons.forget()
	view := p.session.View
	work, cancel := context.WithCancel(context.Background())
	p.reasons = reasons{of: view.Answer, finding: true, cancel: cancel}
	p.ctx.Async(func() {
		select {
		case <-work.Done():
			return
		case <-time.After(restInterval):
		}
		found, err := p.host.Explain(work, view.Opening, view.Request)
		p.dispatch(func() {
			if p.reasons.of != view.Answer || p.session == nil {
				return
			}
			p.reasons.finding = false
			if err == nil {
				p.reasons.list, p.reasons.levers = found.Reasons, found.Levers
			} else if !errors.Is(err, context.Canceled) {
				p.notice = "What holds this plan back could not be found: " + explained(err)
			}
		})
	})
}

// shownReasons is how many reasons are shown at once; the others are one click away.
const shownReasons = 4

// why lists the reasons, each with a button where an option of the request is what would change.
func (p *Page) why() app.UI {
	if p.reasons.of != p.session.Answer {
		return app.Div()
	}
	title := "What holds it back"
	if p.session.Answer.Plan.Status == plan.Infeasible {
		title = "Any one of these would do"
	}
	list := p.reasons.list
	body := []app.UI{app.H2().Text(title)}
	switch {
	case p.reasons.finding:
		body = append(body, app.P().Class("unit").Text("Trying changes …"))
	case len(list) == 0 && p.session.Answer.Plan.Status == plan.Infeasible:
		body = append(body, app.P().Text("No single change that was tried makes it feasible."))
	case len(list) == 0:
		body = append(body, app.P().Text("Nothing: loosening any one constraint saves nothing."))
	}
	first := min(len(list), shownReasons)
	body = append(body, p.reasonList(list, 0, first))
	if len(list) > first {
		body = append(body, app.Details().Body(app.Summary().Text(strconv.Itoa(len(list)-first)+" more"), p.reasonList(list, first, len(list))))
	}
	return app.Section().Class("card").ID("why").Aria("busy", p.reasons.finding).Body(body...)
}

func (p *Page) reasonList(list []plan.Reason, from, to int) app.UI {
	if from == to {
		return app.Div()
	}
	return app.Ul().Class("reasons").Body(app.Range(list[from:to]).Slice(func(i int) app.UI {
		r := list[from+i]
		return app.Li().Body(
			app.Span().Text(capital(report.Reason(&r))+"."),
			app.If(r.Option != "", func() app.UI {
				return app.Button().Type("button").Class("small").Aria("label", "Apply: "+r.Change).Text("Apply").
					OnClick(func(app.Context, app.Event) { p.set(r.Option, r.Value) }, app.EventScope(r.Option, r.Value))
			}),
		)
	}))
}

// uses lists what the plan does out of the ordinary, and what each of these saves.
func (p *Page) uses() app.UI {
	levers := p.reasons.levers
	if p.reasons.of != p.session.Answer || len(levers) == 0 {
		return app.Div()
	}
	return app.Section().Class("card").ID("uses").Body(
		app.H2().Text("What it uses"),
		app.Ul().Class("reasons").Body(app.Range(levers).Slice(func(i int) app.UI {
			return app.Li().Body(app.Span().Text(capital(report.Lever(&levers[i])) + "."))
		})),
	)
}

// notes says what of the model is otherwise than in its file.
func (p *Page) notes() app.UI {
	notes := p.session.Model.Inspect.Notes
	if len(notes) == 0 {
		return app.Div()
	}
	return app.Section().Class("card").ID("notes").Body(
		app.H2().Text("About this model"),
		app.Ul().Class("facts").Body(app.Range(notes).Slice(func(i int) app.UI { return app.Li().Text(capital(notes[i])) })),
	)
}
