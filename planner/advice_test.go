package planner

import (
	"math/rand/v2"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/load"
	"partita/planner/plan"
)

// What an infeasible plan advises makes it feasible, whatever else was asked.
func TestAdviceIsFollowed(t *testing.T) {
	type named struct {
		name string
		m    *load.Model
	}
	models := []named{{"tiny", tiny(t)}, {"VGG16", mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))}}
	rng := rand.New(rand.NewPCG(5, 11))
	pick := func(choices ...string) string { return choices[rng.IntN(len(choices))] }
	advised := 0
	for range 150 {
		m := models[rng.IntN(len(models))]
		var asked []string
		for _, option := range []string{
			pick("", "", "slo=1us", "slo=200ms", "slo=1500ms", "slo=4s"), pick("", "", "budget=0.0000001", "budget=0.00002", "budget=0.001"), pick("", "objective=latency"),
			pick("", "", "memory=128", "memory=512", "memory=256,1024", "memory=3008"), pick("", "", "max-stages=1", "max-stages=2", "max-stages=3"), pick("", "", "", "min-stages=4", "min-stages=300"),
			pick("", "packaging=zip"), pick("", "split-layers=off"), pick("", "transport=inline"), pick("", "", "batch=64", "batch=2000"),
			pick("", "", "layer-cap=1", "layer-cap=3", "layer-cap=even"), pick("", "scenario=warm", "scenario=cold-sequential"), pick("", "", "rate=1/h"),
			pick("platform=aws-lambda-x86_64", "platform=aws-lambda-2020", "platform=azure-functions-flex"),
			pick("", "", "stage-memory=1..4=512", "stage-memory=3=1024"), pick("", "", "cut=3", "no-cut=3"),
		} {
			if option != "" {
				asked = append(asked, option)
			}
		}
		p, err := New(m.m, request(t, asked...))
		if err != nil {
			continue // contradictory, or a size that is not sold
		}
		d := mustPlan(t, p)
		if d.Status != plan.Infeasible || d.Advice == nil {
			continue
		}
		advised++
		followed := append(asked, d.Advice.Option+"="+d.Advice.Value)
		p, err = New(m.m, request(t, followed...))
		if err != nil {
			t.Errorf("%s %s: %v", m.name, strings.Join(followed, " "), err)
			continue
		}
		if after := mustPlan(t, p); after.Status == plan.Infeasible {
			t.Errorf("%s %s\n  %s\n  advice %s %s: %s", m.name, strings.Join(asked, " "), d.Reason, d.Advice.Option, d.Advice.Value, after.Reason)
		}
	}
	if advised < 12 {
		t.Errorf("only %d requests were advised", advised)
	}
}
