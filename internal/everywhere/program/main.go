// Command program writes the hashes of package everywhere. Its arguments are those of an Effort: most stages, layers, and a
// folder if any.
package main

import (
	"fmt"
	"os"
	"strconv"

	"partita/internal/everywhere"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: program STAGES LAYERS [FOLDER]")
		os.Exit(2)
	}
	var e everywhere.Effort
	var err error
	if e.MaxStages, err = strconv.Atoi(os.Args[1]); err == nil {
		e.Layers, err = strconv.Atoi(os.Args[2])
	}
	if len(os.Args) > 3 {
		e.Folder = os.Args[3]
	}
	if err == nil {
		err = everywhere.Hashes(os.Stdout, e)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
