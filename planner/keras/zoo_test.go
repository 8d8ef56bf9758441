package keras_test

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/keras"
)

// TestZoo opens every architecture that real Keras 1.2.2, 2.2.4 and 3.5.0 wrote and compares layers, parameters, shapes
// and multiply-accumulates with the tables Keras gave.
func TestZoo(t *testing.T) {
	root := fixture.Shared(t, "zoo")
	for _, version := range []string{"keras1", "keras2", "keras3"} {
		tables, err := filepath.Glob(filepath.Join(root, version, "*.layers.csv.gz"))
		if err != nil || len(tables) == 0 {
			t.Fatalf("no tables in %s: %v", version, err)
		}
		totals := readTable(t, filepath.Join(root, version, "summary.csv"))
		for _, table := range tables {
			name := strings.TrimSuffix(filepath.Base(table), ".layers.csv.gz")
			t.Run(version+"/"+name, func(t *testing.T) {
				base := filepath.Join(root, version, name)
				m, err := keras.Parse(fixture.Read(t, base+".json.gz"))
				if err != nil {
					t.Fatal(err)
				}
				compareLayers(t, m, readTable(t, table))
				for _, row := range totals {
					if row["model"] == name {
						compareTotals(t, m, row)
					}
				}
			})
		}
	}
}

func compareLayers(t *testing.T, m *keras.Model, table []map[string]string) {
	t.Helper()
	g := m.Graph
	steps := map[string]int{}
	for i, l := range g.Layers {
		steps[l.Name] = i
	}
	if m.Graph.LayerCount != len(table) {
		t.Errorf("%d layers, want %d", m.Graph.LayerCount, len(table))
	}
	previous := -1
	for _, row := range table {
		i, ok := steps[row["name"]]
		if !ok {
			t.Errorf("layer %s is missing", row["name"])
			continue
		}
		l := &g.Layers[i]
		if i <= previous {
			t.Errorf("layer %s is out of order", l.Name)
		}
		previous = i
		if l.Class != row["class"] {
			t.Errorf("layer %s is a %s, want %s", l.Name, l.Class, row["class"])
		}
		if l.Output.String() != row["output_shape"] {
			t.Errorf("layer %s has output %s, want %s", l.Name, l.Output, row["output_shape"])
		}
		if want := number(t, row["params"]); l.Parameters != want {
			t.Errorf("layer %s has %d parameters, want %d", l.Name, l.Parameters, want)
		}
		var inputs []string
		for _, in := range l.Inputs {
			inputs = append(inputs, g.Layers[in].Name)
		}
		if got := strings.Join(inputs, ";"); got != row["inbound"] {
			t.Errorf("layer %s reads %s, want %s", l.Name, got, row["inbound"])
		}
		if macs, ok := row["macs"]; ok {
			if got := g.LayerWork(i).MACs; got != number(t, macs) {
				t.Errorf("layer %s has %d MACs, want %s", l.Name, got, macs)
			}
		}
	}
}

func compareTotals(t *testing.T, m *keras.Model, row map[string]string) {
	t.Helper()
	if got := m.Graph.LayerCount; int64(got) != number(t, row["layers"]) {
		t.Errorf("%d layers, want %s", got, row["layers"])
	}
	if m.Graph.Parameters != number(t, row["params"]) {
		t.Errorf("%d parameters, want %s", m.Graph.Parameters, row["params"])
	}
	if macs, ok := row["macs"]; ok && m.Graph.TotalWork().MACs != number(t, macs) {
		t.Errorf("%d MACs, want %s", m.Graph.TotalWork().MACs, macs)
	}
	stored := int64(0)
	for _, l := range m.Weights {
		for _, w := range l.Weights {
			stored += w.Shape.Elements(1)
		}
	}
	if stored != m.Graph.Parameters {
		t.Errorf("the weights have %d numbers, the layers %d parameters", stored, m.Graph.Parameters)
	}
}

func readTable(t testing.TB, path string) []map[string]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(fixture.Read(t, path))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var table []map[string]string
	for _, r := range rows[1:] {
		row := map[string]string{}
		for i, cell := range r {
			row[rows[0][i]] = cell
		}
		table = append(table, row)
	}
	return table
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
