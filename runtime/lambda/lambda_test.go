package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// platform is a Runtime API that hands out events and keeps what is posted. When the events are used up it closes the
// connection of "next", which ends the environment.
type platform struct {
	*httptest.Server
	mutex  sync.Mutex
	events []string
	next   int
	posts  []string // "path type body"
	answer int      // status of posts; 0: 202
}

func newPlatform(t *testing.T, events ...string) *platform {
	p := &platform{events: events}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/2018-06-01/runtime/")
	switch {
	case !ok:
		http.NotFound(w, r)
	case path == "invocation/next":
		if p.next == len(p.events) {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("id-", p.next))
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:f")
		w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1")
		_, _ = io.WriteString(w, p.events[p.next])
		p.next++
	default:
		body, _ := io.ReadAll(r.Body)
		p.posts = append(p.posts, fmt.Sprintf("%s %s %s", path, r.Header.Get("Lambda-Runtime-Function-Error-Type"), body))
		w.WriteHeader(max(p.answer, 0) + 202*btoi(p.answer == 0))
		_, _ = io.WriteString(w, `{"status":"OK"}`)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

type handlerFunc func(ctx context.Context, r *Request) (Reply, error)

func (f handlerFunc) Handle(ctx context.Context, r *Request) (Reply, error) { return f(ctx, r) }

func (p *platform) run(open func(string) (Handler, error)) (code int, log string) {
	var b bytes.Buffer
	code = newLoop(strings.TrimPrefix(p.URL, "http://"), &b).run(open, "/task")
	return code, b.String()
}

func TestLoopAnswersEvents(t *testing.T) {
	p := newPlatform(t, "one", "two", "bad", "four")
	var after, cold []string
	code, log := p.run(func(root string) (Handler, error) {
		if root != "/task" {
			t.Errorf("task root %q", root)
		}
		return handlerFunc(func(ctx context.Context, r *Request) (Reply, error) {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Minute {
				t.Error("the deadline is not that of the event")
			}
			if os.Getenv("_X_AMZN_TRACE_ID") != "Root=1" || r.FunctionARN != "arn:f" || r.InitUs <= 0 || time.Since(r.Received) > time.Minute {
				t.Errorf("%+v", r)
			}
			cold = append(cold, fmt.Sprint(r.First))
			if string(r.Body) == "bad" {
				return Reply{}, diag.New(diag.Invalid, "test.bad", "testing", "it is bad", "make it good")
			}
			return Reply{Body: []byte(`"` + string(r.Body) + `!"`), After: func() { after = append(after, string(r.Body)) }}, nil
		}), nil
	})
	if code != 1 || !strings.Contains(log, "test.bad") {
		t.Errorf("exit code %d, log %q", code, log)
	}
	if got := strings.Join(after, " "); got != "one two four" {
		t.Errorf("after %q", got)
	}
	if got := strings.Join(cold, " "); got != "true false false false" {
		t.Errorf("first %q", got)
	}
	if len(p.posts) != 4 || p.posts[0] != `invocation/id-0/response  "one!"` || p.posts[3] != `invocation/id-3/response  "four!"` {
		t.Fatalf("posts %q", p.posts)
	}
	if !strings.HasPrefix(p.posts[2], "invocation/id-2/error test.bad {") {
		t.Errorf("error post %q", p.posts[2])
	}
	failure := wire.ParseFailure("f", []byte(p.posts[2][strings.Index(p.posts[2], "{"):]))
	if failure.Code != "test.bad" || failure.Kind != diag.Invalid || failure.Fix != "make it good" {
		t.Errorf("%+v", failure)
	}
}

func TestInitErrorIsReported(t *testing.T) {
	for name, open := range map[string]func(string) (Handler, error){
		"test.init":    func(string) (Handler, error) { return nil, diag.New(diag.Internal, "test.init", "starting", "no", "") },
		"internal":     func(string) (Handler, error) { return nil, errors.New("plain") },
		"lambda.panic": func(string) (Handler, error) { panic("oh") },
	} {
		p := newPlatform(t)
		code, _ := p.run(open)
		if code != 1 || len(p.posts) != 1 || !strings.HasPrefix(p.posts[0], "init/error "+name+" {") {
			t.Errorf("%s: exit code %d, posts %q", name, code, p.posts)
		}
	}
}

func TestPanicIsReportedAndEnds(t *testing.T) {
	p := newPlatform(t, "one", "two")
	code, _ := p.run(func(string) (Handler, error) {
		return handlerFunc(func(context.Context, *Request) (Reply, error) { panic("a bug") }), nil
	})
	if code != 1 || len(p.posts) != 1 || p.next != 1 {
		t.Fatalf("exit code %d, %d events, posts %q", code, p.next, p.posts)
	}
	var body struct {
		ErrorType, ErrorMessage string
		StackTrace              []string
	}
	if err := json.Unmarshal([]byte(p.posts[0][strings.Index(p.posts[0], "{"):]), &body); err != nil {
		t.Fatal(err)
	}
	if body.ErrorType != "lambda.panic" || !strings.Contains(body.ErrorMessage, "a bug") || len(body.StackTrace) == 0 {
		t.Errorf("%+v", body)
	}
}

// A reply that the platform refuses (too large, too late) fails that invocation only; an answer of 500 ends the environment.
func TestRefusedReplies(t *testing.T) {
	for _, c := range []struct{ answer, events int }{{413, 2}, {400, 2}, {500, 1}} {
		p := newPlatform(t, "one", "two")
		p.answer = c.answer
		p.run(func(string) (Handler, error) {
			return handlerFunc(func(context.Context, *Request) (Reply, error) { return Reply{}, nil }), nil
		})
		if p.next != c.events {
			t.Errorf("after %d the environment took %d events, want %d", c.answer, p.next, c.events)
		}
	}
}

func TestProcessStart(t *testing.T) {
	now := time.Now()
	if age := now.Sub(processStart); age < 0 || age > time.Hour {
		t.Errorf("the process started %v ago", age)
	}
	ticks, ok := startTicks("4711 (a (strange) name) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 98765 20 21")
	if !ok || ticks != 98765 {
		t.Errorf("ticks %d, %v", ticks, ok)
	}
	for _, stat := range []string{"", "1 (a) S", "1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"} {
		if _, ok := startTicks(stat); ok {
			t.Errorf("%q has a start", stat)
		}
	}
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct{ guess, earliest, latest, want int }{{-5, -8, 2, -5}, {-50, -8, 2, -8}, {0, -80, -70, -70}, {-5, 3, 13, 0}} {
		if got := clamp(at(c.guess), at(c.earliest), at(c.latest), now); got != at(c.want) {
			t.Errorf("%+v: %v", c, got.Sub(now))
		}
	}
}
