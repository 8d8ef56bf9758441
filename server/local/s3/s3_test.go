package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

var ctx = context.Background()

func ptr[T any](v T) *T { return &v }

// serve opens a store in a folder and gives a client of it.
func serve(t testing.TB, dir string) (*s3.Client, *Store, string) {
	t.Helper()
	store, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(store.Handler())
	t.Cleanup(server.Close)
	config := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("any", "key", "a-session-token"),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	return s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }), store, server.URL
}

func withBucket(t testing.TB) (*s3.Client, *Store, string) {
	t.Helper()
	client, store, url := serve(t, t.TempDir())
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr("box")}); err != nil {
		t.Fatal(err)
	}
	return client, store, url
}

func put(t testing.TB, client *s3.Client, key string, data []byte) {
	t.Helper()
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: ptr("box"), Key: &key, Body: bytes.NewReader(data)}); err != nil {
		t.Fatalf("%q: %v", key, err)
	}
}

func get(t testing.TB, client *s3.Client, key string) []byte {
	t.Helper()
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("box"), Key: &key})
	if err != nil {
		t.Fatalf("%q: %v", key, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("%q: %v", key, err)
	}
	return data
}

func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return fmt.Sprint(err)
}

// oddKeys are keys that a store of files could stumble over.
var oddKeys = []string{"a", "a/b", "a/b/", "a//b", "/leading", "..", "../../etc/passwd", ".", "a/../b", "with space", "plus+sign", "per%20cent", "é/ü/漢字",
	"quote\"'", "back\\slash", "*?[x]", "new.json", strings.Repeat("k", 1024), strings.Repeat("d/", 500), "a&b<c>", "tilde~", "#hash", "q?uestion", "entries/x", ";semi,colon:"}

func TestOddKeys(t *testing.T) {
	dir := t.TempDir()
	client, _, _ := serve(t, dir)
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr("box")}); err != nil {
		t.Fatal(err)
	}
	for i, key := range oddKeys {
		put(t, client, key, []byte(fmt.Sprint("object ", i)))
	}
	check := func(client *s3.Client) {
		t.Helper()
		for i, key := range oddKeys {
			if got := string(get(t, client, key)); got != fmt.Sprint("object ", i) {
				t.Errorf("%q holds %q", key, got)
			}
		}
		want := slices.Clone(oddKeys)
		slices.Sort(want)
		if got := list(t, client, &s3.ListObjectsV2Input{}); !slices.Equal(got, want) {
			t.Errorf("listed\n%q\nwant\n%q", got, want)
		}
	}
	check(client)
	again, _, _ := serve(t, dir) // a later server
	check(again)
	outside, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*"))
	if err != nil || len(outside) != 1 {
		t.Errorf("beside the store's folder: %v %v", outside, err)
	}
	for _, key := range oddKeys {
		if _, err := again.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: ptr("box"), Key: &key}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "box", "*", "*")); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

// list gives keys and, marked by "+", common prefixes in the order of the pages.
func list(t testing.TB, client *s3.Client, in *s3.ListObjectsV2Input) []string {
	t.Helper()
	in.Bucket = ptr("box")
	var all []string
	pages := s3.NewListObjectsV2Paginator(client, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var part []string
		for _, o := range page.Contents {
			part = append(part, aws.ToString(o.Key))
		}
		for _, p := range page.CommonPrefixes {
			part = append(part, "+"+aws.ToString(p.Prefix))
		}
		slices.SortFunc(part, func(a, b string) int { return strings.Compare(strings.TrimPrefix(a, "+"), strings.TrimPrefix(b, "+")) })
		all = append(all, part...)
	}
	return all
}

