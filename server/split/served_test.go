package split

import (
	"strings"
	"testing"

	"partita/planner/diag"
)

// TestUnservedOperators refuses operators of sets that ONNX Runtime does not have, all at once.
func TestUnservedOperators(t *testing.T) {
	m := newModel(t, "quantised")
	x := m.input("x", 4)
	for i, domain := range []string{"onnx.brevitas", "com.microsoft", "onnx.brevitas", "my.own"} {
		x = m.same(string(rune('a'+i)), "Quant", x)
		m.g.Nodes[len(m.g.Nodes)-1].Domain = domain
	}
	m.same("last", "Relu", x)
	g := m.g
	for cuts := range 2 {
		_, err := Stages(g, []int{2, 3}[:cuts], "test")
		if diag.CodeOf(err) != "split.unserved-operators" || !strings.Contains(err.Error(), `onnx.brevitas.Quant (2 times, first in "a/0"), my.own.Quant ("d/0"). `) {
			t.Errorf("%d cuts: %v", cuts, err)
		}
	}
	for i := range g.Nodes {
		g.Nodes[i].Domain = "com.microsoft"
	}
	if err := checkServed(g, "test"); err != nil {
		t.Error(err)
	}
}
