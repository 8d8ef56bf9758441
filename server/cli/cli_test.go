package cli

import (
	"bytes"
	"context"
	"encoding/json"
	stdflag "flag"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/runtime/npy"
	"partita/runtime/wire"
	"partita/server/api"
	"partita/server/deploy"
	"partita/server/local"
)

var update = stdflag.Bool("update", false, "rewrite the golden files")

// result is what a command printed and how it ended.
type result struct {
	stdout, stderr string
	code           int
}

func partita(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	env := &environment{in: strings.NewReader(stdin), out: &out, errors: &errors, getenv: func(string) string { return "" }}
	code := run(t.Context(), args, env)
	return result{out.String(), errors.String(), code}
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and read the difference. Now:\n%s", path, got)
	}
}

// TestHelp keeps the help of every command, which is drawn from the table of commands.
func TestHelp(t *testing.T) {
	all := partita(t, "", "help")
	text := all.stdout
	for _, c := range commands() {
		short, long := partita(t, "", c.name, "-h"), partita(t, "", "help", c.name)
		if short.code != 0 || short.stdout != long.stdout || short.stderr != "" {
			t.Errorf("%s -h and help %s differ or fail: %+v", c.name, c.name, short)
		}
		text += "\n--- partita " + c.name + " -h\n" + short.stdout
	}
	golden(t, "help.txt", text)
}

func TestUsageErrors(t *testing.T) {
	model := filepath.Join(t.TempDir(), "none.json")
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{nil, 2, []string{"usage.no-command", "partita help"}},
		{[]string{"conduct"}, 2, []string{"conduct", "usage.unknown-command"}},
		{[]string{"help", "conduct"}, 2, []string{"usage.unknown-command"}},
		{[]string{"plan"}, 2, []string{"MODEL", "plan -h"}},
		{[]string{"plan", "a", "b"}, 2, []string{"too many: b"}},
		{[]string{"plan", model, "--max-stage", "3"}, 2, []string{"--max-stage", "did you mean --max-stages?"}},
		{[]string{"plan", model, "-v"}, 2, []string{"no flag -v"}},
		{[]string{"plan", model, "--slo"}, 2, []string{"--slo needs a value"}},
		{[]string{"plan", model, "--json=yes"}, 2, []string{"takes no value"}},
		{[]string{"plan", model, "--slo", "soon"}, 2, []string{"soon", "planner.bad-option"}},
		{[]string{"plan", model, "--slo=-2s"}, 2, []string{"negative"}},
		{[]string{"plan", model, "--platform", "mainframe"}, 2, []string{"mainframe", "local"}},
		{[]string{"plan", model}, 1, []string{"none.json", "file.absent"}},
		{[]string{"inspect", t.TempDir()}, 1, []string{"folder", "file.unusable"}},
		{[]string{"deploy", "plan.json"}, 2, []string{"--name", "--weights"}},
		{[]string{"deploy", "plan.json", "--name", "Bad", "--weights", "w"}, 2, []string{"deploy.bad-name"}},
		{[]string{"destroy", "../x", "--yes"}, 2, []string{"deploy.bad-name"}},
		{[]string{"destroy", "demo"}, 2, []string{"--yes"}},
		{[]string{"invoke", "demo"}, 2, []string{"INPUT"}},
		{[]string{"invoke", "demo", "x.npy", "--top", "many"}, 2, []string{"many", "whole number"}},
		{[]string{"list", "--server", "ftp://x"}, 2, []string{"ftp://x"}},
		{[]string{"list", "--server", "http://127.0.0.1:9"}, 1, []string{"http://127.0.0.1:9", "server.unreachable", "partita serve"}},
		{[]string{"serve", "--addr", "0.0.0.0:0"}, 4, []string{"serve.token-needed"}},
		{[]string{"serve", "--addr", "here"}, 2, []string{"serve.bad-address"}},
		{[]string{"serve", "--cloud", "moon"}, 2, []string{"moon"}},
		{[]string{"serve", "--log", "loud"}, 2, []string{"loud"}},
	} {
		r := partita(t, "", c.args...)
		if r.code != c.code || r.stdout != "" {
			t.Errorf("partita %v ends with %d and prints %q, want %d and nothing", c.args, r.code, r.stdout, c.code)
		}
		for _, part := range c.says {
			if !strings.Contains(r.stderr, part) {
				t.Errorf("partita %v does not mention %q: %s", c.args, part, r.stderr)
			}
		}
	}
}

