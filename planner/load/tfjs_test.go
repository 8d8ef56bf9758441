package load_test

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
	"partita/planner/hdf5write"
	"partita/planner/load"
)

// bundleBytes reads a bundle whole and checks its size.
func bundleBytes(t *testing.T, files ...load.File) []byte {
	t.Helper()
	b, err := load.NewBundle(files...)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(b.Reader())
	if err != nil || int64(len(data)) != b.Size {
		t.Fatalf("%d bytes, the bundle says %d: %v", len(data), b.Size, err)
	}
	return data
}

func TestTFJS(t *testing.T) {
	for id, want := range map[string]struct {
		layers     int
		parameters int64
	}{"tfjs_functional": {8, 90}, "tfjs_seq": {5, 1060}} {
		t.Run(id, func(t *testing.T) {
			dir := fixture.Shared(t, "models", id)
			model, shard := open(t, filepath.Join(dir, "model.json")), open(t, filepath.Join(dir, "weights.bin"))
			alone, err := load.Open(model)
			if err != nil {
				t.Fatal(err)
			}
			if alone.Graph.LayerCount != want.layers || alone.Graph.Parameters != want.parameters || alone.HasWeights || alone.Source != load.SourceTFJS {
				t.Errorf("%d layers, %d parameters, weights %v, %s", alone.Graph.LayerCount, alone.Graph.Parameters, alone.HasWeights, alone.Source)
			}
			for _, files := range [][]load.File{{model, shard}, {shard, model}, {memory("bundle.zip", bundleBytes(t, shard, model))}} {
				m, err := load.Open(files...)
				if err != nil {
					t.Fatal(err)
				}
				if !m.HasWeights || m.Digest != alone.Digest || m.Source != load.SourceTFJS {
					t.Errorf("weights %v, digest %s, %s", m.HasWeights, m.Digest, m.Source)
				}
			}
			again, err := load.FromArchitecture(alone.Architecture)
			if err != nil || again.Digest != alone.Digest {
				t.Fatal(again, err)
			}
			data := bundleBytes(t, model, shard)
			src, err := again.Weights(memory("bundle.zip", data))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join(dir, "weights.bin"))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range again.Graph.Values { // each is somewhere in the file
				if v.Weight == nil {
					continue
				}
				tensor, err := src.Tensor(v.Weight.Key)
				if err != nil {
					t.Fatal(err)
				}
				numbers := make([]float32, tensor.Shape().Elements(1))
				if err := tensor.ReadFloat32s(numbers, 0); err != nil {
					t.Fatal(err)
				}
				var stored []byte
				for _, x := range numbers {
					bits := math.Float32bits(x)
					stored = append(stored, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
				}
				if !bytes.Contains(raw, stored) {
					t.Errorf("the numbers of %s are not in the file", v.Weight.Key)
				}
			}
			// Other programs read the archive.
			z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range z.File {
				r, err := e.Open()
				if err != nil {
					t.Fatal(err)
				}
				content, err := io.ReadAll(r) // checks the sum
				if err != nil || e.Name == "weights.bin" && !bytes.Equal(content, raw) {
					t.Errorf("%s: %v", e.Name, err)
				}
			}
			shards, err := load.Shards(model)
			if err != nil || !slices.Equal(shards, []string{"weights.bin"}) {
				t.Error(shards, err)
			}
			if shards, err = load.Shards(shard); err != nil || shards != nil {
				t.Error(shards, err)
			}
		})
	}
}

// tfjsModel is a model.json of one Dense layer, 2 numbers to 2, with a list of weights.
func tfjsModel(manifest string) []byte {
	return []byte(`{"format": "layers-model", "modelTopology": {"keras_version": "2.11.0", "model_config": {"class_name": "Sequential", "config": {"name": "s", "layers": [
		{"class_name": "InputLayer", "config": {"batch_input_shape": [null, 2], "name": "x"}},
		{"class_name": "Dense", "config": {"name": "fc", "units": 2}}]}}}, "weightsManifest": ` + manifest + `}`)
}

