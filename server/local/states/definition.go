package states

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of a definition (Step Functions quotas page, 2026), and bounds of its parts.
const (
	maxDefinitionBytes = 1 << 20
	maxStates          = 10_000
	maxBranches        = 1_000
)

// machine is a definition, or a branch of one.
type machine struct {
	start          string
	states         map[string]*state
	timeoutSeconds int64
}

// state is one of them. Templates that it does not have are nil.
type state struct {
	name      string
	kind      string
	next      string // "" ends
	arguments template
	output    template
	assign    template
	retry     []retrier
	catch     []catcher
	seconds   int64 // TimeoutSeconds of a task
	choices   []choice
	otherwise string
	branches  []*machine
	error     template
	cause     template
}

type retrier struct {
	errors             []string
	interval, maxDelay float64 // seconds; 0 of the latter: none
	attempts           int
	rate               float64
	jitter             bool
}

type catcher struct {
	errors         []string
	output, assign template
	next           string
}

type choice struct {
	condition, output, assign template
	next                      string
}

// taskInvoke is the resource of a task that invokes a function.
const taskInvoke = "arn:aws:states:::lambda:invoke"

// stateJSON is a state as it is written. What is not read here is refused by its name.
type stateJSON struct {
	Type, Comment, Next, Default, Resource, QueryLanguage string
	End                                                   bool
	Arguments, Output, Assign, Error, Cause               json.RawMessage
	TimeoutSeconds                                        int64
	Retry                                                 []struct {
		ErrorEquals                  []string
		IntervalSeconds, MaxAttempts *int64
		BackoffRate                  *float64
		MaxDelaySeconds              *int64
		JitterStrategy, Comment      string
	}
	Catch []struct {
		ErrorEquals    []string
		Next, Comment  string
		Output, Assign json.RawMessage
	}
	Choices []struct {
		Condition      json.RawMessage
		Next, Comment  string
		Output, Assign json.RawMessage
	}
	Branches []json.RawMessage
}

// reader reads a definition and collects all that is wrong with it.
type reader struct {
	count int
	names map[string]bool
	errs  []error
}

func (r *reader) fault(where, format string, args ...any) {
	if len(r.errs) < 50 {
		r.errs = append(r.errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
	}
}

// parseDefinition reads a definition; the error lists all that is wrong or not known here.
func parseDefinition(text string) (*machine, error) {
	if len(text) > maxDefinitionBytes {
		return nil, fmt.Errorf("it has %d bytes; at most %d are allowed", len(text), maxDefinitionBytes)
	}
	r := &reader{names: map[string]bool{}}
	m := r.machine("the definition", []byte(text), true, 0)
	return m, errors.Join(r.errs...)
}

func (r *reader) machine(where string, text []byte, outer bool, depth int) *machine {
	var in struct {
		Comment, StartAt, QueryLanguage, Version string
		TimeoutSeconds                           int64
		States                                   map[string]json.RawMessage
	}
	if depth > maxNesting {
		r.fault(where, "it is nested deeper than %d", maxNesting)
		return nil
	}
	if err := strictly(text, &in); err != nil {
		r.fault(where, "%v", err)
		return nil
	}
	if outer && in.QueryLanguage != "JSONata" {
		r.fault(where, "its QueryLanguage is %q, and only JSONata is run here", in.QueryLanguage)
	}
	m := &machine{start: in.StartAt, states: map[string]*state{}, timeoutSeconds: in.TimeoutSeconds}
	if r.count += len(in.States); r.count > maxStates {
		r.fault(where, "there are more than %d states", maxStates)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(in.States)) {
		if r.names[name] || len([]rune(name)) > 80 || name == "" {
			r.fault(where, "the state name %.100q is there twice, empty, or longer than 80 characters", name)
		}
		r.names[name] = true
		if s := r.state(name, in.States[name], depth); s != nil {
			m.states[name] = s
		}
	}
	known := func(from, to string) {
		if in.States[to] == nil {
			r.fault(from, "there is no state %q", to)
		}
	}
	known(where, in.StartAt)
	for name, s := range m.states {
		if s.next != "" {
			known(name, s.next)
		}
		if s.otherwise != "" {
			known(name, s.otherwise)
		}
		for i := range s.catch {
			known(name, s.catch[i].next)
		}
		for i := range s.choices {
			known(name, s.choices[i].next)
		}
	}
	return m
}

// strictly decodes an object and refuses members that the target does not have.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
			return fmt.Errorf("%s is not known here", field)
		}
		return err
	}
	return nil
}

