// Command bootstrap is what runs inside each function: a stage, or a gateway where the package has a gateway's manifest.
package main

import (
	"os"
	"path/filepath"

	"partita/runtime/gateway"
	"partita/runtime/invoke"
	"partita/runtime/lambda"
	"partita/runtime/stage"
	"partita/runtime/store"
	"partita/runtime/wire"
)

func main() {
	os.Exit(lambda.Main(func(root string) (lambda.Handler, error) {
		if _, err := os.Stat(filepath.Join(root, wire.GatewayFile)); err == nil {
			return gateway.Open(root, invoke.New(), store.New())
		}
		stage.TuneAllocator()
		return stage.Open(root, store.New())
	}))
}
