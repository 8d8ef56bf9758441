//go:build cgo

package endtoend

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"partita/internal/milp"
	"partita/internal/models"
	"partita/planner/cost"
	"partita/planner/platform"
	"partita/planner/solve"
)

// solverPatience is how long CBC is waited for; the ratio counts it as done then.
const solverPatience = 90 * time.Second

// benchSolver measures what CBC takes for one SLO of ResNet50's problem, with six sizes and all cuts, against what the planner takes
// for the same SLO, from the law to the plan: the mean of the tightest SLO, one in the middle and the loosest. Beside it stands
// the whole frontier, against CBC solving for each of its points. CBC must find nothing cheaper. Its time is that of its process,
// which reads the program; writing it is not counted.
func benchSolver(b *testing.B, t *targets) {
	const what = "one SLO by CBC against one by the planner, ResNet50, 6 sizes"
	cbc, err := milp.FindCBC()
	if err != nil {
		t.note(what, err.Error(), atLeast(1000, "x"))
		return
	}
	cbc.Preprocess = true // at its fastest
	m := models.Zoo(b, "ResNet50")
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
		in, err := table.Instance()
		if err != nil {
			b.Fatal(err)
		}
		outline := table.Outline()
		var r *solve.Result
		frontier := func() time.Duration {
			start := time.Now()
			_, r = outline.Solve(solve.Effort{})
			return time.Since(start)
		}
		one := func(want solve.Point) time.Duration {
			start := time.Now()
			_, best := outline.Best(solve.Aim{SLOUs: want.LatencyUs}, solve.Effort{})
			took := time.Since(start)
			if len(best.Frontier) != 1 || best.Frontier[0] != want {
				b.Errorf("%s within %d us: %v alone, %v in the frontier", scenario, want.LatencyUs, best.Frontier, want)
			}
			return took
		}
		whole := min(frontier(), frontier(), frontier())
		var took, ours [3]time.Duration
		for k, at := range []int{0, len(r.Frontier) / 2, len(r.Frontier) - 1} {
			took[k] = bySolver(b, cbc, in, r.Frontier[at])
			want := r.Frontier[at]
			ours[k] = min(one(want), one(want), one(want), one(want), one(want))
		}
		whole = min(whole, frontier(), frontier(), frontier())
		theirs, single := (took[0] + took[1] + took[2]).Seconds(), (ours[0] + ours[1] + ours[2]).Seconds()
		t.add(what+", "+string(scenario), atLeast(1000, "x"), theirs/single,
			fmt.Sprintf("CBC %s, %s and %s s, ours %s, %s and %s ms, %d options", number(took[0].Seconds()), number(took[1].Seconds()), number(took[2].Seconds()),
				number(milliseconds(ours[0])), number(milliseconds(ours[1])), number(milliseconds(ours[2])), options(in)))
		t.note("    all its points by CBC against the whole frontier", fmt.Sprintf("%s x: %d points in %s ms; one SLO by CBC against the whole frontier: %s x",
			number(theirs/3*float64(len(r.Frontier))/whole.Seconds()), len(r.Frontier), number(milliseconds(whole)), number(theirs/3/whole.Seconds())), nil)
	}
}

// options counts those of an instance.
func options(in *solve.Instance) (n int) {
	for k := range in.Segments {
		n += len(in.Segments[k].Options)
	}
	return n
}

// bySolver gives the time that CBC takes for the SLO that a point of the frontier just meets.
func bySolver(b *testing.B, cbc milp.CBC, in *solve.Instance, want solve.Point) time.Duration {
	b.Helper()
	bounded, cancel := context.WithTimeout(b.Context(), solverPatience)
	defer cancel()
	a, err := cbc.Solve(bounded, b.TempDir(), in, want.LatencyUs)
	switch {
	case errors.Is(bounded.Err(), context.DeadlineExceeded):
		return solverPatience
	case err != nil:
		b.Fatal(err)
	case a.Total.CostPicoUSD < want.CostPicoUSD:
		b.Errorf("%s within %d us: a plan of CBC costs %d, ours %d", in.Scenario, want.LatencyUs, a.Total.CostPicoUSD, want.CostPicoUSD)
	case a.Total.CostPicoUSD > want.CostPicoUSD: // its tolerances and preprocessing: see package milp, whose tests want equality
		b.Logf("%s within %d us: CBC calls a plan of %d optimal, ours costs %d", in.Scenario, want.LatencyUs, a.Total.CostPicoUSD, want.CostPicoUSD)
	}
	return a.Took
}
