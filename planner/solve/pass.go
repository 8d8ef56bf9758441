package solve

import "math/bits"

// unreachable stands for no path. Weighted sums of what lies inside the box stay below 1<<60, so that two of these and
// such a sum fit in an int64.
const unreachable = 1 << 61

// direction weighs the two objectives: value = cost*a + time*b, with a and b of at least 1.
type direction struct{ a, b int64 }

func (d direction) value(time, cost int64) int64 { return d.a*cost + d.b*time }

// direction is normal to the line through p and q, or nearly so: any direction gives valid bounds, so the weights are
// rounded to where sums cannot overflow.
func (s *solver) direction(p, q *plan) direction {
	return s.scaled(max(1, q.time-p.time), max(1, p.cost-q.cost))
}

// within gives the direction of three that lies between the others: rounding may have turned d too far.
func (d direction) within(slow, fast direction) direction {
	switch {
	case above(slow.b, d.a, d.b, slow.a):
		return slow
	case above(d.b, fast.a, fast.b, d.a):
		return fast
	}
	return d
}

func (s *solver) scaled(a, b int64) direction {
	for {
		h1, l1 := bits.Mul64(uint64(a), uint64(s.box.cost))
		h2, l2 := bits.Mul64(uint64(b), uint64(s.box.time))
		if h1 == 0 && h2 == 0 && l1 < 1<<58 && l2 < 1<<58 || a == 1 && b == 1 {
			return direction{a, b}
		}
		a, b = max(1, a>>1), max(1, b>>1)
	}
}

// gatewayDirection weighs time by the gateway's price; false when there is none or its weights do not fit.
func (s *solver) gatewayDirection() (direction, bool) {
	g := s.in.GatewayPicoUSDPerMs
	if g == 0 || g > 1<<50 {
		return direction{}, false
	}
	d := direction{1000, g}
	return d, d == s.scaled(1000, g)
}

// pass holds what one direction tells: per entry of a list and per state.
type pass struct {
	weight []int64 // per entry: value of its least corner
	pick   []int32 // per entry: that corner, a position in menus.corners

	ahead, behind []int64 // per state: bounds of the value from the source, and to the sink
	via, next     []int32 // per state: the entry by which ahead and behind are reached

	time, cost       []int64 // per state: totals of the path that via describes
	after, afterCost []int64 // the same for next

	track []int32 // a path while it is read
	items []item
}

func (p *pass) size(states int) {
	if len(p.ahead) >= states {
		return
	}
	for _, a := range []*[]int64{&p.ahead, &p.behind, &p.time, &p.cost, &p.after, &p.afterCost} {
		*a = make([]int64, states)
	}
	p.via, p.next = make([]int32, states), make([]int32, states)
}

