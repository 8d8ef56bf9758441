package export

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/plan"
	"partita/runtime/wire"
)

// machines are state machines of all shapes: with and without waking, hand-over through S3, and more than one stage.
func machines(t *testing.T) map[string]*plan.Plan {
	sequential := sample(t)
	sequential.Request.Scenario = "cold-sequential"
	inline := sample(t)
	inline.Stages[0].OutputBytes = 1000
	stored := sample(t)
	for i := range stored.Stages {
		stored.Stages[i].TransportOut = "s3"
	}
	return map[string]*plan.Plan{"sample": sample(t), "whole": whole(t), "sequential": sequential, "inline": inline, "stored": stored, "hostile": hostile(t)}
}

// TestStateMachineIsConnected follows every state to the end.
func TestStateMachineIsConnected(t *testing.T) {
	all := machines(t)
	maps.Copy(all, besides(t))
	for name, p := range all {
		var machine map[string]any
		if err := json.Unmarshal(mustExport(t, p, "asl", Options{Name: "demo"}), &machine); err != nil {
			t.Fatal(err)
		}
		var follow func(machine map[string]any)
		follow = func(machine map[string]any) {
			states := machine["States"].(map[string]any)
			reached := map[string]bool{}
			var visit func(state string)
			visit = func(state string) {
				s, ok := states[state].(map[string]any)
				if !ok {
					t.Errorf("%s: there is no state %q", name, state)
					return
				}
				if reached[state] {
					return
				}
				reached[state] = true
				next, ends := s["Next"].(string)
				if s["End"] != true && s["Type"] != "Fail" && s["Type"] != "Succeed" && s["Type"] != "Choice" && !ends {
					t.Errorf("%s: %q leads nowhere", name, state)
				}
				if ends {
					visit(next)
				}
				if s["Type"] == "Choice" {
					visit(s["Default"].(string))
				}
				for _, list := range []string{"Choices", "Catch"} {
					if l, ok := s[list].([]any); ok {
						for _, c := range l {
							visit(c.(map[string]any)["Next"].(string))
						}
					}
				}
				if branches, ok := s["Branches"].([]any); ok {
					for _, b := range branches {
						follow(b.(map[string]any))
					}
				}
			}
			visit(machine["StartAt"].(string))
			if len(reached) != len(states) {
				t.Errorf("%s: %d of %d states are reached", name, len(reached), len(states))
			}
		}
		follow(machine)
	}
}

// checkers is the folder with the npm packages that check state machines; the test is skipped without them.
func checkers(t *testing.T) (node, folder string) {
	t.Helper()
	const untested = "whether others take the state machines"
	modules := filepath.Dir(fixture.File(t, untested, "make test-tools", "planner/export/testdata/asl/node_modules/asl-validator"))
	return fixture.Node(t, untested), filepath.Dir(modules)
}

