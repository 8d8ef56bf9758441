package site

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/web"
)

type blank struct{ app.Compo }

func (*blank) Render() app.UI { return app.Main().Text("skeleton") }

func init() { app.Route("/", func() app.Composer { return &blank{} }) }

func built() fstest.MapFS {
	return fstest.MapFS{
		"dist/.gitkeep":                {},
		"dist/app.wasm":                {Data: []byte("the whole program")},
		"dist/app.wasm.br":             {Data: []byte("br")},
		"dist/app.wasm.gz":             {Data: []byte("gzip")},
		"dist/old.js.br":               {Data: []byte("left over")},
		"partita.css":                  {Data: []byte("p{}")},
		"worker.js":                    {Data: []byte("//")},
		"theme.js":                     {Data: []byte("//")},
		"icons/icon-192.png":           {Data: []byte("png")},
		"icons/icon-512.png":           {Data: []byte("png")},
		"icons/icon-maskable-512.png":  {Data: []byte("png")},
		"icons/icon.svg":               {Data: []byte("<svg/>")},
		"unrelated/sub/folder/data.js": {Data: []byte("1")},
	}
}

func handler(t *testing.T, files fstest.MapFS) http.Handler {
	t.Helper()
	h, err := New(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWasmForms(t *testing.T) {
	h := handler(t, built())
	tags := map[string]bool{}
	for _, c := range []struct{ accept, encoding, body string }{
		{"gzip, deflate, br, zstd", "br", "br"},
		{"gzip", "gzip", "gzip"},
		{"br;q=0, gzip;q=0.5", "gzip", "gzip"},
		{"*", "br", "br"},
		{"", "", "the whole program"},
		{"identity", "", "the whole program"},
		{"br;q=nonsense", "", "the whole program"},
	} {
		r := get(h, "/web/app.wasm", "Accept-Encoding", c.accept)
		if r.StatusCode != 200 || r.Header.Get("Content-Encoding") != c.encoding || r.Header.Get("Content-Type") != "application/wasm" ||
			r.Header.Get("X-Raw-Length") != "17" || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: %d %v", c.accept, r.StatusCode, r.Header)
		}
		if got := body(t, r); got != c.body || r.Header.Get("Content-Length") != strconv.Itoa(len(c.body)) {
			t.Errorf("Accept-Encoding %q gives %q of length %s", c.accept, got, r.Header.Get("Content-Length"))
		}
		tag := r.Header.Get("ETag")
		tags[tag] = true
		if again := get(h, "/web/app.wasm", "Accept-Encoding", c.accept, "If-None-Match", tag); again.StatusCode != http.StatusNotModified {
			t.Errorf("Accept-Encoding %q: its own tag is answered with %d", c.accept, again.StatusCode)
		}
	}
	if len(tags) != 3 {
		t.Errorf("three forms have %d entity tags", len(tags))
	}
}

func TestPage(t *testing.T) {
	h := handler(t, built())
	r := get(h, "/")
	text := body(t, r)
	if r.StatusCode != 200 || !strings.Contains(text, "skeleton") || !strings.Contains(text, `href="/web/partita.css"`) {
		t.Errorf("GET /: %d %s", r.StatusCode, text)
	}
	csp := r.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "'wasm-unsafe-eval'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %s: %s", want, csp)
		}
	}
	if outside := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*"`).FindString(text); outside != "" {
		t.Errorf("the page refers to another site: %s", outside)
	}
	if strings.Contains(text, "<script>") {
		t.Error("the page has an inline script, which its policy forbids")
	}
	for path, want := range map[string]int{"/nowhere": 404, "/robots.txt": 404, "/web/none.js": 404, "/web/old.js": 404, "/web/../dist/app.wasm": 404, "/web/.gitkeep": 404} {
		if r := get(h, path); r.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, r.StatusCode, want)
		}
	}
	post := httptest.NewRecorder()
	h.ServeHTTP(post, httptest.NewRequest(http.MethodPost, "/", nil))
	if post.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", post.Code)
	}
}

// TestPlannerAsksElsewhere holds that only the planner's worker may ask other servers, by https or on this computer, and load nothing from them.
func TestPlannerAsksElsewhere(t *testing.T) {
	h := handler(t, built())
	allowed := func(path string) map[string]string {
		directives := map[string]string{}
		for _, directive := range strings.Split(get(h, path).Header.Get("Content-Security-Policy"), "; ") {
			name, sources, _ := strings.Cut(directive, " ")
			directives[name] = sources
		}
		return directives
	}
	page, worker := allowed("/"), allowed(workerURL)
	if want := "'self' https: http://127.0.0.1:* http://localhost:*"; worker["connect-src"] != want {
		t.Errorf("the planner may connect to %q, want %q", worker["connect-src"], want)
	}
	delete(page, "connect-src")
	delete(worker, "connect-src")
	if !maps.Equal(page, worker) {
		t.Errorf("the planner may %v, the page %v", worker, page)
	}
	for _, path := range []string{"/web/app.wasm", execURL, "/app.js", "/app-worker.js"} {
		if got := allowed(path)["connect-src"]; got != "'self'" {
			t.Errorf("%s may connect to %s", path, got)
		}
	}
}

