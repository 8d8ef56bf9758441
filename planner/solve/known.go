package solve

import (
	"cmp"
	"slices"
)

// known is the frontier of the plans met so far, by rising time. Their paths are forgotten: they only say below what a
// point of the true frontier must lie.
type known struct {
	clock  clock
	points []item
	fresh  []item // met since the last settle
	spare  []item
}

// learn takes note of a plan.
func (k *known) learn(time, cost int64) {
	time = k.clock.up(time)
	if n := k.before(time + 1); n == 0 || cost < k.points[n-1].cost {
		k.fresh = append(k.fresh, item{time: time, cost: cost})
	}
}

// before counts the points of less than a time.
func (k *known) before(time int64) int {
	lo, hi := 0, len(k.points)
	for lo < hi {
		if mid := (lo + hi) >> 1; k.points[mid].time < time {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// settle sorts in what was learned.
func (k *known) settle() {
	if len(k.fresh) == 0 {
		return
	}
	slices.SortFunc(k.fresh, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.cost, b.cost))
	})
	out, a, b := k.spare[:0], k.points, k.fresh
	for len(a) > 0 || len(b) > 0 {
		var x item
		if len(b) == 0 || len(a) > 0 && (a[0].time < b[0].time || a[0].time == b[0].time && a[0].cost <= b[0].cost) {
			x, a = a[0], a[1:]
		} else {
			x, b = b[0], b[1:]
		}
		if n := len(out); n == 0 || x.cost < out[n-1].cost {
			out = append(out, x)
		}
	}
	k.spare, k.points, k.fresh = k.points, out, k.fresh[:0]
}

// refresh gives p the least cost known for its time, so that it bounds the windows on both sides of it.
func (k *known) refresh(p *plan) *plan {
	if n := k.before(p.time + 1); n > 0 && k.points[n-1].cost < p.cost {
		return &plan{time: p.time, cost: k.points[n-1].cost}
	}
	return p
}

// ceiling gives the greatest value that a point of the frontier from p to q can have: in every gap between neighbouring
// known points it is slower than the one and no dearer than it, and faster than the other.
func (k *known) ceiling(p, q *plan, d direction) int64 {
	n := k.before(p.time + 1)
	cost := p.cost
	if n > 0 {
		cost = min(cost, k.points[n-1].cost)
	}
	high := int64(-unreachable)
	for ; n < len(k.points) && k.points[n].time <= q.time; n++ {
		high = max(high, d.value(k.points[n].time-k.clock.step, cost))
		cost = k.points[n].cost
	}
	return max(high, d.value(q.time, cost))
}
