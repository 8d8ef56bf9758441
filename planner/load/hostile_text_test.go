package load_test

import (
	"fmt"
	"strings"
)

// model wraps layers in a Sequential of Keras 2 whose input has a shape.
func model(shape string, layers ...string) string {
	return `{"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "InputLayer", "config": {"batch_input_shape": ` + shape + `, "name": "x"}}, ` + strings.Join(layers, ", ") + `]}}`
}

func layer(class, name, options string) string {
	if options != "" {
		options = ", " + options
	}
	return fmt.Sprintf(`{"class_name": %q, "config": {"name": %q%s}}`, class, name, options)
}

// functional is a model of Keras 2 of layers in this order, each given with the layers that it reads.
func functional(shape string, output string, layers ...[3]string) string {
	var b strings.Builder
	b.WriteString(`{"class_name": "Functional", "config": {"name": "f", "layers": [{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": ` + shape + `}, "inbound_nodes": []}`)
	for _, l := range layers {
		var from []string
		for _, in := range strings.Fields(l[2]) {
			from = append(from, fmt.Sprintf(`[%q, 0, 0, {}]`, in))
		}
		fmt.Fprintf(&b, `, {"class_name": %q, "name": %q, "config": {"name": %q}, "inbound_nodes": [[%s]]}`, l[0], l[1], l[1], strings.Join(from, ", "))
	}
	fmt.Fprintf(&b, `], "input_layers": [["x", 0, 0]], "output_layers": [[%q, 0, 0]]}}`, output)
	return b.String()
}

