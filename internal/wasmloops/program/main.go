// Command program gives the page's planner back its loops: program IN OUT. See package wasmloops.
package main

import (
	"fmt"
	"os"

	"partita/internal/wasmloops"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: program IN OUT")
		os.Exit(2)
	}
	if err := rewrite(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func rewrite(from, to string) error {
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	out, report, err := wasmloops.Rewrite(program, wasmloops.Planning)
	if err == nil && report.Rewritten == 0 {
		err = fmt.Errorf("none of its %d functions is one of the planner, or looks as the compiler wrote it", report.Functions)
	}
	if err != nil {
		return fmt.Errorf("giving %s its loops: %w", from, err)
	}
	return os.WriteFile(to, out, 0o644)
}
