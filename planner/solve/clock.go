package solve

// clock says which times of a plan differ: those in different steps. Times are finishes, counted from the start of a
// request.
type clock struct {
	step  int64 // in microseconds
	start int64 // the part of a step that has gone before the first finish
}

// up gives the end of the step in which a finish lies.
func (c clock) up(finish int64) int64 {
	if c.step == 1 {
		return finish
	}
	return (finish+c.start+Millisecond-1)/Millisecond*Millisecond - c.start
}

// slice counts the slices, of 2^scale steps each, from an end of a step to that of a later finish.
func (c clock) slice(from, finish int64, scale uint) int64 {
	if c.step == 1 {
		return max(finish-from, 0) >> scale
	}
	return max(finish-from+Millisecond-1, 0) / Millisecond >> scale
}

// last gives the end of the last step of a slice.
func (c clock) last(from int64, slice int64, scale uint) int64 {
	return from + ((slice+1)<<scale-1)*c.step
}
