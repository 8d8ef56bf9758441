package load_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/load"
)

func open(t testing.TB, path string) load.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return load.File{Name: filepath.Base(path), Size: info.Size(), Reader: f}
}

func memory(name string, data []byte) load.File {
	return load.File{Name: name, Size: int64(len(data)), Reader: bytes.NewReader(data)}
}

// testCase is the part of a case.json that the test uses.
type testCase struct {
	ID     string
	Params int64
	Layers int
	Files  []struct{ File, Format, Compressed string }
	Inputs []struct {
		Shape []int64
		DType string
	}
	Outputs []struct {
		Name  string
		Shape []int64
	}
}

// TestCases opens every file of the cases whose layers are supported: one graph and one digest whatever the file, the
// layers and parameters Keras counts, and weights that fit.
func TestCases(t *testing.T) {
	for _, id := range []string{"k2_tiny_cnn", "k2_tiny_mlp", "k2_tiny_multi_io", "k2_MobileNet", "k3_tiny_cnn", "k3_tiny_mlp", "k3_tiny_residual",
		"k3_MobileNet", "k3_ResNet50", "trained_mobilenet_v2"} {
		t.Run(id, func(t *testing.T) {
			folder := fixture.Shared(t, "models", id)
			text, err := os.ReadFile(filepath.Join(folder, "case.json"))
			if err != nil {
				t.Fatal(err)
			}
			var c testCase
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			architecture := filepath.Join(folder, "model.json")
			var first *load.Model
			for _, f := range c.Files {
				if f.Compressed != "" || f.Format == "per-layer-trace" {
					continue
				}
				file := open(t, filepath.Join(folder, f.File))
				var m *load.Model
				switch f.Format {
				case "keras3-json", "keras2-json":
					m = checkOpen(t, &c, load.SourceKerasJSON, false, file)
				case "keras3-yaml", "keras2-yaml", "keras2-yaml-flow":
					m = checkOpen(t, &c, load.SourceKerasYAML, false, file)
				case "keras2-h5-whole", "keras-legacy-h5-whole":
					m = checkOpen(t, &c, load.SourceKerasH5, true, file)
				case "keras-v3-zip":
					m = checkOpen(t, &c, load.SourceKerasV3, true, file)
				case "keras2-h5-weights", "keras-legacy-h5-weights", "keras-v3-weights-h5":
					if _, err := load.Open(file); diag.CodeOf(err) != "model.weights-only" {
						t.Errorf("%s alone: got %v, want code model.weights-only", f.File, err)
					}
					checkOpen(t, &c, load.SourceKerasJSON, true, file, open(t, architecture))
					m = checkOpen(t, &c, load.SourceKerasJSON, true, open(t, architecture), file)
				default:
					t.Errorf("unexpected format %s", f.Format)
					continue
				}
				if first == nil {
					first = m
				} else if m.Digest != first.Digest {
					t.Errorf("%s has another digest than %s", f.File, c.Files[0].File)
				} else if m.Graph.Text() != first.Graph.Text() {
					t.Errorf("%s gives another graph", f.File)
				}
			}
			again, err := load.FromArchitecture(first.Architecture)
			if err != nil {
				t.Fatal(err)
			}
			if again.Digest != first.Digest || again.Graph.Text() != first.Graph.Text() {
				t.Error("the architecture gives another model")
			}
		})
	}
}

func checkOpen(t *testing.T, c *testCase, source string, weights bool, files ...load.File) *load.Model {
	t.Helper()
	m, err := load.Open(files...)
	if err != nil {
		t.Fatal(err)
	}
	name := files[0].Name
	if m.Source != source || m.HasWeights != weights {
		t.Errorf("%s: source %s, weights %v", name, m.Source, m.HasWeights)
	}
	if m.Graph.LayerCount != c.Layers || m.Graph.Parameters != c.Params {
		t.Errorf("%s: %d layers and %d parameters, want %d and %d", name, m.Graph.LayerCount, m.Graph.Parameters, c.Layers, c.Params)
	}
	if len(m.Graph.Inputs) != len(c.Inputs) || len(m.Graph.Outputs) != len(c.Outputs) {
		t.Fatalf("%s: %d inputs and %d outputs", name, len(m.Graph.Inputs), len(m.Graph.Outputs))
	}
	for i, in := range c.Inputs {
		v := m.Graph.Value(m.Graph.Inputs[i].Value)
		if !sameShape(v.Shape, in.Shape) || v.DType.String() != in.DType {
			t.Errorf("%s: input %d is %s %s, want %v %s", name, i, v.Shape, v.DType, in.Shape, in.DType)
		}
	}
	for i, out := range c.Outputs {
		p := m.Graph.Outputs[i]
		if v := m.Graph.Value(p.Value); p.Name != out.Name || !sameShape(v.Shape, out.Shape) {
			t.Errorf("%s: output %d is %s %s, want %s %v", name, i, p.Name, v.Shape, out.Name, out.Shape)
		}
	}
	return m
}

