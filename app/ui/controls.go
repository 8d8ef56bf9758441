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
	p.placeRate()
	p.ctx.Defer(func(app.Context) {
		if p.session == nil {
			return
		}
		if fastest, cheapest, ok := p.session.Answer.Span(); ok {
			p.host.SetValue(sliderID, strconv.Itoa(positionOf(p.session.Answer.Plan.Request.SLOUs, fastest, cheapest)))
		}
		if p.about != nil {
			for i := range p.about.Options {
				o := &p.about.Options[i]
				value := o.Value(p.session.Request)
				if text, there := p.keeping.typed[o.Name]; there {
					value = text
				}
				p.host.SetValue(optionID(o.Name), value)
			}
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
		p.ask(p.wanted().With("slo", strconv.FormatInt(sloAt(position, fastest, cheapest), 10)+"us"), sliderID, ends)
	}
}

// set sets an option of the request by its name.
func (p *Page) set(name, value string) {
	p.typed(name, value)
	r := p.wanted().With(name, strings.TrimSpace(value))
	least, most := p.whole("min-stages", r), p.whole("max-stages", r)
	switch { // the latest wish counts
	case name == "min-stages" && least > most:
		r = r.With("max-stages", r[name])
	case name == "max-stages" && most > 0 && most < least:
		r = r.With("min-stages", r[name])
	}
	p.change(r)
}

// whole gives the value of an option that is a whole number; 0: it is none.
func (p *Page) whole(name string, r state.Request) int {
	if p.about == nil {
		return 0
	}
	o, known := p.about.Option(name)
	if !known {
		return 0
	}
	n, err := strconv.Atoi(o.Value(r))
	if err != nil {
		return 0 // the planner says what is wrong with it
	}
	return n
}

// group is a heading of the request's controls with the names of its options.
type group struct {
	title string
	names []string
}

// prime are the options that are always on the screen; the SLO has a slider besides. The others are one click away.
var prime = []string{"scenario", "rate", "platform", "max-stages", "precision"}

// groups order the options that are not prime; one that none names is in the last.
var groups = []group{
	{"Aim", []string{"objective", "slo", "budget"}},
	{"Inputs", []string{"inputs", "batch", "pipelines", "picture"}},
	{"Functions", []string{"gateway-memory", "min-stages", "memory", "packaging", "transport", "branches", "split-layers", "temporary"}},
	{"Fixed by hand", []string{"cut", "no-cut", "stage-memory", "stage-precision", "layer-cap"}},
	{"More", []string{"region", "orchestration", "idle"}},
}

// labels are what people call options; another option is called by its name.
var labels = map[string]string{
	"slo": "SLO, exactly", "scenario": "Starts", "platform": "Platform", "region": "Region", "max-stages": "Functions, up to", "min-stages": "Functions, at least",
	"objective": "Make least", "budget": "Budget, USD per request", "memory": "Memory sizes, MB", "inputs": "Inputs in a request", "batch": "Inputs that pass together", "pipelines": "Pipelines at the same time", "transport": "Tensors travel",
	"gateway-memory": "Gateway's memory, MB", "picture": "Pictures that are sent, megapixels", "packaging": "Functions are packaged as", "precision": "Precision of weights", "temporary": "Temporary storage", "split-layers": "Layers too large for a function", "branches": "Branches of the model",
	"orchestration": "Driven by", "rate": "Rate of requests", "idle": "Functions are kept", "cut": "Cut after layers", "no-cut": "No cut after layers", "stage-memory": "Memory of layers, MB", "stage-precision": "Precision of layers", "layer-cap": "Layers in a function, up to",
}

// words are what people call the choices of options; another choice is called by its value.
var words = map[string]string{
	"region default": "the platform's own", "orchestration gateway": "the gateway", "orchestration step-functions": "a Step Functions workflow", "orchestration auto": "whichever is better",
	"objective cost": "the cost, within the SLO", "objective latency": "the latency, within the budget",
	"transport auto": "whichever is better at each cut", "transport inline": "in the payload of the call", "transport s3": "through S3",
	"branches auto": "run side by side where they take long", "branches all": "run side by side where that helps", "branches off": "run one after another",
	"temporary auto": "as much as their weights need", "temporary included": "no more than the price includes",
	"split-layers auto": "are computed in parts by several", "split-layers off": "make it infeasible",
}

// suggestions are values that text options offer; others can be typed.
var suggestions = map[string][]string{
	"rate": {"none", "1/h", "100/h", "1/s", "10/s"}, "idle": {"default", "5m", "15m"}, "precision": {"float32", "float16", "int8", "auto"}, "packaging": {"auto", "zip", "s3", "image", "zip,s3"},
	"gateway-memory": {"default", "auto", "256", "512", "1024"}, "picture": {"usual", "0.3", "2", "12"},
	"inputs": {"1", "10", "100"}, "batch": {"auto", "1", "8", "32"}, "pipelines": {"auto", "1", "4"}, "memory": {"grid", "512,1024,2048"}, "slo": {"none", "500ms", "1s", "2s"}, "layer-cap": {"none", "even", "50", "100"},
}

func (p *Page) label(name string) string {
	if label := labels[name]; label != "" {
		return label
	}
	return name
}

// optionID names the control of an option.
func optionID(name string) string {
	switch name {
	case "slo": // the slider has the plain name
		return "slo-exact"
	case pictureID: // the model's drawing has it
		return "picture-size"
	}
	return name
}

func (p *Page) controls() app.UI {
	r := p.wanted()
	fastest, cheapest, feasible := p.session.Answer.Span()
	slo := cheapest
	if now := p.session.Answer.Plan.Request.SLOUs; now > 0 {
		slo = now
	}
	return app.Section().Class("card").ID("request").Aria("label", "Request").Body(
		app.H2().Text("Ask"),
		app.Div().Class("control").Body(
			app.Div().Class("line").Body(
				app.Label().For(sliderID).Text("Response time at most (SLO)"),
				app.Output().ID("slo-value").For(sliderID).Text(report.Duration(slo)),
			),
			app.Input().ID(sliderID).Type("range").Min("0").Max(strconv.Itoa(sliderSteps)).Step(1).
				Disabled(!feasible || fastest == cheapest).
				Aria("valuetext", report.Duration(slo)).Aria("describedby", "slo-help").
				OnInput(func(ctx app.Context, _ app.Event) { p.moveSlider(ctx, false) }).
				OnChange(func(ctx app.Context, _ app.Event) { p.moveSlider(ctx, true) }),
			app.Small().ID("slo-help").Text(spanHelp(fastest, cheapest, feasible)),
		),
		app.If(p.about != nil, func() app.UI { return p.options(r) }),
	)
}

// spanHelp explains the slider.
func spanHelp(fastestUs, cheapestUs int64, feasible bool) string {
	switch {
	case !feasible:
		return "Nothing satisfies what is asked: the slider has nowhere to go"
	case fastestUs == cheapestUs:
		return "The fastest plan is the cheapest, at " + report.Duration(fastestUs)
	}
	return "Fastest possible " + report.Duration(fastestUs) + ", cheapest " + report.Duration(cheapestUs)
}

// options are the controls of the planner's options, the first ones open.
func (p *Page) options(r state.Request) app.UI {
	placed := slices.Clone(prime)
	for _, g := range groups {
		placed = append(placed, g.names...)
	}
	parts := slices.Clone(groups)
	last := &parts[len(parts)-1]
	last.names = slices.Clone(last.names)
	for _, o := range p.about.Options {
		if !slices.Contains(placed, o.Name) {
			last.names = append(last.names, o.Name)
		}
	}
	return app.Div().Body(
		app.Div().Body(p.named(prime, r)...),
		app.Range(parts).Slice(func(i int) app.UI {
			changed := 0
			for _, name := range parts[i].names {
				if _, there := r[name]; there {
					changed++
				}
			}
			title := parts[i].title
			if changed > 0 {
				title += " (" + strconv.Itoa(changed) + " set)"
			}
			return app.Details().Class("group").Body(append([]app.UI{app.Summary().Text(title)}, p.named(parts[i].names, r)...)...)
		}),
	)
}

func (p *Page) named(names []string, r state.Request) []app.UI {
	var all []app.UI
	for _, name := range names {
		if o, known := p.about.Option(name); known {
			all = append(all, p.option(o, r))
		}
	}
	return all
}

// mostListed is how many functions the lists of numbers of functions go up to.
const mostListed = 10

// option is a labelled control of an option with its explanation: a list where there are choices, otherwise text.
func (p *Page) option(o *state.Option, r state.Request) app.UI {
	name, id, value := o.Name, optionID(o.Name), o.Value(r)
	choices := slices.Clone(o.Choices)
	for i := range choices {
		if w := words[name+" "+choices[i].Value]; w != "" {
			choices[i].Label = w
		}
	}
	if name == "min-stages" || name == "max-stages" {
		for i := range mostListed {
			choices = append(choices, state.Choice{Value: strconv.Itoa(i + 1), Label: strconv.Itoa(i + 1)})
		}
	}
	if known := slices.ContainsFunc(choices, func(c state.Choice) bool { return c.Value == value }); len(choices) > 0 && !known {
		choices = append(choices, state.Choice{Value: value, Label: value})
	}
	changed := func(ctx app.Context, _ app.Event) { p.set(name, ctx.JSSrc().Get("value").String()) }
	text, typed := p.keeping.typed[name]
	if !typed {
		text = value
	}
	field := app.Input().Type("text").ID(id).Value(text).Spellcheck(false).AutoComplete(false).Aria("describedby", id+"-help").
		Aria("invalid", typed && p.question == nil).OnChange(changed, app.EventScope(id)).OnInput(p.typing(name), app.EventScope(id))
	help := capital(o.Help)
	if typed && p.question == nil {
		help = "Not part of the plan: " + text + ". " + help
	}
	var list app.UI = app.Text("")
	if offered := suggestions[name]; len(offered) > 0 {
		field = field.List(id + "-list")
		list = app.DataList().ID(id + "-list").Body(app.Range(offered).Slice(func(i int) app.UI { return app.Option().Value(offered[i]) }))
	}
	var input app.UI = app.Div().Body(field, list)
	if len(choices) > 0 {
		input = app.Select().ID(id).Aria("describedby", id+"-help").OnChange(changed, app.EventScope(id)).Body(
			app.Range(choices).Slice(func(i int) app.UI {
				return app.Option().Value(choices[i].Value).Selected(choices[i].Value == value).Text(choices[i].Label)
			}),
		)
	}
	return app.Div().Class("control").Body(
		app.Label().For(id).Text(p.label(name)),
		input,
		app.Small().ID(id+"-help").Text(help),
	)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// openSizes lists the sizes that the model leaves open, as they are now: those that the user gave, and those that are taken
// for planning.
func (p *Page) openSizes() []state.Dimension {
	sizes := slices.Clone(p.session.Model.Open)
	for name, size := range p.session.Opening.Dims { // beside those that the model still leaves open
		sizes = append(sizes, state.Dimension{Name: name, Size: size})
	}
	slices.SortFunc(sizes, func(a, b state.Dimension) int { return strings.Compare(a.Name, b.Name) })
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
			note := "Taken for planning. Set the size that you will send"
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
	p.load(p.session.Opening.WithDim(name, size), p.wanted().Without("slo"), nil) // which was chosen on another frontier
}
