package ui

import (
	"context"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// reading is a model that is being opened.
type reading struct {
	opening *state.Opening
	request state.Request
	making  bool         // its weights are being made up
	done    int64        // bytes read, or made
	model   *state.Model // once it is known; it is being planned then
	cancel  context.CancelFunc
	failed  func() // follows when it cannot be opened; nil: nothing does
}

// progress says how far it is, for a user who waits.
func (r *reading) progress() string {
	var size int64
	for _, f := range r.opening.AllFiles() {
		size += f.Size()
	}
	name := r.opening.Label()
	switch {
	case r.making:
		return "Making weights up for " + name + ": " + report.Bytes(r.done) + " …"
	case r.model != nil:
		return "Planning " + name + " …"
	case size == 0:
		return "Opening " + name + " …"
	}
	return "Reading " + name + ": " + report.Bytes(r.done) + " of " + report.Bytes(size) + " …"
}

// open reads and plans the model in files.
func (p *Page) open(files []state.File) {
	if len(files) > 0 {
		p.dispatch(func() {
			if p.session != nil {
				if found, those := p.session.Opening.Found(files); those {
					p.load(found, p.wanted(), func(next state.View) { p.session.Show(next) })
					return
				}
			}
			p.load(state.OpenFiles(files), p.request, nil)
		})
	}
}

// begin shows that something is being opened, in place of what was before.
func (p *Page) begin(r *reading) context.Context {
	p.abandon()
	work, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	p.reading, p.problem, p.notice, p.dropping = r, "", "", false
	return work
}

// abandon ends what is being opened and asked.
func (p *Page) abandon() {
	if p.reading != nil {
		p.reading.cancel()
	}
	if p.question != nil {
		p.question.cancel()
	}
	p.reading, p.question, p.next = nil, nil, nil
	p.reasons.forget()
}

// current is the model that weights alone belong to: the one that is being planned, or else the one that is shown.
func (p *Page) current() *state.View {
	switch r := p.reading; {
	case r != nil && r.model != nil:
		return &state.View{Opening: r.opening, Model: r.model, Request: r.request}
	case p.session != nil:
		return &p.session.View
	}
	return nil
}

// load opens and plans a model and shows it: as place does, nil as another step of the session.
func (p *Page) load(o *state.Opening, request state.Request, place func(state.View)) {
	if place == nil {
		place = p.show
	}
	current := p.current()
	r := &reading{opening: o, request: request}
	work := p.begin(r)
	p.ctx.Async(func() {
		tell := func(bytes int64) { p.dispatch(func() { r.done = bytes }) }
		model, err := p.host.Open(work, o, tell)
		if state.WeightsOnly(err) && current != nil && len(o.Files) == 1 && len(current.Model.WeightsIn) == 0 {
			o, request = current.Opening.WithWeights(o.Files[0]), current.Request
			model, err = p.host.Open(work, o, tell)
		}
		var answer *state.Answer
		if err == nil {
			p.dispatch(func() { r.opening, r.request, r.model = o, request, model })
			answer, err = p.host.Plan(work, o, request)
		}
		p.dispatch(func() {
			r.cancel()
			if p.reading != r {
				return // another model was opened meanwhile
			}
			p.reading = nil
			if err != nil {
				p.problem = explained(err)
				if r.failed != nil {
					r.failed()
				}
				return
			}
			p.keeping.recent = nil
			place(state.View{Opening: o, Model: model, Request: answer.Request}.Answered(answer))
			p.settled()
		})
	})
}

// show makes a view the next step of the session, or begins one.
func (p *Page) show(next state.View) {
	p.keeping.typed = nil
	if p.session == nil {
		p.session = state.NewSession(next)
	} else {
		p.session.Move(next, "")
	}
}

// makeWeights makes up weights for the model that is open and opens it with them.
func (p *Page) makeWeights(app.Context, app.Event) {
	o, request, name := p.session.Opening, p.session.Request, p.session.Model.Inspect.Name
	r := &reading{opening: o, request: request, making: true}
	work := p.begin(r)
	p.ctx.Async(func() {
		file, err := p.host.MakeWeights(work, o, name+".synthetic.h5", func(bytes int64) { p.dispatch(func() { r.done = bytes }) })
		p.dispatch(func() {
			r.cancel()
			if p.reading != r {
				return
			}
			p.reading = nil
			if err != nil {
				p.problem = explained(err)
				return
			}
			p.load(o.WithWeights(file), request, nil)
		})
	})
}

// busy tells what takes a while, and stops it on demand.
func (p *Page) busy() app.UI {
	text := ""
	switch {
	case p.reading != nil:
		text = p.reading.progress()
	case p.question != nil && p.question.slow:
		text = "Planning …"
	}
	return app.Div().ID("reading").Aria("live", "polite").Body(
		app.If(text != "", func() app.UI {
			return app.Div().Class("card").Body(
				app.P().Text(text),
				app.Button().Type("button").ID("stop-reading").Text("Cancel").OnClick(func(app.Context, app.Event) {
					p.abandon()
					p.problem = "Cancelled."
					p.placeInputs()
				}),
			)
		}),
	)
}
