package deploy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/runtime/npy"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// planOf plans a model of the shared test data.
func planOf(t testing.TB, model string, options ...string) (document, weights []byte, p *plan.Plan) {
	t.Helper()
	weights, err := os.ReadFile(fixture.Shared(t, "models", model, "model.h5"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := load.Open(load.File{Name: "model.h5", Size: int64(len(weights)), Reader: bytes.NewReader(weights)})
	if err != nil {
		t.Fatal(err)
	}
	r := planner.DefaultRequest()
	for _, o := range append([]string{"platform=local"}, options...) {
		name, value, _ := strings.Cut(o, "=")
		option, ok := planner.OptionNamed(name)
		if !ok {
			t.Fatalf("no option %s", name)
		}
		if err := option.Parse(&r, value); err != nil {
			t.Fatal(err)
		}
	}
	if p, err = planner.Make(m, r); err != nil || len(p.Stages) == 0 {
		t.Fatal(err, p.Reason)
	}
	if document, err = p.Encode(); err != nil {
		t.Fatal(err)
	}
	return document, weights, p
}

// workflows lists the state machines of a local cloud.
func workflows(t testing.TB, address string) []string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "AWSStepFunctions.ListStateMachines")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b, Signature=c")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		StateMachines []struct{ Name string }
	}
	if err := json.Unmarshal(text, &found); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v: %s", err, text)
	}
	all := []string{}
	for _, m := range found.StateMachines {
		all = append(all, m.Name)
	}
	return all
}

func sample(t testing.TB, model string) (input []byte, want []float64) {
	t.Helper()
	folder := fixture.Shared(t, "models", model)
	input, err := os.ReadFile(filepath.Join(folder, "input_0.npy"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "expected_0.npy"))
	if err != nil {
		t.Fatal(err)
	}
	expected, err := npy.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return input, expected.Float64s()
}

func closeTo(t *testing.T, reply *wire.GatewayReply, want []float64) {
	t.Helper()
	got := (&npy.Array{DType: reply.Outputs[0].DType, Shape: reply.Outputs[0].Shape, Data: reply.Outputs[0].Data}).Float64s()
	if len(got) != len(want) {
		t.Fatalf("%d numbers, want %d", len(got), len(want))
	}
	for i := range want {
		if d := got[i] - want[i]; !(d < 1e-4 && d > -1e-4) {
			t.Fatalf("number %d is %g, want %g", i, got[i], want[i])
		}
	}
}

// TestWorkflowDeployment deploys a real model behind a workflow, in several numbers of stages, and compares what it computes, what it
// tells and what it leaves.
func TestWorkflowDeployment(t *testing.T) {
	const model = "k3_tiny_cnn"
	input, want := sample(t, model)
	for _, c := range []struct {
		stages, scenario, transport string
	}{{"1", "warm", "auto"}, {"2", "cold-overlapped", "auto"}, {"4", "warm", "s3"}, {"4", "cold-overlapped", "auto"}} {
		t.Run(c.stages+" "+c.scenario+" "+c.transport, func(t *testing.T) {
			local, address := startCloudAt(t)
			d := realDeployer(t, local, local)
			document, weights, p := planOf(t, model, "orchestration=step-functions", "batch=2", "min-stages="+c.stages, "max-stages="+c.stages, "scenario="+c.scenario, "transport="+c.transport)
			feed, err := start(d, "flow", document, string(weights))
			if err == nil {
				err = outcome(t, feed)
			}
			if err != nil {
				t.Fatal(err)
			}
			if all := workflows(t, address); len(all) != 1 || all[0] != "partita-flow-workflow" {
				t.Errorf("workflows: %v", all)
			}
			for range 2 {
				reply, err := d.Invoke(t.Context(), "flow", Invocation{Inputs: []InvocationInput{{Data: input}}, Top: 3})
				if err != nil {
					t.Fatal(err)
				}
				closeTo(t, reply, want)
				checkTrace(t, p, reply)
				for _, s := range reply.Trace.Stages {
					t.Logf("stage %d: queued %d us, waited %d us", s.Index+1, s.QueueUs, s.WaitUs)
				}
				if len(reply.Top) == 0 || len(reply.Top[0]) != 3 {
					t.Errorf("top: %v", reply.Top)
				}
			}
			emptied(t, local, "runs/")
			report, err := d.Destroy(t.Context(), "flow")
			if err != nil || report.Workflow != "partita-flow-workflow" {
				t.Fatalf("%+v, %v", report, err)
			}
			if left := append(everything(t, local), workflows(t, address)...); len(left) != 0 {
				t.Errorf("left after destroy: %v", left)
			}
		})
	}
}

