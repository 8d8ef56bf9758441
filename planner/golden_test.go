package planner

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/platform"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What every platform and scenario answers for one small model, figure by figure. A change here is a change of the law or
// of the price book, and everyone's plans change with it. It must hold in the browser as well: run it with
// GOOS=js GOARCH=wasm.
func TestGoldenPlans(t *testing.T) {
	m := tiny(t)
	var b strings.Builder
	for _, name := range platform.Names() {
		for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
			for _, change := range [][]string{{"slo=none"}, {"objective=latency"}, {"min-stages=3", "max-stages=3", sold(t, name, 512, 1024, 2048)}} {
				p := mustProblem(t, m, append(change, "platform="+name, "scenario="+scenario)...)
				d := mustPlan(t, p)
				fmt.Fprintf(&b, "%s %s %s: %d us, %d pico-USD, frontier of %d\n", name, scenario, strings.Join(change, " "), d.LatencyUs, d.CostPicoUSD, len(d.Frontier))
				for _, s := range d.Stages {
					fmt.Fprintf(&b, "  %d: %d-%d at %d MB (needs %d), %d B in package, init %d, input %d by %s, compute %d, output %d, billed %d in %d, fees %d, cost %d\n", s.Index,
						s.FirstLayer, s.LastLayer, s.MemoryMB, s.MemoryNeededMB, s.PackageBytes, s.InitUs, s.InputUs, s.TransportIn, s.ComputeUs, s.OutputUs, s.BilledUs,
						s.Invocations, s.FeesPicoUSD, s.CostPicoUSD)
				}
				fmt.Fprintf(&b, "  gateway: start %d, billed %d, cost %d\n", d.Gateway.StartUs, d.Gateway.BilledUs, d.Gateway.CostPicoUSD)
			}
		}
	}
	path := filepath.Join("testdata", "plans.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range g {
			if i >= len(w) || g[i] != w[i] {
				t.Fatalf("line %d\n%s\nwas\n%s\nrun with -update and read the difference", i+1, g[i], at(w, i))
			}
		}
		t.Fatal("lines are missing at the end")
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}
