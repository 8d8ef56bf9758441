//go:build cgo

package split

import (
	"math"
	"sort"
	"testing"
)

// operationTrial calls one operation of keras.ops on tensors named in args.
func operationTrial(t *testing.T, class string, config object, args []any, kwargs object, outputs int, inputs ...any) *trial {
	t.Helper()
	var layers [][]any
	for i := 0; i < len(inputs); i += 2 {
		dims := []any{nil}
		for _, d := range inputs[i+1].([]int) {
			dims = append(dims, d)
		}
		layers = append(layers, []any{"InputLayer", inputs[i], object{"batch_shape": dims}})
	}
	var ports []any
	for k := range outputs {
		ports = append(ports, []any{"f", 0, k})
	}
	if kwargs == nil {
		kwargs = object{}
	}
	return newTrial(t, functional(ports, append(layers, []any{class, "f", config, args, kwargs, "keras.src.ops.numpy"})...), nil)
}

// alongs lists the elements of an axis for each position of the others, and puts lists back.
func alongs(a *array, axis int, change func(list []float64) []float64) *array {
	shape := append([]int{}, a.shape...)
	probe := make([]float64, a.shape[axis])
	shape[axis] = len(change(probe))
	out := zeros(shape...)
	rest := append([]int{}, a.shape...)
	rest[axis] = 1
	each(rest, func(i []int) {
		j := append([]int{}, i...)
		list := make([]float64, a.shape[axis])
		for k := range list {
			j[axis] = k
			list[k] = a.at(j...)
		}
		for k, v := range change(list) {
			j[axis] = k
			out.set(v, j...)
		}
	})
	return out
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// TestElementwiseOperations compares functions of numbers with those of the Go library.
func TestElementwiseOperations(t *testing.T) {
	runtimeReady(t)
	x, y := kerasTensor("x", 0), kerasTensor("y", 0)
	shape := []int{5, 4}
	for class, f := range map[string]func(v float64) float64{
		"Trunc": math.Trunc, "Cbrt": math.Cbrt, "Exp2": math.Exp2, "Fabs": math.Abs, "Erfc": math.Erfc,
		"Deg2rad": func(v float64) float64 { return v * math.Pi / 180 }, "Rad2deg": func(v float64) float64 { return v * 180 / math.Pi },
		"Sinc":     func(v float64) float64 { return math.Sin(math.Pi*v) / (math.Pi * v) },
		"NanToNum": func(v float64) float64 { return v }, "ZerosLike": func(float64) float64 { return 0 }, "OnesLike": func(float64) float64 { return 1 },
	} {
		r := operationTrial(t, class, object{}, []any{x}, nil, 1, "x", shape)
		r.check(class, r.given["x"].mapped(f))
	}
	r := operationTrial(t, "Threshold", object{"threshold": 0.2, "default_value": -3}, []any{x}, nil, 1, "x", shape)
	r.check("threshold", r.given["x"].mapped(func(v float64) float64 {
		if v > 0.2 {
			return v
		}
		return -3
	}))
	r = operationTrial(t, "FullLike", object{}, []any{x, 2.5}, nil, 1, "x", shape)
	r.check("full", r.given["x"].mapped(func(float64) float64 { return 2.5 }))
	for class, f := range map[string]func(a, b float64) float64{
		"FloorDivide": func(a, b float64) float64 { return math.Floor(a / b) },
		"Mod":         func(a, b float64) float64 { return a - b*math.Floor(a/b) }, "Fmod": math.Mod,
		"DivideNoNan": func(a, b float64) float64 { return a / b }, "Hypot": math.Hypot, "Arctan2": math.Atan2,
		"Logaddexp":  func(a, b float64) float64 { return math.Log(math.Exp(a) + math.Exp(b)) },
		"Logaddexp2": func(a, b float64) float64 { return math.Log2(math.Exp2(a) + math.Exp2(b)) },
		"Heaviside":  func(a, b float64) float64 { return truth(a > 0) },
	} {
		r := operationTrial(t, class, object{}, []any{x, y}, nil, 1, "x", shape, "y", shape)
		a, b := r.given["x"], r.given["y"]
		want := zeros(a.shape...)
		for i := range want.data {
			want.data[i] = f(a.data[i], b.data[i])
		}
		r.check(class, want)
	}
	// Where there is nothing to divide by, on an axis, and what is no number.
	chained := func(second []any) *trial {
		return newTrial(t, functional([]any{port("g")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 3}}},
			[]any{"Sign", "s", object{}, []any{x}, object{}, "keras.src.ops.numpy"}, append(second[:1:1], append([]any{"g"}, second[1:]...)...)),
			map[string][]int32{"x": {-2, 0, 3, 0, 1, 0, 5, -1, 0}})
	}
	s := kerasTensor("s", 0)
	r = chained([]any{"DivideNoNan", object{}, []any{x, s}, object{}, "keras.src.ops.numpy"})
	r.check("nothing to divide by", r.given["x"].mapped(math.Abs))
	r = chained([]any{"Arctan2", object{}, []any{s, 0.0}, object{}, "keras.src.ops.numpy"})
	r.check("upright", r.given["x"].mapped(func(v float64) float64 { return math.Atan2(v, 0) }))
	r = chained([]any{"Heaviside", object{}, []any{x, 0.25}, object{}, "keras.src.ops.numpy"})
	r.check("a step", r.given["x"].mapped(func(v float64) float64 {
		if v == 0 {
			return 0.25
		}
		return truth(v > 0)
	}))
	r = newTrial(t, functional([]any{port("g")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 4}}},
		[]any{"Log", "s", object{}, []any{x}, object{}, "keras.src.ops.numpy"}, []any{"NanToNum", "g", object{"nan": 7.0, "posinf": nil, "neginf": -9.0}, []any{s}, object{}, "keras.src.ops.numpy"}),
		map[string][]int32{"x": {-2, 0, 3, 1, 0, 1, 5, 2, -7, 2, 1, 0}})
	r.check("no number", r.given["x"].mapped(func(v float64) float64 {
		switch {
		case v < 0:
			return 7
		case v == 0:
			return -9
		}
		return math.Log(v)
	}))
}

