package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// Elements of the model's drawing: what is scrolled, and in it what is drawn.
const (
	pictureID = "picture"
	layersID  = "layers-drawing"
)

// modelView is how the user looks at the model.
type modelView struct {
	of       *state.Model // that the rest is about
	unit     float64      // how wide a layer is; 0: the whole model fits
	measure  int
	selected int // layer, from 0; -1: none
	found    []int
	sought   string // what they were looked for by
	dragging int    // the cut that is being dragged; 0: none is
	dragged  int    // where it is now
	moved    bool
	panning  bool    // the drawing is being dragged
	panned   float64 // where the pointer was
	pinch    pinch
	listed   bool // the table of blocks is open

	ground    string // drawing of a model, zoom and measure
	groundFor groundKey
}

type groundKey struct {
	of      *state.Model
	unit    float64
	measure int
	room    int64
	look    *state.Outlook // where it is drawn
	answer  *state.Answer
}

// known is what there is to know of the layers on the screen.
func (p *Page) known() *measured {
	m := &measured{model: p.session.Model, answer: p.session.Answer}
	if p.outlook.on == m.model { // the layers may stand in another order than those that it tells of
		m.look = p.outlook.it
	}
	return m
}

// look gives the view of the model on the screen.
func (p *Page) look() *modelView {
	v := &p.view
	if v.of != p.session.Model {
		*v = modelView{of: p.session.Model, selected: -1, measure: v.measure, listed: v.listed}
	}
	key := groundKey{of: v.of, unit: v.unit, measure: v.measure, room: p.room}
	if measures[v.measure].planned {
		key.look, key.answer = p.known().look, p.session.Answer
	}
	if v.groundFor != key {
		v.ground, v.groundFor = groundSVG(v.of, v.unit, p.known().bars(v.measure), p.room), key
	}
	return v
}

