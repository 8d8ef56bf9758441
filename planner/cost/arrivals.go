package cost

import (
	"math/big"
	"math/bits"

	"partita/planner/solve"
)

// Arrivals mixes cold and warm requests: costs become expectations over both, while the scenario goes on to say which
// latency counts and whether the stages are woken.
type Arrivals struct {
	ColdPpm int64 // share of the requests that find every function cold, in millionths
}

// million is all of the requests.
const million = 1_000_000

// ColdPpm gives the share of requests, in millionths, that find the functions cold when requests arrive at a mean rate
// (in millionths per hour) and an environment is ended once it has been idle for idleUs.
//
// The arrivals are assumed to be a Poisson process, and one environment of each function to serve them all: a request is
// cold when none came within the idle timeout before it, and the gap between two arrivals of a Poisson process of rate r
// is longer than t with probability exp(-r t). Requests that overlap need a second environment, which this leaves out:
// with services much shorter than the gaps, where cold starts matter, they are rare. (Models that count environments:
// Mahmoudi and Khazaei, Performance Modeling of Serverless Computing Platforms, IEEE Transactions on Cloud Computing, 2020.)
//
// It is computed in whole numbers, by the series of exp, so that all architectures agree.
func ColdPpm(microRequestsPH, idleUs int64) int64 {
	one := new(big.Int).Mul(big.NewInt(3600*million), big.NewInt(million)) // a request per microsecond
	x := new(big.Int).Mul(big.NewInt(microRequestsPH), big.NewInt(idleUs))
	if x.Cmp(new(big.Int).Mul(one, big.NewInt(15))) >= 0 {
		return 0 // exp(-15) is a third of a millionth
	}
	scale := new(big.Int).Lsh(big.NewInt(1), 96)
	sum, term := new(big.Int).Set(scale), new(big.Int).Set(scale)
	for k := int64(1); term.Sign() > 0; k++ { // exp(x), all of whose terms are positive
		term.Mul(term, x)
		term.Quo(term, new(big.Int).Mul(one, big.NewInt(k)))
		sum.Add(sum, term)
	}
	scale.Mul(scale, big.NewInt(2*million))
	scale.Quo(scale, sum)
	return (scale.Int64() + 1) / 2
}

// Mix gives the expected cost of a cold and a warm one, rounded half up.
func (a *Arrivals) Mix(cold, warm int64) int64 {
	hi, lo := bits.Mul64(uint64(a.ColdPpm), uint64(cold))
	h, l := bits.Mul64(uint64(million-a.ColdPpm), uint64(warm))
	lo, carry := bits.Add64(lo, l, 0)
	hi += h + carry
	lo, carry = bits.Add64(lo, million/2, 0)
	q, _ := bits.Div64(hi+carry, lo, million)
	return int64(q)
}

// trackedPpm is the share of requests whose latency is the scenario's.
func (t *Table) trackedPpm() int64 {
	switch {
	case t.Arrivals == nil:
		return million
	case t.Cold():
		return t.Arrivals.ColdPpm
	}
	return million - t.Arrivals.ColdPpm
}

// otherGatewayPicoUSD is the gateway's expected price of driving a stage in the requests that are not the scenario's: those
// that are warm when it is cold, and those that start each function in its turn when it is warm. Such latencies are sums over
// the stages, so each option carries its part, and the first that of the gateway's own start. What rounds
// such a sum is not known before it is whole: in steps longer than a millisecond it is half a step in the mean, which the first
// option carries, and of the least that a platform bills nothing is counted.
func (t *Table) otherGatewayPicoUSD(initUs, runUs int64, first bool) int64 {
	if t.Arrivals == nil {
		return 0
	}
	us := t.Platform.DispatchUs + runUs
	if !t.Cold() {
		us += initUs
	}
	if first {
		us += t.StartUsWhen(!t.Cold()) + t.EndUs()
		if step, _ := t.gatewaySteps(); step > 0 {
			us += step / 2
		}
	}
	return scale(mul(us, t.drivingPicoUSDPerMs()), million-t.trackedPpm(), 1000*million)
}

// invocations are what a stage is billed for in one request.
type invocations struct {
	billedUs int64 // of all of them
	count    int64
}

// invoked tells what a stage is billed for when it starts cold or is warm already, in all passes of a request; lastUs is what the
// last pass runs. In the scenario cold-overlapped every environment of a stage after the first is woken by an invocation of its
// own, warm or not: nobody knows before.
func (t *Table) invoked(cold, first bool, initUs, runUs, lastUs int64) invocations {
	p, b := t.Platform, t.batching()
	var before int64
	if cold && p.InitBilled {
		before = initUs
	}
	n := b.Passes()
	var rest int64
	if b.rest() {
		rest = 1
	}
	if t.Scenario == solve.ColdOverlapped && !first {
		return invocations{b.Pipelines*p.BilledUs(before+p.WakeUs) + (n-rest)*p.BilledUs(runUs) + rest*p.BilledUs(lastUs), b.Pipelines + n}
	}
	coldFull, coldLast := b.firstPasses()
	return invocations{coldFull*p.BilledUs(before+runUs) + (n-rest-coldFull)*p.BilledUs(runUs) +
		coldLast*p.BilledUs(before+lastUs) + (rest-coldLast)*p.BilledUs(lastUs), n}
}
