//go:build cgo

package split

import (
	"fmt"
	"math"
	"testing"
)

// reduced computes, for each element, a number from all elements that differ from it only along axes.
func (a *array) reduced(axes []int, f func(list []float64) float64) *array {
	groups := map[int][]float64{}
	key := func(index []int) int {
		at := append([]int{}, index...)
		for _, x := range axes {
			at[x] = 0
		}
		return a.offset(at)
	}
	each(a.shape, func(i []int) { groups[key(i)] = append(groups[key(i)], a.at(i...)) })
	out := zeros(a.shape...)
	values := map[int]float64{}
	for k, list := range groups {
		values[k] = f(list)
	}
	each(a.shape, func(i []int) { out.set(values[key(i)], i...) })
	return out
}

func meanOf(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

func varianceOf(list []float64) float64 {
	m, sum := meanOf(list), 0.0
	for _, v := range list {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(list))
}

func squareOf(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v * v
	}
	return sum
}

func TestNormalizations(t *testing.T) {
	runtimeReady(t)
	for _, first := range []any{nil, "MaxPooling2D"} { // after an image layer the channels lie in front
		for _, axes := range [][]int{{3}, {1}, {2, 3}, {1, 2, 3}, {2}} {
			for _, class := range []string{"LayerNormalization", "rms_scaling", "RMSNormalization", "UnitNormalization"} {
				o := object{"axis": axes}
				name := class
				if class == "rms_scaling" {
					name, o["rms_scaling"] = "LayerNormalization", true
				}
				layers, key := []any{name, o}, "l1/"
				if first != nil {
					layers, key = []any{first, object{"pool_size": 1}, name, o}, "l2/"
				}
				r := newTrial(t, sequential(3, "float32", []int{3, 4, 5}, layers...), nil)
				x := r.given["x"]
				mean := x.reduced(axes, meanOf)
				variance := x.reduced(axes, varianceOf)
				square := x.reduced(axes, squareOf)
				count := 1
				for _, a := range axes {
					count *= x.shape[a]
				}
				want := zeros(x.shape...)
				weight := func(name string, index []int, def float64) float64 {
					w := r.weights[key+name]
					if w == nil {
						return def
					}
					var at []int
					for _, a := range axes {
						at = append(at, index[a])
					}
					return w.at(at...)
				}
				each(x.shape, func(i []int) {
					v := x.at(i...)
					switch class {
					case "LayerNormalization":
						v = (v-mean.at(i...))/math.Sqrt(variance.at(i...)+1e-3)*weight("gamma", i, 1) + weight("beta", i, 0)
					case "rms_scaling":
						v = v / math.Sqrt(variance.at(i...)+1e-3) * weight("gamma", i, 1)
					case "RMSNormalization":
						v = v / math.Sqrt(square.at(i...)/float64(count)+1e-6) * weight("scale", i, 1)
					default:
						v /= math.Sqrt(square.at(i...))
					}
					want.set(v, i...)
				})
				r.check(fmt.Sprint(class, axes, first), want)
			}
		}
	}
	for _, axis := range []int{-1, 1} {
		for _, groups := range []int{1, 2, -1} {
			r := newTrial(t, sequential(3, "float32", []int{4, 3, 4}, "GroupNormalization", object{"axis": axis, "groups": groups}), nil)
			x := r.given["x"]
			a := axis
			if a < 0 {
				a = 3
			}
			n := groups
			if n < 0 {
				n = 4
			}
			// Groups of one image: the part of the channel axis that a channel is in.
			part := zeros(x.shape[0], n)
			square, count := zeros(x.shape[0], n), float64(len(x.data)/x.shape[0]/n)
			each(x.shape, func(i []int) {
				part.data[part.offset([]int{i[0], i[a] / (4 / n)})] += x.at(i...) / count
			})
			each(x.shape, func(i []int) {
				at := []int{i[0], i[a] / (4 / n)}
				d := x.at(i...) - part.at(at...)
				square.data[square.offset(at)] += d * d / count
			})
			want := zeros(x.shape...)
			each(x.shape, func(i []int) {
				at := []int{i[0], i[a] / (4 / n)}
				want.set((x.at(i...)-part.at(at...))/math.Sqrt(square.at(at...)+1e-3)*r.weights["l1/gamma"].data[i[a]]+r.weights["l1/beta"].data[i[a]], i...)
			})
			r.check(fmt.Sprint("groups ", axis, groups), want)
		}
	}
}

