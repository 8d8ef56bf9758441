package zoo_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/keras"
	"partita/planner/zoo"
)

// documented are parameter counts that keras.io's table of applications or the models' own summaries give for
// architectures that the tables of shared/zoo lack, in Keras 3.
var documented = map[string]int64{
	"ResNet152V2": 60380648, "DenseNet201": 20242984, "MobileNetV3Large": 5507432, "EfficientNetB4": 19466823,
	"EfficientNetV2B1": 8212124, "EfficientNetV2B2": 10178374, "EfficientNetV2B3": 14467622, "EfficientNetV2S": 21612360,
	"EfficientNetV2M": 54431388, "EfficientNetV2L": 119027848,
}

// TestArchitectures compares every architecture with the configuration of the same network that real Keras 3 wrote: its
// layers and its operator graph, to the last attribute. That these are right the tests of package keras tell, by the tables
// that Keras gave.
func TestArchitectures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fixture.Shared(t, "zoo", "keras3"), "*.json.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no configurations: ", err)
	}
	written := map[string]string{}
	for _, file := range files {
		written[strings.TrimSuffix(filepath.Base(file), ".json.gz")] = file
	}
	for _, e := range zoo.Entries() {
		t.Run(e.Name, func(t *testing.T) {
			m, err := zoo.Open(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			file, listed := written[e.Name]
			if !listed {
				if want := documented[e.Name]; m.Graph.Parameters != want {
					t.Errorf("%d parameters, want %d", m.Graph.Parameters, want)
				}
				return
			}
			delete(written, e.Name)
			real, err := keras.Parse(fixture.Read(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Graph.Layers) != len(real.Graph.Layers) {
				t.Errorf("%d layers, want %d", len(m.Graph.Layers), len(real.Graph.Layers))
			}
			for i := range min(len(m.Graph.Layers), len(real.Graph.Layers)) {
				if got, want := m.Graph.Layers[i], real.Graph.Layers[i]; !reflect.DeepEqual(got, want) {
					t.Fatalf("layer %d is %+v, want %+v", i, got, want)
				}
			}
			compareText(t, m.Graph.Text(), real.Graph.Text())
		})
	}
	if len(written) > 0 {
		t.Errorf("no architectures for %v", written)
	}
}

// compareText tells the first line in which two graphs differ.
func compareText(t *testing.T, got, want string) {
	t.Helper()
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("line %d of the graph:\n got %s\nwant %s", i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Fatalf("%d lines of graph, want %d", len(a), len(b))
	}
}

// TestSuggestions checks what follows from a model's name and layers: the size of the images and how they are prepared.
func TestSuggestions(t *testing.T) {
	want := map[string]string{"VGG16": "caffe", "ResNet101": "caffe", "ResNet50V2": "tf", "InceptionV3": "tf", "InceptionResNetV2": "tf", "Xception": "tf",
		"MobileNet": "tf", "MobileNetV2": "tf", "MobileNetV3Small": "none", "DenseNet121": "torch", "NASNetMobile": "tf", "EfficientNetB0": "none", "EfficientNetV2S": "none"}
	for _, e := range zoo.Entries() {
		how, asked := want[e.Name]
		if !asked {
			continue
		}
		m, err := zoo.Open(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if m.Preprocess != how {
			t.Errorf("%s: images are prepared for %q, want %q", e.Name, m.Preprocess, how)
		}
		if in := m.Graph.Values[m.Graph.Inputs[0].Value].Shape; in[1] != int64(e.InputSize) || in[2] != in[1] {
			t.Errorf("%s takes %s, not images of %d", e.Name, in, e.InputSize)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for i, name := range zoo.Names() {
		e := zoo.Entries()[i]
		if seen[name] || e.Name != name || e.Description == "" || e.InputSize < 32 {
			t.Errorf("entry %d: %+v", i, e)
		}
		seen[name] = true
	}
	m, err := zoo.Open("efficientnet-v2-b0")
	if err != nil || m.Name != "efficientnetv2-b0" {
		t.Errorf("got %v, %v", m, err)
	}
	again, err := zoo.Open("EfficientNetV2B0")
	if err != nil || again.Digest != m.Digest {
		t.Errorf("one model, two digests: %v", err)
	}
	if _, err := zoo.Open("AlexNet"); diag.CodeOf(err) != "zoo.unknown" || !strings.Contains(err.Error(), "ResNet50") {
		t.Errorf("got %v, want code zoo.unknown and the names there are", err)
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, name := range []string{"ResNet50", "NASNetLarge"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := zoo.Open(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
