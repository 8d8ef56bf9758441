package hdf5_test

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen explores damaged files: every error has a code, and nothing panics, hangs or takes much memory.
func FuzzOpen(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "*.h5"))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range seeds {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { explore(t, data) })
}
