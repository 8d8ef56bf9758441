package export

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/plan"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func mustExport(t testing.TB, p *plan.Plan, format string, o Options) []byte {
	t.Helper()
	text, err := Export(p, format, o)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	return text
}

// TestGolden keeps every form but the plan document itself, whose form is the business of its own package. The plan's hash
// is left out: it changes with every field that plans gain.
func TestGolden(t *testing.T) {
	p := sample(t)
	for _, f := range Formats() {
		got := mustExport(t, p, f.Name, Options{})
		if again := mustExport(t, sample(t), f.Name, Options{}); !bytes.Equal(got, again) {
			t.Errorf("%s: the same plan gives different bytes", f.Name)
		}
		if got[len(got)-1] != '\n' {
			t.Errorf("%s: the last line has no end", f.Name)
		}
		if f.Name == "json" {
			if q, err := plan.Decode(got); err != nil || q.Hash != p.Hash {
				t.Errorf("json: %v", err)
			}
			continue
		}
		text := strings.ReplaceAll(string(got), p.Hash, "sha256:PLAN")
		path := filepath.Join("testdata", "golden", f.Name+f.Extension)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s differs; run with -update and read the difference. Now:\n%s", path, text)
		}
	}
}

func TestRefusals(t *testing.T) {
	changed := func(change func(p *plan.Plan)) *plan.Plan {
		p := sample(t)
		change(p)
		return p
	}
	infeasible := changed(func(p *plan.Plan) { p.Status, p.Reason, p.Stages, p.Frontier = plan.Infeasible, "too slow", nil, nil })
	for _, c := range []struct {
		p      *plan.Plan
		format string
		o      Options
		code   string
	}{
		{sample(t), "pdf", Options{}, "export.unknown-format"},
		{infeasible, "csv", Options{}, "export.infeasible-plan"},
		{infeasible, "svg-graph", Options{}, "export.infeasible-plan"},
		{infeasible, "svg-frontier", Options{}, "export.no-frontier"},
		{infeasible, "terraform", Options{}, "export.infeasible-plan"},
		{sample(t), "sam", Options{Name: "Bad"}, "export.bad-name"},
		{sample(t), "sam", Options{Name: strings.Repeat("a", 41)}, "export.bad-name"},
		{sample(t), "asl", Options{Bucket: "No Bucket"}, "export.bad-bucket"},
		{sample(t), "iam", Options{Region: "Mars"}, "export.bad-region"},
		{sample(t), "iam", Options{Account: "12"}, "export.bad-account"},
		{changed(func(p *plan.Plan) { p.Platform = "mainframe" }), "asl", Options{}, "platform.unknown"},
		{changed(func(p *plan.Plan) { p.Platform = "gcp-cloud-run-functions" }), "sam", Options{}, "export.not-aws"},
		{changed(func(p *plan.Plan) { p.Platform = "azure-functions-flex" }), "iam", Options{}, "export.not-aws"},
		{changed(func(p *plan.Plan) { p.Stages[1].Packaging = "disc" }), "asl", Options{}, "export.unsupported-packaging"},
		{changed(func(p *plan.Plan) { p.Stages[2].LastLayer = 18 }), "svg-graph", Options{}, "plan.invalid"},
	} {
		if _, err := Export(c.p, c.format, c.o); diag.CodeOf(err) != c.code {
			t.Errorf("%s %+v: %v, want %s", c.format, c.o, err, c.code)
		}
	}
	// An infeasible request that has a frontier can still show it.
	if _, err := Export(changed(func(p *plan.Plan) { p.Status, p.Reason, p.Stages = plan.Infeasible, "too slow", nil }), "svg-frontier", Options{}); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	for model, want := range map[string]string{"ResNet50": "resnet50", "my model v2.0": "my-model-v2-0", "9lives": "lives", "---": "model", "": "model", "Überall": "berall",
		strings.Repeat("ab-", 20): strings.Repeat("ab-", 13) + "a"} {
		if got := nameOf(model); got != want || !namePattern.MatchString(got) {
			t.Errorf("nameOf(%q) = %q, want %q", model, got, want)
		}
	}
}