// TestShardTypes reads every type that TensorFlow.js stores, over two files cut in the middle of a number.
func TestShardTypes(t *testing.T) {
	for _, c := range []struct {
		kernel string
		bytes  []byte // of kernel; those of bias follow
		want   []float32
	}{
		{`"dtype": "float32"`, []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 192}, []float32{1, 2, 3, -4}},
		{`"dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1, "original_dtype": "float32"}`, []byte{0, 1, 2, 255}, []float32{-1, -0.5, 0, 126.5}},
		{`"dtype": "float32", "quantization": {"dtype": "uint16", "scale": 2, "min": 3}`, []byte{0, 0, 1, 0, 0, 1, 255, 255}, []float32{3, 5, 515, 131073}},
		{`"dtype": "float32", "quantization": {"dtype": "float16"}`, []byte{0, 0x3c, 0, 0xc0, 1, 0, 0, 0x7c}, []float32{1, -2, 1.0 / (1 << 24), float32(math.Inf(1))}},
		{`"dtype": "int32"`, []byte{1, 0, 0, 0, 255, 255, 255, 255, 0, 1, 0, 0, 0, 0, 0, 0}, []float32{1, -1, 256, 0}},
		{`"dtype": "bool"`, []byte{1, 0, 1, 1}, []float32{1, 0, 1, 1}},
	} {
		document := tfjsModel(`[{"paths": ["a.bin", "./more/b.bin"], "weights": [{"name": "fc/kernel", "shape": [2, 2], ` + c.kernel + `}, {"name": "fc/bias", "shape": [2], "dtype": "float32"}]}]`)
		data := append(slices.Clone(c.bytes), 0, 0, 0, 63, 0, 0, 0, 191)
		cut := 3
		files := []load.File{memory("/d/a.bin", data[:cut]), memory("model.json", document), memory("/d/more/b.bin", data[cut:])}
		m, err := load.Open(files...)
		if err != nil {
			t.Errorf("%s: %v", c.kernel, err)
			continue
		}
		if !m.HasWeights {
			t.Errorf("%s: no weights", c.kernel)
		}
		src, err := m.Weights(memory("b", bundleBytes(t, files...)))
		if err != nil {
			t.Errorf("%s: %v", c.kernel, err)
			continue
		}
		for key, want := range map[string][]float32{"fc/kernel": c.want, "fc/bias": {0.5, -0.5}} {
			tensor, err := src.Tensor(key)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(want)-1)
			if err := tensor.ReadFloat32s(got, 1); err != nil || !slices.Equal(got, want[1:]) {
				t.Errorf("%s: %s is %v, want %v: %v", c.kernel, key, got, want[1:], err)
			}
		}
	}
}