// extremes finds a fastest plan (of these, where the scenario allows, the cheapest) and a cheapest one (of these, where
// the scenario allows, the fastest), and the bounds in time alone and in cost alone; false when there is no path.
func (s *solver) extremes() (fastest, cheapest *plan, ok bool) {
	p := &s.pass
	s.quickest, s.leanest, s.soonest, s.paid = make([]int64, s.states), make([]int64, s.states), make([]int64, s.states), make([]int64, s.states)
	if s.law != nil {
		s.priceCheapest()
	}
	for _, byCost := range []bool{true, false} {
		for v := range s.states {
			p.time[v], p.cost[v] = unreachable, unreachable
		}
		p.time[0], p.cost[0] = 0, 0
		for k := range s.layers {
			for i := range s.arcs {
				a := &s.arcs[i]
				from, to := k*s.step+int(a.tail), (k+1)*s.step+int(a.head)
				if p.time[from] == unreachable || byCost && a.cheapest.option < 0 {
					continue
				}
				x := s.extreme(a, p.time[from], byCost)
				t, c := x.time, p.cost[from]+x.cost
				if t > maxTotal || c > maxTotal { // only a path of too many stages gets there
					continue
				}
				better := t < p.time[to] || t == p.time[to] && c < p.cost[to]
				if byCost {
					better = c < p.cost[to] || c == p.cost[to] && t < p.time[to]
				}
				if better {
					p.time[to], p.cost[to] = t, c
					p.via[to] = int32(i)
				}
			}
		}
		end := -1
		for v := s.nodes - 1; v < s.states; v += s.nodes {
			if !s.isEnd(v) || p.time[v] == unreachable {
				continue
			}
			if end < 0 || byCost && (p.cost[v] < p.cost[end] || p.cost[v] == p.cost[end] && p.time[v] < p.time[end]) ||
				!byCost && (p.time[v] < p.time[end] || p.time[v] == p.time[end] && p.cost[v] < p.cost[end]) {
				end = v
			}
		}
		if end < 0 {
			return nil, nil, false
		}
		plan := &plan{time: p.time[end], cost: p.cost[end]}
		for v := end; v != 0; {
			a := &s.arcs[p.via[v]]
			v -= s.step + int(a.head-a.tail)
			plan.path = append(plan.path, choice{a.segment, s.extreme(a, p.time[v], byCost).option})
		}
		reverse(plan.path)
		if byCost {
			cheapest = plan
			if s.law == nil {
				copy(s.paid, p.cost[:s.states])
			}
		} else {
			fastest = plan
			copy(s.soonest, p.time[:s.states])
		}
	}
	for v := range s.states {
		s.quickest[v], s.leanest[v] = unreachable, unreachable
		if s.isEnd(v) {
			s.quickest[v], s.leanest[v] = 0, 0
		}
	}
	for k := s.layers - 1; k >= 0; k-- {
		for i := len(s.arcs) - 1; i >= 0; i-- {
			a := &s.arcs[i]
			from, to := k*s.step+int(a.tail), (k+1)*s.step+int(a.head)
			s.quickest[from] = min(s.quickest[from], s.quickest[to]+a.fastest.time)
			s.leanest[from] = min(s.leanest[from], s.leanest[to]+a.cheapest.cost)
		}
	}
	return fastest, cheapest, true
}

// extreme gives the option of an arc that ends first after a finish, or that is cheapest, with the finish as its time.
func (s *solver) extreme(a *arc, finish int64, byCost bool) (x item) {
	if a.even {
		x = a.fastest
		if byCost {
			x = a.cheapest
		}
		if s.menus.overlapped {
			x.ready = x.time + a.shift
		}
		x.time = x.after(finish)
		return x
	}
	options := s.segments[a.segment].Options
	for k := range options {
		o := &options[k]
		y := item{time: s.in.ends(finish, o), cost: o.CostPicoUSD, option: int32(k)}
		better := y.time < x.time || y.time == x.time && y.cost < x.cost
		if byCost {
			better = y.cost < x.cost || y.cost == x.cost && y.time < x.time
		}
		if k == 0 || better {
			x = y
		}
	}
	return x
}

// stage gives the finish after an item.
func (x *item) after(finish int64) int64 { return max(finish+x.time, x.ready) }

// sweep makes the passes in one direction over a list and gives the plan that is least in it, nil when it holds none. In cold-overlapped the
// bounds relax the waits for inits, so the plan is merely good, and the bounds hold for plans no faster than p.
func (s *solver) sweep(p, q *plan, list []entry, d direction) *plan {
	if s.menus.overlapped {
		return s.sweepOverlap(p, q, list, d)
	}
	s.weigh(list, d)
	s.forward(list)
	s.backward(list)
	t := &s.pass
	end := -1
	for v := s.nodes - 1; v < s.states; v += s.nodes {
		if s.isEnd(v) && (end < 0 || t.ahead[v] < t.ahead[end]) {
			end = v
		}
	}
	if t.ahead[end] >= unreachable {
		return nil // what the list lacks is beaten by plans known from elsewhere
	}
	t.track = t.track[:0]
	for v := end; v != 0; {
		i := t.via[v]
		t.track = append(t.track, i)
		v -= s.step + int(list[i].head-list[i].tail)
	}
	z := &plan{path: make([]choice, 0, len(t.track))}
	for k := len(t.track) - 1; k >= 0; k-- {
		i := t.track[k]
		x := s.corner(list[i].arc, t.pick[i])
		z.time = x.after(z.time)
		z.cost += x.cost
		z.path = append(z.path, choice{s.arcs[list[i].arc].segment, x.option})
	}
	s.plans = append(s.plans, z)
	z.time = s.clock.up(z.time)
	s.known.learn(z.time, z.cost)
	s.known.settle()
	return z
}

