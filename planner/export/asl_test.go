package export

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
	for name, p := range machines(t) {
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
				if s["End"] != true && s["Type"] != "Succeed" && s["Type"] != "Choice" && !ends {
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
	node = tool(t, "node")
	folder, err := filepath.Abs(filepath.Join("testdata", "asl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "asl-validator")); err != nil {
		t.Skip("the checkers of state machines are not installed: run npm ci --ignore-scripts in planner/export/testdata/asl")
	}
	return node, folder
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
	if out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput(); err != nil {
		t.Errorf("asl-validator: %v\n%s", err, out)
	}
}

// TestStateMachineRuns runs the state machines with functions that record what they are sent: the stages must get events of
// the wire format, in order, each with the tensors of the one before.
func TestStateMachineRuns(t *testing.T) {
	node, folder := checkers(t)
	input := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(input, []byte(`{"tensors":[{"name":"image","dtype":"float32","shape":[1],"data":"AAAAAA=="}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, p := range machines(t) {
		var stderr bytes.Buffer
		c := exec.CommandContext(t.Context(), node, filepath.Join(folder, "run.mjs"), writeMachine(t, p), input)
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, stderr.String())
		}
		var ran struct {
			Seen []struct {
				Resource  string
				Arguments struct {
					FunctionName string
					Payload      json.RawMessage
					Bucket       string
					Delete       struct{ Objects []struct{ Key string } }
				}
			}
			Output struct{ Tensors []wire.Tensor }
		}
		if err := json.Unmarshal(out, &ran); err != nil {
			t.Fatal(err)
		}
		var order, wakes, deleted, wantDeleted []string
		before := []string{"image"}
		for _, s := range ran.Seen {
			if s.Resource == "arn:aws:states:::aws-sdk:s3:deleteObjects" {
				for _, o := range s.Arguments.Delete.Objects {
					deleted = append(deleted, o.Key)
				}
				if s.Arguments.Bucket != "my-bucket" {
					t.Errorf("%s: deletes from %q", name, s.Arguments.Bucket)
				}
				continue
			}
			var event wire.StageEvent
			d := json.NewDecoder(bytes.NewReader(s.Arguments.Payload))
			d.DisallowUnknownFields()
			if err := d.Decode(&event); err != nil || event.Format != wire.EventFormat || event.Bucket != "my-bucket" || event.Request != "e1" {
				t.Fatalf("%s: %v: %s", name, err, s.Arguments.Payload)
			}
			if event.Kind == "wake" {
				wakes = append(wakes, s.Arguments.FunctionName)
				continue
			}
			i := len(order)
			order = append(order, s.Arguments.FunctionName)
			if !reflect.DeepEqual(tensorNames(event.Tensors), before) {
				t.Errorf("%s: stage %d gets %v, want %v", name, i+1, tensorNames(event.Tensors), before)
			}
			before = []string{"t"}
			if event.TransportOut == wire.S3 {
				before = []string{"t0", "t1"}
				if i < len(p.Stages)-1 {
					wantDeleted = append(wantDeleted, event.KeyPrefix+"0", event.KeyPrefix+"1")
				}
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
		if !reflect.DeepEqual(order, want) || !reflect.DeepEqual(wakes, wantWakes) {
			t.Errorf("%s: ran %v, woke %v", name, order, wakes)
		}
		if !reflect.DeepEqual(deleted, wantDeleted) {
			t.Errorf("%s: deleted %v, want %v", name, deleted, wantDeleted)
		}
		if name != "inline" && name != "whole" && len(p.Stages) > 1 && len(deleted) == 0 {
			t.Errorf("%s: nothing went through S3: this shows less than it should", name)
		}
		if !reflect.DeepEqual(tensorNames(ran.Output.Tensors), before) {
			t.Errorf("%s: answers %v", name, tensorNames(ran.Output.Tensors))
		}
		for _, key := range wantDeleted {
			if !strings.HasPrefix(key, "runs/demo/e1/p0/s") {
				t.Errorf("%s: key %s", name, key)
			}
		}
	}
}

func tensorNames(tensors []wire.Tensor) []string {
	var names []string
	for i := range tensors {
		names = append(names, tensors[i].Name)
	}
	return names
}
