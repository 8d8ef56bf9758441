package keras

import (
	"fmt"
	"slices"
	"strings"

	"partita/planner/diag"
)

// sizesMember is the member of a canonical architecture that settles what its inputs leave open. Keras has none of that name.
const sizesMember = "input_sizes"

// openings are the dimensions that a model's inputs leave open beside the batch, each known as "input[axis]", with the
// batch as axis 0.
type openings struct {
	given     map[string]int64
	all       []string
	unsettled []string
}

// settled writes the sizes of options into a document; those that it has itself, as the canonical form of a model so settled
// does, stay otherwise.
func settled(top map[string]any, dims map[string]int64) {
	if len(dims) == 0 {
		return
	}
	sizes := map[string]any{}
	if own, ok := top[sizesMember].(map[string]any); ok {
		for name, size := range own {
			sizes[name] = size
		}
	}
	for name, size := range dims {
		sizes[name] = float64(size)
	}
	top[sizesMember] = sizes
}

// maxListed bounds the names in a message.
const maxListed = 20

func listed(names []string) string {
	if n := len(names) - maxListed; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), n)
	}
	return strings.Join(names, ", ")
}

func readOpenings(top map[string]any) (*openings, error) {
	o := &openings{given: map[string]int64{}}
	member, there := top[sizesMember]
	if !there {
		return o, nil
	}
	sizes, ok := member.(map[string]any)
	if !ok {
		return nil, badConfig("%s is %s, not an object", sizesMember, describe(member))
	}
	for name, v := range sizes {
		n, ok := v.(float64)
		if !ok || n < 1 || n > maxDimension || n != float64(int64(n)) {
			return nil, diag.New(diag.Usage, "keras.bad-dimension", doing, fmt.Sprintf("dimension %s is given the size %s", describe(name), describe(v)),
				fmt.Sprintf("give a whole number from 1 to %d", maxDimension))
		}
		o.given[name] = int64(n)
	}
	return o, nil
}

// size settles a dimension that an input leaves open. Where nobody has, it is 1 until check tells.
func (o *openings) size(input string, axis int) int64 {
	name := fmt.Sprintf("%s[%d]", input, axis)
	o.all = append(o.all, name)
	n, there := o.given[name]
	if !there {
		o.unsettled = append(o.unsettled, name)
		return 1
	}
	return n
}

// OpenSizes is the cause of an error that says which dimensions nobody has settled: it lists them as "input[axis]".
type OpenSizes struct{ Names []string }

// Error counts them: the error that it is the cause of lists them.
func (o *OpenSizes) Error() string { return fmt.Sprintf("%d in all", len(o.Names)) }

// check tells, once all inputs are read, what is still open and what was settled in vain.
func (o *openings) check() error {
	if len(o.unsettled) > 0 {
		var list []string
		for _, name := range o.unsettled[:min(len(o.unsettled), maxListed)] {
			list = append(list, name+"=SIZE")
		}
		return diag.New(diag.Invalid, "keras.unknown-size", doing,
			fmt.Sprintf("its inputs leave open %s, beside the batch, so the sizes of the tensors are unknown", listed(o.unsettled)),
			fmt.Sprintf("settle them with --dim %s, or give the model a fixed input shape, as in Input((224, 224, 3)), and save it again", strings.Join(list, ","))).
			Because(&OpenSizes{o.unsettled})
	}
	var unknown []string
	for name := range o.given {
		if !slices.Contains(o.all, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	open := "none"
	if len(o.all) > 0 {
		open = listed(o.all)
	}
	return diag.New(diag.Usage, "keras.no-such-dimension", doing, fmt.Sprintf("sizes are given for %s; its inputs leave open: %s", listed(unknown), open),
		"leave out the others; the batch and what the file says are not to be settled")
}
