package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// question is a request that the planner is asked.
type question struct {
	request state.Request
	gesture string // as in state.Session.Move
	ends    bool   // it is the gesture's last
	slow    bool   // it takes so long that the page says so
	cancel  context.CancelFunc
}

// wanted is the request as the user last set it, answered or not.
func (p *Page) wanted() state.Request {
	switch {
	case p.next != nil:
		return p.next.request
	case p.question != nil:
		return p.question.request
	}
	return p.session.Request
}

// change asks the planner something else.
func (p *Page) change(r state.Request) { p.ask(r, "", true) }

// ask changes the request. While one is being answered, only the latest is asked next.
func (p *Page) ask(r state.Request, gesture string, ends bool) {
	if p.session == nil {
		return
	}
	p.next, p.problem, p.notice = &question{request: r, gesture: gesture, ends: ends}, "", ""
	p.reasons.forget()
	p.keeping.awaited = false
	if p.question == nil {
		p.askNext()
	}
	p.jot()
}

func (p *Page) askNext() {
	q, view := p.next, p.session.View
	work, cancel := context.WithCancel(context.Background())
	q.cancel = cancel
	p.question, p.next = q, nil
	p.ctx.Async(func() {
		answer, err := p.host.Plan(work, view.Opening, q.request)
		p.dispatch(func() {
			cancel()
			if p.question != q {
				return // given up
			}
			p.question = nil
			if err != nil {
				p.problem = explained(err)
				p.placeInputs()
				p.jot()
			} else {
				view = view.Answered(answer)
				view.Request = answer.Request
				p.taken(q.request)
				p.session.Move(view, q.gesture)
				if q.ends {
					p.session.EndGesture()
					p.settled()
				}
			}
			if p.next != nil {
				p.askNext()
			}
		})
	})
	p.ctx.After(progressInterval, func(app.Context) { q.slow = true })
}

// settled follows a change of what is on the screen.
func (p *Page) settled() {
	s := p.session
	p.request = carried(s.Request)
	if p.deployed.Phase == state.Undeployed && p.deployed.Model != s.Model.Inspect.Digest {
		p.deployed = deployment{Deployment: state.Deployment{Name: state.DeploymentName(s.Model.Inspect.Name), Model: s.Model.Inspect.Digest}}
	}
	p.placeInputs()
	if p.built == 0 {
		p.build()
	}
	p.keeping.link = state.EncodeLink(s.Opening, s.Model, s.Answer.Query, s.Answer.Plan)
	p.host.Remember(p.keeping.link)
	p.keep()
	p.explain()
	p.lookOut()
	p.measure()
}

// carried gives what of a request is about any model: not what was chosen on the frontier of one, or about its layers.
func carried(r state.Request) state.Request {
	for _, name := range []string{"slo", "budget", "cut", "no-cut", "stage-memory", "stage-precision", "layer-cap"} {
		r = r.Without(name)
	}
	return r
}

func (p *Page) undo() {
	if p.session != nil {
		p.goTo(p.session.Back(), p.session.Undo, &reading{undo: true})
	}
}

func (p *Page) redo() {
	if p.session != nil {
		p.goTo(p.session.Forward(), p.session.Redo, &reading{redo: true})
	}
}

// goTo shows a state of the session to which step leads; one from before a reload is planned anew first.
func (p *Page) goTo(view *state.View, step func(), r *reading) {
	if view == nil {
		return
	}
	p.abandon()
	p.keeping.typed, p.problem, p.notice = nil, "", ""
	if view.Answer == nil {
		r.opening, r.request = view.Opening, view.Request
		r.place = func(next state.View) {
			step()
			p.session.Show(next)
		}
		p.read(r)
		return
	}
	step()
	p.settled()
}

// openLink opens what a link says. The plan is made anew; where it is not the one that the link showed, the page says so.
func (p *Page) openLink(fragment string) {
	k := &p.keeping
	p.sample.drop()
	k.opening = fragment
	p.keep()
	p.ctx.Async(func() {
		link, err := p.host.Link(context.Background(), fragment)
		p.dispatch(func() {
			if k.opening != fragment {
				return // another was opened meanwhile
			}
			k.opening = ""
			if err != nil {
				p.problem = explained(err)
				p.keep()
				p.comeNext()
				return
			}
			notice := p.notice
			p.read(&reading{opening: link.Opening, request: link.Request, link: fragment, place: func(next state.View) {
				p.show(next)
				p.notice = strings.TrimSpace(notice + " " + sinceLink(link.Shown, p.session.Answer))
			}})
		})
	})
}

// sinceLink says how an answer differs from what its link showed.
func sinceLink(shown state.Shown, a *state.Answer) string {
	now := a.Plan
	if shown.CostPicoUSD == 0 || shown.CostPicoUSD == now.CostPicoUSD && shown.LatencyUs == now.LatencyUs {
		return ""
	}
	why := "Prices or speeds have changed since this link was made"
	if shown.SameBook(now) {
		why = "This link was made by another version of Partita, which planned differently"
	}
	return fmt.Sprintf("%s. It showed %s per 100,000 requests at %s; below is the plan with the prices of %s.",
		why, report.Price(shown.CostPicoUSD), report.Duration(shown.LatencyUs), now.PriceBook.Date)
}

// share copies the link of what is on the screen.
func (p *Page) share(app.Context, app.Event) {
	p.withLink(func(ctx context.Context, fragment string) error {
		link := p.host.Address(fragment)
		if err := p.host.Copy(ctx, link); err != nil {
			return err
		}
		p.dispatch(func() {
			p.notice = "The link is copied: " + report.Grouped(int64(len(link))) + " characters. It holds the model's architecture and what you asked, never its weights."
		})
		return nil
	})
}

// withLink does something with the fragment of the link of what is on the screen.
func (p *Page) withLink(use func(ctx context.Context, fragment string) error) {
	view := p.session.View
	p.withDocument(func(ctx context.Context, _ []byte, hash string) error {
		shown := *view.Answer.Plan
		shown.Hash = hash
		return use(ctx, state.EncodeLink(view.Opening, view.Model, view.Answer.Query, &shown))
	})
}

// withDocument does something with the whole plan of what is on the screen.
func (p *Page) withDocument(use func(ctx context.Context, document []byte, hash string) error) {
	view := p.session.View
	p.problem, p.notice = "", ""
	p.ctx.Async(func() {
		hash := ""
		document, err := p.host.Document(context.Background(), view.Opening, view.Request)
		if err == nil {
			hash, err = hashOf(document)
		}
		if err == nil {
			err = use(context.Background(), document, hash)
		}
		if err != nil {
			p.dispatch(func() { p.problem = explained(err) })
		}
	})
}

// hashOf takes the hash out of a plan document.
func hashOf(document []byte) (string, error) {
	var head struct{ Hash string }
	err := json.Unmarshal(document, &head)
	return head.Hash, err
}
