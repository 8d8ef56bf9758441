package keras

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"partita/planner/diag"
	"partita/planner/hdf5"
)

// bindByClass matches the layers of a .weights.h5 file, as Keras 3 writes them: the n-th layer of a class in model order,
// with weights or without, is the group named after the class and n.
func (b *binder) bindByClass(g *hdf5.Group, layers []LayerWeights) error {
	known := map[string]bool{}
	count := map[string]int{}
	for _, layer := range layers {
		name := snakeCase(layer.Class)
		n := count[name]
		count[name]++
		if n > 0 {
			name += "_" + strconv.Itoa(n)
		}
		known[name] = true
		if !g.Has(name) {
			b.match(layer.flat(), nil)
			continue
		}
		in, err := g.Group(name)
		if err != nil {
			return err
		}
		if layer.Layers != nil {
			if err := b.bindModel(in, layer); err != nil {
				return err
			}
			continue
		}
		tensors, err := variables(in, 0)
		if err != nil {
			return err
		}
		b.match(layer, tensors)
	}
	for _, name := range g.Names() {
		if known[name] {
			continue
		}
		in, err := g.Group(name)
		if diag.CodeOf(err) == "hdf5.type" {
			continue // a dataset here is nothing Keras knows
		}
		if err != nil {
			return err
		}
		tensors := 0
		err = in.Walk(func(path string, _ *hdf5.Group, d *hdf5.Dataset) error {
			if d != nil && !strings.Contains(path, "/seed_generator/") {
				tensors++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if tensors > 0 {
			b.extra = append(b.extra, fmt.Sprintf("layer %s with %d tensors is only in the file", name, tensors))
		}
	}
	return nil
}

// bindModel matches a model within the model, whose group has a group of layers of its own.
func (b *binder) bindModel(g *hdf5.Group, model LayerWeights) error {
	for _, name := range layerGroups {
		if g.Has(name) {
			in, err := g.Group(name)
			if err != nil {
				return err
			}
			return b.bindByClass(in, model.Layers)
		}
	}
	b.match(model.flat(), nil)
	return nil
}

// maxSublayers is how deep layers are within layers: Bidirectional, RNN, StackedRNNCells, cell.
const maxSublayers = 8

// variables collects the tensors of a layer: its own, then those of the layers in it.
func variables(g *hdf5.Group, depth int) ([]storedTensor, error) {
	if depth > maxSublayers {
		return nil, diag.New(diag.Limit, "weights.too-deep", binding, "the layer at "+g.Path()+" has layers within layers, too deep",
			"save the model's weights again with Keras")
	}
	var all []storedTensor
	if g.Has("vars") {
		vars, err := g.Group("vars")
		if err != nil {
			return nil, err
		}
		for i := 0; vars.Has(strconv.Itoa(i)); i++ {
			d, err := vars.Dataset(strconv.Itoa(i))
			if err != nil {
				return nil, err
			}
			all = append(all, dataset{d})
		}
	}
	parts := slices.DeleteFunc(g.Names(), func(name string) bool {
		return name == "vars" || name == "seed_generator" // a random state is no weight
	})
	slices.SortStableFunc(parts, byCreation)
	filled := []string(nil) // parts that have tensors
	for _, name := range parts {
		in, err := g.Group(name)
		if diag.CodeOf(err) == "hdf5.type" {
			continue
		}
		if err != nil {
			return nil, err
		}
		tensors, err := variables(in, depth+1)
		if err != nil {
			return nil, err
		}
		if len(tensors) > 0 {
			filled = append(filled, name)
			all = append(all, tensors...)
		}
	}
	for _, name := range filled[min(1, len(filled)):] {
		if rank(name) == 0 && series(name) != series(filled[0]) {
			return nil, diag.New(diag.Invalid, "weights.unsupported-layer", binding,
				fmt.Sprintf("the layer at %s is made of layers whose order is not known (%s)", g.Path(), strings.Join(filled, ", ")),
				"save the weights in the .h5 format, which keeps the order")
		}
	}
	return all, nil
}

// creation lists the parts of Keras's composite layers in the order in which their weights come.
var creation = []string{"forward_layer", "backward_layer", "query_dense", "key_dense", "value_dense", "output_dense"}

// rank gives a part's place in creation, from 1; 0 when it is not there.
func rank(name string) int { return slices.Index(creation, name) + 1 }

// series cuts the number off "lstm_cell_2".
func series(name string) string {
	if i := strings.LastIndexByte(name, '_'); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			return name[:i]
		}
	}
	return name
}

// byCreation orders the parts of a composite layer: those with known places by these, others by their numbers.
func byCreation(a, b string) int {
	number := func(name string) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(name, series(name)), "_"))
		return n
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(series(a), series(b)), cmp.Compare(number(a), number(b)))
}

// snakeCase turns the name of a class into that of its group, with the word boundaries of Keras: before a capital that a
// small letter follows, unless it is the first, and between a small letter and a capital. "Conv2D" is "conv2d",
// "SeparableConv2D" "separable_conv2d", "ReLU" "re_lu".
func snakeCase(class string) string {
	var letters []rune
	for _, r := range class {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			letters = append(letters, r)
		}
	}
	lower := func(i int) bool { return i >= 0 && i < len(letters) && letters[i] >= 'a' && letters[i] <= 'z' }
	upper := func(i int) bool { return i >= 0 && i < len(letters) && letters[i] >= 'A' && letters[i] <= 'Z' }
	var s strings.Builder
	for i, r := range letters {
		if i > 0 && upper(i) && (lower(i+1) || lower(i-1)) {
			s.WriteByte('_')
		}
		s.WriteRune(unicode.ToLower(r))
	}
	return s.String()
}
