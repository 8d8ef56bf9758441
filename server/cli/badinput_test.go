package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/plan"
)

// What nobody can plan is answered with what would work: a usage error for a request that makes no sense, an infeasible plan with its
// remedies for one that cannot be met.
func TestPlanRefusals(t *testing.T) {
	model := filepath.Join("..", "..", "planner", "testdata", "residual.json")
	for _, c := range []struct {
		name string
		args []string
		exit int
		code string
		says []string
	}{
		{"an SLO of zero", []string{"--slo", "0s"}, 2, "planner.bad-option", []string{"slo", "500ms"}},
		{"a negative SLO", []string{"--slo", "-2s"}, 2, "planner.bad-option", []string{"negative", "500ms"}},
		{"an SLO without a unit", []string{"--slo", "2"}, 2, "planner.bad-option", []string{"no duration", "2s"}},
		{"an SLO under the physical minimum", []string{"--slo", "1ms", "--scenario", "warm"}, 3, "plan.infeasible",
			[]string{"the fastest plan takes", "try --slo", "any one of these would do", "loosen the SLO to"}},
		{"an SLO under the minimum of some sizes", []string{"--slo", "100ms", "--scenario", "warm", "--memory", "128"}, 3, "plan.infeasible",
			[]string{"consider functions of", "as well"}},
		{"a size that is not sold", []string{"--memory", "100"}, 2, "planner.memory-not-sold", []string{"128 to 10240 MB in steps of 1 MB", "nearest size is 128 MB"}},
		{"sizes between those of 2020", []string{"--memory", "512,1000", "--platform", "aws-lambda-2020"}, 2, "planner.memory-not-sold", []string{"1000 MB", "steps of 64 MB", "1024 MB"}},
		{"a size that Azure does not sell", []string{"--memory", "1024", "--platform", "azure-functions-flex"}, 2, "planner.memory-not-sold", []string{"512, 2048 and 4096 MB"}},
		{"a gateway that is not sold", []string{"--gateway-memory", "100"}, 2, "planner.memory-not-sold", []string{"gateway-memory", "128"}},
		{"more functions than cuts allow", []string{"--min-stages", "500", "--max-stages", "500"}, 3, "plan.infeasible", []string{"places to cut", "try --min-stages 1"}},
		{"fewer at most than at least", []string{"--min-stages", "3", "--max-stages", "2"}, 2, "planner.bad-stages", []string{"min-stages <= max-stages"}},
		{"a cut both wanted and forbidden", []string{"--cut", "12", "--no-cut", "10..14"}, 2, "planner.contradictory-pins", []string{"both wanted and forbidden"}},
		{"more cuts than functions", []string{"--cut", "3,12", "--max-stages", "2"}, 2, "planner.contradictory-pins", []string{"allow 3 with max-stages"}},
		{"a cut where none is possible", []string{"--cut", "1000"}, 2, "planner.unknown-layer", []string{"1 to 19"}},
		{"two sizes for one layer", []string{"--stage-memory", "1..9=512,9=1024"}, 2, "planner.contradictory-pins", []string{"at 512 MB and at 1024 MB"}},
		{"a pinned size that is not sold", []string{"--stage-memory", "1=700", "--platform", "azure-functions-flex"}, 2, "planner.memory-not-sold", []string{"512, 2048 and 4096 MB"}},
		{"a pinned size that is too small", []string{"--stage-memory", "1..19=128", "--batch", "64"}, 3, "plan.infeasible", []string{"choose the memory of layer 1..19=128 freely"}},
		{"a cap that nothing keeps", []string{"--layer-cap", "1"}, 3, "plan.infeasible", []string{"layers in a function"}},
		{"a rate without a unit", []string{"--rate", "5"}, 2, "planner.bad-rate", []string{"2.5/s"}},
		{"an idle timeout without a rate", []string{"--idle", "5m"}, 2, "planner.idle-without-rate", []string{"--rate 100/h"}},
		{"a list in two pieces", []string{"--stage-memory", "1..9=512", "--stage-memory", "9=1024"}, 2, "usage.bad-arguments", []string{"given twice", "with commas"}},
		{"an SLO and a budget out of reach", []string{"--slo", "1ms", "--budget", "0.0000001", "--scenario", "warm"}, 3, "plan.infeasible", []string{"There is a plan with slo", "and budget"}},
		{"a cap below what lies between two cuts", []string{"--layer-cap", "1", "--max-stages", "100"}, 3, "plan.infeasible", []string{"functions may have 1 layer at most", "try --layer-cap 2"}},
		{"a platform that is not known", []string{"--platform", "gcp"}, 2, "platform.unknown", []string{"gcp-cloud-run-functions"}},
		{"a budget below the cheapest", []string{"--budget", "0.000000001"}, 3, "plan.infeasible", []string{"spend up to", "try --budget"}},
	} {
		r := partita(t, "", append([]string{"plan", model}, c.args...)...)
		if r.code != c.exit || !strings.Contains(r.stderr, c.code) {
			t.Errorf("%s: exit %d, %s, want %d and %s\n%s", c.name, r.code, r.stderr, c.exit, c.code, r.stdout)
		}
		for _, part := range c.says {
			if !strings.Contains(r.stdout+r.stderr, part) {
				t.Errorf("%s: it does not say %q\n%s%s", c.name, part, r.stdout, r.stderr)
			}
		}
	}
	// More functions than there are cuts for, at most, is no mistake: all that are possible are considered.
	r := partita(t, "", "plan", model, "--max-stages", "1000", "--scenario", "warm", "--memory", "512,1024", "--json")
	if p, err := plan.Decode([]byte(r.stdout)); err != nil || r.code != 0 || p.Status != plan.Optimal {
		t.Errorf("at most 1000 functions: %v %s", err, r.stderr)
	}
}

