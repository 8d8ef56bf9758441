package ui

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"

	"partita/app/state"
	"partita/planner/report"
)

// The model's drawing is a row of layers, left to right in the order of execution. From the top: skip connections, the layers or blocks
// with their names, bars of what the user wants to see of each layer, and below the line what would cross a cut there. Whole, it fits the
// card and shows blocks; from layerWidth on a layer has its name, and the drawing is scrolled. Buttons go to these widths and one between.
const (
	layerWidth, betweenWidth = 26.0, 7.0
	handleWidth              = 24 // by which a cut is dragged
	widestLayer              = 40.0
	arcsHeight               = 34.0
	blockHeight, namesHeight = 26.0, 118.0
	barsHeight, crossHeight  = 64.0, 38.0
	labelHeight              = 18.0
)

// layout gives the places of a drawing.
type layout struct {
	layers         int
	unit           float64 // of a layer
	boxes, line    float64 // where the boxes begin, and the line under the bars
	boxHeight      float64
	width, height  float64
	zoomed, arches bool // it is scrolled; it shows layers and not blocks
}

// wholeUnit is how wide a layer is where the whole model is drawn.
func wholeUnit(m *state.Model, room int64) float64 {
	return float64(max(room, 240)) / float64(max(len(m.Layers), 1))
}

// units lists how wide a layer is at each level of zoom, from the whole model to single layers.
func units(m *state.Model, room int64) []float64 {
	whole := wholeUnit(m, room)
	all := []float64{whole}
	if betweenWidth > 3*whole {
		all = append(all, betweenWidth)
	}
	if layerWidth > whole {
		all = append(all, layerWidth)
	}
	return all
}

// nearer gives the next level of zoom from a width on, which is 0 where the whole model is drawn; the same width: there is none.
func nearer(m *state.Model, unit float64, room int64) float64 {
	for _, next := range units(m, room)[1:] {
		if next > unit {
			return next
		}
	}
	return unit
}

// farther gives the level of zoom before a width; 0: the whole model.
func farther(m *state.Model, unit float64, room int64) float64 {
	all := units(m, room)
	for i := len(all) - 1; i > 0; i-- {
		if all[i] < unit {
			return all[i]
		}
	}
	return 0
}

// zoomable gives the width nearest to a wanted one that layers can be drawn with; 0: the whole model.
func zoomable(m *state.Model, unit float64, room int64) float64 {
	whole := wholeUnit(m, room)
	if unit = min(unit, max(whole, widestLayer)); unit < 1.05*whole {
		return 0
	}
	return unit
}

// layoutOf gives the layout with layers so wide; 0: the whole model fits.
func layoutOf(m *state.Model, unit float64, room int64) layout {
	l := layout{layers: len(m.Layers), zoomed: unit > wholeUnit(m, room), unit: max(unit, wholeUnit(m, room)), boxHeight: blockHeight}
	l.arches = l.unit >= layerWidth
	if l.arches {
		l.boxHeight, l.boxes = namesHeight, arcsHeight
	}
	l.width = l.unit * float64(max(l.layers, 1))
	l.line = l.boxes + l.boxHeight + 6 + barsHeight
	l.height = l.line + crossHeight + labelHeight
	return l
}

func (l layout) x(position int) float64 { return float64(position) * l.unit }

// at gives the layer at a share of the drawing's width.
func (l layout) at(share float64) int {
	return max(0, min(l.layers-1, int(share*float64(l.layers))))
}

// open begins a drawing. Zoomed ones have their own size, others that of the card.
func (l layout) open(attributes string) string {
	size := ""
	if l.zoomed {
		size = fmt.Sprintf(`style="width:%gpx;height:%gpx" `, l.width, l.height)
	}
	return fmt.Sprintf(`<svg viewBox="0 0 %g %g" %s%s>`, l.width, l.height, size, attributes)
}

// measured is what there is to know of layers.
type measured struct {
	model  *state.Model
	look   *state.Outlook // nil: not yet
	answer *state.Answer
}

