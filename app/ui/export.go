package ui

import (
	"context"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
)

// exportMenuID names the list of forms, which its button opens and the browser closes.
const exportMenuID = "export-menu"

// pictureForm marks a form that is offered as PNG as well.
const pictureForm = "svg-"

// exporter is the button that opens the list of forms in which the plan can be saved.
func (p *Page) exporter() app.UI {
	if p.about == nil {
		return app.Span()
	}
	var items []app.UI
	for _, f := range p.about.Forms {
		if strings.HasPrefix(f.Name, pictureForm) {
			items = append(items, p.exportItem(f, ".png", true))
		}
		items = append(items, p.exportItem(f, f.Extension, false))
	}
	return app.Span().Body(
		app.Button().Type("button").ID("export").Attr("popovertarget", exportMenuID).Text("Export…"),
		app.Div().ID(exportMenuID).Class("menu").Attr("popover", "auto").Role("group").Aria("label", "Export").Body(items...),
	)
}

func (p *Page) exportItem(f state.Form, extension string, png bool) app.UI {
	id := "export-" + f.Name
	if png {
		id += "-png"
	}
	return app.Button().Type("button").ID(id).Attr("popovertarget", exportMenuID).Attr("popovertargetaction", "hide").
		Body(app.Span().Text(capital(f.Summary)), app.Small().Text(extension)).
		OnClick(func(app.Context, app.Event) { p.export(f.Name, png) }, app.EventScope(id))
}

// export saves the plan on the screen in a form. The planner writes it: no server is needed.
func (p *Page) export(form string, png bool) {
	view := p.session.View
	p.problem, p.notice = "", ""
	p.ctx.Async(func() {
		x, err := p.host.Export(context.Background(), view.Opening, view.Request, form)
		name := ""
		if err == nil {
			name = x.FileName
			if png {
				name = strings.TrimSuffix(name, ".svg") + ".png"
				err = p.host.SavePicture(context.Background(), name, x.Text)
			} else {
				p.host.Save(name, []byte(x.Text))
			}
		}
		p.dispatch(func() {
			if err != nil {
				p.problem = explained(err)
				return
			}
			p.notice = "Saved " + name + "."
		})
	})
}
