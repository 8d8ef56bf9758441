package keras_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/keras"
)

var update = flag.Bool("update", false, "write the golden files anew: go test ./planner/keras -update")

// TestGolden compares the graphs of small real models with their text forms in testdata.
func TestGolden(t *testing.T) {
	for _, name := range []string{"k2_tiny_cnn", "k2_tiny_mlp", "k3_tiny_cnn", "k3_tiny_mlp", "k3_tiny_residual"} {
		t.Run(name, func(t *testing.T) {
			m, err := keras.Parse(fixture.Read(t, fixture.Shared(t, "models", name, "model.json")))
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			b.WriteString(m.Graph.Text())
			for _, l := range m.Weights {
				for _, w := range l.Weights {
					fmt.Fprintf(&b, "weight %s %s %s %s\n", l.Class, l.Name, w.Name, w.Shape)
				}
			}
			golden := filepath.Join("testdata", name+".graph.txt")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(fixture.Read(t, golden)); b.String() != want {
				t.Errorf("%s differs:\n%s", golden, firstDifference(b.String(), want))
			}
		})
	}
}

// layer is one layer of a Sequential in a test.
type layer struct {
	class   string
	options string // JSON, without the braces
}

// build makes a Sequential of Keras 2 (or 3) on an input of a shape given as JSON.
func build(major int, shape string, layers ...layer) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"class_name": "Sequential", "keras_version": "%d.1.0", "config": {"name": "s", "layers": [`, major)
	fmt.Fprintf(&b, `{"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": %s}}`, shape)
	for i, l := range layers {
		options := l.options
		if options != "" {
			options = ", " + options
		}
		fmt.Fprintf(&b, `, {"class_name": "%s", "config": {"name": "l%d"%s}}`, l.class, i+1, options)
	}
	b.WriteString("]}}")
	return []byte(b.String())
}

const (
	image  = "[null, 5, 6, 4]"
	vector = "[null, 8]"
)

// TestLayers lowers one layer at a time. The expectation is the lines of the graph's text that belong to the layers, each
// without the number, name and class in front.
func TestLayers(t *testing.T) {
	const transposed = "l1/Transpose = Transpose(x) perm=0,3,1,2 | ?x4x5x6\n"
	for _, c := range []struct {
		name   string
		major  int
		shape  string
		layers []layer
		want   string
	}{
		{"same padding, stride 2: more at the end", 2, "[null, 4, 4, 1]", []layer{{"Conv2D", `"filters": 1, "kernel_size": [1, 1], "strides": [2, 2], "padding": "same", "use_bias": false`}},
			"l1/Reshape = Reshape(x, [0 1 4 4]) | ?x1x4x4\nl1/Conv = Conv(l1/Reshape, l1/kernel~3201:1x1x1x1) dilations=1,1 group=1 kernel_shape=1,1 pads=0,0,0,0 strides=2,2 | ?x1x2x2\nl1 = Reshape(l1/Conv, [0 2 2 1]) | ?x2x2x1"},
		{"same padding, even kernel", 2, image, []layer{{"Conv2D", `"filters": 2, "kernel_size": [2, 4], "strides": 3, "padding": "same", "dilation_rate": 1`}, {"Flatten", ""}},
			transposed + "l1 = Conv(l1/Transpose, l1/kernel~3201:2x4x2x4, l1/bias:2) dilations=1,1 group=1 kernel_shape=2,4 pads=0,0,0,1 strides=3,3 | ?x2x2x2\n" +
				"l2/Transpose = Transpose(l1) perm=0,2,3,1 | ?x2x2x2\nl2 = Flatten(l2/Transpose) axis=1 | ?x8"},
		{"dilation and groups", 3, image, []layer{{"Conv2D", `"filters": 6, "kernel_size": 3, "padding": "same", "dilation_rate": 2, "groups": 2`}, {"GlobalMaxPooling2D", ""}},
			transposed + "l1 = Conv(l1/Transpose, l1/kernel~3201:6x2x3x3, l1/bias:6) dilations=2,2 group=2 kernel_shape=3,3 pads=2,2,2,2 strides=1,1 | ?x6x5x6\n" +
				"l2/GlobalMaxPool = GlobalMaxPool(l1) | ?x6x1x1\nl2 = Flatten(l2/GlobalMaxPool) axis=1 | ?x6"},
		{"Keras 1 convolution", 1, image, []layer{{"Convolution2D", `"nb_filter": 3, "nb_row": 1, "nb_col": 2, "border_mode": "valid", "subsample": [2, 1], "dim_ordering": "tf", "bias": false, "activation": "relu", "W_regularizer": null, "init": "glorot_uniform"`}, {"Flatten", ""}},
			transposed + "l1/Conv = Conv(l1/Transpose, l1/kernel~3201:3x4x1x2) dilations=1,1 group=1 kernel_shape=1,2 pads=0,0,0,0 strides=2,1 | ?x3x3x5\n" +
				"l1 = Relu(l1/Conv) | ?x3x3x5\nl2/Transpose = Transpose(l1) perm=0,2,3,1 | ?x3x5x3\nl2 = Flatten(l2/Transpose) axis=1 | ?x45"},
		{"channels first", 2, "[null, 4, 5, 6]", []layer{{"Conv2D", `"filters": 3, "kernel_size": [1, 1], "data_format": "channels_first"`}, {"BatchNormalization", `"axis": 1, "scale": false, "center": false`}, {"Flatten", `"data_format": "channels_first"`}},
			"l1 = Conv(x, l1/kernel~3201:3x4x1x1, l1/bias:3) dilations=1,1 group=1 kernel_shape=1,1 pads=0,0,0,0 strides=1,1 | ?x3x5x6\n" +
				"l2 = BatchNormalization(l1, [1 1 1], [0 0 0], l2/moving_mean:3, l2/moving_variance:3) epsilon=0.001 | ?x3x5x6\n" +
				"l3/Transpose = Transpose(l2) perm=0,2,3,1 | ?x5x6x3\nl3 = Flatten(l3/Transpose) axis=1 | ?x90"},
		{"depth multiplier", 2, image, []layer{{"DepthwiseConv2D", `"kernel_size": [3, 3], "depth_multiplier": 2`}, {"GlobalAveragePooling2D", `"keepdims": true`}},
			transposed + "l1 = Conv(l1/Transpose, l1/depthwise_kernel~2301:8x1x3x3, l1/bias:8) dilations=1,1 group=4 kernel_shape=3,3 pads=0,0,0,0 strides=1,1 | ?x8x3x4\n" +
				"l2/GlobalAveragePool = GlobalAveragePool(l1) | ?x8x1x1\nl2 = Reshape(l2/GlobalAveragePool, [0 1 1 8]) | ?x1x1x8"},
		{"separable", 2, image, []layer{{"SeparableConv2D", `"filters": 5, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "depth_multiplier": 2`}, {"Flatten", ""}},
			transposed + "l1/Conv = Conv(l1/Transpose, l1/depthwise_kernel~2301:8x1x3x3) dilations=1,1 group=4 kernel_shape=3,3 pads=1,0,1,1 strides=2,2 | ?x8x3x3\n" +
				"l1 = Conv(l1/Conv, l1/pointwise_kernel~3201:5x8x1x1, l1/bias:5) dilations=1,1 group=1 kernel_shape=1,1 pads=0,0,0,0 strides=1,1 | ?x5x3x3\n" +
				"l2/Transpose = Transpose(l1) perm=0,2,3,1 | ?x3x3x5\nl2 = Flatten(l2/Transpose) axis=1 | ?x45"},
		{"average pooling leaves padding out", 2, image, []layer{{"AveragePooling2D", `"pool_size": [3, 3], "strides": [2, 2], "padding": "same"`}, {"GlobalAveragePooling2D", ""}},
			transposed + "l1 = AveragePool(l1/Transpose) count_include_pad=0 kernel_shape=3,3 pads=1,0,1,1 strides=2,2 | ?x4x3x3\n" +
				"l2/GlobalAveragePool = GlobalAveragePool(l1) | ?x4x1x1\nl2 = Flatten(l2/GlobalAveragePool) axis=1 | ?x4"},
		{"pooling's stride is its size", 2, image, []layer{{"MaxPooling2D", `"pool_size": [2, 3], "strides": null`}, {"GlobalAveragePooling2D", ""}},
			transposed + "l1 = MaxPool(l1/Transpose) kernel_shape=2,3 pads=0,0,0,0 strides=2,3 | ?x4x2x2\n" +
				"l2/GlobalAveragePool = GlobalAveragePool(l1) | ?x4x1x1\nl2 = Flatten(l2/GlobalAveragePool) axis=1 | ?x4"},
		{"padding and cropping", 2, image, []layer{{"ZeroPadding2D", `"padding": [[1, 2], [0, 3]]`}, {"Cropping2D", `"cropping": [[1, 0], [2, 1]]`}, {"GlobalMaxPooling2D", ""}},
			transposed + "l1 = Pad(l1/Transpose, [0 0 1 0 0 0 2 3]) | ?x4x8x9\nl2 = Slice(l1, [1 2], [8 8], [2 3]) | ?x4x7x6\n" +
				"l3/GlobalMaxPool = GlobalMaxPool(l2) | ?x4x1x1\nl3 = Flatten(l3/GlobalMaxPool) axis=1 | ?x4"},
		{"dense on images", 2, image, []layer{{"Dense", `"units": 3, "activation": "tanh"`}},
			"l1/MatMul = MatMul(x, l1/kernel:4x3) | ?x5x6x3\nl1/Add = Add(l1/MatMul, l1/bias:3) | ?x5x6x3\nl1 = Tanh(l1/Add) | ?x5x6x3"},
		{"dense without bias", 2, vector, []layer{{"Dense", `"units": 3, "use_bias": false`}}, "l1 = Gemm(x, l1/kernel:8x3) | ?x3"},
		{"reshape and permute", 2, image, []layer{{"Reshape", `"target_shape": [10, -1]`}, {"Permute", `"dims": [2, 1]`}},
			"l1 = Reshape(x, [0 10 12]) | ?x10x12\nl2 = Transpose(l1) perm=0,2,1 | ?x12x10"},
		{"batch normalization of rows", 2, "[null, 3, 5]", []layer{{"BatchNormalization", `"axis": [2]`}},
			"l1/Transpose = Transpose(x) perm=0,2,1 | ?x5x3\nl1/BatchNormalization = BatchNormalization(l1/Transpose, l1/gamma:5, l1/beta:5, l1/moving_mean:5, l1/moving_variance:5) epsilon=0.001 | ?x5x3\nl1 = Transpose(l1/BatchNormalization) perm=0,2,1 | ?x3x5"},
		{"dropout is the identity", 2, vector, []layer{{"Dropout", `"rate": 0.5, "noise_shape": [null, 1], "seed": 3`}}, "l1 = Identity(x) | ?x8"},
		{"linear is the identity", 2, vector, []layer{{"Activation", `"activation": "linear"`}}, "l1 = Identity(x) | ?x8"},
		{"hard_sigmoid of Keras 2", 2, vector, []layer{{"Activation", `"activation": "hard_sigmoid"`}}, "l1 = HardSigmoid(x) alpha=0.2 beta=0.5 | ?x8"},
		{"hard_sigmoid of Keras 3", 3, vector, []layer{{"Activation", `"activation": "hard_sigmoid"`}}, "l1 = HardSigmoid(x) alpha=0.16666667 beta=0.5 | ?x8"},
		{"hard_silu of Keras 3", 3, vector, []layer{{"Activation", `"activation": "hard_silu"`}}, "l1 = HardSwish(x) | ?x8"},
		{"swish", 2, vector, []layer{{"Activation", `"activation": "swish"`}}, "l1/Sigmoid = Sigmoid(x) | ?x8\nl1 = Mul(x, l1/Sigmoid) | ?x8"},
		{"gelu", 3, vector, []layer{{"Activation", `"activation": "gelu"`}},
			"l1/Mul = Mul(x, [0.70710677]) | ?x8\nl1/Erf = Erf(l1/Mul) | ?x8\nl1/Mul_2 = Mul(x, [0.5]) | ?x8\nl1/Add = Add(l1/Erf, [1]) | ?x8\nl1 = Mul(l1/Mul_2, l1/Add) | ?x8"},
		{"activation layer as argument", 3, vector, []layer{{"Dense", `"units": 2, "activation": {"module": "keras.layers", "class_name": "LeakyReLU", "config": {"name": "a", "negative_slope": 0.1}}`}},
			"l1/Gemm = Gemm(x, l1/kernel:8x2, l1/bias:2) | ?x2\nl1 = LeakyRelu(l1/Gemm) alpha=0.1 | ?x2"},
		{"relu6", 2, vector, []layer{{"ReLU", `"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0`}}, "l1 = Clip(x, [0], [6]) | ?x8"},
		{"relu with slope", 2, vector, []layer{{"ReLU", `"negative_slope": 0.25`}}, "l1 = LeakyRelu(x) alpha=0.25 | ?x8"},
		{"relu with everything", 2, vector, []layer{{"ReLU", `"max_value": 4, "negative_slope": 0.5, "threshold": 1`}},
			"l1/Greater = Greater(x, [1]) | ?x8 bool\nl1/Cast = Cast(l1/Greater) to=1 | ?x8\nl1/Mul = Mul(x, l1/Cast) | ?x8\nl1/Clip = Clip(l1/Mul, [0], [4]) | ?x8\n" +
				"l1/Sub = Sub([1], x) | ?x8\nl1/Relu = Relu(l1/Sub) | ?x8\nl1/Mul_2 = Mul(l1/Relu, [0.5]) | ?x8\nl1 = Sub(l1/Clip, l1/Mul_2) | ?x8"},
		{"leaky relu's default", 2, vector, []layer{{"LeakyReLU", ``}}, "l1 = LeakyRelu(x) alpha=0.3 | ?x8"},
		{"softmax over channels after a pooling", 2, image, []layer{{"MaxPooling2D", ``}, {"Softmax", `"axis": -1`}, {"GlobalMaxPooling2D", ``}},
			transposed + "l1 = MaxPool(l1/Transpose) kernel_shape=2,2 pads=0,0,0,0 strides=2,2 | ?x4x2x3\nl2 = Softmax(l1) axis=1 | ?x4x2x3\n" +
				"l3/GlobalMaxPool = GlobalMaxPool(l2) | ?x4x1x1\nl3 = Flatten(l3/GlobalMaxPool) axis=1 | ?x4"},
		{"slopes per row", 2, image, []layer{{"MaxPooling2D", ``}, {"PReLU", `"shared_axes": [2]`}, {"GlobalMaxPooling2D", ``}},
			transposed + "l1 = MaxPool(l1/Transpose) kernel_shape=2,2 pads=0,0,0,0 strides=2,2 | ?x4x2x3\nl2 = PRelu(l1, l2/alpha~201:4x2x1) | ?x4x2x3\n" +
				"l3/GlobalMaxPool = GlobalMaxPool(l2) | ?x4x1x1\nl3 = Flatten(l3/GlobalMaxPool) axis=1 | ?x4"},
		{"rescaling", 3, vector, []layer{{"Rescaling", `"scale": 0.5, "offset": -1.0`}}, "l1/Mul = Mul(x, [0.5]) | ?x8\nl1 = Add(l1/Mul, [-1]) | ?x8"},
		{"adapted normalization", 3, image, []layer{{"Normalization", `"axis": [3], "mean": null, "variance": null`}},
			"l1/Sqrt = Sqrt(l1/variance:1x1x1x4) | 1x1x1x4\nl1/Max = Max(l1/Sqrt, [1e-07]) | 1x1x1x4\nl1/Sub = Sub(x, l1/mean:1x1x1x4) | ?x5x6x4\nl1 = Div(l1/Sub, l1/Max) | ?x5x6x4"},
		{"given normalization", 3, vector, []layer{{"Normalization", `"axis": null, "mean": 2, "variance": [4]`}},
			"l1/Sqrt = Sqrt([4]) | \nl1/Max = Max(l1/Sqrt, [1e-07]) | \nl1/Sub = Sub(x, [2]) | ?x8\nl1 = Div(l1/Sub, l1/Max) | ?x8"},
	} {
		m, err := keras.Parse(build(c.major, c.shape, c.layers...))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, line := range strings.Split(m.Graph.Text(), "\n") {
			if _, node, ok := strings.Cut(line, " | "); ok {
				got = append(got, node)
			}
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, text, c.want)
		}
		if m.Graph.LayerCount != len(c.layers) {
			t.Errorf("%s: %d layers, want %d", c.name, m.Graph.LayerCount, len(c.layers))
		}
	}
}

