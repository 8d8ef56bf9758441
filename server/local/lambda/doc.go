// Package lambda is the local cloud's AWS Lambda: the REST API by which functions are made, changed and invoked, and
// the execution environments that run them.
//
// Shapes, error codes, headers and log lines are those of AWS Lambda (API reference 2015-03-31), so that every client
// of AWS works here unchanged: aws-sdk-go-v2, the AWS command line, boto3, Terraform. What the local cloud cannot do
// (layers, managed runtimes) it refuses with AWS's code for a parameter that is not acceptable, and never
// pretends.
//
// A request walks through the files in this order: api.go finds the operation, config.go checks its parameters, code.go
// unpacks a package, image.go and unpack.go one that is a container image, registry.go keeps the function; invoke.go answers an invocation, pool.go finds it an environment,
// environment.go runs one, report.go writes the lines that AWS writes.
package lambda

// Account is the account to which all functions of the local cloud belong.
const Account = "000000000000"

// Limits of the service (AWS Lambda quotas page, 2026).
const (
	maxZipRequestBytes  = 70_167_211 // a CreateFunction request with the package inside: 50 MB in base64, and the rest
	maxUnzippedBytes    = 262_144_000
	maxPackageEntries   = 100_000
	maxSyncPayloadBytes = 6 * 1024 * 1024
	maxEventBytes       = 1024 * 1024
	maxEnvironmentBytes = 4096
	maxTags             = 50
	maxRequestBytes     = 1 << 20 // requests other than those above
	logTailBytes        = 4096
)
