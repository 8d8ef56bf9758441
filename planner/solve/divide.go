package solve

// This file divides the frontier into windows and the list of arcs with them.

// root opens the search between the two ends of the frontier.
func (s *solver) root(p, q *plan) bool {
	all := len(s.entries)
	s.rehearse(p, q, 0, all, 3)
	d, exact := s.gatewayDirection()
	if !exact {
		return s.between(p, q, 0, all, direction{1, 0}, direction{0, 1})
	}
	// The gateway bills its time, so a slower plan must save more than the gateway takes. Beyond the plan z that is least in
	// cost plus gateway only a strip of one step's price, or of the least that is billed, can hold cheaper plans: the time billed is rounded up.
	list := all // where the list of all begins that were swept
	z := s.lowest(p, q, d)
	long := s.menus.overlapped && (all > longList || s.scouted) && z != nil && s.splits(z, p, q, d)
	if long {
		s.shorten(z, q, 0, all)
		s.sweep(z, q, s.entries[list:], d)
	} else {
		list = 0
		if z = s.sweep(p, q, s.entries[:all], d); z == nil {
			return true // as in between
		}
		if s.breaks(z) {
			return false
		}
		if !s.splits(z, p, q, d) {
			return s.between(p, q, 0, all, direction{1, 0}, direction{0, 1})
		}
	}
	strip := d.value(z.time, z.cost) + max(s.in.gatewayStepUs()-1, s.in.GatewayMinUs)*s.in.GatewayPicoUSDPerMs
	swept, left := len(s.entries), len(s.entries)
	if long {
		s.shorten(p, z, 0, all)
	} else {
		s.narrow(p, z, 0, all, d, s.known.ceiling(p, z, d), faster)
	}
	right := len(s.entries)
	if s.smooth {
		s.tighten(z, q, list, swept, d, strip)
		s.sweep(z, q, s.entries[right:], d)
		s.leaf(z, q, s.entries[right:], d, strip, false)
		s.loosen(right)
	} else {
		s.leaf(z, q, s.entries[list:swept], d, strip, false)
	}
	if s.broken {
		return false
	}
	tail := append([]found(nil), s.found...)
	s.found = s.found[:0]
	if long {
		d = direction{1, 0}
	}
	if !s.between(p, z, left, right, d, direction{0, 1}) {
		return false
	}
	for _, f := range tail {
		s.keep(f)
	}
	return true
}

// splits reports whether z lies between p and q and below the line through each of them in direction d, so that the
// directions on its two sides turn away from d.
func (s *solver) splits(z, p, q *plan, d direction) bool {
	return p.time < z.time && z.time < q.time && q.cost < z.cost && z.cost < p.cost &&
		d.value(z.time, z.cost) < min(d.value(p.time, p.cost), d.value(q.time, q.cost))
}

// between finds the frontier from p to q with the arcs entries[lo:hi], whose ranges of corners are those for directions
// from slow to fast. It gives false when a plan broke the stage limits.
func (s *solver) between(p, q *plan, lo, hi int, slow, fast direction) bool {
	p, q = s.known.refresh(p), s.known.refresh(q)
	d := s.direction(p, q).within(slow, fast)
	if s.menus.overlapped && hi-lo > longList {
		if ok, done := s.apart(p, q, lo, hi, d, slow, fast); done {
			return ok
		}
	}
	z, ok := s.probe(p, q, lo, hi, d)
	if s.smooth && z != nil && (hi-lo < hardSize || !s.splits(z, p, q, d)) {
		start := len(s.entries)
		s.tighten(p, q, lo, hi, d, s.known.ceiling(p, q, d))
		defer s.loosen(start)
		lo, hi = start, len(s.entries)
		z, ok = s.probe(p, q, lo, hi, d)
	}
	if z == nil {
		return ok
	}
	if !s.splits(z, p, q, d) {
		if z = s.leaf(p, q, s.entries[lo:hi], d, unreachable, s.menus.overlapped); z == nil {
			return !s.broken
		}
	}
	left := len(s.entries)
	s.narrow(p, z, lo, hi, d, s.known.ceiling(p, z, d), faster)
	right := len(s.entries)
	s.narrow(z, q, lo, hi, d, s.known.ceiling(z, q, d), slower)
	end := len(s.entries)
	s.push()
	ok = s.between(p, z, left, right, d, fast) && s.between(z, q, right, end, slow, d)
	s.pop()
	s.entries = s.entries[:left]
	return ok
}

