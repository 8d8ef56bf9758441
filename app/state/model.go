package state

import (
	"slices"

	"partita/planner/plan"
	"partita/planner/report"
)

// Model is what the page shows of a model: little enough to cross from the planner's worker to the page at once.
type Model struct {
	Inspect   *report.Inspect
	Layers    []Layer `json:"-"` // crosses by itself: see Encode
	Crossing  []int64 // bytes that are live before the first layer, between layers, and after the last
	Cuts      []int   // positions at which the model can be cut: so many layers are before each, rising
	Open      []Dimension
	WeightsIn []int  // which of the opening's files hold the weights; none when only an architecture was opened
	BytesRead int64  // of the opening's files, to get here
	Format    string // of the architecture, which Packed holds as Linked does
	Packed    string

	given *Model            // as it was opened, where this is it in another order
	order []plan.Reordering // that order
}

// inOrderOf gives the model with its layers in the order in which a plan has them.
func (m *Model) inOrderOf(a *Answer) *Model {
	given := m
	if m.given != nil {
		given = m.given
	}
	if a == nil || a.Ordered == nil {
		return given
	}
	order := a.Plan.Model.Order
	if m.given != nil && slices.EqualFunc(m.order, order, func(x, y plan.Reordering) bool {
		return x.FirstLayer == y.FirstLayer && slices.Equal(x.Layers, y.Layers)
	}) {
		return m // drawn already
	}
	c := *given
	c.Layers, c.Crossing, c.Cuts, c.given, c.order = a.Ordered.Layers, a.Ordered.Crossing, a.Ordered.Cuts, given, order
	return &c
}

// Layer is one layer in the order of execution.
type Layer struct {
	Name, Class, Output string
	WeightBytes         int64 // that it is the first to use
	MACs                int64 // multiply-accumulates of one inference
	From                []int // layers whose results it takes
}

// Dimension is one that a file leaves open, other than the batch, with the size that is taken for planning; 0: the model
// cannot be planned before somebody gives one.
type Dimension struct {
	Name string
	Size int64
}

// Weights lists the files that hold the weights.
func (m *Model) Weights(o *Opening) []File {
	var files []File
	all := o.AllFiles()
	for _, i := range m.WeightsIn {
		files = append(files, all[i])
	}
	return files
}