func TestErrorDocument(t *testing.T) {
	r := partita(t, "", "plan", "--json", "--platform", "mainframe", "x")
	var d errorDocument
	if err := json.Unmarshal([]byte(r.stderr), &d); err != nil || d.Format != "partita.error/1" || d.Code != "platform.unknown" || d.Kind != "usage" || d.Fix == "" || r.code != 2 {
		t.Errorf("%+v, %v: %s", d, err, r.stderr)
	}
}

func TestParse(t *testing.T) {
	c := &command{name: "c", maxArgs: -1, flags: []flag{{name: "json"}, {name: "out", value: "FILE", standard: "o"}}}
	a, err := parse(c, []string{"-", "--out=y=z", "x", "--json", "--json", "--", "--out", "-q"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.words, []string{"-", "x", "--out", "-q"}) || a.text("out") != "y=z" || !a.on("json") {
		t.Errorf("%+v", a)
	}
	if a, err := parse(c, []string{"--out", "--json"}); err != nil || a.text("out") != "--json" || a.on("json") {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := parse(c, []string{"--out", "a", "--out=b"}); diag.CodeOf(err) != "usage.bad-arguments" || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("%v", err)
	}
	if a, _ := parse(c, nil); a.text("out") != "o" || a.on("json") {
		t.Errorf("defaults: %+v", a)
	}
	if d := editDistance("platfrom", "platform"); d != 2 {
		t.Errorf("distance %d", d)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errors bytes.Buffer
	env := &environment{in: strings.NewReader(""), out: io.Discard, errors: &errors, getenv: func(string) string { return "" }}
	if code := run(ctx, []string{"list", "--server", "http://127.0.0.1:9"}, env); code != 130 {
		t.Errorf("exit code %d: %s", code, errors.String())
	}
}

// fake is a server's deployments.
type fake struct {
	deployed map[string]*deploy.Deployment
	uploads  map[string][]byte
	invoked  deploy.Invocation
	fail     error
	feeds    map[string]*deploy.Feed
}

func (f *fake) ReceiveUpload(_ context.Context, name string, body io.Reader) (*deploy.Upload, error) {
	data, err := io.ReadAll(body)
	f.uploads[name] = data
	return &deploy.Upload{ID: name, Name: name, Bytes: int64(len(data))}, err
}

func (f *fake) DropUpload(_ context.Context, id string) error { delete(f.uploads, id); return nil }

func (f *fake) Start(_ context.Context, r deploy.Request) (*deploy.Deployment, error) {
	if diag.CodeOf(f.fail) == "refused" {
		return nil, f.fail
	}
	d := &deploy.Deployment{Format: deploy.DeploymentFormat, Name: r.Name, State: deploy.Ready, Model: deploy.ModelSummary{Name: "tiny"}, Created: time.Unix(0, 0), Gateway: "g"}
	feed := deploy.NewFeed()
	feed.Start("create", "function g", 0).End(f.fail)
	feed.Finish(f.fail)
	f.feeds[r.Name] = feed
	if f.fail == nil {
		f.deployed[r.Name] = d
	}
	return d, nil
}

func (f *fake) Get(_ context.Context, name string) (*deploy.Deployment, error) {
	if d := f.deployed[name]; d != nil {
		return d, nil
	}
	return nil, diag.New(diag.NotFound, "deploy.unknown", "looking for "+name, "there is none", "")
}

func (f *fake) List(context.Context) ([]*deploy.Deployment, error) {
	all := []*deploy.Deployment{}
	for _, d := range f.deployed {
		all = append(all, d)
	}
	return all, nil
}

func (f *fake) Watch(_ context.Context, name string) (*deploy.Feed, error) { return f.feeds[name], nil }

func (f *fake) Destroy(ctx context.Context, name string) (*deploy.Destroyed, error) {
	if _, err := f.Get(ctx, name); err != nil {
		return nil, err
	}
	delete(f.deployed, name)
	return &deploy.Destroyed{Format: deploy.DestroyedFormat, Name: name, Functions: []string{"g"}, Objects: 2, Remaining: []string{}}, nil
}

func (f *fake) Invoke(_ context.Context, _ string, in deploy.Invocation) (*wire.GatewayReply, error) {
	f.invoked = in
	tensor := func(name string) wire.Tensor {
		return wire.Tensor{TensorSpec: wire.TensorSpec{Name: name, DType: "uint8", Shape: []int64{1, 3}}, Data: []byte{7, 8, 9}}
	}
	return &wire.GatewayReply{Outputs: []wire.Tensor{tensor("first"), tensor("block/second"), tensor("..")},
		Top:   [][]wire.Class{{{Index: 2, Score: 9}}},
		Trace: wire.Trace{LatencyUs: 1500, CostPicoUSD: 2_000_000, Stages: []wire.StageTrace{{Cold: true, BilledMs: 5, MemoryMB: 1024}}}}, f.fail
}

func startFake(t testing.TB) (*fake, string) {
	t.Helper()
	f := &fake{deployed: map[string]*deploy.Deployment{}, uploads: map[string][]byte{}, feeds: map[string]*deploy.Feed{}}
	s := httptest.NewServer(api.New(api.Options{Deployments: f}))
	t.Cleanup(s.Close)
	return f, s.URL
}

// planFile writes a plan that decodes.
func planFile(t testing.TB, change func(*plan.Plan)) string {
	t.Helper()
	packed, err := plan.PackArchitecture("keras-json", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	p := &plan.Plan{Format: plan.Format, Platform: "local", Status: plan.Optimal, Model: plan.Model{Name: "tiny", Digest: plan.Digest([]byte("{}")), Architecture: packed},
		Stages: []plan.Stage{{Index: 1, FirstLayer: 1, LastLayer: 3, MemoryMB: 512}}}
	if change != nil {
		change(p)
	}
	document, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDeployListDestroy(t *testing.T) {
	f, url := startFake(t)
	weights := filepath.Join(t.TempDir(), "model.h5")
	if err := os.WriteFile(weights, []byte("numbers"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := planFile(t, nil)
	deployArgs := func(name string) []string {
		return []string{"deploy", file, "--weights", weights, "--name", name, "--server", url, "--yes", "--json"}
	}
	r := partita(t, "", deployArgs("demo")...)
	var d deploy.Deployment
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil || r.code != 0 || d.Name != "demo" || d.Format != "partita.deployment/1" || r.stderr != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if string(f.uploads["model.h5"]) != "numbers" {
		t.Errorf("uploaded %v", f.uploads)
	}
	if r := partita(t, "", deployArgs("demo")...); r.code != 1 || !strings.Contains(r.stderr, "deploy.name-in-use") {
		t.Errorf("the name again: %+v", r)
	}
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := partita(t, string(document), "deploy", "-", "--weights", weights, "--name", "piped", "--server", url, "--yes"); r.code != 0 || !strings.Contains(r.stdout, "piped is ready") {
		t.Errorf("a plan from standard input: %+v", r)
	}

	f.fail = diag.New(diag.Limit, "function.out-of-memory", "waking", "killed", "more memory")
	if r := partita(t, "", deployArgs("late")...); r.code != 4 || !strings.Contains(r.stderr, `"code":"function.out-of-memory"`) || r.stdout != "" {
		t.Errorf("a deployment that fails: %+v", r)
	}
	f.fail = diag.New(diag.Invalid, "refused", "", "no", "")
	clear(f.uploads)
	if r := partita(t, "", deployArgs("late")...); r.code != 1 || len(f.uploads) != 0 {
		t.Errorf("a deployment that is refused: %+v, uploads %v", r, f.uploads)
	}
	f.fail = nil

	infeasible := planFile(t, func(p *plan.Plan) { p.Status, p.Reason, p.Stages = plan.Infeasible, "too slow", nil })
	if r := partita(t, "", "deploy", infeasible, "--weights", weights, "--name", "x", "--server", url, "--yes"); r.code != 3 || !strings.Contains(r.stderr, "too slow") {
		t.Errorf("an infeasible plan: %+v", r)
	}
	if r := partita(t, "", "deploy", weights, "--weights", weights, "--name", "x", "--server", url, "--yes"); r.code != 1 || !strings.Contains(r.stderr, "model.h5") || !strings.Contains(r.stderr, "plan.not-a-plan") {
		t.Errorf("no plan: %+v", r)
	}

	if r := partita(t, "", "list", "--server", url, "--json"); !strings.Contains(r.stdout, `"partita.deployments/1"`) || !strings.Contains(r.stdout, `"demo"`) {
		t.Errorf("list: %+v", r)
	}
	if r := partita(t, "", "list", "--server", url); !strings.Contains(r.stdout, "demo") || !strings.Contains(r.stdout, "ready") {
		t.Errorf("list: %+v", r)
	}
	for _, name := range []string{"demo", "piped"} {
		if r := partita(t, "", "destroy", name, "--server", url, "--yes"); r.code != 0 || !strings.Contains(r.stdout, "nothing is left") {
			t.Errorf("destroy: %+v", r)
		}
	}
	if r := partita(t, "", "destroy", "demo", "--server", url, "--yes"); r.code != 1 || !strings.Contains(r.stderr, "deploy.unknown") {
		t.Errorf("destroy again: %+v", r)
	}
	if r := partita(t, "", "list", "--server", url); r.stdout != "no deployments\n" {
		t.Errorf("list: %+v", r)
	}
}

func TestInvoke(t *testing.T) {
	f, url := startFake(t)
	f.deployed["demo"] = &deploy.Deployment{Name: "demo", State: deploy.Ready}
	folder := t.TempDir()
	small, odd, big := filepath.Join(folder, "a.npy"), filepath.Join(folder, "x=y.png"), filepath.Join(folder, "big.json")
	for path, data := range map[string][]byte{small: []byte("small"), odd: []byte("odd"), big: make([]byte, inlineInput+1)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(folder, "out")
	one := filepath.Join(folder, "one.npy")
	r := partita(t, "", "invoke", "demo", "in="+small, "big="+big, "--output", one, "--output-dir", out, "--server", url, "--json", "--top", "3", "--preprocess", "tf")
	var d invocation
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil || r.code != 0 || d.Format != "partita.invocation/1" || len(d.Outputs) != 3 || d.Top[0][0].Index != 2 || d.Trace.LatencyUs != 1500 {
		t.Fatalf("%+v, %v", r, err)
	}
	if strings.Contains(r.stdout, `"data"`) {
		t.Errorf("the document has the tensors' data: %s", r.stdout)
	}
	in := f.invoked
	if in.Top != 3 || in.Preprocess != "tf" || len(in.Inputs) != 2 || in.Inputs[0].Name != "in" || string(in.Inputs[0].Data) != "small" || in.Inputs[0].ContentType != wire.TypeNPY || in.Inputs[1].Upload != "big.json" {
		t.Errorf("invoked with %d inputs, %+v", len(in.Inputs), in.Inputs[0])
	}
	for _, path := range []string{one, filepath.Join(out, "first.npy"), filepath.Join(out, "block_second.npy"), filepath.Join(out, "output...npy")} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		array, err := npy.Decode(data)
		if err != nil || !bytes.Equal(array.Data, []byte{7, 8, 9}) || !slices.Equal(array.Shape, []int64{1, 3}) {
			t.Errorf("%s: %+v, %v", path, array, err)
		}
	}
	if r := partita(t, "", "invoke", "demo", odd, "--server", url); r.code != 0 || string(f.invoked.Inputs[0].Data) != "odd" || f.invoked.Inputs[0].ContentType != wire.TypePNG ||
		!strings.Contains(r.stdout, "class    2  9") || !strings.Contains(r.stdout, "cold") {
		t.Errorf("a file with = in its name: %+v", r)
	}
	if r := partita(t, "", "invoke", "demo", small, odd, "--server", url); r.code != 0 || len(f.invoked.Inputs) != 2 || f.invoked.Inputs[1].Name != "" {
		t.Errorf("a batch of two files: %+v", r)
	}
	many := filepath.Join(folder, "many")
	if err := os.Mkdir(many, 0o700); err != nil {
		t.Fatal(err)
	}
	if r := partita(t, "", "invoke", "demo", many, "--server", url); r.code != 2 || !strings.Contains(r.stderr, "invoke.no-inputs") {
		t.Errorf("an empty folder: %+v", r)
	}
	for k, name := range []string{"b.jpg", "notes.txt", "a.npy", "c.npy"} {
		size := 5
		if k == 3 {
			size = int(inlineInput) - 5 // no room beside the others
		}
		if err := os.WriteFile(filepath.Join(many, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := partita(t, "", "invoke", "demo", "x="+many, "--server", url); r.code != 0 || len(f.invoked.Inputs) != 3 || f.invoked.Inputs[1].ContentType != wire.TypeJPEG || f.invoked.Inputs[2].Upload != "c.npy" || f.invoked.Inputs[2].Name != "x" {
		t.Errorf("a folder: %+v, %d inputs", r, len(f.invoked.Inputs))
	}
	if r := partita(t, "piped", "invoke", "demo", "-", "--server", url); r.code != 0 || string(f.invoked.Inputs[0].Data) != "piped" || f.invoked.Inputs[0].ContentType != "" {
		t.Errorf("standard input: %+v", r)
	}
	if r := partita(t, "", "invoke", "demo", filepath.Join(folder, "none.npy"), "--server", url); r.code != 1 || !strings.Contains(r.stderr, "none.npy") {
		t.Errorf("no such file: %+v", r)
	}
	f.fail = diag.New(diag.Invalid, "gateway.wrong-shape", "reading input", "expected ?x3, got 4", "send another")
	if r := partita(t, "", "invoke", "demo", big, "--server", url); r.code != 1 || !strings.Contains(r.stderr, "gateway.wrong-shape") || f.uploads["big.json"] != nil {
		t.Errorf("a refused input: %+v", r)
	}
}

// TestModelCommands runs what needs no server on a real model.
func TestModelCommands(t *testing.T) {
	model := fixture.Shared(t, "models", "k3_tiny_cnn", "model.h5")
	config, err := os.ReadFile(fixture.Shared(t, "models", "k3_tiny_cnn", "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "inspect.txt", partita(t, "", "inspect", model).stdout)
	if r := partita(t, string(config), "inspect", "-", "--json"); r.code != 0 || !strings.Contains(r.stdout, `"layers":9,"parameters":1614`) {
		t.Errorf("inspect -: %+v", r)
	}
	r := partita(t, "", "plan", model, "--platform", "local", "--min-stages", "2", "--max-stages", "2", "--json")
	p, err := plan.Decode([]byte(r.stdout))
	if err != nil || len(p.Stages) != 2 || r.stderr != "" {
		t.Errorf("plan --json: %+v, %v", r, err)
	}
	for _, asJSON := range []bool{true, false} {
		args := []string{"plan", model, "--slo", "1us"}
		if asJSON {
			args = append(args, "--json")
		}
		if r := partita(t, "", args...); r.code != 3 || !strings.Contains(r.stdout, "infeasible") || !strings.Contains(r.stderr, "plan.infeasible") {
			t.Errorf("an infeasible plan: %+v", r)
		}
	}
	if r := partita(t, "", "plan", model, "--platform", "local"); r.code != 0 || !strings.Contains(r.stdout, "per 100,000 requests") || !strings.Contains(r.stdout, "gateway") {
		t.Errorf("plan: %+v", r)
	}
	r = partita(t, "", "instance", model, "--max-stages", "2", "--memory", "512,1024")
	var instance struct {
		Format   string
		Segments []any
	}
	if err := json.Unmarshal([]byte(r.stdout), &instance); err != nil || instance.Format != "partita.instance/1" || len(instance.Segments) == 0 {
		t.Errorf("instance: %v %.200s", err, r.stdout)
	}
	if r := partita(t, "", "version", "--json"); !strings.Contains(r.stdout, `"partita.version/1"`) {
		t.Errorf("version: %+v", r)
	}
}

// TestServeAnswersAndStops starts the whole server on a free port and stops it as Ctrl-C does.
func TestServeAnswersAndStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, writer := io.Pipe()
	defer out.Close()
	data := t.TempDir()
	env := &environment{in: strings.NewReader(""), out: io.Discard, errors: writer, getenv: func(string) string { return "" }}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--data", data, "--log", "error"}, env)
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	_, url, found := strings.Cut(strings.TrimSpace(string(line[:n])), "Partita is at ")
	if !found {
		t.Fatalf("serve says %q", line[:n])
	}
	if r := partita(t, "", "list", "--server", url); r.code != 0 || r.stdout != "no deployments\n" {
		t.Errorf("list: %+v", r)
	}
	if r := partita(t, "", "serve", "--addr", "127.0.0.1:0", "--data", data); r.code != 1 || !strings.Contains(r.stderr, "serve.data-in-use") {
		t.Errorf("a second server on the same data: %+v", r)
	}
	if r := partita(t, "", "serve", "--addr", strings.TrimPrefix(url, "http://"), "--data", t.TempDir()); r.code != 1 || !strings.Contains(r.stderr, "serve.cannot-listen") {
		t.Errorf("a second server on the same address: %+v", r)
	}
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("serve ends with %d", code)
		}
	case <-time.After(30 * time.Second):
		t.Error("serve does not end")
	}
	if left, _ := os.ReadDir(filepath.Join(data, "tmp")); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestMain(m *testing.M) {
	local.RunSandboxChild()
	os.Exit(m.Run())
}
