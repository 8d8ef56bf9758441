// Package state holds what the user of the page has done: the model opened, the request made of the planner, the plan
// that answers it, the way back and forth between them, the link that says all of it, and the deployment of the plan. It
// is plain Go without a browser, so that all of it is tested natively.
package state

import (
	"path"
	"slices"
	"strings"
	"sync/atomic"
)

// Opening says which model to open: a built-in architecture, files, or the architecture that a link carries. It is never
// changed: another model, other sizes or other weights are another Opening.
type Opening struct {
	Key     int64 // tells openings apart
	BuiltIn string
	Files   []File
	Linked  *Linked
	Weights File             // the weights of a model that came without; nil when there are none
	Shards  []File           // the files that Weights lists, where it is a list
	Dims    map[string]int64 // sizes of dimensions that the file leaves open
	Earlier *Linked          // the architecture in the files, known from before a reload
	Lost    *Lost            // files that are not at hand any more; nil: none
}

// Linked is an architecture that came without a file of its own.
type Linked struct {
	Name, Source, Format string
	Packed               string // raw DEFLATE in base64url, as in a link
}

var lastKey atomic.Int64

// with gives an opening that differs from o as change says.
func (o Opening) with(change func(*Opening)) *Opening {
	change(&o)
	o.Key = lastKey.Add(1)
	return &o
}

// OpenBuiltIn opens an architecture of package zoo by its name.
func OpenBuiltIn(name string) *Opening {
	return Opening{}.with(func(o *Opening) { o.BuiltIn = name })
}

// OpenFiles opens one whole model, or an architecture and its weights, or a model that is in several files.
func OpenFiles(files []File) *Opening { return Opening{}.with(func(o *Opening) { o.Files = files }) }

// OpenLinked opens an architecture that came in a link.
func OpenLinked(l *Linked) *Opening { return Opening{}.with(func(o *Opening) { o.Linked = l }) }

// WithWeights opens the same model with weights beside it: a file, or a list of files and these.
func (o *Opening) WithWeights(weights File, shards ...File) *Opening {
	return o.with(func(n *Opening) { n.Weights, n.Shards = weights, shards })
}

// WithDim opens the same model with another size of a dimension that it leaves open; 0 leaves it open again.
func (o *Opening) WithDim(name string, size int64) *Opening {
	return o.with(func(n *Opening) {
		n.Dims = map[string]int64{}
		for k, v := range o.Dims {
			n.Dims[k] = v
		}
		n.Dims[name] = size
		if size == 0 {
			delete(n.Dims, name)
		}
	})
}

// WeightFiles gives the files of an opening that holds weights alone: the file with them, or a list and the files that it may name.
func (o *Opening) WeightFiles() (first File, rest []File) {
	at := max(0, slices.IndexFunc(o.Files, func(f File) bool { return strings.EqualFold(path.Ext(f.Name()), ".json") }))
	return o.Files[at], slices.Concat(o.Files[:at], o.Files[at+1:])
}

// Renewed gives an opening that came from another program a key of this one.
func (o *Opening) Renewed() *Opening { return o.with(func(*Opening) {}) }

// Label names what is opened, before it is known what it is.
func (o *Opening) Label() string {
	switch {
	case o.BuiltIn != "":
		return o.BuiltIn
	case o.Weights != nil:
		return o.Weights.Name()
	case len(o.Files) > 0:
		return o.Files[0].Name()
	case o.Linked != nil && o.Linked.Name != "":
		return o.Linked.Name
	}
	return "the model"
}

// AllFiles lists the files of the opening, the weights beside it last.
func (o *Opening) AllFiles() []File {
	files := append([]File(nil), o.Files...)
	if o.Weights != nil {
		files = append(append(files, o.Weights), o.Shards...)
	}
	return files
}
