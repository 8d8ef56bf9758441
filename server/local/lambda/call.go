package lambda

import (
	"context"
	"errors"
	"strings"
)

// Call runs a function for another service of this cloud, by its name or its ARN, and waits for its answer: that of the function, or, with
// failed set, its failure. An error of this service comes with its kind, as in ResourceNotFoundException.
func (s *Service) Call(_ context.Context, function string, payload []byte) (answer []byte, failed bool, kind string, err error) {
	if at := strings.LastIndex(function, ":function:"); at >= 0 {
		function = function[at+len(":function:"):]
	}
	out, err := s.callNamed(function, payload)
	var known *apiError
	if errors.As(err, &known) {
		return nil, false, known.kind, known
	}
	return out.payload, out.functionError, "", err
}

func (s *Service) callNamed(function string, payload []byte) (result, error) {
	if len(payload) > maxSyncPayloadBytes {
		return result{}, tooLarge("RequestTooLargeException", "InvokeFunction", maxSyncPayloadBytes)
	}
	f, err := s.find(function, "")
	if err != nil {
		return result{}, err
	}
	return s.run(f, call{requestID: newID(), traceID: newTraceID(), payload: payload})
}
