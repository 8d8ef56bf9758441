package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Limits of an execution (Step Functions quotas page, 2026), and how many states one may enter here.
const (
	maxStateBytes  = 262_144
	maxExecution   = 5 * time.Minute
	maxTransitions = 25_000
)

// Errors that the service defines.
const (
	errAll        = "States.ALL"
	errTaskFailed = "States.TaskFailed"
	errTimeout    = "States.Timeout"
	errRuntime    = "States.Runtime"
	errQuery      = "States.QueryEvaluationError"
	errDataLimit  = "States.DataLimitExceeded"
	errNoChoice   = "States.NoChoiceMatched"
)

// failure is how a state or an execution fails.
type failure struct {
	name, cause string
	final       bool // no catcher takes it
}

// catches tells whether a retrier or catcher is for a failure.
func catches(errorEquals []string, f *failure) bool {
	if f.final {
		return false
	}
	return slices.ContainsFunc(errorEquals, func(e string) bool {
		return e == f.name || e == errAll && f.name != errDataLimit && f.name != errRuntime || e == errTaskFailed && f.name != errTimeout
	})
}

// execution is one run of a state machine.
type execution struct {
	invoke  func(ctx context.Context, function string, payload []byte) ([]byte, *failure)
	ctx     context.Context
	about   map[string]any // the context's Execution and StateMachine
	entered chan struct{}  // holds one token for each state that may still be entered
}

func newExecution(ctx context.Context, about map[string]any, invoke func(ctx context.Context, function string, payload []byte) ([]byte, *failure)) *execution {
	return &execution{invoke: invoke, ctx: ctx, about: about, entered: make(chan struct{}, maxTransitions)}
}

// run runs a machine from its start, with the variables of the scope outside.
func (x *execution) run(ctx context.Context, m *machine, input any, outside map[string]any) (any, *failure) {
	variables := maps.Clone(outside)
	at := m.start
	for {
		select {
		case x.entered <- struct{}{}:
		default:
			return nil, &failure{name: errRuntime, cause: fmt.Sprintf("the execution enters more than %d states", maxTransitions), final: true}
		}
		if ctx.Err() != nil {
			return nil, x.stopped(ctx)
		}
		s := m.states[at]
		output, next, err := x.state(ctx, s, input, variables)
		if err != nil {
			return nil, err
		}
		if next == "" {
			return output, nil
		}
		input, at = output, next
	}
}

// stopped says why the context has ended.
func (x *execution) stopped(ctx context.Context) *failure {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) || errors.Is(x.ctx.Err(), context.DeadlineExceeded) {
		return &failure{name: errTimeout, cause: "the execution took too long", final: true}
	}
	return &failure{name: errRuntime, cause: "it was stopped", final: true}
}

// visit is a state while it is run.
type visit struct {
	x         *execution
	state     *state
	input     any
	variables map[string]any
	entered   time.Time
	retries   int
}

// scope gives what the templates of the state see; more are members of $states.
func (v *visit) scope(more map[string]any) *scope {
	about := maps.Clone(v.x.about)
	about["State"] = map[string]any{"Name": v.state.name, "EnteredTime": v.entered.UTC().Format(moment), "RetryCount": float64(v.retries)}
	all := map[string]any{"input": v.input, "context": about}
	maps.Copy(all, more)
	variables := maps.Clone(v.variables)
	if variables == nil {
		variables = map[string]any{}
	}
	variables["states"] = all
	work := maxWork
	return &scope{context: nothing{}, variables: variables, now: time.Now(), work: &work}
}

func (v *visit) fill(t template, more map[string]any) (any, *failure) {
	value, err := t.fill(v.scope(more))
	if err != nil {
		return nil, &failure{name: errQuery, cause: fmt.Sprintf("in the state %q: %v", v.state.name, err)}
	}
	return value, nil
}

