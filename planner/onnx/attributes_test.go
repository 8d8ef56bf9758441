package onnx

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"partita/planner/diag"
)

// TestBatchFirst opens recurrent layers whose tensors have the batch in front (layout=1), which ONNX Runtime does not run: as
// the same layers between transpositions.
func TestBatchFirst(t *testing.T) {
	for op, gates := range map[string]int{"LSTM": 4, "GRU": 3, "RNN": 1} {
		states, cell := "h", ""
		if op == "LSTM" {
			states, cell = "h c", ", yc"
		}
		inputs := "in x float32 N 7 4\n"
		for _, s := range strings.Fields(states) {
			inputs += fmt.Sprintf("in %s float32 N 1 3\n", s)
		}
		weights := fmt.Sprintf("weight w float32 1 %d 4\nweight r float32 1 %d 3\nweight b float32 1 %d\n", 3*gates, 3*gates, 6*gates)
		last := "x, w, r, b, , " + strings.ReplaceAll(states, " ", ", ")
		outs := "out y float32\nout yh float32\n"
		if cell != "" {
			outs += "out yc float32\n"
		}
		data := text(t, inputs+weights+fmt.Sprintf("y, yh%s = %s(%s) hidden_size=3 layout=1\n", cell, op, last)+outs)
		g := lowered(t, data, Options{})
		var ops []string
		for i := range g.Nodes {
			ops = append(ops, g.Nodes[i].Op)
			if a := g.Nodes[i].Attr("layout"); a != nil {
				t.Errorf("%s keeps its layout", op)
			}
		}
		want := 3 + 2*len(strings.Fields(states))
		if len(ops) != want {
			t.Errorf("%s: %v", op, ops)
		}
		for _, p := range g.Outputs {
			shape := "?x1x3"
			if p.Name == "y" {
				shape = "?x7x1x3"
			}
			if got := g.Value(p.Value).Shape.String(); got != shape {
				t.Errorf("%s: %s is %s", op, p.Name, got)
			}
		}
		// What nothing needs is not turned either.
		only := text(t, inputs+weights+fmt.Sprintf("y, yh%s = %s(%s) hidden_size=3 layout=1\n", cell, op, last)+"out yh float32")
		if n := len(lowered(t, only, Options{}).Nodes); n != 3+len(strings.Fields(states)) {
			t.Errorf("%s: %d nodes for one output", op, n)
		}
		// The plan carries it so, and opens it again.
		f, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		l, err := f.Lower(Options{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadStripped(bytes.NewReader(l.Stripped), int64(len(l.Stripped)))
		if err != nil {
			t.Fatal(err)
		}
		second, err := again.Lower(Options{})
		if err != nil || second.Graph.Text() != l.Graph.Text() {
			t.Errorf("%s: again: %v", op, err)
		}
	}
}

// TestNormalisedByPosition refuses what BatchNormalization of operator set 7 did when told so, all nodes at once.
func TestNormalisedByPosition(t *testing.T) {
	data := text(t, `opset 7
in x float32 N 2 3
weight s float32 2 3
y = BatchNormalization(x, s, s, s, s) spatial=0
z = BatchNormalization(y, s, s, s, s) spatial=0
out z float32`)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Lower(Options{})
	if diag.CodeOf(err) != "onnx.unsupported-attribute" || !strings.Contains(err.Error(), "y (BatchNormalization)") || !strings.Contains(err.Error(), "z (BatchNormalization)") {
		t.Error(err)
	}
}
