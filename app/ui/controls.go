package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner"
	"partita/planner/load"
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

// placeInputs puts the inputs that the user has touched where the session is, after the page has been drawn.
func (p *Page) placeInputs() {
	p.ctx.Defer(func(app.Context) {
		if p.session == nil {
			return
		}
		r := p.session.Request
		if fastest, cheapest, ok := p.session.Answer.Span(); ok {
			p.host.SetValue(sliderID, strconv.Itoa(positionOf(r.SLOUs, fastest, cheapest)))
		}
		for _, o := range planner.Options() {
			p.host.SetValue(optionID(o.Name), o.Print(r))
		}
		for _, d := range p.openSizes() {
			p.host.SetValue(dimensionID(d.Name), strconv.FormatInt(d.Size, 10))
		}
	})
}

func (p *Page) moveSlider(ctx app.Context, ends bool) {
	position, err := strconv.Atoi(ctx.JSSrc().Get("value").String())
	fastest, cheapest, ok := p.session.Answer.Span()
	if err == nil && ok {
		p.ask(func(r *planner.Request) { r.SLOUs = sloAt(position, fastest, cheapest) }, sliderID, ends)
	}
}

// set sets an option of the request by its name.
func (p *Page) set(name, value string) {
	o, known := planner.OptionNamed(name)
	if !known {
		return
	}
	r := p.wanted()
	if err := o.Parse(&r, value); err != nil {
		p.problem = explained(err)
		p.placeInputs()
		return
	}
	p.change(func(to *planner.Request) {
		*to = r
		switch { // the latest wish counts
		case name == "min-stages":
			to.MaxStages = max(to.MaxStages, to.MinStages)
		case name == "max-stages":
			to.MinStages = min(to.MinStages, to.MaxStages)
		}
		if name != "slo" && name != "objective" && name != "budget" {
			to.SLOUs = 0 // it was chosen on another frontier
		}
	})
}

// prime are the options that are always on the screen; the others are one click away. The SLO has a slider besides.
var prime = []string{"scenario", "platform", "max-stages", "min-stages"}

// labels are what people call options; another option is called by its name.
var labels = map[string]string{
	"slo": "SLO, exactly", "scenario": "Starts", "platform": "Platform", "max-stages": "Functions, up to", "min-stages": "Functions, at least",
	"objective": "Make least", "budget": "Budget, USD per request", "memory": "Memory sizes, MB", "batch": "Batch", "transport": "Tensors travel",
	"gateway-memory": "Gateway's memory, MB",
}

// optionID names the control of an option.
func optionID(name string) string {
	if name == "slo" { // the slider has the plain name
		return "slo-exact"
	}
	return name
}

func (p *Page) controls() app.UI {
	r := p.wanted()
	fastest, cheapest, feasible := p.session.Answer.Span()
	slo := cheapest
	if r.SLOUs > 0 {
		slo = r.SLOUs
	}
	var first, more []planner.Option
	for _, name := range prime {
		if o, ok := planner.OptionNamed(name); ok {
			first = append(first, o)
		}
	}
	for _, o := range planner.Options() {
		if !slices.Contains(prime, o.Name) {
			more = append(more, o)
		}
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
				Aria("valuetext", duration(slo)).
				OnInput(func(ctx app.Context, _ app.Event) { p.moveSlider(ctx, false) }).
				OnChange(func(ctx app.Context, _ app.Event) { p.moveSlider(ctx, true) }),
			app.Small().Text("fastest possible "+duration(fastest)+", cheapest "+duration(cheapest)),
		),
		app.Div().Body(app.Range(first).Slice(func(i int) app.UI { return p.option(first[i], r) })),
		app.Details().ID("more").Body(
			app.Summary().Text("More…"),
			app.Range(more).Slice(func(i int) app.UI { return p.option(more[i], r) }),
		),
	)
}

// mostListed is how many functions the lists of numbers of functions go up to.
const mostListed = 10

