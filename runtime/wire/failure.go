package wire

import (
	"encoding/json"
	"strings"

	"partita/planner/diag"
)

// Failure is the body of a failed invocation, as the Lambda Runtime API defines it (errorMessage, errorType,
// stackTrace), with the diagnostic in parts beside it so that the caller need not parse the message.
type Failure struct {
	ErrorMessage string          `json:"errorMessage"`
	ErrorType    string          `json:"errorType"` // the diagnostic's code
	StackTrace   json.RawMessage `json:"stackTrace,omitempty"`
	Diagnostic   *Diagnostic     `json:"diagnostic,omitempty"`
}

// Diagnostic is a diag.Error on the wire.
type Diagnostic struct {
	Kind    string   `json:"kind"`
	Doing   string   `json:"doing,omitempty"`
	Found   string   `json:"found"`
	Fix     string   `json:"fix,omitempty"`
	Details []string `json:"details,omitempty"`
}

// NewFailure describes an error for a caller.
func NewFailure(err error) *Failure {
	f := &Failure{ErrorMessage: err.Error(), ErrorType: diag.CodeOf(err)}
	if e := diag.As(err); e != nil {
		f.Diagnostic = &Diagnostic{Kind: e.Kind.String(), Doing: e.Doing, Found: e.Found, Fix: e.Fix, Details: e.Details}
		if e.Err != nil {
			f.Diagnostic.Found += ": " + e.Err.Error()
		}
	}
	return f
}

// Codes of failures that the platform reports rather than the function.
const (
	CodeCrashed          = "function.crashed"
	CodeOutOfMemory      = "function.out-of-memory"
	CodeTimedOut         = "function.timed-out"
	CodeResponseTooLarge = "function.response-too-large"
	CodeFailed           = "function.failed"
)

// ParseFailure turns the payload of an invocation that failed (header X-Amz-Function-Error) into a diagnostic: the
// function's own where it gave one, else what the platform's error type means.
func ParseFailure(function string, payload []byte) *diag.Error {
	doing := "running " + function
	var f Failure
	if err := json.Unmarshal(payload, &f); err != nil || (f.ErrorMessage == "" && f.ErrorType == "") {
		found := strings.ToValidUTF8(string(payload[:min(len(payload), 300)]), "?")
		return diag.New(diag.Unavailable, CodeFailed, doing, "it failed without saying why: "+found, "read its log")
	}
	if d := f.Diagnostic; d != nil && f.ErrorType != "" {
		e := diag.New(diag.ParseKind(d.Kind), f.ErrorType, d.Doing, d.Found, d.Fix)
		e.Details = append(e.Details, d.Details...)
		if !strings.Contains(e.Doing, function) {
			e.Doing = strings.TrimSuffix(doing+": "+e.Doing, ": ")
		}
		return e
	}
	killed := strings.Contains(f.ErrorMessage, "signal: killed")
	switch f.ErrorType {
	case "Sandbox.Timedout", "Sandbox.Timeout", "Function.Timeout":
		return diag.New(diag.Limit, CodeTimedOut, doing, f.ErrorMessage, "plan with more memory per function, or raise its timeout")
	case "Runtime.OutOfMemory":
		killed = true
	case "Runtime.ExitError", "Runtime.Unknown", "Sandbox.Failure", "Extension.Crash":
	case "Function.ResponseSizeTooLarge":
		return diag.New(diag.Limit, CodeResponseTooLarge, doing, f.ErrorMessage, "plan this hop through S3")
	default:
		if strings.Contains(f.ErrorMessage, "Task timed out") {
			return diag.New(diag.Limit, CodeTimedOut, doing, f.ErrorMessage, "plan with more memory per function, or raise its timeout")
		}
		return diag.New(diag.Unavailable, CodeFailed, doing, strings.TrimSpace(f.ErrorType+" "+f.ErrorMessage), "read its log")
	}
	if killed {
		return diag.New(diag.Limit, CodeOutOfMemory, doing, f.ErrorMessage, "it probably ran out of memory: plan with more memory for this stage")
	}
	return diag.New(diag.Unavailable, CodeCrashed, doing, f.ErrorMessage, "read its log; if it happens again, plan with more memory for this stage")
}
