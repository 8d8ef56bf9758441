package cloud

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"partita/planner/diag"
)

// WorkflowSpec is a state machine to create: an express workflow.
type WorkflowSpec struct {
	Name       string
	Definition string // in the Amazon States Language
	Tags       map[string]string
}

// WorkflowInfo is a state machine that exists.
type WorkflowInfo struct {
	Name  string
	State string // "ACTIVE" or "DELETING"
	Tags  map[string]string
}

// Executed is the end of an execution. One that failed has Error and Cause and no Output.
type Executed struct {
	Status       string // "SUCCEEDED", "FAILED" or "TIMED_OUT"
	Output       []byte
	Error, Cause string
	Elapsed      time.Duration
	BilledMs     int64 // 0 where the cloud does not say
	BilledMB     int64
}

// workflows makes the client of AWS Step Functions.
func workflows(loaded aws.Config, endpoint string) *sfn.Client {
	return sfn.NewFromConfig(loaded, func(o *sfn.Options) {
		if endpoint == "" {
			return
		}
		o.BaseEndpoint = aws.String(endpoint)
		// An execution that is waited for has a host of its own on AWS, sync-states: a local cloud has one for all.
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("OneHost", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
			}), middleware.Before)
		})
	})
}

// workflowRole is the role that workflows run under.
func (c *Cloud) workflowRole() string {
	if c.config.WorkflowRoleARN != "" {
		return c.config.WorkflowRoleARN
	}
	return c.config.RoleARN
}

// workflowARN names a workflow of the account that the roles are of.
func (c *Cloud) workflowARN(name string) string {
	partition, account := "aws", "000000000000"
	if parts := strings.Split(c.workflowRole(), ":"); len(parts) > 4 {
		partition, account = parts[1], parts[4]
	}
	return "arn:" + partition + ":states:" + c.region + ":" + account + ":stateMachine:" + name
}

// CreateWorkflow creates an express workflow and waits until it can be started. One of that name that differs is a conflict.
func (c *Cloud) CreateWorkflow(ctx context.Context, spec WorkflowSpec) error {
	in := &sfn.CreateStateMachineInput{Name: &spec.Name, Definition: &spec.Definition, RoleArn: aws.String(c.workflowRole()), Type: types.StateMachineTypeExpress}
	for key, value := range spec.Tags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	deadline := time.Now().Add(rolePatience)
	for {
		_, err := c.states.CreateStateMachine(ctx, in)
		if err == nil {
			break
		}
		// A role that has just been made is not known everywhere at once.
		if !strings.Contains(err.Error(), "cannot be assumed") && !strings.Contains(err.Error(), "is not authorized to assume") || time.Now().After(deadline) {
			return explain(err, "creating workflow %s", spec.Name)
		}
		if err := sleep(ctx, 4*time.Second); err != nil {
			return explain(err, "creating workflow %s", spec.Name)
		}
	}
	deadline = time.Now().Add(activePatience)
	for delay := 20 * time.Millisecond; ; delay = min(2*delay, 5*time.Second) {
		info, err := c.Workflow(ctx, spec.Name)
		switch {
		case err == nil && info.State == string(types.StateMachineStatusActive):
			return nil
		case err != nil && !IsNotFound(err):
			return err
		case time.Now().After(deadline):
			return diag.New(diag.Unavailable, "cloud.timed-out", "waiting for workflow "+spec.Name, "it is still not active", "try again")
		}
		if err := sleep(ctx, delay); err != nil {
			return explain(err, "waiting for workflow %s", spec.Name)
		}
	}
}

// Workflow describes a workflow.
func (c *Cloud) Workflow(ctx context.Context, name string) (*WorkflowInfo, error) {
	arn := c.workflowARN(name)
	out, err := c.states.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &arn})
	if err != nil {
		return nil, explain(err, "looking at workflow %s", name)
	}
	info := &WorkflowInfo{Name: name, State: string(out.Status), Tags: map[string]string{}}
	tags, err := c.states.ListTagsForResource(ctx, &sfn.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return nil, explain(err, "looking at workflow %s", name)
	}
	for _, t := range tags.Tags {
		info.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return info, nil
}

// DeleteWorkflow removes a workflow; one that is absent is no error.
func (c *Cloud) DeleteWorkflow(ctx context.Context, name string) error {
	arn := c.workflowARN(name)
	_, err := c.states.DeleteStateMachine(ctx, &sfn.DeleteStateMachineInput{StateMachineArn: &arn})
	if err := explain(err, "deleting workflow %s", name); err != nil && !IsNotFound(err) {
		return err
	}
	return nil
}

// Execute runs a workflow and waits for its end. An execution that fails is not an error here: see Executed.Status.
func (c *Cloud) Execute(ctx context.Context, name, execution string, input []byte) (*Executed, error) {
	out, err := c.states.StartSyncExecution(ctx, &sfn.StartSyncExecutionInput{StateMachineArn: aws.String(c.workflowARN(name)), Name: &execution, Input: aws.String(string(input))})
	if err != nil {
		return nil, explain(err, "starting workflow %s", name)
	}
	e := &Executed{Status: string(out.Status), Output: []byte(aws.ToString(out.Output)), Error: aws.ToString(out.Error), Cause: aws.ToString(out.Cause)}
	if out.StartDate != nil && out.StopDate != nil {
		e.Elapsed = out.StopDate.Sub(*out.StartDate)
	}
	if b := out.BillingDetails; b != nil {
		e.BilledMs, e.BilledMB = b.BilledDurationInMilliseconds, b.BilledMemoryUsedInMB
	}
	return e, nil
}