// fields lists, by kind of state, what it may have beside Type, Comment, Output, Assign and QueryLanguage.
var fields = map[string]string{
	"Pass": "next", "Task": "next arguments resource timeout retry catch", "Choice": "choices", "Parallel": "next arguments branches retry catch", "Succeed": "", "Fail": "error",
}

func (r *reader) state(name string, text []byte, depth int) *state {
	var in stateJSON
	if err := strictly(text, &in); err != nil {
		r.fault(name, "%v", err)
		return nil
	}
	allowed, known := fields[in.Type]
	if !known {
		r.fault(name, "states of type %q are not run here", in.Type)
		return nil
	}
	for part, there := range map[string]bool{
		"next": in.Next != "" || in.End, "arguments": in.Arguments != nil, "resource": in.Resource != "", "timeout": in.TimeoutSeconds != 0, "retry": in.Retry != nil, "catch": in.Catch != nil,
		"choices": in.Choices != nil || in.Default != "", "branches": in.Branches != nil, "error": in.Error != nil || in.Cause != nil,
	} {
		if there && !slices.Contains(strings.Fields(allowed), part) {
			r.fault(name, "a state of type %s has no %s", in.Type, part)
		}
	}
	if strings.Contains(allowed, "next") && (in.Next != "") == in.End {
		r.fault(name, "it must either end or have a next state")
	}
	if in.QueryLanguage != "" && in.QueryLanguage != "JSONata" {
		r.fault(name, "its QueryLanguage is %q, and only JSONata is run here", in.QueryLanguage)
	}
	s := &state{name: name, kind: in.Type, next: in.Next, seconds: in.TimeoutSeconds, otherwise: in.Default}
	s.arguments, s.output, s.assign = r.template(name, in.Arguments), r.template(name, in.Output), r.template(name, in.Assign)
	s.error, s.cause = r.template(name, in.Error), r.template(name, in.Cause)
	switch in.Type {
	case "Task":
		if in.Resource != taskInvoke {
			r.fault(name, "the resource %.120q is not run here, only %s", in.Resource, taskInvoke)
		}
		if in.TimeoutSeconds < 0 || s.arguments == nil {
			r.fault(name, "it has no arguments, or a negative timeout")
		}
	case "Choice":
		if len(in.Choices) == 0 {
			r.fault(name, "it has no choices")
		}
	case "Parallel":
		if len(in.Branches) == 0 || len(in.Branches) > maxBranches {
			r.fault(name, "it has %d branches; there may be 1 to %d", len(in.Branches), maxBranches)
			return s
		}
		for i, b := range in.Branches {
			s.branches = append(s.branches, r.machine(fmt.Sprintf("%s, branch %d", name, i+1), b, false, depth+1))
		}
	}
	for _, c := range in.Choices {
		s.choices = append(s.choices, choice{r.template(name, c.Condition), r.template(name, c.Output), r.template(name, c.Assign), c.Next})
		if c.Condition == nil {
			r.fault(name, "a choice has no condition")
		}
	}
	for _, c := range in.Catch {
		if len(c.ErrorEquals) == 0 {
			r.fault(name, "a catcher has no ErrorEquals")
		}
		s.catch = append(s.catch, catcher{c.ErrorEquals, r.template(name, c.Output), r.template(name, c.Assign), c.Next})
	}
	for _, c := range in.Retry {
		again := retrier{errors: c.ErrorEquals, interval: float64(valueOr(c.IntervalSeconds, 1)), attempts: int(valueOr(c.MaxAttempts, 3)), rate: valueOr(c.BackoffRate, 2),
			maxDelay: float64(valueOr(c.MaxDelaySeconds, 0)), jitter: c.JitterStrategy == "FULL"}
		if len(c.ErrorEquals) == 0 || again.interval < 1 || again.attempts < 0 || again.attempts > 99_999_999 || again.rate < 1 || c.JitterStrategy != "" && c.JitterStrategy != "FULL" && c.JitterStrategy != "NONE" {
			r.fault(name, "a retrier has no ErrorEquals, or a figure that is out of range")
		}
		s.retry = append(s.retry, again)
	}
	return s
}

func valueOr[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}

func (r *reader) template(name string, text json.RawMessage) template {
	if text == nil {
		return nil
	}
	t, err := newTemplate(text)
	if err != nil {
		r.fault(name, "%v", err)
	}
	return t
}
