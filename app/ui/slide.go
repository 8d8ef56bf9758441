package ui

import (
	"math"

	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// slide is a gesture along a chart, of the mouse or of a finger.
type slide struct {
	on     string  // the chart; "": there is none
	chosen bool    // something has been chosen with it
	x, y   float64 // where it began, in the window
}

// A finger that is put on a chart may be about to scroll the page, of which the browser tells once it is sure. So it chooses where it is
// lifted, or once it has moved so many pixels along the chart.
const slideSlop = 6

// along makes a chart one that is slid along: what is under the pointer is told, and chosen where it is pressed, tapped or dragged to.
// One gesture, from the press to the release, is one step to undo.
func (p *Page) along(chart app.HTMLDiv, id, gesture string, tell, choose func(e app.Event)) app.HTMLDiv {
	over := id + "-hover"
	end := func() {
		chosen := p.slide.on == id && p.slide.chosen
		if p.slide.on == id {
			p.slide = slide{}
		}
		if chosen {
			p.ask(p.wanted(), gesture, true)
		}
	}
	return chart.ID(id).
		On("pointerdown", func(ctx app.Context, e app.Event) {
			if e.Get("button").Int() != 0 || !e.Get("isPrimary").Bool() {
				p.slide = slide{} // of a second finger: it is about to zoom
				return
			}
			e.Get("currentTarget").Call("setPointerCapture", e.Get("pointerId"))
			p.slide = slide{on: id, x: e.Get("clientX").Float(), y: e.Get("clientY").Float()}
			if e.Get("pointerType").String() == "touch" {
				ctx.PreventUpdate()
				return
			}
			p.slide.chosen = true
			choose(e)
		}).
		On("pointermove", func(ctx app.Context, e app.Event) {
			if p.slide.on == id && !p.slide.chosen {
				dx, dy := math.Abs(e.Get("clientX").Float()-p.slide.x), math.Abs(e.Get("clientY").Float()-p.slide.y)
				p.slide.chosen = dx > slideSlop && dx > dy
			}
			switch {
			case p.slide.on != id:
				ctx.PreventUpdate()
				tell(e)
			case p.slide.chosen:
				tell(e)
				choose(e)
			default:
				ctx.PreventUpdate()
			}
		}).
		On("pointerup", func(_ app.Context, e app.Event) {
			if p.slide.on == id && !p.slide.chosen {
				p.slide.chosen = true
				choose(e)
			}
			end()
		}).
		On("pointercancel", func(app.Context, app.Event) {
			p.host.Draw(over, "")
			end()
		}).
		On("pointerleave", func(ctx app.Context, _ app.Event) {
			ctx.PreventUpdate()
			p.host.Draw(over, "")
		})
}