// TestEitherDeployed deploys plans that leave open what drives: one that a workflow serves better, and one that the gateway does.
func TestEitherDeployed(t *testing.T) {
	const model = "k3_tiny_cnn"
	input, want := sample(t, model)
	local, address := startCloudAt(t)
	d := realDeployer(t, local, local)
	for option, driven := range map[string]int{"objective=cost": 1, "objective=latency": 0} {
		document, weights, p := planOf(t, model, "orchestration=auto", "batch=2", "min-stages=2", "max-stages=2", "scenario=cold-sequential", "gateway-memory=3008", option)
		if (p.Workflow != nil) != (driven > 0) {
			t.Fatalf("%s: %+v", option, p.Workflow)
		}
		feed, err := start(d, "either", document, string(weights))
		if err == nil {
			err = outcome(t, feed)
		}
		if err != nil {
			t.Fatal(err)
		}
		if all := workflows(t, address); len(all) != driven {
			t.Errorf("%s: workflows %v", option, all)
		}
		reply, err := d.Invoke(t.Context(), "either", Invocation{Inputs: []InvocationInput{{Data: input}}})
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, reply, want)
		if (reply.Trace.Workflow != nil) != (driven > 0) {
			t.Errorf("%s: %+v", option, reply.Trace.Workflow)
		}
		emptied(t, local, "runs/")
		if _, err := d.Destroy(t.Context(), "either"); err != nil {
			t.Fatal(err)
		}
		if left := append(everything(t, local), workflows(t, address)...); len(left) != 0 {
			t.Errorf("left after destroy: %v", left)
		}
	}
}

// emptied waits until nothing is under a prefix: what requests have written is removed when they have been answered.
func emptied(t testing.TB, c *cloud.Cloud, prefix string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		all, err := c.List(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left under %s: %v", prefix, all)
			return
		}
	}
}

// checkTrace holds a trace against the plan: every stage is there with its times, the bill is that of its parts.
func checkTrace(t *testing.T, p *plan.Plan, reply *wire.GatewayReply) {
	t.Helper()
	trace := reply.Trace
	if len(trace.Stages) != len(p.Stages) || trace.Passes != 1 || trace.LatencyUs <= 0 || trace.GatewayBilledMs < 2 || trace.Workflow == nil {
		t.Fatalf("%+v", trace)
	}
	w := trace.Workflow
	if w.BilledMs%100 != 0 || w.BilledMs*1000 < trace.LatencyUs || w.BilledMs*1000 > trace.LatencyUs+101_000 || w.CostPicoUSD != 1_000_000+w.BilledMs*1042 {
		t.Errorf("%+v for %d us", w, trace.LatencyUs)
	}
	gateway := trace.CostPicoUSD - w.CostPicoUSD
	woken := p.Request.Scenario == "cold-overlapped"
	for i, s := range trace.Stages {
		gateway -= s.CostPicoUSD
		if s.Index != i || s.ComputeUs <= 0 || s.BilledMs < 1 || s.CostPicoUSD <= 0 || s.Attempts != 1 || !strings.HasSuffix(s.Function, "-stage-"+string(rune('1'+i))) || s.MemoryMB != p.Stages[i].MemoryMB {
			t.Errorf("stage %d: %+v", i+1, s)
		}
		if (s.WakeUs > 0) != (woken && i > 0) {
			t.Errorf("stage %d: %+v: woken %v", i+1, s, woken)
		}
		if s.CalledUs < 0 || i > 0 && s.CalledUs < trace.Stages[i-1].CalledUs {
			t.Errorf("stage %d is called after %d us", i+1, s.CalledUs)
		}
	}
	if gateway < p.Gateway.FeesPicoUSD+trace.GatewayBilledMs {
		t.Errorf("the parts leave %d for the gateway", gateway)
	}
}

// What fails in a workflow is told as by a gateway, and leaves nothing.
func TestWorkflowFailures(t *testing.T) {
	const model = "k3_tiny_cnn"
	input, _ := sample(t, model)
	local := startCloud(t)
	d := realDeployer(t, local, local)
	document, weights, _ := planOf(t, model, "orchestration=step-functions", "batch=2", "min-stages=2", "max-stages=2", "transport=s3")
	feed, err := start(d, "flow", document, string(weights))
	if err == nil {
		err = outcome(t, feed)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := npy.Decode(input)
	if err != nil {
		t.Fatal(err)
	}
	for code, data := range map[string][]byte{"gateway.unknown-type": []byte("no picture"), "gateway.wrong-shape": []byte("[1,2,3]"), "gateway.workflow-batch": npyOf(append([]byte(nil), append(a.Data, a.Data...)...), a)} {
		_, err := d.Invoke(t.Context(), "flow", Invocation{Inputs: []InvocationInput{{Data: data}}})
		if diag.CodeOf(err) != code {
			t.Errorf("want %s: %v", code, err)
		}
	}
	// A stage that is gone.
	if err := local.DeleteFunction(t.Context(), "partita-flow-stage-2"); err != nil {
		t.Fatal(err)
	}
	_, err = d.Invoke(t.Context(), "flow", Invocation{Inputs: []InvocationInput{{Data: input}}})
	if diag.CodeOf(err) != "invoke.no-function" || !strings.Contains(err.Error(), "stage 2 of 2 (partita-flow-stage-2)") {
		t.Errorf("%v", err)
	}
	emptied(t, local, "runs/")
	if _, err := d.Destroy(t.Context(), "flow"); err != nil {
		t.Fatal(err)
	}
}

// npyOf makes an array of twice as many items.
func npyOf(data []byte, like *npy.Array) []byte {
	items := int64(len(data)/len(like.Data)) * like.Shape[0]
	var b bytes.Buffer
	if err := (&npy.Array{DType: like.DType, Shape: append([]int64{items}, like.Shape[1:]...), Data: data}).Write(&b); err != nil {
		panic(err) // a buffer takes all
	}
	return b.Bytes()
}

// workflowsOf gives a cloud's workflows, if it has any.
func workflowsOf(functions Functions) Workflows {
	w, _ := functions.(Workflows)
	return w
}
