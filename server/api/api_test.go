package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/runtime/wire"
	"partita/server/deploy"
	"partita/server/obs"
)

// fake does what the tests want done.
type fake struct {
	uploaded []byte
	dropped  string
	request  deploy.Request
	invoked  deploy.Invocation
	feed     *deploy.Feed
	err      error
}

func (f *fake) ReceiveUpload(_ context.Context, name string, body io.Reader) (*deploy.Upload, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	f.uploaded = data
	return &deploy.Upload{ID: "0123", Name: name, Bytes: int64(len(data)), SHA256: "ab"}, f.err
}

func (f *fake) DropUpload(_ context.Context, id string) error { f.dropped = id; return f.err }

func (f *fake) Start(_ context.Context, r deploy.Request) (*deploy.Deployment, error) {
	f.request = r
	return &deploy.Deployment{Format: deploy.DeploymentFormat, Name: r.Name, State: deploy.Deploying}, f.err
}

func (f *fake) Get(_ context.Context, name string) (*deploy.Deployment, error) {
	if name != "demo" {
		return nil, diag.New(diag.NotFound, "deploy.unknown", "looking for "+name, "there is none", "partita list")
	}
	return &deploy.Deployment{Format: deploy.DeploymentFormat, Name: name, State: deploy.Ready}, f.err
}

func (f *fake) List(context.Context) ([]*deploy.Deployment, error) {
	return []*deploy.Deployment{{Name: "demo"}}, f.err
}

func (f *fake) Watch(_ context.Context, name string) (*deploy.Feed, error) {
	if f.feed == nil || name != "demo" {
		return nil, diag.New(diag.NotFound, "deploy.unknown", "", "there is none", "")
	}
	return f.feed, nil
}

func (f *fake) Destroy(_ context.Context, name string) (*deploy.Destroyed, error) {
	return &deploy.Destroyed{Format: deploy.DestroyedFormat, Name: name, Functions: []string{"f"}, Remaining: []string{}}, f.err
}

func (f *fake) Invoke(_ context.Context, name string, in deploy.Invocation) (*wire.GatewayReply, error) {
	if name != "demo" {
		return nil, diag.New(diag.NotFound, "deploy.unknown", "", "there is no "+name, "")
	}
	f.invoked = in
	return &wire.GatewayReply{
		Outputs: []wire.Tensor{{TensorSpec: wire.TensorSpec{Name: "probs", DType: "uint8", Shape: []int64{1, 2}}, Data: []byte{1, 2}}},
		Top:     [][]wire.Class{{{Index: 1, Score: 2}}}, Trace: wire.Trace{LatencyUs: 7},
	}, f.err
}

func handler(f *fake, change func(*Options)) http.Handler {
	o := Options{Deployments: f, Info: Info{Format: InfoFormat, Version: "v"},
		Page:    http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) }),
		Cloud:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "cloud "+r.URL.Path) }),
		Metrics: obs.NewMetrics()}
	if change != nil {
		change(&o)
	}
	return New(o)
}

// ask sends a request; headers come in pairs. The host is this machine unless a header Host says otherwise.
func ask(h http.Handler, method, path string, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	r.RemoteAddr = "127.0.0.1:40000"
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			r.Host = headers[i+1]
		case "Remote":
			r.RemoteAddr = headers[i+1]
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return v
}