func TestRefusedTFJS(t *testing.T) {
	const good = `{"name": "fc/kernel", "shape": [2, 2], "dtype": "float32"}, {"name": "fc/bias", "shape": [2], "dtype": "float32"}`
	list := func(paths, weights string) []byte {
		return tfjsModel(`[{"paths": [` + paths + `], "weights": [` + weights + `]}]`)
	}
	shard := memory("a.bin", make([]byte, 24))
	for _, c := range []struct {
		name, code, want string
		document         []byte
		others           []load.File
	}{
		{"absolute path", "tfjs.bad-path", "/etc/passwd", list(`"/etc/passwd"`, good), nil},
		{"path upwards", "tfjs.bad-path", "a/../../b", list(`"a/../../b"`, good), nil},
		{"address", "tfjs.bad-path", "https", list(`"https://example.org/a.bin"`, good), nil},
		{"backslash", "tfjs.bad-path", "a", list(`"..\\a"`, good), nil},
		{"missing shard", "weights.missing-shards", "b.bin", list(`"a.bin", "b.bin"`, good), []load.File{shard}},
		{"short shard", "weights.wrong-size", "a.bin: 23 bytes, the tensors in it take 24", list(`"a.bin"`, good), []load.File{memory("a.bin", make([]byte, 23))}},
		{"no such tensor", "weights.missing", "bias", list(`"a.bin"`, `{"name": "fc/kernel", "shape": [6], "dtype": "float32"}`), []load.File{shard}},
		{"other shape", "weights.shape-mismatch", "4x1", list(`"a.bin"`, strings.Replace(good, "2, 2", "4, 1", 1)), []load.File{shard}},
		{"other tensors", "weights.extra-layers", "1 tensors", list(`"a.bin"`, good+`, {"name": "more/x", "shape": [0], "dtype": "float32"}`), []load.File{shard}},
		{"twice", "tfjs.bad-manifest", "twice", list(`"a.bin"`, good+`, {"name": "fc/bias", "shape": [0], "dtype": "float32"}`), []load.File{shard}},
		{"strings", "tfjs.unsupported-type", `"string"`, list(`"a.bin"`, strings.Replace(good, "float32", "string", 1)), []load.File{shard}},
		{"huge", "tfjs.bad-manifest", "dimension", list(`"a.bin"`, strings.Replace(good, "2, 2", "1000000000, 1000000000", 1)), []load.File{shard}},
		{"negative", "tfjs.bad-manifest", "dimension -2", list(`"a.bin"`, strings.Replace(good, "2, 2", "-2, 2", 1)), []load.File{shard}},
		{"quantised oddly", "tfjs.bad-manifest", "int4", list(`"a.bin"`, strings.Replace(good, `"float32"`, `"float32", "quantization": {"dtype": "int4"}`, 1)), []load.File{shard}},
		{"no scale", "tfjs.bad-manifest", "scale", list(`"a.bin"`, strings.Replace(good, `"float32"`, `"float32", "quantization": {"dtype": "uint8"}`, 1)), []load.File{shard}},
		{"not a list", "tfjs.bad-manifest", "not a list", tfjsModel(`7`), []load.File{shard}},
	} {
		_, err := load.Open(append(c.others, memory("model.json", c.document))...)
		if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s and %q", c.name, err, c.code, c.want)
		}
	}
	model := memory("model.json", list(`"a.bin"`, good))
	m, err := load.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Weights(model); diag.CodeOf(err) != "weights.missing-shards" {
		t.Error(err)
	}
	if _, err := load.NewBundle(shard); diag.CodeOf(err) != "model.not-a-model" {
		t.Error(err)
	}
	if _, err := load.NewBundle(model); diag.CodeOf(err) != "weights.missing-shards" {
		t.Error(err)
	}
	// An archive that compresses its entries cannot be read in place.
	data := repack(t, bundleBytes(t, model, shard), zip.Deflate)
	if _, err := m.Weights(memory("b.zip", data)); diag.CodeOf(err) != "model.compressed-weights" {
		t.Error(err)
	}
	// The same weights in an HDF5 file would do as well: any second file that is no shard is taken for that.
	if _, err := load.Open(model, memory("x.h5", []byte("no HDF5"))); err == nil || diag.As(err) == nil {
		t.Error(err)
	}
}

// FuzzBundle reads damaged archives.
func FuzzBundle(f *testing.F) {
	model := memory("model.json", tfjsModel(`[{"paths": ["a.bin"], "weights": [{"name": "fc/kernel", "shape": [2, 2], "dtype": "float32"}, {"name": "fc/bias", "shape": [2], "dtype": "float32"}]}]`))
	b, err := load.NewBundle(model, memory("a.bin", make([]byte, 24)))
	if err != nil {
		f.Fatal(err)
	}
	data, err := io.ReadAll(b.Reader())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := load.Open(memory("b.zip", data))
		if err != nil && diag.As(err) == nil {
			t.Errorf("an error without a code: %v", err)
		}
		if m != nil && !json.Valid(m.Architecture.Data) {
			t.Errorf("the architecture is %s", m.Architecture.Data)
		}
	})
}

