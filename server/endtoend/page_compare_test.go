package endtoend

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// builtIn opens an architecture of the gallery.
func (b *browser) builtIn(name string) {
	b.t.Helper()
	b.wait("the gallery", "gallery")
	b.evaluate(fmt.Sprintf(`[...document.querySelectorAll("#gallery button")].find((e) => e.innerText === %q).click()`, name))
	b.answered()
}

// figure gives the number with which a text begins, after what comes before its first digit.
func (b *browser) figure(id string) float64 {
	b.t.Helper()
	return b.number(fmt.Sprintf(`parseFloat(document.getElementById(%q).innerText.replace(/[^0-9.]*/, "").replaceAll(",", ""))`, id))
}

// mouse sends an event of the mouse to a place of an element, given as shares of its width and height.
func (b *browser) mouse(id string, kind input.DispatchMouseEventType, across, down float64, held int64) {
	b.t.Helper()
	at := func(edge, side string, share float64) float64 {
		return b.number(fmt.Sprintf(`(() => { const r = document.getElementById(%q).getBoundingClientRect(); return r.%s + r.%s * %g; })()`, id, edge, side, share))
	}
	e := input.DispatchMouseEventParams{Type: kind, X: at("left", "width", across), Y: at("top", "height", down), Buttons: held}
	if kind != input.DispatchMouseEventTypeMouseMoved {
		e.Button, e.ClickCount = input.MouseButtonLeft, 1
	}
	b.do("move the mouse", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchMouseEvent, e)
		return err
	}))
}

// TestPageChoosesOnTheFrontier goes along the frontier by keys, by a click, by dragging and by its table; hovering tells the figures.
func TestPageChoosesOnTheFrontier(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.builtIn("ResNet50")
	b.set("min-stages", "2", "change")
	b.settled()
	b.evaluate(`document.getElementById("plot").scrollIntoView({block: "center"})`)
	now := func() (us string, cost float64) {
		b.settled()
		return b.evaluate(`document.getElementById("answer").dataset.sloUs`), b.figure("cost")
	}
	press := func(key string) (us string, cost float64) {
		b.typed("plot", key)
		return now()
	}
	fastest, dearest := press("Home")
	next, less := press("ArrowRight")
	if next == fastest || less >= dearest {
		t.Errorf("right of the fastest plan, of %s µs at $%v, is one of %s µs at $%v", fastest, dearest, next, less)
	}
	if back, cost := press("ArrowLeft"); back != fastest || cost != dearest {
		t.Errorf("left of it is one of %s µs at $%v", back, cost)
	}
	slowest, cheapest := press("End")
	if cheapest >= less {
		t.Errorf("the slowest plan costs $%v", cheapest)
	}
	if text := b.evaluate(`document.getElementById("plot").ariaValueText`); !strings.Contains(text, b.text("cost")) || !strings.Contains(text, "functions") {
		t.Errorf("the chart says %q of its plan", text)
	}
	b.click("undo")
	if undone, _ := now(); undone != fastest {
		t.Errorf("undone, the SLO is %s µs, want %s", undone, fastest)
	}

	// A click chooses what is nearest, and moving the mouse only tells it.
	b.mouse("plot", input.DispatchMouseEventTypeMouseMoved, 0.3, 0.6, 0)
	b.until("the figures under the mouse", `document.querySelector("#plot-hover text") !== null`)
	told := b.evaluate(`[...document.querySelectorAll("#plot-hover text")].map((e) => e.textContent).join(" ")`)
	b.mouse("plot", input.DispatchMouseEventTypeMousePressed, 0.3, 0.6, 1)
	b.mouse("plot", input.DispatchMouseEventTypeMouseReleased, 0.3, 0.6, 0)
	clicked, clickedCost := now()
	if clicked == fastest || clicked == slowest || !strings.Contains(told, b.text("cost")) || !strings.HasPrefix(b.text("latency"), strings.Join(strings.Fields(told)[:2], " ")) {
		t.Errorf("told %q; a click chooses %s µs, %s at %s", told, clicked, b.text("cost"), b.text("latency"))
	}
	// Dragging is one step.
	b.mouse("plot", input.DispatchMouseEventTypeMousePressed, 0.3, 0.6, 1)
	for _, across := range []float64{0.35, 0.4, 0.45} {
		b.mouse("plot", input.DispatchMouseEventTypeMouseMoved, across, 0.8, 1)
	}
	b.mouse("plot", input.DispatchMouseEventTypeMouseReleased, 0.45, 0.8, 0)
	dragged, cost := now()
	if dragged == clicked || cost >= clickedCost {
		t.Errorf("dragged to the right, the SLO is %s µs at $%v after %s at $%v", dragged, cost, clicked, clickedCost)
	}
	b.screenshot("frontier")
	b.click("undo")
	if undone, _ := now(); undone != clicked {
		t.Errorf("undone, the SLO is %s µs, want %s", undone, clicked)
	}
	// The table chooses too; where the latency is to be least, by the budget.
	b.evaluate(`document.querySelector("#trade-offs tbody tr:nth-child(3) button").click()`)
	b.settled()
	if row := b.evaluate(`document.querySelector("#trade-offs button[aria-pressed=true]").closest("tr").textContent`); !strings.Contains(row, b.text("cost")) {
		t.Errorf("chosen in the table is %q, the plan costs %s", row, b.text("cost"))
	}
	b.set("objective", "latency", "change")
	b.settled()
	b.typed("plot", "End")
	if _, cost := now(); cost != cheapest || b.text("problem") != "" {
		t.Errorf("with the least latency within a budget the last plan costs $%v, want $%v; the page says %q", cost, cheapest, b.text("problem"))
	}
}

