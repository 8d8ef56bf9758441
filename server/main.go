// Command partita plans how to serve a neural network on serverless functions, deploys the plan and serves it.
package main

import (
	"os"

	"partita/server/cli"
	"partita/server/local"
)

func main() {
	local.RunSandboxChild() // does not return in the process that becomes a function's environment
	os.Exit(cli.Main())
}
