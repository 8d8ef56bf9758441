package store

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// testStore is a store at an S3 in memory; the functions' environment is set as the platform sets it.
func testStore(t *testing.T, handler http.Handler) *S3 {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k",
		"AWS_SECRET_ACCESS_KEY": "s", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"} {
		t.Setenv(name, value)
	}
	return New()
}

func TestObjectsComeBack(t *testing.T) {
	s := testStore(t, gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server())
	ctx := t.Context()
	for _, size := range []int{0, 1, 100_000} {
		data := bytes.Repeat([]byte{7, 8}, size)
		object := wire.Object{Bucket: "bucket", Key: "runs/x/1", Bytes: int64(len(data))}
		if err := s.Put(ctx, object, data); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(ctx, object)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		for _, other := range []int64{object.Bytes + 1, object.Bytes - 1} {
			object.Bytes = other
			if _, err := s.Get(ctx, object); other >= 0 && diag.CodeOf(err) != "store.wrong-size" {
				t.Errorf("%d bytes, expected %d: %v", len(data), other, err)
			}
		}
		object.Bytes = 1 << 50
		if _, err := s.Get(ctx, object); diag.CodeOf(err) != "store.object-too-large" {
			t.Error(err)
		}
		if err := s.Delete(ctx, object); err != nil {
			t.Error(err)
		}
		object.Bytes = 1
		if _, err := s.Get(ctx, object); diag.CodeOf(err) != "store.no-object" || diag.As(err).Kind != diag.NotFound {
			t.Error(err)
		}
	}
}

func TestDeletePrefix(t *testing.T) {
	s := testStore(t, gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server())
	ctx := t.Context()
	keys := []string{"runs/a/1", "runs/a/p0/s1/0", "runs/ab/1"}
	for _, key := range keys {
		if err := s.Put(ctx, wire.Object{Bucket: "bucket", Key: key}, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeletePrefix(ctx, "bucket", "runs/a/"); err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		_, err := s.Get(ctx, wire.Object{Bucket: "bucket", Key: key, Bytes: 1})
		if stays := i == 2; stays != (err == nil) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// The bytes go as they are: not in chunks with a trailer, which servers other than AWS seldom read, and not hashed.
func TestPutSendsPlainBytes(t *testing.T) {
	var header http.Header
	var length int64
	s := testStore(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header, length = r.Header, r.ContentLength
		if r.URL.Path != "/bucket/key" {
			t.Errorf("path %s: buckets must be in the path", r.URL.Path)
		}
	}))
	if err := s.Put(t.Context(), wire.Object{Bucket: "bucket", Key: "key"}, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if length != 3 || header.Get("X-Amz-Trailer") != "" || header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" {
		t.Errorf("%d bytes, %v", length, header)
	}
}

func TestUnreachable(t *testing.T) {
	s := testStore(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	object := wire.Object{Bucket: "bucket", Key: "key", Bytes: 1}
	for what, err := range map[string]error{
		"get":    func() error { _, err := s.Get(t.Context(), object); return err }(),
		"put":    s.Put(t.Context(), object, []byte{1}),
		"delete": s.Delete(t.Context(), object),
		"prefix": s.DeletePrefix(t.Context(), "bucket", "runs/"),
	} {
		if diag.CodeOf(err) != "store.unavailable" {
			t.Errorf("%s: %v", what, err)
		}
	}
}
