package local

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func awsEnv(h *harness) []string {
	return append(os.Environ(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=key", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_ENDPOINT_URL="+h.url, "AWS_MAX_ATTEMPTS=1")
}

func TestCommandLineOfAWS(t *testing.T) {
	program := fixture.AWS(t, "functions and objects by another client")
	h := open(t, testOptions(t))
	work := t.TempDir()
	aws := func(args ...string) string {
		t.Helper()
		command := exec.Command(program, append([]string{"--endpoint-url", h.url}, args...)...)
		command.Env, command.Dir = awsEnv(h), work
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if err := os.WriteFile(filepath.Join(work, "f.zip"), testPackage(t), 0o600); err != nil {
		t.Fatal(err)
	}
	// Versions 1 and 2 read a payload in the argument differently, one in a file alike.
	if err := os.WriteFile(filepath.Join(work, "event.json"), []byte(`{"echo":42}`), 0o600); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MB: a multipart upload
	if err := os.WriteFile(filepath.Join(work, "large"), large, 0o600); err != nil {
		t.Fatal(err)
	}
	aws("lambda", "create-function", "--function-name", "cli", "--runtime", "provided.al2023", "--handler", "x", "--role", role,
		"--zip-file", "fileb://f.zip", "--timeout", "20", "--tags", "a=b")
	if out := aws("lambda", "list-functions"); !strings.Contains(out, `"FunctionName": "cli"`) {
		t.Errorf("list-functions: %s", out)
	}
	if out := aws("lambda", "get-function", "--function-name", "cli"); !strings.Contains(out, `"State": "Active"`) || !strings.Contains(out, `"a": "b"`) {
		t.Errorf("get-function: %s", out)
	}
	out := aws("lambda", "invoke", "--function-name", "cli", "--payload", "fileb://event.json", "--log-type", "Tail", "answer.json")
	if !strings.Contains(out, `"StatusCode": 200`) || !strings.Contains(out, `"LogResult"`) {
		t.Errorf("invoke: %s", out)
	}
	raw, err := os.ReadFile(filepath.Join(work, "answer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(raw, &answer); err != nil || answer["echo"] != 42.0 {
		t.Errorf("answer: %s", raw)
	}
	aws("lambda", "delete-function", "--function-name", "cli")

	aws("s3", "mb", "s3://box")
	aws("s3", "cp", "f.zip", "s3://box/folder/f.zip")
	aws("s3", "cp", "large", "s3://box/large")
	if out := aws("s3", "ls", "s3://box/"); !strings.Contains(out, "PRE folder/") || !strings.Contains(out, "16777216 large") {
		t.Errorf("s3 ls: %s", out)
	}
	aws("s3", "cp", "s3://box/large", "s3://box/copy of large") // in parts, by the server
	aws("s3", "cp", "s3://box/copy of large", "back")
	if back, err := os.ReadFile(filepath.Join(work, "back")); err != nil || !bytes.Equal(back, large) {
		t.Errorf("16 MB came back as %d bytes: %v", len(back), err)
	}
	aws("s3", "rb", "--force", "s3://box")
}

const boto = `
import io, json, zipfile
l, s = client("lambda"), client("s3")
s.create_bucket(Bucket="boto")
package = open(sys.argv[1], "rb").read()
s.put_object(Bucket="boto", Key="c/f +é.zip", Body=package, Metadata={"note": "x"})
assert s.head_object(Bucket="boto", Key="c/f +é.zip")["Metadata"] == {"note": "x"}
keys = [o["Key"] for o in s.list_objects_v2(Bucket="boto", Prefix="c/")["Contents"]]
assert keys == ["c/f +é.zip"], keys
assert s.get_object(Bucket="boto", Key="c/f +é.zip", Range="bytes=2-5")["Body"].read() == package[2:6]
if "IfNoneMatch" in s.meta.service_model.operation_model("PutObject").input_shape.members:  # since 1.35
    try:
        s.put_object(Bucket="boto", Key="c/f +é.zip", Body=b"", IfNoneMatch="*")
        raise AssertionError("overwritten")
    except s.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == "PreconditionFailed", e.response
made = l.create_function(FunctionName="boto", Runtime="provided.al2023", Handler="x", Role=sys.argv[2], Timeout=20,
    Code={"S3Bucket": "boto", "S3Key": "c/f +é.zip"})
assert made["State"] == "Pending", made
l.get_waiter("function_active_v2").wait(FunctionName="boto")
out = l.invoke(FunctionName="boto", Payload=json.dumps({"echo": "hé"}), LogType="Tail")
assert json.load(out["Payload"])["echo"] == "hé" and "FunctionError" not in out, out
out = l.invoke(FunctionName="boto", Payload=json.dumps({"exit": 4}))
assert out["FunctionError"] == "Unhandled" and json.load(out["Payload"])["errorType"] == "Runtime.ExitError", out
try:
    l.get_function(FunctionName="none")
    raise AssertionError("found")
except l.exceptions.ResourceNotFoundException as e:
    assert "Function not found" in str(e)
l.delete_function(FunctionName="boto")
s.delete_objects(Bucket="boto", Delete={"Objects": [{"Key": "c/f +é.zip"}]})
s.delete_bucket(Bucket="boto")
print("done")
`

// botoStates runs a workflow synchronously. On AWS that has a host of its own, whose name begins with sync-.
const botoStates = `
import json
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES as known
states = client("stepfunctions")
definition = {"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Output": "{% {'twice': 2 * $states.input.n} %}", "End": True}}}
arn = states.create_state_machine(name="boto", definition=json.dumps(definition), roleArn=sys.argv[1], type="EXPRESS")["stateMachineArn"]
def start():
    return boto3.client("stepfunctions", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=config).start_sync_execution(stateMachineArn=arn, input='{"n":21}')
ways = [Config(inject_host_prefix=False, retries={"max_attempts": 0})]
if "disable_host_prefix_injection" in known:
    os.environ["AWS_DISABLE_HOST_PREFIX_INJECTION"] = "true"
    ways.append(Config(retries={"max_attempts": 0}))
for config in ways:
    out = start()
    assert out["status"] == "SUCCEEDED" and json.loads(out["output"]) == {"twice": 42}, out
states.delete_state_machine(stateMachineArn=arn)
assert states.list_state_machines()["stateMachines"] == []
print("done")
`

func TestWorkflowsOfBoto3(t *testing.T) {
	runBoto3(t, open(t, testOptions(t)), botoStates, role)
}

// runBoto3 runs a program of Python that uses boto3, by way of client, and that ends by printing that it is done.
func runBoto3(t *testing.T, h *harness, script string, args ...string) {
	t.Helper()
	// Versions before 1.28 do not read AWS_ENDPOINT_URL.
	const begin = `
import boto3, os, sys
def client(service):
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"])
`
	command := exec.Command(fixture.Boto3(t, "functions, objects and images by another client"), append([]string{"-c", begin + script}, args...)...)
	command.Env = awsEnv(h)
	if out, err := command.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "done" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBoto3(t *testing.T) {
	h := open(t, testOptions(t))
	path := filepath.Join(t.TempDir(), "f.zip")
	if err := os.WriteFile(path, testPackage(t), 0o600); err != nil {
		t.Fatal(err)
	}
	runBoto3(t, h, boto, path, role)
	if left, err := h.s3.ListBuckets(ctx, &s3.ListBucketsInput{}); err != nil || len(left.Buckets) > 0 {
		t.Errorf("%v %v", left, err)
	}
}
