package report

// Months compares what a month of 730 hours costs in several ways to serve, at each of a list of rates.
type Months struct {
	MicroRequestsPH []int64 // the rates, rising, in millionths of requests per hour
	Ways            []Way   // the plan first
	Crossings       []Crossing
}

// Way is one way to serve.
type Way struct {
	Name          string
	Basis         string  // what its figures rest on
	MonthMicroUSD []int64 // at each rate, in millionths of a USD
}

// Crossing is a rate from which another way costs less than the plan, or more.
type Crossing struct {
	Way             int // its place among the ways
	MicroRequestsPH int64
	Cheaper         bool // the way costs less from this rate on
}

// At gives what a month of a way costs at a rate: that of the listed rates it is among, and between two of them in proportion. ok is
// false outside the list.
func (m *Months) At(way int, microRequestsPH int64) (microUSD int64, ok bool) {
	for i, rate := range m.MicroRequestsPH {
		costs := m.Ways[way].MonthMicroUSD
		switch {
		case rate == microRequestsPH:
			return costs[i], true
		case rate > microRequestsPH && i > 0:
			before := m.MicroRequestsPH[i-1]
			part := float64(microRequestsPH-before) / float64(rate-before)
			return costs[i-1] + int64(part*float64(costs[i]-costs[i-1])), true
		case rate > microRequestsPH:
			return 0, false
		}
	}
	return 0, false
}
