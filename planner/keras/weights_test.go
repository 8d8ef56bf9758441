package keras

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/hdf5"
	"partita/planner/weights"
)

// openWeights opens the HDF5 file in a .h5 or .keras file.
func openWeights(t testing.TB, path string) *hdf5.File {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, size := io.ReaderAt(file), info.Size()
	if strings.HasSuffix(path, ".keras") {
		archive, err := zip.NewReader(file, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range archive.File {
			if entry.Name == "model.weights.h5" {
				at, err := entry.DataOffset()
				if err != nil {
					t.Fatal(err)
				}
				r, size = io.NewSectionReader(file, at, int64(entry.UncompressedSize64)), int64(entry.UncompressedSize64)
			}
		}
	}
	f, err := hdf5.Open(r, size)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// layer makes a LayerWeights whose keys are layer/weight.
func layer(name, class string, tensors ...StoredWeight) LayerWeights {
	for i := range tensors {
		tensors[i].Key = name + "/" + tensors[i].Name
	}
	return LayerWeights{Name: name, Class: class, Weights: tensors}
}

func needs(name string, shape ...int64) StoredWeight { return StoredWeight{Name: name, Shape: shape} }

// tinyCNN is the tiny_cnn model, whose generated names start at first ("conv2d" or "conv2d_1").
func tinyCNN(keras3 bool) []LayerWeights {
	name := func(base, number string) string {
		switch {
		case keras3 && number == "1":
			return base
		case keras3:
			return base + "_1"
		}
		return base + "_" + number
	}
	return []LayerWeights{
		layer(name("input_layer", "1"), "InputLayer"),
		layer(name("conv2d", "1"), "Conv2D", needs("kernel", 3, 3, 3, 8)),
		layer(name("batch_normalization", "1"), "BatchNormalization", needs("gamma", 8), needs("beta", 8),
			needs("moving_mean", 8), needs("moving_variance", 8)),
		layer(name("activation", "1"), "Activation"),
		layer(name("max_pooling2d", "1"), "MaxPooling2D"),
		layer(name("conv2d", "2"), "Conv2D", needs("kernel", 3, 3, 8, 12), needs("bias", 12)),
		layer(name("average_pooling2d", "1"), "AveragePooling2D"),
		layer(name("flatten", "1"), "Flatten"),
		layer(name("dense", "1"), "Dense", needs("kernel", 48, 10), needs("bias", 10)),
		layer(name("softmax", "1"), "Softmax"),
	}
}

// values reads a tensor, in two pieces.
func values(t testing.TB, s weights.Source, w StoredWeight) []float32 {
	t.Helper()
	stored, err := s.Tensor(w.Key)
	if err != nil {
		t.Fatal(err)
	}
	if !stored.Shape().Equal(w.Shape) {
		t.Fatalf("%s has the shape %v, want %v", w.Key, stored.Shape(), w.Shape)
	}
	all := make([]float32, w.Shape.Elements(1))
	half := len(all) / 2
	for _, piece := range [][2]int{{0, half}, {half, len(all)}} {
		if err := stored.ReadFloat32s(all[piece[0]:piece[1]], int64(piece[0])); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestBindTinyCNN(t *testing.T) {
	for _, c := range []struct {
		file, root string
		keras3     bool
		kernel     string // where the second convolution's kernel is
	}{
		{"k2_tiny_cnn/model.h5", "", false, "/model_weights/conv2d_2/conv2d_2/kernel:0"},
		{"k2_tiny_cnn/model.h5", "/model_weights", false, "/model_weights/conv2d_2/conv2d_2/kernel:0"},
		{"k2_tiny_cnn/weights_only.h5", "", false, "/conv2d_2/conv2d_2/kernel:0"},
		{"k2_tiny_cnn/weights_only.h5", "", true, "/conv2d_2/conv2d_2/kernel:0"}, // names of another session: in order
		{"k3_tiny_cnn/model.h5", "", true, "/model_weights/conv2d_1/tiny_cnn/conv2d_1/kernel"},
		{"k3_tiny_cnn/legacy_weights.h5", "", true, "/conv2d_1/tiny_cnn/conv2d_1/kernel"},
		{"k3_tiny_cnn/model.weights.h5", "", true, "/layers/conv2d_1/vars/0"},
		{"k3_tiny_cnn/model.weights.h5", "/", false, "/layers/conv2d_1/vars/0"}, // the names do not matter
		{"k3_tiny_cnn/model.keras", "", true, "/layers/conv2d_1/vars/0"},
	} {
		t.Run(c.file+c.root, func(t *testing.T) {
			f := openWeights(t, filepath.Join(fixture.Shared(t, "models"), c.file))
			layers := tinyCNN(c.keras3)
			s, err := Bind(layers, f, c.root)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range layers {
				for _, w := range l.Weights {
					for _, x := range values(t, s, w) {
						if math.IsNaN(float64(x)) || w.Name == "moving_variance" && x <= 0 {
							t.Fatalf("%s has the value %v", w.Key, x)
						}
					}
				}
			}
			kernel := layers[5].Weights[0]
			d, err := f.Dataset(c.kernel)
			if err != nil {
				t.Fatal(err)
			}
			want := make([]float32, d.Elements())
			if err := d.ReadFloat32s(want, 0); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(values(t, s, kernel), want) {
				t.Errorf("%s is not %s", kernel.Key, c.kernel)
			}
			if stored, _ := s.Tensor(kernel.Key); stored.DType() != graph.Float32 {
				t.Errorf("%s is stored as %v", kernel.Key, stored.DType())
			}
			if _, err := s.Tensor("conv2d_9/kernel"); diag.CodeOf(err) != "weights.unknown-key" {
				t.Errorf("a key of no tensor: %v", err)
			}
		})
	}
}

// TestBindRefuses lists everything that does not fit at once.
func TestBindRefuses(t *testing.T) {
	change := func(edit func(l []LayerWeights) []LayerWeights) []LayerWeights { return edit(tinyCNN(true)) }
	for _, c := range []struct {
		name   string
		layers []LayerWeights
		code   string
		says   []string // in .h5 and .weights.h5 alike
	}{
		{"missing and mismatched", change(func(l []LayerWeights) []LayerWeights {
			l[8].Weights[0].Shape = graph.Shape{48, 11}
			l[8].Weights[1].Shape = graph.Shape{11}
			return append(l, layer("dense_1", "Dense", needs("kernel", 10, 4), needs("bias", 4)))
		}), "weights.missing", []string{"2 tensors that the model needs are missing", "2 tensors do not fit",
			"kernel (10x4) of layer dense_1", "bias (4) of layer dense_1",
			"kernel of layer dense has the shape 48x10 in the file and 48x11 in the model"}},
		{"mismatched", change(func(l []LayerWeights) []LayerWeights {
			l[1].Weights[0].Shape = graph.Shape{3, 3, 3, 16}
			return l
		}), "weights.shape-mismatch", []string{"1 tensor does not fit", "3x3x3x8 in the file and 3x3x3x16 in the model"}},
		{"a tensor too many", change(func(l []LayerWeights) []LayerWeights {
			l[5].Weights = l[5].Weights[:1]
			return l
		}), "weights.shape-mismatch", []string{"layer conv2d_1 has 2 tensors in the file and 1 in the model"}},
		{"a layer too many", change(func(l []LayerWeights) []LayerWeights {
			return append(l[:8:8], l[9])
		}), "weights.extra-layers", []string{"1 layer of the file is not in the model", "layer dense with 2 tensors is only in the file"}},
		{"no layer at all", nil, "weights.extra-layers", []string{"4 layers of the file are not in the model"}},
	} {
		for _, file := range []string{"model.h5", "model.weights.h5"} {
			t.Run(c.name+"/"+file, func(t *testing.T) {
				f := openWeights(t, fixture.Shared(t, "models", "k3_tiny_cnn", file))
				_, err := Bind(c.layers, f, "")
				if diag.CodeOf(err) != c.code {
					t.Fatalf("%v, want %s", err, c.code)
				}
				for _, says := range c.says {
					if !strings.Contains(err.Error(), says) {
						t.Errorf("%v\ndoes not say %q", err, says)
					}
				}
			})
		}
	}
}

func TestBindOddFiles(t *testing.T) {
	conv := layer("conv1", "Conv2D", needs("kernel", 3, 3, 3, 8), needs("bias", 8))
	bn := layer("bn1", "BatchNormalization", needs("gamma", 8), needs("beta", 8), needs("moving_mean", 8),
		needs("moving_variance", 8))
	dense := layer("dense", "Dense", needs("kernel", 32, 10), needs("bias", 10))
	all := []LayerWeights{layer("input_1", "InputLayer"), conv, bn, layer("flatten", "Flatten"), dense}
	dir := fixture.Shared(t, "models", "hdf5", "files")
	for file, dtype := range map[string]graph.DType{
		"k2_full.h5": graph.Float32, "k2_full_h5py2.h5": graph.Float32, "weights_only_h5py2.h5": graph.Float32,
		"weights_only_old.h5": graph.Float32, "k2_latest.h5": graph.Float32, "k2_userblock.h5": graph.Float32,
		"k2_gzip.h5": graph.Float32, "dt_float16.h5": graph.Float16, "dt_float64.h5": graph.Float64, "dt_int8.h5": graph.Int8,
		"dt_uint8.h5": graph.UInt8, "dt_int32.h5": graph.Int32, "dt_be_f4.h5": graph.Float32, "dt_be_f8.h5": graph.Float64,
		"dt_be_i4.h5": graph.Int32, "compact_layout.h5": graph.Float32,
	} {
		t.Run(file, func(t *testing.T) {
			s, err := Bind(all, openWeights(t, filepath.Join(dir, file)), "")
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range all {
				for _, w := range l.Weights {
					values(t, s, w)
					if stored, _ := s.Tensor(w.Key); stored.DType() != dtype {
						t.Errorf("%s is stored as %v, want %v", w.Key, stored.DType(), dtype)
					}
				}
			}
		})
	}
	t.Run("one model in every form", func(t *testing.T) {
		// What h5py 2 and 3 wrote, with old and new layouts of the file, compressed and not, has the same numbers.
		want, err := Bind(all, openWeights(t, filepath.Join(dir, "k2_full.h5")), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"k2_full_h5py2.h5", "k2_full_h5py2_latest.h5", "weights_only.h5", "weights_only_h5py2.h5", "weights_only_old.h5", "k2_latest.h5",
			"k2_v110.h5", "k2_latest_denseattr.h5", "k2_trackorder.h5", "k2_userblock.h5", "k2_gzip.h5", "compressed.h5", "compressed_latest.h5", "compact_layout.h5"} {
			s, err := Bind(all, openWeights(t, filepath.Join(dir, file)), "")
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			for _, l := range all {
				for _, w := range l.Weights {
					if !slices.Equal(values(t, s, w), values(t, want, w)) {
						t.Errorf("%s: %s has other numbers", file, w.Key)
					}
				}
			}
		}
	})
	t.Run("external storage", func(t *testing.T) {
		f := openWeights(t, filepath.Join(dir, "hostile_external_storage.h5"))
		outside := layer("dense", "Dense", needs("kernel", 16), needs("bias", 10))
		_, err := Bind([]LayerWeights{conv, bn, outside}, f, "")
		if diag.CodeOf(err) != "hdf5.external" || !strings.Contains(err.Error(), "/model_weights/dense/dense/kernel:0") {
			t.Errorf("a tensor in another file: %v", err)
		}
	})
	t.Run("no Keras file", func(t *testing.T) {
		_, err := Bind(all, openWeights(t, filepath.Join(dir, "h5wasm_written.h5")), "")
		if err != nil && diag.As(err) == nil {
			t.Error(err)
		}
		_, err = Bind(all, openWeights(t, filepath.Join(dir, "k2_full.h5")), "/optimizer_weights")
		if diag.CodeOf(err) != "weights.not-keras" {
			t.Errorf("a group without layers: %v", err)
		}
		_, err = Bind(all, openWeights(t, filepath.Join(dir, "k2_full.h5")), "/nowhere")
		if diag.CodeOf(err) != "hdf5.not-found" {
			t.Errorf("a group that does not exist: %v", err)
		}
	})
	t.Run("bfloat16", func(t *testing.T) {
		f := openWeights(t, filepath.Join(dir, "model.weights.h5"))
		layers := []LayerWeights{
			layer("c", "Conv2D", needs("kernel", 3, 3, 3, 8), needs("bias", 8)),
			layer("c_1", "Conv2D", needs("kernel", 3, 3, 8, 16), needs("bias", 16)),
			layer("b", "BatchNormalization", needs("gamma", 16), needs("beta", 16), needs("moving_mean", 16),
				needs("moving_variance", 16)),
			layer("drop", "Dropout"),
			layer("d", "DenseBf16", needs("kernel", 4, 5)),
			layer("m", "Functional", needs("kernel", 16, 10), needs("bias", 10)),
		}
		s, err := Bind(layers, f, "")
		if err != nil {
			t.Fatal(err)
		}
		stored, err := s.Tensor("d/kernel")
		if err != nil || stored.DType() != graph.BFloat16 {
			t.Fatal(stored, err)
		}
		for i, x := range values(t, s, layers[4].Weights[0]) { // the numbers that bfloat16 writes as 0, 1, 2, ...
			if math.Float32bits(x) != uint32(i)<<16 {
				t.Errorf("element %d is %v", i, x)
			}
		}
	})
	t.Run("2300 layers", func(t *testing.T) {
		f := openWeights(t, filepath.Join(dir, "k2_chunked_names.h5"))
		list, ok, err := stringList(f.Root(), "layer_names")
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			in, err := f.Group("model_weights")
			if err != nil {
				t.Fatal(err)
			}
			if list, ok, err = stringList(in, "layer_names"); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
		if len(list) != 2300 {
			t.Errorf("%d layers", len(list))
		}
		_, err = Bind([]LayerWeights{layer("none", "Dense", needs("kernel", 1, 1))}, f, "")
		if diag.CodeOf(err) != "weights.missing" {
			t.Error(err)
		}
	})
}

// TestBindModels binds real models to all their weights files, which must give the same numbers.
func TestBindModels(t *testing.T) {
	models := fixture.Shared(t, "models")
	for _, name := range []string{"k2_tiny_cnn", "k2_tiny_mlp", "k3_tiny_cnn", "k3_tiny_mlp", "k3_tiny_residual", "k3_tiny_layers",
		"k2_tiny_layers", "k3_MobileNet", "k2_MobileNet", "trained_mobilenet_v2"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(models, name)
			config, version, err := configOf(t, dir)
			if err != nil {
				t.Fatal(err)
			}
			m, err := ParseVersion(config, version)
			if err != nil {
				t.Fatal(err)
			}
			var first weights.Source
			files, _ := filepath.Glob(filepath.Join(dir, "*.[hk]*"))
			for _, path := range files {
				if base := filepath.Base(path); !strings.HasSuffix(base, ".h5") && !strings.HasSuffix(base, ".keras") {
					continue
				}
				s, err := Bind(m.Weights, openWeights(t, path), "")
				if err != nil {
					t.Errorf("%s: %v", path, err)
					continue
				}
				if first == nil {
					first = s
				}
				for _, l := range m.Weights {
					for _, w := range l.Weights {
						if !slices.Equal(values(t, s, w), values(t, first, w)) {
							t.Errorf("%s: %s differs from that of %s", filepath.Base(path), w.Key, filepath.Base(files[0]))
						}
					}
				}
			}
			for i := range m.Graph.Values {
				if w := m.Graph.Values[i].Weight; w != nil {
					if stored, err := first.Tensor(w.Key); err != nil || !stored.Shape().Equal(w.Stored) {
						t.Errorf("the graph's weight %s: %v", w.Key, err)
					}
				}
			}
		})
	}
}

// configOf finds a model's architecture beside or in its weights.
func configOf(t *testing.T, dir string) ([]byte, string, error) {
	if config, err := os.ReadFile(filepath.Join(dir, "model.json")); err == nil {
		var head struct {
			Version string `json:"keras_version"`
		}
		return config, head.Version, json.Unmarshal(config, &head)
	}
	f := openWeights(t, filepath.Join(dir, "model.h5"))
	text := func(name string) string {
		a, ok, err := f.Root().Attr(name)
		if err != nil || !ok {
			return ""
		}
		s, err := a.Text()
		if err != nil {
			t.Error(err)
		}
		return s
	}
	return []byte(text("model_config")), text("keras_version"), nil
}

func TestSnakeCase(t *testing.T) {
	for class, want := range map[string]string{
		"Conv2D": "conv2d", "Conv2DTranspose": "conv2d_transpose", "BatchNormalization": "batch_normalization",
		"DepthwiseConv2D": "depthwise_conv2d", "SeparableConv2D": "separable_conv2d", "ReLU": "re_lu", "PReLU": "p_re_lu",
		"LeakyReLU": "leaky_re_lu", "ELU": "elu", "LSTM": "lstm", "SimpleRNN": "simple_rnn", "GRU": "gru",
		"GlobalAveragePooling2D": "global_average_pooling2d", "InputLayer": "input_layer", "ZeroPadding2D": "zero_padding2d",
		"MultiHeadAttention": "multi_head_attention", "Functional": "functional", "ConvLSTM2D": "conv_lstm2d",
		"Foo_Bar": "foo__bar", "Custom>Dense": "custom_dense", "TFOpLambda": "tf_op_lambda", "": "",
	} {
		if got := snakeCase(class); got != want {
			t.Errorf("%s: %s, want %s", class, got, want)
		}
	}
}

// TestPartsOfLayers orders the layers that composite layers are made of.
func TestPartsOfLayers(t *testing.T) {
	parts := []string{"lstm_cell_10", "value_dense", "lstm_cell", "query_dense", "lstm_cell_2", "output_dense", "backward_layer",
		"key_dense", "forward_layer"}
	slices.SortStableFunc(parts, byCreation)
	want := "lstm_cell lstm_cell_2 lstm_cell_10 forward_layer backward_layer query_dense key_dense value_dense output_dense"
	if got := strings.Join(parts, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestBindComposite reads layers whose weights are those of layers within.
func TestBindComposite(t *testing.T) {
	models := fixture.Shared(t, "models")
	cell := func(in, units, gates int64) []StoredWeight {
		return []StoredWeight{needs("kernel", in, gates*units), needs("recurrent_kernel", units, gates*units),
			needs("bias", gates*units)}
	}
	both := append(cell(12, 10, 4), cell(12, 10, 4)...)
	for i := range both {
		both[i].Name = []string{"forward_", "backward_"}[i/3] + both[i].Name
	}
	gru := cell(20, 8, 3)
	gru[2].Shape = graph.Shape{2, 24}
	layers := []LayerWeights{
		layer("emb", "Embedding", needs("embeddings", 50, 12)), layer("bi", "Bidirectional", both...), layer("gru", "GRU", gru...),
		layer("rnn", "SimpleRNN", cell(8, 7, 1)...), layer("out", "Dense", needs("kernel", 7, 3), needs("bias", 3)),
	}
	var first weights.Source
	for _, file := range []string{"model.h5", "legacy_weights.h5", "model.weights.h5", "model.keras"} {
		s, err := Bind(layers, openWeights(t, filepath.Join(models, "k3_tiny_rnn", file)), "")
		if err != nil {
			t.Fatal(file, err)
		}
		if first == nil {
			first = s
		}
		for _, l := range layers {
			for _, w := range l.Weights {
				if !slices.Equal(values(t, s, w), values(t, first, w)) {
					t.Errorf("%s: %s differs", file, w.Key)
				}
			}
		}
	}
	forward, backward := values(t, first, layers[1].Weights[0]), values(t, first, layers[1].Weights[3])
	if slices.Equal(forward, backward) {
		t.Error("both directions have the same kernel")
	}
}

// FuzzBind matches damaged files with a model that fits those of its corpus.
func FuzzBind(f *testing.F) {
	layers := []LayerWeights{
		layer("c", "Dense", needs("kernel", 2, 1), needs("bias", 1)),
		layer("f", "Flatten"),
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := hdf5.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		s, err := Bind(layers, file, "")
		if err != nil {
			if diag.As(err) == nil {
				t.Errorf("an error without a code: %v", err)
			}
			return
		}
		for _, l := range layers {
			for _, w := range l.Weights {
				stored, err := s.Tensor(w.Key)
				if err != nil {
					t.Fatal(err)
				}
				if err := stored.ReadFloat32s(make([]float32, w.Shape.Elements(1)), 0); err != nil && diag.As(err) == nil {
					t.Errorf("an error without a code: %v", err)
				}
			}
		}
	})
}