func TestEndpoints(t *testing.T) {
	f := &fake{}
	h := handler(f, nil)
	if got := ask(h, "GET", "/api/v1/info", ""); got.Code != 200 || decode[Info](t, got).Version != "v" {
		t.Errorf("info: %d %s", got.Code, got.Body)
	}
	upload := ask(h, "POST", "/api/v1/uploads?name=m.h5", "binary\x00body", "Content-Type", "application/octet-stream")
	if u := decode[deploy.Upload](t, upload); upload.Code != 201 || u.Bytes != 11 || u.Name != "m.h5" || string(f.uploaded) != "binary\x00body" {
		t.Errorf("upload: %d %s", upload.Code, upload.Body)
	}
	if !bytes.Contains(upload.Body.Bytes(), []byte(`"upload":"0123"`)) {
		t.Errorf("upload: %s", upload.Body)
	}
	if got := ask(h, "DELETE", "/api/v1/uploads/abc", ""); got.Code != 204 || f.dropped != "abc" {
		t.Errorf("drop: %d %s", got.Code, got.Body)
	}
	deployed := ask(h, "POST", "/api/v1/deployments", `{"name":"demo","plan":{"format":"partita.plan/1","n":9007199254740993},"upload":"u","preprocess":"tf"}`, "Content-Type", "application/json")
	if deployed.Code != 202 || f.request.Name != "demo" || f.request.Upload != "u" || f.request.Preprocess != "tf" || !bytes.Contains(f.request.Plan, []byte("9007199254740993")) {
		t.Errorf("deploy: %d %s, asked %+v", deployed.Code, deployed.Body, f.request)
	}
	if got := ask(h, "GET", "/api/v1/deployments", ""); decode[DeploymentList](t, got).Deployments[0].Name != "demo" {
		t.Errorf("list: %s", got.Body)
	}
	if got := ask(h, "GET", "/api/v1/deployments/demo", ""); decode[deploy.Deployment](t, got).State != "ready" {
		t.Errorf("get: %s", got.Body)
	}
	if got := ask(h, "DELETE", "/api/v1/deployments/demo", ""); got.Code != 200 || decode[deploy.Destroyed](t, got).Functions[0] != "f" {
		t.Errorf("destroy: %d %s", got.Code, got.Body)
	}
	invoked := ask(h, "POST", "/api/v1/deployments/demo/invocations",
		`{"inputs":[{"name":"x","contentType":"image/png","data":"`+base64.StdEncoding.EncodeToString([]byte("png"))+`"},{"upload":"u"}],"top":3}`, "Content-Type", "application/json")
	reply := decode[InvocationReply](t, invoked)
	if invoked.Code != 200 || reply.Outputs[0].Name != "probs" || !bytes.Equal(reply.Outputs[0].Data, []byte{1, 2}) || reply.Trace.LatencyUs != 7 || reply.Top[0][0].Index != 1 {
		t.Errorf("invoke: %d %s", invoked.Code, invoked.Body)
	}
	if i := f.invoked; len(i.Inputs) != 2 || string(i.Inputs[0].Data) != "png" || i.Inputs[1].Upload != "u" || i.Top != 3 {
		t.Errorf("invoked with %+v", i)
	}
	for path, want := range map[string]string{"/": "page /", "/web/x.css": "page /web/x.css", "/aws": "cloud ", "/aws/bucket/key": "cloud /bucket/key", "/v2/": "cloud /v2/", "/v2/team/model/tags/list": "cloud /v2/team/model/tags/list", "/healthz": "ok\n"} {
		if got := ask(h, "GET", path, ""); got.Code != 200 || got.Body.String() != want {
			t.Errorf("GET %s: %d %q", path, got.Code, got.Body)
		}
	}
	if got := ask(h, "PUT", "/aws/bucket/key", "x"); got.Body.String() != "cloud /bucket/key" {
		t.Errorf("PUT to the cloud: %d %s", got.Code, got.Body)
	}
}

func TestHealthBeforeReady(t *testing.T) {
	h := handler(&fake{}, func(o *Options) { o.Ready = func() bool { return false } })
	if got := ask(h, "GET", "/healthz", ""); got.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", got.Code)
	}
}

