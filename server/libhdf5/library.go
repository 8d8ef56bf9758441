//go:build libhdf5 && linux

package libhdf5

import (
	"fmt"
	"math"
	"slices"
	"strings"

	gonum "gonum.org/v1/hdf5"

	"partita/planner/diag"
	"partita/planner/hdf5"
)

// Limits on what a catalog may hold; those of package hdf5 hold for what is made of it, too.
const (
	maxObjects      = 1 << 18
	maxDepth        = 64 // groups within groups
	maxCatalogBytes = 64 << 20
	maxElementBytes = 16 << 20
)

// Chunks that are remembered: at least so much, and a row of chunks up to the most, so that reading in C order decodes each
// chunk once.
const (
	minChunkCache = 16 << 20
	maxChunkCache = 1 << 30
)

// library is the file of this process as libhdf5 sees it. Its methods are called from one thread.
type library struct {
	file         *gonum.File
	addressBytes int
	paths        []string // of the objects of the catalog
	objects      []hdf5.CatalogObject
	chunks       [][]int64 // of the datasets, as they are cut

	open    *gonum.Dataset // the one read last, with its chunks
	current int
}

func openLibrary(path string) (*library, error) {
	if err := prepare(); err != nil {
		return nil, err
	}
	f, err := gonum.OpenFile(path, gonum.F_ACC_RDONLY)
	if err != nil {
		return nil, failed("it cannot be opened")
	}
	l := &library{file: f, current: -1}
	if l.addressBytes = addressBytes(identifier(f.ID())); l.addressBytes <= 0 {
		return nil, failed("its superblock cannot be read")
	}
	return l, nil
}

// catalog lists everything in the file. An object that has several names is listed once.
func (l *library) catalog() (*hdf5.Catalog, error) {
	budget := maxCatalogBytes
	known := map[uint64]int{} // by address
	l.paths, l.objects, l.chunks, l.current = []string{"/"}, nil, nil, -1
	depth := []int{0}
	for i := 0; i < len(l.paths); i++ {
		path := l.paths[i]
		o := hdf5.CatalogObject{Kind: hdf5.GroupObject}
		var err error
		if i > 0 {
			if o.Kind, err = kindOf(identifier(l.file.ID()), path); err != nil {
				return nil, err
			}
		}
		var found []foundLink
		var chunk []int64
		switch o.Kind {
		case hdf5.GroupObject:
			found, err = l.group(path, &o, budget)
		case hdf5.DatasetObject:
			chunk, err = l.dataset(path, &o, budget)
		}
		if err != nil {
			return nil, err
		}
		for _, a := range o.Attrs {
			budget -= len(a.Data) + len(a.Name) + 64
			for _, s := range a.Texts {
				budget -= len(s) + 16
			}
		}
		for _, link := range found {
			to := hdf5.CatalogLink{Name: link.name, Kind: link.kind}
			if link.kind == hdf5.HardLink {
				at, ok := known[link.address]
				if !ok {
					if depth[i] >= maxDepth {
						return nil, tooLarge(fmt.Sprintf("there are more than %d groups within each other", maxDepth))
					}
					at = len(l.paths)
					known[link.address] = at
					l.paths = append(l.paths, strings.TrimSuffix(path, "/")+"/"+link.name)
					depth = append(depth, depth[i]+1)
					budget -= len(l.paths[at])
				}
				to.Object = at
			}
			budget -= len(to.Name) + 16
			o.Links = append(o.Links, to)
		}
		l.objects = append(l.objects, o)
		l.chunks = append(l.chunks, chunk)
		if len(l.paths) > maxObjects || budget < 0 {
			return nil, tooLarge("its groups, attributes and names take too much")
		}
	}
	return &hdf5.Catalog{Objects: l.objects}, nil
}

