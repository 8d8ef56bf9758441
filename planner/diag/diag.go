// Package diag is the one form in which Partita reports what went wrong.
//
// An Error says what was being done, what was found and what to do about it, and carries a stable code that scripts
// may test for. The kind of an error decides the exit code of the command line and the status of an HTTP answer;
// no other package maps codes to either.
package diag

import (
	"errors"
	"strings"
)

// Kind groups codes by who has to act; it decides exit codes and HTTP statuses.
type Kind int

const (
	// Internal is a fault of Partita itself or of the machine under it.
	Internal Kind = iota
	// Invalid is an input (file, document, argument value) that cannot be used as it is.
	Invalid
	// Usage is a command line or request that is not well formed.
	Usage
	// Infeasible is a well-formed request that no plan satisfies.
	Infeasible
	// Limit is a limit of Partita or of the platform, or a policy that refuses.
	Limit
	// NotFound is a name that nothing answers to.
	NotFound
	// Conflict is a name in use or an operation already under way.
	Conflict
	// Unavailable is a server or cloud that does not answer or fails.
	Unavailable
	// Interrupted is the user's own cancellation.
	Interrupted
)

// Error is a coded diagnostic. Doing completes the sentence "while ..."; Found and Fix are whole sentences without a
// final stop.
type Error struct {
	Kind    Kind
	Code    string // stable, "area.what-happened", e.g. "keras.unsupported-layer"
	Doing   string // "reading model.h5"
	Found   string // "the file ends at byte 812, inside the object header of /conv1"
	Fix     string // "download it again: it is truncated"
	Details []string
	Err     error // the cause, if any
}

// Error gives the diagnostic in one line: doing: found (fix) [code].
func (e *Error) Error() string {
	var b strings.Builder
	if e.Doing != "" {
		b.WriteString(e.Doing)
		b.WriteString(": ")
	}
	b.WriteString(e.Found)
	for _, d := range e.Details {
		b.WriteString("; ")
		b.WriteString(d)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.Fix != "" {
		b.WriteString(". ")
		b.WriteString(e.Fix)
	}
	b.WriteString(" [")
	b.WriteString(e.Code)
	b.WriteString("]")
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a diagnostic.
func New(kind Kind, code, doing, found, fix string) *Error {
	return &Error{Kind: kind, Code: code, Doing: doing, Found: found, Fix: fix}
}

// Because returns a copy of e with its cause.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// With returns a copy of e with further details, one finding each.
func (e *Error) With(details ...string) *Error {
	c := *e
	c.Details = append(append([]string(nil), e.Details...), details...)
	return &c
}

// As finds the first diagnostic in err's chain; nil when there is none.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// CodeOf gives the code of err, "internal" when err carries none, "" when err is nil.
func CodeOf(err error) string {
	if err == nil {
		return ""
	}
	if e := As(err); e != nil {
		return e.Code
	}
	return "internal"
}

// ExitCode maps an error to the exit code of the command line: 0 ok, 1 error, 2 usage, 3 infeasible, 4 a limit or
// policy, 130 interrupted.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	e := As(err)
	if e == nil {
		return 1
	}
	switch e.Kind {
	case Usage:
		return 2
	case Infeasible:
		return 3
	case Limit:
		return 4
	case Interrupted:
		return 130
	}
	return 1
}
