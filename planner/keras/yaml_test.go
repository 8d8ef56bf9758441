package keras_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/keras"
)

// TestYAMLEqualsJSON opens every architecture that Keras wrote in several forms: JSON, block YAML and flow YAML must
// give the same graph and the same canonical configuration, or be refused for the same reasons.
func TestYAMLEqualsJSON(t *testing.T) {
	var files []string
	for _, pattern := range []string{"zoo/*/*.yaml.gz", "models/*/model*.yaml"} {
		found, err := filepath.Glob(filepath.Join(fixture.Shared(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 80 {
		t.Fatalf("only %d files found", len(files))
	}
	for _, file := range files {
		base, compressed := strings.CutSuffix(file, ".gz")
		base = strings.TrimSuffix(strings.TrimSuffix(base, ".yaml"), ".flow")
		other := base + ".json"
		if compressed {
			other += ".gz"
		}
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			want, wantErr := keras.Parse(fixture.Read(t, other))
			got, err := keras.ParseYAML(fixture.Read(t, file))
			if wantErr != nil {
				if err == nil || err.Error() != wantErr.Error() {
					t.Fatalf("YAML: %v\nJSON: %v", err, wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if g, w := got.Graph.Text(), want.Graph.Text(); g != w {
				t.Errorf("graphs differ:\n%s", firstDifference(g, w))
			}
			if !bytes.Equal(got.Config, want.Config) {
				t.Error("canonical configurations differ")
			}
			again, err := keras.Parse(want.Config)
			if err != nil {
				t.Fatalf("the canonical configuration: %v", err)
			}
			if g, w := again.Graph.Text(), want.Graph.Text(); g != w {
				t.Errorf("the canonical configuration gives another graph:\n%s", firstDifference(g, w))
			}
			if !reflect.DeepEqual(again.Weights, want.Weights) || !bytes.Equal(again.Config, want.Config) {
				t.Error("the canonical configuration gives another model")
			}
		})
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			other := "(nothing)"
			if i < len(y) {
				other = y[i]
			}
			return x[i] + "\n" + other
		}
	}
	return "one ends early"
}

// sequential wraps the YAML of one layer's options in a model.
func sequential(options string) string {
	return "class_name: Sequential\nconfig:\n- class_name: ReLU\n  config:\n    name: r\n    batch_input_shape: [null, 4]\n" + options
}

func TestYAMLForms(t *testing.T) {
	numpy := `    max_value: !!python/object/apply:numpy.core.multiarray._reconstruct
      args: [!!python/name:numpy.ndarray '', !!python/tuple [0], !!binary Yg==]
      state: !!python/tuple
      - 1
      - !!python/tuple []
      - !!python/object/apply:numpy.dtype
        args: [f4, false, true]
        state: !!python/tuple [3, <, null, null, null, -1, -1, 0]
      - false
      - !!binary |
        AADAQA==
`
	for _, c := range []struct{ name, options, want string }{
		{"plain", "    max_value: 6.0\n", "Clip(r_input, [0], [6])"},
		{"integer", "    max_value: 6\n", "Clip(r_input, [0], [6])"},
		{"exponent", "    max_value: 6.0e+00\n", "Clip(r_input, [0], [6])"},
		{"octal of YAML 1.1", "    max_value: 010\n", "Clip(r_input, [0], [8])"},
		{"hexadecimal", "    max_value: 0x10\n", "Clip(r_input, [0], [16])"},
		{"null", "    max_value: ~\n", "Relu(r_input)"},
		{"anchor", "    max_value: &a 2.5\n    threshold: 0\n    seed_initializer: *a\n", "Clip(r_input, [0], [2.5])"},
		{"numpy array", numpy, "Clip(r_input, [0], [6])"},
		{"numpy scalar", "    max_value: !!python/object/apply:numpy.core.multiarray.scalar [!!python/object/apply:numpy.dtype {args: [f8, 0, 1], state: [3, <]}, !!binary AAAAAAAAGEA=]\n", "Clip(r_input, [0], [6])"},
	} {
		m, err := keras.ParseYAML([]byte(sequential(c.options)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if !strings.Contains(m.Graph.Text(), c.want) {
			t.Errorf("%s: no %s in\n%s", c.name, c.want, m.Graph.Text())
		}
	}
}

// TestYAMLValues reads YAML as JSON has it.
func TestYAMLValues(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"block styles", "a:\n- 1\n- - 2\n  - 3\n-\n  b: c\n  d:\nb:\n  - x: 1\n    y: 2\n", `{"a": [1, [2, 3], {"b": "c", "d": null}], "b": [{"x": 1, "y": 2}]}`},
		{"flow styles", "a: {b: [1, two, 'three'], \"c\":4, d: , e}\nf: []\ng: {}\n", `{"a": {"b": [1, "two", "three"], "c": 4, "d": null, "e": null}, "f": [], "g": {}}`},
		{"flow over lines", "a: [one two\n  three,\n\n  {x: 1,\n  y: 'a\n   b'}, ]\n", `{"a": ["one two three", {"x": 1, "y": "a b"}]}`},
		{"plain over lines", "a: one\n  two\n\n  three # four\nb: c#d\n", `{"a": "one two\nthree", "b": "c#d"}`},
		{"single quotes", "a: 'it''s\n  so \n\n  \\n'\n'b: c': d\n", `{"a": "it's so\n\\n", "b: c": "d"}`},
		{"double quotes", "a: \"x\\ty\\u00e9\\U0001F600\\\n   z \\\n  w\n  v\"\n\"b\\\"\": c\n", `{"a": "x\tyé😀z w v", "b\"": "c"}`},
		{"literal", "a: |\n  x\n   y\n\n  z\nb: |-\n  x\n\nc: |+\n  x\n\nd: |2\n    x\n", `{"a": "x\n y\n\nz\n", "b": "x", "c": "x\n\n", "d": "  x\n"}`},
		{"folded", "a: >\n  x\n  y\n\n  z\n   more\n  end\nb: >-\n  x\n  y\n", `{"a": "x y\nz\n more\nend\n", "b": "x y"}`},
		{"literal in a list", "- |\n a\n b\n- c\n", `["a\nb\n", "c"]`},
		{"anchors", "a: &x [1, &y 2]\nb: *x\nc: *y\nd: &z\n  e: 1\nf: *z\n&k g: *k\n", `{"a": [1, 2], "b": [1, 2], "c": 2, "d": {"e": 1}, "f": {"e": 1}, "g": "g"}`},
		{"anchor of an entry", "- &a\n  x: 1\n- &b x: 2\n- *a\n- *b\n", `[{"x": 1}, {"x": 2}, {"x": 1}, "x"]`},
		{"explicit keys", "? a\n: 1\n? b\n? c\n:\n- 2\n", `{"a": 1, "b": null, "c": [2]}`},
		{"numbers and words", "[0x1F, 1000, .5, -1.5e+3, true, False, ~, '', 1.2.3, '8']", `[31, 1000, 0.5, -1500, true, false, null, "", "1.2.3", "8"]`},
		{"marks of a document", "%YAML 1.1\n---\na: 1 # c\n# d\n...\n", `{"a": 1}`},
		{"ends of lines as on Windows", "a: 1\r\nb:\r\n- c\r\n", `{"a": 1, "b": ["c"]}`},
		{"indicators within words", "a: -1\nb: x-y:z\nc: a?b\nd: [a:b, -c]\ne: ':'\n", `{"a": -1, "b": "x-y:z", "c": "a?b", "d": ["a:b", "-c"], "e": ":"}`},
		{"empty values", "a:\nb:\nc: [~]\nd:\n# e\n", `{"a": null, "b": null, "c": [null], "d": null}`},
		{"dashes under their key", "a:\n- b\nc:\n  - d\n", `{"a": ["b"], "c": ["d"]}`},
		{"only ours: Python's tags", "a: !!str 1\nb: !!python/tuple [1, !!python/unicode '2']\nc: !!python/tuple\n- 1\nd: !!float 1\n", `{"a": "1", "b": [1, "2"], "c": [1], "d": 1}`},
		{"only ours: scalars of YAML 1.1", "[017, 1_000, yes, Off, 08, -0x10, -1e3, 1e-7, !!null , !!null ~]", `[15, 1000, true, false, 8, -16, -1000, 1e-7, null, null]`},
	} {
		var want any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if got, err := keras.DecodeYAML([]byte(c.text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v: %v", c.name, got, want, err)
		}
		if strings.HasPrefix(c.name, "only ours") {
			continue
		}
		// Another reader, which has no tags of Python and takes words and numbers as YAML 1.2 does, sees the same.
		var other any
		if err := yaml.Unmarshal([]byte(c.text), &other); err != nil {
			t.Errorf("%s: the other reader: %v", c.name, err)
			continue
		}
		text, err := json.Marshal(other)
		if err == nil {
			err = json.Unmarshal(text, &other)
		}
		if err != nil || !reflect.DeepEqual(other, want) {
			t.Errorf("%s: the other reader has %#v, %v", c.name, other, err)
		}
	}
}

func longMapping(entry string) string {
	var b strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&b, entry, i)
	}
	return b.String()
}

func TestYAMLRefused(t *testing.T) {
	bomb := "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		previous := "*a" + string(rune('0'+(i-1)%10))
		if i > 10 {
			previous = "*b" + string(rune('0'+i-11))
		}
		name := "&a" + string(rune('0'+i))
		if i >= 10 {
			name = "&b" + string(rune('0'+i-10))
		}
		bomb += "k" + string(rune('a'+i)) + ": " + name + " [" + strings.Repeat(previous+", ", 9) + previous + "]\n"
	}
	var steps strings.Builder
	for i := range 600 {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for _, c := range []struct{ name, text, code, want string }{
		{"alias bomb", bomb, "keras.too-large", "expands to more than"},
		{"deep brackets", strings.Repeat("[", 100000), "keras.too-large", "nests deeper"},
		{"deep braces", strings.Repeat("{a: ", 100000), "keras.too-large", "nests deeper"},
		{"deep dashes", strings.Repeat("- ", 100000) + "x", "keras.too-large", "nests deeper"},
		{"deep question marks", strings.Repeat("? ", 100000) + "x", "keras.too-large", "nests deeper"},
		{"deep mapping", steps.String(), "keras.too-large", "nests deeper"},
		{"many tags", strings.Repeat("!!str ", 100000) + "x", "keras.too-large", "several tags or anchors"},
		{"many anchors", strings.Repeat("&a ", 100000) + "x", "keras.too-large", "several tags or anchors"},
		{"moderately deep", strings.Repeat("- ", 200) + "x", "keras.too-large", "nests deeper than 128 levels"},
		{"alias of itself", "a: &a [*a]\n", "model.not-a-model", "no anchor before it"},
		{"alias of nothing", "a: *b\n", "model.not-a-model", "no anchor"},
		{"merge key", "a: &a {x: 1}\nb:\n  <<: *a\n", "model.not-a-model", "merge key"},
		{"two documents", "--- {a: 1}\n--- {b: 1}\n", "model.not-a-model", "several documents"},
		{"empty", "", "model.not-a-model", "empty"},
		{"not a mapping", "hello", "model.not-a-model", "not a model"},
		{"bad base64", sequential("    max_value: !!binary '*'\n"), "model.not-a-model", "base64"},
		{"python object as option", sequential("    max_value: !!python/object/apply:os.system ['true']\n"), "keras.bad-config", "max_value"},
		{"unknown tag", sequential("    max_value: !custom 1\n"), "model.not-a-model", "tag !custom"},
		{"many members", "{" + longMapping("k%d: 1, ") + "a: [" + strings.Repeat("1, ", 500000) + "]}", "keras.too-large", "expands to more than"},
		{"key twice", "a: 1\nb: 2\na: 3\n", "model.not-a-model", `the key "a" is given twice`},
		{"tab", "a:\n\tb: 1\n", "model.not-a-model", "a tab"},
		{"key where none is expected", "a: b: c\n", "model.not-a-model", "not expected"},
		{"less indented", "a:\n  b: 1\n c: 2\n", "model.not-a-model", "not expected"},
		{"no colon", "a: 1\nb\n", "model.not-a-model", "line 2"},
		{"open quotes", "a: 'b\n", "model.not-a-model", "no end"},
		{"open bracket", "a: [b\n", "model.not-a-model", "not closed"},
		{"two commas", "a: [b,,c]\n", "model.not-a-model", "not expected"},
		{"wrong escape", `a: "\q"`, "model.not-a-model", "escape"},
		{"half an escape", `a: "\u12"`, "model.not-a-model", "digits"},
		{"key over two lines", "'a\n  b': c\n", "model.not-a-model", "not expected"},
		{"anchor without a name", "a: & b\n", "model.not-a-model", "a name of"},
		{"text behind a block's header", "a: | b\n  c\n", "model.not-a-model", "not expected"},
		{"deep through aliases", "a: &a " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\nb: " + strings.Repeat("[", 100) + "*a" + strings.Repeat("]", 100), "keras.too-large", "nests deeper than 128 levels"},
		{"not UTF-8", "a: \xff", "model.not-a-model", "UTF-8"},
		{"binary as name", "class_name: Sequential\nconfig: [{class_name: ReLU, config: {name: !!binary /w==, batch_input_shape: [null, 4]}}]", "keras.bad-config", "no name"},
		{"too long", strings.Repeat("#", 9<<20), "keras.too-large", "bytes"},
	} {
		_, err := keras.ParseYAML([]byte(c.text))
		if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.300v, want code %s and %q", c.name, err, c.code, c.want)
		}
	}
}
