package export

import (
	"encoding/csv"
	"strings"
	"testing"
)

// The tables say of each function where its weights are and how they are stored.
func TestTablesOfLevers(t *testing.T) {
	p := sample(t)
	p.Stages[1].Packaging, p.Stages[1].Precision = "s3", "int8"
	p.Frontier[1].Stages[1].Packaging, p.Frontier[1].Stages[1].Precision = "s3", "int8"
	encode(t, p)
	cells := func(form, column string) []string {
		rows, err := csv.NewReader(strings.NewReader(string(mustExport(t, p, form, Options{})))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range rows[0] {
			if name == column {
				var cells []string
				for _, row := range rows[1:] {
					cells = append(cells, row[i])
				}
				return cells
			}
		}
		t.Fatalf("%s has no column %s", form, column)
		return nil
	}
	for _, c := range []struct{ form, column, want string }{
		{"csv", "packaging", "zip|s3|zip||"},
		{"csv", "precision", "float32|int8|float32||"},
		{"csv-frontier", "packagings", "zip zip zip|zip s3 zip|zip|zip|zip zip"},
		{"csv-frontier", "precisions", "float32 float32 float32|float32 int8 float32|float32|float32|float32 float32"},
	} {
		if got := strings.Join(cells(c.form, c.column), "|"); got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.form, c.column, got, c.want)
		}
	}
}
