// Package invoke calls functions through the AWS Lambda API, or whatever speaks it at AWS_ENDPOINT_URL.
package invoke

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"net/http"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// Lambda invokes functions. Its client is made at the first use.
type Lambda struct {
	client func() (*lambda.Client, error)
}

// New makes an invoker configured by the environment, as the AWS SDK reads it.
func New() *Lambda { return &Lambda{client: sync.OnceValues(connect)} }

func connect() (*lambda.Client, error) {
	cfg, err := config.LoadDefaultConfig(context.Background(),
		// What failed before the function ran (throttled, HTTP 5xx, network) is tried again; stages have no effects, so
		// one that ran without its answer arriving may run again too.
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 6
				o.MaxBackoff = 3 * time.Second
			})
		}),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = 64
		})),
	)
	if err != nil {
		return nil, err
	}
	return lambda.NewFromConfig(cfg), nil
}

// Invoke runs a function and waits for its reply. It runs the function once more when its environment crashed. The
// invocation tells attempts and billed time also beside an error.
func (l *Lambda) Invoke(ctx context.Context, function string, payload []byte) (*wire.Invocation, error) {
	invocation := &wire.Invocation{}
	client, err := l.client()
	if err != nil {
		return invocation, unavailable(function, err)
	}
	for crashes := 0; ; crashes++ {
		err := once(ctx, client, function, payload, invocation)
		code := diag.CodeOf(err)
		if (code != wire.CodeCrashed && code != wire.CodeOutOfMemory) || crashes > 0 || ctx.Err() != nil {
			return invocation, err
		}
	}
}

func once(ctx context.Context, client *lambda.Client, function string, payload []byte, invocation *wire.Invocation) error {
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload, LogType: types.LogTypeTail})
	if err != nil {
		invocation.Attempts++
		return classify(ctx, function, err)
	}
	invocation.Attempts++
	if results, ok := retry.GetAttemptResults(out.ResultMetadata); ok {
		invocation.Attempts += max(len(results.Results)-1, 0)
	}
	if out.LogResult != nil {
		if log, err := base64.StdEncoding.DecodeString(*out.LogResult); err == nil {
			if report, ok := wire.ParseReport(string(log)); ok {
				invocation.Report = report
				invocation.BilledMs += report.BilledMs
			}
		}
	}
	if out.FunctionError != nil {
		return wire.ParseFailure(function, out.Payload)
	}
	invocation.Payload = out.Payload
	return nil
}

func unavailable(function string, err error) *diag.Error {
	return diag.New(diag.Unavailable, "invoke.unavailable", "invoking "+function, "the Lambda API does not answer as it should",
		"check the network and the role's permissions, and try again").Because(err)
}

func classify(ctx context.Context, function string, err error) error {
	doing := "invoking " + function
	if ctx.Err() == context.DeadlineExceeded {
		return diag.New(diag.Limit, "invoke.deadline", doing, "the time for this request ran out while it ran", "raise the gateway's timeout, or plan with more memory per function")
	}
	var missing *types.ResourceNotFoundException
	var busy *types.TooManyRequestsException
	var large *types.RequestTooLargeException
	var response *awshttp.ResponseError
	switch {
	case errors.As(err, &missing):
		return diag.New(diag.NotFound, "invoke.no-function", doing, "there is no such function", "deploy again").Because(err)
	case errors.As(err, &busy):
		return diag.New(diag.Limit, "invoke.throttled", doing, "the account's or the function's concurrency is used up", "try again later, or raise the limit").Because(err)
	case errors.As(err, &large):
		return diag.New(diag.Limit, "invoke.payload-too-large", doing, "the payload is over the platform's limit", "plan this hop through S3").Because(err)
	case errors.As(err, &response) && response.HTTPStatusCode() == http.StatusForbidden:
		return diag.New(diag.Limit, "invoke.forbidden", doing, "the role may not invoke it", fmt.Sprintf("allow lambda:InvokeFunction on %s", function)).Because(err)
	}
	return unavailable(function, err)
}