// state runs one state and gives its output and the state that follows, "" for none.
func (x *execution) state(ctx context.Context, s *state, input any, variables map[string]any) (output any, next string, failed *failure) {
	v := &visit{x: x, state: s, input: input, variables: variables, entered: time.Now()}
	attempts := make([]int, len(s.retry))
	for {
		output, next, failed = v.once(ctx)
		if failed == nil {
			return output, next, nil
		}
		if ctx.Err() != nil {
			return nil, "", x.stopped(ctx)
		}
		k := slices.IndexFunc(s.retry, func(r retrier) bool { return catches(r.errors, failed) })
		if k < 0 || attempts[k] >= s.retry[k].attempts {
			break
		}
		if !s.retry[k].wait(ctx, attempts[k]) {
			return nil, "", x.stopped(ctx)
		}
		attempts[k]++
		v.retries++
	}
	for i := range s.catch {
		c := &s.catch[i]
		if !catches(c.errors, failed) {
			continue
		}
		about := map[string]any{"Error": failed.name, "Cause": failed.cause}
		return v.leave(c.output, c.assign, about, map[string]any{"errorOutput": about}, c.next)
	}
	return nil, "", failed
}

// wait waits before another attempt; false when the context ends.
func (r *retrier) wait(ctx context.Context, attempt int) bool {
	seconds := r.interval * math.Pow(r.rate, float64(attempt))
	if r.maxDelay > 0 {
		seconds = min(seconds, r.maxDelay)
	}
	if r.jitter {
		seconds *= rand.Float64()
	}
	timer := time.NewTimer(time.Duration(min(seconds, maxExecution.Seconds()) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// once runs the state once.
func (v *visit) once(ctx context.Context) (any, string, *failure) {
	s := v.state
	switch s.kind {
	case "Pass", "Succeed":
		return v.leave(s.output, s.assign, v.input, nil, s.next)
	case "Fail":
		return nil, "", v.fails()
	case "Choice":
		return v.chooses()
	case "Parallel":
		return v.branches(ctx)
	}
	return v.task(ctx)
}

// leave makes a state's output and assigns its variables.
func (v *visit) leave(output, assign template, plain any, more map[string]any, next string) (any, string, *failure) {
	result := plain
	var failed *failure
	if output != nil {
		if result, failed = v.fill(output, more); failed != nil {
			return nil, "", failed
		}
	}
	if assign != nil {
		values, failed := v.fill(assign, more)
		if failed != nil {
			return nil, "", failed
		}
		all, ok := values.(map[string]any)
		if !ok {
			return nil, "", &failure{name: errQuery, cause: fmt.Sprintf("in the state %q: Assign gives no object", v.state.name)}
		}
		if failed := v.bounded("variables", all); failed != nil {
			return nil, "", failed
		}
		maps.Copy(v.variables, all)
	}
	return result, next, v.bounded("output", result)
}

// bounded refuses data that a state may not hold.
func (v *visit) bounded(what string, data any) *failure {
	text, err := json.Marshal(data)
	if err != nil {
		return &failure{name: errRuntime, cause: err.Error(), final: true}
	}
	if len(text) > maxStateBytes {
		return &failure{name: errDataLimit, final: true, cause: fmt.Sprintf("The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit: its %s has %d, at most %d are allowed.",
			v.state.name, what, len(text), maxStateBytes)}
	}
	return nil
}

func (v *visit) fails() *failure {
	f := &failure{}
	for _, part := range []struct {
		from template
		into *string
	}{{v.state.error, &f.name}, {v.state.cause, &f.cause}} {
		if part.from == nil {
			continue
		}
		value, failed := v.fill(part.from, nil)
		if failed != nil {
			return failed
		}
		text, ok := value.(string)
		if !ok {
			return &failure{name: errQuery, cause: fmt.Sprintf("in the state %q: Error or Cause is no string", v.state.name)}
		}
		*part.into = text
	}
	return f
}

func (v *visit) chooses() (any, string, *failure) {
	for i := range v.state.choices {
		c := &v.state.choices[i]
		value, failed := v.fill(c.condition, nil)
		if failed != nil {
			return nil, "", failed
		}
		holds, ok := value.(bool)
		if !ok {
			return nil, "", &failure{name: errQuery, cause: fmt.Sprintf("in the state %q: a condition is no boolean", v.state.name)}
		}
		if holds {
			return v.leave(c.output, c.assign, v.input, nil, c.next)
		}
	}
	if v.state.otherwise == "" {
		return nil, "", &failure{name: errNoChoice, cause: fmt.Sprintf("no choice of the state %q holds", v.state.name)}
	}
	return v.leave(v.state.output, v.state.assign, v.input, nil, v.state.otherwise)
}

// branches runs all branches at the same time; the first that fails ends the others.
func (v *visit) branches(ctx context.Context) (any, string, *failure) {
	s, input := v.state, v.input
	if s.arguments != nil {
		var failed *failure
		if input, failed = v.fill(s.arguments, nil); failed != nil {
			return nil, "", failed
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type ended struct {
		branch int
		output any
		failed *failure
	}
	ends := make(chan ended, len(s.branches))
	for i, b := range s.branches {
		go func() {
			output, failed := v.x.run(ctx, b, input, v.variables)
			ends <- ended{i, output, failed}
		}()
	}
	results := make([]any, len(s.branches))
	var first *failure
	for range s.branches {
		e := <-ends
		if e.failed != nil && first == nil {
			first = e.failed
			cancel()
		}
		results[e.branch] = e.output
	}
	if first != nil {
		return nil, "", first
	}
	if failed := v.bounded("result", results); failed != nil {
		return nil, "", failed
	}
	return v.leave(s.output, s.assign, results, map[string]any{"result": results}, s.next)
}

// task invokes a function.
func (v *visit) task(ctx context.Context) (any, string, *failure) {
	s := v.state
	value, failed := v.fill(s.arguments, nil)
	if failed != nil {
		return nil, "", failed
	}
	if failed := v.bounded("arguments", value); failed != nil {
		return nil, "", failed
	}
	arguments, _ := value.(map[string]any)
	function, named := arguments["FunctionName"].(string)
	for key := range arguments {
		if key != "FunctionName" && key != "Payload" {
			return nil, "", &failure{name: errRuntime, final: true, cause: fmt.Sprintf("in the state %q: the argument %q is not known here", s.name, key)}
		}
	}
	if !named || function == "" {
		return nil, "", &failure{name: errRuntime, final: true, cause: fmt.Sprintf("in the state %q: FunctionName is absent", s.name)}
	}
	payload, err := json.Marshal(arguments["Payload"])
	if err != nil {
		return nil, "", &failure{name: errRuntime, final: true, cause: err.Error()}
	}
	if s.seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(s.seconds)*time.Second)
		defer cancel()
	}
	type answer struct {
		payload []byte
		failed  *failure
	}
	answers := make(chan answer, 1) // a function is not ended by its caller's going away
	go func() {
		payload, failed := v.x.invoke(ctx, function, payload)
		answers <- answer{payload, failed}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		return nil, "", &failure{name: errTimeout, cause: fmt.Sprintf("the task took more than %d seconds", s.seconds)}
	}
	if a.failed != nil {
		return nil, "", a.failed
	}
	var body any
	if len(strings.TrimSpace(string(a.payload))) > 0 {
		if err := json.Unmarshal(a.payload, &body); err != nil {
			return nil, "", &failure{name: errRuntime, final: true, cause: "the function's answer is not JSON"}
		}
	}
	result := map[string]any{"ExecutedVersion": "$LATEST", "Payload": body, "StatusCode": 200.0, "SdkHttpMetadata": map[string]any{"HttpStatusCode": 200.0}}
	if failed := v.bounded("result", result); failed != nil {
		return nil, "", failed
	}
	return v.leave(s.output, s.assign, result, map[string]any{"result": result}, s.next)
}
