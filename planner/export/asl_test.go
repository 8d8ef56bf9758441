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
	for _, p := range besides(t) {
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
	node, folder := checkers(t)
	input := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(input, []byte(`{"tensors":[{"name":"image","dtype":"float32","shape":[1],"data":"AAAAAA=="}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, p := range besides(t) {
		machine := writeMachine(t, p)
		c := exec.CommandContext(t.Context(), node, filepath.Join(folder, "run.mjs"), machine, input)
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var ran struct {
			Seen []struct {
				Resource  string
				Arguments struct {
					FunctionName string
					Payload      wire.StageEvent
					Delete       struct{ Objects []struct{ Key string } }
				}
			}
			Output struct{ Tensors []wire.Tensor }
		}
		if err := json.Unmarshal(out, &ran); err != nil {
			t.Fatal(err)
		}
		given := []string{"image"}
		var joined, wantDeleted, deleted, order []string
		wakes := 0
		for _, s := range ran.Seen {
			switch {
			case s.Resource == "arn:aws:states:::aws-sdk:s3:deleteObjects":
				for _, o := range s.Arguments.Delete.Objects {
					deleted = append(deleted, o.Key)
				}
				continue
			case s.Arguments.Payload.Kind == "wake":
				wakes++
				continue
			}
			i := len(order)
			order = append(order, s.Arguments.FunctionName)
			stage := &p.Stages[i]
			if stage.Branch <= 1 && joined != nil {
				given, joined = joined, nil
			}
			if got := tensorNames(s.Arguments.Payload.Tensors); !reflect.DeepEqual(got, given) {
				t.Errorf("%s: stage %d gets %v, want %v", name, i+1, got, given)
			}
			made := []string{"t"}
			if s.Arguments.Payload.TransportOut == wire.S3 {
				made = []string{"t0", "t1"}
				if w := p.Waves(); i < w[len(w)-2] {
					wantDeleted = append(wantDeleted, s.Arguments.Payload.KeyPrefix+"0", s.Arguments.Payload.KeyPrefix+"1")
				}
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
		if len(order) != len(p.Stages) || !reflect.DeepEqual(tensorNames(ran.Output.Tensors), joined) {
			t.Errorf("%s: ran %v and answers %v, want %v", name, order, tensorNames(ran.Output.Tensors), joined)
		}
		if !reflect.DeepEqual(deleted, wantDeleted) || (len(deleted) == 0) != (name == "middle") {
			t.Errorf("%s: deleted %v, want %v", name, deleted, wantDeleted)
		}
		if want := len(p.Stages) - p.Waves()[1]; p.Request.Scenario == "cold-overlapped" && wakes != want {
			t.Errorf("%s: %d stages were woken, want %d", name, wakes, want)
		}
	}
}
