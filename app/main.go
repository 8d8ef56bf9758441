//go:build js

// Command app is the page: it runs in the browser, as WebAssembly. Its planner is another program; see folder planner.
package main

import (
	"runtime/debug"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/browser"
	"partita/app/ui"
)

// gcPercent lets the page's memory grow to five times what it uses before it is tidied: that stops the page, and it uses little.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	browser.ReplaceStorage()
	ui.Register(&browser.Host{})
	app.RunWhenOnBrowser()
}
