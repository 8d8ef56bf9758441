package report

import (
	"fmt"
	"strconv"
	"strings"
)

// Duration prints microseconds with three significant digits and a unit that people read at a glance.
func Duration(us int64) string {
	switch {
	case us == 0:
		return "0"
	case us < 0:
		return "-" + Duration(-us)
	case us < 1000:
		return fmt.Sprintf("%d µs", us)
	case us < 999_500:
		return Significant(float64(us)/1e3) + " ms"
	}
	return Significant(float64(us)/1e6) + " s"
}

// Dollars prints the price of a number of requests with the digits that matter.
func Dollars(picoUSD, requests int64) string {
	usd := float64(picoUSD) * float64(requests) / 1e12
	sign := ""
	if usd < 0 {
		sign, usd = "-", -usd
	}
	switch {
	case usd == 0:
		return "$0"
	case usd >= 0.0995: // whole cents
		return sign + "$" + thousands(strconv.FormatFloat(usd, 'f', 2, 64))
	}
	digits := 4 // three of them count
	for limit := 0.009995; usd < limit && digits < 12; limit /= 10 {
		digits++
	}
	return sign + "$" + strconv.FormatFloat(usd, 'f', digits, 64)
}

// Bytes prints a size in powers of 1000, as storage is sold.
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 999_500:
		return Significant(float64(n)/1e3) + " kB"
	case n < 999_500_000:
		return Significant(float64(n)/1e6) + " MB"
	}
	return Significant(float64(n)/1e9) + " GB"
}

// Millions prints a count of parameters or operations in words.
func Millions(n int64) string {
	switch {
	case n < 1_000_000:
		return Grouped(n)
	case n < 999_500_000:
		return Significant(float64(n)/1e6) + " million"
	}
	return Significant(float64(n)/1e9) + " billion"
}

// Significant prints a number of at least one with three significant digits, and all of a larger one's whole part; of a smaller one
// two decimals.
func Significant(x float64) string {
	digits := 2
	for limit := 9.995; digits > 0 && x >= limit; limit *= 10 {
		digits--
	}
	return thousands(strconv.FormatFloat(x, 'f', digits, 64))
}

// Count prints a number of things: 1 function, 2 functions.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Grouped(int64(n)) + " " + thing + "s"
}

// Memory prints a function's size.
func Memory(mb int64) string { return Grouped(mb) + " MB" }

// Grouped prints a number with thousands separated.
func Grouped(n int64) string { return thousands(strconv.FormatInt(n, 10)) }

// thousands separates the thousands of a decimal number.
func thousands(number string) string {
	whole, fraction, dotted := strings.Cut(number, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dotted {
		whole += "." + fraction
	}
	return whole
}

// Shape prints a shape as the source frameworks do; ? is the batch.
func Shape(shape []int64) string {
	if len(shape) == 0 {
		return "scalar"
	}
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.FormatInt(d, 10)
		if d < 0 {
			parts[i] = "?"
		}
	}
	return strings.Join(parts, "x")
}

// Compared says how much dearer or cheaper something is than ours.
func Compared(other, ours int64) string {
	if ours <= 0 {
		return ""
	}
	percent := 100 * (float64(other) - float64(ours)) / float64(ours)
	switch {
	case percent >= 0.5:
		return fmt.Sprintf("%.0f %% dearer", percent)
	case percent <= -0.5:
		return fmt.Sprintf("%.0f %% cheaper", -percent)
	}
	return sameCost
}

const sameCost = "the same cost"

// Versus says how a plan differs in cost and latency from another way, whose name ends the sentence where both differ: "23 % cheaper and 140
// ms slower than one function", "as cheap as one function and 140 ms slower".
func Versus(ourPicoUSD, ourUs, theirPicoUSD, theirUs int64, name string) string {
	cost, latency := "", ""
	switch {
	case ourPicoUSD == theirPicoUSD:
	case theirPicoUSD <= 0:
		cost = "dearer"
	default:
		if cost = Compared(ourPicoUSD, theirPicoUSD); cost == sameCost && ourPicoUSD > theirPicoUSD {
			cost = "hardly dearer"
		} else if cost == sameCost {
			cost = "hardly cheaper"
		}
	}
	switch us := ourUs - theirUs; {
	case us > 0:
		latency = Duration(us) + " slower"
	case us < 0:
		latency = Duration(-us) + " faster"
	}
	switch {
	case cost == "" && latency == "":
		return "as cheap and as fast as " + name
	case cost == "":
		return "as cheap as " + name + " and " + latency
	case latency == "":
		return cost + " than " + name + " and as fast"
	}
	return cost + " and " + latency + " than " + name
}

// Price prints what Requests requests cost that cost so much each.
func Price(picoUSD int64) string { return Dollars(picoUSD, Requests) }

// Part prints a part of a whole as a percentage.
func Part(part, whole int64) string {
	if whole <= 0 {
		return Share(0)
	}
	return Share(fraction(part, whole))
}

// Share prints millionths as a percentage with two figures.
func Share(ppm int64) string {
	percent := float64(ppm) / 1e4
	switch {
	case ppm == 0:
		return "0 %"
	case percent >= 9.95:
		return fmt.Sprintf("%.0f %%", percent)
	case percent >= 0.095:
		return fmt.Sprintf("%.1f %%", percent)
	}
	return strconv.FormatFloat(percent, 'g', 1, 64) + " %"
}

// Scenario says in words how the functions of a plan start.
func Scenario(scenario string) string {
	switch scenario {
	case "cold-overlapped":
		return "cold, all functions woken at once"
	case "cold-sequential":
		return "cold, each function in its turn"
	}
	return scenario
}