// TestParameters checks counts as Keras gives them, weights that no node uses among them.
func TestParameters(t *testing.T) {
	m, err := keras.Parse(build(3, image, layer{"Normalization", ``}, layer{"SeparableConv2D", `"filters": 5, "kernel_size": 3, "depth_multiplier": 2`},
		layer{"BatchNormalization", `"scale": false`}, layer{"PReLU", ``}, layer{"Flatten", ``}, layer{"Dense", `"units": 7`}))
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{4 + 4 + 1, 3*3*4*2 + 8*5 + 5, 3 * 5, 3 * 4 * 5, 0, 60*7 + 7}
	for i, w := range want {
		if got := m.Graph.Layers[i].Parameters; got != w {
			t.Errorf("layer %s has %d parameters, want %d", m.Graph.Layers[i].Name, got, w)
		}
	}
	var names []string
	for _, l := range m.Weights {
		for _, w := range l.Weights {
			names = append(names, w.Key)
		}
	}
	if got := strings.Join(names, " "); got != "l1/mean l1/variance l1/count l2/depthwise_kernel l2/pointwise_kernel l2/bias l3/beta l3/moving_mean l3/moving_variance l4/alpha l6/kernel l6/bias" {
		t.Errorf("weights are %s", got)
	}
}

func TestRefusedLayers(t *testing.T) {
	const unsupported, bad = "keras.unsupported-layer", "keras.bad-config"
	for _, c := range []struct {
		name   string
		major  int
		layers []layer
		code   string
		want   []string
	}{
		{"all are named", 2, []layer{{"Conv3D", ``}, {"ReLU", ``}, {"Lambda", `"function": ["x"]`}}, unsupported, []string{`layer "l1" (Conv3D) at config.layers[1]`, `layer "l3" (Lambda) at config.layers[3]`, "never run"}},
		{"nested without layers", 2, []layer{{"Sequential", `"layers": []`}}, bad, []string{`config.layers[1].config.layers is not a list`}},
		{"nested", 2, []layer{{"Sequential", `"layers": [{"class_name": "Lambda", "config": {"name": "inner"}}]`}, {"Lambda", ``}}, unsupported,
			[]string{`"inner" (Lambda) at config.layers[1].config.layers[0]`, `"l2" (Lambda)`}},
		{"unknown option", 2, []layer{{"Conv2D", `"filters": 1, "kernel_size": 1, "rotate": 90`}}, unsupported, []string{"rotate = 90"}},
		{"unknown option that is null", 2, []layer{{"Conv2D", `"filters": 1, "kernel_size": 1, "rotate": null`}}, "", nil},
		{"causal", 2, []layer{{"Conv2D", `"filters": 1, "kernel_size": 1, "padding": "causal"`}}, unsupported, []string{`padding "causal"`}},
		{"unknown activation", 2, []layer{{"Dense", `"units": 1, "activation": "wave"`}}, unsupported, []string{`"wave"`}},
		{"custom function", 3, []layer{{"Activation", `"activation": {"module": "builtins", "class_name": "function", "config": "f"}`}}, unsupported, []string{`"function"`}},
		{"dtype policy", 3, []layer{{"Dense", `"units": 1, "dtype": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}`}}, unsupported, []string{"QuantizedDTypePolicy"}},
		{"batch statistics", 1, []layer{{"BatchNormalization", `"mode": 2`}}, unsupported, []string{"mode 2"}},
		{"Theano's kernels", 1, []layer{{"Convolution2D", `"nb_filter": 1, "nb_row": 1, "nb_col": 1, "dim_ordering": "th"`}}, unsupported, []string{"flipped"}},
		{"renorm", 2, []layer{{"BatchNormalization", `"renorm": true`}}, unsupported, []string{"renorm"}},
		{"no units", 2, []layer{{"Dense", ``}}, bad, []string{"units is missing"}},
		{"negative units", 2, []layer{{"Dense", `"units": -4`}}, bad, []string{"units"}},
		{"huge units", 2, []layer{{"Dense", `"units": 1e300`}}, bad, []string{"units"}},
		{"text for a number", 2, []layer{{"Conv2D", `"filters": "many", "kernel_size": [1, 1]`}}, bad, []string{"filters"}},
		{"three sizes", 2, []layer{{"Conv2D", `"filters": 1, "kernel_size": [1, 1, 1]`}}, bad, []string{"kernel_size"}},
		{"a stride of nothing", 2, []layer{{"MaxPooling2D", `"strides": [0, 0]`}}, bad, []string{"strides"}},
		{"too large a window", 2, []layer{{"MaxPooling2D", `"pool_size": [9, 9]`}}, bad, []string{`layer "l1" (MaxPooling2D) at config.layers[1]`, "does not fit"}},
		{"groups", 3, []layer{{"Conv2D", `"filters": 4, "kernel_size": 1, "groups": 3`}}, bad, []string{"groups"}},
		{"wrong rank", 2, []layer{{"Flatten", ``}, {"Conv2D", `"filters": 1, "kernel_size": 1`}}, bad, []string{`layer "l2" (Conv2D)`, "4 dimensions"}},
		{"reshape that loses", 2, []layer{{"Reshape", `"target_shape": [7, -1]`}}, bad, []string{"does not reshape"}},
		{"two open dimensions", 2, []layer{{"Reshape", `"target_shape": [-1, -1]`}}, bad, []string{"does not reshape"}},
		{"permutation of too many", 2, []layer{{"Permute", `"dims": [1, 2, 3, 4]`}}, bad, []string{"dims"}},
		{"permutation twice", 2, []layer{{"Permute", `"dims": [1, 1, 2]`}}, bad, []string{"permutation"}},
		{"cropped by more than there is", 2, []layer{{"Cropping2D", `"cropping": [[1, 7], [0, 0]]`}}, bad, []string{"does not fit"}},
		{"cropped away", 2, []layer{{"Cropping2D", `"cropping": [[3, 2], [0, 0]]`}}, bad, []string{"does not fit"}},
		{"an astronomic kernel", 2, []layer{{"Dense", `"units": 1000000000`}, {"Dense", `"units": 1000000000`}}, bad, []string{"more than"}},
		{"merge of one kind", 2, []layer{{"Subtract", ``}}, bad, []string{"1 tensors"}},
	} {
		_, err := keras.Parse(build(c.major, image, c.layers...))
		if diag.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want code %q", c.name, err, c.code)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error does not contain %q: %v", c.name, w, err)
			}
		}
	}
}

