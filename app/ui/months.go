package ui

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner/plan"
	"partita/planner/report"
)

// Elements of the chart of months.
const (
	monthsID      = "months-plot"
	monthsHoverID = monthsID + "-hover"
	rateSliderID  = "rate-slider"
)

// usualMicroRequestsPH is the rate that months are told at where none is set: a thousand requests an hour.
const usualMicroRequestsPH = 1_000_000_000

// wayStyles is how many ways to draw a line the style sheet has.
const wayStyles = 8

// monthsPicture is the chart of a month's cost against the rate of requests, both by their logarithms: a line for each way to serve.
type monthsPicture struct {
	area
	x, y   *report.Axis
	months *report.Months
}

// dearest bounds what is drawn above what matters: the lines are compared where they cross.
const dearest = 1e12 // a million USD a month, in millionths

func newMonthsPicture(m *report.Months, room int64) *monthsPicture {
	p := &monthsPicture{area: areaOf(room), months: m}
	p.right -= 12 // the numbers of the lines
	var rates, costs []float64
	for _, r := range m.MicroRequestsPH {
		rates = append(rates, float64(r))
	}
	for _, w := range m.Ways {
		for _, c := range w.MonthMicroUSD {
			costs = append(costs, math.Min(math.Max(float64(c), 1), dearest))
		}
	}
	p.y = report.NewAxis(costs, p.bottom, p.top)
	p.widen(p.y, axisMonth)
	p.x = report.NewAxis(rates, p.left, p.right)
	return p
}

func (p *monthsPicture) place(microRequestsPH, microUSD int64) (x, y float64) {
	return pixel(p.x, float64(microRequestsPH)), pixel(p.y, math.Min(math.Max(float64(microUSD), 1), dearest))
}

// monthsGround is what the drawing shows, but for the rate that is set.
type monthsGround struct {
	months *report.Months
	room   int64
}

