package solve

// This file looks at the options of a Problem's stages without writing them out.
//
// In a direction that weighs cost by a and time by b, a stage's value at size k is
//
//	constant + X*price[k] + Y*price[k]*slowdown[k] + Z*slowdown[k]
//
// with X, Y and Z from the stage and the direction, and only the rounding of billed time above it. With price*slowdown
// and slowdown replaced by their lower convex envelopes over price, which all stages share, that is a convex function of
// the price, so its least size is found by bisection, and it is a lower bound whatever the platform's table looks like.
// On platforms whose speed follows the law of platform.Slowdown the envelopes are the table itself.

// law is a problem with its table of sizes as the bounds use it.
type law struct {
	*lawTable
	problem *Problem
}

// lawTable is a table of sizes, convex where they are in order.
type lawTable struct {
	size []lawSize
	step []lawSize // differences between neighbouring sizes
}

type lawSize struct{ price, both, slow float64 } // pico-USD per us, price x slowdown, slowdown

func newLaw(p *Problem) *law {
	if p.table == nil {
		return &law{newLawTable(p), p}
	}
	return &law{p.table, p}
}

func newLawTable(p *Problem) *lawTable {
	l := &lawTable{size: make([]lawSize, len(p.Sizes)), step: make([]lawSize, len(p.Sizes))}
	price, both, slow := make([]float64, p.Common), make([]float64, p.Common), make([]float64, p.Common)
	for k := range p.Sizes {
		z := &p.Sizes[k]
		x := lawSize{price: float64(z.PicoUSDPer1024s) / (1024 * 1e6), slow: float64(z.Slowdown) / (1 << SlowdownBits)}
		x.both = x.price * x.slow
		l.size[k] = x
		if k < p.Common {
			price[k], both[k], slow[k] = x.price, x.both, x.slow
		}
	}
	lowerEnvelope(price, both)
	lowerEnvelope(price, slow)
	for k := range p.Common {
		l.size[k] = lawSize{price[k], both[k], slow[k]}
		if k > 0 {
			a, b := &l.size[k-1], &l.size[k]
			l.step[k-1] = lawSize{b.price - a.price, b.both - a.both, b.slow - a.slow}
		}
	}
	return l
}

// lowerEnvelope replaces y by the lower convex envelope of the points (x, y); x rises.
func lowerEnvelope(x, y []float64) {
	hull := make([]int, 0, len(x))
	for k := range x {
		for n := len(hull); n >= 2; n-- {
			a, b := hull[n-2], hull[n-1]
			if float64((y[b]-y[a])*(x[k]-x[b])) < float64((y[k]-y[b])*(x[b]-x[a])) {
				break
			}
			hull = hull[:n-1]
		}
		hull = append(hull, k)
	}
	for h := 0; h+1 < len(hull); h++ {
		a, b := hull[h], hull[h+1]
		for k := a + 1; k < b; k++ {
			part := (x[k] - x[a]) / (x[b] - x[a])
			y[k] = min(y[k], y[a]+float64(part*(y[b]-y[a])))
		}
	}
}

// work is what grows with the slowdown of a size (run1Ns) and what does not (hopUs), over the passes of a stage.
type work struct{ hopUs, run1Ns int64 }

// works sums a stage's passes: those that follow each other in time, and all that are billed.
func (l *law) works(s *Stage) (time, billed work) {
	n := &l.problem.Passes
	if !n.several() {
		once := work{s.HopUs, s.Run1Ns}
		return once, once
	}
	return work{n.Full*s.HopUs + n.Last*s.LastHopUs + (n.Full+n.Last-1)*l.problem.DispatchUs, n.Full*s.Run1Ns + n.Last*s.LastRun1Ns},
		work{n.AllFull*s.HopUs + n.AllLast*s.LastHopUs, n.AllFull*s.Run1Ns + n.AllLast*s.LastRun1Ns}
}

// curve is a stage's value in a direction as a function of the size.
type curve struct {
	x, y  float64 // what is billed beside the work, and the work: both are paid by the price
	run1  float64 // us of work on one full processor
	hop   float64 // us that no size changes
	perUs float64 // price of a us of either that no size changes
	fixed int64   // exact, for any size
	time  int64   // exact, beside the run
}

// curve weighs the cost of a stage by a.
func (l *law) curve(s *Stage, r *rule, a int64) curve {
	fa := float64(a)
	time, billed := l.works(s)
	return curve{
		x: fa * float64(s.FixedUs+billed.hopUs), y: fa * (float64(billed.run1Ns) / 1000),
		run1: float64(time.run1Ns) / 1000, hop: float64(time.hopUs), perUs: fa * (float64(s.RunPicoUSDPerMs) / 1000),
		fixed: a * (s.FixedPicoUSD - roundingPicoUSD), time: s.InitUs&r.sequential + r.dispatch,
	}
}

