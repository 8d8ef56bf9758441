package keras_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/keras"
)

// entry is a layer of a functional model.
func entry(class, name, config, inbound string) string {
	return fmt.Sprintf(`{"class_name": %q, "name": %q, "config": {"name": %q, %s}, "inbound_nodes": [%s]}`, class, name, name, config, inbound)
}

func inputEntry(name, shape string) string {
	return entry("InputLayer", name, `"batch_input_shape": `+shape, "")
}

// functional is the config of a functional model.
func functional(name, inputs, outputs string, layers ...string) string {
	return fmt.Sprintf(`"name": %q, "layers": [%s], "input_layers": %s, "output_layers": %s`, name, strings.Join(layers, ", "), inputs, outputs)
}

func whole(version, class, config string) string {
	return fmt.Sprintf(`{"class_name": %q, "keras_version": %q, "config": {%s}}`, class, version, config)
}

// encoder is a model to put into others: a Dense and a ReLU, both of which are outputs.
var encoder = functional("encoder", `[["i", 0, 0]]`, `[["d", 0, 0], ["r", 0, 0]]`, inputEntry("i", "[null, 4]"),
	entry("Dense", "d", `"units": 4`, `[["i", 0, 0]]`), entry("ReLU", "r", `"max_value": null`, `[["d", 0, 0]]`))

func keras3Call(refs ...string) string {
	tensors := make([]string, len(refs))
	for i, r := range refs {
		tensors[i] = `{"class_name": "__keras_tensor__", "config": {"keras_history": ` + r + `}}`
	}
	if len(refs) == 1 {
		return `{"args": [` + tensors[0] + `], "kwargs": {}}`
	}
	return `{"args": [[` + strings.Join(tensors, ", ") + `]], "kwargs": {"training": false}}`
}

