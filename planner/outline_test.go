package planner

import (
	"fmt"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/planner/solve"
)

// Stages that bounds set aside before they are made must be in no plan of the frontier: of models with and without branches, and
// where the number of functions binds.
func TestOutlinesOfModels(t *testing.T) {
	for _, name := range []string{"MobileNet", "InceptionV3"} {
		m := mustModel(t, fixture.Shared(t, "zoo", "keras3", name+".json.gz"))
		for _, change := range [][]string{
			{}, {"scenario=warm"}, {"scenario=cold-sequential"}, {"max-stages=2"}, {"min-stages=3", "max-stages=4", "scenario=cold-sequential"},
			{"precision=float32,int8", "rate=20/h"}, {"memory=512,1024,1769,3008"}, {"batch=8", "transport=s3"},
		} {
			p := mustProblem(t, m, change...)
			whole := p.table.Problem()
			want := whole.Solve(solve.Effort{})
			problem, got := p.table.Outline().Solve(solve.Effort{})
			if got.Status != want.Status || !slices.Equal(got.Frontier, want.Frontier) {
				t.Errorf("%s, %v: %s, %d points by the outline, %s, %d by the problem", name, change, got.Status, len(got.Frontier), want.Status, len(want.Frontier))
				continue
			}
			describe := func(p *solve.Problem, r *solve.Result, i int) (all string) {
				for _, c := range r.Stages(i) {
					all += fmt.Sprintf("%+v at %d; ", p.Stages[c.Segment], c.Option)
				}
				return all
			}
			for i := range want.Frontier {
				if p.outline.Scenario == solve.ColdOverlapped {
					break // of plans that differ by a wait another may be met first
				}
				if a, b := describe(problem, got, i), describe(whole, want, i); a != b {
					t.Errorf("%s, %v: point %d is %s by the outline, %s by the problem", name, change, i, a, b)
					break
				}
			}
			if p.outline.MinStages == 1 && len(problem.Stages) > len(whole.Stages)/2 { // the bounds know no least number of functions
				t.Errorf("%s, %v: %d of %d stages are left", name, change, len(problem.Stages), len(whole.Stages))
			}
		}
	}
}
