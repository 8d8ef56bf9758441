package report_test

import (
	"testing"

	"partita/planner/report"
)

func TestFigures(t *testing.T) {
	for us, want := range map[int64]string{0: "0", 7: "7 µs", 1234: "1.23 ms", 12345: "12.3 ms", 123456: "123 ms", 1234567: "1.23 s", 999_499: "999 ms", 999_500: "1.00 s",
		9_996_000: "10.0 s", 11_460_000: "11.5 s", 754_000_000: "754 s", 9_123_000_000: "9,123 s"} {
		if got := report.Duration(us); got != want {
			t.Errorf("Duration(%d) = %s, want %s", us, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 25636712: "25,636,712", -1234: "-1,234"} {
		if got := report.Grouped(n); got != want {
			t.Errorf("Grouped(%d) = %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{5: "5 B", 1500: "1.50 kB", 98_000_000: "98.0 MB", 999_600: "1.00 MB", 2_500_000_000: "2.50 GB"} {
		if got := report.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
	for picoUSD, want := range map[int64]string{19_400_000: "$1.94", 0: "$0", 1_234_567: "$0.12", 123_456: "$0.0123", -12_345: "-$0.00123", 9_996_000: "$1.00",
		45_670_000_000: "$4,567.00", 1: "$0.000000100"} {
		if got := report.Dollars(picoUSD, 100_000); got != want {
			t.Errorf("Dollars(%d) = %s, want %s", picoUSD, got, want)
		}
	}
	for n, want := range map[int64]string{999_999: "999,999", 25_636_712: "25.6 million", 3_900_000_000: "3.90 billion"} {
		if got := report.Millions(n); got != want {
			t.Errorf("Millions(%d) = %s, want %s", n, got, want)
		}
	}
	for ppm, want := range map[int64]string{0: "0 %", 1: "0.0001 %", 45: "0.004 %", 12_345: "1.2 %", 367_879: "37 %", 1_000_000: "100 %"} {
		if got := report.Share(ppm); got != want {
			t.Errorf("Share(%d) = %s, want %s", ppm, got, want)
		}
	}
	if one, two := report.Count(1, "stage"), report.Count(1200, "stage"); one != "1 stage" || two != "1,200 stages" {
		t.Errorf("Count: %s, %s", one, two)
	}
	if got := report.Shape([]int64{-1, 224, 3}); got != "?x224x3" {
		t.Errorf("Shape: %s", got)
	}
	for n, want := range map[int64]string{200: "100 % dearer", 50: "50 % cheaper", 100: "the same cost"} {
		if got := report.Compared(n, 100); got != want {
			t.Errorf("Compared(%d): %s, want %s", n, got, want)
		}
	}
}

func TestVersus(t *testing.T) {
	const us = 140_000
	for _, c := range []struct {
		cost, latencyUs int64
		want            string
	}{
		{770, 1000_000 + us, "23 % cheaper and 140 ms slower than one function"},
		{1230, 1000_000 - us, "23 % dearer and 140 ms faster than one function"},
		{1000, 1000_000, "as cheap and as fast as one function"},
		{1000, 1000_000 + us, "as cheap as one function and 140 ms slower"},
		{770, 1000_000, "23 % cheaper than one function and as fast"},
		{999, 1000_000 + us, "hardly cheaper and 140 ms slower than one function"},
		{1001, 1000_000, "hardly dearer than one function and as fast"},
	} {
		if got := report.Versus(c.cost, c.latencyUs, 1000, 1000_000, "one function"); got != c.want {
			t.Errorf("%d and %d us: %q, want %q", c.cost, c.latencyUs, got, c.want)
		}
	}
}
