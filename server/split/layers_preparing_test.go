//go:build cgo

package split

import (
	"fmt"
	"math"
	"testing"
)

// TestPreparing runs layers that prepare numbers and pictures for a model.
func TestPreparing(t *testing.T) {
	runtimeReady(t)
	for _, first := range []bool{false, true} { // after an image layer the channels lie in front
		run := func(what, class string, config object, want func(a *array, w func(name string) *array) *array) {
			t.Helper()
			layers, key := []any{class, config}, "l1/"
			if first {
				layers, key = []any{"MaxPooling2D", object{"pool_size": 1}, class, config}, "l2/"
			}
			r := newTrial(t, sequential(3, "float32", []int{4, 5, 3}, layers...), nil)
			r.check(what, want(r.given["x"], func(name string) *array { return r.weights[key+name] }))
		}
		run("a scale for each channel", "Rescaling", object{"scale": []any{0.5, 2.0, 3.0}, "offset": object{"class_name": "__numpy__", "config": object{"value": []any{1.0, 0.0, -1.0}, "dtype": "float32"}}},
			func(a *array, _ func(string) *array) *array {
				y := zeros(a.shape...)
				each(y.shape, func(i []int) { y.set(a.at(i...)*[]float64{0.5, 2, 3}[i[3]]+float64(1-i[3]), i...) })
				return y
			})
		run("normalised along two axes", "Normalization", object{"axis": []any{1, -1}}, func(a *array, w func(string) *array) *array {
			y := zeros(a.shape...)
			each(y.shape, func(i []int) {
				y.set((a.at(i...)-w("mean").at(i[1], i[3]))/math.Sqrt(w("variance").at(i[1], i[3])), i...)
			})
			return y
		})
		run("normalised by given numbers", "Normalization", object{"axis": []any{2, 3}, "mean": []any{[]any{0.0, 1.0, 2.0}, []any{3.0, 4.0, 5.0}, []any{6.0, 7.0, 8.0}, []any{9.0, 10.0, 11.0}, []any{12.0, 13.0, 14.0}},
			"variance": 4.0}, func(a *array, _ func(string) *array) *array {
			y := zeros(a.shape...)
			each(y.shape, func(i []int) { y.set((a.at(i...)-float64(3*i[2]+i[3]))/2, i...) })
			return y
		})
		for _, axes := range [][]any{{2.0}, {1.0, 3.0}} {
			run(fmt.Sprint("stored averages along ", axes), "BatchNormalization", object{"axis": axes}, func(a *array, w func(string) *array) *array {
				y := zeros(a.shape...)
				each(y.shape, func(i []int) {
					at := []int{i[2]}
					if len(axes) == 2 {
						at = []int{i[1], i[3]}
					}
					y.set((a.at(i...)-w("moving_mean").at(at...))/math.Sqrt(w("moving_variance").at(at...)+1e-3)*w("gamma").at(at...)+w("beta").at(at...), i...)
				})
				return y
			})
		}
		run("softmax over two axes", "Softmax", object{"axis": []any{1, 3}}, func(a *array, _ func(string) *array) *array {
			sum, y := a.mapped(math.Exp).reduced([]int{1, 3}, func(l []float64) float64 { return meanOf(l) * float64(len(l)) }), zeros(a.shape...)
			each(y.shape, func(i []int) { y.set(math.Exp(a.at(i...))/sum.at(i...), i...) })
			return y
		})
		for _, span := range [][2]float64{{0, 255}, {-1, 1}} {
			run("contrast", "AutoContrast", object{"value_range": []any{span[0], span[1]}}, func(a *array, _ func(string) *array) *array {
				low, high := a.reduced([]int{1, 2}, func(l []float64) float64 {
					m := l[0]
					for _, v := range l {
						m = math.Min(m, v)
					}
					return m
				}),
					a.reduced([]int{1, 2}, func(l []float64) float64 {
						m := l[0]
						for _, v := range l {
							m = math.Max(m, v)
						}
						return m
					})
				y := zeros(a.shape...)
				each(y.shape, func(i []int) {
					y.set((a.at(i...)-low.at(i...))/(high.at(i...)-low.at(i...))*(span[1]-span[0])+span[0], i...)
				})
				return y
			})
		}
		run("a pipeline", "Pipeline", object{"layers": []any{object{"class_name": "RandomFlip", "config": object{"name": "f", "mode": "horizontal"}},
			object{"class_name": "Rescaling", "config": object{"name": "r", "scale": 0.5, "offset": 1.0}}, object{"class_name": "CenterCrop", "config": object{"name": "c", "height": 2, "width": 3}}}},
			func(a *array, _ func(string) *array) *array {
				y := zeros(3, 2, 3, 3)
				each(y.shape, func(i []int) { y.set(a.at(i[0], i[1]+1, i[2]+1, i[3])/2+1, i...) })
				return y
			})
	}
	for _, class := range []string{"Solarization", "Equalization", "MaxNumBoundingBoxes"} {
		o := object{"data_format": "channels_last"}
		if class == "MaxNumBoundingBoxes" {
			o["max_number"] = 3
		}
		r := newTrial(t, sequential(3, "float32", []int{4, 5, 3}, class, o), nil)
		r.check(class, r.given["x"])
	}
	r := newTrial(t, sequential(2, "float32", []int{6, 8, 2}, "RandomCrop", object{"height": 3, "width": 3}), nil)
	want := zeros(3, 3, 3, 2)
	each(want.shape, func(i []int) { // the middle 6 by 6, halved
		sum := 0.0
		for k := range 4 {
			sum += r.given["x"].at(i[0], 2*i[1]+k/2, 1+2*i[2]+k%2, i[3])
		}
		want.set(sum/4, i...)
	})
	r.check("the crop of Keras 2 in use", want)
}

