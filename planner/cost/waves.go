package cost

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"partita/planner/graph"
	"partita/planner/platform"
	"partita/planner/solve"
)

// This file is about functions side by side. See "Side by side" in the package's documentation.

// Wave is the account of functions side by side.
type Wave struct {
	Functions      []Stage
	GatewayPicoUSD int64 // what their option carries for the gateway, as Stage.GatewayPicoUSD
}

// Function names one of the functions of a wave: some neighbouring branches of a region, at a size, in a variant.
type Function struct {
	First, Last int // positions
	Variant     int
	MemoryMB    int64
}

// region is a range of layers that falls into branches.
type region struct {
	bounds []int
	passes bool            // something crosses it that no branch takes
	sides  map[[2]int]side // by first and last branch: some neighbouring branches in one function
}

// side is what is to be known of a function that stands beside others.
type side struct {
	first, last int // positions
	in, out     crossing
	peak        int64
}

// measureRegions prepares the regions of the settings. Only inputs that pass through together do so side by side.
func (t *Table) measureRegions() {
	t.regions, t.waves = nil, nil
	if len(t.Regions) == 0 || t.batching().Passes() > 1 {
		return
	}
	live := t.live
	for _, bounds := range t.Regions {
		first, end := bounds[0], bounds[len(bounds)-1]
		r := region{bounds: bounds, sides: map[[2]int]side{}}
		for _, v := range live[first] {
			r.passes = r.passes || slices.Contains(live[end], v)
		}
		for a := range bounds[1:] {
			for b := a + 1; b < len(bounds) && b-a < len(bounds)-1; b++ {
				sub := t.Graph.SideBySide(live, t.Graph.Subgraph(live, bounds[a], bounds[b]), end)
				s := side{first: bounds[a], last: bounds[b], in: t.crossingOf(sub.Inputs, t.Batch), out: t.crossingOf(sub.Outputs, t.Batch)}
				for _, peak := range peaksBetween(t.Graph, t.Batch, s.first, s.last, sub.Inputs, sub.Outputs) {
					s.peak = max(s.peak, peak)
				}
				r.sides[[2]int{a, b}] = s
			}
		}
		t.regions = append(t.regions, r)
	}
}

// hops gives what a function beside others takes in and hands on, with the transports of the nodes that its wave lies between.
func (t *Table) hops(s *side, i, j int) (in, out hop) {
	in, out = t.inlineHop(s.in), t.inlineHop(s.out)
	if t.nodes[i].transport == S3 {
		in = t.getHop(s.in)
	}
	if t.nodes[j].transport == S3 {
		out = t.putHop(s.out)
	}
	return in, out
}

// between finds the region that lies between two nodes; nil where none does, or where what passes by it would have to change
// its transport, for which there is no function.
func (t *Table) between(i, j int) *region {
	for k := range t.regions {
		r := &t.regions[k]
		if t.cuts[t.nodes[i].cut] == r.bounds[0] && t.cuts[t.nodes[j].cut] == r.bounds[len(r.bounds)-1] {
			if r.passes && t.nodes[i].transport != t.nodes[j].transport {
				return nil
			}
			return r
		}
	}
	return nil
}

// Wave accounts for functions side by side between two nodes.
func (t *Table) Wave(i, j int, functions []Function) Wave {
	r := t.between(i, j)
	if r == nil {
		panic(fmt.Sprintf("cost: no functions side by side between nodes %d and %d", i, j))
	}
	var w Wave
	for _, f := range functions {
		a, b := slices.Index(r.bounds, f.First), slices.Index(r.bounds, f.Last)
		side, ok := r.sides[[2]int{a, b}]
		if !ok {
			panic(fmt.Sprintf("cost: layers %d to %d are no branches of a region", f.First+1, f.Last))
		}
		in, out := t.hops(&side, i, j)
		w.Functions = append(w.Functions, t.account(Stage{
			First: f.First, Last: f.Last, Variant: t.Variants[f.Variant], MemoryMB: f.MemoryMB,
			InputBytes: side.in.bytes, OutputBytes: side.out.bytes, TransportIn: t.nodes[i].transport, TransportOut: t.nodes[j].transport,
			InputUs: in.us, OutputUs: out.us, FeesPicoUSD: in.feePicoUSD + out.feePicoUSD,
		}, i == 0, side.peak, side.in.textBytes, side.out.textBytes))
	}
	o := pace{}
	for k := range w.Functions {
		o.add(&w.Functions[k])
	}
	w.GatewayPicoUSD = t.otherGatewayPicoUSD(o.readyUs-o.runUs, o.runUs, i == 0)
	if i == 0 {
		w.GatewayPicoUSD += t.GatewayFees()
	}
	return w
}

