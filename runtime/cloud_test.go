package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"partita/internal/fixture"
)

// buildBootstrap builds the program once, as the Makefile does.
var buildBootstrap = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "partita-bootstrap-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bootstrap")
	command := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := buildBootstrap(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// cloud is as much of AWS as the bootstrap sees: a Runtime API for each function's one environment, the Invoke operation and
// S3, the latter two at one address. It is not the local cloud: that has tests of its own.
type cloud struct {
	t         *testing.T
	endpoint  *httptest.Server
	mutex     sync.Mutex
	functions map[string]*function
	throttle  int // invocations to answer with 429 first
}

type function struct {
	name    string
	root    string
	events  chan *invocation
	process *exec.Cmd
	log     bytes.Buffer
	ended   chan struct{}
	pending *invocation
	starts  int
	crashes int    // times that taking an event shall kill the process
	init    string // what was posted as the error of the init phase
}

type invocation struct {
	id    string
	body  []byte
	reply chan answer
}

type answer struct {
	body   []byte
	failed bool
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, functions: map[string]*function{}}
	s3 := gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server()
	invoke := regexp.MustCompile(`^/2015-03-31/functions/([^/]+)/invocations$`)
	c.endpoint = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := invoke.FindStringSubmatch(r.URL.Path); m != nil {
			c.invoke(w, r, m[1])
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(c.endpoint.Close)
	return c
}

// start begins a function's environment.
func (c *cloud) start(name, root string) *function {
	c.t.Helper()
	path, err := buildBootstrap()
	if err != nil {
		c.t.Fatal(err)
	}
	f := &function{name: name, root: root, events: make(chan *invocation, 100)}
	c.mutex.Lock()
	c.functions[name] = f
	c.mutex.Unlock()
	c.launch(f, path)
	c.t.Cleanup(func() { c.stop(f) }) // before its package is removed
	return f
}

func (c *cloud) launch(f *function, bootstrap string) {
	api := httptest.NewServer(c.runtimeAPI(f))
	f.starts++
	f.ended = make(chan struct{})
	f.process = exec.Command(bootstrap)
	f.process.Dir = f.root
	f.process.Env = []string{"LAMBDA_TASK_ROOT=" + f.root, "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_ENDPOINT_URL=" + c.endpoint.URL, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "PATH=/usr/bin:/bin"}
	f.process.Stdout, f.process.Stderr = &f.log, &f.log
	if err := f.process.Start(); err != nil {
		c.t.Error(err)
		api.Close()
		close(f.ended)
		return
	}
	go func(process *exec.Cmd, ended chan struct{}) {
		_ = process.Wait()
		api.CloseClientConnections()
		api.Close()
		c.mutex.Lock()
		if f.pending != nil {
			f.pending.reply <- answer{[]byte(`{"errorType":"Runtime.ExitError","errorMessage":"Runtime exited"}`), true}
			f.pending = nil
		}
		c.mutex.Unlock()
		close(ended)
	}(f.process, f.ended)
}

func (c *cloud) stop(f *function) {
	if f.process == nil || f.process.Process == nil {
		return
	}
	_ = f.process.Process.Kill()
	<-f.ended
	if c.t.Failed() {
		c.t.Logf("log of %s: %s", f.name, f.log.String())
	}
}

func (c *cloud) runtimeAPI(f *function) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/2018-06-01/runtime/")
		if path == "invocation/next" {
			select {
			case i := <-f.events:
				c.mutex.Lock()
				f.pending = i
				crash := f.crashes > 0
				if crash {
					f.crashes--
					_ = f.process.Process.Kill()
				}
				c.mutex.Unlock()
				if crash {
					<-r.Context().Done()
					return
				}
				w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
				w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(30*time.Second).UnixMilli()))
				_, _ = w.Write(i.body)
			case <-r.Context().Done():
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		c.mutex.Lock()
		defer c.mutex.Unlock()
		if path == "init/error" {
			f.init = string(body)
		} else if f.pending != nil && strings.HasPrefix(path, "invocation/"+f.pending.id+"/") {
			f.pending.reply <- answer{body, strings.HasSuffix(path, "/error")}
			f.pending = nil
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

// call sends an event to a function and waits for its answer.
func (c *cloud) call(f *function, body []byte) (payload []byte, failed bool) {
	c.mutex.Lock()
	select {
	case <-f.ended: // as the platform, which starts another environment
		path, _ := buildBootstrap()
		c.launch(f, path)
	default:
	}
	ended := f.ended
	c.mutex.Unlock()
	i := &invocation{id: fmt.Sprint("id-", time.Now().UnixNano()), body: body, reply: make(chan answer, 1)}
	f.events <- i
	select {
	case a := <-i.reply:
		return a.body, a.failed
	case <-ended:
		select {
		case a := <-i.reply:
			return a.body, a.failed
		default:
			return []byte(`{"errorType":"Runtime.ExitError","errorMessage":"Runtime exited"}`), true
		}
	case <-time.After(60 * time.Second):
		c.t.Errorf("%s does not answer", f.name)
		return nil, true
	}
}

func (c *cloud) invoke(w http.ResponseWriter, r *http.Request, name string) {
	body, _ := io.ReadAll(r.Body)
	c.mutex.Lock()
	f := c.functions[name]
	throttled := c.throttle > 0
	if throttled {
		c.throttle--
	}
	c.mutex.Unlock()
	switch {
	case throttled:
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}`)
		return
	case f == nil:
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"Function not found"}`)
		return
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") || r.Header.Get("X-Amz-Log-Type") != "Tail":
		w.WriteHeader(http.StatusForbidden)
		return
	}
	payload, failed := c.call(f, body)
	if failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(
		"REPORT RequestId: x\tDuration: 12.5 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\tMax Memory Used: 70 MB\t\n")))
	_, _ = w.Write(payload)
}

// packageDir lays out a function's package; library adds ONNX Runtime.
func packageDir(t testing.TB, files map[string][]byte, library bool) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if library {
		if err := os.Symlink(fixture.Library(t), filepath.Join(dir, "libonnxruntime.so")); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
