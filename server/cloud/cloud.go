// Package cloud is Partita's view of a cloud: one bucket, and the functions and image repositories of one account. It is the only package of the
// server that imports the AWS SDK. The local cloud and AWS differ by an endpoint and credentials, nothing else, so each
// local run exercises the calls that are made on AWS.
package cloud

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"partita/planner/diag"
)

// Config says which cloud to use.
type Config struct {
	Endpoint string // of the local cloud; "" is AWS itself
	Region   string // "" is the default of the environment
	Bucket   string
	RoleARN  string // the role that functions run under; the local cloud takes any
	// WorkflowRoleARN is the role that workflows run under; "" is RoleARN, which states.amazonaws.com must then be able to assume.
	WorkflowRoleARN string
}

// localRole is what a cloud without roles is given, because the API demands one.
const localRole = "arn:aws:iam::000000000000:role/partita"

// controlInterval spaces the calls that change functions: AWS accepts 15 a second from an account over all its clients
// (AWS Lambda quotas page, 2026); two thirds of that leaves room for others.
const controlInterval = 100 * time.Millisecond

// Cloud is an open cloud. Its methods may be called concurrently.
type Cloud struct {
	config Config
	region string
	s3     *s3.Client
	lambda *lambda.Client
	ecr    *ecr.Client
	states *sfn.Client

	mu   sync.Mutex
	next time.Time // when the next control call may be made
}

// Open prepares the clients; it does not talk to the cloud.
func Open(ctx context.Context, c Config) (*Cloud, error) {
	local := c.Endpoint != ""
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 8 })
		}),
	}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	if local {
		if c.Region == "" {
			c.Region = "us-east-1"
		}
		// The local cloud accepts any key; naming one keeps a user's own credentials out of it.
		options = []func(*config.LoadOptions) error{
			config.WithRegion(c.Region),
			config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("partita", "partita", "")),
			config.WithSharedConfigFiles(nil),
			config.WithSharedCredentialsFiles(nil),
			config.WithHTTPClient(loopbackClient()),
			config.WithRetryer(func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 3; o.MaxBackoff = time.Second })
			}),
		}
		if c.RoleARN == "" {
			c.RoleARN = localRole
		}
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, diag.New(diag.Usage, "cloud.bad-configuration", "reading the AWS configuration", "it cannot be used",
			"check the AWS_* variables and ~/.aws/config").Because(err)
	}
	if loaded.Region == "" {
		return nil, diag.New(diag.Usage, "cloud.no-region", "opening the cloud", "no region is set", "set AWS_REGION or give --region")
	}
	if !local && c.RoleARN == "" {
		return nil, diag.New(diag.Usage, "cloud.no-role", "opening the cloud", "no execution role is set",
			"give --role the ARN of a role that lambda.amazonaws.com may assume, with logs:CreateLogGroup, logs:CreateLogStream, logs:PutLogEvents, s3:ListBucket on the bucket, s3:GetObject, s3:PutObject and s3:DeleteObject on its runs/ prefix, and lambda:InvokeFunction on partita-*")
	}
	cloud := &Cloud{config: c, region: loaded.Region}
	cloud.s3 = s3.NewFromConfig(loaded, func(o *s3.Options) {
		if local {
			o.BaseEndpoint = aws.String(c.Endpoint)
			o.UsePathStyle = true
			// Nothing is lost on the way to this same machine: hashing each body twice would only cost time.
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
			o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
		}
	})
	cloud.lambda = lambda.NewFromConfig(loaded, func(o *lambda.Options) {
		if local {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	cloud.ecr = ecr.NewFromConfig(loaded, func(o *ecr.Options) {
		if local {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	cloud.states = workflows(loaded, c.Endpoint)
	return cloud, nil
}

// loopbackClient ignores proxies, which cannot reach this machine's loopback, and never gives up on an answer: an
// invocation may take as long as its function's timeout.
func loopbackClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.Proxy = nil
		t.MaxIdleConnsPerHost = 64
	})
}

// Bucket gives the bucket's name.
func (c *Cloud) Bucket() string { return c.config.Bucket }

// Region gives the region's name.
func (c *Cloud) Region() string { return c.region }

// Local tells whether this is a local cloud.
func (c *Cloud) Local() bool { return c.config.Endpoint != "" }

// turn waits until the next control call may be made.
func (c *Cloud) turn(ctx context.Context) error {
	if c.Local() {
		return ctx.Err()
	}
	c.mu.Lock()
	now := time.Now()
	if c.next.Before(now) {
		c.next = now
	}
	wait := c.next.Sub(now)
	c.next = c.next.Add(controlInterval)
	c.mu.Unlock()
	return sleep(ctx, wait)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
