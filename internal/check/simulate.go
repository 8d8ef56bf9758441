package check

import (
	"container/heap"
	"fmt"
	"math/big"

	"partita/planner/plan"
	"partita/planner/platform"
)

// bill is what an environment is charged for, by the platform's own rule: each invocation rounded up, times memory and
// price, half a pico-dollar rounded up, and a fee for the request.
type bill struct {
	invocations int64
	billedUs    int64
	picoUSD     int64
}

// outcome is what a simulated request took and cost.
type outcome struct {
	latencyUs   int64
	gateway     int64 // pico-dollars
	workflow    int64 // pico-dollars
	stages      []bill
	costPicoUSD int64
}

// event is something that happens at a time; events of one time happen in the order they were planned.
type event struct {
	atUs, number int64
	happen       func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].atUs < a[j].atUs || a[i].atUs == a[j].atUs && a[i].number < a[j].number
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// simulation is one request on its way through a deployment.
type simulation struct {
	plan     *plan.Plan
	platform *platform.Platform
	now      int64
	planned  int64
	agenda   agenda
	lines    []*pipeline
	bills    []bill // by stage
	driving  int    // pipelines that have not ended
	ended    bool
}

// pipeline takes its share of the passes through environments of its own.
type pipeline struct {
	*simulation
	inputs  []int64 // of each of its passes
	stages  []environment
	running int // stages called that have not answered
}

// environment is where a stage runs.
type environment struct {
	initBegan, initEnded int64 // negative: not yet
	first, turn          int   // the gateway has called it for: the first stage of those beside it, and which pass
	called               bool  // the gateway's invocation waits for it or runs
	woken                bool  // by an invocation of its own
	used                 bool  // it has run before
}

func (s *simulation) after(us int64, happen func()) {
	s.planned++
	heap.Push(&s.agenda, event{s.now + us, s.planned, happen})
}

// simulate sends one request through the deployment of a plan.
func simulate(p *plan.Plan, on *platform.Platform) (*outcome, error) {
	s := &simulation{plan: p, platform: on, bills: make([]bill, len(p.Stages))}
	inputs, batch, pipelines := int64(1), int64(1), 1
	if b := p.Batching; b != nil {
		inputs, batch, pipelines = b.Inputs, b.Batch, int(b.Pipelines)
	}
	for range pipelines {
		l := &pipeline{simulation: s, stages: make([]environment, len(p.Stages))}
		for k := range l.stages {
			l.stages[k].initBegan, l.stages[k].initEnded = -1, -1
			if p.Request.Scenario == "warm" {
				l.stages[k].initEnded = 0
			}
		}
		s.lines = append(s.lines, l)
	}
	passes := 0
	for ; inputs > 0; inputs -= batch { // dealt out like cards
		l := s.lines[passes%pipelines]
		l.inputs = append(l.inputs, min(inputs, batch))
		passes++
	}
	if b := p.Batching; b != nil && (passes != int(b.Passes) || len(s.lines[pipelines-1].inputs) == 0) {
		return nil, fmt.Errorf("%d inputs in batches of %d over %d pipelines are no %d passes", b.Inputs, b.Batch, b.Pipelines, b.Passes)
	}
	s.after(p.Gateway.StartUs, s.ready) // the gateway boots, if it is cold, and decodes the input
	for len(s.agenda) > 0 {
		e := heap.Pop(&s.agenda).(event)
		s.now = e.atUs
		e.happen()
	}
	if !s.ended {
		return nil, fmt.Errorf("the request never ended")
	}
	o := &outcome{latencyUs: s.now}
	if p.Workflow == nil {
		perMs := price(on, 1000, p.Gateway.MemoryMB) // the gateway's millisecond has a price in whole pico-dollars
		driven := (s.now + 999) / 1000
		if on.PlanningOnly { // elsewhere the gateway is billed by the millisecond, also where stages are not
			driven = billed(on, s.now) / 1000
		}
		o.gateway = driven*perMs + p.Gateway.FeesPicoUSD
		if err := s.gatewayFees(int64(passes)); err != nil {
			return nil, err
		}
	} else if err := s.settleWorkflow(o); err != nil {
		return nil, err
	}
	o.costPicoUSD = o.gateway + o.workflow
	for k, b := range s.bills {
		transfers := p.Stages[k].FeesPicoUSD - p.Stages[k].Invocations*on.RequestPicoUSD
		if !made(transfers, on.ObjectGetPicoUSD, on.ObjectPutPicoUSD) {
			return nil, fmt.Errorf("stage %d: fees of %d beside those of %d invocations are no number of objects", k+1, transfers, p.Stages[k].Invocations)
		}
		b.picoUSD += transfers
		o.stages = append(o.stages, b)
		o.costPicoUSD += b.picoUSD
	}
	return o, nil
}