// probe gives a good plan in a direction from p to q, nil when there is none or when it breaks the stage limits; then ok is false.
func (s *solver) probe(p, q *plan, lo, hi int, d direction) (z *plan, ok bool) {
	if z = s.sweep(p, q, s.entries[lo:hi], d); z == nil {
		return nil, true
	}
	if s.breaks(z) {
		return nil, false
	}
	if s.menus.overlapped {
		if x := s.lowest(p, q, d); x != nil {
			z = x
		}
	}
	return z, true
}

// rehearse gets to know plans of cold-overlapped by sweeps over few of the arcs of a long list, those between every so many nodes:
// the better the plans known, the fewer arcs survive the sweeps over all of them.
func (s *solver) rehearse(p, q *plan, lo, hi, depth int) {
	if !s.menus.overlapped || hi-lo <= longList {
		return
	}
	start := len(s.entries)
	for _, e := range s.entries[lo:hi] {
		if (e.tail%sparseNodes == 0) && (e.head%sparseNodes == 0 || int(e.head) == s.nodes-1) {
			s.entries = append(s.entries, e)
		}
	}
	s.rehearseWindow(p, q, start, len(s.entries), depth, nil)
	s.entries = s.entries[:start]
}

// rehearseWindow goes to where an aim is, or everywhere.
func (s *solver) rehearseWindow(p, q *plan, lo, hi, depth int, a *Aim) {
	if lo == hi || q.time-p.time <= s.clock.step {
		return
	}
	d := s.direction(p, q)
	s.sweep(p, q, s.entries[lo:hi], d)
	z := s.lowest(p, q, d)
	if depth == 0 || z == nil || !s.splits(z, p, q, d) {
		return
	}
	total := s.in.total(z.time, z.cost)
	within := a != nil && total.LatencyUs <= a.SLOUs
	if a != nil && a.BudgetPicoUSD > 0 {
		within = total.CostPicoUSD > a.BudgetPicoUSD
	}
	if a == nil || !within {
		s.rehearseWindow(p, z, lo, hi, depth-1, a)
	}
	if a == nil || within {
		s.rehearseWindow(z, q, lo, hi, depth-1, a)
	}
}

// sparseNodes is the distance of the nodes that a rehearsal looks at.
const sparseNodes = 8

// apart divides a long list at a known plan by times and costs alone, when the parts are then hardly longer than the whole: that costs
// far less than a sweep. Else done is false.
func (s *solver) apart(p, q *plan, lo, hi int, d, slow, fast direction) (ok, done bool) {
	z := s.lowest(p, q, d)
	if z == nil || !s.splits(z, p, q, d) {
		return false, false
	}
	left := len(s.entries)
	defer func() { s.entries = s.entries[:left] }()
	s.shorten(p, z, lo, hi)
	right := len(s.entries)
	s.shorten(z, q, lo, hi)
	end := len(s.entries)
	if end-left > hi-lo+(hi-lo)/8 {
		return false, false
	}
	return s.between(p, z, left, right, slow, fast) && s.between(z, q, right, end, slow, fast), true
}

// shorten appends to the stack the arcs of entries[lo:hi] that can be part of a plan from p to q by their times and costs.
func (s *solver) shorten(p, q *plan, lo, hi int) {
	for i := lo; i < hi; i++ {
		if e := s.entries[i]; s.inside(e.arc, q.time, p.cost) {
			s.entries = append(s.entries, e)
		}
	}
}

