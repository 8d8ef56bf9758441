package keras_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
			want, wantErr := keras.Parse(readFile(t, other))
			got, err := keras.ParseYAML(readFile(t, file))
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
		{"deep dashes", strings.Repeat("- ", 100000) + "x", "keras.too-large", "indented deeper"},
		{"deep question marks", strings.Repeat("? ", 100000) + "x", "keras.too-large", "indented deeper"},
		{"deep mapping", steps.String(), "keras.too-large", "indented deeper"},
		{"many tags", strings.Repeat("!!str ", 100000) + "x", "keras.too-large", "tags and anchors"},
		{"many anchors", strings.Repeat("&a ", 100000) + "x", "keras.too-large", "tags and anchors"},
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
		{"long block mapping", longMapping("k%d:\n- a\n"), "keras.too-large", "more than 4096 entries"},
		{"long flow mapping", "{" + longMapping("k%d: 1, ") + "}", "keras.too-large", "more than 4096 entries"},
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
