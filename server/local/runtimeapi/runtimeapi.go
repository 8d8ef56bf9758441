// Package runtimeapi is the server side of the AWS Lambda Runtime API, version 2018-06-01: the HTTP interface through
// which the program in an execution environment asks for its next invocation and hands in the answer.
//
// There is one Server per environment, on a loopback port of its own, as on AWS: an environment works on one request at
// a time, and what one environment says can never be taken for another's.
package runtimeapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxResponseBytes is the largest answer of a function: 6 MB and 100 bytes, as the AWS Lambda runtime interface
// emulator has it.
const MaxResponseBytes = 6*1024*1024 + 100

const prefix = "/2018-06-01/runtime/"

// Invocation is one request to a function.
type Invocation struct {
	RequestID     string
	FunctionARN   string
	TraceID       string
	ClientContext string // JSON, empty when the caller gave none
	Deadline      time.Time
	Payload       []byte
}

// Outcome is what a runtime said about an invocation, or about its own initialisation.
type Outcome struct {
	Payload   []byte
	ErrorType string // empty for an answer
}

// Failed tells whether the outcome is an error.
func (o Outcome) Failed() bool { return o.ErrorType != "" }

// job is an invocation on its way through the runtime.
type job struct {
	invocation Invocation
	taken      chan struct{} // closed when the runtime has asked for it
	outcome    chan Outcome  // receives one
	answered   bool
}

// Server is the Runtime API of one environment.
type Server struct {
	listener net.Listener
	server   *http.Server

	mu        sync.Mutex
	ready     chan struct{} // closed when the runtime first asks for an invocation
	isReady   bool
	initError chan Outcome
	waiting   bool // a request for the next invocation is blocked
	queued    *job // handed over, not taken
	current   *job // taken, not answered
	arrived   chan struct{}
	closed    chan struct{}
	closeOnce sync.Once
}

// New starts a server on a free loopback port.
func New() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for a runtime: %w", err)
	}
	s := &Server{listener: listener, ready: make(chan struct{}), initError: make(chan Outcome, 1),
		arrived: make(chan struct{}, 1), closed: make(chan struct{})}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

// Address gives host and port, the value of AWS_LAMBDA_RUNTIME_API.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Ready is closed when the runtime has finished its initialisation.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// InitError receives the error that a runtime reports in its initialisation.
func (s *Server) InitError() <-chan Outcome { return s.initError }

// Invoke hands an invocation to the runtime. taken is closed when the runtime has it; outcome then receives one value,
// unless the runtime ends without saying anything. There may be one invocation at a time.
func (s *Server) Invoke(i Invocation) (taken <-chan struct{}, outcome <-chan Outcome, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued != nil || s.current != nil {
		return nil, nil, errors.New("the environment is busy")
	}
	j := &job{invocation: i, taken: make(chan struct{}), outcome: make(chan Outcome, 1)}
	s.queued = j
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return j.taken, j.outcome, nil
}

// Close ends the server and all its connections.
func (s *Server) Close() error {
	var err error
	s.closeOnce.Do(func() {
		close(s.closed)
		err = s.server.Close()
	})
	return err
}

// ServeHTTP answers a runtime.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok {
		refuse(w, http.StatusNotFound, "InvalidRequest", "there is no such path in the Runtime API")
		return
	}
	method := http.MethodPost
	var answer func()
	switch parts := strings.Split(path, "/"); {
	case path == "invocation/next":
		method = http.MethodGet
		answer = func() { s.next(w, r) }
	case path == "init/error":
		answer = func() { s.failInit(w, r) }
	case len(parts) == 3 && parts[0] == "invocation" && parts[2] == "response":
		answer = func() { s.respond(w, r, parts[1]) }
	case len(parts) == 3 && parts[0] == "invocation" && parts[2] == "error":
		answer = func() { s.fail(w, r, parts[1]) }
	default:
		refuse(w, http.StatusNotFound, "InvalidRequest", "there is no such path in the Runtime API")
		return
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		refuse(w, http.StatusMethodNotAllowed, "InvalidRequest", "the method must be "+method)
		return
	}
	answer()
}

// next blocks until there is an invocation.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.waiting || s.current != nil {
		s.mu.Unlock()
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "Transition from Running to Ready is not allowed.")
		return
	}
	s.waiting = true
	if !s.isReady {
		s.isReady = true
		close(s.ready)
	}
	s.mu.Unlock()

	j := s.await(r.Context())
	if j == nil {
		return // the runtime or the server has gone; there is nobody to tell
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(j.invocation.Payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", j.invocation.RequestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(j.invocation.Deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", j.invocation.FunctionARN)
	if j.invocation.TraceID != "" {
		h.Set("Lambda-Runtime-Trace-Id", j.invocation.TraceID)
	}
	if j.invocation.ClientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", j.invocation.ClientContext)
	}
	_, _ = w.Write(j.invocation.Payload)
}