// TestPageTellsMonths reads the chart of months and plans for a rate with it.
func TestPageTellsMonths(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.builtIn("ResNet50")
	b.wait("the months", "ways")
	ways := b.text("ways")
	for _, want := range []string{"1 this plan", "one function", "SageMaker Serverless Inference", "from ", "at no rate"} {
		if !strings.Contains(ways, want) {
			t.Errorf("the table of ways lacks %q: %s", want, ways)
		}
	}
	if marks := b.number(`document.querySelectorAll("#months-plot .crossing-mark").length`); marks < 3 {
		t.Errorf("%v rates are marked at which lines cross", marks)
	}
	before := b.text("cost")
	at := b.number(`Number(document.getElementById("rate-slider").value)`)
	b.set("rate-slider", fmt.Sprint(at+12), "input") // a hundred times as many
	b.set("rate-slider", fmt.Sprint(at+12), "change")
	b.until("a plan for the rate", `document.getElementById("traffic") !== null && document.querySelector("#months[aria-busy=false]") !== null`)
	if rate := b.evaluate(`document.getElementById("rate").value`); !strings.HasPrefix(b.text("rate-value"), "27.8/s") || rate != "27.77777777777778/s" && rate != "100000/h" {
		t.Errorf("the rate is %s, the slider says %q", rate, b.text("rate-value"))
	}
	if b.text("cost") == before {
		t.Error("a rate changes nothing")
	}
	b.evaluate(`document.getElementById("months-plot").scrollIntoView({block: "center"})`)
	b.mouse("months-plot", input.DispatchMouseEventTypeMouseMoved, 0.3, 0.5, 0)
	b.until("the figures under the mouse", `document.querySelectorAll("#months-plot-hover text").length > 5`)
	b.screenshot("months")
	b.mouse("months-plot", input.DispatchMouseEventTypeMousePressed, 0.3, 0.5, 1)
	b.mouse("months-plot", input.DispatchMouseEventTypeMouseReleased, 0.3, 0.5, 0)
	b.until("a plan for another rate", `document.querySelector("#months[aria-busy=false]") !== null && document.getElementById("rate-value").innerText.includes("/h")`)
	b.click("no-rate")
	b.until("a plan without a rate", `document.getElementById("traffic") === null`)
	if b.settled(); b.text("cost") != before {
		t.Errorf("without a rate the plan costs %s, want %s", b.text("cost"), before)
	}
}

