package keras_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/keras"
)

// TestTable compares LAYERS.md with the layers that the code reads; -update writes it anew.
func TestTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Layers of Keras\n\nWritten from the code by `go test ./planner/keras -run TestTable -update`. A class that is not in these tables is refused by name, with every\nother one of the model in the same message; so is an option that changes results and is not understood.\nBeside these layers a model holds InputLayer and other models (Sequential, Model, Functional), up to 16 deep. Sizes that its inputs leave\nopen, other than the batch, are settled with --dim.\n")
	table := func(title, column string, rows []keras.Support) {
		fmt.Fprintf(&b, "\n## %s\n\n| %s | Keras | restrictions |\n|---|---|---|\n", title, column)
		for _, r := range rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Name, r.Versions, r.Restrictions)
		}
	}
	table("Layers", "layer", keras.Supported())
	table("Activations, as layers and as options", "name", keras.Activations())
	table("Operations of `keras.ops` in functional models", "operation", keras.Functions())
	b.WriteString("\n## Functions of TensorFlow in functional models\n\nTensorFlow 2.4 and later wrote a function that was called on a tensor as TFOpLambda or SlicingOpLambda. Those of tf.math are known with and\nwithout that prefix; an argument that is not understood is refused by name.\n\n| function | as |\n|---|---|\n")
	for _, r := range keras.TensorFlowFunctions() {
		fmt.Fprintf(&b, "| %s | %s |\n", r.Name, r.Restrictions)
	}
	fmt.Fprintf(&b, "\nBefore 2.4 it was a node of TensorFlow's graph, in a TensorFlowOpLayer. Known operators: %s.\n", strings.Join(keras.TensorFlowOperators(), ", "))
	refused := keras.Refused()
	table("Layers of Keras that are refused", "layer", refused)
	const file = "LAYERS.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(fixture.Read(t, file)); b.String() != want {
		t.Errorf("%s differs; write it anew with -update:\n%s", file, firstDifference(b.String(), want))
	}
	for _, r := range refused {
		if r.Restrictions == "" {
			t.Errorf("%s is refused without a reason", r.Name)
		}
		m := build(3, vector, layer{r.Name, ""})
		if _, err := keras.Parse(m); err == nil {
			t.Errorf("%s is not refused", r.Name)
		}
	}
}