// TestCategories runs layers that make categories of numbers.
func TestCategories(t *testing.T) {
	runtimeReady(t)
	numbers := map[string][]int32{"x": {-3, 0, 2, 5, 7, 9, 12, 5, 3, 0, 0, 1}}
	shape := []int{4}
	for _, mode := range []string{"one_hot", "multi_hot", "count"} {
		for class, place := range map[string]struct {
			config object
			of     func(v float64) int
			depth  int
		}{
			"Discretization": {object{"bin_boundaries": []any{0.0, 3.0, 7.0}}, func(v float64) int {
				n := 0
				for _, b := range []float64{0, 3, 7} {
					if v >= b {
						n++
					}
				}
				return n
			}, 4},
			"IntegerLookup": {object{"vocabulary": []any{7.0, 0.0, 5.0}, "num_oov_indices": 1, "max_tokens": nil, "oov_token": -1, "mask_token": nil, "invert": false, "vocabulary_dtype": "int64",
				"idf_weights": nil, "pad_to_max_tokens": false}, func(v float64) int {
				for n, k := range []float64{7, 0, 5} {
					if v == k {
						return n + 1
					}
				}
				return 0
			}, 4},
			"CategoryEncoding": {object{"num_tokens": 13}, func(v float64) int { return int(v) }, 13},
		} {
			config := object{"output_mode": mode, "sparse": false}
			for k, v := range place.config {
				config[k] = v
			}
			r := newTrial(t, sequential(3, "int32", shape, class, config), numbers)
			x, want := r.given["x"], zeros(3, place.depth)
			if mode == "one_hot" {
				want = zeros(3, 4, place.depth)
			}
			each(x.shape, func(i []int) {
				p := place.of(x.at(i...))
				switch {
				case p < 0: // of no category
				case mode == "one_hot":
					want.set(1, i[0], i[1], p)
				case mode == "multi_hot":
					want.set(1, i[0], p)
				default:
					want.set(want.at(i[0], p)+1, i[0], p)
				}
			})
			r.check(class+", "+mode, want)
		}
	}
	// Places as whole numbers, looked up in a table and back.
	lookup := func(more object) object {
		o := object{"vocabulary": []any{7.0, 2.0, 5.0}, "num_oov_indices": 1, "mask_token": 0, "output_mode": "int"}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	r := newTrial(t, sequential(2, "int32", shape, "IntegerLookup", lookup(nil), "Embedding", object{"input_dim": 5, "output_dim": 2}), numbers)
	want := zeros(3, 4, 2)
	each(want.shape, func(i []int) {
		place := map[float64]int{0: 0, 7: 2, 2: 3, 5: 4}
		p, known := place[r.given["x"].at(i[0], i[1])]
		if !known {
			p = 1
		}
		want.set(r.weights["l2/embeddings"].at(p, i[2]), i...)
	})
	r.check("places", want)
	r = newTrial(t, sequential(2, "int32", shape, "IntegerLookup", lookup(nil), "IntegerLookup", lookup(object{"invert": true}), "Rescaling", object{"scale": 1}), numbers)
	r.check("there and back", r.given["x"].mapped(func(v float64) float64 {
		if v == 0 || v == 7 || v == 2 || v == 5 {
			return v
		}
		return -1
	}))
	// An embedding and its reverse.
	for _, tied := range []bool{true, false} {
		r = newTrial(t, `{"class_name": "Functional", "keras_version": "3.15.1", "config": {"name": "m", "layers": [
			{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_shape": [null, 6], "dtype": "int32"}, "inbound_nodes": []},
			{"class_name": "ReversibleEmbedding", "name": "e", "config": {"name": "e", "trainable": true, "input_dim": 7, "output_dim": 4, "logit_soft_cap": 2.0, "tie_weights": `+fmt.Sprint(tied)+`},
			 "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}], "kwargs": {"reverse": false}},
			  {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["e", 0, 0]}}], "kwargs": {"reverse": true}}]}],
			"input_layers": [["x", 0, 0]], "output_layers": [["e", 1, 0]]}}`, sentences)
		x, _ := r.embedded("e/embeddings")
		other := r.weights["e/reverse_embeddings"]
		if tied {
			other = r.weights["e/embeddings"].turned(1, 0)
		}
		r.check("in reverse", refDense(x, other, nil).mapped(func(v float64) float64 { return 2 * math.Tanh(v/2) }))
	}
}

// TestSpectrograms compares with the sums that a short Fourier transform by stored kernels is.
func TestSpectrograms(t *testing.T) {
	runtimeReady(t)
	for _, mode := range []string{"log", "magnitude", "psd", "real", "imag", "angle", "stft"} {
		for _, padding := range []string{"valid", "same"} {
			for _, format := range []string{"channels_last", "channels_first"} {
				for _, expand := range []bool{false, true} {
					shape := []int{20, 2}
					if format == "channels_first" {
						shape = []int{2, 20}
					}
					r := newTrial(t, sequential(3, "float32", shape, "STFTSpectrogram", object{"mode": mode, "frame_length": 6, "frame_step": 4, "fft_length": 8, "padding": padding, "expand_dims": expand,
						"data_format": format, "window": "hann", "periodic": false, "scaling": "density"}), nil)
					x := r.given["x"]
					if format == "channels_first" {
						x = x.channelsLast()
					}
					before, frames := refWindow(padding, 20, 6, 4, 1)
					sums := func(name string, b, c, f, k int) float64 {
						kernel, sum := r.weights["l1/"+name], 0.0
						for n := range 6 {
							if at := f*4 - before + n; at >= 0 && at < 20 {
								sum += x.at(b, at, c) * kernel.at(n, 0, k)
							}
						}
						return sum
					}
					bins := 5
					if mode == "stft" {
						bins = 10
					}
					value := func(b, c, f, k int) float64 {
						switch {
						case mode == "real" || mode == "stft" && k < 5:
							return sums("real_kernel", b, c, f, k)
						case mode == "imag" || mode == "stft":
							return sums("imag_kernel", b, c, f, k%5)
						}
						re, im := sums("real_kernel", b, c, f, k), sums("imag_kernel", b, c, f, k)
						switch mode {
						case "angle":
							return math.Atan2(im, re)
						case "psd":
							if k > 0 && k < 4 {
								return 2 * (re*re + im*im)
							}
							return re*re + im*im
						case "magnitude":
							return math.Sqrt(math.Max(re*re+im*im, 1e-7))
						}
						return math.Log(math.Max(math.Sqrt(math.Max(re*re+im*im, 1e-7)), 1e-7))
					}
					want := zeros(3, frames, bins, 2)
					each(want.shape, func(i []int) { want.set(value(i[0], i[3], i[1], i[2]), i...) })
					switch {
					case expand && format == "channels_first":
						want = want.turned(0, 3, 1, 2)
					case expand:
					case format == "channels_first":
						want = &array{[]int{3, 2 * bins, frames}, want.turned(0, 3, 2, 1).data}
					default:
						want = &array{[]int{3, frames, 2 * bins}, want.turned(0, 1, 3, 2).data}
					}
					r.check(fmt.Sprint(mode, padding, format, expand), want)
				}
			}
		}
	}
}

// TestMelSpectrograms compares with Fourier sums of each frame and with triangles between neighbouring centres.
func TestMelSpectrograms(t *testing.T) {
	runtimeReady(t)
	const samples, rate, low, high = 50, 1000.0, 30.0, 450.0
	mel := func(f float64) float64 { return 1127 * math.Log(1+f/700) }
	for _, c := range []struct {
		window                          string
		transform, frame, step, bands   int
		exponent, least, reference, top float64
		decibels                        bool
	}{
		{"hann", 16, 16, 8, 5, 1, 1e-10, 1, 80, false},
		{"hamming", 16, 11, 5, 4, 2, 1e-10, 1, 80, false},
		{"hann", 15, 15, 4, 6, 1, 1e-10, 2, 80, true},
		{"hann", 16, 12, 8, 5, 1.5, 1e-3, 0.5, 6, true},
	} {
		r := newTrial(t, sequential(3, "float32", []int{samples}, "MelSpectrogram", object{"fft_length": c.transform, "sequence_stride": c.step, "sequence_length": c.frame,
			"window": c.window, "sampling_rate": rate, "num_mel_bins": c.bands, "min_freq": low, "max_freq": high, "power_to_db": c.decibels, "top_db": c.top,
			"mag_exp": c.exponent, "min_power": c.least, "ref_power": c.reference}), nil)
		x := r.given["x"]
		half, bins := c.transform/2, c.transform/2+1
		frames := (samples+2*half-c.transform)/c.step + 1
		want := zeros(x.shape[0], c.bands, frames)
		loudest := make([]float64, x.shape[0])
		for b := range loudest {
			loudest[b] = math.Inf(-1)
		}
		each(want.shape, func(i []int) {
			edges := [3]float64{}
			for k := range edges {
				edges[k] = mel(low) + (mel(high)-mel(low))*float64(i[1]+k)/float64(c.bands+1)
			}
			sum := 0.0
			for bin := 1; bin < bins; bin++ {
				at := mel(rate / 2 * float64(bin) / float64(bins-1))
				weight := math.Max(0, math.Min((at-edges[0])/(edges[1]-edges[0]), (edges[2]-at)/(edges[2]-edges[1])))
				re, im := 0.0, 0.0
				for n := range c.frame {
					place := i[2]*c.step + (c.transform-c.frame)/2 + n - half
					if place < 0 {
						place = -place
					}
					if place >= samples {
						place = 2*(samples-1) - place
					}
					window := 0.5 - 0.5*math.Cos(2*math.Pi*float64(n)/float64(c.frame))
					if c.window == "hamming" {
						window = 0.54 - 0.46*math.Cos(2*math.Pi*float64(n)/float64(c.frame))
					}
					angle := 2 * math.Pi * float64(bin) * float64((c.transform-c.frame)/2+n) / float64(c.transform)
					re += x.at(i[0], place) * window * math.Cos(angle)
					im -= x.at(i[0], place) * window * math.Sin(angle)
				}
				sum += weight * math.Pow(math.Hypot(re, im), c.exponent)
			}
			if c.decibels {
				sum = 10*math.Log10(math.Max(sum, c.least)) - 10*math.Log10(c.reference)
			}
			loudest[i[0]] = math.Max(loudest[i[0]], sum)
			want.set(sum, i...)
		})
		if c.decibels {
			each(want.shape, func(i []int) { want.set(math.Max(want.at(i...), loudest[i[0]]-c.top), i...) })
		}
		r.check(fmt.Sprint(c), want)
	}
}

// TestLocallyConnected gives every position a kernel of its own, and runs what only Keras 1 has.
func TestLocallyConnected(t *testing.T) {
	runtimeReady(t)
	r := newTrial(t, sequential(2, "float32", []int{7, 6, 2}, "LocallyConnected2D", object{"filters": 3, "kernel_size": []int{3, 2}, "strides": []int{2, 1}, "activation": "tanh"}), nil)
	want := zeros(3, 3, 5, 3)
	each(want.shape, func(o []int) {
		at := o[1]*5 + o[2]
		sum := r.weights["l1/bias"].at(o[1], o[2], o[3])
		each([]int{3, 2, 2}, func(k []int) {
			sum += r.given["x"].at(o[0], 2*o[1]+k[0], o[2]+k[1], k[2]) * r.weights["l1/kernel"].at(at, (k[0]*2+k[1])*2+k[2], o[3])
		})
		want.set(math.Tanh(sum), o...)
	})
	r.check("pictures", want)
	for major, o := range map[int]object{1: {"nb_filter": 4, "filter_length": 3, "subsample_length": 2, "bias": false}, 2: {"filters": 4, "kernel_size": []int{3}, "strides": []int{2}, "use_bias": false}} {
		r = newTrial(t, sequential(major, "float32", []int{9, 2}, "LocallyConnected1D", o), nil)
		want = zeros(3, 4, 4)
		each([]int{3, 4, 4, 3, 2}, func(i []int) {
			want.set(want.at(i[:3]...)+r.given["x"].at(i[0], 2*i[1]+i[3], i[4])*r.weights["l1/kernel"].at(i[1], i[3]*2+i[4], i[2]), i[:3]...)
		})
		r.check("sequences", want)
	}
	r = newTrial(t, sequential(1, "float32", []int{5}, "MaxoutDense", object{"output_dim": 3, "nb_feature": 4}), nil)
	want = zeros(3, 3)
	each(want.shape, func(i []int) {
		most := math.Inf(-1)
		for f := range 4 {
			sum := r.weights["l1/b"].at(f, i[1])
			for k := range 5 {
				sum += r.given["x"].at(i[0], k) * r.weights["l1/W"].at(f, k, i[1])
			}
			most = math.Max(most, sum)
		}
		want.set(most, i...)
	})
	r.check("maxout", want)
	r = newTrial(t, sequential(1, "float32", []int{5}, "Highway", object{"activation": "tanh"}), nil)
	y, gate := refDense(r.given["x"], r.weights["l1/W"], r.weights["l1/b"]), refDense(r.given["x"], r.weights["l1/W_carry"], r.weights["l1/b_carry"])
	for i := range y.data {
		g := sigmoid(gate.data[i])
		y.data[i] = g*math.Tanh(y.data[i]) + (1-g)*r.given["x"].data[i]
	}
	r.check("highway", y)
	r = newTrial(t, sequential(1, "float32", []int{4, 3}, "SReLU", object{"shared_axes": []int{1}}), nil)
	w := func(name string, i []int) float64 { return r.weights["l1/"+name].at(0, i[2]) }
	want = zeros(3, 4, 3)
	each(want.shape, func(i []int) {
		v, left := r.given["x"].at(i...), w("t_left", i)
		right := left + math.Abs(w("t_right", i))
		switch {
		case v < left:
			v = left + w("a_left", i)*(v-left)
		case v > right:
			v = right + w("a_right", i)*(v-right)
		}
		want.set(v, i...)
	})
	r.check("two bends", want)
	r = newTrial(t, sequential(1, "float32", []int{4}, "ParametricSoftplus", object{"alpha_init": 0.2, "beta_init": 5.0}), nil)
	want = zeros(3, 4)
	each(want.shape, func(i []int) {
		want.set(r.weights["l1/alphas"].at(i[1])*math.Log1p(math.Exp(r.weights["l1/betas"].at(i[1])*r.given["x"].at(i...))), i...)
	})
	r.check("softplus", want)
	r = newTrial(t, sequential(1, "float32", []int{4, 3}, "TimeDistributedDense", object{"output_dim": 2}), nil)
	r.check("each step", refDense(r.given["x"], r.weights["l1/kernel"], r.weights["l1/bias"]))
}

// TestAttentionOverAxes attends over two axes of pictures with a mask given by hand.
func TestAttentionOverAxes(t *testing.T) {
	runtimeReady(t)
	const rows, columns = 2, 3
	r := newTrial(t, functional([]any{port("a")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, rows, columns, 4}}},
		[]any{"InputLayer", "m", object{"batch_shape": []any{nil, rows, columns, rows, columns}}},
		[]any{"MultiHeadAttention", "a", object{"num_heads": 2, "key_dim": 3}, []any{kerasTensor("x", 0), kerasTensor("x", 0)}, object{"attention_mask": kerasTensor("m", 0)}}),
		map[string][]int32{"m": maskOf(3 * rows * columns * rows * columns)})
	w := func(name string) *array { return r.weights["a/"+name] }
	x, m := r.given["x"], r.given["m"]
	project := func(name string, i, j, b, h, d int) float64 {
		sum := w(name+"_bias").at(h, d)
		for f := range 4 {
			sum += x.at(b, i, j, f) * w(name+"_kernel").at(f, h, d)
		}
		return sum
	}
	want := zeros(3, rows, columns, 4)
	each([]int{3, rows, columns, 2}, func(i []int) {
		b, h := i[0], i[3]
		score, total := make([]float64, rows*columns), 0.0
		for s := range score {
			for d := range 3 {
				score[s] += project("query", i[1], i[2], b, h, d) * project("key", s/columns, s%columns, b, h, d) / math.Sqrt(3)
			}
			if score[s] = math.Exp(score[s]); m.at(b, i[1], i[2], s/columns, s%columns) == 0 {
				score[s] = 0
			}
			total += score[s]
		}
		for o := range 4 {
			sum := 0.0
			for s, p := range score {
				for d := range 3 {
					sum += p / total * project("value", s/columns, s%columns, b, h, d) * w("attention_output_kernel").at(h, d, o)
				}
			}
			want.set(want.at(b, i[1], i[2], o)+sum, b, i[1], i[2], o)
		}
	})
	each(want.shape, func(i []int) { want.set(want.at(i...)+w("attention_output_bias").at(i[3]), i...) })
	r.check("over rows and columns", want)
}

// maskOf is a mask in which some of every few count.
func maskOf(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		if i%3 != 1 {
			list[i] = 1
		}
	}
	return list
}
