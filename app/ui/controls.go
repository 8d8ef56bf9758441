package ui

import (
	"math"
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner"
)

// sliderSteps is the slider's range. The slider is logarithmic between the fastest and the cheapest plan, because
// plans crowd at the fast end.
const sliderSteps = 1000

const sliderID = "slo"

// sloAt gives the SLO at a position of the slider.
func sloAt(position int, fastestUs, cheapestUs int64) int64 {
	if position >= sliderSteps || cheapestUs <= fastestUs {
		return cheapestUs
	}
	ratio := float64(cheapestUs) / float64(fastestUs)
	return min(cheapestUs, fastestUs+int64(math.Round(float64(fastestUs)*(math.Pow(ratio, float64(position)/sliderSteps)-1))))
}

// positionOf is the inverse of sloAt, to the nearest position; an SLO of 0 (none) is the cheap end.
func positionOf(sloUs, fastestUs, cheapestUs int64) int {
	if sloUs == 0 || sloUs >= cheapestUs || cheapestUs <= fastestUs {
		return sliderSteps
	}
	if sloUs <= fastestUs {
		return 0
	}
	return int(math.Round(sliderSteps * math.Log(float64(sloUs)/float64(fastestUs)) / math.Log(float64(cheapestUs)/float64(fastestUs))))
}

// placeSlider puts the slider where the session's SLO is, after the page has been drawn.
func (p *Page) placeSlider() {
	p.ctx.Defer(func(app.Context) {
		if fastest, cheapest, ok := p.session.Span(); ok {
			p.host.SetValue(sliderID, strconv.Itoa(positionOf(p.session.Request.SLOUs, fastest, cheapest)))
		}
	})
}

func (p *Page) moveSlider(ctx app.Context, _ app.Event) {
	position, err := strconv.Atoi(ctx.JSSrc().Get("value").String())
	fastest, cheapest, ok := p.session.Span()
	if err != nil || !ok {
		return
	}
	p.problem = ""
	if err := p.session.MoveSLO(sloAt(position, fastest, cheapest)); err != nil {
		p.problem = explained(err)
	}
	p.request.SLOUs = p.session.Request.SLOUs
}

func (p *Page) controls() app.UI {
	r := p.session.Request
	fastest, cheapest, feasible := p.session.Span()
	slo := cheapest
	if r.SLOUs > 0 {
		slo = r.SLOUs
	}
	return app.Section().Class("card").Aria("label", "Request").Body(
		app.H2().Text("Ask"),
		app.Div().Class("control").Body(
			app.Div().Class("line").Body(
				app.Label().For(sliderID).Text("Response time at most (SLO)"),
				app.Output().ID("slo-value").For(sliderID).Text(duration(slo)),
			),
			app.Input().ID(sliderID).Type("range").Min("0").Max(strconv.Itoa(sliderSteps)).Step(1).
				Disabled(!feasible || fastest == cheapest).
				Aria("valuetext", duration(slo)).OnInput(p.moveSlider),
			app.Small().Text("fastest possible "+duration(fastest)+", cheapest "+duration(cheapest)),
		),
		choice("scenario", "Starts", "What a request finds: running functions (warm), or none (cold)", r.Scenario, []option{
			{"cold-overlapped", "cold, all functions woken at once"},
			{"cold-sequential", "cold, one after the other"},
			{"warm", "warm"},
		}, func(value string) {
			p.change(func(r *planner.Request) { r.Scenario = value; r.SLOUs = 0 })
		}),
		choice("platform", "Platform", "Whose prices, limits and speeds count", r.Platform, platforms(),
			func(value string) {
				p.change(func(r *planner.Request) { r.Platform = value; r.SLOUs = 0 })
			}),
		app.Div().Class("control").Body(
			app.Label().For("max-stages").Text("Functions, up to"),
			app.Select().ID("max-stages").OnChange(func(ctx app.Context, _ app.Event) {
				most, err := strconv.Atoi(ctx.JSSrc().Get("value").String())
				if err == nil {
					p.change(func(r *planner.Request) { r.MaxStages = most; r.MinStages = min(r.MinStages, most); r.SLOUs = 0 })
				}
			}).Body(
				app.Range(make([]struct{}, 10)).Slice(func(i int) app.UI {
					text := strconv.Itoa(i + 1)
					return app.Option().Value(text).Selected(i+1 == r.MaxStages).Text(text)
				}),
			),
		),
		app.Div().Class("control").Body(
			app.Label().For("min-stages").Text("Functions, at least"),
			app.Select().ID("min-stages").OnChange(func(ctx app.Context, _ app.Event) {
				least, err := strconv.Atoi(ctx.JSSrc().Get("value").String())
				if err == nil {
					p.change(func(r *planner.Request) { r.MinStages = least; r.MaxStages = max(r.MaxStages, least); r.SLOUs = 0 })
				}
			}).Body(
				app.Range(make([]struct{}, 10)).Slice(func(i int) app.UI {
					text := strconv.Itoa(i + 1)
					return app.Option().Value(text).Selected(i+1 == r.MinStages).Text(text)
				}),
			),
		),
	)
}

type option struct{ value, label string }

func platforms() []option {
	var options []option
	for _, p := range planner.Platforms() {
		options = append(options, option{p.Name, p.Label})
	}
	return options
}

// choice is a labelled drop-down list with an explanation.
func choice(id, label, help, chosen string, options []option, change func(string)) app.UI {
	return app.Div().Class("control").Body(
		app.Label().For(id).Text(label),
		app.Select().ID(id).Aria("describedby", id+"-help").OnChange(func(ctx app.Context, _ app.Event) {
			change(ctx.JSSrc().Get("value").String())
		}).Body(
			app.Range(options).Slice(func(i int) app.UI {
				return app.Option().Value(options[i].value).Selected(options[i].value == chosen).Text(options[i].label)
			}),
		),
		app.Small().ID(id+"-help").Text(help),
	)
}
