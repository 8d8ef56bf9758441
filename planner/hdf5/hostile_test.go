package hdf5_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/hdf5"
)

// enough ends an exploration that has seen what it came for.
var enough = errors.New("enough")

// explore uses everything a file offers, up to some amount, and gives the codes of all errors. It fails the test on an
// error without a code.
func explore(t testing.TB, data []byte, trusting bool) map[string]int {
	codes := map[string]int{}
	note := func(err error) {
		if err == nil || errors.Is(err, enough) {
			return
		}
		e := diag.As(err)
		if e == nil || !strings.HasPrefix(e.Code, "hdf5.") || e.Doing == "" || e.Found == "" {
			t.Errorf("an error that does not say what it should: %#v", err)
			return
		}
		codes[e.Code]++
	}
	f, err := hdf5.OpenTrusting(bytes.NewReader(data), int64(len(data)), trusting)
	if err != nil {
		note(err)
		return codes
	}
	attributes := func(all []hdf5.Attr, err error) {
		note(err)
		for _, a := range all {
			if a.Type.Format != hdf5.NoNumber {
				_, err = a.Float64s()
				note(err)
				if a.Type.Format < hdf5.Float16 {
					_, err = a.Int64s()
					note(err)
				}
			} else {
				all, err := a.Strings()
				note(err)
				if len(all) == 1 {
					_, err = a.Text()
					note(err)
				}
			}
		}
	}
	attributes(f.Root().Attrs())
	budget := int64(1 << 20) // elements
	window := make([]float32, 64<<10)
	note(f.Root().Walk(func(path string, g *hdf5.Group, d *hdf5.Dataset) error {
		if g != nil {
			attributes(g.Attrs())
			return nil
		}
		attributes(d.Attrs())
		if d.Type().Format == hdf5.NoNumber {
			_, err := d.Strings()
			note(err)
		}
		note(d.Readable())
		for at := int64(0); at < d.Elements() && budget > 0; {
			n := min(d.Elements()-at, int64(len(window)))
			budget -= n
			if err := d.ReadFloat32s(window[:n], at); err != nil {
				note(err)
				break
			}
			at += n
		}
		if budget <= 0 {
			return enough
		}
		return nil
	}))
	return codes
}

// bounded runs explore under limits of time and memory that any machine keeps.
func bounded(t *testing.T, name string, data []byte) map[string]int {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	codes := explore(t, data, false)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%s took %v", name, took)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<30 {
		t.Errorf("%s made %d MB of garbage", name, got>>20)
	}
	return codes
}

// TestHostile reads valid files made to lead readers astray.
func TestHostile(t *testing.T) {
	want := map[string]string{ // the code that must be among those seen; "" none at all
		"hostile_cycle_earliest.h5":     "",
		"hostile_cycle_latest.h5":       "",
		"hostile_dag_earliest.h5":       "",
		"hostile_dag_latest.h5":         "",
		"hostile_deep.h5":               "hdf5.limit",
		"hostile_external_storage.h5":   "hdf5.external",
		"hostile_extlink.h5":            "",
		"hostile_gzbomb.h5":             "hdf5.limit",
		"hostile_hugeshape_earliest.h5": "hdf5.limit",
		"hostile_hugeshape_latest.h5":   "hdf5.limit",
		"hostile_vds.h5":                "hdf5.external",
	}
	dir := fixture.Shared(t, "models", "hdf5", "files")
	for name, code := range want {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			codes := bounded(t, name, data)
			if code == "" && len(codes) > 0 || code != "" && codes[code] == 0 {
				t.Errorf("codes %v, want %q", codes, code)
			}
		})
	}
}

