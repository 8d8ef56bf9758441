package endtoend

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// frame is how long a finger rests between two moves.
const frame = 16 * time.Millisecond

// rest is how long a finger stays where it was put before it moves: longer than it takes to open a menu.
const rest = 700 * time.Millisecond

// phone makes the browser one with a touch screen of 390 x 844 pixels.
func (b *browser) phone() {
	b.t.Helper()
	b.do("become a phone", chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	b.settled()
}

// place is a point of the window.
type place struct{ x, y float64 }

// within gives a place of an element, after scrolling to it, as shares of its width and height.
func (b *browser) within(id string, across, down float64) place {
	b.t.Helper()
	return place{
		b.number(fmt.Sprintf(`(() => { const r = document.getElementById(%q).getBoundingClientRect(); return r.left + r.width * %g; })()`, id, across)),
		b.number(fmt.Sprintf(`(() => { const r = document.getElementById(%q).getBoundingClientRect(); return r.top + r.height * %g; })()`, id, down)),
	}
}

// center scrolls the page until an element is in the middle of the window, once nothing more appears above it.
func (b *browser) center(id string) {
	b.t.Helper()
	b.settled()
	b.until("all that belongs to the plan", `document.querySelector("#why[aria-busy=false]") !== null && document.querySelector("#months[aria-busy=false]") !== null`)
	b.evaluate(fmt.Sprintf(`document.getElementById(%q).scrollIntoView({block: "center", behavior: "instant"})`, id))
	b.do("let it be drawn", chromedp.Sleep(drawing))
}

// fingers puts fingers on the screen, moves each straight to its end in steps, and lifts them.
func (b *browser) fingers(steps int, paths ...[2]place) {
	b.t.Helper()
	b.fingersAfter(0, steps, paths...)
}

// fingersAfter does the same with fingers that first rest where they were put.
func (b *browser) fingersAfter(rest time.Duration, steps int, paths ...[2]place) {
	b.t.Helper()
	at := func(step int) []*input.TouchPoint {
		var all []*input.TouchPoint
		for i, p := range paths {
			share, id := float64(step)/float64(max(steps, 1)), float64(i)
			all = append(all, &input.TouchPoint{X: p[0].x + share*(p[1].x-p[0].x), Y: p[0].y + share*(p[1].y-p[0].y), ID: &id})
		}
		return all
	}
	b.do("touch", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		send := func(kind input.DispatchTouchEventType, points []*input.TouchPoint) error {
			time.Sleep(frame)
			_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
			return err
		}
		for i := range paths { // one after the other, as hands do
			if err := send(input.DispatchTouchEventTypeTouchStart, at(0)[:i+1]); err != nil {
				return err
			}
		}
		time.Sleep(rest)
		for step := range steps {
			if err := send(input.DispatchTouchEventTypeTouchMove, at(step+1)); err != nil {
				return err
			}
		}
		return send(input.DispatchTouchEventTypeTouchEnd, []*input.TouchPoint{})
	}))
	b.settled()
}

// swipes moves a finger over an element and makes sure that the page is scrolled and nothing else happens.
func (b *browser) swipes(id string, state func() string) {
	b.t.Helper()
	b.center(id)
	before, top := state(), b.number("scrollY")
	from := b.within(id, 0.5, 0.7)
	b.fingers(10, [2]place{from, {from.x + 8, from.y - 200}})
	if now := b.number("scrollY"); now < top+100 {
		b.t.Errorf("with a finger moved up by 200 pixels over %s the page is scrolled from %v to %v", id, top, now)
	}
	if now := state(); now != before {
		b.t.Errorf("scrolling the page over %s changes %s to %s", id, before, now)
	}
}

