package cost

import "partita/planner/solve"

// What drives the stages of a deployment: its gateway, or an orchestrator that the platform has been given (see
// platform.DrivenBy), for which the gateway's function only prepares the input before the first stage and makes the answer after
// the last.

// StartUs is what a request takes beside its stages, in the scenario of the table: before the first, and after the last.
func (t *Table) StartUs() int64 { return add(t.StartUsWhen(t.Cold()), t.EndUs()) }

// StartUsWhen is what a request takes before the first stage when it finds the gateway cold, or warm: the gateway's own cold start,
// and decoding.
func (t *Table) StartUsWhen(cold bool) int64 {
	us := t.decodeUs()
	if cold {
		us = add(t.gatewayInitUs(), us)
	}
	if o := t.Platform.Orchestrator; o != nil {
		us = add(us, add(o.StartUs, add(o.DispatchUs, t.leaving().us)))
	}
	return us
}

// EndUs is what a request takes after the last stage: the state that makes the answer, where an orchestrator drives.
func (t *Table) EndUs() int64 {
	if o := t.Platform.Orchestrator; o != nil {
		return add(o.DispatchUs, t.arriving().us)
	}
	return 0
}

// leaving and arriving are the hops of the model's inputs and outputs on the side of the gateway, where an orchestrator drives.
func (t *Table) leaving() hop  { return t.nodes[0].output }
func (t *Table) arriving() hop { return t.nodes[len(t.nodes)-1].input }

// GatewayPicoUSDPerMs is the price of what drives while it does, times the share of the requests that the scenario describes.
func (t *Table) GatewayPicoUSDPerMs() int64 {
	return (t.drivingPicoUSDPerMs()*t.trackedPpm() + million/2) / million
}

func (t *Table) drivingPicoUSDPerMs() int64 {
	if o := t.Platform.Orchestrator; o != nil {
		return o.PicoUSDPerMs()
	}
	return t.Platform.PicoUSDPerMs(t.GatewayMemoryMB)
}

// gatewaySteps gives what the time of what drives is billed in and as no less than; 0 says by the millisecond. A gateway on AWS
// Lambda is billed by the millisecond, also for the platform of 2020, whose functions were billed in 100 of them: see RATIONALE.md.
func (t *Table) gatewaySteps() (stepUs, minUs int64) {
	if o := t.Platform.Orchestrator; o != nil {
		if o.GranularityUs > solve.Millisecond {
			stepUs = o.GranularityUs
		}
		return stepUs, 0
	}
	if !t.Platform.PlanningOnly {
		return 0, 0
	}
	if step := t.Platform.GranularityUs; step > solve.Millisecond {
		stepUs = step
	}
	if least := t.Platform.MinBilledUs; least > t.Platform.GranularityUs {
		minUs = least
	}
	return stepUs, minUs
}

// Front is what a request is billed for the gateway's function, and in fees of what drives, whatever its stages.
type Front struct {
	BilledUs    int64 // of the gateway where it does not drive: to prepare the input and to make the answer
	FeesPicoUSD int64 // of the gateway's requests and objects
	PicoUSD     int64 // of both
	StartFee    int64 // of an orchestrator, per request
}

// FrontWhen is Front of a request that finds the gateway cold, or warm.
func (t *Table) FrontWhen(cold bool) Front {
	p := t.Platform
	if p.Orchestrator == nil {
		fees := p.RequestPicoUSD + t.doorstep().feePicoUSD
		return Front{FeesPicoUSD: fees, PicoUSD: fees}
	}
	prepares := add(t.decodeUs(), t.leaving().us)
	if cold && p.InitBilled {
		prepares = add(prepares, t.gatewayInitUs())
	}
	f := Front{StartFee: p.Orchestrator.RequestPicoUSD, FeesPicoUSD: 2*p.RequestPicoUSD + t.doorstep().feePicoUSD + t.leaving().feePicoUSD + t.arriving().feePicoUSD}
	for _, us := range []int64{prepares, t.arriving().us} {
		billed := p.BilledUs(us)
		f.BilledUs += billed
		f.PicoUSD += p.ComputePicoUSD(billed, t.GatewayMemoryMB)
	}
	f.PicoUSD += f.FeesPicoUSD
	return f
}

// Front is that of the table's requests; of a mix, the expected cost and the billed time in the scenario.
func (t *Table) Front() Front {
	f := t.FrontWhen(t.Cold())
	if t.Arrivals != nil {
		f.PicoUSD = t.Arrivals.Mix(t.FrontWhen(true).PicoUSD, t.FrontWhen(false).PicoUSD)
	}
	return f
}

// GatewayFees is what every plan pays once beside its stages and the time that is driven: the options of the first stage carry it.
func (t *Table) GatewayFees() int64 {
	f := t.Front()
	return f.PicoUSD + f.StartFee
}
