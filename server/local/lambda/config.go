package lambda

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Configuration is a function as the API shows it (shape FunctionConfiguration), and as it is kept on disk.
type Configuration struct {
	FunctionName     string
	FunctionArn      string
	Runtime          string `json:",omitempty"` // of a zip
	Role             string
	Handler          string `json:",omitempty"` // of a zip
	CodeSize         int64
	Description      string
	Timeout          int64
	LastModified     string
	CodeSha256       string
	Version          string
	Environment      *Environment `json:",omitempty"`
	TracingConfig    tracing
	MemorySize       int64
	RevisionId       string
	State            string
	StateReason      string `json:",omitempty"`
	StateReasonCode  string `json:",omitempty"`
	LastUpdateStatus string
	PackageType      string
	Architectures    []string
	EphemeralStorage storage
	SnapStart        snapStart
	LoggingConfig    logging

	ImageConfigResponse *imageConfigResponse `json:",omitempty"`
}

// Environment holds a function's variables.
type Environment struct{ Variables map[string]string }

type tracing struct{ Mode string }

type storage struct{ Size int64 }

type snapStart struct{ ApplyOn, OptimizationStatus string }

type logging struct{ LogFormat, LogGroup string }

// settings are the parameters of a function that a request may name; nil means that it does not.
type settings struct {
	Runtime          *string
	Role             *string
	Handler          *string
	Description      *string
	Timeout          *int64
	MemorySize       *int64
	Environment      *Environment
	EphemeralStorage *storage
	RevisionId       *string
	ImageConfig      *imageConfig

	// What the local cloud cannot do: an empty value is as good as none.
	Layers            []string
	FileSystemConfigs []json.RawMessage
}

// codeSource is where a package comes from.
type codeSource struct {
	ZipFile         []byte
	S3Bucket        string
	S3Key           string
	S3ObjectVersion string
	ImageUri        string
}

// createRequest is the body of CreateFunction.
type createRequest struct {
	settings
	FunctionName  string
	Code          codeSource
	PackageType   string
	Architectures []string
	Tags          map[string]string
	Publish       bool
}

// updateCodeRequest is the body of UpdateFunctionCode.
type updateCodeRequest struct {
	codeSource
	Architectures []string
	RevisionId    *string
	DryRun        bool
	Publish       bool
}

// Defaults of CreateFunction (API reference).
const (
	defaultMemoryMB    = 128
	defaultTimeoutS    = 3
	defaultEphemeralMB = 512
)