func TestActivations(t *testing.T) {
	runtimeReady(t)
	shrink := func(v float64) float64 { return v - clamp(v, -0.5, 0.5) }
	for name, f := range map[string]func(float64) float64{
		"gelu": func(v float64) float64 { return v / 2 * (1 + math.Erf(v/math.Sqrt2)) }, "mish": func(v float64) float64 { return v * math.Tanh(math.Log1p(math.Exp(v))) },
		"hard_silu": func(v float64) float64 { return v * clamp(v+3, 0, 6) / 6 }, "relu6": func(v float64) float64 { return clamp(v, 0, 6) },
		"soft_shrink": shrink, "hard_shrink": func(v float64) float64 {
			if math.Abs(v) > 0.5 {
				return v
			}
			return 0
		}, "squareplus": func(v float64) float64 { return (v + math.Sqrt(v*v+4)) / 2 }, "tanh_shrink": func(v float64) float64 { return v - math.Tanh(v) },
		"sparse_plus": func(v float64) float64 {
			if v <= -1 {
				return 0
			} else if v < 1 {
				return (v + 1) * (v + 1) / 4
			}
			return v
		}, "sparse_sigmoid": func(v float64) float64 { return clamp((v+1)/2, 0, 1) }, "celu": func(v float64) float64 { return math.Max(v, 0) + math.Min(math.Expm1(v), 0) },
		"log_sigmoid": func(v float64) float64 { return -math.Log1p(math.Exp(-v)) }, "exponential": math.Exp, "hard_tanh": func(v float64) float64 { return clamp(v, -1, 1) },
		"leaky_relu": refActivation("leaky_relu", 3), "selu": refActivation("selu", 3), "hard_sigmoid": refActivation("hard_sigmoid", 3), "silu": refActivation("silu", 3),
		"softplus": refActivation("softplus", 3), "softsign": refActivation("softsign", 3), "elu": refActivation("elu", 3),
	} {
		r := newTrial(t, sequential(3, "float32", []int{40}, "Activation", object{"activation": name}), nil)
		r.check(name, r.given["x"].mapped(f))
	}
	r := newTrial(t, sequential(2, "float32", []int{40}, "Activation", object{"activation": "hard_sigmoid"}), nil)
	r.check("hard_sigmoid of Keras 2", r.given["x"].mapped(refActivation("hard_sigmoid", 2)))
	r = newTrial(t, sequential(3, "float32", []int{3, 8}, "Activation", object{"activation": "glu"}), nil)
	x, want := r.given["x"], zeros(3, 3, 4)
	each(want.shape, func(i []int) { want.set(x.at(i...)*sigmoid(x.at(i[0], i[1], i[2]+4)), i...) })
	r.check("glu", want)
}

func slice(start, stop, step any) object {
	return object{"class_name": "__slice__", "config": object{"start": start, "stop": stop, "step": step}}
}