// TestPageChartsByTouch chooses on the charts with a finger: by a tap, and by dragging, which is one step; scrolling the page chooses nothing.
func TestPageChartsByTouch(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.builtIn("ResNet50")
	b.set("min-stages", "2", "change")
	b.phone()
	slo := func() string { b.settled(); return b.evaluate(`document.getElementById("answer").dataset.sloUs`) }
	first := slo()
	b.swipes("plot", slo)
	b.center("plot")
	tap := b.within("plot", 0.35, 0.6)
	b.fingers(0, [2]place{tap, tap})
	tapped := slo()
	if tapped == first {
		t.Errorf("a tap on the frontier leaves the SLO at %s µs", tapped)
	}
	b.center("plot")
	b.fingersAfter(rest, 8, [2]place{b.within("plot", 0.35, 0.6), b.within("plot", 0.7, 0.65)})
	dragged := slo()
	if b.number(dragged) <= b.number(tapped) {
		t.Errorf("dragged to the right, the SLO is %s µs after %s", dragged, tapped)
	}
	if left := b.evaluate(`document.getElementById("plot-hover").innerHTML`); left != "" {
		t.Errorf("what was told under the finger is left: %s", left)
	}
	b.evaluate(`document.getElementById("undo").click()`)
	if undone := slo(); undone != tapped {
		t.Errorf("undone, the SLO is %s µs, want %s", undone, tapped)
	}

	rate := func() string {
		b.settled()
		b.until("the months", `document.querySelector("#months[aria-busy=false]") !== null`)
		return b.evaluate(`document.getElementById("rate").value`)
	}
	b.swipes("months-plot", rate)
	b.center("months-plot")
	tap = b.within("months-plot", 0.7, 0.5)
	b.fingers(0, [2]place{tap, tap})
	often := rate()
	if often == "none" {
		t.Error("a tap on the chart of months sets no rate")
	}
	b.center("months-plot")
	b.fingers(8, [2]place{b.within("months-plot", 0.7, 0.5), b.within("months-plot", 0.4, 0.55)})
	seldom := rate()
	if b.number("parseFloat("+fmt.Sprintf("%q", seldom)+")") == b.number("parseFloat("+fmt.Sprintf("%q", often)+")") {
		t.Errorf("dragged to the left, the rate is %s after %s", seldom, often)
	}
	b.evaluate(`document.getElementById("undo").click()`)
	if undone := rate(); undone != often {
		t.Errorf("undone, the rate is %s, want %s", undone, often)
	}
}

// TestPageModelByTouch looks at the model with fingers: two zoom where they are, one moves the drawing or the page, a tap chooses a layer,
// and a cut can be dragged.
func TestPageModelByTouch(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("cut", "108", "change")
	b.settled()
	b.phone()
	b.do("let it be drawn", chromedp.Sleep(drawing))
	chosen := func() string {
		b.settled()
		return b.evaluate(`document.querySelector("#layer-details h3")?.innerText`)
	}
	b.swipes("layers-drawing", chosen)

	b.center("layers-drawing")
	tap := b.within("layers-drawing", 30.5/162, 0.4)
	b.fingers(0, [2]place{tap, tap})
	if now := chosen(); len(now) < 3 || now[:2] != "31" && now[:2] != "30" && now[:2] != "32" {
		t.Errorf("a tap on the 31st layer chooses %s", now)
	}
	// A cut, which is held by a finger's width.
	b.center("layers-drawing")
	from := b.within("layers-drawing", 108.0/162, 0.6)
	to := b.within("layers-drawing", 90.0/162, 0.6)
	b.fingersAfter(rest, 8, [2]place{{from.x + 5, from.y}, {to.x + 1, to.y}})
	if now := b.cuts(); now != "90 | none | 2" {
		t.Errorf("dragged from layer 108 to 90, the cut is %s", now)
	}

	b.center("layers-drawing")
	whole := b.number(`document.getElementById("layers-drawing").getBoundingClientRect().width`)
	share := func(x float64) float64 {
		return b.number(fmt.Sprintf(`(() => { const r = document.getElementById("layers-drawing").getBoundingClientRect(); return (%g - r.left) / r.width; })()`, x))
	}
	middle := b.within("picture", 0.4, 0.4)
	between := share(middle.x)
	b.fingers(10, [2]place{{middle.x - 20, middle.y}, {middle.x - 80, middle.y}}, [2]place{{middle.x + 20, middle.y}, {middle.x + 80, middle.y}})
	if wide := b.number(`document.getElementById("layers-drawing").getBoundingClientRect().width`); wide < 3*whole || wide > 5*whole {
		t.Errorf("fingers moved apart to four times their distance make the drawing %v pixels wide after %v", wide, whole)
	}
	if now := share(middle.x); now < between-0.02 || now > between+0.02 {
		t.Errorf("between the fingers is %v of the drawing, before it was %v", now, between)
	}
	if scale := b.evaluate("visualViewport.scale"); scale != "1" {
		t.Errorf("the page itself is zoomed to %s", scale)
	}
	b.center("picture")
	before, layer := b.number(`document.getElementById("picture").scrollLeft`), chosen()
	b.fingers(10, [2]place{b.within("picture", 0.8, 0.3), b.within("picture", 0.3, 0.3)})
	if now := b.number(`document.getElementById("picture").scrollLeft`); now < before+100 || chosen() != layer {
		t.Errorf("a finger moved to the left scrolls the drawing from %v to %v; the layer chosen is %s after %s", before, now, chosen(), layer)
	}
	b.swipes("picture", chosen)
	b.center("picture")
	middle = b.within("picture", 0.5, 0.4)
	b.fingers(10, [2]place{{middle.x - 140, middle.y}, {middle.x - 10, middle.y}}, [2]place{{middle.x + 140, middle.y}, {middle.x + 10, middle.y}})
	b.until("the whole model", `document.getElementById("zoom-out").disabled && document.getElementById("picture").scrollWidth <= document.getElementById("picture").clientWidth`)
}