// sameShape compares all but the batch.
func sameShape(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 1; i < len(a); i++ {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestWeights reads a number through every format of weights: all formats of a case hold the same ones.
func TestWeights(t *testing.T) {
	folder := fixture.Shared(t, "models", "k3_tiny_residual")
	m, err := load.Open(open(t, filepath.Join(folder, "model.json")))
	if err != nil {
		t.Fatal(err)
	}
	var want []float32
	for _, name := range []string{"model.keras", "model.h5", "model.weights.h5", "legacy_weights.h5"} {
		source, err := m.Weights(open(t, filepath.Join(folder, name)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tensor, err := source.Tensor("b1_pw/kernel")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := make([]float32, tensor.Shape().Elements(1))
		if err := tensor.ReadFloat32s(got, 0); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) != 16*16 {
			t.Fatalf("%s: %d numbers", name, len(got))
		}
		if want == nil {
			want = got
		}
		for i := range got {
			if got[i] != want[i] || got[i] == 0 {
				t.Fatalf("%s: number %d is %g, want %g", name, i, got[i], want[i])
			}
		}
	}
}

func TestRefused(t *testing.T) {
	residual := fixture.Shared(t, "models", "k3_tiny_residual")
	config, err := os.ReadFile(filepath.Join(residual, "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(residual, "model.h5"))
	if err != nil {
		t.Fatal(err)
	}
	weightsOnly, err := os.ReadFile(filepath.Join(residual, "legacy_weights.h5"))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(filepath.Join(residual, "model.keras"))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(config)
	z.Close()
	tooShort := open(t, filepath.Join(residual, "model.json"))
	tooShort.Size *= 2
	for _, c := range []struct {
		name, code, want string
		files            []load.File
	}{
		{"nothing", "model.no-file", "", nil},
		{"three files", "model.too-many-files", "", make([]load.File, 3)},
		{"empty", "model.empty", "reading a.json", []load.File{memory("a.json", nil)}},
		{"notes", "model.unknown-format", "notes.txt", []load.File{memory("notes.txt", []byte("just text\n"))}},
		{"binary", "model.unknown-format", "first bytes", []load.File{memory("x.bin", []byte("\x00\x01\x02\xff"))}},
		{"Latin-1 text", "model.unknown-format", "first bytes", []load.File{memory("x.txt", []byte("caf\xe9 au lait"))}},
		{"gzip", "model.unsupported-format", "gunzip", []load.File{memory("model.json.gz", packed.Bytes())}},
		{"pickle", "model.unsupported-format", "pickle", []load.File{memory("x.pt", []byte("\x80\x02}q\x00."))}},
		{"tflite", "model.unsupported-format", "TensorFlow Lite", []load.File{memory("x.tflite", []byte("\x1c\x00\x00\x00TFL3"))}},
		{"onnx", "onnx.malformed", "truncated", []load.File{memory("x.onnx", []byte("\x08\x08\x12\x07"))}},
		{"tfjs graph model", "model.unsupported-format", "graph model", []load.File{memory("model.json", []byte(`{"format": "graph-model", "modelTopology": {"node": []}}`))}},
		{"broken JSON", "model.not-a-model", "not valid JSON", []load.File{memory("m.json", config[:len(config)/2])}},
		{"other JSON", "model.not-a-model", "class_name", []load.File{memory("case.json", []byte(`{"id": "k3"}`))}},
		{"shorter than it says", "model.unreadable", "", []load.File{tooShort}},
		{"truncated h5", "hdf5.truncated", "reading cut.h5", []load.File{memory("cut.h5", whole[:len(whole)/3])}},
		{"other HDF5", "model.not-a-model", "neither a model nor weights", []load.File{memory("x.h5", bytes.ReplaceAll(weightsOnly, []byte("layer_names"), []byte("other_names")))}},
		{"truncated keras", "model.damaged", "", []load.File{memory("cut.keras", archive[:len(archive)/2])}},
		{"zip of nothing", "model.not-a-model", "config.json", []load.File{memory("x.zip", zipOf(t, zip.Store, "readme.txt", nil))}},
		{"PyTorch", "model.unsupported-format", "PyTorch", []load.File{memory("x.pt", zipOf(t, zip.Store, "archive/data.pkl", nil))}},
		{"arrays", "model.unsupported-format", "NumPy", []load.File{memory("x.npz", zipOf(t, zip.Store, "a.npy", nil))}},
		{"keras without weights", "weights.absent", "model.weights.h5", []load.File{memory("m.keras", zipOf(t, zip.Deflate, "config.json", config))}},
		{"compressed weights", "model.compressed-weights", "zip -0", []load.File{memory("m.keras", repack(t, archive, zip.Deflate))}},
		{"other model's weights", "weights.missing", "tiny_mlp", []load.File{memory("m.json", config), named(open(t, fixture.Shared(t, "models", "k3_tiny_mlp", "legacy_weights.h5")), "tiny_mlp.h5")}},
		{"weights that are text", "weights.absent", "architecture", []load.File{memory("m.json", config), memory("n.json", config)}},
	} {
		_, err := load.Open(c.files...)
		if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.300v, want code %s and %q", c.name, err, c.code, c.want)
		}
	}
	if _, err := load.FromArchitecture(load.Architecture{Format: "abacus", Data: config}); diag.CodeOf(err) != "model.unknown-format" {
		t.Errorf("unknown architecture: %v", err)
	}
	if m, err := load.Open(memory("m.keras", repack(t, archive, zip.Store))); err != nil || !m.HasWeights {
		t.Errorf("a .keras file packed anew: %v", err)
	}
}

func named(f load.File, name string) load.File {
	f.Name = name
	return f
}

func zipOf(t *testing.T, method uint16, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func repack(t *testing.T, archive []byte, method uint16) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range r.File {
		in, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.Name, Method: method})
		if err == nil {
			_, err = io.Copy(w, in)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLargeDirectory refuses a zip that claims little and lists much.
func TestLargeDirectory(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range 100000 {
		if _, err := z.CreateHeader(&zip.FileHeader{Name: "config.json", Method: zip.Store}); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	data := b.Bytes()
	if _, err := load.Open(memory("m.keras", data)); diag.CodeOf(err) != "model.too-large" {
		t.Errorf("got %v, want code model.too-large", err)
	}
}

// TestPreprocess checks the suggested preprocessing on real architectures.
func TestPreprocess(t *testing.T) {
	for file, want := range map[string]string{
		"keras1/ResNet50": "caffe", "keras1/InceptionV3": "tf", "keras1/VGG16": "caffe", "keras2/ResNet50V2": "tf", "keras2/MobileNet": "tf",
		"keras2/DenseNet121": "torch", "keras2/EfficientNetB0": "torch", "keras2/NASNetMobile": "tf", "keras2/Xception": "tf",
		"keras3/EfficientNetB0": "none", "keras3/EfficientNetV2B0": "none", "keras3/MobileNetV3Small": "none", "keras3/InceptionResNetV2": "tf",
		"keras3/MobileNetV2": "tf", "keras3/ResNet101": "caffe", "keras3/VGG19": "caffe",
	} {
		text := fixture.Read(t, fixture.Shared(t, "zoo", file+".json.gz"))
		m, err := load.Open(memory("m.json", text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if m.Preprocess != want {
			t.Errorf("%s: %s, want %s", file, m.Preprocess, want)
		}
		// The same under a name that says nothing, as people's own models have.
		renamed := bytes.Replace(text, []byte(`"name": "`+m.Name+`"`), []byte(`"name": "model_1"`), 1)
		again, err := load.Open(memory("m.json", renamed))
		if err != nil || again.Name != "model_1" {
			t.Errorf("%s renamed: %v", file, err)
		} else if want != "none" && want != "torch" && again.Preprocess != want {
			t.Errorf("%s renamed: %s, want %s", file, again.Preprocess, want)
		}
	}
}

// FuzzOpen opens arbitrary bytes as a model and as weights: an error or a model, never a panic.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"class_name": "Sequential", "config": []}`))
	f.Add([]byte("class_name: Sequential\nconfig: []\n"))
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x89HDF\r\n\x1a\n"))
	f.Add(archive(stored("config.json", smallConfig), stored("model.weights.h5", "\x89HDF\r\n\x1a\n")))
	f.Add(protoModel(proto(nil).bytes(1, protoNode("Relu", []string{"x"}, []string{"y"}))))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := load.Open(memory("model", data)); err == nil {
			if err := m.Graph.Validate(); err != nil {
				t.Fatal(err)
			}
		} else if diag.As(err) == nil || diag.CodeOf(err) == "keras.wrong-graph" {
			t.Fatalf("not a diagnostic for the user: %v", err)
		}
	})
}

// An architecture and the whole model it is of open in any order, as a file picker gives them by their names; the files of two models do not.
func TestTwoModels(t *testing.T) {
	folder := func(id, file string) load.File { return open(t, filepath.Join(fixture.Shared(t, "models", id), file)) }
	for _, files := range [][]load.File{{folder("k3_tiny_cnn", "model.h5"), folder("k3_tiny_cnn", "model.json")}, {folder("k3_tiny_cnn", "model.json"), folder("k3_tiny_cnn", "model.h5")}} {
		m, err := load.Open(files...)
		if err != nil || !m.HasWeights || m.Source != load.SourceKerasJSON {
			t.Errorf("%s and %s: %v", files[0].Name, files[1].Name, err)
		}
	}
	for _, files := range [][]load.File{
		{folder("k3_tiny_cnn", "model.h5"), folder("k3_tiny_residual", "model.json")},
		{folder("k3_tiny_residual", "model.json"), folder("k3_tiny_cnn", "model.h5")},
		{folder("k3_tiny_cnn", "model.h5"), folder("k3_tiny_mlp", "model.h5")},
	} {
		if _, err := load.Open(files...); diag.CodeOf(err) != "model.two-models" || !strings.Contains(err.Error(), "open one of them") {
			t.Errorf("%s and %s: %v", files[0].Name, files[1].Name, err)
		}
	}
}
