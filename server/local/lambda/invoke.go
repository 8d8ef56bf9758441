package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"partita/server/local/runtimeapi"
)

// errDropped says that a version was replaced between looking it up and using it.
var errDropped = errors.New("the version has been replaced")

var errClosed error = &apiError{status: http.StatusServiceUnavailable, kind: "ServiceException", message: "the local cloud is closing"}

// call is one invocation.
type call struct {
	requestID     string
	traceID       string
	clientContext string
	payload       []byte
}

// result is what comes of an invocation.
type result struct {
	payload       []byte
	functionError bool
	tail          []byte // the end of its log
}

// invoke serves POST .../invocations.
func (s *Service) invoke(w http.ResponseWriter, r *http.Request, name string) error {
	kind := r.Header.Get("X-Amz-Invocation-Type")
	limit := int64(maxSyncPayloadBytes)
	switch kind {
	case "", "RequestResponse", "DryRun":
	case "Event":
		limit = maxEventBytes
	default:
		return outOfRange(kind, "invocationType", "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
	logType := r.Header.Get("X-Amz-Log-Type")
	if logType != "" && logType != "None" && logType != "Tail" {
		return outOfRange(logType, "logType", "Member must satisfy enum value set: [None, Tail]")
	}
	f, err := s.find(name, r.URL.Query().Get("Qualifier"))
	if err != nil {
		return err
	}
	payload, err := readAll(w, r, limit, "RequestTooLargeException", "InvokeFunction")
	if err != nil {
		return err
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if !validJSON(payload) {
		return badContent("Could not parse request body into json: the payload is not JSON")
	}
	c := call{requestID: newID(), payload: payload, traceID: r.Header.Get("X-Amzn-Trace-Id")}
	if c.traceID == "" {
		c.traceID = newTraceID()
	}
	if text := r.Header.Get("X-Amz-Client-Context"); text != "" {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !json.Valid(raw) {
			return badContent("Client context must be a valid Base64-encoded JSON object.")
		}
		c.clientContext = string(raw)
	}
	w.Header().Set("X-Amzn-Requestid", c.requestID)
	w.Header().Set("X-Amzn-Trace-Id", c.traceID)
	w.Header().Set("X-Amz-Executed-Version", latest)
	switch kind {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "Event":
		if err := s.events.put(f, c); err != nil {
			return err
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	out, err := s.run(f, c)
	if err != nil {
		return err
	}
	if out.functionError {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	if logType == "Tail" {
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(out.tail))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", itoa(len(out.payload)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(out.payload)
	return nil
}

// newTraceID makes a trace header in AWS X-Ray's form.
func newTraceID() string {
	return "Root=1-" + newHex(4) + "-" + newHex(12) + ";Parent=" + newHex(8) + ";Sampled=0"
}

// readAll reads a body of at most limit bytes.
func readAll(w http.ResponseWriter, r *http.Request, limit int64, kind, operation string) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(kind, operation, limit)
	}
	if r.ContentLength > 0 { // the length is known and within bounds
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, badContent("the request body ends early")
		}
		return body, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, tooLarge(kind, operation, limit)
	}
	if err != nil {
		return nil, badContent("the request body ends early")
	}
	return body, nil
}

// run serves an invocation to its end, whether or not the caller still waits: on AWS too a function is not ended by its
// caller's going away.
func (s *Service) run(f *function, c call) (result, error) {
	for {
		f.mu.Lock()
		v, reserved, gone := f.version, f.rec.Reserved, f.gone
		f.mu.Unlock()
		if gone {
			return result{}, functionNotFound(s.arn(f.name))
		}
		e, warm, err := s.pool.take(v, reserved)
		if errors.Is(err, errDropped) {
			continue
		}
		if err != nil {
			return result{}, err
		}
		if out, done := s.runIn(e, c, warm); done {
			return out, nil
		}
		// The idle environment had died unseen; the invocation has not reached it.
	}
}

// runIn serves an invocation in an environment and gives the environment back or ends it. done is false when the
// environment was warm and turned out to be dead before it took the invocation.
func (s *Service) runIn(e *environment, c call, warm bool) (out result, done bool) {
	v := e.version
	rep := report{requestID: c.requestID, memoryMB: v.MemorySize}
	e.sink.begin()
	var bad *failure
	if warm {
		if !e.process.Alive() {
			s.pool.discard(e)
			return result{}, false
		}
		e.process.SetActive(true)
	} else {
		begun := time.Now()
		bad = s.begin(e, s.options.InitTimeout)
		rep.init, rep.hasInitTime = time.Since(begun), bad == nil
		if bad != nil {
			e.sink.line(initLine(rep.init, "init", bad.status, bad.errorType))
		}
	}
	limit := time.Duration(v.Timeout) * time.Second
	started := time.Now()
	e.sink.line("START RequestId: " + c.requestID + " Version: " + latest)
	if bad != nil {
		// A failed initialisation is tried again in the first invocation, in the function's own time and with its own
		// share of the processor (AWS Lambda developer guide, "Failures during the init phase").
		e = s.pool.renew(e)
		bad = s.beginAgain(e, c.requestID, limit)
	}
	var payload []byte
	if bad == nil {
		payload, bad = s.handOver(e, c, started.Add(limit), warm)
		if bad == errNotTaken {
			s.pool.discard(e)
			return result{}, false
		}
	}
	rep.duration = time.Since(started)
	if bad != nil && bad.status == "timeout" {
		rep.duration = limit
	}
	if e.process != nil {
		e.process.Flush()
		rep.peakBytes = e.process.PeakMemoryBytes()
	}
	if bad != nil {
		payload = bad.payload
		rep.status = bad.status
		rep.errorType = bad.errorType
		if bad.status != "" {
			e.sink.line(time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + " " + errorLine(bad, c.requestID))
		}
	}
	e.sink.line("END RequestId: " + c.requestID)
	e.sink.line(rep.line())
	out = result{payload: payload, functionError: bad != nil, tail: e.sink.end()}
	if bad != nil && bad.status != "" {
		// The process is dead, or hangs, or never was. Its end is not waited for: the answer is ready.
		e.kill()
		s.work.Add(1)
		go func() {
			defer s.work.Done()
			s.pool.discard(e)
		}()
		return out, true
	}
	e.process.SetActive(false)
	s.pool.give(e)
	return out, true
}

// errorLine words a failure for the log.
func errorLine(bad *failure, requestID string) string {
	var body struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal(bad.payload, &body) != nil {
		return requestID + " " + bad.errorType
	}
	if bad.status == "timeout" {
		return requestID + " " + strings.TrimPrefix(body.ErrorMessage, requestPrefix(requestID)+"Error: ")
	}
	return body.ErrorMessage + " " + bad.errorType
}

// begin starts an environment and waits for its init phase, which runs with two processors.
func (s *Service) begin(e *environment, limit time.Duration) *failure {
	if bad := e.start(s); bad != nil {
		return bad
	}
	bad := e.initialise(limit, func() *failure {
		return e.failed("Sandbox.Timedout", "the init phase took longer than "+limit.String(), "timeout")
	})
	e.process.Flush() // what the init phase has written comes before the invocation's first line
	if bad != nil {
		return bad
	}
	if err := e.process.EndInit(); err != nil {
		return e.sandboxFailure(err)
	}
	return nil
}

// beginAgain is begin within the first invocation.
func (s *Service) beginAgain(e *environment, requestID string, limit time.Duration) *failure {
	started := time.Now()
	bad := e.start(s)
	if bad == nil {
		if err := e.process.EndInit(); err != nil {
			return e.sandboxFailure(err)
		}
		bad = e.initialise(limit, func() *failure { return e.timedOut(requestID) })
		if bad != nil && bad.errorType == "Runtime.ExitError" {
			bad = e.exited(requestID)
		}
	}
	if bad != nil {
		e.sink.line(initLine(time.Since(started), "invoke", bad.status, bad.errorType))
		if bad.errorType == "Runtime.InvalidEntrypoint" || bad.errorType == "Sandbox.Failure" {
			var body struct {
				ErrorMessage string `json:"errorMessage"`
			}
			_ = json.Unmarshal(bad.payload, &body)
			bad = e.failed(bad.errorType, requestPrefix(requestID)+"Error: "+body.ErrorMessage, bad.status)
		}
	}
	return bad
}

// errNotTaken says that a warm environment was dead before it took the invocation.
var errNotTaken = &failure{errorType: "not taken"}

// handOver gives the invocation to the runtime and waits for its outcome.
func (s *Service) handOver(e *environment, c call, deadline time.Time, warm bool) ([]byte, *failure) {
	taken, outcome, err := e.runtime.Invoke(runtimeapi.Invocation{RequestID: c.requestID, FunctionARN: e.version.FunctionArn,
		TraceID: c.traceID, ClientContext: c.clientContext, Deadline: deadline, Payload: c.payload})
	if err != nil {
		return nil, e.failed("Sandbox.Failure", err.Error(), "error")
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	if warm { // only when the runtime has come for the invocation is it certain that the environment lives
		select {
		case <-taken:
		case <-e.process.Done():
			select {
			case <-taken:
			default:
				return nil, errNotTaken
			}
		case <-timer.C:
			return nil, e.timedOut(c.requestID)
		}
	}
	select {
	case o := <-outcome:
		return settled(o)
	case <-e.process.Done():
		select { // a runtime that answers and exits has answered
		case o := <-outcome:
			return settled(o)
		default:
			return nil, e.exited(c.requestID)
		}
	case <-timer.C:
		return nil, e.timedOut(c.requestID)
	}
}

// settled turns a runtime's outcome into a payload, or a failure that leaves the environment alive.
func settled(o runtimeapi.Outcome) ([]byte, *failure) {
	if o.Failed() {
		return nil, &failure{errorType: o.ErrorType, payload: o.Payload}
	}
	return o.Payload, nil
}
