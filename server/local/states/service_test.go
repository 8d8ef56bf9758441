package states

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"partita/internal/fixture"
)

// functionsOf are functions by name, for tests.
type functionsOf map[string]func(payload []byte) (answer string, failed bool)

func (f functionsOf) Call(_ context.Context, function string, payload []byte) ([]byte, bool, string, error) {
	do := f[function]
	if do == nil {
		return nil, false, "ResourceNotFoundException", errors.New("Function not found: " + function)
	}
	answer, failed := do(payload)
	return []byte(answer), failed, "", nil
}

func open(t testing.TB, dir string, functions Functions) *Service {
	t.Helper()
	s, err := Open(Options{Dir: dir, Region: "us-east-1", Account: "000000000000", Functions: functions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

const role = "arn:aws:iam::000000000000:role/test"

// ask sends a request and gives the answer; one that is refused has its error's name under "__type".
func ask(t testing.TB, s *Service, operation string, body map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(text))
	r.Header.Set("X-Amz-Target", TargetPrefix+operation)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	answer := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v: %s", operation, err, w.Body)
	}
	return answer
}

// machineOf writes a definition of some states.
func machineOf(start, states string) string {
	return `{"QueryLanguage":"JSONata","StartAt":"` + start + `","States":{` + states + `}}`
}

// run runs a definition once.
func run(t *testing.T, functions functionsOf, definition, input string) map[string]any {
	t.Helper()
	s := open(t, t.TempDir(), functions)
	made := ask(t, s, "CreateStateMachine", map[string]any{"name": "m", "definition": definition, "roleArn": role, "type": "EXPRESS"})
	if made["stateMachineArn"] == nil {
		t.Fatalf("%v", made)
	}
	return ask(t, s, "StartSyncExecution", map[string]any{"stateMachineArn": made["stateMachineArn"], "name": "e1", "input": input})
}

func task(function, rest string) string {
	return `{"Type":"Task","Resource":"` + taskInvoke + `","Arguments":{"FunctionName":"` + function + `","Payload":"{% $states.input %}"}` + rest + `}`
}

func TestExecutions(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	functions := functionsOf{
		"echo":  func(p []byte) (string, bool) { return `{"got":` + string(p) + `}`, false },
		"fails": func([]byte) (string, bool) { return `{"errorType":"tensor.wrong-shape","errorMessage":"no"}`, true },
		"slow":  func([]byte) (string, bool) { time.Sleep(3 * time.Second); return `{}`, false },
		"large": func([]byte) (string, bool) { return `"` + strings.Repeat("x", maxStateBytes) + `"`, false },
		"flaky": func([]byte) (string, bool) {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls == 1 {
				return `{"errorType":"Runtime.ExitError","errorMessage":"died"}`, true
			}
			return `{"calls":` + fmt.Sprint(calls) + `}`, false
		},
	}
	catchAll := `,"Catch":[{"ErrorEquals":["States.ALL"],"Output":{"e":"{% $states.errorOutput.Error %}","c":"{% $states.errorOutput.Cause %}"},"Next":"Z"}]`
	last := `,"Z":{"Type":"Succeed"}`
	for name, c := range map[string]struct{ definition, input, status, output, error string }{
		"pass":      {machineOf("A", `"A":{"Type":"Pass","Assign":{"x":"{% $states.input.n + 1 %}"},"Output":{"y":[1,"{% $states.input.n %}"]},"Next":"B"},"B":{"Type":"Pass","Output":"{% {'x': $x, 'y': $states.input.y} %}","End":true}`), `{"n":2}`, "SUCCEEDED", `{"x":3,"y":[1,2]}`, ""},
		"task":      {machineOf("A", `"A":`+task("echo", `,"Output":"{% $states.result.Payload.got %}","End":true`)), `{"n":2}`, "SUCCEEDED", `{"n":2}`, ""},
		"failure":   {machineOf("A", `"A":`+task("fails", `,"End":true`)), `{}`, "FAILED", "", "tensor.wrong-shape"},
		"caught":    {machineOf("A", `"A":`+task("fails", catchAll+`,"End":true`)+last), `{}`, "SUCCEEDED", `{"c":"{\"errorType\":\"tensor.wrong-shape\",\"errorMessage\":\"no\"}","e":"tensor.wrong-shape"}`, ""},
		"absent":    {machineOf("A", `"A":`+task("nobody", `,"End":true`)), `{}`, "FAILED", "", "Lambda.ResourceNotFoundException"},
		"timeout":   {machineOf("A", `"A":`+task("slow", `,"TimeoutSeconds":1`+catchAll+`,"End":true`)+last), `{}`, "SUCCEEDED", `{"c":"the task took more than 1 seconds","e":"States.Timeout"}`, ""},
		"too large": {machineOf("A", `"A":`+task("large", catchAll+`,"End":true`)+last), `{}`, "FAILED", "", "States.DataLimitExceeded"},
		"retried":   {machineOf("A", `"A":`+task("flaky", `,"Retry":[{"ErrorEquals":["Runtime.ExitError"],"IntervalSeconds":1,"MaxAttempts":1}],"Output":"{% {'calls': $states.result.Payload.calls, 'retries': $states.context.State.RetryCount} %}","End":true`)), `{}`, "SUCCEEDED", `{"calls":2,"retries":1}`, ""},
		"choice":    {machineOf("A", `"A":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.n > 5 %}","Next":"Z"}],"Default":"B"},"B":{"Type":"Fail","Error":"E","Cause":"{% 'n is ' & $states.input.n %}"}`+last), `{"n":9}`, "SUCCEEDED", `{"n":9}`, ""},
		"default":   {machineOf("A", `"A":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.n > 5 %}","Next":"Z"}],"Default":"B"},"B":{"Type":"Fail","Error":"E","Cause":"{% 'n is ' & $states.input.n %}"}`+last), `{"n":1}`, "FAILED", "", "E"},
		"parallel": {machineOf("A", `"A":{"Type":"Parallel","Assign":{"z":1},"Branches":[{"StartAt":"P","States":{"P":`+task("echo", `,"Assign":{"z":2},"Output":"{% $states.result.Payload.got.n %}","End":true`)+`}},{"StartAt":"Q","States":{"Q":{"Type":"Pass","Output":"{% $states.context.Execution.Name %}","End":true}}}],
			"Output":{"all":"{% $states.result %}"},"Next":"B"},"B":{"Type":"Pass","Output":"{% {'all': $states.input.all, 'z': $z} %}","End":true}`), `{"n":2}`, "SUCCEEDED", `{"all":[2,"e1"],"z":1}`, ""},
		"branch fails": {machineOf("A", `"A":{"Type":"Parallel","Branches":[{"StartAt":"P","States":{"P":`+task("slow", `,"End":true`)+`}},{"StartAt":"Q","States":{"Q":{"Type":"Fail","Error":"E","Cause":"c"}}}]`+catchAll+`,"End":true}`+last), `{}`, "SUCCEEDED", `{"c":"c","e":"E"}`, ""},
		"no value":     {machineOf("A", `"A":{"Type":"Pass","Output":"{% $states.input.missing %}","End":true}`), `{}`, "FAILED", "", "States.QueryEvaluationError"},
		"loop":         {machineOf("A", `"A":{"Type":"Pass","Next":"A"}`), `{}`, "FAILED", "", "States.Runtime"},
	} {
		began := time.Now()
		got := run(t, functions, c.definition, c.input)
		if got["status"] != c.status || fmt.Sprint(got["error"]) != c.error && c.error != "" || c.output != "" && got["output"] != c.output {
			t.Errorf("%s: %v", name, got)
		}
		billed := got["billingDetails"].(map[string]any)
		if ms := billed["billedDurationInMilliseconds"].(float64); int(ms)%100 != 0 || ms < 100 || ms > float64(time.Since(began).Milliseconds()+100) || billed["billedMemoryUsedInMB"] != 64.0 {
			t.Errorf("%s: billed %v", name, billed)
		}
		if name == "branch fails" && time.Since(began) > 2*time.Second {
			t.Errorf("it waited %s for a branch whose sibling had failed", time.Since(began))
		}
	}
}

// State machines are kept over a restart; what is wrong is refused by the names that the service has for it.
func TestStateMachines(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, functionsOf{})
	good := machineOf("A", `"A":{"Type":"Succeed"}`)
	create := map[string]any{"name": "m", "definition": good, "roleArn": role, "type": "EXPRESS", "tags": []map[string]string{{"key": "k", "value": "v"}}}
	arn := ask(t, s, "CreateStateMachine", create)["stateMachineArn"]
	if arn != "arn:aws:states:us-east-1:000000000000:stateMachine:m" || ask(t, s, "CreateStateMachine", create)["stateMachineArn"] != arn {
		t.Fatalf("%v", arn)
	}
	with := func(key string, value any) map[string]any {
		other := map[string]any{}
		for k, v := range create {
			other[k] = v
		}
		other[key] = value
		return other
	}
	for _, c := range []struct {
		operation string
		body      map[string]any
		want      string
	}{
		{"CreateStateMachine", with("definition", machineOf("A", `"A":{"Type":"Succeed","Comment":"other"}`)), "StateMachineAlreadyExists"},
		{"CreateStateMachine", with("name", "a b"), "InvalidName"},
		{"CreateStateMachine", with("roleArn", "me"), "InvalidArn"},
		{"CreateStateMachine", with("type", "STANDARD"), "ValidationException"},
		{"CreateStateMachine", with("definition", "{"), "InvalidDefinition"},
		{"CreateStateMachine", with("definition", machineOf("B", `"A":{"Type":"Succeed"}`)), "InvalidDefinition"},
		{"CreateStateMachine", with("definition", machineOf("A", `"A":{"Type":"Wait","Seconds":1,"End":true}`)), "InvalidDefinition"},
		{"CreateStateMachine", with("definition", machineOf("A", `"A":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","Arguments":{},"End":true}`)), "InvalidDefinition"},
		{"CreateStateMachine", with("definition", machineOf("A", `"A":{"Type":"Pass","Output":"{% $sum([1]) %}","End":true}`)), "InvalidDefinition"},
		{"CreateStateMachine", with("definition", strings.Replace(good, "JSONata", "JSONPath", 1)), "InvalidDefinition"},
		{"DescribeStateMachine", map[string]any{"stateMachineArn": fmt.Sprint(arn, "x")}, "StateMachineDoesNotExist"},
		{"DescribeStateMachine", map[string]any{"stateMachineArn": "x"}, "InvalidArn"},
		{"StartSyncExecution", map[string]any{"stateMachineArn": arn, "input": "{"}, "InvalidExecutionInput"},
		{"StartSyncExecution", map[string]any{"stateMachineArn": arn, "input": `"` + strings.Repeat("x", maxStateBytes) + `"`}, "ValidationException"},
		{"StartSyncExecution", map[string]any{"stateMachineArn": fmt.Sprint(arn, "x")}, "StateMachineDoesNotExist"},
		{"ListTagsForResource", map[string]any{"resourceArn": fmt.Sprint(arn, "x")}, "ResourceNotFound"},
		{"StartExecution", map[string]any{"stateMachineArn": arn}, "UnknownOperationException"},
	} {
		if got := ask(t, s, c.operation, c.body); got["__type"] != "com.amazonaws.states#"+c.want {
			t.Errorf("%s %v: %v", c.operation, c.body, got)
		}
	}
	if check := ask(t, s, "ValidateStateMachineDefinition", map[string]any{"definition": machineOf("A", `"A":{"Type":"Pass","Output":"{% $x( %}","Next":"B"},"C":{"Type":"Map","End":true}`)}); check["result"] != "FAIL" || len(check["diagnostics"].([]any)) < 3 {
		t.Errorf("%v", check)
	}
	ask(t, s, "TagResource", map[string]any{"resourceArn": arn, "tags": []map[string]string{{"key": "l", "value": "w"}}})
	ask(t, s, "UntagResource", map[string]any{"resourceArn": arn, "tagKeys": []string{"k"}})
	changed := machineOf("A", `"A":{"Type":"Pass","Output":7,"End":true}`)
	if u := ask(t, s, "UpdateStateMachine", map[string]any{"stateMachineArn": arn, "definition": changed}); u["updateDate"] == nil {
		t.Errorf("%v", u)
	}
	if err := os.WriteFile(filepath.Join(dir, "half.json.new"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir, functionsOf{})
	if d := ask(t, s, "DescribeStateMachine", map[string]any{"stateMachineArn": arn}); d["definition"] != changed || d["type"] != "EXPRESS" || d["status"] != "ACTIVE" {
		t.Errorf("%v", d)
	}
	if tags := ask(t, s, "ListTagsForResource", map[string]any{"resourceArn": arn}); fmt.Sprint(tags["tags"]) != "[map[key:l value:w]]" {
		t.Errorf("%v", tags)
	}
	if e := ask(t, s, "StartSyncExecution", map[string]any{"stateMachineArn": arn}); e["output"] != "7" {
		t.Errorf("%v", e)
	}
	for i := range 3 {
		ask(t, s, "CreateStateMachine", with("name", fmt.Sprintf("n%d", i)))
	}
	first := ask(t, s, "ListStateMachines", map[string]any{"maxResults": 3})
	rest := ask(t, s, "ListStateMachines", map[string]any{"nextToken": first["nextToken"]})
	if len(first["stateMachines"].([]any)) != 3 || len(rest["stateMachines"].([]any)) != 1 || rest["nextToken"] != nil {
		t.Errorf("%v, then %v", first, rest)
	}
	for _, name := range []string{"m", "n0", "n1", "n2", "nobody"} {
		ask(t, s, "DeleteStateMachine", map[string]any{"stateMachineArn": strings.Replace(fmt.Sprint(arn), ":m", ":"+name, 1)})
	}
	if l := ask(t, s, "ListStateMachines", nil); len(l["stateMachines"].([]any)) != 0 {
		t.Errorf("%v", l)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}

// boto3, which shares nothing with us, makes a state machine, starts it and removes it.
func TestBoto3(t *testing.T) {
	python := fixture.Boto3(t, "workflows by another client")
	server := httptest.NewServer(open(t, t.TempDir(), functionsOf{"echo": func(p []byte) (string, bool) { return `{"got":` + string(p) + `}`, false }}))
	t.Cleanup(server.Close)
	c := exec.CommandContext(t.Context(), python, "-c", `
import boto3, json, sys
from botocore.config import Config
c = boto3.client("stepfunctions", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b", config=Config(inject_host_prefix=False))
d = json.dumps({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
  "Arguments": {"FunctionName": "echo", "Payload": "{% $states.input %}"}, "Output": "{% $states.result.Payload %}", "End": True}}})
if hasattr(c, "validate_state_machine_definition"):  # since 1.34
    assert c.validate_state_machine_definition(definition=d, type="EXPRESS")["result"] == "OK"
arn = c.create_state_machine(name="m", definition=d, roleArn="arn:aws:iam::000000000000:role/r", type="EXPRESS", tags=[{"key": "k", "value": "v"}])["stateMachineArn"]
assert c.describe_state_machine(stateMachineArn=arn)["type"] == "EXPRESS"
assert c.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]
e = c.start_sync_execution(stateMachineArn=arn, input=json.dumps({"n": 1}))
assert e["status"] == "SUCCEEDED" and json.loads(e["output"]) == {"got": {"n": 1}}, e
assert e["billingDetails"]["billedMemoryUsedInMB"] == 64 and e["stopDate"] >= e["startDate"], e
try:
    c.create_state_machine(name="bad", definition="{}", roleArn="arn:aws:iam::000000000000:role/r", type="EXPRESS")
    raise SystemExit("taken")
except c.exceptions.InvalidDefinition:
    pass
c.delete_state_machine(stateMachineArn=arn)
try:
    c.describe_state_machine(stateMachineArn=arn)
    raise SystemExit("still there")
except c.exceptions.StateMachineDoesNotExist:
    pass
assert c.list_state_machines()["stateMachines"] == []
`, server.URL)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func FuzzDefinition(f *testing.F) {
	f.Add(machineOf("A", `"A":{"Type":"Parallel","Branches":[{"StartAt":"P","States":{"P":`+task("echo", `,"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":0}],"End":true`)+`}}],"End":true}`))
	f.Add(machineOf("A", `"A":{"Type":"Choice","Choices":[{"Condition":"{% true %}","Next":"B"}]},"B":{"Type":"Fail","Error":"E"}`))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseDefinition(text)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		x := newExecution(ctx, map[string]any{}, func(context.Context, string, []byte) ([]byte, *failure) { return []byte("{}"), nil })
		if output, failed := x.run(ctx, m, map[string]any{}, nil); failed == nil {
			if _, err := json.Marshal(output); err != nil {
				t.Error(err)
			}
		}
	})
}
