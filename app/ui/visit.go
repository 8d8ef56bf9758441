package ui

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// keeping is the part of the page about what outlives it.
type keeping struct {
	link      string                // of what is on the screen
	typed     state.Typed           // text in fields of options that the planner has not taken
	recent    []state.Kept          // visits to go on with; nil once a model is open
	resuming  *state.Kept           // whose files are being fetched, or that the browser is asked for; nil: none is
	missed    *missed               // was being opened, and its files are not at hand; nil: nothing was
	awaited   bool                  // a visit that the browser did not give in time is still wanted
	addresses string                // to be opened then
	late      map[string]state.File // files that it gave later
	dropped   []state.File          // to be opened when what was on the screen is there again
	stray     *state.Opening        // weights that belonged to nothing; nil: none
	opening   string                // link that is being read; "" when none is
	busy      bool                  // a visit is being written
	again     bool                  // and has changed meanwhile
	failed    bool                  // the user knows that something is not kept
	timer     int64                 // counts what is typed, to write once a pause is made
	newer     bool                  // the server has a newer version of the page
}

// writingPatience is how long the browser may take to write a visit before the page says so.
const writingPatience = time.Minute

// openShort opens a link that the server keeps.
func (p *Page) openShort(id string) {
	p.ctx.Async(func() {
		fragment, err := p.host.Lengthen(context.Background(), id)
		p.dispatch(func() {
			if err != nil {
				p.problem = explained(err)
				if state.Unreachable(err) {
					p.problem = "Short links are kept by the server, which does not answer. Open this page again when it does, or ask for the long link, which needs no server. [" + state.CodeUnreachable + "]"
				}
				return
			}
			p.openLink(fragment)
		})
	})
}

// keep writes what is to outlive the page: at once where a reload finds it, and in the browser's database for another day. What changes
// while it is being written there is written after it.
func (p *Page) keep() {
	k := &p.keeping
	if p.comingBack() {
		return // it is all there
	}
	visit := p.session.Visit()
	visit.Link, visit.Typed, visit.Pending = k.link, k.typed, p.pending()
	if visit.Label == "" && p.reading != nil {
		visit.Label = p.reading.name()
	}
	if p.deployed.Name != "" {
		now := p.deployed.Deployment
		visit.Deployment = &now
	}
	kept := state.Kept{Label: visit.Label, Link: visit.Link, Files: map[string]state.File{}}
	if p.session != nil || visit.Pending.Opens() {
		text, err := json.Marshal(visit)
		if err != nil {
			panic("ui: a visit cannot be written: " + err.Error())
		}
		kept.Text = text
	}
	kept.ID = p.host.Note(kept)
	kept.Mark = p.jot()
	if k.busy {
		k.again = true
		return
	}
	k.busy = true
	files := p.session.Files()
	if p.reading != nil {
		files = append(files, p.reading.opening.AllFiles()...)
	}
	for _, f := range files {
		kept.Files[f.Key()] = f
	}
	p.ctx.Async(func() {
		patience, cancel := context.WithTimeout(context.Background(), writingPatience)
		defer cancel()
		err := p.host.Keep(patience, kept)
		p.ctx.Dispatch(func(ctx app.Context) {
			k.busy = false
			switch {
			case err == nil:
				k.failed = false
				ctx.PreventUpdate()
			case k.failed:
				ctx.PreventUpdate()
			default:
				k.failed, p.notice = true, capital(explained(err))
			}
			if k.again {
				k.again = false
				p.keep()
			}
		})
	})
}

// pending tells what has been begun and is no step of the session.
func (p *Page) pending() *state.Pending {
	k := &p.keeping
	now := &state.Pending{Typed: k.typed, Link: k.opening}
	if p.deployed.Phase == state.Undeployed {
		now.Name = p.deployed.Name
	}
	switch r := p.reading; {
	case r != nil && r.asking != "":
		now.Addresses = r.asking
	case r != nil && r.link != "":
		now.Link = r.link
	case r != nil && (r.undo || r.redo):
		now.Undo, now.Redo = r.undo, r.redo
	case r != nil && r.step:
		saved := r.opening.Saved(nil)
		now.Opening, now.Request = &saved, r.request
	case r == nil && k.missed != nil:
		saved := k.missed.opening.Saved(nil)
		now.Opening, now.Request = &saved, k.missed.request
	}
	if p.question != nil || p.next != nil {
		asked := p.wanted()
		now.Asked = &asked
	}
	return now
}

