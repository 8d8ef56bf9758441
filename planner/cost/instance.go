package cost

import (
	"fmt"

	"partita/planner/diag"
	"partita/planner/solve"
)

// maxOptions bounds the options of an instance, 256 MB of them.
const maxOptions = 1 << 23

// Instance writes the numeric problem out for other solvers: every option of every stage. An option that another of the
// same stage beats or equals in time and cost is left out.
func (t *Table) Instance() (*solve.Instance, error) {
	p := t.Problem()
	if n := p.Options(); n > maxOptions {
		return nil, diag.New(diag.Limit, "cost.too-many-options", "writing the numeric problem out",
			fmt.Sprintf("%d cuts and %d memory sizes give %d options, more than %d", t.Cuts(), len(t.sizes), n, maxOptions),
			"consider fewer memory sizes: a larger step, or a list (a plan needs no options written out)")
	}
	return p.Instance(), nil
}

// Problem states the numeric problem by its law: every stage that fits the platform and breaks no pin, with the range of
// memory sizes that are worth considering.
func (t *Table) Problem() *solve.Problem {
	p := t.blank()
	b := newBuilder(t)
	p.Stages = make([]solve.Stage, 0, t.mostStages())
	if len(t.regions) > 0 {
		t.addWaves(p)
	}
	places, all := t.eachNode()
	for i := range t.nodes {
		p.Stages = b.stagesFrom(places, i, all, p.Stages)
		if len(t.regions) > 0 {
			b.wavesFrom(i, p)
		}
	}
	return p
}

// blank states everything of the numeric problem but its stages.
func (t *Table) blank() *solve.Problem {
	p := &solve.Problem{Terms: solve.Terms{
		Scenario: t.Scenario, MinStages: t.MinStages, MaxStages: t.MaxStages,
		StartUs: t.StartUs(), DispatchUs: t.Platform.DispatchUs, GatewayPicoUSDPerMs: t.GatewayPicoUSDPerMs(),
	}}
	p.GatewayStepUs, p.GatewayMinUs = t.gatewaySteps()
	for i, n := range t.nodes {
		s := solve.Node{Cut: t.cuts[n.cut], Transport: n.transport}
		if i == 0 || i == len(t.nodes)-1 {
			s.Transport = ""
		}
		p.Nodes = append(p.Nodes, s)
	}
	for _, z := range t.sizes {
		p.Sizes = append(p.Sizes, solve.Size{MemoryMB: z.MemoryMB, Slowdown: z.Slowdown, PicoUSDPer1024s: z.PicoUSDPer1024s})
	}
	p.Common = len(t.MemoryMB)
	p.TickUs, p.Passes = t.tickUs(), t.batching().passes()
	p.Cost = t.runPicoUSD(p)
	return p
}

// price sets what a stage costs whatever its size, and the floor of the rest (see solve.Stage).
func (t *Table) price(s *solve.Stage) {
	p, first := t.Platform, s.I == 0
	if first {
		s.FeesPicoUSD += t.GatewayFees()
	}
	// What invoked bills beside the runs themselves.
	b := t.batching()
	fixed := func(cold bool) (us, count int64) {
		if cold && p.InitBilled {
			us = s.InitUs
		}
		if t.Scenario == solve.ColdOverlapped && !first {
			return b.Pipelines * p.BilledUs(us+p.WakeUs), b.Pipelines + b.Passes()
		}
		return b.Pipelines * us, b.Passes()
	}
	// The floor of what is added to the price of time: all passes are billed, those that follow each other are among them.
	addedPerMs := s.AddedPicoUSDPer1024s / msPer1024s
	if t.Arrivals == nil {
		us, count := fixed(t.Cold())
		s.FeesPicoUSD += count * p.RequestPicoUSD
		s.FixedUs, s.FixedPicoUSD, s.RunPicoUSDPerMs = us, s.FeesPicoUSD+us/1000*addedPerMs, addedPerMs
		if b.Turns() > 1 {
			s.RunPicoUSDPerMs = 0 // the time of the passes has the dispatches between them, which are not billed
		}
		return
	}
	cold, coldCount := fixed(true)
	warm, warmCount := fixed(false)
	share := t.Arrivals.ColdPpm
	s.FixedUs = (share*cold + (million-share)*warm) / million
	s.FixedPicoUSD = s.FeesPicoUSD + (share*coldCount+(million-share)*warmCount)*p.RequestPicoUSD/million + max(t.otherGatewayPicoUSD(s.InitUs, 0, first)-1, 0) + s.FixedUs/1000*addedPerMs
	s.RunPicoUSDPerMs = t.drivingPicoUSDPerMs() * (million - t.trackedPpm()) / million
}

// runPicoUSD gives the law of what a stage of a problem costs at a size beside its fees.
func (t *Table) runPicoUSD(in *solve.Problem) func(s *solve.Stage, runUs int64, z *solve.Size) int64 {
	p := t.Platform
	passes := in.Passes
	if t.Arrivals == nil && p.GranularityUs == 1000 && p.MinBilledUs <= 1000 && passes.AllFull == 0 {
		// What is billed apart is in whole milliseconds already. Nothing here is negative, and unsigned numbers divide faster.
		return func(s *solve.Stage, runUs int64, z *solve.Size) int64 {
			ms := max((uint64(s.FixedUs)+uint64(runUs)+999)/1000, 1)
			return int64((ms*uint64(z.PicoUSDPer1024s+s.AddedPicoUSDPer1024s) + msPer1024s/2) / msPer1024s)
		}
	}
	bill := func(s *solve.Stage, runUs int64, z *solve.Size, cold bool) int64 {
		lastUs := runUs
		if passes.AllFull > 0 { // then runUs is that of all passes on the way of the request
			if runUs = in.PassUs(s, z); passes.AllLast > 0 {
				lastUs = in.LastPassUs(s, z)
			}
		}
		return computePicoUSD(t.invoked(cold, s.I == 0, s.InitUs, runUs, lastUs).billedUs, z.PicoUSDPer1024s+s.AddedPicoUSDPer1024s)
	}
	cold := t.Cold()
	if t.Arrivals == nil {
		return func(s *solve.Stage, runUs int64, z *solve.Size) int64 { return bill(s, runUs, z, cold) }
	}
	requests := func(s *solve.Stage, cold bool) int64 {
		return t.invoked(cold, s.I == 0, s.InitUs, 0, 0).count * p.RequestPicoUSD
	}
	return func(s *solve.Stage, runUs int64, z *solve.Size) int64 {
		return t.Arrivals.Mix(bill(s, runUs, z, true)+requests(s, true), bill(s, runUs, z, false)+requests(s, false)) + t.otherGatewayPicoUSD(s.InitUs, runUs, s.I == 0)
	}
}

const msPer1024s = 1024 * 1000
