package solve

import (
	"cmp"
	"slices"
)

// window is a part of the frontier that a stopped search left open: points from one time to another, of at least the
// given value.
type window struct {
	from, to int64
	d        direction
	least    int64
}

// floor bounds the cost of a point of the window at a time from below.
func (w *window) floor(time, leanest int64) int64 { return max(leanest, (w.least-w.d.b*time)/w.d.a) }

// keep appends a point found, unless one found before is as good.
func (s *solver) keep(f found) {
	for n := len(s.found); n > 0; n = len(s.found) {
		last := &s.found[n-1]
		a, b := s.clock.up(last.time), s.clock.up(f.time)
		if a <= b && last.cost <= f.cost && (a < b || last.cost < f.cost || last.time <= f.time) {
			return
		}
		if a < b || last.cost < f.cost {
			break
		}
		s.found = s.found[:n-1]
	}
	s.found = append(s.found, f)
}

// result adds the gateway's cost and drops what it makes dominated. It gives nil when a plan breaks the stage limits.
func (s *solver) result() *Result {
	r := &Result{Status: Optimal, Labels: s.labels, first: make([]int32, 1, len(s.found)+1)}
	if s.stopped {
		r.Status, r.GapPicoUSD = Stopped, s.patch()
	}
	r.Frontier = make([]Point, 0, len(s.found))
	for _, f := range s.found {
		p := s.in.total(f.time, f.cost)
		if n := len(r.Frontier); n > 0 && p.CostPicoUSD >= r.Frontier[n-1].CostPicoUSD {
			continue
		}
		if !s.allowed(int(f.hi - f.lo)) {
			return nil
		}
		r.Frontier = append(r.Frontier, p)
		r.choices = append(r.choices, s.choices[f.lo:f.hi]...)
		r.first = append(r.first, int32(len(r.choices)))
	}
	return r
}

// patch fills the windows left open with the plans met on the way, and bounds what is missed by that.
func (s *solver) patch() (gap int64) {
	for _, p := range s.plans {
		if !s.allowed(len(p.path)) {
			continue
		}
		lo := int32(len(s.choices))
		s.choices = append(s.choices, p.path...)
		s.found = append(s.found, found{p.time, p.cost, lo, int32(len(s.choices))})
	}
	all := s.found
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.cost, b.cost))
	})
	s.found = nil
	for _, f := range all {
		s.keep(f)
	}
	for i := range s.open {
		w := &s.open[i]
		n, _ := slices.BinarySearchFunc(s.found, w.from+1, func(f found, t int64) int { return cmp.Compare(f.time, t) })
		for n = max(n, 1); n <= len(s.found); n++ { // s.found[0] is the fastest plan
			until := w.to
			if n < len(s.found) {
				until = min(until, s.found[n].time-1)
			}
			gap = max(gap, s.found[n-1].cost-w.floor(until, s.leanest[0]))
			if until == w.to {
				break
			}
		}
	}
	return gap
}
