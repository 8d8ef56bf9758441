package lambda

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"partita/server/local/sandbox"
)

func TestParseName(t *testing.T) {
	for text, want := range map[string]string{
		"f": "f/", "f:$LATEST": "f/$LATEST", "f:7": "f/7", "function:f": "f/", "000000000000:function:f": "f/",
		"000000000000:f": "f/", "arn:aws:lambda:us-east-1:000000000000:function:f:x": "f/x",
		"arn:aws-cn:lambda:cn-north-1:000000000000:function:my_f-1": "my_f-1/",
		"": "-", "a b": "-", "../x": "-", "f/g": "-", "arn:aws:s3:::f": "-", strings.Repeat("a", 65): "-", "f:x:y:z": "-", "f\n": "-",
	} {
		name, qualifier, ok := parseName(text)
		got := name + "/" + qualifier
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestReportLine(t *testing.T) {
	for _, c := range []struct {
		r    report
		want string
	}{
		{report{requestID: "id", duration: 2930 * time.Microsecond, memoryMB: 128, peakBytes: 31<<20 + 1},
			"REPORT RequestId: id\tDuration: 2.93 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 32 MB\t"},
		// The init phase is billed, and rounded up together with the rest: 0.4 + 100.4 ms are 101 ms.
		{report{requestID: "id", duration: 400 * time.Microsecond, init: 100400 * time.Microsecond, hasInitTime: true, memoryMB: 1769},
			"REPORT RequestId: id\tDuration: 0.40 ms\tBilled Duration: 101 ms\tMemory Size: 1769 MB\tMax Memory Used: 0 MB\tInit Duration: 100.40 ms\t"},
		{report{requestID: "id", duration: 3 * time.Second, memoryMB: 128, peakBytes: 1 << 20, status: "timeout"},
			"REPORT RequestId: id\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: timeout\t"},
		{report{requestID: "id", memoryMB: 128, status: "error", errorType: "Runtime.ExitError"},
			"REPORT RequestId: id\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\tStatus: error\tError Type: Runtime.ExitError\t"},
	} {
		if got := c.r.line(); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	l := newFunctionLog(dir)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 3 * maxLogBytes / len(line) {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = l.Write([]byte("the last\n"))
	kept, err := l.read()
	if err != nil || len(kept) > 2*maxLogBytes || len(kept) < maxLogBytes || !bytes.HasSuffix(kept, []byte("\nthe last\n")) {
		t.Errorf("%d bytes kept, %v", len(kept), err)
	}
	l.close()
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("files: %v", files)
	}
	again := newFunctionLog(dir)
	_, _ = again.Write([]byte("after a restart\n"))
	if kept, _ := again.read(); !bytes.HasSuffix(kept, []byte("the last\nafter a restart\n")) {
		t.Errorf("%q", kept[max(0, len(kept)-100):])
	}
	again.close()
}

func TestTail(t *testing.T) {
	s := &sink{log: &functionLog{closed: true}}
	var all []byte
	s.begin()
	for i := range 500 {
		part := bytes.Repeat([]byte{byte('a' + i%26)}, i*7%900)
		_, _ = s.Write(part)
		all = append(all, part...)
		want := all[max(0, len(all)-logTailBytes):]
		if got := s.end(); !bytes.Equal(got, want) {
			t.Fatalf("after %d writes: %d bytes, want %d", i+1, len(got), len(want))
		}
	}
	s.begin()
	_, _ = s.Write([]byte("no line end"))
	s.line("START")
	if got := string(s.end()); got != "no line end\nSTART\n" {
		t.Errorf("%q", got)
	}
}

// FuzzValidJSON compares the fast check of payloads with encoding/json's.
func FuzzValidJSON(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":[1,2.5e-3,true,false,null,"x\u00e9\n"]}`, ` [ ] `, `"` + strings.Repeat("a", 20) + `\"b"`, `01`, `-`, `1.`, `1e`, `{"a"}`,
		`[1,]`, `"\x"`, `"\u12g4"`, "\"\x01\"", "\"\x7f\xff\"", `tru`, ``, `{} {}`, `"unfinished`, "\"12345678\x1f\"", `[[[[`, `{"a":1,"a":2}`, "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := validJSON(text), json.Valid(text); got != want {
			t.Fatalf("%q: %v, encoding/json says %v", text, got, want)
		}
	})
}

func TestDeepJSON(t *testing.T) {
	for _, depth := range []int{9999, 10000, 10001, 1 << 20} {
		text := []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		if got, want := validJSON(text), json.Valid(text); got != want {
			t.Errorf("depth %d: %v, encoding/json says %v", depth, got, want)
		}
	}
}

func BenchmarkValidJSON(b *testing.B) {
	text := []byte(`{"data":"` + strings.Repeat("QUJDREVG", 6<<17) + `"}`)
	for name, valid := range map[string]func([]byte) bool{"own": validJSON, "encoding/json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if !valid(text) {
					b.Fatal("not valid")
				}
			}
		})
	}
}

