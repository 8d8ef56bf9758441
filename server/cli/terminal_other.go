//go:build !linux

package cli

import "os"

// isTerminal tells whether a person may be looking at a file.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