func (l *library) group(path string, o *hdf5.CatalogObject, budget int) ([]foundLink, error) {
	g, err := l.file.OpenGroup(path)
	if err != nil {
		return nil, failed("the group %s cannot be opened", path)
	}
	defer g.Close()
	if o.Attrs, err = l.attributes(identifier(g.ID()), budget, path); err != nil {
		return nil, err
	}
	return links(identifier(g.ID()), budget, path)
}

func (l *library) dataset(path string, o *hdf5.CatalogObject, budget int) (chunk []int64, err error) {
	d, err := l.file.OpenDataset(path)
	if err != nil {
		return nil, failed("the dataset %s cannot be opened", path)
	}
	defer d.Close()
	if o.Attrs, err = l.attributes(identifier(d.ID()), budget, path); err != nil {
		return nil, err
	}
	of := datasetType(identifier(d.ID()))
	if of < 0 {
		return nil, failed("%s has no type", path)
	}
	defer closeType(of)
	var indirect bool
	if o.Type, indirect, err = l.typeOf(of, path); err != nil {
		return nil, err
	}
	s, err := storageOf(identifier(d.ID()), 0, path)
	if err != nil {
		return nil, err
	}
	space := d.Space() // a virtual dataset computes it from its sources, which are never opened
	if space == nil {
		return nil, failed("%s has no shape", path)
	}
	defer space.Close()
	if o.Shape, o.Null, _, err = shapeOf(identifier(space.ID()), path); err != nil {
		return nil, err
	}
	if s, err = storageOf(identifier(d.ID()), len(o.Shape), path); err != nil {
		return nil, err
	}
	o.Unusable, o.Offset = s.unreadable, s.offset
	if o.Unusable == nil && indirect && !o.Type.VarString {
		o.Unusable = &hdf5.Problem{Kind: diag.Invalid, Code: "hdf5.type", Found: fmt.Sprintf("its elements are %s", o.Type), Fix: "give a file that Keras wrote"}
	}
	return s.chunk, nil
}

// at gives a dataset of the catalog, open.
func (l *library) at(object int) (*gonum.Dataset, *hdf5.CatalogObject, error) {
	if object < 0 || object >= len(l.objects) || l.objects[object].Kind != hdf5.DatasetObject {
		return nil, nil, fmt.Errorf("there is no dataset %d", object)
	}
	o := &l.objects[object]
	if o.Unusable != nil {
		return nil, nil, o.Unusable.Err()
	}
	if object == l.current {
		return l.open, o, nil
	}
	if l.open != nil {
		l.open.Close()
		l.open, l.current = nil, -1
	}
	access, err := gonum.NewPropList(gonum.P_DATASET_ACCESS)
	if err != nil {
		return nil, nil, failed("%s cannot be opened", l.paths[object])
	}
	defer access.Close()
	if chunk := l.chunks[object]; chunk != nil {
		const slots = 12421 // a prime well above the number of chunks in a row
		if err := access.SetChunkCache(slots, chunkCache(o.Shape, chunk, o.Type.Size), 1); err != nil {
			return nil, nil, failed("%s cannot be opened", l.paths[object])
		}
	}
	d, err := l.file.OpenDatasetWith(l.paths[object], access)
	if err != nil {
		return nil, nil, failed("%s cannot be opened", l.paths[object])
	}
	l.open, l.current = d, object
	return d, o, nil
}

// chunkCache gives the bytes of a row of chunks, within bounds.
func chunkCache(shape, chunk []int64, size int) int {
	bytes := float64(size)
	for i, n := range chunk {
		bytes *= float64(n)
		if i > 0 && n > 0 {
			bytes *= math.Ceil(float64(shape[i]) / float64(n))
		}
	}
	return int(min(max(bytes, minChunkCache), maxChunkCache))
}

