package rivals

import (
	"partita/planner"
	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/report"
)

// Rates that months are compared at: these in every power of ten from slowest on, in millionths of requests per hour.
var rateSteps = []int64{10, 15, 20, 30, 50, 70}

const (
	slowestMicroRequestsPH = 100_000            // 2.4 a day
	fastestMicroRequestsPH = 10_000_000_000_000 // 2,778 a second
)

// rates lists them.
func rates() []int64 {
	var all []int64
	for decade := int64(slowestMicroRequestsPH); ; decade *= 10 {
		for _, step := range rateSteps {
			rate := decade * step / 10
			all = append(all, rate)
			if rate >= fastestMicroRequestsPH {
				return all
			}
		}
	}
}

// law gives what a request costs at a rate.
type law func(microRequestsPH int64) (picoUSD int64)

// mixed is the law of functions that a cold and a warm request cost so much: how many are cold follows from the rate.
func mixed(cold, warm report.Timeline, idleUs int64) law {
	return func(rate int64) int64 {
		a := cost.Arrivals{ColdPpm: cost.ColdPpm(rate, idleUs)}
		return a.Mix(cold.CostPicoUSD, warm.CostPicoUSD)
	}
}

// Months compares a month of a plan, at any rate, with a month of the whole model in one function, where that is possible, and of
// other hosts. The plan and the one function are priced by the share of requests that a rate lets find functions cold, whatever start the
// plan was made for.
func Months(p *planner.Problem, document *plan.Plan) (*report.Months, error) {
	if len(document.Stages) == 0 {
		return &report.Months{}, nil
	}
	m := &report.Months{MicroRequestsPH: rates()}
	var laws []func(rate int64) (monthMicroUSD int64)
	add := func(name, basis string, month func(rate int64) int64) {
		w := report.Way{Name: name, Basis: basis}
		for _, rate := range m.MicroRequestsPH {
			w.MonthMicroUSD = append(w.MonthMicroUSD, month(rate))
		}
		m.Ways, laws = append(m.Ways, w), append(laws, month)
	}
	perRequest := func(of law) func(int64) int64 {
		return func(rate int64) int64 { return monthMicroUSD(of(rate), rate) }
	}
	cold, warm := p.Timelines(document)
	idleUs := p.IdleUs()
	basis := "cold and warm requests mixed as the rate has them"
	add("this plan", basis, perRequest(mixed(cold, warm, idleUs)))
	for i := range document.Baselines {
		b := &document.Baselines[i]
		if alone, ok := p.Alone(b); ok && b.Name == planner.OneFunction {
			cold, warm := p.Timelines(alone)
			add(b.Name, basis, perRequest(mixed(cold, warm, idleUs)))
		}
	}
	for _, h := range platform.Hosts() {
		basis := hostBasis(&h)
		if h.Hourly {
			month := divideUp(h.PicoUSDPerHour, monthHours, 1_000_000)
			add(h.Label, basis, func(int64) int64 { return month })
			continue
		}
		_, picoUSD, err := metered(p.Graph(), &h, document.Sending())
		if err != nil {
			return nil, err
		}
		if picoUSD > 0 {
			add(h.Label, basis, perRequest(func(int64) int64 { return picoUSD }))
		}
	}
	for w := 1; w < len(laws); w++ {
		m.Crossings = append(m.Crossings, crossings(w, laws[0], laws[w], m.MicroRequestsPH)...)
	}
	return m, nil
}

// crossings finds every rate from which another way costs less than ours, or no longer: those that the listed rates lie around.
func crossings(way int, ours, theirs func(rate int64) int64, rates []int64) []report.Crossing {
	var all []report.Crossing
	cheaper := func(rate int64) bool { return theirs(rate) < ours(rate) }
	for i := 1; i < len(rates); i++ {
		low, high := rates[i-1], rates[i]
		before, after := cheaper(low), cheaper(high)
		if before == after {
			continue
		}
		for high-low > 1 {
			if middle := low + (high-low)/2; cheaper(middle) == after {
				high = middle
			} else {
				low = middle
			}
		}
		all = append(all, report.Crossing{Way: way, MicroRequestsPH: high, Cheaper: after})
	}
	return all
}