// TestPageComparesPlans keeps a plan and holds others against it, through undo and a reload.
func TestPageComparesPlans(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.builtIn("ResNet50")
	b.set("min-stages", "2", "change")
	b.settled()
	kept := b.text("cost")
	b.click("keep")
	b.wait("the comparison", "compare")
	if text := b.text("compare-sentence"); !strings.Contains(text, "This is the plan kept") {
		t.Errorf("of the plan itself the page says %q", text)
	}
	b.set("scenario", "warm", "change")
	b.settled()
	b.until("a difference", `document.getElementById("compared") !== null`)
	now := b.text("cost")
	check := func(where, kept, now string) {
		t.Helper()
		row := b.evaluate(`[...document.querySelectorAll("#compared tr")].find((r) => r.innerText.startsWith("$ per 100,000 requests")).innerText`)
		if cells := strings.Split(row, "\t"); len(cells) != 4 || cells[1] != kept || cells[2] != now || cells[3] == "" {
			t.Errorf("%s, the costs are compared as %q; kept is %s, now %s", where, row, kept, now)
		}
	}
	check("changed", kept, now)
	if text := b.text("compare-sentence"); !regexp.MustCompile(`^\d+ % cheaper and .* faster than the plan kept\.$`).MatchString(text) {
		t.Errorf("the difference is said as %q", text)
	}
	if text := b.text("compared"); !strings.Contains(text, "cold, all functions woken at once\twarm") || !strings.Contains(text, "Function 1") {
		t.Errorf("the comparison is %s", text)
	}
	b.axe("comparison")
	b.screenshot("comparison")
	b.click("undo")
	b.until("the plan kept", `document.getElementById("compare-sentence").innerText.startsWith("This is")`)
	b.click("redo")
	b.until("a difference", `document.getElementById("compared") !== null`)
	check("after undo and redo", kept, now)

	b.do("reload", chromedp.Reload())
	b.answered()
	b.until("the comparison", `document.getElementById("compared") !== null`)
	check("after a reload", kept, now)
	b.evaluate(`document.getElementById("swap").click()`)
	b.settled()
	check("exchanged", now, kept)
	if b.text("cost") != kept {
		t.Errorf("exchanged, the plan costs %s, want %s", b.text("cost"), kept)
	}
	b.evaluate(`document.getElementById("drop").click()`)
	b.until("the end of the comparison", `document.getElementById("compare") === null`)
	b.do("reload", chromedp.Reload())
	b.answered()
	b.settled()
	if there := b.evaluate(`document.getElementById("compare") === null`); there != "true" {
		t.Error("what was dropped is there again after a reload")
	}
}

// TestPageExports saves a plan in every form, without a server, and compares with what the command line writes.
func TestPageExports(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.until("the page's own copy", `navigator.serviceWorker.controller !== null || navigator.serviceWorker.ready.then(() => location.reload()) === null`)
	b.builtIn("MobileNetV2")
	b.set("min-stages", "2", "change")
	b.settled()
	p.stop(t)
	folder := t.TempDir()
	b.do("save to a folder", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: folder})
		return err
	}))
	b.click("export")
	b.axe("exports")
	b.screenshot("exports")
	before := ""
	saved := func(id string) (name string, content []byte) {
		t.Helper()
		b.evaluate(fmt.Sprintf(`document.getElementById(%q).click()`, id))
		b.until("what became of "+id, `document.getElementById("problem").innerText !== "" || document.getElementById("notice").innerText.startsWith("Saved ") && `+fmt.Sprintf(`document.getElementById("notice").innerText !== %q`, before))
		before = b.text("notice")
		name = strings.TrimSuffix(strings.TrimPrefix(b.text("notice"), "Saved "), ".")
		path := filepath.Join(folder, name)
		for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			if content, err := os.ReadFile(path); err == nil && len(content) > 0 {
				return name, content
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: %v; the page says %q", id, err, b.text("problem"))
			}
		}
	}
	name, document := saved("export-json")
	if !regexp.MustCompile(`^mobilenetv2[a-z0-9-]*-[0-9a-f]{8}\.json$`).MatchString(name) {
		t.Errorf("the plan is saved as %s", name)
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	forms := strings.Fields(b.evaluate(`[...document.querySelectorAll("#export-menu button")].map((e) => e.id.slice(7)).join(" ")`))
	if len(forms) < 12 {
		t.Errorf("the forms are %v", forms)
	}
	deployment := regexp.MustCompile(`^(.*)-[0-9a-f]{8}\.`).FindStringSubmatch(name)[1]
	for _, form := range forms[1:] {
		name, content := saved("export-" + form)
		if strings.HasSuffix(form, "-png") {
			if picture, err := png.Decode(strings.NewReader(string(content))); err != nil || picture.Bounds().Dx() < 800 {
				t.Errorf("%s is no picture: %v", name, err)
			}
			continue
		}
		if want := mustPartita(t, "export", file, "--format", form, "--name", deployment); string(content) != want {
			t.Errorf("%s differs from what partita export writes", name)
		}
		if strings.HasSuffix(name, ".svg") {
			for d := xml.NewDecoder(strings.NewReader(string(content))); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Errorf("%s: %v", name, err)
					break
				}
			}
		}
	}
}

