package report

import "strconv"

// Rate prints a rate of requests, given in millionths per hour, in the unit that suits it.
func Rate(microRequestsPH int64) string {
	perHour := float64(microRequestsPH) / 1e6
	switch {
	case perHour >= 36_000:
		return short(perHour/3600) + "/s"
	case perHour >= 1:
		return short(perHour) + "/h"
	}
	return short(perHour*24) + "/d"
}

// short prints three figures, and all of a larger number.
func short(v float64) string {
	if v >= 1000 {
		return Grouped(int64(v + 0.5))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// Month prints a cost per month, in millionths of a USD.
func Month(microUSD int64) string {
	if microUSD >= 1000_000_000 {
		return "$" + Grouped((microUSD+500_000)/1_000_000)
	}
	return Dollars(microUSD, 1_000_000)
}
