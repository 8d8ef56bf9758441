package deploy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/diag"
	"partita/planner/export"
	"partita/planner/plan"
	"partita/planner/synthetic"
	"partita/server/cloud"
)

// slow is a way to a cloud on which some requests for objects take long.
type slow struct {
	held  sync.WaitGroup
	count atomic.Int64
	match atomic.Pointer[slowness]
}

type slowness struct {
	method, part string // of the path
	by           time.Duration
}

func (s *slow) before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := s.match.Load(); m != nil && r.Method == m.method && strings.Contains(r.URL.Path, m.part) {
			s.count.Add(1)
			s.held.Add(1)
			defer s.held.Done()
			time.Sleep(m.by)
		}
		h.ServeHTTP(w, r)
	})
}

// nothingLeft waits for what was slow: nothing of a request may be there afterwards.
func (s *slow) nothingLeft(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	if s.count.Load() == 0 {
		t.Error("nothing was slow: this shows less than it should")
	}
	for range 2 {
		objects, err := c.List(t.Context(), "runs/")
		if err != nil || len(objects) > 0 {
			t.Errorf("left: %v, %v", objects, err)
		}
		s.held.Wait()
		time.Sleep(200 * time.Millisecond) // for what follows it
	}
	s.count.Store(0)
}

func slowFlow(t *testing.T, options ...string) (*slow, *cloud.Cloud, *Deployer, *plan.Plan) {
	t.Helper()
	s := &slow{}
	local, _ := startCloudBehind(t, s.before)
	d := realDeployer(t, local, local)
	document, weights, p := planOf(t, "k3_tiny_cnn", append([]string{"orchestration=step-functions", "batch=2", "transport=s3"}, options...)...)
	feed, err := start(d, "flow", document, string(weights))
	if err == nil {
		err = outcome(t, feed)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, local, d, p
}

// TestWorkflowEndsWhileAStageRuns lets the wake of a stage fail while the stage before it is still writing what it has computed.
func TestWorkflowEndsWhileAStageRuns(t *testing.T) {
	input, _ := sample(t, "k3_tiny_cnn")
	s, local, d, _ := slowFlow(t, "min-stages=3", "max-stages=3", "scenario=cold-overlapped")
	s.match.Store(&slowness{http.MethodPut, "/p0/s0/", 1500 * time.Millisecond})
	for _, stage := range []string{"3", "2"} {
		if err := local.DeleteFunction(t.Context(), "partita-flow-stage-"+stage); err != nil {
			t.Fatal(err)
		}
		_, err := d.Invoke(t.Context(), "flow", Invocation{Inputs: []InvocationInput{{Data: input}}})
		if diag.CodeOf(err) != "invoke.no-function" || !strings.Contains(err.Error(), "stage "+stage+" of 3 (partita-flow-stage-"+stage+")") {
			t.Errorf("%v", err)
		}
		s.nothingLeft(t, local)
	}
}

// TestEndsWhileOthersRun lets one of three stages side by side fail while another is still writing.
func TestEndsWhileOthersRun(t *testing.T) {
	for _, by := range []string{"gateway", "step-functions"} {
		t.Run(by, func(t *testing.T) { endsWhileOthersRun(t, by) })
	}
}

func endsWhileOthersRun(t *testing.T, by string) {
	model := models.Towers(t, fixture.Towers{Size: 64, Filters: []int{32, 32, 32}, Depth: 2, Level: true})
	var weights bytes.Buffer
	if err := synthetic.Write(&weights, model); err != nil {
		t.Fatal(err)
	}
	p := planTowers(t, model, "orchestration", by, "branches", "all", "transport", "s3", "scenario", "warm", "memory", "128")
	beside := slices.IndexFunc(p.Stages, func(s plan.Stage) bool { return s.Branch == 2 })
	if beside < 0 || p.Stages[beside-1].TransportOut != "s3" {
		t.Fatalf("%d stages, none side by side", len(p.Stages))
	}
	document, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := &slow{}
	local, _ := startCloudBehind(t, s.before)
	d := realDeployer(t, local, local)
	feed, err := start(d, "flow", document, weights.String())
	if err == nil {
		err = outcome(t, feed)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := local.DeleteFunction(t.Context(), fmt.Sprintf("partita-flow-stage-%d", beside+1)); err != nil {
		t.Fatal(err)
	}
	one, err := d.Get(t.Context(), "flow")
	if err != nil {
		t.Fatal(err)
	}
	s.match.Store(&slowness{http.MethodPut, fmt.Sprintf("/p0/s%d/", beside-1), 1500 * time.Millisecond})
	_, err = d.Invoke(t.Context(), "flow", Invocation{Inputs: []InvocationInput{noise(t, rand.New(rand.NewPCG(1, 2)), one.Inputs[0])}})
	if diag.CodeOf(err) != "invoke.no-function" || !strings.Contains(err.Error(), fmt.Sprintf("stage %d of %d", beside+1, len(p.Stages))) {
		t.Errorf("%v", err)
	}
	s.nothingLeft(t, local)
}

// TestWorkflowEndsInTime lets a stage read for longer than an execution may take. Where the service does not end it before, the stage gives
// up in time for what is there to be removed; else the server removes it.
func TestWorkflowEndsInTime(t *testing.T) {
	input, want := sample(t, "k3_tiny_cnn")
	s, local, d, p := slowFlow(t, "min-stages=3", "max-stages=3", "scenario=warm")
	reply, err := d.Invoke(t.Context(), "flow", Invocation{Inputs: []InvocationInput{{Data: input}}}) // all functions are up then
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, reply, want)
	definition, err := export.Export(p, "asl", export.Options{Name: "flow", Bucket: "partita"})
	if err != nil {
		t.Fatal(err)
	}
	hasty := strings.ReplaceAll(string(definition), "+ 280000", "+ 2000") // prepare, three stages, answer
	if strings.Count(hasty, "+ 2000") != 5 {
		t.Fatalf("%s", hasty)
	}
	for code, definition := range map[string]string{
		"stage.too-late":          hasty,
		"deploy.workflow-timeout": strings.Replace(hasty, `"StartAt": "Prepare"`, `"TimeoutSeconds": 2, "StartAt": "Prepare"`, 1),
	} {
		if err := local.DeleteWorkflow(t.Context(), "partita-flow-workflow"); err != nil {
			t.Fatal(err)
		}
		if err := local.CreateWorkflow(t.Context(), cloud.WorkflowSpec{Name: "partita-flow-workflow", Definition: definition, Tags: map[string]string{tagDeployment: "flow"}}); err != nil {
			t.Fatal(err)
		}
		s.match.Store(&slowness{http.MethodGet, "/p0/s0/", 3 * time.Second})
		_, err = d.Invoke(t.Context(), "flow", Invocation{Inputs: []InvocationInput{{Data: input}}})
		if diag.CodeOf(err) != code {
			t.Errorf("want %s: %v", code, err)
		}
		s.nothingLeft(t, local)
	}
}
