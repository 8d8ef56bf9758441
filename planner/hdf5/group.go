package hdf5

import (
	"slices"
	"strings"
)

// Group is a group of a file.
type Group struct {
	object
	links *links
}

// linkKind says what a name in a group leads to.
type linkKind uint8

const (
	hardLink linkKind = iota
	softLink
	externalLink
	otherLink
)

// link is a name's meaning.
type link struct {
	kind linkKind
	addr uint64 // of a hard link's object header
}

// links is what a group holds.
type links struct {
	names []string // of hard links, in byte order
	all   map[string]link
}

const (
	maxLinks      = 1 << 18 // in one group
	maxLinksCache = 1 << 18 // in all groups that are remembered
)

// Root gives the group at the top.
func (f *File) Root() *Group { return f.top }

// group reads the group at an address.
func (f *File) group(addr uint64, path string) (*Group, error) {
	b := newBudget()
	o, err := f.readObject(b, addr, path)
	if err != nil {
		return nil, err
	}
	return f.asGroup(b, o)
}

func (f *File) asGroup(b *budget, o *object) (*Group, error) {
	if !o.isGroup() {
		return nil, wrongType("%s is no group", o.path)
	}
	f.mu.Lock()
	known := f.groups[o.addr]
	f.mu.Unlock()
	if known != nil {
		return &Group{*o, known}, nil
	}
	l := &links{all: map[string]link{}}
	if err := f.readLinks(b, o, l); err != nil {
		return nil, err
	}
	for name, to := range l.all {
		if to.kind == hardLink {
			l.names = append(l.names, name)
		}
	}
	slices.Sort(l.names)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.linkCount+len(l.all) > maxLinksCache {
		clear(f.groups)
		f.linkCount = 0
	}
	f.groups[o.addr] = l
	f.linkCount += len(l.all)
	return &Group{*o, l}, nil
}

// Names lists the objects in the group in byte order, as HDF5 tools do. It leaves out links that are not followed (soft,
// external).
func (g *Group) Names() []string {
	return slices.Clone(g.links.names)
}

// Path gives the path by which the group was found.
func (g *Group) Path() string { return g.path }

// Group finds a group by its path from this one.
func (g *Group) Group(path string) (*Group, error) {
	to, err := g.walk(path)
	if err != nil {
		return nil, while("finding the group "+join(g.path, path), err)
	}
	return to, nil
}

// Dataset finds a dataset by its path from this group.
func (g *Group) Dataset(path string) (*Dataset, error) {
	doing := "finding the dataset " + join(g.path, path)
	dir, name := "", strings.Trim(path, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, name = name[:i], name[i+1:]
	}
	in, err := g.walk(dir)
	if err != nil {
		return nil, while(doing, err)
	}
	b := newBudget()
	o, err := in.member(b, name)
	if err != nil {
		return nil, while(doing, err)
	}
	d, err := g.file.asDataset(b, o)
	if err != nil {
		return nil, while(doing, err)
	}
	return d, nil
}

// Has tells whether a name leads to an object in the group.
func (g *Group) Has(name string) bool {
	to, ok := g.links.all[name]
	return ok && to.kind == hardLink
}

// Dataset finds a dataset by its path from the root.
func (f *File) Dataset(path string) (*Dataset, error) { return f.Root().Dataset(path) }

// Group finds a group by its path from the root.
func (f *File) Group(path string) (*Group, error) { return f.Root().Group(path) }

// walk follows a path of groups.
func (g *Group) walk(path string) (*Group, error) {
	steps := 0
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		if steps++; steps > maxDepth {
			return nil, limit("the path has more than %d steps", maxDepth)
		}
		b := newBudget()
		o, err := g.member(b, name)
		if err != nil {
			return nil, err
		}
		if g, err = g.file.asGroup(b, o); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// member reads the header of an object in the group.
func (g *Group) member(b *budget, name string) (*object, error) {
	to, ok := g.links.all[name]
	path := join(g.path, name)
	switch {
	case !ok:
		return nil, notFound("%s does not exist", path)
	case to.kind == softLink:
		return nil, refused("%s is a soft link, which is not followed", path)
	case to.kind == externalLink:
		return nil, refused("%s is a link into another file, which is not followed", path)
	case to.kind != hardLink:
		return nil, refused("%s is a link of a kind that is not known", path)
	}
	return g.file.readObject(b, to.addr, path)
}

func join(dir, name string) string {
	return strings.TrimSuffix(dir, "/") + "/" + strings.Trim(name, "/")
}

// Walk visits every object below the group once, in byte order of the names, each group before its members; exactly one of
// g and d is given. Objects that are neither groups nor datasets are passed over. An error from visit ends the walk.
func (g *Group) Walk(visit func(path string, g *Group, d *Dataset) error) error {
	seen := map[uint64]bool{g.addr: true}
	return while("walking through "+g.path, g.visit(seen, 0, visit))
}

func (g *Group) visit(seen map[uint64]bool, depth int, visit func(string, *Group, *Dataset) error) error {
	if depth >= maxDepth {
		return limit("there are more than %d groups within each other at %s", maxDepth, g.path[:min(200, len(g.path))])
	}
	for _, name := range g.links.names {
		addr := g.links.all[name].addr
		if seen[addr] {
			continue
		}
		if len(seen) > maxLinks {
			return limit("there are more than %d objects", maxLinks)
		}
		seen[addr] = true
		b := newBudget()
		o, err := g.member(b, name)
		if err != nil {
			return err
		}
		switch {
		case o.isGroup():
			sub, err := g.file.asGroup(b, o)
			if err != nil {
				return err
			}
			if err := visit(sub.path, sub, nil); err != nil {
				return err
			}
			if err := sub.visit(seen, depth+1, visit); err != nil {
				return err
			}
		case o.isDataset():
			d, err := g.file.asDataset(b, o)
			if err != nil {
				return err
			}
			if err := visit(d.path, nil, d); err != nil {
				return err
			}
		}
	}
	return nil
}