// TestSelectingOperations compares reductions, sorts and selections with plain loops.
func TestSelectingOperations(t *testing.T) {
	runtimeReady(t)
	x := kerasTensor("x", 0)
	shape := []int{5, 4}
	one := func(what, class string, config object, want func(a *array) *array, more ...any) {
		t.Helper()
		r := operationTrial(t, class, config, append([]any{x}, more...), nil, 1, "x", shape)
		r.check(what, want(r.given["x"]))
	}
	squeezed := func(axis int, f func(list []float64) float64) func(a *array) *array {
		return func(a *array) *array {
			y := alongs(a, axis, func(list []float64) []float64 { return []float64{f(list)} })
			return &array{append(append([]int{}, y.shape[:axis]...), y.shape[axis+1:]...), y.data}
		}
	}
	sorted := func(list []float64) []float64 {
		s := append([]float64{}, list...)
		sort.Float64s(s)
		return s
	}
	power := func(p float64) func(list []float64) float64 {
		return func(list []float64) float64 {
			sum := 0.0
			for _, v := range list {
				sum += math.Pow(math.Abs(v), p)
			}
			return math.Pow(sum, 1/p)
		}
	}
	most := func(list []float64) float64 {
		m := 0.0
		for _, v := range list {
			m = math.Max(m, math.Abs(v))
		}
		return m
	}
	one("ptp", "Ptp", object{"axis": 1}, squeezed(1, func(l []float64) float64 { s := sorted(l); return s[len(s)-1] - s[0] }))
	one("average", "Average", object{"axis": -1}, squeezed(2, meanOf))
	one("weighted average", "Average", object{"axis": 2}, squeezed(2, func(l []float64) float64 { return (l[0] + 2*l[1] + 3*l[2] + 4*l[3]) / 10 }), []any{1.0, 2.0, 3.0, 4.0})
	one("length", "Norm", object{"axis": 1, "ord": nil}, squeezed(1, power(2)))
	one("length 1", "Norm", object{"axis": 2, "ord": 1}, squeezed(2, power(1)))
	one("length 3", "Norm", object{"axis": 2, "ord": 3}, squeezed(2, power(3)))
	one("largest", "Norm", object{"axis": 2, "ord": "inf"}, squeezed(2, most))
	one("of matrices", "Norm", object{"axis": []any{1, 2}, "ord": "fro", "keepdims": true}, func(a *array) *array {
		s := a.reduced([]int{1, 2}, squareOf)
		y := zeros(a.shape[0], 1, 1)
		each(y.shape, func(i []int) { y.set(math.Sqrt(s.at(i...)), i...) })
		return y
	})
	one("sort", "Sort", object{"axis": 1}, func(a *array) *array { return alongs(a, 1, sorted) })
	one("difference", "Diff", object{"n": 2, "axis": 1}, func(a *array) *array {
		return alongs(a, 1, func(l []float64) []float64 {
			var out []float64
			for k := 2; k < len(l); k++ {
				out = append(out, l[k]-2*l[k-1]+l[k-2])
			}
			return out
		})
	})
	one("roll", "Roll", object{"shift": []any{1, -6}, "axis": []any{2, 1}}, func(a *array) *array {
		y := zeros(a.shape...)
		each(y.shape, func(i []int) { y.set(a.at(i[0], i[1], i[2]), i[0], (i[1]+4)%5, (i[2]+1)%4) })
		return y
	})
	one("lower triangle", "Tril", object{"k": 1}, func(a *array) *array {
		y := zeros(a.shape...)
		each(y.shape, func(i []int) { y.set(a.at(i...)*truth(i[2]-i[1] <= 1), i...) })
		return y
	})
	one("upper triangle", "Triu", object{"k": -1}, func(a *array) *array {
		y := zeros(a.shape...)
		each(y.shape, func(i []int) { y.set(a.at(i...)*truth(i[2]-i[1] >= -1), i...) })
		return y
	})
	one("hstack", "Hstack", object{}, func(a *array) *array {
		y := zeros(a.shape[0], 10, 4)
		each(y.shape, func(i []int) { y.set(a.at(i[0], i[1]%5, i[2]), i...) })
		return y
	}, x)
	one("mirror", "Fliplr", object{}, func(a *array) *array {
		y := zeros(a.shape...)
		each(y.shape, func(i []int) { y.set(a.at(i[0], 4-i[1], i[2]), i...) })
		return y
	})
	one("product with a matrix", "Dot", object{}, func(a *array) *array {
		y := zeros(a.shape[0], 5, 2)
		each(y.shape, func(i []int) {
			for k := range 4 {
				y.set(y.at(i...)+a.at(i[0], i[1], k)*float64(2*k+i[2]), i...)
			}
		})
		return y
	}, []any{[]any{0.0, 1.0}, []any{2.0, 3.0}, []any{4.0, 5.0}, []any{6.0, 7.0}})
	one("sparsemax", "Sparsemax", object{"axis": -1}, func(a *array) *array {
		return alongs(a, 2, func(l []float64) []float64 { // by bisection
			low, high := -100.0, 100.0
			for range 200 {
				mid, sum := (low+high)/2, 0.0
				for _, v := range l {
					sum += math.Max(v-mid, 0)
				}
				if sum > 1 {
					low = mid
				} else {
					high = mid
				}
			}
			out := make([]float64, len(l))
			for i, v := range l {
				out[i] = math.Max(v-low, 0)
			}
			return out
		})
	})
	one("layer normalisation", "LayerNorm", object{"axis": -1, "epsilon": 0.01}, func(a *array) *array {
		return alongs(a, 2, func(l []float64) []float64 {
			m, v := meanOf(l), varianceOf(l)
			out := make([]float64, len(l))
			for i := range l {
				out[i] = (l[i]-m)/math.Sqrt(v+0.01)*float64(i+1) + 0.5
			}
			return out
		})
	}, []any{1.0, 2.0, 3.0, 4.0}, []any{0.5, 0.5, 0.5, 0.5})
	one("rms normalisation", "RMSNorm", object{"axis": -1, "epsilon": 0.01}, func(a *array) *array {
		return alongs(a, 2, func(l []float64) []float64 {
			out := make([]float64, len(l))
			for i := range l {
				out[i] = l[i] / math.Sqrt(squareOf(l)/4+0.01)
			}
			return out
		})
	})
	r := operationTrial(t, "Moments", object{"axes": []any{1}, "keepdims": false}, []any{x}, nil, 2, "x", shape)
	r.check("moments", squeezed(1, meanOf)(r.given["x"]), squeezed(1, varianceOf)(r.given["x"]))
	r = newTrial(t, functional([]any{[]any{"k", 0, 0}, port("i")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 5, 4}}},
		[]any{"TopK", "k", object{"k": 2, "sorted": true}, []any{x}, object{}, "keras.src.ops.math"},
		[]any{"Cast", "i", object{"dtype": "float32"}, []any{kerasTensor("k", 1)}, object{}, "keras.src.ops.core"}), nil)
	r.check("the largest two", alongs(r.given["x"], 2, func(l []float64) []float64 { s := sorted(l); return []float64{s[3], s[2]} }),
		alongs(r.given["x"], 2, func(l []float64) []float64 {
			at := []int{0, 1, 2, 3}
			sort.Slice(at, func(i, j int) bool { return l[at[i]] > l[at[j]] })
			return []float64{float64(at[0]), float64(at[1])}
		}))
	r = operationTrial(t, "Unstack", object{"axis": 2}, []any{x}, nil, 4, "x", shape)
	var parts []*array
	for k := range 4 {
		p := zeros(3, 5)
		each(p.shape, func(i []int) { p.set(r.given["x"].at(i[0], i[1], k), i...) })
		parts = append(parts, p)
	}
	r.check("unstack", parts...)
	ids := map[string][]int32{"x": {3, 1, 0, 4, 2, 0}}
	oneHot := func(class string, config object) *trial {
		return newTrial(t, functional([]any{port("h")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 2}, "dtype": "int32"}},
			[]any{class, "h", config, []any{x}, object{}, "keras.src.ops.nn"}), ids)
	}
	r = oneHot("OneHot", object{"num_classes": 4, "axis": 1, "dtype": "float32", "sparse": false})
	want := zeros(3, 4, 2)
	each(want.shape, func(i []int) { want.set(truth(r.given["x"].at(i[0], i[2]) == float64(i[1])), i...) })
	r.check("one hot, 4 of no class", want)
	r = oneHot("MultiHot", object{"num_classes": 5})
	want = zeros(3, 5)
	each([]int{3, 2}, func(i []int) { want.set(1, i[0], int(r.given["x"].at(i...))) })
	r.check("multi hot", want)
	for class, f := range map[string]func(l []float64) float64{
		"Any": func(l []float64) float64 { return truth(squareOf(l) != 0) }, "All": func(l []float64) float64 { return truth(l[0] != 0 && l[1] != 0) },
		"CountNonzero": func(l []float64) float64 { return truth(l[0] != 0) + truth(l[1] != 0) },
	} {
		r = newTrial(t, functional([]any{port("c")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 2}}},
			[]any{class, "a", object{"axis": -1}, []any{x}, object{}, "keras.src.ops.numpy"},
			[]any{"Cast", "c", object{"dtype": "float32"}, []any{kerasTensor("a", 0)}, object{}, "keras.src.ops.core"}), ids)
		r.check(class, squeezed(1, f)(r.given["x"]))
	}
	r = newTrial(t, functional([]any{port("y")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 5, 4}}},
		[]any{"Argsort", "s", object{"axis": 1}, []any{x}, object{}, "keras.src.ops.numpy"},
		[]any{"TakeAlongAxis", "y", object{"axis": 1}, []any{x, kerasTensor("s", 0)}, object{}, "keras.src.ops.numpy"}), nil)
	r.check("taken in order", alongs(r.given["x"], 1, sorted))
	r = operationTrial(t, "Pad", object{"pad_width": []any{[]any{0, 0}, []any{1, 0}, []any{0, 0}}, "mode": "constant"}, []any{x}, object{"constant_values": 5}, 1, "x", shape)
	want = zeros(3, 6, 4)
	each(want.shape, func(i []int) {
		if want.set(5, i...); i[1] > 0 {
			want.set(r.given["x"].at(i[0], i[1]-1, i[2]), i...)
		}
	})
	r.check("padded with fives", want)
	// Attention of (batch, positions, heads, size), causal, with a bias.
	q, k, v, b := kerasTensor("q", 0), kerasTensor("k", 0), kerasTensor("v", 0), kerasTensor("b", 0)
	r = operationTrial(t, "DotProductAttention", object{"is_causal": true, "flash_attention": nil, "attn_logits_soft_cap": nil}, []any{q, k, v}, object{"bias": b, "mask": nil, "scale": 0.7}, 1,
		"q", []int{4, 2, 3}, "k", []int{5, 2, 3}, "v", []int{5, 2, 6}, "b", []int{2, 4, 5})
	want = zeros(3, 4, 2, 6)
	each([]int{3, 4, 2}, func(i []int) {
		score, sum := make([]float64, i[1]+1), 0.0
		for s := range score {
			for d := range 3 {
				score[s] += 0.7 * r.given["q"].at(i[0], i[1], i[2], d) * r.given["k"].at(i[0], s, i[2], d)
			}
			score[s] = math.Exp(score[s] + r.given["b"].at(i[0], i[2], i[1], s))
			sum += score[s]
		}
		for d := range 6 {
			for s := range score {
				want.set(want.at(i[0], i[1], i[2], d)+score[s]/sum*r.given["v"].at(i[0], s, i[2], d), i[0], i[1], i[2], d)
			}
		}
	})
	r.check("attention", want)
}

