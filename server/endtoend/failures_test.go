package endtoend

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
)

// listed gives what `partita list --json` prints about the deployments.
func listed(t testing.TB, p *product) string {
	t.Helper()
	return mustPartita(t, "list", "--server", p.url, "--json")
}

// aws runs the AWS command line against the local cloud, and skips the test when the program is absent.
func aws(t testing.TB, p *product, args ...string) string {
	t.Helper()
	program := fixture.AWS(t, "what another client sees of a deployment")
	command := exec.Command(program, append([]string{"--endpoint-url", p.url + "/aws"}, args...)...)
	command.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func deployTiny(t testing.TB, p *product, name string) {
	t.Helper()
	c := readCase(t, "k3_tiny_cnn")
	model := c.path(t, "model.h5", "")
	file, _ := planFor(t, model, 2)
	mustPartita(t, "deploy", file, "--weights", model, "--name", name, "--server", p.url, "--yes", "--json")
}

// TestIndependentClient looks at a deployment with a client that is not Partita's.
func TestIndependentClient(t *testing.T) {
	p := serve(t, t.TempDir())
	aws(t, p, "lambda", "list-functions")
	deployTiny(t, p, "seen")
	functions := aws(t, p, "lambda", "list-functions")
	for _, name := range []string{"partita-seen-gateway", "partita-seen-stage-1", "partita-seen-stage-2"} {
		if !strings.Contains(functions, name) {
			t.Errorf("aws lambda list-functions does not show %s:\n%s", name, functions)
		}
	}
	aws(t, p, "lambda", "get-function", "--function-name", "partita-seen-stage-1")
	event, reply := filepath.Join(t.TempDir(), "event.json"), filepath.Join(t.TempDir(), "reply.json")
	if err := os.WriteFile(event, []byte(`{"format":"partita.event/1","kind":"wake","request":"by-hand"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	answer := aws(t, p, "lambda", "invoke", "--function-name", "partita-seen-stage-1", "--payload", "fileb://"+event, reply)
	if strings.Contains(answer, "FunctionError") {
		raw, _ := os.ReadFile(reply)
		t.Errorf("a wake by hand failed: %s %s", answer, raw)
	}
	if buckets := aws(t, p, "s3", "ls"); !strings.Contains(buckets, "partita") {
		t.Errorf("aws s3 ls does not show the bucket: %q", buckets)
	}
	mustPartita(t, "destroy", "seen", "--server", p.url, "--yes")
	if functions := aws(t, p, "lambda", "list-functions"); strings.Contains(functions, "partita-seen") {
		t.Errorf("functions are left after destroy:\n%s", functions)
	}
	if objects := aws(t, p, "s3", "ls", "--recursive", "s3://partita"); strings.Contains(objects, "seen") {
		t.Errorf("objects are left after destroy:\n%s", objects)
	}
}

// TestKilledServer kills the server at several points of a deploy, starts another over the same data and destroys.
func TestKilledServer(t *testing.T) {
	c := readCase(t, "trained_mobilenet_v2")
	model := c.path(t, "model.h5", "")
	file, _ := planFor(t, model, 4)
	for _, wait := range []time.Duration{300, 700, 1500} {
		data := t.TempDir()
		first := serve(t, data)
		deploy := exec.Command(executable(t), "deploy", file, "--weights", model, "--name", "cut-off", "--server", first.url, "--yes", "--json")
		if err := deploy.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait * time.Millisecond)
		first.kill()
		if deploy.Wait() == nil && wait < 700 {
			t.Log("the deploy was done before the server was killed")
		}
		second := serve(t, data)
		if strings.Contains(listed(t, second), `"cut-off"`) {
			mustPartita(t, "destroy", "cut-off", "--server", second.url, "--yes")
		}
		if left := listed(t, second); strings.Contains(left, `"cut-off"`) {
			t.Errorf("after %d ms: still listed: %s", wait, left)
		}
		if functions := aws(t, second, "lambda", "list-functions"); strings.Contains(functions, "cut-off") {
			t.Errorf("after %d ms: functions are left: %s", wait, functions)
		}
		if objects := aws(t, second, "s3", "ls", "--recursive", "s3://partita"); strings.Contains(objects, "cut-off") {
			t.Errorf("after %d ms: objects are left: %s", wait, objects)
		}
		second.stop(t)
	}
}

// TestBadInput gives the product what careless users give it.
func TestBadInput(t *testing.T) {
	p := serve(t, t.TempDir())
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tiny := readCase(t, "k3_tiny_cnn")
	model := tiny.path(t, "model.h5", "")
	raw, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(tiny.path(t, "model.json", ""))
	if err != nil {
		t.Fatal(err)
	}
	planFile, _ := planFor(t, model, 2)
	planText, err := os.ReadFile(planFile)
	if err != nil {
		t.Fatal(err)
	}
	other := readCase(t, "k3_tiny_residual").path(t, "model.h5", "")
	deployTiny(t, p, "taken")

	for _, bad := range []struct {
		name string
		args []string
		code int
		says []string // parts of the message, the stable code among them
	}{
		{"not a model", []string{"inspect", write("notes.txt", "just text\n")}, 1, []string{"notes.txt", "[model."}},
		{"absent file", []string{"plan", filepath.Join(folder, "none.h5")}, 1, []string{"none.h5"}},
		{"truncated", []string{"inspect", write("cut.h5", string(raw[:len(raw)/3]))}, 1, []string{"cut.h5", "[hdf5."}},
		{"unsupported layer", []string{"plan", write("odd.json", strings.Replace(string(config), `"class_name": "MaxPooling2D"`, `"class_name": "StrangePooling"`, 1))}, 1, []string{"StrangePooling", "[keras.unsupported-layer]"}},
		{"other model's weights", []string{"deploy", planFile, "--weights", other, "--name", "wrong", "--server", p.url, "--yes"}, 1, []string{"[weights."}},
		{"newer plan", []string{"deploy", write("newer.json", strings.Replace(string(planText), "partita.plan/1", "partita.plan/9", 1)), "--weights", model, "--name", "newer", "--server", p.url, "--yes"}, 1, []string{"[plan.unknown-version]"}},
		{"name in use", []string{"deploy", planFile, "--weights", model, "--name", "taken", "--server", p.url, "--yes"}, 1, []string{"taken", "[deploy.name-in-use]"}},
		{"wrong input shape", []string{"invoke", "taken", filepath.Join(fixture.Shared(t, "models", "k3_tiny_mlp"), "input_0.npy"), "--server", p.url}, 1, []string{"20x20x3"}},
		{"unknown deployment", []string{"invoke", "nobody", filepath.Join(tiny.folder, "input_0.npy"), "--server", p.url}, 1, []string{"nobody"}},
		{"no such platform", []string{"plan", model, "--platform", "mainframe"}, 2, []string{"mainframe", "local"}},
		{"negative SLO", []string{"plan", model, "--slo", "-2s"}, 2, []string{"slo"}},
		{"unsold memory", []string{"plan", model, "--memory", "77"}, 2, []string{"77"}},
		{"impossible SLO", []string{"plan", model, "--slo", "1us", "--json"}, 3, nil},
		{"no such flag", []string{"plan", model, "--fastest"}, 2, []string{"fastest"}},
		{"no such command", []string{"conduct"}, 2, []string{"conduct"}},
		{"no server", []string{"list", "--server", "http://127.0.0.1:9"}, 1, []string{"127.0.0.1:9"}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			r := partita(t, bad.args...)
			if r.code != bad.code {
				t.Errorf("partita %s ended with %d, want %d", strings.Join(bad.args, " "), r.code, bad.code)
			}
			for _, part := range bad.says {
				if !strings.Contains(r.stderr, part) {
					t.Errorf("the message does not mention %q:\n%s", part, r.stderr)
				}
			}
			t.Logf("%s", r.stderr)
		})
	}
	if r := partita(t, "plan", model, "--slo", "1us", "--json"); !strings.Contains(r.stdout, `"status":"infeasible"`) {
		t.Errorf("an infeasible plan does not print its document: %s", r.stdout)
	}
	if left := listed(t, p); strings.Contains(left, `"wrong"`) || strings.Contains(left, `"newer"`) {
		t.Errorf("a refused deploy is listed: %s", left)
	}
	mustPartita(t, "destroy", "taken", "--server", p.url, "--yes")
}

// TestForgedRequests makes sure that a page of another site cannot use a visitor's server.
func TestForgedRequests(t *testing.T) {
	p := serve(t, t.TempDir())
	for _, path := range []string{"/api/v1/uploads", "/api/v1/deployments", "/aws/2015-03-31/functions", "/aws/stolen-bucket/key"} {
		request, err := http.NewRequest(http.MethodPost, p.url+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", "http://evil.example")
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		request.Header.Set("Content-Type", "text/plain")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("POST %s from another site answers %s, want 403", path, answer.Status)
		}
	}
}

// TestProblemDocuments makes sure that errors of the interface are problem documents with a code.
func TestProblemDocuments(t *testing.T) {
	p := serve(t, t.TempDir())
	answer, err := http.Get(p.url + "/api/v1/deployments/nobody")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var problem struct {
		Status int
		Code   string
		Detail string
	}
	if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusNotFound || problem.Status != http.StatusNotFound || problem.Code == "" || problem.Detail == "" ||
		!strings.HasPrefix(answer.Header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("%s, %s: %+v", answer.Status, answer.Header.Get("Content-Type"), problem)
	}
}
