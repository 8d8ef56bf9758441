//go:build js

// Command app is the page: it runs in the browser, as WebAssembly. The same program in a Web Worker is its planner.
package main

import (
	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/browser"
	"partita/app/state"
	"partita/app/ui"
)

func main() {
	if browser.InWorker() {
		browser.ServePlanner(&state.Engine{})
	}
	ui.Register(&browser.Host{})
	app.RunWhenOnBrowser()
}