// jot writes what has been begun where a reload finds it, which takes no time. It gives the mark of what is written.
func (p *Page) jot() int {
	if p.comingBack() {
		return 0
	}
	text, err := json.Marshal(p.pending())
	if err != nil {
		panic("ui: what has been begun cannot be written: " + err.Error())
	}
	return p.host.Jot(text)
}

// typingPause is how long nothing is typed before what was is written to the browser's database.
const typingPause = 300 * time.Millisecond

// typing notes what is being typed into the field of an option, so that it survives the page.
func (p *Page) typing(name string) app.EventHandler {
	return func(ctx app.Context, _ app.Event) {
		ctx.PreventUpdate()
		p.typed(name, ctx.JSSrc().Get("value").String())
		p.keepSoon()
	}
}

func (p *Page) typed(name, text string) {
	if p.keeping.typed == nil {
		p.keeping.typed = state.Typed{}
	}
	p.keeping.typed[name] = text
}

// keepSoon keeps what is being typed, and the whole visit once nothing has been typed for a moment.
func (p *Page) keepSoon() {
	k := &p.keeping
	p.jot()
	k.timer++
	now := k.timer
	p.ctx.After(typingPause, func(ctx app.Context) {
		ctx.PreventUpdate()
		if k.timer == now {
			p.keep()
		}
	})
}

// taken forgets what was typed and is part of a request that has been answered.
func (p *Page) taken(r state.Request) {
	for name, text := range p.keeping.typed {
		if strings.TrimSpace(text) == r[name] {
			delete(p.keeping.typed, name)
		}
	}
}

// mostRecent is how many visits are offered.
const mostRecent = 3

// visits offers to go on with what was on the screen of tabs that are closed now.
func (p *Page) visits() app.UI {
	list := p.keeping.recent
	return app.Div().ID("recent").Body(
		app.P().Class("unit").Text("Go on where you left off:"),
		app.Div().Class("actions").Body(app.Range(list[:min(len(list), mostRecent)]).Slice(func(i int) app.UI {
			one := list[i]
			label := one.Label
			if label == "" {
				label = "a model"
			}
			return app.Button().Type("button").Text(label+", "+ago(time.Since(time.UnixMilli(one.AtMs)))).
				OnClick(func(app.Context, app.Event) { p.keeping.recent = nil; p.resume(&one) }, app.EventScope(one.ID))
		})),
	)
}

// ago says how long ago something was, as people do.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return report.Count(int(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return report.Count(int(d/time.Hour), "hour") + " ago"
	}
	return report.Count(int(d/(24*time.Hour)), "day") + " ago"
}

// lost says which files of the model on the screen are not at hand any more, and asks for them.
func (p *Page) lost() app.UI {
	l := p.session.Opening.Lost
	if l == nil {
		return app.Div()
	}
	return app.Div().ID("lost").Class("card").Body(
		app.P().Text("All you did is here again, but for the bytes of "+named(l)+", which the browser did not keep. Planning needs none; to deploy, choose the same again."),
		p.chooser("Choose it again…", true),
	)
}

// named lists files that are not at hand.
func named(l *state.Lost) string {
	var names []string
	for _, id := range l.All() {
		names = append(names, id.Name+" ("+report.Bytes(id.Size)+")")
	}
	return strings.Join(names, " and ")
}

// update offers a newer version of the page, where the server has one.
func (p *Page) update() app.UI {
	if !p.keeping.newer {
		return app.Div()
	}
	return app.Div().ID("update").Class("card").Role("status").Body(
		app.P().Text("A new version of Partita is ready. Nothing you did is lost when you reload."),
		app.Button().Type("button").ID("reload").Class("primary").Text("Reload").OnClick(func(app.Context, app.Event) {
			p.keep()
			p.host.Reload()
		}),
	)
}

// updateInterval is how often the page asks whether there is a newer version of it.
const updateInterval = 30 * time.Minute

func (p *Page) askForUpdates() {
	p.ctx.After(updateInterval, func(ctx app.Context) {
		ctx.PreventUpdate()
		app.TryUpdate()
		p.askForUpdates()
	})
}

// OnAppUpdate implements app.AppUpdater.
func (p *Page) OnAppUpdate(app.Context) { p.keeping.newer = true }
