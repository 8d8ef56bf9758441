package endtoend

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// onLoad has a script run in every document of the tab before anything else does.
func (b *browser) onLoad(script string) {
	b.t.Helper()
	b.do("add a script", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	}))
}

// slowDatabase is a browser whose database answers when databaseAnswers() is called, and not before: as one that hangs, or whose disk is busy.
const slowDatabase = `(() => {
	const open = IDBFactory.prototype.open;
	const answers = new Promise((resolve) => { window.databaseAnswers = resolve; });
	IDBFactory.prototype.open = function (...args) {
		const request = {};
		answers.then(() => {
			const real = open.apply(this, args);
			for (const name of ["onupgradeneeded", "onsuccess", "onerror"]) {
				real[name] = (event) => { request.result = real.readyState === "done" && !real.error ? real.result : undefined; request.error = real.error; request[name]?.(event); };
			}
		});
		return request;
	};
})()`

// slowPlanner is a planner that gets what it is asked of some kind when plannerWorks() is called, and at once until plannerWaits(kind).
const slowPlanner = `(() => {
	const post = Worker.prototype.postMessage;
	let kind = "", held = [];
	window.plannerWaits = (of) => { kind = of; };
	window.plannerWorks = () => { kind = ""; for (const [worker, args] of held) post.apply(worker, args); held = []; };
	window.plannerHolds = () => held.length;
	Worker.prototype.postMessage = function (...args) {
		if (kind && args[0].task && JSON.parse(args[0].task).Op === kind) held.push([this, args]);
		else post.apply(this, args);
	};
})()`

// leave runs what reloads the page or leads it elsewhere, in one task with what comes before it, and waits for the next document.
func (b *browser) leave(expression string) {
	b.t.Helper()
	before := b.evaluate("performance.timeOrigin")
	b.evaluate("void (() => {" + expression + "})()")
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		now, err := chromedp.Run(b.tab, chromedp.Evaluate[string](`document.readyState === "complete" ? String(performance.timeOrigin) : ""`))
		if err == nil && now != "" && now != before {
			return
		}
	}
	b.t.Fatalf("%s leads nowhere", expression)
}

// emptied makes the tab as one that has just been opened.
func (b *browser) emptied() {
	b.t.Helper()
	b.leave(`sessionStorage.clear(); history.replaceState(null, "", "/"); location.reload();`)
	b.wait("the gallery", "gallery")
}

// onceKept waits until the browser's database has a file.
func (b *browser) onceKept(name string) {
	b.t.Helper()
	b.evaluate(fmt.Sprintf(`void (window.fileIsKept = false, (function look() {
		const request = indexedDB.open("partita", 1);
		request.onupgradeneeded = () => request.transaction.abort(); // the page has not made it yet
		request.onerror = () => setTimeout(look, 50);
		request.onsuccess = () => {
			const keys = request.result.transaction("files").objectStore("files").getAllKeys();
			keys.onsuccess = () => {
				request.result.close();
				if (keys.result.some((key) => key.startsWith(%q))) window.fileIsKept = true; else setTimeout(look, 50);
			};
		};
	})())`, name+"|"))
	b.until("the browser to have "+name, "window.fileIsKept")
}

// TestPageLosesNothingAtReload reloads the page in the very moment in which something is done, and before the browser's database has
// written any of it, which here it never does.
func TestPageLosesNothingAtReload(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.onLoad(slowDatabase)
	b.leave("location.reload()")
	b.builtIn("ResNet50")
	first := b.shown()
	b.set("scenario", "warm", "change")
	b.settled()
	kept := b.shown()
	// One gesture after the other, with the reload in the same task as the last.
	b.evaluate(`document.getElementById("keep").click()`)
	b.set("memory", "512,10", "input")
	b.leave(`const e = document.getElementById("min-stages");
		e.value = "2";
		e.dispatchEvent(new Event("change", {bubbles: true}));
		location.reload();`)
	b.until("the plan kept", `document.getElementById("compared") !== null`)
	b.settled()
	if text := b.text("compared"); !strings.Contains(text, "Function 1") {
		t.Errorf("the comparison is %s", text)
	}
	if stages, typed := b.evaluate(`document.getElementById("min-stages").value`), b.evaluate(`document.getElementById("memory").value`); stages != "2" || typed != "512,10" {
		t.Errorf("at least %s stages are asked for, and %q is being typed", stages, typed)
	}
	b.evaluate(`document.getElementById("undo").click()`)
	b.until("the step before", fmt.Sprintf(`document.querySelector("main[aria-busy=false]") !== null && document.getElementById("min-stages").value !== "2"`))
	if now := b.shown(); now != kept {
		t.Errorf("undone, the page shows %s, want %s", now, kept)
	}
	b.leave(`document.getElementById("undo").click(); location.reload();`)
	b.answered()
	if now := b.shown(); now != first {
		t.Errorf("undone once more and reloaded, the page shows %s, want %s", now, first)
	}
	if redo := b.evaluate(`document.getElementById("redo").disabled`); redo != "false" {
		t.Error("what was undone cannot be redone")
	}
}

