package cost

import (
	"fmt"
	"math"
	"sort"

	"partita/planner/diag"
	"partita/planner/platform"
	"partita/planner/solve"
)

// candidate is a stage between two nodes before its memory is chosen.
type candidate struct {
	run1Ns      int64
	hopUs       int64 // input and output
	initUs      int64
	needMB      int64
	memoryMB    int64 // pinned; 0: any
	feesPicoUSD int64
	first       bool // at the source
}

// Instance writes down the numeric problem: every stage that fits the platform, each with the memory sizes that are
// worth considering. An option that another of the same stage beats or equals in time and cost is left out.
func (t *Table) Instance() (*solve.Instance, error) {
	in := &solve.Instance{
		Format: solve.Format, Scenario: t.Scenario, MinStages: t.MinStages, MaxStages: t.MaxStages,
		StartUs: t.StartUs(), DispatchUs: t.Platform.DispatchUs, GatewayPicoUSDPerMs: t.GatewayPicoUSDPerMs(),
	}
	for i, n := range t.nodes {
		s := solve.Node{Cut: t.cuts[n.cut], Transport: n.transport}
		if i == 0 || i == len(t.nodes)-1 {
			s.Transport = ""
		}
		in.Nodes = append(in.Nodes, s)
	}
	pairs := len(t.nodes) * (len(t.nodes) - 1) / 2
	in.Segments = make([]solve.Segment, 0, min(pairs, 1<<16))
	w := optionWriter{t: t}
	count := 0
	for i := range t.nodes {
		c := candidate{first: i == 0}
		first, layer := t.cuts[t.nodes[i].cut], t.cuts[t.nodes[i].cut]
		var weight, padded, peak int64
		end := t.reach(first)
	farther:
		for j := i + 1; j < len(t.nodes); j++ {
			last := t.cuts[t.nodes[j].cut]
			if last == first {
				continue // the same cut with the other transport
			}
			if last > end {
				break
			}
			for ; layer < last; layer++ {
				var agreed bool
				if c.memoryMB, agreed = t.wanted(c.memoryMB, layer); !agreed {
					break farther
				}
				weight, padded = t.addLayer(weight, padded, first, layer)
				peak = max(peak, t.peak[layer])
			}
			packageBytes := t.packageBytes(padded)
			if packageBytes > t.Platform.PackageLimitBytes {
				break // packages only grow
			}
			c.run1Ns = t.run1Ns[last] - t.run1Ns[first]
			if c.run1Ns > maxRunNs {
				break
			}
			c.initUs = t.initUs(packageBytes, weight)
			if c.initUs > t.Platform.InitTimeoutUs {
				break
			}
			c.needMB = t.memoryNeededMB(weight, peak, t.crossing[t.nodes[i].cut].textBytes, t.crossing[t.nodes[j].cut].textBytes)
			c.hopUs = add(t.nodes[i].input.us, t.nodes[j].output.us)
			c.feesPicoUSD = t.nodes[i].input.feePicoUSD + t.nodes[j].output.feePicoUSD
			options := w.options(&c)
			if len(options) == 0 {
				continue
			}
			count += len(options)
			if count > maxOptions {
				return nil, diag.New(diag.Limit, "cost.too-many-options", "writing the numeric problem",
					fmt.Sprintf("%d cuts and %d memory sizes give more than %d options", t.Cuts(), len(t.sizes), maxOptions),
					"consider fewer memory sizes: a larger step, or a list")
			}
			in.Segments = append(in.Segments, solve.Segment{I: i, J: j, Options: options})
		}
	}
	return in, nil
}

// optionWriter makes the options of one candidate after another, in few large allocations.
type optionWriter struct {
	t     *Table
	chunk []solve.Option
	one   [1]platform.Size // a pinned one
}