// turn says on which side of a direction the next ones lie: nearer to the fastest plan or to the cheapest.
type turn int

const (
	faster turn = iota
	slower
	neither
)

// hardSize is a number of arcs few enough for their items to be listed.
const hardSize = 128

// tighten goes over from sizes of a law to items, whose costs are rounded as they are billed. It appends to the stack the arcs of
// entries[lo:hi], just swept, that can be part of a plan from p to q of at most the given value, with their items that can.
func (s *solver) tighten(p, q *plan, lo, hi int, d direction, limit int64) {
	box := item{time: q.time, cost: p.cost}
	for i := lo; i < hi; i++ {
		e := s.entries[i]
		if s.bound(&e, i-lo) > limit || !s.inside(e.arc, q.time, p.cost) {
			continue
		}
		a := &s.arcs[e.arc]
		low, high := s.sizes(&e, i-lo, d, limit)
		if s.menus.list(s.law, &s.rule, a, low, high, box) {
			e.lo, e.hi = a.cornerLo, a.cornerHi
			s.entries = append(s.entries, e)
		}
	}
	s.smooth = false
}

// loosen goes back to sizes, and to a stack that ended where it ended before tighten.
func (s *solver) loosen(end int) {
	s.entries = s.entries[:end]
	s.menus.items, s.menus.corners = s.menus.items[:0], s.menus.corners[:0]
	s.smooth = true
}

// sizes gives the range of sizes of an entry of the list last swept at which a plan through it may have at most the given value.
func (s *solver) sizes(e *entry, i int, d direction, limit int64) (low, high int32) {
	stage := s.stage(e.arc)
	c := s.law.curve(stage, &s.rule, d.a)
	if !s.menus.overlapped {
		return s.law.below(&c, d.b, limit-s.around(e), s.pass.pick[i], stage.Low, stage.High)
	}
	o := &s.overlap
	var least, rest row
	for k := range least {
		least[k] = unreachable
	}
	for layer := range s.layers {
		if from, to := layer*s.step+int(e.tail), (layer+1)*s.step+int(e.head); o.joins(from, to) {
			o.around(from, to, s.arcs[e.arc].shift, &rest)
			for k := range least {
				least[k] = min(least[k], rest[k])
			}
		}
	}
	low, high = stage.Low, stage.High
	for k := 0; k < slopes && low < high; k++ {
		low, high = s.law.below(&c, o.slope[k], limit-least[k], o.pick[i][k], low, high)
	}
	return low, high
}

// corner gives the item behind a pick of a pass.
func (s *solver) corner(arc, pick int32) item {
	if s.smooth {
		return s.law.item(s.stage(arc), &s.rule, pick)
	}
	return s.menus.corners[pick]
}

// narrow appends to the stack the arcs of entries[lo:hi] that can be part of a plan from p to q of at most the given value. In a
// direction nearer to speed the least corner of an arc is the same or a faster one, and the other way round.
func (s *solver) narrow(p, q *plan, lo, hi int, d direction, limit int64, side turn) {
	for i := lo; i < hi; i++ {
		e := s.entries[i]
		if s.bound(&e, i-lo) > limit || !s.inside(e.arc, q.time, p.cost) {
			continue
		}
		switch {
		case side == neither:
		case s.smooth && s.menus.overlapped: // slopes reach down to cost alone
			if side == slower {
				e.hi = s.overlap.pick[i-lo][slopes-1] + 1
			}
		case s.smooth && side == slower:
			e.hi = s.pass.pick[i-lo] + 1
		case s.smooth:
			e.lo = s.pass.pick[i-lo]
		case s.menus.overlapped && side == slower: // slopes reach down to cost alone, so the range ends at the cheapest
			e.lo = s.overlap.pick[i-lo][slopes-1]
		case s.menus.overlapped:
		case side == faster:
			e.hi = s.pass.pick[i-lo] + 1
		case side == slower:
			e.lo = s.pass.pick[i-lo]
		}
		s.entries = append(s.entries, e)
	}
}