func TestRefusedDocuments(t *testing.T) {
	functional := func(layers, inputs, outputs string) string {
		return `{"class_name": "Model", "config": {"name": "m", "layers": [` + layers + `], "input_layers": ` + inputs + `, "output_layers": ` + outputs + `}}`
	}
	const in = `{"name": "x", "class_name": "InputLayer", "config": {"batch_input_shape": [null, 4], "name": "x"}, "inbound_nodes": []}, `
	relu := func(name, inbound string) string {
		return `{"name": "` + name + `", "class_name": "ReLU", "config": {"name": "` + name + `"}, "inbound_nodes": [` + inbound + `]}`
	}
	const io = `[["x", 0, 0]]`
	for _, c := range []struct{ name, text, code, want string }{
		{"empty", "", "model.not-a-model", "JSON"},
		{"a number", "7", "model.not-a-model", "holds 7"},
		{"a list", "[]", "model.not-a-model", "a list"},
		{"no class", "{}", "model.not-a-model", "class_name"},
		{"a layer", `{"class_name": "Dense", "config": {}}`, "model.not-a-model", `"Dense"`},
		{"no config", `{"class_name": "Model"}`, "model.not-a-model", "without its config"},
		{"config of a wrong kind", `{"class_name": "Model", "config": 3}`, "keras.bad-config", "config is 3"},
		{"no layers", functional("", io, io), "keras.bad-config", "layers"},
		{"not a layer", functional("5", io, io), "keras.bad-config", "config.layers[0] is 5"},
		{"no name", functional(`{"class_name": "ReLU", "config": {}}`, io, io), "keras.bad-config", "no name"},
		{"two of one name", functional(in+in[:len(in)-2], io, io), "keras.bad-config", `both named "x"`},
		{"not wired", functional(in+`{"name": "a", "class_name": "ReLU", "config": {}}`, io, io), "keras.bad-config", "inbound_nodes"},
		{"unknown reference", functional(in+relu("a", `[["y", 0, 0]]`), io, `[["a", 0, 0]]`), "keras.bad-config", `layer "y"`},
		{"unknown call", functional(in+relu("a", `[["x", 1, 0]]`), io, `[["a", 0, 0]]`), "keras.bad-config", `call 1 of layer "x"`},
		{"second output", functional(in+relu("a", `[["x", 0, 1]]`), io, `[["a", 0, 0]]`), "keras.bad-config", "output 1"},
		{"fraction in a reference", functional(in+relu("a", `[["x", 0.5, 0]]`), io, `[["a", 0, 0]]`), "keras.bad-config", "reference"},
		{"circle", functional(in+relu("a", `[["b", 0, 0]]`)+", "+relu("b", `[["a", 0, 0]]`), io, `[["b", 0, 0]]`), "keras.bad-config", "its own output"},
		{"no outputs", functional(in+relu("a", `[["x", 0, 0]]`), io, `[]`), "keras.bad-config", "output_layers"},
		{"unknown output", functional(in+relu("a", `[["x", 0, 0]]`), io, `[["z", 0, 0]]`), "keras.bad-config", `layer "z"`},
		{"undeclared input", functional(in+strings.ReplaceAll(in, `"x"`, `"y"`)+relu("a", `[["y", 0, 0]]`), io, `[["a", 0, 0]]`), "keras.bad-config", "does not list"},
		{"input of a wrong class", functional(in+relu("a", `[["x", 0, 0]]`), `[["x", 0, 0], ["a", 0, 0]]`, `[["a", 0, 0]]`), "keras.bad-config", "not an InputLayer"},
		{"training", functional(in+relu("a", `[["x", 0, 0, {"training": true}]]`), io, `[["a", 0, 0]]`), "keras.unsupported-layer", "training=True"},
		{"keyword", functional(in+relu("a", `[["x", 0, 0, {"states": 1}]]`), io, `[["a", 0, 0]]`), "keras.unsupported-layer", "argument states"},
		{"open size", strings.Replace(functional(in+relu("a", `[["x", 0, 0]]`), io, `[["a", 0, 0]]`), "[null, 4]", "[null, null]", 1), "keras.unknown-size", "fixed input shape"},
		{"nothing to compute", functional(in[:len(in)-2], io, io), "keras.bad-config", "computes nothing"},
		{"long name", strings.ReplaceAll(functional(in+relu("a", `[["x", 0, 0]]`), io, `[["a", 0, 0]]`), `"a"`, `"`+strings.Repeat("a", 1000)+`"`), "keras.bad-config", "1000 bytes"},
		{"no shape", `{"class_name": "Sequential", "config": [{"class_name": "ReLU", "config": {"name": "a"}}]}`, "keras.no-input-shape", "known shape"},
		{"deep", strings.Repeat("[", 100000), "keras.too-large", "nests deeper"},
		{"deep after a string", `{"a": "\"[", "b": ` + strings.Repeat("[", 200), "keras.too-large", "nests deeper"},
		{"many layers", `{"class_name": "Sequential", "config": [` + strings.Repeat("0,", 20000) + "0]}", "keras.too-large", "layers"},
	} {
		_, err := keras.Parse([]byte(c.text))
		if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want code %s and %q", c.name, err, c.code, c.want)
		}
	}
}

