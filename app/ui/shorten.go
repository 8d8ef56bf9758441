package ui

import (
	"context"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// sharing is the part of the page about the links that the server keeps.
type sharing struct {
	open  bool
	links []state.ShortLink // the latest first
	made  string            // name of the one that was made last
}

// shorten has the server keep the link of what is on the screen and copies its address.
func (p *Page) shorten(app.Context, app.Event) {
	p.withLink(func(ctx context.Context, fragment string) error {
		short, err := p.host.Shorten(ctx, fragment)
		if err != nil {
			return err
		}
		address := p.host.ShortAddress(short.ID)
		copied := p.host.Copy(ctx, address)
		links, err := p.host.ShortLinks(ctx)
		if err != nil {
			return err
		}
		p.dispatch(func() {
			p.sharing = sharing{open: true, links: links, made: short.ID}
			p.notice = "The short link is copied: " + address + ". It opens as long as this server keeps it."
			if copied != nil {
				p.notice = "The short link is " + address + ". It opens as long as this server keeps it."
			}
		})
		return nil
	})
}

// shortLinks lists the links that the server keeps, each with what ends it.
func (p *Page) shortLinks() app.UI {
	s := &p.sharing
	if !s.open {
		return app.Div()
	}
	return app.Section().Class("card").ID("short-links").Aria("label", "Short links").Body(
		app.H2().Text("Short links that this server keeps"),
		app.If(len(s.links) == 0, func() app.UI { return app.P().Text("There are none.") }),
		app.Ul().Class("steps").Body(app.Range(s.links).Slice(func(i int) app.UI {
			one := s.links[i]
			return app.Li().Body(
				app.Span().Body(app.A().Href(p.host.ShortAddress(one.ID)).Target("_blank").Text("/s/"+one.ID), app.Text(" "+linkWords(&one))),
				app.Button().Type("button").Class("small").ID("revoke-"+one.ID).Aria("label", "Revoke the short link "+one.ID).Text("Revoke").
					OnClick(func(app.Context, app.Event) { p.revoke(one.ID) }, app.EventScope(one.ID)),
			)
		})),
		app.Button().Type("button").Class("small").ID("close-short").Text("Close").OnClick(func(app.Context, app.Event) { s.open = false }),
	)
}

func linkWords(l *state.ShortLink) string {
	words := l.Model
	if made, err := time.Parse(time.RFC3339, l.Made); err == nil {
		words += ", made " + ago(time.Since(made))
	}
	return words + ", " + report.Bytes(l.Bytes)
}

// revoke ends a short link: whoever opens it is told so.
func (p *Page) revoke(id string) {
	p.problem, p.notice = "", ""
	p.ctx.Async(func() {
		err := p.host.Revoke(context.Background(), id)
		var links []state.ShortLink
		if err == nil {
			links, err = p.host.ShortLinks(context.Background())
		}
		p.dispatch(func() {
			if err != nil {
				p.problem = explained(err)
				return
			}
			p.sharing.links, p.notice = links, "The short link "+id+" is revoked: it opens no more."
		})
	})
}