// measures are what bars can show of a layer, from 0. What follows from a plan is there once it has been asked for.
var measures = []struct {
	label   string
	of      func(m *measured, layer int) int64
	print   func(int64) string
	planned bool // it needs the outlook
}{
	{"weights", func(m *measured, l int) int64 { return m.model.Layers[l].WeightBytes }, report.Bytes, false},
	{"multiply-accumulates", func(m *measured, l int) int64 { return m.model.Layers[l].MACs }, report.Millions, false},
	{"time on one vCPU", (*measured).oneVCPUUs, report.Duration, true},
	{"memory: weights and live activations", (*measured).memoryBytes, report.Bytes, true},
	{"cost of 100,000 requests", (*measured).costPicoUSD, report.Price, true},
}

func (m *measured) oneVCPUUs(layer int) int64 { return (m.look.LayerNs[layer] + 500) / 1000 }

func (m *measured) memoryBytes(layer int) int64 {
	return m.model.Layers[layer].WeightBytes + m.look.LayerPeakBytes[layer]
}

// stage gives the function that a layer is in, from 0, and the layers that it holds; -1: none.
func (m *measured) stage(layer int) (stage, first, end int) {
	layers := len(m.model.Layers)
	stage = -1
	for i := range m.answer.Plan.Stages {
		s := &m.answer.Plan.Stages[i]
		if from, to := m.answer.Place(s.FirstLayer-1, layers), m.answer.Place(s.LastLayer, layers); from <= layer && layer < to {
			stage, first, end = i, from, to
		}
	}
	return stage, first, end
}

// costPicoUSD is a layer's part of what its function costs, by the time that the layers take.
func (m *measured) costPicoUSD(layer int) int64 {
	stage, first, end := m.stage(layer)
	if stage < 0 {
		return 0
	}
	var all int64
	for l := first; l < end; l++ {
		all += m.look.LayerNs[l]
	}
	return int64(float64(m.answer.Plan.Stages[stage].CostPicoUSD) * float64(m.look.LayerNs[layer]) / float64(max(all, 1)))
}

// bars gives what bars show of each layer; nothing where it is not known yet.
func (m *measured) bars(measure int) []int64 {
	if measures[measure].planned && (m.look == nil || len(m.look.LayerNs) != len(m.model.Layers)) {
		return nil
	}
	all := make([]int64, len(m.model.Layers))
	for l := range all {
		all[l] = measures[measure].of(m, l)
	}
	return all
}

// blockMeasure names what is told of a block, and blockValue gives it: the sum of its layers', of memory the most.
func blockMeasure(measure int) string {
	if measure == memoryMeasure {
		return measures[measure].label + ", at most"
	}
	return measures[measure].label
}

func blockValue(measure int, layers []int64) (value int64) {
	for _, v := range layers {
		if measure == memoryMeasure {
			value = max(value, v)
		} else {
			value += v
		}
	}
	return value
}

// memoryMeasure is the place of the measure that layers do not add up to.
const memoryMeasure = 3

// functions says in which functions a block's layers are.
func (m *measured) functions(one block) string {
	first, _, _ := m.stage(one.first)
	last, _, _ := m.stage(one.last)
	if first < 0 || last < 0 {
		return "–"
	}
	return spanWords(first+1, last+1)
}

// height is a root, so that one huge dense layer does not flatten all others.
func height(v, largest int64, room float64) float64 {
	return room * math.Sqrt(float64(v)/float64(max(largest, 1)))
}

