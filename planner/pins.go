package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/report"
)

// Layers are named in a request as a plan numbers them, from 1, or by their names. A cut is named by the layer before it, the
// last of its stage.

// FixedMemory fixes the size of every function that holds any of the layers From to To.
type FixedMemory struct {
	From, To string
	MemoryMB int64
}

// FixedPrecision fixes how every function that holds any of the layers From to To stores its weights.
type FixedPrecision struct {
	From, To  string
	Precision precision.Precision
}

// maxPins bounds a list of pins.
const maxPins = 1000

// parseLayers reads a list of layers; "none" is empty.
func parseLayers(text string) ([]string, error) {
	if text == "none" {
		return nil, nil
	}
	if len(text) > maxListing {
		return nil, fmt.Errorf("it is too long")
	}
	var list []string
	for _, item := range strings.Split(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return nil, fmt.Errorf("a layer has no name")
		}
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	if len(list) > maxPins {
		return nil, fmt.Errorf("it has more than %d layers", maxPins)
	}
	return list, nil
}

func printLayers(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ",")
}

// parseFixed reads a list of LAYERS=VALUE, where LAYERS is one layer or FROM..TO.
func parseFixed[T any](text, unit string, entry func(from, to, value string) (T, error)) ([]T, error) {
	items, err := parseLayers(text)
	var list []T
	for _, item := range items {
		k := strings.LastIndexByte(item, '=')
		if k < 1 {
			return nil, fmt.Errorf("an entry is LAYER=%s or FROM..TO=%[1]s", unit)
		}
		from, to, ranged := strings.Cut(item[:k], "..")
		if !ranged {
			to = from
		}
		if from == "" || to == "" {
			return nil, fmt.Errorf("a range is FROM..TO")
		}
		x, err := entry(from, to, item[k+1:])
		if err != nil {
			return nil, fmt.Errorf("the entry %.40q: %w", item, err)
		}
		list = append(list, x)
	}
	return list, err
}

func parseFixedMemory(text string) ([]FixedMemory, error) {
	return parseFixed(text, "MB", func(from, to, value string) (FixedMemory, error) {
		m, err := parseCount(value, maxMemory)
		return FixedMemory{from, to, int64(m)}, err
	})
}

func parseFixedPrecisions(text string) ([]FixedPrecision, error) {
	return parseFixed(text, "PRECISION", func(from, to, value string) (FixedPrecision, error) {
		w, err := precision.Parse(value)
		if err != nil || value == "" {
			return FixedPrecision{}, fmt.Errorf("the precisions are float32, float16 and int8")
		}
		return FixedPrecision{from, to, w}, nil
	})
}

func printFixed(from, to, value string) string {
	if to != from {
		from += ".." + to
	}
	return from + "=" + value
}

func (f FixedMemory) String() string {
	return printFixed(f.From, f.To, strconv.FormatInt(f.MemoryMB, 10))
}

func (f FixedPrecision) String() string { return printFixed(f.From, f.To, string(f.Precision)) }

// printAll prints a list of what is fixed as it is parsed.
func printAll[T fmt.Stringer](list []T) string {
	items := make([]string, len(list))
	for i, x := range list {
		items[i] = x.String()
	}
	return printLayers(items)
}

// pinner resolves the pins of a request against a graph and collects all that is wrong with them.
type pinner struct {
	graph    *graph.Graph
	platform *platform.Platform
	byName   map[string]int
	cuts     []int
	unknown  []string // there is no such layer
	uncut    []string // the model cannot be cut there
	unsold   []string
	against  []string // pins that contradict others
}

// pins resolves what a request fixes by hand. Contradictions are refused, all at once.
func (r *Request) pins(g *graph.Graph, p *platform.Platform) (cost.Pins, error) {
	var pins cost.Pins
	if len(r.Cuts)+len(r.NoCuts)+len(r.Fixed)+len(r.FixedPrecisions) == 0 {
		return cost.Pins{MaxLayers: max(r.LayerCap, 0)}, nil
	}
	n := &pinner{graph: g, platform: p, byName: map[string]int{}, cuts: g.Cuts()}
	for l := range g.Layers {
		n.byName[g.Layers[l].Name] = l
	}
	pins.MaxLayers = max(r.LayerCap, 0)
	for _, layer := range r.Cuts {
		if l, ok := n.layer(layer); ok && n.cut(l+1) {
			pins.Cuts = append(pins.Cuts, l+1)
		}
	}
	for _, layer := range r.NoCuts {
		from, to, ranged := strings.Cut(layer, "..")
		if !ranged {
			to = from
		}
		if first, last, ok := n.layers(from, to); ok {
			for c := first; c <= last; c++ {
				pins.NoCuts = append(pins.NoCuts, c+1)
			}
		}
	}
	for _, f := range r.Fixed {
		first, last, ok := n.layers(f.From, f.To)
		if !p.Sells(f.MemoryMB) {
			n.unsold = append(n.unsold, fmt.Sprintf("%d MB (the nearest size is %d MB)", f.MemoryMB, p.NearestMemory(f.MemoryMB)))
		} else if ok {
			pins.Memory = append(pins.Memory, cost.MemoryPin{First: first, Last: last + 1, MemoryMB: f.MemoryMB})
		}
	}
	for _, f := range r.FixedPrecisions {
		if first, last, ok := n.layers(f.From, f.To); ok {
			pins.Precision = append(pins.Precision, cost.PrecisionPin{First: first, Last: last + 1, Precision: f.Precision})
		}
	}
	slices.Sort(pins.Cuts)
	slices.Sort(pins.NoCuts)
	pins.Cuts, pins.NoCuts = slices.Compact(pins.Cuts), slices.Compact(pins.NoCuts)
	n.contradictions(r, &pins)
	return pins, n.err()
}

