package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/export"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/planner/rivals"
)

// savedPlan plans a small model and keeps the document.
func savedPlan(t *testing.T, args ...string) (file string, p *plan.Plan) {
	t.Helper()
	r := partita(t, "", append([]string{"plan", filepath.Join("..", "..", "planner", "testdata", "residual.json"), "--json", "--memory", "512,1024"}, args...)...)
	p, err := plan.Decode([]byte(r.stdout))
	if err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	file = filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, []byte(r.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, p
}

func TestShow(t *testing.T) {
	file, p := savedPlan(t, "--min-stages", "2")
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	link, err := p.EncodeLink()
	if err != nil {
		t.Fatal(err)
	}
	full := partita(t, "", "show", file)
	for _, part := range []string{report.Summary(p) + "\n", "stage", "gateway", "instead", p.Hash} {
		if !strings.Contains(full.stdout, part) {
			t.Errorf("show does not say %q: %+v", part, full)
		}
	}
	if r := partita(t, string(document), "show", "-"); r != full {
		t.Errorf("from standard input: %+v", r)
	}
	if r := partita(t, "https://example.org/#"+link+"\n", "show", "-"); r != full {
		t.Errorf("from a link: %+v", r)
	}
	if r := partita(t, "", "show", file, "--summary"); r.stdout != report.Summary(p)+"\n" {
		t.Errorf("summary: %+v", r)
	}
	if r := partita(t, "", "show", file, "--json"); r.stdout != string(document) {
		t.Errorf("json: %+v", r)
	}
	for stdin, code := range map[string]string{"": "plan.not-a-plan", "{}": "plan.not-a-plan", "x#1.AAAA": "plan.bad-link", strings.Replace(string(document), "512", "513", 1): "plan.hash-mismatch"} {
		if r := partita(t, stdin, "show", "-"); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, code) {
			t.Errorf("%.40q: %+v, want %s", stdin, r, code)
		}
	}
}

func TestDiff(t *testing.T) {
	before, a := savedPlan(t)
	after, b := savedPlan(t, "--min-stages", "2", "--platform", "aws-lambda-arm64")
	same := partita(t, "", "diff", before, before)
	if same.code != 0 || !strings.HasPrefix(same.stdout, "the same plan: "+a.Hash) {
		t.Errorf("%+v", same)
	}
	text := partita(t, "", "diff", before, after)
	for _, part := range []string{"from " + a.Hash, "to   " + b.Hash, "minStages  1 -> 2", "platform  aws-lambda-x86_64 -> aws-lambda-arm64", "stage 2 added", "cost/100k"} {
		if !strings.Contains(text.stdout, part) {
			t.Errorf("diff does not say %q:\n%s", part, text.stdout)
		}
	}
	document, err := os.ReadFile(after)
	if err != nil {
		t.Fatal(err)
	}
	var d report.Diff
	r := partita(t, string(document), "diff", before, "-", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil || d.Format != report.DiffFormat || d.Same || d.LatencyUs != b.LatencyUs-a.LatencyUs || d.CostPicoUSD != b.CostPicoUSD-a.CostPicoUSD {
		t.Errorf("%v: %+v", err, r)
	}
	if r := partita(t, "", "diff", "-", "-"); r.code != 2 {
		t.Errorf("%+v", r)
	}
	infeasible, _ := savedPlan(t, "--slo", "1ms")
	if r := partita(t, "", "diff", before, infeasible); r.code != 0 || !strings.Contains(r.stdout, "the second plan is infeasible") || !strings.Contains(r.stdout, "stage 1 removed") {
		t.Errorf("%+v", r)
	}
}

func TestExport(t *testing.T) {
	file, p := savedPlan(t, "--min-stages", "2")
	for _, f := range export.Formats() {
		want, err := export.Export(p, f.Name, export.Options{Name: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		if r := partita(t, "", "export", file, "--format", f.Name, "--name", "demo"); r.code != 0 || r.stdout != string(want) || r.stderr != "" {
			t.Errorf("%s: %d %s", f.Name, r.code, r.stderr)
		}
		out := filepath.Join(t.TempDir(), "out"+f.Extension)
		if r := partita(t, "", "export", file, "--format", f.Name, "--name", "demo", "--output", out); r != (result{}) {
			t.Errorf("%s: %+v", f.Name, r)
		}
		if got, err := os.ReadFile(out); err != nil || string(got) != string(want) {
			t.Errorf("%s: %v: %s", f.Name, err, got)
		}
	}
	if r := partita(t, "", "export", "--format", "schema"); r.code != 0 || r.stdout != string(plan.Schema()) {
		t.Errorf("schema: %+v", r)
	}
	infeasible, _ := savedPlan(t, "--slo", "1ms")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 2, "it needs PLAN"},
		{[]string{file, "--format", "pdf"}, 2, "export.unknown-format"},
		{[]string{file, "--format", "schema"}, 2, "leave"},
		{[]string{file, "--format", "sam", "--name", "No"}, 2, "export.bad-name"},
		{[]string{infeasible, "--format", "sam"}, 3, "export.infeasible-plan"},
		{[]string{file, "--output", filepath.Join(t.TempDir(), "absent", "x")}, 1, "file.absent"},
	} {
		if r := partita(t, "", append([]string{"export"}, c.args...)...); r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
}

func TestCompare(t *testing.T) {
	file, p := savedPlan(t)
	text := partita(t, "", "compare", file, "--rate", "2/s")
	for _, part := range []string{"7,200/h", rivals.Published, "SageMaker real-time", "one function", report.Dollars(p.CostPicoUSD, report.Requests), "cheaper from"} {
		if !strings.Contains(text.stdout, part) {
			t.Errorf("compare does not say %q: %+v", part, text)
		}
	}
	var c rivals.Comparison
	if r := partita(t, "", "compare", file, "--json"); json.Unmarshal([]byte(r.stdout), &c) != nil || c.Format != rivals.ComparisonFormat || c.Plan != p.Hash || c.MicroRequestsPH != 100_000_000 {
		t.Errorf("%+v", r)
	}
	if r := partita(t, "", "compare", file, "--rate", "often"); r.code != 2 || !strings.Contains(r.stderr, "planner.bad-rate") {
		t.Errorf("%+v", r)
	}
	infeasible, _ := savedPlan(t, "--slo", "1ms")
	if r := partita(t, "", "compare", infeasible); r.code != 3 {
		t.Errorf("%+v", r)
	}
}