// groundSVG draws what a plan does not change. It stays the same picture while plans come and go, so that the browser has little to
// draw anew: networks have a thousand layers.
func groundSVG(m *state.Model, unit float64, values []int64, room int64) string {
	l := layoutOf(m, unit, room)
	b := &strings.Builder{}
	b.WriteString(l.open(`aria-hidden="true"`))
	if l.arches {
		b.WriteString(`<path class="arc" d="` + arcs(m, l) + `"/>`)
	}
	boxes(b, m, l)
	largest := slices.Max(append([]int64{1}, values...))
	var d path
	for i, v := range values {
		if v > 0 {
			bar := max(1.5, height(v, largest, barsHeight))
			d.to('M', l.x(i)+l.unit*0.1, l.line)
			d.to('v', -bar)
			d.to('h', max(l.unit*0.8, 0.4))
			d.to('v', bar)
		}
	}
	b.WriteString(`<path class="bars" d="` + string(d) + `"/>`)
	widest := slices.Max(append([]int64{1}, m.Crossing...))
	d = d[:0]
	d.to('M', 0, l.line)
	for c, v := range m.Crossing {
		d.to('L', l.x(c), l.line+height(v, widest, crossHeight))
	}
	d.to('L', l.width, l.line)
	b.WriteString(`<path class="crossing" d="` + string(d) + `Z"/></svg>`)
	return b.String()
}

// arcs draws the connections that skip layers.
func arcs(m *state.Model, l layout) string {
	var d path
	for i := range m.Layers {
		for _, from := range m.Layers[i].From {
			if from < i-1 {
				x1, x2 := l.x(from)+l.unit/2, l.x(i)+l.unit/2
				lift := min(arcsHeight-2, 6+3*math.Sqrt(float64(i-from)))
				d.to('M', x1, l.boxes)
				d.to('C', x1, l.boxes-1.3*lift, x2, l.boxes-1.3*lift, x2, l.boxes)
			}
		}
	}
	return string(d)
}

