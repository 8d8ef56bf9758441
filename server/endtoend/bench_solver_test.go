//go:build cgo

package endtoend

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"partita/internal/milp"
	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/solve"
	"partita/planner/zoo"
)

// solverPatience is how long CBC is waited for; a ratio from there is a lower bound.
const solverPatience = 90 * time.Second

// benchSolver measures what CBC takes for one SLO of ResNet50's problem, with six sizes and all cuts, against what the
// planner takes for the whole frontier. They take turns, and must agree to the pico-dollar. CBC's time is that of its process,
// which reads the program; writing it is not counted.
func benchSolver(b *testing.B, t *targets) {
	const what = "one SLO by CBC against the whole frontier, ResNet50, 6 sizes"
	cbc, err := milp.FindCBC()
	if err != nil {
		t.note(what, err.Error(), atLeast(1000, "x"))
		return
	}
	m, err := zoo.Open("ResNet50")
	if err != nil {
		b.Fatal(err)
	}
	on, err := platform.Get("aws-lambda-x86_64")
	if err != nil {
		b.Fatal(err)
	}
	for _, scenario := range []solve.Scenario{solve.Warm, solve.ColdSequential, solve.ColdOverlapped} {
		table, err := cost.NewTable(m.Graph, on, cost.Settings{Scenario: scenario, MinStages: 1, MaxStages: 10, MemoryMB: []int64{512, 1024, 1536, 2048, 3008, 4096}, Batch: 1,
			GatewayMemoryMB: on.GatewayMemoryMB})
		if err != nil {
			b.Fatal(err)
		}
		problem := table.Problem()
		in, err := table.Instance()
		if err != nil {
			b.Fatal(err)
		}
		var r *solve.Result
		frontier := func() time.Duration {
			start := time.Now()
			r = problem.Solve(solve.Effort{})
			return time.Since(start)
		}
		ours := min(frontier(), frontier(), frontier())
		want := r.Frontier[len(r.Frontier)/2]
		bounded, cancel := context.WithTimeout(b.Context(), solverPatience)
		a, err := cbc.Solve(bounded, b.TempDir(), in, want.LatencyUs)
		late := errors.Is(bounded.Err(), context.DeadlineExceeded)
		cancel()
		theirs, said := solverPatience, "more than "+number(solverPatience.Seconds())
		switch {
		case late:
		case err != nil:
			b.Fatal(err)
		case a.Total.CostPicoUSD != want.CostPicoUSD:
			b.Errorf("%s: CBC's plan costs %d, ours %d", scenario, a.Total.CostPicoUSD, want.CostPicoUSD)
		default:
			theirs, said = a.Took, number(a.Took.Seconds())
		}
		ours = min(ours, frontier(), frontier(), frontier())
		t.add(what+", "+string(scenario), atLeast(1000, "x"), theirs.Seconds()/ours.Seconds(),
			fmt.Sprintf("CBC %s s, ours %s ms for %d points, %d options", said, number(milliseconds(ours)), len(r.Frontier), problem.Options()))
	}
}
