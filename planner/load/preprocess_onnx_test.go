package load_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/onnx"
)

// withProperties appends metadata_props to a ModelProto.
func withProperties(model []byte, pairs ...string) []byte {
	for i := 0; i < len(pairs); i += 2 {
		var p []byte
		p = protowire.AppendString(protowire.AppendTag(p, 1, protowire.BytesType), pairs[i])
		p = protowire.AppendString(protowire.AppendTag(p, 2, protowire.BytesType), pairs[i+1])
		model = protowire.AppendBytes(protowire.AppendTag(model, 14, protowire.BytesType), p)
	}
	return model
}

// TestONNXPreprocess: a suggestion comes from what the file says of itself, and is none where that does not tell.
func TestONNXPreprocess(t *testing.T) {
	classes := []onnx.Node{{Op: "GlobalAveragePool", Inputs: []string{"x"}, Outputs: []string{"p"}}, {Op: "Flatten", Inputs: []string{"p"}, Outputs: []string{"y"}}}
	own := append([]onnx.Node{{Op: "Sub", Inputs: []string{"x", "mean"}, Outputs: []string{"d"}}, {Op: "GlobalAveragePool", Inputs: []string{"d"}, Outputs: []string{"p"}}}, classes[1])
	first := graph.Shape{graph.Batch, 3, 8, 8}
	last := graph.Shape{graph.Batch, 8, 8, 3}
	for _, c := range []struct {
		file, producer, graph string
		shape                 graph.Shape
		nodes                 []onnx.Node
		properties            []string
		want                  string
	}{
		{"resnet50.onnx", "pytorch", "main_graph", first, classes, nil, "torch"},
		{"densenet121-12.onnx", "", "mxnet_converted_model", first, classes, nil, "torch"},
		{"resnet50.onnx", "keras2onnx", "main_graph", first, classes, nil, "none"},
		{"vit_b_16.onnx", "pytorch", "main_graph", first, classes, nil, "none"},
		{"resnet50.onnx", "pytorch", "main_graph", first, classes[:1], nil, "none"}, // no classifier
		{"resnet50.onnx", "pytorch", "main_graph", first, own, nil, "none"},         // does it itself
		{"mobilenet_v2.onnx", "tf2onnx", "tf2onnx", last, classes, nil, "tf"},
		{"model.onnx", "tf2onnx", "tf2onnx", last, classes, nil, "none"},
		{"best.onnx", "pytorch", "main_graph", first, classes[:1], []string{"author", "Ultralytics", "stride", "32"}, "unit"},
		{"resnet50.onnx", "pytorch", "main_graph", first, classes, []string{"Image.NominalPixelRange", "Normalized_1_1"}, "tf"},
		{"resnet50.onnx", "pytorch", "main_graph", first, classes, []string{"Image.NominalPixelRange", "NominalRange_0_255"}, "none"},
	} {
		made := c.nodes[len(c.nodes)-1].Outputs[0]
		out := graph.Shape{graph.Batch, 3}
		if made == "p" {
			out = graph.Shape{graph.Batch, c.shape[1], 1, 1}
		}
		m := &onnx.Model{Name: c.graph, Producer: c.producer, Nodes: c.nodes,
			Inputs:       []onnx.ValueInfo{{Name: "x", DType: graph.Float32, Shape: c.shape}},
			Outputs:      []onnx.ValueInfo{{Name: made, DType: graph.Float32, Shape: out}},
			Initializers: []onnx.Tensor{{ValueInfo: onnx.ValueInfo{Name: "mean", DType: graph.Float32, Shape: graph.Shape{1}}, Const: &graph.Const{Float32s: []float32{1}}}}}
		opened, err := load.Open(memory(c.file, withProperties(m.Encode(), c.properties...)))
		if err != nil {
			t.Fatal(err)
		}
		if opened.Preprocess != c.want {
			t.Errorf("%s by %q %v: %q, want %q", c.file, c.producer, c.properties, opened.Preprocess, c.want)
		}
	}
}

// TestForeignAdvice: whoever brings a file of an unknown kind is told of every kind that is read.
func TestForeignAdvice(t *testing.T) {
	for name, data := range map[string]string{"x.bin": "\x00\x01\x02\x03nothing", "notes.txt": "a text", "a.zip": "PK\x05\x06" + string(make([]byte, 18))} {
		_, err := load.Open(memory(name, []byte(data)))
		e := diag.As(err)
		if e == nil {
			t.Fatal(err)
		}
		for _, kind := range []string{".keras", ".onnx", "model.json"} {
			if !strings.Contains(e.Fix, kind) {
				t.Errorf("%s: %q does not name %s", name, e.Fix, kind)
			}
		}
	}
}