// draw draws the lines, the first last so that it lies on top, and where others cross it.
func (p *monthsPicture) draw() string {
	b := &strings.Builder{}
	b.WriteString(p.open(`aria-hidden="true"`))
	p.axes(b, p.x, p.y, "rate of requests", "$ per month",
		func(v float64) string { return report.Rate(int64(math.Round(v))) }, axisMonth)
	var ends []label
	for w := len(p.months.Ways) - 1; w >= 0; w-- {
		fmt.Fprintf(b, `<path class="way way-%d" d="`, w%wayStyles)
		var endX, endY float64
		for i, c := range p.months.Ways[w].MonthMicroUSD {
			x, y := p.place(p.months.MicroRequestsPH[i], c)
			command := 'L'
			if i == 0 {
				command = 'M'
			}
			fmt.Fprintf(b, "%c%.1f %.1f", command, x, y)
			if endX, endY = x, y; float64(c) >= dearest {
				break
			}
		}
		b.WriteString(`"/>`)
		ends = append(ends, label{endX, endY, strconv.Itoa(w + 1)})
	}
	slices.SortStableFunc(ends, func(l, o label) int { return int(l.y - o.y) })
	above := 0.0
	for _, e := range ends {
		above = max(e.y+4, above+12)
		fmt.Fprintf(b, `<text class="strong" x="%.1f" y="%.1f">%s</text>`, min(e.x+4, float64(p.right)+4), above, e.text)
	}
	for _, c := range p.months.Crossings {
		cost, ok := p.months.At(0, c.MicroRequestsPH)
		if !ok {
			continue
		}
		x, y := p.place(c.MicroRequestsPH, cost)
		fmt.Fprintf(b, `<circle class="crossing-mark" r="4" cx="%.1f" cy="%.1f"/>`, x, y)
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// mark draws the rate that is set.
func (p *monthsPicture) mark(microRequestsPH int64) string {
	b := &strings.Builder{}
	b.WriteString(p.open(`aria-hidden="true"`))
	if cost, ok := p.months.At(0, microRequestsPH); ok {
		x, y := p.place(microRequestsPH, cost)
		fmt.Fprintf(b, `<line class="limit" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><circle class="chosen" r="7" cx="%.1f" cy="%.1f"/><text x="%.1f" y="%d" text-anchor="%s">%s</text>`,
			x, x, p.top, p.bottom, x, y, x, p.top-4, p.anchor(x), html.EscapeString(report.Rate(microRequestsPH)))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// nearestRate gives the listed rate nearest to a place in the drawing.
func (p *monthsPicture) nearestRate(x float64) int {
	return nearestOf(p.months.MicroRequestsPH, p.x.Figure(x))
}

// nearestOf gives the place of the rate whose ratio to another is nearest to one.
func nearestOf(rates []int64, rate float64) int {
	best, least := 0, math.Inf(1)
	for i, r := range rates {
		if d := math.Abs(math.Log(float64(r) / max(rate, 1e-9))); d < least {
			best, least = i, d
		}
	}
	return best
}

// rateShown gives the rate that months are told at, and whether the request has it.
func (p *Page) rateShown() (microRequestsPH int64, set bool) {
	if rate := p.session.Answer.Plan.Request.MicroRequestsPerHour; rate > 0 {
		return rate, true
	}
	return usualMicroRequestsPH, false
}

// monthsCard plots what a month costs in each way to serve, with a control that sets the rate.
func (p *Page) monthsCard() app.UI {
	look := p.ahead()
	if look == nil || len(look.Months.Ways) == 0 || p.session.Answer.Plan.Status == plan.Infeasible {
		return app.Div()
	}
	m := &look.Months
	rate, set := p.rateShown()
	picture := newMonthsPicture(m, p.room)
	words := report.Rate(rate)
	if cost, ok := m.At(0, rate); ok {
		words += ", " + report.Month(cost) + " a month"
	}
	note := "No rate is set: every request is planned for as \"Starts\" says. Move this to plan for a rate, which mixes cold and warm requests."
	if set {
		note = "The plan is made for this rate, which mixes cold and warm requests."
	}
	return app.Section().Class("card").ID("months").Aria("busy", p.outlook.of != p.session.Answer).Body(
		app.H2().Text("Cost of a month against the rate of requests, predicted"),
		p.along(app.Div().Class("plot"), monthsID, rateGesture, p.tellMonths, p.chooseRateUnder).
			Body(
				p.once("months", monthsGround{m, p.room}, picture.draw),
				app.Raw(picture.mark(rate)),
				app.Div().ID(monthsHoverID).Class("hover"),
			),
		app.Div().Class("control").Body(
			app.Div().Class("line").Body(
				app.Label().For(rateSliderID).Text("Rate of requests"),
				app.Output().ID("rate-value").For(rateSliderID).Text(words),
			),
			app.Input().ID(rateSliderID).Type("range").Min("0").Max(strconv.Itoa(len(m.MicroRequestsPH)-1)).Step(1).
				Aria("valuetext", words).Aria("describedby", "rate-slider-help").
				OnInput(func(ctx app.Context, _ app.Event) { p.moveRate(ctx, false) }).
				OnChange(func(ctx app.Context, _ app.Event) { p.moveRate(ctx, true) }),
			app.Div().Class("line").Body(
				app.Small().ID("rate-slider-help").Text(note),
				app.If(set, func() app.UI {
					return app.Button().Type("button").ID("no-rate").Class("small").Text("No rate").OnClick(func(app.Context, app.Event) { p.set("rate", "none") })
				}),
			),
		),
		p.monthsTable(rate),
	)
}

// monthsTable says the same in figures.
func (p *Page) monthsTable(rate int64) app.UI {
	m := &p.ahead().Months
	return scrolled("Ways to serve").Body(app.Table().ID("ways").Body(
		app.THead().Body(app.Tr().Body(
			app.Th().Class("words").Text("way"), app.Th().Text("month at "+report.Rate(rate)), app.Th().Class("words").Text("costs less than this plan"),
		)),
		app.TBody().Body(app.Range(m.Ways).Slice(func(i int) app.UI {
			w := m.Ways[i]
			month := "–"
			if cost, ok := m.At(i, rate); ok {
				month = report.Month(cost)
			}
			return app.Tr().Body(
				app.Td().Class("words").Title(w.Basis).Body(app.Raw(wayLine(i)), app.Text(strconv.Itoa(i+1)+" "+w.Name)),
				app.Td().Text(month),
				app.Td().Class("words").Text(cheaperWords(m, i)),
			)
		})),
	),
		app.Details().Class("sources").Body(
			app.Summary().Text("What these figures rest on"),
			app.P().Text("Hosts that are paid by the hour are one instance, always on: past what it can serve they cost more. Prices: "+basisOfHosts(m)+"."),
		),
	)
}

// wayLine is a piece of a way's line, for a legend.
func wayLine(way int) string {
	return fmt.Sprintf(`<svg class="key" viewBox="0 0 28 12" aria-hidden="true"><path class="way way-%d" d="M1 6H27"/></svg>`, way%wayStyles)
}

// basisOfHosts lists once each what the other ways rest on.
func basisOfHosts(m *report.Months) string {
	var all []string
	for _, w := range m.Ways {
		if _, source, found := strings.Cut(w.Basis, "; "); found && !slices.Contains(all, source) {
			all = append(all, source)
		}
	}
	return strings.Join(all, "; ")
}

// cheaperWords says at which rates a way costs less than the plan.
func cheaperWords(m *report.Months, way int) string {
	if way == 0 {
		return ""
	}
	var spans []string
	from, cheaper := "", m.Ways[way].MonthMicroUSD[0] < m.Ways[0].MonthMicroUSD[0]
	ever := cheaper
	for _, c := range m.Crossings {
		if c.Way != way {
			continue
		}
		ever = true
		switch at := report.Rate(c.MicroRequestsPH); {
		case c.Cheaper:
			from = "from " + at
		case from == "":
			spans = append(spans, "up to "+at)
		default:
			spans, from = append(spans, from+" to "+at), ""
		}
		cheaper = c.Cheaper
	}
	switch {
	case !ever:
		return "at no rate"
	case cheaper && from == "":
		return "at every rate"
	case cheaper:
		spans = append(spans, from+" on")
	}
	return strings.Join(spans, ", ")
}

// rateUnder gives the listed rate under the pointer.
func (p *Page) rateUnder(e app.Event) int {
	picture := newMonthsPicture(&p.ahead().Months, p.room)
	left, _, width := p.host.Extent(monthsID)
	return picture.nearestRate((e.Get("clientX").Float() - left) * float64(picture.width) / max(width, 1))
}

// tellMonths tells what each way costs at the rate under the pointer, the cheapest first.
func (p *Page) tellMonths(e app.Event) {
	look := p.ahead()
	if look == nil {
		return
	}
	m, at := &look.Months, p.rateUnder(e)
	picture := newMonthsPicture(m, p.room)
	order := make([]int, len(m.Ways))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(m.Ways[a].MonthMicroUSD[at] - m.Ways[b].MonthMicroUSD[at]) })
	lines := []string{report.Rate(m.MicroRequestsPH[at])}
	for _, w := range order {
		lines = append(lines, strconv.Itoa(w+1)+"  "+report.Month(m.Ways[w].MonthMicroUSD[at]))
	}
	x, y := picture.place(m.MicroRequestsPH[at], m.Ways[0].MonthMicroUSD[at])
	p.host.Draw(monthsHoverID, picture.tip(x, y, lines...))
}

// rateGesture is the gesture of moving the rate's slider, or along the chart.
const rateGesture = "rate"

// chooseRateUnder sets the rate under the pointer.
func (p *Page) chooseRateUnder(e app.Event) {
	if look := p.ahead(); look != nil {
		p.ask(p.wanted().With("rate", perHour(look.Months.MicroRequestsPH[p.rateUnder(e)])), rateGesture, false)
	}
}

func (p *Page) moveRate(ctx app.Context, ends bool) {
	look := p.ahead()
	at, err := strconv.Atoi(ctx.JSSrc().Get("value").String())
	if err != nil || look == nil || at < 0 || at >= len(look.Months.MicroRequestsPH) {
		return
	}
	r := p.wanted().With("rate", perHour(look.Months.MicroRequestsPH[at]))
	p.ask(r, rateGesture, ends)
}

// perHour writes a rate as the planner reads it.
func perHour(microRequestsPH int64) string {
	whole, rest := microRequestsPH/1_000_000, microRequestsPH%1_000_000
	text := strconv.FormatInt(whole, 10)
	if rest > 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%06d", rest), "0")
	}
	return text + "/h"
}

// placeRate puts the rate's slider where the request is.
func (p *Page) placeRate() {
	p.ctx.Defer(func(app.Context) {
		if p.session == nil {
			return
		}
		if look := p.ahead(); look != nil {
			rate, _ := p.rateShown()
			p.host.SetValue(rateSliderID, strconv.Itoa(nearestOf(look.Months.MicroRequestsPH, float64(rate))))
		}
	})
}
