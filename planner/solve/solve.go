package solve

import (
	"cmp"
	"slices"
)

// DefaultLabels is the limit of labels that Solve takes for zero: some seconds of work, far above what models need.
const DefaultLabels = 1 << 26

// Solve finds the whole frontier of a valid instance. It stops after making maxLabels labels, DefaultLabels if that is
// not positive.
//
// The method is two-phase bi-objective shortest path (Ulungu and Teghem 1995, Raith and Ehrgott 2009): supported points,
// the corners of the frontier's convex hull, by shortest-path passes on weighted sums of cost and time; then, between
// neighbouring supported points, a label-setting search over the few options that the bounds of those passes leave.
// Cold-overlapped, whose latency is not a sum, has bounds of its own (see overlap) and known plans in the place of
// supported points. The number of stages is first left free, which makes the graph small; when a plan found that way
// breaks the stage limits the search is repeated on a graph with a layer per stage.
func Solve(in *Instance, maxLabels int) *Result {
	return in.Solve(Effort{MaxLabels: maxLabels})
}

// Effort says how exact a frontier is wanted and how long to look for it.
type Effort struct {
	// ResolutionUs is the step of the SLOs for which the frontier is wanted: 1 (taken for zero), every microsecond, or
	// Millisecond. The frontier then has, of the points of the frontier by the microsecond, the last of each step: the
	// cheapest plan within each SLO that is a whole number of steps (of equally cheap ones the fastest).
	ResolutionUs int64
	MaxLabels    int // DefaultLabels if not positive
	// Beaten are points by rising latency that plans of other problems reach: what they beat or equal need not be found. The
	// frontier may then be empty though there are plans.
	Beaten []Point
}

// Millisecond is the coarser resolution of an Effort: what a gateway is billed by.
const Millisecond = 1000

// Solve is the function Solve to a resolution.
func (in *Instance) Solve(e Effort) *Result {
	s := newSolver(&in.Terms, e)
	s.segments = in.Segments
	s.sortArcs(len(in.Segments), func(i int) (tail, head int32, some bool) {
		g := &in.Segments[i]
		return int32(g.I), int32(g.J), len(g.Options) > 0
	})
	for i := range s.arcs {
		s.arcs[i].survey(&s.rule, in.Segments[s.arcs[i].segment].Options)
	}
	return s.solve()
}

// Solve finds the whole frontier of a problem, the same as its Instance has. The options of Result.Stages are indices into
// Sizes.
func (p *Problem) Solve(e Effort) *Result { return p.solver(e).solve() }

func (p *Problem) solver(e Effort) *solver {
	s := newSolver(&p.Terms, e)
	if e.ResolutionUs <= 1 && p.whole() {
		s.clock = clock{Millisecond, 0}
		s.known.clock = s.clock
	}
	s.law = newLaw(p)
	s.sortArcs(len(p.Stages), func(i int) (tail, head int32, some bool) {
		stage := &p.Stages[i]
		return stage.I, stage.J, stage.Low < stage.High
	})
	for i := range s.arcs {
		s.law.survey(&s.arcs[i], s.stage(int32(i)), &s.rule)
	}
	return s
}

func (s *solver) solve() *Result {
	if s.in.MinStages <= 1 {
		s.layered(false)
		if r := s.run(); r != nil {
			return r
		}
	}
	s.layered(true)
	return s.run()
}

// stage gives the stage behind an arc of a law.
func (s *solver) stage(arc int32) *Stage { return &s.law.problem.Stages[s.arcs[arc].segment] }

// plan is a path from source to sink.
type plan struct {
	time, cost int64
	path       []choice
}

// entry is an arc in the list of those still of interest, with the range of corners among which its least one lies.
type entry struct {
	tail, head, arc int32
	lo, hi          int32
}

// ideal is the least time of a plan through an arc and the least cost of another.
type ideal struct{ time, cost int64 }

type solver struct {
	in        *Terms
	segments  []Segment // of an Instance
	law       *law      // of a Problem
	smooth    bool      // entries are ranges of sizes, and bounds come from the law without rounding
	scratch   []item
	nodes     int
	clock     clock
	maxLabels int
	rule      rule
	menus     menus
	arcs      []arc // by tail

	layers int // how often the nodes are repeated: 1 when the number of stages is free
	step   int // from a state to the same node's state after one more stage: 0 when the number of stages is free
	states int

	quickest, leanest []int64 // per state: least time and least cost from there to the sink
	soonest, paid     []int64 // per state: earliest finish and least cost from the source
	ideals            []ideal // per arc, once they are listed
	box               item    // no point of the frontier is slower or dearer

	entries []entry // a stack of lists
	pass    pass
	overlap overlap
	frames  []*frame
	search  search
	known   known
	foreign []Point // Effort.Beaten
	hints   []item  // plans known before
	rough   bool    // sweeps need not polish what they find
	scouted bool    // so many plans are known before that sweeps over sizes need not look for more
	sketch  [sketches]item

	found   []found // by rising time
	choices []choice
	labels  int

	broken  bool // a plan breaks the stage limits: the number of stages must not be left free
	stopped bool
	plans   []*plan  // met on the way, for when the search is stopped
	open    []window // what it left open
}

