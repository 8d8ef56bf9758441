package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"partita/planner/diag"
)

// whole reads an image and compares every digest in it with what it is of.
func whole(i v1.Image) error {
	layers, err := i.Layers()
	if err != nil {
		return err
	}
	config, err := i.ConfigFile()
	if err != nil {
		return err
	}
	if len(layers) != len(config.RootFS.DiffIDs) {
		return fmt.Errorf("%d layers, %d in the configuration", len(layers), len(config.RootFS.DiffIDs))
	}
	for k, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		for want, open := range map[v1.Hash]func() (io.ReadCloser, error){digest: l.Compressed, config.RootFS.DiffIDs[k]: l.Uncompressed} {
			r, err := open()
			if err != nil {
				return err
			}
			got, _, err := v1.SHA256(r)
			r.Close()
			if err != nil || got != want {
				return fmt.Errorf("layer %d is %s, not %s: %v", k, got, want, err)
			}
		}
	}
	return nil
}

// newLayer writes a layer of one file.
func newLayer(t testing.TB, file string, data []byte) *Layer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layer")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := NewLayer(path, f, func(w io.Writer) error {
		archive := tar.NewWriter(w)
		if err := archive.WriteHeader(&tar.Header{Name: file, Size: int64(len(data)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
		return archive.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// counting is a registry of the library's own, in memory, that counts the blobs that are sent.
func counting(t testing.TB) (host string, blobs *atomic.Int64) {
	blobs = &atomic.Int64{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/") {
			blobs.Add(1)
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), blobs
}

// An image is valid by the library's own standard, is the same whenever it is made, and what images share is sent once.
func TestPush(t *testing.T) {
	host, blobs := counting(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	shared, own := newLayer(t, "var/task/bootstrap", data), newLayer(t, "var/task/stage.weights", data[:1<<20])
	i := Image{Base: Scratch, Architecture: "arm64", Layers: []*Layer{shared, own}, Entry: []string{"/var/task/bootstrap"}, Dir: "/var/task", Env: []string{"A=b"}}
	var sent int64
	digest, err := Push(t.Context(), i, Target{Address: host + "/team/model:one"}, func(n int64) { sent = n })
	if err != nil {
		t.Fatal(err)
	}
	if want := shared.Bytes() + own.Bytes(); sent != want || blobs.Load() != 3 {
		t.Errorf("%d bytes sent, want %d, in %d blobs", sent, want, blobs.Load())
	}
	reference, err := name.NewDigest(host + "/team/model@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := whole(got); err != nil {
		t.Error(err)
	}
	config, err := got.ConfigFile()
	if err != nil || config.Architecture != "arm64" || config.OS != "linux" || config.Config.Entrypoint[0] != "/var/task/bootstrap" || config.Config.WorkingDir != "/var/task" ||
		len(config.Config.Env) != 1 || config.Created.Unix() != 0 || len(config.RootFS.DiffIDs) != 2 {
		t.Errorf("%+v %v", config, err)
	}
	if kind, err := got.MediaType(); err != nil || kind != types.OCIManifestSchema1 {
		t.Errorf("%s %v", kind, err)
	}
	again, err := Push(t.Context(), i, Target{Address: host + "/team/model:two"}, func(int64) {})
	if err != nil || again != digest || blobs.Load() != 3 {
		t.Errorf("%s and %s, %d blobs, %v", digest, again, blobs.Load(), err)
	}
	i.Layers = []*Layer{shared, newLayer(t, "var/task/stage.weights", data[1:])}
	if other, err := Push(t.Context(), i, Target{Address: host + "/team/model:three"}, func(int64) {}); err != nil || other == digest || blobs.Load() != 5 {
		t.Errorf("%s, %d blobs, %v", other, blobs.Load(), err)
	}

	// On top of that image, which is then somebody's base.
	i = Image{Base: host + "/team/model:one", Architecture: "arm64", Layers: []*Layer{newLayer(t, "more", data[:10])}, Entry: []string{"/x"}}
	if digest, err = Push(t.Context(), i, Target{Address: host + "/other:tag"}, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	if reference, err = name.NewDigest(host + "/other@" + digest); err != nil {
		t.Fatal(err)
	}
	if got, err = remote.Image(reference); err != nil {
		t.Fatal(err)
	}
	if layers, err := got.Layers(); err != nil || len(layers) != 3 || whole(got) != nil {
		t.Errorf("%d layers, %v", len(layers), err)
	}
	i.Architecture = "x86_64"
	if _, err := Push(t.Context(), i, Target{Address: host + "/other:tag"}, func(int64) {}); diag.CodeOf(err) == "" || !strings.Contains(err.Error(), "--base-image") {
		t.Errorf("a base for another processor: %v", err)
	}
}

func TestSave(t *testing.T) {
	own := newLayer(t, "var/task/stage.json", []byte("{}"))
	path := filepath.Join(t.TempDir(), "image.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Save(t.Context(), Image{Base: Scratch, Layers: []*Layer{own}}, "model:stage-1", f); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("model:stage-1")
	if err != nil {
		t.Fatal(err)
	}
	i, err := tarball.ImageFromPath(path, &tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := whole(i); err != nil {
		t.Error(err)
	}
}

func TestPushErrors(t *testing.T) {
	own := newLayer(t, "f", []byte("x"))
	answer := http.StatusForbidden
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(answer) }))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	i := Image{Base: Scratch, Layers: []*Layer{own}}
	for status, code := range map[int]string{403: "image.access-denied", 401: "image.access-denied", 507: "image.no-room", 418: "image.refused"} {
		answer = status
		if _, err := Push(t.Context(), i, Target{Address: host + "/model:x"}, func(int64) {}); diag.CodeOf(err) != code {
			t.Errorf("%d: %v", status, err)
		}
	}
	if _, err := Push(t.Context(), i, Target{Address: "UPPER/model"}, func(int64) {}); diag.CodeOf(err) != "image.bad-address" {
		t.Errorf("%v", err)
	}
	if _, err := Push(t.Context(), Image{Base: "not an image"}, Target{Address: host + "/model:x"}, func(int64) {}); diag.CodeOf(err) != "image.bad-base" {
		t.Errorf("%v", err)
	}
	if _, err := Push(t.Context(), i, Target{Address: "127.0.0.1:1/model:x"}, func(int64) {}); diag.CodeOf(err) != "image.unreachable" {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Push(ended, i, Target{Address: host + "/model:x"}, func(int64) {}); diag.CodeOf(err) != "interrupted" {
		t.Errorf("%v", err)
	}
	if _, err := NewLayer("x", &bytes.Buffer{}, func(io.Writer) error { return io.ErrClosedPipe }); err != io.ErrClosedPipe {
		t.Errorf("%v", err)
	}
}
