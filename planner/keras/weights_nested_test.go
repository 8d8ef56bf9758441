package keras

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
)

// inside puts layers into a model within the model.
func inside(name string, layers ...LayerWeights) LayerWeights {
	prefix(name, layers)
	return LayerWeights{Name: name, Class: "Functional", Layers: layers}
}

func prefix(name string, layers []LayerWeights) {
	for i := range layers {
		for k := range layers[i].Weights {
			layers[i].Weights[k].Key = name + "/" + layers[i].Weights[k].Key
		}
		prefix(name, layers[i].Layers)
	}
}

func TestBindNested(t *testing.T) {
	dir := fixture.Shared(t, "models", "hdf5", "files")
	t.Run("by class", func(t *testing.T) {
		model := func(dense ...StoredWeight) []LayerWeights {
			return []LayerWeights{
				layer("c", "Conv2D", needs("kernel", 3, 3, 3, 8), needs("bias", 8)),
				layer("c_1", "Conv2D", needs("kernel", 3, 3, 8, 16), needs("bias", 16)),
				layer("b", "BatchNormalization", needs("gamma", 16), needs("beta", 16), needs("moving_mean", 16), needs("moving_variance", 16)),
				layer("d", "DenseBf16", needs("kernel", 4, 5)),
				inside("m", layer("i", "InputLayer"), layer("fc", "Dense", dense...)),
			}
		}
		f := openWeights(t, filepath.Join(dir, "model.weights.h5"))
		s, err := Bind(model(needs("kernel", 16, 10), needs("bias", 10)), f, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := values(t, s, StoredWeight{Key: "m/fc/kernel", Shape: []int64{16, 10}}); len(got) != 160 {
			t.Errorf("%d numbers", len(got))
		}
		_, err = Bind(model(needs("kernel", 16, 11), needs("bias", 10)), f, "")
		if diag.CodeOf(err) != "weights.shape-mismatch" || !strings.Contains(err.Error(), "layer fc") {
			t.Error(err)
		}
		lacking := model(needs("kernel", 16, 10), needs("bias", 10))
		lacking[4].Layers = append(lacking[4].Layers, layer("fc_2", "Dense", needs("kernel", 10, 2)))
		if _, err = Bind(lacking, f, ""); diag.CodeOf(err) != "weights.missing" || !strings.Contains(err.Error(), "layer fc_2") {
			t.Error(err)
		}
		less := model(needs("kernel", 16, 10), needs("bias", 10))
		less[4].Layers = less[4].Layers[:1]
		if _, err = Bind(less, f, ""); diag.CodeOf(err) != "weights.extra-layers" {
			t.Error(err)
		}
	})
	t.Run("in one group", func(t *testing.T) {
		f := openWeights(t, filepath.Join(dir, "k2_nested.h5"))
		// The order differs from the file's: names decide, "a/b" being the name of one layer.
		s, err := Bind([]LayerWeights{
			inside("resnet", inside("sub", layer("a/b", "Dense", needs("kernel", 4, 4))), layer("conv1", "Conv2D", needs("kernel", 3, 3, 3, 8))),
			layer("head", "Dense", needs("kernel", 4, 2)),
		}, f, "")
		if err != nil {
			t.Fatal(err)
		}
		values(t, s, StoredWeight{Key: "resnet/conv1/kernel", Shape: []int64{3, 3, 3, 8}})
		values(t, s, StoredWeight{Key: "resnet/sub/a/b/kernel", Shape: []int64{4, 4}})
		// Other names: the order of the file decides.
		if _, err = Bind([]LayerWeights{
			inside("model_1", layer("x", "Conv2D", needs("kernel", 3, 3, 3, 8)), layer("y", "Dense", needs("kernel", 4, 4))),
			layer("z", "Dense", needs("kernel", 4, 2)),
		}, f, ""); err != nil {
			t.Error(err)
		}
	})
}

// TestFlat checks the order of a nested model's weights in a .h5 file: first what is trained.
func TestFlat(t *testing.T) {
	norm := layer("bn", "BatchNormalization", needs("gamma", 2), needs("moving_mean", 2))
	norm.Weights[1].Frozen = true
	flat := inside("m", norm, inside("n", layer("fc", "Dense", needs("kernel", 2, 2)))).Flat()
	var keys []string
	for _, w := range flat.Weights {
		keys = append(keys, w.Key)
	}
	if got := strings.Join(keys, " "); got != "m/bn/gamma m/n/fc/kernel m/bn/moving_mean" {
		t.Error(got)
	}
	if owners := flat.Weights[1].owners; !slices.Equal(owners, []string{"m", "n", "fc"}) {
		t.Error(owners)
	}
}

func TestNearest(t *testing.T) {
	w := StoredWeight{Name: "kernel", owners: []string{"m", "n", "fc"}}
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{[]string{"fc/kernel:0"}, "fc/kernel:0"},
		{[]string{"n/kernel:0"}, ""},
		{[]string{"fc/kernel:0", "n/fc/kernel:0"}, "n/fc/kernel:0"},
		{[]string{"m/n/fc/kernel", "m/o/fc/kernel", "n/fc/kernel"}, "m/n/fc/kernel"},
		{[]string{"a/fc/kernel", "b/fc/kernel"}, ""},
		{[]string{"xfc/kernel"}, ""},
	} {
		if got, ok := nearest(c.paths, w); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("of %v: %q, want %q", c.paths, got, c.want)
		}
	}
}
