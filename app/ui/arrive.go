package ui

import (
	"context"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/remote"
	"partita/app/state"
)

// filesPatience is how long the browser may take to give the files that it has kept. Then the page goes on without them, and takes them
// when they come.
const filesPatience = 5 * time.Second

// missed is what was being opened when the page was left, with files that are not at hand.
type missed struct {
	opening *state.Opening
	request state.Request
}

// comeBack opens what the page was left with, and offers to go on with what tabs were left with that are closed. The browser may take long
// to give that, or never do: nothing waits for it.
func (p *Page) comeBack() {
	p.ctx.Async(func() {
		left := p.host.Left(context.Background())
		p.dispatch(func() { p.arrive(left) })
		for range lookings {
			kept := p.host.Kept(context.Background())
			more := make(chan bool, 1)
			p.dispatch(func() {
				p.offer(kept)
				more <- p.session == nil && p.reading == nil
			})
			if !<-more {
				return
			}
			time.Sleep(lookInterval)
		}
	})
}

// A tab that was closed just now may still count as open: while nothing is on the screen the page looks again for what it left.
const (
	lookings     = 15
	lookInterval = 2 * time.Second
)

// comingBack tells whether the visit before a reload is about to be on the screen again.
func (p *Page) comingBack() bool {
	return p.keeping.resuming != nil || p.reading != nil && p.reading.resumes
}

// arrive opens what was on the screen of this tab before a reload, or a link.
func (p *Page) arrive(left *state.Kept) {
	if p.session != nil || p.reading != nil {
		p.host.Adopt("") // the user was faster
		p.keep()
		return
	}
	switch {
	case left != nil && left.Text != nil:
		p.resume(left)
	case left != nil: // what was written down at once is not there: the database may have it
		p.keeping.resuming = left
		p.ctx.After(filesPatience, func(app.Context) {
			if p.keeping.resuming == left {
				p.keeping.resuming = nil
				p.openAddress()
				p.keeping.awaited = true
				p.comeNext()
			}
		})
	default:
		p.openAddress()
	}
}

// openAddress opens the link in the address, if there is one.
func (p *Page) openAddress() {
	if id := p.host.OpenedShort(); id != "" {
		p.openShort(id)
	} else if fragment := p.host.Remembered(); fragment != "" {
		p.openLink(fragment)
	}
}

// offer takes what the browser's database has: the visit of this tab where it is still awaited, and those of closed tabs to choose from.
func (p *Page) offer(kept []state.Kept) {
	k := &p.keeping
	for i := range kept {
		if kept[i].Own && p.awaiting() {
			p.resume(&kept[i])
			return
		}
	}
	if p.session == nil {
		k.recent = kept
	}
	if k.resuming != nil && k.resuming.Text == nil {
		k.resuming = nil
		p.openAddress()
		p.comeNext()
	}
}

// awaiting tells whether the visit of this tab has not come yet, and nothing was done without it that would be lost.
func (p *Page) awaiting() bool {
	k := &p.keeping
	return k.resuming != nil && k.resuming.Text == nil || k.awaited
}

// resume goes on with a visit: its models and answers are made anew as they are shown.
func (p *Page) resume(kept *state.Kept) {
	k := &p.keeping
	k.awaited, k.resuming = false, nil
	visit, err := kept.Visit()
	if err != nil { // another version of the page wrote it
		p.host.Adopt("")
		if kept.Link != "" {
			p.openLink(kept.Link)
		} else {
			p.openAddress()
		}
		p.comeNext()
		return
	}
	p.abandon()
	p.session = nil
	if kept.ID != "" {
		p.host.Adopt(kept.ID)
	}
	p.host.Note(*kept)
	p.host.Jot(kept.Pending)
	k.resuming = kept
	keys := visit.FileKeys()
	if len(keys) == 0 {
		p.goOn(kept, visit, nil)
		return
	}
	fetched := make(chan map[string]state.File, 1)
	p.ctx.Async(func() { fetched <- p.host.Files(context.Background(), keys) })
	p.ctx.Async(func() {
		select {
		case files := <-fetched:
			p.dispatch(func() { p.goOn(kept, visit, files) })
		case <-time.After(filesPatience):
			p.dispatch(func() { p.goOn(kept, visit, nil) })
			files := <-fetched
			p.dispatch(func() {
				p.keeping.late = files
				p.comeNext()
			})
		}
	})
}

