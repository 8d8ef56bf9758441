// Command partita plans how to serve a neural network on serverless functions, deploys the plan and serves it.
package main

import (
	"os"

	"partita/server/cli"
	"partita/server/libhdf5"
	"partita/server/local"
)

func main() {
	local.RunSandboxChild() // does not return in the process that becomes a function's environment
	libhdf5.RunWorker()     // nor this one in the process that reads one file
	os.Exit(cli.Main())
}