// TestOrder checks that a configuration in another order than its data's flow is put right, and that what no output needs
// is left out.
func TestOrder(t *testing.T) {
	const text = `{"class_name": "Functional", "config": {"name": "m", "layers": [
		{"name": "sum", "class_name": "Add", "config": {}, "inbound_nodes": [[["a", 0, 0], ["a", 1, 0], ["x", 0, 0]]]},
		{"name": "a", "class_name": "Dense", "config": {"units": 4}, "inbound_nodes": [[["x", 0, 0]], [["r", 0, 0]]]},
		{"name": "unused", "class_name": "Conv3D", "config": {}, "inbound_nodes": [[["x", 0, 0]]]},
		{"name": "r", "class_name": "ReLU", "config": {}, "inbound_nodes": [["a", 0, 0]]},
		{"name": "x", "class_name": "InputLayer", "config": {"batch_input_shape": [null, 4]}, "inbound_nodes": []}],
		"input_layers": ["x", 0, 0], "output_layers": [["sum", 0, 0], ["sum", 0, 0]]}}`
	m, err := keras.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	const want = `model m: 4 layers, 20 parameters
input x = x ?x4
0 x InputLayer | | ?x4
1 a Dense | a = Gemm(x, a/kernel:4x4, a/bias:4) | ?x4
2 r ReLU | r = Relu(a) | ?x4
3 a Dense | a@2 = Gemm(r, a/kernel:4x4, a/bias:4) | ?x4
4 sum Add | sum/Add = Add(a, a@2) | ?x4
4 sum Add | sum = Add(sum/Add, x) | ?x4
output sum = sum ?x4
output sum_1 = sum ?x4
`
	if got := m.Graph.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if p := m.Graph.Layers[3].Parameters; p != 0 {
		t.Errorf("a repeated call has %d parameters", p)
	}
}