func TestListing(t *testing.T) {
	client, _, _ := withBucket(t)
	for _, key := range []string{"a", "a-b", "a/1", "a/2", "a/b/3", "a0", "b/x", "b/y", "c"} {
		put(t, client, key, []byte(key))
	}
	for name, c := range map[string]struct {
		in   s3.ListObjectsV2Input
		want string
	}{
		"all":               {s3.ListObjectsV2Input{}, "a a-b a/1 a/2 a/b/3 a0 b/x b/y c"},
		"prefix":            {s3.ListObjectsV2Input{Prefix: ptr("a/")}, "a/1 a/2 a/b/3"},
		"part of a name":    {s3.ListObjectsV2Input{Prefix: ptr("a")}, "a a-b a/1 a/2 a/b/3 a0"},
		"delimiter":         {s3.ListObjectsV2Input{Delimiter: ptr("/")}, "a a-b +a/ a0 +b/ c"},
		"both":              {s3.ListObjectsV2Input{Prefix: ptr("a/"), Delimiter: ptr("/")}, "a/1 a/2 +a/b/"},
		"prefix, no slash":  {s3.ListObjectsV2Input{Prefix: ptr("b"), Delimiter: ptr("/")}, "+b/"},
		"another delimiter": {s3.ListObjectsV2Input{Delimiter: ptr("-")}, "a +a- a/1 a/2 a/b/3 a0 b/x b/y c"},
		"start after":       {s3.ListObjectsV2Input{StartAfter: ptr("a/2")}, "a/b/3 a0 b/x b/y c"},
		"nothing":           {s3.ListObjectsV2Input{Prefix: ptr("z")}, ""},
	} {
		for _, size := range []int32{0, 1, 2, 3, 1000} {
			in := c.in
			if size > 0 {
				in.MaxKeys = aws.Int32(size)
			}
			if got := strings.Join(list(t, client, &in), " "); got != c.want {
				t.Errorf("%s in pages of %d: %s, want %s", name, size, got, c.want)
			}
		}
	}
	// Version 1 of the operation.
	var got []string
	marker := ""
	for range 10 {
		page, err := client.ListObjects(ctx, &s3.ListObjectsInput{Bucket: ptr("box"), Marker: &marker, MaxKeys: aws.Int32(4)})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, *o.Key)
			marker = *o.Key
		}
		if !aws.ToBool(page.IsTruncated) {
			break
		}
	}
	if len(got) != 9 {
		t.Errorf("version 1 lists %v", got)
	}
}

func TestRangesAndHeaders(t *testing.T) {
	client, _, _ := withBucket(t)
	data := make([]byte, 100_000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	sum := md5.Sum(data)
	etag := `"` + hex.EncodeToString(sum[:]) + `"`
	made, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: ptr("box"), Key: ptr("k"), Body: bytes.NewReader(data), ContentType: ptr("text/x"), Metadata: map[string]string{"Colour": "blue"}})
	if err != nil || aws.ToString(made.ETag) != etag {
		t.Fatalf("%v %v", made, err)
	}
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: ptr("box"), Key: ptr("k")})
	if err != nil || aws.ToInt64(head.ContentLength) != 100_000 || aws.ToString(head.ContentType) != "text/x" || head.Metadata["colour"] != "blue" || aws.ToString(head.ETag) != etag {
		t.Errorf("%+v %v", head, err)
	}
	for text, want := range map[string][]byte{"bytes=0-9": data[:10], "bytes=99990-": data[99990:], "bytes=-10": data[99990:], "bytes=500-700": data[500:701], "bytes=99999-200000": data[99999:]} {
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("box"), Key: ptr("k"), Range: &text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := io.ReadAll(out.Body)
		if err != nil || !bytes.Equal(got, want) || !strings.HasSuffix(aws.ToString(out.ContentRange), "/100000") {
			t.Errorf("%s: %d bytes, %s, %v", text, len(got), aws.ToString(out.ContentRange), err)
		}
	}
	if _, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("box"), Key: ptr("k"), Range: ptr("bytes=100000-")}); code(err) != "InvalidRange" {
		t.Errorf("beyond the end: %v", err)
	}
	if out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("box"), Key: ptr("k"), ChecksumMode: types.ChecksumModeEnabled}); err != nil || out.ChecksumCRC32 == nil {
		t.Errorf("no checksum to verify the object with: %v", err)
	} else {
		out.Body.Close()
	}
	if _, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("box"), Key: ptr("k"), IfMatch: ptr(`"0"`)}); code(err) != "PreconditionFailed" {
		t.Errorf("If-Match with another ETag: %v", err)
	}
	var absent *types.NoSuchKey
	if _, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("box"), Key: ptr("none")}); !errors.As(err, &absent) {
		t.Errorf("%v", err)
	}
	if _, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: ptr("none"), Key: ptr("none")}); code(err) != "NoSuchBucket" {
		t.Errorf("%v", err)
	}
	copied, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: ptr("box"), Key: ptr("copy"), CopySource: ptr("box/k")})
	if err != nil || aws.ToString(copied.CopyObjectResult.ETag) != etag || !bytes.Equal(get(t, client, "copy"), data) {
		t.Errorf("copy: %v", err)
	}
	put(t, client, "empty", nil)
	if got := get(t, client, "empty"); len(got) != 0 {
		t.Errorf("the empty object has %d bytes", len(got))
	}
}