// TestFunctions calls operations of keras.ops as Keras 3 writes them.
func TestFunctions(t *testing.T) {
	runtimeReady(t)
	const numpy = "keras.src.ops.numpy"
	x := kerasTensor("x", 0)
	tuple := func(items ...any) object { return object{"class_name": "__tuple__", "items": items} }
	type shapeOf = func(a *array) *array
	for what, c := range map[string]struct {
		class  string
		config object
		args   []any
		want   shapeOf
	}{
		"a last step": {"GetItem", object{}, []any{x, tuple(slice(nil, nil, nil), -1.0)}, func(a *array) *array {
			y := zeros(a.shape[0], a.shape[2])
			each(y.shape, func(i []int) { y.set(a.at(i[0], a.shape[1]-1, i[1]), i...) })
			return y
		}},
		"backwards, a new axis": {"GetItem", object{}, []any{x, tuple(slice(nil, nil, nil), slice(nil, nil, -2), nil, slice(1, -1, nil))}, func(a *array) *array {
			y := zeros(a.shape[0], 3, 1, 2)
			each(y.shape, func(i []int) { y.set(a.at(i[0], 4-2*i[1], 1+i[3]), i...) })
			return y
		}},
		"behind an ellipsis": {"GetItem", object{}, []any{x, tuple(object{"class_name": "__ellipsis__", "config": object{}}, 2.0)}, func(a *array) *array {
			y := zeros(a.shape[0], a.shape[1])
			each(y.shape, func(i []int) { y.set(a.at(i[0], i[1], 2), i...) })
			return y
		}},
		"add a number":  {"Add", object{}, []any{x, 2.5}, func(a *array) *array { return a.mapped(func(v float64) float64 { return v + 2.5 }) }},
		"a number less": {"Subtract", object{}, []any{1.0, x}, func(a *array) *array { return a.mapped(func(v float64) float64 { return 1 - v }) }},
		"an array": {"Multiply", object{}, []any{x, object{"class_name": "__numpy__", "config": object{"value": []any{1, 2, 3, 4}, "dtype": "float32"}}}, func(a *array) *array {
			y := zeros(a.shape...)
			each(y.shape, func(i []int) { y.set(a.at(i...)*float64(i[2]+1), i...) })
			return y
		}},
		"std": {"Std", object{"axis": 1, "keepdims": true}, []any{x}, func(a *array) *array {
			y, s := zeros(a.shape[0], 1, a.shape[2]), a.reduced([]int{1}, varianceOf)
			each(y.shape, func(i []int) { y.set(math.Sqrt(s.at(i...)), i...) })
			return y
		}},
		"mean": {"Mean", object{"axis": []any{1, 2}, "keepdims": false}, []any{x}, func(a *array) *array {
			y, s := zeros(a.shape[0]), a.reduced([]int{1, 2}, meanOf)
			each(y.shape, func(i []int) { y.set(s.at(i[0], 0, 0), i...) })
			return y
		}},
		"reshape":   {"Reshape", object{"newshape": []any{-1, 2, 10}}, []any{x}, func(a *array) *array { return &array{[]int{3, 2, 10}, a.data} }},
		"transpose": {"Transpose", object{"axes": []any{0, 2, 1}}, []any{x}, func(a *array) *array { return a.turned(0, 2, 1) }},
		"repeat": {"Repeat", object{"repeats": 2, "axis": 1}, []any{x}, func(a *array) *array {
			y := zeros(3, 10, 4)
			each(y.shape, func(i []int) { y.set(a.at(i[0], i[1]/2, i[2]), i...) })
			return y
		}},
		"flip": {"Flip", object{"axis": 2}, []any{x}, func(a *array) *array {
			y := zeros(a.shape...)
			each(y.shape, func(i []int) { y.set(a.at(i[0], i[1], 3-i[2]), i...) })
			return y
		}},
		"cumsum": {"Cumsum", object{"axis": 1}, []any{x}, func(a *array) *array {
			y := zeros(a.shape...)
			each(y.shape, func(i []int) {
				for k := range i[1] + 1 {
					y.set(y.at(i...)+a.at(i[0], k, i[2]), i...)
				}
			})
			return y
		}},
		"take": {"Take", object{"axis": 2}, []any{x, object{"class_name": "__numpy__", "config": object{"value": []any{3, 0}, "dtype": "int32"}}}, func(a *array) *array {
			y := zeros(3, 5, 2)
			each(y.shape, func(i []int) { y.set(a.at(i[0], i[1], []int{3, 0}[i[2]]), i...) })
			return y
		}},
		"pad": {"Pad", object{"pad_width": []any{[]any{0, 0}, []any{1, 2}, []any{0, 1}}, "mode": "constant"}, []any{x}, func(a *array) *array {
			y := zeros(3, 8, 5)
			each(a.shape, func(i []int) { y.set(a.at(i...), i[0], i[1]+1, i[2]) })
			return y
		}},
		"concatenate": {"Concatenate", object{"axis": -1}, []any{[]any{x, x}}, func(a *array) *array {
			y := zeros(3, 5, 8)
			each(y.shape, func(i []int) { y.set(a.at(i[0], i[1], i[2]%4), i...) })
			return y
		}},
		"stack": {"Stack", object{"axis": 1}, []any{[]any{x, x}}, func(a *array) *array {
			y := zeros(3, 2, 5, 4)
			each(y.shape, func(i []int) { y.set(a.at(i[0], i[2], i[3]), i...) })
			return y
		}},
		"einsum": {"Einsum", object{"subscripts": "bij,bkj->bik"}, []any{x, x}, func(a *array) *array {
			y := zeros(3, 5, 5)
			each([]int{3, 5, 5, 4}, func(i []int) {
				y.set(y.at(i[:3]...)+a.at(i[0], i[1], i[3])*a.at(i[0], i[2], i[3]), i[:3]...)
			})
			return y
		}},
		"tanh gelu": {"Gelu", object{"approximate": true}, []any{x}, func(a *array) *array {
			return a.mapped(func(v float64) float64 { return v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v))) })
		}},
	} {
		r := newTrial(t, functional([]any{port("f")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 5, 4}}},
			[]any{c.class, "f", c.config, c.args, object{}, numpy}), nil)
		r.check(what, c.want(r.given["x"]))
	}
	// A comparison that chooses, a split with two outputs.
	r := newTrial(t, functional([]any{port("w"), []any{"s", 0, 1}}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 5, 4}}},
		[]any{"Greater", "g", object{}, []any{x, 0.0}, object{}, numpy},
		[]any{"Where", "w", object{}, []any{kerasTensor("g", 0), x, 7.0}, object{}, numpy},
		[]any{"Split", "s", object{"indices_or_sections": 2, "axis": -1}, []any{x}, object{}, numpy}), nil)
	a := r.given["x"]
	half := zeros(3, 5, 2)
	each(half.shape, func(i []int) { half.set(a.at(i[0], i[1], i[2]+2), i...) })
	r.check("where and split", a.mapped(func(v float64) float64 {
		if v > 0 {
			return v
		}
		return 7
	}), half)
}

