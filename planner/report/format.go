package report

import (
	"fmt"
	"strconv"
	"strings"
)

// Duration prints microseconds with three figures.
func Duration(us int64) string {
	switch {
	case us == 0:
		return "0"
	case us < 0:
		return "-" + Duration(-us)
	case us < 1000:
		return fmt.Sprintf("%d µs", us)
	case us < 10_000:
		return fmt.Sprintf("%.2f ms", float64(us)/1e3)
	case us < 100_000:
		return fmt.Sprintf("%.1f ms", float64(us)/1e3)
	case us < 1_000_000:
		return fmt.Sprintf("%.0f ms", float64(us)/1e3)
	}
	return fmt.Sprintf("%.2f s", float64(us)/1e6)
}

// Dollars prints the price of a number of requests.
func Dollars(picoUSD, requests int64) string {
	usd := float64(picoUSD) * float64(requests) / 1e12
	sign := ""
	if usd < 0 {
		sign, usd = "-", -usd
	}
	if usd != 0 && usd < 0.1 {
		return fmt.Sprintf("%s$%.4f", sign, usd)
	}
	return fmt.Sprintf("%s$%.2f", sign, usd)
}

// Bytes prints a size in powers of 1000.
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

// Memory prints a function's size.
func Memory(mb int64) string { return Grouped(mb) + " MB" }

// Grouped prints a number with thousands separated.
func Grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
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
	return "the same cost"
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