// model draws the layers with the plan's cuts on them. A slider and a search field choose a layer for whoever has no mouse; what is
// said of the layer chosen is under the drawing, with what can be done about a cut after it.
func (p *Page) model() app.UI {
	v, m := p.look(), p.session.Model
	now := mark{selected: v.selected}
	if v.moved && v.dragging > 0 {
		now.dragged = v.dragged
	}
	class := "picture"
	if v.unit > 0 {
		class += " zoomed"
	}
	return app.Section().Class("card").ID("model-view").Aria("label", "Model").Body(
		app.H2().Text("Model: "+measures[v.measure].label+" above the line, bytes that would cross a cut below"),
		app.Div().Class("tools").Body(
			app.Button().Type("button").ID("zoom-out").Class("small").Title("Show more of the model").Text("Zoom out").Disabled(v.unit == 0).OnClick(func(app.Context, app.Event) { p.zoom(farther(m, v.unit, p.room)) }),
			app.Button().Type("button").ID("zoom").Class("small").Title("Show the layers nearer").Text("Zoom in").Disabled(nearer(m, v.unit, p.room) == v.unit).OnClick(func(app.Context, app.Event) { p.zoom(nearer(m, v.unit, p.room)) }),
			app.Label().For("measure").Text("Bars"),
			app.Select().ID("measure").OnChange(func(ctx app.Context, _ app.Event) {
				v.measure, _ = strconv.Atoi(ctx.JSSrc().Get("value").String())
			}).Body(app.Range(measures).Slice(func(i int) app.UI {
				return app.Option().Value(strconv.Itoa(i)).Selected(i == v.measure).Text(measures[i].label)
			})),
			app.Label().For("search").Text("Find"),
			app.Input().Type("search").ID("search").Placeholder("layer or kind").AutoComplete(false).Spellcheck(false).
				OnInput(func(ctx app.Context, _ app.Event) { p.find(ctx.JSSrc().Get("value").String()) }).
				OnKeyDown(func(ctx app.Context, e app.Event) {
					if e.Get("key").String() == "Enter" && len(v.found) > 0 {
						e.PreventDefault()
						p.findNext()
						return
					}
					ctx.PreventUpdate()
				}),
			app.Span().ID("found").Class("unit").Aria("live", "polite").Text(foundNote(v)),
			app.If(len(v.found) > 0, func() app.UI {
				return app.Button().Type("button").ID("next-found").Class("small").Text("Next").OnClick(func(app.Context, app.Event) { p.findNext() })
			}),
		),
		app.Div().Class(class).ID(pictureID).TabIndex(0).Role("region").Aria("label", "Drawing of the model").Body(
			app.Div().Class("layers").ID(layersID).
				On("pointerdown", p.press).On("pointermove", p.drag).On("pointerup", p.release).On("pointercancel", func(app.Context, app.Event) { v.dragging, v.moved, v.panning = 0, false, false }).
				On("touchstart", p.pinchStart).On("touchmove", p.pinchMove).On("touchend", p.pinchEnd).On("touchcancel", p.pinchEnd).
				OnDblClick(func(app.Context, app.Event) { p.zoom(nearer(p.session.Model, p.view.unit, p.room)) }).On("wheel", p.wheel).
				Body(
					app.Raw(planSVG(m, p.session.Answer, pinsOf(m, p.session.Request), now, v.unit, p.room)),
					app.Raw(v.ground),
					p.handles(),
				),
		),
		app.Div().Class("control").Body(
			app.Div().Class("line").Body(
				app.Label().For("layer").Text("Layer"),
				app.Output().ID("layer-value").For("layer").Text(p.layerWords(v.selected)),
			),
			app.Input().Type("range").ID("layer").Min("1").Max(strconv.Itoa(max(len(m.Layers), 1))).Step(1).Value(strconv.Itoa(v.selected+1)).
				Aria("valuetext", p.layerWords(v.selected)).Aria("describedby", "layer-help").
				OnInput(func(ctx app.Context, _ app.Event) {
					if n, err := strconv.Atoi(ctx.JSSrc().Get("value").String()); err == nil {
						p.selectLayer(n-1, true)
					}
				}).OnKeyDown(p.layerKey),
			app.Small().ID("layer-help").Text("Arrow keys go from layer to layer. [ and ] go along its edges, / finds. C ends a function after the layer, X forbids that, F leaves it to the planner. In the drawing a cut can be dragged; two fingers, or the wheel with Ctrl, zoom."),
		),
		p.layerDetails(),
		p.blocksTable(),
	)
}

// handles are what cuts are taken hold of by, over the drawing. They are no part of it: they stay while a cut is dragged, for a browser ends
// the gesture of a finger under which an element is taken away, and heeds on boxes only which gestures are its own.
func (p *Page) handles() app.UI {
	layers, stages := len(p.session.Model.Layers), p.session.Answer.Plan.Stages
	return app.Range(stages[min(1, len(stages)):]).Slice(func(i int) app.UI {
		place := p.session.Answer.Place(stages[i+1].FirstLayer-1, layers)
		return app.Div().Class("handle").Aria("hidden", "true").Style("left", strconv.FormatFloat(100*float64(place)/float64(max(layers, 1)), 'f', 3, 64)+"%")
	})
}

// blocksTable says of each block what the drawing shows of it. It is made once it is asked for.
func (p *Page) blocksTable() app.UI {
	v, m, known := &p.view, p.session.Model, p.known()
	return app.Details().ID("blocks").On("toggle", func(ctx app.Context, _ app.Event) { v.listed = ctx.JSSrc().Get("open").Bool() }).Body(
		app.Summary().Text("As a table"),
		app.If(v.listed, func() app.UI {
			all := blocksOf(m)
			values := known.bars(v.measure)
			return scrolled("Blocks").Body(app.Table().Body(
				app.THead().Body(app.Tr().Body(
					app.Th().Class("words").Text("block"), app.Th().Class("words").Text("layers"), app.Th().Class("words").Text("function"),
					app.Th().Text(blockMeasure(v.measure)), app.Th().Text("crosses a cut after it"),
				)),
				app.TBody().Body(app.Range(all).Slice(func(i int) app.UI {
					one := all[i]
					value, crosses := "–", ""
					if values != nil {
						value = measures[v.measure].print(blockValue(v.measure, values[one.first:one.last+1]))
					}
					if one.last+1 < len(m.Crossing)-1 {
						crosses = report.Bytes(m.Crossing[one.last+1])
					}
					return app.Tr().Body(
						app.Td().Class("words").Text(one.name), app.Td().Class("words").Text(spanWords(one.first+1, one.last+1)), app.Td().Class("words").Text(known.functions(one)),
						app.Td().Text(value), app.Td().Text(crosses),
					)
				})),
			))
		}),
	)
}

