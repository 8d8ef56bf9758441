package endtoend

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"partita/planner/plan"
	"partita/runtime/wire"
)

// traceOf invokes a deployment and gives the trace, having compared the answer with Keras's.
func traceOf(t *testing.T, p *product, c *testCase, name string) wire.Trace {
	t.Helper()
	out := t.TempDir()
	text := mustPartita(t, append(append([]string{"invoke", name}, c.inputs()...), "--output-dir", out, "--server", p.url, "--json")...)
	for k, want := range c.Outputs {
		if text := disagreement(readArray(t, filepath.Join(out, want.Name+".npy")), c.expected(t, k), c.Tolerance.Atol, c.Tolerance.Rtol); text != "" {
			t.Errorf("%s: output %s: %s", name, want.Name, text)
		}
	}
	var answer struct{ Trace wire.Trace }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Trace
}

// TestWorkflows plans, deploys, invokes and destroys a trained model behind a workflow, and looks at it with the AWS command line.
func TestWorkflows(t *testing.T) {
	c := readCase(t, mainCase)
	j := c.jobs(t)[0]
	data := t.TempDir()
	p := serve(t, data)
	for _, asked := range []struct {
		stages   int
		scenario string
	}{{1, "warm"}, {2, "cold-overlapped"}, {4, "warm"}} {
		file, document := planFor(t, j.model, asked.stages, "--orchestration", "step-functions", "--scenario", asked.scenario, "--batch", "3") // the case has three inputs, and an execution is one pass
		if document.Workflow == nil || document.Request.Orchestration != plan.StepFunctions {
			t.Fatalf("%+v", document.Request)
		}
		mustPartita(t, "deploy", file, "--weights", j.weights, "--name", "flow", "--server", p.url, "--yes", "--json")
		if text := mustPartita(t, append([]string{"invoke", "flow", "--server", p.url}, c.inputs()...)...); !strings.Contains(text, " in the workflow, ") || strings.Contains(text, "in the gateway") {
			t.Errorf("of a request that a workflow drives it is said %q", text)
		}
		for range 2 {
			trace := traceOf(t, p, c, "flow")
			if len(trace.Stages) != asked.stages || trace.Workflow == nil || trace.Workflow.BilledMs%100 != 0 || trace.Workflow.BilledMs*1000 < trace.LatencyUs {
				t.Errorf("%d stages: %+v", asked.stages, trace)
			}
			for i, s := range trace.Stages {
				if woken := asked.scenario == "cold-overlapped" && i > 0; (s.WakeUs > 0) != woken || s.ComputeUs <= 0 || s.CostPicoUSD <= 0 {
					t.Errorf("%d stages: %+v", asked.stages, s)
				}
			}
			t.Logf("%d stages, %s: planned %d us and %d pUSD, measured %d us and %d pUSD", asked.stages, asked.scenario, document.LatencyUs, document.CostPicoUSD, trace.LatencyUs, trace.CostPicoUSD)
		}
		arn := strings.TrimSpace(aws(t, p, "stepfunctions", "list-state-machines", "--query", "stateMachines[].stateMachineArn", "--output", "text"))
		if !strings.HasSuffix(arn, ":stateMachine:partita-flow-workflow") {
			t.Errorf("state machines: %s", arn)
		}
		definition := aws(t, p, "stepfunctions", "describe-state-machine", "--state-machine-arn", arn, "--query", "definition", "--output", "text")
		if exported := mustPartita(t, "export", file, "--format", "asl", "--name", "flow"); strings.TrimSpace(definition) != strings.TrimSpace(exported) {
			t.Error("the state machine is not the one that is exported")
		}
		if all := listed(t, p); !strings.Contains(all, `"partita-flow-workflow"`) {
			t.Errorf("listed: %s", all)
		}
		mustPartita(t, "destroy", "flow", "--server", p.url, "--yes")
		emptied(t, p, data, "flow")
	}
}

// emptied checks that nothing is left of a deployment.
func emptied(t *testing.T, p *product, data, name string) {
	t.Helper()
	for _, left := range []string{aws(t, p, "stepfunctions", "list-state-machines"), aws(t, p, "lambda", "list-functions"), aws(t, p, "s3", "ls", "--recursive", "s3://partita"), listed(t, p)} {
		if strings.Contains(left, name) {
			t.Errorf("left: %s", left)
		}
	}
	if left, err := os.ReadDir(filepath.Join(data, "cloud", "states")); err == nil && len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestKilledBehindWorkflow kills the server in the middle of a deploy behind a workflow, at the latest when the workflow has just been
// made, starts another over the same data and destroys.
func TestKilledBehindWorkflow(t *testing.T) {
	c := readCase(t, "k3_tiny_cnn")
	model := c.path(t, "model.h5", "")
	file, _ := planFor(t, model, 2, "--orchestration", "step-functions")
	for _, wait := range []time.Duration{500 * time.Millisecond, time.Minute} {
		data := t.TempDir()
		first := serve(t, data)
		deploy := exec.Command(executable(t), "deploy", file, "--weights", model, "--name", "cut-off", "--server", first.url, "--yes", "--json")
		if err := deploy.Start(); err != nil {
			t.Fatal(err)
		}
		made := false
		for began := time.Now(); !made && time.Since(began) < wait; time.Sleep(time.Millisecond) {
			machines, _ := filepath.Glob(filepath.Join(data, "cloud", "states", "*.json"))
			made = len(machines) > 0
		}
		first.kill()
		_ = deploy.Wait()
		if wait == time.Minute && !made {
			t.Error("no workflow was made")
		}
		second := serve(t, data)
		if strings.Contains(listed(t, second), `"cut-off"`) {
			mustPartita(t, "destroy", "cut-off", "--server", second.url, "--yes")
		}
		emptied(t, second, data, "cut-off")
		second.stop(t)
	}
}
