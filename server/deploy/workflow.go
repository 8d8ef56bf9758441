package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"partita/planner/diag"
	"partita/planner/export"
	"partita/planner/plan"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// Workflows are the state machines of the account. *cloud.Cloud is one.
type Workflows interface {
	CreateWorkflow(ctx context.Context, spec cloud.WorkflowSpec) error
	Workflow(ctx context.Context, name string) (*cloud.WorkflowInfo, error)
	DeleteWorkflow(ctx context.Context, name string) error
	Execute(ctx context.Context, name, execution string, input []byte) (*cloud.Executed, error)
}

// Workflow is the state machine that drives the stages of a deployment.
type Workflow struct {
	Name       string
	Definition string
	Cost       wire.WorkflowCost
}

func workflowOf(name string) string { return functionsOf(name) + "workflow" }

// workflow works out what drives the stages where the gateway does not: nil where it does. A twin that is only measured is driven by its
// gateway.
func (d *Deployer) workflow(p *plan.Plan, name string, cost wire.WorkflowCost) (*Workflow, error) {
	if p.Workflow == nil || strings.HasSuffix(name, exactSuffix) {
		return nil, nil
	}
	if d.options.Workflows == nil {
		return nil, diag.New(diag.Usage, "deploy.no-workflows", "preparing "+name, "the plan is driven by a workflow, and this server's cloud has none", "plan with orchestration gateway")
	}
	definition, err := export.Export(p, "asl", export.Options{Name: name, Bucket: d.options.Store.Bucket()})
	if err != nil {
		return nil, err
	}
	return &Workflow{Name: workflowOf(name), Definition: string(definition), Cost: cost}, nil
}

// createWorkflow makes the state machine of a deployment.
func (d *Deployer) createWorkflow(ctx context.Context, name string, b *Blueprint, j *journal, feed *Feed) error {
	w := b.Workflow
	if w == nil {
		return nil
	}
	return j.create(ctx, feed, Resource{workflowKind, w.Name}, "workflow", func(creating context.Context) error {
		return d.options.Workflows.CreateWorkflow(creating, cloud.WorkflowSpec{Name: w.Name, Definition: w.Definition, Tags: map[string]string{tagDeployment: name, tagPlan: b.Plan.Hash}})
	})
}

// ownWorkflow gives the workflow that belongs to a deployment, by its name and its tag; "" when there is none.
func (d *Deployer) ownWorkflow(ctx context.Context, name string, journaled bool) (string, error) {
	if d.options.Workflows == nil {
		return "", nil
	}
	found, err := d.options.Workflows.Workflow(ctx, workflowOf(name))
	if err != nil {
		return "", unlessAbsent(err, journaled)
	}
	if found.Tags[tagDeployment] != name || found.State == "DELETING" {
		return "", nil
	}
	return found.Name, nil
}

// execute sends an event through a workflow and gives the gateway's answer, with what the execution was billed for.
func (d *Deployer) execute(ctx context.Context, one *Deployment, event *wire.GatewayEvent) (*wire.GatewayReply, error) {
	payload, err := wire.Marshal(event)
	if err != nil {
		return nil, err
	}
	if len(payload) > workflowEventBytes {
		return nil, diag.New(diag.Limit, "deploy.event-too-large", "invoking "+one.Name, "the names of the inputs take more than an execution's input may", "use shorter names")
	}
	end, err := d.options.Workflows.Execute(ctx, one.Workflow.Name, event.Request, payload)
	if err != nil {
		return nil, err
	}
	if end.Status != "SUCCEEDED" {
		err := one.executionFailure(end)
		if end.Status == "TIMED_OUT" { // the service has ended it, and no state of it cleans up; its functions write nothing any more
			err = errors.Join(err, d.deleteAll(context.WithoutCancel(ctx), runsOf(one.Name)+event.Request+"/"))
		}
		return nil, err
	}
	reply := &wire.GatewayReply{}
	if err := wire.Unmarshal(end.Output, reply); err != nil {
		return nil, err
	}
	t := &reply.Trace
	if end.Elapsed > 0 {
		t.LatencyUs = end.Elapsed.Microseconds()
	}
	if w := t.Workflow; w != nil && end.BilledMs > 0 { // as the gateway saw it, the execution had not ended
		t.CostPicoUSD -= w.CostPicoUSD
		w.BilledMs, w.CostPicoUSD = end.BilledMs, one.Workflow.PicoUSDPerRun+end.BilledMs*one.Workflow.PicoUSDPerMs
		t.CostPicoUSD += w.CostPicoUSD
	}
	return reply, nil
}

// An execution's input has at most 262,144 bytes (Step Functions quotas page, 2026); what the workflow adds to it for the gateway's
// function must fit as well.
const workflowEventBytes = 262_144 - 4096

// executionFailure words the failure of an execution as the gateway words that of a request. The cause begins with the name of the
// function that failed, where one did.
func (one *Deployment) executionFailure(end *cloud.Executed) error {
	doing := "invoking " + one.Name
	function, told, named := strings.Cut(end.Cause, " ")
	if !named || function != one.Gateway && !strings.HasPrefix(function, functionsOf(one.Name)+"stage-") {
		switch {
		case end.Status == "TIMED_OUT" || end.Error == "States.Timeout":
			return diag.New(diag.Limit, "deploy.workflow-timeout", doing, "the workflow ran longer than an express workflow may: "+end.Cause, "plan with more memory per function, or let the gateway drive")
		case end.Error == "States.DataLimitExceeded":
			return diag.New(diag.Limit, "invoke.payload-too-large", doing, end.Cause, "plan with transport s3, or let the gateway drive")
		}
		return diag.New(diag.Unavailable, "deploy.workflow-failed", doing, strings.TrimSpace(end.Error+" "+end.Cause), "try again")
	}
	doing = "running " + one.stageName(function)
	switch {
	case end.Error == "States.Timeout":
		return diag.New(diag.Limit, wire.CodeTimedOut, doing, "it did not answer in time", "plan with more memory per function")
	case end.Error == "Lambda.ResourceNotFoundException":
		return diag.New(diag.NotFound, "invoke.no-function", doing, "there is no such function", "deploy again")
	case end.Error == "Lambda.TooManyRequestsException":
		return diag.New(diag.Limit, "invoke.throttled", doing, "the account's or the function's concurrency is used up", "try again later, or raise the limit")
	case end.Error == "Lambda.RequestTooLargeException":
		return diag.New(diag.Limit, "invoke.payload-too-large", doing, "the payload is over the platform's limit", "plan this hop through S3")
	case strings.HasPrefix(end.Error, "Lambda.") && end.Error != "Lambda.Unknown", strings.HasPrefix(end.Error, "States."):
		return diag.New(diag.Unavailable, "invoke.unavailable", doing, end.Error+": "+told, "check the workflow's role, and try again")
	}
	failed := wire.ParseFailure(function, []byte(told))
	if function != one.Gateway {
		what := failed.Doing
		for _, verb := range []string{"running ", "invoking "} {
			what = strings.TrimPrefix(strings.TrimPrefix(what, verb+function), ": ")
		}
		failed.Doing = strings.TrimSuffix(doing+": "+what, ": ")
	}
	return failed
}

// stageName names a stage in errors as the gateway does: "stage 2 of 4 (partita-x-stage-2)".
func (one *Deployment) stageName(function string) string {
	index, isStage := strings.CutPrefix(function, functionsOf(one.Name)+"stage-")
	if !isStage {
		return function
	}
	return fmt.Sprintf("stage %s of %d (%s)", index, len(one.Stages), function)
}
