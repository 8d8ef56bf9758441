//go:build unix

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFolder takes a lock that the operating system gives back when the process ends, however it ends.
func lockFolder(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if err == unix.EWOULDBLOCK {
			err = errFolderInUse
		}
		return nil, err
	}
	return func() { f.Close() }, nil
}
