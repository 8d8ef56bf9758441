package report_test

import (
	"testing"

	"partita/planner/report"
)

func TestFigures(t *testing.T) {
	for us, want := range map[int64]string{0: "0", 7: "7 µs", 1234: "1.23 ms", 12345: "12.3 ms", 123456: "123 ms", 1234567: "1.23 s"} {
		if got := report.Duration(us); got != want {
			t.Errorf("Duration(%d) = %s, want %s", us, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 25636712: "25,636,712", -1234: "-1,234"} {
		if got := report.Grouped(n); got != want {
			t.Errorf("Grouped(%d) = %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{5: "5 B", 1500: "1.5 kB", 98_000_000: "98.0 MB", 2_500_000_000: "2.50 GB"} {
		if got := report.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
	if got := report.Dollars(19_400_000, 100_000); got != "$1.94" {
		t.Errorf("Dollars: %s", got)
	}
	if got := report.Dollars(-1_000_000, 1); got != "-$0.0000" {
		t.Errorf("Dollars: %s", got)
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
