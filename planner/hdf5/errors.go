package hdf5

import (
	"errors"
	"fmt"
	"io"

	"partita/planner/diag"
)

// The parsers below the exported functions say what they found; while adds what was being done, once, at the border.

func invalid(code, found, fix string) error { return diag.New(diag.Invalid, code, "", found, fix) }

func damaged(format string, args ...any) error {
	return invalid("hdf5.damaged", fmt.Sprintf(format, args...), "the file is damaged: get or write it again")
}

func truncated(format string, args ...any) error {
	return invalid("hdf5.truncated", fmt.Sprintf(format, args...), "the file is incomplete: download or copy it again")
}

func badChecksum(what string) error {
	return invalid("hdf5.checksum", "the checksum of "+what+" does not match its bytes",
		"the file is damaged: get or write it again")
}

func unsupported(format string, args ...any) error {
	return invalid("hdf5.unsupported", "it has "+fmt.Sprintf(format, args...)+", which is not supported",
		"write it again with Keras, or copy it with h5repack -f NONE -l CONTI")
}

// refused is for what points outside of the file.
func refused(format string, args ...any) error {
	return diag.New(diag.Limit, "hdf5.external", "", fmt.Sprintf(format, args...),
		"nothing outside of the file is read: put the data itself into it (h5repack, or save the model again)")
}

func limit(format string, args ...any) error {
	return diag.New(diag.Limit, "hdf5.limit", "", fmt.Sprintf(format, args...), "no file that Keras writes needs as much")
}

func wrongType(format string, args ...any) error {
	return invalid("hdf5.type", fmt.Sprintf(format, args...), "give a file that Keras wrote")
}

func notFound(format string, args ...any) error {
	return invalid("hdf5.not-found", fmt.Sprintf(format, args...), "give the file as Keras wrote it: something is missing in it, or is named wrongly")
}

// readFailed reports an error of the underlying reader.
func readFailed(at int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return truncated("it ends before byte %d, where more should be", at)
	}
	return diag.New(diag.Unavailable, "hdf5.read", "", fmt.Sprintf("it cannot be read at byte %d", at),
		"check that the file is still there").Because(err)
}

// while says what was being done, unless err says it already.
func while(doing string, err error) error {
	e := diag.As(err)
	if e == nil || e.Doing != "" {
		return err
	}
	c := *e
	c.Doing = doing
	return &c
}