func TestConditionalWrites(t *testing.T) {
	client, _, _ := withBucket(t)
	in := func(body string) *s3.PutObjectInput {
		return &s3.PutObjectInput{Bucket: ptr("box"), Key: ptr("k"), Body: strings.NewReader(body)}
	}
	first := in("one")
	first.IfNoneMatch = ptr("*")
	made, err := client.PutObject(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	second := in("two")
	second.IfNoneMatch = ptr("*")
	if _, err := client.PutObject(ctx, second); code(err) != "PreconditionFailed" {
		t.Errorf("a second object for the key: %v", err)
	}
	wrong := in("two")
	wrong.IfMatch = ptr(`"0123"`)
	if _, err := client.PutObject(ctx, wrong); code(err) != "PreconditionFailed" {
		t.Errorf("If-Match with another ETag: %v", err)
	}
	right := in("three")
	right.IfMatch = made.ETag
	if _, err := client.PutObject(ctx, right); err != nil {
		t.Error(err)
	}
	if got := string(get(t, client, "k")); got != "three" {
		t.Errorf("the object is %q", got)
	}
	// Of many writers at once exactly one makes the object.
	results := make(chan error, 16)
	for i := range cap(results) {
		go func() {
			in := &s3.PutObjectInput{Bucket: ptr("box"), Key: ptr("race"), IfNoneMatch: ptr("*"), Body: strings.NewReader(fmt.Sprint(i))}
			_, err := client.PutObject(ctx, in)
			results <- err
		}()
	}
	won := 0
	for range cap(results) {
		if err := <-results; err == nil {
			won++
		} else if code(err) != "PreconditionFailed" {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers made the object", won)
	}
}

func TestMultipart(t *testing.T) {
	dir := t.TempDir()
	client, _, _ := serve(t, dir)
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr("box")}); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 17<<20+11)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	uploader := manager.NewUploader(client, func(u *manager.Uploader) { u.PartSize = 5 << 20 })
	out, err := uploader.Upload(ctx, &s3.PutObjectInput{Bucket: ptr("box"), Key: ptr("large"), Body: bytes.NewReader(data), Metadata: map[string]string{"a": "b"}})
	if err != nil || !strings.HasSuffix(aws.ToString(out.ETag), `-4"`) {
		t.Fatalf("%+v %v", out, err)
	}
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: ptr("box"), Key: ptr("large")})
	if err != nil || aws.ToString(head.ETag) != aws.ToString(out.ETag) || head.Metadata["a"] != "b" {
		t.Errorf("%+v %v", head, err)
	}
	// The client compares what it receives with the checksum of the parts combined.
	if !bytes.Equal(get(t, client, "large"), data) {
		t.Error("the object differs")
	}
	buffer := manager.NewWriteAtBuffer(nil)
	if _, err := manager.NewDownloader(client).Download(ctx, buffer, &s3.GetObjectInput{Bucket: ptr("box"), Key: ptr("large")}); err != nil || !bytes.Equal(buffer.Bytes(), data) {
		t.Errorf("in ranges: %v", err)
	}

	// By hand: an upload outlives the server; parts may be replaced; order and ETags are checked.
	begun, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: ptr("box"), Key: ptr("parts")})
	if err != nil {
		t.Fatal(err)
	}
	part := func(client *s3.Client, number int32, body string) *string {
		t.Helper()
		out, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: ptr("box"), Key: ptr("parts"), UploadId: begun.UploadId, PartNumber: &number, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		return out.ETag
	}
	part(client, 1, "wrong")
	two := part(client, 2, "world")
	client, _, _ = serve(t, dir)
	one := part(client, 1, "hello ")
	listed, err := client.ListParts(ctx, &s3.ListPartsInput{Bucket: ptr("box"), Key: ptr("parts"), UploadId: begun.UploadId})
	if err != nil || len(listed.Parts) != 2 || aws.ToString(listed.Parts[0].ETag) != *one {
		t.Errorf("%+v %v", listed, err)
	}
	if uploads, err := client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: ptr("box")}); err != nil || len(uploads.Uploads) != 1 {
		t.Errorf("%+v %v", uploads, err)
	}
	complete := func(none *string, parts ...types.CompletedPart) error {
		_, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: ptr("box"), Key: ptr("parts"), UploadId: begun.UploadId,
			IfNoneMatch: none, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		return err
	}
	p1, p2 := types.CompletedPart{ETag: one, PartNumber: aws.Int32(1)}, types.CompletedPart{ETag: two, PartNumber: aws.Int32(2)}
	if err := complete(nil, p2, p1); code(err) != "InvalidPartOrder" {
		t.Errorf("wrong order: %v", err)
	}
	if err := complete(nil, types.CompletedPart{ETag: two, PartNumber: aws.Int32(1)}); code(err) != "InvalidPart" {
		t.Errorf("wrong ETag: %v", err)
	}
	put(t, client, "parts", []byte("here already"))
	if err := complete(ptr("*"), p1, p2); code(err) != "PreconditionFailed" {
		t.Errorf("If-None-Match: %v", err)
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: ptr("box"), Key: ptr("parts")}); err != nil {
		t.Fatal(err)
	}
	if err := complete(ptr("*"), p1, p2); err != nil {
		t.Error(err)
	}
	if got := string(get(t, client, "parts")); got != "hello world" {
		t.Errorf("%q", got)
	}
	if err := complete(nil, p1, p2); code(err) != "NoSuchUpload" {
		t.Errorf("completed again: %v", err)
	}
	// Copied in parts, and aborted.
	begun, err = client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: ptr("box"), Key: ptr("parts")})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: ptr("box"), Key: ptr("parts"), UploadId: begun.UploadId, PartNumber: aws.Int32(1),
		CopySource: ptr("box/large"), CopySourceRange: ptr("bytes=5-9")})
	sum := md5.Sum(data[5:10])
	if err != nil || aws.ToString(copied.CopyPartResult.ETag) != `"`+hex.EncodeToString(sum[:])+`"` {
		t.Errorf("%+v %v", copied, err)
	}
	if _, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: ptr("box"), Key: ptr("parts"), UploadId: begun.UploadId}); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "box", uploadsFolder)); len(left) > 0 {
		t.Errorf("uploads left: %v", left)
	}
}

