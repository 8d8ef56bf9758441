package cost

import (
	"fmt"
	"slices"
	"sort"

	"partita/planner/diag"
	"partita/planner/platform"
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
	p := &solve.Problem{Terms: solve.Terms{
		Scenario: t.Scenario, MinStages: t.MinStages, MaxStages: t.MaxStages,
		StartUs: t.StartUs(), DispatchUs: t.Platform.DispatchUs, GatewayPicoUSDPerMs: t.GatewayPicoUSDPerMs(),
	}}
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
	p.TickUs = t.tickUs()
	p.Cost = t.runPicoUSD()
	p.Stages = make([]solve.Stage, 0, min(len(t.nodes)*(len(t.nodes)-1)/2*len(t.Variants), 1<<19))
	for i := range t.nodes {
		t.stagesFrom(i, p)
	}
	return p
}

// stagesFrom adds the stages that begin at a node, of each the variants that are worth considering.
func (t *Table) stagesFrom(i int, p *solve.Problem) {
	s := solve.Stage{I: int32(i)}
	first, layer := t.cuts[t.nodes[i].cut], t.cuts[t.nodes[i].cut]
	var peak, pinnedMB int64
	weights := make([]held, len(t.Variants)) // variants of one precision repeat it
	full := make([]bool, len(t.Variants))
	candidates := make([]candidate, 0, len(t.Variants))
	end := t.reach(first)
	for j := i + 1; j < len(t.nodes); j++ {
		last := t.cuts[t.nodes[j].cut]
		if last == first {
			continue // the same cut with the other transport
		}
		if last > end {
			return
		}
		for ; layer < last; layer++ {
			var agreed bool
			if pinnedMB, agreed = t.wanted(pinnedMB, layer); !agreed {
				return
			}
			for v := range weights {
				weights[v] = addLayer(weights[v], t.weights[t.Variants[v].Precision], first, layer)
			}
			peak = max(peak, t.peak[layer])
		}
		s.J = int32(j)
		s.Run1Ns = t.run1Ns[last] - t.run1Ns[first]
		if s.Run1Ns > maxRunNs || !slices.Contains(full, false) {
			return
		}
		s.HopUs = add(t.nodes[i].input.us, t.nodes[j].output.us)
		hopPicoUSD := t.nodes[i].input.feePicoUSD + t.nodes[j].output.feePicoUSD
		candidates = candidates[:0]
		for v, variant := range t.Variants {
			h := weights[v]
			if full[v] {
				continue
			}
			if full[v] = t.packageBytes(variant, h) > t.Platform.PackageLimitBytes; full[v] || !t.offered(variant, h) {
				continue // packages only grow
			}
			s.Variant, s.InitUs, s.FeesPicoUSD = int32(v), t.initUs(variant, h), hopPicoUSD+t.fetchPicoUSD(variant, h)
			if s.InitUs <= t.Platform.InitTimeoutUs {
				candidates = append(candidates, candidate{s, t.memoryNeededMB(h, peak, t.crossing[t.nodes[i].cut].textBytes, t.crossing[t.nodes[j].cut].textBytes)})
			}
		}
		for _, c := range t.best(candidates) {
			if t.fit(&c.Stage, c.needMB, pinnedMB) {
				t.price(&c.Stage)
				p.Stages = append(p.Stages, c.Stage)
			}
		}
	}
}

