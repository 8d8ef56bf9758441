package planner

import (
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/plan"
)

// One layer alone that fits no function is lowered alone: the plan says so when there is no other, and with the change that it names
// no function but that layer's has weights in less than float32. In a function of its own, no other layer has.
func TestOneLayerInLessPrecision(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))
	limits := []string{"packaging=zip", "split-layers=off", "scenario=cold-sequential", "max-stages=5"}
	d := explained(t, mustProblem(t, m, limits...))
	at := slices.IndexFunc(d.Reasons, func(r plan.Reason) bool { return r.Option == "stage-precision" })
	if d.Status != plan.Infeasible || at < 0 || d.Reasons[at].Value != "fc1=float16" || !strings.Contains(d.Reasons[at].Change, "all others exactly") {
		t.Fatalf("%s: %+v", d.Status, d.Reasons)
	}
	for _, c := range []struct {
		fixed string
		alone bool
	}{{d.Reasons[at].Value, false}, {"flatten=float32,fc1=float16", false}, {"flatten=float32,fc1=int8,fc2=float32", true}} {
		with := mustPlan(t, mustProblem(t, m, append(limits, "stage-precision="+c.fixed)...))
		lowered := 0
		for _, s := range with.Stages {
			if s.Precision == "" {
				continue
			}
			lowered++
			if fc1 := 21; s.FirstLayer > fc1 || s.LastLayer < fc1 || c.alone && s.FirstLayer != s.LastLayer {
				t.Errorf("%s: stage %d (%s) is in %s", c.fixed, s.Index, s.Layers, s.Precision)
			}
		}
		if with.Status != plan.Optimal || lowered != 1 || len(with.Stages) < 2 {
			t.Errorf("%s: %s, %d stages lowered of %d", c.fixed, with.Status, lowered, len(with.Stages))
		}
	}
}

// A plan for one of Lambda's processors says what the other would save, and that plan costs so.
func TestOtherProcessor(t *testing.T) {
	m := tiny(t)
	d := explained(t, mustProblem(t, m, "platform=aws-lambda-x86_64"))
	at := slices.IndexFunc(d.Reasons, func(r plan.Reason) bool { return r.Option == "platform" })
	if at < 0 || d.Reasons[at].Value != "aws-lambda-arm64" || d.Reasons[at].SavesPicoUSD <= 0 {
		t.Fatalf("%+v", d.Reasons)
	}
	if other := mustPlan(t, mustProblem(t, m, "platform=aws-lambda-arm64")); other.CostPicoUSD != d.Reasons[at].CostPicoUSD || other.LatencyUs != d.Reasons[at].LatencyUs {
		t.Errorf("on arm64 %d in %d us, said %+v", other.CostPicoUSD, other.LatencyUs, d.Reasons[at])
	}
}
