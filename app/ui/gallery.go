package ui

import (
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// gallery offers the architectures that need no file.
func (p *Page) gallery() app.UI {
	entries := p.about.BuiltIn
	return app.Div().Body(
		app.P().Class("unit").Text("No model at hand? Try the architecture of one that Keras offers:"),
		app.Div().Class("actions").ID("gallery").Body(app.Range(entries).Slice(func(i int) app.UI {
			e := entries[i]
			size := strconv.Itoa(e.InputSize)
			return app.Button().Type("button").Title(e.Description + "; images of " + size + " by " + size).Text(e.Name).
				OnClick(func(app.Context, app.Event) {
					p.load(state.OpenBuiltIn(e.Name), p.request, nil)
				})
		})),
	)
}

// withoutWeights says what is missing for a deployment, and helps out.
func (p *Page) withoutWeights() app.UI {
	if p.session.Model.Inspect.Source == "onnx" {
		return app.P().Text("The numbers of this model are not here. To deploy, open its .onnx file too.")
	}
	return app.Div().Body(
		app.P().Text("There are no weights here, only the architecture. To deploy, open its weights too (.h5, .weights.h5 or .keras); or make some up, which are good for trying a deployment and for nothing else."),
		app.Button().Type("button").ID("make-weights").Disabled(p.reading != nil).Text("Make up "+report.Bytes(p.session.Model.Inspect.WeightBytes)+" of weights").OnClick(p.makeWeights),
	)
}