// TestProblems makes sure that every refusal is a problem document with a code, whoever refuses.
func TestProblems(t *testing.T) {
	coded := diag.New(diag.Conflict, "deploy.name-in-use", "deploying demo", "it is there", "take another").With("one more thing")
	for _, c := range []struct {
		name, method, path, body string
		err                      error
		status                   int
		code, detail             string
	}{
		{"diagnostic", "POST", "/api/v1/deployments", `{"name":"demo","plan":{},"upload":"u"}`, coded, 409, "deploy.name-in-use", "it is there"},
		{"plain error", "GET", "/api/v1/deployments", "", fmt.Errorf("disk on fire"), 500, "internal", "disk on fire"},
		{"unknown deployment", "GET", "/api/v1/deployments/nobody", "", nil, 404, "deploy.unknown", "there is none"},
		{"unknown endpoint", "GET", "/api/v1/nothing", "", nil, 404, "api.not-found", "/api/v1/nothing"},
		{"no stream", "GET", "/api/v1/deployments/demo/events", "", nil, 404, "deploy.unknown", "there is none"},
		{"bad name", "POST", "/api/v1/deployments", `{"name":"Bad Name","plan":{},"upload":"u"}`, nil, 422, "api.bad-request", "validation"},
		{"no body", "POST", "/api/v1/deployments", "", nil, 400, "api.bad-request", "body"},
		{"broken JSON", "POST", "/api/v1/deployments", "{", nil, 400, "api.bad-request", ""},
		{"no inputs", "POST", "/api/v1/deployments/demo/invocations", `{"inputs":[]}`, nil, 422, "api.bad-request", "validation"},
		{"unknown member", "POST", "/api/v1/deployments/demo/invocations", `{"inputs":[{}],"shout":true}`, nil, 422, "api.bad-request", "validation"},
		{"too large", "POST", "/api/v1/deployments", `{"name":"` + strings.Repeat("a", maxDeployBody) + `"}`, nil, 413, "api.body-too-large", "large"},
		{"no such upload", "DELETE", "/api/v1/uploads/1", "", diag.New(diag.Limit, "cloud.access-denied", "", "no", "allow s3:DeleteObject"), 403, "cloud.access-denied", "no"},
	} {
		got := ask(handler(&fake{err: c.err}, nil), c.method, c.path, c.body, "Content-Type", "application/json")
		if got.Code != c.status || got.Header().Get("Content-Type") != problemType {
			t.Errorf("%s: %d %s %s", c.name, got.Code, got.Header().Get("Content-Type"), got.Body)
			continue
		}
		p := decode[Problem](t, got)
		if p.Status != c.status || p.Code != c.code || !strings.Contains(p.Detail, c.detail) || p.Title == "" || p.Kind == "" {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	p := problemOf(fmt.Errorf("wrapped: %w", coded.Because(io.ErrUnexpectedEOF)))
	if p.Doing != "deploying demo" || p.Fix != "take another" || p.Kind != "conflict" || !slices.Equal(p.Details, []string{"one more thing"}) || p.Detail != "it is there: unexpected EOF" {
		t.Errorf("%+v", p)
	}
}

func TestGuard(t *testing.T) {
	open := handler(&fake{}, nil)
	locked := handler(&fake{}, func(o *Options) { o.Token = "secret" })
	bearer := []string{"Authorization", "Bearer secret"}
	cookie := []string{"Cookie", "partita_token=secret"}
	elsewhere := []string{"Host", "partita.example:8080", "Remote", "10.0.0.9:1234"}
	for _, c := range []struct {
		name         string
		h            http.Handler
		method, path string
		headers      []string
		status       int
		code         string
	}{
		{"local tool", open, "DELETE", "/api/v1/deployments/demo", nil, 200, ""},
		{"own page", open, "DELETE", "/api/v1/deployments/demo", []string{"Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site", "same-origin"}, 200, ""},
		{"own page, old browser", open, "DELETE", "/api/v1/deployments/demo", []string{"Origin", "http://127.0.0.1:8080"}, 200, ""},
		{"other site", open, "DELETE", "/api/v1/deployments/demo", []string{"Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, "api.cross-site"},
		{"other site, old browser", open, "DELETE", "/api/v1/deployments/demo", []string{"Origin", "http://evil.example"}, 403, "api.cross-site"},
		{"other port of this machine", open, "DELETE", "/api/v1/deployments/demo", []string{"Origin", "http://127.0.0.1:9999", "Sec-Fetch-Site", "same-site"}, 403, "api.cross-site"},
		{"sandboxed frame", open, "DELETE", "/api/v1/deployments/demo", []string{"Origin", "null"}, 403, "api.cross-site"},
		{"other site, cloud", open, "PUT", "/aws/bucket/key", []string{"Origin", "http://evil.example"}, 403, "api.cross-site"},
		{"other site, reading", open, "GET", "/api/v1/info", []string{"Sec-Fetch-Site", "cross-site"}, 200, ""},
		{"rebound name", open, "GET", "/api/v1/info", []string{"Host", "evil.example:8080"}, 403, "api.foreign-host"},
		{"rebound name, cloud", open, "GET", "/aws/bucket", []string{"Host", "evil.example"}, 403, "api.foreign-host"},
		{"localhost", open, "GET", "/api/v1/info", []string{"Host", "localhost:8080"}, 200, ""},
		{"IPv6", open, "GET", "/api/v1/info", []string{"Host", "[::1]:8080"}, 200, ""},
		{"name that begins well", open, "GET", "/api/v1/info", []string{"Host", "localhost.evil.example"}, 403, "api.foreign-host"},

		{"no token", locked, "GET", "/api/v1/info", elsewhere, 401, "api.token-needed"},
		{"wrong token", locked, "GET", "/api/v1/info", append([]string{"Authorization", "Bearer wrong"}, elsewhere...), 401, "api.token-needed"},
		{"token", locked, "GET", "/api/v1/info", append(bearer, elsewhere...), 200, ""},
		{"token from anywhere", locked, "DELETE", "/api/v1/deployments/demo", append([]string{"Origin", "http://other.example"}, bearer...), 200, ""},
		{"cookie", locked, "GET", "/api/v1/info", append(cookie, elsewhere...), 200, ""},
		{"cookie of a forged request", locked, "DELETE", "/api/v1/deployments/demo", append([]string{"Origin", "http://evil.example"}, cookie...), 403, "api.cross-site"},
		{"metrics", locked, "GET", "/metrics", elsewhere, 401, "api.token-needed"},
		{"description", locked, "GET", "/openapi.json", elsewhere, 401, "api.token-needed"},
		{"page", locked, "GET", "/web/app.wasm", elsewhere, 200, ""},
		{"health", locked, "GET", "/healthz", elsewhere, 200, ""},
		{"cloud from elsewhere", locked, "GET", "/aws/bucket", elsewhere, 403, "api.local-only"},
		{"registry from elsewhere", locked, "GET", "/v2/", elsewhere, 403, "api.local-only"},
		{"cloud from here", locked, "GET", "/aws/bucket", nil, 200, ""},
	} {
		got := ask(c.h, c.method, c.path, "", c.headers...)
		code := ""
		if got.Code >= 400 {
			code = decode[Problem](t, got).Code
		}
		if got.Code != c.status || code != c.code {
			t.Errorf("%s: %d %s", c.name, got.Code, got.Body)
		}
	}
	in := ask(locked, "GET", "/?token=secret", "")
	if set := in.Header().Get("Set-Cookie"); in.Code != 303 || in.Header().Get("Location") != "/" || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Strict") {
		t.Errorf("signing in: %d %v", in.Code, in.Header())
	}
	if out := ask(locked, "GET", "/?token=wrong", ""); out.Header().Get("Set-Cookie") != "" {
		t.Errorf("a wrong token is given a cookie")
	}
}

func TestCheckListen(t *testing.T) {
	for _, c := range []struct {
		addr, token string
		exit        int
	}{
		{"127.0.0.1:8080", "", 0}, {"localhost:0", "", 0}, {"[::1]:80", "", 0},
		{"0.0.0.0:8080", "", 4}, {":8080", "", 4}, {"192.168.1.2:80", "", 4}, {"partita.example:80", "", 4},
		{"0.0.0.0:8080", "secret", 0}, {"8080", "", 2},
	} {
		if err := CheckListen(c.addr, c.token); diag.ExitCode(err) != c.exit {
			t.Errorf("CheckListen(%q, %q): %v", c.addr, c.token, err)
		}
	}
}

// TestEventsReplay watches a deployment over a connection: late, and again from the middle.
func TestEventsReplay(t *testing.T) {
	store := &deployer{}
	feed := store.run(t)
	server := httptest.NewServer(handler(&fake{feed: feed}, nil))
	defer server.Close()
	for _, c := range []struct {
		last string
		skip int
	}{{"", 0}, {"2", 2}, {"nonsense", 0}, {"-5", 0}, {"1000000", 1000000}} {
		request, _ := http.NewRequest("GET", server.URL+"/api/v1/deployments/demo/events", nil)
		request.Header.Set("Last-Event-ID", c.last)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var events []string
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				events = append(events, event)
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && events[len(events)-1] == "failed" {
				var p Problem
				if err := json.Unmarshal([]byte(data), &p); err != nil || p.Code != "weights.shape-mismatch" {
					t.Errorf("failed with %s", data)
				}
			}
		}
		answer.Body.Close()
		all := store.events(t)
		want := all[min(c.skip, len(all)):]
		if !slices.Equal(events, want) || answer.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("Last-Event-ID %q: %v, want %v", c.last, events, want)
		}
	}
}

// deployer makes a real feed: that of a deployment that fails in its preparation.
type deployer struct{ feed *deploy.Feed }

func (d *deployer) events(t *testing.T) (names []string) {
	t.Helper()
	for _, e := range d.feed.Next(t.Context(), 0) {
		switch {
		case e.Step != nil:
			names = append(names, "step")
		case e.Err != nil:
			names = append(names, "failed")
		default:
			names = append(names, "done")
		}
	}
	return names
}

func (d *deployer) run(t *testing.T) *deploy.Feed {
	t.Helper()
	d.feed = deploy.NewFeed()
	d.feed.Start("check", "weights", 0).End(nil)
	d.feed.Start("package", "package stage-1", 5).End(io.ErrUnexpectedEOF)
	d.feed.Finish(diag.New(diag.Invalid, "weights.shape-mismatch", "binding", "shapes differ", "use its own weights"))
	return d.feed
}

// TestEventsLive gets an event as it happens, and is let go when the server stops.
func TestEventsLive(t *testing.T) {
	feed := deploy.NewFeed()
	streams, stop := context.WithCancel(context.Background())
	server := httptest.NewServer(handler(&fake{feed: feed}, func(o *Options) { o.Streams = streams }))
	defer server.Close()
	answer, err := http.Get(server.URL + "/api/v1/deployments/demo/events")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	feed.Start("create", "function f", 0)
	if line, err := lines.ReadString('\n'); err != nil || line != "id: 1\n" {
		t.Errorf("%q, %v", line, err)
	}
	stop()
	ended := make(chan struct{})
	go func() { io.Copy(io.Discard, lines); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the stream does not end with the server")
	}
}

// TestDescription makes sure that the OpenAPI document and the page drawn from it name every endpoint, and load nothing.
func TestDescription(t *testing.T) {
	h := handler(&fake{}, nil)
	document := decode[struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string         `json:"operationId"`
			Summary     string         `json:"summary"`
			Responses   map[string]any `json:"responses"`
		} `json:"paths"`
	}](t, ask(h, "GET", "/openapi.json", ""))
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", document.OpenAPI)
	}
	page := ask(h, "GET", "/docs", "").Body.String()
	operations := 0
	for path, methods := range document.Paths {
		for method, op := range methods {
			operations++
			if op.OperationID == "" || op.Summary == "" || len(op.Responses) == 0 {
				t.Errorf("%s %s is not described", method, path)
			}
			if !strings.Contains(page, strings.ToUpper(method)+" "+path) {
				t.Errorf("/docs does not show %s %s", method, path)
			}
		}
	}
	if operations != 13 {
		t.Errorf("%d operations are described", operations)
	}
	for _, outside := range []string{"http://", "https://", "<script"} {
		if strings.Contains(page, outside) {
			t.Errorf("/docs has %s", outside)
		}
	}
}
