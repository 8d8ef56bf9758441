package export

import (
	"fmt"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/planner/rewrite"
)

// Sizes in the drawing of the graph, in pixels. Layers stand in rows by their depth; a panel is a stage, and has as many
// columns of rows as it needs.
const (
	rowHeight   = 20
	blockHeight = 15
	columnRows  = 44 // at most
	columnWidth = 230
	columnGap   = 56 // arcs of skip connections run in it
	panelGap    = 96 // arrows between stages run in it
	graphTop    = 118
	graphMargin = 24
	glyphWidth  = 5 // of the text in blocks, about
)

const graphStyle = ".edge{stroke:#5b6472;fill:none;stroke-opacity:.7}.block text{font-size:9px}.arrow{stroke:#5b6472;stroke-width:2;fill:none}.head{fill:#5b6472}.strong{font-weight:600}"

// tints tell stages apart by colour, and hatches by pattern: those of the same tint have different hatches up to 24 stages.
// The colours are those of Okabe and Ito (2008), which colour-blind people can tell apart.
var tints = []struct{ fill, line string }{
	{"#d5ebf8", "#0072b2"}, {"#fdebc8", "#b87a00"}, {"#d3f0e3", "#009e73"}, {"#fbdccd", "#d55e00"},
	{"#e2dbf5", "#7b61c4"}, {"#f6f2c0", "#8a8000"}, {"#f6d9e8", "#b85a8c"}, {"#e0e4e9", "#5f6b7a"},
}

var hatches = []string{"M0 8L8 0", "M2 2h1M6 6h1", "M0 4H8", "M0 0L8 8", "M4 0V8", "M0 4H8M4 0V8"}

// placed is a layer's block.
type placed struct {
	x, y, width int64
	column      int
	row         int
}

// graphSVG draws the model as it is cut: every layer as a block in the colour and pattern of its function, and the bytes
// that cross each cut.
func graphSVG(p *plan.Plan) ([]byte, error) {
	if err := needsStages(p); err != nil {
		return nil, err
	}
	model, err := rewrite.Model(p)
	if err != nil {
		return nil, err
	}
	g := model.Graph
	if last := p.Stages[len(p.Stages)-1].LastLayer; last != len(g.Layers) {
		return nil, diag.New(diag.Invalid, "plan.invalid", "drawing the graph", fmt.Sprintf("the plan's stages end at layer %d and the model has %d", last, len(g.Layers)), "make the plan again")
	}
	live := g.Live()
	blocks := make([]placed, len(g.Layers))
	left, tallest := int64(graphMargin+panelGap), 0
	lefts := make([]int64, len(p.Stages))
	for i, s := range p.Stages {
		columns, rows := arrange(g.Layers, blocks, s.FirstLayer-1, s.LastLayer, left)
		lefts[i] = left
		left += int64(columns)*(columnWidth+columnGap) - columnGap + panelGap
		tallest = max(tallest, rows)
	}
	width, height := left+graphMargin, int64(graphTop+tallest*rowHeight+graphMargin)
	d := &drawing{}
	d.open(width, height, "The layers of "+p.Model.Name+" by function", report.Summary(p), graphStyle)
	d.patterns(len(p.Stages))
	d.text(graphMargin*10, 300, "heading", "", report.Summary(p))
	for i := range p.Stages {
		s := &p.Stages[i]
		crossing := live[s.FirstLayer-1]
		if s.Branch > 0 { // it takes only what it reads
			crossing = g.Subgraph(live, s.FirstLayer-1, s.LastLayer).Used
		}
		d.arrow(lefts[i]-panelGap, s.InputBytes, s.TransportIn, len(crossing))
		d.panel(&p.Stages[i], lefts[i], g, blocks)
	}
	end := &p.Stages[len(p.Stages)-1]
	d.arrow(left-panelGap, end.OutputBytes, end.TransportOut, len(live[end.LastLayer]))
	return d.close(), nil
}

// arrange places the layers [first, last) in rows by depth, from left on, in as few columns as they take, all as long. It
// gives the number of columns and of the rows in each.
func arrange(layers []graph.Layer, blocks []placed, first, last int, left int64) (columns, rows int) {
	depth := make([]int, last-first)
	var byRow [][]int
	for l := first; l < last; l++ {
		for _, in := range layers[l].Inputs {
			if in >= first && in < l {
				depth[l-first] = max(depth[l-first], depth[in-first]+1)
			}
		}
		for len(byRow) <= depth[l-first] {
			byRow = append(byRow, nil)
		}
		byRow[depth[l-first]] = append(byRow[depth[l-first]], l)
	}
	columns = (len(byRow) + columnRows - 1) / columnRows
	rows = (len(byRow) + columns - 1) / columns
	for row, list := range byRow {
		column := row / rows
		width := min(int64(columnWidth/len(list)), columnWidth*3/4)
		start := left + int64(column)*(columnWidth+columnGap) + (columnWidth-width*int64(len(list)))/2
		for k, l := range list {
			blocks[l] = placed{x: start + int64(k)*width + 2, y: int64(graphTop + row%rows*rowHeight), width: max(width-4, 2), column: column, row: row}
		}
	}
	return columns, rows
}

