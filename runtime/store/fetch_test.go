package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// memoryFile is a file in memory; fail makes it full from an offset on.
type memoryFile struct {
	data []byte
	full int64
}

var errFull = errors.New("no room")

func (m *memoryFile) WriteAt(p []byte, at int64) (int, error) {
	if m.full > 0 && at >= m.full {
		return 0, errFull
	}
	return copy(m.data[at:], p), nil
}

func partsOf(data []byte, size int64) *wire.Weights {
	w := &wire.Weights{Bytes: int64(len(data)), PartBytes: size}
	for at := int64(0); at < w.Bytes; at += size {
		w.CRC32C = append(w.CRC32C, crc32.Checksum(data[at:min(at+size, w.Bytes)], castagnoli))
	}
	return w
}

func someBytes(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	return data
}

// breaking is a server whose answers to every second request for a range break off in the middle.
type breaking struct {
	http.Handler
	n atomic.Int64
}

type half struct {
	http.ResponseWriter
	left int
}

func (h *half) Write(p []byte) (int, error) {
	if len(p) > h.left {
		h.ResponseWriter.Write(p[:h.left])
		panic(http.ErrAbortHandler)
	}
	h.left -= len(p)
	return h.ResponseWriter.Write(p)
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.Header.Get("Range") != "" && b.n.Add(1)%2 == 1 {
		w = &half{w, 1000}
	}
	b.Handler.ServeHTTP(w, r)
}

func TestFetch(t *testing.T) {
	b := &breaking{Handler: gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server()}
	s := testStore(t, b)
	for _, c := range []struct {
		bytes int
		part  int64
	}{{1, 8}, {4096, 4096}, {700_001, 100_000}, {2_000_000, 1 << 19}} {
		data := someBytes(c.bytes)
		object := wire.Object{Bucket: "bucket", Key: fmt.Sprint("weights-", c.bytes), Bytes: int64(c.bytes)}
		if err := s.Put(t.Context(), object, data); err != nil {
			t.Fatal(err)
		}
		f := &memoryFile{data: make([]byte, c.bytes)}
		if err := s.Fetch(t.Context(), object, partsOf(data, c.part), f); err != nil {
			t.Fatalf("%d bytes in parts of %d: %v", c.bytes, c.part, err)
		}
		if !bytes.Equal(f.data, data) {
			t.Errorf("%d bytes in parts of %d come back changed", c.bytes, c.part)
		}
	}
}

func TestFetchRefuses(t *testing.T) {
	s := testStore(t, gofakes3.New(s3mem.New()).Server())
	data := someBytes(300_000)
	client, err := s.client()
	if err != nil {
		t.Fatal(err)
	}
	object := wire.Object{Bucket: "bucket", Key: "weights", Bytes: int64(len(data))}
	parts := partsOf(data, 100_000)
	file := func() *memoryFile { return &memoryFile{data: make([]byte, 400_000)} }
	expect := func(what, code string, object wire.Object, parts *wire.Weights, w io.WriterAt) {
		t.Helper()
		err := s.Fetch(t.Context(), object, parts, w)
		if diag.CodeOf(err) != code || !strings.Contains(err.Error(), "s3://bucket/weights") {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	expect("no bucket", "store.no-object", object, parts, file())
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	expect("no object", "store.no-object", object, parts, file())
	put := func(data []byte) {
		t.Helper()
		if err := s.Put(t.Context(), wire.Object{Bucket: "bucket", Key: "weights", Bytes: int64(len(data))}, data); err != nil {
			t.Fatal(err)
		}
	}
	put(data[:250_000])
	expect("a shorter object", "store.wrong-size", object, parts, file())
	put(data[:150_000])
	expect("an object without the last part", "store.wrong-size", object, parts, file())
	put(append(append([]byte{}, data...), 1))
	expect("a longer object", "store.wrong-size", object, parts, file())
	other := append([]byte{}, data...)
	other[len(other)-1] ^= 1
	put(other)
	expect("another object", "store.wrong-content", object, parts, file())
	put(data)
	full := file()
	full.full = 200_000
	if err := s.Fetch(t.Context(), object, parts, full); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}
