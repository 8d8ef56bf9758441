package runtimeapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// runtime is a client of the API, as a function's program is one.
type runtime struct {
	t   testing.TB
	url string
}

func start(t testing.TB) (*Server, *runtime) {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, &runtime{t, "http://" + s.Address() + prefix}
}

func (r *runtime) call(method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	r.t.Helper()
	request, err := http.NewRequest(method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response, string(raw)
}

func (r *runtime) expect(status int, kind, method, path string, body io.Reader, headers ...string) {
	r.t.Helper()
	response, text := r.call(method, path, body, headers...)
	if response.StatusCode != status || !strings.Contains(text, kind) {
		r.t.Errorf("%s %s: %d %s, want %d %s", method, path, response.StatusCode, text, status, kind)
	}
}

func invocation(id string) Invocation {
	return Invocation{RequestID: id, FunctionARN: "arn:aws:lambda:x:1:function:f", TraceID: "Root=1", ClientContext: `{"a":1}`,
		Deadline: time.UnixMilli(1234567), Payload: []byte(`{"n":1}`)}
}

func invoke(t testing.TB, s *Server, id string) (<-chan struct{}, <-chan Outcome) {
	t.Helper()
	taken, outcome, err := s.Invoke(invocation(id))
	if err != nil {
		t.Fatal(err)
	}
	return taken, outcome
}

func receive(t testing.TB, outcome <-chan Outcome) Outcome {
	t.Helper()
	select {
	case o := <-outcome:
		return o
	case <-time.After(20 * time.Second):
		t.Fatal("no outcome after 20 s")
		return Outcome{}
	}
}

func TestLife(t *testing.T) {
	s, r := start(t)
	select {
	case <-s.Ready():
		t.Fatal("ready before the runtime has said so")
	default:
	}
	taken, outcome := invoke(t, s, "id-1")
	response, body := r.call("GET", "invocation/next", nil)
	if body != `{"n":1}` || response.StatusCode != 200 {
		t.Fatalf("%s %s", response.Status, body)
	}
	for name, want := range map[string]string{"Lambda-Runtime-Aws-Request-Id": "id-1", "Lambda-Runtime-Deadline-Ms": "1234567",
		"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:x:1:function:f", "Lambda-Runtime-Trace-Id": "Root=1",
		"Lambda-Runtime-Client-Context": `{"a":1}`, "Content-Type": "application/json"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	<-s.Ready()
	<-taken
	r.expect(403, "InvalidStateTransition", "GET", "invocation/next", nil)
	r.expect(403, "InvalidStateTransition", "POST", "init/error", strings.NewReader("{}"))
	r.expect(400, "InvalidRequestID", "POST", "invocation/id-2/response", strings.NewReader("{}"))
	if _, _, err := s.Invoke(invocation("id-2")); err == nil {
		t.Error("two invocations at once")
	}
	r.expect(202, `{"status":"OK"}`, "POST", "invocation/id-1/response", strings.NewReader("answer"))
	if o := receive(t, outcome); string(o.Payload) != "answer" || o.Failed() {
		t.Errorf("%+v", o)
	}
	r.expect(400, "InvalidRequestID", "POST", "invocation/id-1/response", strings.NewReader("again"))

	// An error, of a runtime that asks before there is anything.
	next := make(chan string)
	go func() {
		_, body := r.call("GET", "invocation/next", nil)
		next <- body
	}()
	_, outcome = invoke(t, s, "id-3")
	<-next
	r.expect(202, "OK", "POST", "invocation/id-3/error", strings.NewReader(`{"errorMessage":"no","errorType":"Body.Type"}`))
	if o := receive(t, outcome); o.ErrorType != "Body.Type" || string(o.Payload) != `{"errorMessage":"no","errorType":"Body.Type"}` {
		t.Errorf("%+v", o)
	}
}

func TestErrorReports(t *testing.T) {
	for name, c := range map[string]struct{ header, body, kind, payload string }{
		"header first":  {"Function.X", `{"errorType":"Y"}`, "Function.X", `{"errorType":"Y"}`},
		"no type":       {"", `{}`, "Function.Unknown", `{}`},
		"not JSON":      {"A.B", "text\xff", "A.B", `{"errorMessage":"text?","errorType":"A.B"}`},
		"nothing":       {"", "", "Function.Unknown", `{"errorMessage":"","errorType":"Function.Unknown"}`},
		"no log line":   {"A\tB", `{"errorType":"C\nREPORT"}`, "AB", `{"errorType":"C\nREPORT"}`},
		"line in body":  {"", `{"errorType":"C\nREPORT x"}`, "CREPORTx", `{"errorType":"C\nREPORT x"}`},
		"too long type": {strings.Repeat("x", 5000), `{}`, strings.Repeat("x", 128), `{}`},
	} {
		s, r := start(t)
		_, outcome := invoke(t, s, "id")
		r.call("GET", "invocation/next", nil)
		r.expect(202, "OK", "POST", "invocation/id/error", strings.NewReader(c.body), "Lambda-Runtime-Function-Error-Type", c.header)
		if o := receive(t, outcome); o.ErrorType != c.kind || string(o.Payload) != c.payload {
			t.Errorf("%s: %q %s", name, o.ErrorType, o.Payload)
		}
	}
}

func TestInitError(t *testing.T) {
	s, r := start(t)
	r.expect(202, "OK", "POST", "init/error", strings.NewReader(`{"errorMessage":"m"}`), "Lambda-Runtime-Function-Error-Type", "Init.Bad")
	if o := <-s.InitError(); o.ErrorType != "Init.Bad" || string(o.Payload) != `{"errorMessage":"m"}` {
		t.Errorf("%+v", o)
	}
}

func TestLargeAnswers(t *testing.T) {
	s, r := start(t)
	_, outcome := invoke(t, s, "id")
	r.call("GET", "invocation/next", nil)
	r.expect(202, "OK", "POST", "invocation/id/response", bytes.NewReader(make([]byte, MaxResponseBytes)))
	if o := receive(t, outcome); len(o.Payload) != MaxResponseBytes {
		t.Errorf("%d bytes", len(o.Payload))
	}
	for i, body := range []io.Reader{bytes.NewReader(make([]byte, MaxResponseBytes+1)), struct{ io.Reader }{bytes.NewReader(make([]byte, MaxResponseBytes+1))}} {
		id := fmt.Sprint("large-", i)
		_, outcome = invoke(t, s, id)
		r.call("GET", "invocation/next", nil)
		r.expect(413, "RequestEntityTooLarge", "POST", "invocation/"+id+"/response", body)
		if o := receive(t, outcome); o.ErrorType != "Function.ResponseSizeTooLarge" || !json.Valid(o.Payload) {
			t.Errorf("%s %.100s", o.ErrorType, o.Payload)
		}
	}
	// The environment is none the worse for it.
	_, outcome = invoke(t, s, "after")
	r.call("GET", "invocation/next", nil)
	r.expect(202, "OK", "POST", "invocation/after/response", nil)
	receive(t, outcome)
}

// TestTrailers fails at the end of a streamed answer.
func TestTrailers(t *testing.T) {
	s, r := start(t)
	_, outcome := invoke(t, s, "id")
	r.call("GET", "invocation/next", nil)
	request, err := http.NewRequest("POST", r.url+"invocation/id/response", struct{ io.Reader }{strings.NewReader("part")})
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Lambda-Runtime-Function-Response-Mode", "streaming")
	request.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": {"Stream.Broken"}, "Lambda-Runtime-Function-Error-Body": {"eyJhIjoxfQ=="}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if o := receive(t, outcome); o.ErrorType != "Stream.Broken" || string(o.Payload) != `{"a":1}` || response.StatusCode != 202 {
		t.Errorf("%+v %s", o, response.Status)
	}
}

func TestTruncatedAnswer(t *testing.T) {
	s, r := start(t)
	_, outcome := invoke(t, s, "id")
	r.call("GET", "invocation/next", nil)
	reader, writer := io.Pipe()
	go func() {
		_, _ = writer.Write([]byte("half"))
		writer.CloseWithError(io.ErrClosedPipe)
	}()
	request, err := http.NewRequest("POST", r.url+"invocation/id/response", reader)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = 100
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Error("the client sent all of it")
	}
	if o := receive(t, outcome); o.ErrorType != "Runtime.TruncatedResponse" {
		t.Errorf("%+v", o)
	}
}