// FuzzUnzip unpacks any archive: nothing may appear outside the folder, nothing but files and folders within it, and no
// more bytes than a function may have.
func FuzzUnzip(f *testing.F) {
	seed := func(method uint16, mode fs.FileMode, names ...string) {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for _, name := range names {
			header := &zip.FileHeader{Name: name, Method: method}
			header.SetMode(mode)
			entry, err := w.CreateHeader(header)
			if err != nil {
				f.Fatal(err)
			}
			_, _ = entry.Write([]byte("some content"))
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	seed(zip.Store, 0o755, "bootstrap")
	seed(zip.Deflate, 0o644, "a/b/c", "a/d", "e/")
	seed(zip.Store, 0o644, "../x")
	seed(zip.Store, 0o644, "a", "a/b")
	seed(zip.Store, fs.ModeSymlink|0o777, "link")
	seed(99, 0o644)
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, packageFile)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		err := unzip(path, filepath.Join(dir, taskFolder))
		if err != nil {
			if _, ok := err.(*apiError); !ok {
				t.Fatalf("not an error of the API: %v", err)
			}
		}
		var total int64
		_ = filepath.WalkDir(dir, func(found string, entry fs.DirEntry, err error) error {
			if err != nil {
				t.Fatal(err)
			}
			if !entry.IsDir() && !entry.Type().IsRegular() {
				t.Fatalf("%s is a %v", found, entry.Type())
			}
			if info, err := entry.Info(); err == nil && entry.Type().IsRegular() && found != path {
				total += info.Size()
			}
			return nil
		})
		if entries, _ := os.ReadDir(dir); len(entries) > 2 || total > maxUnzippedBytes {
			t.Fatalf("%v, %d bytes", entries, total)
		}
	})
}

type noObjects struct{}

func (noObjects) Open(string, string) (*os.File, error) { return nil, fs.ErrNotExist }

func newService(t testing.TB) *Service {
	t.Helper()
	host, err := sandbox.NewHost(sandbox.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Dir: t.TempDir(), Region: "us-east-1", Host: host, Objects: noObjects{}, EndpointURL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_ = host.Close()
	})
	return s
}

// FuzzAPI sends any request to the REST API: it answers with a status of the API, an error has a type in its header, and
// the service stays usable.
func FuzzAPI(f *testing.F) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	if entry, err := w.Create("bootstrap"); err == nil {
		_, _ = entry.Write([]byte("x"))
	}
	_ = w.Close()
	code := base64.StdEncoding.EncodeToString(out.Bytes())
	create := `{"FunctionName":"f","Runtime":"provided.al2023","Handler":"h","Role":"arn:aws:iam::000000000000:role/r","Code":{"ZipFile":"` + code + `"}}`
	f.Add("POST", "/2015-03-31/functions", []byte(create))
	f.Add("POST", "/2015-03-31/functions", []byte(`{"FunctionName":7}`))
	f.Add("POST", "/2015-03-31/functions", []byte(`[`))
	f.Add("GET", "/2015-03-31/functions?MaxItems=3&Marker=Zg==", []byte(nil))
	f.Add("GET", "/2015-03-31/functions/%2e%2e%2f%2e%2e", []byte(nil))
	f.Add("PUT", "/2015-03-31/functions/g/configuration", []byte(`{"MemorySize":3008,"Environment":{"Variables":{"AB":"c"}}}`))
	f.Add("PUT", "/2015-03-31/functions/g/code", []byte(`{"S3Bucket":"b","S3Key":"k"}`))
	f.Add("POST", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Ag", []byte(`{"Tags":{"a":"b"}}`))
	f.Add("DELETE", "/2015-03-31/functions/g", []byte(nil))
	f.Add("PUT", "/2017-10-31/functions/g/concurrency", []byte(`{"ReservedConcurrentExecutions":-1}`))
	f.Add("GET", "/2016-08-19/account-settings/", []byte(nil))
	s := newService(f)
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		if !Paths(target) || strings.HasSuffix(target, "/invocations") {
			return
		}
		var good createRequest
		if err := json.Unmarshal([]byte(strings.Replace(create, `"f"`, `"g"`, 1)), &good); err != nil {
			t.Fatal(err)
		}
		if _, err := s.create(&good); err != nil && !strings.HasPrefix(err.Error(), "ResourceConflictException") {
			t.Fatal(err)
		}
		request, err := http.NewRequest(method, "http://x", bytes.NewReader(body))
		if err != nil {
			return
		}
		if request.URL, err = request.URL.Parse(target); err != nil {
			return
		}
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, request)
		if recorder.Code >= 500 || recorder.Code < 200 {
			t.Fatalf("%s %s %q: %d %s", method, target, body, recorder.Code, recorder.Body)
		}
		if recorder.Code >= 400 && recorder.Header().Get("X-Amzn-Errortype") == "" {
			t.Fatalf("%s %s %q: %d without a type", method, target, body, recorder.Code)
		}
		if recorder.Header().Get("Content-Type") == "application/json" && !json.Valid(recorder.Body.Bytes()) {
			t.Fatalf("not JSON: %q", recorder.Body)
		}
		entries, err := os.ReadDir(s.options.Dir)
		if err != nil || len(entries) != 1 {
			t.Fatalf("in the service's folder: %v %v", entries, err)
		}
	})
}
