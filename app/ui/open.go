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
	place   func(state.View) // shows it
	step    bool             // it is what the user opened: after a reload it is opened again
	link    string           // that it came in, which is opened again instead
	undo    bool             // it is the step before on the screen
	redo    bool             // and the step after
	resumes bool             // a visit, which is kept as it was until it is on the screen
	making  bool             // its weights are being made up
	asking  string           // addresses that are being asked for it; "": none
	done    int64            // bytes read, or made
	model   *state.Model     // once it is known; it is being planned then
	cancel  context.CancelFunc
	failed  func() // follows when it cannot be opened; nil: nothing does
	then    func() // follows when it is on the screen; nil: nothing does
}

// name gives what it is called until it is known.
func (r *reading) name() string {
	if r.asking != "" {
		return r.asking
	}
	return r.opening.Label()
}

// progress says how far it is, for a user who waits.
func (r *reading) progress() string {
	var size int64
	for _, f := range r.opening.AllFiles() {
		size += f.Size()
	}
	name := r.name()
	switch {
	case r.asking != "" && r.done > 0:
		return "Fetching " + name + " as a whole, for its server gives no parts: " + report.Bytes(r.done) + " …"
	case r.asking != "":
		return "Asking for " + name + " …"
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
		p.dispatch(func() { p.openFiles(files) })
	}
}

// drop opens what was dropped.
func (p *Page) drop(files []state.File, err error) {
	if err != nil {
		p.dispatch(func() { p.problem = explained(err) })
		return
	}
	p.open(files)
}

func (p *Page) openFiles(files []state.File) {
	if p.comingBack() {
		p.keeping.dropped = files // they may belong to what is about to be on the screen
		return
	}
	if m := p.keeping.missed; m != nil {
		if found, those := m.opening.Found(files); those {
			p.load(found, m.request, nil)
			return
		}
	}
	if p.session != nil {
		if found, those := p.session.Opening.Found(files); those {
			p.load(found, p.wanted(), func(next state.View) { p.session.Show(next) })
			return
		}
	}
	p.load(state.OpenFiles(files), p.request, nil)
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
	p.sample.drop()
	if p.comingBack() {
		p.keeping.resuming = nil
		p.host.Adopt("") // what was coming back stays as it is
	}
	if p.reading != nil {
		p.reading.cancel()
	}
	if p.question != nil {
		p.question.cancel()
	}
	p.reading, p.question, p.next, p.keeping.opening = nil, nil, nil, ""
	p.reasons.forget()
}

// load opens and plans a model and shows it: as place does, nil as another step of the session.
func (p *Page) load(o *state.Opening, request state.Request, place func(state.View)) {
	r := &reading{opening: o, request: request, place: place}
	if place == nil {
		r.place, r.step = p.show, true
		p.keeping.awaited = false
	}
	p.read(r)
}

// read opens and plans a model and shows it.
func (p *Page) read(r *reading) {
	near := p.near()
	before := p.reading
	work := p.begin(r)
	if r.step || r.link != "" {
		p.keep()
	} else {
		p.jot()
	}
	p.ctx.Async(func() {
		tell := func(bytes int64) { p.dispatch(func() { r.done = bytes }) }
		open := func(o *state.Opening) (*state.Model, error) { return p.host.Open(work, o, tell) }
		found, model, err := near.join(r, open)
		var answer *state.Answer
		if err == nil {
			p.dispatch(func() { r.opening, r.request, r.model = found.opening, found.request, model })
			answer, err = p.host.Plan(work, found.opening, found.request)
		}
		p.dispatch(func() {
			r.cancel()
			if p.reading != r {
				return // another model was opened meanwhile
			}
			p.reading = nil
			if err != nil {
				p.unread(r, before, err)
				return
			}
			k := &p.keeping
			k.recent, k.missed, k.stray = nil, nil, nil
			r.place(state.View{Opening: found.opening, Model: model, Request: answer.Request}.Answered(answer))
			p.settled()
			if r.then != nil {
				r.then()
			}
			p.comeNext()
		})
	})
}

// unread shows why a model could not be opened. What it was opened in place of is opened after all.
func (p *Page) unread(r, before *reading, err error) {
	p.problem = explained(err)
	if state.WeightsOnly(err) && len(r.opening.Files) > 0 {
		p.keeping.stray, p.notice = r.opening, "Open the architecture now: these weights are taken for it."
	}
	if r.failed != nil {
		r.failed()
	}
	if before != nil && before.model == nil && !before.making && p.reading == nil {
		problem, again := p.problem, *before
		p.read(&again)
		p.problem = problem
		return
	}
	p.keep()
	p.comeNext()
}

// comeNext takes up what had to wait until something was opened.
func (p *Page) comeNext() {
	k := &p.keeping
	if p.reading != nil || k.opening != "" || k.resuming != nil {
		return
	}
	if files := k.dropped; files != nil {
		k.dropped = nil
		p.openFiles(files)
	} else if text := k.addresses; text != "" {
		k.addresses = ""
		p.openAddresses(text)
	} else if k.late != nil {
		p.takeLate()
	} else {
		p.sampleSoon()
	}
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
	case p.keeping.resuming != nil:
		text = "Fetching what was on the screen …"
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
					stopped := "Cancelled."
					if p.reading != nil {
						stopped = "Cancelled: " + p.reading.name() + " is not opened."
					}
					p.abandon()
					p.notice = stopped
					p.keep()
					p.placeInputs()
					p.sampleSoon()
				}),
			)
		}),
	)
}
