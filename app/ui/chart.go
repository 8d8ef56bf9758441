package ui

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
	"partita/planner/report"
)

// area is a chart's drawing: pixels of the page, so that text has the same size on a phone as on a desk.
type area struct {
	width, height            int64
	left, right, top, bottom int64 // of what is inside the axes
}

// Margins that hold a chart's labels, and its height. The left one is at least so wide: longer figures have more.
const (
	marginLeft, marginRight = 44, 12
	letterWidth             = 7.6 // of the widest letters of figures
	marginTop, marginBottom = 26, 40
	narrow                  = 480 // pixels below which a drawing is for a phone
)

func areaOf(room int64) area {
	a := area{width: max(room, 240), height: 340}
	if a.width < narrow {
		a.height = 240
	}
	a.left, a.right, a.top, a.bottom = marginLeft, a.width-marginRight, marginTop, a.height-marginBottom
	return a
}

// widen gives the figures on the left the room that they take.
func (a *area) widen(y *report.Axis, yText func(float64) string) {
	for _, v := range y.Apart(yApart) {
		a.left = max(a.left, int64(float64(len([]rune(yText(v))))*letterWidth)+10)
	}
}

// yApart is how far apart the figures on the left are at least, in pixels.
const yApart = 28

// axisPrice and axisMonth print figures on an axis: whole dollars without cents.
func axisPrice(v float64) string {
	return strings.TrimSuffix(report.Price(int64(math.Round(v))), ".00")
}
func axisMonth(v float64) string {
	return strings.TrimSuffix(report.Month(int64(math.Round(v))), ".00")
}

// open begins the drawing.
func (a *area) open(attributes string) string {
	return fmt.Sprintf(`<svg viewBox="0 0 %d %d" %s>`, a.width, a.height, attributes)
}

