//go:build cgo

package endtoend

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"partita/internal/fixture"
)

// BenchmarkTargets measures the product against the targets of its design and prints them as one table. Everything is
// measured in one run: what is compared with something else takes turns with it, and each counts at its fastest, so
// that a busy machine disturbs a ratio little. `make bench` runs it; a part of it is -bench 'BenchmarkTargets/split'.
func BenchmarkTargets(b *testing.B) {
	load := loadAverage()
	table := &targets{}
	for _, part := range []struct {
		name    string
		measure func(*testing.B, *targets)
	}{
		{"optimiser", benchOptimiser},
		{"solver", benchSolver},
		{"open", benchOpen},
		{"split", benchSplit},
		{"compute", benchCompute},
		{"cold-start", benchColdStart},
		{"memory", benchMemory},
		{"prediction", benchPrediction},
		{"page-size", benchPageSize},
		{"page", benchPage},
		{"page-memory", benchPageMemory},
		{"second-build", benchSecondBuild},
	} {
		b.Run(part.name, func(b *testing.B) {
			before := len(table.rows)
			b.Cleanup(func() {
				if len(table.rows) == before {
					table.note(part.name, "not measured: see above", nil)
				}
			})
			part.measure(b, table)
		})
	}
	fmt.Printf("\n%s, %d processors, %s; load average %s at the start, %s at the end\n\n", runtime.GOARCH, runtime.NumCPU(), runtime.Version(), load, loadAverage())
	table.print(os.Stdout)
}

// loadAverage tells how busy the machine was in the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// target is what a measured value should be.
type target struct {
	text string
	unit string
	met  func(value float64) bool
}

func atMost(limit float64, unit string) *target {
	return &target{"<= " + number(limit) + " " + unit, unit, func(v float64) bool { return v <= limit }}
}

func atLeast(limit float64, unit string) *target {
	return &target{">= " + number(limit) + " " + unit, unit, func(v float64) bool { return v >= limit }}
}

// targets is the table.
type targets struct{ rows [][4]string }

// add puts a measured value beside its target.
func (t *targets) add(what string, want *target, value float64, more string) {
	verdict := "not met"
	if want.met(value) {
		verdict = "met"
	}
	measured := number(value) + " " + want.unit
	if more != "" {
		measured += " (" + more + ")"
	}
	t.rows = append(t.rows, [4]string{what, want.text, measured, verdict})
}

// note adds what has no target yet, or could not be measured.
func (t *targets) note(what, measured string, want *target) {
	text, verdict := "", ""
	if want != nil {
		text, verdict = want.text, "not met"
	}
	t.rows = append(t.rows, [4]string{what, text, measured, verdict})
}

func (t *targets) print(w io.Writer) {
	rows := append([][4]string{{"what", "target", "measured", ""}}, t.rows...)
	var width [4]int
	for _, row := range rows {
		for k, cell := range row {
			width[k] = max(width[k], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		line := ""
		for k, cell := range row {
			line += cell + strings.Repeat(" ", width[k]-utf8.RuneCountInString(cell)+2)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
		if i == 0 {
			fmt.Fprintln(w, strings.Repeat("-", len(strings.TrimRight(line, " "))+width[3]))
		}
	}
}

// number prints three digits that count.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// takeTurns runs several things one after the other, again and again for so long and at least so many times, and gives
// the fastest of each.
func takeTurns(b *testing.B, atLeast int, long time.Duration, runs ...func() time.Duration) []time.Duration {
	b.Helper()
	fastest := make([]time.Duration, len(runs))
	for i, start := 0, time.Now(); i < atLeast || time.Since(start) < long; i++ {
		for k, run := range runs {
			if took := run(); fastest[k] == 0 || took < fastest[k] {
				fastest[k] = took
			}
		}
	}
	return fastest
}

func timed(b *testing.B, f func() error) time.Duration {
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// wholeModel gives the file of a case that has architecture and weights.
func wholeModel(b *testing.B, name string) string {
	b.Helper()
	for _, j := range readCase(b, name).jobs(b) {
		if j.model == j.weights {
			return j.model
		}
	}
	b.Fatalf("%s has no whole model", name)
	return ""
}

func fileSize(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

// photo is an image as a user sends it.
func photo(b *testing.B) string { return fixture.Shared(b, "models", "images", "raccoon.png") }
