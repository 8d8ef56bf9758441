//go:build cgo

package split

import (
	"fmt"
	"math"
	"testing"
)

func sigmoid(v float64) float64 { return 1 / (1 + math.Exp(-v)) }

func clamp(v, low, high float64) float64 { return math.Max(low, math.Min(high, v)) }

// refActivation computes an activation by its Keras name.
func refActivation(name any, major int) func(float64) float64 {
	switch name {
	case "tanh":
		return math.Tanh
	case "sigmoid":
		return sigmoid
	case "relu":
		return func(v float64) float64 { return math.Max(v, 0) }
	case "linear", nil:
		return func(v float64) float64 { return v }
	case "softsign":
		return func(v float64) float64 { return v / (1 + math.Abs(v)) }
	case "softplus":
		return func(v float64) float64 { return math.Log1p(math.Exp(v)) }
	case "elu":
		return func(v float64) float64 {
			if v < 0 {
				return math.Expm1(v)
			}
			return v
		}
	case "selu":
		return func(v float64) float64 {
			const scale, alpha = 1.0507009873554805, 1.6732632423543772
			if v < 0 {
				return scale * alpha * math.Expm1(v)
			}
			return scale * v
		}
	case "hard_sigmoid":
		if major < 3 {
			return func(v float64) float64 { return clamp(0.2*v+0.5, 0, 1) }
		}
		return func(v float64) float64 { return clamp(v+3, 0, 6) / 6 }
	case "leaky_relu":
		return func(v float64) float64 { return math.Max(v, 0) + 0.2*math.Min(v, 0) }
	case "silu":
		return func(v float64) float64 { return v * sigmoid(v) }
	}
	panic(fmt.Sprint(name))
}

// refCell is a recurrent cell by Keras's formulas. The gates of kernels lie in Keras's order.
type refCell struct {
	kind                    string
	units                   int
	kernel, recurrent, bias *array
	activation, gate        func(float64) float64
	resetAfter, twoBiases   bool
}

