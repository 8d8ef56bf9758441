package cloud

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"partita/planner/diag"
)

// bucket opens a cloud whose S3 is an independent implementation in memory. seen counts its requests.
func bucket(t testing.TB, seen *atomic.Int64) *Cloud {
	t.Helper()
	s3 := gofakes3.New(s3mem.New()).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen != nil {
			seen.Add(1)
		}
		http.StripPrefix("/aws", s3).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c := open(t, server.URL+"/aws")
	if err := c.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t testing.TB, endpoint string) *Cloud {
	t.Helper()
	c, err := Open(t.Context(), Config{Endpoint: endpoint, Bucket: "test-bucket"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestObjects(t *testing.T) {
	c, ctx := bucket(t, nil), t.Context()
	if err := c.EnsureBucket(ctx); err != nil {
		t.Errorf("a second EnsureBucket: %v", err)
	}
	body := strings.NewReader("hello world")
	if err := c.Put(ctx, "a/one", body, 11, "text/plain"); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(ctx, "a/two words+plus", strings.NewReader("x"), 1, ""); err != nil {
		t.Fatal(err)
	}
	data, _, err := c.Get(ctx, "a/one", 11)
	if err != nil || string(data) != "hello world" {
		t.Errorf("Get: %q, %v", data, err)
	}
	if _, _, err := c.Get(ctx, "a/one", 10); diag.CodeOf(err) != "cloud.object-too-large" {
		t.Errorf("Get over the limit: %v", err)
	}
	if _, _, err := c.Get(ctx, "a/none", 10); !IsNotFound(err) {
		t.Errorf("Get of nothing: %v", err)
	}
	if _, _, err := c.Read(ctx, "a/none"); !IsNotFound(err) {
		t.Errorf("Read of nothing: %v", err)
	}
	list, err := c.List(ctx, "a/")
	if err != nil || len(list) != 2 || list[0].Key != "a/one" || list[0].Bytes != 11 || list[1].Key != "a/two words+plus" || time.Since(list[0].Modified) > time.Hour {
		t.Errorf("List: %+v, %v", list, err)
	}
	if err := c.Delete(ctx, "a/one", "a/none", "a/two words+plus"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if list, err := c.List(ctx, ""); err != nil || len(list) != 0 {
		t.Errorf("List after Delete: %v, %v", list, err)
	}
}

func TestPutIf(t *testing.T) {
	c, ctx := bucket(t, nil), t.Context()
	first, err := c.PutIf(ctx, "j", []byte("1"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutIf(ctx, "j", []byte("x"), ""); !IsChanged(err) {
		t.Errorf("creating what exists: %v", err)
	}
	second, err := c.PutIf(ctx, "j", []byte("2"), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutIf(ctx, "j", []byte("x"), first); !IsChanged(err) {
		t.Errorf("replacing another version: %v", err)
	}
	data, version, err := c.Get(ctx, "j", 10)
	if err != nil || string(data) != "2" || version != second {
		t.Errorf("Get: %q %q, %v", data, version, err)
	}
}

// TestReaderEqualsBytes reads at random places and compares with the bytes themselves.
func TestReaderEqualsBytes(t *testing.T) {
	var seen atomic.Int64
	c, ctx := bucket(t, &seen), t.Context()
	random := rand.New(rand.NewSource(1))
	data := make([]byte, 20*pageBytes+12345)
	random.Read(data)
	if err := c.Put(ctx, "big", bytes.NewReader(data), int64(len(data)), ""); err != nil {
		t.Fatal(err)
	}
	r, size, err := c.Read(ctx, "big")
	if err != nil || size != int64(len(data)) {
		t.Fatalf("size %d, %v", size, err)
	}
	want := bytes.NewReader(data)
	for range 300 {
		offset := random.Int63n(size + 10)
		length := random.Intn(1 << uint(random.Intn(23)))
		got, expected := make([]byte, length), make([]byte, length)
		n, err := r.ReadAt(got, offset)
		m, expectedErr := want.ReadAt(expected, offset)
		if length == 0 {
			continue
		}
		if n != m || err != expectedErr || !bytes.Equal(got, expected) {
			t.Fatalf("ReadAt(%d bytes, %d) gives %d, %v; want %d, %v", length, offset, n, err, m, expectedErr)
		}
	}
	if kept := len(r.(*object).pages); kept > pageCount {
		t.Errorf("%d pages are kept", kept)
	}
	before := seen.Load()
	small := make([]byte, 16)
	for i := range 1000 {
		if _, err := r.ReadAt(small, int64(i*100)); err != nil {
			t.Fatal(err)
		}
	}
	if requests := seen.Load() - before; requests > 1 {
		t.Errorf("1,000 small reads of one page take %d requests", requests)
	}
	if _, err := r.ReadAt(small, -1); err == nil {
		t.Error("a negative offset is read")
	}

	data[0]++
	if err := c.Put(ctx, "big", bytes.NewReader(data), int64(len(data)), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(make([]byte, 4*pageBytes), 5*pageBytes+1); !IsChanged(err) {
		t.Errorf("reading on in a replaced object: %v", err)
	}
}

func TestContextEnds(t *testing.T) {
	c := bucket(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Put(ctx, "k", strings.NewReader("x"), 1, ""); diag.CodeOf(err) != "interrupted" || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// lambdaAnswering opens a cloud whose Lambda answers every call with one status, error code and message.
func lambdaAnswering(t testing.TB, status int, code, message string) *Cloud {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-ErrorType", code)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"Type":"User","message":%q}`, message)
	}))
	t.Cleanup(server.Close)
	return open(t, server.URL)
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		status        int
		code, message string
		want          string
		exit          int
		says          string
	}{
		{403, "AccessDeniedException", "no", "cloud.access-denied", 4, "lambda:CreateFunction"},
		{409, "ResourceConflictException", "Function already exist: f", "cloud.conflict", 1, "exist"},
		{400, "InvalidParameterValueException", "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008", "cloud.memory-refused", 4, "--memory"},
		{400, "InvalidParameterValueException", "Could not unzip uploaded file", "cloud.refused", 1, "unzip"},
		{400, "CodeStorageExceededException", "full", "cloud.code-storage-full", 4, "delete"},
		{404, "ResourceNotFoundException", "Function not found", "cloud.not-found", 1, "not found"},
		{403, "UnrecognizedClientException", "bad token", "cloud.bad-credentials", 4, "renew"},
		{413, "RequestTooLargeException", "too large", "cloud.too-large", 4, "too large"},
		{418, "SomethingNewException", "new", "cloud.failed", 1, "SomethingNewException"},
	} {
		err := lambdaAnswering(t, c.status, c.code, c.message).CreateFunction(t.Context(), FunctionSpec{Name: "f", PackageKey: "k", MemoryMB: 4096, TimeoutSeconds: 3})
		if diag.CodeOf(err) != c.want || diag.ExitCode(err) != c.exit || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.code, err)
		}
	}
	if err := open(t, "http://127.0.0.1:9").EnsureBucket(t.Context()); diag.CodeOf(err) != "cloud.unreachable" {
		t.Errorf("no endpoint: %v", err)
	}
	if err := lambdaAnswering(t, 404, "ResourceNotFoundException", "absent").DeleteFunction(t.Context(), "f"); err != nil {
		t.Errorf("deleting what is absent: %v", err)
	}
}

func TestInvoke(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/2015-03-31/functions/f/invocations" || r.Header.Get("X-Amz-Log-Type") != "Tail" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Amz-Log-Result", "bG9n")
		if string(body) == `"fail"` {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		w.Write(append([]byte("echo "), body...))
	}))
	defer server.Close()
	c := open(t, server.URL)
	for payload, failed := range map[string]string{`"ok"`: "", `"fail"`: "Unhandled"} {
		answer, err := c.Invoke(t.Context(), "f", []byte(payload))
		if err != nil || answer.Failed != failed || string(answer.Payload) != "echo "+payload || answer.Log != "log" {
			t.Errorf("%s: %+v, %v", payload, answer, err)
		}
	}
}

func TestOpenNeedsRoleOnAWS(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	if _, err := Open(t.Context(), Config{Region: "eu-west-1", Bucket: "b"}); diag.CodeOf(err) != "cloud.no-role" {
		t.Errorf("%v", err)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := Open(t.Context(), Config{Bucket: "b", RoleARN: "arn"}); diag.CodeOf(err) != "cloud.no-region" {
		t.Errorf("%v", err)
	}
	c, err := Open(t.Context(), Config{Region: "eu-west-1", Bucket: "b", RoleARN: "arn"})
	if err != nil || c.Local() || c.Region() != "eu-west-1" {
		t.Errorf("%v", err)
	}
}

func TestSettling(t *testing.T) {
	for text, want := range map[string]bool{
		"InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda.": true,
		"InvalidParameterValueException: Could not unzip uploaded file":                                  false,
		"ResourceConflictException: cannot be assumed":                                                   false,
	} {
		if got := settling(errors.New(text)); got != want {
			t.Errorf("settling(%s) = %v", text, got)
		}
	}
}