func hostileTexts() []hostileCase {
	json := func(name, code string, text func() string) hostileCase {
		return one("json/"+name, code, "m.json", func() []byte { return []byte(text()) })
	}
	yaml := func(name, code string, text func() string) hostileCase {
		return one("yaml/"+name, code, "m.yaml", func() []byte { return []byte("class_name: Sequential\n" + text()) })
	}
	return []hostileCase{
		json("a million brackets", "keras.too-large", func() string { return strings.Repeat("[", 1_000_000) }),
		json("a million braces", "keras.too-large", func() string { return strings.Repeat(`{"":`, 1_000_000) }),
		json("deep in a string", "keras.too-large", func() string { return `{"modelTopology": {"model_config": "` + strings.Repeat("[", 1_000_000) + `"}}` }),
		json("7 MB of blanks", "model.not-a-model", func() string { return "{" + strings.Repeat(" ", 7<<20) }),
		json("70 MB of blanks", "model.too-large", func() string { return "{" + strings.Repeat(" ", 70<<20) }),
		json("a string of 7 MB", "model.not-a-model", func() string { return `{"class_name": "` + strings.Repeat("x", 7<<20) + `", "config": {}}` }),
		json("a string of escapes", "model.not-a-model", func() string { return `{"class_name": "` + strings.Repeat(`\u0001`, 1<<20) + `", "config": {}}` }),
		json("three million numbers", "keras.too-large", func() string { return "[" + strings.Repeat("0,", 3_000_000) + "0]" }),
		json("400,000 numbers", "model.not-a-model", func() string { return "[" + strings.Repeat("0,", 400_000) + "0]" }),
		json("50,000 objects", "model.not-a-model", func() string { return "[" + strings.Repeat(`{"":0},`, 45_000) + "0]" }),
		json("a million objects", "keras.too-large", func() string { return "[" + strings.Repeat(`{"":0},`, 1_000_000) + "0]" }),
		json("600,000 members", "keras.too-large", func() string {
			var b strings.Builder
			for i := range 600_000 {
				fmt.Fprintf(&b, `"%d":0,`, i)
			}
			return "{" + b.String() + `"":0}`
		}),
		json("a number of a megabyte", "model.not-a-model", func() string {
			return model("[null, 2]", layer("Dense", "d", `"units": 1`+strings.Repeat("0", 1<<20)))
		}),
		json("a number beyond all", "model.not-a-model", func() string { return model("[null, 1e999]", layer("ReLU", "r", "")) }),
		json("units of 1e300", "keras.bad-config", func() string { return model("[null, 2]", layer("Dense", "d", `"units": 1e300`)) }),
		json("units of 2^62", "keras.bad-config", func() string { return model("[null, 2]", layer("Dense", "d", `"units": 4611686018427387904`)) }),
		json("negative units", "keras.bad-config", func() string { return model("[null, 2]", layer("Dense", "d", `"units": -3`)) }),
		json("a shape of 2^90", "keras.bad-config", func() string {
			return model("[null, 1073741824, 1073741824, 1073741824]", layer("ReLU", "r", ""))
		}),
		json("a shape of 100,000 dimensions", "keras.bad-config", func() string {
			return model("[null"+strings.Repeat(", 1", 100_000)+"]", layer("ReLU", "r", ""))
		}),
		json("negative dimensions", "keras.bad-config", func() string { return model("[null, -2]", layer("ReLU", "r", "")) }),
		json("a text with half a character", "model.unknown-format", func() string { return "{\"class_name\": \"\xff\"}" }),
		json("duplicate members", "", func() string {
			return strings.Replace(model("[null, 2]", layer("ReLU", "r", "")), `"name": "s"`, `"name": "s", "name": "t"`, 1)
		}),
		json("duplicate layers", "keras.bad-config", func() string { return model("[null, 2]", layer("ReLU", "r", ""), layer("ReLU", "r", "")) }),
		json("20,000 layers", "keras.too-large", func() string {
			return model("[null, 2]", many(20_000, func(i int) string { return layer("ReLU", fmt.Sprint("r", i), "") })...)
		}),
		json("a class of a megabyte", "keras.bad-config", func() string { return model("[null, 2]", layer(strings.Repeat("X", 1<<20), "r", "")) }),
		json("names of a megabyte", "keras.bad-config", func() string { return model("[null, 2]", layer("ReLU", strings.Repeat("r", 1<<20), "")) }),
		json("9,000 unknown classes", "keras.unsupported-layer", func() string {
			return model("[null, 2]", many(9_000, func(i int) string { return layer(fmt.Sprint("My", i), fmt.Sprint("r", i), "") })...)
		}),
		yaml("alias bomb", "keras.too-large", func() string {
			var b strings.Builder
			b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
			for i := 1; i < 12; i++ {
				fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
			}
			return b.String()
		}),
		yaml("alias bomb of texts", "keras.too-large", func() string {
			var b strings.Builder
			b.WriteString("config: &a0 {name: " + strings.Repeat("x", 100_000) + "}\n")
			for i := 1; i < 12; i++ {
				fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
			}
			return b.String()
		}),
		yaml("alias bomb that stays below the bound", "keras.too-large", func() string {
			// A large list that many layers' options refer to: 1,000 times 2,000 values, and copies of each further on.
			return "o: &o [" + strings.Repeat("1, ", 2000) + "1]\nconfig:\n" + strings.Repeat("- {class_name: ReLU, config: {name: r, batch_input_shape: [null, 2], max_value: *o}}\n", 1000)
		}),
		yaml("alias of itself", "model.not-a-model", func() string { return "a: &a [*a]\n" }),
		yaml("deep brackets", "keras.too-large", func() string { return "config: " + strings.Repeat("[", 1_000_000) }),
		yaml("deep braces", "keras.too-large", func() string { return "config: " + strings.Repeat("{a: ", 500_000) }),
		yaml("deep dashes", "keras.too-large", func() string { return "config:\n" + strings.Repeat("- ", 1_000_000) + "x" }),
		yaml("a staircase", "keras.too-large", func() string {
			var b strings.Builder
			for i := range 2000 {
				b.WriteString(strings.Repeat(" ", i) + "a:\n")
			}
			return b.String()
		}),
		yaml("a million lists", "keras.too-large", func() string { return "config: [" + strings.Repeat("[],", 1_000_000) + "[]]" }),
		yaml("a million lines", "keras.too-large", func() string { return "config:\n" + strings.Repeat("- a\n", 1_000_000) }),
		yaml("a million comments", "model.not-a-model", func() string { return strings.Repeat("#\n", 2_000_000) }),
		yaml("a million questions", "model.not-a-model", func() string { return strings.Repeat("?\n", 1_000_000) }),
		yaml("a million commas", "model.not-a-model", func() string { return "config: [" + strings.Repeat(",", 2_000_000) + "]" }),
		yaml("a million anchors", "keras.too-large", func() string { return "config: [" + strings.Repeat("&a 1,", 500_000) + "1]" }),
		yaml("a million tags", "keras.too-large", func() string { return "config: [" + strings.Repeat("!!str 1,", 500_000) + "1]" }),
		yaml("a million quotes", "keras.too-large", func() string { return "config: [" + strings.Repeat("'',", 1_000_000) + "1]" }),
		yaml("a million open quotes", "model.not-a-model", func() string { return "config: [" + strings.Repeat(`"`, 1_000_001) + "1]" }),
		yaml("a million block texts", "keras.too-large", func() string { return "config:\n" + strings.Repeat("- |\n", 500_000) }),
		yaml("a million documents", "model.not-a-model", func() string { return strings.Repeat("---\n", 1_000_000) }),
		yaml("many members", "keras.bad-config", func() string {
			return "config: {" + strings.Join(many(100_000, func(i int) string { return fmt.Sprintf("a%d: 1", i) }), ", ") + "}"
		}),
		yaml("one text of 7 MB", "keras.bad-config", func() string { return "config: " + strings.Repeat("x", 7<<20) }),
		yaml("one quoted text of 7 MB", "keras.bad-config", func() string { return "config: '" + strings.Repeat("x", 7<<20) + "'" }),
		yaml("one text of many lines", "keras.bad-config", func() string { return "config:\n" + strings.Repeat(" x\n", 1<<20) }),
		yaml("one block of many lines", "keras.bad-config", func() string { return "config: |\n" + strings.Repeat("  x\n", 1<<20) }),
		yaml("one binary of 7 MB", "keras.bad-config", func() string { return "config: !!binary " + strings.Repeat("A", 7<<20) }),
		yaml("blanks", "keras.bad-config", func() string { return "config: " + strings.Repeat(" ", 7<<20) }),
		yaml("tabs", "model.not-a-model", func() string { return strings.Repeat("\t", 1<<20) + "config: x" }),
		yaml("blank lines", "keras.bad-config", func() string { return strings.Repeat("\n", 1<<20) + "config: x" }),
		yaml("lines that end as on old systems", "keras.bad-config", func() string { return strings.Repeat("\r", 1<<20) + "config: x" }),
		yaml("percent signs", "model.not-a-model", func() string { return strings.Repeat("%\n", 1<<20) }),
		yaml("Python objects", "keras.bad-config", func() string {
			return "config:\n- class_name: ReLU\n  config: {name: r, batch_input_shape: [null, 2], max_value: !!python/object/apply:os.system ['true']}\n"
		}),
	}
}

