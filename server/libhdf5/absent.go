//go:build !libhdf5 || !linux

package libhdf5

import (
	"context"
	"io"

	"partita/planner/hdf5"
)

// RunWorker does nothing in a program without libhdf5.
func RunWorker() {}

// Version gives the version of libhdf5, "" when there is none.
func Version() string { return "" }

// Reader opens files in processes of their own.
type Reader struct {
	Folder string // for temporary files; "" is the system's
}

// Open always gives the error that there is no libhdf5.
func (Reader) Open(context.Context, io.ReaderAt, int64) (*hdf5.File, error) { return nil, errAbsent }
