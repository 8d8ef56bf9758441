//go:build !unix

package local

import (
	"errors"
	"os"
)

var errLocked = errors.New("locked")

// lockFolder only makes the file: this operating system has no lock that ends with its holder's life.
func lockFolder(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