// options lists the options of a candidate by rising memory. From the largest size useful down, time rises; a size is
// kept while its cost falls.
func (w *optionWriter) options(c *candidate) []solve.Option {
	t, p := w.t, w.t.Platform
	sizes, useful := t.sizes, t.useful
	if c.memoryMB > 0 {
		w.one[0] = p.Size(c.memoryMB)
		sizes, useful = w.one[:], 1
	}
	low := sort.Search(len(sizes), func(k int) bool { return sizes[k].MemoryMB >= c.needMB })
	if low == len(sizes) || c.hopUs > p.TimeoutUs {
		return nil
	}
	high := max(low, useful-1)
	if len(w.chunk) < len(sizes) {
		w.chunk = make([]solve.Option, max(len(sizes), 1<<14))
	}
	if t.Arrivals != nil {
		return w.mixed(c, sizes[low:high+1])
	}
	var before, wakeUs, initUs int64 // added to the run's billed time, and billed on its own
	fees := p.RequestPicoUSD + c.feesPicoUSD
	if c.first {
		fees += p.RequestPicoUSD // the gateway's
	}
	if t.Cold() {
		initUs = c.initUs
		if p.InitBilled {
			before = initUs
		}
		if t.Scenario == solve.ColdOverlapped && !c.first {
			wakeUs = p.BilledUs(before + p.WakeUs)
			before = 0
			fees += p.RequestPicoUSD
		}
	}
	// Unsigned arithmetic divides by constants faster. Nothing here is negative, and platform bounds its figures so that
	// no product passes 63 bits.
	timeout, granularity, minimum := p.TimeoutUs, p.GranularityUs, p.MinBilledUs
	hop, run1, wakeMs := c.hopUs, uint64(c.run1Ns), uint64(wakeUs/1000)
	chunk := w.chunk
	n := len(chunk)
	cheapest := int64(math.MaxInt64)
	for k := high; k >= low; k-- {
		s := &sizes[k]
		run := hop + int64((run1*uint64(s.Slowdown)+(1000<<platform.SlowdownBits-1))/(1000<<platform.SlowdownBits))
		if run > timeout {
			break
		}
		us := max(before+run, minimum)
		if granularity != 1000 {
			us = (us + granularity - 1) / granularity * granularity
		}
		ms := uint64(us+999) / 1000
		cost := fees + int64(((wakeMs+ms)*uint64(s.PicoUSDPer1024s)+msPer1024s/2)/msPer1024s)
		if cost >= cheapest {
			continue
		}
		cheapest = cost
		if n < len(chunk) && chunk[n].RunUs == run {
			n++ // as fast and dearer
		}
		n--
		chunk[n] = solve.Option{MemoryMB: s.MemoryMB, InitUs: initUs, RunUs: run, CostPicoUSD: cost}
	}
	options := w.chunk[n:len(w.chunk):len(w.chunk)]
	w.chunk = w.chunk[:n]
	return options
}

const msPer1024s = 1024 * 1000

// mixed lists the options of a candidate at the sizes when cold and warm requests mix.
func (w *optionWriter) mixed(c *candidate, sizes []platform.Size) []solve.Option {
	t, p := w.t, w.t.Platform
	n := len(w.chunk)
	cheapest := int64(math.MaxInt64)
	for k := len(sizes) - 1; k >= 0; k-- {
		s := &sizes[k]
		run := c.hopUs + scale(c.run1Ns, s.Slowdown, 1000<<platform.SlowdownBits)
		if run > p.TimeoutUs {
			break
		}
		cold, warm := t.invoked(true, c.first, c.initUs, run), t.invoked(false, c.first, c.initUs, run)
		cost := t.Arrivals.mix(p.ComputePicoUSD(cold.billedUs, s.MemoryMB)+cold.count*p.RequestPicoUSD, p.ComputePicoUSD(warm.billedUs, s.MemoryMB)+warm.count*p.RequestPicoUSD)
		cost += c.feesPicoUSD + t.otherGatewayPicoUSD(c.initUs, run, c.first)
		if c.first {
			cost += p.RequestPicoUSD // the gateway's
		}
		if cost >= cheapest {
			continue
		}
		cheapest = cost
		if n < len(w.chunk) && w.chunk[n].RunUs == run {
			n++ // as fast and dearer
		}
		n--
		w.chunk[n] = solve.Option{MemoryMB: s.MemoryMB, RunUs: run, CostPicoUSD: cost}
		if t.Cold() {
			w.chunk[n].InitUs = c.initUs
		}
	}
	options := w.chunk[n:len(w.chunk):len(w.chunk)]
	w.chunk = w.chunk[:n]
	return options
}
