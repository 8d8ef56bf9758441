package gateway

import (
	"encoding/json"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/runtime/lambda"
	"partita/runtime/wire"
)

// step has a workflow's event answered.
func step(t testing.TB, g *Gateway, event any, first bool, into any) error {
	t.Helper()
	body, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := g.Handle(t.Context(), &lambda.Request{ID: "platform-id", Body: body, Received: time.Now(), First: first, InitUs: 5000})
	if err != nil {
		return err
	}
	if reply.After != nil {
		reply.After()
	}
	if err := json.Unmarshal(reply.Body, into); err != nil {
		t.Fatalf("%v: %s", err, reply.Body)
	}
	return nil
}

// A workflow's request goes through the gateway's function before the stages and after them; nothing of it is left.
func TestWorkflowSteps(t *testing.T) {
	g, f := deployment(1, 4, func(m *wire.GatewayManifest) {
		m.Batch = 2
		m.Stages[0].TransportIn, m.Stages[0].TransportOut = wire.S3, wire.S3
		m.Workflow = &wire.WorkflowCost{PicoUSDPerRun: 1_000_000, PicoUSDPerMs: 1042, StepMs: 100}
	})
	prepare := struct {
		*wire.GatewayEvent
		KeyPrefix   string `json:"keyPrefix"`
		TensorBytes int64  `json:"tensorBytes"`
	}{request(t, 2, 4), "runs/d/e1/", 100_000}
	prepare.Kind, prepare.Top = wire.KindPrepare, 3
	var prepared wire.StageReply
	if err := step(t, g, prepare, true, &prepared); err != nil {
		t.Fatal(err)
	}
	if !prepared.Cold || prepared.Top != 3 || prepared.Times.InitUs != 5000 || len(prepared.Tensors) != 1 || prepared.Tensors[0].Object == nil || prepared.Tensors[0].Object.Key != "runs/d/e1/in/0" {
		t.Fatalf("%+v", prepared)
	}
	out, err := f.compute(t.Context(), &wire.StageEvent{TransportOut: wire.S3, Bucket: "bucket", KeyPrefix: "runs/d/e1/p0/s0/", Tensors: prepared.Tensors}, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	answer := wire.WorkflowEvent{Format: wire.EventFormat, Kind: wire.KindAnswer, Request: "e1", KeyPrefix: "runs/d/e1/", StartedMs: now - 250, Top: prepared.Top, Tensors: out, Steps: []wire.WorkflowStep{
		{Kind: wire.KindPrepare, EnteredMs: now - 240, LeftMs: now - 200, Cold: true, Times: wire.PhaseTimes{InitUs: 5000, ComputeUs: 2000}, Objects: []wire.Object{*prepared.Tensors[0].Object}},
		{Kind: "wake", Stage: 0, EnteredMs: now - 200, LeftMs: now - 150, Cold: true, Times: wire.PhaseTimes{InitUs: 30_000}},
		{Kind: "run", Stage: 0, EnteredMs: now - 140, LeftMs: now - 40, Retries: 1, Times: wire.PhaseTimes{InputUs: 1000, ComputeUs: 20_000, OutputUs: 500}, Objects: []wire.Object{*out[0].Object, {Bucket: "other", Key: "k"}}},
	}}
	for _, foreign := range []wire.WorkflowEvent{{KeyPrefix: "runs/other/e1/"}, {KeyPrefix: "runs/d/"}, {KeyPrefix: "runs/d/e1"}} {
		other := answer
		other.KeyPrefix = foreign.KeyPrefix
		if err := step(t, g, other, false, &struct{}{}); diag.CodeOf(err) != "gateway.foreign-prefix" {
			t.Errorf("%s: %v", foreign.KeyPrefix, err)
		}
	}
	theirs := answer
	theirs.Tensors = []wire.Tensor{{TensorSpec: out[0].TensorSpec, Object: &wire.Object{Bucket: "bucket", Key: "runs/d/e2/p0/s0/0", Bytes: 32}}}
	if err := step(t, g, theirs, false, &struct{}{}); diag.CodeOf(err) != "gateway.foreign-object" {
		t.Errorf("%v", err)
	}
	var reply wire.GatewayReply
	if err := step(t, g, answer, false, &reply); err != nil {
		t.Fatal(err)
	}
	checkReply(t, &reply, 2, 4, 1)
	s := reply.Trace.Stages[0]
	if len(reply.Top) != 2 || len(reply.Top[0]) != 3 || !s.Cold || s.InitUs != 30_000 || s.Attempts != 2 || s.BilledMs != 30+22 || s.CostPicoUSD != 52*100+1000+200 || s.WakeUs != 50_000 || s.WaitUs != 60_000 ||
		s.QueueUs != 100_000-21_500 || s.CalledUs != 110_000 {
		t.Errorf("%+v", s)
	}
	w := reply.Trace.Workflow
	if w == nil || w.BilledMs < 300 || w.BilledMs%100 != 0 || w.CostPicoUSD != 1_000_000+w.BilledMs*1042 || reply.Trace.CostPicoUSD != s.CostPicoUSD+reply.Trace.GatewayBilledMs+7+w.CostPicoUSD || reply.Trace.DecodeUs != 2000 {
		t.Errorf("%+v %+v", reply.Trace, w)
	}
	if left := f.store.keys(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Nothing is written for a request whose time is over, and what was written can still be removed.
func TestWorkflowTooLate(t *testing.T) {
	g, f := deployment(1, 4, func(m *wire.GatewayManifest) { m.Stages[0].TransportIn = wire.S3 })
	late := time.Now().Add(-time.Second).UnixMilli()
	prepare := struct {
		*wire.GatewayEvent
		KeyPrefix string `json:"keyPrefix"`
		UntilMs   int64  `json:"untilMs"`
	}{request(t, 1, 4), "runs/d/e1/", late}
	prepare.Kind = wire.KindPrepare
	if err := step(t, g, prepare, false, &struct{}{}); diag.CodeOf(err) != "gateway.deadline" || len(f.store.keys()) != 0 {
		t.Errorf("%v, and wrote %v", err, f.store.keys())
	}
	prepare.UntilMs = time.Now().Add(time.Hour).UnixMilli()
	if err := step(t, g, prepare, false, &struct{}{}); err != nil || len(f.store.keys()) != 1 {
		t.Errorf("%v, and wrote %v", err, f.store.keys())
	}
	if err := step(t, g, wire.WorkflowEvent{Format: wire.EventFormat, Kind: wire.KindAbandon, Request: "e1", KeyPrefix: "runs/d/e1/", UntilMs: late}, false, &struct{}{}); err != nil || len(f.store.keys()) != 0 {
		t.Errorf("%v, and left %v", err, f.store.keys())
	}
}

// What a failed request has written is removed, and nothing else; more inputs than one pass takes are refused.
func TestWorkflowAbandons(t *testing.T) {
	g, f := deployment(1, 4, nil)
	for _, key := range []string{"runs/d/e1/in/0", "runs/d/e1/p0/s0/0", "runs/d/e2/in/0"} {
		if err := f.store.Put(t.Context(), wire.Object{Bucket: "bucket", Key: key}, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := step(t, g, wire.WorkflowEvent{Format: wire.EventFormat, Kind: wire.KindAbandon, Request: "e1", KeyPrefix: "runs/d/e1/"}, false, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	if left := f.store.keys(); len(left) != 1 || left[0] != "runs/d/e2/in/0" {
		t.Errorf("left: %v", left)
	}
	prepare := struct {
		*wire.GatewayEvent
		KeyPrefix string `json:"keyPrefix"`
	}{request(t, 2, 4), "runs/d/e3/"}
	prepare.Kind = wire.KindPrepare
	if err := step(t, g, prepare, false, &struct{}{}); diag.CodeOf(err) != "gateway.workflow-batch" {
		t.Errorf("%v", err)
	}
	prepare.Kind = "dance"
	if err := step(t, g, prepare, false, &struct{}{}); diag.CodeOf(err) != "gateway.unknown-kind" {
		t.Errorf("%v", err)
	}
}
