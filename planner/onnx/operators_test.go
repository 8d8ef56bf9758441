package onnx

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"partita/planner/graph"
	"partita/planner/kernels"
)

var update = flag.Bool("update", false, "write OPERATORS.md anew")

// TestOperatorsTable keeps OPERATORS.md equal to what the code knows; go test ./planner/onnx -update writes it.
func TestOperatorsTable(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, `# ONNX operators

Made from the code by `+"`go test ./planner/onnx -update`"+`.

Models of operator sets %d to %d of ai.onnx open. The shapes of the operators below are computed; any other operator is taken when
the file itself declares the shapes of what it makes. Functions of the model's own are replaced by what they do. Of an If, of
which constants and settled sizes tell the condition, the branch that runs takes its place; otherwise both branches are
computed and one result taken, if they make tensors of the same shapes. In the place of a ZipMap comes the tensor that it
reads, and an output of strings is left out where there are others. Refused by name: Loop, Scan and other operators that run
graphs, sequences and maps, inputs of strings, sparse tensors, and elements of less than a byte.
`, minOpset, maxOpset)
	sets := graph.Operators()
	for _, set := range slices.Sorted(maps.Keys(sets)) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", set, strings.Join(sets[set], ", "))
	}
	fmt.Fprintf(&b, `
## Opened and planned, not deployed

ONNX Runtime %s, which runs in the functions, has no code for the operators below: from a version of their set on, for any
element type or for some of an input or output. A model with one of them opens with a note and can be planned; deploying it
is refused, with all of them in one message. Operators of other sets than these three are treated alike.

| operators | what | from version: element types |
|---|---|---|
`, kernels.Version)
	for _, line := range kernels.Lines() {
		what := "the operator"
		for prefix, word := range map[string]string{"in": "input", "out": "output"} {
			if at, ok := strings.CutPrefix(line.Slot, prefix); ok {
				what = word + " " + at
			}
		}
		var spans []string
		for _, span := range strings.Split(line.Spans, ", ") {
			spans = append(spans, strings.Replace(span, " ", ": ", 1))
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.ReplaceAll(line.Operators, " ", ", "), what, strings.Join(spans, "; "))
	}
	if *update {
		if err := os.WriteFile("OPERATORS.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("OPERATORS.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Error("OPERATORS.md is not what the code knows: run go test ./planner/onnx -update and look at the difference")
	}
}