// spanWords writes from where to where something goes.
func spanWords(first, last int) string {
	if first == last {
		return strconv.Itoa(first)
	}
	return strconv.Itoa(first) + "–" + strconv.Itoa(last)
}

func (p *Page) layerWords(layer int) string {
	if layer < 0 || layer >= len(p.session.Model.Layers) {
		return "none"
	}
	l := &p.session.Model.Layers[layer]
	return strconv.Itoa(layer+1) + ", " + l.Name + ", " + l.Class
}

// selectLayer chooses a layer, and scrolls to it where that is wanted.
func (p *Page) selectLayer(layer int, reveal bool) {
	p.view.selected = max(0, min(layer, len(p.session.Model.Layers)-1))
	if reveal {
		p.reveal()
	}
}

// reveal scrolls the drawing to the chosen layer, once it is drawn, and puts the slider there.
func (p *Page) reveal() {
	p.ctx.Defer(func(app.Context) {
		if v := &p.view; v.selected >= 0 && p.session != nil {
			p.host.SetValue("layer", strconv.Itoa(v.selected+1))
			p.host.ScrollTo(pictureID, (float64(v.selected)+0.5)/float64(max(len(p.session.Model.Layers), 1)))
		}
	})
}

// find looks for layers by name or kind.
func (p *Page) find(text string) {
	v := &p.view
	v.found, v.sought = nil, ""
	if text = strings.ToLower(strings.TrimSpace(text)); text == "" {
		return
	}
	for i := range p.session.Model.Layers {
		if l := &p.session.Model.Layers[i]; strings.Contains(strings.ToLower(l.Name+" "+l.Class), text) {
			v.found = append(v.found, i)
		}
	}
	v.sought = text
	if len(v.found) > 0 {
		p.selectLayer(v.found[0], true)
	}
}

// foundNote says what came of looking for layers.
func foundNote(v *modelView) string {
	switch {
	case v.sought == "":
		return ""
	case len(v.found) == 0:
		return "No layer's name or kind contains it"
	}
	at, _ := slices.BinarySearch(v.found, v.selected)
	return report.Grouped(int64(at+1)) + " of " + report.Grouped(int64(len(v.found)))
}

// findNext goes to the next layer found.
func (p *Page) findNext() {
	v := &p.view
	at, there := slices.BinarySearch(v.found, v.selected)
	if there {
		at++
	}
	p.selectLayer(v.found[at%len(v.found)], true)
}

// layerKey does what the layer slider's keys say.
func (p *Page) layerKey(_ app.Context, e app.Event) {
	if p.view.selected < 0 || e.Get("ctrlKey").Bool() || e.Get("metaKey").Bool() || e.Get("altKey").Bool() {
		return
	}
	layer := p.view.selected + 1
	switch strings.ToLower(e.Get("key").String()) {
	case "c":
		p.pin(func(now pins) pins { return now.force(layer) })
	case "x":
		p.pin(func(now pins) pins { return now.forbid(layer) })
	case "f":
		p.pin(func(now pins) pins { return now.free(layer) })
	case "[":
		if from := p.session.Model.Layers[p.view.selected].From; len(from) > 0 {
			p.selectLayer(from[0], true)
		}
	case "]":
		if to := readers(p.session.Model, p.view.selected); len(to) > 0 {
			p.selectLayer(to[len(to)-1], true)
		}
	default:
		return
	}
	e.PreventDefault()
}

