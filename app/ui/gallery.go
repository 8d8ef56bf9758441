package ui

import (
	"context"
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner"
	"partita/planner/zoo"
)

// gallery offers the architectures that need no file.
func (p *Page) gallery() app.UI {
	entries := zoo.Entries()
	return app.Div().Body(
		app.P().Class("unit").Text("No model at hand? Try the architecture of one that Keras offers:"),
		app.Div().Class("actions").ID("gallery").Body(app.Range(entries).Slice(func(i int) app.UI {
			e := entries[i]
			size := strconv.Itoa(e.InputSize)
			return app.Button().Type("button").Title(e.Description + "; images of " + size + " by " + size).Text(e.Name).
				OnClick(func(app.Context, app.Event) {
					p.load(&reading{name: e.Name}, func(_ context.Context, r planner.Request) (*state.Session, error) { return state.Try(e.Name, r) })
				})
		})),
	)
}

// withoutWeights says what is missing for a deployment.
func (p *Page) withoutWeights() app.UI {
	if name := p.session.BuiltIn; name != "" {
		return app.P().Body(
			app.Text("A built-in architecture has no weights. To try a deployment, make some up with "),
			app.Strong().Text("partita weights --synthetic "+zoo.Prefix+name),
			app.Text(" and open the file here; or open weights of your own."),
		)
	}
	return app.P().Text("This file holds the architecture only. To deploy, open its weights too (.h5, .weights.h5 or .keras).")
}