// TestPictureOperations compares functions of pictures, in both layouts, with plain loops.
func TestPictureOperations(t *testing.T) {
	runtimeReady(t)
	x := kerasTensor("x", 0)
	for _, format := range []string{"channels_last", "channels_first"} {
		run := func(what, class string, config object, channels int, want func(a *array) *array) {
			t.Helper()
			shape, in, out := []int{6, 8, channels}, func(a *array) *array { return a }, func(a *array) *array { return a }
			if format == "channels_first" {
				shape, in, out = []int{channels, 6, 8}, (*array).channelsLast, (*array).channelsFirst
			}
			config["data_format"] = format
			r := operationTrial(t, class, config, []any{x}, nil, 1, "x", shape)
			r.check(what+", "+format, out(want(in(r.given["x"]))))
		}
		run("grey", "RGBToGrayscale", object{}, 3, func(a *array) *array {
			y := zeros(3, 6, 8, 1)
			each(y.shape, func(i []int) {
				y.set(0.2989*a.at(i[0], i[1], i[2], 0)+0.587*a.at(i[0], i[1], i[2], 1)+0.114*a.at(i[0], i[1], i[2], 2), i...)
			})
			return y
		})
		hsv := func(r, g, b float64) [3]float64 {
			most, least := math.Max(r, math.Max(g, b)), math.Min(r, math.Min(g, b))
			d, h, s := most-least, 0.0, 0.0
			switch {
			case d == 0:
			case most == r:
				h = (g - b) / d / 6
			case most == g:
				h = (b-r)/d/6 + 1.0/3
			default:
				h = (r-g)/d/6 + 2.0/3
			}
			if h < 0 {
				h++
			}
			if most > 0 {
				s = d / most
			}
			return [3]float64{h, s, most}
		}
		run("hue", "RGBToHSV", object{}, 3, func(a *array) *array {
			y := zeros(a.shape...)
			each([]int{3, 6, 8}, func(i []int) {
				for c, v := range hsv(a.at(i[0], i[1], i[2], 0), a.at(i[0], i[1], i[2], 1), a.at(i[0], i[1], i[2], 2)) {
					y.set(v, i[0], i[1], i[2], c)
				}
			})
			return y
		})
		run("colours", "HSVToRGB", object{}, 3, func(a *array) *array {
			y := zeros(a.shape...)
			each([]int{3, 6, 8}, func(i []int) { // through the six parts of the circle
				h, s, v := a.at(i[0], i[1], i[2], 0), a.at(i[0], i[1], i[2], 1), a.at(i[0], i[1], i[2], 2)
				h = (h - math.Floor(h)) * 6
				k := int(h)
				f := h - float64(k)
				p, q, u := v*(1-s), v*(1-s*f), v*(1-s*(1-f))
				for c, w := range [][3]float64{{v, u, p}, {q, v, p}, {p, v, u}, {p, q, v}, {u, p, v}, {v, p, q}}[k%6] {
					y.set(w, i[0], i[1], i[2], c)
				}
			})
			return y
		})
		run("padded", "PadImages", object{"top_padding": 1, "left_padding": 2, "bottom_padding": nil, "right_padding": 0, "target_height": 9, "target_width": nil}, 2, func(a *array) *array {
			y := zeros(3, 9, 10, 2)
			each(a.shape, func(i []int) { y.set(a.at(i...), i[0], i[1]+1, i[2]+2, i[3]) })
			return y
		})
		run("cropped", "CropImages", object{"top_cropping": 1, "left_cropping": nil, "bottom_cropping": nil, "right_cropping": 2, "target_height": 3, "target_width": 5}, 2, func(a *array) *array {
			y := zeros(3, 3, 5, 2)
			each(y.shape, func(i []int) { y.set(a.at(i[0], i[1]+1, i[2]+1, i[3]), i...) })
			return y
		})
		for _, padding := range []string{"valid", "same"} {
			run("patches", "ExtractPatches", object{"size": []int{3, 2}, "strides": []int{2, 3}, "padding": padding}, 2, func(a *array) *array {
				top, rows := refWindow(padding, 6, 3, 2, 1)
				left, columns := refWindow(padding, 8, 2, 3, 1)
				y := zeros(3, rows, columns, 12)
				each([]int{3, rows, columns, 3, 2, 2}, func(i []int) {
					r, c := i[1]*2-top+i[3], i[2]*3-left+i[4]
					if r >= 0 && r < 6 && c >= 0 && c < 8 {
						y.set(a.at(i[0], r, c, i[5]), i[0], i[1], i[2], (i[3]*2+i[4])*2+i[5])
					}
				})
				return y
			})
			for _, class := range []string{"MaxPool", "AveragePool"} {
				run(class, class, object{"pool_size": 3, "strides": []int{2, 1}, "padding": padding}, 2, func(a *array) *array {
					top, rows := refWindow(padding, 6, 3, 2, 1)
					left, columns := refWindow(padding, 8, 3, 1, 1)
					y := zeros(3, rows, columns, 2)
					each(y.shape, func(i []int) {
						var list []float64
						for r := i[1]*2 - top; r < i[1]*2-top+3; r++ {
							for c := i[2] - left; c < i[2]-left+3; c++ {
								if r >= 0 && r < 6 && c >= 0 && c < 8 {
									list = append(list, a.at(i[0], r, c, i[3]))
								}
							}
						}
						v := meanOf(list)
						if class == "MaxPool" {
							sort.Float64s(list)
							v = list[len(list)-1]
						}
						y.set(v, i...)
					})
					return y
				})
			}
		}
		first := format == "channels_first"
		run("deeper", "SpaceToDepth", object{"block_size": 2}, 3, func(a *array) *array {
			y := zeros(3, 3, 4, 12)
			each(a.shape, func(i []int) {
				block := i[1]%2*2 + i[2]%2
				c := block*3 + i[3]
				if first {
					c = i[3]*4 + block
				}
				y.set(a.at(i...), i[0], i[1]/2, i[2]/2, c)
			})
			return y
		})
		run("wider", "DepthToSpace", object{"block_size": 2}, 8, func(a *array) *array {
			y := zeros(3, 12, 16, 2)
			each(y.shape, func(i []int) {
				block := i[1]%2*2 + i[2]%2
				c := block*2 + i[3]
				if first {
					c = i[3]*4 + block
				}
				y.set(a.at(i[0], i[1]/2, i[2]/2, c), i...)
			})
			return y
		})
	}
}
