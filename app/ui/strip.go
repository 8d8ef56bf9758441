package ui

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
)

// Size of the model's drawing in its own units: bars of weights above the line, what crosses each position below it.
const (
	stripWidth, stripBar, stripCrossing = 720.0, 70.0, 40.0
	stripLine                           = stripBar + 18
	stripHeight                         = stripLine + stripCrossing + 22
)

// strip draws the model in the order of execution: a bar per layer, as high as its weights, in the colour of its stage;
// below the line what would cross a cut there; and the plan's cuts with what does cross them. It shows at a glance why the
// cuts are where they are: where little crosses, and weights are in balance.
func (p *Page) strip() app.UI {
	return app.Section().Class("card").Body(
		app.H2().Text("Model: weights above the line, bytes that would cross a cut below"),
		app.Raw(stripSVG(p.session.Model, p.session.Answer.Plan)),
	)
}

func most(values []int64) int64 {
	largest := int64(1)
	for _, v := range values {
		largest = max(largest, v)
	}
	return largest
}

func stripSVG(m *state.Model, document *plan.Plan) string {
	layers, crossing := len(m.Layers), m.Crossing
	width := stripWidth / float64(max(layers, 1))
	// Roots, so that one huge dense layer does not flatten all others.
	height := func(v, largest int64, room float64) float64 {
		return room * math.Sqrt(float64(v)/float64(largest))
	}
	heaviest, widest := int64(1), most(crossing)
	for i := range m.Layers {
		heaviest = max(heaviest, m.Layers[i].WeightBytes)
	}

	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, stripWidth, stripHeight,
		html.EscapeString(fmt.Sprintf("%d layers in %d functions", layers, len(document.Stages))))
	stage := 0
	for l := range m.Layers {
		for stage+1 < len(document.Stages) && l+1 > document.Stages[stage].LastLayer {
			stage++
		}
		layer := &m.Layers[l]
		bar := max(1.5, height(layer.WeightBytes, heaviest, stripBar))
		class := "edge"
		if len(document.Stages) > 0 {
			class = stageClass(stage)
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%.2f" y="%.2f" width="%.2f" height="%.2f"><title>%s</title></rect>`,
			class, float64(l)*width, stripLine-bar, max(width*0.85, 0.4), bar,
			html.EscapeString(fmt.Sprintf("%d %s (%s), %s, weights %s", l+1, layer.Name, layer.Class, layer.Output, bytes(layer.WeightBytes))))
	}
	b.WriteString(`<path class="crossing" d="`)
	fmt.Fprintf(&b, "M0 %.1f", stripLine)
	for c, v := range crossing {
		fmt.Fprintf(&b, "L%.2f %.2f", float64(c)*width, stripLine+height(v, widest, stripCrossing))
	}
	fmt.Fprintf(&b, `L%g %g Z"/>`, stripWidth, stripLine)
	for i, s := range document.Stages {
		if i == 0 {
			continue
		}
		x := float64(s.FirstLayer-1) * width
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
