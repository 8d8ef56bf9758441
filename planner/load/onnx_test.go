package load_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"testing"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/describe"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/onnx"
	"partita/planner/weights"
)

// external is an ONNX model of two matrices whose numbers are in another file.
func external() (model, data []byte) {
	layout := onnx.Layout{Location: "model.data"}
	matrix := func(name string, rows, columns int64) onnx.Tensor {
		return onnx.Tensor{ValueInfo: onnx.ValueInfo{Name: name, DType: graph.Float32, Shape: graph.Shape{rows, columns}}, External: layout.Place(4 * rows * columns)}
	}
	m := &onnx.Model{Name: "matrices",
		Inputs:       []onnx.ValueInfo{{Name: "x", DType: graph.Float32, Shape: graph.Shape{graph.Batch, 8}}},
		Outputs:      []onnx.ValueInfo{{Name: "y", DType: graph.Float32, Shape: graph.Shape{graph.Batch, 4}}},
		Initializers: []onnx.Tensor{matrix("a", 8, 16), matrix("b", 16, 4)},
		Nodes:        []onnx.Node{{Op: "MatMul", Inputs: []string{"x", "a"}, Outputs: []string{"h"}}, {Op: "MatMul", Inputs: []string{"h", "b"}, Outputs: []string{"y"}}},
	}
	model = m.Encode()
	data = make([]byte, layout.Size())
	for _, t := range m.Initializers {
		for i := range t.Shape.Elements(1) {
			binary.LittleEndian.PutUint32(data[t.External.Offset+4*i:], math.Float32bits(float32(i)))
		}
	}
	return model, data
}

// checkMatrices reads the second matrix.
func checkMatrices(t *testing.T, src weights.Source, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := src.Tensor("b")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 3)
	if err := b.ReadFloat32s(got, 61); err != nil || got[0] != 61 || got[2] != 63 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestONNXExternalData(t *testing.T) {
	model, data := external()
	alone, err := load.Open(memory("dir/net.onnx", model))
	if err != nil || alone.HasWeights || alone.Source != load.SourceONNX || alone.Name != "matrices" || alone.Graph.Parameters != 192 {
		t.Fatalf("%+v, %v", alone, err)
	}
	if _, err := alone.Weights(memory("net.onnx", model)); diag.CodeOf(err) != "weights.external-data" {
		t.Errorf("%v", err)
	}
	files := []load.File{memory("dir/model.data", data), memory("dir/net.onnx", model)}
	both, err := load.Open(files...)
	if err != nil || !both.HasWeights || both.Digest != alone.Digest {
		t.Fatalf("%+v, %v", both, err)
	}
	src, err := both.WeightsOf(files...)
	checkMatrices(t, src, err)
	if _, err := load.Open(memory("net.onnx", model), memory("model.data", data[:1000])); diag.CodeOf(err) != "onnx.bad-external-data" {
		t.Errorf("%v", err)
	}
	if _, err := load.Open(memory("net.onnx", model), memory("other.data", data)); diag.CodeOf(err) != "weights.external-data" {
		t.Errorf("%v", err)
	}

	// As one archive, which is what is sent to be deployed.
	if shards, err := load.Shards(files[1]); err != nil || len(shards) != 1 || shards[0] != "model.data" {
		t.Errorf("%v, %v", shards, err)
	}
	bundle, err := load.NewBundle(files...)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := io.ReadAll(bundle.Reader())
	if err != nil || int64(len(packed)) != bundle.Size {
		t.Fatalf("%d bytes of %d, %v", len(packed), bundle.Size, err)
	}
	planned, err := load.FromArchitecture(both.Architecture)
	if err != nil || planned.Digest != both.Digest {
		t.Fatal(err)
	}
	src, err = planned.Weights(memory("upload", packed))
	checkMatrices(t, src, err)
	if m, err := load.Open(memory("net.zip", packed)); err != nil || !m.HasWeights || m.Digest != both.Digest {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := load.NewBundle(files[1]); diag.CodeOf(err) != "weights.external-data" {
		t.Errorf("%v", err)
	}
}

// TestONNXOtherWeights: the weights of another model are refused, all that does not fit in one error.
func TestONNXOtherWeights(t *testing.T) {
	model, data := external()
	m, err := load.Open(memory("net.onnx", model))
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(bytes.ReplaceAll(model, []byte("\x42\x01a"), []byte("\x42\x01q")), []byte("\x0a\x01a"), []byte("\x0a\x01q"), 1)
	_, err = m.WeightsOf(memory("net.onnx", other), memory("model.data", data))
	if e := diag.As(err); e == nil || e.Code != "weights.mismatch" || len(e.Details) != 1 {
		t.Errorf("%v", err)
	}
	if _, err := m.Weights(memory("x.h5", []byte("no model at all"))); diag.CodeOf(err) != "weights.absent" {
		t.Errorf("%v", err)
	}
}

// TestONNXCase plans the shared case, from the file and from what a plan carries.
func TestONNXCase(t *testing.T) {
	path := fixture.Shared(t, "models", "onnx_ch_ppocr_mobile_v2_0_cls_infer", "model.onnx")
	m, err := load.Open(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	doc := describe.Model(m)
	if doc.Source != "onnx" || doc.Layers != 471 || doc.Cuts < 200 || !doc.HasWeights || len(doc.Inputs) != 1 || doc.Inputs[0].Name != "x" ||
		graph.Shape(doc.Inputs[0].Shape).String() != "?x3x*x*" || graph.Shape(doc.Outputs[0].Shape).String() != "?x2" || doc.Parameters != 133416 {
		t.Errorf("%+v", doc)
	}
	fixed, err := load.OpenWith(load.Options{Dims: map[string]int64{"x[2]": 48, "p2o.DynamicDimension.2": 192}}, open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if in := fixed.Graph.Value(fixed.Graph.Inputs[0].Value).RunShape().String(); in != "?x3x48x192" || fixed.Digest == m.Digest {
		t.Errorf("with sizes settled the input is %s", in)
	}
	again, err := load.FromArchitecture(fixed.Architecture)
	if err != nil || again.Digest != fixed.Digest || again.Graph.TotalWork() != fixed.Graph.TotalWork() {
		t.Errorf("%v", err)
	}
	p, err := planner.Make(m, planner.DefaultRequest())
	if err != nil || p.Status != "optimal" || p.Model.Source != "onnx" {
		t.Fatalf("%+v, %v", p, err)
	}
	format, data, err := p.Architecture()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := load.FromArchitecture(load.Architecture{Format: format, Data: data}); err != nil || again.Digest != m.Digest {
		t.Errorf("%v", err)
	}
}
