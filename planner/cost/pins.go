package cost

import (
	"slices"

	"partita/planner/precision"
)

// Pins are what a user fixes by hand. Stages that break one are not offered.
type Pins struct {
	Cuts      []int       // positions where a stage must end, rising
	NoCuts    []int       // positions where none may end, rising
	Memory    []MemoryPin // sizes of the stages that hold some layers
	Precision []PrecisionPin
	MaxLayers int // most layers in a stage; 0: no limit
}

// MemoryPin fixes the memory size of every stage that holds any of the layers [First, Last).
type MemoryPin struct {
	First, Last int
	MemoryMB    int64
}

// PrecisionPin fixes how every stage that holds any of the layers [First, Last) stores its weights, whatever the variants offer
// to others.
type PrecisionPin struct {
	First, Last int
	Precision   precision.Precision
}

// pin lists the size that each layer wants, 0 for any, and the precision, "" for any of the variants'. A precision that only
// pins want adds variants of its own.
func (t *Table) pin() {
	t.pinned = make([]int64, len(t.Graph.Layers))
	t.stored = make([]precision.Precision, len(t.Graph.Layers))
	if t.Variants == nil {
		t.Variants = []Variant{Plain}
	}
	t.offeredVariants = len(t.Variants)
	for _, p := range t.Pins.Precision {
		for l := p.First; l < p.Last; l++ {
			t.stored[l] = p.Precision
		}
		for _, v := range t.Variants[:t.offeredVariants] {
			if v.Precision = p.Precision; !slices.Contains(t.Variants, v) {
				t.Variants = append(slices.Clip(t.Variants), v)
			}
		}
	}
	for _, p := range t.Pins.Memory {
		for l := p.First; l < p.Last; l++ {
			t.pinned[l] = p.MemoryMB
		}
	}
}

// reach tells how far a stage that begins at a position may go: up to the next place where a stage must end, and no more layers
// than are allowed.
func (t *Table) reach(first int) int {
	end := len(t.Graph.Layers)
	k, found := slices.BinarySearch(t.Pins.Cuts, first)
	if found {
		k++
	}
	if k < len(t.Pins.Cuts) {
		end = min(end, t.Pins.Cuts[k])
	}
	if t.Pins.MaxLayers > 0 {
		end = min(end, first+t.Pins.MaxLayers)
	}
	return end
}

// wish is what the layers of a stage want of it: 0 and "" where they leave it open.
type wish struct {
	memoryMB  int64
	precision precision.Precision
}

// add adds layer l to the layers that wish for something; it gives false when they cannot agree.
func (w *wish) add(t *Table, l int) bool {
	if want := t.pinned[l]; want != 0 {
		if w.memoryMB != 0 && w.memoryMB != want {
			return false
		}
		w.memoryMB = want
	}
	if want := t.stored[l]; want != "" {
		if w.precision != "" && w.precision != want {
			return false
		}
		w.precision = want
	}
	return true
}

// permits tells whether a stage whose layers wish for something may be made in a variant.
func (w *wish) permits(t *Table, variant int) bool {
	if w.precision != "" {
		return t.Variants[variant].Precision == w.precision
	}
	return variant < t.offeredVariants
}