func TestUnknownPaths(t *testing.T) {
	_, r := start(t)
	r.expect(404, "InvalidRequest", "GET", "restore/next", nil)
	r.expect(404, "InvalidRequest", "POST", "invocation//x/response", nil)
	r.expect(405, "InvalidRequest", "POST", "invocation/next", nil)
	r.expect(405, "InvalidRequest", "GET", "invocation/x/response", nil)
	r.url = strings.TrimSuffix(r.url, prefix)
	r.expect(404, "InvalidRequest", "GET", "/", nil)
}

// TestAskerGone lets a runtime's connection break while it waits: the next to ask gets the invocation.
func TestAskerGone(t *testing.T) {
	s, r := start(t)
	request, err := http.NewRequest("GET", r.url+"invocation/next", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 50 * time.Millisecond}
	if response, err := client.Do(request); err == nil {
		response.Body.Close()
		t.Fatal("there was no invocation")
	}
	for s.isWaiting() {
		time.Sleep(time.Millisecond)
	}
	_, outcome := invoke(t, s, "id")
	if _, body := r.call("GET", "invocation/next", nil); body != `{"n":1}` {
		t.Errorf("%s", body)
	}
	r.expect(202, "OK", "POST", "invocation/id/response", nil)
	receive(t, outcome)
}

