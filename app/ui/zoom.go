package ui

import (
	"math"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// pinch is a gesture that zooms the model's drawing: two fingers, or the wheel with the control key, as touchpads tell of theirs. While it
// lasts the drawing is only stretched, which takes no time; it is drawn anew when it ends.
type pinch struct {
	from   float64 // how wide layers were; 0: there is no such gesture
	factor float64
	apart  float64 // the fingers at first, in pixels; 0: it is the wheel
	share  float64 // of the drawing that was under the pointer
	turns  int     // of the wheel
	lifted bool    // one of two fingers is up: what the other does is nothing else
}

// wheelRest is how long the wheel rests before a gesture of it has ended.
const wheelRest = 150 * time.Millisecond

// zoom draws layers so wide; 0: the whole model. The chosen layer stays in sight.
func (p *Page) zoom(unit float64) {
	v := &p.view
	v.unit = zoomable(p.session.Model, unit, p.room)
	if v.selected < 0 {
		v.selected = 0
	}
	p.reveal()
}

// beginPinch begins a gesture around a place of the window.
func (p *Page) beginPinch(x float64) {
	v := &p.view
	left, _, width := p.host.Extent(layersID)
	v.dragging, v.moved, v.panning = 0, false, false
	v.pinch = pinch{from: layoutOf(p.session.Model, v.unit, p.room).unit, factor: 1, share: (x - left) / max(width, 1)}
}

// stretch shows the drawing at another width; what was under the pointer at first is under it now.
func (p *Page) stretch(factor, x float64) {
	g := &p.view.pinch
	least, most := wholeUnit(p.session.Model, p.room), max(wholeUnit(p.session.Model, p.room), widestLayer)
	g.factor = max(least, min(g.from*factor, most)) / g.from
	left, _, _ := p.host.Extent(pictureID)
	p.host.Stretch(pictureID, layersID, g.factor, g.share, x-left)
}

// endPinch draws the layers as wide as they were stretched.
func (p *Page) endPinch(x float64) {
	v := &p.view
	g := v.pinch
	v.unit = zoomable(p.session.Model, g.from*g.factor, p.room)
	v.pinch = pinch{lifted: g.apart > 0}
	left, _, _ := p.host.Extent(pictureID)
	p.ctx.Defer(func(app.Context) { p.host.Stretch(pictureID, layersID, 1, g.share, x-left) })
}

// fingers gives how far two fingers are apart, and what is in the middle.
func fingers(e app.Event) (apart, x float64, two bool) {
	touches := e.Get("touches")
	if touches.Length() != 2 {
		return 0, 0, false
	}
	a, b := touches.Index(0), touches.Index(1)
	ax, bx := a.Get("clientX").Float(), b.Get("clientX").Float()
	return max(math.Hypot(ax-bx, a.Get("clientY").Float()-b.Get("clientY").Float()), 1), (ax + bx) / 2, true
}

func (p *Page) pinchStart(ctx app.Context, e app.Event) {
	ctx.PreventUpdate()
	if apart, x, two := fingers(e); two {
		e.PreventDefault() // the browser would scroll
		p.beginPinch(x)
		p.view.pinch.apart = apart
	}
}

func (p *Page) pinchMove(ctx app.Context, e app.Event) {
	ctx.PreventUpdate()
	if apart, x, two := fingers(e); two && p.view.pinch.apart > 0 {
		e.PreventDefault()
		p.stretch(apart/p.view.pinch.apart, x)
	}
}

// pinchEnd follows a finger that is lifted.
func (p *Page) pinchEnd(ctx app.Context, e app.Event) {
	g := &p.view.pinch
	if g.apart == 0 || g.from == 0 {
		ctx.PreventUpdate()
		return
	}
	x, _, width := p.host.Extent(pictureID)
	if up := e.Get("changedTouches"); up.Length() > 0 {
		x = up.Index(0).Get("clientX").Float()
		if rest := e.Get("touches"); rest.Length() > 0 {
			x = (x + rest.Index(0).Get("clientX").Float()) / 2
		} else if up.Length() > 1 {
			x = (x + up.Index(1).Get("clientX").Float()) / 2
		}
	} else {
		x += width / 2
	}
	p.endPinch(x)
}

// wheel zooms where the pointer is, when the control key is held.
func (p *Page) wheel(ctx app.Context, e app.Event) {
	ctx.PreventUpdate()
	if !e.Get("ctrlKey").Bool() {
		return
	}
	e.PreventDefault()
	const notch, perPixel = 100, 0.01 // a mouse's wheel tells a hundred pixels at once
	v, x := &p.view, e.Get("clientX").Float()
	if v.pinch.from == 0 {
		p.beginPinch(x)
	}
	v.pinch.turns++
	turns, model := v.pinch.turns, p.session.Model
	p.stretch(v.pinch.factor*math.Exp(-perPixel*max(-notch, min(e.Get("deltaY").Float(), notch))), x)
	p.ctx.After(wheelRest, func(app.Context) {
		if p.session != nil && p.session.Model == model && v.pinch.from > 0 && v.pinch.turns == turns {
			p.endPinch(x)
		}
	})
}
