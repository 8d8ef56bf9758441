package endtoend

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"partita/internal/fixture"
)

// back undoes one step.
func (b *browser) back() { b.evaluate(`void document.getElementById("undo").click()`) }

// reload reloads the page, as soon as what was done has been kept.
func (b *browser) reload() {
	b.t.Helper()
	b.do("reload", chromedp.Sleep(drawing), chromedp.Reload())
}

// TestPageKeepsVisits reloads the page and closes its tab: the model with its weights, the request, what is being typed, the way back
// and the deployment are there again.
func TestPageKeepsVisits(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	states := []string{b.shown()}
	step := func(do func()) { do(); states = append(states, b.shown()) }
	step(func() { b.set("platform", "local", "change") })
	step(func() { b.set("min-stages", "2", "change") })
	step(func() { b.set("scenario", "warm", "change") })
	b.back()
	b.until("the undone state", `document.getElementById("scenario").value !== "warm"`)
	b.set("deployment-name", "kept-name", "input")
	b.set("budget", "no money", "change") // which the planner refuses
	b.until("the refusal", `document.getElementById("problem").innerText !== ""`)
	b.set("memory", "512,10", "input") // is being typed
	b.do("type", chromedp.Sleep(3*drawing))
	before := b.shown()

	check := func(b *browser, where string) {
		t.Helper()
		b.answered()
		if now := b.shown(); now != before {
			t.Errorf("%s the page shows %s, want %s", where, now, before)
		}
		if about := b.text("model"); !strings.Contains(about, "162 layers") || !strings.Contains(about, "read ") {
			t.Errorf("%s the page says %q of the model", where, about)
		}
		for field, want := range map[string]string{"deployment-name": "kept-name", "budget": "no money", "memory": "512,10"} {
			if now := b.evaluate(fmt.Sprintf("document.getElementById(%q).value", field)); now != want {
				t.Errorf("%s the field %s holds %q, want %q", where, field, now, want)
			}
		}
	}
	b.reload()
	check(b, "after a reload")
	b.screenshot("kept")
	for i := 1; i >= 0; i-- {
		b.back()
		b.until("the step before", fmt.Sprintf(`document.getElementById("undo").disabled === %v && document.querySelector("main[aria-busy=false]") !== null`, i == 0))
		if now := b.shown(); now != states[i] {
			t.Errorf("undone after a reload to state %d, the page shows %s, want %s", i, now, states[i])
		}
	}
	for i := 1; i < 4; i++ {
		b.evaluate(`void document.getElementById("redo").click()`)
		b.until("the step after", fmt.Sprintf(`document.getElementById("redo").disabled === %v && document.querySelector("main[aria-busy=false]") !== null`, i == 3))
		if now := b.shown(); now != states[i] {
			t.Errorf("redone after a reload to state %d, the page shows %s, want %s", i, now, states[i])
		}
	}
	b.back()
	b.until("the undone state", `document.getElementById("scenario").value !== "warm"`)
	b.set("budget", "no money", "change")
	b.until("the refusal", `document.getElementById("problem").innerText !== ""`)
	b.set("memory", "512,10", "input")
	b.do("type", chromedp.Sleep(3*drawing))

	other := b.another(p.url) // while the first tab is open there is nothing to go on with
	if left := other.text("recent"); strings.Contains(left, "trained") {
		t.Errorf("another tab offers the visit of the open one: %q", left)
	}
	b.do("leave the page", chromedp.Navigate("about:blank"))
	other.close()
	b.do("let the browser end the pages, which gives their locks free", chromedp.Sleep(10*drawing))
	third := b.another(p.url)
	third.until("the closed tab's visit", `document.querySelector("#recent button") !== null`)
	third.screenshot("recent")
	third.evaluate(`void document.querySelector("#recent button").click()`)
	check(third, "in place of a closed tab")

	// A deployment goes on while the page is away, and is there again.
	third.click("deploy-button")
	third.until("the server's first step", `document.getElementById("steps")?.innerText.includes("package")`)
	third.do("reload", chromedp.Reload())
	third.wait("the deployment", "destroy-button")
	third.choose("input-file", fixture.Shared(t, "models", "images", "raccoon.png"))
	third.wait("the reply", "reply")
	third.reload()
	third.wait("the deployment after another reload", "input-file")
	third.screenshot("reattached")
	third.click("destroy-button")
	third.wait("the end of the deployment", "deploy-button")
	if left := listed(t, p); strings.Contains(left, "kept-name") {
		t.Errorf("something is left after Destroy: %s", left)
	}
}