// patterns defines a tint and a hatch for each stage.
func (d *drawing) patterns(stages int) {
	d.line("<defs>")
	for i := range stages {
		tint, hatch := tints[i%len(tints)], hatches[i%len(hatches)]
		d.line(`<pattern id="s%d" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="%s"/><path d="%s" stroke="%s" stroke-opacity=".35"/></pattern>`, i+1, tint.fill, hatch, tint.line)
	}
	d.line("</defs>")
}

// panel draws a stage: what it is, its edges, its layers.
func (d *drawing) panel(s *plan.Stage, left int64, g *graph.Graph, blocks []placed) {
	line := tints[(s.Index-1)%len(tints)].line
	d.line(`<g class="block" stroke="none">`)
	d.line(`<rect x="%d" y="%d" width="14" height="14" fill="url(#s%d)" stroke="%s"/>`, left, graphTop-66, s.Index, line)
	d.line(`</g>`)
	d.text((left+20)*10, (graphTop-54)*10, "strong", "", fmt.Sprintf("stage %s: %s", report.StageName(s), report.Memory(s.MemoryMB)))
	d.text(left*10, (graphTop-36)*10, "quiet", "", fmt.Sprintf("layers %d to %d, %s of weights", s.FirstLayer, s.LastLayer, report.Bytes(s.WeightBytes)))
	d.text(left*10, (graphTop-19)*10, "quiet", "", fmt.Sprintf("init %s, run %s", report.Duration(s.InitUs), report.Duration(s.InputUs+s.ComputeUs+s.OutputUs)))
	var edges strings.Builder
	for l := s.FirstLayer - 1; l < s.LastLayer; l++ {
		for _, in := range g.Layers[l].Inputs {
			if in >= s.FirstLayer-1 && in < l {
				edges.WriteString(edge(blocks[in], blocks[l]))
			}
		}
	}
	if edges.Len() > 0 {
		d.line(`<path class="edge" d="%s"/>`, edges.String())
	}
	d.line(`<g class="block" fill="url(#s%d)" stroke="%s">`, s.Index, line)
	for l := s.FirstLayer - 1; l < s.LastLayer; l++ {
		layer, b := &g.Layers[l], blocks[l]
		d.line(`<rect x="%d" y="%d" width="%d" height="%d" rx="3"><title>%s</title></rect>`, b.x, b.y, b.width, blockHeight, xmlText(layerText(layer)))
	}
	d.line("</g>")
	d.line(`<g class="block">`)
	for l := s.FirstLayer - 1; l < s.LastLayer; l++ {
		if name := fit(g.Layers[l].Name, (blocks[l].width-6)/glyphWidth); name != "" {
			d.text(blocks[l].x*10+blocks[l].width*5, (blocks[l].y+11)*10, "onblock", "middle", name)
		}
	}
	d.line("</g>")
}

// edge draws a line to the next row, and an arc on the right to one farther down.
func edge(from, to placed) string {
	if from.column == to.column && to.row == from.row+1 {
		return fmt.Sprintf("M%d %dL%d %d", from.x+from.width/2, from.y+blockHeight, to.x+to.width/2, to.y)
	}
	x1, y1, x2, y2 := from.x+from.width, from.y+blockHeight/2, to.x+to.width, to.y+blockHeight/2
	if from.column != to.column { // into the next column, from the left
		x2 = to.x
		return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+columnGap, y1, x2-columnGap, y2, x2, y2)
	}
	bend := max(x1, x2) + int64(min(16+3*(to.row-from.row), columnGap-8))
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, bend, y1, bend, y2, x2, y2)
}

// arrow draws what crosses a cut.
func (d *drawing) arrow(left int64, bytes int64, transport string, tensors int) {
	const y = graphTop + 40
	from, to := left+10, left+panelGap-14
	d.line(`<path class="arrow" d="M%d %dH%d"/><path class="head" d="M%d %dl-8 -5v10z"/>`, from, y, to-6, to, y)
	middle := (from + to) * 5
	d.text(middle, (y-8)*10, "strong", "middle", report.Bytes(bytes))
	d.text(middle, (y+18)*10, "quiet", "middle", transport)
	if tensors != 1 {
		d.text(middle, (y+33)*10, "quiet", "middle", fmt.Sprintf("%d tensors", tensors))
	}
}

func layerText(l *graph.Layer) string {
	text := fmt.Sprintf("%s (%s) %s", l.Name, l.Class, l.Output.String())
	if l.Parameters > 0 {
		text += fmt.Sprintf(", %s parameters", report.Grouped(l.Parameters))
	}
	return text
}

// fit shortens a name to a number of glyphs; to nothing when that says nothing.
func fit(name string, glyphs int64) string {
	runes := []rune(name)
	if int64(len(runes)) <= glyphs {
		return name
	}
	if glyphs < 5 {
		return ""
	}
	return string(runes[:glyphs-1]) + "…"
}
