// Package endtoend drives the product from outside, as its users do: the built bin/partita as a process, its command
// line, its HTTP interface and its page in a real browser. Nothing in these tests reaches into the product's packages,
// except to read the documents that it prints.
package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"partita/internal/fixture"
)

// executable gives the built product, and skips the test when it has not been built.
func executable(t testing.TB) string {
	t.Helper()
	fixture.Native(t)
	return fixture.File(t, "what the product does as a whole", "make build", "bin/partita")
}

// product is a running `partita serve`.
type product struct {
	url     string
	data    string
	process *exec.Cmd
	log     *bytes.Buffer
}

var listening = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// serve starts the product on a free port over a data folder, and stops it when the test ends.
func serve(t testing.TB, data string) *product {
	t.Helper()
	return serveAt(t, data, "127.0.0.1:0")
}

// serveAt starts it at an address, as after a crash.
func serveAt(t testing.TB, data, address string) *product {
	t.Helper()
	p := &product{data: data, log: &bytes.Buffer{}}
	p.process = exec.Command(executable(t), "serve", "--addr", address, "--data", data)
	p.process.Dir = t.TempDir() // it must run from any folder
	stderr, err := p.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 2)
	drain := func(r io.Reader) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if url := listening.FindString(lines.Text()); url != "" {
				select {
				case found <- url:
				default:
				}
			}
		}
	}
	go drain(io.TeeReader(stderr, p.log))
	go drain(stdout)
	t.Cleanup(func() { p.stop(t) })
	select {
	case p.url = <-found:
	case <-time.After(30 * time.Second):
		t.Fatalf("partita serve did not say where it listens:\n%s", p.log)
	}
	for range 100 {
		answer, err := http.Get(p.url + "/healthz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return p
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("GET /healthz does not answer 200:\n%s", p.log)
	return nil
}

// stop ends the product as a user would (interrupt), and kills it when it does not end.
func (p *product) stop(t testing.TB) {
	if p.process.ProcessState != nil {
		return
	}
	p.process.Process.Signal(os.Interrupt)
	ended := make(chan error, 1)
	go func() { ended <- p.process.Wait() }()
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		t.Error("partita serve did not end within 15 s of an interrupt")
		p.process.Process.Kill()
		<-ended
	}
}

// kill ends the product as a power cut would.
func (p *product) kill() {
	p.process.Process.Signal(syscall.SIGKILL)
	p.process.Wait()
}

// result is what a command printed and how it ended.
type result struct {
	stdout, stderr string
	code           int
}

// partita runs a command to its end.
func partita(t testing.TB, args ...string) result {
	t.Helper()
	return partitaWithInput(t, nil, args...)
}

func partitaWithInput(t testing.TB, stdin io.Reader, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, executable(t), args...)
	command.Dir = t.TempDir()
	command.Stdin = stdin
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("partita %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// mustPartita runs a command that has to succeed, and gives its standard output.
func mustPartita(t testing.TB, args ...string) string {
	t.Helper()
	r := partita(t, args...)
	if r.code != 0 {
		t.Fatalf("partita %s ended with %d:\n%s%s", strings.Join(args, " "), r.code, r.stderr, r.stdout)
	}
	return r.stdout
}

// decode reads a JSON document that the product printed.
func decode[T any](t testing.TB, text string) T {
	t.Helper()
	var document T
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("not the JSON expected: %v\n%.2000s", err, text)
	}
	return document
}
