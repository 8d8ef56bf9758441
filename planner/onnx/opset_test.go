package onnx

import (
	"bytes"
	"testing"

	"partita/planner/diag"
)

// withoutDefault is a file that names the operator sets it is given and not ai.onnx's.
func withoutDefault(t testing.TB, lines string, domains ...string) []byte {
	whole := text(t, lines)
	var o message
	o.int(2, 17)
	var b message
	b.message(8, o)
	data := bytes.TrimSuffix(whole, b)
	if len(data) == len(whole) {
		t.Fatal("the file does not end with its operator set")
	}
	b = append(message{}, data...)
	for _, domain := range domains {
		var o message
		o.text(1, domain)
		o.int(2, 3)
		b.message(8, o)
	}
	return b
}

// TestOperatorsOfOtherSetsAlone reads a model of classic machine learning whose exporter named no version of ai.onnx, for it
// uses none of its operators.
func TestOperatorsOfOtherSetsAlone(t *testing.T) {
	const model = "in x float32 N 4\nz = ai.onnx.ml:Scaler(x)\ny = ai.onnx.ml:Normalizer(z) norm=\"L1\"\nout y float32 N 4"
	g := lowered(t, withoutDefault(t, model, "ai.onnx.ml"), Options{})
	if g.Opset != OpsetVersion || g.Domains["ai.onnx.ml"] != 3 || len(g.Nodes) != 2 {
		t.Errorf("opset %d, domains %v, %d nodes", g.Opset, g.Domains, len(g.Nodes))
	}
	for name, data := range map[string][]byte{
		"an operator of ai.onnx": withoutDefault(t, "in x float32 N 4\nz = ai.onnx.ml:Scaler(x)\ny = Relu(z)\nout y float32 N 4", "ai.onnx.ml"),
		"none at all":            withoutDefault(t, "in x float32 N 4\ny = Relu(x)\nout y float32 N 4"),
	} {
		if _, err := Read(bytes.NewReader(data), int64(len(data))); diag.CodeOf(err) != "onnx.unsupported-opset" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