func TestEinsumDenseAndDot(t *testing.T) {
	runtimeReady(t)
	r := newTrial(t, sequential(3, "float32", []int{5, 4}, "EinsumDense", object{"equation": "...x,xyz->...yz", "output_shape": []any{nil, 3, 2}[1:], "bias_axes": "yz"}), nil)
	r.check("an ellipsis", refDense(r.given["x"], r.weights["l1/kernel"], r.weights["l1/bias"]))
	r = newTrial(t, sequential(3, "float32", []int{5, 4}, "EinsumDense", object{"equation": "abc,cd->abd", "output_shape": []any{nil, 6}, "bias_axes": "d", "activation": "tanh"}), nil)
	r.check("spelled out", refDense(r.given["x"], r.weights["l1/kernel"], r.weights["l1/bias"]).mapped(math.Tanh))
	for _, unit := range []bool{false, true} {
		r = newTrial(t, functional([]any{port("d")}, []any{"InputLayer", "x", object{"batch_shape": []any{nil, 5, 4}}}, []any{"InputLayer", "y", object{"batch_shape": []any{nil, 3, 4}}},
			[]any{"Dot", "d", object{"axes": []any{2, -1}, "normalize": unit}, []any{[]any{kerasTensor("x", 0), kerasTensor("y", 0)}}}), nil)
		a, b, want := r.given["x"], r.given["y"], zeros(3, 5, 3)
		if unit {
			for _, m := range []*array{a, b} {
				s := m.reduced([]int{2}, squareOf)
				for i := range m.data {
					s.data[i] = m.data[i] / math.Sqrt(s.data[i])
				}
				if m == a {
					a = s
				} else {
					b = s
				}
			}
		}
		each([]int{3, 5, 3, 4}, func(i []int) {
			want.set(want.at(i[:3]...)+a.at(i[0], i[1], i[3])*b.at(i[0], i[2], i[3]), i[:3]...)
		})
		r.check("dot", want)
	}
}
