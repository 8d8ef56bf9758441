package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/plan"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

// invocation is what `partita invoke --json` prints.
type invocation struct {
	Outputs []wire.TensorSpec `json:"outputs"`
	Top     [][]wire.Class    `json:"top"`
	Trace   wire.Trace        `json:"trace"`
}

// inspection is the part of `partita inspect --json` that the tests use.
type inspection struct {
	Format     string
	Layers     int
	Parameters int64
	Cuts       int
}

// planFor makes a plan with a forced number of stages (0: the planner's own choice) and writes it to a file.
func planFor(t testing.TB, model string, stages int, args ...string) (file string, document *plan.Plan) {
	t.Helper()
	args = append([]string{"plan", model, "--platform", "local", "--json"}, args...)
	if stages > 0 {
		args = append(args, "--min-stages", strconv.Itoa(stages), "--max-stages", strconv.Itoa(stages))
	}
	text := mustPartita(t, args...)
	document, err := plan.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if stages > 0 && len(document.Stages) != stages {
		t.Fatalf("the plan has %d stages, %d were asked for", len(document.Stages), stages)
	}
	file = filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, document
}

// runCase plans, deploys, invokes, compares and destroys one case once, and gives the outputs.
func runCase(t *testing.T, p *product, c *testCase, j job, stages int) []*npy.Array {
	t.Helper()
	file, document := planFor(t, j.model, stages)
	name := fmt.Sprintf("case-%d", stages)
	mustPartita(t, "deploy", file, "--weights", j.weights, "--name", name, "--server", p.url, "--yes", "--json")
	out := t.TempDir()
	args := append([]string{"invoke", name}, c.inputs()...)
	reply := decode[invocation](t, mustPartita(t, append(args, "--output-dir", out, "--server", p.url, "--json")...))

	seen := map[int]bool{}
	for _, stage := range reply.Trace.Stages {
		seen[stage.Index] = true
		if stage.ComputeUs <= 0 || stage.BilledMs <= 0 || stage.CostPicoUSD <= 0 {
			t.Errorf("stage %d of the trace has no time or cost: %+v", stage.Index, stage)
		}
	}
	if len(seen) != len(document.Stages) {
		t.Errorf("the trace names %d stages, the plan has %d", len(seen), len(document.Stages))
	}
	var outputs []*npy.Array
	for k, want := range c.Outputs {
		got := readArray(t, filepath.Join(out, want.Name+".npy"))
		if text := disagreement(got, c.expected(t, k), c.Tolerance.Atol, c.Tolerance.Rtol); text != "" {
			t.Errorf("%s, %s in %d stages: output %s: %s", c.ID, j.name, stages, want.Name, text)
		}
		outputs = append(outputs, got)
	}
	mustPartita(t, "destroy", name, "--server", p.url, "--yes")
	return outputs
}

// checkCase runs a case with the plan's own number of stages and forced to 1, 2 and 4 (fewer where the model has fewer
// cuts), and makes sure that the split changes nothing.
func checkCase(t *testing.T, p *product, c *testCase, j job) {
	cuts := decode[inspection](t, mustPartita(t, "inspect", j.model, "--json")).Cuts
	whole := runCase(t, p, c, j, 1)
	done := map[int]bool{1: true}
	for _, stages := range []int{0, 2, 4} {
		stages = min(stages, cuts+1)
		if done[stages] {
			continue
		}
		done[stages] = true
		for k, got := range runCase(t, p, c, j, stages) {
			if text := disagreement(got, whole[k], 1e-7, 1e-5); text != "" {
				t.Errorf("%s in %d stages differs from the unsplit model: %s", c.ID, stages, text)
			}
		}
	}
	if left := strings.TrimSpace(mustPartita(t, "list", "--server", p.url, "--json")); strings.Contains(left, `"case-`) {
		t.Errorf("deployments are left: %s", left)
	}
}

// mainCase is the trained model that stands for all in every run of the tests.
const mainCase = "trained_mobilenet_v2"

// testedAlways are the cases that `make test` takes through the whole path; the others are left to TestModels.
var testedAlways = map[string]bool{
	mainCase: true, "k2_tiny_cnn": true, "k3_tiny_cnn": true, "k2_tiny_mlp": true, "k3_tiny_mlp": true, "k3_tiny_residual": true,
}

// TestMobileNetV2 is the product's whole path on a really trained model.
func TestMobileNetV2(t *testing.T) {
	c := readCase(t, mainCase)
	checkCase(t, serve(t, t.TempDir()), c, c.jobs(t)[0])
}

// TestTinyModels takes every file of the small cases through the whole path.
func TestTinyModels(t *testing.T) {
	p := serve(t, t.TempDir())
	for name := range testedAlways {
		if name == mainCase {
			continue
		}
		c := readCase(t, name)
		for _, j := range c.jobs(t) {
			t.Run(name+"/"+j.name, func(t *testing.T) { checkCase(t, p, c, j) })
		}
	}
}

// TestModels takes every case through the whole path; `make test-models` asks for it.
func TestModels(t *testing.T) {
	if os.Getenv("PARTITA_TEST_MODELS") == "" {
		t.Skip("the big models of the shared test data take half an hour, so they are not tested here: make test-models does")
	}
	p := serve(t, t.TempDir())
	folders, err := os.ReadDir(fixture.Shared(t, "models"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		name := folder.Name()
		if _, err := os.Stat(fixture.Shared(t, "models", name) + "/case.json"); err != nil || testedAlways[name] {
			continue
		}
		c := readCase(t, name)
		for _, j := range c.jobs(t) {
			t.Run(name+"/"+j.name, func(t *testing.T) { checkCase(t, p, c, j) })
		}
	}
}
