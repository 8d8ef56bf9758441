package keras

import (
	"bytes"
	"testing"

	"partita/planner/hdf5"
	"partita/planner/hdf5write"
)

// TestSpectralNormalization binds a layer whose vector .h5 files list behind its kernel, where .weights.h5 files have it first.
func TestSpectralNormalization(t *testing.T) {
	m, err := Parse([]byte(`{"class_name": "Sequential", "keras_version": "2.13.1", "config": {"name": "s", "layers": [
		{"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [null, 2]}},
		{"class_name": "SpectralNormalization", "config": {"name": "n", "layer": {"class_name": "Dense", "config": {"name": "d", "units": 3}}}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string][]int64{"kernel": {2, 3}, "bias": {3}, "vector": {1, 3}}
	legacy := func(names ...string) *hdf5.File {
		root := hdf5write.NewGroup()
		if err := root.SetTexts("layer_names", []string{"n"}); err != nil {
			t.Fatal(err)
		}
		group, err := root.Group("n")
		if err != nil {
			t.Fatal(err)
		}
		if err := group.SetTexts("weight_names", names); err != nil {
			t.Fatal(err)
		}
		for i, kind := range []string{"kernel", "bias", "vector"} {
			if err := group.Dataset(names[i], shapes[kind], func(dst []float32, _ int64) error {
				for k := range dst {
					dst[k] = float32(i + 1)
				}
				return nil
			}); err != nil {
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
	for what, f := range map[string]*hdf5.File{
		"TensorFlow's names": legacy("n/kernel:0", "n/bias:0", "n/sn_u:0"),
		"Keras 3's names":    legacy("n/kernel", "n/bias", "n/vector_u"),
	} {
		s, err := Bind(m.Weights, f, "")
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for name, want := range map[string]float32{"kernel": 1, "bias": 2, "vector_u": 3} {
			shape := shapes[map[string]string{"kernel": "kernel", "bias": "bias", "vector_u": "vector"}[name]]
			if got := values(t, s, StoredWeight{Key: "n/" + name, Shape: shape})[0]; got != want {
				t.Errorf("%s: %s is tensor %g of the file, want %g", what, name, got, want)
			}
		}
	}
}
