//go:build js

// Command planner is what runs in the page's Web Worker: it opens models and plans them.
package main

import (
	"runtime"

	"partita/app/engine"
)

// ballastBytes of memory are never touched, and so cost nothing; but Go collects garbage when memory has doubled, and a plan of a usual
// model, which needs 5 MB at a time, is not interrupted for that any more.
const ballastBytes = 16 << 20

func main() {
	ballast := make([]byte, ballastBytes)
	serve(&engine.Engine{})
	runtime.KeepAlive(ballast)
}
