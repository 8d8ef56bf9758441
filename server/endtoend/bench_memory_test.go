//go:build cgo

package endtoend

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// telling has the page's program, and each of its planners when it is asked, tell how much memory WebAssembly has given it. That never
// becomes less.
const telling = `(() => {
	const start = WebAssembly.instantiateStreaming;
	WebAssembly.instantiateStreaming = async (...program) => { const made = await start(...program); window.program = made.instance; return made; };
	window.planners = {};
	const channel = new BroadcastChannel("memory");
	channel.onmessage = (m) => { if (m.data.planner) planners[m.data.planner] = m.data.bytes; };
	window.askPlanners = () => { planners = {}; channel.postMessage({}); };
})()`

// toldByPlanners is added to the script that runs a planner.
const toldByPlanners = `
const memoryChannel = new BroadcastChannel("memory"), plannerName = String(Math.random());
memoryChannel.onmessage = (m) => { if (!m.data.planner) memoryChannel.postMessage({ planner: plannerName, bytes: go._inst.exports.mem.buffer.byteLength }); };
`

// measurable serves a product whose planners tell of their memory.
func measurable(b *testing.B, p *product) string {
	b.Helper()
	target, err := url.Parse(p.url)
	if err != nil {
		b.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Path != "/web/worker.js" || r.StatusCode != http.StatusOK {
				return nil
			}
			script, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			script = append(script, toldByPlanners...)
			r.Body = io.NopCloser(bytes.NewReader(script))
			r.Header.Set("Content-Length", strconv.Itoa(len(script)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	b.Cleanup(server.Close)
	return server.URL
}

// benchPageMemory measures the memory of the page, of its planner, and of the planner that finds a plan's reasons, each time in a page
// of its own, once a plan with its reasons is on the screen and the SLO has been moved.
func benchPageMemory(b *testing.B, t *targets) {
	address := measurable(b, serve(b, b.TempDir()))
	for _, name := range []string{"ResNet50", "NASNetLarge"} {
		screen := browse(b, address)
		call(screen, "watch the memory", page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: telling})
		screen.do("open the page anew", chromedp.Reload())
		screen.builtIn(name)
		for position := 900; position >= 0; position -= 100 {
			screen.set("slo", strconv.Itoa(position), "input")
			screen.settled()
		}
		screen.set("slo", "500", "change")
		screen.settled()
		screen.until("the reasons", `document.querySelector("#why[aria-busy=false]") !== null`)
		own := screen.number("program.exports.mem.buffer.byteLength")
		screen.evaluate("void askPlanners()")
		screen.until("the planners to tell", "Object.keys(planners).length === 2")
		planners := screen.number("Object.values(planners).reduce((a, b) => a + b)")
		most := screen.number("Math.max(...Object.values(planners))")
		script := screen.number("performance.memory.usedJSHeapSize")
		t.note("page, memory with "+name+" planned and explained", fmt.Sprintf("%s MB: the page's program %s, its planners %s and %s, scripts and elements %s",
			number((own+planners+script)/1e6), number(own/1e6), number(most/1e6), number((planners-most)/1e6), number(script/1e6)), nil)
		screen.close()
	}
}
