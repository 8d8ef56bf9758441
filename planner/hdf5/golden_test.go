package hdf5_test

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/hdf5"
)

// golden is what h5py says about a file: every attribute by "path@name", and every dataset with checksums of its bytes as
// stored and converted.
type golden struct {
	Attrs  map[string]any           `json:"attrs"`
	Groups []string                 `json:"groups"`
	Dsets  map[string]goldenDataset `json:"dsets"`
}

type goldenDataset struct {
	Null   bool    `json:"null"`
	Shape  []int64 `json:"shape"`
	DType  string  `json:"dtype"`
	Offset *int64  `json:"offset"`
	Raw    *uint32 `json:"crc_raw"`
	LE     *uint32 `json:"crc_le"`
	F32    *uint32 `json:"crc_f32"`
}

func readGolden(t testing.TB, path string) map[string]golden {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]golden
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// open opens a file for the length of a test.
func open(t testing.TB, path string) *hdf5.File {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	info, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err := hdf5.Open(r, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGolden(t *testing.T) {
	manifest := fixture.Shared(t, "models", "hdf5", "manifest.json")
	for name, want := range readGolden(t, manifest) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			compare(t, open(t, filepath.Join(filepath.Dir(manifest), name)), want)
		})
	}
}

// TestGoldenOwn reads the files of testdata: every kind of chunk index, and objects that Keras does not write.
func TestGoldenOwn(t *testing.T) {
	dir := "testdata"
	if large := os.Getenv("PARTITA_HDF5_GOLDEN"); large != "" {
		dir = large // where make.py was run to make larger files
	}
	for name, want := range readGolden(t, filepath.Join(dir, "manifest.json")) {
		t.Run(name, func(t *testing.T) { compare(t, open(t, filepath.Join(dir, name)), want) })
	}
}

// compare reads everything in a file and compares it with what h5py found.
func compare(t *testing.T, f *hdf5.File, want golden) {
	attrs := map[string]any{}
	keep := func(path string, all []hdf5.Attr, err error) {
		if err != nil {
			t.Error(err)
		}
		for _, a := range all {
			attrs[strings.TrimSuffix(path, "/")+"@"+a.Name] = attrValue(t, a)
		}
	}
	root := f.Root()
	all, err := root.Attrs()
	keep("/", all, err)
	var groups, datasets []string
	err = root.Walk(func(path string, g *hdf5.Group, d *hdf5.Dataset) error {
		if g != nil {
			groups = append(groups, path)
			all, err := g.Attrs()
			keep(path, all, err)
			return nil
		}
		datasets = append(datasets, path)
		all, err := d.Attrs()
		keep(path, all, err)
		expected, ok := want.Dsets[path]
		if !ok {
			t.Errorf("%s: h5py does not see it", path)
			return nil
		}
		t.Run(strings.ReplaceAll(path, "/", "|"), func(t *testing.T) { compareDataset(t, d, expected) })
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for key, value := range want.Attrs {
		if got, ok := attrs[key]; !ok {
			t.Errorf("%s is missing", key)
		} else if !same(got, value) {
			t.Errorf("%s = %.100v, want %.100v", key, got, value)
		}
	}
	if len(attrs) != len(want.Attrs) {
		t.Errorf("%d attributes, want %d", len(attrs), len(want.Attrs))
	}
	if len(datasets) != len(want.Dsets) {
		t.Errorf("%d datasets, want %d", len(datasets), len(want.Dsets))
	}
	slices.Sort(groups)
	wantGroups := slices.Clone(want.Groups)
	slices.Sort(wantGroups)
	if !slices.Equal(groups, wantGroups) {
		t.Errorf("groups %v, want %v", groups, wantGroups)
	}
}

// attrValue gives an attribute in the form the manifest has it: text, number, or a list of them.
func attrValue(t *testing.T, a hdf5.Attr) any {
	text, errText := a.Strings()
	if len(a.Shape) == 0 && errText == nil {
		one, err := a.Text()
		if err != nil {
			t.Error(err)
		}
		return one
	}
	list := []any{}
	if errText == nil {
		for _, s := range text {
			list = append(list, s)
		}
		return list
	}
	numbers, err := a.Float64s()
	if err != nil {
		t.Errorf("%s is neither text nor numbers: %v; %v", a.Name, errText, err)
	}
	if len(a.Shape) == 0 && len(numbers) == 1 {
		return numbers[0]
	}
	for _, n := range numbers {
		list = append(list, n)
	}
	return list
}

func same(got, want any) bool {
	w, isList := want.([]any)
	g, gotList := got.([]any)
	if !isList || !gotList {
		return !isList && !gotList && got == want
	}
	return slices.Equal(g, w)
}

func compareDataset(t *testing.T, d *hdf5.Dataset, want goldenDataset) {
	if want.Null {
		if d.Elements() != 0 {
			t.Errorf("%d elements, want a null dataspace", d.Elements())
		}
		return
	}
	if !slices.Equal(d.Shape(), want.Shape) {
		t.Fatalf("shape %v, want %v", d.Shape(), want.Shape)
	}
	offset, contiguous := d.Offset()
	if contiguous != (want.Offset != nil) || (contiguous && offset != *want.Offset) {
		t.Errorf("offset %d %v, want %v", offset, contiguous, want.Offset)
	}
	if want.DType == "|O" || strings.HasPrefix(want.DType, "|S") {
		text, err := d.Strings()
		if err != nil {
			t.Fatal(err)
		}
		if got := crc32.ChecksumIEEE([]byte(strings.Join(text, ""))); got != *want.Raw {
			t.Errorf("text %q has checksum %d, want %d", text, got, *want.Raw)
		}
		return
	}
	size := d.Type().Size
	if name := filepath.Base(d.Path()); strings.HasPrefix(name, "lzf") || name == "scaleoff" {
		if code := diag.CodeOf(d.Readable()); code != "hdf5.unsupported" {
			t.Errorf("a filter that is not supported gives %q", code)
		}
		if err := d.ReadRaw(make([]byte, size), 0); diag.CodeOf(err) != "hdf5.unsupported" {
			t.Errorf("reading through a filter that is not supported gives %v", err)
		}
		return
	}
	for _, step := range []int64{d.Elements(), 1000, 7} { // whole, and in windows
		if step == 7 && d.Elements() > 1<<14 || step == 0 {
			continue
		}
		raw, values := crc32.NewIEEE(), crc32.NewIEEE()
		for at := int64(0); at < d.Elements(); at += step {
			n := min(step, d.Elements()-at)
			buf := make([]byte, n*int64(size))
			if err := d.ReadRaw(buf, at); err != nil {
				t.Fatal(err)
			}
			raw.Write(buf)
			if want.F32 != nil {
				floats := make([]float32, n)
				if err := d.ReadFloat32s(floats, at); err != nil {
					t.Fatal(err)
				}
				for _, x := range floats {
					values.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
				}
			}
		}
		if raw.Sum32() != *want.Raw {
			t.Errorf("in steps of %d: checksum of the bytes %d, want %d", step, raw.Sum32(), *want.Raw)
		}
		if want.F32 != nil && values.Sum32() != *want.F32 {
			t.Errorf("in steps of %d: checksum of the values as float32 %d, want %d", step, values.Sum32(), *want.F32)
		}
	}
	if err := d.ReadRaw(make([]byte, size), d.Elements()); err == nil {
		t.Error("an element after the last can be read")
	}
}
