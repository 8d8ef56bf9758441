package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"partita/planner/diag"
	"partita/runtime/lambda"
	"partita/runtime/wire"
)

// Where a workflow drives the stages, it invokes the gateway's function before the first of them, after the last, and when
// something failed.

// handleStep answers a workflow's event.
func (g *Gateway) handleStep(ctx context.Context, event *wire.GatewayEvent, r *lambda.Request) (lambda.Reply, error) {
	const doing = "answering a workflow"
	if len(r.Body) > maxStepBytes {
		return lambda.Reply{}, diag.New(diag.Limit, "gateway.step-too-large", doing, fmt.Sprintf("the event has %d bytes", len(r.Body)), "send large inputs as objects")
	}
	var step wire.WorkflowEvent
	if err := json.Unmarshal(r.Body, &step); err != nil {
		return lambda.Reply{}, bad("gateway.bad-step", doing, "the event is not that of a workflow", "send what FORMAT.md describes").Because(err)
	}
	if !strings.HasPrefix(step.KeyPrefix, g.manifest.KeyPrefix) || len(step.KeyPrefix) < len(g.manifest.KeyPrefix)+2 || !strings.HasSuffix(step.KeyPrefix, "/") {
		return lambda.Reply{}, bad("gateway.foreign-prefix", doing, fmt.Sprintf("the request's objects are to be under %.80q, which is no folder in the deployment's %q", step.KeyPrefix, g.manifest.KeyPrefix), "deploy again")
	}
	ctx, cancel := wire.Until(ctx, step.UntilMs)
	defer cancel()
	run := g.newRun(ctx, step.Request, r.Received)
	run.prefix = step.KeyPrefix
	var body []byte
	var err error
	switch step.Kind {
	case wire.KindPrepare:
		body, err = run.prepare(event, &step, r)
	case wire.KindAnswer:
		body, err = run.complete(&step, r)
	case wire.KindAbandon:
		run.stored = true
		run.abandon()
		return lambda.Reply{Body: []byte("{}")}, nil
	default:
		err = bad("gateway.unknown-kind", doing, fmt.Sprintf("the event is of kind %.40q", step.Kind), `send "prepare", "answer" or "abandon"`)
	}
	if err != nil {
		run.finish() // the workflow asks for the rest to be removed
		return lambda.Reply{}, err
	}
	return lambda.Reply{Body: body, After: run.finish}, nil
}

// maxStepBytes bounds a workflow's event: a state of AWS Step Functions holds less.
const maxStepBytes = 1 << 20

// prepare makes the first stage's tensors of what the user sent.
func (r *run) prepare(event *wire.GatewayEvent, step *wire.WorkflowEvent, request *lambda.Request) ([]byte, error) {
	batch, err := r.decode(r.ctx, event)
	if err != nil {
		return nil, err
	}
	if most := max(r.manifest.Batch, 1); batch.items > most {
		return nil, diag.New(diag.Limit, "gateway.workflow-batch", "preparing the inputs", fmt.Sprintf("%d inputs came, and one execution of the workflow takes %d", batch.items, most),
			"send fewer at a time, plan with a larger batch, or let the gateway drive: it divides a batch")
	}
	decoded := time.Now()
	tensors := batch.slice(0, batch.items)
	if err := r.spillBeyond(tensors, r.manifest.Stages[0].TransportIn == wire.S3, step.TensorBytes, r.prefix+"in/"); err != nil {
		return nil, err
	}
	reply := wire.StageReply{Format: wire.ReplyFormat, Cold: request.First, Top: topOf(event), Tensors: tensors}
	if request.First {
		reply.Times.InitUs = request.InitUs
	}
	reply.Times.ComputeUs = decoded.Sub(request.Received).Microseconds()
	return wire.MarshalReply(&reply, func() { reply.Times.OutputUs = time.Since(decoded).Microseconds() })
}