// weigh finds the least corner of every entry.
func (s *solver) weigh(list []entry, d direction) {
	p := &s.pass
	p.weight, p.pick = grow(p.weight, len(list)), grow(p.pick, len(list))
	corners := s.menus.corners
	if s.smooth {
		for i := range list {
			e := &list[i]
			p.weight[i], p.pick[i] = s.law.floor(s.stage(e.arc), &s.rule, d.a, d.b, e.lo, e.hi)
		}
		return
	}
	for i := range list {
		at := s.menus.least(d, list[i].lo, list[i].hi)
		x := &corners[at]
		p.weight[i], p.pick[i] = d.a*x.cost+d.b*x.time, at
	}
}

func (s *solver) forward(list []entry) {
	p := &s.pass
	ahead := p.ahead[:s.states]
	for v := range ahead {
		ahead[v] = unreachable
	}
	ahead[0] = 0
	for k := range s.layers {
		from, to := ahead[k*s.step:], ahead[(k+1)*s.step:]
		via := p.via[(k+1)*s.step:]
		for i := range list {
			e := &list[i]
			if f := from[e.tail] + p.weight[i]; f < to[e.head] {
				to[e.head] = f
				via[e.head] = int32(i)
			}
		}
	}
}

func (s *solver) backward(list []entry) {
	p := &s.pass
	behind := p.behind[:s.states]
	for v := range behind {
		behind[v] = unreachable
		if s.isEnd(v) {
			behind[v] = 0
		}
	}
	for k := s.layers - 1; k >= 0; k-- {
		from, to := behind[k*s.step:], behind[(k+1)*s.step:]
		next := p.next[k*s.step:]
		for i := len(list) - 1; i >= 0; i-- {
			e := &list[i]
			if b := to[e.head] + p.weight[i]; b < from[e.tail] {
				from[e.tail] = b
				next[e.tail] = int32(i)
			}
		}
	}
}

// around bounds the value of every plan through an entry of the list last swept, the entry's own item set aside.
func (s *solver) around(e *entry) int64 {
	p := &s.pass
	rest := int64(unreachable)
	for k := range s.layers {
		rest = min(rest, p.ahead[k*s.step+int(e.tail)]+p.behind[(k+1)*s.step+int(e.head)])
	}
	return rest
}

// bound bounds the value of every plan through an entry of the list last swept.
func (s *solver) bound(e *entry, i int) int64 {
	if !s.menus.overlapped {
		return s.around(e) + s.pass.weight[i]
	}
	return s.overlap.bound[i]
}

// trace computes the totals of the paths that the last passes found, from the source and to the sink.
func (s *solver) trace(list []entry) {
	p := &s.pass
	p.time[0], p.cost[0] = 0, 0
	for v := 1; v < s.states; v++ {
		if p.ahead[v] >= unreachable {
			continue
		}
		i := p.via[v]
		from := v - s.step - int(list[i].head-list[i].tail)
		x := s.corner(list[i].arc, p.pick[i])
		p.time[v], p.cost[v] = p.time[from]+x.time, p.cost[from]+x.cost
	}
	for v := s.states - 1; v >= 0; v-- {
		if p.behind[v] >= unreachable {
			continue
		}
		p.after[v], p.afterCost[v] = 0, 0
		if s.isEnd(v) {
			continue
		}
		i := p.next[v]
		to := v + s.step + int(list[i].head-list[i].tail)
		x := s.corner(list[i].arc, p.pick[i])
		p.after[v], p.afterCost[v] = x.time+p.after[to], x.cost+p.afterCost[to]
	}
}

// grow gives room for n, what was there being lost, and more for the next time if this is not the first.
func grow[T any](a []T, n int) []T {
	if cap(a) < n {
		return make([]T, n, max(n, 2*cap(a)))
	}
	return a[:n]
}

func reverse(path []choice) {
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
}
