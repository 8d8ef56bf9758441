package ui

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
	"partita/planner/rewrite"
)

// Size of the model's drawing in its own units: bars of weights above the line, what crosses each position below it.
const (
	stripWidth, stripBar, stripCrossing = 720.0, 70.0, 40.0
	stripLine                           = stripBar + 18
	stripHeight                         = stripLine + stripCrossing + 22
)

// strip draws the model in the order of execution: a bar per layer, as high as its weights, in the colour of its stage;
// below the line what would cross a cut there; and the plan's cuts with what does cross them. It shows at a glance why the
// cuts are where they are: where little crosses, and weights are in balance. What stays the same while the plan changes is a
// picture of its own, so that the browser has little to draw anew: networks have a thousand layers.
func (p *Page) strip() app.UI {
	if m := p.session.Model; p.ground.of != m {
		p.ground = ground{m, groundSVG(m)}
	}
	return app.Section().Class("card").Body(
		app.H2().Text("Model: weights above the line, bytes that would cross a cut below"),
		app.Div().Class("strip").Body(
			app.Raw(stagesSVG(p.session.Model, p.session.Answer.Plan)),
			app.Raw(p.ground.svg),
		),
	)
}

// ground is the part of the strip that a plan does not change.
type ground struct {
	of  *state.Model
	svg string
}

func openStrip(label string) string {
	return fmt.Sprintf(`<svg viewBox="0 0 %g %g" %s>`, stripWidth, stripHeight, label)
}

// height is a root, so that one huge dense layer does not flatten all others.
func height(v, largest int64, room float64) float64 {
	return room * math.Sqrt(float64(v)/float64(max(largest, 1)))
}

// groundSVG draws what would cross a cut, and lays a field over each layer that tells of it.
func groundSVG(m *state.Model) string {
	width, widest := stripWidth/float64(max(len(m.Layers), 1)), slices.Max(append([]int64{1}, m.Crossing...))
	var b strings.Builder
	b.WriteString(openStrip(`aria-hidden="true"`))
	b.WriteString(`<path class="crossing" d="`)
	fmt.Fprintf(&b, "M0 %.1f", stripLine)
	for c, v := range m.Crossing {
		fmt.Fprintf(&b, "L%.2f %.2f", float64(c)*width, stripLine+height(v, widest, stripCrossing))
	}
	fmt.Fprintf(&b, `L%g %g Z"/>`, stripWidth, stripLine)
	for i, l := range m.Layers {
		fmt.Fprintf(&b, `<rect class="field" x="%.2f" y="0" width="%.2f" height="%g"><title>%s</title></rect>`, float64(i)*width, width, stripLine+stripCrossing,
			html.EscapeString(fmt.Sprintf("%d %s (%s), %s, weights %s", i+1, l.Name, l.Class, l.Output, bytes(l.WeightBytes))))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// stagesSVG draws the layers in the colours of their stages, and the cuts.
func stagesSVG(m *state.Model, document *plan.Plan) string {
	layers := len(m.Layers)
	width, heaviest := stripWidth/float64(max(layers, 1)), int64(1)
	for i := range m.Layers {
		heaviest = max(heaviest, m.Layers[i].WeightBytes)
	}
	var b strings.Builder
	b.WriteString(openStrip(`role="img" aria-label="` + html.EscapeString(fmt.Sprintf("%d layers in %d functions", layers, len(document.Stages))) + `"`))
	bars := func(class string, first, last int) {
		var d []byte
		number := func(command byte, v float64) { d = strconv.AppendFloat(append(d, command), v, 'f', 2, 64) }
		for l := first; l < last; l++ {
			bar, wide := max(1.5, height(m.Layers[l].WeightBytes, heaviest, stripBar)), max(width*0.85, 0.4)
			number('M', float64(l)*width)
			number(' ', stripLine)
			number('v', -bar)
			number('h', wide)
			number('v', bar)
		}
		b.WriteString(`<path class="` + class + `" d="` + string(d) + `"/>`)
	}
	if len(document.Stages) == 0 {
		bars("edge", 0, layers)
	}
	at := places(m, document)
	for i, s := range document.Stages {
		bars(stageClass(i), at(s.FirstLayer-1), at(s.LastLayer))
	}
	for i, s := range document.Stages {
		if i == 0 {
			continue
		}
		x := float64(at(s.FirstLayer-1)) * width
		anchor, offset := "start", 4.0
		if x > stripWidth*0.8 {
			anchor, offset = "end", -4
		}
		fmt.Fprintf(&b, `<line class="cut" x1="%.2f" x2="%.2f" y1="0" y2="%g"/><text class="strong" x="%.2f" y="%g" text-anchor="%s">%s %s</text>`,
			x, x, stripHeight-14, x+offset, stripHeight-2, anchor, bytes(s.InputBytes), html.EscapeString(s.TransportIn))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// places gives how many of the model's layers lie before a position of the plan, which counts the parts of a layer that is
// computed in parts: within them it is the layer's own place.
func places(m *state.Model, document *plan.Plan) func(position int) int {
	names := make([]string, len(m.Layers))
	for i := range m.Layers {
		names[i] = m.Layers[i].Name
	}
	splits := make([]rewrite.Split, len(document.Model.Splits))
	for i, s := range document.Model.Splits {
		splits[i] = rewrite.Split(s)
	}
	sources := rewrite.Sources(names, splits)
	return func(position int) int {
		if position < len(sources) {
			return sources[position]
		}
		return len(names)
	}
}
