package solve

import (
	"fmt"
	"math/bits"

	"partita/planner/diag"
)

// Bounds of an instance. They are far above what a model and a platform give (NASNetLarge: 1,041 layers; AWS Lambda:
// 10,113 memory sizes) and keep the memory and time of a hostile document bounded.
const (
	maxNodes    = 1 << 16
	maxSegments = 1 << 22
	maxOptions  = 1 << 16 // of one segment
	maxStages   = 1 << 12
	maxTotal    = 1 << 58 // of a plan's microseconds and pico-dollars: sums of weighted bounds then fit (see direction)
)

func invalid(code, found, fix string) *diag.Error {
	return diag.New(diag.Invalid, code, "reading the instance", found, fix)
}

// Validate says what makes an instance unusable, as a *diag.Error; nil when nothing does.
func (in *Instance) Validate() error {
	switch {
	case in.Format != Format:
		return invalid("solve.unknown-format", fmt.Sprintf("its format is %q", clip(in.Format)), "this version reads "+Format)
	case in.Scenario != Warm && in.Scenario != ColdSequential && in.Scenario != ColdOverlapped:
		return invalid("solve.unknown-scenario", fmt.Sprintf("its scenario is %q", clip(string(in.Scenario))),
			"use warm, cold-sequential or cold-overlapped")
	case in.MinStages < 0 || in.MaxStages < 1 || in.MinStages > in.MaxStages || in.MaxStages > maxStages:
		return invalid("solve.bad-stages", fmt.Sprintf("minStages is %d and maxStages %d", in.MinStages, in.MaxStages),
			fmt.Sprintf("0 <= minStages <= maxStages and 1 <= maxStages <= %d must hold", maxStages))
	case in.GatewayStepUs < 0 || in.GatewayStepUs%Millisecond != 0 || in.GatewayStepUs > maxGatewayStepUs || in.GatewayMinUs < 0 || in.GatewayMinUs > maxGatewayStepUs:
		return invalid("solve.bad-gateway-step", fmt.Sprintf("gatewayStepUs is %d and gatewayMinUs %d", in.GatewayStepUs, in.GatewayMinUs),
			"use at most a minute, for the step in whole milliseconds, or leave them out")
	case in.StartUs < 0 || in.DispatchUs < 0 || in.GatewayPicoUSDPerMs < 0:
		return invalid("solve.negative", "startUs, dispatchUs or gatewayPicoUSDPerMs is negative", "give amounts of zero or more")
	case len(in.Nodes) < 2 || len(in.Nodes) > maxNodes:
		return invalid("solve.bad-nodes", fmt.Sprintf("it has %d nodes", len(in.Nodes)),
			fmt.Sprintf("give a source and a sink at least, and at most %d nodes", maxNodes))
	case len(in.Segments) > maxSegments:
		return invalid("solve.too-many-segments", fmt.Sprintf("it has %d segments", len(in.Segments)),
			fmt.Sprintf("give at most %d", maxSegments))
	}
	for v := 1; v < len(in.Nodes); v++ {
		if in.Nodes[v].Cut < in.Nodes[v-1].Cut {
			return invalid("solve.bad-nodes", fmt.Sprintf("node %d is at cut %d, before node %d at cut %d", v, in.Nodes[v].Cut,
				v-1, in.Nodes[v-1].Cut), "list the nodes by rising cut")
		}
	}
	var largest Option
	for s := range in.Segments {
		g := &in.Segments[s]
		if g.I < 0 || g.J <= g.I || g.J >= len(in.Nodes) {
			return invalid("solve.bad-segment", fmt.Sprintf("segment %d goes from node %d to node %d of %d", s, g.I, g.J, len(in.Nodes)),
				"a segment goes from a node to a later one")
		}
		if len(g.Options) > maxOptions {
			return invalid("solve.too-many-options", fmt.Sprintf("segment %d has %d options", s, len(g.Options)),
				fmt.Sprintf("give at most %d", maxOptions))
		}
		for i := range g.Options {
			o := &g.Options[i]
			if o.MemoryMB < 0 || o.InitUs < 0 || o.RunUs < 0 || o.CostPicoUSD < 0 {
				return invalid("solve.negative", fmt.Sprintf("option %d of segment %d has a negative entry", i, s),
					"give amounts of zero or more")
			}
			largest.InitUs = max(largest.InitUs, o.InitUs)
			largest.RunUs = max(largest.RunUs, o.RunUs)
			largest.CostPicoUSD = max(largest.CostPicoUSD, o.CostPicoUSD)
		}
	}
	if !in.fits(largest) {
		return invalid("solve.overflow", fmt.Sprintf("a plan of %d stages may reach more than %d microseconds or pico-dollars",
			in.stageLimit(), int64(maxTotal)), "use smaller amounts")
	}
	return nil
}

// maxGatewayStepUs bounds the step in which a gateway is billed, and what it is billed at least.
const maxGatewayStepUs = 60_000 * Millisecond

// fits reports whether no plan's totals can leave the range, when no option exceeds largest in any entry.
func (t *Terms) fits(largest Option) bool {
	stages := uint64(t.stageLimit())
	if largest.InitUs > maxTotal || largest.RunUs > maxTotal || t.DispatchUs > maxTotal || t.StartUs > maxTotal {
		return false
	}
	hi, latency := bits.Mul64(stages, uint64(largest.InitUs)+uint64(largest.RunUs)+uint64(t.DispatchUs))
	latency += uint64(t.StartUs)
	if hi != 0 || latency > maxTotal {
		return false
	}
	step := uint64(t.gatewayStepUs())
	hi, gateway := bits.Mul64((max(latency, uint64(t.GatewayMinUs))+step-1)/step*(step/Millisecond), uint64(t.GatewayPicoUSDPerMs))
	if hi != 0 || gateway > maxTotal {
		return false
	}
	hi, cost := bits.Mul64(stages, uint64(largest.CostPicoUSD))
	return hi == 0 && cost <= maxTotal-gateway
}

// stageLimit is the largest number of segments a path can have.
func (t *Terms) stageLimit() int { return min(t.MaxStages, len(t.Nodes)-1) }

// clip shortens untrusted text for a message.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
