package cost

import "slices"

// Pins are what a user fixes by hand. Stages that break one are not offered.
type Pins struct {
	Cuts      []int       // positions where a stage must end, rising
	NoCuts    []int       // positions where none may end, rising
	Memory    []MemoryPin // sizes of the stages that hold some layers
	MaxLayers int         // most layers in a stage; 0: no limit
}

// MemoryPin fixes the memory size of every stage that holds any of the layers [First, Last).
type MemoryPin struct {
	First, Last int
	MemoryMB    int64
}

// pin lists the size that each layer wants, 0 for any.
func (t *Table) pin() {
	t.pinned = make([]int64, len(t.Graph.Layers))
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

// wanted adds layer l to a stage whose layers so far want a size; ok is false when it wants another one.
func (t *Table) wanted(memoryMB int64, l int) (int64, bool) {
	switch want := t.pinned[l]; {
	case want == 0 || want == memoryMB:
		return memoryMB, true
	case memoryMB == 0:
		return want, true
	}
	return memoryMB, false
}