// TestPageAndServerThatGoesAway kills the server in the middle of a deployment and starts it again.
func TestPageAndServerThatGoesAway(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	b := browse(t, p.url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("platform", "local", "change")
	b.set("min-stages", "2", "change")
	b.settled()
	b.click("deploy-button")
	b.until("the server's first step", `document.getElementById("steps")?.innerText.includes("package")`)
	p.kill()
	b.until("what happened", `document.getElementById("deploy-message").innerText.includes("has not answered")`)
	b.screenshot("server-gone")
	again := serveAt(t, data, strings.TrimPrefix(p.url, "http://"))
	b.until("what became of it", `document.getElementById("deploy-message").innerText.includes("stopped in the middle") || document.getElementById("deploy-button") !== null`)
	b.screenshot("server-back")
	if strings.Contains(b.text("deploy-message"), "stopped in the middle") {
		if left := b.text("left"); !strings.Contains(left, "function partita-") && !strings.Contains(left, "prefix ") {
			t.Errorf("the page does not say what is left: %q", left)
		}
		b.click("destroy-button")
		b.wait("the end of the deployment", "deploy-button")
	}
	if left := listed(t, again); strings.Contains(left, `"model-1"`) {
		t.Errorf("something is left: %s", left)
	}
	// It goes on from there.
	b.click("deploy-button")
	b.wait("the deployment", "destroy-button")
	// A server that is gone when the page is opened again is asked until it answers.
	again.kill()
	b.reload()
	b.until("what happened", `document.getElementById("deploy-message")?.innerText.includes("has not answered")`)
	third := serveAt(t, data, strings.TrimPrefix(p.url, "http://"))
	b.wait("the deployment", "input-file")
	b.click("destroy-button")
	b.wait("the end of the deployment", "deploy-button")
	if left := listed(t, third); strings.Contains(left, `"model-1"`) {
		t.Errorf("something is left: %s", left)
	}
}

// TestPageCancelsDeployments reads what Deploy will do, begins it and breaks it off.
func TestPageCancelsDeployments(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("platform", "local", "change")
	b.set("min-stages", "3", "change")
	b.settled()
	b.set("deployment-name", "broken-off", "input")
	b.until("what will be created", `document.getElementById("preview")?.innerText.includes("partita-broken-off-stage-3")`)
	for _, part := range []string{"partita-broken-off-gateway", "11.0 MB of weights", "No cloud account is used", "Costs nothing here"} {
		if text := b.text("preview"); !strings.Contains(text, part) {
			t.Errorf("before it is confirmed the page says %q, without %q", text, part)
		}
	}
	b.click("deploy-button")
	b.until("the server's first step", `document.getElementById("steps")?.innerText.includes("package")`)
	b.click("cancel-button")
	b.until("what became of it", `document.getElementById("deploy-message").innerText.includes("Cancelled: nothing is left behind")`)
	b.screenshot("cancelled")
	if left := listed(t, p); strings.Contains(left, "broken-off") {
		t.Errorf("something is left: %s", left)
	}
	if b.evaluate(`document.getElementById("deployment-name").value`) != "broken-off" {
		t.Error("the name is lost")
	}
}

// TestPageInFullBrowser works where the browser has no room: the page says so, and goes on.
func TestPageInFullBrowser(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.until("the page's own copy", `navigator.serviceWorker?.controller !== null`)
	b.do("fill the disk", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		size := 1000.0
		_, err := cdp.Call(ctx, t, storage.OverrideQuotaForOrigin, storage.OverrideQuotaForOriginParams{Origin: p.url, QuotaSize: &size})
		return err
	}))
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.until("that it is not kept", `document.getElementById("notice").innerText.includes("[page.storage-full]")`)
	b.screenshot("browser-full")
	b.set("scenario", "warm", "change")
	b.settled()
	before := b.shown()
	b.reload()
	b.answered()
	if now := b.shown(); now != before {
		t.Errorf("after a reload the page shows %s, want %s", now, before)
	}
}