// TestLinksAreNotFollowed asks for what lies behind links into another file and to another place in this one.
func TestLinksAreNotFollowed(t *testing.T) {
	f := open(t, fixture.Shared(t, "models", "hdf5", "files", "hostile_extlink.h5"))
	in, err := f.Group("model_weights")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ext", "soft"} {
		if slices.Contains(in.Names(), name) || in.Has(name) {
			t.Errorf("%s is listed", name)
		}
		if _, err := f.Dataset("/model_weights/" + name + "/conv1/kernel:0"); diag.CodeOf(err) != "hdf5.external" {
			t.Errorf("behind %s: %v", name, err)
		}
	}
	if _, err := f.Dataset("/model_weights/none"); diag.CodeOf(err) != "hdf5.not-found" {
		t.Errorf("what does not exist: %v", err)
	}
	if _, err := f.Dataset("/model_weights"); diag.CodeOf(err) != "hdf5.type" {
		t.Errorf("a group as a dataset: %v", err)
	}
	if _, err := f.Group("/model_weights/conv1/conv1/kernel:0"); diag.CodeOf(err) != "hdf5.type" {
		t.Errorf("a dataset as a group: %v", err)
	}
}

// TestDamaged reads files that crash other readers.
func TestDamaged(t *testing.T) {
	dir := fixture.Shared(t, "models", "hdf5", "damaged")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v", e.Name(), bounded(t, e.Name(), data))
	}
}

// TestTruncated cuts files at many places: every prefix is refused when it is opened.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"k2_full.h5", "k2_latest.h5", "k2_gzip.h5", "h5wasm_written.h5"} {
		data, err := os.ReadFile(fixture.Shared(t, "models", "hdf5", "files", name))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(data); n += 1 + n/200 {
			_, err := hdf5.Open(bytes.NewReader(data[:n]), int64(n))
			if e := diag.As(err); e == nil || e.Kind != diag.Invalid {
				t.Errorf("%s cut at %d of %d: %v", name, n, len(data), err)
			}
			// The size may be a lie, as when a file shrinks while it is read.
			f, err := hdf5.Open(bytes.NewReader(data[:n]), int64(len(data)))
			if err == nil {
				err = f.Root().Walk(func(_ string, _ *hdf5.Group, d *hdf5.Dataset) error {
					if d == nil || d.Type().Format == hdf5.NoNumber {
						return nil
					}
					return d.ReadFloat32s(make([]float32, d.Elements()), 0)
				})
			}
			if err != nil && diag.As(err) == nil {
				t.Errorf("%s cut at %d behind its size: %v", name, n, err)
			}
		}
	}
}

// TestChangedBytes changes single bytes of the metadata in many places.
func TestChangedBytes(t *testing.T) {
	for _, name := range []string{"k2_full.h5", "k2_latest_denseattr.h5", "k2_gzip.h5", "model.weights.h5"} {
		data, err := os.ReadFile(fixture.Shared(t, "models", "hdf5", "files", name))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data); at += 149 {
			was := data[at]
			for _, now := range []byte{0, 0xff, was ^ 0x80, was + 1} {
				data[at] = now
				explore(t, data, false)
				explore(t, data, true)
			}
			data[at] = was
		}
	}
}

// failing is a file whose disk may go away.
type failing struct {
	io.ReaderAt
	gone bool
}

var errGone = errors.New("the disk is gone")

func (r *failing) ReadAt(p []byte, off int64) (int, error) {
	if r.gone {
		return 0, errGone
	}
	return r.ReaderAt.ReadAt(p, off)
}

// TestReadErrors passes the reader's own errors on.
func TestReadErrors(t *testing.T) {
	data, err := os.ReadFile(fixture.Shared(t, "models", "hdf5", "files", "k2_bigcfg_vlen.h5"))
	if err != nil {
		t.Fatal(err)
	}
	r := &failing{bytes.NewReader(data), true}
	_, err = hdf5.Open(r, int64(len(data)))
	if diag.CodeOf(err) != "hdf5.read" || !errors.Is(err, errGone) {
		t.Errorf("opening gives %v", err)
	}
	r.gone = false
	f, err := hdf5.Open(r, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	a, ok, err := f.Root().Attr("model_config")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	r.gone = true
	if _, err = a.Text(); diag.CodeOf(err) != "hdf5.read" || !errors.Is(err, errGone) {
		t.Errorf("reading gives %v", err)
	}
}
