//go:build libhdf5 && linux

package libhdf5_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/planner/load"
	"partita/server/libhdf5"
)

// TestSecondReader opens a model whose weights only libhdf5 reads, and compares them with those of the model as Keras
// wrote it.
func TestSecondReader(t *testing.T) {
	packed := filepath.Join("testdata", "lzf.h5")
	file := func(path string) load.File {
		f, size := openFile(t, path)
		return load.File{Name: path, Size: size, Reader: f}
	}
	if _, err := load.Open(file(packed)); diag.CodeOf(err) != "hdf5.unsupported" {
		t.Fatalf("without a second reader: %v", err)
	}
	with := file(packed)
	opened := 0
	with.Second = func(r io.ReaderAt, size int64) (*hdf5.File, error) {
		opened++
		return libhdf5.Reader{}.Open(t.Context(), r, size)
	}
	m, err := load.Open(with)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := m.Weights(with)
	if err != nil || opened != 2 {
		t.Fatalf("opened %d times, %v", opened, err)
	}
	original := fixture.Shared(t, "models", "k2_tiny_mlp", "model.h5")
	plain := file(original)
	plain.Second = func(io.ReaderAt, int64) (*hdf5.File, error) {
		t.Error("a file that our reader reads is given to the second")
		return nil, os.ErrInvalid
	}
	ours, err := m.Weights(plain)
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, v := range m.Graph.Values {
		if v.Weight == nil || v.Weight.Key == "" {
			continue
		}
		keys++
		want, err := ours.Tensor(v.Weight.Key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := theirs.Tensor(v.Weight.Key)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(1)
		for _, d := range want.Shape() {
			n *= d
		}
		a, b := make([]float32, n), make([]float32, n)
		if err := want.ReadFloat32s(a, 0); err != nil {
			t.Fatal(err)
		}
		if err := got.ReadFloat32s(b, 0); err != nil {
			t.Fatal(err)
		}
		if !got.Shape().Equal(want.Shape()) || got.DType() != want.DType() || !sameBits(a, b) {
			t.Errorf("%s differs", v.Weight.Key)
		}
	}
	if keys < 4 {
		t.Errorf("only %d tensors", keys)
	}
}

// TestSecondReaderCrashes opens a model whose file crashes the second reader: that is the answer.
func TestSecondReaderCrashes(t *testing.T) {
	damaged := fixture.Shared(t, "models", "hdf5", "damaged", "segfaults_libhdf5_k2_full.h5_flip_9.h5")
	exotic, size := openFile(t, filepath.Join("testdata", "lzf.h5"))
	_, err := load.Open(load.File{Name: "model.h5", Size: size, Reader: exotic, Second: func(io.ReaderAt, int64) (*hdf5.File, error) {
		f, size := openFile(t, damaged)
		return libhdf5.Reader{}.Open(t.Context(), f, size)
	}})
	if e := diag.As(err); e == nil || e.Code != "hdf5.worker-crashed" || e.Doing != "reading model.h5 (the file with libhdf5)" {
		t.Errorf("got %v", err)
	}
}