// TestPageTellsOfSeveralInputs shows how the inputs of a request are sent in every table, none of which is cut off, nor the charts' figures.
func TestPageTellsOfSeveralInputs(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.builtIn("ResNet50")
	b.click("keep")
	if b.evaluate(`document.getElementById("trade-offs").innerText.includes("pipelines")`) == "true" {
		t.Error("of one input the table of trade-offs tells how it is sent")
	}
	b.set("inputs", "64", "change")
	b.set("min-stages", "3", "change")
	b.wait("how they are sent", "passes")
	b.settled()
	sent := regexp.MustCompile(`in (\d+) passes of (\d+).* over (\d+) pipelines`).FindStringSubmatch(b.text("passes"))
	if sent == nil {
		t.Fatalf("the table of functions says %q", b.text("passes"))
	}
	cells := func(row string) []string { return strings.Split(b.evaluate(row+".innerText"), "\t") }
	if head, row := cells(`document.querySelector("#trade-offs thead tr")`), cells(`document.querySelector("#trade-offs [aria-pressed=true]").closest("tr")`); len(row) != 7 || head[4] != "inputs together" || row[4] != sent[2] || head[5] != "pipelines" || row[5] != sent[3] {
		t.Errorf("the plan sends its inputs as %v, its row of trade-offs is %q", sent, row)
	}
	if row := cells(`document.querySelector("#stages tbody tr")`); !strings.Contains(strings.Join(row, " "), " "+sent[1]+" ") {
		t.Errorf("a function of %s passes has the row %q", sent[1], row)
	}
	if text := b.text("compared"); !strings.Contains(text, "Inputs\n") || !strings.Contains(text, "pipelines") {
		t.Errorf("the comparison says %q", text)
	}
	b.until("the months", `document.querySelector("#months[aria-busy=false]") !== null`)
	if cut := b.evaluate(`[...document.querySelectorAll(".plot svg text")].filter((e) => e.getBoundingClientRect().left < e.closest(".plot").getBoundingClientRect().left - 1).map((e) => e.textContent)`); cut != "" {
		t.Errorf("the charts cut off %s", cut)
	}
	if cut := b.evaluate(`[...document.querySelectorAll("main .scroll")].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.ariaLabel)`); cut != "" {
		t.Errorf("on a wide screen these tables are cut off: %s", cut)
	}
	b.evaluate(`void (document.getElementById("blocks").open = true)`)
	b.until("the blocks", `document.querySelectorAll("#blocks tbody tr").length >= 4`)
	weights := b.text("blocks")
	b.set("measure", "1", "change")
	b.until("their work", fmt.Sprintf(`document.getElementById("blocks").innerText !== %q && document.querySelector("#blocks thead").innerText.includes("multiply-accumulates")`, weights))
}
