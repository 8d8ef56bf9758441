package rivals

import (
	"testing"

	"partita/planner"
	"partita/planner/load"
	"partita/planner/plan"
)

// mustPlan plans a model with options set as in "name=value".
func mustPlan(t *testing.T, m *load.Model, query string) *plan.Plan {
	t.Helper()
	r, err := planner.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	p, err := planner.Make(m, r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