// elements reads count elements from an element on, in C order.
func (l *library) elements(q question) ([]byte, error) {
	d, o, err := l.at(q.Object)
	if err != nil {
		return nil, err
	}
	size := o.Type.Size
	if q.Ask == askFloat32s {
		size = 4
		if o.Type.Class != hdf5.Integer && o.Type.Class != hdf5.Float && o.Type.Class != hdf5.Enum {
			return nil, diag.New(diag.Invalid, "hdf5.type", "", fmt.Sprintf("its elements are %s, no numbers", o.Type), "give a file that Keras wrote")
		}
	} else if o.Type.VarString {
		return nil, diag.New(diag.Invalid, "hdf5.type", "", "its elements are strings, which are not stored with it", "")
	}
	total := int64(1)
	for _, n := range o.Shape {
		total *= n
	}
	if o.Null {
		total = 0
	}
	if q.Offset < 0 || q.Count <= 0 || q.Offset > total || q.Count > total-q.Offset || q.Count > max(1, windowBytes/int64(size)) {
		return nil, fmt.Errorf("elements %d and %d more are asked for, of %d", q.Offset, q.Count, total)
	}
	to := make([]byte, q.Count*int64(size))
	id := identifier(d.ID())
	if len(o.Shape) == 0 { // gonum's dataspaces know no scalars
		return to, readElements(id, q.Ask == askFloat32s, 0, 0, to, l.paths[q.Object])
	}
	space := d.Space()
	if space == nil {
		return nil, failed("%s has no shape", l.paths[q.Object])
	}
	defer space.Close()
	rest := to
	for _, b := range boxes(o.Shape, q.Offset, q.Count) {
		if err := space.SelectHyperslab(b.start, nil, b.count, nil); err != nil {
			return nil, failed("its elements cannot be selected")
		}
		memory, err := gonum.CreateSimpleDataspace([]uint{uint(b.elements)}, nil)
		if err != nil {
			return nil, failed("its elements cannot be selected")
		}
		n := b.elements * int64(size)
		err = readElements(id, q.Ask == askFloat32s, identifier(memory.ID()), identifier(space.ID()), rest[:n], l.paths[q.Object])
		memory.Close()
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return to, nil
}

// strings reads a dataset of variable-length strings.
func (l *library) strings(object int) ([]string, error) {
	d, o, err := l.at(object)
	if err != nil {
		return nil, err
	}
	if !o.Type.VarString {
		return nil, fmt.Errorf("dataset %d has no variable-length strings", object)
	}
	of := datasetType(identifier(d.ID()))
	space := d.Space()
	if of < 0 || space == nil {
		return nil, failed("it has no type or shape")
	}
	defer closeType(of)
	defer space.Close()
	_, _, n, err := shapeOf(identifier(space.ID()), l.paths[object])
	if err != nil {
		return nil, err
	}
	if n > maxCatalogBytes/int64(o.Type.Size) {
		return nil, tooLarge(fmt.Sprintf("it has %d texts", n))
	}
	return texts(identifier(d.ID()), false, of, identifier(space.ID()), n, maxCatalogBytes, l.paths[object])
}

// box is a rectangular part of an array.
type box struct {
	start, count []uint
	elements     int64
}

// boxes cuts a window of C order into boxes, in the same order.
func boxes(shape []int64, offset, count int64) []box {
	inner := make([]int64, len(shape)) // elements in a step of each dimension
	n := int64(1)
	for i := range slices.Backward(shape) {
		inner[i] = n
		n *= shape[i]
	}
	var all []box
	for count > 0 {
		b := box{make([]uint, len(shape)), make([]uint, len(shape)), 1}
		rest := offset
		for i, step := range inner {
			b.start[i], b.count[i] = uint(rest/step), 1
			rest %= step
			if rest == 0 && count >= step { // as many whole steps of this dimension as there are
				steps := min(count/step, shape[i]-int64(b.start[i]))
				b.count[i], b.elements = uint(steps), steps*step
				for j := i + 1; j < len(shape); j++ {
					b.count[j] = uint(shape[j])
				}
				break
			}
		}
		all = append(all, b)
		offset += b.elements
		count -= b.elements
	}
	return all
}
