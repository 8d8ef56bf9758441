package s3

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
)

func TestCombineCRC32(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		first, second := make([]byte, random.IntN(100)), make([]byte, random.IntN(5000))
		for _, part := range [][]byte{first, second} {
			for i := range part {
				part[i] = byte(random.Uint32())
			}
		}
		whole := crc32.ChecksumIEEE(append(slices.Clone(first), second...))
		if got := combineCRC32(crc32.ChecksumIEEE(first), crc32.ChecksumIEEE(second), int64(len(second))); got != whole {
			t.Fatalf("%d and %d bytes: %08x, want %08x", len(first), len(second), got, whole)
		}
	}
}

// TestListAgainstDefinition compares listings in pages with the definition: group all keys, then cut.
func TestListAgainstDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	store, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		b := newBucket(store.dir, "b")
		b.dirty = true
		for range random.IntN(12) {
			key := ""
			for range 1 + random.IntN(5) {
				key += string("ab/-"[random.IntN(4)])
			}
			b.objects[key] = &Entry{Key: key}
		}
		prefix := []string{"", "a", "a/", "b/a"}[random.IntN(4)]
		delimiter := []string{"", "/", "-", "b/"}[random.IntN(4)]
		var want []string
		for _, key := range store.sortedKeys(b) {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			if delimiter != "" {
				if end := strings.Index(key[len(prefix):], delimiter); end >= 0 {
					key = "+" + key[:len(prefix)+end+len(delimiter)]
				}
			}
			if !slices.Contains(want, key) {
				want = append(want, key)
			}
		}
		var got []string
		marker, limit := "", 1+random.IntN(4)
		for range 20 {
			page := store.list(b, prefix, delimiter, marker, limit)
			if n := len(page.Contents) + len(page.CommonPrefixes); n > limit {
				t.Fatalf("a page of %d has %d", limit, n)
			}
			var part []string
			for _, c := range page.Contents {
				part = append(part, c.Key)
			}
			for _, p := range page.CommonPrefixes {
				part = append(part, "+"+p.Prefix)
			}
			slices.SortFunc(part, func(a, b string) int { return strings.Compare(strings.TrimPrefix(a, "+"), strings.TrimPrefix(b, "+")) })
			got = append(got, part...)
			if !page.IsTruncated {
				break
			}
			marker = page.NextMarker
		}
		if !slices.Equal(got, want) {
			t.Fatalf("prefix %q, delimiter %q, pages of %d, keys %q:\n got %q\nwant %q", prefix, delimiter, limit, b.keys, got, want)
		}
	}
}

// FuzzChunked feeds bodies of content encoding aws-chunked: what comes out is never longer than what went in, and errors
// are those that S3 has.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("2;chunk-signature=00\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"))
	f.Add([]byte("ffffffffffffffff\r\n"))
	f.Add([]byte("0\r\nno colon\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var out bytes.Buffer
		n, err := io.Copy(&out, struct{ io.Reader }{newChunkedReader(bytes.NewReader(raw))})
		if n > int64(len(raw)) {
			t.Fatalf("%d bytes out of %d", n, len(raw))
		}
		var coded gofakes3.Error
		if err != nil && !errors.As(err, &coded) {
			t.Fatalf("an error without a code: %v", err)
		}
	})
}

// FuzzKeys stores an object under any key that is accepted, lists it and reads it back in a new store.
func FuzzKeys(f *testing.F) {
	for _, key := range oddKeys {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if key == "" || len(key) > gofakes3.KeySizeLimit || !printable(key) {
			return
		}
		dir := t.TempDir()
		store, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := (backend{store}).CreateBucket("box"); err != nil {
			t.Fatal(err)
		}
		if _, err := (backend{store}).PutObject("box", key, nil, strings.NewReader("x"), 1, nil); err != nil {
			t.Fatal(err)
		}
		again, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		file, err := again.Open("box", key)
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		b, err := again.find("box")
		if err != nil {
			t.Fatal(err)
		}
		if page := again.list(b, "", "", "", 10); len(page.Contents) != 1 || page.Contents[0].Key != key {
			t.Fatalf("%q is listed as %+v", key, page.Contents)
		}
	})
}