// TestMemory sends an object of 256 MB both ways and looks at what the process has allocated meanwhile.
func TestMemory(t *testing.T) {
	client, store, url := withBucket(t)
	const size = 256 << 20
	allocated := func(f func()) int64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return int64(after.TotalAlloc - before.TotalAlloc)
	}
	used := allocated(func() {
		request, err := http.NewRequest(http.MethodPut, url+"/box/large", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = size
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatal(response.Status)
		}
	})
	if used > 8<<20 {
		t.Errorf("storing 256 MB allocated %d MB", used>>20)
	}
	used = allocated(func() {
		response, err := http.Get(url + "/box/large")
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || n != size {
			t.Fatalf("%d bytes: %v", n, err)
		}
	})
	if used > 8<<20 {
		t.Errorf("fetching 256 MB allocated %d MB", used>>20)
	}
	begun, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: ptr("box"), Key: ptr("parts")})
	if err != nil {
		t.Fatal(err)
	}
	used = allocated(func() {
		var parts []types.CompletedPart
		for i := range int32(4) {
			out, err := client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: ptr("box"), Key: ptr("parts"), UploadId: begun.UploadId, PartNumber: aws.Int32(i + 1), CopySource: ptr("box/large")})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, types.CompletedPart{ETag: out.CopyPartResult.ETag, PartNumber: aws.Int32(i + 1)})
		}
		if _, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: ptr("box"), Key: ptr("parts"), UploadId: begun.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
			t.Fatal(err)
		}
	})
	if used > 16<<20 {
		t.Errorf("joining 1 GB of parts allocated %d MB", used>>20)
	}
	if e, _, err := store.entry("box", "parts"); err != nil || e.Size != 4*size {
		t.Errorf("%+v %v", e, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
