package endtoend

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// elsewhere is a server of models that is not the page's. What it does wrong depends on the path.
type elsewhere struct {
	*httptest.Server
	model  []byte
	served atomic.Int64
	asked  atomic.Int64 // requests for the model by ranges, since it was last reset

	mu      sync.Mutex
	headers []http.Header
}

func serveElsewhere(t *testing.T, file string) *elsewhere {
	t.Helper()
	model, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	e := &elsewhere{model: model}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.headers = append(e.headers, r.Header.Clone())
	e.mu.Unlock()
	kind := strings.Split(r.URL.Path, "/")[1]
	if kind != "closed" {
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}
	counted := &counter{w, &e.served}
	content := func(tag string, model []byte) {
		w.Header().Set("ETag", tag)
		w.Header().Set("Access-Control-Expose-Headers", "ETag, Content-Range")
		http.ServeContent(counted, r, "", time.Time{}, bytes.NewReader(model))
	}
	n := int64(0)
	if r.Header.Get("Range") != "" {
		n = e.asked.Add(1)
	}
	switch kind {
	case "ranges", "closed":
		content(`"one"`, e.model)
	case "hidden": // the headers that say its size, but for that of HEAD
		http.ServeContent(counted, r, "", time.Unix(1e9, 0), bytes.NewReader(e.model))
	case "whole":
		counted.Write(e.model)
	case "web":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>A model</title>")
	case "changing":
		content(strconv.Quote(strconv.FormatInt(n, 10)), e.model)
	case "breaking": // after the first answer, in the middle of each
		if n > 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(e.model)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(e.model[:len(e.model)/3])
			panic(http.ErrAbortHandler)
		}
		content(`"one"`, e.model)
	case "cut": // as a whole, which it never gives
		w.Header().Set("Content-Length", strconv.Itoa(len(e.model)))
		w.Write(e.model[:len(e.model)/3])
		panic(http.ErrAbortHandler)
	case "huge":
		w.Header().Set("Content-Length", "3000000000")
	case "private":
		http.Error(w, "who are you?", http.StatusForbidden)
	case "slow":
		<-r.Context().Done()
	default:
		http.NotFound(w, r)
	}
}

