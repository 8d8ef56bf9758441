package keras_test

import (
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/keras"
)

// What people save most with open sizes: a text classifier of any length, an image model of any size, several inputs.
const (
	openText = `{"class_name":"Sequential","keras_version":"2.9.0","config":{"name":"text","layers":[
		{"class_name":"Embedding","config":{"name":"words","batch_input_shape":[null,null],"input_dim":50,"output_dim":4}},
		{"class_name":"LSTM","config":{"name":"reader","units":3}},
		{"class_name":"Dense","config":{"name":"answer","units":2}}]}}`
	openImage = `{"class_name":"Functional","keras_version":"3.5.0","config":{"name":"image","layers":[
		{"class_name":"InputLayer","name":"x","config":{"name":"x","batch_shape":[null,null,null,3]},"inbound_nodes":[]},
		{"class_name":"InputLayer","name":"y","config":{"name":"y","batch_shape":[null,null,3]},"inbound_nodes":[]},
		{"class_name":"GlobalAveragePooling2D","name":"p","config":{"name":"p"},"inbound_nodes":[{"args":[{"class_name":"__keras_tensor__","config":{"keras_history":["x",0,0]}}],"kwargs":{}}]},
		{"class_name":"GlobalAveragePooling1D","name":"q","config":{"name":"q"},"inbound_nodes":[{"args":[{"class_name":"__keras_tensor__","config":{"keras_history":["y",0,0]}}],"kwargs":{}}]}],
		"input_layers":[["x",0,0],["y",0,0]],"output_layers":[["p",0,0],["q",0,0]]}}`
)

func TestOpenSizes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		open       []string
		dims       map[string]int64
		inputs     []string
	}{
		{"a Sequential without an input", openText, []string{"words_input[1]"}, map[string]int64{"words_input[1]": 7}, []string{"?x7"}},
		{"several inputs", openImage, []string{"x[1]", "x[2]", "y[1]"}, map[string]int64{"x[1]": 8, "x[2]": 9, "y[1]": 5}, []string{"?x8x9x3", "?x5x3"}},
	} {
		_, err := keras.Parse([]byte(c.text))
		if diag.CodeOf(err) != "keras.unknown-size" {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, name := range c.open { // all at once, in the words that settle them
			if !strings.Contains(err.Error(), name+"=SIZE") {
				t.Errorf("%s: %v does not say how to settle %s", c.name, err, name)
			}
		}
		m, err := keras.ParseWith([]byte(c.text), keras.Options{Dims: c.dims})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, p := range m.Graph.Inputs {
			if got := m.Graph.Value(p.Value).Shape.String(); got != c.inputs[i] {
				t.Errorf("%s: input %s is %s, want %s", c.name, p.Name, got, c.inputs[i])
			}
		}
		// The sizes are part of the model that a plan carries.
		again, err := keras.Parse(m.Config)
		if err != nil || again.Graph.Text() != m.Graph.Text() || string(again.Config) != string(m.Config) {
			t.Errorf("%s: from its canonical form: %v", c.name, err)
		}
		c.dims[c.open[0]]++
		other, err := keras.ParseWith([]byte(c.text), keras.Options{Dims: c.dims})
		if err != nil || string(other.Config) == string(m.Config) {
			t.Errorf("%s: other sizes are the same model, %v", c.name, err)
		}
	}
}

func TestOpenSizesRefused(t *testing.T) {
	for _, c := range []struct {
		name, text string
		dims       map[string]int64
		code, says string
	}{
		{"one is missing", openImage, map[string]int64{"x[1]": 8, "y[1]": 5}, "keras.unknown-size", "open x[2],"},
		{"the batch", openText, map[string]int64{"words_input[0]": 2, "words_input[1]": 7}, "keras.no-such-dimension", "words_input[0]"},
		{"what the file says", openImage, map[string]int64{"x[1]": 8, "x[2]": 8, "y[1]": 5, "x[3]": 3}, "keras.no-such-dimension", "x[3]"},
		{"a closed model", strings.Replace(openText, "[null,null]", "[null,7]", 1), map[string]int64{"words_input[1]": 7}, "keras.no-such-dimension", "leave open: none"},
		{"nothing", openText, map[string]int64{"words_input[1]": 0}, "keras.bad-dimension", "the size 0"},
		{"too much", openText, map[string]int64{"words_input[1]": 1 << 31}, "keras.bad-dimension", "words_input[1]"},
	} {
		_, err := keras.ParseWith([]byte(c.text), keras.Options{Dims: c.dims})
		if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	_, err := keras.Parse([]byte(strings.Replace(openText, `"class_name"`, `"input_sizes":[7],"class_name"`, 1)))
	if diag.CodeOf(err) != "keras.bad-config" {
		t.Errorf("sizes in another form: %v", err)
	}
}

// TestInputLength holds an Embedding's input_length against the input, as the Keras 2 that was no part of TensorFlow did.
func TestInputLength(t *testing.T) {
	text := func(version, length string) []byte {
		return []byte(`{"class_name":"Sequential","keras_version":"` + version + `","config":{"name":"text","layers":[
			{"class_name":"Embedding","config":{"name":"words","batch_input_shape":[null,null],"input_dim":50,"output_dim":4,"input_length":` + length + `}},
			{"class_name":"LSTM","config":{"name":"reader","units":3}}]}}`)
	}
	for _, c := range []struct {
		version, length string
		fits            bool
	}{
		{"2.1.4", "20", false}, {"2.3.1", "[20]", false}, {"2.1.4", "30", true}, {"2.1.4", "null", true}, {"2.1.4", "[null]", true},
		{"2.2.4-tf", "20", true}, {"2.9.0", "20", true}, {"2.11.0", "20", true}, {"1.2.2", "20", true}, {"3.1.0", "20", true},
	} {
		_, err := keras.ParseWith(text(c.version, c.length), keras.Options{Dims: map[string]int64{"words_input[1]": 30}})
		if fits := err == nil; fits != c.fits || !fits && !strings.Contains(err.Error(), "input_length is 20, and its input is ?x30") {
			t.Errorf("%s of Keras %s: %v", c.length, c.version, err)
		}
	}
}
