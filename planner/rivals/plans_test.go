package rivals

import (
	"os"
	"path/filepath"
	"testing"

	"partita/planner"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/zoo"
)

// network opens a built-in architecture.
func network(t *testing.T, name string) *load.Model {
	t.Helper()
	m, err := zoo.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tiny opens a small model with residual connections.
func tiny(t *testing.T) *load.Model {
	t.Helper()
	config, err := os.ReadFile(filepath.Join("..", "testdata", "residual.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := load.FromArchitecture(load.Architecture{Format: "keras-json", Data: config})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

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
