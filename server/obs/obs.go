// Package obs lets an operator see what the server does: its log, and counts and durations of requests as metrics.
package obs

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	"partita/planner/diag"
)

// Logger makes the server's logger. Levels are "debug", "info", "warn" and "error"; formats "text" and "json".
func Logger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, diag.New(diag.Usage, "usage.bad-value", "setting up the log", "there is no level "+level, "use debug, info, warn or error")
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, diag.New(diag.Usage, "usage.bad-value", "setting up the log", "there is no format "+format, "use text or json")
}

// bounds are the upper bounds, in seconds, of the buckets in which durations are counted.
var bounds = [...]float64{0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60}

// Metrics counts requests by what they asked for and how they were answered.
type Metrics struct {
	mu     sync.Mutex
	routes map[route]*counts
	gauges map[string]func() int64
}

type route struct {
	area   string // "api", "cloud" or "page"
	method string
	status int
}

type counts struct {
	total   int64
	seconds float64
	buckets [len(bounds)]int64
}

// NewMetrics makes empty metrics.
func NewMetrics() *Metrics {
	return &Metrics{routes: map[route]*counts{}, gauges: map[string]func() int64{}}
}

// Gauge shows a number that is asked for whenever the metrics are read.
func (m *Metrics) Gauge(name string, read func() int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[name] = read
}

// methods bounds what a client can make the server remember.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "PATCH": true, "OPTIONS": true}

func (m *Metrics) count(area, method string, status int, elapsed time.Duration) {
	if !methods[method] {
		method = "other"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.routes[route{area, method, status}]
	if c == nil {
		c = &counts{}
		m.routes[route{area, method, status}] = c
	}
	c.total++
	c.seconds += elapsed.Seconds()
	for i, bound := range bounds {
		if elapsed.Seconds() <= bound {
			c.buckets[i]++
		}
	}
}

// WriteTo writes the metrics in Prometheus's text format, version 0.0.4.
func (m *Metrics) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	m.mu.Lock()
	routes := make([]route, 0, len(m.routes))
	for r := range m.routes {
		routes = append(routes, r)
	}
	sort.Slice(routes, func(i, j int) bool { return fmt.Sprint(routes[i]) < fmt.Sprint(routes[j]) })
	b.WriteString("# HELP partita_request_seconds Duration of HTTP requests.\n# TYPE partita_request_seconds histogram\n")
	for _, r := range routes {
		c := m.routes[r]
		labels := fmt.Sprintf(`area=%q,method=%q,status="%d"`, r.area, r.method, r.status)
		for i, bound := range bounds {
			fmt.Fprintf(&b, "partita_request_seconds_bucket{%s,le=\"%g\"} %d\n", labels, bound, c.buckets[i])
		}
		fmt.Fprintf(&b, "partita_request_seconds_bucket{%s,le=\"+Inf\"} %d\n", labels, c.total)
		fmt.Fprintf(&b, "partita_request_seconds_sum{%s} %g\npartita_request_seconds_count{%s} %d\n", labels, c.seconds, labels, c.total)
	}
	names := make([]string, 0, len(m.gauges))
	for name := range m.gauges {
		names = append(names, name)
	}
	sort.Strings(names)
	reads := make([]func() int64, len(names))
	for i, name := range names {
		reads[i] = m.gauges[name]
	}
	m.mu.Unlock()
	for i, name := range names {
		fmt.Fprintf(&b, "# TYPE %s gauge\n%s %d\n", name, name, reads[i]())
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// Watch logs and counts the requests that next answers. Requests of the page and of the local cloud are many and are
// logged at debug level unless they fail.
func Watch(next http.Handler, log *slog.Logger, m *Metrics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			elapsed := time.Since(began)
			area := areaOf(r.URL.Path)
			m.count(area, r.Method, recorder.status, elapsed)
			level := slog.LevelDebug
			switch {
			case recorder.status >= 500:
				level = slog.LevelWarn
			case area == "api" && r.Method != http.MethodGet:
				level = slog.LevelInfo
			}
			log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", recorder.status,
				"bytes", recorder.bytes, "elapsed", elapsed.Round(time.Microsecond))
		}()
		next.ServeHTTP(recorder, r)
	})
}

func areaOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/api/"):
		return "api"
	case strings.HasPrefix(path, "/aws/"):
		return "cloud"
	}
	return "page"
}

// recorder notes the status and length of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Flush lets events be sent as they happen.
func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
