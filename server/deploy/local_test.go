package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/runtime/wire"
	"partita/server/cloud"
	"partita/server/local"
	"partita/server/split"
)

func TestMain(m *testing.M) {
	local.RunSandboxChild()
	os.Exit(m.Run())
}

// startCloud runs a local cloud for the length of a test.
func startCloud(t testing.TB) *cloud.Cloud {
	t.Helper()
	c, _ := startCloudAt(t)
	return c
}

// startCloudAt tells where it is as well.
func startCloudAt(t testing.TB) (c *cloud.Cloud, address string) {
	t.Helper()
	return startCloudBehind(t, func(h http.Handler) http.Handler { return h })
}

// startCloudBehind puts something before it.
func startCloudBehind(t testing.TB, before func(http.Handler) http.Handler) (c *cloud.Cloud, address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	address = "http://" + server.Listener.Addr().String()
	l, err := local.New(local.Options{Dir: t.TempDir(), EndpointURL: address})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = before(l.Handler())
	server.Start()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	c, err = cloud.Open(t.Context(), cloud.Config{Endpoint: address, Bucket: "partita"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, address
}

// failing is a cloud of which one change fails.
type failing struct {
	*cloud.Cloud
	changes atomic.Int64
	failAt  int64
}

func (f *failing) change(do func() error) error {
	if n := f.changes.Add(1); n == f.failAt {
		return fmt.Errorf("change %d: %w", n, errDown)
	}
	return do()
}

func (f *failing) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, contentType string) error {
	return f.change(func() error { return f.Cloud.Put(ctx, key, body, size, contentType) })
}

func (f *failing) PutIf(ctx context.Context, key string, data []byte, version string) (newVersion string, err error) {
	err = f.change(func() error {
		newVersion, err = f.Cloud.PutIf(ctx, key, data, version)
		return err
	})
	return newVersion, err
}

func (f *failing) Delete(ctx context.Context, keys ...string) error {
	return f.change(func() error { return f.Cloud.Delete(ctx, keys...) })
}

func (f *failing) CreateFunction(ctx context.Context, spec cloud.FunctionSpec) error {
	return f.change(func() error { return f.Cloud.CreateFunction(ctx, spec) })
}

func (f *failing) DeleteFunction(ctx context.Context, name string) error {
	return f.change(func() error { return f.Cloud.DeleteFunction(ctx, name) })
}

func (f *failing) Invoke(ctx context.Context, name string, payload []byte) (answer *cloud.Invoked, err error) {
	err = f.change(func() error {
		answer, err = f.Cloud.Invoke(ctx, name, payload)
		return err
	})
	return answer, err
}

// everything lists what is in a cloud.
func everything(t testing.TB, c *cloud.Cloud) []string {
	t.Helper()
	all := []string{}
	objects, err := c.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		all = append(all, "object "+o.Key)
	}
	functions, err := c.Functions(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range functions {
		all = append(all, "function "+f.Name)
	}
	return all
}

// tinyPlan plans a small real model in a number of stages.
func tinyPlan(t testing.TB, stages int) (document, weights []byte) {
	t.Helper()
	number := strconv.Itoa(stages)
	document, weights, _ = planOf(t, "k3_tiny_cnn", "min-stages="+number, "max-stages="+number)
	return document, weights
}

func realDeployer(t testing.TB, store Store, functions Functions) *Deployer {
	t.Helper()
	native := fixture.Native(t)
	images, _ := functions.(Images)
	return New(Options{Store: store, Functions: functions, Workflows: workflowsOf(functions), Images: images, Folder: t.TempDir(), Exclusive: true, AnyArchitecture: true, MeasureErrors: true, Concurrency: 2,
		Native: split.Native{Bootstrap: filepath.Join(native, "bootstrap"), Library: filepath.Join(native, "libonnxruntime.so")}})
}

// TestRealDeployment deploys a real model to the local cloud and compares what it computes.
func TestRealDeployment(t *testing.T) {
	document, weights := tinyPlan(t, 3)
	c := startCloud(t)
	d := realDeployer(t, c, c)
	feed, err := start(d, "real", document, string(weights))
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); err != nil {
		t.Fatal(err)
	}
	one, err := d.Get(t.Context(), "real")
	if err != nil || len(one.Stages) != 3 || len(one.Inputs) != 1 || one.Inputs[0].Shape[0] != wire.Batch {
		t.Fatalf("%+v, %v", one, err)
	}
	input, want := sample(t, "k3_tiny_cnn")
	reply, err := d.Invoke(t.Context(), "real", Invocation{Inputs: []InvocationInput{{Data: input}}})
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, reply, want)
	if _, err := d.Destroy(t.Context(), "real"); err != nil {
		t.Fatal(err)
	}
	if left := everything(t, c); len(left) != 0 {
		t.Errorf("left after destroy: %v", left)
	}
}

// TestRealFailureAnywhere fails each change of a real deployment in turn.
func TestRealFailureAnywhere(t *testing.T) {
	document, weights := tinyPlan(t, 1)
	failAnywhere(t, startCloud(t), document, weights, 11)
}

// failAnywhere deploys a plan as "demo" with each of its changes failing in turn, and at last without a failure: whichever fails, nothing is left.
func failAnywhere(t *testing.T, c *cloud.Cloud, document, weights []byte, leastChanges int64) {
	t.Helper()
	for at := int64(2); ; at++ { // the first is the upload's
		f := &failing{Cloud: c, failAt: at}
		feed, err := start(realDeployer(t, f, f), "demo", document, string(weights))
		if err == nil {
			err = outcome(t, feed)
		}
		if f.changes.Load() < at {
			if err != nil {
				t.Fatal(err)
			}
			if at-1 < leastChanges {
				t.Errorf("a deployment has only %d changes", at-1)
			}
			return
		}
		if !errors.Is(err, errDown) {
			t.Errorf("failing change %d gives %v", at, err)
		}
		if left := append(everything(t, c), repositories(t, c, "demo")...); len(left) != 0 {
			t.Errorf("failing change %d leaves %v", at, left)
		}
	}
}

// TestWrongWeights uploads the weights of another model.
func TestWrongWeights(t *testing.T) {
	document, _ := tinyPlan(t, 1)
	other, err := os.ReadFile(fixture.Shared(t, "models", "k3_tiny_mlp", "model.h5"))
	if err != nil {
		t.Fatal(err)
	}
	c := startCloud(t)
	feed, err := start(realDeployer(t, c, c), "demo", document, string(other))
	if err == nil {
		err = outcome(t, feed)
	}
	if !strings.HasPrefix(diag.CodeOf(err), "weights.") {
		t.Errorf("%v", err)
	}
	if left := everything(t, c); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestNoRuntime deploys from a server that lacks what runs in functions.
func TestNoRuntime(t *testing.T) {
	document, weights := tinyPlan(t, 1)
	f := newFakeCloud()
	d := New(Options{Store: f, Functions: f, Folder: t.TempDir(), Native: split.Native{Bootstrap: "/nowhere/bootstrap", Library: "/nowhere/lib"}})
	feed, err := start(d, "demo", document, string(weights))
	if err == nil {
		err = outcome(t, feed)
	}
	if diag.CodeOf(err) != "deploy.no-runtime" || !strings.Contains(err.Error(), "make build") {
		t.Errorf("%v", err)
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
