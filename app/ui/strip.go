package ui

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner/graph"
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
		app.Raw(stripSVG(p.session.Model.Graph, p.session.Plan)),
	)
}

// layerWeights sums the stored weights that each layer is the first to use.
func layerWeights(g *graph.Graph) []int64 {
	sums := make([]int64, len(g.Layers))
	seen := map[string]bool{}
	for i := range g.Nodes {
		for _, id := range g.Nodes[i].Inputs {
			if id == graph.None {
				continue
			}
			v := g.Value(id)
			if v.Weight != nil && !seen[v.Weight.ID()] {
				seen[v.Weight.ID()] = true
				sums[g.Nodes[i].Layer] += v.Bytes(1)
			}
		}
	}
	return sums
}

// crossings gives the bytes that are live at every position of the model.
func crossings(g *graph.Graph) []int64 {
	live := g.Live()
	sums := make([]int64, len(live))
	for c, ids := range live {
		for _, id := range ids {
			sums[c] += g.Value(id).Bytes(1)
		}
	}
	return sums
}

func most(values []int64) int64 {
	largest := int64(1)
	for _, v := range values {
		largest = max(largest, v)
	}
	return largest
}

func stripSVG(g *graph.Graph, document *plan.Plan) string {
	layers := len(g.Layers)
	weights, crossing := layerWeights(g), crossings(g)
	width := stripWidth / float64(max(layers, 1))
	// Roots, so that one huge dense layer does not flatten all others.
	height := func(v, largest int64, room float64) float64 {
		return room * math.Sqrt(float64(v)/float64(largest))
	}
	heaviest, widest := most(weights), most(crossing)

	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, stripWidth, stripHeight,
		html.EscapeString(fmt.Sprintf("%d layers in %d functions", layers, len(document.Stages))))
	stage := 0
	for l := range g.Layers {
		for stage+1 < len(document.Stages) && l+1 > document.Stages[stage].LastLayer {
			stage++
		}
		layer := &g.Layers[l]
		bar := max(1.5, height(weights[l], heaviest, stripBar))
		class := "edge"
		if len(document.Stages) > 0 {
			class = stageClass(stage)
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%.2f" y="%.2f" width="%.2f" height="%.2f"><title>%s</title></rect>`,
			class, float64(l)*width, stripLine-bar, max(width*0.85, 0.4), bar,
			html.EscapeString(fmt.Sprintf("%d %s (%s), %s, weights %s", l+1, layer.Name, layer.Class, layer.Output, bytes(weights[l]))))
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
