package local

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestMain(m *testing.M) {
	RunSandboxChild()
	if dir := os.Getenv("PARTITA_TEST_OWNER"); dir != "" {
		ownCloud(dir)
		return
	}
	code := m.Run()
	if bootstrapDir != "" {
		os.RemoveAll(bootstrapDir)
	}
	os.Exit(code)
}

var (
	bootstrapOnce sync.Once
	bootstrapDir  string
	bootstrapZip  []byte
	bootstrapErr  error
)

// testPackage compiles the test function and gives its zip.
func testPackage(t testing.TB) []byte {
	t.Helper()
	bootstrapOnce.Do(func() {
		bootstrapDir, bootstrapErr = os.MkdirTemp("", "bootstrap-")
		if bootstrapErr != nil {
			return
		}
		path := filepath.Join(bootstrapDir, "bootstrap")
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./testdata/bootstrap")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			bootstrapErr = fmt.Errorf("building the test function: %w\n%s", err, out)
			return
		}
		var program []byte
		if program, bootstrapErr = os.ReadFile(path); bootstrapErr == nil {
			bootstrapZip, bootstrapErr = makeZip(zipEntry{"bootstrap", program, 0o755})
		}
	})
	if bootstrapErr != nil {
		t.Fatal(bootstrapErr)
	}
	return bootstrapZip
}

type zipEntry struct {
	name string
	data []byte
	mode os.FileMode
}

func makeZip(entries ...zipEntry) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		w, err := archive.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return out.Bytes(), err
}

// harness is a cloud behind a server, with clients.
type harness struct {
	*Cloud
	t      testing.TB
	dir    string
	url    string
	server *httptest.Server
	lambda *lambda.Client
	s3     *s3.Client
	stop   func()
}

func testOptions(t testing.TB) Options {
	level := slog.LevelWarn
	return Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: level}))}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// open starts a cloud with clients; it is closed with the test, unless it is before.
func open(t testing.TB, o Options) *harness {
	t.Helper()
	h := &harness{t: t, dir: o.Dir}
	h.server = httptest.NewUnstartedServer(nil)
	h.url = "http://" + h.server.Listener.Addr().String()
	if o.EndpointURL == "" {
		o.EndpointURL = h.url
	}
	cloud, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.Cloud = cloud
	h.server.Config.Handler = cloud.Handler()
	h.server.Start()
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			if err := cloud.Close(); err != nil {
				t.Error(err)
			}
			h.server.Close()
		})
	}
	t.Cleanup(h.stop)
	h.clients()
	return h
}

func (h *harness) clients() {
	config := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(h.url),
		Credentials: credentials.NewStaticCredentialsProvider("any", "key", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} }}
	h.lambda = lambda.NewFromConfig(config)
	h.s3 = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
}

var ctx = context.Background()

const role = "arn:aws:iam::000000000000:role/test"

// create makes a function of the test package and waits until it can be used.
func (h *harness) create(name string, edit func(*lambda.CreateFunctionInput)) {
	h.t.Helper()
	input := &lambda.CreateFunctionInput{FunctionName: &name, Role: aws.String(role), Handler: aws.String("main"),
		Runtime: types.RuntimeProvidedal2023, Code: &types.FunctionCode{ZipFile: testPackage(h.t)},
		Timeout: aws.Int32(30), MemorySize: aws.Int32(256)}
	if runtime.GOARCH == "arm64" {
		input.Architectures = []types.Architecture{types.ArchitectureArm64}
	}
	if edit != nil {
		edit(input)
	}
	made, err := h.lambda.CreateFunction(ctx, input)
	if err != nil {
		h.t.Fatal(err)
	}
	if made.State != types.StatePending {
		h.t.Errorf("state after CreateFunction: %s", made.State)
	}
	waiter := lambda.NewFunctionActiveV2Waiter(h.lambda)
	if err := waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, 30*time.Second); err != nil {
		h.t.Fatal(err)
	}
}

// invoke calls a function with an event and reads its answer.
func (h *harness) invoke(name string, event any) (*lambda.InvokeOutput, map[string]any) {
	h.t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload, LogType: types.LogTypeTail})
	if err != nil {
		h.t.Fatal(err)
	}
	answer := map[string]any{}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		h.t.Fatalf("%v: %.200q", err, out.Payload)
	}
	return out, answer
}

type event = map[string]any
