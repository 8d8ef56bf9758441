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
