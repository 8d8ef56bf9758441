package zoo

import (
	"strconv"
	"strings"
	"unicode"
)

// network is an architecture while it is being wired.
type network struct {
	name    string
	unnamed map[string]int // layers of each class that were given no name
	input   *layer
	output  *layer
}

// layer is one layer, or an operation on tensors.
type layer struct {
	class, name string
	module      string // "" is keras.layers
	flags       flags
	options     map[string]any
	inputs      []*layer
	number      float64 // second operand of an operation
}

// tensor is the output of a layer: square images with channels, or with size 0 a vector.
type tensor struct {
	*layer
	size, channels int
}

// flags are the common options that differ from Keras's defaults. They are one number, rather than a list at each of the
// many places where layers are made, because those places are compiled into the page.
type flags int

const (
	same   flags = 1 << iota // padding
	noBias                   // in convolutions
	halve                    // strides of 2
	relu                     // activations
	silu
	sigmoid
	softmax
	hardSilu
	noScale // in normalisations
	precise // in normalisations: what ResNet and DenseNet add to variances
	keep    // the dimensions that are pooled
)

// spelled says what flags are in a configuration.
var spelled = []struct {
	flag  flags
	name  string
	value any
}{
	{same, "padding", "same"}, {noBias, "use_bias", false}, {halve, "strides", []int{2, 2}}, {relu, "activation", "relu"}, {silu, "activation", "silu"},
	{sigmoid, "activation", "sigmoid"}, {softmax, "activation", "softmax"}, {hardSilu, "activation", "hard_silu"}, {noScale, "scale", false},
	{precise, "epsilon", 1.001e-5}, {keep, "keepdims", true},
}

// start begins a network with its input.
func start(name string, size int) (*network, tensor) {
	n := &network{name: name, unnamed: map[string]int{}}
	t := n.many("InputLayer", "", 0)
	t.set("batch_shape", []any{nil, size, size, 3})
	t.set("dtype", "float32")
	n.input = t.layer
	t.size, t.channels = size, 3
	return n, t
}

// many adds a layer. Without a name it gets one of its class and number, as Keras does it. The output has the shape of the
// first input until the caller says otherwise.
func (n *network) many(class, name string, f flags, inputs ...tensor) tensor {
	if name == "" {
		name = snakeCase(class)
		if k := n.unnamed[class]; k > 0 {
			name += "_" + strconv.Itoa(k)
		}
		n.unnamed[class]++
	}
	t := tensor{layer: &layer{class: class, name: name, flags: f, options: map[string]any{"name": name}}}
	for _, s := range spelled {
		if f&s.flag != 0 {
			t.options[s.name] = s.value
		}
	}
	for i, in := range inputs {
		t.inputs = append(t.inputs, in.layer)
		if i == 0 {
			t.size, t.channels = in.size, in.channels
		}
	}
	return t
}

// set sets an option of a layer.
func (l *layer) set(name string, value any) { l.options[name] = value }

// one adds a layer with one input.
func (n *network) one(class, name string, x tensor, f flags) tensor { return n.many(class, name, f, x) }

// with adds a layer with one input and an option that is not among the flags.
func (n *network) with(class, name string, x tensor, option string, value any) tensor {
	t := n.one(class, name, x, 0)
	t.set(option, value)
	return t
}

// sliding adds a layer that moves a window over the image.
func (n *network) sliding(class, name string, x tensor, option string, rows, columns int, f flags) tensor {
	t := n.one(class, name, x, f)
	t.set(option, []int{rows, columns})
	if f&same == 0 {
		t.size -= rows - 1
	}
	if f&halve != 0 {
		t.size = (t.size + 1) / 2
	}
	return t
}

// conv adds a convolution with a square kernel.
func (n *network) conv(x tensor, name string, filters, kernel int, f flags) tensor {
	return n.conv2(x, name, filters, kernel, kernel, f)
}

