//go:build cgo

package split

import (
	"math"
	"testing"
)

// functional2 is a functional model of Keras 2 on inputs x and y. Layers are class, name, config and the call.
func functional2(shapes map[string][]any, outputs []any, layers ...[]any) string {
	var list, inputs []any
	for _, name := range []string{"x", "y"} {
		if shapes[name] != nil {
			list = append(list, object{"class_name": "InputLayer", "name": name, "config": object{"name": name, "dtype": "float32", "batch_input_shape": append([]any{nil}, shapes[name]...)}, "inbound_nodes": []any{}})
			inputs = append(inputs, []any{name, 0, 0})
		}
	}
	for _, l := range layers {
		config := object{"name": l[1], "trainable": true, "dtype": "float32"}
		for k, v := range l[2].(object) {
			config[k] = v
		}
		list = append(list, object{"class_name": l[0], "name": l[1], "config": config, "inbound_nodes": []any{l[3]}})
	}
	return options(object{"class_name": "Functional", "keras_version": "2.11.0", "config": object{"name": "m", "layers": list, "input_layers": inputs, "output_layers": outputs}})
}

// called is a function of TensorFlow 2.4 and later, on one tensor.
func called(function, name, on string, kwargs object) []any {
	return []any{"TFOpLambda", name, object{"function": function}, []any{on, 0, 0, kwargs}}
}

