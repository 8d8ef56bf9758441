package report

// Timeline is one request of a plan that finds every function cold, or every one warm. Times are in microseconds from the request's
// arrival.
type Timeline struct {
	LatencyUs   int64
	CostPicoUSD int64
	StartUs     int64 // until the gateway calls the first function
	EndUs       int64 // after the last function, where a workflow drives and the gateway makes the answer; the gateway's own driving has none
	Spans       []Span
}

// Span is what one function does in a request. A function that is woken starts before it is called; one that is warm is ready at once.
type Span struct {
	WakeUs, ReadyUs int64 // its start
	CallUs          int64 // when it has its input to read
	InputUs         int64 // what it takes to read it, to compute, and to hand the result on
	ComputeUs       int64
	OutputUs        int64
}

// EndUs is when the function has handed its result on.
func (s *Span) EndUs() int64 { return s.CallUs + s.InputUs + s.ComputeUs + s.OutputUs }