func TestNested(t *testing.T) {
	const x, io = "[null, 4]", `[["x", 0, 0]]`
	for _, c := range []struct{ name, text, want string }{
		{"Keras 2 counts calls from 1", whole("2.2.4", "Model", functional("m", io, `[["s", 0, 0]]`, inputEntry("x", x),
			entry("Model", "e", encoder, `[["x", 0, 0, {}]], [["e", 1, 0, {}]]`),
			entry("Add", "s", `"trainable": true`, `[["e", 1, 1, {}], ["e", 2, 1, {}]]`))), `model m: 3 layers, 20 parameters
input x = x ?x4
0 x InputLayer | | ?x4
1 e/d Dense | e/d = Gemm(x, e/d/kernel:4x4, e/d/bias:4) | ?x4
2 e/r ReLU | e/r = Relu(e/d) | ?x4
3 e/d Dense | e/d@2 = Gemm(e/d, e/d/kernel:4x4, e/d/bias:4) | ?x4
4 e/r ReLU | e/r@2 = Relu(e/d@2) | ?x4
5 s Add | s = Add(e/r, e/r@2) | ?x4
output s = s ?x4
`},
		{"Keras 3 counts from 0, and from 1 among the outputs", whole("3.5.0", "Functional", functional("m", `{"x": ["x", 0, 0]}`, `[["e", 2, 1], [["e", 1, 1]]]`,
			inputEntry("x", x), entry("Functional", "e", encoder, keras3Call(`["x", 0, 0]`)+", "+keras3Call(`["e", 0, 0]`)))), `model m: 2 layers, 20 parameters
input x = x ?x4
0 x InputLayer | | ?x4
1 e/d Dense | e/d = Gemm(x, e/d/kernel:4x4, e/d/bias:4) | ?x4
2 e/r ReLU | e/r = Relu(e/d) | ?x4
3 e/d Dense | e/d@2 = Gemm(e/d, e/d/kernel:4x4, e/d/bias:4) | ?x4
4 e/r ReLU | e/r@2 = Relu(e/d@2) | ?x4
output e = e/r@2 ?x4
output e_1 = e/r ?x4
`},
		{"what no output needs is left out, and its parameters count", whole("2.2.4", "Model", functional("m", io, `[["a", 0, 0]]`, inputEntry("x", x),
			entry("Model", "e", functional("e", `[["i", 0, 0]]`, `[["p", 0, 0], ["q", 0, 0]]`, inputEntry("i", "[null, 4]"),
				entry("Dense", "p", `"units": 2`, `[["i", 0, 0]]`), entry("Dense", "q", `"units": 3`, `[["i", 0, 0]]`)), `[["x", 0, 0]]`),
			entry("ReLU", "a", `"max_value": null`, `[["e", 1, 1]]`))), `model m: 3 layers, 25 parameters
input x = x ?x4
0 x InputLayer | | ?x4
1 e/q Dense | e/q = Gemm(x, e/q/kernel:4x3, e/q/bias:3) | ?x3
2 a ReLU | a = Relu(e/q) | ?x3
output a = a ?x3
`},
		{"a Sequential of models, the first saying the shape", `{"class_name": "Sequential", "config": [
			{"class_name": "Sequential", "config": {"name": "inner", "layers": [{"class_name": "Model", "config": {` + encoderOne + `}}]}},
			{"class_name": "ReLU", "config": {"name": "r"}}]}`, `model sequential: 2 layers, 20 parameters
input inner_input = inner_input ?x4
0 inner/e/d Dense | inner/e/d = Gemm(inner_input, inner/e/d/kernel:4x4, inner/e/d/bias:4) | ?x4
1 r ReLU | r = Relu(inner/e/d) | ?x4
output r = r ?x4
`},
		{"an input passed through as an output of the whole", whole("2.2.4", "Model", functional("m", io, `[["e", 1, 0], ["e", 1, 1]]`, inputEntry("x", x),
			entry("ReLU", "a", `"max_value": null`, `[["x", 0, 0]]`),
			entry("Model", "e", functional("e", `[["i", 0, 0]]`, `[["i", 0, 0], ["b", 0, 0]]`, inputEntry("i", x), entry("ReLU", "b", `"max_value": 6`, `[["i", 0, 0]]`)), `[["a", 0, 0]]`))),
			`model m: 3 layers, 0 parameters
input x = x ?x4
0 x InputLayer | | ?x4
1 a ReLU | a = Relu(x) | ?x4
2 e/i InputLayer | e/i = Identity(a) | ?x4
3 e/b ReLU | e/b = Clip(e/i, [0], [6]) | ?x4
output e = e/i ?x4
output e_1 = e/b ?x4
`},
		{"inputs by name", whole("3.5.0", "Functional", functional("m", `[["x", 0, 0], ["y", 0, 0]]`, `[["e", 1, 0]]`, inputEntry("x", x), inputEntry("y", x),
			entry("Functional", "e", functional("e", `{"b": ["p", 0, 0], "a": ["q", 0, 0]}`, `["s", 0, 0]`, inputEntry("p", x), inputEntry("q", x),
				entry("Subtract", "s", `"trainable": true`, keras3Call(`["p", 0, 0]`, `["q", 0, 0]`))),
				`{"args": [{"b": {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}, "a": {"class_name": "__keras_tensor__", "config": {"keras_history": ["y", 0, 0]}}}], "kwargs": {}}`))),
			`model m: 3 layers, 0 parameters
input x = x ?x4
input y = y ?x4
0 x InputLayer | | ?x4
1 y InputLayer | | ?x4
2 e/s Subtract | e/s = Sub(x, y) | ?x4
output e = e/s ?x4
`},
		{"a layer that has the name of one in a model", whole("2.2.4", "Model", functional("m", io, `[["e/d", 0, 0]]`, inputEntry("x", x),
			entry("Model", "e", encoderOne[len(`"name": "e", `):], `[["x", 0, 0]]`), entry("Dense", "e/d", `"units": 2`, `[["e", 1, 0]]`))), `model m: 3 layers, 30 parameters
input x = x ?x4
0 x InputLayer | | ?x4
1 e/d_2 Dense | e/d_2 = Gemm(x, e/d_2/kernel:4x4, e/d_2/bias:4) | ?x4
2 e/d Dense | e/d = Gemm(e/d_2, e/d/kernel:4x2, e/d/bias:2) | ?x2
output e/d = e/d ?x2
`},
	} {
		m, err := keras.Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := m.Graph.Text(); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
		again, err := keras.Parse(m.Config)
		if err != nil || again.Graph.Text() != c.want {
			t.Errorf("%s: the canonical form gives another model: %v", c.name, err)
		}
	}
}

// encoderOne is a model to put into others, with one layer.
var encoderOne = functional("e", `[["i", 0, 0]]`, `[["d", 0, 0]]`, inputEntry("i", "[null, 4]"), entry("Dense", "d", `"units": 4`, `[["i", 0, 0]]`))

