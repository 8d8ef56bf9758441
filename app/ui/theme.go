package ui

import (
	"slices"

	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// themes are what the user can choose the page's colours to be, in the order in which the button goes through them.
var themes = []struct{ name, sign, words string }{
	{"", "◐", "as the system's"}, {"light", "☀", "light"}, {"dark", "☾", "dark"},
}

// theme is the button that changes the page's colours.
func (p *Page) theme() app.UI {
	if !p.mounted {
		return app.Text("")
	}
	chosen := p.host.Theme()
	at := max(slices.IndexFunc(themes, func(t struct{ name, sign, words string }) bool { return t.name == chosen }), 0)
	now, next := themes[at], themes[(at+1)%len(themes)]
	words := "Colours: " + now.words + ". Make them " + next.words
	return app.Button().Type("button").ID("theme").Class("theme").Title(words).Aria("label", words).Text(now.sign).
		OnClick(func(app.Context, app.Event) { p.host.SetTheme(next.name) }, app.EventScope(next.name))
}
