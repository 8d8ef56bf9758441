package endtoend

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"partita/internal/fixture"
)

// patience is how long the page may take over one thing that a user asks of it.
const patience = 90 * time.Second

// drawing is how long the page may take to draw what it has.
const drawing = 200 * time.Millisecond

// browser is a fresh Chromium with the product's page in it. Whatever the page writes to its console as an error, and
// whatever it throws, fails the test.
type browser struct {
	t     testing.TB
	url   string
	tab   context.Context
	close func()
}

// browse opens the product's page.
func browse(t testing.TB, url string) *browser {
	t.Helper()
	b := startBrowser(t)
	b.url = url
	b.do("open the page", chromedp.Navigate(url))
	b.wait("the page", "model-file")
	return b
}

// startBrowser has no page in it yet.
func startBrowser(t testing.TB) *browser {
	t.Helper()
	program := fixture.Tool(t, "chromium", "the page in a browser", "make test-tools, or sudo apt-get install chromium fonts-dejavu-core")
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(program),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1280, 1000),
	)
	t.Cleanup(stopAllocator)
	tab, stopTab := chromedp.NewContext(allocator, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			what := e.ExceptionDetails.Text
			if thrown := e.ExceptionDetails.Exception; thrown != nil {
				what += " " + thrown.Description
			}
			t.Errorf("the page threw: %s", what)
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" {
				t.Errorf("the page's console says: %s", e.Args[0].Value)
			}
		}
	}))
	t.Cleanup(stopTab)
	b := &browser{t: t, tab: tab, close: stopTab}
	// The first run starts the browser and ties its life to this context.
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return b
}

// another opens a page in another tab of the same browser.
func (b *browser) another(url string) *browser {
	b.t.Helper()
	tab, stop := chromedp.NewContext(b.tab)
	b.t.Cleanup(stop)
	other := &browser{b.t, url, tab, stop}
	if err := chromedp.Do(tab); err != nil {
		b.t.Fatalf("opening a tab: %v", err)
	}
	other.do("open the page", chromedp.Navigate(url))
	other.wait("the page", "model-file")
	return other
}

// do runs steps in the page.
func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	limited, stop := context.WithTimeout(b.tab, patience)
	defer stop()
	if err := chromedp.Do(limited, steps...); err != nil {
		b.screenshot("failed")
		b.t.Fatalf("%s: %v", what, err)
	}
}

// until waits until a JavaScript expression is true in the page.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	limited, stop := context.WithTimeout(b.tab, patience)
	defer stop()
	_, err := chromedp.Run(limited, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		b.screenshot("failed")
		b.t.Fatalf("waiting for %s: %v; the page says: %s", what, err, b.evaluate("document.body.innerText"))
	}
}

// wait waits until an element with an id is there.
func (b *browser) wait(what, id string) {
	b.t.Helper()
	b.until(what, fmt.Sprintf("document.getElementById(%q) !== null", id))
}

// settled waits until the page has planned what it was asked.
func (b *browser) settled() {
	b.t.Helper()
	b.do("let the page draw", chromedp.Sleep(drawing))
	b.until("the plan", `document.querySelector("main[aria-busy=false]") !== null`)
}

// answered waits until the page shows a plan with all that belongs to it.
func (b *browser) answered() {
	b.t.Helper()
	b.until("the answer", `document.getElementById("cost") !== null && document.querySelector("main[aria-busy=false]") !== null`)
}

// evaluate gives the value of a JavaScript expression, as text.
func (b *browser) evaluate(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.tab, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return text
}

// number gives the value of a JavaScript expression that is a number.
func (b *browser) number(expression string) float64 {
	b.t.Helper()
	value, err := strconv.ParseFloat(b.evaluate(expression), 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// text gives what an element says.
func (b *browser) text(id string) string {
	b.t.Helper()
	return b.evaluate(fmt.Sprintf("document.getElementById(%q)?.innerText", id))
}

// set gives an input a value as a user's hand would, with the event that follows.
func (b *browser) set(id, value, event string) {
	b.t.Helper()
	b.wait(id, id)
	b.evaluate(fmt.Sprintf("(() => { const e = document.getElementById(%q); e.value = %q; e.dispatchEvent(new Event(%q, {bubbles: true})); })()", id, value, event))
}

// choose chooses a file in a file input.
func (b *browser) choose(id, path string) {
	b.t.Helper()
	b.do("choose "+filepath.Base(path), chromedp.SetUploadFiles(chromedp.CSS("#"+id), []string{path}))
}

// click clicks an element.
func (b *browser) click(id string) {
	b.t.Helper()
	b.do("click "+id, chromedp.Click(chromedp.CSS("#"+id)))
}

// screenshot keeps a picture where PARTITA_SCREENSHOTS names a folder.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	folder := os.Getenv("PARTITA_SCREENSHOTS")
	if folder == "" {
		return
	}
	shot, err := chromedp.Run(b.tab, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o600)
	}
	if err != nil {
		b.t.Errorf("taking the screenshot %s: %v", name, err)
	}
}

