// Package web holds the files of the page: what is written by hand, and in dist what the build makes of the app.
package web

import "embed"

// Files are all files that the page is made of. dist/app.wasm, dist/planner.wasm and their compressed forms are there once they are built.
//
//go:embed all:dist partita.css pictures.css screens.css theme.js worker.js icons
var Files embed.FS