// hostile is a plan whose texts try to break out of every form.
func hostile(t testing.TB) *plan.Plan {
	p := sample(t)
	p.Model.Name = "a\"b'\n# <c>&${d}%{e}\\ ]]>{% f %}\x01\u2028=1+1"
	p.Stages[0].Layers = "=cmd|' /C calc'!A0 \"${x}\"\n--><script>"
	p.Baselines[0].Name = "</text><script>"
	encode(t, p)
	return p
}

func TestDrawingsAreWellFormed(t *testing.T) {
	for _, p := range []*plan.Plan{sample(t), whole(t), hostile(t)} {
		for _, format := range []string{"svg-frontier", "svg-graph"} {
			text := mustExport(t, p, format, Options{})
			d := xml.NewDecoder(bytes.NewReader(text))
			counts := map[string]int{}
			for {
				token, err := d.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", format, err)
				}
				if start, ok := token.(xml.StartElement); ok {
					counts[start.Name.Local]++
				}
			}
			if counts["script"] > 0 || counts["svg"] != 1 {
				t.Errorf("%s: elements %v", format, counts)
			}
			if format == "svg-graph" {
				if want := 19 + 1; counts["title"] != want { // every layer and the drawing
					t.Errorf("%d titles, want %d", counts["title"], want)
				}
				if counts["pattern"] != len(p.Stages) {
					t.Errorf("%d patterns for %d stages", counts["pattern"], len(p.Stages))
				}
			}
		}
	}
	graph := string(mustExport(t, sample(t), "svg-graph", Options{}))
	for _, part := range []string{"602 kB", "401 kB", "2.05 kB", "4.00 kB", "stage 3: 512 MB", "block1_norm (BatchNormalization)"} {
		if !strings.Contains(graph, part) {
			t.Errorf("the graph does not say %q", part)
		}
	}
	frontier := string(mustExport(t, sample(t), "svg-frontier", Options{}))
	for _, part := range []string{"chosen: 1.40 s, $3.98", "SLO 1.50 s", "budget $6.00", "random", "3 plans"} {
		if !strings.Contains(frontier, part) {
			t.Errorf("the frontier does not say %q", part)
		}
	}
}

// Patterns of up to 24 stages differ in colour or hatch.
func TestPatternsDiffer(t *testing.T) {
	d := &drawing{}
	d.patterns(24)
	seen := map[string]bool{}
	for _, line := range strings.Split(d.b.String(), "\n") {
		if _, look, found := strings.Cut(line, "patternUnits"); found {
			if seen[look] {
				t.Errorf("twice: %s", look)
			}
			seen[look] = true
		}
	}
	if len(seen) != 24 {
		t.Errorf("%d patterns", len(seen))
	}
}

// A frontier of many thousand points still makes a small drawing, from the first point to the last.
func TestFrontierOfManyPoints(t *testing.T) {
	p := sample(t)
	p.Frontier = p.Frontier[:0]
	for i := range int64(50_000) {
		p.Frontier = append(p.Frontier, plan.Point{LatencyUs: 1_000_000 + i*20, CostPicoUSD: 100_000_000 - i*1500})
	}
	if text := mustExport(t, p, "svg-frontier", Options{}); len(text) > 40_000 {
		t.Errorf("%d bytes", len(text))
	}
}

func TestTables(t *testing.T) {
	read := func(format string, p *plan.Plan) []map[string]string {
		rows, err := csv.NewReader(bytes.NewReader(mustExport(t, p, format, Options{}))).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		var all []map[string]string
		for _, row := range rows[1:] {
			named := map[string]string{}
			for i, cell := range row {
				named[rows[0][i]] = cell
			}
			all = append(all, named)
		}
		return all
	}
	stages := read("csv", sample(t))
	if len(stages) != 5 || stages[1]["function"] != "stage-2" || stages[1]["computeUs"] != "90000" || stages[1]["costUSD"] != "0.0000164" || stages[4]["costPicoUSD"] != "39833338" {
		t.Errorf("%v", stages)
	}
	if cell := read("csv", hostile(t))[0]["layers"]; !strings.HasPrefix(cell, "'=") {
		t.Errorf("a spreadsheet takes %q for a formula", cell)
	}
	frontier := read("csv-frontier", sample(t))
	if len(frontier) != 5 || frontier[1]["plan"] != "chosen" || frontier[0]["lastLayers"] != "7 18 19" || frontier[0]["memoryMB"] != "2048 2048 512" || frontier[4]["plan"] != "random" {
		t.Errorf("%v", frontier)
	}
}
