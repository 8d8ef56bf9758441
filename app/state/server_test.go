package state

import (
	"encoding/json"
	"slices"
	"testing"

	"partita/planner/report"
)

// A trace is told as a timeline is: functions that were woken started when the first was called, others when they were.
func TestTimelineOfATrace(t *testing.T) {
	read := func(text string) *Trace {
		trace := &Trace{}
		if err := json.Unmarshal([]byte(text), trace); err != nil {
			t.Fatal(err)
		}
		return trace
	}
	woken := read(`{"latencyUs": 1000, "costPicoUSD": 7, "passes": 1, "stages": [
		{"index": 1, "cold": true, "calledUs": 500, "wakeUs": 350, "waitUs": 20, "initUs": 300, "queueUs": 10, "inputUs": 1, "computeUs": 200, "outputUs": 2},
		{"index": 0, "cold": true, "calledUs": 100, "initUs": 150, "queueUs": 5, "inputUs": 1, "computeUs": 100, "outputUs": 2}]}`).Timeline()
	if want := []report.Span{
		{WakeUs: 100, ReadyUs: 250, CallUs: 255, InputUs: 1, ComputeUs: 100, OutputUs: 2},
		{WakeUs: 100, ReadyUs: 450, CallUs: 510, InputUs: 1, ComputeUs: 200, OutputUs: 2},
	}; woken.LatencyUs != 1000 || woken.CostPicoUSD != 7 || woken.StartUs != 100 || woken.EndUs != 0 || !slices.Equal(woken.Spans, want) {
		t.Errorf("cold: %+v", woken)
	}
	warm := read(`{"latencyUs": 1000, "passes": 1, "workflow": {"billedMs": 100}, "stages": [{"index": 0, "calledUs": 100, "queueUs": 5, "computeUs": 800}]}`).Timeline()
	if warm.EndUs != 95 || warm.Spans[0] != (report.Span{WakeUs: 100, ReadyUs: 100, CallUs: 105, ComputeUs: 800}) {
		t.Errorf("warm, behind a workflow: %+v", warm)
	}
	for _, none := range []string{`{}`, `{"passes": 2, "stages": [{"index": 0}, {"index": 0, "pass": 1}]}`, `{"passes": 1, "stages": [{"index": 3}]}`, `{"passes": 1, "stages": [{"index": -1}]}`} {
		if line := read(none).Timeline(); line != nil {
			t.Errorf("%s is told as %+v", none, line)
		}
	}
}
