package lambda

import (
	"errors"
	"time"
)

// eventQueue serves asynchronous invocations. It is kept in memory: an event that has been accepted and not served is
// lost with the server, where AWS would keep it for six hours.
type eventQueue struct {
	service *Service
	slots   chan struct{}
}

// maxQueuedEvents bounds the memory that waiting events may hold, with maxEventBytes each.
const maxQueuedEvents = 256

// throttleDelay is how long an event waits when there is no environment for it.
const throttleDelay = time.Second

// maxEventAge is how long AWS keeps trying (developer guide, "Asynchronous invocation").
const maxEventAge = 6 * time.Hour

func newEventQueue(s *Service) *eventQueue {
	return &eventQueue{service: s, slots: make(chan struct{}, maxQueuedEvents)}
}

// put accepts an event.
func (q *eventQueue) put(f *function, c call) error {
	s := q.service
	s.mu.RLock()
	defer s.mu.RUnlock() // so that Close does not begin to wait while work is added
	if s.closed {
		return errClosed
	}
	select {
	case q.slots <- struct{}{}:
	default:
		return throttled("CallerRateLimitExceeded")
	}
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer func() { <-q.slots }()
		q.serve(f, c)
	}()
	return nil
}

// serve tries an event until it succeeds or the attempts are used up.
func (q *eventQueue) serve(f *function, c call) {
	s := q.service
	accepted := time.Now()
	for attempt := 0; time.Since(accepted) < maxEventAge; {
		out, err := s.run(f, c)
		delay := throttleDelay
		var refused *apiError
		switch {
		case err == nil && !out.functionError:
			return
		case err == nil:
			if attempt >= len(s.options.AsyncRetryDelays) {
				s.logger.Warn("an asynchronous invocation has failed", "function", f.name, "requestId", c.requestID, "attempts", attempt+1)
				return
			}
			delay = s.options.AsyncRetryDelays[attempt]
			attempt++
		case errors.As(err, &refused) && refused.kind == "TooManyRequestsException":
		default:
			return
		}
		select {
		case <-s.closing:
			return
		case <-time.After(delay):
		}
	}
}
