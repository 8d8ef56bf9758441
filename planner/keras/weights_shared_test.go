package keras

import (
	"fmt"
	"strings"
	"testing"

	"partita/planner/diag"
)

// sharing is a functional model of Keras 3 as .keras files hold it, in which one Dense layer is in two models and, if wanted,
// in the outermost one too.
func sharing(t *testing.T, id int, outside bool) *Model {
	t.Helper()
	tensor := func(layer string) string {
		return fmt.Sprintf(`{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": [%q, 0, 0]}}], "kwargs": {}}`, layer)
	}
	dense := func(name, on string, id int) string {
		shared := ""
		if id > 0 {
			shared = fmt.Sprintf(`, "shared_object_id": %d`, id)
		}
		return fmt.Sprintf(`{"module": "keras.layers", "class_name": "Dense", "name": %q, "config": {"name": %q, "units": 2, "use_bias": false, "trainable": true}, "inbound_nodes": [%s]%s}`,
			name, name, tensor(on), shared)
	}
	input := `{"module": "keras.layers", "class_name": "InputLayer", "name": %q, "config": {"name": %q, "batch_shape": [null, 2]}, "inbound_nodes": []}`
	model := func(name, on string, layers ...string) string {
		return fmt.Sprintf(`{"module": "keras.src.models.functional", "class_name": "Functional", "name": %q, "config": {"name": %q, "layers": [%s, %s], "input_layers": ["i", 0, 0], "output_layers": ["s", 0, 0]}, "inbound_nodes": [%s]}`,
			name, name, fmt.Sprintf(input, "i", "i"), strings.Join(layers, ", "), tensor(on))
	}
	last := dense("own", "b", 0)
	output := "own"
	if outside {
		last, output = last+", "+dense("s", "own", id), "s"
	}
	text := fmt.Sprintf(`{"module": "keras.src.models.functional", "class_name": "Functional", "config": {"name": "m", "layers": [%s, %s, %s, %s],
		"input_layers": ["x", 0, 0], "output_layers": [%q, 0, 0]}}`, fmt.Sprintf(input, "x", "x"), model("a", "x", dense("s", "i", id)),
		model("b", "a", dense("t", "i", 0), dense("s", "t", id)), last, output)
	m, err := ParseVersion([]byte(text), "3.5.0")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSharedAcrossModels binds a layer that is in several models, whose weights Keras 3 writes once, where it comes first.
func TestSharedAcrossModels(t *testing.T) {
	shape := []int64{2, 2}
	for _, outside := range []bool{false, true} {
		m := sharing(t, 140123456, outside)
		if m.Graph.Parameters != 12 {
			t.Errorf("outside %v: %d parameters, want those of three layers", outside, m.Graph.Parameters)
		}
		if other := sharing(t, 7, outside); string(other.Config) != string(m.Config) {
			t.Errorf("outside %v: the number of the object is in the canonical form:\n%s\n%s", outside, m.Config, other.Config)
		}
		again, err := Parse(m.Config)
		if err != nil || again.Graph.Text() != m.Graph.Text() || string(again.Config) != string(m.Config) {
			t.Errorf("outside %v: the canonical form gives another model: %v", outside, err)
		}
		f := written(t, shape, "layers/functional/layers/dense/vars/0", "layers/functional_1/layers/dense/vars/0", "layers/dense/vars/0")
		s, err := Bind(m.Weights, f, "")
		if err != nil {
			t.Fatalf("outside %v: %v", outside, err)
		}
		shared := "a/s/kernel"
		if outside {
			shared = "s/kernel"
		}
		for key, want := range map[string]float32{shared: 1, "b/t/kernel": 2, "own/kernel": 3} {
			if got := values(t, s, StoredWeight{Key: key, Shape: shape})[0]; got != want {
				t.Errorf("outside %v: %s is tensor %g of the file, want %g", outside, key, got, want)
			}
		}
		_, err = Bind(m.Weights, written(t, shape, "layers/functional_1/layers/dense/vars/0", "layers/dense/vars/0"), "")
		if diag.CodeOf(err) != "weights.missing" {
			t.Errorf("outside %v: without the shared weights: %v", outside, err)
		}
	}
}

// TestModelOverTime binds the weights of a model within TimeDistributed.
func TestModelOverTime(t *testing.T) {
	text := `{"class_name": "Sequential", "keras_version": "3.5.0", "config": {"name": "s", "layers": [
		{"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [null, 3, 2]}},
		{"class_name": "TimeDistributed", "config": {"name": "t", "layer": {"class_name": "Sequential", "config": {"name": "n", "layers": [
			{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [null, 2]}},
			{"class_name": "Dense", "config": {"name": "a", "units": 2, "use_bias": false}},
			{"class_name": "Dense", "config": {"name": "b", "units": 2, "use_bias": false}}]}}}},
		{"class_name": "Dense", "config": {"name": "c", "units": 2, "use_bias": false}}]}}`
	m, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if m.Graph.Parameters != 12 || m.Graph.LayerCount != 2 {
		t.Errorf("%d parameters in %d layers", m.Graph.Parameters, m.Graph.LayerCount)
	}
	shape := []int64{2, 2}
	s, err := Bind(m.Weights, written(t, shape, "layers/time_distributed/layer/layers/dense/vars/0", "layers/time_distributed/layer/layers/dense_1/vars/0", "layers/dense/vars/0"), "")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float32{"t/a/kernel": 1, "t/b/kernel": 2, "c/kernel": 3} {
		if got := values(t, s, StoredWeight{Key: key, Shape: shape})[0]; got != want {
			t.Errorf("%s is tensor %g of the file, want %g", key, got, want)
		}
	}
}