// TestTensorFlowFunctions runs functions of TensorFlow as Keras 2 wrote them into functional models.
func TestTensorFlowFunctions(t *testing.T) {
	runtimeReady(t)
	ref := func(name string) []any { return []any{name, 0, 0} }
	shapes := map[string][]any{"x": {5, 4}}
	one := func(what string, want func(a *array) *array, layers ...[]any) {
		t.Helper()
		last := layers[len(layers)-1][1].(string)
		r := newTrial(t, functional2(shapes, []any{ref(last)}, layers...), nil)
		r.check(what, want(r.given["x"]))
	}
	mapped := func(f func(v float64) float64) func(a *array) *array {
		return func(a *array) *array { return a.mapped(f) }
	}
	swish := func(v float64) float64 { return v * clamp(v+3, 0, 6) / 6 }
	one("the hard swish of MobileNetV3", mapped(swish), called("__operators__.add", "tf.__operators__.add", "x", object{"y": 3.0, "name": nil}),
		[]any{"ReLU", "re_lu", object{"max_value": 6.0}, []any{[]any{"tf.__operators__.add", 0, 0, object{}}}},
		called("math.multiply", "tf.math.multiply", "re_lu", object{"y": 1.0 / 6, "name": nil}),
		[]any{"Multiply", "multiply", object{}, []any{[]any{"x", 0, 0, object{}}, []any{"tf.math.multiply", 0, 0, object{}}}})
	one("one less", mapped(func(v float64) float64 { return 1 - v }),
		[]any{"TFOpLambda", "s", object{"function": "math.subtract"}, []any{"_CONSTANT_VALUE", -1, 1.0, object{"y": ref("x"), "name": nil}}})
	one("an array", func(a *array) *array {
		y := zeros(a.shape...)
		each(y.shape, func(i []int) { y.set((a.at(i...)-float64(i[2]))/2, i...) })
		return y
	}, called("math.subtract", "s", "x", object{"y": []any{0.0, 1.0, 2.0, 3.0}, "name": nil}), called("math.truediv", "d", "s", object{"y": 2.0, "name": nil}))
	one("a slice", func(a *array) *array {
		y := zeros(3, 3)
		each(y.shape, func(i []int) { y.set(a.at(i[0], 4-i[1], 2), i...) })
		return y
	}, []any{"SlicingOpLambda", "g", object{"function": "__operators__.getitem"}, []any{"x", 0, 0, object{"slice_spec": []any{object{"start": nil, "stop": nil, "step": nil},
		object{"start": nil, "stop": 1, "step": -1}, 2}}}})
	one("the mean, kept", func(a *array) *array {
		y, m := zeros(3, 5, 1), a.reduced([]int{2}, meanOf)
		each(y.shape, func(i []int) { y.set(m.at(i...), i...) })
		return y
	}, called("math.reduce_mean", "m", "x", object{"axis": -1, "keepdims": true, "name": nil}))
	one("its own shape", func(a *array) *array { return &array{[]int{3, 2, 10}, a.data} },
		called("compat.v1.shape", "tf.compat.v1.shape", "x", object{"out_type": "int32", "name": nil}),
		[]any{"SlicingOpLambda", "batch", object{"function": "__operators__.getitem"}, []any{"tf.compat.v1.shape", 0, 0, object{"slice_spec": 0}}},
		[]any{"SlicingOpLambda", "rows", object{"function": "__operators__.getitem"}, []any{"tf.compat.v1.shape", 0, 0, object{"slice_spec": 1}}},
		called("math.multiply", "twice", "rows", object{"y": 2, "name": nil}),
		called("reshape", "tf.reshape", "x", object{"shape": []any{ref("batch"), 2, ref("twice")}, "name": nil}))
	one("flat", func(a *array) *array { return &array{[]int{3, 20}, a.data} }, called("reshape", "r", "x", object{"shape": []any{-1, 20}, "name": nil}))
	one("joined", func(a *array) *array {
		y := zeros(3, 5, 8)
		each(y.shape, func(i []int) { y.set(a.at(i[0], i[1], i[2]%4)*[]float64{1, -1}[i[2]/4], i...) })
		return y
	}, called("math.negative", "n", "x", object{"name": nil}),
		[]any{"TFOpLambda", "c", object{"function": "concat"}, []any{[]any{"x", 0, 0, object{"axis": -1, "name": "c"}}, []any{"n", 0, 0, object{"axis": -1, "name": "c"}}}})
	one("parts of several sizes", func(a *array) *array {
		y := zeros(3, 5, 3)
		each(y.shape, func(i []int) { y.set(a.at(i[0], i[1], i[2]+1), i...) })
		return y
	}, called("split", "parts", "x", object{"num_or_size_splits": []any{1, 3}, "axis": 2, "num": nil, "name": "split"}),
		[]any{"Activation", "a", object{"activation": "linear"}, []any{[]any{"parts", 0, 1, object{}}}})
	one("unit length", func(a *array) *array {
		return alongs(a, 2, func(l []float64) []float64 {
			out := make([]float64, len(l))
			for i := range l {
				out[i] = l[i] / math.Sqrt(squareOf(l))
			}
			return out
		})
	}, called("math.l2_normalize", "l", "x", object{"axis": -1, "epsilon": 1e-12, "name": nil}))
	one("a product with itself", func(a *array) *array {
		y := zeros(3, 5, 5)
		each([]int{3, 5, 5, 4}, func(i []int) { y.set(y.at(i[:3]...)+a.at(i[0], i[1], i[3])*a.at(i[0], i[2], i[3]), i[:3]...) })
		return y
	}, called("linalg.matmul", "m", "x", object{"b": ref("x"), "transpose_a": false, "transpose_b": true, "adjoint_a": false, "adjoint_b": false, "a_is_sparse": false, "b_is_sparse": false,
		"output_type": nil, "name": nil}))
	for name, f := range map[string]func(v float64) float64{"nn.relu6": func(v float64) float64 { return clamp(v, 0, 6) }, "math.sigmoid": sigmoid, "nn.silu": func(v float64) float64 { return v * sigmoid(v) },
		"nn.leaky_relu": func(v float64) float64 { return math.Max(v, 0) + 0.2*math.Min(v, 0) }, "nn.gelu": func(v float64) float64 { return v / 2 * (1 + math.Erf(v/math.Sqrt2)) },
		"keras.activations.relu": func(v float64) float64 { return math.Max(v, 0) }, "math.softplus": func(v float64) float64 { return math.Log1p(math.Exp(v)) }} {
		one(name, mapped(f), called(name, "f", "x", object{}))
	}
	one("clipped", mapped(func(v float64) float64 { return clamp(v, -0.5, 0.25) }), called("clip_by_value", "c", "x", object{"clip_value_min": -0.5, "clip_value_max": 0.25, "name": nil}))
	one("chosen", mapped(func(v float64) float64 { return math.Max(v, 0.1) }), called("math.greater", "g", "x", object{"y": 0.1, "name": nil}),
		called("where", "w", "g", object{"x": ref("x"), "y": 0.1, "name": nil}))
	// Nodes of TensorFlow's graph, as before 2.4.
	node := func(op string, inputs int, attrs, constants object) object {
		var names []any
		for range inputs {
			names = append(names, "a")
		}
		return object{"node_def": object{"name": op, "op": op, "input": names, "attr": attrs}, "constants": constants}
	}
	graphNode := func(name string, config object, on ...string) []any {
		var refs []any
		for _, n := range on {
			refs = append(refs, []any{n, 0, 0, object{}})
		}
		return []any{"TensorFlowOpLayer", name, config, refs}
	}
	one("a node of the graph", mapped(func(v float64) float64 { return 3 - v }), graphNode("tf_op_layer_sub", node("Sub", 2, object{"T": object{"type": "DT_FLOAT"}}, object{"0": 3.0}), "x"))
	one("nodes of the graph", func(a *array) *array {
		y, m := zeros(3, 3), a.reduced([]int{2}, meanOf)
		each(y.shape, func(i []int) { y.set(2*m.at(i[0], 1+i[1], 0), i...) })
		return y
	}, graphNode("tf_op_layer_mean", node("Mean", 2, object{"keep_dims": object{"b": false}, "Tidx": object{"type": "DT_INT32"}}, object{"1": []any{-1}}), "x"),
		graphNode("tf_op_layer_add", node("AddV2", 2, object{}, nil), "tf_op_layer_mean", "tf_op_layer_mean"),
		graphNode("tf_op_layer_slice", node("StridedSlice", 4, object{"begin_mask": object{"i": "1"}, "end_mask": object{"i": "1"}}, object{"1": []any{0, 1}, "2": []any{0, 4}, "3": []any{1, 1}}), "tf_op_layer_add"))
	// A picture resized and normalised on the way in.
	shapes = map[string][]any{"x": {6, 8, 3}}
	one("a picture", func(a *array) *array {
		y := zeros(3, 3, 4, 3)
		each(y.shape, func(i []int) {
			sum := 0.0
			for k := range 4 {
				sum += a.at(i[0], 2*i[1]+k/2, 2*i[2]+k%2, i[3])
			}
			y.set(sum/4/127.5-1, i...)
		})
		return y
	}, called("image.resize", "r", "x", object{"size": []any{3, 4}, "method": "bilinear", "preserve_aspect_ratio": false, "antialias": false, "name": nil}),
		called("math.truediv", "d", "r", object{"y": 127.5, "name": nil}), called("math.subtract", "s", "d", object{"y": 1, "name": nil}))
}
