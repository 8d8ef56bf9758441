//go:build cgo

package split

import (
	"fmt"
	"math"
	"testing"
)

// refConvLSTM goes through (batch, time, space, channels) step by step; mask may be nil. It gives the outputs of all steps
// and the last output and states.
func refConvLSTM(x, kernel, recurrent, bias, mask *array, padding string, stride, dilation int, act, gate func(float64) float64, backwards, zeroed bool) (all, last, state, memory *array) {
	rank := len(x.shape) - 3
	units := kernel.shape[rank+1] / 4
	before, out := make([]int, rank), make([]int, rank)
	inner, size := make([]int, rank), make([]int, rank)
	for a := range rank {
		before[a], out[a] = refWindow(padding, x.shape[a+2], kernel.shape[a], stride, dilation)
		inner[a], size[a] = refWindow("same", out[a], kernel.shape[a], 1, 1)
	}
	shape := append(append([]int{x.shape[0]}, out...), units)
	state, memory, last = zeros(shape...), zeros(shape...), zeros(shape...)
	all = zeros(append([]int{x.shape[0], x.shape[1]}, shape[1:]...)...)
	for k := range x.shape[1] {
		at := k
		if backwards {
			at = x.shape[1] - 1 - k
		}
		step := zeros(append([]int{x.shape[0]}, x.shape[2:]...)...)
		each(step.shape, func(i []int) { step.set(x.at(append([]int{i[0], at}, i[1:]...)...), i...) })
		a := refConv(step, kernel, bias, uniform(stride, rank), uniform(dilation, rank), before, out, 1)
		b := refConv(state, recurrent, nil, uniform(1, rank), uniform(1, rank), inner, size, 1)
		next, keep := zeros(shape...), zeros(shape...)
		each(shape, func(i []int) {
			z := func(g int) float64 {
				j := append([]int{}, i...)
				j[rank+1] += g * units
				return a.at(j...) + b.at(j...)
			}
			c := gate(z(1))*memory.at(i...) + gate(z(0))*act(z(2))
			h := gate(z(3)) * act(c)
			out := h
			if mask != nil && mask.at(i[0], at) == 0 {
				c, h, out = memory.at(i...), state.at(i...), last.at(i...)
				if zeroed {
					out = 0
				}
			}
			next.set(h, i...)
			keep.set(c, i...)
			last.set(out, i...)
			all.set(out, append([]int{i[0], k}, i[1:]...)...)
		})
		state, memory = next, keep
	}
	return all, last, state, memory
}

func TestConvLSTM(t *testing.T) {
	runtimeReady(t)
	for rank, space := range [][]int{1: {7}, 2: {5, 4}, 3: {4, 3, 3}} {
		if rank == 0 {
			continue
		}
		for n, o := range []object{
			{"padding": "same", "recurrent_activation": "hard_sigmoid", "return_sequences": true},
			{"padding": "valid", "recurrent_activation": "sigmoid", "activation": "relu", "go_backwards": true},
			{"padding": "same", "strides": uniform(2, rank), "use_bias": false, "recurrent_activation": "sigmoid", "return_sequences": true, "go_backwards": true},
			{"padding": "same", "dilation_rate": uniform(2, rank), "recurrent_activation": "sigmoid"},
		} {
			for _, major := range []int{2, 3} {
				for _, format := range []string{"channels_last", "channels_first"} {
					config := object{"filters": 3, "kernel_size": uniform(2, rank), "data_format": format}
					for k, v := range o {
						config[k] = v
					}
					shape, turn, back := append(append([]int{4}, space...), 2), []int(nil), []int(nil)
					if format == "channels_first" {
						shape = append([]int{4, 2}, space...)
						turn, back = []int{0, 1}, []int{0, 1, rank + 2}
						for a := range rank {
							turn, back = append(turn, a+3), append(back, a+2)
						}
						turn = append(turn, 2)
					}
					r := newTrial(t, sequential(major, "float32", shape, fmt.Sprintf("ConvLSTM%dD", rank), config), nil)
					x := r.given["x"]
					if turn != nil {
						x = x.turned(turn...)
					}
					stride, dilation := 1, 1
					if o["strides"] != nil {
						stride = 2
					}
					if o["dilation_rate"] != nil {
						dilation = 2
					}
					act := math.Tanh
					if o["activation"] != nil {
						act = refActivation(o["activation"], major)
					}
					all, last, _, _ := refConvLSTM(x, r.weights["l1/kernel"], r.weights["l1/recurrent_kernel"], r.weights["l1/bias"], nil, o["padding"].(string),
						stride, dilation, act, refActivation(o["recurrent_activation"], major), o["go_backwards"] == true, false)
					want := last
					if o["return_sequences"] == true {
						if want = all; back != nil {
							want = all.turned(back...)
						}
					} else if back != nil {
						want = last.channelsFirst()
					}
					r.check(fmt.Sprintf("ConvLSTM%dD %d of Keras %d, %s", rank, n, major, format), want)
				}
			}
		}
	}
	// With a mask given by hand, and the last states.
	for _, zeroed := range []bool{false, true} {
		o := object{"filters": 2, "kernel_size": []int{2, 2}, "padding": "same", "return_state": true, "return_sequences": true, "zero_output_for_mask": zeroed}
		r := newTrial(t, functional([]any{port("c"), []any{"c", 0, 1}, []any{"c", 0, 2}}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 6, 4, 3, 2}}},
			[]any{"InputLayer", "m", object{"batch_shape": []any{nil, 6}}},
			[]any{"ConvLSTM2D", "c", o, []any{kerasTensor("x", 0)}, object{"mask": kerasTensor("m", 0)}}),
			map[string][]int32{"m": {1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0}})
		all, _, h, c := refConvLSTM(r.given["x"], r.weights["c/kernel"], r.weights["c/recurrent_kernel"], r.weights["c/bias"], r.given["m"], "same", 1, 1,
			math.Tanh, sigmoid, false, zeroed)
		r.check(fmt.Sprint("a mask, zeroed ", zeroed), all, h, c)
	}
}