// conv2 adds a convolution with rows x columns; of kernels that are not square only padded ones occur.
func (n *network) conv2(x tensor, name string, filters, rows, columns int, f flags) tensor {
	t := n.sliding("Conv2D", name, x, "kernel_size", rows, columns, f)
	t.set("filters", filters)
	t.channels = filters
	return t
}

func (n *network) depthwise(x tensor, name string, kernel int, f flags) tensor {
	return n.sliding("DepthwiseConv2D", name, x, "kernel_size", kernel, kernel, f|noBias)
}

func (n *network) separable(x tensor, name string, filters, kernel int, f flags) tensor {
	t := n.sliding("SeparableConv2D", name, x, "kernel_size", kernel, kernel, f|noBias)
	t.set("filters", filters)
	t.channels = filters
	return t
}

func (n *network) norm(x tensor, name string, f flags) tensor {
	return n.one("BatchNormalization", name, x, f)
}

func (n *network) activation(x tensor, name string, f flags) tensor {
	return n.one("Activation", name, x, f)
}

// relu adds a ReLU layer; most is its maximum, 0 for none.
func (n *network) relu(x tensor, name string, most float64) tensor {
	t := n.one("ReLU", name, x, 0)
	if most > 0 {
		t.set("max_value", most)
	}
	return t
}

// pool adds a "Max" or an "Average" pooling. Keras's default for its strides is the window's size.
func (n *network) pool(x tensor, name, kind string, size int, f flags) tensor {
	t := n.sliding(kind+"Pooling2D", name, x, "pool_size", size, size, f)
	if f&halve == 0 {
		t.set("strides", []int{1, 1})
	}
	return t
}

// pad adds zeros before and after the rows and the columns.
func (n *network) pad(x tensor, name string, before, after int) tensor {
	t := n.with("ZeroPadding2D", name, x, "padding", [][]int{{before, after}, {before, after}})
	t.size += before + after
	return t
}

// padFor pads for a kernel that steps by two without padding of its own, so that the result is what TensorFlow's "same"
// gives: keras.applications calls this correct_pad.
func (n *network) padFor(x tensor, name string, kernel int) tensor {
	return n.pad(x, name, kernel/2-1+x.size%2, kernel/2)
}

func (n *network) add(name string, x, y tensor) tensor { return n.many("Add", name, 0, x, y) }

func (n *network) concat(name string, inputs ...tensor) tensor {
	t := n.many("Concatenate", name, 0, inputs...)
	t.channels = 0
	for _, in := range inputs {
		t.channels += in.channels
	}
	return t
}

// operation adds an operation of keras.ops on a tensor and a number.
func (n *network) operation(class string, x tensor, number float64) tensor {
	t := n.one(class, "", x, 0)
	t.module, t.number = "keras.src.ops.numpy", number
	return t
}

func (n *network) globalAverage(x tensor, name string, f flags) tensor {
	t := n.one("GlobalAveragePooling2D", name, x, f)
	t.size = 1
	return t
}

func (n *network) dense(x tensor, name string, units int, f flags) tensor {
	t := n.one("Dense", name, x, f)
	t.set("units", units)
	t.channels = units
	return t
}

// classes are those of ImageNet, which every network here tells apart.
const classes = 1000

// classify ends a network with the mean over the image and a softmax.
func (n *network) classify(x tensor, pool string) *network {
	return n.end(n.dense(n.globalAverage(x, pool, 0), "predictions", classes, softmax))
}

// end names the network's output.
func (n *network) end(output tensor) *network {
	n.output = output.layer
	return n
}

// divisible rounds to a multiple of 8 near v; with careful it does not fall below 90 % of it.
func divisible(v float64, careful bool) int {
	d := max(8, int(v+4)/8*8)
	if careful && float64(d) < 0.9*v {
		d += 8
	}
	return d
}

// snakeCase turns the name of a class into the one Keras gives its layers.
func snakeCase(class string) string {
	var s strings.Builder
	letters := []rune(class)
	for i, r := range letters {
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])) {
			s.WriteByte('_')
		}
		s.WriteRune(unicode.ToLower(r))
	}
	return s.String()
}
