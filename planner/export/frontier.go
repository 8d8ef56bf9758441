package export

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/report"
)

// Size of the drawing of the frontier, and of the part of it with the curve, in pixels.
const (
	frontierWidth, frontierHeight = 880, 520
	plotLeft, plotRight           = 90, 850
	plotTop, plotBottom           = 76, 456
)

const frontierStyle = ".grid{stroke:#e3e6eb}.edge{stroke:#5b6472;fill:none}.curve{stroke:#0072b2;stroke-width:2;fill:none}.limit{stroke:#b45309;stroke-dasharray:6 4}.mark{stroke:#fff;stroke-width:1.5}"

// dot is a labelled point of the drawing.
type dot struct {
	latencyUs, costPicoUSD int64
	label                  string
	chosen                 bool
	x, y, labelY           int64
}

// frontierSVG draws cost against latency: every plan that no other beats, the chosen one, the simpler ones, and the limits
// asked for. The curve is a staircase: between two plans, waiting longer does not make a request cheaper.
func frontierSVG(p *plan.Plan) ([]byte, error) {
	if len(p.Frontier) == 0 {
		return nil, diag.New(diag.Infeasible, "export.no-frontier", "drawing the frontier", "the plan has none: "+p.Reason, "change the request and plan again")
	}
	var dots []dot
	if len(p.Stages) > 0 {
		label := fmt.Sprintf("chosen: %s, %s", report.Duration(p.LatencyUs), report.Price(p.CostPicoUSD))
		dots = append(dots, dot{latencyUs: p.LatencyUs, costPicoUSD: p.CostPicoUSD, label: label, chosen: true})
	}
	for _, b := range p.Baselines {
		if b.Status == plan.Feasible && b.LatencyUs > 0 && b.CostPicoUSD > 0 {
			dots = append(dots, dot{latencyUs: b.LatencyUs, costPicoUSD: b.CostPicoUSD, label: b.Name})
		}
	}
	var latencies, costs []float64
	add := func(latencyUs, costPicoUSD int64) {
		latencies = append(latencies, float64(max(latencyUs, 1)))
		costs = append(costs, float64(max(costPicoUSD, 1)))
	}
	for _, f := range p.Frontier {
		add(f.LatencyUs, f.CostPicoUSD)
	}
	for _, d := range dots {
		add(d.latencyUs, d.costPicoUSD)
	}
	x := report.NewAxis(latencies, plotLeft, plotRight)
	y := report.NewAxis(costs, plotBottom, plotTop)

	d := &drawing{}
	first, last := p.Frontier[0], p.Frontier[len(p.Frontier)-1]
	d.open(frontierWidth, frontierHeight, "Cost against latency of "+p.Model.Name, fmt.Sprintf("%d plans that no other beats, from %s at %s to %s at %s per 100,000 requests. %s", len(p.Frontier),
		report.Duration(first.LatencyUs), report.Price(first.CostPicoUSD), report.Duration(last.LatencyUs), report.Price(last.CostPicoUSD), report.Summary(p)), frontierStyle)
	d.text(plotLeft*10, 280, "heading", "", p.Model.Name+" on "+p.Platform)
	d.text(plotLeft*10, 500, "quiet", "", report.Scenario(p.Request.Scenario)+", prices of "+p.PriceBook.Date)
	d.axes(x, y)
	d.limits(p, x, y)
	d.line(`<path class="curve" d="%s"/>`, staircase(p.Frontier, x, y))
	d.dots(dots, x, y)
	return d.close(), nil
}

func (d *drawing) axes(x, y *report.Axis) {
	for _, v := range x.Ticks {
		at := x.At(v)
		d.line(`<path class="grid" d="M%s %dV%d"/>`, tenths(at), plotTop, plotBottom)
		d.text(at, (plotBottom+18)*10, "quiet", "middle", report.Duration(int64(math.Round(v))))
	}
	for _, v := range y.Ticks {
		at := y.At(v)
		d.line(`<path class="grid" d="M%d %sH%d"/>`, plotLeft, tenths(at), plotRight)
		d.text((plotLeft-8)*10, at+40, "quiet", "end", report.Price(int64(math.Round(v))))
	}
	d.text((plotLeft+plotRight)*5, (plotBottom+42)*10, "", "middle", "latency of a request"+scaleText(x))
	d.line(`<text transform="translate(20 %d) rotate(-90)" text-anchor="middle">cost of 100,000 requests%s</text>`, (plotTop+plotBottom)/2, scaleText(y))
}

func scaleText(a *report.Axis) string {
	if a.Logarithmic {
		return " (logarithmic)"
	}
	return ""
}

// limits draws the SLO and the budget where they lie in the picture.
func (d *drawing) limits(p *plan.Plan, x, y *report.Axis) {
	if v := float64(p.Request.SLOUs); v >= x.Low && v <= x.High && v > 0 {
		d.line(`<path class="limit" d="M%s %dV%d"/>`, tenths(x.At(v)), plotTop, plotBottom)
		d.text(x.At(v), (plotTop-6)*10, "quiet", "middle", "SLO "+report.Duration(p.Request.SLOUs))
	}
	if v := float64(p.Request.BudgetPicoUSD); v >= y.Low && v <= y.High && v > 0 {
		d.line(`<path class="limit" d="M%d %sH%d"/>`, plotLeft, tenths(y.At(v)), plotRight)
		d.text((plotRight-4)*10, y.At(v)-50, "quiet", "end", "budget "+report.Price(p.Request.BudgetPicoUSD))
	}
}

// staircase leaves out points that lie within half a pixel of the one before.
func staircase(frontier []plan.Point, x, y *report.Axis) string {
	var b strings.Builder
	var lastX, lastY int64
	for i, f := range frontier {
		px, py := x.At(float64(max(f.LatencyUs, 1))), y.At(float64(max(f.CostPicoUSD, 1)))
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M%s %s", tenths(px), tenths(py))
		case i < len(frontier)-1 && px-lastX < 5 && py-lastY < 5:
			continue
		default:
			fmt.Fprintf(&b, "H%sV%s", tenths(px), tenths(py))
		}
		lastX, lastY = px, py
	}
	fmt.Fprintf(&b, "H%d", plotRight) // whoever waits longer still has the cheapest plan
	return b.String()
}

// dots draws points with their labels beside them, none over another.
func (d *drawing) dots(dots []dot, x, y *report.Axis) {
	for i := range dots {
		dots[i].x, dots[i].y = x.At(float64(max(dots[i].latencyUs, 1))), y.At(float64(max(dots[i].costPicoUSD, 1)))
	}
	order := make([]*dot, len(dots))
	for i := range dots {
		order[i] = &dots[i]
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].y < order[j].y })
	below := int64(0)
	for _, o := range order {
		o.labelY = max(o.y-100, below+140)
		below = o.labelY
	}
	for i := len(dots) - 1; i >= 0; i-- { // the chosen plan, which is the first, lies on top
		o := &dots[i]
		shape := fmt.Sprintf(`<path class="mark" fill="#7b61c4" d="M%s %sl6 6l-6 6l-6 -6z"/>`, tenths(o.x), tenths(o.y-60))
		if o.chosen {
			shape = fmt.Sprintf(`<circle class="mark" fill="#d55e00" cx="%s" cy="%s" r="7"/>`, tenths(o.x), tenths(o.y))
		}
		d.line("%s", shape)
		anchor, labelX := "", o.x+120
		if o.x > (plotLeft+(plotRight-plotLeft)*7/10)*10 {
			anchor, labelX = "end", o.x-120
		}
		d.text(labelX, o.labelY, "", anchor, o.label)
	}
}
