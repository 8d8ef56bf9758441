package obs

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"partita/planner/diag"
)

func TestWatchCountsAndLogs(t *testing.T) {
	var log bytes.Buffer
	logger, err := Logger(&log, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics()
	m.Gauge("partita_deployments_busy", func() int64 { return 3 })
	h := Watch(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Write([]byte("hello"))
	}), logger, m)
	for _, request := range []struct{ method, path string }{{"POST", "/api/v1/uploads"}, {"GET", "/"}, {"ODD", "/aws/bucket"}} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(request.method, request.path, nil))
	}
	var out bytes.Buffer
	m.WriteTo(&out)
	for _, want := range []string{
		`partita_request_seconds_count{area="api",method="POST",status="418"} 1`,
		`partita_request_seconds_count{area="page",method="GET",status="200"} 1`,
		`partita_request_seconds_count{area="cloud",method="other",status="200"} 1`,
		`partita_request_seconds_bucket{area="page",method="GET",status="200",le="+Inf"} 1`,
		"partita_deployments_busy 3",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the metrics lack %q:\n%s", want, out.String())
		}
	}
	if text := log.String(); !strings.Contains(text, "path=/api/v1/uploads") || !strings.Contains(text, "status=418") || strings.Contains(text, "path=/ ") {
		t.Errorf("log at level info: %s", text)
	}
}

func TestLoggerRefuses(t *testing.T) {
	for _, c := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := Logger(&bytes.Buffer{}, c[0], c[1]); diag.ExitCode(err) != 2 {
			t.Errorf("Logger(%q, %q) gives %v, want a usage error", c[0], c[1], err)
		}
	}
}
