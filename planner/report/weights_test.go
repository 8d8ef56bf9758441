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
	p := &plan.Plan{Status: plan.Optimal, Model: plan.Model{Splits: []plan.Split{{Layer: "fc1", Parts: 8}}}, Stages: []plan.Stage{{Index: 1}}}
	var b strings.Builder
	if err := WritePlan(&b, p); err != nil || !strings.Contains(b.String(), "fc1 fits no function: it is computed in 8 parts") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