// A plan for a platform that nothing is deployed to is shown, and refused by name where it would be deployed or described.
func TestPlanningOnlyPlatforms(t *testing.T) {
	model := filepath.Join("..", "..", "planner", "testdata", "residual.json")
	for _, name := range []string{"gcp-cloud-run-functions", "azure-functions-flex"} {
		r := partita(t, "", "plan", model, "--platform", name, "--json")
		if p, err := plan.Decode([]byte(r.stdout)); err != nil || p.Platform != name || len(p.Stages) == 0 {
			t.Fatalf("%v: %s", err, r.stderr)
		}
		if shown := partita(t, r.stdout, "show", "-"); shown.code != 0 || !strings.Contains(shown.stdout, name) {
			t.Errorf("show: %+v", shown)
		}
		for _, form := range []string{"sam", "terraform", "cloudformation", "asl", "iam"} {
			if e := partita(t, r.stdout, "export", "-", "--format", form); e.code != 2 || !strings.Contains(e.stderr, "export.not-aws") {
				t.Errorf("export as %s: %+v", form, e)
			}
		}
		for _, form := range []string{"json", "csv", "csv-frontier", "svg-frontier", "svg-graph"} {
			if e := partita(t, r.stdout, "export", "-", "--format", form); e.code != 0 || e.stdout == "" {
				t.Errorf("export as %s: %d %s", form, e.code, e.stderr)
			}
		}
	}
}

// A plan made for a rate is compared at it.
func TestCompareAtThePlansRate(t *testing.T) {
	file, p := savedPlan(t, "--rate", "6/h", "--max-stages", "2")
	for _, c := range []struct {
		args []string
		says string
	}{{nil, "at 6/h"}, {[]string{"--rate", "12/h"}, "at 12/h"}} {
		r := partita(t, "", append([]string{"compare", file}, c.args...)...)
		for _, part := range []string{c.says, "of the requests are cold at this rate", "a month", "SageMaker notebook", "never"} {
			if r.code != 0 || !strings.Contains(r.stdout, part) {
				t.Errorf("%v: it does not say %q: %s%s", c.args, part, r.stdout, r.stderr)
			}
		}
	}
	if p.Traffic == nil || p.Traffic.ColdPpm != 367_879 {
		t.Errorf("%+v", p.Traffic)
	}
}

// Rates, pins and reasons are seen at the command line.
func TestPlanAtARate(t *testing.T) {
	model := filepath.Join("..", "..", "planner", "testdata", "residual.json")
	r := partita(t, "", "plan", model, "--rate", "6/h", "--cut", "12", "--stage-memory", "13..19=1024", "--max-stages", "2", "--slo", "5s")
	for _, part := range []string{"at 6/h", "37 % of the requests are cold", "1,024 MB", "what holds it back", "do not cut after layer 12", "saves $"} {
		if r.code != 0 || !strings.Contains(r.stdout, part) {
			t.Errorf("it does not say %q: %s%s", part, r.stdout, r.stderr)
		}
	}
}
