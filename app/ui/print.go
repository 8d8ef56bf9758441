package ui

import (
	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// asked says on paper, where there are no controls, what was asked of the planner: the platform and what is not at its default.
func (p *Page) asked() app.UI {
	list := app.Dl().Class("asked").ID("asked").Aria("hidden", "true")
	if p.about == nil {
		return list
	}
	var items []app.UI
	for i := range p.about.Options {
		o := &p.about.Options[i]
		value := o.Value(p.session.Request)
		if o.Name != "platform" && o.Name != "scenario" && value == o.Default {
			continue
		}
		for _, c := range o.Choices {
			if c.Value == value {
				value = c.Label
			}
		}
		items = append(items, app.Dt().Text(p.label(o.Name)), app.Dd().Text(value))
	}
	return list.Body(items...)
}