// layer finds a layer by its number or name.
func (n *pinner) layer(text string) (int, bool) {
	if k, err := strconv.Atoi(text); err == nil && k >= 1 && k <= len(n.graph.Layers) {
		return k - 1, true
	}
	if l, ok := n.byName[text]; ok {
		return l, true
	}
	n.unknown = append(n.unknown, fmt.Sprintf("%.60q", text))
	return 0, false
}

// layers finds a range of layers.
func (n *pinner) layers(from, to string) (first, last int, ok bool) {
	first, found := n.layer(from)
	last = first
	if to != from {
		var also bool
		last, also = n.layer(to)
		found = found && also
	}
	if found && last < first {
		n.against = append(n.against, fmt.Sprintf("%s comes after %s", n.name(first), n.name(last)))
		return 0, 0, false
	}
	return first, last, found
}

// name says which layer is meant.
func (n *pinner) name(l int) string { return fmt.Sprintf("layer %d (%s)", l+1, n.graph.Layers[l].Name) }

// cut tells whether the model can be cut at a position, and where nearby it can be otherwise.
func (n *pinner) cut(position int) bool {
	k, found := slices.BinarySearch(n.cuts, position)
	if found {
		return true
	}
	var near []string
	for _, i := range []int{k - 1, k} {
		if i >= 0 && i < len(n.cuts) {
			near = append(near, n.name(n.cuts[i]-1))
		}
	}
	where := "the model cannot be cut anywhere"
	if len(near) > 0 {
		where = "the nearest places are after " + strings.Join(near, " and ")
	}
	n.uncut = append(n.uncut, n.name(position-1)+": "+where)
	return false
}

// contradictions finds pins that cannot all hold.
func (n *pinner) contradictions(r *Request, pins *cost.Pins) {
	for _, c := range pins.Cuts {
		if slices.Contains(pins.NoCuts, c) {
			n.against = append(n.against, "a cut after "+n.name(c-1)+" is both wanted and forbidden")
		}
	}
	if len(pins.Cuts)+1 > r.MaxStages {
		n.against = append(n.against, fmt.Sprintf("%s would make %d functions, and max-stages is %d: allow %[2]d with max-stages", report.Count(len(pins.Cuts), "wanted cut"), len(pins.Cuts)+1, r.MaxStages))
	}
	for i, a := range pins.Memory {
		for _, b := range pins.Memory[i+1:] {
			if a.MemoryMB != b.MemoryMB {
				n.apart(pins, wanted{a.First, a.Last, fmt.Sprintf("at %d MB", a.MemoryMB)}, wanted{b.First, b.Last, fmt.Sprintf("at %d MB", b.MemoryMB)})
			}
		}
	}
	for i, a := range pins.Precision {
		for _, b := range pins.Precision[i+1:] {
			if a.Precision != b.Precision {
				n.apart(pins, wanted{a.First, a.Last, "in " + string(a.Precision)}, wanted{b.First, b.Last, "in " + string(b.Precision)})
			}
		}
	}
}

// wanted is what layers [first, last) of a function of their own are wanted to be.
type wanted struct {
	first, last int
	how         string
}

// apart finds whether layers that are wanted differently can be in functions of their own.
func (n *pinner) apart(pins *cost.Pins, a, b wanted) {
	if b.first < a.first {
		a, b = b, a
	}
	switch {
	case b.first < a.last:
		n.against = append(n.against, fmt.Sprintf("%s is to be %s and %s", n.name(b.first), a.how, b.how))
	case !slices.ContainsFunc(n.cuts, func(c int) bool { return a.last <= c && c <= b.first && !slices.Contains(pins.NoCuts, c) }):
		n.against = append(n.against, fmt.Sprintf("%s %s and %s %s are to be in functions of their own, and no cut between them is possible or allowed",
			n.name(a.last-1), a.how, n.name(b.first), b.how))
	}
}

const checkingPins = "checking what is fixed by hand"

// err tells all that is wrong, the worst kind first.
func (n *pinner) err() error {
	report := func(code, found, fix string, list []string) error {
		const shown = 10
		if len(list) > 1 {
			if len(list) > shown {
				list = append(list[:shown:shown], fmt.Sprintf("and %d more", len(list)-shown))
			}
			return diag.New(diag.Usage, code, checkingPins, found, fix).With(list...)
		}
		return diag.New(diag.Usage, code, checkingPins, found+": "+list[0], fix)
	}
	switch {
	case len(n.unknown) > 0:
		return report("planner.unknown-layer", "the model has no such layer", fmt.Sprintf("give the number of a layer, 1 to %d, or its name, as inspect and show print them", len(n.graph.Layers)), n.unknown)
	case len(n.uncut) > 0:
		return report("planner.no-such-cut", "the model cannot be cut there", "cut at another place, or leave the choice to the planner", n.uncut)
	case len(n.unsold) > 0:
		return report("planner.memory-not-sold", n.platform.Name+" does not sell a size", "it sells "+n.platform.Assortment(), n.unsold)
	case len(n.against) > 0:
		return report("planner.contradictory-pins", "what is wanted cannot all hold", "give up one of each", n.against)
	}
	return nil
}
