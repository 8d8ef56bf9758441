package invoke

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// reply is one answer of the Lambda API.
type reply struct {
	status   int
	kind     string // of the error of the API, or of the function when status is 200
	body     string
	billedMs string
}

// testLambda is an API that gives one reply after the other, the last for ever, and counts.
func testLambda(t *testing.T, replies ...reply) (*Lambda, *int) {
	t.Helper()
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := replies[min(calls, len(replies)-1)]
		calls++
		if body, _ := io.ReadAll(r.Body); r.URL.Path != "/2015-03-31/functions/fn/invocations" || string(body) != `{"x":1}` || r.Header.Get("X-Amz-Log-Type") != "Tail" {
			t.Errorf("%s %s %s", r.URL.Path, body, r.Header)
		}
		if next.billedMs != "" {
			log := "REPORT RequestId: x\tDuration: 1 ms\tBilled Duration: " + next.billedMs + " ms\tMemory Size: 512 MB\tMax Memory Used: 70 MB\t\n"
			w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(log)))
		}
		if next.status == http.StatusOK && next.kind != "" {
			w.Header().Set("X-Amz-Function-Error", next.kind)
		} else if next.kind != "" {
			w.Header().Set("X-Amzn-Errortype", next.kind)
		}
		w.WriteHeader(next.status)
		_, _ = io.WriteString(w, next.body)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k",
		"AWS_SECRET_ACCESS_KEY": "s", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"} {
		t.Setenv(name, value)
	}
	return New(), &calls
}

func TestInvoke(t *testing.T) {
	good := reply{200, "", `{"ok":true}`, "5"}
	crash := reply{200, "Unhandled", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: x Error: Runtime exited"}`, "7"}
	for _, c := range []struct {
		name     string
		replies  []reply
		calls    int
		attempts int
		billedMs int64
		code     string
		kind     diag.Kind
	}{
		{"it goes well", []reply{good}, 1, 1, 5, "", 0},
		{"without a log", []reply{{200, "", `{"ok":true}`, ""}}, 1, 1, 0, "", 0},
		{"throttled, then well", []reply{{429, "TooManyRequestsException", `{"message":"m"}`, ""}, good}, 2, 2, 5, "", 0},
		{"a server error, then well", []reply{{502, "", ``, ""}, {500, "ServiceException", `{"message":"m"}`, ""}, good}, 3, 3, 5, "", 0},
		{"a crash, then well", []reply{crash, good}, 2, 2, 12, "", 0},
		{"two crashes", []reply{crash}, 2, 2, 14, wire.CodeCrashed, diag.Unavailable},
		{"the function's own error is final", []reply{{200, "Unhandled", `{"errorType":"tensor.wrong-shape","errorMessage":"m","diagnostic":{"kind":"invalid","found":"f"}}`, "3"}}, 1, 1, 3, "tensor.wrong-shape", diag.Invalid},
		{"a timeout is final", []reply{{200, "Unhandled", `{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out"}`, "900000"}}, 1, 1, 900000, wire.CodeTimedOut, diag.Limit},
		{"no function", []reply{{404, "ResourceNotFoundException", `{"message":"m"}`, ""}}, 1, 1, 0, "invoke.no-function", diag.NotFound},
		{"too large", []reply{{413, "RequestTooLargeException", `{"message":"m"}`, ""}}, 1, 1, 0, "invoke.payload-too-large", diag.Limit},
		{"forbidden", []reply{{403, "AccessDeniedException", `{"message":"m"}`, ""}}, 1, 1, 0, "invoke.forbidden", diag.Limit},
		{"not ready", []reply{{409, "ResourceConflictException", `{"message":"m"}`, ""}}, 1, 1, 0, "invoke.unavailable", diag.Unavailable},
	} {
		l, calls := testLambda(t, c.replies...)
		got, err := l.Invoke(t.Context(), "fn", []byte(`{"x":1}`))
		if diag.CodeOf(err) != c.code || *calls != c.calls || got.Attempts != c.attempts || got.BilledMs != c.billedMs {
			t.Errorf("%s: %d calls, %+v, %v", c.name, *calls, got, err)
		}
		if e := diag.As(err); e != nil && e.Kind != c.kind {
			t.Errorf("%s: kind %v", c.name, e.Kind)
		}
		if ok := slices.Equal(got.Payload, []byte(`{"ok":true}`)); ok != (c.code == "") {
			t.Errorf("%s: payload %s", c.name, got.Payload)
		}
	}
}

func TestInvokeEndsAtTheDeadline(t *testing.T) {
	l, _ := testLambda(t, reply{429, "TooManyRequestsException", `{"message":"m"}`, ""})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Invoke(ctx, "fn", []byte(`{"x":1}`)); diag.CodeOf(err) != "invoke.deadline" {
		t.Error(err)
	}
}
