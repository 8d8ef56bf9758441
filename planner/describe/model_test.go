package describe_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"partita/internal/fixture"
	"partita/planner/describe"
	"partita/planner/load"
)

// TestInspect compares the whole document of a small model with the form that scripts rely on.
// Its MACs counted by hand: a 3x3 stem, two blocks of depthwise and 1x1, branches of 1x1 and 1x5, and the dense layer.
func TestInspect(t *testing.T) {
	config, err := os.ReadFile(fixture.Shared(t, "models", "k3_tiny_residual", "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := load.Open(load.File{Name: "model.json", Size: int64(len(config)), Reader: bytes.NewReader(config)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(describe.Model(m), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "format": "partita.inspect/1",
 "name": "tiny_residual",
 "source": "keras-json",
 "digest": "` + m.Digest + `",
 "layers": 18,
 "parameters": 3175,
 "weightBytes": 12700,
 "macs": 696544,
 "inputs": [
  {
   "name": "image",
   "shape": [
    -1,
    16,
    16,
    8
   ],
   "dtype": "float32"
  }
 ],
 "outputs": [
  {
   "name": "pred",
   "shape": [
    -1,
    7
   ],
   "dtype": "float32"
  }
 ],
 "cuts": 16,
 "preprocess": "none",
 "hasWeights": false
}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