func (s *Server) isWaiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// FuzzRequests sends any request of a runtime: the server answers with JSON and a fitting status, and the invocation
// has at most one outcome, which is JSON when it is an error.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "invocation/id/response", []byte("answer"), "", 6)
	f.Add("POST", "invocation/id/error", []byte(`{"errorType":"X"}`), "Function.X", 17)
	f.Add("POST", "invocation/id/error", []byte("\xff\x00"), "\t", -1)
	f.Add("POST", "init/error", []byte("{"), "", 1)
	f.Add("GET", "invocation/other/response", []byte(""), "", 0)
	f.Add("POST", "invocation/id/response", []byte("short"), "", 6291557)
	f.Add("POST", "../../x", []byte("short"), "", 3)
	f.Fuzz(func(t *testing.T, method, path string, body []byte, kind string, length int) {
		s := &Server{ready: make(chan struct{}), initError: make(chan Outcome, 1), arrived: make(chan struct{}, 1), closed: make(chan struct{})}
		_, outcome := invoke(t, s, "id")
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", prefix+"invocation/next", nil))
		if strings.HasPrefix(path, "invocation/next") { // would wait, rightly
			return
		}
		request := httptest.NewRequest("POST", "http://x"+prefix, bytes.NewReader(body))
		request.Method, request.URL.Path, request.ContentLength = method, prefix+path, int64(length)
		request.Header["Lambda-Runtime-Function-Error-Type"] = []string{kind}
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, request)
		switch recorder.Code {
		case 202, 400, 403, 404, 405, 413:
		default:
			t.Fatalf("status %d", recorder.Code)
		}
		if !json.Valid(recorder.Body.Bytes()) {
			t.Fatalf("not JSON: %q", recorder.Body)
		}
		select {
		case o := <-outcome:
			if o.Failed() && !json.Valid(o.Payload) {
				t.Fatalf("an error that is not JSON: %q", o.Payload)
			}
			if strings.ContainsAny(o.ErrorType, "\n\t ") {
				t.Fatalf("the type %q breaks a log line", o.ErrorType)
			}
		default:
			if recorder.Code == 202 && !strings.HasPrefix(path, "init/") {
				t.Fatal("accepted without an outcome")
			}
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, 6 << 20} {
		b.Run(strconv.Itoa(size>>10)+"KB", func(b *testing.B) {
			s, r := start(b)
			payload := bytes.Repeat([]byte("a"), size)
			b.SetBytes(int64(2 * size))
			for b.Loop() {
				_, outcome, err := s.Invoke(Invocation{RequestID: "id", Payload: payload})
				if err != nil {
					b.Fatal(err)
				}
				r.call("GET", "invocation/next", nil)
				r.call("POST", "invocation/id/response", bytes.NewReader(payload))
				<-outcome
			}
		})
	}
}