// found is a point of the frontier before the gateway's cost, with its path in solver.choices.
type found struct {
	time, cost int64
	lo, hi     int32
}

func newSolver(in *Terms, e Effort) *solver {
	if e.MaxLabels <= 0 {
		e.MaxLabels = DefaultLabels
	}
	s := &solver{in: in, nodes: len(in.Nodes), maxLabels: min(e.MaxLabels, 1<<30), rule: in.rule()} // labels are numbered by int32
	s.clock = clock{1, 0}
	if e.ResolutionUs > 1 {
		s.clock = clock{Millisecond, in.StartUs % Millisecond}
	}
	s.known.clock, s.foreign = s.clock, e.Beaten
	s.menus.overlapped = in.Scenario == ColdOverlapped
	return s
}

// sortArcs makes an arc of each of n segments that has some option, by tail, then index.
func (s *solver) sortArcs(n int, segment func(i int) (tail, head int32, some bool)) {
	s.arcs = make([]arc, 0, n)
	sorted, last := true, int32(0)
	for i := range n {
		tail, head, some := segment(i)
		if some {
			s.arcs = append(s.arcs, arc{tail: tail, head: head, segment: int32(i)})
			sorted, last = sorted && last <= tail, tail
		}
	}
	if !sorted {
		slices.SortStableFunc(s.arcs, func(a, b arc) int { return cmp.Compare(a.tail, b.tail) })
	}
}

// layered chooses between states that are nodes and states that are nodes after a number of stages.
func (s *solver) layered(layered bool) {
	s.layers, s.step = 1, 0
	s.states = s.nodes
	if layered {
		s.layers, s.step = s.in.stageLimit(), s.nodes
		s.states = s.nodes * (s.layers + 1)
	}
	s.labels, s.broken, s.stopped, s.plans, s.open = 0, false, false, nil, nil
	s.found, s.choices, s.entries = s.found[:0], s.choices[:0], s.entries[:0]
	s.menus.items, s.menus.corners = s.menus.items[:0], s.menus.corners[:0]
	s.pass.size(s.states)
	if s.menus.overlapped {
		s.overlap.size(s.states)
	}
	s.search.size(s.states)
}

// isEnd reports whether a state is the sink with an allowed number of stages.
func (s *solver) isEnd(state int) bool {
	return state%s.nodes == s.nodes-1 && (s.step == 0 || state/s.nodes >= s.in.MinStages)
}

// run solves in the chosen graph. It gives nil when the number of stages was free and a plan broke the limits.
func (s *solver) run() *Result {
	p, q, ok := s.begin()
	switch {
	case !ok:
		return &Result{Status: Infeasible, Reach: s.reach(), first: []int32{0}}
	case p == nil:
		return nil
	case s.beaten(p, q):
		return &Result{Status: Optimal, first: []int32{0}}
	}
	s.known.settle()
	s.list(p, q)
	if !s.root(p, q) {
		return nil
	}
	return s.result()
}

// begin finds the ends of the frontier; ok is false when there is no plan, and the plans are nil when one breaks the stage
// limits.
func (s *solver) begin() (p, q *plan, ok bool) {
	if p, q, ok = s.extremes(); !ok {
		return nil, nil, false
	}
	if !s.allowed(len(p.path)) || !s.allowed(len(q.path)) {
		return nil, nil, true
	}
	p.time, q.time = s.clock.up(p.time), s.clock.up(q.time)
	s.plans = append(s.plans, p, q)
	s.box = item{time: q.time, cost: p.cost}
	s.known.points, s.known.fresh = s.known.points[:0], s.known.fresh[:0]
	s.known.learn(p.time, p.cost)
	s.known.learn(q.time, q.cost)
	for _, x := range s.hints {
		s.known.learn(x.time, x.cost)
	}
	return p, q, true
}

// beaten learns the points that need not be beaten, and tells whether they beat whatever there is between the fastest plan and the
// cheapest.
func (s *solver) beaten(p, q *plan) bool {
	ideal := s.in.total(p.time, q.cost)
	for _, x := range s.foreign {
		if x.LatencyUs <= ideal.LatencyUs && x.CostPicoUSD <= ideal.CostPicoUSD {
			return true
		}
		if time := max(x.LatencyUs-s.in.StartUs, p.time); time <= q.time {
			s.known.learn(time, x.CostPicoUSD-s.in.GatewayMs(x.LatencyUs)*s.in.GatewayPicoUSDPerMs)
		}
	}
	return false
}