// goOn shows a visit with what there is of its files.
func (p *Page) goOn(kept *state.Kept, visit *state.Visit, files map[string]state.File) {
	k := &p.keeping
	if k.resuming != kept {
		return // the user did something else meanwhile
	}
	k.resuming = nil
	k.typed, k.link = visit.Typed, visit.Link
	if d := visit.Deployment; d != nil {
		p.deployed = deployment{Deployment: *d}
		if d.Phase != state.Undeployed {
			p.reattach()
		} else if visit.Pending != nil && visit.Pending.Name != "" {
			p.deployed.Name = visit.Pending.Name
		}
	}
	session := visit.Session(files)
	if session == nil {
		p.takeUp(visit.Pending, files)
		p.comeNext()
		return
	}
	p.read(&reading{
		opening: session.Opening, request: session.Request, resumes: true,
		place: func(next state.View) {
			p.session = session
			session.Show(next)
			p.answerKept()
		},
		then: func() { p.takeUp(visit.Pending, files) },
		failed: func() {
			problem := p.problem
			if here := atHand(files); len(here) < len(files) {
				again := *visit
				again.Deployment = nil // which is followed already
				k.resuming = kept
				p.goOn(kept, &again, here)
				p.notice = problem
				return
			}
			p.host.Adopt("")
			if visit.Link != "" {
				p.openLink(visit.Link)
				p.notice = problem
			}
		},
	})
}

// atHand gives those of some files that need no other server: what is at a web address may be out of reach.
func atHand(files map[string]state.File) map[string]state.File {
	here := map[string]state.File{}
	for key, f := range files {
		if _, away := f.(*remote.File); !away {
			here[key] = f
		}
	}
	return here
}

// takeUp begins again what had been begun before a reload.
func (p *Page) takeUp(pending *state.Pending, files map[string]state.File) {
	switch {
	case pending == nil:
	case pending.Link != "":
		p.openLink(pending.Link)
	case pending.Addresses != "":
		p.openAddresses(pending.Addresses)
	case pending.Undo:
		p.undo()
	case pending.Redo:
		p.redo()
	case pending.Opening != nil:
		request := pending.Request
		if request == nil {
			request = state.Request{}
		}
		o := pending.Opening.Restored(files)
		if o.Lost != nil {
			p.keeping.missed = &missed{o, request}
			p.keep()
			return
		}
		p.load(o, request, nil)
	case pending.Asked != nil && p.session != nil:
		p.change(*pending.Asked)
	}
}

// takeLate puts in their places files that the browser has given after the page went on without them.
func (p *Page) takeLate() {
	files := p.keeping.late
	p.keeping.late = nil
	if m := p.keeping.missed; m != nil {
		if found, all := m.opening.FoundByKey(files); all {
			p.load(found, m.request, nil)
			return
		}
	}
	if p.session == nil || len(files) == 0 {
		return
	}
	found := p.session.Find(files)
	p.answerKept()
	if found != nil {
		p.load(found, p.wanted(), func(next state.View) { p.session.Show(next) })
	}
}

// missing says what was being opened when the page was left and cannot be read again, and asks for it.
func (p *Page) missing() app.UI {
	m := p.keeping.missed
	if m == nil || p.reading != nil {
		return app.Div()
	}
	return app.Div().ID("missed").Class("card").Body(
		app.P().Text("When this page was left it was opening "+named(m.opening.Lost)+", which the browser did not keep. Choose the same again, or drop it here, to go on."),
		app.Div().Class("actions").Body(
			app.Button().Type("button").ID("forget-missed").Text("Not any more").OnClick(func(app.Context, app.Event) {
				p.keeping.missed = nil
				p.keep()
			}),
		),
	)
}
