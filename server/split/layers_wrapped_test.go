//go:build cgo

package split

import (
	"fmt"
	"math"
	"testing"
)

// TestWrapped runs layers within layers: each step of time by itself, cells on top of each other, a normalised kernel.
func TestWrapped(t *testing.T) {
	runtimeReady(t)
	// A convolution for each of four images.
	inner := object{"class_name": "Conv2D", "config": object{"name": "c", "filters": 3, "kernel_size": 3, "padding": "same", "activation": "relu"}}
	r := newTrial(t, sequential(2, "float32", []int{4, 5, 6, 2}, "TimeDistributed", object{"layer": inner}), nil)
	x, want := r.given["x"], zeros(3, 4, 5, 6, 3)
	for k := range 4 {
		part := zeros(3, 5, 6, 2)
		each(part.shape, func(i []int) { part.set(x.at(i[0], k, i[1], i[2], i[3]), i...) })
		y := r.conv(part, "l1/kernel", "l1/bias", "same", 3, 1, 1, 1)
		each(y.shape, func(i []int) { want.set(math.Max(y.at(i...), 0), i[0], k, i[1], i[2], i[3]) })
	}
	r.check("a convolution for each step", want)

	// A model for each step: a convolution, pooled, and a product with it.
	model := object{"class_name": "Sequential", "config": object{"name": "n", "layers": []any{
		object{"class_name": "InputLayer", "config": object{"name": "i", "batch_input_shape": []any{nil, 5, 6, 2}, "dtype": "float32"}},
		object{"class_name": "Conv2D", "config": object{"name": "c", "filters": 3, "kernel_size": 3, "padding": "same", "activation": "relu"}},
		object{"class_name": "GlobalAveragePooling2D", "config": object{"name": "p"}},
		object{"class_name": "Dense", "config": object{"name": "d", "units": 4}}}}}
	for _, major := range []int{2, 3} {
		r = newTrial(t, sequential(major, "float32", []int{4, 5, 6, 2}, "TimeDistributed", object{"layer": model}, "LSTM", object{"units": 3, "recurrent_activation": "sigmoid"}), nil)
		x, seen := r.given["x"], zeros(3, 4, 4)
		for k := range 4 {
			part := zeros(3, 5, 6, 2)
			each(part.shape, func(i []int) { part.set(x.at(i[0], k, i[1], i[2], i[3]), i...) })
			y := r.conv(part, "l1/c/kernel", "l1/c/bias", "same", 3, 1, 1, 1).mapped(func(v float64) float64 { return math.Max(v, 0) })
			pooled, mean := zeros(3, 3), y.reduced([]int{1, 2}, meanOf)
			each(pooled.shape, func(i []int) { pooled.set(mean.at(i[0], 0, 0, i[1]), i...) })
			d := refDense(pooled, r.weights["l1/d/kernel"], r.weights["l1/d/bias"])
			each(d.shape, func(i []int) { seen.set(d.at(i...), i[0], k, i[1]) })
		}
		_, last, _ := r.cell("LSTM", "l2/", 3, major, object{"activation": "tanh"}).run(seen, nil, nil, false, false)
		r.check("a model for each step", last)
	}

	for _, masked := range []bool{false, true} {
		cells := []any{object{"class_name": "LSTMCell", "config": object{"name": "a", "units": 4, "activation": "tanh", "recurrent_activation": "sigmoid"}},
			object{"class_name": "GRUCell", "config": object{"name": "b", "units": 3, "activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": true}}}
		r := newTrial(t, sequential(3, "int32", []int{6}, "Embedding", object{"input_dim": 7, "output_dim": 4, "mask_zero": masked},
			"RNN", object{"return_sequences": true, "cell": object{"class_name": "StackedRNNCells", "config": object{"name": "s", "cells": cells}}}), sentences)
		x, mask := r.embedded("l1/embeddings")
		if !masked {
			mask = nil
		}
		lower, _, _ := r.cell("LSTM", "l2/cell_0_", 4, 3, object{"activation": "tanh"}).run(x, mask, nil, false, false)
		upper, _, _ := r.cell("GRU", "l2/cell_1_", 3, 3, object{"activation": "tanh", "reset_after": true}).run(lower, mask, nil, false, false)
		r.check(fmt.Sprint("stacked cells, masked ", masked), upper)
	}

	r = newTrial(t, sequential(3, "float32", []int{5}, "SpectralNormalization", object{"power_iterations": 1,
		"layer": object{"class_name": "Dense", "config": object{"name": "d", "units": 3}}}), nil)
	r.check("a normalised kernel", refDense(r.given["x"], r.weights["l1/kernel"], r.weights["l1/bias"]))
}

