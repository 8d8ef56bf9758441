//go:build cgo

package split

import (
	"fmt"
	"math"
	"testing"
)

// TestNormalizedConvolutions folds stored averages into convolutions over one, two and three axes, and leaves them beside
// transposed ones.
func TestNormalizedConvolutions(t *testing.T) {
	runtimeReady(t)
	for rank := 1; rank <= 3; rank++ {
		for _, class := range []string{"Conv%dD", "Conv%dDTranspose"} {
			for _, format := range []string{"channels_last", "channels_first"} {
				shape, in, out := layoutOf(format, rank, 4)
				axis := -1
				if format == "channels_first" {
					axis = 1
				}
				r := newTrial(t, sequential(3, "float32", shape, fmt.Sprintf(class, rank), object{"filters": 5, "kernel_size": uniform(2, rank), "padding": "same",
					"data_format": format}, "BatchNormalization", object{"axis": axis}), nil)
				var y *array
				if class == "Conv%dD" {
					y = r.conv(in(r.given["x"]), "l1/kernel", "l1/bias", "same", 2, 1, 1, 1)
				} else {
					y = refTransposed(in(r.given["x"]), r.weights["l1/kernel"], r.weights["l1/bias"], uniform(1, rank), uniform(1, rank), "same", nil)
				}
				w := func(name string, i []int) float64 { return r.weights["l2/"+name].data[i[len(i)-1]] }
				each(y.shape, func(i []int) {
					y.set((y.at(i...)-w("moving_mean", i))/math.Sqrt(w("moving_variance", i)+1e-3)*w("gamma", i)+w("beta", i), i...)
				})
				r.check(fmt.Sprintf(class+" %s", rank, format), out(y))
			}
		}
	}
}

// TestFloatTokens looks up tokens that come as float32, as Keras's default input type makes them.
func TestFloatTokens(t *testing.T) {
	runtimeReady(t)
	r := newTrial(t, sequential(2, "float32", []int{6}, "Embedding", object{"input_dim": 7, "output_dim": 4, "mask_zero": true}, "Dropout", object{"rate": 0.5},
		"LSTM", object{"units": 5, "return_sequences": true, "recurrent_activation": "hard_sigmoid"}, "GlobalAveragePooling1D", object{}), sentencesWithWords)
	x, mask := r.embedded("l1/embeddings")
	all, _, _ := r.cell("LSTM", "l3/", 5, 2, object{"activation": "tanh", "recurrent_activation": "hard_sigmoid"}).run(x, mask, nil, false, false)
	want := zeros(3, 5)
	for b := range 3 {
		count := 0.0
		for k := range 6 {
			count += mask.at(b, k)
			for d := range 5 {
				want.set(want.at(b, d)+mask.at(b, k)*all.at(b, k, d), b, d)
			}
		}
		for d := range 5 {
			want.set(want.at(b, d)/count, b, d)
		}
	}
	r.check("float tokens", want)
}

var sentencesWithWords = map[string][]int32{"x": {3, 1, 0, 4, 2, 0, 0, 0, 5, 1, 6, 2, 0, 0, 0, 0, 0, 1}}
