//go:build js

// Command planner is what runs in the page's Web Worker: it opens models and plans them.
package main

import "partita/app/engine"

func main() { serve(&engine.Engine{}) }
