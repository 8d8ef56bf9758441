package hdf5write_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/planner/hdf5write"
)

// ramp fills a dataset with start, start+1, ... and checks that it is asked in order.
func ramp(t *testing.T, start float32) hdf5write.Fill {
	expected := int64(0)
	return func(dst []float32, offset int64) error {
		if offset != expected {
			t.Errorf("asked for elements from %d on, want %d", offset, expected)
		}
		for i := range dst {
			dst[i] = start + float32(offset+int64(i))
		}
		expected += int64(len(dst))
		return nil
	}
}

func write(t *testing.T, g *hdf5write.Group) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := g.Write(&b); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != g.Size() {
		t.Fatalf("%d bytes written, %d announced", b.Len(), g.Size())
	}
	return b.Bytes()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, data []byte) *hdf5.File {
	t.Helper()
	f, err := hdf5.Open(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	return f
}

// TestShapes writes datasets of many shapes, the largest of several buffers, and reads them back.
func TestShapes(t *testing.T) {
	shapes := map[string][]int64{
		"scalar": {}, "one": {1}, "odd": {7}, "matrix": {3, 5}, "kernel": {3, 3, 16, 8}, "none": {0, 4}, "deep/er/one": {2}, "large": {3, 70001}, "ünï": {2},
	}
	root := hdf5write.NewGroup()
	for name, shape := range shapes {
		must(t, root.Dataset(name, shape, ramp(t, 1)))
	}
	data := write(t, root)
	f := read(t, data)
	for name, shape := range shapes {
		d, err := f.Dataset(name)
		must(t, err)
		if !slices.Equal([]int64(d.Shape()), shape) {
			t.Errorf("%s has the shape %v, want %v", name, d.Shape(), shape)
		}
		n := int64(1)
		for _, dim := range shape {
			n *= dim
		}
		got := make([]float32, n)
		must(t, d.ReadFloat32s(got, 0))
		for i := range got {
			if got[i] != float32(1+i) {
				t.Fatalf("%s: element %d is %g", name, i, got[i])
			}
		}
	}
	dump := h5dump(t, data, "-d", "/deep/er/one", "-d", "/odd", "-d", "/scalar")
	for _, want := range []string{"(0): 1, 2, 3, 4, 5, 6, 7", "H5T_IEEE_F32LE", "SCALAR"} {
		if !strings.Contains(dump, want) {
			t.Errorf("h5dump does not show %q:\n%s", want, dump)
		}
	}
	if dump := h5dump(t, data); !strings.Contains(dump, "210003") || !strings.Contains(dump, "( 0, 4 )") {
		t.Errorf("h5dump of the whole:\n%.3000s", dump)
	}
}

// TestManyObjects writes groups of up to three levels of B-tree and finds every object again, by our reader and by libhdf5.
func TestManyObjects(t *testing.T) {
	for _, count := range []int{0, 1, 8, 9, 256, 257, 1041, 8192, 8193, 9000} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			root := hdf5write.NewGroup()
			for i := range count {
				must(t, root.Dataset(fmt.Sprintf("layer_%d", i), []int64{1}, ramp(t, float32(i))))
			}
			data := write(t, root)
			f := read(t, data)
			if got := len(f.Root().Names()); got != count {
				t.Fatalf("%d of %d objects are listed", got, count)
			}
			for i := range count {
				d, err := f.Dataset(fmt.Sprintf("layer_%d", i))
				must(t, err)
				var x [1]float32
				must(t, d.ReadFloat32s(x[:], 0))
				if x[0] != float32(i) {
					t.Fatalf("object %d of %d holds %g", i, count, x[0])
				}
			}
			if count == 0 {
				h5dump(t, data)
				return
			}
			var args []string // looked up by name, each through the B-tree
			for i := 0; i < count; i += max(1, count/100) {
				args = append(args, "-d", fmt.Sprintf("/layer_%d", i))
			}
			dump := h5dump(t, data, args...)
			if got := strings.Count(dump, "DATASET"); got != len(args)/2 {
				t.Errorf("h5dump finds %d of %d objects among %d", got, len(args)/2, count)
			}
		})
	}
}

