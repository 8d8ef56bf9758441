// Package libhdf5 is the second reader of HDF5 files: libhdf5, the HDF Group's C library, through gonum.org/v1/hdf5. It
// reads what package partita/planner/hdf5 does not support (LZF, scale-offset, rare layouts), and it is the oracle that
// package is tested against.
//
// It is built only with the tag libhdf5, on Linux; without it, Version is empty and Open says so.
//
// libhdf5 has no defence against files from strangers: one changed byte can end the process. So each file has a process of
// its own, this program run again under limits of memory and time, that opens that one file and nothing else (no link into
// another file, no external storage, no virtual dataset, no plug-in), and answers questions about it through a pipe. When
// it crashes or takes too long, that one file gets an error, and the server goes on.
package libhdf5

import "partita/planner/diag"

const doing = "reading the file with libhdf5"

// errAbsent is what a program without the library says.
var errAbsent = diag.New(diag.Invalid, "hdf5.no-libhdf5", doing, "this build of Partita has no libhdf5, which might read it",
	"use the container image, or build with the tag libhdf5")