var rolePattern = regexp.MustCompile(`^arn:aws[a-zA-Z-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)

// apply checks the settings and puts them into c.
func (p *settings) apply(c *Configuration) error {
	if p.Runtime != nil {
		c.Runtime = *p.Runtime
	}
	if p.Role != nil {
		c.Role = *p.Role
	}
	if p.Handler != nil {
		c.Handler = *p.Handler
	}
	if p.Description != nil {
		c.Description = *p.Description
	}
	if p.Timeout != nil {
		c.Timeout = *p.Timeout
	}
	if p.MemorySize != nil {
		c.MemorySize = *p.MemorySize
	}
	if p.EphemeralStorage != nil {
		c.EphemeralStorage = *p.EphemeralStorage
	}
	if p.Environment != nil {
		c.Environment = p.Environment
		if len(p.Environment.Variables) == 0 {
			c.Environment = nil
		}
	}
	switch {
	case len(p.Layers) > 0:
		return invalidParameter("the local cloud has no layers: put their files into the package")
	case len(p.FileSystemConfigs) > 0:
		return invalidParameter("the local cloud has no file system mounts")
	}
	if own := p.ImageConfig; own != nil {
		c.ImageConfigResponse = nil
		if len(own.EntryPoint)+len(own.Command) > 0 || own.WorkingDirectory != "" {
			c.ImageConfigResponse = &imageConfigResponse{*own}
		}
	}
	return c.check()
}

// check tells the first thing about a configuration that is not acceptable.
func (c *Configuration) check() error {
	if c.PackageType == packageImage {
		if err := c.checkImage(); err != nil {
			return err
		}
	} else if err := c.checkZip(); err != nil {
		return err
	}
	switch {
	case !rolePattern.MatchString(c.Role):
		return outOfRange(c.Role, "role", "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+")
	case utf8.RuneCountInString(c.Description) > 256:
		return outOfRange(c.Description, "description", "Member must have length less than or equal to 256")
	case c.MemorySize < 128:
		return outOfRange(c.MemorySize, "memorySize", "Member must have value greater than or equal to 128")
	case c.MemorySize > 10240:
		return outOfRange(c.MemorySize, "memorySize", "Member must have value less than or equal to 10240")
	case c.Timeout < 1:
		return outOfRange(c.Timeout, "timeout", "Member must have value greater than or equal to 1")
	case c.Timeout > 900:
		return outOfRange(c.Timeout, "timeout", "Member must have value less than or equal to 900")
	case c.EphemeralStorage.Size < 512:
		return outOfRange(c.EphemeralStorage.Size, "ephemeralStorage.size", "Member must have value greater than or equal to 512")
	case c.EphemeralStorage.Size > 10240:
		return outOfRange(c.EphemeralStorage.Size, "ephemeralStorage.size", "Member must have value less than or equal to 10240")
	}
	if c.Environment != nil {
		return checkVariables(c.Environment.Variables)
	}
	return nil
}

// checkZip is check for what only functions made of a zip have.
func (c *Configuration) checkZip() error {
	switch {
	case c.Runtime == "":
		return invalidParameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	case c.Runtime != "provided.al2023" && c.Runtime != "provided.al2":
		return outOfRange(c.Runtime, "runtime", "Member must satisfy enum value set: [provided.al2023, provided.al2] (the local cloud runs packages with a bootstrap only)")
	case c.Handler == "":
		return invalidParameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	case len(c.Handler) > 128 || strings.ContainsAny(c.Handler, " \t\r\n\x00"):
		return outOfRange(c.Handler, "handler", "Member must satisfy regular expression pattern: [^\\s]{1,128}")
	case c.ImageConfigResponse != nil:
		return invalidParameter("Please don't provide ImageConfig when the intended function PackageType is Zip.")
	}
	return nil
}

// checkImage is check for what only functions made of a container image have.
func (c *Configuration) checkImage() error {
	if c.Runtime != "" || c.Handler != "" {
		return invalidParameter("Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.")
	}
	if own := c.ImageConfigResponse; own != nil {
		if len(own.ImageConfig.WorkingDirectory) > 1000 || len(own.ImageConfig.EntryPoint) > 1500 || len(own.ImageConfig.Command) > 1500 {
			return outOfRange("...", "imageConfig", "Member must have length less than or equal to 1000, of lists 1500")
		}
	}
	return nil
}

// reservedVariables are set by the service and may not be set by a function's configuration (AWS Lambda developer
// guide, "Defined runtime environment variables").
var reservedVariables = []string{"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
	"AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
	"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"}

var variablePattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)

func checkVariables(variables map[string]string) error {
	var reserved []string
	for name, value := range variables {
		if slices.Contains(reservedVariables, name) {
			reserved = append(reserved, name)
			continue
		}
		if !variablePattern.MatchString(name) {
			return outOfRange(name, "environment.variables.member.key", "Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+")
		}
		if strings.ContainsRune(value, 0) {
			return outOfRange(name, "environment.variables.member", "Member must not contain a zero byte")
		}
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		return invalidParameter("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s",
			strings.Join(reserved, ", "))
	}
	measured, err := json.Marshal(variables)
	if err != nil {
		return err
	}
	if len(measured) > maxEnvironmentBytes {
		return invalidParameter("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %d bytes", len(measured))
	}
	return nil
}

// checkArchitectures refuses what AWS does, and architectures whose programs this machine has no means to run.
func (s *Service) checkArchitectures(architectures []string) error {
	if len(architectures) != 1 || architectures[0] != "x86_64" && architectures[0] != "arm64" {
		return outOfRange(architectures, "architectures", "Member must be one of [x86_64], [arm64]")
	}
	if err := s.options.Host.Runs(architectures[0]); err != nil {
		return invalidParameter("%v", err)
	}
	return nil
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidParameter("Number of tags exceeds function tag limit of %d", maxTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return outOfRange(key, "tags.member.key", "Member must have length between 1 and 128")
		case utf8.RuneCountInString(value) > 256:
			return outOfRange(value, "tags.member", "Member must have length less than or equal to 256")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalidParameter("System tags cannot be added/updated by requester.")
		}
	}
	return nil
}

// namePattern takes apart the forms in which a request may name a function: name, name:qualifier, the partial form
// account:function:name, and the whole resource name.
var namePattern = regexp.MustCompile(
	`^(?:arn:aws[a-zA-Z-]*:lambda:)?(?:([a-z]{2,}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9_-]{1,64})(?::(\$LATEST|[a-zA-Z0-9_-]{1,128}))?$`)

const latest = "$LATEST"

// parseName finds name and qualifier; "" and false when the text names no function.
func parseName(text string) (name, qualifier string, ok bool) {
	if len(text) > 280 {
		return "", "", false
	}
	m := namePattern.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[3], m[4], true
}
