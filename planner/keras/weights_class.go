package keras

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"partita/planner/diag"
)

// folder is a group of a .weights.h5 file, with what is in it.
type folder interface {
	path() string
	names() []string // of all that is in it
	has(name string) bool
	folder(name string) (folder, error) // nil when there is something else than a group
	tensor(name string) (storedTensor, error)
}

// layerGroups are the names of the group of a model's layers. That of Keras 2.12 to 2.15 lists each layer that has weights
// twice, so that the numbers of the second and later layers of a class are others.
var layerGroups = []struct {
	name    string
	doubled bool
}{{"layers", false}, {"_layer_checkpoint_dependencies", true}}

// bindModel matches the layers of a model, which may be one within another, with those in its group. It says whether the
// group is that of a model.
func (b *binder) bindModel(g folder, layers []LayerWeights) (bool, error) {
	for _, group := range layerGroups {
		if g.has(group.name) {
			in, err := g.folder(group.name)
			if err != nil || in == nil {
				return false, err
			}
			names := classNames(layers, group.doubled)
			if group.doubled && !allThere(in, layers, names) {
				names = classNames(layers, false)
			}
			return true, b.bindByClass(in, layers, names)
		}
	}
	return false, nil
}

// classNames gives the groups of a model's layers as Keras 3 names them: after the class and, from the second of a class
// on, with weights or without, a number.
func classNames(layers []LayerWeights, doubled bool) []string {
	names := make([]string, len(layers))
	count := map[string]int{}
	for i, layer := range layers {
		name := snakeCase(layer.Class)
		n := count[name]
		if count[name]++; doubled && len(layer.Flat().Weights) > 0 {
			count[name]++
		}
		if names[i] = name; n > 0 {
			names[i] += "_" + strconv.Itoa(n)
		}
	}
	return names
}

func allThere(g folder, layers []LayerWeights, names []string) bool {
	for i, layer := range layers {
		if len(layer.Flat().Weights) > 0 && !layer.Shared && !g.has(names[i]) {
			return false
		}
	}
	return true
}

// bindByClass matches each layer with the group of its name.
func (b *binder) bindByClass(g folder, layers []LayerWeights, names []string) error {
	known := map[string]bool{}
	for i, layer := range layers {
		name := names[i]
		known[name] = true
		var in folder
		var err error
		if g.has(name) {
			if in, err = g.folder(name); err != nil {
				return err
			}
		}
		if in == nil {
			b.elsewhere(layer.Flat())
			continue
		}
		if layer.Layers != nil {
			if layer.Part != "" && in.has(layer.Part) {
				part, err := in.folder(layer.Part)
				if err != nil {
					return err
				}
				if part != nil {
					in = part
				}
			}
			is, err := b.bindModel(in, layer.Layers)
			if err != nil {
				return err
			}
			if !is {
				b.match(layer.Flat(), nil)
			}
			continue
		}
		tensors, err := variables(in, 0)
		if err != nil {
			return err
		}
		if len(tensors) == 0 {
			b.elsewhere(layer)
			continue
		}
		b.match(layer, tensors)
	}
	for _, name := range g.names() {
		if known[name] {
			continue
		}
		in, err := g.folder(name)
		if err != nil {
			return err
		}
		if in == nil {
			continue // a dataset here is nothing Keras knows
		}
		tensors, err := countTensors(in, 0)
		if err != nil {
			return err
		}
		if tensors > 0 {
			b.extra = append(b.extra, fmt.Sprintf("layer %s with %d tensors is only in the file", name, tensors))
		}
	}
	return nil
}

// elsewhere is for a layer that has no tensors in its place. Those of a layer in several models may be in another one.
func (b *binder) elsewhere(layer LayerWeights) {
	if layer.Shared {
		b.absent = append(b.absent, layer)
	} else {
		b.match(layer, nil)
	}
}

// maxSublayers is how deep layers are within layers: models within models, Bidirectional, RNN, StackedRNNCells, cell.
const maxSublayers = 2*maxModelDepth + 8

func tooDeep(g folder) error {
	return diag.New(diag.Limit, "weights.too-deep", binding, "the layer at "+g.path()+" has layers within layers, too deep",
		"save the model's weights again with Keras")
}

// countTensors counts the tensors in a group and the groups in it, other than random states.
func countTensors(g folder, depth int) (int, error) {
	if depth > maxSublayers {
		return 0, tooDeep(g)
	}
	n := 0
	for _, name := range g.names() {
		if name == "seed_generator" {
			continue
		}
		in, err := g.folder(name)
		if err != nil {
			return 0, err
		}
		if in == nil {
			n++
			continue
		}
		more, err := countTensors(in, depth+1)
		if err != nil {
			return 0, err
		}
		n += more
	}
	return n, nil
}

// variables collects the tensors of a layer: its own, then those of the layers in it.
func variables(g folder, depth int) ([]storedTensor, error) {
	if depth > maxSublayers {
		return nil, tooDeep(g)
	}
	var all []storedTensor
	if g.has("vars") {
		vars, err := g.folder("vars")
		if err != nil {
			return nil, err
		}
		for i := 0; vars != nil && vars.has(strconv.Itoa(i)); i++ {
			t, err := vars.tensor(strconv.Itoa(i))
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
	}
	parts := slices.DeleteFunc(slices.Clone(g.names()), func(name string) bool {
		return name == "vars" || name == "seed_generator" // a random state is no weight
	})
	slices.SortStableFunc(parts, byCreation)
	filled := []string(nil) // parts that have tensors
	for _, name := range parts {
		in, err := g.folder(name)
		if err != nil {
			return nil, err
		}
		if in == nil {
			continue
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
				fmt.Sprintf("the layer at %s is made of layers whose order is not known (%s)", g.path(), strings.Join(filled, ", ")),
				"save the weights in the .h5 format, which keeps the order")
		}
	}
	return all, nil
}

// creation lists the parts of Keras's composite layers in the order in which their weights come.
var creation = []string{"forward_layer", "backward_layer", "query_dense", "key_dense", "gate_dense", "value_dense", "output_dense"}

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
