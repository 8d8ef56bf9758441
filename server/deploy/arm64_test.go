package deploy

import (
	"path/filepath"
	"testing"

	"partita/internal/fixture"
	"partita/planner/plan"
	"partita/server/split"
)

// TestArm64 deploys a plan for arm64 with the runtime that was built for it, and compares what the functions compute.
func TestArm64(t *testing.T) {
	folder := fixture.Arm64(t)
	m := openCase(t, "k3_tiny_cnn")
	c := startCloud(t)
	d := realDeployer(t, c, c)
	d.options.Foreign = map[string]split.Native{"arm64": {Bootstrap: filepath.Join(folder, "bootstrap"), Library: filepath.Join(folder, "libonnxruntime.so")}}
	feed, err := start(d, "graviton", m.planFor(t, "aws-lambda-arm64", 2, func(*plan.Plan) {}), string(m.weights))
	if err == nil {
		err = outcome(t, feed)
	}
	if err != nil {
		t.Fatal(err)
	}
	one, err := d.Get(t.Context(), "graviton")
	if err != nil || one.Architecture != "arm64" || len(one.Stages) != 2 {
		t.Fatalf("%+v, %v", one, err)
	}
	for _, function := range []string{one.Stages[0].Function, one.Stages[1].Function, one.Gateway} {
		if f, err := c.Function(t.Context(), function); err != nil || f.Architecture != "arm64" {
			t.Errorf("%s: %+v, %v", function, f, err)
		}
	}
	if away := m.distance(t, d, "graviton"); away > 1e-5 {
		t.Errorf("the answers are %g away", away)
	}
	if _, err := d.Destroy(t.Context(), "graviton"); err != nil {
		t.Fatal(err)
	}
	if left := everything(t, c); len(left) != 0 {
		t.Errorf("left after destroy: %v", left)
	}
}