// TestWorkerResources fetches all that the service worker keeps: one that is absent would leave it with nothing.
func TestWorkerResources(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{"made up": built()} {
		h := handler(t, files)
		worker := body(t, get(h, "/app-worker.js"))
		list := regexp.MustCompile(`resourcesToCache = (\[.*?\]);`).FindStringSubmatch(worker)
		if list == nil {
			t.Fatalf("%s: the worker lists no resources:\n%s", name, worker)
		}
		var urls []string
		if err := json.Unmarshal([]byte(list[1]), &urls); err != nil {
			t.Fatal(err)
		}
		if len(urls) < 10 {
			t.Errorf("%s: only %v are kept", name, urls)
		}
		for _, url := range urls {
			if r := get(h, url); r.StatusCode != 200 {
				t.Errorf("%s: GET %s: %d", name, url, r.StatusCode)
			}
		}
		for _, program := range []string{"/web/app.wasm?v=", "/web/worker.js?v=", "/wasm_exec.js?v="} {
			if !slices.ContainsFunc(urls, func(url string) bool { return strings.HasPrefix(url, program) }) {
				t.Errorf("%s: nothing at %s is kept: %v", name, program, urls)
			}
		}
		if strings.Count(worker, "await keepLastVersion();") != 1 || strings.Contains(worker, "await deletePreviousCaches();") {
			t.Error("an update leaves the page that is open without its planner")
		}
		if strings.Count(worker, `request.mode !== "navigate"`) != 1 {
			t.Error("the worker does not open the page offline")
		}
		if strings.Count(worker, "event.respondWith(") != 1 || strings.Count(worker, "origin === self.location.origin) {\n    event.respondWith(") != 1 {
			t.Error("the worker answers for other servers, which its policy does not let it ask")
		}
	}
}

// TestProgramsOfOneVersion asks for programs by the addresses that the page knows, and by those of another version.
func TestProgramsOfOneVersion(t *testing.T) {
	files := built()
	h := handler(t, files)
	a, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	if script := body(t, get(h, "/app.js")); !strings.Contains(script, `"/web/app.wasm?v=`+a.version+`"`) || !strings.Contains(script, `"GOAPP_VERSION":"`+a.version+`"`) {
		t.Errorf("the page loads another program than %s: %s", a.version, script)
	}
	for _, path := range []string{"/web/app.wasm", "/web/worker.js", execURL} {
		for query, want := range map[string]int{"": 200, "?v=" + a.version: 200, "?v=older": http.StatusGone} {
			if r := get(h, path+query); r.StatusCode != want {
				t.Errorf("GET %s%s: %d, want %d", path, query, r.StatusCode, want)
			}
		}
	}
	if r := get(h, "/?v=older"); r.StatusCode != 200 {
		t.Errorf("the page with a query: %d", r.StatusCode)
	}
}

// TestManifest makes sure that what the manifest names is there, and that the page says which files it opens.
func TestManifest(t *testing.T) {
	h := handler(t, built())
	r := get(h, "/manifest.webmanifest")
	var m struct {
		ID, Name, Display string
		StartURL          string `json:"start_url"`
		Icons             []struct{ Src, Purpose string }
		FileHandlers      []struct {
			Action string
			Accept map[string][]string
		} `json:"file_handlers"`
	}
	if err := json.Unmarshal([]byte(body(t, r)), &m); err != nil || r.Header.Get("Content-Type") != "application/manifest+json" {
		t.Fatalf("%v, %v", err, r.Header)
	}
	if m.ID != "/" || m.Name != "Partita" || m.Display != "standalone" || m.StartURL != "/" || len(m.Icons) != 4 || len(m.FileHandlers) != 1 || m.FileHandlers[0].Action != "/" {
		t.Errorf("it says %+v", m)
	}
	for _, icon := range m.Icons {
		if r := get(h, icon.Src); r.StatusCode != 200 {
			t.Errorf("GET %s: %d", icon.Src, r.StatusCode)
		}
	}
	all := ""
	for _, suffixes := range m.FileHandlers[0].Accept {
		all += strings.Join(suffixes, " ") + " "
	}
	for _, suffix := range []string{".h5 ", ".keras ", ".onnx ", ".json "} {
		if !strings.Contains(all, suffix) {
			t.Errorf("it opens %s, not %s", all, suffix)
		}
	}
	if again := get(h, "/manifest.webmanifest", "If-None-Match", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("its own tag is answered with %d", again.StatusCode)
	}
}

func TestVersionFollowsEveryFile(t *testing.T) {
	version := func(files fstest.MapFS) string {
		a, err := load(files)
		if err != nil {
			t.Fatal(err)
		}
		return a.version
	}
	before := version(built())
	if before != version(built()) {
		t.Error("the same files have different versions")
	}
	for name := range built() {
		if strings.HasPrefix(name, "dist/.") {
			continue
		}
		changed := built()
		changed[name] = &fstest.MapFile{Data: []byte("something else")}
		if version(changed) == before {
			t.Errorf("changing %s does not change the version", name)
		}
	}
}

func TestNotBuilt(t *testing.T) {
	files := built()
	delete(files, "dist/app.wasm")
	r := get(handler(t, files), "/")
	if r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body(t, r), "make build") {
		t.Errorf("without app.wasm: %d", r.StatusCode)
	}
}

// TestEmbeddedFiles makes sure that the icons that the shell names are there.
func TestEmbeddedFiles(t *testing.T) {
	a, err := load(web.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"/web/partita.css", "/web/icons/icon-192.png", "/web/icons/icon-512.png", "/web/icons/icon-maskable-512.png", "/web/icons/icon.svg"} {
		if !a.has(url) {
			t.Errorf("%s is not embedded", url)
		}
	}
}

func TestWorkerOfAnotherGoApp(t *testing.T) {
	if _, err := offlineWorker("something else"); err == nil {
		t.Error("an unknown worker is patched")
	}
}
