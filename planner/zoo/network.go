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
	options     map[string]any
	inputs      []*layer
	number      float64 // second operand of an operation
}

// tensor is the output of a layer: square images with channels, or with size 0 a vector.
type tensor struct {
	*layer
	size, channels int
}

// option is an option of a layer that differs from Keras's default.
type option struct {
	name  string
	value any
}

var (
	same   = option{"padding", "same"}
	noBias = option{"use_bias", false}
)

func strides(n int) option             { return option{"strides", []int{n, n}} }
func activated(name string) option     { return option{"activation", name} }
func epsilon(value float64) option     { return option{"epsilon", value} }
func window(name string, n int) option { return option{name, []int{n, n}} }

// when is an option that is given only on a condition.
func when(yes bool, o option) []option {
	if yes {
		return []option{o}
	}
	return nil
}

// start begins a network with its input.
func start(name string, size int) (*network, tensor) {
	n := &network{name: name, unnamed: map[string]int{}}
	t := n.layer("InputLayer", "", nil, option{"batch_shape", []any{nil, size, size, 3}}, option{"dtype", "float32"})
	n.input = t.layer
	t.size, t.channels = size, 3
	return n, t
}

// layer adds a layer. Without a name it gets one of its class and number, as Keras does it. The output has the shape of the
// first input until the caller says otherwise.
func (n *network) layer(class, name string, inputs []tensor, options ...option) tensor {
	if name == "" {
		name = snakeCase(class)
		if k := n.unnamed[class]; k > 0 {
			name += "_" + strconv.Itoa(k)
		}
		n.unnamed[class]++
	}
	l := &layer{class: class, name: name, options: map[string]any{"name": name}}
	for _, o := range options {
		l.options[o.name] = o.value
	}
	t := tensor{layer: l}
	for i, in := range inputs {
		l.inputs = append(l.inputs, in.layer)
		if i == 0 {
			t.size, t.channels = in.size, in.channels
		}
	}
	return t
}

// one adds a layer with one input.
func (n *network) one(class, name string, x tensor, options ...option) tensor {
	return n.layer(class, name, []tensor{x}, options...)
}

// slide is the size of what a sliding window makes of an image, by the layer's options.
func (l *layer) slide(size, kernel int) int {
	step := 1
	if s, ok := l.options["strides"].([]int); ok {
		step = s[0]
	}
	if l.options["padding"] == "same" {
		kernel = 1
	}
	return (size-kernel)/step + 1
}

// conv adds a convolution with a square kernel.
func (n *network) conv(x tensor, name string, filters, kernel int, options ...option) tensor {
	return n.conv2(x, name, filters, kernel, kernel, options...)
}

// conv2 adds a convolution with rows x columns; of kernels that are not square only padded ones occur.
func (n *network) conv2(x tensor, name string, filters, rows, columns int, options ...option) tensor {
	t := n.one("Conv2D", name, x, append(options, option{"filters", filters}, option{"kernel_size", []int{rows, columns}})...)
	t.size, t.channels = t.slide(x.size, rows), filters
	return t
}

func (n *network) depthwise(x tensor, name string, kernel int, options ...option) tensor {
	t := n.one("DepthwiseConv2D", name, x, append(options, window("kernel_size", kernel), noBias)...)
	t.size = t.slide(x.size, kernel)
	return t
}

func (n *network) separable(x tensor, name string, filters, kernel int, options ...option) tensor {
	t := n.one("SeparableConv2D", name, x, append(options, option{"filters", filters}, window("kernel_size", kernel), noBias)...)
	t.size, t.channels = t.slide(x.size, kernel), filters
	return t
}

func (n *network) norm(x tensor, name string, options ...option) tensor {
	return n.one("BatchNormalization", name, x, options...)
}

func (n *network) activation(x tensor, name, function string) tensor {
	return n.one("Activation", name, x, activated(function))
}

// relu adds a ReLU layer; most is its maximum, 0 for none.
func (n *network) relu(x tensor, name string, most float64) tensor {
	return n.one("ReLU", name, x, when(most > 0, option{"max_value", most})...)
}

// pool adds a "Max" or an "Average" pooling.
func (n *network) pool(x tensor, name, kind string, size, step int, options ...option) tensor {
	t := n.one(kind+"Pooling2D", name, x, append(options, window("pool_size", size), strides(step))...)
	t.size = t.slide(x.size, size)
	return t
}

// pad adds zeros before and after the rows and the columns.
func (n *network) pad(x tensor, name string, before, after int) tensor {
	t := n.one("ZeroPadding2D", name, x, option{"padding", [][]int{{before, after}, {before, after}}})
	t.size += before + after
	return t
}

// padFor pads for a kernel that steps by two without padding of its own, so that the result is what TensorFlow's "same"
// gives: keras.applications calls this correct_pad.
func (n *network) padFor(x tensor, name string, kernel int) tensor {
	return n.pad(x, name, kernel/2-1+x.size%2, kernel/2)
}

func (n *network) add(name string, inputs ...tensor) tensor { return n.layer("Add", name, inputs) }

func (n *network) concat(name string, inputs ...tensor) tensor {
	t := n.layer("Concatenate", name, inputs)
	t.channels = 0
	for _, in := range inputs {
		t.channels += in.channels
	}
	return t
}

// operation adds an operation of keras.ops on a tensor and a number.
func (n *network) operation(class string, x tensor, number float64) tensor {
	t := n.one(class, "", x)
	t.module, t.number = "keras.src.ops.numpy", number
	return t
}

func (n *network) globalAverage(x tensor, name string, options ...option) tensor {
	t := n.one("GlobalAveragePooling2D", name, x, options...)
	t.size = 1
	return t
}

func (n *network) dense(x tensor, name string, units int, activation string) tensor {
	t := n.one("Dense", name, x, option{"units", units}, activated(activation))
	t.channels = units
	return t
}

// classes are those of ImageNet, which every network here tells apart.
const classes = 1000

// classify ends a network with the mean over the image and a softmax.
func (n *network) classify(x tensor, pool string) *network {
	return n.end(n.dense(n.globalAverage(x, pool), "predictions", classes, "softmax"))
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