func (s *solver) allowed(stages int) bool {
	return s.in.MinStages <= stages && stages <= s.in.MaxStages
}

// breaks reports whether a plan breaks the stage limits; of a plan only known by its totals that was seen elsewhere.
func (s *solver) breaks(z *plan) bool { return z.path != nil && !s.allowed(len(z.path)) }

// list makes the first list: the arcs that can be part of a plan inside the box, with their items in it.
func (s *solver) list(p, q *plan) {
	s.ideals = grow(s.ideals, len(s.arcs))
	room := 2 * len(s.arcs) // half of it for the lists of the windows inside
	if s.menus.overlapped {
		room *= 4
	}
	s.entries = grow(s.entries, room)[:0]
	for i := range s.arcs {
		a, ideal := &s.arcs[i], &s.ideals[i]
		ideal.time, ideal.cost = unreachable, unreachable
		for k := range s.layers {
			from, to := k*s.step+int(a.tail), (k+1)*s.step+int(a.head)
			rest := a.fastest.time + s.quickest[to]
			ideal.time = min(ideal.time, max(s.soonest[from], a.shift)+rest)
			ideal.cost = min(ideal.cost, s.paid[from]+a.cheapest.cost+s.leanest[to])
		}
		if s.inside(int32(i), s.box.time, s.box.cost) {
			s.entries = append(s.entries, entry{tail: a.tail, head: a.head, arc: int32(i)})
		}
	}
	s.menus.corners = s.menus.corners[:0]
	s.menus.items = s.menus.items[:0]
	if s.smooth = s.law != nil; s.smooth {
		for i := range s.entries {
			e := &s.entries[i]
			stage := s.stage(e.arc)
			e.lo, e.hi = stage.Low, stage.High
		}
		return
	}
	if !s.menus.overlapped {
		s.sift(p, q)
	}
	left := s.entries[:0]
	s.menus.corners = s.menus.corners[:0]
	for _, e := range s.entries {
		a := &s.arcs[e.arc]
		if s.menus.hull(&s.rule, a, s.segments[a.segment].Options, s.box) {
			e.lo, e.hi = a.cornerLo, a.cornerHi
			left = append(left, e)
		}
	}
	s.entries = left
}

// inside reports whether an arc can be part of a plan within a time and a cost, by the fastest and the cheapest such plan.
func (s *solver) inside(arc int32, time, cost int64) bool {
	ideal := &s.ideals[arc]
	return ideal.time <= time && ideal.cost <= cost
}

// sift drops most arcs before any hull is made: in one direction an arc's least option stands for its hull.
func (s *solver) sift(p, q *plan) {
	keep := make([]bool, len(s.arcs))
	all := len(s.entries)
	s.siftWindow(p, q, 0, all, 3, keep)
	left := s.entries[:0]
	for _, e := range s.entries[:all] {
		if keep[e.arc] {
			left = append(left, e)
		}
	}
	s.entries = left
}

// siftWindow marks the arcs of entries[lo:hi] that the frontier from p to q may need, by as many directions as depth
// divides it for.
func (s *solver) siftWindow(p, q *plan, lo, hi, depth int, keep []bool) {
	d := s.direction(p, q)
	s.menus.corners = s.menus.corners[:0]
	start := len(s.entries)
	for _, e := range s.entries[lo:hi] {
		e.lo = int32(len(s.menus.corners))
		e.hi = e.lo + 1
		if x, ok := s.rule.least(s.segments[s.arcs[e.arc].segment].Options, s.box, d); ok {
			s.menus.corners = append(s.menus.corners, x)
			s.entries = append(s.entries, e)
		}
	}
	end := len(s.entries)
	z := s.sweep(p, q, s.entries[start:end], d)
	if z == nil || !s.splits(z, p, q, d) || depth == 0 || end-start < siftSize {
		limit := s.known.ceiling(p, q, d)
		for i, e := range s.entries[start:end] {
			keep[e.arc] = keep[e.arc] || s.bound(&e, i) <= limit
		}
		s.entries = s.entries[:start]
		return
	}
	limit := s.known.ceiling(p, z, d)
	for i, e := range s.entries[start:end] {
		if s.bound(&e, i) <= limit {
			s.entries = append(s.entries, e)
		}
	}
	middle := len(s.entries)
	limit = s.known.ceiling(z, q, d)
	for i, e := range s.entries[start:end] {
		if s.bound(&e, i) <= limit {
			s.entries = append(s.entries, e)
		}
	}
	last := len(s.entries)
	s.siftWindow(p, z, end, middle, depth-1, keep)
	s.siftWindow(z, q, middle, last, depth-1, keep)
	s.entries = s.entries[:start]
}

// siftSize is a number of arcs whose hulls are made sooner than another direction is tried.
const siftSize = 256
