package endtoend

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPageShowsASample looks at the finished plan on the empty screen, in all colours, on a phone and on paper, and opens it. It is no part of
// the visit until then.
func TestPageShowsASample(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.wait("the sample", "sample")
	b.screenshot("sample")
	for id, part := range map[string]string{"sample-title": "resnet50 within 1.2", "sample-cost": "$", "sample-latency": "cold", "sample-functions": "functions", "sample-comparison": "than one function"} {
		if text := b.text(id); !strings.Contains(strings.ToLower(text), part) {
			t.Errorf("%s says %q, without %q", id, text, part)
		}
	}
	if drawn := b.evaluate(`document.querySelectorAll("#sample-plot path.frontier").length + " " + document.querySelectorAll("#sample-picture line.cut").length`); strings.HasPrefix(drawn, "0") || strings.HasSuffix(drawn, " 0") {
		t.Errorf("of the frontier and of cuts there are drawn %s", drawn)
	}
	for _, id := range []string{"sample-plot", "sample-picture"} {
		if label := b.evaluate(fmt.Sprintf(`document.getElementById(%q).getAttribute("aria-label")`, id)); len(label) < 20 {
			t.Errorf("whoever does not see %s is told %q", id, label)
		}
	}
	for _, theme := range []string{"light", "dark"} {
		b.media("prefers-color-scheme", theme)
		b.axe("sample, " + theme)
		b.screenshot("sample-" + theme)
	}
	b.media("forced-colors", "active")
	b.axe("sample, forced colours")
	b.screenshot("sample-forced")
	b.media("forced-colors", "none")
	b.size(360, 800)
	b.until("the drawing to fit", `Math.abs(document.querySelector("#sample-plot svg").viewBox.baseVal.width - document.getElementById("sample-plot").clientWidth) <= 1`)
	if wide := b.number("document.documentElement.scrollWidth"); wide > 360 {
		t.Errorf("on a phone of 360 pixels the page is %v pixels wide", wide)
	}
	b.axe("sample, phone")
	b.screenshot("sample-phone")
	b.size(1280, 900)

	b.do("reload", chromedp.Reload())
	b.wait("the sample again", "sample")
	if text := b.evaluate(`document.getElementById("recent") + " " + document.getElementById("cost") + " " + location.hash`); text != "null null " {
		t.Errorf("after a reload there is %s of a visit that was none", text)
	}
	cost, latency := b.text("sample-cost"), b.text("sample-latency")
	b.click("open-sample")
	b.answered()
	if now, took := b.text("cost"), b.text("latency"); now != cost || took != latency {
		t.Errorf("opened, the sample of %s and %s is one of %s and %s", cost, latency, now, took)
	}
	if about := b.text("model"); !strings.Contains(about, "resnet50") {
		t.Errorf("opened is %q", about)
	}
	if b.text("sample") != "undefined" {
		t.Error("beside an open plan there is a sample")
	}
}

// TestPageDropsTheSample opens a model while the sample is being made, which never ends: it is in nobody's way. And a sample that cannot be made
// is nobody's trouble.
func TestPageDropsTheSample(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.onLoad(slowPlanner + `; plannerWaits("plan")`)
	b.emptied()
	b.until("the sample to be planned", `plannerHolds() === 1`)
	b.evaluate(`plannerWaits("")`)
	b.choose("model-file", readCase(t, "k3_tiny_cnn").path(t, "model.h5", ""))
	b.answered()
	if about := b.text("model"); strings.Contains(about, "resnet50") {
		t.Errorf("in place of the model that was opened there is %q", about)
	}

	broken := b.another(b.url)
	broken.onLoad(`(() => {
		const post = Worker.prototype.postMessage;
		Worker.prototype.postMessage = function (message, ...more) {
			const task = JSON.parse(message.task ?? "{}");
			if (task.Op === "open") {
				task.BuiltIn = "no such model";
				message.task = JSON.stringify(task);
				this.addEventListener("message", (e) => { if (e.data.id === message.id) window.sampleFailed = e.data.problem; });
			}
			post.call(this, message, ...more);
		};
	})()`)
	broken.emptied()
	broken.until("the failure", `window.sampleFailed !== undefined`)
	broken.do("let the page draw", chromedp.Sleep(drawing))
	if text := broken.text("problem") + broken.text("notice"); text != "" || broken.text("sample") != "undefined" {
		t.Errorf("of a sample that cannot be made the page says %q", text)
	}
}
