package local

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func tail(t *testing.T, out *lambda.InvokeOutput) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestInvoke(t *testing.T) {
	h := open(t, testOptions(t))
	for _, l := range h.Limits() {
		t.Logf("%-10s enforced=%v %s", l.Name, l.Enforced, l.How)
	}
	h.create("echo", func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"COLOUR": "blue", "LANG": "C"}}
	})
	out, answer := h.invoke("echo", event{"echo": []int{1, 2}, "print": "hello log", "env": true})
	if out.FunctionError != nil || out.StatusCode != 200 || aws.ToString(out.ExecutedVersion) != "$LATEST" {
		t.Fatalf("%+v %v", out, answer)
	}
	if got := answer["echo"].([]any); len(got) != 2 || got[0] != 1.0 {
		t.Errorf("echo: %v", got)
	}
	env := answer["env"].(map[string]any)
	for name, want := range map[string]string{"COLOUR": "blue", "LANG": "C", "_HANDLER": "main", "AWS_REGION": "us-east-1",
		"AWS_LAMBDA_FUNCTION_NAME": "echo", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_ENDPOINT_URL": h.url, "TZ": ":UTC", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/echo"} {
		if env[name] != want {
			t.Errorf("%s = %v, want %s", name, env[name], want)
		}
	}
	if answer["dir"] != env["LAMBDA_TASK_ROOT"] {
		t.Errorf("working folder %v, task root %v", answer["dir"], env["LAMBDA_TASK_ROOT"])
	}
	log := tail(t, out)
	cold := regexp.MustCompile(`(?s)^init done\nSTART RequestId: ([0-9a-f-]{36}) Version: \$LATEST\nhello log\nEND RequestId: ([0-9a-f-]{36})\n` +
		`REPORT RequestId: ([0-9a-f-]{36})\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: [1-9]\d* MB\tInit Duration: \d+\.\d\d ms\t\n$`)
	m := cold.FindStringSubmatch(log)
	if m == nil || m[1] != m[2] || m[1] != m[3] {
		t.Errorf("cold log:\n%q", log)
	}
	out, answer = h.invoke("echo", event{})
	if answer["count"] != 2.0 {
		t.Errorf("the second invocation did not reuse the environment: %v", answer)
	}
	if log := tail(t, out); strings.Contains(log, "Init Duration") || !strings.HasPrefix(log, "START RequestId: ") {
		t.Errorf("warm log:\n%q", log)
	}
	if all, err := h.Logs("echo"); err != nil || strings.Count(string(all), "REPORT RequestId") != 2 {
		t.Errorf("kept log: %v\n%s", err, all)
	}
}
