package ui

import (
	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// scrolled holds what may be wider than its place; it takes the focus so that the keyboard can scroll it.
func scrolled(label string) app.HTMLDiv {
	return app.Div().Class("scroll").TabIndex(0).Role("region").Aria("label", label)
}
