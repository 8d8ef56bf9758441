package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"partita/planner/diag"
	"partita/planner/load"
)

// TestShards packs a TensorFlow.js model, whose weights are in two files, one of them in a folder below.
func TestShards(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "model.json")
	for path, content := range map[string]string{
		model: `{"modelTopology": {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"name": "fc", "units": 1, "batch_input_shape": [null, 2]}}]},
			"weightsManifest": [{"paths": ["a.bin", "more/b.bin"], "weights": [{"name": "fc/kernel", "shape": [2, 1], "dtype": "float32"}, {"name": "fc/bias", "shape": [1], "dtype": "float32"}]}]}`,
		filepath.Join(dir, "a.bin"):         "12345",
		filepath.Join(dir, "more", "b.bin"): "1234567",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w, err := openWeights(model, &environment{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	data, err := io.ReadAll(w.reader)
	if err != nil || int64(len(data)) != w.size || w.name != "model.json.zip" {
		t.Fatalf("%d bytes as %s, announced %d: %v", len(data), w.name, w.size, err)
	}
	m, err := load.Open(load.File{Name: w.name, Size: w.size, Reader: bytes.NewReader(data)})
	if err != nil || !m.HasWeights || m.Graph.Parameters != 3 {
		t.Fatalf("what is sent opens as %v: %v", m, err)
	}
	// Any other file is sent as it is.
	plain, err := openWeights(filepath.Join(dir, "a.bin"), &environment{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if data, err = io.ReadAll(plain.reader); err != nil || string(data) != "12345" || plain.size != 5 {
		t.Errorf("%q, %d bytes: %v", data, plain.size, err)
	}
	if err := os.Remove(filepath.Join(dir, "a.bin")); err != nil {
		t.Fatal(err)
	}
	if _, err := openWeights(model, &environment{}); diag.CodeOf(err) != "file.absent" {
		t.Errorf("without a file: %v", err)
	}
}
