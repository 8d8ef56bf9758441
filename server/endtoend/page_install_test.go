package endtoend

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"partita/internal/fixture"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// call does one command of the DevTools protocol.
func call[P, R any](b *browser, what string, command cdp.Command[P, R], params P) (result R) {
	b.t.Helper()
	b.do(what, chromedp.Func(func(ctx context.Context, t *chromedp.Target) (err error) {
		result, err = cdp.Call(ctx, t, command, params)
		return err
	}))
	return result
}

var workerVersion = regexp.MustCompile(`const cacheName = "app-" \+ "([0-9a-f]+)"`)

// newer serves a product as a later version of it would be, once it is told to: under its own addresses, and not under those of the
// version before.
func newer(t *testing.T, p *product) (address string, deploy func()) {
	target, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(p.url + "/app-worker.js")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := workerVersion.FindSubmatch(text)
	if found == nil {
		t.Fatal("the worker has no version")
	}
	const later = "later"
	version := string(found[1])
	var now atomic.Bool
	written := map[string]bool{"/app-worker.js": true, "/app.js": true} // which name the version
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.URL.RawQuery = strings.Replace(r.Out.URL.RawQuery, "v="+later, "v="+version, 1)
			if written[r.Out.URL.Path] {
				r.Out.Header.Del("If-None-Match")
				r.Out.Header.Del("Accept-Encoding")
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if !written[r.Request.URL.Path] || !now.Load() {
				return nil
			}
			text, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			if !bytes.Contains(text, found[1]) {
				t.Errorf("%s names no version", r.Request.URL.Path)
			}
			text = bytes.ReplaceAll(text, found[1], []byte(later))
			r.Body = io.NopCloser(bytes.NewReader(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			r.Header.Set("ETag", `"later"`)
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if now.Load() && r.URL.Query().Get("v") == version {
			http.Error(w, "another version", http.StatusGone)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() { now.Store(true) }
}

// TestPageIsUpdated deploys a new version of the page while it is open: the page offers it, and a reload loses nothing.
func TestPageIsUpdated(t *testing.T) {
	p := serve(t, t.TempDir())
	address, deploy := newer(t, p)
	b := browse(t, address)
	b.until("the page's own copy", `navigator.serviceWorker?.controller !== null`)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("scenario", "warm", "change")
	before := b.shown()
	b.evaluate(`void goappTryUpdate()`)
	b.do("ask for updates", chromedp.Sleep(5*drawing))
	if b.evaluate(`document.getElementById("update") === null`) != "true" {
		t.Error("an update is offered when there is none")
	}
	deploy()
	b.evaluate(`void goappTryUpdate()`)
	b.wait("the offer", "reload")
	b.screenshot("update")
	b.axe("update")
	b.evaluate(`void (window.old = true)`)
	b.click("reload")
	b.do("wait for the new page", chromedp.Sleep(10*drawing), chromedp.WaitReady(chromedp.CSS("#model-file")))
	b.until("the new page", `window.old === undefined && document.getElementById("cost") !== null && document.querySelector("main[aria-busy=false]") !== null`)
	if now := b.shown(); now != before {
		t.Errorf("after the update the page shows %s, want %s", now, before)
	}
	if b.evaluate(`document.getElementById("undo").disabled`) == "true" {
		t.Error("after the update there is no way back")
	}
}

// TestPageKeepsItsPlanner starts the planner again in a page that is older than the server: it is the page's own, and where that is gone the
// page says so.
func TestPageKeepsItsPlanner(t *testing.T) {
	address, deploy := newer(t, serve(t, t.TempDir()))
	b := browse(t, address)
	b.until("the page's own copy", `navigator.serviceWorker?.controller !== null`)
	call(b, "watch for workers", page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.workers = [];
		window.Worker = class extends Worker { constructor(address) { super(address); this.address = address; workers.push(this); } };`})
	b.do("open the page anew", chromedp.Reload())
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.until("reasons", `document.querySelector("#why[aria-busy=false]") !== null`)
	own := b.evaluate(`workers[0].address`)
	if !regexp.MustCompile(`^/web/worker\.js\?v=[0-9a-f]{24}$`).MatchString(own) {
		t.Errorf("the planner is at %s", own)
	}
	broken := func() {
		t.Helper()
		b.evaluate(`void workers.forEach((w) => { w.terminate(); w.onmessage({data: {ended: true}}); })`)
		b.do("let it be noticed", chromedp.Sleep(5*drawing))
	}
	deploy()
	b.evaluate(`void goappTryUpdate()`)
	b.wait("the offer", "reload")
	started := b.number("workers.length")
	broken()
	before := b.text("cost")
	b.set("scenario", "warm", "change")
	b.until("another plan", `document.querySelector("main[aria-busy=false]") !== null && document.getElementById("cost").innerText !== `+strconv.Quote(before))
	if again := b.evaluate(`workers.at(-1).address`); b.number("workers.length") == started || again != own {
		t.Errorf("the planner started after the update is at %s, before it was %s", again, own)
	}
	// Another update later, the browser has kept it no longer.
	b.evaluate(`void caches.keys().then((keys) => Promise.all(keys.filter((k) => k !== "app-later").map((k) => caches.delete(k)))).then(() => { window.forgotten = true; })`)
	b.until("the browser to forget", "window.forgotten === true")
	broken()
	b.set("min-stages", "2", "change")
	b.until("what to do", `document.getElementById("problem").innerText.includes("[planner.other-version]")`)
	b.evaluate(`void (window.old = true)`)
	b.click("reload")
	b.do("wait for the new page", chromedp.Sleep(10*drawing), chromedp.WaitReady(chromedp.CSS("#model-file")))
	b.until("the new page", `window.old === undefined && document.getElementById("cost") !== null && document.querySelector("main[aria-busy=false]") !== null`)
	if now := b.evaluate(`workers[0].address`); now != "/web/worker.js?v=later" {
		t.Errorf("the new page's planner is at %s", now)
	}
}

// TestPageCanBeInstalled asks Chromium whether the page can be, and opens a file as the installed page is told to.
func TestPageCanBeInstalled(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.until("the page's own copy", `navigator.serviceWorker?.controller !== null`)
	m := call(b, "read the manifest", page.GetAppManifest, page.GetAppManifestParams{})
	for _, e := range m.Errors {
		t.Errorf("the manifest: %s", e.Message)
	}
	if !strings.Contains(m.Data, "file_handlers") || !strings.Contains(m.URL, "/manifest.webmanifest") {
		t.Errorf("the manifest at %s is %s", m.URL, m.Data)
	}
	for _, e := range call(b, "ask whether it can be installed", page.GetInstallabilityErrors, cdp.Empty{}).InstallabilityErrors {
		if e.ErrorID != "in-incognito" {
			t.Errorf("the page cannot be installed: %s %v", e.ErrorID, e.ErrorArguments)
		}
	}
	// What the system hands to an installed page.
	config, err := os.ReadFile(readCase(t, "k3_tiny_residual").path(t, "model.json", ""))
	if err != nil {
		t.Fatal(err)
	}
	call(b, "stand in for the system", page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		Object.defineProperty(window, "launchQueue", {value: {setConsumer(f) { window.launch = f; }}});`})
	b.do("open the page anew", chromedp.Navigate(p.url))
	b.until("the page to take files", `typeof window.launch === "function"`)
	b.evaluate(`void window.launch({files: [{getFile: async () => new File([` + strconv.Quote(string(config)) + `], "opened.json")}]})`)
	b.answered()
	if about := b.text("model"); !strings.Contains(about, "18 layers") {
		t.Errorf("the page says %q of the model that was opened with it", about)
	}
}

// TestPageOnPaper prints a plan: it fits two pages and says what was asked and found.
func TestPageOnPaper(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("min-stages", "3", "change")
	b.settled()
	b.until("reasons", `document.querySelector("#why[aria-busy=false]") !== null`)
	b.media("prefers-color-scheme", "dark") // which paper is not
	background := true
	printed := call(b, "print", page.PrintToPDF, page.PrintToPDFParams{PrintBackground: &background})
	if pages := bytes.Count(printed.Data, []byte("/Type /Page\n")); pages < 1 || pages > 2 {
		t.Errorf("a plan takes %d pages", pages)
	}
	if folder := os.Getenv("PARTITA_SCREENSHOTS"); folder != "" {
		if err := os.WriteFile(filepath.Join(folder, "paper.pdf"), printed.Data, 0o600); err != nil {
			t.Error(err)
		}
	}
	call(b, "look at it as printed", emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	if text := b.evaluate("document.body.innerText"); !strings.Contains(text, "Functions, at least") || strings.Contains(text, "Copy link") || strings.Contains(text, "Creates these functions") {
		t.Errorf("on paper there is %q", text)
	}
	b.screenshot("paper")
	t.Run("text", func(t *testing.T) {
		command := exec.Command(fixture.Tool(t, "pdftotext", "that what is printed can be read as text", "make test-tools, or sudo apt-get install poppler-utils"), "-", "-")
		command.Stdin = bytes.NewReader(printed.Data)
		if text, err := command.Output(); err != nil || !strings.Contains(string(text), "per 100,000 requests") {
			t.Errorf("the printed text is %q, %v", text, err)
		}
	})
}

// TestPageInForcedColours looks at the page in the colours of a system that forces its own on pages.
func TestPageInForcedColours(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.media("forced-colors", "active")
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("min-stages", "3", "change")
	b.settled()
	b.screenshot("forced-colours")
	colours := b.evaluate(`new Set([...document.querySelectorAll("#picture .band")].map((e) => getComputedStyle(e).fill)).size`)
	if colours != b.evaluate(`document.querySelectorAll("#picture .band").length`) {
		t.Errorf("the functions are drawn in %s colours", colours)
	}
}
