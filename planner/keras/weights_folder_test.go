package keras

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/planner/hdf5write"
)

// written writes a file with a tensor at each path, filled with a number of its own, from 1 on in the order of paths.
func written(t *testing.T, shape []int64, paths ...string) *hdf5.File {
	t.Helper()
	root := hdf5write.NewGroup()
	for i, path := range paths {
		err := root.Dataset(path, shape, func(dst []float32, _ int64) error {
			for k := range dst {
				dst[k] = float32(i + 1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var data bytes.Buffer
	if err := root.Write(&data); err != nil {
		t.Fatal(err)
	}
	f, err := hdf5.Open(bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFolders binds one model to the forms in which versions of Keras name the groups of its layers: each layer with the
// tensor that is its own.
func TestFolders(t *testing.T) {
	dense := func(name string) LayerWeights { return layer(name, "Dense", needs("kernel", 2)) }
	layers := []LayerWeights{
		dense("a"), layer("flat", "Flatten"), dense("b"), layer("rnn", "LSTM", needs("kernel", 2)),
		inside("n", layer("i", "InputLayer"), dense("c"), layer("flat", "Flatten"), dense("d")), dense("e"),
	}
	keys := []string{"a/kernel", "b/kernel", "rnn/kernel", "n/c/kernel", "n/d/kernel", "e/kernel"}
	const twice = "_layer_checkpoint_dependencies"
	for _, c := range []struct {
		name  string
		paths []string
	}{
		{"Keras 3", []string{"layers/dense/vars/0", "layers/dense_1/vars/0", "layers/lstm/cell/vars/0",
			"layers/functional/layers/dense/vars/0", "layers/functional/layers/dense_1/vars/0", "layers/dense_2/vars/0"}},
		{"Keras 2.13", []string{twice + "/dense/vars/0", twice + "/dense_2/vars/0", twice + "/lstm/cell/vars/0",
			twice + "/functional/" + twice + "/dense/vars/0", twice + "/functional/" + twice + "/dense_2/vars/0", twice + "/dense_4/vars/0"}},
		{"Keras 2.13 on Windows", []string{twice + `\dense/vars/0`, twice + `\dense_2/vars/0`, twice + `\lstm\cell/vars/0`,
			twice + `\functional\` + twice + `\dense/vars/0`, twice + `\functional\` + twice + `\dense_2/vars/0`, twice + `\dense_4/vars/0`}},
		{"Keras 3 on Windows", []string{`layers\dense/vars/0`, `layers\dense_1/vars/0`, `layers\lstm\cell/vars/0`,
			`layers\functional\layers\dense/vars/0`, `layers\functional\layers\dense_1/vars/0`, `layers\dense_2/vars/0`}},
		{"each layer once all the same", []string{twice + "/dense/vars/0", twice + "/dense_1/vars/0", twice + "/lstm/cell/vars/0",
			twice + "/functional/" + twice + "/dense/vars/0", twice + "/functional/" + twice + "/dense_1/vars/0", twice + "/dense_2/vars/0"}},
	} {
		s, err := Bind(layers, written(t, []int64{2}, c.paths...), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, key := range keys {
			want := float32(i + 1)
			if got := values(t, s, StoredWeight{Key: key, Shape: []int64{2}}); !slices.Equal(got, []float32{want, want}) {
				t.Errorf("%s: %s is %v, want %v", c.name, key, got, want)
			}
		}
		// What is missing and what is too much is told in every form.
		_, err = Bind(layers, written(t, []int64{2}, slices.Delete(slices.Clone(c.paths), 4, 5)...), "")
		if code := diag.CodeOf(err); code != "weights.missing" || !strings.Contains(err.Error(), "layer d") {
			t.Errorf("%s: without a tensor: %v", c.name, err)
		}
		_, err = Bind(layers[:5], written(t, []int64{2}, c.paths...), "")
		if diag.CodeOf(err) != "weights.extra-layers" {
			t.Errorf("%s: without a layer: %v", c.name, err)
		}
	}
}
