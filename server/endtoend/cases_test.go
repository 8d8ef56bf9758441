package endtoend

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"partita/internal/fixture"
	"partita/runtime/npy"
)

// testCase is the case.json of a model in the shared test data.
type testCase struct {
	ID    string
	Files []struct{ File, Format, Compressed string }

	Inputs, Outputs []struct{ Name, File string }
	Tolerance       struct{ Atol, Rtol float64 }

	folder string
}

func readCase(t testing.TB, name string) *testCase {
	t.Helper()
	folder := fixture.Shared(t, "models", name)
	raw, err := os.ReadFile(filepath.Join(folder, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := &testCase{folder: folder}
	if err := json.Unmarshal(raw, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// job is one way to give the case's model: the file to plan and the file with the weights.
type job struct{ name, model, weights string }

// jobs lists every whole model of the case, and every weights file beside the JSON architecture.
func (c *testCase) jobs(t testing.TB) []job {
	t.Helper()
	var jobs []job
	var architecture string
	for _, f := range c.Files {
		if f.Format == "keras2-json" || f.Format == "keras3-json" {
			architecture = c.path(t, f.File, f.Compressed)
		}
	}
	for _, f := range c.Files {
		switch f.Format {
		case "keras-legacy-h5-whole", "keras2-h5-whole", "keras-v3-zip", "onnx", "tfjs-layers-model":
			path := c.path(t, f.File, f.Compressed)
			jobs = append(jobs, job{f.File, path, path})
		case "keras-v3-weights-h5", "keras-legacy-h5-weights", "keras2-h5-weights":
			jobs = append(jobs, job{f.File, architecture, c.path(t, f.File, f.Compressed)})
		}
	}
	if len(jobs) == 0 {
		t.Fatalf("%s has no file with weights", c.ID)
	}
	return jobs
}

// path gives a file of the case, unpacked for the length of the test when it is stored compressed.
func (c *testCase) path(t testing.TB, file, compressed string) string {
	t.Helper()
	path := filepath.Join(c.folder, file)
	if compressed == "" {
		return path
	}
	if compressed != "gz" {
		t.Fatalf("%s: unknown compression %q", file, compressed)
	}
	packed, err := os.Open(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpack, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), file))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, unpack); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

// inputs gives the case's inputs as the command line takes them.
func (c *testCase) inputs() []string {
	if len(c.Inputs) == 1 {
		return []string{filepath.Join(c.folder, c.Inputs[0].File)}
	}
	var args []string
	for _, in := range c.Inputs {
		args = append(args, in.Name+"="+filepath.Join(c.folder, in.File))
	}
	return args
}

// expected reads the case's k-th expected output.
func (c *testCase) expected(t testing.TB, k int) *npy.Array {
	t.Helper()
	return readArray(t, filepath.Join(c.folder, c.Outputs[k].File))
}

func readArray(t testing.TB, path string) *npy.Array {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	array, err := npy.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return array
}

// disagreement says where got is further from want than atol + rtol*|want|; "" when it nowhere is.
func disagreement(got, want *npy.Array, atol, rtol float64) string {
	if fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		return fmt.Sprintf("shape %v, want %v", got.Shape, want.Shape)
	}
	g, err := got.Convert("float64")
	if err != nil {
		return err.Error()
	}
	w, err := want.Convert("float64")
	if err != nil {
		return err.Error()
	}
	gotten, wanted := g.Float64s(), w.Float64s()
	if len(gotten) != len(wanted) || len(wanted) == 0 {
		return fmt.Sprintf("%d elements, want %d", len(gotten), len(wanted))
	}
	for i := range wanted {
		difference := math.Abs(gotten[i] - wanted[i])
		if !(difference <= atol+rtol*math.Abs(wanted[i])) { // also when NaN
			return fmt.Sprintf("element %d is %g, want %g", i, gotten[i], wanted[i])
		}
	}
	return ""
}

// TestDisagreementBites makes sure that the comparison that all cases rest on can fail.
func TestDisagreementBites(t *testing.T) {
	array := func(values ...float32) *npy.Array {
		raw := make([]byte, 0, 4*len(values))
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		return &npy.Array{DType: "float32", Shape: []int64{int64(len(values))}, Data: raw}
	}
	for _, c := range []struct {
		got, want *npy.Array
		agree     bool
	}{
		{array(1, 2), array(1, 2), true},
		{array(1, 2.001), array(1, 2), true},
		{array(1, 2.1), array(1, 2), false},
		{array(1, float32(math.NaN())), array(1, 2), false},
		{array(1), array(1, 2), false},
	} {
		if text := disagreement(c.got, c.want, 1e-5, 1e-3); (text == "") != c.agree {
			t.Errorf("%v against %v: %q", c.got, c.want, text)
		}
	}
}