// TestPage does in Chromium what a newcomer does: choose a model, read what it is and costs, move the slider, deploy, send
// an image, read the prediction and the trace, destroy.
func TestPage(t *testing.T) {
	c := readCase(t, "trained_mobilenet_v2")
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.screenshot("empty")

	b.choose("model-file", c.path(t, "model.h5", ""))
	b.answered()
	about := b.text("model")
	for _, part := range []string{"162 layers", "2.62 million parameters"} {
		if !strings.Contains(about, part) {
			t.Errorf("the page says %q of the model, without %q", about, part)
		}
	}
	checkLittleWasRead(t, b.text("bytes-read"))

	b.set("platform", "local", "change")
	b.set("min-stages", "2", "change")
	b.until("two functions", `document.querySelectorAll("#stages tbody tr").length >= 2`)
	at := func(position int) (cost, latency, slo string) {
		b.set("slo", strconv.Itoa(position), "input")
		b.settled()
		return b.text("cost"), b.text("latency"), b.text("slo-value")
	}
	cheapCost, cheapLatency, _ := at(1000)
	fastCost, fastLatency, fastSLO := at(0)
	if cheapCost == fastCost || cheapLatency == fastLatency {
		t.Errorf("the slider changes nothing: %s %s at one end, %s %s at the other", cheapCost, cheapLatency, fastCost, fastLatency)
	}
	if !strings.HasPrefix(fastLatency, fastSLO) {
		t.Errorf("at the fast end the latency is %s under an SLO of %s", fastLatency, fastSLO)
	}
	at(600)
	b.screenshot("planned")

	b.settled()
	b.click("deploy-button")
	b.wait("the deployment", "destroy-button")
	b.choose("input-file", fixture.Shared(t, "models", "images", "raccoon.png"))
	b.wait("the reply", "reply")
	if top := b.text("top"); !strings.Contains(top, "class ") {
		t.Errorf("no prediction: %q", top)
	}
	if measured := b.text("measured"); !strings.Contains(measured, "Measured, ") {
		t.Errorf("no measured latency: %q", measured)
	}
	rows := b.evaluate(`document.querySelectorAll("#trace tbody tr").length`)
	if stages := b.evaluate(`document.querySelectorAll("#stages tbody tr").length`); rows != stages {
		t.Errorf("the trace has %s rows for %s functions", rows, stages)
	}
	if bars := b.evaluate(`document.querySelectorAll("#measured-timeline svg").length`); bars != "2" || !strings.Contains(b.text("measured-timeline"), "Predicted, ") {
		t.Errorf("what was measured is drawn %s times: %q", bars, b.text("measured-timeline"))
	}
	b.screenshot("answered")

	b.click("destroy-button")
	b.wait("the end of the deployment", "deploy-button")
	if left := listed(t, p); strings.Contains(left, "partita-") {
		t.Errorf("something is left after Destroy: %s", left)
	}
}

// checkLittleWasRead reads "read 512 KB of 11.0 MB" and makes sure that it was not the whole file.
func checkLittleWasRead(t *testing.T, text string) {
	t.Helper()
	fields := strings.Fields(text)
	if len(fields) != 6 {
		t.Fatalf("the page says %q about what it read", text)
	}
	size := func(number, unit string) float64 {
		value, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
		if err != nil {
			t.Fatal(err)
		}
		bytes, known := map[string]float64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
		if !known {
			t.Fatalf("the page counts in %q", unit)
		}
		return value * bytes
	}
	read, whole := size(fields[1], fields[2]), size(fields[4], fields[5])
	if read <= 0 || read > whole/4 {
		t.Errorf("the page read %s", text)
	}
}

// TestPageTakesDroppedFiles drops a model on the page instead of choosing it.
func TestPageTakesDroppedFiles(t *testing.T) {
	config, err := os.ReadFile(readCase(t, "k3_tiny_residual").path(t, "model.json", ""))
	if err != nil {
		t.Fatal(err)
	}
	b := browse(t, serve(t, t.TempDir()).url)
	b.evaluate(fmt.Sprintf(`(() => {
		const files = new DataTransfer();
		files.items.add(new File([%q], "dropped.json"));
		window.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));
	})()`, config))
	b.answered()
	if about := b.text("model"); !strings.Contains(about, "18 layers") {
		t.Errorf("the page says %q of the model", about)
	}
}