func many(n int, each func(i int) string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = each(i)
	}
	return list
}

// hostileLayers are models whose layers ask for more than any machine has.
func hostileLayers() []hostileCase {
	json := func(name, code string, text func() string) hostileCase {
		return one("layers/"+name, code, "m.json", func() []byte { return []byte(text()) })
	}
	in := func(name, code, shape string, layers ...string) hostileCase {
		return json(name, code, func() string { return model(shape, layers...) })
	}
	image := "[null, 8, 8, 3]"
	return []hostileCase{
		in("kernel of 2^40", "keras.bad-config", image, layer("Conv2D", "c", `"filters": 4, "kernel_size": [1099511627776, 1099511627776], "padding": "same"`)),
		in("filters of 2^50", "keras.bad-config", image, layer("Conv2D", "c", `"filters": 1125899906842624, "kernel_size": [1, 1]`)),
		in("strides of nothing", "keras.bad-config", image, layer("Conv2D", "c", `"filters": 4, "kernel_size": [1, 1], "strides": [0, 0]`)),
		in("negative strides", "keras.bad-config", image, layer("MaxPooling2D", "c", `"pool_size": [2, 2], "strides": [-1, -1]`)),
		in("dilation of 2^60", "keras.bad-config", image, layer("Conv2D", "c", `"filters": 4, "kernel_size": [3, 3], "dilation_rate": [1152921504606846976, 1]`)),
		in("up-sampling of 2^40", "keras.bad-config", image, layer("UpSampling2D", "u", `"size": [1099511627776, 1099511627776]`)),
		in("padding of 2^62", "keras.bad-config", image, layer("ZeroPadding2D", "z", `"padding": [[4611686018427387904, 4611686018427387904], [1, 1]]`)),
		in("cropping of all", "keras.bad-config", image, layer("Cropping2D", "z", `"cropping": [[9, 9], [9, 9]]`)),
		in("reshape that overflows", "keras.bad-config", image, layer("Reshape", "z", `"target_shape": [4294967296, 4294967296, 192]`)),
		in("repeat of 2^60", "keras.bad-config", "[null, 8]", layer("RepeatVector", "z", `"n": 1152921504606846976`)),
		in("permute of itself", "keras.bad-config", image, layer("Permute", "z", `"dims": [1, 1, 1]`)),
		in("concatenation along axis 10^18", "keras.bad-config", image, layer("Concatenate", "z", `"axis": 1000000000000000000`)),
		in("embedding of 2^60", "keras.bad-config", "[null, 8]", layer("Embedding", "z", `"input_dim": 1152921504606846976, "output_dim": 1152921504606846976`)),
		in("recurrence of 10^9 steps", "keras.bad-config", "[null, 1000000000, 8]", layer("LSTM", "z", `"units": 8, "activation": "gelu"`)),
		in("recurrence of 512 steps, in 1,000 layers", "keras.too-large", "[null, 512, 8]", many(1000, func(i int) string {
			return layer("LSTM", fmt.Sprint("l", i), `"units": 8, "activation": "gelu", "return_sequences": true`)
		})...),
		in("flattening of 2^44", "keras.bad-config", "[null, 1048576, 1048576, 1048576]", layer("Flatten", "z", "")),
		json("twice in each of 17 models", "keras.too-large", func() string { return nested(17) }),
		json("twice in each of 15 models", "keras.too-large", func() string { return nested(15) }),
		json("a ring", "keras.bad-config", func() string {
			return functional("[null, 2]", "b", [3]string{"ReLU", "a", "b"}, [3]string{"ReLU", "b", "a"})
		}),
		json("no such layer", "keras.bad-config", func() string { return functional("[null, 2]", "a", [3]string{"ReLU", "a", "z"}) }),
		json("5,000 tensors alive at once", "", func() string {
			var layers [][3]string
			var all []string
			for i := range 5000 {
				layers = append(layers, [3]string{"ReLU", fmt.Sprint("r", i), "x"})
				all = append(all, fmt.Sprint("r", i))
			}
			return functional("[null, 2]", "sum", append(layers, [3]string{"Add", "sum", strings.Join(all, " ")})...)
		}),
		json("every layer reads all before it", "keras.too-large", func() string {
			var layers [][3]string
			all := "x"
			for i := range 700 {
				layers = append(layers, [3]string{"Add", fmt.Sprint("r", i), all})
				all += fmt.Sprint(" r", i)
			}
			return functional("[null, 2]", "r699", layers...)
		}),
		json("sums of sums of 150 layers", "", func() string {
			var layers [][3]string
			all := "x x"
			for i := range 150 {
				layers = append(layers, [3]string{"Add", fmt.Sprint("r", i), all})
				all += fmt.Sprint(" r", i)
			}
			return functional("[null, 2]", "r149", layers...)
		}),
		json("joins that double 60 times", "keras.bad-config", func() string {
			var layers [][3]string
			last := "x"
			for i := range 60 {
				layers = append(layers, [3]string{"Concatenate", fmt.Sprint("r", i), last + " " + last})
				last = fmt.Sprint("r", i)
			}
			return functional("[null, 2]", last, layers...)
		}),
		json("9,999 layers, each of three operators", "keras.too-large", func() string {
			return model("[null, 2]", many(9_999, func(i int) string { return layer("Dense", fmt.Sprint("d", i), `"units": 2, "activation": "relu"`) })...)
		}),
		json("9,999 layers", "", func() string {
			return model("[null, 2]", many(9_999, func(i int) string { return layer("ReLU", fmt.Sprint("d", i), "") })...)
		}),
	}
}

// nested is a model that uses another one twice, which uses another one twice, and so on. The first use of a model is its
// node 1: node 0 is how it was made.
func nested(depth int) string {
	inner := `{"class_name": "ReLU", "name": "m0", "config": {"name": "m0"}, "inbound_nodes": [[["x", 0, 0, {}]], [["m0", 0, 0, {}]]]}`
	for i := 1; i <= depth; i++ {
		inner = fmt.Sprintf(`{"class_name": "Functional", "name": "m%d", "config": {"name": "m%d", "layers": [{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [null, 2]}, "inbound_nodes": []}, %s], "input_layers": [["x", 0, 0]], "output_layers": [["m%d", %d, 0]]}, "inbound_nodes": [[["x", 0, 0, {}]], [["m%d", 1, 0, {}]]]}`,
			i, i, inner, i-1, min(i, 2), i)
	}
	return inner
}
