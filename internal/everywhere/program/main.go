// Command program writes the hashes of package everywhere. Its argument is an Effort in JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"partita/internal/everywhere"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: program EFFORT")
		os.Exit(2)
	}
	var e everywhere.Effort
	err := json.Unmarshal([]byte(os.Args[1]), &e)
	if err == nil {
		err = everywhere.Hashes(os.Stdout, e)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
