package s3

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestReplaceWhileReading holds an object open while it is replaced and deleted.
func TestReplaceWhileReading(t *testing.T) {
	client, _, _ := withBucket(t)
	old := bytes.Repeat([]byte("old "), 1<<20)
	put(t, client, "k", old)
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("box"), Key: ptr("k")})
	if err != nil {
		t.Fatal(err)
	}
	put(t, client, "k", []byte("new"))
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: ptr("box"), Key: ptr("k")}); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(out.Body)
	out.Body.Close()
	if err != nil || !bytes.Equal(got, old) {
		t.Errorf("the reader got %d bytes: %v", len(got), err)
	}
}

// TestBrokenUploads sends uploads that end early or are damaged; none may become an object.
func TestBrokenUploads(t *testing.T) {
	client, store, url := withBucket(t)
	send := func(body string, size int64, headers map[string]string) int {
		request, err := http.NewRequest(http.MethodPut, url+"/box/k", io.NopCloser(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = size
		for name, value := range headers {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0 // the client itself notices some
		}
		response.Body.Close()
		return response.StatusCode
	}
	chunked := func(more ...string) map[string]string {
		h := map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": "5", "Content-Encoding": "aws-chunked"}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	for name, c := range map[string]struct {
		body    string
		size    int64
		headers map[string]string
	}{
		"short":             {"hell", 5, nil},
		"wrong MD5":         {"hello", 5, map[string]string{"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}},
		"wrong CRC32":       {"hello", 5, map[string]string{"X-Amz-Checksum-Crc32": "AAAAAA=="}},
		"wrong SHA-256":     {"hello", 5, map[string]string{"X-Amz-Content-Sha256": strings.Repeat("0", 64)}},
		"chunk too short":   {"5\r\nhell", 7, chunked()},
		"no last chunk":     {"5\r\nhello\r\n", 10, chunked()},
		"wrong size":        {"4\r\nhell\r\n0\r\n\r\n", 14, chunked()},
		"not a chunk":       {"hello", 5, chunked()},
		"negative chunk":    {"-5\r\nhello\r\n0\r\n\r\n", 16, chunked()},
		"wrong end":         {"5\r\nhelloXX0\r\n\r\n", 15, chunked()},
		"wrong trailer":     {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 45, chunked("X-Amz-Trailer", "x-amz-checksum-crc32")},
		"no decoded length": {"5\r\nhello\r\n0\r\n\r\n", 15, chunked("X-Amz-Decoded-Content-Length", "")},
	} {
		if status := send(c.body, c.size, c.headers); status == http.StatusOK {
			t.Errorf("%s: %d", name, status)
		}
		if _, _, err := store.entry("box", "k"); err == nil {
			t.Errorf("%s: there is an object", name)
		}
	}
	for name, body := range map[string]string{
		"unsigned": "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
		"signed":   "2;chunk-signature=00\r\nhe\r\n3;chunk-signature=00\r\nllo\r\n0;chunk-signature=00\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:00\r\n\r\n",
	} {
		if status := send(body, int64(len(body)), chunked("X-Amz-Trailer", "x-amz-checksum-crc32")); status != http.StatusOK {
			t.Errorf("%s: %d", name, status)
		}
		if got := string(get(t, client, "k")); got != "hello" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if data, err := os.ReadDir(filepath.Join(store.dir, "box", dataFolder)); err != nil || len(data) != 1 {
		t.Errorf("data files: %v %v", data, err)
	}
}

// TestRecovery opens a store on what a server that was killed may have left.
func TestRecovery(t *testing.T) {
	dir := t.TempDir()
	client, _, _ := serve(t, dir)
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr("box")}); err != nil {
		t.Fatal(err)
	}
	put(t, client, "whole", []byte("whole"))
	put(t, client, "lost", []byte("lost"))
	box := filepath.Join(dir, "box")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(box, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("data/0123456789abcdef0123456789abcdef", "half an upl")
	write("entries/"+entryName("half")+".x.new", "{")
	write("entries/"+entryName("bad"), `{"key":"bad","data":"../../../etc/passwd","size":1}`)
	write("entries/"+entryName("empty"), "")
	_, store, _ := serve(t, dir)
	e, b, err := store.entry("box", "lost")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.dataPath(e.Data)); err != nil {
		t.Fatal(err)
	}
	client, _, _ = serve(t, dir)
	if got := list(t, client, &s3.ListObjectsV2Input{}); !slices.Equal(got, []string{"whole"}) {
		t.Errorf("%v", got)
	}
	files, _ := filepath.Glob(filepath.Join(box, "*", "*"))
	if len(files) != 2 {
		t.Errorf("files: %v", files)
	}
}

func TestBuckets(t *testing.T) {
	client, _, url := withBucket(t)
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr("box")}); code(err) != "BucketAlreadyExists" {
		t.Errorf("%v", err)
	}
	put(t, client, "k", nil)
	if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: ptr("box")}); code(err) != "BucketNotEmpty" {
		t.Errorf("%v", err)
	}
	if _, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: ptr("box"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: ptr("k")}, {Key: ptr("none")}}}}); err != nil {
		t.Error(err)
	}
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: ptr("box")}); err != nil {
		t.Error(err)
	}
	if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: ptr("box")}); err != nil {
		t.Error(err)
	}
	var absent *types.NotFound
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: ptr("box")}); !errors.As(err, &absent) {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"UPPER", "x", "..", "2015-03-31"} {
		request, err := http.NewRequest(http.MethodPut, url+"/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			t.Errorf("bucket %q was made", name)
		}
	}
}