// TestMerges checks how tensors of different layouts and ranks meet.
func TestMerges(t *testing.T) {
	const head = `{"class_name": "Model", "keras_version": "%s", "config": {"name": "m", "layers": [
		{"name": "x", "class_name": "InputLayer", "config": {"batch_input_shape": [null, 4, 4, 3]}, "inbound_nodes": []},
		{"name": "v", "class_name": "InputLayer", "config": {"batch_input_shape": [null, 3]}, "inbound_nodes": []},
		{"name": "p", "class_name": "MaxPooling2D", "config": {"pool_size": 1}, "inbound_nodes": [[["x", 0, 0]]]},
		{"name": "o", "class_name": "%s", "config": {%s}, "inbound_nodes": [[%s]]},
		{"name": "g", "class_name": "GlobalMaxPooling2D", "config": {}, "inbound_nodes": [[["o", 0, 0]]]}],
		"input_layers": [["x", 0, 0], ["v", 0, 0]], "output_layers": [["g", 0, 0]]}}`
	for _, c := range []struct{ version, class, options, inputs, want string }{
		{"2.2.4", "Concatenate", `"axis": -1`, `["p", 0, 0], ["x", 0, 0]`, "o = Concat(p, p/Transpose) axis=1 | ?x6x4x4"},
		{"2.2.4", "Concatenate", `"axis": 1`, `["p", 0, 0], ["p", 0, 0]`, "o = Concat(p, p) axis=2 | ?x3x8x4"},
		{"1.2.2", "Merge", `"mode": "concat", "concat_axis": 3, "dot_axes": -1, "arguments": {}, "output_shape": null`, `["p", 0, 0], ["p", 0, 0]`, "o = Concat(p, p) axis=1 | ?x6x4x4"},
		{"1.2.2", "Merge", `"mode": "ave"`, `["p", 0, 0], ["x", 0, 0]`, "o/Add = Add(p, p/Transpose) | ?x3x4x4\no = Mul(o/Add, [0.5]) | ?x3x4x4"},
		{"2.2.4", "Multiply", ``, `["p", 0, 0], ["v", 0, 0]`, "o/Reshape = Reshape(v, [0 1 1 3]) | ?x1x1x3\no/Reshape_2 = Reshape(o/Reshape, [0 3 1 1]) | ?x3x1x1\no = Mul(p, o/Reshape_2) | ?x3x4x4"},
		{"2.2.4", "Maximum", ``, `["p", 0, 0], ["x", 0, 0], ["p", 0, 0]`, "o = Max(p, p/Transpose, p) | ?x3x4x4"},
		{"2.2.4", "Subtract", ``, `["p", 0, 0], ["x", 0, 0]`, "o = Sub(p, p/Transpose) | ?x3x4x4"},
		{"2.2.4", "Average", ``, `["p", 0, 0], ["x", 0, 0], ["p", 0, 0]`, "o/Add = Add(p, p/Transpose) | ?x3x4x4\no/Add_2 = Add(o/Add, p) | ?x3x4x4\no = Mul(o/Add_2, [0.33333334]) | ?x3x4x4"},
	} {
		m, err := keras.Parse([]byte(fmt.Sprintf(head, c.version, c.class, c.options, c.inputs)))
		if err != nil {
			t.Errorf("%s: %v", c.class, err)
			continue
		}
		var got []string
		for _, line := range strings.Split(m.Graph.Text(), "\n") {
			if strings.Contains(line, " o "+c.class) {
				_, node, _ := strings.Cut(line, " | ")
				got = append(got, node)
			}
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.class, text, c.want)
		}
	}
}

