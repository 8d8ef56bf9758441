// Package rivals holds a plan against other ways to serve its model: the simpler plans it carries, AMPS-Inf as published, and hosts
// that are paid by the hour or metered. Each rival says what its figures rest on.
package rivals

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"partita/planner"
	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// ComparisonFormat is the version of the Comparison document.
const ComparisonFormat = "partita.comparison/1"

// Comparison holds a plan against other ways to serve its model. It is not part of the plan: these ways follow other laws
// than the plan's instance, and a rate of requests that the plan does not depend on.
type Comparison struct {
	Format          string  `json:"format"`
	Plan            string  `json:"plan"` // its hash
	Model           string  `json:"model"`
	LatencyUs       int64   `json:"latencyUs"`
	CostPicoUSD     int64   `json:"costPicoUSD"`          // of a request; at the rate, when the plan was made for one
	MonthMicroUSD   int64   `json:"monthMicroUSD"`        // of a month of 730 hours at the rate
	MicroRequestsPH int64   `json:"microRequestsPerHour"` // the rate, in millionths
	ColdPpm         *int64  `json:"coldPpm,omitempty"`    // share of cold requests at the rate, when the plan was made for one
	Rivals          []Rival `json:"rivals"`
}

// FiguresOnly is the status of figures of others, which follow from no published price.
const FiguresOnly plan.Status = "published"

// Rival is another way to serve.
type Rival struct {
	Name        string      `json:"name"`
	Basis       string      `json:"basis"`  // what its figures rest on
	Status      plan.Status `json:"status"` // plan.Feasible, plan.Infeasible, or FiguresOnly
	LatencyUs   int64       `json:"latencyUs,omitempty"`
	CostPicoUSD int64       `json:"costPicoUSD,omitempty"` // of a request, at the rate
	// MonthMicroUSD is the cost of a month of 730 hours at the rate, in millionths of a USD.
	MonthMicroUSD int64 `json:"monthMicroUSD,omitempty"`
	// BreakEvenMicroRequestsPH is the rate, in millionths of requests per hour, from which a host that is paid by the hour is
	// cheaper than the plan, as long as one instance can serve it. What is paid by the request has none: it is cheaper at every
	// rate or at none.
	BreakEvenMicroRequestsPH int64 `json:"breakEvenMicroRequestsPerHour,omitempty"`
}

// microRequest is one request, in the millionths that rates are counted in.
const microRequest = 1_000_000

// monthHours are the hours of a month as prices per month count them: a twelfth of 365 days.
const monthHours = 730

// Compare holds a plan against AMPS-Inf as published and against hosts that are paid by the hour or metered, at a rate in
// millionths of requests per hour.
func Compare(p *plan.Plan, microRequestsPH int64) (*Comparison, error) {
	if len(p.Stages) == 0 {
		return nil, diag.New(diag.Infeasible, "planner.nothing-to-compare", "comparing the plan", "it is infeasible: "+p.Reason, "change the request and plan again")
	}
	if microRequestsPH < 1 || microRequestsPH > planner.MaxMicroRequestsPH {
		return nil, diag.New(diag.Usage, "planner.bad-rate", "comparing the plan", "the rate is out of range", "give a rate above nothing and up to a million requests a second")
	}
	m, err := load.FromPlan(p)
	if err != nil {
		return nil, err
	}
	c := &Comparison{Format: ComparisonFormat, Plan: p.Hash, Model: p.Model.Name, LatencyUs: p.LatencyUs, CostPicoUSD: costAt(p, microRequestsPH), MicroRequestsPH: microRequestsPH}
	if p.Traffic != nil {
		share := cost.ColdPpm(microRequestsPH, p.Traffic.IdleUs)
		c.ColdPpm = &share
	}
	for _, b := range p.Baselines {
		c.Rivals = append(c.Rivals, Rival{Name: b.Name, Basis: "the same problem", Status: b.Status, LatencyUs: b.LatencyUs, CostPicoUSD: b.CostPicoUSD})
	}
	sent := p.Sending()
	published, err := PublishedPlan(m.Graph, p.Request.MaxStages, sent.Inputs)
	if err != nil {
		return nil, err
	}
	basis := PublishedBasis
	if sent.Inputs > 1 {
		basis += "; inputs in ten batches, one after another"
	}
	c.Rivals = append(c.Rivals, Rival{Name: published.Name, Basis: basis, Status: published.Status, LatencyUs: published.LatencyUs, CostPicoUSD: published.CostPicoUSD})
	for _, h := range platform.Hosts() {
		r := Rival{Name: h.Label, Basis: hostBasis(&h), Status: plan.Feasible}
		if h.Hourly {
			r.CostPicoUSD = divideUp(h.PicoUSDPerHour, microRequest, microRequestsPH)
			r.MonthMicroUSD = divideUp(h.PicoUSDPerHour, monthHours, 1_000_000) // whatever the rate
			r.BreakEvenMicroRequestsPH = breakEven(p, h.PicoUSDPerHour)
		} else {
			if r.LatencyUs, r.CostPicoUSD, err = metered(m.Graph, &h, sent); err != nil {
				return nil, err
			}
			if r.CostPicoUSD == 0 {
				r.Status = plan.Infeasible
			}
		}
		c.Rivals = append(c.Rivals, r)
	}
	if strings.Contains(strings.ToLower(p.Model.Name), "resnet50") {
		c.Rivals = append(c.Rivals, slides...)
	}
	c.MonthMicroUSD = monthMicroUSD(c.CostPicoUSD, microRequestsPH)
	for i := range c.Rivals {
		if r := &c.Rivals[i]; r.Status != plan.Infeasible && r.MonthMicroUSD == 0 {
			r.MonthMicroUSD = monthMicroUSD(r.CostPicoUSD, microRequestsPH)
		}
	}
	return c, nil
}