// TestPageTakesFilesThatComeLate has a browser that gives the files it has kept only after the page went on without them, and after the user
// went on with it.
func TestPageTakesFilesThatComeLate(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.onceKept("model.h5")
	b.onLoad(slowDatabase)
	b.wait("the name", "deployment-name")
	b.leave(`const e = document.getElementById("deployment-name");
		e.value = "as-typed";
		e.dispatchEvent(new Event("input", {bubbles: true}));
		location.reload();`)
	b.wait("what is not at hand", "lost")
	b.screenshot("lost")
	b.set("scenario", "warm", "change")
	b.settled()
	before := b.shown()
	b.evaluate(`databaseAnswers()`)
	b.until("the file", `document.getElementById("lost") === null && document.getElementById("bytes-read").innerText.startsWith("read ")`)
	b.settled()
	if now := b.shown(); now != before {
		t.Errorf("with the file the page shows %s, want %s", now, before)
	}
	if able := b.evaluate(`document.getElementById("deploy-button").disabled`); able != "false" {
		t.Error("the model cannot be deployed")
	}
	if name := b.evaluate(`document.getElementById("deployment-name").value`); name != "as-typed" {
		t.Errorf("the deployment is named %q", name)
	}
	b.click("undo")
	b.until("the step before", `document.querySelector("main[aria-busy=false]") !== null && document.getElementById("scenario").value !== "warm"`)
	if text := b.text("bytes-read"); !strings.HasPrefix(text, "read ") {
		t.Errorf("in the step before the model is %q", text)
	}
}

// TestPageGoesOnOpening reloads the page while its first model is being opened.
func TestPageGoesOnOpening(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	model := readCase(t, "trained_mobilenet_v2").path(t, "model.h5", "")
	b.onLoad(slowPlanner)
	opening := func(what string) {
		t.Helper()
		b.until(what, `document.getElementById("reading").innerText !== "" && plannerHolds() > 0`)
	}
	again := func(layers string) {
		t.Helper()
		b.leave("location.reload()")
		b.answered()
		if about := b.text("model"); !strings.Contains(about, layers) {
			t.Errorf("after a reload the page says %q of the model", about)
		}
	}
	b.emptied()
	b.evaluate(`(plannerWaits("open"), [...document.querySelectorAll("#gallery button")].find((e) => e.innerText === "ResNet50").click())`)
	opening("a built-in model")
	again("177 layers")
	link := b.evaluate("location.hash")

	b.emptied()
	b.evaluate(`plannerWaits("open")`)
	b.choose("model-file", model)
	opening("a file")
	b.onceKept("model.h5")
	again("162 layers")

	b.emptied()
	b.evaluate(fmt.Sprintf(`(plannerWaits("link"), location.hash = %q)`, link))
	b.until("the link to be read", `plannerHolds() > 0`)
	again("177 layers")

	// A model that was opened on another comes after it.
	b.evaluate(`plannerWaits("open")`)
	b.choose("model-file", model)
	opening("another model")
	b.onceKept("model.h5")
	b.leave("location.reload()")
	b.until("the other model", `document.querySelector("main[aria-busy=false]") !== null && document.getElementById("model").innerText.includes("162 layers")`)
	b.settled()
	b.click("undo")
	b.until("the model before it", `document.getElementById("model").innerText.includes("177 layers")`)

	// A database that does not give the file: it is asked for again.
	b.emptied()
	b.evaluate(`plannerWaits("open")`)
	b.choose("model-file", model)
	opening("a file")
	b.onceKept("model.h5")
	b.onLoad(slowDatabase)
	b.leave("location.reload()")
	b.wait("what was being opened", "missed")
	b.screenshot("missed")
	if text := b.text("missed"); !strings.Contains(text, "model.h5 (11.0 MB)") {
		t.Errorf("the page says %q", text)
	}
	b.choose("model-file", model)
	b.answered()
	if left := b.evaluate(`document.getElementById("missed")`); left != "null" {
		t.Error("what was found is still asked for")
	}
}

