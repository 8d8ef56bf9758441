package lambda

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tarOf writes an archive of entries "name", "name=content", "name>link", "name|hard link" and "folder/".
func tarOf(t testing.TB, entries ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e, Typeflag: tar.TypeReg, Mode: 0o644}
		content := ""
		if name, rest, ok := strings.Cut(e, "="); ok {
			h.Name, h.Size, content = name, int64(len(rest)), rest
		} else if name, rest, ok := strings.Cut(e, ">"); ok {
			h.Name, h.Typeflag, h.Linkname = name, tar.TypeSymlink, rest
		} else if name, rest, ok := strings.Cut(e, "|"); ok {
			h.Name, h.Typeflag, h.Linkname = name, tar.TypeLink, rest
		} else if strings.HasSuffix(e, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o500
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpackerFor(t testing.TB) (*unpacker, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &unpacker{root: root, bytesLeft: 1 << 20, entriesLeft: 1000}, dir
}

// listing tells what is in a folder: names, contents and links.
func listing(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			name += ">" + link
		case e.IsDir():
			name += "/"
		default:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name += "=" + string(data)
		}
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Layers over each other, by the examples of the OCI image specification and what tools write.
func TestLayersOverEachOther(t *testing.T) {
	for what, c := range map[string]struct {
		layers [][]string
		want   []string
	}{
		"a file replaced":                  {[][]string{{"a=1", "b=1"}, {"a=2"}}, []string{"a=2", "b=1"}},
		"a whiteout":                       {[][]string{{"d/", "d/a=1", "d/b=1"}, {"d/.wh.a"}}, []string{"d/", "d/b=1"}},
		"a whiteout of a folder":           {[][]string{{"d/", "d/a=1"}, {".wh.d"}}, nil},
		"a whiteout of nothing":            {[][]string{{"a=1"}, {"x/.wh.y"}}, []string{"a=1"}},
		"opaque":                           {[][]string{{"d/", "d/a=1", "d/e/", "d/e/f=1"}, {"d/", "d/.wh..wh..opq", "d/b=2"}}, []string{"d/", "d/b=2"}},
		"opaque, written last":             {[][]string{{"d/", "d/a=1", "d/e/", "d/e/f=1"}, {"d/e/g=2", "d/.wh..wh..opq"}}, []string{"d/", "d/e/", "d/e/g=2"}},
		"a file in the place of a folder":  {[][]string{{"d/", "d/a=1"}, {"d=2"}}, []string{"d=2"}},
		"a folder in the place of a file":  {[][]string{{"d=1"}, {"d/", "d/a=2"}}, []string{"d/", "d/a=2"}},
		"a link in the place of a folder":  {[][]string{{"d/", "d/a=1", "e/"}, {"d>e"}}, []string{"d>e", "e/"}},
		"through a link within":            {[][]string{{"usr/", "usr/lib/", "lib>usr/lib"}, {"lib/a=1"}}, []string{"lib>usr/lib", "usr/", "usr/lib/", "usr/lib/a=1"}},
		"a hard link":                      {[][]string{{"a=1", "b|a", "c|/a"}}, []string{"a=1", "b=1", "c=1"}},
		"names as tools write them":        {[][]string{{"./", "./a/", "/a/b=1", "c//d=1"}}, []string{"a/", "a/b=1", "c/", "c/d=1"}},
		"folders that nobody may write to": {[][]string{{"d/", "d/a=1"}, {"d/b=2"}}, []string{"d/", "d/a=1", "d/b=2"}},
		"links to anywhere, not followed":  {[][]string{{"passwd>/etc/passwd", "up>../../.."}}, []string{"passwd>/etc/passwd", "up>../../.."}},
	} {
		u, dir := unpackerFor(t)
		for _, entries := range c.layers {
			if err := u.layer(bytes.NewReader(tarOf(t, entries...))); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := listing(t, dir); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
	for what, entries := range map[string][]string{
		"too much": {"a=" + strings.Repeat("x", 1<<19), "b=" + strings.Repeat("x", 1<<19+1)}, "too many": make([]string, 1001),
	} {
		for i := range entries {
			if entries[i] == "" {
				entries[i] = "a"
			}
		}
		if u, _ := unpackerFor(t); u.layer(bytes.NewReader(tarOf(t, entries...))) == nil {
			t.Errorf("%s is unpacked", what)
		}
	}
}

// FuzzUnpack unpacks two layers of foreign bytes: nothing outside the folder changes, and what is written is bounded.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, "a=1", "d/", "d/b=2", "l>d"), tarOf(f, "l/c=3", ".wh.a", "d/.wh..wh..opq"))
	f.Add(tarOf(f, "out>../outside"), tarOf(f, "out/kept=evil", "x|out/kept", "out/.wh.kept"))
	f.Add(tarOf(f, "out>/", "a|../outside/kept"), []byte("no archive"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		dir := t.TempDir()
		inside, outside := filepath.Join(dir, "inside"), filepath.Join(dir, "outside")
		for _, d := range []string{inside, outside} {
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		kept := filepath.Join(outside, "kept")
		if err := os.WriteFile(kept, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(inside)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		u := &unpacker{root: root, bytesLeft: 1 << 20, entriesLeft: 1000}
		for _, data := range [][]byte{first, second} {
			if err := u.layer(bytes.NewReader(data)); err != nil {
				_ = err.Error()
			}
		}
		if data, err := os.ReadFile(kept); err != nil || string(data) != "kept" {
			t.Fatalf("outside: %q, %v", data, err)
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
			t.Fatalf("outside: %v, %v", left, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
			t.Fatalf("beside: %v, %v", left, err)
		}
		if u.bytesLeft < 0 {
			t.Fatalf("%d bytes too many", -u.bytesLeft)
		}
	})
}
