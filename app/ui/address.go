package ui

import (
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
)

// addressID is the field for the address of a model, and the name of what is typed into it.
const addressID = "model-address"

// mostAddresses bounds how many files are opened at once: a list that is longer is something else.
const mostAddresses = 64

// addressMenuID is the same field where there is a model on the screen already.
const addressMenuID = "address-menu"

// addressMenu opens another model from a web address.
func (p *Page) addressMenu() app.UI {
	return app.Span().Body(
		app.Button().Type("button").ID("from-address").Attr("popovertarget", addressMenuID).Text("From the web…"),
		p.address().ID(addressMenuID).Class("menu").Attr("popover", "auto").Aria("label", "Open a model from the web"),
	)
}

// address takes the web address of a model.
func (p *Page) address() app.HTMLForm {
	return app.Form().Class("address").OnSubmit(func(ctx app.Context, e app.Event) {
		e.PreventDefault()
		if form := ctx.JSSrc(); form.Get("popover").Truthy() {
			form.Call("hidePopover")
		}
		p.openAddresses(p.keeping.typed[addressID])
	}).Body(
		app.Label().For(addressID).Text("Web address of a model"),
		app.Div().Class("actions").Body(
			app.Input().Type("text").ID(addressID).Placeholder("https://").Value(p.keeping.typed[addressID]).Spellcheck(false).AutoComplete(false).
				Attr("inputmode", "url").Aria("describedby", addressID+"-help").OnInput(p.typing(addressID)),
			app.Button().Type("submit").ID("open-address").Text("Open"),
		),
		app.Small().ID(addressID+"-help").Text("This browser asks that address itself, without cookies; its server must let other pages read it (CORS). Several files: leave a space between their addresses. A link can also be dropped or pasted here."),
	)
}

// openAddresses opens the files at addresses, which are apart by spaces or lines.
func (p *Page) openAddresses(text string) {
	addresses := strings.Fields(text)
	if len(addresses) == 0 || len(addresses) > mostAddresses {
		p.problem = "There is no web address to open: give one such as https://example.org/model.h5 [remote.not-an-address]"
		return
	}
	if p.comingBack() {
		p.keeping.addresses = text // as with files
		return
	}
	r := &reading{opening: state.OpenFiles(nil), asking: strings.Join(addresses, " ")}
	work := p.begin(r)
	p.keep()
	p.ctx.Async(func() {
		var files []state.File
		var err error
		for _, address := range addresses {
			var before int64
			for _, f := range files {
				before += f.Size()
			}
			var f state.File
			if f, err = p.host.At(work, address, func(bytes int64) { p.dispatch(func() { r.done = before + bytes }) }); err != nil {
				break
			}
			files = append(files, f)
		}
		p.dispatch(func() {
			r.cancel()
			if p.reading != r {
				return // something else was opened meanwhile
			}
			p.reading = nil
			if err != nil {
				p.problem = explained(err)
				p.keep()
				p.comeNext()
				return
			}
			delete(p.keeping.typed, addressID)
			p.host.SetValue(addressID, "")
			p.openFiles(files)
		})
	})
}
