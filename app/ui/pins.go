package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"partita/app/state"
)

// Pins are lists of layers, as the planner's options cut and no-cut take them: numbers from 1, names, and for no-cut ranges FROM..TO of
// either. A cut is known by the number of the layer before it.

// pinned gives the numbers of the layers in a list; what names no layer is left out: the planner says so.
func pinned(m *state.Model, list string) []int {
	number := func(text string) int {
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(m.Layers) {
			return n
		}
		return 1 + slices.IndexFunc(m.Layers, func(l state.Layer) bool { return l.Name == text })
	}
	var all []int
	for _, item := range strings.Split(list, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(item), "..")
		first := number(from)
		last := first
		if ranged {
			last = number(to)
		}
		if first == 0 || last == 0 {
			continue
		}
		for n := first; n <= last; n++ {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// listPins writes numbers of layers as a list, with ranges where ranged allows them.
func listPins(layers []int, ranged bool) string {
	if len(layers) == 0 {
		return "none"
	}
	var items []string
	for i := 0; i < len(layers); {
		j := i
		for ranged && j+1 < len(layers) && layers[j+1] == layers[j]+1 {
			j++
		}
		item := strconv.Itoa(layers[i])
		if j > i {
			item += ".." + strconv.Itoa(layers[j])
		}
		items = append(items, item)
		i = j + 1
	}
	return strings.Join(items, ",")
}

// with and without put a number into a sorted list and take it out.
func with(layers []int, n int) []int {
	if at, there := slices.BinarySearch(layers, n); !there {
		return slices.Insert(slices.Clone(layers), at, n)
	}
	return layers
}

func without(layers []int, n int) []int {
	return slices.DeleteFunc(slices.Clone(layers), func(other int) bool { return other == n })
}

// pins are the cuts that a request fixes by hand.
type pins struct{ cuts, noCuts []int }

func pinsOf(m *state.Model, r state.Request) pins {
	return pins{pinned(m, r["cut"]), pinned(m, r["no-cut"])}
}

// in gives a request with these pins.
func (p pins) in(r state.Request) state.Request {
	return r.With("cut", listPins(p.cuts, false)).With("no-cut", listPins(p.noCuts, true))
}

// force makes a function end after a layer, forbid keeps one from ending there, and free leaves it to the planner.
func (p pins) force(layer int) pins  { return pins{with(p.cuts, layer), without(p.noCuts, layer)} }
func (p pins) forbid(layer int) pins { return pins{without(p.cuts, layer), with(p.noCuts, layer)} }
func (p pins) free(layer int) pins   { return pins{without(p.cuts, layer), without(p.noCuts, layer)} }

// move takes a cut to another place.
func (p pins) move(from, to int) pins { return p.free(from).force(to) }

// nearestCut gives the place nearest to a position at which the model can be cut; 0: there is none.
func nearestCut(m *state.Model, position int) int {
	best := 0
	for _, c := range m.Cuts {
		if best == 0 || abs(c-position) < abs(best-position) {
			best = c
		}
	}
	return best
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// locked is the entry of the option stage-memory that fixes the size of the functions that hold some layers, numbered from 1.
func locked(first, last int, memoryMB int64) string {
	return fmt.Sprintf("%d..%d=%d", first, last, memoryMB)
}

// hasLock tells whether a list has an entry, and toggleLock puts it in or takes it out.
func hasLock(list, entry string) bool { return slices.Contains(strings.Split(list, ","), entry) }

func toggleLock(list, entry string) string {
	entries := slices.DeleteFunc(strings.Split(list, ","), func(one string) bool { return one == "" || one == "none" })
	if at := slices.Index(entries, entry); at >= 0 {
		entries = slices.Delete(entries, at, at+1)
	} else {
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return "none"
	}
	return strings.Join(entries, ",")
}
