//go:build libhdf5 && linux

package libhdf5_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"partita/server/libhdf5"
)

// readAll reads everything in a file through the library, and gives the first error that is about the file as a whole, or
// about its process; those about single datasets go to each.
func readAll(f *hdf5.File, each func(path string, err error)) error {
	return f.Root().Walk(func(path string, _ *hdf5.Group, d *hdf5.Dataset) error {
		if d == nil {
			return nil
		}
		var err error
		switch n := d.Elements(); {
		case d.Readable() != nil:
			err = d.Readable()
		case d.Type().VarString:
			_, err = d.Strings()
		default:
			window := make([]byte, min(n, 1<<16)*int64(d.Type().Size))
			err = d.ReadRaw(window, n-min(n, 1<<16))
		}
		if strings.HasPrefix(diag.CodeOf(err), "hdf5.worker") {
			return err
		}
		each(path, err)
		return nil
	})
}

// TestCrash reads the files that end any process in which libhdf5 reads them.
func TestCrash(t *testing.T) {
	damaged := fixture.Shared(t, "models", "hdf5", "damaged")
	paths, err := filepath.Glob(filepath.Join(damaged, "segfaults_libhdf5_*"))
	if err != nil || len(paths) == 0 {
		t.Fatal("there are none", err)
	}
	crashes := 0
	for _, path := range paths {
		f, size := openFile(t, path)
		h, err := libhdf5.Reader{}.Open(t.Context(), f, size)
		if err == nil {
			err = readAll(h, func(string, error) {})
		}
		if code := diag.CodeOf(err); code == "hdf5.worker-crashed" {
			crashes++
			if e := diag.As(err); e.Doing == "" || !strings.Contains(e.Found, "crashed") || e.Fix == "" {
				t.Errorf("%s: %v", path, err)
			}
		} else if err != nil && !strings.HasPrefix(code, "hdf5.") {
			t.Errorf("%s: %v", path, err)
		}
		if h == nil {
			continue
		}
		// Whoever asks again gets the same answer at once.
		again := readAll(h, func(string, error) {})
		if diag.CodeOf(err) != diag.CodeOf(again) {
			t.Errorf("%s: first %v, then %v", path, err, again)
		}
	}
	version := libhdf5.Version()
	if strings.HasPrefix(version, "1.10.") && crashes == 0 { // later versions are said to be sounder
		t.Errorf("libhdf5 %s read all %d files", version, len(paths))
	}
	t.Logf("libhdf5 %s crashed on %d of %d files", version, crashes, len(paths))
}

