package zoo_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/keras"
	"partita/planner/load"
	"partita/planner/zoo"
)

// documented are parameter counts that keras.io's table of applications or the models' own summaries give for
// architectures that the tables of shared/zoo lack, in Keras 3.
var documented = map[string]int64{
	"ResNet152V2": 60380648, "DenseNet201": 20242984, "MobileNetV3Large": 5507432, "EfficientNetB4": 19466823,
	"EfficientNetV2B1": 8212124, "EfficientNetV2B2": 10178374, "EfficientNetV2B3": 14467622, "EfficientNetV2S": 21612360,
	"EfficientNetV2M": 54431388, "EfficientNetV2L": 119027848,
}

// TestArchitectures compares every architecture with the table of the same network that real Keras 3 gave: layers, their
// order, names, classes, inputs, shapes, parameters and multiply-accumulates; and with the operator graph of the
// configuration that it wrote, to the last attribute.
func TestArchitectures(t *testing.T) {
	tables := fixture.Shared(t, "zoo", "keras3")
	totals := map[string]map[string]string{}
	for _, row := range readTable(t, tables+"/summary.csv") {
		totals[row["model"]] = row
	}
	for _, e := range zoo.Entries() {
		t.Run(e.Name, func(t *testing.T) {
			m, err := zoo.Open(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			total, listed := totals[e.Name]
			if !listed {
				if want := documented[e.Name]; m.Graph.Parameters != want {
					t.Errorf("%d parameters, want %d", m.Graph.Parameters, want)
				}
				return
			}
			delete(totals, e.Name)
			if m.Graph.Parameters != number(t, total["params"]) || int64(m.Graph.LayerCount) != number(t, total["layers"]) || m.Graph.TotalWork().MACs != number(t, total["macs"]) {
				t.Errorf("%d parameters, %d layers, %d MACs; want %v", m.Graph.Parameters, m.Graph.LayerCount, m.Graph.TotalWork().MACs, total)
			}
			compareLayers(t, m, readTable(t, tables+"/"+e.Name+".layers.csv.gz"))
			real, err := keras.Parse(readFile(t, tables+"/"+e.Name+".json.gz"))
			if err != nil {
				t.Fatal(err)
			}
			compareText(t, m.Graph.Text(), real.Graph.Text())
		})
	}
	if len(totals) > 0 {
		t.Errorf("no architectures for %v", totals)
	}
}

func compareLayers(t *testing.T, m *load.Model, table []map[string]string) {
	t.Helper()
	steps := map[string]int{}
	for i := range m.Graph.Layers {
		steps[m.Graph.Layers[i].Name] = i
	}
	previous, wrong := -1, 0
	for _, row := range table {
		i, ok := steps[row["name"]]
		if !ok {
			t.Fatalf("there is no layer %s", row["name"])
		}
		l := &m.Graph.Layers[i]
		var inputs []string
		for _, in := range l.Inputs {
			inputs = append(inputs, m.Graph.Layers[in].Name)
		}
		if i <= previous || l.Class != row["class"] || l.Output.String() != row["output_shape"] || l.Parameters != number(t, row["params"]) ||
			strings.Join(inputs, ";") != row["inbound"] || m.Graph.LayerWork(i).MACs != number(t, row["macs"]) {
			t.Errorf("layer %d (after %d) is %s %s of %v, %s, %d parameters, %d MACs; want %v", i, previous, l.Class, l.Name, inputs, l.Output, l.Parameters,
				m.Graph.LayerWork(i).MACs, row)
			if wrong++; wrong == 3 {
				t.FailNow()
			}
		}
		previous = i
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

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func readTable(t testing.TB, path string) []map[string]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(readFile(t, path))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var table []map[string]string
	for _, r := range rows[1:] {
		row := map[string]string{}
		for i, cell := range r {
			row[rows[0][i]] = cell
		}
		table = append(table, row)
	}
	return table
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
