package keras

import (
	"fmt"
	"math"
	"sort"
	"strings"
)

// finding is one reason why a layer cannot be lowered.
type finding struct {
	malformed bool // the file is wrong, rather than Partita too narrow
	reason    string
	fix       string
}

// options reads one layer's configuration. Every option that is read is marked; what is left at the end and is not
// known to be without effect on the result is a finding, so that nothing is guessed.
type options struct {
	layer    *layerConfig
	major    int
	read     map[string]bool
	findings []finding
	accepted map[string]bool // keywords of calls
	outer    *options        // of the layer that this one is an option of
}

// withoutEffect are options of any layer that do not change what a trained model computes, or that are handled for all
// layers alike.
var withoutEffect = map[string]bool{
	"name": true, "trainable": true, "dtype": true, "batch_input_shape": true, "batch_shape": true, "input_shape": true,
	"input_dtype": true, "autocast": true, "init": true, "weights": true, "beta_init": true, "gamma_init": true,
	"depthwise_init": true, "pointwise_init": true, "create_input_layer": true, "batch_size": true,
}

var withoutEffectSuffixes = []string{"_initializer", "_regularizer", "_constraint", "_learning_rate_multiplier"}

func ignorable(name string) bool {
	return withoutEffect[name] || hasSuffix(name, withoutEffectSuffixes)
}

func hasSuffix(name string, suffixes []string) bool {
	for _, s := range suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

func (o *options) unsupported(fix, format string, args ...any) {
	if o.outer != nil {
		o.outer.unsupported(fix, "its %s: %s", o.layer.class, fmt.Sprintf(format, args...))
		return
	}
	o.findings = append(o.findings, finding{reason: fmt.Sprintf(format, args...), fix: fix})
}

func (o *options) malformed(format string, args ...any) {
	if o.outer != nil {
		o.outer.malformed("its %s: %s", o.layer.class, fmt.Sprintf(format, args...))
		return
	}
	o.findings = append(o.findings, finding{malformed: true, reason: fmt.Sprintf(format, args...), fix: "save the model again"})
}

// finish reports options that no one read.
func (o *options) finish() {
	var names []string
	for name, v := range o.layer.options {
		if !o.read[name] && !ignorable(name) && v != nil {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		o.unsupported("save the model without it", "option %s = %s is not known", name, describe(o.layer.options[name]))
	}
	switch p := policyName(o.layer.options["dtype"]); p {
	case "", "float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16":
		// Half precision is a way to train and to store: float32 computes the same function more exactly.
	case "int32", "int64", "uint8":
		// What Keras 2 writes into a first layer that takes indices or raw pixels; the result is float all the same.
	default:
		o.unsupported("use the dtype policy float32", "dtype policy %q", p)
	}
}

// value finds an option under the first of its names that is there: Keras 1 named many differently.
func (o *options) value(names ...string) any {
	var found any
	for _, name := range names {
		if v, ok := o.layer.options[name]; ok {
			o.read[name] = true
			if found == nil {
				found = v
			}
		}
	}
	return found
}

// ignore marks options that have no effect on this class.
func (o *options) ignore(names ...string) { o.value(names...) }

func (o *options) boolean(def bool, names ...string) bool {
	switch v := o.value(names...).(type) {
	case nil:
		return def
	case bool:
		return v
	case float64: // Keras 1 models by hand
		return v != 0
	default:
		o.malformed("option %s is %s, not true or false", names[0], describe(v))
		return def
	}
}

func (o *options) text(def string, names ...string) string {
	switch v := o.value(names...).(type) {
	case nil:
		return def
	case string:
		return v
	default:
		o.malformed("option %s is %s, not a text", names[0], describe(v))
		return def
	}
}

func (o *options) number(def float64, names ...string) float64 {
	v, ok := asNumber(o.value(names...))
	switch {
	case v == nil:
		return def
	case !ok || math.IsNaN(*v) || math.IsInf(*v, 0):
		o.malformed("option %s is not a number", names[0])
		return def
	}
	return *v
}

// asNumber reads a number or a list of one number; nil and true when there is none.
func asNumber(v any) (*float64, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case float64:
		return &v, true
	case []any:
		if len(v) == 1 {
			return asNumber(v[0])
		}
	case map[string]any: // Keras 3 writes NumPy scalars so
		if v["class_name"] == "__numpy__" {
			c, _ := v["config"].(map[string]any)
			return asNumber(c["value"])
		}
	}
	return new(float64), false
}

// integer reads a whole number of at least least.
func (o *options) integer(def, least int64, names ...string) int64 {
	v, ok := asNumber(o.value(names...))
	if v == nil {
		return def
	}
	n, whole := wholeNumber(*v)
	if !ok || !whole || n < least {
		o.malformed("option %s is not a whole number of at least %d", names[0], least)
		return max(def, least)
	}
	return n
}

func wholeNumber(f float64) (int64, bool) {
	if f != math.Trunc(f) || math.Abs(f) > maxDimension {
		return 0, false
	}
	return int64(f), true
}

// required is integer for an option without a default.
func (o *options) required(names ...string) int64 {
	if n := o.integer(0, 1, names...); n > 0 {
		return n
	}
	o.malformed("option %s is missing", names[0])
	return 1
}

// integers reads a list of whole numbers; a single number is a list of one.
func (o *options) integers(names ...string) []int64 {
	v := o.value(names...)
	list, ok := v.([]any)
	if f, single := v.(float64); single {
		list, ok = []any{f}, true
	}
	if v == nil {
		return nil
	}
	out := make([]int64, 0, len(list))
	for _, e := range list {
		f, isNumber := e.(float64)
		n, whole := wholeNumber(f)
		ok = ok && isNumber && whole
		out = append(out, n)
	}
	if !ok {
		o.malformed("option %s is %s, not a list of whole numbers", names[0], describe(v))
		return nil
	}
	return out
}

// layout reads data_format, which Keras 1 called dim_ordering. Keras 1 leaves it out of some layers; its default, like
// that of every later version, is channels last.
func (o *options) layout() layout {
	switch v := o.text("channels_last", "data_format", "dim_ordering"); v {
	case "channels_last", "tf", "default":
		return channelsFirst // the data is channels last: ONNX wants it turned round
	case "channels_first", "th":
		return asSource
	default:
		o.malformed("option data_format is %q", v)
		return channelsFirst
	}
}

// padding reads padding, which Keras 1 called border_mode; true is "same".
func (o *options) padding() bool {
	switch v := o.text("valid", "padding", "border_mode"); v {
	case "valid":
		return false
	case "same":
		return true
	default:
		o.unsupported("use padding same or valid", "padding %q", v)
		return false
	}
}
