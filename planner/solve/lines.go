package solve

// lines bounds, for rising slopes of time, what a stage costs at the least when its time is paid by the slope, beyond some
// work at a rate.
func (l *law) lines(s *Stage, r *rule, slope, rate []float64, work float64, out []float64) {
	perUs := float64(s.RunPicoUSDPerMs) / 1000
	passes, billed := l.works(s)
	run1, hop := float64(passes.run1Ns)/1000, float64(passes.hopUs)
	x, y := float64(s.FixedUs+billed.hopUs), float64(billed.run1Ns)/1000
	fixed, time := float64(s.FixedPicoUSD-roundingPicoUSD), float64(s.InitUs&r.sequential+r.dispatch)
	hi := s.High - 1
	for n := len(slope) - 1; n >= 0; n-- { // a smaller slope picks no larger size
		p := slope[n] + perUs
		z := float64(p * run1)
		for lo := s.Low; lo < hi; {
			mid := (lo + hi) >> 1
			if d := &l.step[mid]; float64(x*d.price)+float64(y*d.both)+float64(z*d.slow) < 0 {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		k := &l.size[hi]
		v := float64(x*k.price) + float64(y*k.both) + float64(z*k.slow) + float64(p*hop)
		out[n] = v + fixed + float64(slope[n]*time) - float64(rate[n]*work)
	}
}

// least bounds the time of a stage from below, dispatch included.
func (l *law) least(s *Stage, r *rule) float64 {
	time, _ := l.works(s)
	return float64(float64(time.run1Ns)/1000*l.size[s.High-1].slow) + float64(time.hopUs+s.InitUs&r.sequential+r.dispatch)
}
