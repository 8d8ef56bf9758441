package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart is the init phase of real processes, from before their start to their first request for an event.
func BenchmarkStart(b *testing.B) {
	path, err := buildBootstrap()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		dir  func(testing.TB) string
	}{
		{"gateway", func(tb testing.TB) string { return packageDir(tb, gatewayFiles(tb, 4, nil), false) }},
		{"stage", func(tb testing.TB) string { return packageDir(tb, stageFiles(tb, 0, 4), true) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := c.dir(b)
			ready := make(chan string, 1)
			api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/init/error") {
					body, _ := io.ReadAll(r.Body)
					ready <- string(body)
					return
				}
				ready <- ""
				<-r.Context().Done()
			}))
			defer api.Close()
			for b.Loop() {
				command := exec.Command(path)
				command.Env = []string{"LAMBDA_TASK_ROOT=" + dir, "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769"}
				if err := command.Start(); err != nil {
					b.Fatal(err)
				}
				select {
				case failure := <-ready:
					if failure != "" {
						b.Fatal(failure)
					}
				case <-time.After(time.Minute):
					b.Fatal("it does not start")
				}
				b.StopTimer()
				_ = command.Process.Kill()
				_ = command.Wait()
				b.StartTimer()
			}
		})
	}
}