// pace is what functions side by side take: the longest of their runs, and of their cold starts with their runs.
type pace struct{ runUs, readyUs int64 }

func (p *pace) add(s *Stage) {
	run := s.InputUs + s.ComputeUs + s.OutputUs
	p.runUs, p.readyUs = max(p.runUs, run), max(p.readyUs, s.coldStartUs+run)
}

// Option is the wave as the optimiser's instance has it. Of one function alone it is that stage's.
func (w *Wave) Option() solve.Option {
	if len(w.Functions) == 1 {
		return w.Functions[0].Option()
	}
	var p pace
	o := solve.Option{CostPicoUSD: w.GatewayPicoUSD}
	cold := false
	for k := range w.Functions {
		s := &w.Functions[k]
		p.add(s)
		o.CostPicoUSD += s.CostPicoUSD
		cold = cold || s.InitUs > 0
	}
	o.RunUs = p.runUs
	if cold {
		o.InitUs = p.readyUs - p.runUs
	}
	return o
}

// WaveOf gives the nodes and the functions of a stage of the problem that Problem has made last, which is a wave.
func (t *Table) WaveOf(s *solve.Stage) []Function { return t.waves[-1-s.Variant] }

// Forks tells whether some layers may be computed side by side.
func (t *Table) Forks() bool { return len(t.regions) > 0 }

// IsWave tells whether a stage of the problem is a wave.
func IsWave(s *solve.Stage) bool { return s.Variant < 0 }

// choice is a way to run a function beside others.
type choice struct {
	pace
	costPicoUSD int64 // without what it carries for the gateway
	variant     int32
	memoryMB    int64
}

// menu lists the ways to run a side between two nodes.
func (b *builder) menu(s *side, i, j int, p *solve.Problem) []choice {
	t := b.Table
	var want wish
	b.begin()
	for l := s.first; l < s.last; l++ {
		if !want.add(t, l) {
			return nil
		}
		for k := range b.held {
			b.held[k].addLayer(b.weights[k], s.first, l)
		}
	}
	if t.reach(s.first) < s.last {
		return nil
	}
	in, out := t.hops(s, i, j)
	stage := solve.Stage{I: int32(i), J: int32(j), Run1Ns: t.run1Ns[s.last] - t.run1Ns[s.first], HopUs: add(in.us, out.us)}
	if stage.Run1Ns > maxRunNs {
		return nil
	}
	var all []choice
	best := b.offers(&want, s.peak, s.in.textBytes, s.out.textBytes)
	for k := range best {
		c := &best[k]
		if !t.fit(&stage, c, want.memoryMB) {
			continue
		}
		stage.Variant, stage.InitUs, stage.AddedPicoUSDPer1024s = c.variant, c.initUs, c.added
		stage.FeesPicoUSD = in.feePicoUSD + out.feePicoUSD + c.fees
		t.price(&stage)
		for n := stage.Low; n < stage.High; n++ {
			z := &p.Sizes[n]
			run := p.RunUs(&stage, z)
			cost := stage.FeesPicoUSD + p.Cost(&stage, run, z) - t.otherGatewayPicoUSD(c.initUs, run, i == 0)
			if i == 0 {
				cost -= t.GatewayFees()
			}
			all = append(all, choice{pace{run, c.initUs + run}, cost, c.variant, z.MemoryMB})
		}
	}
	return all
}

// wave is a way to run a whole region side by side.
type wave struct {
	pace
	costPicoUSD int64
	functions   []Function
}

// wavesFrom adds, as stages of one option each, the waves that begin at a node.
func (b *builder) wavesFrom(i int, p *solve.Problem) {
	t := b.Table
	for j := i + 1; j < len(t.nodes); j++ {
		r := t.between(i, j)
		if r == nil {
			continue
		}
		all := b.together(r, i, j, p)
		for _, w := range t.undominated(all) {
			s := solve.Stage{I: int32(i), J: int32(j), Low: int32(len(t.sizes)), High: int32(len(t.sizes)) + 1, Variant: int32(-1 - len(t.waves)),
				InitUs: w.readyUs - w.runUs, HopUs: w.runUs, FeesPicoUSD: w.costPicoUSD, FixedPicoUSD: w.costPicoUSD}
			t.waves = append(t.waves, w.functions)
			p.Stages = append(p.Stages, s)
		}
	}
}

