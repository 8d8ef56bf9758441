package keras

import (
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/hdf5"
)

// groupFolder is a folder in an HDF5 file. Keras on Windows joined paths with backslashes, so that one group has the name
// "layers\\conv2d": such names are taken apart.
type groupFolder struct {
	group  *hdf5.Group            // its own; nil when it is only part of names
	parent *hdf5.Group            // that has the names taken apart
	prefix string                 // of these names
	below  map[string]groupFolder // by the part of the name that follows; nil when no name is taken apart
	shown  string
}

func newGroupFolder(g *hdf5.Group) groupFolder {
	f := groupFolder{group: g, shown: g.Path()}
	if slices.ContainsFunc(g.Names(), func(name string) bool { return strings.Contains(name, `\`) }) {
		f.below = map[string]groupFolder{}
		for _, name := range g.Names() {
			f.add(g, name, strings.Split(name, `\`))
		}
	}
	return f
}

// add places a name that was taken apart. It bounds how deep.
func (f *groupFolder) add(g *hdf5.Group, name string, parts []string) {
	if len(parts) == 1 && f.group == g || len(parts) > 2*maxSublayers {
		return // its own member under its own name
	}
	child, ok := f.below[parts[0]]
	if !ok {
		child = groupFolder{parent: g, shown: f.shown + `\` + parts[0], below: map[string]groupFolder{}}
		if f.group == g && g.Has(parts[0]) {
			child.prefix = parts[0]
		}
	}
	if len(parts) == 1 {
		child.prefix = name
	} else {
		child.add(g, name, parts[1:])
	}
	f.below[parts[0]] = child
}

// open gives the group that the folder itself is, nil when it has none.
func (f groupFolder) open() (*hdf5.Group, error) {
	if f.group != nil || f.prefix == "" {
		return f.group, nil
	}
	return f.parent.Group(f.prefix)
}

func (f groupFolder) path() string { return f.shown }

func (f groupFolder) names() []string {
	var names []string
	if g, err := f.open(); err == nil && g != nil {
		for _, name := range g.Names() {
			if f.below == nil || !strings.Contains(name, `\`) {
				names = append(names, name)
			}
		}
	}
	for name := range f.below {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if f.below != nil {
		slices.Sort(names)
	}
	return names
}

func (f groupFolder) has(name string) bool {
	if _, ok := f.below[name]; ok {
		return true
	}
	g, err := f.open()
	return err == nil && g != nil && g.Has(name)
}

func (f groupFolder) folder(name string) (folder, error) {
	if child, ok := f.below[name]; ok {
		return child, nil
	}
	g, err := f.open()
	if err != nil || g == nil {
		return nil, err
	}
	in, err := g.Group(name)
	if diag.CodeOf(err) == "hdf5.type" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return newGroupFolder(in), nil
}

func (f groupFolder) tensor(name string) (storedTensor, error) {
	g, err := f.open()
	if err != nil {
		return nil, err
	}
	d, err := g.Dataset(name)
	if err != nil {
		return nil, err
	}
	return dataset{d}, nil
}