func TestAttributes(t *testing.T) {
	root := hdf5write.NewGroup()
	must(t, root.SetText("keras_version", "3.5.0"))
	must(t, root.SetText("empty", ""))
	names := []string{"conv1", "a much longer name", "ünï"}
	must(t, root.SetTexts("layer_names", names))
	must(t, root.SetTexts("none", nil))
	var long []string
	for i := range 9000 {
		long = append(long, fmt.Sprintf("batch_normalization_%d", i))
	}
	inner, err := root.Group("inner")
	must(t, err)
	must(t, inner.SetTexts("weight_names", long))
	data := write(t, root)
	f := read(t, data)
	for name, want := range map[string][]string{"keras_version": {"3.5.0"}, "empty": {""}, "layer_names": names} {
		a, ok, err := f.Root().Attr(name)
		if err != nil || !ok {
			t.Fatalf("%s: %v %v", name, ok, err)
		}
		got, err := a.Strings()
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if a, ok, err := f.Root().Attr("none"); err != nil || !ok {
		t.Errorf("an empty list: %v %v", ok, err)
	} else if got, err := a.Strings(); err != nil || len(got) != 0 {
		t.Errorf("an empty list reads as %q, %v", got, err)
	}
	in, err := f.Group("inner")
	must(t, err)
	if _, whole, _ := in.Attr("weight_names"); whole {
		t.Error("a list that is too long for one attribute was not cut")
	}
	var joined []string
	for i := 0; ; i++ {
		a, ok, err := in.Attr(fmt.Sprintf("weight_names%d", i))
		must(t, err)
		if !ok {
			break
		}
		part, err := a.Strings()
		must(t, err)
		joined = append(joined, part...)
	}
	if !slices.Equal(joined, long) {
		t.Errorf("the parts of a long list hold %d names, want %d", len(joined), len(long))
	}
	dump := h5dump(t, data, "-a", "/keras_version", "-a", "/layer_names", "-a", "/none", "-a", "/inner/weight_names2")
	for _, want := range []string{`"3.5.0"`, `a much longer name`, "( 0 ) / ( 0 )", "STRSIZE 5", "batch_normalization_7"} {
		if !strings.Contains(dump, want) {
			t.Errorf("h5dump does not show %q:\n%.3000s", want, dump)
		}
	}
}

func TestRefused(t *testing.T) {
	root := hdf5write.NewGroup()
	must(t, root.Dataset("a/b", []int64{1}, ramp(t, 0)))
	must(t, root.SetText("set", "once"))
	one := func(err error) error { return err }
	_, notAGroup := root.Group("a/b/c")
	for what, err := range map[string]error{
		"twice":            one(root.Dataset("a/b", []int64{1}, nil)),
		"a group's name":   one(root.Dataset("a", []int64{1}, nil)),
		"no name":          one(root.Dataset("a//b", []int64{1}, nil)),
		"dot":              one(root.Dataset(".", []int64{1}, nil)),
		"below a dataset":  notAGroup,
		"negative":         one(root.Dataset("n", []int64{-1}, nil)),
		"overflow":         one(root.Dataset("o", []int64{1 << 30, 1 << 30, 1 << 30}, nil)),
		"rank":             one(root.Dataset("r", make([]int64, 33), nil)),
		"attribute twice":  one(root.SetText("set", "again")),
		"attribute length": one(root.SetText("long", strings.Repeat("x", 1<<16))),
		"list":             one(root.SetTexts("long", []string{strings.Repeat("x", 1<<16)})),
	} {
		if diag.CodeOf(err) != "hdf5write.unwritable" {
			t.Errorf("%s: got %v, want code hdf5write.unwritable", what, err)
		}
	}
	failure := errors.New("no more numbers")
	must(t, root.Dataset("fails", []int64{5}, func([]float32, int64) error { return failure }))
	if err := root.Write(&bytes.Buffer{}); !errors.Is(err, failure) {
		t.Errorf("got %v, want the error of the numbers' source", err)
	}
	if err := root.Write(full{}); err == nil {
		t.Error("a full disk goes unnoticed")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// h5dump shows a file as libhdf5's own tool sees it. Where the tool is not installed the rest of the test is left out.
func h5dump(t *testing.T, data []byte, args ...string) string {
	t.Helper()
	tool := fixture.Tool(t, "h5dump", "that libhdf5's own tool reads what is written", "make test-tools, or sudo apt-get install hdf5-tools")
	path := filepath.Join(t.TempDir(), "written.h5")
	must(t, os.WriteFile(path, data, 0o600))
	out, err := exec.Command(tool, append(args, path)...).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("error")) {
		t.Fatalf("h5dump %v: %v\n%.2000s", args, err, out)
	}
	return string(out)
}

func BenchmarkWrite(b *testing.B) {
	root := hdf5write.NewGroup()
	const elements = 16 << 20
	err := root.Dataset("x", []int64{elements}, func(dst []float32, _ int64) error { clear(dst); return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 * elements)
	for b.Loop() {
		if err := root.Write(discard{}); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
