//go:build cgo

package endtoend

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// measuring watches for long tasks, in which the page answers nobody, and tells when something is painted.
const measuring = `(() => {
	window.longest = 0;
	new PerformanceObserver((list) => { for (const e of list.getEntries()) longest = Math.max(longest, e.duration); }).observe({type: "longtask"});
	window.painted = () => new Promise((done) => requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => done(performance.now()); c.port2.postMessage(0); }));
	window.until = (there) => new Promise((done) => {
		const watch = new MutationObserver(() => { if (there()) { watch.disconnect(); painted().then(done); } });
		watch.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
	});
})()`

// opening measures, from the moment at which a file is chosen, when the model is told of and when it is planned.
const opening = `(() => {
	window.opened = window.planned = 0;
	document.getElementById("model-file").addEventListener("change", () => {
		const start = performance.now(), model = (document.getElementById("model")).innerText;
		longest = 0;
		until(() => document.getElementById("model").innerText !== model).then((now) => { window.opened = now - start; });
		until(() => document.querySelector("main[aria-busy=false]") !== null && document.getElementById("model").innerText !== model).then((now) => { window.planned = now - start; });
	}, {capture: true, once: true});
})()`

// sliding moves the SLO slider, each time when the answer before has been painted.
const sliding = `(async () => {
	const slider = document.getElementById("slo"), answered = () => document.getElementById("answer").dataset.sloUs, times = [];
	longest = 0;
	for (let i = 0; i < 60; i++) {
		await new Promise((done) => setTimeout(done, 30));
		const before = answered(), changed = until(() => answered() !== before), start = performance.now();
		slider.value = String(990 - 16 * i);
		slider.dispatchEvent(new Event("input", {bubbles: true}));
		times.push(await changed - start);
	}
	window.slid = JSON.stringify(times);
})()`

// panning scrolls the drawing of every layer to and fro and counts the frames that are drawn meanwhile.
const panning = `(async () => {
	const drawing = document.getElementById("picture"), span = drawing.scrollWidth - drawing.clientWidth;
	longest = 0;
	const start = performance.now();
	let frames = 0, now = start;
	while (now - start < 3000) {
		now = await new Promise(requestAnimationFrame);
		drawing.scrollLeft = span * Math.abs(((now - start) / 1500) % 2 - 1);
		frames++;
	}
	window.panned = frames / ((now - start) / 1000);
})()`

// benchPage measures the page in Chromium: what a visitor waits for.
func benchPage(b *testing.B, t *targets) {
	p := serve(b, b.TempDir())
	page := browse(b, p.url)
	page.wait("the gallery", "gallery")
	cold := page.number(`performance.getEntriesByType("measure").find(e => e.name === "interactive")?.duration ?? 0`)
	first := page.number("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
	page.until("the page's own copy", `navigator.serviceWorker?.controller !== null`)
	// Warm starts run from the service worker's copy; interactive is when the gallery, which the program draws, is there.
	var warm []float64
	for range 5 {
		page.do("reload", chromedp.Reload())
		page.wait("the gallery", "gallery")
		page.evaluate(measuring)
		warm = append(warm, page.number(`performance.getEntriesByType("measure").find(e => e.name === "interactive")?.duration ?? 0`))
	}
	t.add("page, first visit to interactive", atMost(1500, "ms"), cold, "first paint after "+number(first)+" ms")
	t.add("page, warm start to interactive", atMost(500, "ms"), median(warm), "")
	for _, m := range []struct {
		name, file string
		limit      float64
	}{{"ResNet50's .h5", wholeModel(b, "k3_ResNet50"), 1000}, {"NASNetLarge's .json", nasnetLarge(b), 1000}} {
		page.do("open the page", chromedp.Navigate(p.url))
		page.wait("the gallery", "gallery")
		page.evaluate(measuring)
		page.evaluate(opening)
		page.choose("model-file", m.file)
		page.until("the model and its plan", "window.opened > 0 && window.planned > 0")
		t.add("page, opening "+m.name, atMost(m.limit, "ms"), page.number("window.opened"), "planned "+number(page.number("window.planned"))+" ms after it was chosen")
		t.add("    longest freeze of the page meanwhile", atMost(100, "ms"), page.number("longest"), "")
		page.evaluate("void " + sliding)
		page.until("the slides", "window.slid !== undefined")
		var times []float64
		if err := json.Unmarshal([]byte(page.evaluate("window.slid")), &times); err != nil {
			b.Fatal(err)
		}
		slices.Sort(times)
		t.add("    slider to painted answer, 95th percentile", atMost(50, "ms"), times[len(times)*95/100], fmt.Sprintf("median %s ms; longest freeze %s ms", number(times[len(times)/2]), number(page.number("longest"))))
	}
	layers := page.number(`Number(document.getElementById("layer").max)`) // of NASNetLarge, which is open
	page.click("zoom")                                                    // twice, to single layers
	page.settled()
	page.click("zoom")
	page.until("every layer", `document.querySelectorAll("#picture text.name").length > 1000`)
	page.do("let it be drawn", chromedp.Sleep(drawing))
	page.evaluate("void " + panning)
	page.until("the panning", "window.panned !== undefined")
	t.add("page, panning "+number(layers)+" layers", atLeast(55, "frames/s"), page.number("window.panned"), "longest freeze "+number(page.number("longest"))+" ms")
}
