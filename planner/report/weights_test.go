package report

import (
	"strings"
	"testing"

	"partita/planner/plan"
)

func TestWeights(t *testing.T) {
	for _, c := range []struct {
		s    plan.Stage
		want string
	}{
		{plan.Stage{WeightBytes: 1050_000, Packaging: "zip"}, "1.05 MB"},
		{plan.Stage{WeightBytes: 1050_000, Packaging: "s3"}, "1.05 MB in S3"},
		{plan.Stage{WeightBytes: 1050_000, Packaging: "zip", Precision: "int8"}, "1.05 MB int8"},
		{plan.Stage{WeightBytes: 1050_000, Packaging: "s3", Precision: "float16"}, "1.05 MB float16 in S3"},
	} {
		if got := Weights(&c.s); got != c.want {
			t.Errorf("%+v: %q, want %q", c.s, got, c.want)
		}
	}
	for want, l := range map[string]plan.Lever{
		"fc1 in 8 parts: there is no plan without":     {Use: "fc1 in 8 parts", Needed: true},
		"a function: saves $0.20 per 100,000 requests": {Use: "a function", SavesPicoUSD: 2_000_000},
		"a function: saves 30.0 ms per request":        {Use: "a function", SavesUs: 30_000},
		"a function of two: saves next to nothing":     {Use: "a function of two"},
	} {
		if got := Lever(&l); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	p := &plan.Plan{Status: plan.Optimal, Model: plan.Model{Splits: []plan.Split{{Layer: "fc1", Parts: 8}}}, Stages: []plan.Stage{{Index: 1}}}
	var b strings.Builder
	if err := WritePlan(&b, p); err != nil || !strings.Contains(b.String(), "fc1 fits no function: it is computed in 8 parts") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
