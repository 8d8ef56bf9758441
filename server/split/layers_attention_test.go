//go:build cgo

package split

import (
	"fmt"
	"math"
	"testing"
)

// refDense multiplies the last axis of x with a kernel whose first axis is summed over; the kernel's other axes follow.
func refDense(x, kernel, bias *array) *array {
	n := len(x.shape)
	rest := 1
	for _, d := range kernel.shape[1:] {
		rest *= d
	}
	y := zeros(append(append([]int{}, x.shape[:n-1]...), kernel.shape[1:]...)...)
	in := x.shape[n-1]
	for row := range len(x.data) / in {
		for j := range rest {
			sum := 0.0
			for i := range in {
				sum += x.data[row*in+i] * kernel.data[i*rest+j]
			}
			if bias != nil {
				sum += bias.data[j]
			}
			y.data[row*rest+j] = sum
		}
	}
	return y
}

// softmaxed is a softmax over a list, of which those that do not count weigh nothing.
func softmaxed(scores []float64, counts func(i int) bool) []float64 {
	most, any := math.Inf(-1), false
	for i, s := range scores {
		if counts(i) {
			most, any = math.Max(most, s), true
		}
	}
	out, sum := make([]float64, len(scores)), 0.0
	for i, s := range scores {
		switch {
		case !any:
			out[i] = 1
		case counts(i):
			out[i] = math.Exp(s - most)
		}
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// refHeads is multi-head attention on projected q (batch, rows, heads, size), k and v (batch, columns, key heads, size).
func refHeads(q, k, v *array, counts func(b, row, column int) bool) (y, weights *array) {
	batch, rows, heads, size := q.shape[0], q.shape[1], q.shape[2], q.shape[3]
	columns, each := k.shape[1], heads/k.shape[2]
	y, weights = zeros(batch, rows, heads, v.shape[3]), zeros(batch, heads, rows, columns)
	for b := range batch {
		for h := range heads {
			for i := range rows {
				scores := make([]float64, columns)
				for j := range columns {
					for d := range size {
						scores[j] += q.at(b, i, h, d) * k.at(b, j, h/each, d)
					}
					scores[j] /= math.Sqrt(float64(size))
				}
				w := softmaxed(scores, func(j int) bool { return counts(b, i, j) })
				for j := range columns {
					weights.set(w[j], b, h, i, j)
					for d := range v.shape[3] {
						y.set(y.at(b, i, h, d)+w[j]*v.at(b, j, h/each, d), b, i, h, d)
					}
				}
			}
		}
	}
	return y, weights
}

// joined makes the last two axes one.
func (a *array) joined() *array {
	n := len(a.shape)
	return &array{append(append([]int{}, a.shape[:n-2]...), a.shape[n-2]*a.shape[n-1]), a.data}
}

// kerasTensor is a reference of Keras 3.
func kerasTensor(layer string, tensor int) object {
	return object{"class_name": "__keras_tensor__", "config": object{"shape": []any{nil, 1}, "dtype": "float32", "keras_history": []any{layer, 0, tensor}}}
}

// functional is a functional model of Keras 3. Layers are class, name, config, args and kwargs.
func functional(outputs []any, layers ...[]any) string {
	var list, inputs []any
	for _, l := range layers {
		config := object{"name": l[1]}
		for k, v := range l[2].(object) {
			config[k] = v
		}
		entry := object{"class_name": l[0], "name": l[1], "config": config, "inbound_nodes": []any{}}
		if len(l) > 3 {
			kwargs := object{}
			if len(l) > 4 {
				kwargs = l[4].(object)
			}
			entry["inbound_nodes"] = []any{object{"args": l[3], "kwargs": kwargs}}
		} else {
			inputs = append(inputs, []any{l[1], 0, 0})
		}
		if len(l) > 5 {
			entry["module"] = l[5]
		} else {
			config["trainable"] = true // as every layer has, and no function
		}
		list = append(list, entry)
	}
	return options(object{"class_name": "Functional", "keras_version": "3.15.1", "config": object{"name": "m", "layers": list, "input_layers": inputs,
		"output_layers": outputs}})
}

func port(layer string) []any { return []any{layer, 0, 0} }

func TestMultiHeadAttention(t *testing.T) {
	runtimeReady(t)
	for _, grouped := range []bool{false, true} {
		for _, masked := range []bool{false, true} {
			for _, causal := range []bool{false, true} {
				for _, gate := range []bool{false, true} {
					for _, window := range []any{nil, 2} {
						class, o := "MultiHeadAttention", object{"num_heads": 4, "key_dim": 3, "value_dim": 5, "use_gate": gate, "sliding_window": window, "output_shape": []int{6}}
						size := 5
						if grouped {
							class, o = "GroupQueryAttention", object{"num_query_heads": 4, "num_key_value_heads": 2, "head_dim": 3, "use_gate": gate, "sliding_window": window}
							size = 3
						}
						config := functional([]any{port("a")},
							[]any{"InputLayer", "x", object{"batch_shape": []any{nil, 6}, "dtype": "int32"}},
							[]any{"Embedding", "e", object{"input_dim": 7, "output_dim": 6, "mask_zero": masked}, []any{kerasTensor("x", 0)}},
							[]any{class, "a", o, []any{kerasTensor("e", 0), kerasTensor("e", 0)}, object{"use_causal_mask": causal}})
						r := newTrial(t, config, sentences)
						x, mask := r.embedded("e/embeddings")
						w := func(name string) *array { return r.weights["a/"+name] }
						project := func(name string) *array { return refDense(x, w(name+"_kernel"), w(name+"_bias")) }
						y, _ := refHeads(project("query"), project("key"), project("value"), func(b, i, j int) bool {
							return (!masked || mask.at(b, i) != 0 && mask.at(b, j) != 0) && (!causal || i >= j) && (window == nil || max(i-j, j-i) < 2)
						})
						if gate {
							g := project("gate")
							for i := range y.data {
								y.data[i] *= sigmoid(g.data[i])
							}
						}
						kernel := w("attention_output_kernel")
						flat := &array{[]int{4 * size, 6}, kernel.data}
						r.check(fmt.Sprintf("%s masked %v causal %v gate %v window %v", class, masked, causal, gate, window), refDense(y.joined(), flat, w("attention_output_bias")))
					}
				}
			}
		}
	}
}

// TestCrossAttention attends from one sequence to another with a mask of its own, and gives the weights too.
func TestCrossAttention(t *testing.T) {
	runtimeReady(t)
	config := functional([]any{port("a"), []any{"a", 0, 1}},
		[]any{"InputLayer", "q", object{"batch_shape": []any{nil, 4, 5}}},
		[]any{"InputLayer", "v", object{"batch_shape": []any{nil, 6, 7}}},
		[]any{"InputLayer", "m", object{"batch_shape": []any{nil, 4, 6}, "dtype": "int32"}},
		[]any{"MultiHeadAttention", "a", object{"num_heads": 2, "key_dim": 3, "use_bias": false, "dropout": 0.1}, []any{kerasTensor("q", 0), kerasTensor("v", 0)},
			object{"attention_mask": kerasTensor("m", 0), "return_attention_scores": true}})
	bits := make([]int32, 3*4*6)
	for i := range bits {
		bits[i] = int32(i*7%3) % 2
		if i%6 == i/6%6 {
			bits[i] = 1
		}
	}
	r := newTrial(t, config, map[string][]int32{"m": bits})
	q, v, m := r.given["q"], r.given["v"], r.given["m"]
	w := func(name string) *array { return r.weights["a/"+name+"_kernel"] }
	y, weights := refHeads(refDense(q, w("query"), nil), refDense(v, w("key"), nil), refDense(v, w("value"), nil),
		func(b, i, j int) bool { return m.at(b, i, j) != 0 })
	r.check("cross", refDense(y.joined(), &array{[]int{6, 5}, w("attention_output").data}, nil), weights)
}

func TestAttention(t *testing.T) {
	runtimeReady(t)
	for _, class := range []string{"Attention", "AdditiveAttention"} {
		for _, mode := range []string{"dot", "concat"} {
			for _, scaled := range []bool{false, true} {
				for _, causal := range []bool{false, true} {
					o := object{"use_scale": scaled}
					if class == "Attention" {
						o["score_mode"] = mode
					} else if mode == "concat" {
						continue
					}
					config := functional([]any{port("a")},
						[]any{"InputLayer", "x", object{"batch_shape": []any{nil, 6}, "dtype": "int32"}},
						[]any{"InputLayer", "q", object{"batch_shape": []any{nil, 4, 5}}},
						[]any{"Embedding", "e", object{"input_dim": 7, "output_dim": 5, "mask_zero": true}, []any{kerasTensor("x", 0)}},
						[]any{class, "a", o, []any{[]any{kerasTensor("q", 0), kerasTensor("e", 0)}}, object{"use_causal_mask": causal}})
					// The first step of each counts, so that no query is without any.
					r := newTrial(t, config, map[string][]int32{"x": {3, 1, 0, 4, 2, 0, 2, 0, 5, 1, 6, 2, 1, 0, 0, 0, 0, 0}})
					x, mask := r.embedded("e/embeddings")
					q := r.given["q"]
					want := zeros(3, 4, 5)
					number := func(name string, d int) float64 {
						if w := r.weights["a/"+name]; w != nil {
							return w.data[d%len(w.data)]
						}
						return 1
					}
					for b := range 3 {
						for i := range 4 {
							scores := make([]float64, 6)
							for j := range scores {
								for d := range 5 {
									p, k := q.at(b, i, d), x.at(b, j, d)
									switch {
									case class == "AdditiveAttention":
										scores[j] += number("scale", d) * math.Tanh(p+k)
									case mode == "concat":
										scores[j] += number("concat_score_weight", 0) * math.Tanh(number("scale", 0)*(p+k))
									default:
										scores[j] += number("scale", 0) * p * k
									}
								}
							}
							for j, w := range softmaxed(scores, func(j int) bool { return mask.at(b, j) != 0 && (!causal || i >= j) }) {
								for d := range 5 {
									want.set(want.at(b, i, d)+w*x.at(b, j, d), b, i, d)
								}
							}
						}
					}
					r.check(fmt.Sprintf("%s %v causal %v", class, o, causal), want)
				}
			}
		}
	}
}

// TestMaskedMerges averages over the steps that count after merging tensors with masks.
func TestMaskedMerges(t *testing.T) {
	runtimeReady(t)
	for _, op := range []string{"Add", "Multiply", "Maximum", "Concatenate"} {
		config := functional([]any{port("g")},
			[]any{"InputLayer", "x", object{"batch_shape": []any{nil, 6}, "dtype": "int32"}},
			[]any{"InputLayer", "s", object{"batch_shape": []any{nil, 6, 3}}},
			[]any{"Embedding", "e", object{"input_dim": 7, "output_dim": 3, "mask_zero": true}, []any{kerasTensor("x", 0)}},
			[]any{"Masking", "k", object{"mask_value": 0.0}, []any{kerasTensor("s", 0)}},
			[]any{op, "m", object{}, []any{[]any{kerasTensor("e", 0), kerasTensor("k", 0)}}},
			[]any{"GlobalAveragePooling1D", "g", object{}, []any{kerasTensor("m", 0)}})
		r := newTrial(t, config, map[string][]int32{"x": {3, 1, 0, 4, 2, 0, 2, 0, 5, 1, 6, 2, 1, 0, 0, 0, 0, 0}})
		s := r.given["s"]
		for _, step := range [][2]int{{0, 2}, {0, 4}, {1, 1}, {1, 5}, {2, 0}, {2, 3}} {
			for d := range 3 {
				s.set(0, step[0], step[1], d)
			}
		}
		in := r.inputs["s"]
		for i, v := range s.data {
			in.data[i] = float32(v)
		}
		e, mask := r.embedded("e/embeddings")
		size := 3
		if op == "Concatenate" {
			size = 6
		}
		want := zeros(3, size)
		for b := range 3 {
			count := 0.0
			for i := range 6 {
				a, c := mask.at(b, i) != 0, s.at(b, i, 0) != 0
				if !a && !c {
					continue
				}
				count++
				for d := range size {
					p, q := e.at(b, i, d%3), s.at(b, i, d%3)
					v := 0.0
					switch {
					case op == "Concatenate" && d < 3:
						v = p
					case op == "Concatenate":
						v = q
					case op == "Add":
						v = p + q
					case a && c && op == "Multiply":
						v = p * q
					case a && c:
						v = math.Max(p, q)
					case a:
						v = p
					default:
						v = q
					}
					want.set(want.at(b, d)+v, b, d)
				}
			}
			for d := range size {
				want.set(want.at(b, d)/count, b, d)
			}
		}
		r.check(op, want)
	}
}