// await takes the next invocation; nil when the asker has gone.
func (s *Server) await(ctx context.Context) *job {
	for {
		s.mu.Lock()
		if j := s.queued; j != nil {
			s.queued, s.current, s.waiting = nil, j, false
			close(j.taken)
			s.mu.Unlock()
			return j
		}
		s.mu.Unlock()
		select {
		case <-s.arrived:
		case <-ctx.Done():
			s.stopWaiting()
			return nil
		case <-s.closed:
			s.stopWaiting()
			return nil
		}
	}
}

func (s *Server) stopWaiting() {
	s.mu.Lock()
	s.waiting = false
	s.mu.Unlock()
}

// claim finds the invocation that an answer is for and marks it as answered, so that a second answer is refused.
func (s *Server) claim(w http.ResponseWriter, id string) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.current
	if j == nil || j.invocation.RequestID != id {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return nil
	}
	if j.answered {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the invocation has been answered")
		return nil
	}
	j.answered = true
	return j
}

// settle ends an invocation. The environment is free for the next before the runtime is told so.
func (s *Server) settle(j *job, o Outcome) {
	s.mu.Lock()
	s.current = nil
	s.mu.Unlock()
	j.outcome <- o
}

func (s *Server) respond(w http.ResponseWriter, r *http.Request, id string) {
	j := s.claim(w, id)
	if j == nil {
		return
	}
	body, err := readBody(r, MaxResponseBytes)
	switch {
	case errors.Is(err, errTooLarge):
		s.settle(j, errorOutcome("Function.ResponseSizeTooLarge",
			fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponseBytes)))
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxResponseBytes))
		return
	case err != nil:
		s.settle(j, errorOutcome("Runtime.TruncatedResponse", "the runtime's response ended early"))
		return
	}
	// A streaming response may still fail at its end; it says so in trailers.
	if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		text, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil || !json.Valid(text) {
			s.settle(j, errorOutcome(clean(kind), "the function failed while it streamed its response"))
		} else {
			s.settle(j, Outcome{Payload: text, ErrorType: clean(kind)})
		}
		accept(w)
		return
	}
	s.settle(j, Outcome{Payload: body})
	accept(w)
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, id string) {
	j := s.claim(w, id)
	if j == nil {
		return
	}
	s.settle(j, readError(r, "Function.Unknown"))
	accept(w)
}

func (s *Server) failInit(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ready := s.isReady
	s.mu.Unlock()
	if ready {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the initialisation has ended")
		return
	}
	select {
	case s.initError <- readError(r, "Runtime.Unknown"):
		accept(w)
	default:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "an error of the initialisation has been reported")
	}
}

// readError reads an error report; what is not JSON is wrapped, so that a caller always gets JSON.
func readError(r *http.Request, kindByDefault string) Outcome {
	kind := clean(r.Header.Get("Lambda-Runtime-Function-Error-Type"))
	body, err := readBody(r, MaxResponseBytes)
	if err != nil {
		return errorOutcome("Runtime.TruncatedResponse", "the runtime's error report could not be read: "+err.Error())
	}
	if kind == "" {
		var report struct {
			ErrorType string `json:"errorType"`
		}
		if json.Unmarshal(body, &report) == nil {
			kind = clean(report.ErrorType)
		}
	}
	if kind == "" {
		kind = kindByDefault
	}
	if !json.Valid(body) {
		return errorOutcome(kind, string(bytes.ToValidUTF8(body[:min(len(body), 1024)], []byte("?"))))
	}
	return Outcome{Payload: body, ErrorType: kind}
}

// errorOutcome makes the error that this side finds in the shape in which runtimes report theirs.
func errorOutcome(kind, message string) Outcome {
	payload, err := json.Marshal(struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}{message, kind})
	if err != nil {
		panic(err) // two strings always encode
	}
	return Outcome{Payload: payload, ErrorType: kind}
}

// clean keeps of an error type what may appear in a log line.
func clean(kind string) string {
	if len(kind) > 128 {
		kind = kind[:128]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-', r == ':':
			return r
		}
		return -1
	}, kind)
}

var errTooLarge = errors.New("the body is too large")

// readBody reads at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errTooLarge
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errTooLarge
	}
	return body.Bytes(), nil
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`+"\n")
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}{message, kind})
}
