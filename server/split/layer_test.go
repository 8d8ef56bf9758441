package split

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"partita/runtime/wire"
)

// A stage's layer and the runtime's together hold what its zip does, under Lambda's folder, the same whenever they are written.
func TestLayers(t *testing.T) {
	s, src := oneStage(t)
	n := native(t)
	dir := t.TempDir()
	if err := s.WriteDir(dir, src); err != nil {
		t.Fatal(err)
	}
	var runtime, own, again bytes.Buffer
	for w, write := range map[*bytes.Buffer]func(io.Writer) error{
		&runtime: func(w io.Writer) error { return WriteRuntimeLayer(w, n) }, &own: func(w io.Writer) error { return s.WriteLayer(w, src) },
		&again: func(w io.Writer) error { return s.WriteLayer(onlyWriter{w}, src) },
	} {
		if err := write(w); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(own.Bytes(), again.Bytes()) {
		t.Error("two writings differ")
	}
	want := map[string]string{BootstrapFile: n.Bootstrap, wire.LibraryFile: n.Library}
	for _, name := range []string{wire.StageFile, wire.ModelFile, wire.WeightsFile} {
		want[name] = filepath.Join(dir, name)
	}
	for _, layer := range []*bytes.Buffer{&runtime, &own} {
		archive := tar.NewReader(layer)
		for {
			h, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 0 {
				t.Errorf("%s tells who made it, or when: %+v", h.Name, h)
			}
			if h.Typeflag == tar.TypeDir {
				if h.Mode != 0o755 || h.Name != "var/" && h.Name != "var/task/" {
					t.Errorf("%s of mode %o", h.Name, h.Mode)
				}
				continue
			}
			name := filepath.Base(h.Name)
			data, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			path, known := want[name]
			content, err := os.ReadFile(path)
			if !known || err != nil || h.Name != TaskFolder+"/"+name || !bytes.Equal(data, content) {
				t.Errorf("%s: %d bytes, want %d (%v)", h.Name, len(data), len(content), err)
			}
			if executable := name == BootstrapFile || name == wire.LibraryFile; executable != (h.Mode == 0o755) {
				t.Errorf("%s of mode %o", h.Name, h.Mode)
			}
			delete(want, name)
		}
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
	if err := WriteRuntimeLayer(io.Discard, Native{Bootstrap: "/none", Library: "/none"}); err == nil {
		t.Error("absent files are packed")
	}
}
