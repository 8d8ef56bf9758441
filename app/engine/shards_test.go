package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"partita/app/state"
	"partita/planner"
	"partita/planner/diag"
	"partita/planner/hdf5write"
)

// shard is a file with some of a model's tensors, by their paths.
func shard(t *testing.T, name string, tensors map[string][]int64) *counted {
	t.Helper()
	root := hdf5write.NewGroup()
	for path, shape := range tensors {
		if err := root.Dataset(path, shape, func([]float32, int64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	var data bytes.Buffer
	if err := root.Write(&data); err != nil {
		t.Fatal(err)
	}
	return &counted{name: name, raw: data.Bytes()}
}

// TestWeightsInSeveralFiles opens a list of weights and the files that it names, together with the architecture and after it. All of them are
// sent when the model is deployed, and nothing else.
func TestWeightsInSeveralFiles(t *testing.T) {
	model := &counted{name: "config.json", raw: []byte(`{"class_name": "Sequential", "keras_version": "3.10.0", "config": {"name": "s", "layers": [
		{"class_name": "InputLayer", "config": {"batch_shape": [null, 2], "name": "x"}},
		{"class_name": "Dense", "config": {"name": "a", "units": 3}}, {"class_name": "Dense", "config": {"name": "b", "units": 4, "use_bias": false}}]}}`)}
	list := &counted{name: "m.weights.json", raw: []byte(`{"weight_map": {"/layers/dense/vars": ["m_00000.weights.h5", "m_00001.weights.h5"], "/layers/dense_1/vars": "m_00001.weights.h5"}}`)}
	first := shard(t, "m_00000.weights.h5", map[string][]int64{"layers/dense/vars/0": {2, 3}})
	second := shard(t, "m_00001.weights.h5", map[string][]int64{"layers/dense/vars/1": {3}, "layers/dense_1/vars/0": {3, 4}})
	e := &Engine{}
	alone := state.OpenFiles([]state.File{second, list, first})
	weights, rest := alone.WeightFiles()
	for what, o := range map[string]*state.Opening{
		"together":       state.OpenFiles([]state.File{first, model, second, list}),
		"one by one":     state.OpenFiles([]state.File{model}).WithWeights(weights, rest...),
		"after a reload": restored(state.OpenFiles([]state.File{model}).WithWeights(weights, rest...)),
	} {
		v := asked(t, e, o, planner.DefaultRequest())
		var names []string
		for _, f := range v.Weights() {
			names = append(names, f.Name())
		}
		slices.Sort(names)
		if want := []string{"m.weights.json", "m_00000.weights.h5", "m_00001.weights.h5"}; !slices.Equal(names, want) {
			t.Errorf("%s: the weights are in %v, want %v", what, names, want)
		}
		bundle, err := e.Bundle(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		upload := bundle.Upload(o)
		var packed []byte
		for _, part := range upload.Parts {
			if part.File != nil {
				packed = append(packed, part.File.(*counted).raw...)
			} else {
				packed = append(packed, part.Bytes...)
			}
		}
		if _, err := e.Open(t.Context(), state.OpenFiles([]state.File{model, &counted{name: upload.Name, raw: packed}}), nil); err != nil {
			t.Errorf("%s: what is sent does not open: %v", what, err)
		}
		// The same through the text of a task, as the page's worker gets it.
		task := state.NewTask(state.OpBundle, o, nil)
		if text, err := e.Run(t.Context(), &task, o.AllFiles(), nil, nil); err != nil || strings.Count(string(text), "\n") > 0 {
			t.Errorf("%s: as a task: %s, %v", what, text, err)
		}
	}
	if _, err := e.Open(t.Context(), alone, nil); diag.CodeOf(err) != "model.weights-only" {
		t.Errorf("without an architecture: %v", err)
	}
	for what, o := range map[string]*state.Opening{
		"together":   state.OpenFiles([]state.File{first, model, list}),
		"one by one": state.OpenFiles([]state.File{model}).WithWeights(list, first),
		"none":       state.OpenFiles([]state.File{model}).WithWeights(list),
	} {
		if _, err := e.Open(t.Context(), o, nil); diag.CodeOf(err) != "weights.missing-shards" || !strings.Contains(err.Error(), "m_00001.weights.h5") {
			t.Errorf("%s: of a file that is missing it says: %v", what, err)
		}
	}
}

// restored is an opening as it is after a reload that found all files.
func restored(o *state.Opening) *state.Opening {
	files := map[string]state.File{}
	for _, f := range o.AllFiles() {
		files[f.Key()] = f
	}
	saved := o.Saved(nil)
	return saved.Restored(files)
}