// TestDamaged reads the other damaged files: whatever is found, there is an answer.
func TestDamaged(t *testing.T) {
	damaged := fixture.Shared(t, "models", "hdf5", "damaged")
	paths, err := filepath.Glob(filepath.Join(damaged, "panics_*"))
	if err != nil || len(paths) == 0 {
		t.Fatal("there are none", err)
	}
	for _, path := range paths {
		f, size := openFile(t, path)
		h, err := libhdf5.Reader{}.Open(t.Context(), f, size)
		if err == nil {
			err = readAll(h, func(string, error) {})
		}
		if err != nil && !strings.HasPrefix(diag.CodeOf(err), "hdf5.") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestHostile reads valid files that must be refused, or bounded, and never lead to another file.
func TestHostile(t *testing.T) {
	files := fixture.Shared(t, "models", "hdf5", "files")
	for name, want := range map[string]struct{ whole, dataset string }{
		"hostile_external_storage.h5":   {dataset: "hdf5.external"},
		"hostile_vds.h5":                {dataset: "hdf5.external"},
		"hostile_extlink.h5":            {},
		"hostile_cycle_earliest.h5":     {},
		"hostile_cycle_latest.h5":       {},
		"hostile_dag_earliest.h5":       {},
		"hostile_dag_latest.h5":         {},
		"hostile_deep.h5":               {whole: "hdf5.limit"},
		"hostile_hugeshape_earliest.h5": {dataset: "hdf5.limit"},
		"hostile_hugeshape_latest.h5":   {dataset: "hdf5.limit"},
		"hostile_gzbomb.h5":             {},
	} {
		t.Run(name, func(t *testing.T) {
			f, size := openFile(t, filepath.Join(files, name))
			h, err := libhdf5.Reader{}.Open(t.Context(), f, size)
			var codes []string
			if err == nil {
				err = readAll(h, func(_ string, err error) {
					if err != nil {
						codes = append(codes, diag.CodeOf(err))
					}
				})
			}
			if diag.CodeOf(err) != want.whole || want.dataset != "" && !slices.Contains(codes, want.dataset) || want.dataset == "" && len(codes) > 0 {
				t.Errorf("error %v, of datasets %q; want %+v", err, codes, want)
			}
		})
	}
}

// TestExternalLink follows a link to another file by name: there is nothing.
func TestExternalLink(t *testing.T) {
	f, size := openFile(t, filepath.Join(fixture.Shared(t, "models", "hdf5", "files"), "hostile_extlink.h5"))
	ours, err := hdf5.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := libhdf5.Reader{}.Open(t.Context(), f, size)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"model_weights/ext", "model_weights/soft"} {
		_, want := ours.Group(path)
		if _, err := theirs.Group(path); diag.CodeOf(err) != "hdf5.external" || diag.CodeOf(want) != "hdf5.external" {
			t.Errorf("%s: %v, and our reader says %v", path, err, want)
		}
	}
	compare := comparison{T: t, elements: new(int64), exotics: new(int)}
	compare.groups(ours.Root(), theirs.Root(), 0)
}

// TestLimits gives a worker too little.
func TestLimits(t *testing.T) {
	path := fixture.Shared(t, "models", "hdf5", "files", "compressed.h5")
	for _, l := range []struct {
		name   string
		limits libhdf5.Limits
		code   string
	}{
		{"memory", libhdf5.Limits{MemoryBytes: 1 << 10}, "hdf5.worker-crashed"},
		{"time", libhdf5.Limits{Answer: time.Microsecond}, "hdf5.worker-timeout"},
	} {
		f, size := openFile(t, path)
		_, err := libhdf5.Reader{Limits: l.limits}.Open(t.Context(), f, size)
		if diag.CodeOf(err) != l.code {
			t.Errorf("too little %s gives %v, want %s", l.name, err, l.code)
		}
	}
}

// TestCancelled ends the context under a reader.
func TestCancelled(t *testing.T) {
	f, size := openFile(t, fixture.Shared(t, "models", "hdf5", "files", "compressed.h5"))
	ctx, cancel := context.WithCancel(t.Context())
	h, err := libhdf5.Reader{}.Open(ctx, f, size)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	err = h.Root().Walk(func(_ string, _ *hdf5.Group, d *hdf5.Dataset) error {
		if d == nil {
			return nil
		}
		return d.ReadFloat32s(make([]float32, 1), 0)
	})
	if diag.CodeOf(err) != "hdf5.worker-cancelled" {
		t.Errorf("a cancelled reader gives %v", err)
	}
	if _, err := (libhdf5.Reader{}).Open(ctx, bytes.NewReader(make([]byte, 100)), 100); diag.CodeOf(err) != "hdf5.worker-cancelled" {
		t.Errorf("opening a file when all is cancelled gives %v", err)
	}
}

// TestAnyReaderAt reads a file that is only an io.ReaderAt, and leaves no copy behind.
func TestAnyReaderAt(t *testing.T) {
	data, err := os.ReadFile(fixture.Shared(t, "models", "hdf5", "files", "k2_full.h5"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	h, err := libhdf5.Reader{Folder: folder}.Open(t.Context(), bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if config, ok, err := h.Root().Attr("model_config"); err != nil || !ok {
		t.Error(ok, err)
	} else if text, err := config.Text(); err != nil || !strings.HasPrefix(text, "{") {
		t.Errorf("%.80q %v", text, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Error(entries, err)
	}
}

// TestNoDescriptorsLeft opens and ends many workers.
func TestNoDescriptorsLeft(t *testing.T) {
	path := fixture.Shared(t, "models", "hdf5", "files", "k2_full.h5")
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	f, size := openFile(t, path)
	before := descriptors()
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := (libhdf5.Reader{}).Open(ctx, f, size); err != nil {
			t.Error(err)
		}
		cancel()
	}
	deadline := time.Now().Add(10 * time.Second)
	for descriptors() > before && time.Now().Before(deadline) {
		runtime.Gosched()
		time.Sleep(10 * time.Millisecond)
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// TestNotHDF5 gives a worker other files.
func TestNotHDF5(t *testing.T) {
	for _, data := range [][]byte{[]byte("nothing"), bytes.Repeat([]byte{0}, 4096), []byte("\x89HDF\r\n\x1a\n\x00")} {
		_, err := libhdf5.Reader{}.Open(t.Context(), bytes.NewReader(data), int64(len(data)))
		if e := diag.As(err); e == nil || e.Code != "hdf5.damaged" || !strings.Contains(e.Found, "libhdf5: ") {
			t.Errorf("%.10q gives %v", data, err)
		}
	}
}

// TestConcurrent asks one worker from several goroutines.
func TestConcurrent(t *testing.T) {
	f, size := openFile(t, fixture.Shared(t, "models", "hdf5", "files", "compressed.h5"))
	h, err := libhdf5.Reader{}.Open(t.Context(), f, size)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	const asking = 4
	for range asking {
		go func() {
			bad := []error{}
			err := readAll(h, func(path string, err error) {
				if err != nil {
					bad = append(bad, fmt.Errorf("%s: %w", path, err))
				}
			})
			results <- errors.Join(append(bad, err)...)
		}()
	}
	for range asking {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