// pin changes what is fixed by hand; each change is one that undo takes back.
func (p *Page) pin(change func(pins) pins) {
	r := p.wanted()
	p.change(change(pinsOf(p.session.Model, r)).in(r))
}

// where gives the place of an event in the drawing: as a share of its width, and how near to a cut takes hold of it.
func (p *Page) where(e app.Event) (share, near float64) {
	left, _, width := p.host.Extent(layersID)
	if width <= 0 {
		return 0, 0
	}
	return (e.Get("clientX").Float() - left) / width, handleWidth / 2 / width
}

// press takes hold of the cut under the pointer.
func (p *Page) press(_ app.Context, e app.Event) {
	v, answer, layers := &p.view, p.session.Answer, len(p.session.Model.Layers)
	share, near := p.where(e)
	v.dragging, v.moved, v.pinch.lifted = 0, false, false
	v.panning, v.panned = v.unit > 0 && e.Get("pointerType").String() == "mouse", e.Get("clientX").Float()
	for i := range answer.Plan.Stages[:max(len(answer.Plan.Stages)-1, 0)] {
		cut := answer.Place(answer.Plan.Stages[i].LastLayer, layers)
		if off := share - float64(cut)/float64(layers); off > -near && off < near {
			v.dragging, v.dragged, v.panning = cut, cut, false
			e.PreventDefault()
			e.Get("currentTarget").Call("setPointerCapture", e.Get("pointerId")) // its handle is drawn anew meanwhile
		}
	}
}

// drag moves it along the places at which the model can be cut, or moves the drawing where none is held.
func (p *Page) drag(ctx app.Context, e app.Event) {
	v := &p.view
	if v.panning {
		ctx.PreventUpdate()
		if by := e.Get("clientX").Float() - v.panned; e.Get("buttons").Int() == 0 {
			v.panning, v.moved = false, false
		} else if v.moved || math.Abs(by) > 4 {
			v.moved, v.panned = true, v.panned+by
			p.host.ScrollBy(pictureID, -by)
		}
		return
	}
	if v.dragging == 0 {
		ctx.PreventUpdate()
		return
	}
	share, _ := p.where(e)
	to := nearestCut(p.session.Model, int(share*float64(len(p.session.Model.Layers))+0.5))
	if to == v.dragged {
		ctx.PreventUpdate()
		return
	}
	v.dragged, v.moved = to, true
}

// release lets go of the cut, or chooses a layer where none was held.
func (p *Page) release(_ app.Context, e app.Event) {
	v := &p.view
	from, to, moved, panned := v.dragging, v.dragged, v.moved, v.panning && v.moved
	v.dragging, v.moved, v.panning = 0, false, false
	if panned || v.pinch.lifted || v.pinch.from > 0 {
		return
	}
	if moved && from != to {
		p.pin(func(now pins) pins { return now.move(from, to) })
		return
	}
	share, _ := p.where(e)
	p.selectLayer(layoutOf(p.session.Model, v.unit, p.room).at(share), false)
	p.host.SetValue("layer", strconv.Itoa(v.selected+1))
}