// axes draws a grid with round figures on both axes, and what the axes are.
func (a *area) axes(b *strings.Builder, x, y *report.Axis, xLabel, yLabel string, xText, yText func(float64) string) {
	for _, v := range y.Apart(yApart) {
		at := pixel(y, v)
		fmt.Fprintf(b, `<line class="axis" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, a.left, a.right, at, at, a.left-8, at+4, html.EscapeString(yText(v)))
	}
	for _, v := range x.Apart(64) {
		at := pixel(x, v)
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`, at, at, a.top, a.bottom, at, a.bottom+18, html.EscapeString(xText(v)))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text><text x="0" y="12">%s</text>`, a.right, a.height-4, html.EscapeString(xLabel), html.EscapeString(yLabel))
}

// drawn is a drawing that is made anew only when what it shows has changed: the page is drawn at every step of a slider.
type drawn struct {
	of  any
	svg string
}

// once gives the drawing of something, made before or now.
func (p *Page) once(name string, of any, draw func() string) app.UI {
	if p.drawn == nil {
		p.drawn = map[string]drawn{}
	}
	if p.drawn[name].of != of {
		p.drawn[name] = drawn{of, draw()}
	}
	return app.Raw(p.drawn[name].svg)
}

// pixel gives the place of a figure on an axis.
func pixel(a *report.Axis, v float64) float64 { return float64(a.At(v)) / 10 }

// frontierPicture is the chart of cost against latency: the frontier as a step line through evaluated plans only, and the other ways.
type frontierPicture struct {
	area
	x, y   *report.Axis
	points [][2]int64 // latencies in microseconds and costs in pico-dollars
}

func newFrontierPicture(document *plan.Plan, points [][2]int64, kept *plan.Plan, room int64) *frontierPicture {
	p := &frontierPicture{area: areaOf(room), points: points}
	var us, cost []float64
	add := func(latencyUs, picoUSD int64) {
		us, cost = append(us, float64(max(latencyUs, 1))), append(cost, float64(max(picoUSD, 1)))
	}
	for _, one := range points {
		add(one[0], one[1])
	}
	for _, o := range others(document) {
		add(o.LatencyUs, o.CostPicoUSD)
	}
	if document.Status != plan.Infeasible {
		add(document.LatencyUs, document.CostPicoUSD)
	}
	if kept != nil && kept.Status != plan.Infeasible {
		add(kept.LatencyUs, kept.CostPicoUSD)
	}
	p.y = report.NewAxis(cost, p.bottom, p.top)
	p.widen(p.y, axisPrice)
	p.x = report.NewAxis(us, p.left, p.right)
	return p
}

// others lists the simple alternatives that are possible.
func others(document *plan.Plan) []plan.Baseline {
	return slices.DeleteFunc(slices.Clone(document.Baselines), func(b plan.Baseline) bool { return b.Status != plan.Feasible })
}

func (p *frontierPicture) place(latencyUs, picoUSD int64) (x, y float64) {
	return pixel(p.x, float64(max(latencyUs, 1))), pixel(p.y, float64(max(picoUSD, 1)))
}

// nearest gives the point of the frontier nearest to a place in the drawing.
func (p *frontierPicture) nearest(x, y float64) int {
	best, least := 0, math.Inf(1)
	for i, one := range p.points {
		px, py := p.place(one[0], one[1])
		if d := math.Hypot(px-x, py-y); d < least {
			best, least = i, d
		}
	}
	return best
}

// frontierGround is what the ground shows.
type frontierGround struct {
	frontier  *state.Frontier
	room      int64
	low, high [2]float64
	others    string
}

func (p *frontierPicture) groundOf(document *plan.Plan, frontier *state.Frontier) frontierGround {
	g := frontierGround{frontier: frontier, room: p.width, low: [2]float64{p.x.Low, p.y.Low}, high: [2]float64{p.x.High, p.y.High}}
	for _, o := range others(document) {
		g.others += fmt.Sprint(o.LatencyUs, o.CostPicoUSD, o.Name, " ")
	}
	return g
}

// ground draws what the plan chosen does not change.
func (p *frontierPicture) ground(document *plan.Plan) string {
	b := &strings.Builder{}
	b.WriteString(p.open(`aria-hidden="true"`))
	p.axes(b, p.x, p.y, "latency of a request", "$ per 100,000 requests",
		func(v float64) string { return report.Duration(int64(math.Round(v))) }, axisPrice)
	b.WriteString(`<path class="frontier" d="`)
	for i, one := range p.points {
		x, y := p.place(one[0], one[1])
		if i == 0 {
			fmt.Fprintf(b, "M%.1f %.1f", x, y)
		} else {
			fmt.Fprintf(b, "H%.1fV%.1f", x, y)
		}
	}
	b.WriteString(`"/>`)
	var labels []label
	for _, o := range others(document) {
		x, y := p.place(o.LatencyUs, o.CostPicoUSD)
		fmt.Fprintf(b, `<path class="other" d="M%.1f %.1fl5 5l-5 5l-5 -5z"/>`, x, y-5)
		labels = append(labels, label{x, y, o.Name})
	}
	p.label(b, labels)
	b.WriteString(`</svg>`)
	return b.String()
}

// label is text beside a mark.
type label struct {
	x, y float64
	text string
}

// labelHeight is the room that a line of text takes.
const lineHeight = 15

// label writes texts beside their marks, none over another.
func (a *area) label(b *strings.Builder, all []label) {
	slices.SortStableFunc(all, func(l, o label) int { return int(l.y - o.y) })
	below := 0.0
	for _, l := range all {
		y := max(l.y-8, below+lineHeight, float64(a.top)-4)
		below = y
		anchor, x := "start", l.x+8
		if l.x > float64(a.left)+0.7*float64(a.right-a.left) {
			anchor, x = "end", l.x-8
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, x, y, anchor, html.EscapeString(l.text))
	}
}

// limits draws what was asked for, under everything else.
func (p *frontierPicture) limits(document *plan.Plan) string {
	b := &strings.Builder{}
	b.WriteString(p.open(`aria-hidden="true"`))
	if slo := float64(document.Request.SLOUs); slo > 0 {
		at := min(max(pixel(p.x, slo), float64(p.left)), float64(p.right))
		anchor, beside := "start", 5.0
		if at > float64(p.right)-40 {
			anchor, beside = "end", -5
		}
		fmt.Fprintf(b, `<rect class="beyond" x="%.1f" y="%d" width="%.1f" height="%d"/><line class="limit" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d" text-anchor="%s">SLO</text>`,
			at, p.top, float64(p.right)-at, p.bottom-p.top, at, at, p.top, p.bottom, at+beside, p.bottom-6, anchor)
	}
	if budget := float64(document.Request.BudgetPicoUSD); budget >= p.y.Low && budget <= p.y.High {
		at := pixel(p.y, budget)
		fmt.Fprintf(b, `<line class="limit" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">budget</text>`, p.left, p.right, at, at, p.right, at-4)
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// marks draws the plan chosen and the plan kept.
func (p *frontierPicture) marks(document, kept *plan.Plan) string {
	b := &strings.Builder{}
	b.WriteString(p.open(`aria-hidden="true"`))
	if kept != nil && kept.Status != plan.Infeasible {
		x, y := p.place(kept.LatencyUs, kept.CostPicoUSD)
		fmt.Fprintf(b, `<rect class="kept" x="%.1f" y="%.1f" width="12" height="12"/>`, x-6, y-6)
	}
	if document.Status != plan.Infeasible {
		x, y := p.place(document.LatencyUs, document.CostPicoUSD)
		fmt.Fprintf(b, `<circle class="chosen" r="8" cx="%.1f" cy="%.1f"/>`, x, y)
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// anchor keeps a label inside the drawing.
func (a *area) anchor(x float64) string {
	switch {
	case x > float64(a.right)-40:
		return "end"
	case x < float64(a.left)+20:
		return "start"
	}
	return "middle"
}

// told draws a point under the pointer with its figures.
func (p *frontierPicture) told(i int) string {
	one := p.points[i]
	x, y := p.place(one[0], one[1])
	return p.tip(x, y, report.Duration(one[0]), report.Price(one[1]))
}

// tip draws a mark with lines of text in a box beside it.
func (a *area) tip(x, y float64, lines ...string) string {
	longest := 0
	for _, l := range lines {
		longest = max(longest, len([]rune(l)))
	}
	width, height := float64(longest)*7.2+16, float64(len(lines)*lineHeight+10)
	left, top := min(x+12, float64(a.width)-width), y-height-10
	if top < 0 {
		top = y + 12
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, `%s<circle class="under" r="5" cx="%.1f" cy="%.1f"/><rect class="tip" rx="4" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, a.open(`aria-hidden="true"`), x, y, left, top, width, height)
	for i, l := range lines {
		fmt.Fprintf(b, `<text class="strong" x="%.1f" y="%.1f">%s</text>`, left+8, top+17+float64(i*lineHeight), html.EscapeString(l))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// Elements of the chart.
const (
	plotID  = "plot"
	hoverID = plotID + "-hover"
)

// chart plots cost against latency. It is a slider: keys, a click and dragging choose a point of the frontier. The table under it says
// the same.
func (p *Page) chart() app.UI {
	answer := p.session.Answer
	document, frontier := answer.Plan, answer.Frontier
	if len(frontier.Drawn) == 0 {
		return app.Div()
	}
	kept := p.keptPlan()
	picture := newFrontierPicture(document, frontier.Drawn, kept, p.room)
	now := onFrontier(frontier.Drawn, document)
	return app.Section().Class("card").ID("chart").Body(
		app.H2().Text("Cost against latency, predicted"),
		p.along(app.Div().Class("plot"), plotID, chartGesture, p.tellPoint, p.choosePointUnder).Role("slider").TabIndex(0).
			Aria("label", "Plan on the frontier").Aria("describedby", "plot-help").
			Aria("valuemin", 1).Aria("valuemax", len(frontier.Drawn)).Aria("valuenow", now+1).Aria("valuetext", pointWords(document)).
			OnKeyDown(p.chartKey).
			Body(
				app.Raw(picture.limits(document)),
				p.once("frontier", picture.groundOf(document, frontier), func() string { return picture.ground(document) }),
				app.Raw(picture.marks(document, kept)),
				app.Div().ID(hoverID).Class("hover"),
			),
		app.P().Class("legend").ID("plot-help").Body(
			app.If(document.Status != plan.Infeasible, func() app.UI {
				return app.Span().Body(app.Span().Class("mark chosen").Aria("hidden", "true"), app.Text("this plan "))
			}),
			app.Span().Class("mark other").Aria("hidden", "true"), app.Text("simpler ways "),
			app.If(kept != nil, func() app.UI {
				return app.Span().Body(app.Span().Class("mark kept").Aria("hidden", "true"), app.Text("kept "))
			}),
			app.Text("· Click, tap or drag along the line, or use the arrow keys, Home and End, to choose another plan."),
		),
		app.If(oneFunctionWords(document) != "", func() app.UI { return app.P().ID("chart-sentence").Text(oneFunctionWords(document) + ".") }),
		app.H3().Text(tableTitle(frontier)),
		p.frontierTable(frontier.Table),
	)
}

// tableTitle says how much of a frontier its table holds.
func tableTitle(f *state.Frontier) string {
	if len(f.Table) < f.Points {
		return report.Grouped(int64(len(f.Table))) + " of the " + report.Grouped(int64(f.Points)) + " best trade-offs"
	}
	return "The best trade-offs"
}

// pointWords says where a plan is on the frontier.
func pointWords(document *plan.Plan) string {
	if document.Status == plan.Infeasible {
		return "no plan"
	}
	return report.Duration(document.LatencyUs) + ", " + report.Price(document.CostPicoUSD) + " per 100,000 requests, " + report.Count(len(document.Stages), "function")
}

// onFrontier gives the place of a plan among the points drawn, which may leave its own out: that of the last that is no slower.
func onFrontier(points [][2]int64, document *plan.Plan) int {
	if document.Status == plan.Infeasible {
		return 0
	}
	at, found := slices.BinarySearchFunc(points, document.LatencyUs, func(one [2]int64, us int64) int { return int(one[0] - us) })
	if !found {
		at--
	}
	return max(at, 0)
}

// keyed gives the point that a key leads to from the one at now; ok is false for other keys.
func keyed(key string, now, points int, exact bool) (to int, ok bool) {
	page := max(points/10, 1)
	switch key {
	case "ArrowRight", "ArrowUp":
		to = now + 1
	case "ArrowLeft", "ArrowDown":
		if to = now - 1; !exact {
			to = now // it lies between two points
		}
	case "PageUp":
		to = now + page
	case "PageDown":
		to = now - page
	case "Home":
		to = 0
	case "End":
		to = points - 1
	default:
		return 0, false
	}
	return max(0, min(to, points-1)), true
}

func (p *Page) chartKey(_ app.Context, e app.Event) {
	if e.Get("ctrlKey").Bool() || e.Get("metaKey").Bool() || e.Get("altKey").Bool() {
		return
	}
	points, document := p.session.Answer.Frontier.Drawn, p.session.Answer.Plan
	now := onFrontier(points, document)
	if to, ok := keyed(e.Get("key").String(), now, len(points), points[now][0] == document.LatencyUs); ok {
		e.PreventDefault()
		p.choosePoint(points[to], "", true)
	}
}

// choosePoint asks for the plan of a point of the frontier: by the SLO, or, where the latency is to be least, by the budget. The other
// limit goes where the point is beyond it.
func (p *Page) choosePoint(point [2]int64, gesture string, ends bool) {
	r, now := p.wanted(), p.session.Answer.Plan.Request
	if r["objective"] == "latency" {
		if r = r.With("budget", dollars(point[1])); now.SLOUs > 0 && now.SLOUs < point[0] {
			r = r.Without("slo")
		}
	} else if r = r.With("slo", strconv.FormatInt(point[0], 10)+"us"); now.BudgetPicoUSD > 0 && now.BudgetPicoUSD < point[1] {
		r = r.Without("budget")
	}
	p.ask(r, gesture, ends)
}

// dollars writes pico-dollars as the planner reads them: exactly.
func dollars(picoUSD int64) string {
	text := fmt.Sprintf("%013d", picoUSD)
	return text[:len(text)-12] + "." + text[len(text)-12:]
}

// under gives the point of the frontier under the pointer.
func (p *Page) under(e app.Event) (picture *frontierPicture, point int) {
	left, top, width := p.host.Extent(plotID)
	kept := p.keptPlan()
	picture = newFrontierPicture(p.session.Answer.Plan, p.session.Answer.Frontier.Drawn, kept, p.room)
	scale := float64(picture.width) / max(width, 1)
	return picture, picture.nearest((e.Get("clientX").Float()-left)*scale, (e.Get("clientY").Float()-top)*scale)
}

// chartGesture is the gesture of dragging along the frontier.
const chartGesture = "chart"

// tellPoint tells the figures under the pointer.
func (p *Page) tellPoint(e app.Event) {
	picture, point := p.under(e)
	p.host.Draw(hoverID, picture.told(point))
}

// choosePointUnder chooses the point under the pointer.
func (p *Page) choosePointUnder(e app.Event) {
	picture, point := p.under(e)
	p.choosePoint(picture.points[point], chartGesture, false)
}

// frontierTable shows points of the frontier, each with a button that chooses it.
func (p *Page) frontierTable(points []plan.Point) app.UI {
	document := p.session.Answer.Plan
	several, gateways := document.Batching != nil, document.Request.GatewayMemoryMB == 0
	sending := document.Sending()
	return scrolled("Trade-offs").Body(app.Table().ID("trade-offs").Body(
		app.THead().Body(app.Tr().Body(
			app.Th().Text("latency"), app.Th().Text("$ per 100,000"), app.Th().Text("functions"), app.Th().Class("words").Text("memory"),
			app.If(several, func() app.UI { return app.Th().Text("inputs together") }), app.If(several, func() app.UI { return app.Th().Text("pipelines") }),
			app.If(gateways, func() app.UI { return app.Th().Text("gateway") }),
			app.Th().Text("choose"),
		)),
		app.TBody().Body(app.Range(points).Slice(func(i int) app.UI {
			point := points[i]
			var memory []string
			for _, s := range point.Stages {
				memory = append(memory, report.Memory(s.MemoryMB))
			}
			chosen := point.LatencyUs == document.LatencyUs && point.CostPicoUSD == document.CostPicoUSD && document.Status != plan.Infeasible
			return app.Tr().Body(
				app.Td().Text(report.Duration(point.LatencyUs)),
				app.Td().Text(report.Price(point.CostPicoUSD)),
				app.Td().Text(len(point.Stages)),
				app.Td().Class("words").Text(strings.Join(memory, ", ")),
				app.If(several, func() app.UI { return app.Td().Text(cmp.Or(point.Batch, sending.Batch)) }),
				app.If(several, func() app.UI { return app.Td().Text(max(point.Pipelines, 1)) }),
				app.If(gateways, func() app.UI { return app.Td().Text(report.Memory(point.GatewayMemoryMB)) }),
				app.Td().Body(app.Button().Type("button").Class("small").Aria("pressed", chosen).
					Aria("label", "Choose the plan of "+report.Duration(point.LatencyUs)).Text("Choose").
					OnClick(func(app.Context, app.Event) {
						p.choosePoint([2]int64{point.LatencyUs, point.CostPicoUSD}, "", true)
					}, app.EventScope(point.LatencyUs, point.CostPicoUSD))),
			)
		})),
	))
}
