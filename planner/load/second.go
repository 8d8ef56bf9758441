package load

import (
	"partita/planner/diag"
	"partita/planner/hdf5"
)

// withHDF5 opens an HDF5 file and uses it. What package hdf5 does not support, also when that shows only in use, is left
// to the file's second reader.
func withHDF5(f File, use func(*hdf5.File) error) error {
	h, err := hdf5.Open(f.Reader, f.Size)
	if err == nil {
		err = use(h)
	}
	if diag.CodeOf(err) != "hdf5.unsupported" || f.Second == nil {
		return err
	}
	h, other := f.Second(f.Reader, f.Size)
	if e := diag.As(other); e != nil && e.Code == "hdf5.no-libhdf5" {
		return diag.As(err).With(e.Found) // what the file has is the better answer
	}
	if other != nil {
		return other
	}
	return use(h)
}
