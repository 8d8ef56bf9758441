package keras

import (
	"slices"
	"testing"
)

// TestTranslations checks that every function of TensorFlow becomes an operation that exists, and every node a function that
// has the arguments which the node gives it.
func TestTranslations(t *testing.T) {
	for name, f := range translations {
		if functions[f.op] == nil && foreignFunctions[f.op] == nil {
			t.Errorf("tf.%s becomes %s, which is no operation", name, f.op)
		}
		if len(f.operands) == 0 {
			t.Errorf("tf.%s is called on nothing", name)
		}
	}
	for op, n := range nodes {
		f, ok := findTranslation(n.function)
		if !ok {
			t.Errorf("%s is the function %s, which is not known", op, n.function)
		}
		names := slices.Clone(n.inputs)
		for _, to := range n.attributes {
			names = append(names, to)
		}
		for _, a := range names {
			_, option := f.options[a]
			_, constant := f.constant[a]
			if n.settle == nil && !option && !constant && !slices.Contains(f.operands, a) {
				t.Errorf("%s gives tf.%s the argument %s, which it does not have", op, n.function, a)
			}
		}
	}
}