func writeMachine(t *testing.T, p *plan.Plan) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "machine.json")
	if err := os.WriteFile(file, mustExport(t, p, "asl", Options{Name: "demo", Bucket: "my-bucket"}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestStateMachineValidates(t *testing.T) {
	node, folder := checkers(t)
	args := []string{filepath.Join(folder, "node_modules", "asl-validator", "dist", "bin", "asl-validator.js")}
	for _, p := range machines(t) {
		args = append(args, "--json-path", writeMachine(t, p))
	}
	for _, p := range besides(t) {
		args = append(args, "--json-path", writeMachine(t, p))
	}
	if out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput(); err != nil {
		t.Errorf("asl-validator: %v\n%s", err, out)
	}
}

// ran is what happened in a state machine.
type ran struct {
	Seen []struct {
		Arguments struct {
			FunctionName string
			Payload      json.RawMessage
		}
	}
	Output struct {
		Outputs []wire.Tensor
		Trace   struct {
			Steps     []wire.WorkflowStep
			Top       int
			StartedMs int64
		}
	}
	Failed *struct{ Error, Cause string }
}

func runMachine(t *testing.T, p *plan.Plan, failing ...string) ran {
	t.Helper()
	node, folder := checkers(t)
	input := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(input, []byte(`{"format":"partita.event/1","inputs":[{"data":"AAAAAA=="}],"top":3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), node, append([]string{filepath.Join(folder, "run.mjs"), writeMachine(t, p), input}, failing...)...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var r ran
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestStateMachineRuns runs the state machines with functions that record what they are sent: the gateway's function and the stages
// must get events of the wire format, in order, each with the tensors of the one before, and the answer the steps of all.
func TestStateMachineRuns(t *testing.T) {
	for name, p := range machines(t) {
		r := runMachine(t, p)
		var order, wakes, objects, wantObjects []string
		before := []string{}
		for k, s := range r.Seen {
			var event wire.StageEvent
			if err := json.Unmarshal(s.Arguments.Payload, &event); err != nil || event.Format != wire.EventFormat || event.Request != "e1" {
				t.Fatalf("%s: %v: %s", name, err, s.Arguments.Payload)
			}
			var step wire.WorkflowEvent
			if err := json.Unmarshal(s.Arguments.Payload, &step); err != nil {
				t.Fatal(err)
			}
			switch event.Kind {
			case "wake":
				wakes = append(wakes, s.Arguments.FunctionName)
				continue
			case wire.KindPrepare:
				var whole wire.GatewayEvent
				if err := json.Unmarshal(s.Arguments.Payload, &whole); err != nil || k != 0 || whole.Top != 3 || len(whole.Inputs) != 1 || step.KeyPrefix != "runs/demo/e1/" || s.Arguments.FunctionName != "partita-demo-gateway" {
					t.Errorf("%s: prepares by %s %s", name, s.Arguments.FunctionName, s.Arguments.Payload)
				}
				before = []string{"image"}
				continue
			case wire.KindAnswer:
				if k != len(r.Seen)-1 || !reflect.DeepEqual(tensorNames(step.Tensors), before) || step.Top != 5 || step.StartedMs != 1_795_478_400_000 || step.KeyPrefix != "runs/demo/e1/" {
					t.Errorf("%s: answers %s", name, s.Arguments.Payload)
				}
				continue
			}
			i := len(order)
			order = append(order, s.Arguments.FunctionName)
			if event.Bucket != "my-bucket" || event.TensorBytes < 200_000 || !reflect.DeepEqual(tensorNames(event.Tensors), before) {
				t.Errorf("%s: stage %d gets %s, want %v", name, i+1, s.Arguments.Payload, before)
			}
			before = []string{"t"}
			if event.TransportOut == wire.S3 {
				before = []string{"t0", "t1"}
				wantObjects = append(wantObjects, event.KeyPrefix+"0", event.KeyPrefix+"1")
			}
		}
		var want, wantWakes []string
		for i := range p.Stages {
			function := "partita-demo-stage-" + string(rune('1'+i))
			want = append(want, function)
			if i > 0 && p.Request.Scenario == "cold-overlapped" {
				wantWakes = append(wantWakes, function)
			}
		}
		slices.Sort(wakes)
		if !reflect.DeepEqual(order, want) || !reflect.DeepEqual(wakes, wantWakes) {
			t.Errorf("%s: ran %v, woke %v", name, order, wakes)
		}
		steps := r.Output.Trace.Steps
		if len(steps) != 1+len(want)+len(wantWakes) || steps[0].Kind != wire.KindPrepare {
			t.Errorf("%s: %d steps", name, len(steps))
		}
		for _, s := range steps {
			if s.EnteredMs != 1_795_478_401_500 || s.LeftMs < 1_000_000_000_000 || s.Times.ComputeUs != 2000 || s.Cold != (s.Kind != "run") {
				t.Errorf("%s: %+v", name, s)
			}
			for _, o := range s.Objects {
				objects = append(objects, o.Key)
			}
		}
		if !reflect.DeepEqual(objects, wantObjects) {
			t.Errorf("%s: objects %v, want %v", name, objects, wantObjects)
		}
		if name != "inline" && name != "whole" && len(p.Stages) > 1 && len(objects) == 0 {
			t.Errorf("%s: nothing went through S3: this shows less than it should", name)
		}
		if !reflect.DeepEqual(tensorNames(r.Output.Outputs), before) {
			t.Errorf("%s: answers %v", name, tensorNames(r.Output.Outputs))
		}
		for _, key := range wantObjects {
			if !strings.HasPrefix(key, "runs/demo/e1/p0/s") {
				t.Errorf("%s: key %s", name, key)
			}
		}
	}
}

// Wherever a function fails, what was written is removed, and the execution fails with the function's error and its name.
func TestStateMachineFails(t *testing.T) {
	for name, p := range machines(t) {
		if name != "sample" && name != "sequential" {
			continue
		}
		functions := []string{"partita-demo-gateway"}
		for i := range p.Stages {
			functions = append(functions, "partita-demo-stage-"+string(rune('1'+i)))
		}
		for _, f := range functions {
			r := runMachine(t, p, f, "tensor.wrong-shape")
			if r.Failed == nil || r.Failed.Error != "tensor.wrong-shape" || r.Failed.Cause != f+` {"errorMessage":"broken"}` {
				t.Errorf("%s: %s fails with %+v", name, f, r.Failed)
			}
			var event wire.WorkflowEvent
			last := r.Seen[len(r.Seen)-1].Arguments
			if err := json.Unmarshal(last.Payload, &event); err != nil || event.Kind != wire.KindAbandon || event.KeyPrefix != "runs/demo/e1/" || last.FunctionName != "partita-demo-gateway" {
				t.Errorf("%s: after %s failed came %s", name, f, last.Payload)
			}
		}
	}
}

func tensorNames(tensors []wire.Tensor) []string {
	names := []string{}
	for i := range tensors {
		names = append(names, tensors[i].Name)
	}
	return names
}

// besides are plans with functions side by side: in the middle, first and woken, and last.
func besides(t *testing.T) map[string]*plan.Plan {
	branched := func(branches []int, change func(*plan.Plan)) *plan.Plan {
		p := sample(t)
		pattern := p.Stages[1]
		p.Stages = nil
		for k, b := range branches {
			s := pattern
			s.Index, s.FirstLayer, s.LastLayer, s.Branch, s.OutputBytes, s.InputBytes, s.TransportOut = k+1, 3*k+1, 3*k+3, b, 1000, 1000, "inline"
			p.Stages = append(p.Stages, s)
		}
		p.Stages[len(p.Stages)-1].LastLayer = 19
		change(p)
		return p
	}
	return map[string]*plan.Plan{
		"middle": branched([]int{0, 1, 2, 0}, func(p *plan.Plan) { p.Request.Scenario = "warm" }),
		"woken":  branched([]int{1, 2, 3, 0, 0}, func(p *plan.Plan) { p.Stages[1].TransportOut = "s3" }),
		"large":  branched([]int{0, 1, 2, 0}, func(p *plan.Plan) { p.Stages[1].OutputBytes, p.Stages[2].OutputBytes = 120_000, 120_000 }),
		"last":   branched([]int{0, 1, 2}, func(p *plan.Plan) { p.Stages[0].TransportOut = "s3" }),
	}
}

// Functions side by side run in one state, each on all tensors there are, and what they make joins these.
func TestStateMachineSideBySide(t *testing.T) {
	for name, p := range besides(t) {
		r := runMachine(t, p)
		given := []string{"image"}
		var joined, objects, wantObjects, order []string
		wakes := 0
		for _, s := range r.Seen {
			var event wire.StageEvent
			if err := json.Unmarshal(s.Arguments.Payload, &event); err != nil {
				t.Fatal(err)
			}
			if event.Kind == "wake" {
				wakes++
			}
			if event.Kind != "run" {
				continue
			}
			i := len(order)
			order = append(order, s.Arguments.FunctionName)
			stage := &p.Stages[i]
			if stage.Branch <= 1 && joined != nil {
				given, joined = joined, nil
			}
			if got := tensorNames(event.Tensors); !reflect.DeepEqual(got, given) {
				t.Errorf("%s: stage %d gets %v, want %v", name, i+1, got, given)
			}
			made := []string{"t"}
			if event.TransportOut == wire.S3 {
				made = []string{"t0", "t1"}
				wantObjects = append(wantObjects, event.KeyPrefix+"0", event.KeyPrefix+"1")
			}
			switch last := p.Waves()[len(p.Waves())-2]; {
			case stage.Branch == 0:
				joined = made
			case stage.Branch == 1 && i < last:
				joined = append(append([]string{}, given...), made...)
			default:
				joined = append(joined, made...)
			}
		}
		if len(order) != len(p.Stages) || !reflect.DeepEqual(tensorNames(r.Output.Outputs), joined) {
			t.Errorf("%s: ran %v and answers %v, want %v", name, order, tensorNames(r.Output.Outputs), joined)
		}
		for _, s := range r.Output.Trace.Steps {
			for _, o := range s.Objects {
				objects = append(objects, o.Key)
			}
		}
		slices.Sort(objects)
		if !reflect.DeepEqual(objects, wantObjects) || (len(objects) == 0) != (name == "middle") {
			t.Errorf("%s: objects %v, want %v", name, objects, wantObjects)
		}
		if len(r.Output.Trace.Steps) != 1+len(order)+wakes {
			t.Errorf("%s: %d steps", name, len(r.Output.Trace.Steps))
		}
		if want := len(p.Stages) - p.Waves()[1]; p.Request.Scenario == "cold-overlapped" && wakes != want {
			t.Errorf("%s: %d stages were woken, want %d", name, wakes, want)
		}
		// Nothing is removed before those beside the one that failed have ended.
		broken := runMachine(t, p, "partita-demo-stage-2", "stage.run-failed")
		if failed := broken.Failed; failed == nil || failed.Error != "stage.run-failed" || !strings.HasPrefix(failed.Cause, "partita-demo-stage-2 ") {
			t.Errorf("%s: fails with %+v", name, failed)
		}
		ended := 0
		for k, s := range broken.Seen {
			var event wire.WorkflowEvent
			if err := json.Unmarshal(s.Arguments.Payload, &event); err != nil {
				t.Fatal(err)
			}
			if event.Kind == "run" {
				ended++
			}
			if (event.Kind == wire.KindAbandon) != (k == len(broken.Seen)-1) {
				t.Errorf("%s: %s is invoked as number %d of %d", name, event.Kind, k+1, len(broken.Seen))
			}
		}
		wave := slices.IndexFunc(p.Stages, func(s plan.Stage) bool { return s.Branch > 1 })
		for wave < len(p.Stages) && p.Stages[wave].Branch > 1 {
			wave++
		}
		if ended != wave {
			t.Errorf("%s: %d stages have run, want %d", name, ended, wave)
		}
	}
}