// TestWeightsIndex opens weights that Keras 3 cut into several files, one layer's among two of them.
func TestWeightsIndex(t *testing.T) {
	part := func(paths map[string][]int64) []byte {
		root := hdf5write.NewGroup()
		for path, shape := range paths {
			if err := root.Dataset(path, shape, func(dst []float32, _ int64) error {
				for i := range dst {
					dst[i] = float32(len(path))
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
		return data.Bytes()
	}
	model := memory("model.json", []byte(`{"class_name": "Sequential", "keras_version": "3.10.0", "config": {"name": "s", "layers": [
		{"class_name": "InputLayer", "config": {"batch_shape": [null, 2], "name": "x"}},
		{"class_name": "Dense", "config": {"name": "a", "units": 3}}, {"class_name": "Dense", "config": {"name": "b", "units": 4, "use_bias": false}}]}}`))
	index := memory("m.weights.json", []byte(`{"metadata": {"total_size": 84}, "weight_map": {"/layers/dense/vars": ["m_00000.weights.h5", "m_00001.weights.h5"], "/layers/dense_1/vars": "m_00001.weights.h5"}}`))
	first := memory("m_00000.weights.h5", part(map[string][]int64{"layers/dense/vars/0": {2, 3}}))
	second := memory("m_00001.weights.h5", part(map[string][]int64{"layers/dense/vars/1": {3}, "layers/dense_1/vars/0": {3, 4}}))
	damaged := part(map[string][]int64{"layers/dense/vars/1": {3}, "layers/dense_1/vars/0": {3, 4}})[:900]
	shards, err := load.Shards(index)
	if err != nil || !slices.Equal(shards, []string{"m_00000.weights.h5", "m_00001.weights.h5"}) {
		t.Fatal(shards, err)
	}
	packed := memory("weights.zip", bundleBytes(t, index, first, second))
	for _, files := range [][]load.File{{model, index, first, second}, {second, index, model, first}, {model, packed}, {packed, model}} {
		m, err := load.Open(files...)
		if err != nil {
			t.Fatal(err)
		}
		if !m.HasWeights || m.Graph.Parameters != 21 {
			t.Errorf("weights %v, %d parameters", m.HasWeights, m.Graph.Parameters)
		}
	}
	m, err := load.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	src, err := m.Weights(packed)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float32{"a/kernel": 19, "a/bias": 19, "b/kernel": 21} {
		tensor, err := src.Tensor(key)
		if err != nil {
			t.Fatal(err)
		}
		numbers := make([]float32, tensor.Shape().Elements(1))
		if err := tensor.ReadFloat32s(numbers, 0); err != nil || numbers[0] != want {
			t.Errorf("%s: %v %v", key, numbers, err)
		}
	}
	for what, c := range map[string]struct {
		files []load.File
		code  string
	}{
		"no architecture": {[]load.File{index, first, second}, "model.weights-only"},
		"a file missing":  {[]load.File{model, index, first}, "weights.missing-shards"},
		"a damaged file":  {[]load.File{model, index, first, memory("m_00001.weights.h5", damaged)}, ""},
		"a path outside":  {[]load.File{model, memory("m.weights.json", []byte(`{"weight_map": {"/vars": "../m.h5"}}`)), first}, "tfjs.bad-path"},
		"the same twice":  {[]load.File{model, index, first, memory("m_00001.weights.h5", part(map[string][]int64{"layers/dense/vars/1": {3}}))}, "weights.missing"},
	} {
		if _, err := load.Open(c.files...); err == nil || c.code != "" && diag.CodeOf(err) != c.code || diag.As(err) == nil {
			t.Errorf("%s: %v, want %s", what, err, c.code)
		}
	}
}