// TestInputTypes checks that whole-number inputs are cast once, where they are first used.
func TestInputTypes(t *testing.T) {
	text := strings.Replace(string(build(3, image, layer{"Rescaling", `"scale": 0.25`})), `"batch_input_shape"`, `"dtype": "uint8", "batch_shape"`, 1)
	m, err := keras.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Graph.Text(); !strings.Contains(got, "input x = x ?x5x6x4 uint8\n") || !strings.Contains(got, "l1/Cast = Cast(x) to=1 | ?x5x6x4\n") {
		t.Errorf("got\n%s", got)
	}
	// TensorFlow has several names for some types; numbers with a point are all served as float32.
	for name, want := range map[string]string{"float": "", "half": "", "double": "", "float64": "", "int32": " int32"} {
		m, err := keras.Parse([]byte(strings.Replace(text, `"uint8"`, `"`+name+`"`, 1)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := m.Graph.Text(); !strings.Contains(got, "input x = x ?x5x6x4"+want+"\n") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// fuzz checks what must hold for any text: a diagnostic for the user, or a valid model whose canonical form is itself.
func fuzz(t *testing.T, m *keras.Model, err error) {
	if err != nil {
		if diag.As(err) == nil || diag.CodeOf(err) == "keras.wrong-graph" {
			t.Fatalf("not a diagnostic for the user: %v", err)
		}
		return
	}
	if err := m.Graph.Validate(); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(m.Config) {
		t.Fatal("the canonical configuration is not JSON")
	}
	again, err := keras.Parse(m.Config)
	if err != nil {
		t.Fatalf("the canonical configuration is refused: %v", err)
	}
	if got, want := again.Graph.Text(), m.Graph.Text(); got != want || string(again.Config) != string(m.Config) {
		t.Fatalf("the canonical configuration gives another model:\n%s", firstDifference(got, want))
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add(build(2, image, layer{"Conv2D", `"filters": 2, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"`}, layer{"BatchNormalization", ``}, layer{"ReLU", `"max_value": 6`}, layer{"Flatten", ``}, layer{"Dense", `"units": 3, "activation": "softmax"`}))
	f.Add(build(3, vector, layer{"Dense", `"units": 3, "activation": "gelu"`}))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := keras.Parse(text)
		fuzz(t, m, err)
	})
}

func FuzzParseYAML(f *testing.F) {
	f.Add([]byte(sequential("    max_value: &a 6.0\n    threshold: 0\n    seed_initializer: *a\n")))
	f.Add([]byte("class_name: Model\nconfig: {layers: [{class_name: InputLayer, name: x, config: {batch_input_shape: !!python/tuple [null, 2]}, inbound_nodes: []}], input_layers: [[x, 0, 0]], output_layers: [[x, 0, 0]]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := keras.ParseYAML(text)
		fuzz(t, m, err)
	})
}
