package stage

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/runtime/wire"
)

// fetchingStore has one object, the weights.
type fetchingStore struct {
	memoryStore
	content []byte
	asked   []wire.Object
	err     error
}

func (f *fetchingStore) Fetch(_ context.Context, o wire.Object, parts *wire.Weights, w io.WriterAt) error {
	f.asked = append(f.asked, o)
	if f.err != nil {
		return f.err
	}
	_, err := w.WriteAt(f.content, 0)
	return err
}

// remote writes the test's package without its weights, and gives the weights.
func remote(t *testing.T) (dir string, content []byte) {
	t.Helper()
	m := testManifest()
	dir = writePackage(t, m, testModel().Encode())
	content, err := os.ReadFile(filepath.Join(dir, wire.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, wire.WeightsFile)); err != nil {
		t.Fatal(err)
	}
	m.Weights = &wire.Weights{Bytes: int64(len(content)), PartBytes: wire.MinWeightsPart, CRC32C: make([]uint32, 1)}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, wire.StageFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, content
}

// A stage whose weights are elsewhere computes what it always does, from a read-only package, and leaves no file behind.
func TestFetchedWeights(t *testing.T) {
	dir, content := remote(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv(wire.WeightsVariable, "s3://bucket/some/where/stage-1.weights")
	store := &fetchingStore{content: content}
	s, err := open(dir, fixture.Library(t), store, defaults(512, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if want := []wire.Object{{Bucket: "bucket", Key: "some/where/stage-1.weights", Bytes: int64(len(content))}}; !slices.Equal(store.asked, want) {
		t.Errorf("fetched %+v", store.asked)
	}
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	outputs, err := s.Run(testInputs(5))
	if err != nil {
		t.Fatal(err)
	}
	checkOutputs(t, 5, outputs)
}

func TestFetchedWeightsRefuses(t *testing.T) {
	dir, content := remote(t)
	library := fixture.Library(t)
	for _, c := range []struct {
		name, place string
		store       Store
		code        string
	}{
		{"no place", "", &fetchingStore{content: content}, "stage.no-weights-place"},
		{"a place elsewhere", "https://bucket/key", &fetchingStore{content: content}, "stage.no-weights-place"},
		{"a bucket without a key", "s3://bucket", &fetchingStore{content: content}, "stage.no-weights-place"},
		{"no access", "s3://bucket/key", &memoryStore{}, "stage.no-store"},
		{"no object", "s3://bucket/key", &fetchingStore{err: diag.New(diag.NotFound, "store.no-object", "", "", "")}, "store.no-object"},
		{"a full disk", "s3://bucket/key", &fetchingStore{err: diag.New(diag.Unavailable, "store.unavailable", "", "", "").Because(syscall.ENOSPC)}, "stage.no-room"},
	} {
		temporary := t.TempDir()
		t.Setenv("TMPDIR", temporary)
		t.Setenv(wire.WeightsVariable, c.place)
		if _, err := open(dir, library, c.store, defaults(512, 1)); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
		if left, _ := os.ReadDir(temporary); len(left) > 0 {
			t.Errorf("%s: %v is left", c.name, left)
		}
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "absent"))
	t.Setenv(wire.WeightsVariable, "s3://bucket/key")
	if _, err := open(dir, library, &fetchingStore{content: content}, defaults(512, 1)); diag.CodeOf(err) != "stage.no-room" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no temporary folder: %v", err)
	}
}
