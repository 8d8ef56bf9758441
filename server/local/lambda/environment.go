package lambda

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"partita/server/local/runtimeapi"
	"partita/server/local/sandbox"
)

// environment is one process that serves invocations of one version of a function, one at a time.
type environment struct {
	version *version
	id      string
	stream  string // the name of its log stream
	runtime *runtimeapi.Server
	sink    *sink
	idleAt  time.Time // when it was last given back to the pool
	stale   bool      // not to be used again; guarded by the pool
	gone    chan struct{}

	mu      sync.Mutex
	process *sandbox.Process // nil until started
	killed  bool
}

// failure is why an environment could not do what was asked of it.
type failure struct {
	errorType string
	payload   []byte
	status    string // for the REPORT line
}

// start starts the environment's process and its Runtime API.
func (e *environment) start(s *Service) *failure {
	runtime, err := runtimeapi.New()
	if err != nil {
		return e.sandboxFailure(err)
	}
	e.runtime = runtime
	spec := sandbox.Spec{ID: e.id, TaskDir: e.version.codeDir + "/" + taskFolder, Entry: "bootstrap",
		Architecture: e.version.Architectures[0], MemoryMB: e.version.MemorySize, EphemeralMB: e.version.EphemeralStorage.Size, Output: e.sink, Env: e.variables(s)}
	if i := e.version.image; i != nil {
		entry, arguments, dir := e.version.program(i)
		if entry = append(slices.Clone(entry), arguments...); len(entry) == 0 {
			return e.failed("Runtime.InvalidEntrypoint", "the image names no program to run", "error")
		}
		spec.RootDir = e.version.codeDir + "/" + rootFolder
		spec.TaskDir, spec.Entry, spec.Args, spec.Dir = spec.RootDir+"/var/"+taskFolder, entry[0], entry[1:], dir
	}
	process, err := s.options.Host.Start(spec)
	if err != nil {
		_ = runtime.Close()
		return e.sandboxFailure(err)
	}
	process.SetActive(true)
	e.mu.Lock()
	e.process = process
	killed := e.killed
	e.mu.Unlock()
	if killed {
		process.Kill()
	}
	return nil
}

// kill ends the process, now or as soon as it is started.
func (e *environment) kill() {
	e.mu.Lock()
	e.killed = true
	process := e.process
	e.mu.Unlock()
	if process != nil {
		process.Kill()
	}
}

// sandboxFailure tells a program that cannot be run from a sandbox that cannot be made.
func (e *environment) sandboxFailure(err error) *failure {
	var start *sandbox.StartError
	if errors.As(err, &start) && start.Stage == "exec" {
		return e.failed("Runtime.InvalidEntrypoint", start.Text, "error")
	}
	return e.failed("Sandbox.Failure", err.Error(), "error")
}

// failed words a failure in the form in which AWS answers it.
func (e *environment) failed(kind, message, status string) *failure {
	return &failure{errorType: kind, payload: errorPayload(kind, message), status: status}
}

// variables gives the process's environment (AWS Lambda developer guide, "Defined runtime environment variables").
func (e *environment) variables(s *Service) []string {
	c := &e.version.Configuration
	defaults := map[string]string{
		"LANG":                    "en_US.UTF-8",
		"PATH":                    "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH":         "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"AWS_ENDPOINT_URL":        s.options.EndpointURL,
		"TZ":                      ":UTC",
		"LAMBDA_RUNTIME_DIR":      "/var/runtime",
		"AWS_REGION":              s.options.Region,
		"AWS_DEFAULT_REGION":      s.options.Region,
		"AWS_ACCESS_KEY_ID":       "ASIALOCALPARTITA",
		"AWS_SESSION_TOKEN":       "local",
		"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		"AWS_SECRET_ACCESS_KEY":           "local",
		"AWS_LAMBDA_RUNTIME_API":          e.runtime.Address(),
		"AWS_LAMBDA_FUNCTION_NAME":        c.FunctionName,
		"AWS_LAMBDA_FUNCTION_VERSION":     latest,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.FormatInt(c.MemorySize, 10),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + c.FunctionName,
		"AWS_LAMBDA_LOG_STREAM_NAME":      e.stream,
		"AWS_LAMBDA_LOG_FORMAT":           "Text",
		"_HANDLER":                        c.Handler,
		"AWS_EC2_METADATA_DISABLED":       "true", // there is none; the SDKs would wait for it
	}
	if i := e.version.image; i != nil {
		delete(defaults, "_HANDLER")
		defaults["AWS_EXECUTION_ENV"] = "AWS_Lambda_Image"
		for _, pair := range i.Env {
			if name, value, ok := strings.Cut(pair, "="); ok && !slices.Contains(reservedVariables, name) && !strings.ContainsRune(pair, 0) {
				defaults[name] = value
			}
		}
	}
	if c.Environment != nil {
		for name, value := range c.Environment.Variables {
			defaults[name] = value
		}
	}
	all := make([]string, 0, len(defaults))
	for name, value := range defaults {
		all = append(all, name+"="+value)
	}
	return all
}

// initialise waits for the end of the init phase; onTimeout words what it is when it takes longer than the limit.
func (e *environment) initialise(limit time.Duration, onTimeout func() *failure) *failure {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-e.runtime.Ready():
		return nil
	case o := <-e.runtime.InitError():
		return &failure{errorType: o.ErrorType, payload: o.Payload, status: "error"}
	case <-e.process.Done():
		select { // a runtime that reports and exits has reported
		case o := <-e.runtime.InitError():
			return &failure{errorType: o.ErrorType, payload: o.Payload, status: "error"}
		default:
		}
		return e.exited("")
	case <-timer.C:
		return onTimeout()
	}
}

// exited words the end of the process while it was needed.
func (e *environment) exited(requestID string) *failure {
	status := e.process.Exit()
	text := "Runtime exited with error: " + status
	if status == "exit status 0" {
		text = "Runtime exited without providing a reason"
	}
	return e.failed("Runtime.ExitError", requestPrefix(requestID)+"Error: "+text, "error")
}

func requestPrefix(requestID string) string {
	if requestID == "" {
		return ""
	}
	return "RequestId: " + requestID + " "
}

// timedOut words the end of the function's time.
func (e *environment) timedOut(requestID string) *failure {
	message := fmt.Sprintf("Task timed out after %.2f seconds", float64(e.version.Timeout))
	return e.failed("Sandbox.Timedout", requestPrefix(requestID)+"Error: "+message, "timeout")
}

// end ends the process and waits for it to be gone.
func (e *environment) end() {
	e.kill()
	if e.process != nil {
		<-e.process.Removed()
	}
	if e.runtime != nil {
		_ = e.runtime.Close()
	}
}
