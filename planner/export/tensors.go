package export

import (
	"fmt"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/rewrite"
)

// sideTensors says which tensors functions side by side are given of those there are, and which of these later ones still need: what
// a state holds has to be paid for and has a limit.
type sideTensors struct {
	takes [][]string // by stage; nil: it runs alone, and takes all
	kept  [][]string // by the first of stages side by side: the names of what passes them
}

// tensorsOf finds the names for a plan that a workflow drives; nil where it has no functions side by side.
func tensorsOf(p *plan.Plan) (*sideTensors, error) {
	if p.Workflow == nil || !slices.ContainsFunc(p.Stages, func(s plan.Stage) bool { return s.Branch > 0 }) {
		return nil, nil
	}
	model, err := rewrite.Model(p)
	if err != nil {
		return nil, err
	}
	g := model.Graph
	if last := p.Stages[len(p.Stages)-1].LastLayer; last != len(g.Layers) {
		return nil, diag.New(diag.Invalid, "plan.invalid", describing, fmt.Sprintf("the plan's stages end at layer %d and the model has %d", last, len(g.Layers)), "make the plan again")
	}
	names := func(values []graph.ValueID) []string {
		all := make([]string, len(values))
		for i, v := range values {
			all[i] = g.Value(v).Name
		}
		return all
	}
	t := &sideTensors{takes: make([][]string, len(p.Stages)), kept: make([][]string, len(p.Stages))}
	live, waves := g.Live(), p.Waves()
	for k, first := range waves[:len(waves)-1] {
		if waves[k+1]-first < 2 {
			continue
		}
		begin, end := p.Stages[first].FirstLayer-1, p.Stages[waves[k+1]-1].LastLayer
		for i := first; i < waves[k+1]; i++ {
			t.takes[i] = names(g.Subgraph(live, p.Stages[i].FirstLayer-1, p.Stages[i].LastLayer).Used)
		}
		t.kept[first] = names(g.Subgraph(live, begin, end).PassThrough)
	}
	return t, nil
}

// given is an expression for the tensors of a state's input that a stage is given.
func (d *deployment) given(i int) string {
	if d.tensors == nil || d.tensors.takes[i] == nil {
		return "$states.input.tensors"
	}
	return named(d.tensors.takes[i])
}

// joined is an expression for what there is after stages side by side, the first of which is named: what passes them, and what they make.
func (d *deployment) joined(first int) string {
	switch {
	case d.tensors == nil:
		return "[$append($states.input.tensors, $states.result.tensors)]" // what no branch takes is for later stages; each finds its own by name
	case len(d.tensors.kept[first]) == 0:
		return "[$states.result.tensors]"
	}
	return "[$append(" + named(d.tensors.kept[first]) + ", $states.result.tensors)]"
}

// named picks tensors of a state's input by their names.
func named(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return "$states.input.tensors[name in [" + strings.Join(quoted, ", ") + "]]"
}

// quote writes a string for JSONata, in characters that mean nothing to templates.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, c := range text {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("_-./: ", c):
			b.WriteRune(c)
		case c > 0xffff:
			c -= 0x10000
			fmt.Fprintf(&b, "\\u%04x\\u%04x", 0xd800+c>>10, 0xdc00+c&0x3ff)
		default:
			fmt.Fprintf(&b, "\\u%04x", c)
		}
	}
	return b.String() + "'"
}