// TestGateByGate reads the weights of Keras 1, which stores each gate by itself, and of CuDNN's layers with two biases.
func TestGateByGate(t *testing.T) {
	runtimeReady(t)
	join := func(r *trial, kind, prefix string, gates ...string) *array {
		first := r.weights["l1/"+kind+gates[0]]
		rows, units := 1, first.shape[len(first.shape)-1]
		if len(first.shape) == 2 {
			rows = first.shape[0]
		}
		out := zeros(rows, units*len(gates))
		for g, name := range gates {
			w := r.weights["l1/"+prefix+kind+name]
			for i := range rows {
				copy(out.data[i*units*len(gates)+g*units:], w.data[i*units:(i+1)*units])
			}
		}
		return out
	}
	for kind, gates := range map[string][]string{"LSTM": {"i", "f", "c", "o"}, "GRU": {"z", "r", "h"}} {
		r := newTrial(t, sequential(1, "float32", []int{6, 4}, kind, object{"output_dim": 5, "activation": "tanh", "inner_activation": "hard_sigmoid", "return_sequences": true}), nil)
		c := &refCell{kind: kind, units: 5, kernel: join(r, "W_", "", gates...), recurrent: join(r, "U_", "", gates...), bias: join(r, "b_", "", gates...),
			activation: math.Tanh, gate: refActivation("hard_sigmoid", 1)}
		all, _, _ := c.run(r.given["x"], nil, nil, false, false)
		r.check(kind+" of Keras 1", all)

		r = newTrial(t, sequential(2, "float32", []int{6, 4}, "CuDNN"+kind, object{"units": 5, "return_sequences": true}), nil)
		c = r.cell(kind, "l1/", 5, 2, object{"activation": "tanh"})
		c.twoBiases, c.resetAfter = true, kind == "GRU"
		all, _, _ = c.run(r.given["x"], nil, nil, false, false)
		r.check("CuDNN"+kind, all)
	}
}

// TestResizing compares with interpolation at half-pixel centres, element by element.
func TestResizing(t *testing.T) {
	runtimeReady(t)
	bilinear := func(x *array, height, width int) *array {
		y := zeros(x.shape[0], height, width, x.shape[3])
		each(y.shape, func(o []int) {
			place := func(at, in, out int) (low, high int, part float64) {
				p := clamp((float64(at)+0.5)*float64(in)/float64(out)-0.5, 0, float64(in-1))
				low = int(p)
				return low, min(low+1, in-1), p - float64(low)
			}
			r0, r1, p := place(o[1], x.shape[1], height)
			c0, c1, q := place(o[2], x.shape[2], width)
			v := func(r, c int) float64 { return x.at(o[0], r, c, o[3]) }
			y.set((1-p)*((1-q)*v(r0, c0)+q*v(r0, c1))+p*((1-q)*v(r1, c0)+q*v(r1, c1)), o...)
		})
		return y
	}
	for _, size := range [][2]int{{10, 9}, {3, 4}, {7, 5}, {13, 2}} {
		r := newTrial(t, sequential(3, "float32", []int{7, 5, 2}, "Resizing", object{"height": size[0], "width": size[1], "interpolation": "bilinear"}), nil)
		r.check(fmt.Sprint("bilinear ", size), bilinear(r.given["x"], size[0], size[1]))
		r = newTrial(t, sequential(3, "float32", []int{7, 5, 2}, "Resizing", object{"height": size[0], "width": size[1], "interpolation": "nearest"}), nil)
		x, want := r.given["x"], zeros(3, size[0], size[1], 2)
		each(want.shape, func(o []int) {
			want.set(x.at(o[0], int((float64(o[1])+0.5)*7/float64(size[0])), int((float64(o[2])+0.5)*5/float64(size[1])), o[3]), o...)
		})
		r.check(fmt.Sprint("nearest ", size), want)
	}
	r := newTrial(t, sequential(3, "float32", []int{4, 5, 2}, "UpSampling2D", object{"size": []int{2, 3}, "interpolation": "bilinear"}), nil)
	r.check("up-sampling", bilinear(r.given["x"], 8, 15))
	r = newTrial(t, sequential(3, "float32", []int{7, 6, 2}, "CenterCrop", object{"height": 4, "width": 3}), nil)
	x, want := r.given["x"], zeros(3, 4, 3, 2)
	each(want.shape, func(o []int) { want.set(x.at(o[0], o[1]+1, o[2]+1, o[3]), o...) })
	r.check("the middle", want)
}