// ladder is how a function beside others can keep a pace: ways that are ever slower and cheaper.
type ladder struct {
	first, last int // branches
	rungs       []choice
	at          int // the cheapest that keeps the present pace; -1: none does
}

// climb sorts the ways to run a side into a ladder, by one of their two times.
func climb(key [2]int, menu []choice, limit func(c *choice) int64) ladder {
	slices.SortFunc(menu, func(a, b choice) int {
		if d := cmp.Compare(limit(&a), limit(&b)); d != 0 {
			return d
		}
		return cmp.Or(cmp.Compare(a.costPicoUSD, b.costPicoUSD), cmp.Compare(a.readyUs, b.readyUs), cmp.Compare(a.runUs, b.runUs),
			cmp.Compare(a.variant, b.variant), cmp.Compare(a.memoryMB, b.memoryMB))
	})
	l := ladder{first: key[0], last: key[1], at: -1}
	for n := range menu {
		if k := len(l.rungs); k == 0 || menu[n].costPicoUSD < l.rungs[k-1].costPicoUSD {
			l.rungs = append(l.rungs, menu[n])
		}
	}
	return l
}

// together lists the waves of a region between two nodes: at each pace that one of the functions can set, the cheapest functions that
// keep it, among all ways to give the branches to two functions at least and no more than there may be stages.
func (b *builder) together(r *region, i, j int, p *solve.Problem) (all []wave) {
	t := b.Table
	by := []func(c *choice) int64{
		func(c *choice) int64 { return c.runUs },
		func(c *choice) int64 { return c.readyUs },
	}
	switch {
	case t.Scenario == solve.ColdSequential && t.Arrivals == nil:
		by = by[1:]
	case t.Scenario == solve.Warm && t.Arrivals == nil:
		by = by[:1]
	}
	branches := len(r.bounds) - 1
	var keys [][2]int
	for first := range branches {
		for last := first + 1; last <= branches; last++ {
			if _, ok := r.sides[[2]int{first, last}]; ok {
				keys = append(keys, [2]int{first, last})
			}
		}
	}
	menus := make([][]choice, len(keys))
	for k, key := range keys {
		side := r.sides[key]
		menus[k] = b.menu(&side, i, j, p)
	}
	for _, limit := range by {
		var ladders []ladder
		var paces []int64
		for k, key := range keys {
			l := climb(key, menus[k], limit)
			for n := range l.rungs {
				paces = append(paces, limit(&l.rungs[n]))
			}
			ladders = append(ladders, l)
		}
		slices.Sort(paces)
		cheapest := int64(math.MaxInt64)
		d := newDivision(branches, min(branches, t.MaxStages))
		for _, us := range slices.Compact(paces) {
			for k := range ladders {
				l := &ladders[k]
				for l.at+1 < len(l.rungs) && limit(&l.rungs[l.at+1]) <= us {
					l.at++
				}
			}
			if sum, ok := d.divide(ladders); ok && sum < cheapest {
				cheapest = sum
				all = append(all, t.wave(r, d.chosen(ladders), i == 0))
			}
		}
	}
	return all
}

// wave sums functions up.
func (t *Table) wave(r *region, chosen []*ladder, first bool) wave {
	var w wave
	for _, l := range chosen {
		c := &l.rungs[l.at]
		w.runUs, w.readyUs, w.costPicoUSD = max(w.runUs, c.runUs), max(w.readyUs, c.readyUs), w.costPicoUSD+c.costPicoUSD
		w.functions = append(w.functions, Function{r.bounds[l.first], r.bounds[l.last], int(c.variant), c.memoryMB})
	}
	w.costPicoUSD += t.otherGatewayPicoUSD(w.readyUs-w.runUs, w.runUs, first)
	if first {
		w.costPicoUSD += t.GatewayFees()
	}
	return w
}

// division divides the branches of a region among functions, as cheaply as can be.
type division struct {
	branches, most int
	sum            []int64 // by number of functions, then of branches given to them
	via            []int   // the ladder of the last of these functions
}

func newDivision(branches, most int) *division {
	n := (most + 1) * (branches + 1)
	return &division{branches, most, make([]int64, n), make([]int, n)}
}