type counter struct {
	http.ResponseWriter
	bytes *atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// openAddress types an address and opens it.
func (b *browser) openAddress(address string) {
	b.t.Helper()
	b.set("model-address", address, "input")
	b.do("press Enter", chromedp.Evaluate[chromedp.Void](`document.getElementById("model-address").form.requestSubmit()`))
}

// TestPageOpensAddresses opens ResNet50 from another server: the plan is that of the file, few bytes are asked for, and a reload opens it again.
func TestPageOpensAddresses(t *testing.T) {
	file := readCase(t, "k3_ResNet50").path(t, "model.h5", "gz")
	e := serveElsewhere(t, file)
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", file)
	b.answered()
	want, model := b.shown(), b.text("model")
	for _, kind := range []string{"ranges", "hidden"} {
		b.emptied()
		e.served.Store(0)
		e.asked.Store(0)
		b.openAddress(e.URL + "/" + kind + "/models/ResNet50.h5?version=1")
		b.answered()
		if got := b.shown(); got != want {
			t.Errorf("%s: the page shows %s, of the file %s", kind, got, want)
		}
		t.Logf("%s: %d of %d bytes in %d requests", kind, e.served.Load(), len(e.model), e.asked.Load())
		if served := e.served.Load(); served > int64(len(e.model))/10 {
			t.Errorf("%s: %d of %d bytes were asked for", kind, served, len(e.model))
		}
		checkLittleWasRead(t, b.text("bytes-read"))
		if got := b.text("model"); strings.Split(got, "read ")[0] != strings.Split(model, "read ")[0] {
			t.Errorf("%s: the page says %q, of the file %q", kind, got, model)
		}
	}
	b.screenshot("address")
	asked := e.asked.Load()
	b.leave("location.reload()")
	b.answered()
	if got := b.shown(); got != want {
		t.Errorf("after a reload the page shows %s, before it %s", got, want)
	}
	if e.asked.Load() == asked || b.evaluate(`document.getElementById("lost") === null`) != "true" {
		t.Errorf("a reload does not open the address again: %s", b.text("lost"))
	}

	// Without that server everything is there but the bytes.
	b.set("min-stages", "2", "change")
	b.settled()
	want = b.shown()
	e.Close()
	b.leave("location.reload()")
	b.answered()
	b.wait("what is not at hand", "lost")
	if got := b.shown(); got != want {
		t.Errorf("after a reload without the other server the page shows %s, before it %s", got, want)
	}
	if text := b.text("notice"); !strings.Contains(text, "[remote.connection-lost]") {
		t.Errorf("of the server that is gone the page says %q", text)
	}
	b.click("undo")
	b.settled()
	if got := b.shown(); got == want {
		t.Error("the way back is gone with the server")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.headers {
		if h.Get("Cookie") != "" || h.Get("Referer") != "" || h.Get("Authorization") != "" {
			t.Fatalf("the page told another server more than it has to: %v", h)
		}
	}
}

// TestPageExplainsAddresses opens addresses at which there is no model to be had. The page says why and what to do.
func TestPageExplainsAddresses(t *testing.T) {
	e := serveElsewhere(t, readCase(t, "k3_tiny_cnn").path(t, "model.h5", ""))
	b := browse(t, serve(t, t.TempDir()).url)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct{ address, code, say string }{
		{"model.h5", "remote.not-an-address", "https://"},
		{"http://example.org/model.h5", "remote.not-https", "only https"},
		{"https://user:word@example.org/model.h5", "remote.not-an-address", "user's name"},
		{gone.URL + "/gone.h5", "remote.unreachable", "does not answer"},
		{e.URL + "/closed/closed.h5", "remote.unreachable", "CORS"},
		{e.URL + "/nothing/nothing.h5", "remote.not-found", "404"},
		{e.URL + "/private/private.h5", "remote.refused", "403"},
		{e.URL + "/web/web.h5", "remote.page", "web page"},
		{e.URL + "/huge/huge.h5", "remote.too-large", "3.00 GB"},
		{e.URL + "/changing/changing.h5", "remote.changed", "another version"},
		{e.URL + "/breaking/breaking.h5", "remote.connection-lost", "drop it here"},
		{e.URL + "/cut/cut.h5", "remote.connection-lost", "drop it here"},
	} {
		e.asked.Store(0)
		b.openAddress(c.address)
		b.until("the explanation of "+c.code, fmt.Sprintf(`document.getElementById("reading").innerText === "" && ["[%s]", %q].every((part) => document.getElementById("problem").textContent.includes(part))`, c.code, path.Base(c.address)))
		if text := b.text("problem"); !strings.Contains(text, c.say) {
			t.Errorf("%s: the page says %q, without %q", c.address, text, c.say)
		}
	}
	b.screenshot("address-broken")
	b.openAddress(e.URL + "/slow/model.h5")
	b.wait("the way to cancel", "stop-reading")
	b.leave("location.reload()") // in the middle of it
	b.until("the same request", `document.getElementById("reading").innerText.includes("/slow/model.h5")`)
	b.click("stop-reading")
	b.until("the end", `document.getElementById("reading").innerText === "" && document.getElementById("notice").innerText.includes("Cancelled")`)

	// A server that gives no ranges gives the file as a whole, which the browser keeps then.
	b.openAddress(e.URL + "/whole/model.h5")
	b.answered()
	e.Close()
	b.onceKept("model.h5")
	b.leave("location.reload()")
	b.answered()
	b.wait("the way to deploy, for the weights are there", "deploy-button")
}

// TestPageOpensSeveralAddresses opens, with a model on the screen, one whose weights are in a file of their own.
func TestPageOpensSeveralAddresses(t *testing.T) {
	folder := readCase(t, "tfjs_seq").folder
	answers := http.FileServer(http.Dir(folder))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		answers.ServeHTTP(w, r)
	}))
	t.Cleanup(elsewhere.Close)
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "k3_tiny_residual").path(t, "model.json", ""))
	b.answered()
	b.click("from-address")
	b.openAddress(elsewhere.URL + "/model.json  " + elsewhere.URL + "/weights.bin")
	b.wait("the way to deploy, for the weights are there", "deploy-button")
	if open := b.evaluate(`document.getElementById("address-menu").matches(":popover-open")`); open != "false" {
		t.Error("the field covers what it has opened")
	}
	if left := b.evaluate(`document.getElementById("model-address").value`); left != "" {
		t.Errorf("in the field there is still %q", left)
	}
	got := b.shown()
	b.emptied()
	b.drop(folder)
	b.answered()
	if want := b.shown(); got != want {
		t.Errorf("from addresses the page shows %s, from files %s", got, want)
	}
}

// TestPageTakesLinks drops and pastes links, and deploys a model whose weights are at an address.
func TestPageTakesLinks(t *testing.T) {
	c := readCase(t, "k3_tiny_cnn")
	e := serveElsewhere(t, c.path(t, "model.h5", ""))
	b := browse(t, serve(t, t.TempDir()).url)
	give := func(event, source, kind, text string) {
		t.Helper()
		b.evaluate(fmt.Sprintf(`void (() => {
			const data = new DataTransfer();
			data.setData(%q, %q);
			document.body.dispatchEvent(new %s(%q, {%s: data, bubbles: true, cancelable: true}));
		})()`, kind, text, map[string]string{"drop": "DragEvent", "paste": "ClipboardEvent"}[event], event, source))
	}
	give("drop", "dataTransfer", "text/uri-list", "# a comment\r\n"+e.URL+"/ranges/model.h5\r\n")
	b.answered()
	before := b.shown()
	b.emptied()
	give("paste", "clipboardData", "text/plain", "no address")
	give("paste", "clipboardData", "text/plain", e.URL+"/ranges/model.h5")
	b.answered()
	if now := b.shown(); now != before {
		t.Errorf("pasted, the page shows %s, dropped %s", now, before)
	}
	b.set("platform", "local", "change")
	b.settled()
	b.click("deploy-button")
	b.wait("the deployment", "destroy-button")
	if steps := b.text("steps"); !strings.Contains(steps, "weights from their address") {
		t.Errorf("the page does not tell of the fetching: %q", steps)
	}
	b.click("destroy-button")
	b.wait("the end of the deployment", "deploy-button")
}
