package synthetic_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/diag"
	"partita/planner/keras"
	"partita/planner/load"
	"partita/planner/synthetic"
)

// TestRealModels writes weights for every architecture of the test models, which have the tensors of layers of all kinds,
// and binds them.
func TestRealModels(t *testing.T) {
	root := fixture.Shared(t, "models")
	files, err := filepath.Glob(filepath.Join(root, "*", "model.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models: %v", err)
	}
	tried := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := load.Open(load.File{Name: "model.json", Size: int64(len(data)), Reader: bytes.NewReader(data)})
		if err != nil || len(m.StoredLayers()) == 0 {
			continue // what is not supported is no matter here
		}
		tried++
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) { check(t, m) })
	}
	if tried < 8 {
		t.Errorf("only %d models of %d open", tried, len(files))
	}
}

func TestGallery(t *testing.T) {
	for _, name := range []string{"MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "NASNetMobile"} {
		m := models.Zoo(t, name)
		t.Run(name, func(t *testing.T) { check(t, m) })
	}
}

// check writes weights, reads them back, and looks at every number.
func check(t *testing.T, m *load.Model) {
	t.Helper()
	var file, again bytes.Buffer
	for _, b := range []*bytes.Buffer{&file, &again} {
		if err := synthetic.Write(b, m); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(file.Bytes(), again.Bytes()) {
		t.Error("two runs give two files")
	}
	if size, err := synthetic.Size(m); err != nil || size != int64(file.Len()) {
		t.Errorf("%d bytes announced (%v), %d written", size, err, file.Len())
	}
	source, err := m.Weights(load.File{Name: "w.h5", Size: int64(file.Len()), Reader: bytes.NewReader(file.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.StoredLayers() {
		for _, w := range l.Weights {
			tensor, err := source.Tensor(w.Key)
			if err != nil {
				t.Fatal(err)
			}
			numbers := make([]float32, w.Shape.Elements(1))
			if err := tensor.ReadFloat32s(numbers, 0); err != nil {
				t.Fatal(err)
			}
			plausible(t, w, numbers)
		}
	}
}

func plausible(t *testing.T, w keras.StoredWeight, numbers []float32) {
	t.Helper()
	sum, squares := 0.0, 0.0
	for _, x := range numbers {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Fatalf("%s holds %g", w.Key, x)
		}
		if strings.HasSuffix(w.Key, "variance") && x <= 0 || strings.HasSuffix(w.Key, "gamma") && (x < 0.5 || x > 1.5) {
			t.Fatalf("%s holds %g", w.Key, x)
		}
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	n := float64(len(numbers))
	mean, deviation := sum/n, math.Sqrt(max(0, squares/n-sum/n*sum/n))
	if len(w.Shape) >= 2 && n >= 1000 {
		// Normally distributed round zero, neither tiny nor huge.
		if math.Abs(mean) > 5*deviation/math.Sqrt(n) || deviation < 1e-4 || deviation > 10 {
			t.Errorf("%s (%s) has the mean %g and the deviation %g", w.Key, w.Shape, mean, deviation)
		}
	}
}

// TestKernelsDiffer makes sure that no two tensors hold the same numbers.
func TestKernelsDiffer(t *testing.T) {
	m := models.Zoo(t, "VGG16")
	counts := &counter{limit: 4 << 20}
	if err := synthetic.Write(counts, m); err != errFull {
		t.Fatalf("got %v, want the writer's own error", err)
	}
	seen := map[string]bool{}
	repeated := 0
	for i := 1 << 20; i+16 <= len(counts.data); i += 16 { // well behind the structure
		s := string(counts.data[i : i+16])
		if seen[s] {
			repeated++
		}
		seen[s] = true
	}
	if repeated > 0 {
		t.Errorf("%d times four numbers stand there again", repeated)
	}
}

type counter struct {
	data  []byte
	limit int
}

var errFull = diag.New(diag.Limit, "test.full", "", "full", "")

func (c *counter) Write(p []byte) (int, error) {
	c.data = append(c.data, p...)
	if len(c.data) > c.limit {
		return 0, errFull
	}
	return len(p), nil
}

func BenchmarkWrite(b *testing.B) {
	m := models.Zoo(b, "ResNet50")
	b.SetBytes(m.Graph.Parameters * 4)
	for b.Loop() {
		if err := synthetic.Write(nothing{}, m); err != nil {
			b.Fatal(err)
		}
	}
}

type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }
