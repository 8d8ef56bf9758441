// Package lambda is the client of the AWS Lambda Runtime API (2018-06-01): it initialises a handler, asks for one event
// after the other and hands back replies and errors. It is used instead of aws-lambda-go for what that hides: the moment an
// event arrived, the length of the init phase, and work done after a reply has left.
package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// Request is one event.
type Request struct {
	ID          string
	FunctionARN string
	Body        []byte
	Received    time.Time // when the platform began to hand it over
	First       bool      // of this environment
	InitUs      int64     // from the start of the process to the first request for an event
}

// Reply is what a handler answers.
type Reply struct {
	Body []byte
	// After, if not nil, runs when the reply has left; the environment takes the next event when it returns.
	After func()
}

// Handler answers events, one at a time. An error that carries a code is reported under it.
type Handler interface {
	Handle(ctx context.Context, r *Request) (Reply, error)
}

// maxEvent bounds an event; the platform's own limit is wire.PayloadLimit.
const maxEvent = wire.MaxMessageBytes

// Main runs the function of this process to its end and gives the exit code. open does the work of the init phase.
func Main(open func(taskRoot string) (Handler, error)) int {
	api := os.Getenv("AWS_LAMBDA_RUNTIME_API")
	if api == "" {
		fmt.Fprintln(os.Stderr, "bootstrap: AWS_LAMBDA_RUNTIME_API is not set: this program runs inside a function, where the platform sets it [lambda.no-runtime-api]")
		return 2
	}
	return newLoop(api, os.Stderr).run(open, os.Getenv("LAMBDA_TASK_ROOT"))
}

type loop struct {
	base   string
	client *http.Client
	log    io.Writer
}

func newLoop(api string, log io.Writer) *loop {
	return &loop{
		base: "http://" + api + "/2018-06-01/runtime/",
		// No time limit: "next" waits for as long as there is nothing to do.
		client: &http.Client{Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 2,
			DisableCompression:  true,
			ReadBufferSize:      64 << 10,
			WriteBufferSize:     64 << 10,
		}},
		log: log,
	}
}

func (l *loop) run(open func(string) (Handler, error), root string) int {
	handler, err := openSafely(open, root)
	if err != nil {
		l.logf("init: %v", err)
		if err := l.postError("init/error", err); err != nil {
			l.logf("reporting the error of the init phase: %v", err)
		}
		return 1
	}
	init := sinceStart().Microseconds()
	for first := true; ; first = false {
		r, deadline, err := l.next()
		if err != nil {
			l.logf("asking for the next event: %v", err)
			return 1
		}
		r.First, r.InitUs = first, init
		if err := l.serve(handler, r, deadline); err != nil {
			l.logf("%v", err)
			return 1
		}
	}
}

func openSafely(open func(string) (Handler, error), root string) (h Handler, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return open(root)
}

// panicError is a bug that showed itself: the environment ends after reporting it.
type panicError struct {
	diag  *diag.Error
	stack []string
}

func (e *panicError) Error() string { return e.diag.Error() }
func (e *panicError) Unwrap() error { return e.diag }

func panicked(p any) error {
	stack := strings.Split(strings.TrimSpace(string(debug.Stack())), "\n")
	return &panicError{
		diag:  diag.New(diag.Internal, "lambda.panic", "running the function", fmt.Sprint("it panicked: ", p), "report this with the stack trace: it is a bug"),
		stack: stack[:min(len(stack), 64)],
	}
}

// next waits for an event.
func (l *loop) next() (*Request, time.Time, error) {
	response, err := l.client.Get(l.base + "invocation/next")
	if err != nil {
		return nil, time.Time{}, err
	}
	defer response.Body.Close()
	received := time.Now()
	if response.StatusCode != http.StatusOK {
		return nil, time.Time{}, fmt.Errorf("the Runtime API answered %s", response.Status)
	}
	h := response.Header
	r := &Request{
		ID:          h.Get("Lambda-Runtime-Aws-Request-Id"),
		FunctionARN: h.Get("Lambda-Runtime-Invoked-Function-Arn"),
		Received:    received,
	}
	if r.ID == "" {
		return nil, time.Time{}, errors.New("the event has no request id")
	}
	if r.Body, err = readBody(response); err != nil {
		return nil, time.Time{}, fmt.Errorf("event %s: %w", r.ID, err)
	}
	var deadline time.Time
	if ms, err := strconv.ParseInt(h.Get("Lambda-Runtime-Deadline-Ms"), 10, 64); err == nil && ms > 0 {
		deadline = time.UnixMilli(ms)
	}
	// The AWS SDK passes the trace on from this variable, which a custom runtime has to set.
	if trace := h.Get("Lambda-Runtime-Trace-Id"); trace != "" {
		_ = os.Setenv("_X_AMZN_TRACE_ID", trace)
	} else {
		_ = os.Unsetenv("_X_AMZN_TRACE_ID")
	}
	return r, deadline, nil
}

// readBody reads a body into memory of just its size where the size is told.
func readBody(response *http.Response) ([]byte, error) {
	if n := response.ContentLength; n >= 0 {
		if n > maxEvent {
			return nil, fmt.Errorf("it has %d bytes; at most %d are read", n, maxEvent)
		}
		body := make([]byte, n)
		_, err := io.ReadFull(response.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxEvent+1))
	if err == nil && len(body) > maxEvent {
		err = fmt.Errorf("it has more than %d bytes", maxEvent)
	}
	return body, err
}

// serve answers one event. An error ends the environment.
func (l *loop) serve(handler Handler, r *Request, deadline time.Time) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if !deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, deadline)
	}
	defer cancel()
	reply, err := handleSafely(ctx, handler, r)
	path := "invocation/" + r.ID + "/"
	if err != nil {
		l.logf("ERROR RequestId: %s %v", r.ID, err)
		if postErr := l.postError(path+"error", err); postErr != nil {
			return postErr
		}
		var bug *panicError
		if errors.As(err, &bug) {
			return errors.New("the environment ends after a panic")
		}
		return nil
	}
	if err := l.post(path+"response", reply.Body, ""); err != nil {
		return err
	}
	if reply.After != nil {
		reply.After()
	}
	return nil
}

func handleSafely(ctx context.Context, handler Handler, r *Request) (reply Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return handler.Handle(ctx, r)
}

func (l *loop) postError(path string, err error) error {
	failure := wire.NewFailure(err)
	var bug *panicError
	if errors.As(err, &bug) {
		failure.StackTrace, _ = json.Marshal(bug.stack)
	}
	body, marshalErr := json.Marshal(failure)
	if marshalErr != nil {
		return marshalErr
	}
	return l.post(path, body, failure.ErrorType)
}

// post hands something to the Runtime API. It fails only when the environment cannot go on.
func (l *loop) post(path string, body []byte, errorType string) error {
	request, err := http.NewRequest(http.MethodPost, l.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if errorType != "" {
		request.Header.Set("Lambda-Runtime-Function-Error-Type", errorType)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return fmt.Errorf("posting to %s: %w", path, err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	switch {
	case response.StatusCode < 300:
		return nil
	case response.StatusCode >= 500:
		return fmt.Errorf("posting to %s: the Runtime API answered %s", path, response.Status)
	}
	// The platform has already closed this invocation (too large a response, too late): the next may go well.
	l.logf("posting to %s: the Runtime API answered %s %s", path, response.Status, answer)
	return nil
}

func (l *loop) logf(format string, args ...any) {
	fmt.Fprintln(l.log, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
}
