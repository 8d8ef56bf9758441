package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// apiError is an error as AWS Lambda answers it: a status, a type in the header X-Amzn-Errortype, and a message.
type apiError struct {
	status     int
	kind       string
	message    string
	reason     string // of TooManyRequestsException
	retryAfter int    // seconds; 0: not said
}

func (e *apiError) Error() string { return e.kind + ": " + e.message }

func invalidParameter(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, kind: "InvalidParameterValueException", message: fmt.Sprintf(format, args...)}
}

// outOfRange words a broken constraint as AWS does.
func outOfRange(value any, member, constraint string) error {
	return invalidParameter("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, constraint)
}

func functionNotFound(arn string) error {
	return &apiError{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: "Function not found: " + arn}
}

func conflict(format string, args ...any) error {
	return &apiError{status: http.StatusConflict, kind: "ResourceConflictException", message: fmt.Sprintf(format, args...)}
}

func tooLarge(kind, operation string, limit int64) error {
	return &apiError{status: http.StatusRequestEntityTooLarge, kind: kind,
		message: fmt.Sprintf("Request must be smaller than %d bytes for the %s operation", limit, operation)}
}

func throttled(reason string) error {
	return &apiError{status: http.StatusTooManyRequests, kind: "TooManyRequestsException", message: "Rate Exceeded.",
		reason: reason, retryAfter: 1}
}

func badContent(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, kind: "InvalidRequestContentException", message: fmt.Sprintf(format, args...)}
}

// capitalMessage lists the errors whose message AWS writes with a capital letter; the API model has both spellings.
var capitalMessage = map[string]bool{"ResourceNotFoundException": true, "ServiceException": true,
	"PreconditionFailedException": true, "InvalidRequestContentException": false}

// writeError answers with an error. What is not an apiError is a fault of this side: the caller learns no more than
// that, the operator the rest.
func (s *Service) writeError(w http.ResponseWriter, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		s.logger.Error("the local Lambda service failed", "error", err)
		e = &apiError{status: http.StatusInternalServerError, kind: "ServiceException", message: "the local Lambda service failed: " + err.Error()}
	}
	body := map[string]any{"Type": "User"}
	if e.status >= 500 {
		body["Type"] = "Service"
	}
	if capitalMessage[e.kind] {
		body["Message"] = e.message
	} else {
		body["message"] = e.message
	}
	if e.reason != "" {
		body["Reason"] = e.reason
	}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	w.Header().Set("X-Amzn-Errortype", e.kind)
	writeJSON(w, e.status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // answers are made of plain types
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// WriteDenied answers a request that carries no signature.
func WriteDenied(w http.ResponseWriter, message string) {
	w.Header().Set("X-Amzn-Errortype", "MissingAuthenticationTokenException")
	writeJSON(w, http.StatusForbidden, map[string]string{"message": message})
}
