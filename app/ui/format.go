package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// duration prints microseconds with three significant digits and a unit that people read at a glance.
func duration(us int64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%d µs", us)
	case us < 1_000_000:
		return significant(float64(us)/1000) + " ms"
	default:
		return significant(float64(us)/1_000_000) + " s"
	}
}

// bytes prints a size in the units of storage vendors (powers of 1000).
func bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return significant(float64(n)/1e3) + " KB"
	case n < 1_000_000_000:
		return significant(float64(n)/1e6) + " MB"
	default:
		return significant(float64(n)/1e9) + " GB"
	}
}

// perHundredThousand prints what 100,000 requests at a cost each come to.
func perHundredThousand(costPicoUSD int64) string { return dollars(float64(costPicoUSD) * 1e5 / 1e12) }

// dollars prints money with the digits that matter.
func dollars(usd float64) string {
	switch {
	case usd == 0:
		return "$0"
	case usd >= 1:
		return "$" + thousands(strconv.FormatFloat(usd, 'f', 2, 64))
	default:
		return "$" + strconv.FormatFloat(usd, 'f', 2-int(math.Floor(math.Log10(usd))), 64)
	}
}

// count prints a whole number with separators.
func count(n int64) string { return thousands(strconv.FormatInt(n, 10)) }

// millions prints a count of parameters or operations in words.
func millions(n int64) string {
	switch {
	case n < 1_000_000:
		return count(n)
	case n < 1_000_000_000:
		return significant(float64(n)/1e6) + " million"
	default:
		return significant(float64(n)/1e9) + " billion"
	}
}

// significant prints three significant digits without an exponent.
func significant(x float64) string {
	digits := 2
	for limit := 10.0; digits > 0 && x >= limit-0.005; limit *= 10 {
		digits--
	}
	return thousands(strconv.FormatFloat(x, 'f', digits, 64))
}

func thousands(number string) string {
	whole, fraction, _ := strings.Cut(number, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}
