package endtoend

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"partita/internal/fixture"
)

// axe looks at the page as it is for what keeps people from using it, by the rules of WCAG 2.2 AA and best practice.
func (b *browser) axe(where string) {
	b.t.Helper()
	script := fixture.Read(b.t, fixture.File(b.t, "whether the page is in the way of anybody, by the rules of axe", "make test-tools",
		"server/endtoend/testdata/axe/node_modules/axe-core/axe.min.js"))
	if b.evaluate("typeof window.axe") == "undefined" {
		b.do("load axe", chromedp.Evaluate[chromedp.Void](string(script)+"; undefined"))
	}
	b.evaluate(`void (window.axed = undefined, axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then((r) => {
		window.axed = JSON.stringify(r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => n.html.slice(0, 200) + " " + n.failureSummary)})));
	}, (e) => { window.axed = JSON.stringify([{id: "broken", help: String(e)}]); }))`)
	b.until("axe", "window.axed !== undefined")
	var found []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(b.evaluate("window.axed")), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range found {
		b.t.Errorf("%s: axe finds %s: %s\n%q", where, f.ID, f.Help, f.Nodes[:min(len(f.Nodes), 4)])
	}
}

// media has the page drawn for a medium with a feature, such as prefers-color-scheme.
func (b *browser) media(feature, value string) {
	b.t.Helper()
	b.do("prefer "+value, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: feature, Value: value}}})
		return err
	}))
}

// size gives the window another size.
func (b *browser) size(width, height int64) {
	b.t.Helper()
	b.do("resize", chromedp.EmulateViewport(width, height))
}

// TestPageIsAccessible looks at each state of the page in both themes, and as wide as a phone is.
func TestPageIsAccessible(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.wait("the gallery", "gallery")
	look := func(what string) {
		t.Helper()
		for _, theme := range []string{"light", "dark"} {
			b.media("prefers-color-scheme", theme)
			b.axe(what + ", " + theme)
			b.screenshot(what + "-" + theme)
		}
	}
	look("empty")
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.settled()
	b.until("reasons", `document.querySelector("#why[aria-busy=false]") !== null`)
	b.set("layer", "30", "input")
	b.wait("what can be done about a cut", "cut-menu")
	b.evaluate(`document.querySelectorAll("details").forEach((d) => { d.open = true; })`)
	if twice := b.evaluate(`[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)`); twice != "" {
		t.Errorf("several elements are called %s", twice)
	}
	look("planned")
	b.media("forced-colors", "active")
	b.axe("planned, forced colours")
	b.screenshot("planned-forced")
	b.click("zoom")
	b.axe("zoomed")
	b.screenshot("zoomed")
	b.set("slo-exact", "1ms", "change")
	b.until("no plan", `document.querySelector("#answer.problem") !== null`)
	b.until("what would help", `document.querySelector("#why[aria-busy=false] button") !== null`)
	if text := b.text("chart"); strings.Contains(text, "this plan") || strings.Contains(text, "than one function") {
		t.Errorf("without a plan the chart says %q", text)
	}
	look("infeasible")
	b.size(360, 800)
	look("infeasible-phone")
	narrow := func() {
		t.Helper()
		if wide := b.number("document.documentElement.scrollWidth"); wide > 360 {
			t.Errorf("on a phone of 360 pixels the page is %v pixels wide", wide)
		}
	}
	narrow()
	b.set("slo-exact", "none", "change")
	b.wait("a plan", "cost")
	b.settled()
	b.until("the months", `document.querySelector("#months[aria-busy=false]") !== null`)
	b.click("keep")
	b.set("min-stages", "2", "change")
	b.settled()
	b.wait("the comparison", "compared")
	look("phone")
	narrow()
	b.evaluate("void scrollTo(0, 0)")
	b.click("from-address")
	b.until("the field for an address", `document.activeElement !== null && document.getElementById("address-menu").matches(":popover-open")`)
	if wide := b.number(`document.getElementById("model-address").offsetWidth`); wide < 160 {
		t.Errorf("on a phone the field for an address is %v pixels wide", wide)
	}
	look("phone-address")
	narrow()
	b.click("from-address")
	order := b.evaluate(`[...document.querySelectorAll("main section.card[id]")].map((e) => [e.id, e.getBoundingClientRect().top]).every((e, i, all) => i === 0 || e[1] >= all[i - 1][1])`)
	if order != "true" {
		t.Error("on a phone the parts of the page are not in the order in which they are read")
	}
}

// TestPageThemes chooses the page's colours against the system's; they are there again after a reload, before the page's program is.
func TestPageThemes(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.wait("the gallery", "gallery")
	b.media("prefers-color-scheme", "light")
	paper := func() string { return b.evaluate("getComputedStyle(document.body).backgroundColor") }
	const light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 26)"
	if now := paper(); now != light {
		t.Errorf("in a light system the page is %s", now)
	}
	for _, want := range []string{light, dark} {
		b.click("theme")
		b.do("let it be drawn", chromedp.Sleep(drawing))
		if now := paper(); now != want {
			t.Errorf("the page is %s, want %s; the button says %q", now, want, b.evaluate(`document.getElementById("theme").ariaLabel`))
		}
	}
	b.axe("dark by choice")
	call(b, "keep the program from starting", page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		WebAssembly.instantiateStreaming = () => new Promise(() => {});`})
	b.do("reload", chromedp.Reload(), chromedp.WaitReady(chromedp.CSS("body")))
	if now := paper(); now != dark {
		t.Errorf("after a reload the page is %s", now)
	}
	b.media("forced-colors", "active")
	if now := paper(); now == dark {
		t.Errorf("with forced colours the page is %s", now)
	}
}
