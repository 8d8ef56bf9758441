package cost

import (
	"cmp"
	"slices"

	"partita/planner/solve"
)

// place is what stages share that begin or end at one of several nodes: the least of each amount that only one of these nodes
// asks for, and the fewest layers (see solve.Outline).
type place struct {
	begin, end    int // positions: stages from the place begin no later than at begin, stages to it end no earlier than at end
	input, output hop
	text          int64 // of the tensors that cross, in a message

	lastInputUs, lastOutputUs int64 // of the last pass
}

// places sums nodes up.
func (t *Table) places(of []solve.Place) []place {
	all := make([]place, len(of))
	for k, w := range of {
		n := &t.nodes[w.First]
		p := place{t.cuts[t.nodes[w.Last].cut], t.cuts[n.cut], n.input, n.output, t.crossing[n.cut].textBytes, n.lastInputUs, n.lastOutputUs}
		for v := w.First + 1; v <= w.Last; v++ {
			n := &t.nodes[v]
			p.input, p.output = p.input.least(n.input), p.output.least(n.output)
			p.lastInputUs, p.lastOutputUs = min(p.lastInputUs, n.lastInputUs), min(p.lastOutputUs, n.lastOutputUs)
			p.text = min(p.text, t.crossing[n.cut].textBytes)
		}
		all[k] = p
	}
	return all
}

func (h hop) least(o hop) hop { return hop{min(h.us, o.us), min(h.feePicoUSD, o.feePicoUSD)} }

// eachNode gives every node a place of its own, and wants all of them.
func (t *Table) eachNode() (places []place, all []bool) {
	of := make([]solve.Place, len(t.nodes))
	all = make([]bool, len(t.nodes))
	for v := range of {
		of[v], all[v] = solve.Place{First: int32(v), Last: int32(v)}, true
	}
	return t.places(of), all
}

// Outline states the numeric problem with its stages yet to be made, but for functions side by side, which are few. Where layers
// wish for a size or a precision, what fewer of them take is not always less: then all stages are there.
func (t *Table) Outline() *solve.Outline {
	if len(t.Pins.Memory) > 0 || len(t.Pins.Precision) > 0 {
		return &solve.Outline{Problem: *t.Problem()}
	}
	p := t.blank()
	o := &solve.Outline{Alone: make([]bool, len(t.nodes))}
	for _, n := range t.nodes {
		o.RunNs = append(o.RunNs, t.run1Ns[t.cuts[n.cut]])
		o.HopUs = append(o.HopUs, add(n.input.us, n.output.us))
	}
	waves := make([][]solve.Stage, len(t.nodes)) // by node
	if len(t.regions) > 0 {
		t.addWaves(p)
		b := newBuilder(t)
		for i := range t.nodes {
			b.wavesFrom(i, p)
			waves[i], p.Stages = p.Stages, nil
			for k := range waves[i] {
				o.Alone[i], o.Alone[waves[i][k].J] = true, true
			}
		}
	}
	o.Make = func(of []solve.Place, wanted func(i int) []bool, out []solve.Stage) []solve.Stage {
		if out == nil && len(of) == len(t.nodes) {
			out = make([]solve.Stage, 0, t.mostStages())
		}
		b := newBuilder(t)
		if slices.ContainsFunc(of, func(w solve.Place) bool { return w.First < w.Last }) {
			b.initUs = t.leastInitUs
		}
		places := t.places(of)
		for i := range places {
			row := wanted(i)
			if row == nil {
				continue
			}
			out = b.stagesFrom(places, i, row, out)
			for _, s := range waves[of[i].First] {
				j, found := slices.BinarySearchFunc(of, s.J, func(w solve.Place, node int32) int { return cmp.Compare(w.First, node) })
				if found && row[j] {
					s.I, s.J = int32(i), int32(j)
					out = append(out, s)
				}
			}
		}
		return out
	}
	o.Problem = *p
	return o
}

// leastInitUs bounds the cold start of the stages that hold at least these weights: the first bytes of one more range are fetched
// sooner than the last of a range that others wait for.
func (t *Table) leastInitUs(k packing, h *held) int64 {
	us := t.initUs(k, h)
	if parts := fetchParts(h.apart); k == fetched && parts < MaxFetchParts {
		more := *h
		more.apart = parts*MinFetchPartSize + 1
		more.padded += more.apart - h.apart
		us = min(us, t.initUs(k, &more))
	}
	return us
}