// gatewayFees holds the fees and the start of a gateway that drives against what it must do itself: its request, an object for every pass
// that the first stage takes from S3 and the last one leaves there. It leaves them before it calls the first.
func (s *simulation) gatewayFees(passes int64) error {
	g, on := &s.plan.Gateway, s.platform
	fees := g.FeesPicoUSD - on.RequestPicoUSD
	if !made(fees, on.ObjectGetPicoUSD, on.ObjectPutPicoUSD) {
		return fmt.Errorf("the gateway's fees of %d are no number of objects", fees)
	}
	first, last := &s.plan.Stages[0], &s.plan.Stages[len(s.plan.Stages)-1]
	own := int64(0)
	if first.TransportIn == plan.TransportS3 {
		own += passes * on.ObjectPutPicoUSD
		if us := on.ObjectPutLatencyUs + first.InputBytes*1_000_000/min(on.ObjectPutBytesPerSecond, on.NetworkBytesPerSecond); g.StartUs < us {
			return fmt.Errorf("the gateway starts in %d us, and leaving %d bytes takes it %d", g.StartUs, first.InputBytes, us)
		}
	}
	if last.TransportOut == plan.TransportS3 {
		own += passes * on.ObjectGetPicoUSD
	}
	if fees < own || s.plan.Batching == nil && s.plan.Request.Batch == 1 && own == 0 && fees != 0 {
		return fmt.Errorf("the gateway's fees are %d, of which %d for its own objects", fees, own)
	}
	return nil
}

// settleWorkflow bills a workflow for the steps of its whole duration, and the gateway's function for the two states that it is
// invoked in: what they take beyond the workflow's own delays.
func (s *simulation) settleWorkflow(o *outcome) error {
	by, err := platform.Orchestration(s.plan.Orchestration(), s.platform.Name)
	if err != nil {
		return err
	}
	steps := int64(0)
	for ; steps*by.GranularityUs < s.now; steps++ {
	}
	perMs := new(big.Rat).SetFrac64(by.PicoUSDPerGBs*by.MemoryMB, 1024*1000)
	perMs.Add(perMs, big.NewRat(1, 2))
	o.workflow = by.RequestPicoUSD + steps*(by.GranularityUs/1000)*new(big.Int).Quo(perMs.Num(), perMs.Denom()).Int64()
	g := &s.plan.Gateway
	for _, us := range []int64{g.StartUs - by.StartUs - by.DispatchUs, s.plan.Workflow.EndUs - by.DispatchUs} {
		if us < 0 {
			return fmt.Errorf("the gateway works for %d us", us)
		}
		o.gateway += price(s.platform, (max(us, 1)+999)/1000*1000, g.MemoryMB) + s.platform.RequestPicoUSD
	}
	transfers := g.FeesPicoUSD - 2*s.platform.RequestPicoUSD
	if !made(transfers, s.platform.ObjectGetPicoUSD, s.platform.ObjectPutPicoUSD) {
		return fmt.Errorf("the gateway's fees of %d beside those of two invocations are no number of objects", transfers)
	}
	o.gateway += transfers
	return nil
}

// ready is when the gateway starts to drive: it wakes all stages at once, if the scenario has it so, and calls the first.
func (s *simulation) ready() {
	s.driving = len(s.lines)
	for _, l := range s.lines {
		if s.plan.Request.Scenario == "cold-overlapped" {
			for k := range l.stages {
				if k >= s.plan.Waves()[1] { // those called at once need no waking
					l.stages[k].woken = true
				}
				l.boot(k)
			}
		}
		l.dispatch(0, 0)
	}
}

// boot begins the init of a stage.
func (s *pipeline) boot(k int) {
	s.stages[k].initBegan = s.now
	s.after(s.plan.Stages[k].InitUs, func() {
		e := &s.stages[k]
		e.initEnded = s.now
		if e.woken { // the wake's own invocation is answered now, and billed
			s.charge(k, s.initBilled(k)+s.platform.WakeUs)
		}
		if e.called {
			s.run(k)
		}
	})
}

