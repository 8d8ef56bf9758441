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
	link   string       // of what is on the screen
	typed  state.Typed  // text in fields of options that the planner has not taken
	recent []state.Kept // visits to go on with; nil once a model is open
	busy   bool         // a visit is being written
	again  bool         // and has changed meanwhile
	failed bool         // the user knows that something is not kept
	timer  int64        // counts what is typed, to write once a pause is made
	newer  bool         // the server has a newer version of the page
}

// keptPatience is how long the browser may take to give what it has kept; after that the link has to do.
const keptPatience = 5 * time.Second

// arrive opens what the page was left with: what was on the screen of this tab before a reload, a link, or nothing, with the visits of
// tabs that were closed to choose from.
func (p *Page) arrive(kept []state.Kept) {
	if p.session != nil || p.reading != nil {
		return // the user was faster
	}
	fragment := p.host.Remembered()
	if id := p.host.OpenedShort(); id != "" {
		p.host.Adopt("")
		p.openShort(id)
		return
	}
	for i := range kept {
		if kept[i].Own && kept[i].Link == fragment {
			p.resume(&kept[i])
			return
		}
	}
	p.host.Adopt("")
	if fragment != "" {
		p.openLink(fragment)
		return
	}
	p.keeping.recent = kept
}

// resume goes on with a visit: its models and answers are made anew as they are shown.
func (p *Page) resume(kept *state.Kept) {
	visit, err := state.ReadVisit(kept.Text)
	if err != nil { // another version of the page wrote it
		p.host.Adopt("")
		if kept.Link != "" {
			p.openLink(kept.Link)
		}
		return
	}
	p.host.Adopt(kept.ID)
	session := visit.Session(kept.Files)
	p.keeping.typed = visit.Typed
	if d := visit.Deployment; d != nil {
		p.deployed = deployment{Deployment: *d}
		if d.Phase != state.Undeployed {
			p.reattach()
		}
	}
	p.load(session.Opening, session.Request, func(next state.View) {
		p.session = session
		session.Show(next)
		p.answerKept()
	})
	p.reading.failed = func() {
		if kept.Link != "" {
			problem := p.problem
			p.openLink(kept.Link)
			p.notice = problem
		}
	}
}

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

// keep writes what is to outlive the page. What changes while it is being written is written after it.
func (p *Page) keep() {
	k := &p.keeping
	if p.session == nil {
		return
	}
	if k.busy {
		k.again = true
		return
	}
	k.busy = true
	visit := p.session.Visit()
	visit.Link, visit.Typed = k.link, k.typed
	if p.deployed.Name != "" {
		now := p.deployed.Deployment
		visit.Deployment = &now
	}
	kept := state.Kept{Label: visit.Label, Link: visit.Link, Files: map[string]state.File{}}
	for _, f := range p.session.Files() {
		kept.Files[f.Key()] = f
	}
	p.ctx.Async(func() {
		text, err := json.Marshal(visit)
		if kept.Text = text; err == nil {
			err = p.host.Keep(context.Background(), kept)
		}
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

// typingPause is how long nothing is typed before what was is kept.
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

// keepSoon keeps the visit once nothing has been typed for a moment.
func (p *Page) keepSoon() {
	k := &p.keeping
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
	var names []string
	for _, id := range l.All() {
		names = append(names, id.Name+" ("+report.Bytes(id.Size)+")")
	}
	return app.Div().ID("lost").Class("card").Body(
		app.P().Text("All you did is here again, but for the bytes of "+strings.Join(names, " and ")+", which the browser did not keep. Planning needs none; to deploy, choose the same again."),
		p.chooser("Choose it again…", true),
	)
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
			p.ctx.After(typingPause, func(app.Context) { p.host.Reload() }) // what is kept has been written by then
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
