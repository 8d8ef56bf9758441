package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// planDocument makes the smallest plan that decodes.
func planDocument(t testing.TB, stages int) []byte {
	t.Helper()
	return planDocumentFor(t, "local", stages)
}

func planDocumentFor(t testing.TB, platform string, stages int) []byte {
	t.Helper()
	architecture := []byte(`{"made":"up"}`)
	packed, err := plan.PackArchitecture("keras-json", architecture)
	if err != nil {
		t.Fatal(err)
	}
	p := &plan.Plan{Format: plan.Format, Platform: platform, Status: plan.Optimal, Model: plan.Model{Name: "tiny", Digest: plan.Digest(architecture), Architecture: packed}}
	for i := range stages {
		p.Stages = append(p.Stages, plan.Stage{Index: i + 1, FirstLayer: i + 1, LastLayer: i + 1, MemoryMB: 512})
	}
	document, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// blueprintOf replaces the real preparation: as many stages as the plan has, with packages of a few bytes.
func blueprintOf(_ context.Context, r *Request, w Weights) (*Blueprint, error) {
	weights := make([]byte, w.Size)
	if _, err := w.Reader.ReadAt(weights, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if bytes.HasPrefix(weights, []byte("bad")) {
		return nil, diag.New(diag.Invalid, "weights.shape-mismatch", "binding", "shapes differ", "")
	}
	b := &Blueprint{Plan: summaryOf(r.plan), Preprocess: "tf", Inputs: []wire.TensorSpec{{Name: "in", DType: "float32", Shape: []int64{-1, 4}}}}
	part := func(name string) Part {
		return Part{Name: name, Function: functionsOf(r.Name) + name, MemoryMB: 512, TimeoutSeconds: 60, WakeEvent: wakeEvent(),
			Write: func(w io.Writer) error { _, err := w.Write([]byte("package of " + name)); return err }}
	}
	for _, s := range r.plan.Stages {
		b.Stages = append(b.Stages, part(fmt.Sprintf("stage-%d", s.Index)))
	}
	b.Gateway = part("gateway")
	b.Gateway.WakeRefused = true
	return b, nil
}

func newDeployer(t testing.TB, f *fakeCloud) *Deployer {
	t.Helper()
	return New(Options{Store: f, Functions: f, Folder: t.TempDir(), Exclusive: true, Region: "eu-west-1", Prepare: blueprintOf})
}

// start uploads weights and asks for a deployment.
func start(d *Deployer, name string, document []byte, weights string) (*Feed, error) {
	ctx := context.Background()
	u, err := d.ReceiveUpload(ctx, "model.h5", strings.NewReader(weights))
	if err != nil {
		return nil, err
	}
	if _, err := d.Start(ctx, Request{Name: name, Plan: document, Upload: u.ID}); err != nil {
		d.DropUpload(ctx, u.ID)
		return nil, err
	}
	return d.Watch(ctx, name)
}

// outcome waits for the end of a feed.
func outcome(t testing.TB, f *Feed) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for position := 0; ; {
		entries := f.Next(ctx, position)
		if len(entries) == 0 {
			t.Fatal("the feed does not end")
		}
		position += len(entries)
		if last := entries[len(entries)-1]; last.Done || last.Err != nil {
			return last.Err
		}
	}
}

func TestDeployInvokeDestroy(t *testing.T) {
	f := newFakeCloud()
	d := newDeployer(t, f)
	feed, err := start(d, "demo", planDocument(t, 3), "weights")
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); err != nil {
		t.Fatal(err)
	}
	one, err := d.Get(t.Context(), "demo")
	if err != nil || one.State != Ready || len(one.Stages) != 3 || one.Gateway != "partita-demo-gateway" || one.Model.Name != "tiny" {
		t.Fatalf("Get: %+v, %v", one, err)
	}
	if last := f.invoked[len(f.invoked)-1]; last != "partita-demo-gateway" || len(f.invoked) != 4 {
		t.Errorf("woken: %v", f.invoked)
	}
	if left := f.leftovers(); slices.ContainsFunc(left, func(s string) bool { return strings.Contains(s, "uploads/") }) {
		t.Errorf("the upload is kept: %v", left)
	}
	if files, _ := os.ReadDir(d.options.Folder); len(files) != 0 {
		t.Errorf("temporary files are left: %v", files)
	}
	for name, spec := range f.functions {
		if spec.Tags[tagDeployment] != "demo" || spec.MemoryMB != 512 || !strings.HasPrefix(spec.PackageKey, "deployments/demo/packages/") {
			t.Errorf("%s: %+v", name, spec)
		}
	}

	var got wire.GatewayEvent
	f.invoke = func(name string, payload []byte) (*cloud.Invoked, error) {
		if err := wire.Unmarshal(payload, &got); err != nil {
			return nil, err
		}
		for i, in := range got.Inputs {
			if in.Object != nil && !bytes.HasPrefix(f.objects[in.Object.Key], []byte("big")) {
				return nil, fmt.Errorf("input %d is not in the bucket", i)
			}
		}
		f.objects["runs/demo/r/out"] = []byte("0123")
		reply, err := wire.Marshal(wire.GatewayReply{Format: wire.ReplyFormat, Outputs: []wire.Tensor{
			{TensorSpec: wire.TensorSpec{Name: "out", DType: "uint8", Shape: []int64{4}}, Object: &wire.Object{Bucket: "bucket", Key: "runs/demo/r/out", Bytes: 4}}}})
		return &cloud.Invoked{Payload: reply}, err
	}
	before := f.leftovers()
	big := append([]byte("big"), make([]byte, 7<<20)...)
	u, err := d.ReceiveUpload(t.Context(), "x.npy", strings.NewReader("big upload"))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := d.Invoke(t.Context(), "demo", Invocation{Inputs: []InvocationInput{{Name: "a", Data: []byte("small")}, {Name: "b", Data: big}, {Name: "c", Upload: u.ID}}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Inputs[0].Object != nil || string(got.Inputs[0].Data) != "small" || got.Inputs[1].Object == nil || got.Inputs[1].Object.Bytes != int64(len(big)) || got.Inputs[2].Object == nil {
		t.Errorf("the gateway got %d inputs, the first inline: %v", len(got.Inputs), got.Inputs[0].Object == nil)
	}
	if o := reply.Outputs[0]; string(o.Data) != "0123" || o.Object != nil {
		t.Errorf("output %+v", o)
	}
	if after := f.leftovers(); !slices.Equal(before, after) {
		t.Errorf("an invocation leaves %v, before it there was %v", after, before)
	}

	removed, err := d.Destroy(t.Context(), "demo")
	if err != nil || len(removed.Functions) != 4 || removed.Functions[0] != "partita-demo-gateway" || len(removed.Remaining) != 0 {
		t.Errorf("Destroy: %+v, %v", removed, err)
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left after destroy: %v", left)
	}
	if _, err := d.Get(t.Context(), "demo"); diag.CodeOf(err) != "deploy.unknown" {
		t.Errorf("Get after destroy: %v", err)
	}
	if _, err := d.Destroy(t.Context(), "demo"); diag.CodeOf(err) != "deploy.unknown" {
		t.Errorf("a second destroy: %v", err)
	}
}

// TestFailureAnywhereLeavesNothing fails each change of a deployment in turn: the roll-back removes everything.
func TestFailureAnywhereLeavesNothing(t *testing.T) {
	document := planDocument(t, 2)
	for _, applied := range []bool{false, true} {
		for at := 1; ; at++ {
			f := newFakeCloud()
			f.failAt, f.applied = at, applied
			d := newDeployer(t, f)
			feed, err := start(d, "demo", document, "weights")
			if err == nil {
				err = outcome(t, feed)
			}
			if f.changes < at { // there is no such change
				if at < 15 {
					t.Errorf("a deployment has only %d changes", f.changes)
				}
				break
			}
			if at == 1 && applied { // the upload was stored and its answer lost: it goes after a day
				continue
			}
			if applied && err == nil { // a lost answer that nobody needed
				t.Errorf("failing change %d goes unnoticed", at)
			}
			if !errors.Is(err, errDown) {
				t.Errorf("failing change %d gives %v", at, err)
			}
			left := f.leftovers()
			if applied && at == 2 {
				// The name was claimed and the answer lost: the journal stays, and destroy removes it.
				if _, err := d.Destroy(t.Context(), "demo"); err != nil {
					t.Errorf("destroy: %v", err)
				}
				left = f.leftovers()
			}
			if len(left) != 0 {
				t.Errorf("failing change %d (applied: %v) leaves %v", at, applied, left)
			}
			if _, err := d.Get(t.Context(), "demo"); diag.CodeOf(err) != "deploy.unknown" {
				t.Errorf("failing change %d: the deployment is still known: %v", at, err)
			}
		}
	}
}

// TestKilledServer loses the cloud for good at each change of a deployment, as a killed process does, and lets another
// process destroy what there is.
func TestKilledServer(t *testing.T) {
	document := planDocument(t, 2)
	for at := 3; ; at++ { // the first two are the upload and the claim of the name
		f := newFakeCloud()
		f.failAt, f.dead, f.applied = at, true, at%2 == 0
		feed, err := start(newDeployer(t, f), "demo", document, "weights")
		if err != nil {
			t.Fatal(err)
		}
		err = outcome(t, feed)
		if f.changes < at {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		f.down = false
		second := newDeployer(t, f)
		interrupted, err := second.Recover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		one, err := second.Get(t.Context(), "demo")
		if err != nil {
			t.Fatalf("after change %d: %v", at, err)
		}
		finished := one.State == Ready // the last change was made and its answer lost
		if !finished && (one.State != Interrupted || !slices.Equal(interrupted, []string{"demo"}) || len(one.Resources) == 0) {
			t.Errorf("after change %d the deployment is %s with %d resources, interrupted are %v", at, one.State, len(one.Resources), interrupted)
		}
		if finished && !f.applied {
			t.Errorf("after change %d the deployment is ready", at)
		}
		if !finished {
			if watch, err := second.Watch(t.Context(), "demo"); err != nil || diag.CodeOf(outcome(t, watch)) != "deploy.interrupted" {
				t.Errorf("after change %d: Watch %v", at, err)
			}
			if _, err := second.Invoke(t.Context(), "demo", Invocation{}); diag.CodeOf(err) != "deploy.not-ready" {
				t.Errorf("after change %d: Invoke %v", at, err)
			}
		}
		if _, err := start(second, "demo", document, "weights"); diag.CodeOf(err) != "deploy.name-in-use" {
			t.Errorf("after change %d the name is free: %v", at, err)
		}
		delete(f.objects, manifestKey("demo"))
		if _, err := second.Destroy(t.Context(), "demo"); err != nil {
			t.Errorf("after change %d: destroy: %v", at, err)
		}
		if left := f.leftovers(); len(left) != 0 {
			t.Errorf("after change %d destroy leaves %v", at, left)
		}
	}
}

func TestDestroyWithoutJournal(t *testing.T) {
	f := newFakeCloud()
	d := newDeployer(t, f)
	for _, name := range []string{"demo", "demo-stage-1", "other"} {
		feed, err := start(d, name, planDocument(t, 1), "w")
		if err != nil {
			t.Fatal(err)
		}
		if err := outcome(t, feed); err != nil {
			t.Fatal(err)
		}
	}
	foreign := "partita-demo-stage-9"
	f.functions[foreign] = cloud.FunctionSpec{Name: foreign}
	delete(f.objects, journalKey("demo"))
	delete(f.objects, manifestKey("demo"))
	if _, err := d.Destroy(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	left := strings.Join(f.leftovers(), "\n")
	for _, kept := range []string{foreign, "partita-demo-stage-1-gateway", "partita-demo-stage-1-stage-1", "partita-other-gateway", "deployments/demo-stage-1/journal.json"} {
		if !strings.Contains(left, kept) {
			t.Errorf("%s is gone", kept)
		}
	}
	for _, gone := range []string{"function partita-demo-gateway", "function partita-demo-stage-1\n", "deployments/demo/"} {
		if strings.Contains(left+"\n", gone) {
			t.Errorf("%s is left", gone)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFakeCloud()
	d := newDeployer(t, f)
	good := planDocument(t, 1)
	feed, err := start(d, "taken", good, "w")
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); err != nil {
		t.Fatal(err)
	}
	before := f.leftovers()
	infeasible, err := (&plan.Plan{Format: plan.Format, Status: plan.Infeasible, Reason: "too slow", Model: func() plan.Model {
		packed, _ := plan.PackArchitecture("keras-json", []byte("{}"))
		return plan.Model{Digest: plan.Digest([]byte("{}")), Architecture: packed}
	}()}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		document []byte
		weights  string
		code     string
	}{
		{"taken", good, "w", "deploy.name-in-use"},
		{"Bad", good, "w", "deploy.bad-name"},
		{"", good, "w", "deploy.bad-name"},
		{strings.Repeat("a", 41), good, "w", "deploy.bad-name"},
		{"new", bytes.Replace(good, []byte("plan/1"), []byte("plan/7"), 1), "w", "plan.unknown-version"},
		{"new", bytes.Replace(good, []byte(`"memoryMB":512`), []byte(`"memoryMB":128`), 1), "w", "plan.hash-mismatch"},
		{"new", infeasible, "w", "deploy.infeasible-plan"},
		{"new", planDocumentFor(t, "gcp-cloud-run-functions", 1), "w", "deploy.planning-only"},
		{"new", planDocumentFor(t, "azure-functions-flex", 1), "w", "deploy.planning-only"},
		{"new", planDocumentFor(t, "aws-lambda-x86_64@eu-south-1", 1), "w", "deploy.other-region"},
		{"new", good, "bad weights", "weights.shape-mismatch"},
		{"new", good, "", "upload.empty"},
	} {
		feed, err := start(d, c.name, c.document, c.weights)
		if err == nil {
			err = outcome(t, feed)
		}
		if diag.CodeOf(err) != c.code {
			t.Errorf("deploying %q: %v, want %s", c.name, err, c.code)
		}
		if after := f.leftovers(); !slices.Equal(before, after) {
			t.Errorf("deploying %q in vain leaves %v", c.name, after)
		}
	}
	for _, id := range []string{"", "no-such-upload", strings.Repeat("0", 32), "../../x"} {
		if _, err := d.Start(t.Context(), Request{Name: "new", Plan: good, Upload: id}); diag.CodeOf(err) != "upload.unknown" {
			t.Errorf("upload %q: %v", id, err)
		}
	}
	feed, err = start(d, "elsewhere", planDocumentFor(t, "aws-lambda-x86_64@eu-west-1", 1), "w")
	if err != nil || outcome(t, feed) != nil {
		t.Errorf("a plan with the prices of the region that functions are made in: %v", err)
	}
	if _, err := d.Invoke(t.Context(), "nobody", Invocation{}); diag.CodeOf(err) != "deploy.unknown" {
		t.Errorf("invoking an unknown deployment: %v", err)
	}
}

func TestFunctionOfAnotherIsKept(t *testing.T) {
	f := newFakeCloud()
	f.functions["partita-demo-stage-1"] = cloud.FunctionSpec{Name: "partita-demo-stage-1"}
	d := newDeployer(t, f)
	feed, err := start(d, "demo", planDocument(t, 1), "w")
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); diag.CodeOf(err) != "deploy.function-exists" {
		t.Errorf("%v", err)
	}
	if left := f.leftovers(); !slices.Equal(left, []string{"function partita-demo-stage-1"}) {
		t.Errorf("left: %v", left)
	}
}

func TestStageThatDies(t *testing.T) {
	f := newFakeCloud()
	f.invoke = func(string, []byte) (*cloud.Invoked, error) {
		return &cloud.Invoked{Failed: "Unhandled", Payload: []byte(`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: signal: killed"}`)}, nil
	}
	feed, err := start(newDeployer(t, f), "demo", planDocument(t, 2), "w")
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); diag.CodeOf(err) != wire.CodeOutOfMemory || diag.ExitCode(err) != 4 {
		t.Errorf("%v", err)
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestDestroyCancelsDeployment(t *testing.T) {
	f := newFakeCloud()
	reached := make(chan struct{})
	release := make(chan struct{})
	f.invoke = func(string, []byte) (*cloud.Invoked, error) {
		select {
		case <-reached:
		default:
			close(reached)
		}
		<-release
		return &cloud.Invoked{Payload: []byte("{}")}, nil
	}
	d := newDeployer(t, f)
	feed, err := start(d, "demo", planDocument(t, 1), "w")
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	if one, err := d.Get(t.Context(), "demo"); err != nil || one.State != Deploying {
		t.Errorf("%+v, %v", one, err)
	}
	if _, err := start(d, "demo", planDocument(t, 1), "w"); diag.CodeOf(err) != "deploy.name-in-use" {
		t.Errorf("a second deployment of the name: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := d.Destroy(context.Background(), "demo")
		done <- err
	}()
	time.Sleep(10 * time.Millisecond)
	close(release)
	if err := <-done; err != nil {
		t.Errorf("destroy: %v", err)
	}
	if err := outcome(t, feed); diag.CodeOf(err) != "deploy.cancelled" || diag.ExitCode(err) != 130 {
		t.Errorf("the deployment ends with %v", err)
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestCloseRollsBack(t *testing.T) {
	f := newFakeCloud()
	reached := make(chan struct{}, 8)
	d := newDeployer(t, f)
	f.invoke = func(string, []byte) (*cloud.Invoked, error) {
		reached <- struct{}{}
		for { // until Close has begun
			d.mu.Lock()
			closed := d.closed
			d.mu.Unlock()
			if closed {
				return &cloud.Invoked{Payload: []byte("{}")}, nil
			}
			time.Sleep(time.Millisecond)
		}
	}
	if _, err := start(d, "demo", planDocument(t, 2), "w"); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := start(d, "late", planDocument(t, 1), "w"); diag.CodeOf(err) != "server.stopping" {
		t.Errorf("a deployment after Close: %v", err)
	}
}

// TestTwoServers lets a second server look at what a live first one is doing.
func TestTwoServers(t *testing.T) {
	f := newFakeCloud()
	release := make(chan struct{})
	f.invoke = func(string, []byte) (*cloud.Invoked, error) {
		<-release
		return &cloud.Invoked{Payload: []byte("{}")}, nil
	}
	first, second := newDeployer(t, f), newDeployer(t, f)
	first.options.Exclusive, second.options.Exclusive = false, false
	feed, err := start(first, "demo", planDocument(t, 1), "w")
	if err != nil {
		t.Fatal(err)
	}
	if one, err := second.Get(t.Context(), "demo"); err != nil || one.State != Deploying {
		t.Errorf("the second server sees %+v, %v", one, err)
	}
	if _, err := second.Destroy(t.Context(), "demo"); diag.CodeOf(err) != "deploy.busy" {
		t.Errorf("the second server destroys: %v", err)
	}
	close(release)
	if err := outcome(t, feed); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Destroy(t.Context(), "demo"); err != nil {
		t.Errorf("the second server cannot destroy a ready deployment: %v", err)
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestUploads(t *testing.T) {
	f := newFakeCloud()
	d := newDeployer(t, f)
	d.options.MaxUploadBytes = 10
	if _, err := d.ReceiveUpload(t.Context(), "x", strings.NewReader("eleven byte")); diag.CodeOf(err) != "upload.too-large" {
		t.Errorf("%v", err)
	}
	u, err := d.ReceiveUpload(t.Context(), `C:\models\..\My Model.h5`, strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != "My_Model.h5" || u.Bytes != 3 || u.SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("%+v", u)
	}
	if got := f.leftovers(); !slices.Equal(got, []string{"object uploads/" + u.ID + "/My_Model.h5"}) {
		t.Errorf("%v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.ReceiveUpload(ctx, "x", strings.NewReader("abc")); diag.CodeOf(err) != "interrupted" {
		t.Errorf("a cancelled upload: %v", err)
	}
	for range 2 {
		if err := d.DropUpload(t.Context(), u.ID); err != nil {
			t.Error(err)
		}
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if files, _ := os.ReadDir(d.options.Folder); len(files) != 0 {
		t.Errorf("temporary files are left: %v", files)
	}
}

func TestFeedReplays(t *testing.T) {
	f := NewFeed()
	s := f.Start("package", "package stage-1", 10)
	s.progress(5) // too soon after the start to be told
	s.End(nil)
	f.Finish(nil)
	f.Finish(errors.New("too late"))
	f.add(Entry{}, false)
	entries := f.Next(t.Context(), 0)
	if len(entries) != 3 || entries[0].Step.State != "started" || entries[1].Step.State != "done" || entries[1].Step.Bytes != 5 || !entries[2].Done {
		t.Errorf("%+v", entries)
	}
	if rest := f.Next(t.Context(), 3); rest != nil {
		t.Errorf("after the end: %v", rest)
	}
}
