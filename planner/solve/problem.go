package solve

import "math"

// Problem is the numeric problem by its law: an Instance whose options are computed when they are looked at, so that ten
// thousand memory sizes take no more room than one. Instance writes them out; both have the same frontier.
type Problem struct {
	Terms
	Sizes  []Size  // that stages choose from, by rising memory, price and speed; sizes pinned by hand may follow
	Common int     // how many of Sizes are in that order
	TickUs int64   // stages run for whole multiples of it, rounded up: 1 or Millisecond
	Stages []Stage // by rising I
	Passes Passes  // how often each stage runs; the zero value is once

	// Cost gives the price of a stage at a size beside its FeesPicoUSD. It must rise with runUs and with the size's price.
	Cost func(s *Stage, runUs int64, size *Size) int64

	table *lawTable // of Sizes, while several problems share them
}

// Passes says how often a stage runs for one request, each time with a batch of its inputs. The last pass may have fewer.
type Passes struct {
	Full, Last       int64 // of those that follow each other in the pipeline that ends last: with a whole batch, and with the last one
	AllFull, AllLast int64 // of those of all pipelines together, which are billed
}

// several tells whether a stage runs more than once.
func (n *Passes) several() bool { return n.Full > 0 }

// Size is a memory size.
type Size struct {
	MemoryMB        int64
	Slowdown        int64 // how many times longer work takes than on one full processor, times 2^SlowdownBits
	PicoUSDPer1024s int64 // price of 1,024 seconds
}

// SlowdownBits is the number of fractional bits of Size.Slowdown.
const SlowdownBits = 16

// Stage is a stage that may lie between nodes I and J, before its memory is chosen. Stages between the same nodes are
// variants: other ways to package or store the same layers.
type Stage struct {
	I, J      int32
	Low, High int32 // it may have any of Problem.Sizes[Low:High]
	Variant   int32 // for whoever made the problem
	InitUs    int64 // of a cold start
	HopUs     int64 // input and output: the same at every size
	Run1Ns    int64 // compute on one full processor

	LastHopUs, LastRun1Ns int64 // the same of the last pass, where the Passes tell of one that has fewer inputs

	FeesPicoUSD          int64 // exact, whatever the size
	AddedPicoUSDPer1024s int64 // to the price of every size, for Cost

	// A floor of the cost, close below it: FixedPicoUSD (which includes FeesPicoUSD) + price x (FixedUs + run of all passes) + run x
	// RunPicoUSDPerMs.
	FixedPicoUSD, FixedUs, RunPicoUSDPerMs int64
}

// RunUs is the time that a stage runs at a size: in all its passes, with what is paid before each but the first.
func (p *Problem) RunUs(s *Stage, size *Size) int64 {
	run := p.PassUs(s, size)
	if n := &p.Passes; n.several() {
		run = n.Full*run + (n.Full+n.Last-1)*p.DispatchUs
		if n.Last > 0 {
			run += n.Last * p.LastPassUs(s, size)
		}
	}
	return run
}

// PassUs is the time of one pass of a stage with a whole batch.
func (p *Problem) PassUs(s *Stage, size *Size) int64 { return p.passUs(s.HopUs, s.Run1Ns, size) }

// LastPassUs is the time of the last pass, where it has fewer inputs.
func (p *Problem) LastPassUs(s *Stage, size *Size) int64 {
	return p.passUs(s.LastHopUs, s.LastRun1Ns, size)
}

func (p *Problem) passUs(hopUs, run1Ns int64, size *Size) int64 {
	run := uint64(hopUs) + (uint64(run1Ns)*uint64(size.Slowdown)+(nsPerUs-1))/nsPerUs
	if p.TickUs == Millisecond {
		run = (run + Millisecond - 1) / Millisecond * Millisecond
	}
	return int64(run)
}

// nsPerUs is what a run in nanoseconds, times a slowdown, has in a microsecond.
const nsPerUs = 1000 << SlowdownBits

// slowest gives the greatest slowdown at which a stage takes and is billed for as long as at a size.
func (p *Problem) slowest(s *Stage, size *Size) int64 {
	least := atMost(p.PassUs(s, size)-s.HopUs, s.Run1Ns)
	if p.Passes.AllLast > 0 {
		least = min(least, atMost(p.LastPassUs(s, size)-s.LastHopUs, s.LastRun1Ns))
	}
	return least
}

// atMost gives the greatest slowdown at which work takes no more than a time.
func atMost(us, run1Ns int64) int64 {
	if run1Ns == 0 {
		return math.MaxInt64
	}
	return int64(uint64(us) * nsPerUs / uint64(run1Ns))
}

// whole tells whether every plan of cold-overlapped ends in a whole millisecond, so that none is told apart by less.
func (p *Problem) whole() bool {
	if p.Scenario != ColdOverlapped || p.TickUs != Millisecond || p.DispatchUs%Millisecond != 0 {
		return false
	}
	for i := range p.Stages {
		if p.Stages[i].InitUs%Millisecond != 0 {
			return false
		}
	}
	return true
}

// Option computes what an Instance would say of a stage (an index into Stages) at a size.
func (p *Problem) Option(stage, size int) Option {
	s, z := &p.Stages[stage], &p.Sizes[size]
	run := p.RunUs(s, z)
	o := Option{MemoryMB: z.MemoryMB, RunUs: run, CostPicoUSD: s.FeesPicoUSD + p.Cost(s, run, z)}
	if p.Scenario != Warm {
		o.InitUs = s.InitUs
	}
	return o
}

// Options counts the options that Instance would look at.
func (p *Problem) Options() int {
	n := 0
	for i := range p.Stages {
		n += int(p.Stages[i].High - p.Stages[i].Low)
	}
	return n
}

// Instance writes every option out, for other solvers. A segment is made of each stage, in the same order. An option that
// another of the same stage beats or equals in time and cost is left out.
func (p *Problem) Instance() *Instance {
	in := &Instance{Format: Format, Terms: p.Terms, Segments: make([]Segment, len(p.Stages))}
	for i := range p.Stages {
		s := &p.Stages[i]
		options := make([]Option, 0, s.High-s.Low)
		for k := int(s.High) - 1; k >= int(s.Low); k-- { // by rising time
			o := p.Option(i, k)
			if n := len(options); n > 0 && o.CostPicoUSD >= options[n-1].CostPicoUSD {
				continue
			} else if n > 0 && o.RunUs == options[n-1].RunUs {
				options = options[:n-1]
			}
			options = append(options, o)
		}
		for a, b := 0, len(options)-1; a < b; a, b = a+1, b-1 {
			options[a], options[b] = options[b], options[a]
		}
		in.Segments[i] = Segment{I: int(s.I), J: int(s.J), Options: options}
	}
	return in
}

// Evaluate computes the totals of a plan, as the function Evaluate does for an Instance. An option is an index into Sizes.
func (p *Problem) Evaluate(path []Choice) (Point, error) {
	return p.evaluate(path, len(p.Stages), func(c Choice) (i, j int, o Option, ok bool) {
		s := &p.Stages[c.Segment]
		if c.Option < int(s.Low) || c.Option >= int(s.High) {
			return 0, 0, Option{}, false
		}
		return int(s.I), int(s.J), p.Option(c.Segment, c.Option), true
	})
}
