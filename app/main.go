//go:build js

// Command app is the page: it runs in the browser, as WebAssembly. Its planner is another program; see folder planner.
package main

import (
	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/browser"
	"partita/app/ui"
)

func main() {
	ui.Register(&browser.Host{})
	app.RunWhenOnBrowser()
}
