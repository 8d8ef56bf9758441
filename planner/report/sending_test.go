package report_test

import (
	"strings"
	"testing"

	"partita/planner/plan"
	"partita/planner/report"
)

func TestSending(t *testing.T) {
	for _, c := range []struct {
		inputs, batch, pipelines, passes int64
		want                             string
	}{
		{1, 1, 1, 1, "1 input"}, {10, 10, 1, 1, "10 inputs together"}, {10, 5, 1, 2, "10 inputs in 2 passes of 5 one after another"},
		{10, 4, 1, 3, "10 inputs in 3 passes of 4, the last of 2, one after another"},
		{10, 3, 2, 4, "10 inputs in 4 passes of 3, the last of 1, over 2 pipelines at the same time"},
		{4096, 1, 64, 4096, "4,096 inputs in 4096 passes of 1 over 64 pipelines at the same time"},
	} {
		b := &plan.Batching{Inputs: c.inputs, Batch: c.batch, Pipelines: c.pipelines, Passes: c.passes}
		if got := report.Sending(b); got != c.want {
			t.Errorf("%+v: %q, want %q", b, got, c.want)
		}
	}
	p := &plan.Plan{Status: plan.Optimal, Batching: &plan.Batching{Inputs: 10, Batch: 5, Pipelines: 2, Passes: 2}, Stages: []plan.Stage{{Index: 1, MemoryMB: 512}}, CostPicoUSD: 10_000_000}
	var text strings.Builder
	if err := report.WritePlan(&text, p); err != nil || !strings.Contains(text.String(), "10 inputs in 2 passes of 5 over 2 pipelines at the same time: $0.10 per 100,000 inputs") {
		t.Errorf("%v: %s", err, text.String())
	}
	if s := report.Summary(p); !strings.Contains(s, "1 function of 512 MB, 10 inputs in 2 passes of 5 over 2 pipelines") {
		t.Error(s)
	}
}

func TestDiffOfSending(t *testing.T) {
	one := &plan.Plan{}
	several := &plan.Plan{Batching: &plan.Batching{Inputs: 10, Batch: 5, Pipelines: 2, Passes: 2}}
	d, err := report.NewDiff(one, several)
	if err != nil || len(d.Batching) != 4 || d.Batching[0].Field != "batch" || d.Batching[0].Before != nil {
		t.Fatalf("%+v, %v", d, err)
	}
	if d, err = report.NewDiff(several, several); err != nil || len(d.Batching) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}