// option is a labelled control of an option with its explanation: a list where there are choices, otherwise text.
func (p *Page) option(o planner.Option, r planner.Request) app.UI {
	name, id, value := o.Name, optionID(o.Name), o.Print(r)
	label := labels[name]
	if label == "" {
		label = name
	}
	choices := make([]choice, len(o.Values))
	for i, v := range o.Values {
		choices[i] = choice{v, v}
	}
	switch name {
	case "scenario":
		choices = []choice{{"cold-overlapped", "cold, all functions woken at once"}, {"cold-sequential", "cold, one after the other"}, {"warm", "warm"}}
	case "platform":
		choices = nil
		for _, one := range planner.Platforms() {
			choices = append(choices, choice{one.Name, one.Label})
		}
	case "min-stages", "max-stages":
		for i := range mostListed {
			choices = append(choices, choice{strconv.Itoa(i + 1), strconv.Itoa(i + 1)})
		}
		if !slices.Contains(choices, choice{value, value}) {
			choices = append(choices, choice{value, value})
		}
	}
	changed := func(ctx app.Context, _ app.Event) { p.set(name, ctx.JSSrc().Get("value").String()) }
	var input app.UI = app.Input().Type("text").ID(id).Value(value).Spellcheck(false).AutoComplete(false).Aria("describedby", id+"-help").OnChange(changed, app.EventScope(id))
	if len(choices) > 0 {
		input = app.Select().ID(id).Aria("describedby", id+"-help").OnChange(changed, app.EventScope(id)).Body(
			app.Range(choices).Slice(func(i int) app.UI {
				return app.Option().Value(choices[i].value).Selected(choices[i].value == value).Text(choices[i].label)
			}),
		)
	}
	return app.Div().Class("control").Body(
		app.Label().For(id).Text(label),
		input,
		app.Small().ID(id+"-help").Text(capital(o.Help)),
	)
}

type choice struct{ value, label string }

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// openSizes lists the sizes that the model leaves open, as they are now: those that the user gave, and those that are taken
// for planning.
func (p *Page) openSizes() []load.Dimension {
	sizes := slices.Clone(p.session.Model.Open)
	for name, size := range p.session.Opening.Dims {
		sizes = append(sizes, load.Dimension{Name: name, Size: size})
	}
	slices.SortFunc(sizes, func(a, b load.Dimension) int { return strings.Compare(a.Name, b.Name) })
	return sizes
}

func dimensionID(name string) string { return "dim-" + name }

// dimensions has a field for each size that the model leaves open; another size reads the model anew.
func (p *Page) dimensions() app.UI {
	sizes := p.openSizes()
	if len(sizes) == 0 {
		return app.Div()
	}
	return app.Section().Class("card").ID("dimensions").Aria("label", "Sizes").Body(
		app.H2().Text("Sizes that the model leaves open"),
		app.Range(sizes).Slice(func(i int) app.UI {
			name, id := sizes[i].Name, dimensionID(sizes[i].Name)
			note := "Taken for planning; the model stays open for others. Set it to settle it"
			if p.session.Opening.Dims[name] > 0 {
				note = "Settled. Empty it to leave it open again"
			}
			return app.Div().Class("control").Body(
				app.Label().For(id).Text(name),
				app.Input().ID(id).Type("number").Min("1").Max("1000000").Step(1).Value(strconv.FormatInt(sizes[i].Size, 10)).
					Aria("describedby", id+"-help").OnChange(func(ctx app.Context, _ app.Event) { p.resize(name, ctx.JSSrc().Get("value").String()) }, app.EventScope(id)),
				app.Small().ID(id+"-help").Text(note),
			)
		}),
	)
}

// resize opens the model with another size; empty text leaves it open.
func (p *Page) resize(name, text string) {
	size := int64(0)
	if text != "" {
		var err error
		if size, err = strconv.ParseInt(text, 10, 32); err != nil || size < 1 {
			p.problem = "The size " + name + " has to be a whole number from 1 on."
			p.placeInputs()
			return
		}
	}
	r := p.wanted()
	r.SLOUs = 0 // it was chosen on another frontier
	p.load(p.session.Opening.WithDim(name, size), r, nil)
}
