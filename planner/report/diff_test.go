package report_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"partita/planner/plan"
	"partita/planner/report"
)

func twoPlans() (before, after *plan.Plan) {
	before = &plan.Plan{Hash: "sha256:1", Model: plan.Model{Name: "m", Architecture: plan.Architecture{Format: "keras-json", Deflate: "a"}}, Platform: "local", Status: plan.Optimal,
		Request: plan.Request{SLOUs: 2_000_000, MemoryMB: []int64{512, 1024}}, LatencyUs: 1000, CostPicoUSD: 2_000_000,
		Stages: []plan.Stage{{Index: 1, FirstLayer: 1, LastLayer: 5, MemoryMB: 512}, {Index: 2, FirstLayer: 6, LastLayer: 9, MemoryMB: 512}}}
	later := *before
	later.Hash, later.LatencyUs, later.CostPicoUSD, later.Model.Architecture.Deflate = "sha256:2", 1500, 1_000_000, "b"
	later.Request.SLOUs = 0
	later.Stages = []plan.Stage{{Index: 1, FirstLayer: 1, LastLayer: 9, MemoryMB: 1024}}
	return before, &later
}

func TestDiff(t *testing.T) {
	before, after := twoPlans()
	d, err := report.NewDiff(before, after)
	if err != nil {
		t.Fatal(err)
	}
	if d.Same || d.LatencyUs != 500 || d.CostPicoUSD != -1_000_000 || len(d.Basis) != 0 || len(d.Gateway) != 0 {
		t.Errorf("%+v", d)
	}
	if len(d.Request) != 1 || d.Request[0].Field != "sloUs" || d.Request[0].After != nil {
		t.Errorf("request %+v", d.Request)
	}
	if len(d.Stages) != 2 || d.Stages[0].Kind != "changed" || len(d.Stages[0].Changes) != 2 || d.Stages[1].Kind != "removed" {
		t.Errorf("stages %+v", d.Stages)
	}
	var text bytes.Buffer
	if err := report.WriteDiff(&text, d); err != nil {
		t.Fatal(err)
	}
	want := `from sha256:1
to   sha256:2

            before    after
cost/100k    $0.20    $0.10  -50.0 %
  latency  1.00 ms  1.50 ms  +50.0 %
functions        2        1

request
  sloUs  2.00 s -> -

stage 1
  lastLayer  5 -> 9
  memoryMB   512 MB -> 1,024 MB

stage 2 removed
`
	if got := text.String(); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// The other way round every difference is the opposite.
	back, err := report.NewDiff(after, before)
	if err != nil {
		t.Fatal(err)
	}
	if back.LatencyUs != -d.LatencyUs || back.Stages[1].Kind != "added" || !reflect.DeepEqual(back.Request[0].Before, d.Request[0].After) {
		t.Errorf("%+v", back)
	}
	same, err := report.NewDiff(before, before)
	if err != nil || !same.Same || len(same.Stages)+len(same.Request)+len(same.Basis) != 0 {
		t.Errorf("%+v, %v", same, err)
	}
}

func TestSummary(t *testing.T) {
	before, after := twoPlans()
	after.Status, after.Stages, after.Reason = plan.Infeasible, nil, "too slow"
	for p, want := range map[*plan.Plan]string{
		before: "m on local: 2 functions of 512 + 512 MB, $0.20 per 100,000 requests, 1.00 ms per request ()",
		after:  "m on local: infeasible: too slow",
	} {
		if got := report.Summary(p); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	for micro, want := range map[int64]string{100_000_000: "100/h", 7_200_000_000: "7,200/h", 72_000_000_000: "20/s", 41_666: "1/d"} {
		if got := report.Rate(micro); got != want {
			t.Errorf("Rate(%d) = %s, want %s", micro, got, want)
		}
	}
}