// boxes draws the blocks, or zoomed the layers, with their names.
func boxes(b *strings.Builder, m *state.Model, l layout) {
	if l.arches {
		var d path
		for i := range m.Layers {
			d.to('M', l.x(i)+2, l.boxes)
			d.to('h', l.unit-4)
			d.to('v', l.boxHeight)
			d.to('h', 4-l.unit)
			d.to('z')
		}
		b.WriteString(`<path class="box" d="` + string(d) + `"/>`)
		for i := range m.Layers {
			d = d[:0]
			d.to('(', l.x(i)+l.unit/2+4, l.boxes+l.boxHeight-5)
			b.WriteString(`<text class="name" transform="translate` + string(d) + `)rotate(-90)">` + html.EscapeString(shortened(m.Layers[i].Name, longestName)) + `</text>`)
		}
		return
	}
	for _, one := range blocksOf(m) {
		x, width := l.x(one.first), l.x(one.last+1)-l.x(one.first)
		fmt.Fprintf(b, `<rect class="box" x="%.2f" y="%.1f" width="%.2f" height="%.1f"/>`, x, l.boxes, width, l.boxHeight)
		name := one.name
		room := int((width - 4) / 6.5)
		if part := name[strings.LastIndexByte(name, '_')+1:]; len([]rune(name)) > room && len([]rune(part)) <= room {
			name = part // the end tells blocks of one kind apart
		}
		if room >= 2 {
			fmt.Fprintf(b, `<text class="name" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x+width/2, l.boxes+17, html.EscapeString(clipped(name, room)))
		}
	}
}

// textWidth is about how wide a text is in a drawing, in pixels.
func textWidth(text string) float64 { return letterWidth * float64(len([]rune(text))) }

// longestName is how many characters of a layer's name are written in its box.
const longestName = 16

// shortened leaves out the middle of a name: its beginning says where a layer is, its end what it is.
func shortened(name string, most int) string {
	runes := []rune(name)
	if len(runes) <= most {
		return name
	}
	head := (most - 1) / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(most-1-head):])
}

// clipped shortens a name to so many characters.
func clipped(name string, most int) string {
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}

// mark is what the user does in the drawing.
type mark struct {
	selected int // layer, from 0; -1: none
	dragged  int // where the cut that is being dragged is now; 0: none is
}

// planSVG draws the plan behind the layers: its functions in their colours and patterns, the cuts with what crosses them, and the pins.
func planSVG(m *state.Model, answer *state.Answer, p pins, now mark, unit float64, room int64) string {
	l := layoutOf(m, unit, room)
	document := answer.Plan
	b := &strings.Builder{}
	b.WriteString(l.open(`role="img" aria-label="` + html.EscapeString(fmt.Sprintf("%s in %s; the table of functions says where each begins and ends",
		report.Count(l.layers, "layer"), report.Count(len(document.Stages), "function"))) + `"`))
	b.WriteString(patterns)
	bottom := l.line + crossHeight
	for i, s := range document.Stages {
		from, to := l.x(answer.Place(s.FirstLayer-1, l.layers)), l.x(answer.Place(s.LastLayer, l.layers))
		fmt.Fprintf(b, `<rect class="band %s" x="%.2f" y="0" width="%.2f" height="%.1f"/><rect fill="url(#hatch-%d)" x="%.2f" y="0" width="%.2f" height="%.1f"/>`,
			stageClass(i), from, to-from, bottom, i%stageColours, from, to-from, bottom)
	}
	for _, s := range document.Stages {
		from, to := l.x(answer.Place(s.FirstLayer-1, l.layers)), l.x(answer.Place(s.LastLayer, l.layers))
		text := report.StageName(&s) + " · " + report.Memory(s.MemoryMB)
		if short := strconv.Itoa(s.Index); to-from < textWidth(text)+8 {
			if text = short; to-from < textWidth(text)+4 {
				continue // the colour and the table say it
			}
		}
		fmt.Fprintf(b, `<text class="strong function" x="%.1f" y="%.1f">%s</text>`, from+4, l.boxes+l.boxHeight+15, html.EscapeString(text))
	}
	if now.selected >= 0 && now.selected < l.layers {
		fmt.Fprintf(b, `<rect class="selected" x="%.2f" y="1" width="%.2f" height="%.1f"/>`, l.x(now.selected), max(l.unit, 2), bottom-2)
	}
	for _, c := range p.noCuts {
		fmt.Fprintf(b, `<path class="forbidden" d="M%.1f %.1fl6 6m-6 0l6 -6"/>`, l.x(c)-3, l.line-8)
	}
	written := 0.0 // up to where the line under the drawing has text; the table of functions says what finds no room
	for i, s := range document.Stages {
		if i == 0 {
			continue
		}
		place := answer.Place(s.FirstLayer-1, l.layers)
		x := l.x(place)
		anchor, offset := "start", 4.0
		if x > l.width*0.8 {
			anchor, offset = "end", -4
		}
		class := "cut"
		if _, fixed := slices.BinarySearch(p.cuts, place); fixed {
			class = "cut fixed"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%.2f" x2="%.2f" y1="0" y2="%.1f"/><circle class="%s" cx="%.2f" cy="%.1f" r="6"/>`, class, x, x, bottom, class, x, l.line)
		text := report.Bytes(s.InputBytes) + " " + s.TransportIn
		from, room := x+offset, textWidth(text)
		if anchor == "end" {
			from -= room
		}
		if from >= written {
			fmt.Fprintf(b, `<text class="strong" x="%.2f" y="%.1f" text-anchor="%s">%s</text>`, x+offset, l.height-4, anchor, html.EscapeString(text))
			written = from + room
		}
	}
	if now.dragged > 0 {
		fmt.Fprintf(b, `<line class="dragged" x1="%.2f" x2="%.2f" y1="0" y2="%.1f"/>`, l.x(now.dragged), l.x(now.dragged), bottom)
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// patterns are the hatchings of the stages, one for each colour: colour is never the only sign.
var patterns = func() string {
	var b strings.Builder
	b.WriteString(`<defs>`)
	for i, d := range []string{
		"M0 8L8 0", "M0 0L8 8", "M0 4H8", "M4 0V8", "M0 4H8M4 0V8", "M0 0L8 8M0 8L8 0", "M4 3v2", "M0 2H8M0 6H8",
	} {
		fmt.Fprintf(&b, `<pattern id="hatch-%d" width="8" height="8" patternUnits="userSpaceOnUse"><path class="hatch" d="%s"/></pattern>`, i, d)
	}
	b.WriteString(`</defs>`)
	return b.String()
}()
