package endtoend

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// shown is what the page says of the plan.
func (b *browser) shown() string {
	b.settled()
	return strings.Join([]string{b.text("cost"), b.text("latency"), b.text("stage-count"), b.text("slo-value"), b.evaluate(`document.getElementById("scenario").value`)}, " | ")
}

// TestPageGoesBackAndForth changes the request and the model, and undoes and redoes all of it.
func TestPageGoesBackAndForth(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	states := []string{b.shown()}
	step := func(what string, do func()) {
		t.Helper()
		do()
		states = append(states, b.shown())
		if states[len(states)-1] == states[len(states)-2] {
			t.Errorf("%s changes nothing", what)
		}
	}
	step("warm starts", func() { b.set("scenario", "warm", "change") })
	step("two functions", func() { b.set("min-stages", "2", "change") })
	step("the slider", func() {
		for position := 900; position >= 0; position -= 100 {
			b.set("slo", fmt.Sprint(position), "input")
		}
		b.set("slo", "0", "change")
	})
	step("another model", func() {
		b.choose("model-file", readCase(t, "k3_tiny_residual").path(t, "model.json", ""))
		b.until("the other model", `document.getElementById("model").innerText.includes("18 layers")`)
	})
	for i := len(states) - 2; i >= 0; i-- {
		b.evaluate(`document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "z", ctrlKey: true, bubbles: true, cancelable: true}))`)
		if now := b.shown(); now != states[i] {
			t.Errorf("undone to state %d, the page shows %s, want %s", i, now, states[i])
		}
	}
	if b.evaluate(`document.getElementById("undo").disabled`) != "true" {
		t.Error("there is more to undo than was done")
	}
	for i := 1; i < len(states); i++ {
		b.click("redo")
		if now := b.shown(); now != states[i] {
			t.Errorf("redone to state %d, the page shows %s, want %s", i, now, states[i])
		}
	}
	// What was undone to can be planned on.
	b.evaluate(`document.getElementById("undo").click()`)
	b.until("the first model", `document.getElementById("model").innerText.includes("162 layers")`)
	b.set("scenario", "cold-sequential", "change")
	b.settled()
	if about := b.text("model"); !strings.Contains(about, "162 layers") || b.text("problem") != "" {
		t.Errorf("after undo and a change the page says %q of the model, and %q", about, b.text("problem"))
	}
}

// TestPageSurvivesReload reloads the page, opens its link in another browser, also without a server, and opens broken links.
func TestPageSurvivesReload(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("scenario", "warm", "change")
	b.settled()
	b.set("min-stages", "2", "change")
	b.settled()
	b.set("slo", "300", "input")
	b.set("slo", "300", "change")
	b.settled()
	before, link := b.shown(), b.evaluate("location.href")
	if !strings.Contains(link, "#v=2&model=keras-json.") || len(link) > 8000 {
		t.Errorf("the address is %.100s… with %d characters", link, len(link))
	}
	b.do("reload", chromedp.Reload())
	b.answered()
	if after := b.shown(); after != before {
		t.Errorf("after a reload the page shows %s, want %s", after, before)
	}
	if about := b.text("model"); !strings.Contains(about, "162 layers") || !strings.Contains(about, "read ") {
		t.Errorf("after a reload the page says %q of the model", about)
	}

	other := browse(t, p.url)
	other.do("open the link", chromedp.Navigate(link))
	other.answered()
	if there := other.shown(); there != before {
		t.Errorf("in another browser the link shows %s, want %s", there, before)
	}
	other.do("click Copy link", chromedp.Click(chromedp.CSS("#share")))
	other.until("what became of the link", `document.getElementById("notice").innerText + document.getElementById("problem").innerText !== ""`)
	if text := other.text("notice"); !strings.Contains(text, "The link is copied") {
		t.Errorf("Copy link says %q, %q", text, other.text("problem"))
	}

	other.until("the page's own copy", `navigator.serviceWorker.controller !== null`)
	p.stop(t)
	other.do("reload", chromedp.Reload())
	other.answered()
	if there := other.shown(); there != before {
		t.Errorf("without a server the link shows %s, want %s", there, before)
	}

	for fragment, code := range map[string]string{"v=9&model=zoo:VGG16": "[link.unknown-version]", "v=2&model=keras-json.AAAA": "[link.broken]"} {
		other.evaluate(fmt.Sprintf("void (location.hash = %q)", fragment))
		other.until("the explanation", fmt.Sprintf(`document.getElementById("problem").innerText.includes(%q)`, code))
	}
}

// TestPageAsksForOpenSizes settles a size that an ONNX model leaves open.
func TestPageAsksForOpenSizes(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "onnx_ch_ppocr_mobile_v2_0_cls_infer").path(t, "model.onnx", ""))
	b.answered()
	b.wait("the open sizes", "dimensions")
	b.screenshot("dimensions")
	field := b.evaluate(`document.querySelector("#dimensions input").id`)
	before := b.shown()
	b.set(field, "1024", "change")
	b.until("other work", fmt.Sprintf(`document.querySelector("main[aria-busy=false]") !== null && document.getElementById(%q + "-help").innerText.startsWith("Settled")`, field))
	if after := b.shown(); after == before {
		t.Errorf("another size changes nothing: %s", after)
	}
	b.set(field, "", "change")
	b.until("the size to be open again", fmt.Sprintf(`document.querySelector("main[aria-busy=false]") !== null && document.getElementById(%q + "-help").innerText.startsWith("Taken")`, field))
	if after := b.shown(); after != before {
		t.Errorf("left open again, the page shows %s, want %s", after, before)
	}
}
