package endtoend

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// cuts gives the pins of the request, as the page's fields show them, and how many functions there are.
func (b *browser) cuts() string {
	b.settled()
	return b.evaluate(`document.getElementById("cut").value + " | " + document.getElementById("no-cut").value + " | " + document.querySelectorAll("#stages tbody tr").length`)
}

// typed has an element get a key.
func (b *browser) typed(id, key string) {
	b.t.Helper()
	b.evaluate(fmt.Sprintf(`document.getElementById(%q).dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true, cancelable: true}))`, id, key))
}

// TestPageMovesCuts forces, moves, forbids and frees cuts with the mouse, the keyboard and the buttons, and undoes it all.
func TestPageMovesCuts(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	states := []string{b.cuts()}
	step := func(what, want string, do func()) {
		t.Helper()
		do()
		states = append(states, b.cuts())
		if got := states[len(states)-1]; got != want {
			t.Fatalf("%s: the pins and functions are %s, want %s; the page says %q", what, got, want, b.text("problem"))
		}
	}
	if states[0] != "none | none | 1" {
		t.Fatalf("at first the pins and functions are %s", states[0])
	}
	// Find by name, as a user who knows the model does.
	b.set("search", "block_11_add", "input")
	b.until("the layer", `document.querySelector("#layer-details h3")?.innerText === "108 block_11_add"`)
	if details := b.text("layer-details"); !strings.Contains(details, "Add") || !strings.Contains(details, "Crosses a cut after it") {
		t.Errorf("of the layer the page says %q", details)
	}
	step("the button", "108 | none | 2", func() { b.click("cut-here") })
	step("the mouse", "117 | none | 2", func() {
		b.evaluate(`document.getElementById("layers-drawing").scrollIntoView({block: "center"})`)
		at := func(layer int) (x, y float64) {
			return b.number(fmt.Sprintf(`(() => { const r = document.getElementById("layers-drawing").getBoundingClientRect(); return r.left + r.width * %d / 162; })()`, layer)),
				b.number(`(() => { const r = document.getElementById("layers-drawing").getBoundingClientRect(); return r.top + r.height / 2; })()`)
		}
		x, y := at(108)
		to, _ := at(117)
		b.drag(x, y, to)
	})
	step("the key C", "90,117 | none | 3", func() {
		b.set("layer", "90", "input")
		b.typed("layer", "c")
	})
	step("the key F", "90 | none | 2", func() {
		b.set("layer", "117", "input")
		b.typed("layer", "f")
	})
	b.screenshot("cuts")
	step("the key X", "none | 90 | 1", func() {
		b.set("layer", "90", "input")
		b.typed("layer", "x")
	})
	lock := func() { b.evaluate(`document.querySelector("#stages button").click()`) }
	lock()
	if b.settled(); !strings.HasPrefix(b.evaluate(`document.getElementById("stage-memory").value`), "1..162=") || b.evaluate(`document.querySelector("#stages button").ariaPressed`) != "true" {
		t.Errorf("with its memory locked the request fixes %s", b.evaluate(`document.getElementById("stage-memory").value`))
	}
	lock()
	if b.settled(); b.evaluate(`document.getElementById("stage-memory").value`) != "none" {
		t.Error("the memory stays locked")
	}
	b.click("undo")
	b.settled()
	b.click("undo")
	step("typing", "none | 80..100 | 1", func() { b.set("no-cut", "80..100", "change") })
	for i := len(states) - 2; i >= 0; i-- {
		b.evaluate(`document.getElementById("undo").click()`)
		if now := b.cuts(); now != states[i] {
			t.Errorf("undone to state %d, the pins and functions are %s, want %s", i, now, states[i])
		}
	}
	// Jump along an edge, and zoom in: the layer stays in sight.
	b.set("layer", "108", "input")
	b.until("the layer", `document.querySelector("#layer-details h3")?.innerText.startsWith("108 ")`)
	b.evaluate(`[...document.querySelectorAll("#layer-details button")].find((e) => e.innerText === "block_10_project_BN").click()`)
	b.until("the layer that it takes", `document.querySelector("#layer-details h3").innerText.endsWith(" block_10_project_BN")`)
	b.evaluate(`document.querySelector("#gives-to button").click()`)
	b.until("the layer that takes its result", `document.querySelector("#takes-from button")?.innerText === "block_10_project_BN"`)
	b.typed("layer", "[")
	b.until("the layer before", `document.querySelector("#layer-details h3").innerText.endsWith(" block_10_project_BN")`)
	b.typed("layer", "]")
	b.until("the last that takes its result", `document.querySelector("#layer-details h3").innerText === "108 block_11_add"`)
	b.evaluate(`document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true, cancelable: true}))`)
	b.until("the search field to have the keyboard", `document.activeElement.id === "search"`)
	b.set("search", "conv2d", "input")
	b.until("how many there are", `/^1 of \d+$/.test(document.getElementById("found").innerText)`)
	b.typed("search", "Enter")
	b.until("the next", `document.getElementById("found").innerText.startsWith("2 of ")`)
	b.set("search", "nobody", "input")
	b.until("that there is none", `document.getElementById("found").innerText.startsWith("No layer")`)
	b.set("search", "block_11_add", "input")
	for _, measure := range []struct{ value, says string }{{"2", "time on one vCPU"}, {"3", "memory"}, {"4", "cost"}} {
		before := b.evaluate(`document.querySelector("#picture .bars").getAttribute("d")`)
		b.set("measure", measure.value, "change")
		b.until("other bars", fmt.Sprintf(`document.querySelector("#picture .bars").getAttribute("d") !== %q && document.querySelector("#model-view h2").textContent.includes(%q)`, before, measure.says))
	}
	b.click("zoom")
	b.until("the drawing to be scrolled", `document.getElementById("picture").scrollLeft > 500`)
	// Where no cut is held, the mouse moves the drawing; with the control key its wheel zooms.
	b.evaluate(`document.getElementById("picture").scrollIntoView({block: "center"})`)
	scrolled, chosen := b.number(`document.getElementById("picture").scrollLeft`), b.text("layer-details")
	b.mouse("picture", input.DispatchMouseEventTypeMousePressed, 0.6, 0.4, 1)
	b.mouse("picture", input.DispatchMouseEventTypeMouseMoved, 0.5, 0.4, 1)
	b.mouse("picture", input.DispatchMouseEventTypeMouseMoved, 0.3, 0.4, 1)
	b.mouse("picture", input.DispatchMouseEventTypeMouseReleased, 0.3, 0.4, 0)
	if now := b.number(`document.getElementById("picture").scrollLeft`); now < scrolled+100 || b.text("layer-details") != chosen {
		t.Errorf("dragged, the drawing is scrolled to %v after %v", now, scrolled)
	}
	turn := func(pixels int) {
		b.evaluate(fmt.Sprintf(`document.getElementById("layers-drawing").dispatchEvent(new WheelEvent("wheel", {ctrlKey: true, deltaY: %d, clientX: 600, bubbles: true, cancelable: true}))`, pixels))
		b.settled()
	}
	nearest := b.number(`document.getElementById("layers-drawing").offsetWidth`)
	turn(50)
	if width := b.number(`document.getElementById("layers-drawing").offsetWidth`); width > 0.7*nearest || width < 0.5*nearest {
		t.Errorf("the wheel makes the drawing %v pixels wide after %v", width, nearest)
	}
	for range 3 {
		turn(100)
	}
	b.until("the whole model", `document.getElementById("zoom-out").disabled && document.getElementById("picture").scrollWidth <= document.getElementById("picture").clientWidth`)
	b.set("cut", "nobody", "change")
	b.until("the explanation", `document.getElementById("problem").innerText.includes("nobody")`)
	// What was typed is not lost, and does not pass for what was planned.
	b.until("the field to say so", `document.getElementById("cut").getAttribute("aria-invalid") === "true" && document.getElementById("cut-help").textContent.startsWith("Not part of the plan: nobody")`)
	if typed := b.evaluate(`document.getElementById("cut").value`); typed != "nobody" {
		t.Errorf("a cut that was refused is %q in its field", typed)
	}
	b.set("cut", "none", "change")
	b.until("the field to be right again", `document.getElementById("cut").getAttribute("aria-invalid") !== "true"`)
}

