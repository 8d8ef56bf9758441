package deploy

import (
	"context"
	"slices"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/server/cloud"
)

// lateCloud carries creations of functions out some time after they were asked for, also those whose caller has left.
type lateCloud struct {
	*fakeCloud
	asked chan string
}

func (l *lateCloud) CreateFunction(ctx context.Context, spec cloud.FunctionSpec) error {
	made := make(chan error, 1)
	go func() {
		time.Sleep(50 * time.Millisecond)
		l.mu.Lock()
		l.functions[spec.Name] = spec
		l.mu.Unlock()
		made <- nil
	}()
	l.asked <- spec.Name
	select {
	case err := <-made:
		return err
	case <-ctx.Done():
		return diag.New(diag.Interrupted, "interrupted", "", "cancelled", "").Because(ctx.Err())
	}
}

// TestCancelledWhileAFunctionIsMade cancels a deployment when the cloud has been asked for a function and has not answered.
func TestCancelledWhileAFunctionIsMade(t *testing.T) {
	f := &lateCloud{newFakeCloud(), make(chan string, 10)}
	d := newDeployer(t, f.fakeCloud)
	d.options.Functions = f
	feed, err := start(d, "demo", planDocument(t, 2), "weights")
	if err != nil {
		t.Fatal(err)
	}
	<-f.asked
	removed, err := d.Destroy(t.Context(), "demo")
	if err != nil || len(removed.Remaining) != 0 {
		t.Errorf("%+v, %v", removed, err)
	}
	if code := diag.CodeOf(outcome(t, feed)); code != "deploy.cancelled" {
		t.Errorf("the deployment ends with %s", code)
	}
	time.Sleep(100 * time.Millisecond)
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// growingCloud shows a function only when another has been deleted.
type growingCloud struct {
	*fakeCloud
	hidden map[string]cloud.FunctionSpec
}

func (g *growingCloud) DeleteFunction(ctx context.Context, name string) error {
	err := g.fakeCloud.DeleteFunction(ctx, name)
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, spec := range g.hidden {
		g.functions[name] = spec
	}
	g.hidden = nil
	return err
}

func TestDestroyRemovesWhatAppearsMeanwhile(t *testing.T) {
	f := &growingCloud{fakeCloud: newFakeCloud()}
	d := newDeployer(t, f.fakeCloud)
	feed, err := start(d, "demo", planDocument(t, 2), "weights")
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); err != nil {
		t.Fatal(err)
	}
	d.options.Functions = f
	late := "partita-demo-stage-1"
	f.hidden = map[string]cloud.FunctionSpec{late: f.functions[late]}
	delete(f.functions, late)
	removed, err := d.Destroy(t.Context(), "demo")
	if err != nil || !slices.Contains(removed.Functions, late) {
		t.Errorf("%+v, %v", removed, err)
	}
	if left := f.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestInvokedWhileDestroyed destroys a deployment under an invocation, whose function then dies.
func TestInvokedWhileDestroyed(t *testing.T) {
	f := newFakeCloud()
	d := newDeployer(t, f)
	feed, err := start(d, "demo", planDocument(t, 1), "weights")
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); err != nil {
		t.Fatal(err)
	}
	died := &cloud.Invoked{Failed: "Unhandled", Payload: []byte(`{"errorType":"Runtime.ExitError","errorMessage":"Runtime exited with error: signal: killed"}`)}
	for _, c := range []struct {
		destroy bool
		code    string
	}{{false, "function.out-of-memory"}, {true, "deploy.not-ready"}} {
		f.invoke = func(string, []byte) (*cloud.Invoked, error) {
			if c.destroy {
				if _, err := d.Destroy(t.Context(), "demo"); err != nil {
					t.Error(err)
				}
			}
			return died, nil
		}
		_, err := d.Invoke(t.Context(), "demo", Invocation{Inputs: []InvocationInput{{Data: []byte("x")}}})
		if diag.CodeOf(err) != c.code {
			t.Errorf("destroyed %v: %v", c.destroy, err)
		}
	}
}