// TestPageJoinsWeightsToWhatIsBeingRead drops weights while the model's own file is being read, and before it.
func TestPageJoinsWeightsToWhatIsBeingRead(t *testing.T) {
	c := readCase(t, "k3_tiny_cnn")
	model, weights := c.path(t, "model.json", ""), c.path(t, "model.weights.h5", "")
	b := browse(t, serve(t, t.TempDir()).url)
	b.onLoad(slowPlanner)
	joined := func(how string) {
		t.Helper()
		b.until("the model with its weights", `document.querySelector("main[aria-busy=false]") !== null && document.getElementById("deploy-button") !== null`)
		b.settled()
		if problem, missing := b.text("problem"), b.evaluate(`document.getElementById("make-weights")`); problem != "" || missing != "null" {
			t.Errorf("%s: the page says %q; weights are missing: %v", how, problem, missing != "null")
		}
	}
	for _, order := range [][]string{{model, weights}, {weights, model}} {
		b.emptied()
		b.evaluate(`plannerWaits("open")`)
		b.choose("model-file", order[0])
		b.until("the first file", `plannerHolds() > 0`)
		b.choose("model-file", order[1])
		b.until("the second file", `plannerHolds() > 1`)
		b.evaluate(`plannerWorks()`)
		joined(filepath.Base(order[0]) + " first")
	}
	// Weights that nothing was open for wait for their model.
	b.emptied()
	b.choose("model-file", weights)
	b.until("the explanation", `document.getElementById("problem").innerText.includes("[model.weights-only]")`)
	b.screenshot("weights-only")
	b.choose("model-file", model)
	joined("weights that failed first")
	// What is no model does not end what is being read.
	b.emptied()
	b.evaluate(`plannerWaits("open")`)
	b.choose("model-file", model)
	b.until("the first file", `plannerHolds() > 0`)
	b.choose("model-file", filepath.Join(c.folder, "case.json"))
	b.until("the second file", `plannerHolds() > 1`)
	b.evaluate(`plannerWorks()`)
	b.answered()
	if problem := b.text("problem"); !strings.Contains(problem, "case.json") {
		t.Errorf("of what is no model the page says %q", problem)
	}
}

// noStorage is a browser that refuses all storage, as where a user has forbidden it.
const noStorage = `for (const name of ["indexedDB", "sessionStorage", "localStorage"]) {
	Object.defineProperty(window, name, {configurable: true, get() { throw new DOMException("refused", "SecurityError"); }});
}`

// TestPageWithoutStorage works where the browser keeps nothing, or not what is large: the page says so, and goes on.
func TestPageWithoutStorage(t *testing.T) {
	p := serve(t, t.TempDir())
	for name, script := range map[string]string{
		"nothing is kept":     noStorage,
		"no database":         `Object.defineProperty(window, "indexedDB", {get() { return undefined; }})`,
		"no room in the tab":  `(() => { const set = Storage.prototype.setItem; Storage.prototype.setItem = function (k, v) { if (v.length > 100) throw new DOMException("full", "QuotaExceededError"); set.call(this, k, v); }; })()`,
		"the database throws": `IDBFactory.prototype.open = () => { throw new DOMException("refused", "InvalidStateError"); }`,
	} {
		t.Run(name, func(t *testing.T) {
			b := browse(t, p.url)
			b.onLoad(script)
			b.do("reload", chromedp.Reload())
			b.builtIn("MobileNetV2")
			b.settled()
			said := b.text("notice")
			b.set("scenario", "warm", "change")
			b.settled()
			switch name {
			case "no room in the tab":
				b.do("let it be written", chromedp.Sleep(5*drawing))
				if said != "" {
					t.Errorf("the page says %q", said)
				}
			case "nothing is kept":
				if !strings.Contains(said, "cannot be kept for a reload") || !strings.Contains(said, "[page.no-storage]") {
					t.Errorf("the page says %q", said)
				}
			default:
				if !strings.Contains(said, "A reload of this tab loses nothing but") || !strings.Contains(said, "[page.no-storage]") {
					t.Errorf("the page says %q", said)
				}
			}
			before := b.shown()
			b.do("reload", chromedp.Reload())
			b.answered()
			b.settled()
			if now := b.shown(); now != before {
				t.Errorf("after a reload the page shows %s, want %s", now, before)
			}
			if undo := b.evaluate(`!document.getElementById("undo").disabled`); undo != fmt.Sprint(name != "nothing is kept") {
				t.Errorf("there is something to undo: %s", undo)
			}
		})
	}
}

// TestPageInTwoTabs does different things in two tabs at once: each has its own after a reload, and what a closed one did in its last
// moment can be gone on with in the other.
func TestPageInTwoTabs(t *testing.T) {
	p := serve(t, t.TempDir())
	one := browse(t, p.url)
	one.builtIn("ResNet50")
	two := one.another(p.url)
	two.builtIn("VGG16")
	one.set("scenario", "warm", "change")
	two.set("min-stages", "2", "change")
	one.settled()
	two.settled()
	first, second := one.shown(), two.shown()
	one.leave("location.reload()")
	two.leave("location.reload()")
	one.answered()
	two.answered()
	if one.shown() != first || two.shown() != second {
		t.Errorf("after a reload the tabs show %s and %s, want %s and %s", one.shown(), two.shown(), first, second)
	}
	// The last thing done in a tab is done in the moment in which it is left.
	last := one.text("cost")
	one.leave(`const e = document.getElementById("memory");
		e.value = "512,10";
		e.dispatchEvent(new Event("input", {bubbles: true}));
		location.href = "about:blank";`)
	three := two.another(p.url)
	three.until("what the first tab left", `document.querySelector("#recent button") !== null`)
	if offered := three.text("recent"); strings.Contains(offered, "vgg16") {
		t.Errorf("the visit of an open tab is offered: %q", offered)
	}
	three.evaluate(`document.querySelector("#recent button").click()`)
	three.answered()
	three.until("what was being typed", `document.getElementById("memory")?.value === "512,10"`)
	if cost := three.text("cost"); cost != last {
		t.Errorf("gone on with, the plan costs %s, want %s", cost, last)
	}
}