// step goes from one state to the next; a state of LSTM is (h, c).
func (c *refCell) step(x []float64, state [][]float64) [][]float64 {
	n := map[string]int{"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[c.kind] * c.units
	fromInput, fromState := make([]float64, n), make([]float64, n)
	h := state[0]
	for j := range n {
		for i, v := range x {
			fromInput[j] += v * c.kernel.at(i, j)
		}
		for i, v := range h {
			fromState[j] += v * c.recurrent.at(i, j)
		}
		if c.bias != nil {
			fromInput[j] += c.bias.data[j]
			if c.resetAfter || c.twoBiases {
				fromState[j] += c.bias.data[n+j]
			}
		}
	}
	u := c.units
	next := make([]float64, u)
	switch c.kind {
	case "SimpleRNN":
		for k := range u {
			next[k] = c.activation(fromInput[k] + fromState[k])
		}
		return [][]float64{next}
	case "LSTM":
		carry := make([]float64, u)
		for k := range u {
			z := func(g int) float64 { return fromInput[g*u+k] + fromState[g*u+k] }
			carry[k] = c.gate(z(1))*state[1][k] + c.gate(z(0))*c.activation(z(2))
			next[k] = c.gate(z(3)) * c.activation(carry[k])
		}
		return [][]float64{next, carry}
	}
	reset := make([]float64, u)
	for k := range u {
		reset[k] = c.gate(fromInput[u+k] + fromState[u+k])
	}
	for k := range u {
		inner := reset[k] * fromState[2*u+k]
		if !c.resetAfter {
			inner = 0
			for i, v := range h {
				inner += reset[i] * v * c.recurrent.at(i, 2*u+k)
			}
		}
		z := c.gate(fromInput[k] + fromState[k])
		next[k] = z*h[k] + (1-z)*c.activation(fromInput[2*u+k]+inner)
	}
	return [][]float64{next}
}

// run goes through time as Keras's backend does: outputs in the order of processing, and the last states.
func (c *refCell) run(x, mask *array, initial []*array, backwards, zeroMasked bool) (all, last *array, states []*array) {
	batch, time := x.shape[0], x.shape[1]
	all, last = zeros(batch, time, c.units), zeros(batch, c.units)
	n := 1
	if c.kind == "LSTM" {
		n = 2
	}
	for range n {
		states = append(states, zeros(batch, c.units))
	}
	for b := range batch {
		state := make([][]float64, n)
		for k := range n {
			state[k] = make([]float64, c.units)
			if initial != nil {
				copy(state[k], initial[k].data[b*c.units:])
			}
		}
		previous := make([]float64, c.units)
		for k := range time {
			at := k
			if backwards {
				at = time - 1 - k
			}
			features := x.data[(b*time+at)*x.shape[2] : (b*time+at+1)*x.shape[2]]
			out := previous
			if mask == nil || mask.at(b, at) != 0 {
				state = c.step(features, state)
				out = state[0]
			} else if zeroMasked {
				out = make([]float64, c.units)
			}
			previous = out
			copy(all.data[(b*time+k)*c.units:], out)
		}
		copy(last.data[b*c.units:], previous)
		for k := range n {
			copy(states[k].data[b*c.units:], state[k])
		}
	}
	return all, last, states
}

func (r *trial) cell(kind, prefix string, units, major int, o object) *refCell {
	c := &refCell{kind: kind, units: units, kernel: r.weights[prefix+"kernel"], recurrent: r.weights[prefix+"recurrent_kernel"], bias: r.weights[prefix+"bias"]}
	c.activation, c.gate = refActivation(o["activation"], major), sigmoid
	if o["recurrent_activation"] != nil {
		c.gate = refActivation(o["recurrent_activation"], major)
	}
	c.resetAfter = o["reset_after"] == true
	return c
}

// sentences are token ids with padding in front, behind and between, and one of nothing but padding.
var sentences = map[string][]int32{"x": {3, 1, 0, 4, 2, 0, 0, 0, 5, 1, 6, 2, 0, 0, 0, 0, 0, 0}}

func TestRecurrent(t *testing.T) {
	runtimeReady(t)
	for _, kind := range []string{"LSTM", "GRU", "SimpleRNN"} {
		for _, major := range []int{2, 3} {
			for n, v := range []object{
				{"activation": "tanh", "recurrent_activation": "sigmoid"},
				{"activation": "tanh", "recurrent_activation": "hard_sigmoid"},
				{"activation": "relu", "recurrent_activation": "sigmoid", "use_bias": false},
				{"activation": "softsign", "recurrent_activation": "hard_sigmoid", "go_backwards": true},
				{"activation": "elu", "recurrent_activation": "softsign"},
				{"activation": "linear", "recurrent_activation": "hard_sigmoid", "reset_after": true},
				{"activation": "leaky_relu", "recurrent_activation": "sigmoid", "reset_after": true, "go_backwards": true},
				{"activation": "softplus", "recurrent_activation": "tanh", "reset_after": true, "use_bias": false},
				{"activation": "selu", "recurrent_activation": "sigmoid"}, // unrolled
				{"activation": "silu", "recurrent_activation": "hard_sigmoid", "reset_after": true, "go_backwards": true},
			} {
				for _, masked := range []bool{false, true} {
					for _, zeroMasked := range []bool{false, true} {
						for _, sequences := range []bool{false, true} {
							if zeroMasked && !masked || major == 2 && zeroMasked {
								continue
							}
							o := object{"units": 5, "return_sequences": sequences}
							for k, x := range v {
								o[k] = x
							}
							if zeroMasked {
								o["zero_output_for_mask"] = true
							}
							if kind != "GRU" {
								delete(o, "reset_after")
							} else if o["reset_after"] == nil {
								o["reset_after"] = false
							}
							if kind == "SimpleRNN" {
								delete(o, "recurrent_activation")
							}
							r := newTrial(t, sequential(major, "int32", []int{6}, "Embedding", object{"input_dim": 7, "output_dim": 4, "mask_zero": masked}, kind, o), sentences)
							x, mask := r.embedded("l1/embeddings")
							if !masked {
								mask = nil
							}
							all, last, _ := r.cell(kind, "l2/", 5, major, o).run(x, mask, nil, o["go_backwards"] == true, zeroMasked)
							want := last
							if sequences {
								want = all
							}
							r.check(fmt.Sprintf("%s of Keras %d, %d, masked %v %v, sequences %v", kind, major, n, masked, zeroMasked, sequences), want)
						}
					}
				}
			}
		}
	}
}

// embedded looks the sentences up.
func (r *trial) embedded(table string) (x, mask *array) {
	ids, w := r.given["x"], r.weights[table]
	x, mask = zeros(ids.shape[0], ids.shape[1], w.shape[1]), zeros(ids.shape...)
	for i, id := range ids.data {
		copy(x.data[i*w.shape[1]:], w.data[int(id)*w.shape[1]:(int(id)+1)*w.shape[1]])
		if id != 0 {
			mask.data[i] = 1
		}
	}
	return x, mask
}

func TestBidirectional(t *testing.T) {
	runtimeReady(t)
	for _, major := range []int{2, 3} {
		for _, kind := range []string{"LSTM", "GRU", "SimpleRNN"} {
			for _, merge := range []any{"concat", "sum", "mul", "ave"} {
				for _, sequences := range []bool{false, true} {
					for _, masked := range []bool{false, true} {
						inner := object{"name": "inner", "units": 5, "return_sequences": sequences, "activation": "tanh"}
						if kind != "SimpleRNN" {
							inner["recurrent_activation"] = "sigmoid"
						}
						if kind == "GRU" {
							inner["reset_after"] = true
						}
						r := newTrial(t, sequential(major, "int32", []int{6}, "Embedding", object{"input_dim": 7, "output_dim": 4, "mask_zero": masked},
							"Bidirectional", object{"merge_mode": merge, "layer": object{"class_name": kind, "config": inner}}), sentences)
						x, mask := r.embedded("l1/embeddings")
						if !masked {
							mask = nil
						}
						zero := major == 3 && sequences
						all, last, _ := r.cell(kind, "l2/forward_", 5, major, inner).run(x, mask, nil, false, zero)
						back, lastBack, _ := r.cell(kind, "l2/backward_", 5, major, inner).run(x, mask, nil, true, zero)
						a, b := last, lastBack
						if sequences {
							a, b = all, zeros(back.shape...)
							each(b.shape, func(i []int) { b.set(back.at(i[0], b.shape[1]-1-i[1], i[2]), i...) })
						}
						r.check(fmt.Sprintf("%s of Keras %d, %v, sequences %v, masked %v", kind, major, merge, sequences, masked), mergedWays(a, b, merge))
					}
				}
			}
		}
	}
}

// TestStates hands the last states of one layer to the next, with masks, as an encoder and a decoder do.
func TestStates(t *testing.T) {
	runtimeReady(t)
	for _, kind := range []string{"LSTM", "GRU", "SimpleRNN"} {
		for _, activation := range []string{"tanh", "selu"} {
			ref := func(layer string, tensor int) any { return []any{layer, 0, tensor} }
			states := []any{ref("encoder", 1)}
			if kind == "LSTM" {
				states = append(states, ref("encoder", 2))
			}
			o := func(name string, more object) object {
				config := object{"name": name, "units": 4, "activation": activation, "return_state": true}
				if kind != "SimpleRNN" {
					config["recurrent_activation"] = "sigmoid"
				}
				if kind == "GRU" {
					config["reset_after"] = false
				}
				for k, v := range more {
					config[k] = v
				}
				return config
			}
			layer := func(class string, config object, inbound ...any) object {
				if inbound == nil {
					inbound = []any{}
				}
				return object{"class_name": class, "name": config["name"], "config": config, "inbound_nodes": inbound}
			}
			config := options(object{"class_name": "Model", "keras_version": "2.2.4", "config": object{"name": "m", "layers": []any{
				layer("InputLayer", object{"name": "x", "batch_input_shape": []any{nil, 6}, "dtype": "int32"}),
				layer("Embedding", object{"name": "embedding", "input_dim": 7, "output_dim": 4, "mask_zero": true}, []any{[]any{"x", 0, 0, object{}}}),
				layer(kind, o("encoder", nil), []any{[]any{"embedding", 0, 0, object{}}}),
				layer(kind, o("decoder", object{"return_sequences": true, "go_backwards": true}), []any{[]any{"embedding", 0, 0, object{"initial_state": states}}}),
			}, "input_layers": []any{ref("x", 0)}, "output_layers": []any{ref("decoder", 0), ref("decoder", 1), ref("encoder", 0)}}})
			r := newTrial(t, config, sentences)
			x, mask := r.embedded("embedding/embeddings")
			_, last, carried := r.cell(kind, "encoder/", 4, 2, o("encoder", nil)).run(x, mask, nil, false, false)
			all, _, after := r.cell(kind, "decoder/", 4, 2, o("decoder", nil)).run(x, mask, carried, true, false)
			r.check(kind+" "+activation, all, after[0], last)
		}
	}
}
