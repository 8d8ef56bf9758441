//go:build !libhdf5 || !linux

package libhdf5

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/planner/load"
)

// TestAbsent asks a program that was built without libhdf5 for it: it says so, and what the file has stays the answer.
func TestAbsent(t *testing.T) {
	RunWorker() // returns
	if Version() != "" {
		t.Error("there is a library in a build without it")
	}
	f, err := os.Open(filepath.Join("testdata", "lzf.h5"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	second := func(r io.ReaderAt, size int64) (*hdf5.File, error) { return Reader{}.Open(t.Context(), r, size) }
	if _, err := second(f, info.Size()); diag.CodeOf(err) != "hdf5.no-libhdf5" {
		t.Errorf("got %v", err)
	}
	_, err = load.Open(load.File{Name: "lzf.h5", Size: info.Size(), Reader: f, Second: second})
	if e := diag.As(err); e == nil || e.Code != "hdf5.unsupported" || !strings.Contains(e.Error(), "LZF") || !strings.Contains(e.Error(), "no libhdf5") {
		t.Errorf("got %v", err)
	}
}