func TestRefusedNested(t *testing.T) {
	const x, io = "[null, 4]", `[["x", 0, 0]]`
	deep := encoderOne
	for range 40 {
		deep = functional("e", `[["i", 0, 0]]`, `[["d", 1, 0]]`, inputEntry("i", "[null, 4]"), entry("Model", "d", deep, `[["i", 0, 0]]`))
	}
	many := encoderOne
	for range 10 { // each calls the one in it four times: a million calls
		many = functional("e", `[["i", 0, 0]]`, `[["d", 4, 0]]`, inputEntry("i", "[null, 4]"),
			entry("Model", "d", many, `[["i", 0, 0]], [["d", 1, 0]], [["d", 2, 0]], [["d", 3, 0]]`))
	}
	for _, c := range []struct{ name, text, code, want string }{
		{"deep", whole("2.2.4", "Model", deep), "keras.too-large", "deeper than 16"},
		{"many calls", whole("2.2.4", "Model", many), "keras.too-large", "more than 20000"},
		{"too few inputs", whole("2.2.4", "Model", functional("m", io, `[["e", 1, 0]]`, inputEntry("x", x), entry("Model", "e", encoderOne, `[["x", 0, 0], ["x", 0, 0]]`))),
			"keras.bad-config", "called on 2 tensors and has 1 inputs"},
		{"no such output", whole("2.2.4", "Model", functional("m", io, `[["e", 1, 5]]`, inputEntry("x", x), entry("Model", "e", encoderOne, `[["x", 0, 0]]`))), "keras.bad-config", "output 5"},
		{"no such call", whole("2.2.4", "Model", functional("m", io, `[["e", 7, 0]]`, inputEntry("x", x), entry("Model", "e", encoderOne, `[["x", 0, 0]]`))), "keras.bad-config", `layer "e"`},
		{"trained", whole("2.2.4", "Model", functional("m", io, `[["e", 1, 0]]`, inputEntry("x", x), entry("Model", "e", encoderOne, `[["x", 0, 0, {"training": true}]]`))), "keras.unsupported-layer", "training=True"},
		{"wrong shape", whole("2.2.4", "Model", functional("m", io, `[["e", 1, 0]]`, inputEntry("x", x), entry("Model", "e",
			functional("e", `[["i", 0, 0]]`, `[["c", 0, 0]]`, inputEntry("i", x), entry("Conv2D", "c", `"filters": 1, "kernel_size": 1`, `[["i", 0, 0]]`)), `[["x", 0, 0]]`))),
			"keras.bad-config", `layer "c" (Conv2D) at config.layers[1].config.layers[1]`},
	} {
		_, err := keras.Parse([]byte(c.text))
		if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want code %s and %q", c.name, err, c.code, c.want)
		}
	}
}

// TestWithoutModules opens what Keras 3 writes into .h5 files, where neither layers nor operations say their modules.
func TestWithoutModules(t *testing.T) {
	for _, name := range []string{"MobileNetV3Small", "InceptionResNetV2"} {
		text := fixture.Read(t, filepath.Join(fixture.Shared(t, "zoo"), "keras3", name+".json.gz"))
		want, err := keras.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		bare := moduleOrName.ReplaceAll(text, nil)
		if len(bare) >= len(text) {
			t.Fatal("the text has no modules")
		}
		got, err := keras.ParseVersion(bare, "3.5.0")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Graph.Text() != want.Graph.Text() || got.Graph.LayerCount != want.Graph.LayerCount {
			t.Errorf("%s is another model without modules", name)
		}
		again, err := keras.Parse(got.Config)
		if err != nil || again.Graph.Text() != want.Graph.Text() {
			t.Errorf("%s: its canonical form is another model: %v", name, err)
		}
	}
}

var moduleOrName = regexp.MustCompile(`"(module|registered_name)": *("[^"]*"|null), *`)

// TestLayerScale checks ConvNeXt's layer in both layouts.
func TestLayerScale(t *testing.T) {
	for _, c := range []struct{ before, want string }{
		{"", "l1 = Mul(x, l1/gamma:4) | ?x5x6x4"},
		{"MaxPooling2D", "l2/Mul = Mul(l1, l2/gamma:4x1x1)"},
	} {
		layers := []layer{{"LayerScale", `"init_values": 1e-06, "projection_dim": 4`}}
		if c.before != "" {
			layers = append([]layer{{c.before, ``}}, layers...)
		}
		m, err := keras.Parse(build(3, image, layers...))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Graph.Text(); !strings.Contains(got, c.want) || m.Graph.Parameters != 4 {
			t.Errorf("got\n%s\nwithout %s", got, c.want)
		}
	}
}
