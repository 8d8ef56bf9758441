package onnx

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/graph"
)

// sample has every kind of field that the writer knows.
func sample() *Model {
	layout := Layout{Location: "stage.weights"}
	return &Model{
		Name: "sample", Producer: "partita",
		Inputs:  []ValueInfo{{"image", graph.Float32, graph.Shape{graph.Batch, 4, 4, 3}}},
		Outputs: []ValueInfo{{"probabilities", graph.Float32, graph.Shape{graph.Batch, 10}}, {"class", graph.Int64, graph.Shape{}}},
		Initializers: []Tensor{
			{ValueInfo: ValueInfo{"shape", graph.Int64, graph.Shape{2}}, Const: &graph.Const{Int64s: []int64{-1, 48}}},
			{ValueInfo: ValueInfo{"scale", graph.Float32, graph.Shape{}}, Const: &graph.Const{Float32s: []float32{0.5}}},
			{ValueInfo: ValueInfo{"mask", graph.Bool, graph.Shape{2}}, Const: &graph.Const{Int64s: []int64{1, 0}}},
			{ValueInfo: ValueInfo{"kernel", graph.Float32, graph.Shape{48, 10}}, External: layout.Place(1920)},
			{ValueInfo: ValueInfo{"bias", graph.Float32, graph.Shape{10}}, External: layout.Place(40)},
		},
		Nodes: []Node{
			{Op: "Transpose", Name: "t", Inputs: []string{"image"}, Outputs: []string{"nchw"}, Attrs: []graph.Attr{{Name: "perm", Kind: graph.AttrInts, Ints: []int64{0, 3, 1, 2}}}},
			{Op: "Clip", Name: "c", Inputs: []string{"nchw", "", "scale"}, Outputs: []string{"clipped"}},
			{Op: "Fused", Domain: "com.microsoft", Name: "f", Inputs: []string{"clipped"}, Outputs: []string{"y", ""}, Attrs: []graph.Attr{
				{Name: "alpha", Kind: graph.AttrFloat, Float: 0.25}, {Name: "axis", Kind: graph.AttrInt, Int: -1},
				{Name: "mode", Kind: graph.AttrString, Str: "edge"}, {Name: "scales", Kind: graph.AttrFloats, Floats: []float32{1, 2.5}}}},
		},
	}
}

// TestGolden compares a file, field by field as text, with testdata/sample.txt; PARTITA_UPDATE=1 writes it anew.
func TestGolden(t *testing.T) {
	data := sample().Encode()
	if !bytes.Equal(data, sample().Encode()) {
		t.Error("two encodings differ")
	}
	got := dump(t, data, "model", "")
	path := filepath.Join("testdata", "sample.txt")
	if os.Getenv("PARTITA_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the file is now\n%s", got)
	}
}

// fields names the fields of each message of onnx.proto that the writer uses, and the messages nested in them.
var fields = map[string]map[protowire.Number]string{
	"model":      {1: "ir_version", 2: "producer_name", 7: "graph:graph", 8: "opset_import:opset"},
	"opset":      {1: "domain", 2: "version"},
	"graph":      {1: "node:node", 2: "name", 5: "initializer:tensor", 11: "input:value", 12: "output:value"},
	"node":       {1: "input", 2: "output", 3: "name", 4: "op_type", 5: "attribute:attribute", 7: "domain"},
	"attribute":  {1: "name", 2: "f", 3: "i", 4: "s", 7: "floats", 8: "ints", 20: "type"},
	"value":      {1: "name", 2: "type:type"},
	"type":       {1: "tensor_type:tensortype"},
	"tensortype": {1: "elem_type", 2: "shape:shape"},
	"shape":      {1: "dim:dim"},
	"dim":        {1: "dim_value", 2: "dim_param"},
	"tensor":     {1: "dims", 2: "data_type", 8: "name", 9: "raw_data", 13: "external_data:entry", 14: "data_location"},
	"entry":      {1: "key", 2: "value"},
}

// dump prints a message; it fails the test on a field that onnx.proto does not have.
func dump(t *testing.T, b []byte, kind, indent string) string {
	var out strings.Builder
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatalf("%s: %v", kind, protowire.ParseError(n))
		}
		b = b[n:]
		name, nested, _ := strings.Cut(fields[kind][num], ":")
		if name == "" {
			t.Fatalf("%s has no field %d", kind, num)
		}
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			b = b[n:]
			fmt.Fprintf(&out, "%s%s %d\n", indent, name, int64(v))
		case protowire.Fixed32Type:
			v, n := protowire.ConsumeFixed32(b)
			b = b[n:]
			fmt.Fprintf(&out, "%s%s %g\n", indent, name, math.Float32frombits(v))
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			b = b[n:]
			if nested != "" {
				fmt.Fprintf(&out, "%s%s\n%s", indent, name, dump(t, v, nested, indent+" "))
			} else {
				fmt.Fprintf(&out, "%s%s %q\n", indent, name, v)
			}
		default:
			t.Fatalf("%s: field %d has wire type %d", kind, num, typ)
		}
	}
	return out.String()
}

func TestLayout(t *testing.T) {
	l := Layout{Location: "w"}
	for _, c := range []struct{ length, offset, size int64 }{{4096, 0, 4096}, {4, 4096, 4100}, {0, 0, 4100}, {5000, 8192, 13192}, {8, 16384, 16392}} {
		if e := l.Place(c.length); e.Offset != c.offset || e.Length != c.length || e.Location != "w" || l.Size() != c.size {
			t.Errorf("%d bytes went to %+v of %d", c.length, e, l.Size())
		}
	}
}