// drag moves the mouse sideways with its button down.
func (b *browser) drag(fromX, y, toX float64) {
	b.t.Helper()
	b.do("drag", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, e := range []input.DispatchMouseEventParams{
			{Type: input.DispatchMouseEventTypeMousePressed, X: fromX, Y: y, Button: input.MouseButtonLeft, ClickCount: 1},
			{Type: input.DispatchMouseEventTypeMouseMoved, X: (fromX + toX) / 2, Y: y, Button: input.MouseButtonLeft, Buttons: 1},
			{Type: input.DispatchMouseEventTypeMouseMoved, X: toX, Y: y, Button: input.MouseButtonLeft, Buttons: 1},
			{Type: input.DispatchMouseEventTypeMouseReleased, X: toX, Y: y, Button: input.MouseButtonLeft, ClickCount: 1},
		} {
			if _, err := cdp.Call(ctx, t, input.DispatchMouseEvent, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

// TestPageSaysWhatHoldsBack applies what the page says would help, for a plan and for a request that nothing satisfies.
func TestPageSaysWhatHoldsBack(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("slo-exact", "1ms", "change")
	b.until("what would help", `document.querySelector("#why[aria-busy=false] button") !== null && document.querySelector("#answer.problem") !== null`)
	b.evaluate(`document.querySelector("#why button").click()`)
	b.until("a plan", `document.getElementById("cost") !== null && document.querySelector("main[aria-busy=false]") !== null`)
	b.until("what holds it back", `document.querySelector("#why[aria-busy=false] button") !== null`)
	before := b.number(`parseFloat(document.getElementById("cost").innerText.slice(1))`)
	b.evaluate(`document.querySelector("#why button").click()`)
	b.settled()
	if after := b.number(`parseFloat(document.getElementById("cost").innerText.slice(1))`); after >= before {
		t.Errorf("what would be saved is not: $%v after $%v", after, before)
	}
}

// TestPageSaysWhatIsUsed tells what a plan does out of the ordinary, and what that saves.
func TestPageSaysWhatIsUsed(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.builtIn("ResNet50")
	b.set("packaging", "auto", "change")
	b.set("precision", "auto", "change")
	b.until("what the plan uses", `document.getElementById("uses") !== null`)
	if text := b.text("uses"); !regexp.MustCompile(`with weights in less than float32: saves \$[0-9.]+ per 100,000 requests`).MatchString(text) {
		t.Errorf("the page says of what the plan uses: %q", text)
	}
	// With the gateway, the functions cost what the plan does.
	sum := b.number(`[...document.querySelectorAll("#stages tbody tr, #stages tfoot tr")].reduce((sum, r) => sum + parseFloat(r.lastElementChild.innerText.slice(1)), 0)`)
	if cost := b.figure("cost"); sum < cost-0.02 || sum > cost+0.02 {
		t.Errorf("the rows of the functions and the gateway come to $%v, the plan costs $%v", sum, cost)
	}
}

// TestPageAssumesSizesOfKerasModels opens a model that takes images of any size.
func TestPageAssumesSizesOfKerasModels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.json")
	config := `{"class_name": "Functional", "config": {"name": "any_size", "layers": [
		{"class_name": "InputLayer", "name": "in", "config": {"name": "in", "batch_input_shape": [null, null, null, 3], "dtype": "float32"}, "inbound_nodes": []},
		{"class_name": "Conv2D", "name": "c", "config": {"name": "c", "filters": 4, "kernel_size": [3, 3], "padding": "same"}, "inbound_nodes": [[["in", 0, 0, {}]]]},
		{"class_name": "GlobalAveragePooling2D", "name": "g", "config": {"name": "g"}, "inbound_nodes": [[["c", 0, 0, {}]]]}],
		"input_layers": [["in", 0, 0]], "output_layers": [["g", 0, 0]]}, "keras_version": "2.15.0"}`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", path)
	b.answered()
	if n := b.evaluate(`document.querySelectorAll("#dimensions input").length`); n != "2" {
		t.Fatalf("%s sizes can be set; the page says %q", n, b.text("problem"))
	}
	work := func() string { b.settled(); return b.text("model") }
	before := work()
	b.set("dim-in[1]", "448", "change")
	b.until("other work", fmt.Sprintf(`document.querySelector("main[aria-busy=false]") !== null && document.getElementById("model").innerText !== %q`, before))
	if b.evaluate(`document.getElementById("dim-in[1]-help").innerText.startsWith("Settled")`) != "true" || b.evaluate(`document.getElementById("dim-in[2]").value`) != "224" {
		t.Errorf("the sizes are said to be %q", b.text("dimensions"))
	}
}