// TestBidirectionalConvLSTM goes both ways through convolutions, with the channels, which are joined, in either place.
func TestBidirectionalConvLSTM(t *testing.T) {
	runtimeReady(t)
	n := 0
	for rank, space := range [][]int{1: {5}, 2: {4, 3}, 3: {3, 2, 2}} {
		if rank == 0 {
			continue
		}
		for _, format := range []string{"channels_last", "channels_first"} {
			for _, sequences := range []bool{false, true} {
				for _, masked := range []bool{false, true} {
					merge, major := []any{"concat", "sum", "mul", "ave"}[n%4], 3-n/4%2
					n++
					inner := object{"name": "inner", "filters": 3, "kernel_size": uniform(2, rank), "padding": "same", "data_format": format,
						"return_sequences": sequences, "recurrent_activation": "sigmoid"}
					shape, turn, back := append(append([]any{nil, 4}, anys(space)...), 2), []int(nil), []int{0, 1, rank + 2}
					if format == "channels_first" {
						shape, turn = append([]any{nil, 4, 2}, anys(space)...), []int{0, 1}
						for a := range rank {
							turn = append(turn, a+3)
						}
						turn = append(turn, 2)
					}
					for a := range rank {
						back = append(back, a+2)
					}
					layer := object{"merge_mode": merge, "layer": object{"class_name": fmt.Sprintf("ConvLSTM%dD", rank), "config": inner}}
					config, given := "", map[string][]int32(nil)
					if masked {
						major = 3
						config = functional([]any{port("b")}, []any{"InputLayer", "x", object{"batch_shape": shape}}, []any{"InputLayer", "m", object{"batch_shape": []any{nil, 4}}},
							[]any{"Bidirectional", "b", layer, []any{kerasTensor("x", 0)}, object{"mask": kerasTensor("m", 0)}})
						given = map[string][]int32{"m": {1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0}}
					} else {
						var fixed []int
						for _, d := range shape[1:] {
							fixed = append(fixed, d.(int))
						}
						config = sequential(major, "float32", fixed, "Bidirectional", layer)
					}
					r := newTrial(t, config, given)
					name := "l1/"
					if masked {
						name = "b/"
					}
					x, mask := r.given["x"], r.given["m"]
					if turn != nil {
						x = x.turned(turn...)
					}
					run := func(direction string, backwards bool) (all, last *array) {
						w := func(of string) *array { return r.weights[name+direction+of] }
						all, last, _, _ = refConvLSTM(x, w("kernel"), w("recurrent_kernel"), w("bias"), mask, "same", 1, 1, math.Tanh, sigmoid, backwards, sequences)
						return all, last
					}
					all, a := run("forward_", false)
					reversed, b := run("backward_", true)
					if sequences {
						a, b = all, zeros(reversed.shape...)
						each(b.shape, func(i []int) {
							j := append([]int{}, i...)
							j[1] = b.shape[1] - 1 - i[1]
							b.set(reversed.at(j...), i...)
						})
					}
					if format == "channels_first" {
						if sequences {
							a, b = a.turned(back...), b.turned(back...)
						} else {
							a, b = a.channelsFirst(), b.channelsFirst()
						}
					}
					r.check(fmt.Sprintf("ConvLSTM%dD of Keras %d, %s, %v, sequences %v, masked %v", rank, major, format, merge, sequences, masked), mergedWays(a, b, merge))
				}
			}
		}
	}
}

func anys(list []int) []any {
	var out []any
	for _, d := range list {
		out = append(out, d)
	}
	return out
}

// mergedWays is what Bidirectional makes of the outputs of both directions.
func mergedWays(a, b *array, mode any) *array {
	n := len(a.shape) - 1
	size := a.shape[n]
	shape := append([]int{}, a.shape...)
	if mode == "concat" {
		shape[n] *= 2
	}
	want := zeros(shape...)
	each(shape, func(i []int) {
		if mode == "concat" {
			from, j := a, append([]int{}, i...)
			if j[n] >= size {
				from, j[n] = b, j[n]-size
			}
			want.set(from.at(j...), i...)
			return
		}
		p, q := a.at(i...), b.at(i...)
		want.set(map[any]float64{"sum": p + q, "mul": p * q, "ave": (p + q) / 2}[mode], i...)
	})
	return want
}