// dispatch has the gateway call a stage and those beside it for a pass, the next stage when all passes have been through, or answer
// when all pipelines have ended.
func (s *pipeline) dispatch(first, turn int) {
	if turn == len(s.inputs) {
		for first++; first < len(s.stages) && s.plan.Stages[first].Branch > 1; first++ {
		}
		turn = 0
	}
	if first == len(s.stages) {
		if s.driving--; s.driving > 0 {
			return
		}
		if w := s.plan.Workflow; w != nil {
			s.after(w.EndUs, func() { s.ended = true })
			return
		}
		s.ended = true
		return
	}
	end := first + 1
	for end < len(s.stages) && s.plan.Stages[end].Branch > 1 {
		end++
	}
	s.running = end - first
	for k := first; k < end; k++ {
		s.after(s.plan.Gateway.DispatchUs, func() {
			e := &s.stages[k]
			e.called, e.first, e.turn = true, first, turn
			switch {
			case e.initEnded >= 0:
				s.run(k)
			case e.initBegan < 0:
				s.boot(k)
			}
		})
	}
}

// run reads, computes and writes, one after the other; when all beside have done so, it is the next pass's turn.
func (s *pipeline) run(k int) {
	began, stage, e := s.now, &s.plan.Stages[k], &s.stages[k]
	times := plan.Phases{InputUs: stage.InputUs, ComputeUs: stage.ComputeUs, OutputUs: stage.OutputUs}
	if s.plan.Batching != nil && s.inputs[e.turn] < s.plan.Batching.Batch {
		times = *stage.LastPass
	}
	s.after(times.InputUs, func() {
		s.after(times.ComputeUs, func() {
			s.after(times.OutputUs, func() {
				us := s.now - began
				if !e.woken && !e.used && e.initBegan >= 0 {
					us += s.initBilled(k)
				}
				e.used = true
				s.charge(k, us)
				if s.running--; s.running == 0 {
					s.dispatch(e.first, e.turn+1)
				}
			})
		})
	})
}

// initBilled is what the platform charges of a stage's init.
func (s *pipeline) initBilled(k int) int64 {
	if !s.platform.InitBilled {
		return 0
	}
	return s.stages[k].initEnded - s.stages[k].initBegan
}

// charge bills an invocation of a stage.
func (s *simulation) charge(k int, us int64) {
	p, b := s.platform, &s.bills[k]
	b.invocations++
	b.billedUs += billed(p, us)
	b.picoUSD = priceOf(p, b.billedUs, s.plan.Stages[k].MemoryMB, s.plan.Stages[k].TemporaryMB) + b.invocations*p.RequestPicoUSD
}

// billed is what the platform makes of a time: no less than its least, in whole steps.
func billed(p *platform.Platform, us int64) int64 {
	us = max(us, 1, p.MinBilledUs)
	if rest := us % p.GranularityUs; rest > 0 {
		us += p.GranularityUs - rest
	}
	return us
}

// price is that of a time at a size.
func price(p *platform.Platform, us, memoryMB int64) int64 { return priceOf(p, us, memoryMB, 0) }

// priceOf is that of a time at a size, and with more temporary storage than comes with it, in exact fractions and rounded at the
// end, half up.
func priceOf(p *platform.Platform, us, memoryMB, temporaryMB int64) int64 {
	perSecond := new(big.Rat).SetFrac(big.NewInt(memoryMB*p.PicoUSDPerGBs), big.NewInt(1024))
	perSecond.Add(perSecond, new(big.Rat).SetFrac(big.NewInt(p.MilliVCPU(memoryMB)*p.PicoUSDPerVCPUs), big.NewInt(1000)))
	if temporaryMB > p.TemporaryMB {
		perSecond.Add(perSecond, new(big.Rat).SetFrac(big.NewInt((temporaryMB-p.TemporaryMB)*p.TemporaryPicoUSDPerGBs), big.NewInt(1024)))
	}
	exact := perSecond.Mul(perSecond, new(big.Rat).SetFrac(big.NewInt(us), big.NewInt(1_000_000)))
	exact.Add(exact, big.NewRat(1, 2))
	return new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()
}

// made reports whether a sum is so many gets and so many puts.
func made(sum, get, put int64) bool {
	for puts := int64(0); puts <= 64 && puts*put <= sum; puts++ {
		rest := sum - puts*put
		if rest == 0 || get > 0 && rest%get == 0 {
			return true
		}
	}
	return false
}
