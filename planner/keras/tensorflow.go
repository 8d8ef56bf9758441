package keras

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"partita/planner/graph"
)

// Functional models of TensorFlow 2 hold, besides layers, the functions of TensorFlow that were called on their tensors: from
// 2.4 on as TFOpLambda and SlicingOpLambda with the function's name and its arguments by name, before as TensorFlowOpLayer
// with a node of TensorFlow's graph. Here each becomes an operation of keras.ops that means the same. (TensorFlow's API
// documentation, 2.0 to 2.15; tensorflow/core/framework/node_def.proto.)

// translation says which operation a function is.
type translation struct {
	op       string
	operands []string          // the function's tensors by name, in the order of the operation's; the first is what it is called on
	options  map[string]string // the function's other arguments, and the operation's options that they are
	fixed    map[string]any    // options that the function has otherwise than the operation, unless they are given
	constant map[string]any    // arguments that may only have one value
	settle   func(options map[string]any) error
}

// translate makes operations of a layer that is a function of TensorFlow. What cannot be said so is kept in l.foreign.
func (l *layerConfig) translate() {
	name := ""
	switch l.class {
	case "TFOpLambda", "SlicingOpLambda":
		name, _ = l.options["function"].(string)
		if name == "" {
			l.foreign = "it does not say which function it is"
			return
		}
	case "TensorFlowOpLayer":
		var err error
		if name, err = l.unpackNode(); err != nil {
			l.foreign = err.Error()
			return
		}
	default:
		return
	}
	t, ok := findTranslation(name)
	if !ok {
		l.foreign = fmt.Sprintf("the function tf.%s is not supported", name)
		return
	}
	var options map[string]any
	for i := range l.calls {
		o, err := l.calls[i].translate(t)
		if err == nil && i > 0 && fmt.Sprint(o) != fmt.Sprint(options) {
			err = fmt.Errorf("its calls differ in more than tensors")
		}
		if err != nil {
			l.foreign = fmt.Sprintf("the function tf.%s: %v", name, err)
			return
		}
		options = o
	}
	l.op, l.options = t.op, options
}

// findTranslation finds a function under its canonical name: those of tf.math are known with and without that prefix.
func findTranslation(name string) (translation, bool) {
	name = strings.TrimPrefix(name, "compat.v1.")
	if t, ok := translations[name]; ok {
		return t, true
	}
	t, ok := translations[strings.TrimPrefix(name, "math.")]
	return t, ok
}

// translate puts a call's tensors into the order of the operation's, and gives the options.
func (c *call) translate(t translation) (map[string]any, error) {
	options := maps.Clone(t.fixed)
	if options == nil {
		options = map[string]any{}
	}
	byName := map[string][]argument{}
	var names []string
	for _, a := range c.args {
		name := a.keyword
		if name == "" {
			name = t.operands[0]
		}
		if byName[name] == nil {
			names = append(names, name)
		}
		a.keyword = ""
		byName[name] = append(byName[name], a)
	}
	var args []argument
	for _, name := range t.operands {
		args = append(args, byName[name]...)
		delete(byName, name)
	}
	for _, name := range names {
		list, there := byName[name]
		if !there {
			continue
		}
		v, plain := list[0].plain()
		if len(list) > 1 || !plain {
			return nil, fmt.Errorf("its argument %s is computed", name)
		}
		only, constant := t.constant[name]
		option, known := t.options[name]
		switch {
		case name == "name":
		case constant && fmt.Sprint(v) == fmt.Sprint(only):
		case constant || !known:
			return nil, fmt.Errorf("with the argument %s = %s", name, describe(v))
		default:
			options[option] = v
		}
	}
	c.args = args
	if t.settle != nil {
		return options, t.settle(options)
	}
	return options, nil
}

// plain gives an argument that is no tensor.
func (a *argument) plain() (any, bool) {
	switch {
	case a.isRef:
		return nil, false
	case a.isOther:
		return a.other, true
	}
	return a.number, true
}

// lowered makes options in the words of TensorFlow ones in those of Keras.
func lowered(options map[string]any) error {
	for name, v := range options {
		text, ok := v.(string)
		if !ok {
			continue
		}
		switch text = strings.ToLower(text); text {
		case "nhwc", "nwc", "ndhwc":
			text = "channels_last"
		case "nchw", "ncw", "ncdhw":
			text = "channels_first"
		}
		options[name] = text
	}
	for _, name := range []string{"pool_size", "strides"} { // with ones for the batch and the channels
		list, ok := options[name].([]any)
		if !ok || len(list) < 3 {
			continue
		}
		first, last := 1, len(list)-1
		if options["data_format"] == "channels_first" {
			first, last = 2, len(list)
		}
		for i, v := range list {
			if (i < first || i >= last) && v != 1.0 {
				return fmt.Errorf("with %s over the batch or the channels", name)
			}
		}
		options[name] = slices.Clone(list[first:last])
	}
	return nil
}

// dimensions are whole numbers that are known before the model runs, and the batch.
type dimensions []int64

// open tells whether the batch is among them.
func (d dimensions) open() bool { return slices.Contains(d, graph.Batch) }

// asTensor makes a tensor of known numbers. Where the batch is among them nothing may compute with it.
func (f *functionCall) asTensor(d dimensions, vector bool) ([]*tensor, error) {
	numbers := make([]int64, len(d))
	for i, n := range d {
		if numbers[i] = n; n == graph.Batch {
			numbers[i] = 1
		}
	}
	v := f.op("Identity", f.cast(f.l.integers("sizes", numbers), graph.Int32))
	if !vector {
		v = f.axes("Squeeze", v, 0)
	}
	out, err := f.result(v)
	if err == nil {
		out[0].known = d
	}
	return out, err
}

// knownOf gives an argument's numbers when they are known: those of a shape, or a number in the configuration.
func (f *functionCall) knownOf(i int) (dimensions, bool) {
	t := f.args[i]
	if t.known != nil {
		return t.known, true
	}
	for k, given := range f.l.given {
		if given == t && !f.l.call.args[k].isRef && !f.l.call.args[k].isOther {
			n, whole := wholeNumber(f.l.call.args[k].number)
			return dimensions{n}, whole
		}
	}
	return nil, false
}

// folded computes a function of known numbers.
func (f *functionCall) folded(compute func(a, b int64) int64) ([]*tensor, bool, error) {
	if f.args[0].known == nil && f.args[1].known == nil {
		return nil, false, nil
	}
	a, ok := f.knownOf(0)
	b, ok2 := f.knownOf(1)
	if !ok || !ok2 || len(a) != 1 || len(b) != 1 || a.open() || b.open() {
		if a.open() || b.open() {
			return nil, false, fmt.Errorf("it computes with the size of the batch")
		}
		return nil, false, nil
	}
	out, err := f.asTensor(dimensions{compute(a[0], b[0])}, len(f.args[0].shape)+len(f.args[1].shape) > 0)
	return out, true, err
}
