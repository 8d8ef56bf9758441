//go:build libhdf5 && linux

package libhdf5_test

import (
	"archive/zip"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/server/libhdf5"
)

func TestMain(m *testing.M) {
	libhdf5.RunWorker()
	os.Exit(m.Run())
}

// both opens a file with both readers.
func both(t *testing.T, path string) (ours, theirs *hdf5.File) {
	t.Helper()
	f, size := openFile(t, path)
	ours, err := hdf5.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = libhdf5.Reader{}.Open(t.Context(), f, size)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func openFile(t testing.TB, path string) (*os.File, int64) {
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
	return f, info.Size()
}

// TestReadersAgree compares everything that the two readers find in every valid file of the test data.
func TestReadersAgree(t *testing.T) {
	models := fixture.Shared(t, "models")
	var paths []string
	err := filepath.WalkDir(models, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && entry.Name() == "damaged" {
				return filepath.SkipDir
			}
			return err
		}
		name := entry.Name()
		if (strings.HasSuffix(name, ".h5") || strings.HasSuffix(name, ".h5.gz") || strings.HasSuffix(name, ".keras")) && !strings.HasPrefix(name, "hostile_") {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob(filepath.Join(fixture.Root(), "planner", "hdf5", "testdata", "*.h5"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 50 || len(own) < 3 {
		t.Fatalf("only %d and %d files", len(paths), len(own))
	}
	elements, exotics := int64(0), 0
	sums := checksums(t, models)
	for _, path := range append(paths, own...) {
		name, err := filepath.Rel(models, path)
		if err != nil || strings.HasPrefix(name, "..") {
			name = filepath.Base(path)
		}
		t.Run(name, func(t *testing.T) {
			ours, theirs := both(t, unpacked(t, path))
			c := comparison{t, sums[name], &elements, &exotics}
			c.attributes("/", ours.Root().Attrs, theirs.Root().Attrs)
			c.groups(ours.Root(), theirs.Root(), 0)
		})
	}
	if exotics < 6 {
		t.Errorf("only %d datasets were read that our reader does not support", exotics)
	}
	t.Logf("%d elements in %d files", elements, len(paths)+len(own))
}

// unpacked gives the path of the HDF5 file that a file is or holds.
func unpacked(t *testing.T, path string) string {
	var from io.Reader
	switch {
	case strings.HasSuffix(path, ".gz"):
		f, _ := openFile(t, path)
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		from = z
	case strings.HasSuffix(path, ".keras"):
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		f, err := z.Open("model.weights.h5")
		if err != nil {
			t.Fatal(err)
		}
		from = f
	default:
		return path
	}
	to, err := os.Create(filepath.Join(t.TempDir(), "weights.h5"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	return to.Name()
}

type comparison struct {
	*testing.T
	checksums map[string]uint32
	elements  *int64
	exotics   *int
}

func (c comparison) groups(ours, theirs *hdf5.Group, depth int) {
	names := ours.Names()
	if !slices.Equal(names, theirs.Names()) {
		c.Errorf("%s holds %q, and libhdf5 finds %q", ours.Path(), names, theirs.Names())
		return
	}
	if depth > 64 {
		c.Fatal("too deep")
	}
	for _, name := range names {
		sub, err := ours.Group(name)
		if err == nil {
			other, err := theirs.Group(name)
			if err != nil {
				c.Error(err)
				continue
			}
			c.attributes(sub.Path(), sub.Attrs, other.Attrs)
			c.groups(sub, other, depth+1)
			continue
		}
		d, err := ours.Dataset(name)
		if diag.CodeOf(err) == "hdf5.type" { // a committed datatype
			if _, err := theirs.Dataset(name); diag.CodeOf(err) != "hdf5.type" {
				c.Errorf("%s is no dataset, and libhdf5 says %v", name, err)
			}
			continue
		}
		if err != nil {
			c.Error(err)
			continue
		}
		other, err := theirs.Dataset(name)
		if err != nil {
			c.Error(err)
			continue
		}
		c.attributes(d.Path(), d.Attrs, other.Attrs)
		c.datasets(d, other)
	}
}

func (c comparison) attributes(path string, ours, theirs func() ([]hdf5.Attr, error)) {
	a, err := ours()
	if err != nil {
		c.Error(err)
		return
	}
	b, err := theirs()
	if err != nil || len(a) != len(b) {
		c.Errorf("%s has %d attributes, and libhdf5 finds %d (%v)", path, len(a), len(b), err)
		return
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Type != b[i].Type || !slices.Equal(a[i].Shape, b[i].Shape) {
			c.Errorf("%s@%s is %v %v, and libhdf5 says %q %v %v", path, a[i].Name, a[i].Type, a[i].Shape, b[i].Name, b[i].Type, b[i].Shape)
			continue
		}
		texts, err := a[i].Strings()
		otherTexts, otherErr := b[i].Strings()
		if !slices.Equal(texts, otherTexts) || diag.CodeOf(err) != diag.CodeOf(otherErr) {
			c.Errorf("%s@%s is %.100q (%v), and libhdf5 says %.100q (%v)", path, a[i].Name, texts, err, otherTexts, otherErr)
		}
		numbers, err := a[i].Float64s()
		otherNumbers, otherErr := b[i].Float64s()
		if !slices.Equal(numbers, otherNumbers) || diag.CodeOf(err) != diag.CodeOf(otherErr) {
			c.Errorf("%s@%s is %v (%v), and libhdf5 says %v (%v)", path, a[i].Name, numbers, err, otherNumbers, otherErr)
		}
		integers, err := a[i].Int64s()
		otherIntegers, otherErr := b[i].Int64s()
		if !slices.Equal(integers, otherIntegers) || diag.CodeOf(err) != diag.CodeOf(otherErr) {
			c.Errorf("%s@%s is %v (%v), and libhdf5 says %v (%v)", path, a[i].Name, integers, err, otherIntegers, otherErr)
		}
	}
}

func (c comparison) datasets(ours, theirs *hdf5.Dataset) {
	path := ours.Path()
	if ours.Type() != theirs.Type() || !slices.Equal(ours.Shape(), theirs.Shape()) || ours.Elements() != theirs.Elements() {
		c.Errorf("%s is %v %v, and libhdf5 says %v %v", path, ours.Type(), ours.Shape(), theirs.Type(), theirs.Shape())
		return
	}
	at, inPlace := ours.Offset()
	otherAt, otherInPlace := theirs.Offset()
	if at != otherAt || inPlace != otherInPlace {
		c.Errorf("%s is at %d %v, and libhdf5 says %d %v", path, at, inPlace, otherAt, otherInPlace)
	}
	if err := ours.Readable(); diag.CodeOf(err) == "hdf5.unsupported" {
		c.exotic(theirs)
		return
	} else if otherErr := theirs.Readable(); diag.CodeOf(err) != diag.CodeOf(otherErr) {
		c.Errorf("%s: %v, and libhdf5 says %v", path, err, otherErr)
		return
	} else if err != nil {
		return
	}
	n := ours.Elements()
	*c.elements += n
	if ours.Type().VarString {
		texts, err := ours.Strings()
		otherTexts, otherErr := theirs.Strings()
		if err != nil || otherErr != nil || !slices.Equal(texts, otherTexts) {
			c.Errorf("%s is %.100q (%v), and libhdf5 says %.100q (%v)", path, texts, err, otherTexts, otherErr)
		}
		return
	}
	raw, otherRaw := make([]byte, n*int64(ours.Type().Size)), make([]byte, n*int64(ours.Type().Size))
	if err, otherErr := ours.ReadRaw(raw, 0), theirs.ReadRaw(otherRaw, 0); err != nil || otherErr != nil || !slices.Equal(raw, otherRaw) {
		c.Errorf("%s: the bytes differ (%v; libhdf5: %v)", path, err, otherErr)
	}
	values, otherValues := make([]float32, n), make([]float32, n)
	err, otherErr := ours.ReadFloat32s(values, 0), theirs.ReadFloat32s(otherValues, 0)
	if diag.CodeOf(err) != diag.CodeOf(otherErr) || err == nil && !sameBits(values, otherValues) {
		c.Errorf("%s: the values differ (%v; libhdf5: %v)", path, err, otherErr)
	}
	if err != nil || n == 0 {
		return
	}
	// Windows that begin and end within rows.
	window := min(n, 1+n/3)
	for _, from := range []int64{0, (n - window) / 2, n - window} {
		part := make([]float32, window)
		if err := theirs.ReadFloat32s(part, from); err != nil || !sameBits(part, values[from:from+window]) {
			c.Errorf("%s: libhdf5's %d elements from %d on differ (%v)", path, window, from, err)
		}
	}
	if err := theirs.ReadFloat32s(make([]float32, 1), n); diag.CodeOf(err) != "hdf5.range" {
		c.Errorf("%s: an element after the last gives %v", path, err)
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
	})
}

// exotic checks a dataset that only libhdf5 reads against what h5py, which has LZF of its own, reads there.
func (c comparison) exotic(theirs *hdf5.Dataset) {
	want, ok := c.checksums[theirs.Path()]
	if !ok {
		c.Errorf("%s: neither our reader nor h5py reads it", theirs.Path())
		return
	}
	values := make([]float32, theirs.Elements())
	if err := theirs.ReadFloat32s(values, 0); err != nil {
		c.Error(err)
		return
	}
	sum := crc32.NewIEEE()
	for _, x := range values {
		sum.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
	}
	if sum.Sum32() != want {
		c.Errorf("%s: the values have checksum %d, h5py's %d", theirs.Path(), sum.Sum32(), want)
	}
	*c.exotics++
}

// checksums gives the CRC-32 of the values, as little-endian float32, of every dataset of a file of the shared test data.
func checksums(t *testing.T, models string) map[string]map[string]uint32 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(models, "hdf5", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]struct {
		Dsets map[string]struct {
			F32 *uint32 `json:"crc_f32"`
		} `json:"dsets"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]uint32{}
	for file, m := range manifest {
		sums := map[string]uint32{}
		for path, d := range m.Dsets {
			if d.F32 != nil {
				sums[path] = *d.F32
			}
		}
		all[filepath.Join("hdf5", file)] = sums
	}
	return all
}