// fit sets the range of sizes of a stage that needs some memory: large enough, fast enough for the timeout, and no larger
// than brings more speed; or the size pinned (0: none). It gives false when there is none.
func (t *Table) fit(s *solve.Stage, needMB, pinnedMB int64) bool {
	if s.HopUs > t.Platform.TimeoutUs {
		return false
	}
	inTime := func(k int) bool {
		return t.whole(s.HopUs+scale(s.Run1Ns, t.sizes[k].Slowdown, 1000<<platform.SlowdownBits)) <= t.Platform.TimeoutUs
	}
	if pinnedMB > 0 {
		k := slices.IndexFunc(t.sizes, func(z platform.Size) bool { return z.MemoryMB == pinnedMB })
		s.Low, s.High = int32(k), int32(k+1)
		return needMB <= pinnedMB && inTime(k)
	}
	low, _ := slices.BinarySearch(t.MemoryMB, needMB)
	if low == len(t.MemoryMB) {
		return false
	}
	high := max(low, t.useful-1) + 1
	if !inTime(low) {
		low += sort.Search(high-low, func(k int) bool { return inTime(low + k) })
	}
	s.Low, s.High = int32(low), int32(high)
	return low < high
}

// price sets what a stage costs whatever its size, and the floor of the rest (see solve.Stage).
func (t *Table) price(s *solve.Stage) {
	p, first := t.Platform, s.I == 0
	if first {
		s.FeesPicoUSD += p.RequestPicoUSD // the gateway's
	}
	// What invoked bills beside the run itself.
	fixed := func(cold bool) (us, count int64) {
		if cold && p.InitBilled {
			us = s.InitUs
		}
		if t.Scenario == solve.ColdOverlapped && !first {
			return p.BilledUs(us + p.WakeUs), 2
		}
		return us, 1
	}
	if t.Arrivals == nil {
		us, count := fixed(t.Cold())
		s.FeesPicoUSD += count * p.RequestPicoUSD
		s.FixedUs, s.FixedPicoUSD, s.RunPicoUSDPerMs = us, s.FeesPicoUSD, 0
		return
	}
	cold, coldCount := fixed(true)
	warm, warmCount := fixed(false)
	share := t.Arrivals.ColdPpm
	s.FixedUs = (share*cold + (million-share)*warm) / million
	s.FixedPicoUSD = s.FeesPicoUSD + (share*coldCount+(million-share)*warmCount)*p.RequestPicoUSD/million + max(t.otherGatewayPicoUSD(s.InitUs, 0, first)-1, 0)
	s.RunPicoUSDPerMs = p.PicoUSDPerMs(t.GatewayMemoryMB) * (million - t.trackedPpm()) / million
}

// runPicoUSD gives the law of what a stage costs at a size beside its fees.
func (t *Table) runPicoUSD() func(s *solve.Stage, runUs int64, z *solve.Size) int64 {
	p := t.Platform
	if t.Arrivals == nil && p.GranularityUs == 1000 && p.MinBilledUs <= 1000 {
		// What is billed apart is in whole milliseconds already. Nothing here is negative, and unsigned numbers divide faster.
		return func(s *solve.Stage, runUs int64, z *solve.Size) int64 {
			ms := max((uint64(s.FixedUs)+uint64(runUs)+999)/1000, 1)
			return int64((ms*uint64(z.PicoUSDPer1024s) + msPer1024s/2) / msPer1024s)
		}
	}
	bill := func(s *solve.Stage, runUs int64, z *solve.Size, cold bool) int64 {
		b := t.invoked(cold, s.I == 0, s.InitUs, runUs)
		return (b.billedUs/1000*z.PicoUSDPer1024s + msPer1024s/2) / msPer1024s
	}
	cold := t.Cold()
	if t.Arrivals == nil {
		return func(s *solve.Stage, runUs int64, z *solve.Size) int64 { return bill(s, runUs, z, cold) }
	}
	requests := func(s *solve.Stage, cold bool) int64 {
		return t.invoked(cold, s.I == 0, s.InitUs, 0).count * p.RequestPicoUSD
	}
	return func(s *solve.Stage, runUs int64, z *solve.Size) int64 {
		return t.Arrivals.Mix(bill(s, runUs, z, true)+requests(s, true), bill(s, runUs, z, false)+requests(s, false)) + t.otherGatewayPicoUSD(s.InitUs, runUs, s.I == 0)
	}
}

const msPer1024s = 1024 * 1000
