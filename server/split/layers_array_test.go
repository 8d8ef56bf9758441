//go:build cgo

package split

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"partita/planner/graph"
	"partita/planner/keras"
)

// array is a tensor of float64 for reference computations, written from Keras's documentation with plain loops.
type array struct {
	shape []int
	data  []float64
}

func zeros(shape ...int) *array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return &array{append([]int(nil), shape...), make([]float64, n)}
}

func (a *array) offset(index []int) int {
	at := 0
	for k, i := range index {
		at = at*a.shape[k] + i
	}
	return at
}

func (a *array) at(index ...int) float64     { return a.data[a.offset(index)] }
func (a *array) set(v float64, index ...int) { a.data[a.offset(index)] = v }

// each visits all indices of a shape in order.
func each(shape []int, visit func(index []int)) {
	index := make([]int, len(shape))
	for _, d := range shape {
		if d == 0 {
			return
		}
	}
	for {
		visit(index)
		k := len(shape) - 1
		for ; k >= 0; k-- {
			if index[k]++; index[k] < shape[k] {
				break
			}
			index[k] = 0
		}
		if k < 0 {
			return
		}
	}
}

func (a *array) turned(perm ...int) *array {
	shape := make([]int, len(perm))
	for k, p := range perm {
		shape[k] = a.shape[p]
	}
	out := zeros(shape...)
	source := make([]int, len(perm))
	each(shape, func(index []int) {
		for k, p := range perm {
			source[p] = index[k]
		}
		out.set(a.at(source...), index...)
	})
	return out
}

// channelsLast and channelsFirst turn images between the layouts.
func (a *array) channelsLast() *array {
	perm := []int{0}
	for k := 2; k < len(a.shape); k++ {
		perm = append(perm, k)
	}
	return a.turned(append(perm, 1)...)
}

func (a *array) channelsFirst() *array {
	perm := []int{0, len(a.shape) - 1}
	for k := 1; k < len(a.shape)-1; k++ {
		perm = append(perm, k)
	}
	return a.turned(perm...)
}

func (a *array) mapped(f func(float64) float64) *array {
	out := zeros(a.shape...)
	for i, v := range a.data {
		out.data[i] = f(v)
	}
	return out
}

// trial is a model of a few layers with random weights, and its inputs.
type trial struct {
	t       *testing.T
	rng     *rand.Rand
	weights map[string]*array // by key
	source  memory
	g       *graph.Graph
	inputs  map[string]typed
	given   map[string]*array
}

// newTrial opens a functional or sequential configuration and makes weights and inputs up.
func newTrial(t *testing.T, config string, ints map[string][]int32) *trial {
	t.Helper()
	m, err := keras.Parse([]byte(config))
	if err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	r := &trial{t: t, rng: rand.New(rand.NewPCG(7, uint64(len(config)))), weights: map[string]*array{}, source: memory{}, g: m.Graph,
		inputs: map[string]typed{}, given: map[string]*array{}}
	for _, l := range keras.Stored(m.Weights) {
		for _, w := range l.Weights {
			shape := make([]int, len(w.Shape))
			for i, d := range w.Shape {
				shape[i] = int(d)
			}
			a, s := zeros(shape...), &stored{shape: w.Shape}
			for i := range a.data {
				a.data[i] = float64(float32(r.rng.NormFloat64() * 0.5))
				if strings.HasSuffix(w.Name, "variance") {
					a.data[i] = float64(float32(math.Abs(a.data[i]) + 0.1))
				}
				s.data = append(s.data, float32(a.data[i]))
			}
			r.weights[w.Key], r.source[w.Key] = a, s
		}
	}
	const batch = 3
	for _, p := range m.Graph.Inputs {
		v := m.Graph.Value(p.Value)
		shape := []int{batch}
		x := typed{tensor32: tensor32{shape: []int64{batch}}}
		for _, d := range v.Shape[1:] {
			shape, x.shape = append(shape, int(d)), append(x.shape, d)
		}
		a := zeros(shape...)
		for i := range a.data {
			if list := ints[p.Name]; list != nil {
				a.data[i] = float64(list[i])
			} else {
				a.data[i] = float64(float32(r.rng.NormFloat64()))
			}
			if v.DType == graph.Int32 {
				x.ints = append(x.ints, int32(a.data[i]))
			} else {
				x.data = append(x.data, float32(a.data[i]))
			}
		}
		r.inputs[p.Name], r.given[p.Name] = x, a
	}
	return r
}

// check runs the model whole and cut everywhere and compares its outputs, in the order of the ports.
func (r *trial) check(what string, want ...*array) {
	r.t.Helper()
	for _, cuts := range [][]int{nil, r.g.Cuts()} {
		got := runTyped(r.t, r.g, cuts, r.source, r.inputs)
		if len(want) != len(r.g.Outputs) {
			r.t.Fatalf("%s: %d outputs, expected %d", what, len(r.g.Outputs), len(want))
		}
		for k, p := range r.g.Outputs {
			x, w := got[p.Name], want[k]
			if fmt.Sprint(x.shape) != fmt.Sprint(w.shape) {
				r.t.Errorf("%s: output %d is %v, want %v", what, k, x.shape, w.shape)
				continue
			}
			largest, worst := 1e-3, 0.0
			for i := range w.data {
				largest = math.Max(largest, math.Abs(w.data[i]))
				d := math.Abs(float64(x.data[i]) - w.data[i])
				if math.IsNaN(d) {
					d = math.Inf(1)
				}
				worst = math.Max(worst, d)
			}
			if worst > 2e-5*largest {
				r.t.Errorf("%s, cuts %v: output %d is %g away of %g", what, cuts, k, worst, largest)
			}
		}
	}
}

// options writes a layer's options as JSON.
func options(v map[string]any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// sequential is a model of one input "x" and layers named l1, l2...
func sequential(major int, dtype string, shape []int, layers ...any) string {
	dims := []any{nil}
	for _, d := range shape {
		dims = append(dims, d)
	}
	list := []any{map[string]any{"class_name": "InputLayer", "config": map[string]any{"name": "x", "batch_input_shape": dims, "dtype": dtype}}}
	for i := 0; i < len(layers); i += 2 {
		config := map[string]any{}
		for k, v := range layers[i+1].(map[string]any) {
			config[k] = v
		}
		config["name"] = fmt.Sprintf("l%d", i/2+1)
		list = append(list, map[string]any{"class_name": layers[i], "config": config})
	}
	return options(map[string]any{"class_name": "Sequential", "keras_version": fmt.Sprintf("%d.1.0", major),
		"config": map[string]any{"name": "s", "layers": list}})
}

type object = map[string]any