// complete makes the answer of what the last stage handed on and of the steps that led there.
func (r *run) complete(step *wire.WorkflowEvent, request *lambda.Request) ([]byte, error) {
	for i := range step.Tensors {
		if o := step.Tensors[i].Object; o != nil && !r.own(o) {
			return nil, diag.New(diag.Limit, "gateway.foreign-object", "making the answer", fmt.Sprintf("s3://%s/%s is not in the request's own folder", o.Bucket, o.Key), "deploy again")
		}
	}
	outputs, err := r.outputs(step.Tensors)
	if err != nil {
		return nil, err
	}
	if err := r.traceSteps(step); err != nil {
		return nil, err
	}
	top := step.Top
	if top == 0 {
		top = defaultTop
	}
	reply := wire.GatewayReply{Format: wire.ReplyFormat, Outputs: outputs, Top: rank(outputs, top)}
	if err := r.spillBeyond(reply.Outputs, false, step.TensorBytes, r.prefix+"outputs/"); err != nil {
		return nil, err
	}
	for i := range step.Steps {
		r.forgetObjects(step.Steps[i].Objects)
	}
	t := &r.trace
	t.Request, t.Passes = r.id, 1
	t.LatencyUs = max(time.Now().UnixMilli()-step.StartedMs, 0) * 1000
	t.GatewayBilledMs += (time.Since(request.Received).Microseconds() + 999) / 1000
	cost := r.manifest.Cost
	t.CostPicoUSD += t.GatewayBilledMs*cost.PicoUSDPerMs + cost.PicoUSDPerRun
	if w := r.manifest.Workflow; w != nil {
		stepMs := max(w.StepMs, 1)
		billed := (t.LatencyUs/1000 + stepMs - 1) / stepMs * stepMs
		t.Workflow = &wire.WorkflowTrace{BilledMs: billed, CostPicoUSD: w.PicoUSDPerRun + billed*w.PicoUSDPerMs}
		t.CostPicoUSD += t.Workflow.CostPicoUSD
	}
	reply.Trace = *t
	return wire.Marshal(&reply)
}

// own tells whether an object is of this request: the gateway's permissions are not the caller's.
func (r *run) own(o *wire.Object) bool {
	return o.Bucket == r.manifest.Bucket && strings.HasPrefix(o.Key, r.prefix)
}

// forgetObjects deletes objects that steps have handed on.
func (r *run) forgetObjects(objects []wire.Object) {
	tensors := make([]wire.Tensor, 0, len(objects))
	for i := range objects {
		if o := &objects[i]; r.own(o) {
			tensors = append(tensors, wire.Tensor{Object: o})
		}
	}
	r.forget(tensors, nil)
}

// traceSteps accounts for the stages by what they have measured themselves: a workflow does not hand on what the platform reports.
func (r *run) traceSteps(event *wire.WorkflowEvent) error {
	steps := event.Steps
	wakes := make([]*wire.WorkflowStep, len(r.manifest.Stages))
	var before int64 // when the state before this one was left
	for i := range steps {
		s := &steps[i]
		if s.Stage < 0 || s.Stage >= len(r.manifest.Stages) {
			return bad("gateway.bad-step", "making the answer", fmt.Sprintf("a step is of stage %d, and there are %d", s.Stage+1, len(r.manifest.Stages)), "deploy again")
		}
		switch s.Kind {
		case wire.KindPrepare:
			r.trace.DecodeUs = s.Times.ComputeUs
			r.trace.GatewayBilledMs += s.BilledMs()
			before = s.LeftMs
		case "wake":
			wakes[s.Stage] = s
		}
	}
	for i := range steps {
		s := &steps[i]
		if s.Kind != "run" {
			continue
		}
		stage := &r.manifest.Stages[s.Stage]
		t := wire.StageTrace{Index: s.Stage, Function: stage.Function, MemoryMB: stage.Cost.MemoryMB, Cold: s.Cold, PhaseTimes: s.Times, Attempts: s.Retries + 1}
		if !s.Cold {
			t.InitUs = 0
		}
		t.QueueUs = max(0, (s.LeftMs-s.EnteredMs)*1000-t.InitUs-t.InputUs-t.ComputeUs-t.OutputUs)
		t.BilledMs = s.BilledMs()
		t.CalledUs = max(0, s.EnteredMs-event.StartedMs) * 1000
		t.WaitUs = max(0, s.EnteredMs-before) * 1000
		before = max(before, s.LeftMs)
		if w := wakes[s.Stage]; w != nil {
			t.WakeUs = max((w.LeftMs-w.EnteredMs)*1000, 1) // 0 says that there was none
			t.BilledMs += w.BilledMs()
			t.CostPicoUSD += stage.Cost.RequestPicoUSD
			if w.Cold {
				t.Cold, t.InitUs = true, t.InitUs+w.Times.InitUs
			}
		}
		t.CostPicoUSD += t.BilledMs*stage.Cost.PicoUSDPerMs + stage.Cost.PicoUSDPerRun
		r.trace.Stages = append(r.trace.Stages, t)
		r.trace.CostPicoUSD += t.CostPicoUSD
	}
	return nil
}
