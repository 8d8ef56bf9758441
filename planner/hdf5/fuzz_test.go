package hdf5_test

import "testing"

// FuzzOpen explores damaged files: every error has a code, and nothing panics, hangs or takes much memory. Its corpus has
// one small file for each way to store groups, attributes and chunks.
func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		explore(t, data, false)
		explore(t, data, true) // what a forger can reach, who computes the checksums
	})
}
