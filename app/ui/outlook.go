package ui

import (
	"context"
	"errors"

	"partita/app/state"
)

// outlook is what follows from the plan on the screen: months of it, and what its layers take.
type outlook struct {
	of *state.Answer  // that it is about; the one before stays until the next has come
	it *state.Outlook // nil: there is none
	on *state.Model
}

// lookOut asks for the outlook of the plan on the screen.
func (p *Page) lookOut() {
	view := p.session.View
	if p.outlook.of == view.Answer {
		return
	}
	p.ctx.Async(func() {
		it, err := p.host.Outlook(context.Background(), view.Opening, view.Request)
		p.dispatch(func() {
			switch {
			case p.session == nil || p.session.Answer != view.Answer: // another is asked for
			case err != nil && !errors.Is(err, context.Canceled):
				p.notice = "What this plan costs a month could not be found: " + explained(err)
			case err == nil:
				p.outlook = outlook{view.Answer, it, view.Model}
				p.placeRate()
			}
		})
	})
}

// ahead gives the outlook of the model on the screen; nil: there is none yet.
func (p *Page) ahead() *state.Outlook {
	if p.outlook.on == nil || p.outlook.on.Inspect != p.session.Model.Inspect {
		return nil
	}
	return p.outlook.it
}