// hostBasis says what the figures of a host rest on.
func hostBasis(h *platform.Host) string {
	how := "warm, the processor's share as Lambda's (an assumption)"
	if h.Hourly {
		how = "one instance, always on, if it can serve the rate"
	}
	return fmt.Sprintf("%s; %s (%s)", how, h.Source, h.Confidence)
}

// monthMicroUSD gives the cost of a month of requests, rounded up to the millionth of a USD.
func monthMicroUSD(picoUSD, microRequestsPH int64) int64 {
	return divideUp(picoUSD*monthHours, microRequestsPH, microRequest*1_000_000)
}

// costAt is what a request costs a plan at a rate: only that of a plan made for a rate depends on it.
func costAt(p *plan.Plan, microRequestsPH int64) int64 {
	t := p.Traffic
	if t == nil || t.MicroRequestsPerHour == microRequestsPH {
		return p.CostPicoUSD
	}
	mixed := cost.Arrivals{ColdPpm: cost.ColdPpm(microRequestsPH, t.IdleUs)}
	return mixed.Mix(t.ColdCostPicoUSD, t.WarmCostPicoUSD)
}

// breakEven finds the rate, in millionths of requests per hour, from which the plan costs more in an hour than some price. A plan made
// for a rate costs less per request the higher the rate is, so its cost of an hour may fall where cold starts end: the rate found
// is the last from which it stays above.
func breakEven(p *plan.Plan, picoUSDPerHour int64) int64 {
	if p.Traffic == nil {
		return divideUp(picoUSDPerHour, microRequest, max(p.CostPicoUSD, 1))
	}
	// Above the rate at which warm requests alone cost so much it stays above; below, look from there down.
	high := divideUp(picoUSDPerHour, microRequest, max(p.Traffic.WarmCostPicoUSD, 1))
	below := func(rate int64) bool { return divideUp(costAt(p, rate), rate, microRequest) < picoUSDPerHour }
	low := high
	for low > 1 && !below(low) {
		high = low
		low -= max(low/64, 1)
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; below(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// slides are the figures of the AMPS-Inf slides (ICPP 2021) for one image and ResNet50. They do not follow from the
// published prices of the time, so nothing is fitted to them.
var slides = []Rival{
	{Name: "slides: lambdas of 512 MB", Basis: slidesBasis, Status: FiguresOnly, LatencyUs: 47_078_000, CostPicoUSD: 1_700_000_000},
	{Name: "slides: lambdas of 1,024 MB", Basis: slidesBasis, Status: FiguresOnly, LatencyUs: 21_799_000, CostPicoUSD: 1_100_000_000},
	{Name: "slides: notebook", Basis: slidesBasis, Status: FiguresOnly, LatencyUs: 33_346_000, CostPicoUSD: 14_000_000_000},
	{Name: "slides: notebook and hosting", Basis: slidesBasis, Status: FiguresOnly, LatencyUs: 484_509_000, CostPicoUSD: 56_000_000_000},
}

const slidesBasis = "as the AMPS-Inf slides print it; does not follow from the prices of the time"

// metered prices one warm request at the cheapest size of a metered host that holds the whole model, in as many invocations as the
// plan has passes, one after another; 0 when none does.
func metered(g *graph.Graph, h *platform.Host, sent plan.Batching) (latencyUs, picoUSD int64, err error) {
	p, err := platform.Get("aws-lambda-x86_64")
	if err != nil {
		return 0, 0, err
	}
	table, err := cost.NewTable(g, p, cost.Settings{Scenario: solve.Warm, MinStages: 1, MaxStages: 1, MemoryMB: []int64{p.MaxMemoryMB}, Batch: sent.Batch, Transport: cost.S3,
		GatewayMemoryMB: p.GatewayMemoryMB})
	if err != nil {
		return 0, 0, err
	}
	for m := h.MinMemoryMB; m <= h.MaxMemoryMB; m += h.MemoryStepMB {
		s := table.Stage(0, table.Cuts()+1, m)
		if s.MemoryNeededMB > m {
			continue
		}
		us := s.InputUs + s.ComputeUs + s.OutputUs
		compute := divideUp((us+999)/1000*m, h.PicoUSDPerGBs, 1024*1000)
		total := compute + divideUp(s.InputBytes+s.OutputBytes, h.PicoUSDPerGB, 1_000_000_000)
		if picoUSD == 0 || total < picoUSD {
			latencyUs, picoUSD = us, total
		}
	}
	return sent.Passes * latencyUs, sent.Passes * picoUSD, nil
}

// divideUp gives a x b / c rounded up, or the largest number when it passes that. None is negative and c is not zero.
func divideUp(a, b, c int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	low, carry := bits.Add64(low, uint64(c-1), 0)
	high += carry
	if high >= uint64(c) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(high, low, uint64(c))
	return int64(min(q, math.MaxInt64))
}
