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
	long := s.menus.overlapped && all > longList && z != nil && s.splits(z, p, q, d)
	if long {
		s.shorten(z, q, 0, all)
		s.sweep(z, q, s.entries[list:], d)
	} else {
		list = 0
		if z = s.sweep(p, q, s.entries[:all], d); z == nil {
			return true // as in between
		}
		if !s.allowed(len(z.path)) {
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
	if smooth := s.smooth; smooth {
		s.narrow(z, q, list, swept, d, strip, neither)
		end := len(s.entries)
		s.harden(right, end)
		s.sweep(z, q, s.entries[right:end], d)
		s.leaf(z, q, s.entries[right:end], d, strip, false)
		s.entries = s.entries[:right]
		s.smooth = smooth
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
	smooth := s.smooth
	defer func() { s.smooth = smooth }()
	if s.smooth && hi-lo < hardSize {
		s.harden(lo, hi)
	}
	if s.menus.overlapped && hi-lo > longList {
		if ok, done := s.apart(p, q, lo, hi, d, slow, fast); done {
			return ok
		}
	}
	z := s.sweep(p, q, s.entries[lo:hi], d)
	if z == nil {
		return true
	}
	if !s.allowed(len(z.path)) {
		return false
	}
	if s.menus.overlapped {
		if x := s.lowest(p, q, d); x != nil {
			z = x
		}
	}
	if s.smooth && !s.splits(z, p, q, d) {
		start := len(s.entries)
		s.narrow(p, q, lo, hi, d, s.known.ceiling(p, q, d), neither)
		lo, hi = start, len(s.entries)
		s.harden(lo, hi)
		if z = s.sweep(p, q, s.entries[lo:hi], d); z == nil {
			return true
		} else if !s.allowed(len(z.path)) {
			return false
		}
		if s.menus.overlapped {
			if x := s.lowest(p, q, d); x != nil {
				z = x
			}
		}
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
	ok := s.between(p, z, left, right, d, fast) && s.between(z, q, right, end, slow, d)
	s.pop()
	s.entries = s.entries[:left]
	return ok
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

// hardSize is a number of arcs few enough for their hulls to be made.
const hardSize = 128

// harden goes over from sizes of a law to corners, whose costs are rounded as they are billed.
func (s *solver) harden(lo, hi int) {
	for i := lo; i < hi; i++ {
		e := &s.entries[i]
		a := &s.arcs[e.arc]
		if a.cornerHi == 0 {
			s.menus.hullOfLaw(s.law, &s.rule, a, s.box)
		}
		e.lo, e.hi = a.cornerLo, a.cornerHi
	}
	s.smooth = false
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
				e.hi = s.overlap.pick[(i-lo)*s.overlap.count+s.overlap.count-1] + 1
			}
		case s.smooth && side == slower:
			e.hi = s.pass.pick[i-lo] + 1
		case s.smooth:
			e.lo = s.pass.pick[i-lo]
		case s.menus.overlapped && side == slower: // slopes reach down to cost alone, so the range ends at the cheapest
			e.lo = s.overlap.pick[(i-lo)*s.overlap.count+s.overlap.count-1]
		case s.menus.overlapped:
		case side == faster:
			e.hi = s.pass.pick[i-lo] + 1
		case side == slower:
			e.lo = s.pass.pick[i-lo]
		}
		s.entries = append(s.entries, e)
	}
}
