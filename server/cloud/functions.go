package cloud

import (
	"context"
	"encoding/base64"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"partita/planner/diag"
)

// FunctionSpec is a function to create.
type FunctionSpec struct {
	Name           string
	PackageKey     string // of the zip in the bucket
	Image          string // address of a container image with its digest, in the place of a zip
	MemoryMB       int64
	TemporaryMB    int64 // size of /tmp; 0 is what every function has
	TimeoutSeconds int64
	Architecture   string // "x86_64" or "arm64"
	Description    string
	Environment    map[string]string
	Tags           map[string]string
}

// FunctionInfo is a function that exists.
type FunctionInfo struct {
	Name     string
	State    string // "Pending", "Active", "Failed"
	Reason   string // of the state
	MemoryMB int64
	Tags     map[string]string // not known from a listing
	// Architecture is the processor's, "x86_64" or "arm64"; not known from a listing.
	Architecture string
	TemporaryMB  int64 // not known from a listing
}

// Invoked is the answer to an invocation that reached its function.
type Invoked struct {
	Payload []byte
	Failed  string // "" when the function succeeded; else how it failed, "Unhandled"
	Log     string // the last 4 KB of its log
}

// How long to wait for the cloud's own slowness after a change.
const (
	rolePatience   = 2 * time.Minute // until a new role can be assumed (IAM is eventually consistent)
	activePatience = 5 * time.Minute
)

// CreateFunction creates a function from a zip in the bucket or from a container image. A function of that name is a conflict.
func (c *Cloud) CreateFunction(ctx context.Context, spec FunctionSpec) error {
	in := &lambda.CreateFunctionInput{
		FunctionName: &spec.Name,
		Code:         &types.FunctionCode{S3Bucket: &c.config.Bucket, S3Key: &spec.PackageKey},
		Role:         &c.config.RoleARN,
		Runtime:      types.RuntimeProvidedal2023,
		Handler:      aws.String("bootstrap"),
		PackageType:  types.PackageTypeZip,
		MemorySize:   aws.Int32(int32(spec.MemoryMB)),
		Timeout:      aws.Int32(int32(spec.TimeoutSeconds)),
		Description:  optional(spec.Description),
		Tags:         spec.Tags,
	}
	if spec.Image != "" {
		in.Code, in.PackageType, in.Runtime, in.Handler = &types.FunctionCode{ImageUri: &spec.Image}, types.PackageTypeImage, "", nil
	}
	if spec.Architecture != "" {
		in.Architectures = []types.Architecture{types.Architecture(spec.Architecture)}
	}
	if spec.TemporaryMB > 0 {
		in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(int32(spec.TemporaryMB))}
	}
	if len(spec.Environment) > 0 {
		in.Environment = &types.Environment{Variables: spec.Environment}
	}
	deadline := time.Now().Add(rolePatience)
	for {
		if err := c.turn(ctx); err != nil {
			return explain(err, "creating function %s", spec.Name)
		}
		_, err := c.lambda.CreateFunction(ctx, in)
		if err == nil {
			return nil
		}
		if !settling(err) || time.Now().After(deadline) {
			return explain(err, "creating function %s", spec.Name)
		}
		if err := sleep(ctx, 4*time.Second); err != nil {
			return explain(err, "creating function %s", spec.Name)
		}
	}
}

// settling tells whether a creation failed only because an earlier change has not reached all of the cloud. The messages
// are those that Lambda gives while a role or a key grant propagates; the SDK does not retry them.
func settling(err error) bool {
	text := err.Error()
	if !strings.Contains(text, "InvalidParameterValueException") {
		return false
	}
	for _, part := range []string{"cannot be assumed", "execution role does not have permissions", "KMS", "EC2"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// WaitActive waits until a function can be invoked.
func (c *Cloud) WaitActive(ctx context.Context, name string) error {
	deadline := time.Now().Add(activePatience)
	delay := 20 * time.Millisecond
	for {
		info, err := c.Function(ctx, name)
		switch {
		case err != nil:
			return err
		case info.State == string(types.StateActive) || info.State == "":
			return nil
		case info.State == string(types.StateFailed):
			return diag.New(diag.Unavailable, "cloud.function-failed", "waiting for function "+name, "it failed to start: "+info.Reason, "")
		case time.Now().After(deadline):
			return diag.New(diag.Unavailable, "cloud.timed-out", "waiting for function "+name, "its state is still "+info.State, "try again")
		}
		if err := sleep(ctx, delay); err != nil {
			return explain(err, "waiting for function %s", name)
		}
		delay = min(2*delay, 5*time.Second)
	}
}

// Function describes a function.
func (c *Cloud) Function(ctx context.Context, name string) (*FunctionInfo, error) {
	out, err := c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &name})
	if err != nil {
		return nil, explain(err, "looking at function %s", name)
	}
	info := &FunctionInfo{Name: name, Tags: out.Tags}
	if k := out.Configuration; k != nil {
		info.State, info.Reason, info.MemoryMB = string(k.State), aws.ToString(k.StateReason), int64(aws.ToInt32(k.MemorySize))
		if len(k.Architectures) > 0 {
			info.Architecture = string(k.Architectures[0])
		}
		if k.EphemeralStorage != nil {
			info.TemporaryMB = int64(aws.ToInt32(k.EphemeralStorage.Size))
		}
	}
	return info, nil
}

// DeleteFunction removes a function; one that is absent is no error.
func (c *Cloud) DeleteFunction(ctx context.Context, name string) error {
	if err := c.turn(ctx); err != nil {
		return explain(err, "deleting function %s", name)
	}
	_, err := c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
	if err := explain(err, "deleting function %s", name); err != nil && !IsNotFound(err) {
		return err
	}
	return nil
}

// Functions lists the functions whose names begin with a prefix, by name.
func (c *Cloud) Functions(ctx context.Context, prefix string) ([]FunctionInfo, error) {
	var all []FunctionInfo
	pages := lambda.NewListFunctionsPaginator(c.lambda, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain(err, "listing functions %s*", prefix)
		}
		for _, f := range page.Functions {
			if name := aws.ToString(f.FunctionName); strings.HasPrefix(name, prefix) {
				all = append(all, FunctionInfo{Name: name, State: string(f.State), MemoryMB: int64(aws.ToInt32(f.MemorySize))})
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all, nil
}

// Invoke calls a function and waits for its answer. A function that fails is not an error here: see Invoked.Failed.
func (c *Cloud) Invoke(ctx context.Context, name string, payload []byte) (*Invoked, error) {
	out, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload, LogType: types.LogTypeTail})
	if err != nil {
		return nil, explain(err, "invoking function %s", name)
	}
	log, _ := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	return &Invoked{Payload: out.Payload, Failed: aws.ToString(out.FunctionError), Log: string(log)}, nil
}
