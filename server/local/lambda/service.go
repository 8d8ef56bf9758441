package lambda

import (
	"log/slog"
	"os"
	"sync"
	"time"

	"partita/server/local/sandbox"
)

// Options configure a Service.
type Options struct {
	Dir         string // where functions are kept
	Region      string
	EndpointURL string // given to functions as AWS_ENDPOINT_URL
	Host        *sandbox.Host
	Objects     Objects
	Images      Images
	Logger      *slog.Logger

	IdleTimeout      time.Duration   // after which an unused environment is ended
	InitTimeout      time.Duration   // of the init phase
	MaxEnvironments  int             // of all functions together
	AsyncRetryDelays []time.Duration // between the attempts at an event
}

// Defaults of Options. AWS ends environments after some minutes without saying how many; it bounds the init phase at
// 10 s (quotas page, 2026) and tries a failed event twice again, after one and two minutes (developer guide,
// "Asynchronous invocation"). The number of environments is bounded for the sake of the machine.
const (
	DefaultIdleTimeout     = 10 * time.Minute
	DefaultInitTimeout     = 10 * time.Second
	DefaultMaxEnvironments = 100
)

// Service is the local AWS Lambda.
type Service struct {
	options Options
	logger  *slog.Logger
	pool    *pool
	events  *eventQueue
	closing chan struct{}
	work    sync.WaitGroup

	mu        sync.RWMutex
	functions map[string]*function
	closed    bool
}

// New opens the service on its folder, with the functions that are there.
func New(o Options) (*Service, error) {
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	if o.InitTimeout <= 0 {
		o.InitTimeout = DefaultInitTimeout
	}
	if o.MaxEnvironments <= 0 {
		o.MaxEnvironments = DefaultMaxEnvironments
	}
	if o.AsyncRetryDelays == nil {
		o.AsyncRetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	s := &Service{options: o, logger: o.Logger, pool: newPool(o.MaxEnvironments), functions: map[string]*function{},
		closing: make(chan struct{})}
	s.events = newEventQueue(s)
	if err := s.load(); err != nil {
		return nil, err
	}
	s.work.Add(1)
	go s.expireIdle()
	return s, nil
}

// expireIdle ends environments that have not been used for the idle timeout.
func (s *Service) expireIdle() {
	defer s.work.Done()
	ticker := time.NewTicker(max(time.Millisecond, min(s.options.IdleTimeout/4, 30*time.Second)))
	defer ticker.Stop()
	for {
		select {
		case <-s.closing:
			return
		case now := <-ticker.C:
			s.pool.expire(now.Add(-s.options.IdleTimeout))
		}
	}
}

// Environments tells how many environments a function has, and how many of them are idle.
func (s *Service) Environments(name string) (all, idle int) {
	s.mu.RLock()
	f := s.functions[name]
	s.mu.RUnlock()
	if f == nil {
		return 0, 0
	}
	return s.pool.count(f)
}

// Logs gives what the function's environments have written, as far as it is kept.
func (s *Service) Logs(name string) ([]byte, error) {
	f, err := s.find(name, "")
	if err != nil {
		return nil, err
	}
	return f.log.read()
}

// Close ends all environments. Invocations under way fail.
func (s *Service) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	s.pool.close()
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.functions {
		f.log.close()
	}
	return nil
}