// layerDetails says what the chosen layer is and what can be done about a cut after it.
func (p *Page) layerDetails() app.UI {
	v, m, answer := &p.view, p.session.Model, p.session.Answer
	if v.selected < 0 || v.selected >= len(m.Layers) {
		return app.Div().ID("layer-details").Aria("live", "polite").Body(app.P().Class("unit").Text("Choose a layer to see what it is and to decide about a cut after it."))
	}
	l, number := &m.Layers[v.selected], v.selected+1
	known := p.known()
	stage, _, _ := known.stage(v.selected)
	var weights, work int64
	for i := range m.Layers {
		weights += m.Layers[i].WeightBytes
		work += m.Layers[i].MACs
	}
	facts := [][2]string{
		{"Kind", l.Class}, {"Output", l.Output},
		{"Weights", report.Bytes(l.WeightBytes) + ", " + report.Part(l.WeightBytes, weights) + " of the model's"},
		{"Multiply-accumulates", report.Millions(l.MACs) + ", " + report.Part(l.MACs, work) + " of the model's"},
	}
	if stage >= 0 {
		s := &answer.Plan.Stages[stage]
		facts = append(facts, [2]string{"Function", strconv.Itoa(stage+1) + " at " + report.Memory(s.MemoryMB)})
	}
	if known.bars(2) != nil {
		var total int64
		for i := range m.Layers {
			total += known.look.LayerNs[i]
		}
		facts = append(facts,
			[2]string{"Time on one vCPU", report.Duration(known.oneVCPUUs(v.selected)) + ", " + report.Part(known.look.LayerNs[v.selected], total) + " of the model's"},
			[2]string{"Live activations, at most", report.Bytes(known.look.LayerPeakBytes[v.selected])})
		if stage >= 0 {
			cost := known.costPicoUSD(v.selected)
			facts = append(facts, [2]string{"Its part of the cost, by time", report.Price(cost) + " per 100,000 requests, " + report.Part(cost, answer.Plan.CostPicoUSD) + " of the plan's"})
		}
	}
	if number < len(m.Crossing) {
		facts = append(facts, [2]string{"Crosses a cut after it", report.Bytes(m.Crossing[number])})
	}
	return app.Div().ID("layer-details").Aria("live", "polite").Body(
		app.H3().Text(strconv.Itoa(number)+" "+l.Name),
		app.Dl().Class("facts pairs").Body(app.Range(facts).Slice(func(i int) app.UI {
			return app.Div().Body(app.Dt().Text(facts[i][0]), app.Dd().Text(facts[i][1]))
		})),
		p.edges("takes-from", "Takes the results of", l.From),
		p.edges("gives-to", "Gives its result to", readers(m, v.selected)),
		p.cutMenu(number),
	)
}

// readers lists the layers that take the result of one.
func readers(m *state.Model, layer int) []int {
	var all []int
	for i := range m.Layers {
		if slices.Contains(m.Layers[i].From, layer) {
			all = append(all, i)
		}
	}
	return all
}

// edges has a button for each layer at the other end of an edge, which leads there.
func (p *Page) edges(id, title string, ends []int) app.UI {
	if len(ends) == 0 {
		return app.Div()
	}
	return app.Div().Class("actions").ID(id).Body(app.Span().Text(title), app.Range(ends).Slice(func(i int) app.UI {
		end := ends[i]
		return app.Button().Type("button").Class("small").Text(p.session.Model.Layers[end].Name).OnClick(func(app.Context, app.Event) { p.selectLayer(end, true) }, app.EventScope(end))
	}))
}

// cutMenu is what can be done about a cut after a layer.
func (p *Page) cutMenu(layer int) app.UI {
	m := p.session.Model
	if _, can := slices.BinarySearch(m.Cuts, layer); !can {
		text := "The model cannot be cut after this layer."
		if near := nearestCut(m, layer); near > 0 {
			text += " The nearest place is after " + strconv.Itoa(near) + " " + m.Layers[near-1].Name + "."
		}
		return app.P().Class("unit").Text(text)
	}
	now := pinsOf(m, p.session.Request)
	_, forced := slices.BinarySearch(now.cuts, layer)
	_, forbidden := slices.BinarySearch(now.noCuts, layer)
	button := func(id, text string, pressed bool, change func(pins) pins) app.UI {
		return app.Button().Type("button").ID(id).Class("small").Aria("pressed", pressed).Text(text).
			OnClick(func(app.Context, app.Event) { p.pin(change) }, app.EventScope(layer))
	}
	return app.Div().Class("actions").ID("cut-menu").Body(
		button("cut-here", "End a function here", forced, func(now pins) pins { return now.force(layer) }),
		button("no-cut-here", "Never cut here", forbidden, func(now pins) pins { return now.forbid(layer) }),
		button("free-here", "Leave it to the planner", !forced && !forbidden, func(now pins) pins { return now.free(layer) }),
	)
}