// divide finds the cheapest way at the present rungs of the ladders, which are sorted by their first branch.
func (d *division) divide(ladders []ladder) (sum int64, ok bool) {
	width := d.branches + 1
	for k := range d.sum {
		d.sum[k] = math.MaxInt64
	}
	d.sum[0] = 0
	for k := range ladders {
		l := &ladders[k]
		if l.at < 0 {
			continue
		}
		price := l.rungs[l.at].costPicoUSD
		for n := range d.most {
			from, to := n*width+l.first, (n+1)*width+l.last
			if d.sum[from] < math.MaxInt64 && d.sum[from]+price < d.sum[to] {
				d.sum[to], d.via[to] = d.sum[from]+price, k
			}
		}
	}
	end := d.end()
	return d.sum[end], d.sum[end] < math.MaxInt64
}

// end is where all branches are given away most cheaply.
func (d *division) end() int {
	width := d.branches + 1
	best := width + d.branches
	for n := 2; n <= d.most; n++ {
		if at := n*width + d.branches; d.sum[at] < d.sum[best] {
			best = at
		}
	}
	return best
}

// chosen lists the ladders of the way found.
func (d *division) chosen(ladders []ladder) []*ladder {
	var list []*ladder
	width := d.branches + 1
	for at := d.end(); at > 0; {
		l := &ladders[d.via[at]]
		list = append(list, l)
		at -= width + l.last - l.first
	}
	slices.Reverse(list)
	return list
}

// undominated leaves out the waves that another is at least as good as in every respect that counts in the scenario, of equals all
// but the first with the fewest functions.
func (t *Table) undominated(all []wave) []wave {
	count := func(w *wave) pace {
		switch t.Scenario {
		case solve.Warm:
			return pace{w.runUs, 0}
		case solve.ColdSequential:
			return pace{w.readyUs, 0}
		}
		return w.pace
	}
	slices.SortStableFunc(all, func(a, b wave) int {
		x, y := count(&a), count(&b)
		return cmp.Or(cmp.Compare(x.runUs, y.runUs), cmp.Compare(x.readyUs, y.readyUs), cmp.Compare(a.costPicoUSD, b.costPicoUSD), cmp.Compare(len(a.functions), len(b.functions)))
	})
	var kept, stairs []wave // stairs: of those kept the ones least in ready and cost, by rising ready and falling cost
	for _, w := range all {
		ready := count(&w).readyUs
		n, _ := slices.BinarySearchFunc(stairs, ready+1, func(s wave, us int64) int { return cmp.Compare(count(&s).readyUs, us) })
		if n > 0 && stairs[n-1].costPicoUSD <= w.costPicoUSD {
			continue
		}
		kept = append(kept, w)
		end := n
		for end < len(stairs) && stairs[end].costPicoUSD >= w.costPicoUSD {
			end++
		}
		for n > 0 && count(&stairs[n-1]).readyUs == ready {
			n--
		}
		stairs = slices.Replace(stairs, n, end, w)
	}
	return kept
}

// addWaves prepares a problem for waves: they have one size that is none, and all of their price is in their fees.
func (t *Table) addWaves(p *solve.Problem) {
	t.waves = nil
	p.Sizes = append(p.Sizes, solve.Size{})
	price := p.Cost
	p.Cost = func(s *solve.Stage, runUs int64, size *solve.Size) int64 {
		if IsWave(s) {
			return 0
		}
		return price(s, runUs, size)
	}
}

// WorthNs is the least time on one vCPU that is worth a hop: at the platform's fastest size it takes as long as calling a function
// and handing these tensors over.
func (t *Table) WorthNs(values []graph.ValueID) int64 {
	x := t.crossingOf(values, t.Batch)
	us := 2 * t.inlineHop(x).us
	if objects := add(t.putHop(x).us, t.getHop(x).us); x.textBytes > t.Platform.PayloadLimitBytes || objects < us {
		us = objects
	}
	return scale(add(t.Platform.DispatchUs, us), 1000<<platform.SlowdownBits, t.Platform.Slowdown(t.Platform.FullSpeedMB()))
}

// crossingOf sizes some tensors with a batch.
func (t *Table) crossingOf(values []graph.ValueID, batch int64) crossing {
	c := crossing{textBytes: messageTextBytes}
	for _, id := range values {
		v := t.Graph.Value(id)
		bytes := v.Bytes(batch)
		c.tensors++
		c.bytes = add(c.bytes, bytes)
		c.textBytes = add(c.textBytes, add(mul(scale(bytes, 1, 3), 4), int64(len(v.Name))+tensorTextBytes))
	}
	return c
}