// at gives the value at a size where time is weighed by b, all but what is exact.
func (c *curve) at(k *lawSize, b float64) float64 {
	perUs := b + c.perUs
	return float64(c.x*k.price) + float64(c.y*k.both) + float64(float64(perUs*c.run1)*k.slow) + float64(perUs*c.hop)
}

// bound is no more than the value at a size where time is weighed by b.
func (c *curve) bound(k *lawSize, b int64) int64 {
	v := c.at(k, float64(b))
	return c.fixed + b*c.time + int64(v-float64(v/(1<<40))) // what floating point may have lost, and more
}

// least gives the size from low to high at which x*price + y*price*slowdown + z*slowdown is least.
func (l *law) least(x, y, z float64, low, high int32) int32 {
	for low < high {
		mid := (low + high) >> 1
		if d := &l.step[mid]; float64(x*d.price)+float64(y*d.both)+float64(z*d.slow) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// floor bounds a*cost + b*time of a stage over the sizes from low to before high from below, time being an item's, and
// names a size at which the bound is least.
func (l *law) floor(s *Stage, r *rule, a, b int64, low, high int32) (value int64, size int32) {
	c := l.curve(s, r, a)
	size = l.least(c.x, c.y, float64((float64(b)+c.perUs)*c.run1), low, high-1)
	return c.bound(&l.size[size], b), size
}

// floors is floor for rising weights of time; a smaller one picks no larger size.
func (l *law) floors(s *Stage, r *rule, a int64, slope *row, low, high int32, weight *row, pick *[slopes]int32) {
	c := l.curve(s, r, a)
	size := high - 1
	for n := slopes - 1; n >= 0; n-- {
		size = l.least(c.x, c.y, float64((float64(slope[n])+c.perUs)*c.run1), low, size)
		weight[n], pick[n] = c.bound(&l.size[size], slope[n]), size
	}
}

// lines is floors in floating point where the cost of a picodollar weighs one, beyond some work at a rate.
func (l *law) lines(s *Stage, r *rule, slope, rate []float64, work float64, out []float64) {
	c := l.curve(s, r, 1)
	size := s.High - 1
	for n := len(slope) - 1; n >= 0; n-- {
		size = l.least(c.x, c.y, float64((slope[n]+c.perUs)*c.run1), s.Low, size)
		out[n] = c.at(&l.size[size], slope[n]) + float64(c.fixed) + float64(slope[n]*float64(c.time)) - float64(rate[n]*work)
	}
}

// quickest bounds the time of a stage from below, dispatch included.
func (l *law) quickest(s *Stage, r *rule) float64 {
	c := l.curve(s, r, 1)
	return float64(c.run1*l.size[s.High-1].slow) + float64(c.hop+float64(c.time))
}

// below narrows the sizes from low to before high to those at which a*cost + b*time may be at most a limit, seen from the size at
// which it is least.
func (l *law) below(c *curve, b, limit int64, least, low, high int32) (int32, int32) {
	if least = min(max(least, low), high-1); low >= high || c.bound(&l.size[least], b) > limit {
		return low, low
	}
	if c.bound(&l.size[low], b) > limit { // values fall up to the least
		for high := least; low < high; {
			if mid := (low + high) >> 1; c.bound(&l.size[mid], b) > limit {
				low = mid + 1
			} else {
				high = mid
			}
		}
	}
	if c.bound(&l.size[high-1], b) > limit { // and rise from there
		for low := least; low < high-1; {
			if mid := (low + high) >> 1; c.bound(&l.size[mid], b) > limit {
				high = mid
			} else {
				low = mid
			}
		}
	}
	return low, high
}

// roundingPicoUSD is more than rounding to whole pico-dollars can take off a cost.
const roundingPicoUSD = 8

// item computes a stage at a size. In an item of a law the option is the size.
func (l *law) item(s *Stage, r *rule, k int32) item {
	p := l.problem
	z := &p.Sizes[k]
	run := p.RunUs(s, z)
	return item{
		time: run + s.InitUs&r.sequential + r.dispatch, cost: s.FeesPicoUSD + p.Cost(s, run, z),
		ready: (s.InitUs + run) & r.overlapped, option: k,
	}
}

// alike gives the smallest size from low on at which a stage runs as long as at size k, in each pass: sizes rise in speed.
func (l *law) alike(s *Stage, k, low int32) int32 {
	p := l.problem
	slowest := p.slowest(s, &p.Sizes[k])
	step := int32(1)
	for ; k-step >= low && p.Sizes[k-step].Slowdown <= slowest; step *= 2 {
		k -= step
	}
	for ; step > 0; step /= 2 {
		if k-step >= low && p.Sizes[k-step].Slowdown <= slowest {
			k -= step
		}
	}
	return k
}

// thriftiest gives the cheapest item of a stage among the sizes from low to k at which it runs as long as at k, of equals the
// largest, and the first of those sizes.
func (l *law) thriftiest(s *Stage, r *rule, k, low int32) (x item, first int32) {
	if l.problem.TickUs == 1 {
		return l.item(s, r, k), k // hardly any do
	}
	first = l.alike(s, k, low)
	x = l.item(s, r, first)
	for n := first + 1; n <= k; n++ { // costs rise with the size, if not always by a whole pico-dollar
		y := l.item(s, r, n)
		if y.cost > x.cost {
			break
		}
		x = y
	}
	return x, first
}

// survey fills in what sums up an arc. Its cheapest item is only bounded: see cheapest.
func (l *law) survey(a *arc, s *Stage, r *rule) {
	p := l.problem
	a.fastest = l.fastest(s, r)
	cost, k := l.floor(s, r, 1, 0, s.Low, s.High)
	a.cheapest = item{time: p.RunUs(s, &p.Sizes[k]) + s.InitUs&r.sequential + r.dispatch, cost: cost, option: -1}
	a.even = true
	if r.overlapped != 0 {
		a.shift = s.InitUs - r.dispatch
	}
}

// fastest finds the fastest item of a stage, of equals the cheapest.
func (l *law) fastest(s *Stage, r *rule) item {
	k := l.alike(s, s.High-1, s.Low)
	best := l.item(s, r, k)
	for l.problem.Passes.AllLast > 0 && k > s.Low { // a smaller size may be slower in the last pass alone, and wait for none
		k = l.alike(s, k-1, s.Low)
		x := l.item(s, r, k)
		if x.time > best.time {
			break
		}
		if x.cost <= best.cost {
			best = x
		}
	}
	return best
}

// cheapest finds the cheapest item of a stage, of equals the fastest.
func (l *law) cheapest(s *Stage, r *rule) item {
	c := l.curve(s, r, 1)
	at := l.least(c.x, c.y, float64(c.perUs*c.run1), s.Low, s.High-1)
	best := l.item(s, r, at)
	better := func(x *item) bool { return x.cost < best.cost || x.cost == best.cost && x.time < best.time }
	// Costs go astray from their floor by the rounding of billed time only, so sizes whose floor is above are done with.
	for k := at - 1; k >= s.Low && c.bound(&l.size[k], 0) <= best.cost; k-- {
		if x := l.item(s, r, k); better(&x) {
			best = x
		}
	}
	for k := at + 1; k < s.High && c.bound(&l.size[k], 0) <= best.cost; k++ {
		if x := l.item(s, r, k); better(&x) {
			best = x
		}
	}
	return best
}

// items lists the items of a stage at the sizes from low to before high that no other of them beats, by rising time, inside a
// box.
func (l *law) items(s *Stage, r *rule, low, high int32, box item, out []item) []item {
	start := len(out)
	for k := high - 1; k >= low; k-- {
		var x item
		x, k = l.thriftiest(s, r, k, low)
		if x.time > box.time || x.ready > box.time {
			break
		}
		n := len(out)
		if x.cost > box.cost || n > start && x.cost >= out[n-1].cost {
			continue
		}
		if n > start && out[n-1].time == x.time {
			out = out[:n-1]
		}
		out = append(out, x)
	}
	return out
}

// priceCheapest finds the true price of the cheapest item of every arc that a cheapest plan may have; the others keep their
// bound and no option. It leaves in s.paid the bounds of the cost from the source.
func (s *solver) priceCheapest() {
	p := &s.pass
	for v := range s.states {
		s.paid[v], s.leanest[v] = unreachable, unreachable
		if s.isEnd(v) {
			s.leanest[v] = 0
		}
	}
	s.paid[0] = 0
	for k := range s.layers {
		for i := range s.arcs {
			a := &s.arcs[i]
			from, to := k*s.step+int(a.tail), (k+1)*s.step+int(a.head)
			if c := s.paid[from] + a.cheapest.cost; c < s.paid[to] {
				s.paid[to], p.via[to] = c, int32(i)
			}
		}
	}
	end := -1
	for v := s.nodes - 1; v < s.states; v += s.nodes {
		if s.isEnd(v) && s.paid[v] < unreachable && (end < 0 || s.paid[v] < s.paid[end]) {
			end = v
		}
	}
	if end < 0 {
		return
	}
	price := func(i int) int64 {
		a := &s.arcs[i]
		if a.cheapest.option < 0 {
			a.cheapest = s.law.cheapest(s.stage(int32(i)), &s.rule)
		}
		return a.cheapest.cost
	}
	most := int64(0)
	for v := end; v != 0; {
		a := &s.arcs[p.via[v]]
		most += price(int(p.via[v]))
		v -= s.step + int(a.head-a.tail)
	}
	for k := s.layers - 1; k >= 0; k-- {
		for i := len(s.arcs) - 1; i >= 0; i-- {
			a := &s.arcs[i]
			from, to := k*s.step+int(a.tail), (k+1)*s.step+int(a.head)
			rest := s.leanest[to] + a.cheapest.cost
			s.leanest[from] = min(s.leanest[from], rest)
			if s.paid[from]+rest <= most {
				price(i)
			}
		}
	}
}
